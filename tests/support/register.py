"""The example agency with real SSH keys: who its people are, and their signatures."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from deid_platform.core.register import Register
from deid_platform.core.workflow import Role
from deid_platform.engine.register_files import load_register
from deid_platform.governance.chain import Entry
from deid_platform.governance.ledger import Ledger
from deid_platform.governance.register import apply, apply_decision
from deid_platform.governance.signatures import Decision
from deid_platform.governance.signing import sign

DECLARED = Path(__file__).parents[2] / "assets" / "register"
COORDINATOR = "lena.voss"


@dataclass(frozen=True)
class Office:
    """The example register with a key for each person; private keys are in ``keys/NAME``."""

    folder: Path
    register: Register

    def key(self, name: str) -> Path:
        """The private key file of a person, by their name."""
        return self.folder / "keys" / name

    def sign(self, decision: Decision, name: str | None = None) -> str:
        """The signature of a decision by its person, or by somebody else's key."""
        signer = name or self.register.identity(decision.person).name
        return sign(decision.payload(), self.key(signer))

    @property
    def keys_folder(self) -> Path:
        """The folder whose YAML adds the keys to the declared register."""
        return self.folder / "register"

    def changed(self, change: Callable[[dict[str, Any]], None]) -> Register:
        """The register after an edit of its plain content."""
        content = yaml.safe_load(yaml.safe_dump(self.register.content))
        change(content)
        return Register.parse(content)


def make_key(file: Path, kind: str = "ed25519", passphrase: str = "") -> str:
    """Make a key pair with ssh-keygen; the public line."""
    file.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        ["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", file.name, "-f", str(file)],
        check=True,
        capture_output=True,
    )
    return file.with_name(file.name + ".pub").read_text().strip()


def office(folder: Path) -> Office:
    """A new key for each person of the example register."""
    declared = load_register(DECLARED)
    keys = {
        name: [
            {
                "public": make_key(folder / "keys" / name),
                "valid_from": "2024-01-01",
                "valid_until": "2035-12-31",
            }
        ]
        for name in declared.people
    }
    write_register(folder / "register", {"people": {name: {"keys": k} for name, k in keys.items()}})
    return opened_office(folder)


def opened_office(folder: Path) -> Office:
    """An office that was made in this folder."""
    return Office(folder=folder, register=load_register(DECLARED, folder / "register"))


def write_register(folder: Path, content: Mapping[str, Any]) -> None:
    """Write a part of a register as one YAML file."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "part.yaml").write_text(yaml.safe_dump(dict(content)), "utf-8")


def now() -> datetime:
    """The time of this machine."""
    return datetime.now(UTC)


def put_in_force(
    ledger: Ledger,
    here: Office,
    register: Register | None = None,
    *,
    by: str = COORDINATOR,
    role: Role = Role.DATA_COORDINATOR,
    clock: Callable[[], datetime] = now,
) -> Entry:
    """Have the data coordinator sign and apply a register, by default the office's own."""
    new = register or here.register
    decision = apply_decision(ledger, new, person=by, role=role, at=clock())
    return apply(
        ledger,
        new,
        decision=decision,
        signature=here.sign(decision, by),
        os_user="tester",
        clock=clock,
    )


@cache
def shared_office(folder: Path) -> Office:
    """One office per folder of the test run: making sixteen keys takes a moment."""
    return office(folder)
