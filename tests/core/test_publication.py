"""A declaration as a value: its columns, its parts, its labels as text."""

from __future__ import annotations

from typing import Any

import pytest

from deid_platform.core.declaration import parse_publication
from deid_platform.core.errors import DeclarationError
from deid_platform.core.publication import FigureKind, Kind, Publication


def declared(**more: Any) -> Publication:
    block = {
        "policy": "calhhs_ddg_2",
        "dimensions": {
            "county": {"kind": "residence_geography", "total": "California"},
            "year": {"kind": "time"},
        },
        "figures": {
            "visits": {"people": "people", "denominator": "population"},
            "people": {"people": "people", "denominator": "population"},
            "cost": {"kind": "amount", "people": "payers"},
        },
    }
    return parse_publication("table.yaml", block | more, name="table")


def test_the_columns_of_a_table_are_those_declared_each_once():
    publication = declared()
    assert publication.dimension_columns == ("county", "year")
    assert publication.figure_columns == ("visits", "people", "cost")
    assert publication.people_columns == ("people", "payers")
    assert publication.denominator_columns == ("population",)
    assert publication.table_columns == (
        "county",
        "year",
        "visits",
        "people",
        "cost",
        "payers",
        "population",
    )


def test_survey_and_population_columns_belong_to_the_table():
    survey = {"name": "NHIS", "sample_column": "n", "rse_column": "rse"}
    plan = {"kind": "insurance", "population_column": "members"}
    publication = declared(survey=survey, dimensions={"plan": plan})
    assert {"n", "rse", "members"} <= set(publication.table_columns)


def test_an_annotation_column_is_named_after_its_figure():
    """M-21, A-21."""
    assert Publication.annotation_column("visits") == "visits_annotation"


def test_all_dimensions_are_crossed_unless_parts_are_declared():
    assert declared().crossed == (("county", "year"),)


def test_labels_that_yaml_reads_as_numbers_or_booleans_are_text():
    dimensions = {
        "asked": {"kind": "ethnicity", "labels": {True: "Hispanic", False: "Not Hispanic"}},
        "year": {"kind": "time", "total": 2023, "groups": {2020: [2019, 2020]}},
    }
    publication = declared(dimensions=dimensions)
    assert publication.dimensions["asked"].labels == {"Yes": "Hispanic", "No": "Not Hispanic"}
    assert publication.dimensions["year"].total == "2023"
    assert publication.dimensions["year"].groups == {"2020": ("2019", "2020")}


def test_a_figure_is_a_count_unless_it_says_otherwise():
    figures = declared().figures
    assert figures["visits"].kind is FigureKind.COUNT
    assert figures["cost"].kind is FigureKind.AMOUNT


def test_the_digest_is_of_the_declaration():
    assert declared().digest == declared().digest
    assert declared().digest != declared(title="Other").digest


def test_what_the_surroundings_say_need_not_be_repeated():
    block = {
        "dimensions": {"year": {"kind": "time"}},
        "figures": {"n": {"people": "n"}},
        "policy": "other",
    }
    publication = parse_publication("m", block, name="m", policy="calhhs_ddg_2", description="d")
    assert (publication.name, publication.policy, publication.description) == ("m", "other", "d")


def test_an_error_names_the_file_the_key_and_what_to_do():
    with pytest.raises(DeclarationError) as caught:
        declared(figures={"n": {"people": "n", "shoes": 7}})
    assert str(caught.value) == (
        "table.yaml: figures.n.shoes: [D-03] no such key; remove it or correct its spelling"
    )


def test_an_error_survives_a_process_boundary():
    import pickle

    with pytest.raises(DeclarationError) as caught:
        declared(figures={})
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.fault) == (str(caught.value), caught.value.fault)


@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind_is_personal_or_about_the_event(kind):
    event = {Kind.TIME, Kind.PROVIDER, Kind.SERVICE_GEOGRAPHY}
    assert kind.is_personal is (kind not in event)
