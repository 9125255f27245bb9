"""How many people share each combination of quasi-identifiers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deid_platform.engine.gates.base import Finding, as_record, gate
from deid_platform.engine.gates.subjects import Stage, Subject
from deid_platform.engine.gates.table_columns import column_types
from deid_platform.engine.sql import identifier

if TYPE_CHECKING:
    import duckdb


@gate(
    "class_sizes",
    source="45 CFR 164.514(b)(2)(ii); SH-09, A-31",
    on=(Stage.DEIDENTIFIED, Stage.MART),
)
def class_sizes(con: duckdb.DuckDBPyConnection, subject: Subject) -> Finding:
    """Classes of quasi-identifiers by the number of people in them, against the policy's minimum.

    Safe Harbor sets no minimum: without one the gate reports bands, for whoever attests to having
    no actual knowledge, and passes. Where the policy sets a minimum, each class below it counts.
    """
    record = as_record(subject)
    types = column_types(con, record.table)
    keys = [name for name in record.quasi_identifiers if name in types]
    floor = record.min_class or 0
    if not keys:
        return Finding(violations={"classes_below_minimum": 0}, seen={"quasi_identifiers": 0})
    people = (
        f"count(distinct {identifier(record.person)})"
        if record.person is not None and record.person in types
        else "count(*)"
    )
    row = con.execute(
        f"""
        with classes as (
            select {people} as people from {record.table.sql}
            group by {", ".join(map(identifier, keys))}
        )
        select
            count(*),
            count(*) filter (where people <= 1),
            count(*) filter (where people between 2 and 4),
            count(*) filter (where people between 5 and 10),
            count(*) filter (where people between 11 and 100),
            count(*) filter (where people > 100),
            count(*) filter (where people < ?)
        from classes
        """,
        [floor],
    ).fetchone()
    total, one, few, some, many, most, below = (int(count) for count in row or (0,) * 7)
    return Finding(
        violations={"classes_below_minimum": below},
        seen={
            "quasi_identifiers": len(keys),
            "minimum": floor,
            "classes": total,
            "classes_of_1": one,
            "classes_of_2_to_4": few,
            "classes_of_5_to_10": some,
            "classes_of_11_to_100": many,
            "classes_of_over_100": most,
        },
    )
