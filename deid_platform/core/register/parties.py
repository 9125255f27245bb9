"""Third parties with their contracts, and the destinations data may be sent to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator

from deid_platform.core.register.vocabulary import (
    DestinationKind,
    Entry,
    EnvironmentVariable,
    Exposure,
    FlowStatus,
    Line,
    Method,
    Name,
    PersonName,
    Purpose,
    Term,
    day,
)
from deid_platform.core.zones import Zone

_SECRET = re.compile(r"passw|secret|token|credential|private|passphrase|api_?key|access_?key")
_PLATFORMS_OWN = re.compile(
    r"DEID_(?:HOME|PROJECT|LEDGER_URL|SIGNING_KEY|(?:RAW|LIMITED|DEIDENTIFIED|RELEASE|EVIDENCE|"
    r"PLATFORM|ANNEX)_[A-Z_]*)"
)
"""Keys of zones and evidence, and where the ledger is."""
_KEY_TEXT = re.compile(r"-----BEGIN|AGE-SECRET-KEY")


class AgreedTerm(Entry):
    """Whether a contract settles a term, and in which clause."""

    agreed: bool
    clause: Line
    says: Line | None = None


class Onward(StrEnum):
    """Whether a third party may pass data on."""

    NONE = "none"
    SAME_TERMS = "same_terms"


class ContractReference(Entry):
    """The contract or data use agreement (days in UTC, both included)."""

    reference: Line
    effective: date
    expires: date


class Subcontractor(Entry):
    """Somebody a third party passes data to, bound in writing by the same restrictions."""

    name: Line
    bound_in_writing: bool
    clause: Line


class Delivery(Entry):
    """How data reach the third party and where it keeps them, verified before anything is sent."""

    method: Line
    storage_location: Line
    encryption: Line
    access_list: tuple[Line, ...] = Field(min_length=1)
    verified: date
    proof: Line


class ThirdParty(Entry):
    """A recipient outside the agency (section 8)."""

    name: Annotated[str, Field(exclude=True)] = ""
    title: Line
    type: Line
    contact: Line
    inventory_id: Line
    receives_deidentified_data: bool
    manager: PersonName
    what_is_sent: Line
    methods: tuple[Method, ...] = Field(min_length=1)
    purposes: tuple[Purpose, ...] = Field(min_length=1)
    contract: ContractReference
    terms: dict[Term, AgreedTerm]
    onward_disclosure: Onward
    incident_notification_hours: int = Field(ge=1, le=24 * 30)
    delivery: Delivery
    subcontractors: tuple[Subcontractor, ...] = ()
    last_reviewed: date
    next_review: date

    def obstacles(self, at: datetime) -> tuple[str, ...]:
        """Why nothing may be sent to it at a time; empty if something may."""
        return tuple(self._obstacles(at))

    def _obstacles(self, at: datetime) -> Iterator[str]:
        today = day(at)
        if not self.receives_deidentified_data:
            yield "the inventory does not mark it as receiving de-identified data"
        for term in Term:
            agreed = self.terms.get(term)
            if agreed is None or not agreed.agreed:
                yield f"the contract does not settle {term.value}"
        if today < self.contract.effective:
            yield f"the contract is not in effect before {self.contract.effective}"
        if today > self.contract.expires:
            yield f"the contract expired on {self.contract.expires}"
        if today > self.next_review:
            yield f"its review was due on {self.next_review}"
        for one in self.subcontractors:
            if not one.bound_in_writing:
                yield f"the subcontractor {one.name} is not bound in writing"
        if self.subcontractors and self.onward_disclosure is Onward.NONE:
            yield "it has subcontractors, but may disclose to nobody"


class Encryption(Entry):
    """How data are encrypted on the way and where they lie; None means they are not."""

    in_transit: Line | None
    at_rest: Line | None


class Destination(Entry):
    """A place on the allow-list; nothing is sent elsewhere.

    ``target`` is the export target that writes the files, and ``channel`` carries them there;
    without one they are fetched from the outbox. For ``recipient_keys`` they travel in an archive
    that only these open. ``settings`` are reviewed and public (host, folder, the server's public
    key); ``parameters`` name environment variables that hold what must not be written down.
    """

    name: Annotated[str, Field(exclude=True)] = ""
    title: Line
    kind: DestinationKind
    target: Name
    channel: Name | None = None
    status: FlowStatus = FlowStatus.ACTIVE
    zone: Zone
    exposure: Exposure
    location: Line
    owner: PersonName
    third_party: Name | None = None
    settings: dict[Name, Line] = Field(default_factory=dict)
    parameters: dict[Name, EnvironmentVariable] = Field(default_factory=dict)
    recipient_keys: tuple[Line, ...] = ()
    encryption: Encryption
    readers: tuple[Line, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _checked(self) -> Self:
        public = [*self.settings.items(), *(("recipient_keys", key) for key in self.recipient_keys)]
        for name, value in public:
            if _SECRET.search(name) or _KEY_TEXT.search(value):
                raise ValueError(
                    f"{name} looks like a secret: name the environment variable that "
                    "holds it under parameters"
                )
        for variable in self.parameters.values():
            if _PLATFORMS_OWN.fullmatch(variable):
                raise ValueError(
                    "a parameter names a variable of the platform itself, which no receiver may "
                    "be shown: name one of its own"
                )
        if self.zone not in (Zone.DEIDENTIFIED, Zone.RELEASE):
            raise ValueError("only de-identified and released data may be sent anywhere")
        if (self.exposure is Exposure.THIRD_PARTY) != (self.third_party is not None):
            raise ValueError("exposure third_party and the name of the third_party go together")
        if self.exposure is Exposure.PUBLIC and self.zone is not Zone.RELEASE:
            raise ValueError("the public receives data of the release zone only")
        if self.exposure is not Exposure.PUBLIC and self.encryption.in_transit is None:
            raise ValueError("what is not public travels encrypted; say how in encryption")
        return self
