"""Each transform's expression, run on DuckDB, gives what its Python reference gives."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

import duckdb
import ibis
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from deid_platform.core.attributes import IdentifierClass
from deid_platform.core.errors import DeclarationError
from deid_platform.core.transforms import (
    TRANSFORMS,
    ColumnTransform,
    ColumnType,
    Rules,
    Transform,
    build_transform,
)
from deid_platform.core.transforms.band_number import BandNumber
from deid_platform.core.transforms.birth_year import BirthYear
from deid_platform.core.transforms.cap_age import CapAge
from deid_platform.core.transforms.date_to_month import DateToMonth
from deid_platform.core.transforms.date_to_year import DateToYear
from deid_platform.core.transforms.keep import Keep
from deid_platform.core.transforms.keep_codes import CodeSystem, KeepCodes
from deid_platform.core.transforms.keep_values import KeepValues
from deid_platform.core.transforms.numeric_only import NumericOnly
from deid_platform.core.transforms.zip3 import Zip3

UNION = frozenset({"036", "059", "102", "893"})
RULES = Rules(oldest_age=89, zip3_restricted=UNION, reference_year=2024)

_ARROW = {
    ColumnType.VARCHAR: pa.string(),
    ColumnType.INTEGER: pa.int32(),
    ColumnType.BIGINT: pa.int64(),
    ColumnType.DOUBLE: pa.float64(),
    ColumnType.BOOLEAN: pa.bool_(),
    ColumnType.DECIMAL: pa.decimal128(18, 4),
    ColumnType.DATE: pa.date32(),
    ColumnType.TIMESTAMP: pa.timestamp("us"),
}
_CON = duckdb.connect()


def in_duckdb(
    transform: ColumnTransform, values: Sequence[Any], type_: ColumnType, **companions: Any
) -> list[Any]:
    """The transform's expression over a column of values, in order."""
    columns = {"value": pa.array(values, _ARROW[type_])}
    types = {"position": "int64", "value": type_.ibis}
    for name, (others, other_type) in companions.items():
        columns[name] = pa.array(others, _ARROW[other_type])
        types[name] = other_type.ibis
    _CON.register("given", pa.table({"position": list(range(len(values))), **columns}))
    table = ibis.table(types, name="given")
    output = transform.over(table, "value").cast(transform.output_type(type_).ibis)
    query = table.select(position=table.position, result=output).order_by("position")
    return [row[1] for row in _CON.execute(str(ibis.to_sql(query, dialect="duckdb"))).fetchall()]


