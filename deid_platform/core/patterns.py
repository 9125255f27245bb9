"""What identifiers look like in text: one definition for gates, contract drafting and free text.

Every expression is in the common subset of RE2 (DuckDB) and Python's ``re``: no look-around, no
back-reference. RE2 matches in linear time, whatever the text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from deid_platform.core.attributes import IdentifierClass

_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?"
    r"|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
)
_YEAR = r"(?:18|19|20)[0-9]{2}"
_MM = r"(?:0[1-9]|1[0-2])"
_DD = r"(?:0[1-9]|[12][0-9]|3[01])"
_D = r"(?:0?[1-9]|[12][0-9]|3[01])"
_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_HEX = r"[0-9a-f]{1,4}"

SNOMED_CONCEPT = r"^[1-9][0-9]{2,14}00[0-9]$"
"""A whole value in the shape of a SNOMED CT concept identifier: its partition, the two digits
before the check digit, is 00. One in a hundred numbers has this shape by chance, so a column of
leaked numbers is still found by the other ninety-nine."""


@dataclass(frozen=True, kw_only=True)
class Pattern:
    """The written form of one kind of identifier.

    ``identifier`` is the Safe Harbor class it is evidence of. A whole value that matches
    ``exempt`` is a code of a published terminology, not an identifier.
    """

    name: str
    identifier: IdentifierClass
    regex: str
    exempt: str | None = None

    def found_in(self, text: str) -> bool:
        """Whether ``text`` holds this pattern anywhere."""
        if self.exempt is not None and _compiled(self.exempt).search(text):
            return False
        return _compiled(self.regex).search(text) is not None


@cache
def _compiled(regex: str) -> re.Pattern[str]:
    return re.compile(regex, re.ASCII)


_ALL = (
    Pattern(
        name="email",
        identifier=IdentifierClass.EMAIL,
        regex=r"(?i)[a-z0-9._%+'-]{1,64}@[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63})*\.[a-z]{2,}",
    ),
    Pattern(
        name="ssn",
        identifier=IdentifierClass.SSN,
        regex=r"\b[0-9]{3}[-. ][0-9]{2}[-. ][0-9]{4}\b",
    ),
    Pattern(
        # Without separators only numbers that can have been issued: area not 000, 666 or 9xx,
        # group not 00, serial not 0000.
        name="ssn_plain",
        identifier=IdentifierClass.SSN,
        regex=(
            r"\b(?:00[1-9]|0[1-9][0-9]|[1-578][0-9]{2}|6[0-57-9][0-9]|66[0-57-9])"
            r"(?:0[1-9]|[1-9][0-9])"
            r"(?:000[1-9]|00[1-9][0-9]|0[1-9][0-9]{2}|[1-9][0-9]{3})\b"
        ),
        exempt=SNOMED_CONCEPT,
    ),
    Pattern(
        name="phone",
        identifier=IdentifierClass.TELEPHONE,
        regex=(
            r"(?:\+?1[-. ]?)?(?:\([2-9][0-9]{2}\) ?|\b[2-9][0-9]{2}[-. ])[0-9]{3}[-. ][0-9]{4}\b"
            r"|\+[1-9][0-9]{9,14}\b"
        ),
    ),
    Pattern(
        name="phone_plain",
        identifier=IdentifierClass.TELEPHONE,
        regex=r"\b1?[2-9][0-9]{2}[2-9][0-9]{6}\b",
        exempt=SNOMED_CONCEPT,
    ),
    Pattern(
        name="medical_record_number",
        identifier=IdentifierClass.MEDICAL_RECORD_NUMBER,
        regex=(
            r"(?i)\b(?:mrn|medical record(?: (?:number|no\.?))?)"
            r"[-:# ]{0,3}[a-z]{0,3}-?[0-9]{4,}\b"
        ),
    ),
    Pattern(
        name="url",
        identifier=IdentifierClass.URL,
        regex=r"(?i)\b(?:https?|ftp)://[^ ]|\bwww\.[a-z0-9-]+\.[a-z]{2,}",
    ),
    Pattern(
        name="ipv4",
        identifier=IdentifierClass.IP_ADDRESS,
        # Not inside a longer dotted number, which is an object identifier (OID).
        regex=rf"(?:^|[^0-9a-zA-Z.])(?:{_OCTET}\.){{3}}{_OCTET}(?:$|[^0-9a-zA-Z.]|\.(?:$|[^0-9]))",
    ),
    Pattern(
        name="ipv6",
        identifier=IdentifierClass.IP_ADDRESS,
        regex=rf"(?i)\b(?:{_HEX}:){{7}}{_HEX}\b|\b(?:{_HEX}:){{1,6}}:(?:{_HEX}(?::{_HEX})*)?",
    ),
    Pattern(
        # Finer than a year: a year with a month, or more. A month alone takes two digits, since
        # one is the check digit of a LOINC code.
        name="date",
        identifier=IdentifierClass.DATES,
        regex=(
            rf"\b{_YEAR}-{_MM}(?:-{_D})?\b"
            rf"|\b{_YEAR}[-/.](?:0?[1-9]|1[0-2])[-/.]{_D}\b"
            rf"|\b(?:0?[1-9]|1[0-2])[-/.]{_D}[-/.]{_YEAR}\b"
            rf"|\b{_D}[-/.](?:0?[1-9]|1[0-2])[-/.]{_YEAR}\b"
            rf"|\b{_D}/{_D}/[0-9]{{2}}\b"
            rf"|(?i:\b{_MONTH} (?:{_D}(?:st|nd|rd|th)?,? )?{_YEAR}\b)"
            rf"|(?i:\b{_D}(?:st|nd|rd|th)?[- ]{_MONTH}[- ,]{{1,2}}{_YEAR}\b)"
        ),
    ),
    Pattern(
        name="date_plain",
        identifier=IdentifierClass.DATES,
        regex=rf"\b(?:19|20)[0-9]{{2}}{_MM}{_DD}\b",
        exempt=SNOMED_CONCEPT,
    ),
    Pattern(
        name="coordinates",
        identifier=IdentifierClass.GEOGRAPHY,
        regex=r"[-+]?[0-9]{1,3}\.[0-9]{3,}[,; ]{1,2}[-+]?[0-9]{1,3}\.[0-9]{3,}",
    ),
)

PATTERNS: Mapping[str, Pattern] = MappingProxyType({pattern.name: pattern for pattern in _ALL})
"""By name. Source: 45 CFR 164.514(b)(2)(i)(B)-(O), the classes that have a written form."""

HINT = r"(?i)[0-9@]|www\.|://|::"
"""A text without a match of this holds none of the patterns: a cheap first look."""
