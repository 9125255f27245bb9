"""A contract as one Ibis expression per zone, from the raw table and its crosswalks.

The expression is what runs, what the evidence shows, and what another engine would run unchanged.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ibis

from deid_platform.core.contract import Contract, OutputColumn
from deid_platform.core.transforms import ColumnTransform, Rules
from deid_platform.core.transforms.base import ColumnType
from deid_platform.core.transforms.surrogate import Surrogate
from deid_platform.core.zones import Zone
from deid_platform.engine.crosswalk import KEY_COLUMNS, SCHEMA

PARTITION = "_partition"
WHOLE = "all"
"""The one partition of a table without partitions."""


def treatment_expression(
    contract: Contract, zone: Zone, rules: Rules, partitions: Sequence[str] | None
) -> Any:
    """The rows a zone receives; ``partitions`` None stands for all.

    Rows of DEIDENTIFIED are ordered by their random keys first, so that the order in which they
    are stored says nothing of the order in which they came.
    """
    raw = ibis.table(
        {name: c.type.ibis for name, c in contract.columns.items()} | {PARTITION: "string"},
        name=contract.name,
        catalog=Zone.RAW.value,
        database="main",
    )
    if partitions is not None:
        raw = raw.filter(raw[PARTITION].isin(list(partitions)))
    outputs = contract.outputs(zone)
    joined, keys = _with_keys(raw, contract, zone, outputs)
    columns = {o.name: _value(joined, o, keys, rules) for o in outputs}
    if zone is Zone.LIMITED:
        columns[PARTITION] = joined[PARTITION]
    selected = joined.select(**columns)
    if zone is Zone.LIMITED:
        return selected
    return selected.order_by([selected[name] for name in _order(contract, outputs)])


def treatment_sql(
    contract: Contract, zone: Zone, rules: Rules, partitions: Sequence[str] | None
) -> str:
    """The expression as DuckDB SQL. It holds names, list entries and years, and no cell value."""
    return str(
        ibis.to_sql(treatment_expression(contract, zone, rules, partitions), dialect="duckdb")
    )


def zone_columns(contract: Contract, zone: Zone) -> dict[str, str]:
    """Column names and DuckDB types of a contract's table in a zone."""
    columns = {o.name: o.type.sql for o in contract.outputs(zone)}
    return {**columns, PARTITION: ColumnType.VARCHAR.sql} if zone is Zone.LIMITED else columns


def _with_keys(
    raw: Any, contract: Contract, zone: Zone, outputs: Sequence[OutputColumn]
) -> tuple[Any, dict[str, str]]:
    """The raw rows beside the keys of their surrogate columns, and what the key columns are."""
    joined, keys = raw, {}
    for number, output in enumerate(outputs):
        if not isinstance(output.transform, Surrogate):
            continue
        source = output.sources[0]
        crosswalk = ibis.table(
            {"source_value": "string", **dict.fromkeys(KEY_COLUMNS.values(), "int64")},
            name=contract.crosswalk(output.transform.domain),
            catalog=Zone.RAW.value,
            database=SCHEMA,
        )
        key = f"_key_{number}"
        known = crosswalk.select(
            **{f"_value_{number}": crosswalk.source_value, key: crosswalk[KEY_COLUMNS[zone]]}
        )
        matches = joined[source].cast("string") == known[f"_value_{number}"]
        joined = joined.left_join(known, matches)
        keys[output.name] = key
    return joined, keys


def _value(joined: Any, output: OutputColumn, keys: dict[str, str], rules: Rules) -> Any:
    treatment = output.transform.bound(rules)
    value = (
        treatment.over(joined, output.sources[0])
        if isinstance(treatment, ColumnTransform)
        else joined[keys[output.name]]
    )
    return value.cast(output.type.ibis)


def _order(contract: Contract, outputs: Sequence[OutputColumn]) -> list[str]:
    """The table's own keys where they are surrogates; else all surrogates, then all the rest."""
    keyed = [o.name for o in outputs if isinstance(o.transform, Surrogate)]
    own = [o.name for o in outputs if o.name in keyed and o.sources[0] in contract.key]
    if own and len(own) == len(contract.key):
        return own
    return [*keyed, *(o.name for o in outputs if o.name not in keyed)]
