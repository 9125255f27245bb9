"""What to generate, and what was generated."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from deid_platform.core.errors import DeclarationError

_MOST_PEOPLE = 10_000_000
_MOST_VISITS = 100_000_000
_MOST_MONTHS = 120
_MOST_CANARIES = 1_000
_MOST_SEED = 2**63


class FileFormat(StrEnum):
    """How a month is written; also the file's extension."""

    CSV = "csv"
    PARQUET = "parquet"
    NDJSON = "ndjson"


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """A population and the months over which it is seen.

    Every person has at least one visit. ``start`` is the first day of the first month. The last
    ``canaries`` people carry markers instead of names, numbers and addresses.
    """

    people: int
    months: int
    visits: int
    start: datetime.date
    seed: int = 0
    canaries: int = 0

    @classmethod
    def of(
        cls,
        *,
        people: int,
        months: int,
        visits: int | None = None,
        start: str = "2024-01",
        seed: int = 0,
        canaries: int = 0,
    ) -> Scenario:
        """Check the arguments of a command; without ``visits``, a realistic number is taken.

        Raises:
            DeclarationError: an argument is out of range, or there are fewer visits than people.
        """
        _check_range("--people", people, 1, _MOST_PEOPLE)
        _check_range("--months", months, 1, _MOST_MONTHS)
        _check_range("--seed", seed, 0, _MOST_SEED - 1)
        _check_range("--canaries", canaries, 0, min(people, _MOST_CANARIES))
        if visits is None:
            visits = people + people * months // 20
        _check_range("--visits", visits, people, _MOST_VISITS)
        scenario = cls(
            people=people,
            months=months,
            visits=visits,
            start=_month(start),
            seed=seed,
            canaries=canaries,
        )
        last = scenario.start.year + (scenario.start.month + months - 2) // 12
        _check_range("--start", scenario.start.year, 1950, 2099)
        _check_range("--start with --months", last, 1950, 2099)
        return scenario

    def month_starts(self) -> list[datetime.date]:
        """The first day of each month, and of the month after the last."""
        first = self.start.year * 12 + self.start.month - 1
        return [
            datetime.date(number // 12, number % 12 + 1, 1)
            for number in range(first, first + self.months + 1)
        ]


@dataclass(frozen=True, kw_only=True)
class Generated:
    """What was written: one file per month, oldest first."""

    people: int
    visits: int
    canaries: int
    files: tuple[Path, ...]
    canary_file: Path | None


def _check_range(option: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise DeclarationError(
            f"synth: {option}",
            f"{value:,} is out of range",
            f"give a number from {least:,} to {most:,}",
        )


def _month(text: str) -> datetime.date:
    try:
        if len(text) != len("YYYY-MM"):
            raise ValueError
        return datetime.date.fromisoformat(f"{text}-01")
    except ValueError:
        raise DeclarationError(
            "synth: --start", "this is not a month", "give it as YYYY-MM, such as 2024-01"
        ) from None
