"""Where a deployment keeps its declarations and its state."""

from __future__ import annotations

import base64
import binascii
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from deid_platform.core.errors import ZoneError, ZoneKeyError
from deid_platform.core.zones import ENCRYPTED, Zone

_CHECKOUT = Path(__file__).resolve().parents[2]
KEY_BYTES = 32
"""Length of a zone's key: AES-256."""
_LONGEST_FILE = 1024


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """The folders of one deployment.

    ``project`` holds what the agency declares (``assets/``, ``dbt_project/``); ``home`` holds
    state: ``landing/ zones/ staging/ snapshots/ outbox/ evidence/ keys/ tmp/ ledger.db dagster/``.
    ``environment`` is what keys are read from; it is never printed.
    """

    project: Path
    home: Path
    environment: Mapping[str, str] = field(repr=False)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Deployment:
        """Read ``DEID_PROJECT`` (default: this checkout) and ``DEID_HOME`` (default: its var/)."""
        environment = os.environ if environment is None else environment
        project = Path(environment.get("DEID_PROJECT", str(_CHECKOUT))).expanduser().resolve()
        home = Path(environment.get("DEID_HOME", str(project / "var"))).expanduser().resolve()
        return cls(project=project, home=home, environment=environment)

    def check_initialised(self) -> None:
        """Refuse to work where nobody has made a deployment: a mistyped home would seem empty.

        Raises:
            ZoneError: `deid init` has not been run here.
        """
        if not (self.home / "zones").is_dir():
            raise ZoneError(
                str(self.home),
                "there is no deployment here",
                "run `deid init`, or set DEID_HOME to where it is",
            )

    @property
    def contracts(self) -> Path:
        """Folder of contract YAML files."""
        return self.project / "assets" / "contracts"

    @property
    def policies(self) -> Path:
        """Folder of policy YAML files."""
        return self.project / "assets" / "policies"

    @property
    def register_folders(self) -> tuple[Path, Path]:
        """Folders of the register's YAML: the agency's, and what only this deployment adds."""
        return self.project / "assets" / "register", self.home / "register"

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
    def evidence(self) -> Path:
        """Evidence packets, one folder per release."""
        return self.home / "evidence"

    @property
    def scratch(self) -> Path:
        """Private folder for spill files and files being written."""
        return self.home / "tmp"

    @property
    def dagster_home(self) -> Path:
        """Dagster's instance folder."""
        return self.home / "dagster"

    @property
    def restore_journal(self) -> Path:
        """Here while a restore replaces the state, which is half of one and half of another."""
        return self.home / "restoring.json"

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

    def key_file(self, zone: Zone) -> Path | None:
        """The file that holds a zone's key; None where the environment holds the key itself."""
        given = self.environment.get(f"DEID_{zone.value.upper()}_KEY", "").strip()
        # Base64 may begin with a slash, as paths do: a key is known by what it decodes to.
        if given and (_is_key(given) or not given.startswith(("/", "~"))):
            return None
        return Path(given).expanduser() if given else self.home / "keys" / f"{zone.value}.key"

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
        file = self.key_file(zone)
        if file is None:
            return _checked_key(variable, self.environment[variable].strip())
        try:
            with file.open(encoding="ascii") as content:
                status = os.fstat(content.fileno())
                text = content.read(_LONGEST_FILE).strip()
        except (OSError, UnicodeDecodeError):
            raise ZoneKeyError(
                variable,
                f"no key for the {zone.value} zone can be read",
                "set it to a base64 key of 32 bytes or to the path of a key file, "
                "or run `deid init` to make key files",
            ) from None
        if stat.S_IMODE(status.st_mode) & 0o077:
            raise ZoneKeyError(str(file), "the key file can be read by others", "chmod 600 it")
        if status.st_uid not in (os.geteuid(), 0):
            raise ZoneKeyError(
                str(file), "the key file belongs to another user", "chown it to the one who runs"
            )
        return _checked_key(str(file), text)


def _is_key(text: str) -> bool:
    try:
        return len(base64.b64decode(text, validate=True)) == KEY_BYTES
    except (binascii.Error, ValueError):
        return False


def _checked_key(where: str, text: str) -> str:
    if not _is_key(text):
        raise ZoneKeyError(
            where, "this is not a base64 key of 32 bytes", "make one with `deid init`"
        )
    return text
