"""The only way out: authorise, copy to the release zone, export, record, deliver.

Everything is prepared where nobody reads: an uncommitted table and a private folder. Then the
release is recorded, under the ledger's lock and after asking it once more; only then is the table
committed and the folder moved into the outbox. A run killed anywhere leaves either nothing or a
recorded release that the next run completes with the same bytes.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from deid_platform.core.errors import AuthorisationError, GateError, ZoneError
from deid_platform.core.masking.certificate import stated
from deid_platform.core.policy import DdgPolicy
from deid_platform.core.publication import Publication
from deid_platform.core.workflow import Action, State, check_role
from deid_platform.core.zones import Zone
from deid_platform.engine.circulation import check_circulated, keep_in_circulation
from deid_platform.engine.database import open_zone
from deid_platform.engine.deployment import Deployment
from deid_platform.engine.durable_files import make_private
from deid_platform.engine.fingerprint import fingerprint
from deid_platform.engine.mask import verify_candidate
from deid_platform.engine.masking_model import rules_of
from deid_platform.engine.running_code import code_version
from deid_platform.engine.sql import identifier, qualified
from deid_platform.governance.anchor import ANCHORED, check_anchors, set_anchor
from deid_platform.governance.authority import Authority, authorise, check_releaser
from deid_platform.governance.bundle import MANIFEST, deliver, file_digest, write_manifest
from deid_platform.governance.chain import Records
from deid_platform.governance.decisions import record_refusal
from deid_platform.governance.dictionary import describe
from deid_platform.governance.events import (
    DeliveryMade,
    Event,
    RequestReleased,
    RequestSuperseded,
)
from deid_platform.governance.facts import candidate_gates
from deid_platform.governance.ledger import Ledger
from deid_platform.governance.packet import Packet, write_packet
from deid_platform.governance.register import register_in_force
from deid_platform.governance.release_orders import RELEASER, order, target_of
from deid_platform.governance.requests import Actor, requests
from deid_platform.governance.targets import Release, target_named

if TYPE_CHECKING:
    import duckdb

_WORK = "release-"
_Ask = Callable[[Records], Authority]


@dataclass(frozen=True, kw_only=True)
class Published:
    """A release that is out; ``new`` is false where an earlier run had already recorded it."""

    release: str
    request: str
    publication: str
    fingerprint: str
    rows: int
    folder: Path
    files: tuple[str, ...]
    manifest_digest: str
    new: bool


def publish(
    deployment: Deployment,
    ledger: Ledger,
    publication: Publication,
    policy: DdgPolicy,
    *,
    actor: Actor,
    target: str | None = None,
    request: str | None = None,
) -> Published:
    """Release the candidate of a publication through the export target of its destination.

    Args:
        target: a check: the destination that the request names must have this target.
        request: the request to release; by default the one for the candidate's content.

    Raises:
        AuthorisationError: the ledger does not authorise it; the refusal is recorded.
        LedgerError: the ledger's chain does not hold, or it is not the ledger of the zones.
        GateError: the candidate's certificate does not hold, the table has a column or a label
            that may not leave, or together with what is out it gives a hidden cell away.
        EvidenceError: the evidence packet cannot be completed, or was changed.
        ZoneError: a zone or the outbox cannot be written.
        ZoneKeyError: the platform has no key to sign or to seal evidence with.
    """
    if target is not None:
        target_named(target)
    ledger.verify()
    make_private(deployment.scratch)
    try:
        with tempfile.TemporaryDirectory(prefix=_WORK, dir=deployment.scratch) as work:
            return _publish(
                deployment, ledger, publication, policy, actor, target, request, Path(work)
            )
    except AuthorisationError as error:
        record_refusal(
            ledger,
            error,
            publication=publication.name,
            action=Action.RELEASE,
            actor=actor,
            request=request,
        )
        raise


def _publish(
    deployment: Deployment,
    ledger: Ledger,
    publication: Publication,
    policy: DdgPolicy,
    actor: Actor,
    wanted: str | None,
    request: str | None,
    work: Path,
) -> Published:
    folder = work / "bundle"
    folder.mkdir(mode=0o755)
    with open_zone(deployment, Zone.RELEASE, reading=[Zone.LIMITED], files=[folder]) as con:
        _clear_leftovers(work)
        check_anchors(con, ANCHORED, ledger)
        content = candidate_fingerprint(con, publication.name)
        code = code_version(deployment)

        def ask(records: Records) -> Authority:
            authority = authorise(
                records,
                publication.name,
                content,
                candidate_gates(),
                at=ledger.now(),
                request=request,
                publication_digest=publication.digest,
                policy_digest=policy.digest,
                code_version=code,
            )
            register = register_in_force(records)
            who = replace(actor, identity=register.identity(actor.identity))
            check_role(authority.request.id, Action.RELEASE, who.identity, RELEASER)
            check_releaser(authority, who)
            return authority

        authority = ask(ledger)
        check_circulated(con, publication, policy)
        target = target_named(target_of(ledger, authority.request, wanted))
        order(ledger, authority.request, actor, content)
        con.execute("begin")
        table = _copied(con, publication, content)
        release = describe(con, table, publication, policy, authority)
        keep_in_circulation(con, table, publication, release.id)
        target.write(con, table, release, folder)
        write_manifest(folder, release, authority)
        digest = file_digest(folder / MANIFEST)
        _check_certified(con, publication, policy)
        packet = write_packet(
            con,
            deployment,
            ledger,
            release,
            authority,
            table=table,
            bundle=folder,
            target=target.name,
            actor=actor,
            work=work,
        )
        new = _record(ledger, ask, release, target.name, digest, packet, actor)
        set_anchor(con, Zone.RELEASE, ledger)
        con.execute("commit")
        destination = deployment.outbox / publication.name / release.id
        deliver(folder, destination, work / "replaced")
        _record_delivery(ledger, deployment, release, target.name, digest, destination, actor)
    return Published(
        release=release.id,
        request=release.request,
        publication=publication.name,
        fingerprint=content,
        rows=release.rows,
        folder=destination,
        files=tuple(sorted(file.name for file in destination.iterdir())),
        manifest_digest=digest,
        new=new,
    )


def export_again(
    con: duckdb.DuckDBPyConnection, table: str, release: Release, target: str, folder: Path
) -> None:
    """Write the files of a release anew into a private folder, to compare them; nothing leaves.

    Raises:
        GateError: the table has a column or a label that may not leave.
    """
    target_named(target).write(con, table, release, folder)


def current_fingerprint(deployment: Deployment, publication: str) -> str:
    """The fingerprint of a publication's candidate as it stands now.

    Raises:
        ZoneError: there is no candidate, or the zone cannot be opened.
    """
    with open_zone(deployment, None, reading=[Zone.LIMITED]) as con:
        return candidate_fingerprint(con, publication)


def candidate_fingerprint(con: duckdb.DuckDBPyConnection, publication: str) -> str:
    """The fingerprint of a publication's candidate, in a session that reads LIMITED.

    Raises:
        ZoneError: there is no candidate.
    """
    found = con.execute(
        "select count(*) from duckdb_tables() "
        "where database_name = ? and schema_name = 'candidate' and table_name = ?",
        [Zone.LIMITED.value, publication],
    ).fetchone()
    if not found or not found[0]:
        raise ZoneError(
            f"candidate/{publication}", "there is no such table", "build it with `deid run`"
        )
    return fingerprint(con, qualified(Zone.LIMITED.value, "candidate", publication))


def _check_certified(
    con: duckdb.DuckDBPyConnection, publication: Publication, policy: DdgPolicy
) -> None:
    """Verify the candidate's certificate once more, as it and the table are now.

    The ledger says that it held when the gates looked; the proof itself may have gone since.

    Raises:
        GateError: there is no certificate, or it does not hold.
    """
    faults = verify_candidate(con, publication, stated(rules_of(policy)))
    if faults:
        raise GateError(
            f"candidate/{publication.name}",
            f"its certificate does not hold: {faults[0]}",
            "nothing was released; build the candidate again with `deid run`",
        )


def _copied(con: duckdb.DuckDBPyConnection, publication: Publication, content: str) -> str:
    """Copy the candidate into the open transaction and prove that the copy is the same."""
    candidate = qualified(Zone.LIMITED.value, "candidate", publication.name)
    table = qualified(Zone.RELEASE.value, "main", publication.name)
    present = {row[0] for row in con.execute(f"describe {candidate}").fetchall()}
    figures = publication.figure_columns
    declared = (
        *publication.dimension_columns,
        *figures,
        *(publication.annotation_column(figure) for figure in figures),
    )
    missing = [column for column in declared if column not in present]
    if missing:
        raise GateError(
            f"candidate/{publication.name}",
            f"the table lacks {', '.join(missing)}",
            "build it again with `deid run`",
        )
    order = ", ".join(f"{identifier(one)} nulls last" for one in publication.dimension_columns)
    con.execute(f"create or replace table {table} as select * from {candidate} order by {order}")
    if fingerprint(con, table) != content:
        raise ZoneError(
            f"release/{publication.name}",
            "the copy is not the content that was reviewed",
            "nothing was released; run it again, and check the disk if this recurs",
        )
    return table


def _record(
    ledger: Ledger,
    ask: _Ask,
    release: Release,
    target: str,
    digest: str,
    packet: Packet,
    actor: Actor,
) -> bool:
    """Record the release unless an earlier run did; whether this one did.

    The ledger is asked again under its lock: a withdrawal or a failed gate may have come in while
    the bundle was written.
    """

    def command(records: Records) -> list[Event]:
        authority = ask(records)
        earlier = authority.already_released
        if earlier is not None:
            if (earlier.manifest_digest, earlier.target) != (digest, target):
                raise AuthorisationError(
                    release.id,
                    "this run gives another bundle than the one that was released",
                    "use the version and the target it was released with, or request it anew; "
                    "nothing was changed",
                )
            return []
        superseded = [
            RequestSuperseded(
                request=one.id, publication=one.publication, successor=release.request
            )
            for one in requests(records, release.publication.name).values()
            if one.state is State.RELEASED
        ]
        released = RequestReleased(
            request=release.request,
            release=release.id,
            publication=release.publication.name,
            fingerprint=release.fingerprint,
            target=target,
            manifest_digest=digest,
            rows=release.rows,
            by=str(actor.identity),
            os_user=actor.os_user,
            packet_digest=packet.digest,
            platform_key=packet.key,
        )
        return [*superseded, released]

    return bool(ledger.decide(command))


def _record_delivery(
    ledger: Ledger,
    deployment: Deployment,
    release: Release,
    target: str,
    digest: str,
    destination: Path,
    actor: Actor,
) -> None:
    sizes = [file.stat().st_size for file in destination.iterdir()]
    delivered = DeliveryMade(
        request=release.request,
        release=release.id,
        publication=release.publication.name,
        target=target,
        destination=destination.relative_to(deployment.home).as_posix(),
        manifest_digest=digest,
        files=len(sizes),
        bytes=sum(sizes),
        by=str(actor.identity),
        os_user=actor.os_user,
    )

    def command(records: Records) -> list[Event]:
        for entry in records.entries(kinds=[DeliveryMade], subject=delivered.publication):
            if entry.payload["release"] == delivered.release:
                return []
        return [delivered]

    ledger.decide(command)


def _clear_leftovers(work: Path) -> None:
    """Remove what killed runs left: whoever holds the release zone is the only one publishing."""
    for folder in work.parent.glob(f"{_WORK}*"):
        if folder != work:
            shutil.rmtree(folder, ignore_errors=True)
