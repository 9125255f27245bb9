"""``deid attack``: what a reader can work out of a published table, whoever masked it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from deid_platform.cli import AsJson, console, print_json, stages
from deid_platform.core.errors import GateError
from deid_platform.engine.deployment import Deployment

_WORKED = 20
"""How many findings are worked out in text, unless all are asked for."""


def register(app: typer.Typer) -> None:
    """Add ``attack``."""
    app.command("attack")(attack)


def attack(
    file: Annotated[Path, typer.Argument(help="The published table, as CSV.")],
    declare: Annotated[Path, typer.Option("--declare", help="YAML that declares its columns.")],
    certificate: Annotated[
        Path | None, typer.Option("--certificate", help="Re-check this proof too.")
    ] = None,
    policy: Annotated[
        str | None, typer.Option("--policy", help="Judge under this policy instead.")
    ] = None,
    time_limit: Annotated[
        float, typer.Option("--time-limit", min=1, help="Seconds for the linear programs.")
    ] = 600.0,
    all_worked: Annotated[
        bool, typer.Option("--all", help="Work out every finding, not the first 20.")
    ] = False,
    by_score: Annotated[
        bool, typer.Option("--by-score", help="It was masked so: `deid mask --by-score`.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Try to get hidden cells back from sums, codes and zeros, and show how.

    With `--json` every finding is worked out, in at most the time limit once more.

    Exit code: 0 nothing can be worked out; 14 something can, was left undecided, or the proof does
    not hold; 10 the declaration does not fit; 11 a file cannot be taken; 18 what is published
    contradicts itself.

    Example: `deid attack masked.csv --declare visits.yaml --json`
    """
    from deid_platform.engine.mask_file import attack_file, verify_file
    from deid_platform.engine.publications import load_declaration, load_policy

    publication = load_declaration(declare)
    rules = load_policy(policy or publication.policy, Deployment.from_environment())
    with stages() as tell:
        report = attack_file(
            file,
            publication,
            rules,
            seconds=time_limit,
            worked=None if all_worked or as_json else _WORKED,
            tell=tell,
        )
        tell("working out how")
        document = report.to_dict()
        faults = (
            None
            if certificate is None
            else verify_file(file, publication, rules, certificate, by_score=by_score)
        )
    document["certificate_faults"] = faults
    if as_json:
        print_json(document)
    else:
        _print(document)
    if not report.holds or faults:
        raise typer.Exit(GateError.exit_code)


def _print(document: dict[str, Any]) -> None:
    for people, found in document["people"].items():
        console.print(
            f"{document['table']}: {people}: {found['hidden']} hidden, "
            f"{found['recovered']} recovered, {found['narrowed']} narrowed, "
            f"{found['undecided']} undecided",
            highlight=False,
            soft_wrap=True,
        )
        for finding in found["findings"]:
            console.print(f"  {_name(finding['cell'])}: {_range(finding)}", soft_wrap=True)
            for side, words in (("at_least", "at least"), ("at_most", "at most")):
                bound = finding.get("derivation", {}).get(side)
                if bound is not None:
                    told = f"    {words} {bound['value']}: {_worked(bound)}"
                    console.print(told, markup=False, highlight=False, soft_wrap=True)
    if document["certificate_faults"]:
        console.print("certificate: " + "; ".join(document["certificate_faults"]), markup=False)


def _name(cell: dict[str, str]) -> str:
    return " / ".join(cell.values())


def _range(finding: dict[str, Any]) -> str:
    low, high = finding["low"], finding["high"]
    return f"is {low}" if low == high else f"is {low} to {high}"


def _worked(bound: dict[str, Any]) -> str:
    if (
        len(bound["sums"]) == 1
        and not bound["taking"]
        and bound["sums"][0]["published"] is not None
    ):
        used = bound["sums"][0]
        return (
            f"the sum along {used['along']} to ({_name(used['total'])}) is {used['published']}, "
            f"its shown members make {used['shown_members']}: {used['left_for_hidden']} are left"
        )
    told = [(-entry["times"], _sum_in_words(entry)) for entry in bound["sums"]]
    told += [
        (entry["times"], f"({_name(entry['cell'])}), taken as {entry['at']}")
        for entry in bound["taking"]
    ]
    added = [_so_often(times) + words for times, words in told if times > 0]
    taken = [_so_often(times) + words for times, words in told if times < 0]
    steps = [f"add {'; '.join(added)}"] if added else []
    steps += [f"take away {'; '.join(taken)}"] if taken else []
    return ". Then ".join(steps) or "what the codes and marks say"


def _sum_in_words(entry: dict[str, Any]) -> str:
    """What one sum gives: what is left for its hidden cells, or how a hidden total is made."""
    total = f"({_name(entry['total'])})"
    if entry["published"] is None:
        return (
            f"nothing, as the hidden total {total} is its hidden cells along {entry['along']} "
            f"and {entry['shown_members']} shown"
        )
    return (
        f"the {entry['left_for_hidden']} that {total}, {entry['published']} in all, leaves its "
        f"hidden cells along {entry['along']}"
    )


def _so_often(times: float) -> str:
    return "" if abs(times) == 1 else f"{abs(times):g} times "
