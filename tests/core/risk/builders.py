"""The shipped policy, declarations and tables in few words, for tests of the assessment."""

from __future__ import annotations

import csv
import io
from functools import cache
from pathlib import Path
from typing import Any

from deid_platform.core.declaration import parse_publication
from deid_platform.core.policy import DdgPolicy
from deid_platform.core.publication import Characteristic, Kind, Publication
from deid_platform.core.risk.publication_scoring import PartFacts, TableFacts
from deid_platform.core.risk.variable import Scored
from deid_platform.engine.deployment import Deployment
from deid_platform.engine.publications import load_policy

COUNTY = {"kind": "residence_geography", "total": "California"}
SEX = {"kind": "sex", "total": "All"}
AGE = {"kind": "age_range", "total": "All ages"}
YEAR = {"kind": "time"}


@cache
def ddg(name: str = "calhhs_ddg_2") -> DdgPolicy:
    """A shipped policy."""
    return load_policy(name, Deployment.from_environment({}), superseded=True)


def declare(dimensions: dict[str, Any], **more: Any) -> Publication:
    """A publication of visits with people and population."""
    figures = {"visits": {"people": "people", "denominator": "population"}}
    block = {"policy": "calhhs_ddg_2", "dimensions": dimensions, "figures": figures} | more
    return parse_publication("table", block, name="table")


def scored(kind: Kind, *labels: str, **declared: Any) -> Scored:
    """One variable with its labels."""
    return Scored(
        where="table",
        name=kind.value,
        declared=Characteristic(kind=kind, **declared),
        labels=labels,
        policy=ddg(),
    )


def facts(
    labels: dict[str, tuple[str, ...]], smallest: int | None = 3, small: int = 1, **more: Any
) -> TableFacts:
    """What a table of one part says."""
    part = PartFacts(dimensions=tuple(labels), labels=labels, smallest=smallest, small_cells=small)
    given: dict[str, Any] = {
        "cells": 10,
        "small_numerators": small,
        "small_denominators": 0,
        "unknown_denominators": 0,
        "high_risk_small": 0,
        "high_risk_columns": (),
        "parts": (part,),
    }
    return TableFacts(**(given | more))


def csv_file(folder: Path, rows: list[dict[str, Any]], name: str = "table.csv") -> Path:
    """A CSV file of rows."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    file = folder / name
    file.write_text(text.getvalue(), "utf-8")
    return file
