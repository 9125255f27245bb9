"""``deid connect``: a session of read-only SQL over one version of a published snapshot."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Annotated

import typer

from deid_platform.cli import console, print_json, progress_console
from deid_platform.cli.query import answer_table
from deid_platform.core.errors import QueryError
from deid_platform.engine.deployment import Deployment

_WORDS = {".tables": "show tables"}
_LEAVE = (".quit", ".exit")


def register(app: typer.Typer) -> None:
    """Add ``connect``."""
    app.command("connect")(connect)


def connect(
    snapshot: Annotated[str, typer.Argument(help="`marts` or `release`.")] = "marts",
    limit: Annotated[int, typer.Option("--limit", min=1, help="Print at most so many rows.")] = 40,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a JSON document for each statement.")
    ] = False,
) -> None:
    """Ask a published snapshot one question after another; a semicolon ends each.

    The session keeps the version it opened while newer ones are published. It reads the snapshot
    and nothing else: no file, no network, no setting. `.tables` lists tables, `.quit` ends it.

    Example: `deid connect marts`
    """
    from deid_platform.engine.analyst_query import asking

    is_typed = sys.stdin.isatty()
    with asking(Deployment.from_environment(), snapshot) as answer:
        for sql in _statements(f"{snapshot}> " if is_typed else ""):
            try:
                given = answer(sql, limit)
            except QueryError as error:
                if not is_typed:
                    raise
                progress_console.print(f"{error.what}; {error.do}", markup=False, highlight=False)
                continue
            if as_json:
                rows = [dict(zip(given.columns, row, strict=True)) for row in given.rows]
                print_json({"columns": given.columns, "rows": rows, "is_cut": given.is_cut})
            else:
                console.print(answer_table(given.columns, given.rows))
            if given.is_cut:
                progress_console.print(f"Only the first {limit} rows are shown; see --limit.")


def _statements(prompt: str) -> Iterator[str]:
    """What is typed or piped in, up to a semicolon, to ``.quit`` or to the end."""
    lines: list[str] = []
    while True:
        sys.stdout.write("   ...> "[: len(prompt)] if lines else prompt)
        sys.stdout.flush()
        try:
            line = sys.stdin.readline()
        except KeyboardInterrupt:
            lines = []
            sys.stdout.write("\n")
            continue
        word = line.strip()
        if not line or (not lines and word in _LEAVE):
            break
        if not lines and word in _WORDS:
            yield _WORDS[word]
        elif word or lines:
            lines.append(line)
            if word.endswith(";"):
                yield "".join(lines)
                lines = []
    if "".join(lines).strip():
        yield "".join(lines)
