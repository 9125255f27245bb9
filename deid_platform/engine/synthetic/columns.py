"""Arrow columns from numbers and from other columns, and dates as whole numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deid_platform.engine.synthetic.draw import Flags, Numbers

Column = Any
"""An Arrow array; pyarrow publishes no types."""


def joined(*parts: Column | str) -> Column:
    """Join columns and fixed text, row by row; a missing part leaves nothing."""
    return pc.binary_join_element_wise(*parts, "", null_handling="replace", null_replacement="")


def digits(numbers: Numbers, width: int = 0) -> Column:
    """Whole numbers as text, filled up with zeros to ``width``."""
    text = pa.array(numbers).cast(pa.string())
    return pc.utf8_lpad(text, width, "0") if width else text


def blanked(column: Column, where: Flags) -> Column:
    """The column with nothing in the rows marked."""
    return pc.if_else(pa.array(where), pa.scalar(None, column.type), column)


def chosen(where: Flags, then: Column | str, otherwise: Column | str) -> Column:
    """One or the other, row by row."""
    return pc.if_else(pa.array(where), then, otherwise)


def dates(days: Numbers) -> Column:
    """Days since 1970 as dates."""
    return pa.array(days.astype("datetime64[D]"))


def times(minutes: Numbers) -> Column:
    """Minutes since 1970 as timestamps without a zone."""
    return pa.array((minutes * 60).astype("datetime64[s]")).cast(pa.timestamp("us"))


def years_between(births: Numbers, days: Numbers) -> Numbers:
    """Completed years from one day to another; someone born on 29 February ages on 1 March."""
    birth_month_day = _year_month_day(births)
    month_day = _year_month_day(days)
    had_birthday = month_day % 10_000 >= birth_month_day % 10_000
    return month_day // 10_000 - birth_month_day // 10_000 - np.where(had_birthday, 0, 1)


def _year_month_day(days: Numbers) -> Numbers:
    day = days.astype("datetime64[D]")
    month = day.astype("datetime64[M]")
    months = month.astype(np.int64)
    year = 1970 + months // 12
    number: Numbers = year * 10_000 + (months % 12 + 1) * 100 + (day - month).astype(np.int64) + 1
    return number
