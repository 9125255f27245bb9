"""What the doctor says of the ledger and of what left under it."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path

from deid_platform.engine.deployment import Deployment
from deid_platform.governance.events import RequestReleased
from deid_platform.governance.ledger import Ledger
from deid_platform.governance.ledger_health import examine_ledger
from tests.support.deployments import temporary_deployment

MANIFEST = b'{"release": "rel-1"}\n'


def bundle(deployment: Deployment, release: str = "rel-1") -> Path:
    folder = deployment.outbox / "visits_by_county" / release
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_bytes(MANIFEST)
    return folder


def recorded(deployment: Deployment) -> None:
    """The ledger knows the release of that manifest."""
    Ledger.open(deployment.ledger_url).append(
        RequestReleased(
            request="req-1",
            release="rel-1",
            publication="visits_by_county",
            fingerprint="sha256:00",
            target="csv_bundle",
            manifest_digest=hashlib.sha256(MANIFEST).hexdigest(),
            rows=1,
            by="person:dana.lee",
            os_user="dana",
        )
    )


def said_of_the_outbox(deployment: Deployment) -> list[str]:
    found = examine_ledger(deployment, datetime.now(UTC))
    return [f"{one.level}: {one.what}" for one in found if one.area == "outbox"]


def test_a_bundle_that_the_ledger_recorded_is_fine(tmp_path):
    deployment = temporary_deployment(tmp_path)
    recorded(deployment)
    bundle(deployment)
    assert said_of_the_outbox(deployment) == ["ok: 1 bundles, each as the ledger recorded it"]


def test_a_bundle_released_under_another_ledger_is_found(tmp_path):
    deployment = temporary_deployment(tmp_path)
    recorded(deployment)
    bundle(deployment)
    bundle(deployment, "rel-2")
    (said,) = said_of_the_outbox(deployment)
    assert said.startswith("failure: 1 bundles are no releases")
    assert said.endswith("outbox/visits_by_county/rel-2")


def test_a_bundle_whose_manifest_was_changed_or_lost_is_found(tmp_path):
    deployment = temporary_deployment(tmp_path)
    recorded(deployment)
    manifest = bundle(deployment) / "manifest.json"
    manifest.write_bytes(MANIFEST + b" ")
    assert said_of_the_outbox(deployment)[0].startswith("failure: 1 bundles")
    manifest.unlink()
    assert said_of_the_outbox(deployment)[0].startswith("failure: 1 bundles")
