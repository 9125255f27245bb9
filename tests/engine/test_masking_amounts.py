"""Amounts of small cells: a reader comes to know none of them to within the tolerance."""

from __future__ import annotations

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from deid_platform.core.declaration import parse_publication
from deid_platform.core.errors import MaskingError
from deid_platform.core.masking.amounts import Amounts, exposed
from deid_platform.engine.candidate_attack import attack_candidate
from deid_platform.engine.mask import mask_publication, verify_candidate
from tests.core.masking.tables import cube
from tests.engine.policies import policy

CLINICS = ("Alpine", "Butte", "Colusa", "Glenn")
PAID = parse_publication(
    "paid",
    {
        "policy": "calhhs_ddg_2",
        "dimensions": {
            "clinic": {"kind": "provider", "total": "All"},
            "sex": {"kind": "sex", "total": "Both"},
        },
        "figures": {
            "people": {"people": "people"},
            "paid": {"kind": "amount", "people": "people"},
        },
    },
    name="paid",
)


def zone(cells):
    """A limited zone with people and amounts of clinics by sex, and every margin."""
    con = duckdb.connect(":memory:")
    con.execute("attach ':memory:' as limited")
    con.execute("create table leaves (clinic varchar, sex varchar, people bigint, paid bigint)")
    con.executemany("insert into leaves values (?, ?, ?, ?)", cells)
    con.execute(
        """create table limited.main.paid as
        select coalesce(clinic, 'All') as clinic, coalesce(sex, 'Both') as sex,
               sum(people)::bigint as people, sum(paid)::bigint as paid
        from leaves group by cube (clinic, sex)"""
    )
    return con


def blank(con, figure):
    rows = con.execute(f"select clinic, sex from limited.candidate.paid where {figure} is null")
    return set(rows.fetchall())


DOMINATED = [
    ("Alpine", "F", 4, 90_000),
    ("Alpine", "M", 20, 40),
    ("Butte", "F", 30, 50),
    ("Butte", "M", 40, 60_000),
    ("Colusa", "F", 60, 70_000),
    ("Colusa", "M", 70, 80_000),
]


def test_an_amount_that_dominates_its_sum_is_not_left_to_be_estimated():
    """The other amounts hidden with it are a thousandth of it: the sum alone tells it."""
    with zone(DOMINATED) as con:
        mask_publication(con, PAID, policy())
        assert ("Alpine", "F") in blank(con, "people")
        more = blank(con, "paid") - blank(con, "people")
        assert more
        codes = con.execute(
            "select distinct paid_annotation from limited.candidate.paid "
            "where paid is null and people is not null"
        ).fetchall()
        assert codes == [(2,)]
        assert attack_candidate(con, PAID, policy()).holds
        assert verify_candidate(con, PAID) == []


def test_the_gate_stops_an_amount_that_its_sum_tells():
    with zone(DOMINATED) as con:
        mask_publication(con, PAID, policy())
        con.execute(
            "update limited.candidate.paid as c set paid = s.paid, paid_annotation = 0 "
            "from limited.main.paid as s "
            "where c.clinic = s.clinic and c.sex = s.sex and c.people is not null"
        )
        found = attack_candidate(con, PAID, policy())
        assert (found.recovered, found.narrowed) == (0, 1)


def test_a_tolerance_of_nought_asks_only_that_nothing_is_known_exactly():
    with zone(DOMINATED) as con:
        mask_publication(con, PAID, policy().replace(amount_tolerance_pct=0))
        assert blank(con, "paid") == blank(con, "people")


def test_a_row_without_money_hides_no_more_than_its_surroundings():
    """That nothing was paid for Alpine's four is not told by a row of noughts."""
    cells = [(c, s, n, 0 if c == "Alpine" else paid) for c, s, n, paid in DOMINATED]
    with zone(cells) as con:
        mask_publication(con, PAID, policy())
        assert attack_candidate(con, PAID, policy()).holds
        shown = {("Butte", "F"), ("Butte", "M"), ("Colusa", "F"), ("Colusa", "M")}
        assert shown - blank(con, "paid")


AMOUNT = st.one_of(st.just(0), st.integers(1, 90), st.integers(1_000, 99_000))
COUNT = st.one_of(st.just(0), st.integers(1, 10), st.integers(11, 60))


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(COUNT, AMOUNT), min_size=6, max_size=6), st.sampled_from([0, 10, 40]))
def test_no_masked_table_tells_an_amount(values, tolerance):
    rules = policy().replace(amount_tolerance_pct=tolerance)
    places = [(c, s) for c in CLINICS[:3] for s in ("F", "M")]
    cells = [(*at, n, paid if n else 0) for at, (n, paid) in zip(places, values, strict=True)]
    with zone(cells) as con:
        try:
            mask_publication(con, PAID, rules)
        except MaskingError:
            return
        assert blank(con, "people") <= blank(con, "paid")
        assert attack_candidate(con, PAID, rules).holds
        assert verify_candidate(con, PAID) == []


def interval(amounts, cell):
    """The interval of a hidden amount, by another solver than the project's."""
    groups = amounts.layout.groups
    hidden = np.flatnonzero(amounts.hidden)
    place = {int(c): k for k, c in enumerate(hidden)}
    rows, right = [], []
    for group in range(groups.count):
        row, known = np.zeros(len(hidden)), 0
        members = groups.members[groups.starts[group] : groups.starts[group + 1]]
        for one, sign in [*((int(m), 1) for m in members), (int(groups.total[group]), -1)]:
            if one in place:
                row[place[one]] += sign
            else:
                known += sign * int(amounts.values[one])
        rows.append(row)
        right.append(-known)
    ends = []
    for sign in (1, -1):
        cost = np.zeros(len(hidden))
        cost[place[cell]] = sign
        found = linprog(cost, A_eq=np.array(rows), b_eq=right, bounds=(0, None))
        ends.append(np.inf if found.status == 3 else sign * found.fun)
    return ends[0], ends[1]


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.integers(0, 500), min_size=6, max_size=6),
    st.lists(st.booleans(), min_size=12, max_size=12),
    st.sampled_from([0.0, 0.1, 0.5]),
)
def test_exposure_is_what_another_solver_finds(values, hidden, tolerance):
    table = cube(np.array(values).reshape(3, 2))
    amounts = Amounts.of(
        table.layout,
        table.people.astype(float),
        np.array(hidden),
        np.array(hidden),
        tolerance,
    )
    found = exposed(amounts)
    low, high = amounts.wanted
    for cell in np.flatnonzero(amounts.hidden).tolist():
        least, most = interval(amounts, cell)
        known = most < high[cell] - 0.5 or least > low[cell] + 0.5 or most - least < 0.5
        assert found[cell] == known


@pytest.mark.parametrize("cents", [0, 3])
def test_sums_that_were_rounded_tell_all_the_same(cents):
    table = cube(np.array([50.0, 900.0, 70.0]))
    values = table.people.astype(float)
    values[-1] += cents / 100
    hidden = np.array([True, False, False, False])
    assert exposed(Amounts.of(table.layout, values, hidden, hidden, 0.1))[0]
