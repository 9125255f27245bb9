"""`deid register`: plan, apply and show the register of people, standards, flows and places."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deid_platform.cli import AsJson, console, print_json
from deid_platform.cli.request import Key, actor, key_file
from deid_platform.core.workflow import Role
from deid_platform.engine.deployment import Deployment

if TYPE_CHECKING:
    from deid_platform.core.errors import DeclarationError
    from deid_platform.core.register import Register
    from deid_platform.core.register.changes import RegisterChange
    from deid_platform.governance.ledger import Ledger

CHANGES = 24
"""Exit code of `deid register plan --detailed-exitcode` when there are changes."""

Folder = Annotated[
    list[Path] | None,
    typer.Option(
        "--folder",
        help="A folder of YAML files; may be given again. By default assets/register and, "
        "if it exists, register/ under DEID_HOME.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add `deid register`."""
    group = typer.Typer(
        no_args_is_help=True, help="Who may do what, by which rules, with data for whom and where."
    )
    group.command("plan")(plan)
    group.command("apply")(apply)
    group.command("show")(show)
    group.command("key")(key_entry)
    group.command("policies")(policies)
    app.add_typer(group, name="register")


def plan(
    folder: Folder = None,
    detailed: Annotated[
        bool, typer.Option("--detailed-exitcode", help="Exit with 24 if there are changes.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show what applying the register's files would change in the register in force.

    Example: `deid register plan --detailed-exitcode`
    """
    from deid_platform.governance import register as registers

    deployment = Deployment.from_environment()
    new = _declared(deployment, folder)
    old = registers.current_or_none(_ledger(deployment))
    changes = registers.plan(old, new)
    problems = _problems(new)
    notes = _notes(deployment, new)
    if as_json:
        print_json(
            {
                "in_force": old.digest if old else None,
                "declared": new.digest,
                "changes": [_document(change) for change in changes],
                "problems": [str(problem) for problem in problems],
                "notes": notes,
            }
        )
    else:
        _print_plan(old, new, changes, notes)
        for problem in problems:
            console.print(f"! {problem}", style="red", highlight=False, soft_wrap=True)
    if problems:
        raise typer.Exit(problems[0].exit_code)
    if detailed and changes:
        raise typer.Exit(CHANGES)


def apply(
    as_person: Annotated[
        str, typer.Option("--as", help="Your name in the register; your key proves it.")
    ],
    key: Key = None,
    role: Annotated[
        Role, typer.Option("--role", help="data_coordinator or director.")
    ] = Role.DATA_COORDINATOR,
    folder: Folder = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Put the register of the files in force, signed with your own key.

    The first register of a ledger pins itself: it is signed by one of its own coordinators or
    directors. Every later one takes such a person of the register in force.

    Example: `deid register apply --as lena.voss --key ~/.ssh/id_ed25519`
    """
    from deid_platform.core.errors import AuthorisationError
    from deid_platform.governance import register as registers
    from deid_platform.governance.ledger import system_clock
    from deid_platform.governance.signing import sign

    file = key_file(as_person, key)
    if file is None:
        raise AuthorisationError(
            "register",
            "it is put in force only with a signature",
            "sign with your own key: --key FILE, or DEID_SIGNING_KEY",
        )
    deployment = Deployment.from_environment()
    new = _declared(deployment, folder)
    ledger = _ledger(deployment)
    old = registers.current_or_none(ledger)
    changes = registers.plan(old, new)
    if not changes:
        if as_json:
            print_json({"applied": False, "digest": new.digest, "changes": []})
        else:
            console.print("The register in force says the same; nothing was done.")
        return
    if not as_json:
        _print_plan(old, new, changes, _notes(deployment, new))
    if not yes and not typer.confirm("Sign this and put it in force?", err=True):
        raise typer.Exit(1)
    decision = registers.apply_decision(ledger, new, person=as_person, role=role, at=_now())
    entry = registers.apply(
        ledger,
        new,
        decision=decision,
        signature=sign(decision.payload(), file),
        os_user=actor(as_person).os_user,
        clock=system_clock,
    )
    if as_json:
        print_json(
            {
                "applied": True,
                "digest": new.digest,
                "entry": entry.sequence,
                "by": decision.person,
                "changes": [_document(change) for change in changes],
            }
        )
        return
    console.print(
        f"in force since {entry.at[:19]}: ledger entry {entry.sequence}, signed by "
        f"{decision.person}",
        highlight=False,
        soft_wrap=True,
    )
    if old is None:
        console.print("keep the head of the ledger elsewhere now: deid audit head")


def show(
    entry: Annotated[
        str | None,
        typer.Argument(help="A section or an entry, such as people or people.ana.ruiz."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show the register in force, or a part of it.

    Example: `deid register show destinations.open_data --json`
    """
    from deid_platform.core.errors import AuthorisationError
    from deid_platform.governance import register as registers

    found = registers.register_in_force(_ledger(Deployment.from_environment()))
    section, _, name = (entry or "").partition(".")
    part: Any = found.content
    for step in filter(None, (section, name)):
        if not isinstance(part, dict) or step not in part:
            raise AuthorisationError(
                entry or "", "not in the register in force", "see its sections: deid register show"
            )
        part = part[step]
    if as_json:
        print_json({"digest": found.digest, "content": part})
        return
    if entry is None:
        console.print(f"{found.agency.department}: register {found.digest}", highlight=False)
        for one, entries in found.content.items():
            if one != "agency":
                console.print(f"{one}: {', '.join(entries)}", highlight=False, soft_wrap=True)
        return
    console.print(_as_yaml(part), highlight=False, soft_wrap=True)


def key_entry(
    person: Annotated[str, typer.Argument(help="The person's name in the register.")],
    public: Annotated[Path, typer.Argument(help="Their public key file, such as id_ed25519.pub.")],
    until: Annotated[
        datetime, typer.Option("--until", formats=["%Y-%m-%d"], help="Last day it may sign.")
    ],
    since: Annotated[
        datetime | None,
        typer.Option("--from", formats=["%Y-%m-%d"], help="First day; by default today."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print the entry that gives a person a key, as YAML for a file of the register.

    Example: `deid register key ana.ruiz ana.pub --until 2027-06-30 > key-ana.ruiz.yaml`
    """
    from deid_platform.engine.register_files import read_public_key

    first = (since or _now()).date()
    key = read_public_key(public, valid_from=first, valid_until=until.date())
    if as_json:
        print_json({"person": person, "fingerprint": key.fingerprint, "public": key.public})
        return
    entry = {"public": key.public, "valid_from": first, "valid_until": until.date()}
    typer.echo(f"# {key.fingerprint}, {key.type}")
    typer.echo(_as_yaml({"people": {person: {"keys": [entry]}}}))


def policies(as_json: AsJson = False) -> None:
    """Print the digest of each policy as it is now, for the method standard.

    Example: `deid register policies`
    """
    from deid_platform.engine.policy_digests import policy_digests

    found = policy_digests(Deployment.from_environment())
    if as_json:
        print_json(found)
        return
    for name, digest in found.items():
        console.print(f"{name}: {digest}", highlight=False, soft_wrap=True)


def _declared(deployment: Deployment, folders: list[Path] | None) -> Register:
    from deid_platform.engine.register_files import load_register

    chosen = folders or [one for one in deployment.register_folders if one.is_dir()]
    return load_register(*chosen)


def _ledger(deployment: Deployment) -> Ledger:
    from deid_platform.governance.ledger import Ledger

    return Ledger.open(deployment.ledger_url)


def _now() -> datetime:
    return datetime.now(UTC)


def _problems(new: Register) -> list[DeclarationError]:
    from deid_platform.core.register.checks import register_problems

    return register_problems(new, _now())


def _notes(deployment: Deployment, new: Register) -> list[str]:
    """Policies of the project that the standard in force does not have as they are now."""
    from deid_platform.engine.policy_digests import policy_digests

    known = {
        name: one.policies.get(name)
        for one in new.method_standards.values()
        if one.in_force(_now())
        for name in one.policies
    }
    now = policy_digests(deployment)
    return [
        f"the policy {name} is not as the standard in force has it: nothing may be released "
        "under it until a standard lists its digest (deid register policies)"
        for name, digest in known.items()
        if now.get(name) != digest
    ]


def _print_plan(
    old: Register | None, new: Register, changes: tuple[RegisterChange, ...], notes: list[str]
) -> None:
    styles = {"+": "green", "~": "yellow", "-": "red"}
    for change in changes:
        console.print(f"{change.sign} {change.entry}", style=styles[change.sign], highlight=False)
        for path, before, after in change.fields:
            told = f"    {path}: {_brief(before)} -> {_brief(after)}"
            console.print(told, highlight=False, soft_wrap=True)
    for note in notes:
        console.print(f"note: {note}", highlight=False, soft_wrap=True)
    counts = {sign: sum(1 for one in changes if one.sign == sign) for sign in styles}
    told = f"{counts['+']} to add, {counts['~']} to change, {counts['-']} to remove"
    before = old.digest[:12] if old else "none"
    console.print(f"{told} (register {before} -> {new.digest[:12]})", highlight=False)


def _document(change: RegisterChange) -> dict[str, Any]:
    return {
        "sign": change.sign,
        "entry": change.entry,
        "fields": [
            {"path": path, "before": before, "after": after}
            for path, before, after in change.fields
        ],
    }


def _brief(value: Any) -> str:
    if value is None:
        return "(none)"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 90 else text[:87] + "..."


def _as_yaml(value: Any) -> str:
    import yaml

    return str(yaml.safe_dump(value, sort_keys=False, allow_unicode=True)).rstrip()