def many(values: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(st.none() | values, min_size=1, max_size=40)


DATES = st.dates(date(1800, 1, 1), date(2200, 12, 31))
MOMENTS = st.datetimes(datetime(1800, 1, 1), datetime(2200, 12, 31))
TEXT = st.text(max_size=14)
ZIPS = st.one_of(
    st.from_regex(r"[0-9]{0,10}", fullmatch=True),
    st.from_regex(r" ?[0-9]{3,5}[ -]{0,2}[0-9]{4} ?", fullmatch=True),
    st.from_regex(r"[0-9]{4,5}\.0", fullmatch=True),
    TEXT,
)
NUMBERS = st.one_of(
    st.from_regex(r"[+-]?[0-9]{1,8}(\.[0-9]{0,4})?", fullmatch=True),
    st.sampled_from(["NaN", "inf", "1e5", " 1", "1 ", "0x10", "١٢", "5082225200", "20240317"]),
    TEXT,
)
CASES: dict[str, tuple[ColumnTransform, ColumnType, st.SearchStrategy[Any]]] = {
    "keep text": (Keep(), ColumnType.VARCHAR, TEXT),
    "keep dates": (Keep(), ColumnType.DATE, DATES),
    "cap ages": (CapAge().bound(RULES), ColumnType.INTEGER, st.integers(-5, 200)),
    "cap ages lower": (CapAge(oldest=79), ColumnType.BIGINT, st.integers(0, 130)),
    "zip text": (Zip3().bound(RULES), ColumnType.VARCHAR, ZIPS),
    "zip numbers": (Zip3().bound(RULES), ColumnType.INTEGER, st.integers(-10, 10**9)),
    "zip allowed": (
        Zip3(allowed=frozenset({"021", "902"})),
        ColumnType.VARCHAR,
        st.sampled_from(["02139", "90210", "2139", "10001", "x"]),
    ),
    "year of dates": (DateToYear(), ColumnType.DATE, DATES),
    "year of moments": (DateToYear().bound(RULES), ColumnType.TIMESTAMP, MOMENTS),
    "year of numbers": (DateToYear(), ColumnType.BIGINT, st.integers(-(2**60), 2**60)),
    "year of likely numbers": (DateToYear(), ColumnType.INTEGER, st.integers(1790, 2210)),
    "year of text": (
        DateToYear().bound(RULES),
        ColumnType.VARCHAR,
        st.one_of(TEXT, DATES.map(str), MOMENTS.map(lambda m: m.isoformat() + "Z"), NUMBERS),
    ),
    "birth year": (BirthYear().bound(RULES), ColumnType.DATE, DATES),
    "month of dates": (DateToMonth(), ColumnType.DATE, DATES),
    "month of moments": (DateToMonth(), ColumnType.TIMESTAMP, MOMENTS),
    "numbers": (NumericOnly(), ColumnType.VARCHAR, NUMBERS),
    "listed": (
        KeepValues(values=("F", "M"), other="Unknown"),
        ColumnType.VARCHAR,
        st.sampled_from(["F", "M", "f", "", "X", " F"]),
    ),
    "codes": (
        KeepCodes(systems=tuple(CodeSystem), also=("a.b", "Other (see note)")),
        ColumnType.VARCHAR,
        st.one_of(
            TEXT,
            st.sampled_from(
                [
                    *(
                        "J45.909",
                        "J45.909\n",
                        "j45.909",
                        "185345009",
                        "8302-2",
                        "08",
                        "99213",
                        "DX",
                    ),
                    *("1.2.840.10008.5.1", "Texas", "TX", "Maria Lopez", "Tx", "a.b", "axb", ""),
                ]
            ),
        ),
    ),
    "bands": (BandNumber(width=10), ColumnType.DOUBLE, st.floats(-1e9, 1e9)),
    "bands of anything": (BandNumber(width=1000, top=200_000), ColumnType.DOUBLE, st.floats()),
    "bands of decimals": (
        BandNumber(width=100),
        ColumnType.DECIMAL,
        st.decimals(-(10**13), 10**13, places=4),
    ),
    "bands of integers": (BandNumber(width=7), ColumnType.BIGINT, st.integers(-(2**40), 2**40)),
}


@pytest.mark.parametrize("case", CASES)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_the_expression_agrees_with_the_reference(case: str, data: st.DataObject) -> None:
    transform, type_, values = CASES[case]
    given_values = data.draw(many(values))
    assert in_duckdb(transform, given_values, type_) == [transform.apply(v) for v in given_values]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.none() | st.integers(0, 130), st.none() | DATES), min_size=1, max_size=40)
)
@example([(85, date(2018, 5, 1)), (85, date(2024, 5, 1)), (95, date(2018, 5, 1)), (None, None)])
def test_an_age_beside_its_year_agrees_with_the_reference(rows: list[Any]) -> None:
    transform = CapAge(event="seen").bound(RULES)
    ages, seen = [age for age, _ in rows], [when for _, when in rows]
    found = in_duckdb(transform, ages, ColumnType.INTEGER, seen=(seen, ColumnType.DATE))
    assert found == [transform.apply(age, when) for age, when in rows]


def test_every_transform_that_computes_is_compared_with_its_reference() -> None:
    computing = {n for n, cls in TRANSFORMS.items() if issubclass(cls, ColumnTransform)}
    assert {transform.name for transform, _, _ in CASES.values()} == computing


# 45 CFR 164.514(b)(2)(i)(B)


@pytest.mark.parametrize(
    ("zip_code", "area"),
    [
        ("94110", "941"),
        ("94110-1234", "941"),
        ("94110 1234", "941"),
        ("941101234", "941"),
        (" 94110 ", "941"),
        ("02139", "021"),
        ("2139", "021"),
        (2139, "021"),
        ("2139-4307", "021"),
        ("21394307", "021"),
        ("601", "006"),
        ("2139.0", "021"),
        ("03601", "000"),
        ("3601", "000"),
        ("10201", "000"),
        ("89301-0001", "000"),
        ("00000", "000"),
        ("94", None),
        ("941103", None),
        ("94110-12", None),
        ("9411O", None),
        ("K1A 0B1", None),
        ("", None),
        (None, None),
    ],
)
def test_a_zip_code_becomes_three_digits_or_000_or_nothing(zip_code: Any, area: Any) -> None:
    assert Zip3().bound(RULES).apply(zip_code) == area


def test_without_a_policy_every_area_is_withheld() -> None:
    assert Zip3().apply("94110") == "000"
    assert in_duckdb(Zip3(), ["94110"], ColumnType.VARCHAR) == ["000"]


