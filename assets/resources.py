"""What assets use: zone sessions and the ledger of the deployment they run in."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import dagster as dg
import duckdb

from deid_platform.core.zones import Zone
from deid_platform.engine.database import open_zone
from deid_platform.engine.deployment import Deployment
from deid_platform.governance.events import Event
from deid_platform.governance.ledger import Ledger


class ZonesResource(dg.ConfigurableResource):
    """Sessions over zone files.

    Holds no configuration: folders and keys come from the environment when a session opens, so
    that neither reaches a run's configuration or the event log.
    """

    @property
    def deployment(self) -> Deployment:
        """The deployment named by the environment."""
        return Deployment.from_environment()

    @contextlib.contextmanager
    def open(
        self,
        writing: Zone | None,
        *,
        reading: Sequence[Zone] = (),
        staging: Zone | None = None,
        files: Sequence[Path] = (),
    ) -> Iterator[duckdb.DuckDBPyConnection]:
        """See `deid_platform.engine.database.open_zone`."""
        with open_zone(
            self.deployment, writing, reading=reading, staging=staging, files=files
        ) as con:
            yield con


class LedgerResource(dg.ConfigurableResource):
    """The deployment's ledger."""

    def open(self) -> Ledger:
        """The ledger named by the environment, migrated to the current schema."""
        return Ledger.open(Deployment.from_environment().ledger_url)

    def record(self, *events: Event) -> None:
        """Append events in order, all or none."""
        if events:
            self.open().append_all(events)
