"""The latest year a reader can hold against a year of birth."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
import ibis

from deid_platform.core.attributes import IdentifierClass
from deid_platform.core.contract import Contract
from deid_platform.core.transforms.date_to_year import LATEST_YEAR, DateToYear, year_of
from deid_platform.core.zones import Zone
from deid_platform.engine.catalog import table_exists


def reference_year(con: duckdb.DuckDBPyConnection, system: Sequence[Contract]) -> int | None:
    """The latest year that any table of a system shows in the DEIDENTIFIED zone.

    Taken over all of the raw zone, so that it does not depend on which table is built first. Years
    of birth count, for somebody born in a year was seen in it. None where there is no date.

    Source: 45 CFR 164.514(b)(2)(i)(C).
    """
    latest: list[int] = []
    for contract in system:
        columns = _dated(contract)
        if not columns or not table_exists(con, Zone.RAW.value, "main", contract.name):
            continue
        raw = ibis.table(
            {name: contract.columns[name].type.ibis for name in columns},
            name=contract.name,
            catalog=Zone.RAW.value,
            database="main",
        )
        years = [year_of(raw[name]) for name in columns]
        highest = [
            year.max(where=year <= LATEST_YEAR).name(f"y{n}") for n, year in enumerate(years)
        ]
        sql = str(ibis.to_sql(raw.aggregate(highest), dialect="duckdb"))
        row = con.execute(sql).fetchone() or ()
        latest += [year for year in row if year is not None]
    return max(latest, default=None)


def _dated(contract: Contract) -> list[str]:
    """Columns whose year is shown, in full or capped."""
    return [
        name
        for name, column in contract.columns.items()
        if column.identifier is IdentifierClass.DATES
        and column.type in DateToYear.accepts
        and column.treatment(Zone.DEIDENTIFIED).name in ("date_to_year", "birth_year")
    ]
