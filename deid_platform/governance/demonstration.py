"""A demonstration: made-up people of the example register act a release from form to approval.

Nothing here is easier than in earnest: every rule, key and signature is real, but the keys are made
here, lie side by side under ``demo/keys`` and prove nobody. A deployment with a register of its own
is refused.
"""

from __future__ import annotations

import getpass
import subprocess
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from deid_platform.core.errors import AuthorisationError, ToolError
from deid_platform.core.register import Register
from deid_platform.core.workflow import Action, Role
from deid_platform.engine.deployment import Deployment
from deid_platform.engine.durable_files import make_private
from deid_platform.engine.register_files import load_register
from deid_platform.governance import register as registers
from deid_platform.governance.decisions import Command, act, submit
from deid_platform.governance.facts import latest_candidate
from deid_platform.governance.form_draft import draft_form
from deid_platform.governance.ledger import Ledger
from deid_platform.governance.plain import Plain
from deid_platform.governance.requests import Actor, Request, requests
from deid_platform.governance.signing import sign, ssh_keygen
from deid_platform.governance.step_checks import QUESTIONS

KEYS = "demo/keys"
"""Where, under a deployment's home, the private keys of the demonstration lie."""
_PUBLIC = "register/demo.yaml"
_APPLIER = "lena.voss"
_NOTE = "Made by `deid demo` to be thrown away; it proves nobody."
_README = (
    "These keys were made by `deid demo` for people who do not exist. Anybody who reads this\n"
    "folder can sign as any of them. Never register them outside a demonstration.\n"
)
_LASTS = timedelta(days=365)

_CAST: tuple[tuple[Action, str, Role, dict[str, Plain]], ...] = (
    (Action.START_REVIEW, "eli.park", Role.PRIVACY_REVIEWER, {}),
    (
        Action.APPROVE_FOR_EXECUTION,
        "eli.park",
        Role.PRIVACY_REVIEWER,
        {"answers": dict.fromkeys(QUESTIONS, True)},
    ),
    (Action.RECORD_EXECUTION, "service:pipeline", Role.DATA_ENGINEER, {}),
    (
        Action.VALIDATE,
        "gus.ortiz",
        Role.VALIDATOR,
        {"verdict": "passed", "sampled": 0, "findings": "Every automated check passed"},
    ),
    (
        Action.DETERMINE,
        "hana.kim",
        Role.EXPERT,
        {"explanation": "Small cells are hidden, and a certificate shows that they stay so"},
    ),
    (Action.APPROVE_RELEASE, "ben.cho", Role.DATA_STEWARD, {}),
    (Action.APPROVE_RELEASE, "max.hale", Role.DEPUTY_DIRECTOR, {}),
    (Action.APPROVE_RELEASE, "nora.quinn", Role.DIRECTOR, {}),
)
_REQUESTER = "ana.ruiz"


def appoint(deployment: Deployment, ledger: Ledger) -> dict[str, str]:
    """Make a key for each person of the example register and put it in force; names and roles.

    Done before, it changes nothing.

    Raises:
        AuthorisationError: a register of somebody else's is in force.
        ToolError: ``ssh-keygen`` cannot make a key.
    """
    declared = load_register(deployment.project / "assets" / "register")
    current = registers.current_or_none(ledger)
    if current is not None and current.agency != declared.agency:
        raise AuthorisationError(
            "demo",
            "a register that is not the example's is in force",
            "run the demonstration in a folder of its own: DEID_HOME=... deid demo",
        )
    now = ledger.now()
    if not (deployment.home / _PUBLIC).is_file():
        _make_keys(deployment, tuple(declared.people), now)
    new = load_register(deployment.project / "assets" / "register", deployment.home / "register")
    if current is None or current.digest != new.digest:
        _apply(deployment, ledger, new, now)
    return {
        name: ", ".join(sorted(role.value for role in person.roles_at(now)))
        for name, person in new.people.items()
    }


def act_out(deployment: Deployment, ledger: Ledger, publication: str) -> Request:
    """Request the candidate and take it through every gate, unless that was done for its content.

    Raises:
        AuthorisationError: a gate refuses.
    """
    at = ledger.now()
    candidate = latest_candidate(ledger, publication)
    content = candidate.fingerprint if candidate else ""
    done = [
        one
        for one in requests(ledger, publication).values()
        if one.fingerprint == content and str(one.requester) == f"person:{_REQUESTER}"
    ]
    if done:
        return done[-1]
    form = _completed(draft_form(ledger, registers.register_in_force(ledger), publication, at))
    asked = submit(
        ledger,
        request=f"req-{content.removeprefix('sha256:')[:10]}",
        form=form,
        actor=_actor(deployment, _REQUESTER),
    )
    for action, name, role, given in _CAST:
        asked = act(
            ledger,
            _actor(deployment, name),
            Command(action=action, request=asked.id, role=role, content=given),
        )
    return asked


def _actor(deployment: Deployment, name: str) -> Actor:
    key = deployment.home / KEYS / name
    return Actor.of(name, getpass.getuser(), lambda payload: sign(payload, key))


def _completed(form: dict[str, Any]) -> dict[str, Any]:
    elements = [
        {**one, "justification": f"Shown in the public table, or needed to mask it: {one['name']}"}
        for one in form["data_elements"]
    ]
    return form | {
        "unit": "Epidemiology",
        "description": "Demonstration of the path from landing files to a public table",
        "period": "The months in the landing folder",
        "population": "People who do not exist",
        "method_justification": "A public aggregate goes through the disclosure guideline",
        "frequency": "yearly",
        "data_elements": elements,
        "open_data": {**form["open_data"], "mandate": True},
    }


def _make_keys(deployment: Deployment, names: tuple[str, ...], now: datetime) -> None:
    folder = deployment.home / KEYS
    make_private(folder.parent)
    make_private(folder)
    (folder.parent / "README").write_text(_README, "utf-8")
    people = {}
    for name in names:
        people[name] = {
            "keys": [
                {
                    "public": _public_key(folder / name),
                    "valid_from": now.date().isoformat(),
                    "valid_until": (now + _LASTS).date().isoformat(),
                    "note": _NOTE,
                }
            ]
        }
    file = deployment.home / _PUBLIC
    make_private(file.parent)
    file.write_text(yaml.safe_dump({"people": people}, sort_keys=False), "utf-8")


def _public_key(file: Path) -> str:
    public = file.with_name(file.name + ".pub")
    if not public.is_file():
        file.unlink(missing_ok=True)
        made = subprocess.run(  # noqa: S603 - a fixed program, no shell
            [ssh_keygen(), "-q", "-t", "ed25519", "-N", "", "-C", f"demo {file.name}",
             "-f", str(file)],
            capture_output=True,
            check=False,
        )  # fmt: skip
        if made.returncode != 0:
            raise ToolError(str(file), "ssh-keygen made no key", "check that the folder is yours")
    return public.read_text("utf-8").strip()


def _apply(deployment: Deployment, ledger: Ledger, new: Register, now: datetime) -> None:
    decision = registers.apply_decision(
        ledger, new, person=_APPLIER, role=Role.DATA_COORDINATOR, at=now
    )
    registers.apply(
        ledger,
        new,
        decision=decision,
        signature=sign(decision.payload(), deployment.home / KEYS / _APPLIER),
        os_user=getpass.getuser(),
        clock=ledger.now,
    )
