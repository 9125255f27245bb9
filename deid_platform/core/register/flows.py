"""Data flows: what leaves which source, for what; and the code that may touch it."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

from pydantic import Field

from deid_platform.core.register.vocabulary import (
    ElementClass,
    Entry,
    ExportMechanism,
    FlowStatus,
    Line,
    Method,
    Name,
    Permission,
    PersonName,
    Purpose,
    SourceSystem,
    day,
)


class FlowOwners(Entry):
    """Who answers for a flow."""

    data_steward: PersonName
    system_owner: PersonName
    requester: PersonName


class DataFlow(Entry):
    """One secondary use of data, from its source to its destination (2.1).

    ``datasets`` are the tables, marts or publications that a request for this flow may name.
    """

    name: Annotated[str, Field(exclude=True)] = ""
    title: Line
    source_system: SourceSystem
    source: Line
    datasets: tuple[Name, ...] = Field(min_length=1)
    destination: Name
    export_mechanism: ExportMechanism
    purpose: Purpose
    data_elements: dict[Name, ElementClass] = Field(min_length=1)
    owners: FlowOwners
    method: Method
    third_party: Name | None = None
    recipients: tuple[Line, ...] = Field(min_length=1)
    frequency: Line
    volume: Line
    last_reviewed: date
    next_review: date
    status: FlowStatus

    def obstacles(self, at: datetime) -> tuple[str, ...]:
        """Why no new request may use the flow at a time; empty if one may."""
        found = []
        if self.status is not FlowStatus.ACTIVE:
            found.append(f"the flow is {self.status.value}")
        if day(at) > self.next_review:
            found.append(f"its review was due on {self.next_review}")
        return tuple(found)


class CodePath(Entry):
    """Code that may touch data: where it is, who owns it, what it may do, and as whom it runs."""

    title: Line
    owner: PersonName
    service: Name
    may: tuple[Permission, ...]
    reviewed_by: Line
