"""``deid policy``: compare policies, and run worked examples against one."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from deid_platform.cli import AsJson, columns_of, console, print_json, progress_console
from deid_platform.cli.assess import error_report
from deid_platform.core.errors import DeidError, ZoneError
from deid_platform.core.faults import DeclarationFault
from deid_platform.core.policy import DdgPolicy
from deid_platform.engine.deployment import Deployment

FAILED = 23
"""Exit code of `deid policy vectors` when an example fails or cannot be understood."""


def register(app: typer.Typer) -> None:
    """Add ``policy diff`` and ``policy vectors``."""
    policy = typer.Typer(help="Compare disclosure policies and test them.", no_args_is_help=True)
    policy.command("diff")(diff)
    policy.command("vectors")(vectors)
    app.add_typer(policy, name="policy")


def diff(
    before: Annotated[str, typer.Argument(help="A policy by name, or a path.")],
    after: Annotated[str, typer.Argument(help="Another policy, or an overlay.")],
    as_json: AsJson = False,
) -> None:
    """List every rule that changes, and which publications here would come out differently.

    Example: `deid policy diff calhhs_ddg_2 assets/policies/department.yaml`
    """
    from deid_platform.core.policy_diff import policy_diff
    from deid_platform.engine.publications import load_policy

    deployment = Deployment.from_environment()
    first = load_policy(before, deployment, superseded=True)
    second = load_policy(after, deployment, superseded=True)
    changes = policy_diff(first, second)
    effects = _effects(deployment, first, second)
    if as_json:
        print_json(
            {
                "before": {"name": first.name, "digest": first.digest},
                "after": {"name": second.name, "digest": second.digest},
                "changes": [asdict(change) for change in changes],
                "publications": effects,
            }
        )
        return
    view = columns_of("where", "rule", first.name, second.name, title="Rules that change")
    for change in changes:
        view.add_row(change.where, change.rule, _brief(change.before), _brief(change.after))
    console.print(view if changes else "The policies say the same.")
    if effects is None:
        console.print("No publication is materialised here to compare outcomes on.")
        return
    outcomes = columns_of("publication", first.name, second.name, "changes", title="Publications")
    for effect in effects:
        outcomes.add_row(
            effect["publication"],
            _with_score(effect["before"], effect["score_before"]),
            _with_score(effect["after"], effect["score_after"]),
            "yes" if effect["changes"] else "no",
        )
    console.print(outcomes)


def vectors(
    file: Annotated[Path, typer.Argument(help="YAML of worked examples.")],
    policy: Annotated[
        str, typer.Option("--policy", help="The policy or overlay to test.")
    ] = "calhhs_ddg_2",
    as_json: AsJson = False,
) -> None:
    """Run worked examples and print, per id, pass or fail with expected against got.

    Exit code 0 when all pass, 23 when one fails or holds a kind or field that is not known, 10
    when the file is no file of examples.

    Example: `deid policy vectors tests/golden/ddg_vectors.yaml`
    """
    from deid_platform.engine.publications import load_policy
    from deid_platform.engine.vectors import run_vectors

    try:
        chosen = load_policy(policy, Deployment.from_environment(), superseded=True)
        results = run_vectors(file, chosen)
    except DeidError as error:
        if as_json:
            code = error.fault.code if isinstance(error, DeclarationFault) else None
            print_json(error_report(error, code))
        raise
    counts = {
        status: sum(1 for result in results if result.status == status)
        for status in ("pass", "fail", "error")
    }
    if as_json:
        print_json(
            {
                "policy": chosen.name,
                "policy_digest": chosen.digest,
                "counts": counts,
                "results": [result.to_dict() for result in results],
            }
        )
    else:
        view = columns_of("id", "kind", "result", "expected against got")
        for result in results:
            view.add_row(result.id, result.kind, result.status, "\n".join(result.failures))
        console.print(view)
        console.print(f"{counts['pass']} pass, {counts['fail']} fail, {counts['error']} errors")
    if counts["fail"] or counts["error"]:
        raise typer.Exit(FAILED)


def _effects(
    deployment: Deployment, before: DdgPolicy, after: DdgPolicy
) -> list[dict[str, Any]] | None:
    """Outcomes under both policies, or None where the limited zone is not there."""
    from deid_platform.core.zones import Zone
    from deid_platform.engine.database import open_zone
    from deid_platform.engine.dbt_manifest import ensure_manifest
    from deid_platform.engine.policy_effects import effects
    from deid_platform.engine.publications import load_publications

    if not deployment.zone_file(Zone.LIMITED).exists():
        return None
    try:
        with progress_console.status("assessing the publications under both policies"):
            publications = load_publications(ensure_manifest(deployment))
            with open_zone(deployment, None, reading=(Zone.LIMITED,)) as con:
                found = effects(con, publications, before, after)
    except ZoneError as error:
        progress_console.print(f"Publications are not compared: {error}", markup=False)
        return None
    return [{**asdict(effect), "changes": effect.changes} for effect in found]


def _brief(value: Any) -> str:
    if isinstance(value, dict):
        if "points" in value:
            return f"{value['label']}: {value['points']}"
        value = next(
            (value[key] for key in ("value", "chosen", "title", "says") if key in value), "present"
        )
    return "–" if value is None else str(value)


def _with_score(outcome: str, score: int | None) -> str:
    return outcome if score is None else f"{outcome} ({score})"
