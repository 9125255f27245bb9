"""Where a deployment keeps its declarations and its state."""

from __future__ import annotations

import base64
import binascii
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deid_platform.core.errors import ZoneKeyError
from deid_platform.core.zones import ENCRYPTED, Zone

_CHECKOUT = Path(__file__).resolve().parents[2]
_KEY_BYTES = 32


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """The folders of one deployment.

    ``project`` holds what the agency declares (``assets/``, ``dbt_project/``); ``home`` holds
    state: ``landing/ zones/ staging/ snapshots/ outbox/ keys/ tmp/ ledger.db dagster/``.
    ``environment`` is what keys are read from; it is never printed.
    """

    project: Path
    home: Path
    environment: Mapping[str, str]

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Deployment:
        """Read ``DEID_PROJECT`` (default: this checkout) and ``DEID_HOME`` (default: its var/)."""
        environment = os.environ if environment is None else environment
        project = Path(environment.get("DEID_PROJECT", str(_CHECKOUT))).expanduser().resolve()
        home = Path(environment.get("DEID_HOME", str(project / "var"))).expanduser().resolve()
        return cls(project=project, home=home, environment=environment)

    @property
    def contracts(self) -> Path:
        """Folder of contract YAML files."""
        return self.project / "assets" / "contracts"

    @property
    def policies(self) -> Path:
        """Folder of policy YAML files."""
        return self.project / "assets" / "policies"

    @property
    def dbt_project(self) -> Path:
        """The dbt project."""
        return self.project / "dbt_project"

    @property
    def landing(self) -> Path:
        """Where source systems drop files."""
        return self.home / "landing"

    @property
    def snapshots(self) -> Path:
        """Immutable files that analysts and portals read."""
        return self.home / "snapshots"

    @property
    def outbox(self) -> Path:
        """Released bundles."""
        return self.home / "outbox"

    @property
    def scratch(self) -> Path:
        """Private folder for spill files and files being written."""
        return self.home / "tmp"

    @property
    def dagster_home(self) -> Path:
        """Dagster's instance folder."""
        return self.home / "dagster"

    @property
    def ledger_url(self) -> str:
        """SQLAlchemy URL of the ledger: ``DEID_LEDGER_URL`` or ``ledger.db`` under the home."""
        return self.environment.get("DEID_LEDGER_URL", f"sqlite:///{self.home / 'ledger.db'}")

    def zone_file(self, zone: Zone) -> Path:
        """The one DuckDB file of a zone."""
        return self.home / "zones" / f"{zone.value}.duckdb"

    def staging_file(self, zone: Zone) -> Path:
        """Where dbt builds tables that are to be promoted into ``zone``."""
        return self.home / "staging" / f"{zone.value}.duckdb"

    def key(self, zone: Zone) -> str:
        """The encryption key of a zone that holds PHI.

        ``DEID_RAW_KEY`` and ``DEID_LIMITED_KEY`` hold the key, or the absolute path of a key file
        of mode 0600. Without them, ``keys/<zone>.key`` under the home is read. A key is 32 random
        bytes in base64.

        Raises:
            ZoneKeyError: no key, a key file others can read, or something that is not a key.
        """
        if zone not in ENCRYPTED:
            raise ZoneKeyError(zone.value, "this zone has no key", "ask for raw or limited only")
        variable = f"DEID_{zone.value.upper()}_KEY"
        given = self.environment.get(variable, "").strip()
        if given and not given.startswith(("/", "~")):
            return _checked_key(variable, given)
        file = Path(given).expanduser() if given else self.home / "keys" / f"{zone.value}.key"
        try:
            mode = stat.S_IMODE(file.stat().st_mode)
            text = file.read_text("ascii").strip()
        except (OSError, UnicodeDecodeError):
            raise ZoneKeyError(
                variable,
                f"no key for the {zone.value} zone can be read",
                "set it to a base64 key of 32 bytes or to the path of a key file, "
                "or run `deid init` to make key files",
            ) from None
        if mode & 0o077:
            raise ZoneKeyError(str(file), "the key file can be read by others", "chmod 600 it")
        return _checked_key(str(file), text)


def _checked_key(where: str, text: str) -> str:
    try:
        decoded = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        decoded = b""
    if len(decoded) != _KEY_BYTES:
        raise ZoneKeyError(
            where, "this is not a base64 key of 32 bytes", "make one with `deid init`"
        )
    return text
