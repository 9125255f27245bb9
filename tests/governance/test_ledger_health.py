"""What the doctor says of the ledger and of what left under it."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

from deid_platform.core.zones import Zone
from deid_platform.engine.database import open_zone
from deid_platform.engine.deployment import Deployment
from deid_platform.governance.anchor import set_anchor
from deid_platform.governance.events import RequestReleased
from deid_platform.governance.ledger import Ledger
from deid_platform.governance.ledger_health import examine_ledger
from tests.support.deployments import temporary_deployment
from tests.support.register import office, put_in_force

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


def said(deployment: Deployment, area: str) -> list[str]:
    found = examine_ledger(deployment, datetime.now(UTC))
    return [f"{one.level}: {one.what}" for one in found if one.area == area]


def test_signing_takes_ssh_keygen(tmp_path, monkeypatch):
    deployment = temporary_deployment(tmp_path)
    assert said(deployment, "signing") == ["ok: ssh-keygen is installed"]
    monkeypatch.setenv("PATH", str(tmp_path))
    (told,) = said(deployment, "signing")
    assert told.startswith("warning: ssh-keygen is not installed")


def test_a_register_is_examined_with_its_signatures_and_what_runs_out(tmp_path):
    deployment = temporary_deployment(tmp_path / "home")
    recorded(deployment)
    assert said(deployment, "register") == ["note: none is in force, so nobody may decide"]
    here = office(tmp_path / "office")
    ledger = Ledger.open(deployment.ledger_url)
    put_in_force(ledger, here)
    assert said(deployment, "signatures") == ["ok: 1 signed decisions, each verified"]
    assert "ok: 22 people; its entries fit together" in said(deployment, "register")

    def end_soon(content):
        end = (datetime.now(UTC) + timedelta(days=3)).date().isoformat()
        content["people"]["ana.ruiz"]["roles"][0]["until"] = end
        content["people"]["ben.cho"]["keys"][0]["valid_until"] = end

    put_in_force(ledger, here, here.changed(end_soon))
    told = said(deployment, "register")
    assert "warning: ana.ruiz: requester ends within 30 days" in told
    assert "warning: ben.cho: no key is valid in 30 days" in told


def test_a_ledger_that_the_zones_do_not_know_is_found(tmp_path):
    deployment = temporary_deployment(tmp_path / "home")
    recorded(deployment)
    other = Ledger.open(f"sqlite:///{tmp_path / 'other.db'}")
    other.append(next(Ledger.open(deployment.ledger_url).entries()).event)
    with open_zone(deployment, Zone.RELEASE) as con:
        set_anchor(con, Zone.RELEASE, other)
    (told,) = (one for one in said(deployment, "register") if one.startswith("failure"))
    assert "written under another ledger" in told
