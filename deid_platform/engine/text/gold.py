"""Marked texts in the formats of the field, and which marks are identifiers under Safe Harbor."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from deid_platform.core.errors import DeliveryError
from deid_platform.core.text.evaluation import Example, Marked

NO_IDENTIFIER: dict[str, str] = {
    "NRP": "nationality, religion and politics are on no list of 164.514(b)(2)(i)",
    "NORP": "nationality, religion and politics are on no list of 164.514(b)(2)(i)",
    "TITLE": "a form of address or an occupation without a name is on no list",
    "PROFESSION": "an occupation without an employer is on no list",
    "MONEY": "an amount is on no list",
    "O": "marked as nothing",
}
"""Labels that are no identifiers, with the reason. Findings on them count neither way."""

_AGE = frozenset({"AGE"})
_DATE = frozenset({"DATE", "DATE_TIME", "TIME"})
_YEAR = re.compile(r"(?:1[89]|20)[0-9]{2}")
_NUMBER = re.compile(r"[0-9]+")


def exemption(label: str, content: str) -> str | None:
    """Why a mark is no identifier, or None: then it has to be found."""
    plain = label.upper()
    if plain in NO_IDENTIFIER:
        return NO_IDENTIFIER[plain]
    if plain in _AGE:
        years = [int(number) for number in _NUMBER.findall(content)]
        if years and max(years) <= 89:
            return "an age of 89 or less may stay: 164.514(b)(2)(i)(C)"
    if plain in _DATE and _YEAR.fullmatch(content.strip()):
        return "a year alone may stay: 164.514(b)(2)(i)(C)"
    return None


def read_gold(path: Path) -> list[Example]:
    """The examples of a file or folder.

    A ``.json`` file is Presidio-research's (a list of ``full_text`` and ``spans``); a ``.xml``
    file, or a folder of them, is as in the i2b2 tasks (``TEXT`` and ``TAGS``); a folder of
    ``.txt`` and ``.ann`` files is BRAT's.

    Raises:
        DeliveryError: if it is none of these, or a mark lies outside its text.
    """
    try:
        examples = list(_read(path))
    except (ValueError, KeyError, TypeError, ElementTree.ParseError, OSError):
        raise DeliveryError(
            path.name, "is not a marked text of a known format", "give JSON, BRAT or i2b2 XML"
        ) from None
    if not examples:
        raise DeliveryError(path.name, "holds no text", "give JSON, BRAT or i2b2 XML")
    for example in examples:
        for mark in (*example.marked, *example.neutral):
            if not 0 <= mark.start < mark.end <= len(example.text):
                raise DeliveryError(
                    path.name, "has a mark outside of its text", "correct the offsets"
                )
    return examples


def _read(path: Path) -> Iterator[Example]:
    if path.is_dir():
        annotated = sorted(path.glob("*.ann"))
        for file in annotated:
            yield _brat(file.with_suffix(".txt").read_text("utf-8"), file.read_text("utf-8"))
        if not annotated:
            for file in sorted(path.glob("*.xml")):
                yield _i2b2(file.read_text("utf-8"))
    elif path.suffix == ".xml":
        yield _i2b2(path.read_text("utf-8"))
    elif path.suffix == ".ann":
        yield _brat(path.with_suffix(".txt").read_text("utf-8"), path.read_text("utf-8"))
    else:
        for item in json.loads(path.read_text("utf-8")):
            yield _example(
                item["full_text"],
                [
                    (int(s["start_position"]), int(s["end_position"]), str(s["entity_type"]))
                    for s in item["spans"]
                ],
            )


def _brat(text: str, annotations: str) -> Example:
    marks = []
    for line in annotations.splitlines():
        if line.startswith("T"):
            label, _, places = line.split("\t")[1].partition(" ")
            for place in places.split(";"):
                start, end = place.split()
                marks.append((int(start), int(end), label))
    return _example(text, marks)


def _i2b2(content: str) -> Example:
    # A document type may define entities that expand without end.
    if "<!DOCTYPE" in content or "<!ENTITY" in content:
        raise ValueError("document types are refused")
    root = ElementTree.fromstring(content)  # noqa: S314
    text = root.findtext("TEXT")
    tags = root.find("TAGS")
    if text is None or tags is None:
        raise ValueError("TEXT or TAGS is missing")
    label: Callable[[Any], str] = lambda tag: str(tag.get("TYPE") or tag.tag)  # noqa: E731
    return _example(text, [(int(t.attrib["start"]), int(t.attrib["end"]), label(t)) for t in tags])


def _example(text: str, marks: list[tuple[int, int, str]]) -> Example:
    marked: list[Marked] = []
    neutral: list[Marked] = []
    for start, end, label in marks:
        exempt = exemption(label, text[start:end]) is not None
        (neutral if exempt else marked).append(Marked(start=start, end=end, label=label))
    return Example(text=text, marked=tuple(marked), neutral=tuple(neutral))
