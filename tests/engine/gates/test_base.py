"""How gates are found, run and reported: fail closed, and no value in any result."""

import duckdb
import pandas as pd
import pandera.pandas as pa
import pytest

from deid_platform.core.errors import GateError, ZoneError
from deid_platform.engine.gates import Stage, check_passed, evaluate, evaluate_all, gates_for
from deid_platform.engine.gates.base import Finding, Gate, schema_violations
from tests.engine.gates.tables import CANARY, candidate, put, record, zones


def gate_of(run):
    return Gate(name="tried", source="a rule", on=frozenset(Stage), description="d", run=run)


def tried(run):
    with duckdb.connect() as con:
        return evaluate(gate_of(run), con, record())


def test_no_stage_has_lost_a_gate():
    """A new gate needs no line here; one that is gone does."""
    everywhere = {"columns", "identifier_overlap", "pattern_scan"}
    least = {
        Stage.LIMITED: {"reconciliation"},
        Stage.DEIDENTIFIED: {"class_sizes", "reconciliation", "safe_harbor_shape"},
        Stage.MART: {"class_sizes", "safe_harbor_shape"},
        Stage.CANDIDATE: {
            "attacker",
            "candidate_matches",
            "certificate",
            "reconciliation",
            "reference_vintage",
            "small_counts",
        },
    }
    for stage in Stage:
        assert {gate.name for gate in gates_for(stage)} >= everywhere | least[stage]


def test_each_gate_cites_a_rule_and_says_what_it_checks():
    for stage in Stage:
        for gate in gates_for(stage):
            assert any(source in gate.source for source in ("45 CFR", "DDG", "HICP")), gate.name
            assert gate.description.endswith("."), gate.name


def test_zero_violations_pass():
    assert tried(lambda con, subject: Finding(violations={"rows": 0})).passed


def test_any_violation_fails():
    result = tried(lambda con, subject: Finding(violations={"rows": 0, "cells": 2}))
    assert not result.passed
    assert result.summary() == "tried: cells 2"


def test_a_gate_that_checked_nothing_fails():
    result = tried(lambda con, subject: Finding(violations={}))
    assert not result.passed
    assert result.error == "the gate checked nothing"


def test_a_gate_that_raises_fails_and_keeps_only_the_class_of_the_error():
    def quoting(con, subject):
        con.execute("select cast(? as integer)", [CANARY])

    result = tried(quoting)
    assert not result.passed
    assert result.error == "ConversionException"
    assert CANARY not in repr(result.metadata())


def test_an_error_of_ours_is_told_in_full():
    def refusing(con, subject):
        raise ZoneError("raw", "is locked", "wait")

    assert tried(refusing).error == "ZoneError: raw: is locked; wait"


def test_a_gate_on_candidates_given_another_table_fails():
    small_counts = {gate.name: gate for gate in gates_for(Stage.CANDIDATE)}["small_counts"]
    with zones() as con:
        assert not evaluate(small_counts, con, record()).passed
        shape = {gate.name: gate for gate in gates_for(Stage.MART)}["safe_harbor_shape"]
        assert not evaluate(shape, con, candidate()).passed


def test_pandera_failures_become_counts_without_values():
    schema = pa.DataFrameSchema(
        {"note": pa.Column(str, pa.Check(lambda text: text == "fever", name="known"))},
        checks=pa.Check(lambda frame: frame["note"] == "fever", name="whole_frame"),
    )
    frame = pd.DataFrame({"note": ["fever", CANARY, CANARY], "other": [1, 2, 3]})
    found = schema_violations(frame, schema)
    assert found == {"note/known": 2, "whole_frame": 2}
    assert CANARY not in repr(found)


def test_results_pass_together_or_not_at_all():
    good = tried(lambda con, subject: Finding(violations={"rows": 0}))
    bad = tried(lambda con, subject: Finding(violations={"rows": 3}))
    check_passed([good])
    with pytest.raises(GateError, match="tried: rows 3"):
        check_passed([good, bad])
    with pytest.raises(GateError, match="no gate was evaluated"):
        check_passed([])


def test_every_gate_of_a_stage_runs_even_when_the_first_fails():
    with zones() as con:
        put(con, "deidentified.main.visits", "note varchar", (f"{CANARY}@mail.example",))
        results = evaluate_all(con, record(columns={"note": "VARCHAR"}))
    assert {result.gate for result in results} == {g.name for g in gates_for(Stage.DEIDENTIFIED)}
    assert not {result.gate: result.passed for result in results}["pattern_scan"]
    assert CANARY not in repr(results)
