"""`deid release`, `deid recall`, `deid expire`: carry out what is authorised, and take it back."""

from __future__ import annotations

from typing import Annotated

import typer

from deid_platform.cli import AsJson, console, print_json, progress_console
from deid_platform.cli.request import As, Key, Reason, RequestId, actor, report, take
from deid_platform.cli.validate import PIPELINE
from deid_platform.core.workflow import Action, Role
from deid_platform.core.zones import Zone
from deid_platform.engine.dbt_manifest import ensure_manifest
from deid_platform.engine.deployment import Deployment
from deid_platform.engine.publications import find_publication, load_policy, load_publications
from deid_platform.governance.ledger import Ledger
from deid_platform.governance.publish import publish
from deid_platform.governance.requests import request_of
from deid_platform.governance.snapshots import RELEASE_SNAPSHOT, publish_and_record


def register(app: typer.Typer) -> None:
    """Add `deid release`, `deid recall` and `deid expire`."""
    app.command("release")(release)
    app.command("recall")(recall)
    app.command("expire")(expire)


def release(
    request: RequestId,
    as_person: As,
    target: Annotated[
        str | None, typer.Option("--to", help="Export target that the destination must have.")
    ] = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Release an approved table: into the release zone, its snapshot, and a bundle in the outbox.

    Asks the ledger, and refuses naming everything that is missing. Safe to repeat: the same
    request gives the same bytes and one release.

    Example: `deid release req-0123456789 --to csv_bundle --as dana.lee`
    """
    deployment = Deployment.from_environment()
    ledger = Ledger.open(deployment.ledger_url)
    name = request_of(ledger, request).publication
    publication = find_publication(name, load_publications(ensure_manifest(deployment)))
    with progress_console.status(f"Releasing {name}"):
        done = publish(
            deployment,
            ledger,
            publication,
            load_policy(publication.policy, deployment),
            actor=actor(as_person, key),
            target=target,
            request=request,
        )
        publish_and_record(deployment, ledger, Zone.RELEASE, schema="main", name=RELEASE_SNAPSHOT)
    if as_json:
        print_json(
            {
                "release": done.release,
                "request": done.request,
                "publication": done.publication,
                "fingerprint": done.fingerprint,
                "rows": done.rows,
                "folder": str(done.folder),
                "files": list(done.files),
                "manifest_sha256": done.manifest_digest,
                "new": done.new,
            }
        )
        return
    console.print(
        f"{done.release}: {done.rows:,} rows of {done.publication}"
        f"{'' if done.new else ' (released before; nothing changed)'}",
        highlight=False,
    )
    console.print(str(done.folder), highlight=False, soft_wrap=True)
    for file in done.files:
        console.print(f"  {file}", highlight=False, soft_wrap=True)


def recall(
    request: RequestId,
    reason: Reason,
    as_person: As,
    role: Annotated[Role, typer.Option(help="In which role you decide.")] = Role.DATA_STEWARD,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Declare that a release must no longer be used; it cannot be released again.

    Copies that have left are for their recipients to remove; see the ledger for where they went.

    Example: `deid recall req-0123456789 --reason "A county is wrong" --as ben.cho`
    """
    report(take(request, Action.RECALL, role, actor(as_person, key), reason=reason), as_json)


def expire(
    request: RequestId,
    as_person: As = PIPELINE,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Record that a release's determination or retention has run out; it is not refreshed.

    Example: `deid expire req-0123456789`
    """
    who = actor(as_person, key)
    role = Role.DATA_STEWARD if who.identity.is_person else Role.DATA_ENGINEER
    report(take(request, Action.EXPIRE, role, who), as_json)
