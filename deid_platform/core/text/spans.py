"""A found identifier in a text, its class, and which of two overlapping findings holds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from deid_platform.core.attributes import IdentifierClass


class EntityClass(StrEnum):
    """What is found in a text; finer than the identifier classes of the rule.

    The order is the priority between overlapping findings of equal length: written forms and
    numbers with a keyword stand before names, names before what is merely numeric.
    """

    EMAIL = "email"
    URL = "url"
    SSN = "ssn"
    HEALTH_PLAN = "health_plan"
    MEDICAL_RECORD = "medical_record"
    ACCOUNT = "account"
    LICENSE = "license"
    VEHICLE = "vehicle"
    DEVICE = "device"
    IP_ADDRESS = "ip_address"
    FAX = "fax"
    PHONE = "phone"
    ADDRESS = "address"
    POSTCODE = "postcode"
    PERSON = "person"
    ORGANIZATION = "organization"
    PLACE = "place"
    DATE = "date"
    AGE = "age"
    OTHER_ID = "other_id"

    @property
    def identifier(self) -> IdentifierClass:
        """The Safe Harbor class this is evidence of."""
        return _IDENTIFIERS[self]


_IDENTIFIERS = {
    EntityClass.EMAIL: IdentifierClass.EMAIL,
    EntityClass.URL: IdentifierClass.URL,
    EntityClass.SSN: IdentifierClass.SSN,
    EntityClass.HEALTH_PLAN: IdentifierClass.HEALTH_PLAN_NUMBER,
    EntityClass.MEDICAL_RECORD: IdentifierClass.MEDICAL_RECORD_NUMBER,
    EntityClass.ACCOUNT: IdentifierClass.ACCOUNT_NUMBER,
    EntityClass.LICENSE: IdentifierClass.LICENSE_NUMBER,
    EntityClass.VEHICLE: IdentifierClass.VEHICLE,
    EntityClass.DEVICE: IdentifierClass.DEVICE,
    EntityClass.IP_ADDRESS: IdentifierClass.IP_ADDRESS,
    EntityClass.FAX: IdentifierClass.FAX,
    EntityClass.PHONE: IdentifierClass.TELEPHONE,
    EntityClass.ADDRESS: IdentifierClass.GEOGRAPHY,
    EntityClass.POSTCODE: IdentifierClass.GEOGRAPHY,
    EntityClass.PERSON: IdentifierClass.NAME,
    # Employers are named in the rule; facilities imply geography (SH-03: dropped by default).
    EntityClass.ORGANIZATION: IdentifierClass.NAME,
    EntityClass.PLACE: IdentifierClass.GEOGRAPHY,
    EntityClass.DATE: IdentifierClass.DATES,
    EntityClass.AGE: IdentifierClass.DATES,
    EntityClass.OTHER_ID: IdentifierClass.OTHER_UNIQUE,
}
_PRIORITY = {entity: number for number, entity in enumerate(EntityClass)}


@dataclass(frozen=True, kw_only=True, order=True)
class Span:
    """Characters ``start`` to ``end`` (exclusive) of a text, found to be of one class.

    ``score`` is 0 to 1; ``source`` names the recognizer. The text itself is never part of it.
    """

    start: int
    end: int
    entity: EntityClass
    score: float = 1.0
    source: str = ""

    def overlaps(self, other: Span) -> bool:
        """Whether both claim a character."""
        return self.start < other.end and other.start < self.end

    @property
    def length(self) -> int:
        """How many characters it claims."""
        return self.end - self.start


def resolved(spans: Iterable[Span]) -> list[Span]:
    """The same characters, each claimed once, in order of place.

    Nothing that was found is let go. Spans that overlap become one, of the class of the longest;
    of equal lengths, of the class with priority. A union never claims less than its parts: a name
    inside an address is not left standing because the address was found a word too short.
    """
    result: list[Span] = []
    group: list[Span] = []
    end = -1
    for span in sorted(span for span in spans if span.length > 0):
        if group and span.start >= end:
            result.append(_union(group))
            group = []
        group.append(span)
        end = max(end, span.end) if len(group) > 1 else span.end
    if group:
        result.append(_union(group))
    return result


def _union(group: Sequence[Span]) -> Span:
    held = min(group, key=lambda span: (-span.length, _PRIORITY[span.entity], -span.score))
    return replace(
        held, start=min(span.start for span in group), end=max(span.end for span in group)
    )
