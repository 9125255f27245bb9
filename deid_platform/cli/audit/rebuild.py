"""`deid audit rebuild`: make a release again, or prove its digests."""

from __future__ import annotations

from typing import Annotated

import typer

from deid_platform.cli import AsJson, console, print_json, progress_console
from deid_platform.core.errors import EvidenceError
from deid_platform.engine.dbt_manifest import ensure_manifest
from deid_platform.engine.deployment import Deployment
from deid_platform.engine.linked_tables import masked_before
from deid_platform.engine.publications import find_publication, load_policy, load_publications
from deid_platform.engine.running_code import running_code
from deid_platform.governance.ledger import Ledger
from deid_platform.governance.packet.rebuild import Rebuilt
from deid_platform.governance.packet.rebuild import rebuild as make_again
from deid_platform.governance.packet.verify import released


def register(group: typer.Typer) -> None:
    """Add ``rebuild``."""
    group.command("rebuild")(rebuild)


def rebuild(
    release: Annotated[str, typer.Argument(help="Id of the release.")],
    as_json: AsJson = False,
) -> None:
    """Mask and export a release again from its recorded inputs, and compare every byte.

    Nothing is changed: the work is done in a private folder. Where an input is gone or the code
    gives other bytes, what is missing is named, the digests are proved instead, and the exit code
    is 31.

    Example: `deid audit rebuild rel-0123456789abcdef`
    """
    deployment = Deployment.from_environment()
    ledger = Ledger.open(deployment.ledger_url)
    name = released(ledger, release).payload["publication"]
    publications = load_publications(ensure_manifest(deployment))
    publication = find_publication(name, publications)
    with progress_console.status(f"Making {release} again"):
        found = make_again(
            deployment,
            ledger,
            release,
            publication,
            load_policy(publication.policy, deployment),
            masked_before(publication, publications),
            code=running_code(deployment),
        )
    if as_json:
        print_json(
            {
                "release": found.release,
                "same_bytes": found.same,
                "files": dict(found.files),
                "missing": list(found.missing),
                "notes": list(found.notes),
                "digests_proved": found.proved,
            }
        )
    else:
        _print(found)
    if not found.same:
        differing = [name for name, same in found.files.items() if not same]
        what = "; ".join([*(f"{name} came out otherwise" for name in differing), *found.missing])
        proof = "the digests hold" if found.proved else "nor do the digests hold"
        raise EvidenceError(
            release, f"it cannot be made again: {what}; {proof}", "restore what is named"
        )


def _print(found: Rebuilt) -> None:
    for name, same in found.files.items():
        console.print(f"  {'same bytes' if same else 'OTHER BYTES'}  {name}", highlight=False)
    for note in found.notes:
        console.print(f"  though {note}", highlight=False, soft_wrap=True)
    if found.same:
        console.print(f"{found.release} was made again, byte for byte", highlight=False)
    elif found.proved:
        console.print(
            f"{found.release}: delivered bytes, attestation and ledger agree", highlight=False
        )
