"""What dbt-duckdb loads to reach encrypted zones: the profile names this module as a plug-in.

dbt opens an in-memory DuckDB; the plug-in gives it OpenSSL, attaches one zone read-only and the
zone's staging file read-write (keys bound, never in a profile), closes external access and locks
the configuration. Nothing of dbt's logs, console or artefacts may quote a cell, so every error of
the database is replaced by one that names classes, line numbers and names of the statement only.
"""

from __future__ import annotations

import atexit
import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
from dbt.adapters.duckdb.environments import local
from dbt.adapters.duckdb.plugins import BasePlugin
from dbt.adapters.exceptions.connection import FailedToConnectError
from dbt.flags import get_flags
from dbt_common.exceptions import DbtRuntimeError

from deid_platform.core.errors import DeidError, ZoneError
from deid_platform.core.zones import Zone
from deid_platform.engine.database import attach_staging, configure, lock_down
from deid_platform.engine.deployment import Deployment

_STATIC = (duckdb.BinderException, duckdb.CatalogException, duckdb.ParserException)
"""Raised before a row is read; even so, only words of the statement itself are repeated."""


class Plugin(BasePlugin):
    """Attaches the zone that the profile's target names.

    The zone is the only setting: ``config: {zone: limited}``. Folders and keys come from the
    environment, as everywhere else.
    """

    def initialize(self, plugin_config: dict[str, Any]) -> None:
        """Read the zone and see to it that no cursor dbt is given quotes a cell.

        Raises:
            DbtRuntimeError: the profile names no zone from which dbt may read, or rows would be
                printed.
        """
        zone = plugin_config.get("zone")
        if zone not in (Zone.LIMITED, Zone.DEIDENTIFIED):
            raise DbtRuntimeError(
                "profiles.yml: plugins: config: zone: dbt reads the limited or the deidentified "
                "zone; name one of the two"
            )
        if getattr(get_flags(), "WHICH", None) == "show":  # type: ignore[no-untyped-call]
            raise DbtRuntimeError(
                "dbt show: prints rows of a zone; query a published mart with `deid query`"
            )
        self.zone = Zone(zone)
        # dbt-duckdb offers no hook around a cursor: it makes this wrapper, by this name, for
        # each handle it hands to dbt.
        local.DuckDBCursorWrapper = ValueFreeCursor  # type: ignore[assignment, misc]

    def configure_connection(self, conn: duckdb.DuckDBPyConnection) -> None:
        """Attach the zone and its staging file, then lock the session down.

        Raises:
            FailedToConnectError: a key is missing or wrong, the zone does not exist yet, or a file
                is locked or not writable. dbt prints its own errors in a line, ours as a traceback.
        """
        deployment = Deployment.from_environment()
        try:
            deployment.scratch.mkdir(parents=True, exist_ok=True, mode=0o700)
            spill = Path(tempfile.mkdtemp(prefix="spill-dbt-", dir=deployment.scratch))
            atexit.register(shutil.rmtree, spill, ignore_errors=True)
            configure(conn, spill)
            attach_staging(conn, deployment, self.zone)
            lock_down(conn)
        except (DeidError, OSError) as error:
            raise FailedToConnectError(str(error)) from None


class ValueFreeCursor:
    """A DuckDB cursor whose errors hold no cell value."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection) -> None:
        self._cursor = cursor
        self._statement = ""

    def execute(self, sql: str, bindings: Any = None) -> ValueFreeCursor:
        """Run one statement, as dbt's own wrapper does.

        Raises:
            ZoneError: the database refused it.
        """
        self._statement = sql
        self._shielded(self._cursor.execute)(sql, bindings)
        return self

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._cursor, name)
        return self._shielded(attribute) if callable(attribute) else attribute

    def _shielded(self, call: Callable[..., Any]) -> Callable[..., Any]:
        # A result is streamed: a conversion can fail as late as in a fetch.
        def shielded(*args: Any, **kwargs: Any) -> Any:
            try:
                return call(*args, **kwargs)
            except Exception as error:
                raise value_free(error, self._statement) from None

        return shielded


def value_free(error: Exception, statement: str) -> ZoneError:
    """Our error for one of DuckDB's, repeating nothing but words of the statement."""
    what = f"the database refused the statement ({type(error).__name__}"
    text = str(error)
    if line := re.search(r"\bLINE (\d+):", text):
        what += f", line {line[1]}"
    what += ")"
    if isinstance(error, _STATIC):
        if "does not exist" in text:
            # dbt-duckdb tells a missing relation from other failures by these words.
            what += ": a name does not exist"
        named = re.findall(r'"([^"\n]+)"|\bname (\S+)', text.partition("LINE ")[0])
        words = sorted({a or b for a, b in named if (a or b) in statement})
        if words:
            what += f": {', '.join(words)}"
    return ZoneError("dbt", what, "correct the model or the data; cell values are withheld here")
