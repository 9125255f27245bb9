"""People whose every direct identifier is a marker found nowhere else.

A marker looks like the thing it stands for, so that it survives ingestion: whatever is then found
outside the raw zone has leaked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from deid_platform.engine.synthetic.columns import Column, chosen
from deid_platform.engine.synthetic.draw import Flags, Numbers

_FIELDS: Mapping[str, Callable[[int], str]] = {
    "given": lambda n: f"Zqcanary{n:04d}x",
    "family": lambda n: f"Zqfamily{n:04d}x",
    "relative": lambda n: f"Zqkin{n:04d}x",
    "patient_mrn": lambda n: f"MRN99{n:06d}",
    # No number from 900 on has ever been issued, and 10 to 40 lies outside taxpayers' too.
    "ssn": lambda n: f"9{n % 100:02d}-{10 + n // 100 % 30:02d}-{7000 + n:04d}",
    # 555-0100 to 555-0199 is kept for fiction; a generated number never has 555 there.
    "phone": lambda n: f"({200 + n // 100:03d}) 555-01{n % 100:02d}",
    "email": lambda n: f"zqcanary{n:04d}x@canary.example.org",
    "street_address": lambda n: f"{7000 + n} Zqstreet{n:04d}x Lane",
    "member_id": lambda n: f"ZQM{n:04d}X99",
    "note_marker": lambda n: f"zqnote{n:04d}x",
}


@dataclass(frozen=True, kw_only=True)
class Canaries:
    """The last ``count`` of ``people`` people."""

    people: int
    count: int

    def are_among(self, people: Numbers) -> Flags:
        """Which of these people are canaries."""
        flags: Flags = people >= self.people - self.count
        return flags

    def overlaid(self, field: str, people: Numbers, column: Column) -> Column:
        """The column of these people, with the markers of those who are canaries."""
        marked = self.are_among(people)
        if not marked.any():
            return column
        markers = pa.array([_FIELDS[field](n) for n in range(self.count)])
        number = np.where(marked, people - (self.people - self.count), 0)
        return chosen(marked, markers.take(pa.array(number)), column)

    def note_markers(self, people: Numbers) -> Column:
        """What ends the note of a canary; nothing for anyone else."""
        return self.overlaid("note_marker", people, pa.nulls(len(people), pa.string()))

    def markers(self) -> Iterator[str]:
        """Every marker, in no more than one spelling each."""
        for n in range(self.count):
            yield from (make(n) for make in _FIELDS.values())
