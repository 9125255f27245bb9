"""Pages on the tables dbt makes, analysts' marts and publications, from their models' YAML."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from deid_platform.engine.declarations import read_yaml
from docs.generate import prose, table

_MODELS = Path(__file__).resolve().parents[1] / "dbt_project" / "models"


def pages() -> dict[str, str]:
    """The pages, by file name."""
    return {
        "marts.md": "\n\n".join(
            [
                "# Marts",
                "What analysts may query: `deid query marts`, or the file "
                "`snapshots/marts.duckdb`. Made from Safe Harbor records, and not masked.",
                *(_model(model) for model in _models("marts")),
            ]
        ),
        "publications.md": "\n\n".join(
            [
                "# Publications",
                "Tables meant for the public, as dbt makes them in the LIMITED zone. A candidate "
                "and a release have the same columns; hidden figures are blank, and each figure "
                "has a column `<figure>_annotation` that says why.",
                *(_publication(model) for model in _models("publications")),
            ]
        ),
    }


def _models(folder: str) -> Iterator[Mapping[str, Any]]:
    for file in sorted((_MODELS / folder).glob("*/*.yml")):
        yield from read_yaml(file)["models"]


def _model(model: Mapping[str, Any]) -> str:
    rows = [
        (f"`{column['name']}`", column["data_type"], column.get("description", ""))
        for column in model["columns"]
    ]
    return "\n\n".join(
        [
            f"## {model['name']}",
            prose(model["description"]),
            table(("column", "type", "meaning"), rows),
        ]
    )


def _publication(model: Mapping[str, Any]) -> str:
    declared = model["config"]["meta"]["publication"]
    dimensions = [
        (f"`{name}`", dimension["kind"], dimension.get("total", ""))
        for name, dimension in declared["dimensions"].items()
    ]
    figures = [
        (f"`{name}`", f"`{figure['people']}`", f"`{figure['denominator']}`")
        for name, figure in declared["figures"].items()
    ]
    return "\n\n".join(
        [
            _model(model),
            f"Policy: {declared['policy']}.",
            table(("dimension", "kind", "margin"), dimensions),
            table(("figure", "people behind it", "denominator"), figures),
        ]
    )
