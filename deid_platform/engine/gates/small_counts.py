"""No cell of a candidate shows fewer people than the policy allows, directly or by its figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deid_platform.core.publication import Publication
from deid_platform.engine.gates.base import Finding, as_candidate, gate, schema_violations
from deid_platform.engine.gates.candidate_frame import candidate_frame
from deid_platform.engine.gates.subjects import Stage, Subject

if TYPE_CHECKING:
    import duckdb
    import pandas as pd
    import pandera.pandas as pa

    from deid_platform.core.policy import DdgPolicy

_CODES = (0, 1, 2, 3, 4, 5)
_BLANK_CODES = (1, 2, 3)
"""Small, complementary, no data: the value is blank. Unstable (4) and incomplete (5) values may
be shown."""


@gate(
    "small_counts",
    source="CalHHS DDG 2.0, 4.2, 4.4.1 (M-1, M-3, M-5) and 7.5 (M-22)",
    on=(Stage.CANDIDATE,),
)
def small_counts(con: duckdb.DuckDBPyConnection, subject: Subject) -> Finding:
    """Each count of people is blank, zero or large enough, and its figures are blank with it."""
    candidate = as_candidate(subject)
    frame = candidate_frame(con, candidate)
    found = schema_violations(frame, schema(candidate.publication, candidate.policy))
    counted = candidate.publication.people_columns
    return Finding(
        violations={f"{column}/enough_people": 0 for column in counted} | dict(found),
        seen={
            "cells": len(frame),
            "minimum_people": candidate.policy.min_people,
            **{f"{column}/blank": int(frame[column].isna().sum()) for column in counted},
        },
    )


def schema(publication: Publication, policy: DdgPolicy) -> pa.DataFrameSchema:
    """What pandera holds a candidate to: one column check per rule, each by name."""
    import pandera.pandas as pa

    enough = pa.Check(
        lambda people: (people == 0) | (people >= policy.min_people), name="enough_people"
    )
    known = pa.Check(lambda codes: codes.isin(_CODES), name="known_code")
    columns = {
        column: pa.Column("Int64", enough, nullable=True) for column in publication.people_columns
    }
    columns |= {
        publication.annotation_column(figure): pa.Column("Int64", known, nullable=False)
        for figure in publication.figures
    }
    checks = [
        check
        for name, figure in publication.figures.items()
        for check in _figure_checks(name, figure.people, publication.annotation_column(name))
    ]
    return pa.DataFrameSchema(columns, checks=checks)


def _figure_checks(figure: str, people: str, annotation: str) -> list[pa.Check]:
    import pandera.pandas as pa

    def hidden_with_its_people(frame: pd.DataFrame) -> pd.Series[bool]:
        return frame[people].notna() | frame[figure].isna()

    def blank_is_explained(frame: pd.DataFrame) -> pd.Series[bool]:
        return frame[figure].notna() | (frame[annotation] != 0)

    def explained_is_blank(frame: pd.DataFrame) -> pd.Series[bool]:
        return frame[figure].isna() | ~frame[annotation].isin(_BLANK_CODES)

    return [
        pa.Check(rule, name=f"{figure}_{rule.__name__}")
        for rule in (hidden_with_its_people, blank_is_explained, explained_is_blank)
    ]
