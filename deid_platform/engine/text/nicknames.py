"""Short forms of given names, by the full name. The list is the project's own."""

from __future__ import annotations

from functools import cache

from deid_platform.engine.text.words import DATA


@cache
def short_forms() -> dict[str, tuple[str, ...]]:
    """Every other form of a name, either way round: *bill* for *william*, *william* for *bill*."""
    found: dict[str, set[str]] = {}
    for entry in (DATA / "nicknames.txt").read_text("utf-8").splitlines():
        full, *short = entry.split()
        for name in short:
            found.setdefault(full, set()).add(name)
            found.setdefault(name, set()).add(full)
    return {name: tuple(sorted(others)) for name, others in found.items()}
