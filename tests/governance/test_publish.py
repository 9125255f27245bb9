"""What leaves through a release, and everything that stops one."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path

import pytest

from deid_platform.core.errors import (
    AuthorisationError,
    DeclarationError,
    GateError,
    LedgerError,
    MaskingError,
    ZoneError,
)
from deid_platform.core.masking.certificate import decode, encode
from deid_platform.core.workflow import Action, Role, State
from deid_platform.core.zones import Zone
from deid_platform.engine.database import open_zone
from deid_platform.engine.fingerprint import fingerprint
from deid_platform.governance import publish as publish_module
from deid_platform.governance.events import ActionRefused, RequestReleased
from deid_platform.governance.publish import publish
from deid_platform.governance.requests import request_of
from deid_platform.governance.targets import target_names
from tests.support.governance import ANA, BEN, DANA, NAME, ROWS, World
from tests.support.people import PIPELINE, STEWARD
from tests.support.releases import another_world, count, nothing_is_out, outbox, released_rows

CHANGED = (*ROWS[:-1], ("Alpine", 2024, 26, 20, 1200, 0))


def bundle(one: World) -> dict[str, bytes]:
    """File contents by what the file is: data, dictionary, suppression, metadata, manifest."""
    return {
        Path(name).stem.rpartition("_")[2] if "_" in Path(name).stem else "manifest": content
        for name, content in outbox(one).items()
    }


def test_a_release_puts_the_reviewed_content_into_the_zone_and_the_outbox(world):
    approved = world.approved()
    done = world.publish(approved.id)
    assert done.new
    assert done.folder == world.deployment.outbox / NAME / approved.release_id
    with open_zone(world.deployment, None, reading=[Zone.RELEASE]) as con:
        assert fingerprint(con, f"release.main.{NAME}") == approved.fingerprint
    assert request_of(world.ledger, approved.id).state is State.RELEASED
    digits = approved.fingerprint.rpartition(":")[2][:8]
    stem = f"{NAME}_2023_2024_{digits}"
    assert done.files == tuple(
        sorted(
            [
                "manifest.json",
                f"{stem}.csv",
                f"{stem}_dictionary.csv",
                f"{stem}_metadata.json",
                f"{stem}_suppression.md",
            ]
        )
    )


def test_the_data_file_is_sorted_blank_where_hidden_and_zero_where_zero(world):
    """M-22."""
    world.approved()
    done = world.publish()
    (data,) = [one for one in done.folder.glob("*.csv") if "dictionary" not in one.name]
    assert data.read_bytes().decode() == (
        "county,visit_year,visit_count,person_count,population_count,visit_count_annotation\n"
        "Alpine,2023,,,1200,1\n"
        "Alpine,2024,25,20,1200,0\n"
        "California,2023,67,53,51200,0\n"
        "Inyo,2023,0,0,18000,0\n"
        "Mono,2023,,,13000,2\n"
        '"O""Neil, North",2023,40,30,19000,0\n'
    )


def test_the_dictionary_describes_every_column(world):
    world.approved()
    done = world.publish()
    (file,) = done.folder.glob("*_dictionary.csv")
    with file.open(newline="") as text:
        fields = list(csv.DictReader(text))
    assert [field["field_name"] for field in fields] == [
        *("county", "visit_year", "visit_count", "person_count", "population_count"),
        "visit_count_annotation",
    ]
    assert all(field["description"] and field["technical_notes"] for field in fields)
    assert [field["type"] for field in fields] == ["text"] + ["integer"] * 5


def test_the_note_states_the_method_the_threshold_and_the_codes(world):
    """M-23."""
    world.approved()
    (file,) = world.publish().folder.glob("*_suppression.md")
    note = file.read_text()
    for part in ("fewer than 11", "`visit_count_annotation`", "| 2 | suppressed: complementary"):
        assert part in note
    assert "Edition 2.0" in note
    assert world.policy.digest in note


def test_the_metadata_names_files_and_digests_and_stays_private(world):
    world.approved()
    done = world.publish()
    (file,) = done.folder.glob("*_metadata.json")
    metadata = json.loads(file.read_text())
    assert metadata["dublin_core"]["title"] == "Visits by county"
    assert metadata["dublin_core"]["coverage"] == "2023/2024"
    assert metadata["ckan"]["private"] is True
    for resource in metadata["ckan"]["resources"]:
        content = (done.folder / resource["file"]).read_bytes()
        assert resource["hash"] == f"sha256:{hashlib.sha256(content).hexdigest()}"


def test_the_manifest_lists_every_file_and_what_was_decided_on(world):
    approved = world.approved()
    done = world.publish()
    manifest = json.loads((done.folder / "manifest.json").read_text())
    assert {one["name"] for one in manifest["files"]} == set(done.files) - {"manifest.json"}
    for one in manifest["files"]:
        content = (done.folder / one["name"]).read_bytes()
        assert (one["bytes"], one["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
    assert manifest["content_fingerprint"] == approved.fingerprint
    assert manifest["request"] == approved.id
    assert manifest["rows"] == len(ROWS)
    assert all(gate["passed"] for gate in manifest["gates"])


def test_no_name_of_a_person_or_path_of_the_machine_is_in_the_bundle(world):
    world.approved()
    world.publish()
    everything = b"".join(outbox(world).values())
    for part in (b"ana.ruiz", b"ben.cho", b"dana.lee", b"tester", str(Path.home()).encode()):
        assert part not in everything
    assert str(world.deployment.home).encode() not in everything


def test_two_deployments_with_the_same_input_write_the_same_bytes(world, tmp_path):
    other = another_world(tmp_path)
    for one in (world, other):
        one.approved()
    other.build(reversed(ROWS))
    for one in (world, other):
        one.publish()
    assert outbox(world) == outbox(other) != {}


def test_without_a_request_or_approval_nothing_leaves_and_the_refusal_is_recorded(world):
    world.build()
    with pytest.raises(AuthorisationError, match="nobody has requested it"):
        world.publish()
    world.submit()
    with pytest.raises(AuthorisationError, match="an approval by a data_steward"):
        world.publish()
    assert nothing_is_out(world)
    assert count(world, ActionRefused) == 2
    assert world.ledger.verify()


def test_without_its_gates_nothing_leaves(world):
    content = world.approved().fingerprint
    gate = publish_module.candidate_gates()[-1]
    world.evaluate(content, gates=[gate], failing=[gate])
    with pytest.raises(AuthorisationError, match=f"gate {gate} did not pass"):
        world.publish()
    assert nothing_is_out(world)


def test_a_candidate_tampered_with_after_approval_is_refused(world):
    world.approved()
    with open_zone(world.deployment, Zone.LIMITED) as con:
        con.execute(f"update candidate.{NAME} set visit_count = 3 where county = 'Alpine'")
    with pytest.raises(AuthorisationError, match="not the one the pipeline recorded last"):
        world.publish()
    assert nothing_is_out(world)


@pytest.mark.parametrize("actor", [ANA, BEN])
def test_neither_requester_nor_approver_carries_out_the_release(world, actor):
    approved = world.approved()
    with pytest.raises(AuthorisationError, match="separation of duties"):
        world.publish(approved.id, actor)
    assert nothing_is_out(world)


def test_the_service_may_carry_out_what_people_decided(world):
    approved = world.approved()
    assert world.publish(approved.id, PIPELINE).new


def test_a_policy_changed_after_approval_is_refused(world):
    world.approved()
    with pytest.raises(AuthorisationError, match="the policy changed"):
        publish(
            world.deployment,
            world.ledger,
            world.publication,
            world.policy.replace(min_people=5),
            actor=DANA,
        )
    assert nothing_is_out(world)


def test_a_declaration_changed_after_approval_is_refused(world):
    world.approved()
    changed = world.publication.model_copy(update={"title": "Another title"})
    with pytest.raises(AuthorisationError, match="the publication's declaration changed"):
        publish(world.deployment, world.ledger, changed, world.policy, actor=DANA)


def test_a_withdrawal_while_the_bundle_is_written_stops_the_release(world, monkeypatch):
    approved = world.approved()
    original = publish_module.write_manifest

    def withdrawn_meanwhile(*args):
        original(*args)
        world.act(approved.id, Action.WITHDRAW, ANA, Role.REQUESTER, reason="wait")

    monkeypatch.setattr(publish_module, "write_manifest", withdrawn_meanwhile)
    with pytest.raises(AuthorisationError, match="is withdrawn"):
        world.publish(approved.id)
    assert nothing_is_out(world)
    assert (count(world, RequestReleased), count(world, ActionRefused)) == (0, 1)


def test_a_recalled_release_cannot_be_repeated(world):
    approved = world.approved()
    world.publish(approved.id)
    world.act(approved.id, Action.RECALL, STEWARD, Role.DATA_STEWARD, reason="wrong year")
    with pytest.raises(AuthorisationError, match="is recalled"):
        world.publish(approved.id)


def test_a_newer_release_supersedes_the_older_one(world):
    first = world.approved()
    world.publish(first.id)
    world.build(CHANGED)
    second = world.up_to(world.submit().id, State.RELEASE_APPROVED)
    world.publish(second.id)
    assert request_of(world.ledger, first.id).state is State.SUPERSEDED
    assert request_of(world.ledger, second.id).state is State.RELEASED
    world.build()
    with pytest.raises(AuthorisationError, match=f"request {first.id} is superseded"):
        world.publish(first.id)
    assert released_rows(world)[1][2] == 26


def test_a_request_of_another_publication_releases_nothing(world):
    world.approved()
    other = world.publication.model_copy(update={"name": "other"})
    with open_zone(world.deployment, Zone.LIMITED) as con:
        con.execute(f"create table candidate.other as from candidate.{NAME}")
    with pytest.raises(AuthorisationError, match="recorded no candidate"):
        publish(world.deployment, world.ledger, other, world.policy, actor=DANA, request="req-0001")


def test_a_copy_that_is_not_what_was_reviewed_is_not_released(world, monkeypatch):
    approved = world.approved()
    monkeypatch.setattr(
        publish_module,
        "fingerprint",
        lambda con, table: fingerprint(con, table) + ("x" if "release" in table else ""),
    )
    with pytest.raises(ZoneError, match="not the content that was reviewed"):
        world.publish(approved.id)
    assert nothing_is_out(world)


def test_a_version_that_writes_other_bytes_does_not_replace_a_release(world, monkeypatch):
    approved = world.approved()
    world.publish(approved.id)
    before = outbox(world)
    original = publish_module.write_manifest

    def newer_version(folder, release, authority):
        (folder / "extra.txt").write_text("new in this version")
        original(folder, release, authority)

    monkeypatch.setattr(publish_module, "write_manifest", newer_version)
    with pytest.raises(AuthorisationError, match="another bundle than the one that was released"):
        world.publish(approved.id)
    assert outbox(world) == before
    assert request_of(world.ledger, approved.id).state is State.RELEASED


def test_a_broken_ledger_authorises_nothing(world):
    import sqlite3

    world.approved()
    with sqlite3.connect(world.deployment.home / "ledger.db") as con:
        con.execute("drop trigger ledger_events_no_update")
        con.execute("update ledger_events set at = '2020' where sequence = 1")
    with pytest.raises(LedgerError, match="ledger entry 1"):
        world.publish()
    assert nothing_is_out(world)


@pytest.mark.parametrize("label", ["=1+1", "+cmd", "-2", "@SUM(A1)", "\tx", "  =1", "\n=1", "＝1"])
def test_a_label_that_a_spreadsheet_would_run_is_refused_without_being_quoted(world, label):
    world.build([*ROWS, (label, 2024, 30, 20, 1000, 0)])
    world.up_to(world.submit().id, State.RELEASE_APPROVED)
    with pytest.raises(GateError, match=r"column county: 1 cells") as raised:
        world.publish()
    assert label.strip() not in str(raised.value).replace("(= + - @", "")
    assert nothing_is_out(world)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("add column note varchar", "column note: a column that the publication does not"),
        ("alter visit_count type boolean", "column visit_count: a column of type BOOLEAN"),
        ("alter visit_count type double using 'inf'::double", "6 cells are no numbers"),
        ('rename county to "2 county"', "the table lacks county"),
        ("drop column visit_count_annotation", "the table lacks visit_count_annotation"),
    ],
)
def test_a_table_that_has_no_place_in_a_public_file_is_refused(world, change, words):
    world.write(ROWS)
    with open_zone(world.deployment, Zone.LIMITED) as con:
        con.execute(f"alter table candidate.{NAME} {change}")
    world.record()
    with pytest.raises(GateError, match=words):
        world.publish(world.up_to(world.submit().id, State.RELEASE_APPROVED).id)
    assert nothing_is_out(world)


def test_without_a_candidate_there_is_an_error_that_says_so(world):
    world.write(ROWS)
    with open_zone(world.deployment, Zone.LIMITED) as con:
        con.execute(f"drop table candidate.{NAME}")
    with pytest.raises(ZoneError, match="no such table"):
        world.publish()


def test_targets_are_found_by_scanning_and_an_unknown_one_is_refused(world):
    assert "csv_bundle" in target_names()
    with pytest.raises(DeclarationError, match="csv_bundle"):
        publish(
            world.deployment,
            world.ledger,
            world.publication,
            world.policy,
            actor=DANA,
            target="fax",
        )


@pytest.mark.parametrize(
    "statement",
    [
        "drop table masking.{name}_certificate",
        "delete from masking.{name}_certificate",
        "update masking.{name}_certificate set content = 'nothing of the kind'::blob",
    ],
)
def test_an_approved_candidate_whose_certificate_has_gone_is_not_released(world, statement):
    """The ledger says that its gate passed; the proof is looked at again."""
    approved = world.approved()
    with open_zone(world.deployment, Zone.LIMITED) as con:
        con.execute(statement.format(name=NAME))
    with pytest.raises((GateError, MaskingError), match="certificate"):
        world.publish(approved.id)
    assert nothing_is_out(world)
    assert request_of(world.ledger, approved.id).state is approved.state


def test_an_approved_candidate_with_the_certificate_of_a_laxer_policy_is_not_released(world):
    approved = world.approved()
    name = f"masking.{NAME}_certificate"
    with open_zone(world.deployment, Zone.LIMITED) as con:
        (content,) = con.execute(f"select content from {name}").fetchone()
        certificate = decode(content)
        certificate["rules"]["feasible_high"] = 3
        con.execute(f"update {name} set content = ?", [encode(certificate)])
    with pytest.raises(GateError, match="its certificate does not hold"):
        world.publish(approved.id)
    assert nothing_is_out(world)


def test_no_certificate_and_no_hidden_count_is_in_a_release(world):
    """They are restricted evidence: neither the bundle nor the release zone has any of them."""
    world.approved()
    world.publish()
    with open_zone(world.deployment, None, reading=[Zone.LIMITED]) as con:
        (certificate,) = con.execute(
            f"select content from limited.masking.{NAME}_certificate"
        ).fetchone()
    for content in outbox(world).values():
        assert certificate not in content
        assert b"deid-masking-certificate" not in content
        assert b"witnesses" not in content
    with open_zone(world.deployment, None, reading=[Zone.RELEASE]) as con:
        tables = con.execute(
            "select schema_name || '.' || table_name from duckdb_tables() where database_name = ?",
            [Zone.RELEASE.value],
        ).fetchall()
    assert not [name for (name,) in tables if "certificate" in name or "masking" in name]
