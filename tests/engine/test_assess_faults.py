"""Every documented way a declaration or table can be wrong: one clear error with its own code."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from deid_platform.core.declaration import parse_publication
from deid_platform.core.errors import AssessmentError, DeclarationError, DeidError
from deid_platform.core.faults import DeclarationFault, Fault
from deid_platform.core.masking_choice import MaskingChoice, check_method
from deid_platform.core.policy import AlternateMethod
from deid_platform.engine.assess import FileTable, assess_publication, assess_relation
from deid_platform.engine.deployment import Deployment
from deid_platform.engine.publications import (
    find_publication,
    load_declaration,
    load_policy,
    load_publications,
)
from deid_platform.engine.suggest import suggest
from deid_platform.engine.vectors import run_vector, run_vectors
from tests.core.risk.builders import csv_file, ddg

SECRET = "Q7SECRETQ7"
Block = dict[str, Any]
Rows = list[dict[str, Any]]


def block() -> Block:
    return {
        "policy": "calhhs_ddg_2",
        "dimensions": {
            "county": {"kind": "residence_geography", "total": "California"},
            "age": {"kind": "age_range", "total": "All ages"},
            "year": {"kind": "time"},
        },
        "figures": {"visits": {"people": "people", "denominator": "population"}},
    }


def rows() -> Rows:
    return [
        {"county": c, "age": a, "year": "2023", "visits": n, "people": n, "population": p}
        for c, a, n, p in [
            ("Alpine", "0-17", "2", "1163"),
            ("Alpine", "18+", "9", "1163"),
            ("Alpine", "All ages", "11", "1163"),
            ("California", "0-17", "2", "37309382"),
            ("California", "18+", "9", "37309382"),
            ("California", "All ages", "11", "37309382"),
        ]
    ]


def assess(declared: Block, cells: Rows) -> None:
    publication = parse_publication("table.yaml", declared, name="table")
    con = duckdb.connect()
    columns = list(cells[0]) if cells else list(rows()[0])
    con.execute(f"create table t ({', '.join(f'{column} varchar' for column in columns)})")
    if cells:
        marks = ", ".join("?" for _ in columns)
        con.executemany(f"insert into t values ({marks})", [list(c.values()) for c in cells])
    assess_relation(con, "t", publication, ddg())
    suggest(con, "t", publication, ddg())


def test_the_table_that_the_faults_start_from_is_sound():
    assess(block(), rows())


DECLARATIONS: list[tuple[Fault, Callable[[Block], Any]]] = [
    (Fault.UNKNOWN_KEY, lambda b: b.update(dimension={})),
    (Fault.UNKNOWN_KEY, lambda b: b["dimensions"]["age"].update(totals="x")),
    (Fault.MISSING_KEY, lambda b: b.pop("policy")),
    (Fault.WRONG_TYPE, lambda b: b.update(product="poem")),
    (Fault.WRONG_TYPE, lambda b: b["figures"]["visits"].update(denominator_population="x")),
    (Fault.UNKNOWN_KIND, lambda b: b["dimensions"]["age"].update(kind="shoe_size")),
    (Fault.UNKNOWN_KIND, lambda b: b["figures"]["visits"].update(kind="total")),
    (Fault.NO_DIMENSION, lambda b: b.update(dimensions={})),
    (Fault.NO_DIMENSION, lambda b: b.pop("dimensions")),
    (Fault.NO_FIGURE, lambda b: b.update(figures={})),
    (Fault.NO_FIGURE, lambda b: b.pop("figures")),
    (Fault.NO_PEOPLE, lambda b: b["figures"]["visits"].pop("people")),
    (Fault.COLUMN_TWICE, lambda b: b["figures"]["visits"].update(people="age")),
    (Fault.COLUMN_TWICE, lambda b: b["figures"]["visits"].update(people="population")),
    (Fault.COLUMN_TWICE, lambda b: b["figures"].update(x_annotation={"people": "people"})),
    (
        Fault.TWO_DENOMINATORS,
        lambda b: b["figures"]["visits"].update(denominator_population=1000000),
    ),
    (Fault.BAD_MASKING, lambda b: b.update(masking={"must_publish": [{"moon": "full"}]})),
    (Fault.BAD_MASKING, lambda b: b.update(masking={"prefer_hide": [{}]})),
    (Fault.BAD_MASKING, lambda b: b.update(masking={"method": "percentages"})),
    (Fault.BAD_MASKING, lambda b: b.update(masking={"share_of": "age"})),
    (Fault.WRONG_TYPE, lambda b: b.update(masking={"weights": "cases"})),
    (Fault.UNKNOWN_KEY, lambda b: b.update(masking={"must_hide": []})),
    (Fault.UNKNOWN_PARENT, lambda b: b["dimensions"]["county"].update(parent="region")),
    (
        Fault.NOT_A_TREE,
        lambda b: b["dimensions"]["age"].update(hierarchy={"a": ["b"], "b": ["a"]}),
    ),
    (
        Fault.NOT_A_TREE,
        lambda b: b["dimensions"]["age"].update(hierarchy={"a": ["c"], "b": ["c"]}),
    ),
    (
        Fault.NOT_A_TREE,
        lambda b: (
            b["dimensions"]["county"].update(parent="age"),
            b["dimensions"]["age"].update(parent="county"),
        ),
    ),
    (Fault.BAD_PART, lambda b: b.update(parts=[["county", "year"]])),
    (Fault.BAD_PART, lambda b: b.update(parts=[["county", "age", "year", "planet"]])),
    (Fault.UNKNOWN_SUBJECT, lambda b: b.update(subjects=["left_handed"])),
    (Fault.UNKNOWN_SUBJECT, lambda b: b.update(high_risk={"age": {"0-17": "left_handed"}})),
    (Fault.BAD_HIGH_RISK, lambda b: b.update(high_risk={"visits": {}})),
    (Fault.UNKNOWN_SURVEY, lambda b: b.update(survey={"name": "NHIS"})),
    (Fault.UNKNOWN_SURVEY, lambda b: b.update(product="survey")),
    (
        Fault.UNSOURCED_POPULATION,
        lambda b: b["dimensions"]["county"].update(populations={"Alpine": 5}),
    ),
    (
        Fault.TOTAL_REPEATED,
        lambda b: b["dimensions"]["county"].update(
            populations={"California": 5}, population_source="s"
        ),
    ),
    (
        Fault.BAD_MEANING,
        lambda b: b["dimensions"]["county"].update(labels={"N": "A"}, groups={"N": ["A"]}),
    ),
    (Fault.NO_TOTAL, lambda b: b.update(parts=[["county", "year"], ["county", "age"]])),
    (
        Fault.NO_TOTAL,
        lambda b: b["figures"]["visits"].update(denominator=None, denominator_total=["year"]),
    ),
]


@pytest.mark.parametrize(("fault", "change"), DECLARATIONS)
def test_a_wrong_declaration_gives_its_own_error(fault, change):
    declared = copy.deepcopy(block())
    change(declared)
    with pytest.raises(DeclarationError) as caught:
        assess(declared, rows())
    assert caught.value.fault is fault
    assert f"[{fault.code}]" in str(caught.value)
    assert caught.value.exit_code == 10


def change_cell(index: int, **cells: Any) -> Callable[[Rows, Block], Any]:
    return lambda r, b: r[index].update(cells)


def drop(column: str) -> Callable[[Rows, Block], Any]:
    return lambda r, b: [one.pop(column) for one in r]


def with_members(r: Rows, b: Block) -> None:
    b["dimensions"]["plan"] = {"kind": "insurance", "population_column": "members"}
    for one in r:
        one.update(plan="P", members="")


def with_survey(r: Rows, b: Block) -> None:
    b["survey"] = {"name": "Ours", "sample_column": "n"}
    for one in r:
        one.update(n="")


def in_two_regions(r: Rows, b: Block) -> None:
    b["dimensions"]["county"]["parent"] = "region"
    b["dimensions"]["region"] = {"kind": "residence_geography"}
    for index, one in enumerate(r):
        one.update(region="Kern" if index % 2 else "Kings")


TABLES: list[tuple[Fault, Callable[[Rows, Block], Any]]] = [
    (Fault.UNDECLARED_COLUMN, lambda r, b: [one.update(note=SECRET) for one in r]),
    (Fault.MISSING_COLUMN, drop("population")),
    (Fault.MISSING_COLUMN, drop("age")),
    (Fault.EMPTY_TABLE, lambda r, b: r.clear()),
    (Fault.NOT_A_NUMBER, change_cell(0, people=SECRET)),
    (Fault.NOT_A_NUMBER, change_cell(0, people="<11")),
    (Fault.NOT_A_NUMBER, change_cell(0, visits="1,234")),
    (Fault.NOT_A_NUMBER, change_cell(0, population="NaN")),
    (Fault.NEGATIVE, change_cell(0, people="-2")),
    (Fault.NEGATIVE, change_cell(0, population="-1")),
    (Fault.NEGATIVE, change_cell(0, visits="-1")),
    (Fault.FRACTIONAL, change_cell(0, people="2.5")),
    (Fault.FRACTIONAL, change_cell(0, population="0.5")),
    (Fault.MISSING_PEOPLE, change_cell(0, people=None)),
    (Fault.MISSING_PEOPLE, change_cell(0, people=" ")),
    (Fault.MISSING_POPULATION, change_cell(0, population=None)),
    (Fault.MISSING_POPULATION, with_members),
    (Fault.PEOPLE_OVER_DENOMINATOR, change_cell(0, population="1")),
    (Fault.DUPLICATE_CELL, lambda r, b: r.append(dict(r[0]))),
    (Fault.EMPTY_LABEL, change_cell(0, age=None)),
    (Fault.EMPTY_LABEL, change_cell(0, age="  ")),
    (Fault.OVERLAPPING_AGES, change_cell(0, age="10-20")),
    (Fault.UNREADABLE_AGE, change_cell(0, age=SECRET)),
    (Fault.UNREADABLE_PERIOD, change_cell(0, year=SECRET)),
    (Fault.UNKNOWN_GEOGRAPHY, change_cell(0, county=SECRET)),
    (
        Fault.UNKNOWN_GROUP,
        lambda r, b: (
            b["dimensions"].update(race={"kind": "race"}),
            [one.update(race=SECRET) for one in r],
        ),
    ),
    (
        Fault.UNKNOWN_PROGRAM,
        lambda r, b: (
            b["dimensions"].update(payer={"kind": "means_tested"}),
            [one.update(payer=SECRET) for one in r],
        ),
    ),
    (Fault.NO_TIME, lambda r, b: (b["dimensions"].pop("year"), [one.pop("year") for one in r])),
    (
        Fault.NO_GEOGRAPHY,
        lambda r, b: (b["dimensions"]["county"].update(kind="other"),),
    ),
    (
        Fault.SIDE_BY_SIDE_CROSSED,
        lambda r, b: b.update(parts=[["county", "year"], ["age", "year"]]),
    ),
    (Fault.HIERARCHY_BROKEN, in_two_regions),
    (Fault.MARGIN_MISMATCH, change_cell(2, people="1")),
    (
        Fault.UNKNOWN_HIGH_RISK_LABEL,
        lambda r, b: b.update(high_risk={"age": {"0-19": "immigration"}}),
    ),
    (Fault.SURVEY_DESIGN, with_survey),
    (Fault.TOTAL_ABSENT, lambda r, b: b["dimensions"]["age"].update(total="Everybody")),
]


@pytest.mark.parametrize(("fault", "change"), TABLES)
def test_a_wrong_table_gives_its_own_error_without_its_values(fault, change):
    declared, cells = block(), rows()
    change(cells, declared)
    with pytest.raises(AssessmentError) as caught:
        assess(declared, cells)
    assert caught.value.fault is fault
    assert f"[{fault.code}]" in str(caught.value)
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.exit_code == 17


def test_an_unknown_label_fails_also_where_no_score_is_needed():
    """The table meets the numerator-denominator condition, and is still refused."""
    cells = rows()
    for one in cells:
        one.update(people="900", visits="900", population="40000")
    assess(block(), cells)
    cells[0].update(county=SECRET)
    with pytest.raises(AssessmentError) as caught:
        assess(block(), cells)
    assert caught.value.fault is Fault.UNKNOWN_GEOGRAPHY


def deployment(folder: Path) -> Deployment:
    """A project whose policies extend the shipped one."""
    shipped = Deployment.from_environment({})
    policies = folder / "assets" / "policies"
    policies.mkdir(parents=True, exist_ok=True)
    for file in shipped.policies.glob("calhhs_ddg_*.yaml"):
        (policies / file.name).write_text(file.read_text("utf-8"), "utf-8")
    seeds = folder / "dbt_project" / "seeds"
    seeds.mkdir(parents=True, exist_ok=True)
    for name in ("county_population.csv", "state_population.csv"):
        source = shipped.project / "dbt_project" / "seeds" / name
        (seeds / name).write_bytes(source.read_bytes())
    return Deployment(project=folder, home=folder / "var", environment={})


FILING = {
    "department": "Department of Examples",
    "filing_reference": "DE-2026-1",
    "prt_approval": "PRT-77",
    "prt_approved_on": "2026-03-01",
    "effective_date": "2026-04-01",
}


def overlay(folder: Path, **content: Any) -> str:
    file = folder / "overlay.yaml"
    whole = {"extends": "calhhs_ddg_2", "name": "department", "filing": FILING} | content
    file.write_text(yaml.safe_dump(whole), "utf-8")
    return str(file)


def caught_fault(action: Callable[[], Any]) -> Fault:
    with pytest.raises(DeidError) as caught:
        action()
    return caught.value.fault


def test_a_file_that_is_no_table_gives_its_own_error(tmp_path):
    """Missing, empty, binary and ragged files."""
    (tmp_path / "empty.csv").write_bytes(b"")
    (tmp_path / "binary.parquet").write_bytes(bytes(range(256)))
    (tmp_path / "ragged.csv").write_text("a,b\n1,2\n1,2,3,4\n", "utf-8")
    (tmp_path / "latin.csv").write_bytes(b"county,n\nDo\xf1a,1\n")
    for name in ("missing.csv", "empty.csv", "binary.parquet", "ragged.csv", "latin.csv"):

        def read(name: str = name) -> None:
            with FileTable(tmp_path / name):
                pass

        assert caught_fault(read) is Fault.UNREADABLE_FILE, name


def test_a_declaration_file_that_cannot_be_read_gives_its_own_error(tmp_path):
    (tmp_path / "list.yaml").write_text("- 1\n", "utf-8")
    (tmp_path / "broken.yaml").write_text("a: [1\n", "utf-8")
    (tmp_path / "twice.yaml").write_text("policy: a\npolicy: b\n", "utf-8")
    (tmp_path / "inner.yaml").write_text("publication: [1]\n", "utf-8")
    assert caught_fault(lambda: load_declaration(tmp_path / "no.yaml")) is Fault.UNREADABLE_FILE
    for name, fault in [
        ("list.yaml", Fault.NOT_A_MAPPING),
        ("broken.yaml", Fault.UNREADABLE_FILE),
        ("twice.yaml", Fault.UNREADABLE_FILE),
        ("inner.yaml", Fault.NOT_A_MAPPING),
    ]:
        assert caught_fault(lambda name=name: load_declaration(tmp_path / name)) is fault


def test_a_policy_that_may_not_be_used_gives_its_own_error(tmp_path):
    here = deployment(tmp_path)
    for name in ("nobody_knows", "calhhs_ddg_1", "../etc/passwd", str(tmp_path / "no.yaml")):
        assert caught_fault(lambda name=name: load_policy(name, here)) is Fault.UNKNOWN_POLICY


def test_an_overlay_without_its_references_is_refused(tmp_path):
    here = deployment(tmp_path)
    for key in FILING:
        filing = {name: value for name, value in FILING.items() if name != key}
        path = overlay(tmp_path, filing=filing)
        fault = caught_fault(lambda path=path: load_policy(path, here))
        assert fault is Fault.OVERLAY_WITHOUT_REFERENCES


def test_an_overlay_of_what_is_not_there_is_refused(tmp_path):
    here = deployment(tmp_path)
    for overrides in (
        {"settings": {"min_persons": {"value": 5}}},
        {"thresholds": {}},
        {"score_tables": {"shoe_size": {}}},
    ):
        path = overlay(tmp_path, overrides=overrides)
        assert caught_fault(lambda path=path: load_policy(path, here)) is Fault.BAD_OVERRIDE


def test_overlays_that_extend_each_other_are_refused(tmp_path):
    here = deployment(tmp_path)
    path = overlay(tmp_path, extends=str(tmp_path / "overlay.yaml"))
    assert caught_fault(lambda: load_policy(path, here)) is Fault.OVERLAY_LOOP


def test_a_score_table_with_a_gap_or_a_repeated_row_is_refused(tmp_path):
    here = deployment(tmp_path)
    row = {"label": "x", "points": 1, "source": "s"}
    for changed in (
        [row | {"id": "A", "at_most": 4}, row | {"id": "B", "at_least": 6}],
        [row | {"id": "A", "at_most": 4}, row | {"id": "B", "at_least": 4}],
        [row | {"id": "A", "at_least": 0}],
        [row | {"id": "A", "at_most": 4}, row | {"id": "A", "at_least": 5}],
    ):
        overrides = {"score_tables": {"groups": {"rows": changed}}}
        path = overlay(tmp_path, overrides=overrides)
        assert caught_fault(lambda path=path: load_policy(path, here)) is Fault.BAD_POLICY_TABLE


def test_a_population_table_that_changed_is_refused(tmp_path):
    here = deployment(tmp_path)
    seed = tmp_path / "dbt_project" / "seeds" / "county_population.csv"
    seed.write_text(seed.read_text("utf-8").replace("1163", "9163"), "utf-8")
    assert caught_fault(lambda: load_policy("calhhs_ddg_2", here)) is Fault.UNKNOWN_REFERENCE


def test_a_publication_or_manifest_that_is_not_there_gives_its_own_error(tmp_path):
    assert caught_fault(lambda: find_publication("nobody", [])) is Fault.NO_PUBLICATION
    (tmp_path / "manifest.json").write_text("{}", "utf-8")
    for name in ("manifest.json", "missing.json"):
        fault = caught_fault(lambda name=name: load_publications(tmp_path / name))
        assert fault is Fault.UNREADABLE_FILE


def test_a_publication_that_is_not_materialised_gives_its_own_error():
    con = duckdb.connect()
    con.execute("attach ':memory:' as limited")
    publication = parse_publication("t", block(), name="table")
    fault = caught_fault(lambda: assess_publication(con, publication, ddg()))
    assert fault is Fault.NOT_MATERIALISED


def test_a_worked_example_that_cannot_be_understood_is_an_error_not_a_skip(tmp_path):
    known = {"id": "a", "kind": "threshold", "input": {"totals": [13]}}
    expected = {"masking_required": [True]}
    assert run_vector(known | {"expected": expected}, ddg()).status == "pass"
    for broken in (
        known | {"kind": "horoscope", "expected": expected},
        known | {"expected": expected | {"luck": 7}},
        known | {"expected": {}},
        known | {"expected": expected, "mood": "good"},
        known | {"expected": expected, "input": {"totals": [13], "moon": "full"}},
        known | {"expected": expected, "input": [13]},
        known | {"expected": expected, "input": {}},
        {"id": "a"},
        7,
    ):
        result = run_vector(broken, ddg())
        assert result.status == "error"
    (tmp_path / "v.yaml").write_text("schema_version: 1\nvectors: []\n", "utf-8")
    assert caught_fault(lambda: run_vectors(tmp_path / "v.yaml", ddg())) is Fault.BAD_VECTOR


def test_a_recode_that_gives_an_unreadable_label_is_refused(tmp_path):
    declared, cells = block(), rows()
    declared["dimensions"]["age"]["coarser"] = {"broad": {"0-17": "young", "18+": "old"}}
    with pytest.raises(AssessmentError) as caught:
        assess(declared, cells)
    assert caught.value.fault is Fault.NO_SUGGESTION


@pytest.mark.parametrize("method", ["rounding", "swapping", "noise"])
def test_a_method_that_nobody_approved_is_refused_and_names_the_rule(method):
    approval = {
        "description": "Counts to multiples of 5",
        "basis": "FCSM Working Paper 22",
        "prt_approval": "PRT-7",
        "prt_approved_on": "2026-01-01",
    }
    choice = MaskingChoice.model_validate({"method": method})
    with pytest.raises(DeclarationFault, match=r"Peer Review Team.*A-34") as caught:
        check_method("t", choice, ddg())
    assert caught.value.fault is Fault.UNAPPROVED_METHOD
    approved = ddg().model_copy(
        update={"alternate_methods": {method: AlternateMethod.model_validate(approval)}}
    )
    with pytest.raises(DeclarationFault, match="does not apply it"):
        check_method("t", choice, approved)


def test_every_fault_is_reached_by_a_test_of_this_file():
    reached = {fault for fault, _ in DECLARATIONS} | {fault for fault, _ in TABLES}
    named = {fault for fault in Fault if f"Fault.{fault.name}" in Path(__file__).read_text("utf-8")}
    assert reached <= named
    assert named == set(Fault)


def test_no_two_faults_share_a_code_or_a_meaning():
    assert len({fault.code for fault in Fault}) == len(Fault)
    assert len({fault.meaning for fault in Fault}) == len(Fault)


def test_a_csv_is_read_with_quoted_newlines_and_a_byte_order_mark(tmp_path):
    file = csv_file(tmp_path, rows())
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    publication = parse_publication("t", block(), name="table")
    with FileTable(file) as table:
        assert assess_relation(table.con, table.source, publication, ddg()).score is not None
