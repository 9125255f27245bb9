"""Reads what labels say: age ranges, reporting periods, and names in their many spellings.

A label that cannot be read is None here; the caller names the column and the rule, not the label.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            ("january", "jan"),
            ("february", "feb"),
            ("march", "mar"),
            ("april", "apr"),
            ("may",),
            ("june", "jun"),
            ("july", "jul"),
            ("august", "aug"),
            ("september", "sep", "sept"),
            ("october", "oct"),
            ("november", "nov"),
            ("december", "dec"),
        ),
        start=1,
    )
    for name in names
}
_DASH = re.compile(r"\s*(?:-|/|to|through|until)\s*")


def fold(label: str) -> str:
    """One spelling for many: lower case, plain dashes, single spaces."""
    text = label.lower().replace("_", " ")
    text = re.sub(r"[\u2010-\u2015\u2212]", "-", text).replace("’", "'")
    return re.sub(r"\s+", " ", text).strip()


class Names:
    """Standard names and their other spellings, for one table of names."""

    def __init__(
        self, names: Iterable[str], aliases: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        known = list(names)
        self._standard = {fold(name): name for name in known}
        for name, others in (aliases or {}).items():
            if name in known:
                for other in others:
                    self._standard.setdefault(fold(other), name)

    def find(self, label: str) -> str | None:
        """The standard name of a label, if it is one."""
        return self._standard.get(fold(label))


@dataclass(frozen=True, order=True, kw_only=True)
class Ages:
    """Whole years of age, both ends included; ``months`` marks a range finer than years."""

    low: int
    high: int
    months: bool = False

    @property
    def width(self) -> int:
        """Width in whole years, inclusive (DDG 2.0, 16.2.3)."""
        return self.high - self.low + 1

    def overlaps(self, other: Ages) -> bool:
        """Whether some age is in both."""
        return self.low <= other.high and other.low <= self.high


def read_ages(label: str, oldest: int = 99) -> Ages | None:
    """The ages a label means; open-ended ranges reach ``oldest`` (A-10)."""
    text = re.sub(r"\b(?:aged?s?|years?|yrs?\.?|old|y/o|yo)\b", " ", fold(label))
    text = re.sub(r"\s+", " ", text).strip(" ,;:")
    if re.search(r"\b(?:months?|mos?|weeks?|days?|newborns?|infants?)\b", text):
        return Ages(low=0, high=0, months=True)
    whole = re.fullmatch(r"(\d{1,3})", text)
    if whole:
        return _ages(int(whole[1]), int(whole[1]))
    pair = re.fullmatch(r"(\d{1,3})\s*(?:-|to|through)\s*(\d{1,3})", text)
    if pair:
        return _ages(int(pair[1]), int(pair[2]))
    open_ended = re.fullmatch(
        r"(?:>=|≥)\s*(\d{1,3})|(\d{1,3})\s*(?:\+|(?:and|or|&)\s*(?:over|above|up|more|older))", text
    )
    if open_ended:
        low = int(open_ended[1] or open_ended[2])
        return _ages(low, max(low, oldest))
    above = re.fullmatch(r"(?:>|over|above|older than)\s*(\d{1,3})", text)
    if above:
        return _ages(int(above[1]) + 1, max(int(above[1]) + 1, oldest))
    below = re.fullmatch(r"(?:<|under|below|younger than|less than)\s*(\d{1,3})", text)
    if below:
        return _ages(0, int(below[1]) - 1)
    up_to = re.fullmatch(
        r"(?:<=|≤|up to)\s*(\d{1,3})|(\d{1,3})\s*(?:and|or|&)\s*(?:under|below|younger)", text
    )
    if up_to:
        return _ages(0, int(up_to[1] or up_to[2]))
    return None


def _ages(low: int, high: int) -> Ages | None:
    return Ages(low=low, high=high) if 0 <= low <= high <= 130 else None


def read_months(label: str) -> int | None:
    """How many months a reporting period covers; 0 for one finer than a month (A-09)."""
    text = fold(label)
    named = {
        "annual": 12, "annually": 12, "yearly": 12, "year": 12, "1 year": 12, "one year": 12,
        "bi-annual": 6, "biannual": 6, "half-yearly": 6, "half-year": 6, "semi-annual": 6,
        "semiannual": 6, "quarterly": 3, "quarter": 3, "monthly": 1, "month": 1, "1 month": 1,
        "weekly": 0, "daily": 0, "week": 0, "day": 0,
    }  # fmt: skip
    if text in named:
        return named[text]
    years = re.fullmatch(r"(?:2-)?(\d{1,2})[- ]?years?(?: aggregated)?", text)
    if years:
        return int(years[1]) * 12
    months = re.fullmatch(r"(\d{1,3})[- ]?months?", text)
    if months:
        return int(months[1])
    single = _span(text)
    if single is not None:
        return single[1] - single[0]
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}(?:[ t].*)?", text) or re.search(r"\bw(?:eek)? ?\d", text):
        return 0
    return _between(text)


def _between(text: str) -> int | None:
    """Months from the beginning of one period to the end of another."""
    for match in _DASH.finditer(text):
        first, last = _span(text[: match.start()]), _span(text[match.end() :])
        if first is not None and last is not None and last[1] > first[0]:
            return last[1] - first[0]
    return None


def _span(text: str) -> tuple[int, int] | None:
    """First month and the month after the last, counted from year 0, of one plain period."""
    text = re.sub(r"^(?:cy|calendar year|year)\s*", "", text.strip())
    fiscal = re.fullmatch(
        r"(?:s?fy|(?:state )?fiscal year)\s*(?:\d{2})?(\d{2})(?:[-/](?:\d{2}){1,2})?", text
    )
    if fiscal:
        first = (2000 + int(fiscal[1])) * 12 + 6
        return first, first + 12
    pair = re.fullmatch(r"(\d{2})(\d{2})[-/](\d{2})", text)
    if pair and int(pair[3]) > int(pair[2]) and not re.fullmatch(r"0[1-9]|1[0-2]", pair[3]):
        # Two consecutive years written this way are a fiscal year: the finer reading.
        first, years = int(pair[1] + pair[2]) * 12, int(pair[3]) - int(pair[2])
        return first, first + 12 * (years + 1 if years > 1 else 1)
    year = re.fullmatch(r"((?:1[89]|2[01])\d{2})(?:\.0)?", text)
    if year:
        return int(year[1]) * 12, int(year[1]) * 12 + 12
    for pattern, length in ((r"q([1-4])", 3), (r"h([12])", 6)):
        part = re.fullmatch(rf"(\d{{4}})[- ]?{pattern}|{pattern}[- ]?(\d{{4}})", text)
        if part:
            first = int(part[1] or part[4]) * 12 + (int(part[2] or part[3]) - 1) * length
            return first, first + length
    month = re.fullmatch(r"(\d{4})[-/](0[1-9]|1[0-2])", text)
    if month:
        first = int(month[1]) * 12 + int(month[2]) - 1
        return first, first + 1
    words = re.fullmatch(r"([a-z]+)\.? (\d{4})|(\d{4})[ -]([a-z]+)", text)
    if words and (words[1] or words[4]) in _MONTHS:
        first = int(words[2] or words[3]) * 12 + _MONTHS[words[1] or words[4]] - 1
        return first, first + 1
    return None


def looks_like_a_code(label: str) -> bool:
    """Whether a label has the form of an ICD-10, CPT or HCPCS code (5.6.1)."""
    text = label.strip().upper()
    return bool(
        re.fullmatch(r"[A-TV-Z]\d[0-9A-Z](?:\.[0-9A-Z]{1,4})?", text)
        or (
            re.fullmatch(r"[0-9A-HJ-NP-Z]{7}", text)
            and any(character.isdigit() for character in text)
            and any(character.isalpha() for character in text)
        )
        or re.fullmatch(r"\d{4}[0-9AFTU]|[A-V]\d{4}", text)
    )


def without_qualifiers(label: str) -> str:
    """A race label without "not Hispanic", which the guideline scores the same."""
    text = fold(label)
    text = re.sub(r"\(.*?\)", " ", text)
    text = re.sub(r"\b(?:not|non)[- ]hispanic(?: or latino)?\b|\bnh\b", " ", text)
    text = re.sub(
        r"\balone\b|\bonly\b|\bany hispanic response\b|\bany race(?: group)?\b", " ", text
    )
    return re.sub(r"\s+", " ", text).strip(" ,;:-/")
