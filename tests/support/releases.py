"""What a release left behind: files in the outbox, rows in the release zone, events."""

from __future__ import annotations

from pathlib import Path

from deid_platform.core.zones import Zone
from deid_platform.engine.database import open_zone
from tests.support.governance import NAME, World, world


def outbox(one: World) -> dict[str, bytes]:
    folder = one.deployment.outbox
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def released_rows(one: World) -> list[tuple]:
    with open_zone(one.deployment, None, reading=[Zone.RELEASE]) as con:
        return con.execute(f"select * from release.main.{NAME}").fetchall()


def nothing_is_out(one: World) -> bool:
    if outbox(one):
        return False
    with open_zone(one.deployment, Zone.RELEASE) as con:
        return con.execute("select count(*) from duckdb_tables()").fetchone() == (0,)


def count(one: World, kind: type) -> int:
    return sum(1 for _ in one.ledger.entries(kinds=[kind]))


def another_world(folder: Path) -> World:
    """A second deployment, to compare with."""
    return world(folder / "other")
