"""`deid execute` and `deid validate`: record what the pipeline ran, and have it looked at."""

from __future__ import annotations

import secrets
import sys
from typing import Annotated

import typer
from rich.table import Table

from deid_platform.cli import AsJson, console
from deid_platform.cli.request import As, Key, RequestId, actor, asks, report, take
from deid_platform.cli.review import Conditions
from deid_platform.core.errors import AuthorisationError
from deid_platform.core.workflow import Action, Role
from deid_platform.engine.deployment import Deployment
from deid_platform.governance.facts import candidate_gates, current_binding, gate_standing
from deid_platform.governance.ledger import Ledger
from deid_platform.governance.requests import Actor, request_of
from deid_platform.governance.validation_sample import Sample, show_sample

PIPELINE = "service:pipeline"


def register(app: typer.Typer) -> None:
    """Add `deid execute` and `deid validate`."""
    app.command("execute")(execute)
    app.command("validate")(validate)


def execute(request: RequestId, as_json: AsJson = False) -> None:
    """Record the pipeline's last run as the execution of a reviewed request.

    It counts only if that run was made by the reviewed declaration and policy, by code that says
    which it was, under a policy of the method standard.

    Example: `deid execute req-0123456789`
    """
    report(take(request, Action.RECORD_EXECUTION, Role.DATA_ENGINEER, actor(PIPELINE)), as_json)


def validate(
    request: RequestId,
    as_person: As = PIPELINE,
    findings: Annotated[
        str, typer.Option(help="What you looked at and found, in one line, without any value.")
    ] = "",
    sample: Annotated[
        int, typer.Option(min=0, help="Rows of the masked table to look at, on a terminal only.")
    ] = 0,
    yes: Annotated[bool, typer.Option("--yes", help="You found it fit.")] = False,
    condition: Conditions = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Validate an executed request: automated checks always, a second person where GV-01 asks.

    Without --as the automated checks alone are recorded, where they suffice.

    Example: `deid validate req-0123456789 --yes --findings "Twenty rows, nothing found"
    --as gus.ortiz`
    """
    deployment = Deployment.from_environment()
    ledger = Ledger.open(deployment.ledger_url)
    who = actor(as_person, key)
    publication = request_of(ledger, request).publication
    if not as_json:
        console.print(_checks(ledger, publication))
    if sample:
        _show(show_on_terminal(deployment, ledger, request, who, sample))
    if who.identity.is_person and not findings and asks():
        findings = typer.prompt("What did you look at and find")
    if who.identity.is_person and not yes and asks():
        yes = typer.confirm("Is it fit to go on?", default=False)
    content = {
        "verdict": "passed" if yes or not who.identity.is_person else "failed",
        "findings": findings,
        "sampled": sample,
    }
    done = take(
        request, Action.VALIDATE, Role.VALIDATOR, who, conditions=condition, content=content
    )
    report(done, as_json)


def show_on_terminal(
    deployment: Deployment, ledger: Ledger, request: str, who: Actor, rows: int
) -> Sample:
    """A sample, if there is a terminal and nothing that could keep it.

    Raises:
        AuthorisationError: the output goes to a file or a pipe, or `show_sample` refuses.
    """
    if not sys.stdout.isatty():
        raise AuthorisationError(
            request, "a sample is shown on a terminal only", "do not redirect the output"
        )
    return show_sample(
        deployment, ledger, request=request, actor=who, rows=rows, seed=secrets.token_hex(8)
    )


def _show(sample: Sample) -> None:
    table = Table(*sample.columns, title="A sample, kept nowhere")
    for row in sample.rows:
        table.add_row(*row)
    console.print(table)


def _checks(ledger: Ledger, publication: str) -> Table:
    standing = gate_standing(ledger, current_binding(ledger, publication), candidate_gates())
    table = Table("check", "passed", "violations", "rule", title="Automated checks")
    for one in standing.results:
        table.add_row(one.gate, "yes" if one.passed else "NO", str(one.failures), one.rule)
    for missing in standing.missing:
        table.add_row(missing, "NO", "", "")
    return table
