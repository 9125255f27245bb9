"""Destinations of the register as a transfer takes them, with all that stands against sending."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from deid_platform.core.digests import canonical_digest
from deid_platform.core.register import Register
from deid_platform.core.register.parties import Destination as Registered
from deid_platform.core.register.vocabulary import Exposure, FlowStatus
from deid_platform.core.zones import Zone

OUTBOX = "outbox"
"""The channel that adds no protection on the way."""


@dataclass(frozen=True, kw_only=True)
class Destination:
    """Where a release may be sent.

    ``recipient`` is who gets it, ``location`` where it is then kept; ``keys`` are the public keys
    that an archive is encrypted to, none where the bundle travels as it is. ``refusals`` says why
    nothing may be sent there now, each with its rule; ``kept_at_most_until`` is set for a third
    party, who must destroy its copy.
    """

    name: str
    recipient: str
    channel: str
    location: str
    settings: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    keys: tuple[str, ...] = ()
    kept_at_most_until: date | None = None
    refusals: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """SHA-256 of where and how it is reached: with another of these it is another place."""
        return canonical_digest(
            {
                "channel": self.channel,
                "settings": dict(self.settings),
                "keys": list(self.keys),
            }
        )


def destination_for(
    register: Register, name: str, dataset: str, at: datetime, zone: Zone = Zone.RELEASE
) -> Destination:
    """A destination of the register in force, for a publication or table of a zone, at a time.

    Raises:
        AuthorisationError: the allow-list has none of that name.
    """
    known = register.destination(name)
    party = register.third_party(known.third_party) if known.third_party else None
    return Destination(
        name=name,
        recipient=known.third_party or f"{known.exposure.value}: {known.title}",
        channel=known.channel or "",
        location=known.location,
        settings=known.settings,
        parameters=known.parameters,
        keys=known.recipient_keys,
        kept_at_most_until=party.contract.expires if party else None,
        refusals=tuple(_refusals(register, known, dataset, at, zone)),
    )


def _refusals(
    register: Register, known: Registered, dataset: str, at: datetime, zone: Zone
) -> Iterator[str]:
    if known.status is not FlowStatus.ACTIVE:
        yield f"the destination is {known.status.value}"
    if known.channel is None:
        yield "the register names no channel to the destination"
    if known.zone is not zone:
        yield f"the destination takes data of the {known.zone.value} zone, not of {zone.value}"
    if known.third_party is not None:
        yield from register.third_party(known.third_party).obstacles(at)
    if (
        known.exposure is Exposure.THIRD_PARTY
        and known.channel == OUTBOX
        and not known.recipient_keys
    ):
        yield "what goes to a third party travels encrypted: register the recipient's keys"
    flows = [
        flow
        for flow in register.data_flows.values()
        if flow.destination == known.name and dataset in flow.datasets
    ]
    if not flows:
        yield f"no data flow of the register takes {dataset} there"
    elif all(flow.obstacles(at) for flow in flows):
        yield from flows[0].obstacles(at)
