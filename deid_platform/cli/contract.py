"""``deid contract``: check contracts, and draft new ones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deid_platform.cli import AsJson, console, print_json, progress_console
from deid_platform.core.errors import DeclarationError
from deid_platform.core.zones import Zone
from deid_platform.engine.deployment import Deployment

if TYPE_CHECKING:
    from deid_platform.core.contract import Contract

_COMMANDS = typer.Typer(
    help="Check contracts, and draft new ones.", no_args_is_help=True, rich_markup_mode="markdown"
)


def register(app: typer.Typer) -> None:
    """Add ``contract check`` and ``contract new``."""
    app.add_typer(_COMMANDS, name="contract")


@_COMMANDS.command("check")
def check(
    names: Annotated[
        list[str] | None, typer.Argument(help="Contracts to check; all of them by default.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Hold contracts against Safe Harbor, the limited data set rules and each other.

    Every problem is listed; the exit code is 10 if there is one.

    Example: `deid contract check ed_visits`
    """
    from deid_platform.engine.declarations import contract_files, load_contract, set_problems

    deployment = Deployment.from_environment()
    files = {file.stem: file for file in contract_files(deployment)}
    contracts: dict[str, Contract] = {}
    problems: dict[str, list[str]] = {name: [] for name in names or files}
    for name, file in files.items():
        try:
            contracts[name] = load_contract(file)
        except DeclarationError as error:
            if name in problems:
                problems[name].append(str(error))
    for problem in set_problems(deployment, contracts):
        about = problem.where.partition(":")[0]
        for name, contract in contracts.items():
            if name in problems and about in (name, contract.policy):
                problems[name].append(str(problem))
    for name in sorted(problems.keys() - files.keys()):
        problems[name].append(f"{name}: there is no such contract; see {deployment.contracts}")
    passed = not any(problems.values())
    if as_json:
        print_json(
            {
                "passed": passed,
                "contracts": {
                    name: _summary(contracts.get(name), found) for name, found in problems.items()
                },
            }
        )
    else:
        for name, found in problems.items():
            _print(name, contracts.get(name), found)
    if not passed:
        raise typer.Exit(DeclarationError.exit_code)


@_COMMANDS.command("new")
def new(
    file: Annotated[Path, typer.Argument(help="A CSV, Parquet or NDJSON file of the source.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Write here instead of standard output."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Draft a contract from a file: types and classes proposed, each with its reason.

    Nothing is kept until a person says so, and what nothing speaks for is marked `needs_review`,
    which `deid contract check` refuses. Values are read, and never shown.

    Example: `deid contract new visits.csv -o assets/contracts/visits.yaml`
    """
    from deid_platform.engine.draft_yaml import draft_yaml
    from deid_platform.engine.drafting import draft_contract

    if output is not None and output.exists():
        raise DeclarationError(str(output), "the file exists", "name another, or remove it")
    with progress_console.status("Reading the file"):
        draft = draft_contract(Deployment.from_environment(), file)
    text = draft_yaml(draft)
    if output is not None:
        try:
            output.write_text(text, "utf-8")
        except OSError:
            raise DeclarationError(
                str(output), "it cannot be written", "check the folder"
            ) from None
    if as_json:
        print_json(
            {
                "name": draft.name,
                "rows": draft.rows,
                "undecided": list(draft.undecided),
                "written": str(output) if output else None,
                "columns": [
                    {
                        "name": column.name,
                        "type": column.type.value,
                        "class": column.attribute_class.value,
                        "identifier": column.identifier.value if column.identifier else None,
                        "reasons": list(column.reasons),
                    }
                    for column in draft.columns
                ],
                "draft": text,
            }
        )
        return
    if output is None:
        typer.echo(text, nl=False)
    progress_console.print(
        f"{len(draft.columns)} columns, {len(draft.undecided)} of them undecided.", highlight=False
    )


def _summary(contract: Contract | None, problems: list[str]) -> dict[str, Any]:
    if contract is None or problems:
        return {"passed": False, "problems": problems}
    return {
        "passed": True,
        "problems": [],
        "system": contract.system,
        "version": contract.version,
        "digest": contract.digest,
        "policy": contract.policy,
        "columns": len(contract.columns),
        "identifiers": len(contract.identifier_columns),
        "not_identifiers": _exceptions(contract),
        "limited": [output.name for output in contract.outputs(Zone.LIMITED)],
        "deidentified": [output.name for output in contract.outputs(Zone.DEIDENTIFIED)],
    }


def _exceptions(contract: Contract) -> dict[str, str]:
    """Columns whose name or type speaks of an identifier, and why they are none."""
    return {n: c.not_identifier for n, c in contract.columns.items() if c.not_identifier}


def _print(name: str, contract: Contract | None, problems: list[str]) -> None:
    if contract is None or problems:
        console.print("refused", style="red", end="  ")
        console.print(name, highlight=False, soft_wrap=True)
        for problem in problems:
            console.print(f"  {problem}", markup=False, highlight=False, soft_wrap=True)
        return
    console.print("passed", style="green", end="   ")
    console.print(
        f"{name}: {len(contract.columns)} columns, "
        f"{len(contract.identifier_columns)} identifiers; "
        f"{len(contract.outputs(Zone.LIMITED))} reach limited, "
        f"{len(contract.outputs(Zone.DEIDENTIFIED))} deidentified",
        highlight=False,
        soft_wrap=True,
    )
    for column, reason in _exceptions(contract).items():
        console.print(
            f"  {column} is not an identifier: {reason}",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
