"""``deid demo``: from what is in the landing folder to a released table, in one command."""

from __future__ import annotations

import csv
from pathlib import Path

from deid_platform.core.errors import DeliveryError
from deid_platform.core.zones import Zone
from deid_platform.engine.gates import Stage, gates_for
from tests.support.path import PUBLICATION, VISITS, Demonstrated, Finished, Site, new_site


def test_the_demo_releases_one_table(demonstrated: Demonstrated) -> None:
    folder = Path(demonstrated.summary["folder"])
    assert folder.is_relative_to(demonstrated.site.deployment.outbox)
    assert {file.name for file in folder.iterdir()} == set(demonstrated.summary["files"])
    assert demonstrated.site.tables(Zone.RELEASE) == [PUBLICATION]
    (data,) = [f for f in folder.glob("*.csv") if not f.stem.endswith("_dictionary")]
    with data.open(encoding="utf-8", newline="") as lines:
        counts = [row["person_count"] for row in csv.DictReader(lines)]
    assert len(counts) > 50
    assert [count for count in counts if count and 1 <= int(count) <= 10] == []


def test_the_demo_sums_up_rows_gates_and_blanks(demonstrated: Demonstrated) -> None:
    summary = demonstrated.summary
    assert summary["zones"]["raw"] > VISITS
    assert summary["zones"]["release"] > 0
    for gate in gates_for(Stage.CANDIDATE):
        assert summary["gates"][gate.name]["passed"] >= len(summary["blanks"]) >= 5
    assert {name: n["stopped"] for name, n in summary["gates"].items() if n["stopped"]} == {}
    assert summary["blanks"][PUBLICATION]["small"] > 0


def test_the_demo_leaves_identifiers_where_they_belong(
    demonstrated: Demonstrated, finished: Finished
) -> None:
    assert demonstrated.site.sightings_outside_raw(finished.canaries) == []


def test_the_demo_waits_for_nobody_and_its_ledger_holds(demonstrated: Demonstrated) -> None:
    assert demonstrated.site.asked("status")["waiting"] == []
    assert demonstrated.site.asked("audit", "verify")["ok"]
    kinds = [e["kind"] for e in demonstrated.site.asked("ledger", "show", "--last", "10000")]
    assert kinds.count("request.released") == 1


def test_an_export_without_files_is_told_before_anything_runs(tmp_path: Path) -> None:
    site = new_site(tmp_path)
    empty = tmp_path / "empty"
    empty.mkdir()
    error = site.deid("demo", "--visits", "100", "--synthea", str(empty)).exception
    assert isinstance(error, DeliveryError)
    assert "there is no CSV file in it" in str(error)
    assert site.asked("status")["runs"] == []


def test_a_system_that_delivers_nothing_holds_no_candidate_up(copied: Site) -> None:
    name = "synthea_encounters_by_class_year"
    copied.execute(Zone.LIMITED, f"delete from limited.main.{name}")
    outcome = copied.run("candidates", assets=[f"assessment/{name}", f"candidate/{name}"])
    assert outcome.succeeded
    assert outcome.steps[f"candidate__{name}"] == "skipped"