def test_under_an_allow_list_an_unlisted_area_is_withheld() -> None:
    rules = Rules(oldest_age=89, zip3_allowed=frozenset({"941"}))
    assert [Zip3().bound(rules).apply(z) for z in ("94110", "96201")] == ["941", "000"]


# 45 CFR 164.514(b)(2)(i)(C)


@pytest.mark.parametrize(("age", "shown"), [(0, 0), (89, 89), (90, 90), (117, 90), (None, None)])
def test_ages_over_89_are_one_category(age: Any, shown: Any) -> None:
    assert CapAge().apply(age) == shown


def test_a_contract_cannot_raise_the_oldest_age_of_the_policy() -> None:
    assert CapAge(oldest=120).bound(RULES).apply(100) == 90


@pytest.mark.parametrize(
    ("age", "seen", "shown"),
    [
        (89, 2024, 89),  # the reader cannot tell that this person passed 89
        (89, 2023, 90),  # 90 or 91 in 2024
        (84, 2018, 90),
        (83, 2018, 83),
        (90, 2018, 90),
        (101, 2018, 90),
    ],
)
def test_an_age_that_a_later_year_turns_into_one_over_89_joins_that_category(
    age: int, seen: int, shown: int
) -> None:
    assert CapAge(event="seen").bound(RULES).apply(age, date(seen, 6, 1)) == shown


@pytest.mark.parametrize(
    ("born", "shown"),
    [(1900, 1934), (1933, 1934), (1934, 1934), (1935, 1935), (2024, 2024), (None, None)],
)
def test_a_birth_year_shows_no_age_over_89_in_the_latest_year(born: Any, shown: Any) -> None:
    value = None if born is None else date(born, 12, 31)
    assert BirthYear().bound(RULES).apply(value) == shown


def test_an_event_90_years_before_the_latest_year_is_aggregated_too() -> None:
    assert DateToYear().bound(RULES).apply(date(1920, 1, 1)) == 1934


@pytest.mark.parametrize("transform", [BirthYear(), CapAge(event="seen")])
def test_without_a_year_of_reference_ages_cannot_be_judged(transform: Any) -> None:
    with pytest.raises(DeclarationError, match="no event year"):
        transform.apply(*((date(1950, 1, 1),) if isinstance(transform, BirthYear) else (50, 2020)))


@pytest.mark.parametrize(
    "text", ["5082225200", "999-17-5017", "20240317", "1234567", "2024-03-17", "12 Main"]
)
def test_numbers_that_could_identify_are_no_measurements(text: str) -> None:
    assert NumericOnly().apply(text) is None


# Building from a contract


def test_each_transform_says_what_it_needs() -> None:
    for name in TRANSFORMS:
        declared: Any = {
            "surrogate": {"surrogate": {"domain": "person"}},
            "keep_values": {"keep_values": {"values": ["a"]}},
            "keep_codes": {"keep_codes": {"systems": ["loinc"]}},
            "band_number": {"band_number": {"width": 10}},
        }.get(name, name)
        built = build_transform(declared)
        assert isinstance(built, Transform)
        assert next(iter(built.spec())) == name
        assert built.__doc__


@pytest.mark.parametrize(
    ("declared", "says"),
    [
        ("hash", "no transform is named"),
        ({"hash": {"key": "x"}}, "no transform is named"),
        ({"zip3": {"restricted": []}}, "takes no restricted"),
        ({"birth_year": {"reference_year": 1900}}, "takes no reference_year"),
        ({"cap_age": {"oldest": "old"}}, "oldest"),
        ({"surrogate": {}}, "domain"),
        ({"surrogate": {"domain": "Per Son"}}, "snake case"),
        ({"drop": {"rename": "x"}}, "takes no rename"),
        ({"keep": {}, "drop": {}}, "one name"),
        (["keep"], "one name"),
        (None, "one name"),
        ({"keep_values": {"values": []}}, "at least one"),
        ({"band_number": {"width": 0}}, "at least 1"),
    ],
)
def test_a_wrong_declaration_says_what_is_wrong(declared: object, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        build_transform(declared)


def test_only_dropping_satisfies_most_classes() -> None:
    removed_otherwise = {
        identifier
        for name, cls in TRANSFORMS.items()
        if name != "drop"
        for identifier in cls.satisfies
    }
    assert removed_otherwise == {
        IdentifierClass.GEOGRAPHY,
        IdentifierClass.DATES,
        IdentifierClass.MEDICAL_RECORD_NUMBER,
        IdentifierClass.HEALTH_PLAN_NUMBER,
        IdentifierClass.ACCOUNT_NUMBER,
        IdentifierClass.OTHER_UNIQUE,
    }
