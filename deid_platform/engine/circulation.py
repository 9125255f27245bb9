"""What has been released stays known: every release is kept, and a new one is held against them.

A table that is superseded cannot be unseen. Each release is copied into a schema of the release
zone that readers' snapshots do not carry, with the declaration it was made under; a candidate that
together with any of them gives a hidden cell away does not leave.

Source: DDG 2.0, 4.4.3 (M-14), 12 (published data to consider); 7.3 (cross-table leak).
"""

from __future__ import annotations

import duckdb
from pydantic import ValidationError

from deid_platform.core.errors import GateError
from deid_platform.core.policy import DdgPolicy
from deid_platform.core.publication import Publication
from deid_platform.core.zones import Zone
from deid_platform.engine.joint_attack import JointFinding, Shown, attack_together
from deid_platform.engine.linked_tables import share_cells
from deid_platform.engine.sql import qualified

SCHEMA = "circulated"
_REGISTER = qualified(Zone.RELEASE.value, SCHEMA, "releases")


def keep_in_circulation(
    con: duckdb.DuckDBPyConnection, table: str, publication: Publication, release: str
) -> None:
    """Remember a release for good: its table, given as quoted SQL, and its declaration."""
    con.execute(f"create schema if not exists {Zone.RELEASE.value}.{SCHEMA}")
    con.execute(
        f"create table if not exists {_REGISTER} "
        "(release varchar primary key, publication varchar, declaration varchar)"
    )
    copy = qualified(Zone.RELEASE.value, SCHEMA, release)
    con.execute(f"create or replace table {copy} as select * from {table}")
    con.execute(
        f"insert or replace into {_REGISTER} values (?, ?, ?)",
        [release, publication.name, publication.model_dump_json()],
    )


def in_circulation(con: duckdb.DuckDBPyConnection, publication: Publication) -> list[Shown]:
    """The releases, superseded ones too, that share cells with a publication.

    Raises:
        GateError: the declaration of one can no longer be read.
    """
    known = con.execute(
        "select count(*) from duckdb_tables() where database_name = ? and schema_name = ?",
        [Zone.RELEASE.value, SCHEMA],
    ).fetchone()
    if not known or not known[0]:
        return []
    rows = con.execute(f"select release, declaration from {_REGISTER} order by release").fetchall()
    found = []
    for release, declaration in rows:
        try:
            other = Publication.model_validate_json(declaration)
        except ValidationError:
            raise GateError(
                f"release/{release}",
                "the declaration it was released under cannot be read by this version",
                "upgrade the register of releases first",
            ) from None
        if other.name == publication.name or share_cells(publication, other):
            table = qualified(Zone.RELEASE.value, SCHEMA, release)
            found.append(Shown(table=table, publication=other))
    return found


def attack_with_circulated(
    con: duckdb.DuckDBPyConnection, publication: Publication, policy: DdgPolicy
) -> dict[str, JointFinding]:
    """The candidate attacked together with what is out, per column that counts people.

    Reads the limited and the release zone of the session.
    """
    releases = in_circulation(con, publication)
    source = con.execute(
        "select count(*) from duckdb_tables() "
        "where database_name = ? and schema_name = 'main' and table_name = ?",
        [Zone.LIMITED.value, publication.name],
    ).fetchone()
    at_hand = bool(source and source[0])
    candidate = Shown(
        table=qualified(Zone.LIMITED.value, "candidate", publication.name),
        publication=publication,
        source=qualified(Zone.LIMITED.value, "main", publication.name) if at_hand else None,
    )
    return {
        people: attack_together(
            con,
            candidate,
            [one for one in releases if people in one.publication.people_columns],
            people,
            policy,
        )
        for people in publication.people_columns
    }


def check_circulated(
    con: duckdb.DuckDBPyConnection, publication: Publication, policy: DdgPolicy
) -> None:
    """Refuse a candidate that together with what is out gives a hidden cell away.

    Raises:
        GateError: it does; counts only are told.
    """
    for people, found in attack_with_circulated(con, publication, policy).items():
        if not found.holds:
            raise GateError(
                f"candidate/{publication.name}: {people}",
                f"together with {found.tables - 1} releases that are out it gives "
                f"{found.recovered} hidden cells away and narrows {found.narrowed}",
                "hide what they hide and show what they show (masking.must_publish), or publish "
                "coarser groups",
            )
