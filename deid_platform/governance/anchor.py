"""Ties zones to their ledger: LIMITED and RELEASE remember which ledger they were written under.

A ledger proves that nothing in it was changed, not that it is the right one: another, sound in
itself, could be put in its place by ``DEID_LEDGER_URL``, or an old copy of the same. So each of the
two zones holds the first and the last link it saw, in ``governance.anchor``; the anchor in LIMITED
cannot be changed without that zone's key.
"""

from __future__ import annotations

from collections.abc import Iterable

import duckdb

from deid_platform.core.errors import LedgerError
from deid_platform.core.zones import Zone
from deid_platform.engine.catalog import table_exists
from deid_platform.engine.sql import identifier, qualified
from deid_platform.governance.chain import GENESIS, Head, Records, ledger_id
from deid_platform.governance.ledger import Ledger

ANCHORED = (Zone.LIMITED, Zone.RELEASE)
"""Zones that hold an anchor."""

_SCHEMA, _TABLE = "governance", "anchor"


def set_anchor(con: duckdb.DuckDBPyConnection, zone: Zone, ledger: Ledger) -> None:
    """Write the ledger's first and last link into a zone that is open for writing.

    A zone outside `ANCHORED` is left as it is; so is one whose ledger is still empty.

    Raises:
        LedgerError: the zone was written under another ledger.
    """
    if zone not in ANCHORED:
        return
    check_anchors(con, [zone], ledger)
    head = ledger.head()
    if head.hash == GENESIS:
        return
    con.execute(f"create schema if not exists {identifier(zone.value)}.{identifier(_SCHEMA)}")
    con.execute(f"create or replace table {_anchor(zone)} (first_hash varchar, head varchar)")
    con.execute(f"insert into {_anchor(zone)} values (?, ?)", [ledger_id(ledger), str(head)])


def check_anchors(
    con: duckdb.DuckDBPyConnection, zones: Iterable[Zone], records: Records
) -> tuple[Zone, ...]:
    """Hold the anchors of attached zones against the ledger; the zones that have one.

    Raises:
        LedgerError: a zone was written under another ledger, or one that went further.
    """
    anchored = []
    for zone in zones:
        anchor = _read(con, zone)
        if anchor is None:
            continue
        first, head = anchor
        if ledger_id(records) != first:
            raise LedgerError(
                "ledger",
                f"the {zone.value} zone was written under another ledger",
                "point DEID_LEDGER_URL to the ledger of this deployment; nothing is authorised "
                "by another one",
            )
        seen = next(iter(records.entries(after=head.sequence - 1, limit=1)), None)
        if seen is None or seen.sequence != head.sequence or seen.hash != head.hash:
            raise LedgerError(
                f"ledger entry {head.sequence}",
                f"the {zone.value} zone has seen another one, or the ledger ends before it",
                "this is an old copy or a rewritten ledger: restore the ledger that belongs to "
                "the zones",
            )
        anchored.append(zone)
    return tuple(anchored)


def _read(con: duckdb.DuckDBPyConnection, zone: Zone) -> tuple[str, Head] | None:
    if not table_exists(con, zone.value, _SCHEMA, _TABLE):
        return None
    rows = con.execute(f"select first_hash, head from {_anchor(zone)}").fetchall()
    if len(rows) != 1:
        raise LedgerError(
            "ledger", f"the anchor in the {zone.value} zone is damaged", "restore the zone"
        )
    return str(rows[0][0]), Head.parse(str(rows[0][1]))


def _anchor(zone: Zone) -> str:
    return qualified(zone.value, _SCHEMA, _TABLE)
