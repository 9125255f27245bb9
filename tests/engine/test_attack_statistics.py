"""Rates, percentages and means that stand in a table, against every table that prints the same."""

from __future__ import annotations

import itertools
import math

import pytest
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from deid_platform.core.publication import Publication
from deid_platform.engine.mask_file import attack_file, mask_file
from tests.engine.policies import policy

COUNTIES = ("Alpine", "Butte", "Colusa", "Glenn")
TOTAL = "California"


def publication(figures: str) -> Publication:
    return Publication.model_validate(
        {
            "name": "cases",
            "policy": "calhhs_ddg_2",
            "dimensions": {"county": {"kind": "residence_geography", "total": TOTAL}},
            "figures": yaml.safe_load(figures),
        }
    )


def written(tmp_path, header: str, rows) -> object:
    file = tmp_path / "table.csv"
    lines = [",".join("" if cell is None else str(cell) for cell in row) for row in rows]
    file.write_text("\n".join([header, *lines]) + "\n")
    return file


def attacked(file, declared):
    report = attack_file(file, declared, policy(), worked=0)
    found = report.attacks["people"]
    names = [report.cells.label_of(cell)["county"] for cell in range(report.cells.layout.cells)]
    return {
        name: (int(found.low[k]), int(found.high[k]), bool(found.recovered[k]))
        for k, name in enumerate(names)
        if found.watched[k]
    }


RATE = publication(
    "{people: {people: people}, rate: {kind: rate, people: people, denominator: population}}"
)
SHARE = publication(
    "{people: {people: people}, "
    "share: {kind: percentage, people: people, denominator_total: [county]}}"
)


def test_a_rate_beside_a_hidden_count_gives_the_count_away(tmp_path):
    file = written(
        tmp_path,
        "county,people,population,rate",
        [
            ("Alpine", None, 1200, 333.3),
            ("Butte", None, 200000, 22.0),
            ("Colusa", 60, 21000, 285.7),
            (TOTAL, 108, 222200, 48.6),
        ],
    )
    assert attacked(file, RATE) == {"Alpine": (4, 4, True)}


def test_the_share_of_a_shown_cell_gives_a_hidden_total_away(tmp_path):
    file = written(
        tmp_path,
        "county,people,share",
        [
            ("Alpine", None, None),
            ("Butte", 50, 43.1),
            ("Colusa", 60, 51.7),
            (TOTAL, None, None),
        ],
    )
    assert attacked(file, SHARE) == {"Alpine": (6, 6, True)}


def test_an_amount_and_a_mean_beside_a_hidden_count_give_it_away(tmp_path):
    declared = publication(
        "{people: {people: people}, cost: {kind: amount, people: people}, "
        "mean_cost: {kind: mean, people: people}}"
    )
    file = written(
        tmp_path,
        "county,people,cost,mean_cost",
        [
            ("Alpine", None, 700, 233.33),
            ("Butte", None, 9000, 200),
            ("Colusa", 60, 12000, 200),
            (TOTAL, 108, 21700, 200.93),
        ],
    )
    assert attacked(file, declared)["Alpine"] == (3, 3, True)


def test_a_rate_of_another_making_says_nothing(tmp_path):
    file = written(
        tmp_path,
        "county,people,population,rate",
        [
            ("Alpine", None, 1200, 9.1),
            ("Butte", None, 200000, 7.0),
            ("Colusa", 60, 21000, 3.1),
            (TOTAL, 108, 222200, 4.2),
        ],
    )
    low, high, recovered = attacked(file, RATE)["Alpine"]
    assert (low, recovered) == (1, False)
    assert high >= 10


def prints(value: float, decimals: int) -> float:
    return round(value * 10**decimals) / 10**decimals


@st.composite
def tables(draw):
    """Counts of two to four counties, which are hidden, and which show a statistic still."""
    size = draw(st.integers(2, 4))
    counts = draw(st.lists(st.integers(1, 12), min_size=size, max_size=size))
    hidden = draw(st.lists(st.booleans(), min_size=size + 1, max_size=size + 1))
    standing = draw(st.lists(st.booleans(), min_size=size + 1, max_size=size + 1))
    populations = draw(st.lists(st.integers(40, 4000), min_size=size, max_size=size))
    return counts, hidden, standing, populations


def feasible(hidden, counts, agrees):
    """Every table with the same zeros and the same shown counts in which ``agrees`` holds."""
    open_cells = [k for k in range(len(counts)) if hidden[k]]
    whole = [*counts, sum(counts)]
    for values in itertools.product(range(1, 41), repeat=len(open_cells)):
        table = list(counts)
        for k, value in zip(open_cells, values, strict=True):
            table[k] = value
        table.append(sum(table))
        if not hidden[-1] and table[-1] != whole[-1]:
            continue
        if agrees(table):
            yield table


def compared(found, tables, names, hidden):
    """Watched cells' intervals are those of the tables, as far as the goals of the policy."""
    for name, (low, high, _) in found.items():
        place = names.index(name)
        assert hidden[place]
        values = {table[place] for table in tables}
        assert low <= min(values)
        assert high >= max(values)
        assert low == min(values) or min(values) <= 1
        assert high == max(values) or max(values) >= 10


@settings(deadline=None, max_examples=60)
@given(tables(), st.sampled_from([0, 1, 2]))
def test_the_interval_is_what_rounded_shares_leave_and_no_more(tmp_path_factory, drawn, decimals):
    counts, hidden, standing, _ = drawn
    assume(sum(hidden[:-1]) <= 3)
    total, names = sum(counts), [*COUNTIES[: len(counts)], TOTAL]
    declared = publication(
        "{people: {people: people}, share: {kind: percentage, people: people, per: 100, "
        f"denominator_total: [county], decimals: {decimals}}}}}"
    )
    shares = [prints(100 * n / total, decimals) for n in (*counts, total)]
    rows = [
        (name, None if hide else n, share if stand else None)
        for name, n, hide, stand, share in zip(
            names, [*counts, total], hidden, standing, shares, strict=True
        )
    ]
    file = written(tmp_path_factory.mktemp("t"), "county,people,share", rows)
    half = 0.5 * 10.0**-decimals

    def agrees(table):
        return all(
            not stand or abs(100 * n / table[-1] - share) <= half + 1e-7
            for n, stand, share in zip(table, standing, shares, strict=True)
        )

    possible = list(feasible(hidden, counts, agrees))
    assume(all(max(table) < 40 for table in possible))
    compared(attacked(file, declared), possible, names, hidden)


@settings(deadline=None, max_examples=60)
@given(tables(), st.sampled_from([1, 10, 100]))
def test_the_interval_is_what_rounded_rates_leave_and_no_more(tmp_path_factory, drawn, per):
    counts, hidden, standing, populations = drawn
    assume(sum(hidden[:-1]) <= 3)
    names = [*COUNTIES[: len(counts)], TOTAL]
    people, under = [*counts, sum(counts)], [*populations, sum(populations)]
    declared = publication(
        "{people: {people: people}, rate: {kind: rate, people: people, decimals: 1, "
        f"denominator: population, per: {per}}}}}"
    )
    rates = [prints(per * n / d, 1) for n, d in zip(people, under, strict=True)]
    rows = [
        (name, None if hide else n, d, rate if stand else None)
        for name, n, d, hide, stand, rate in zip(
            names, people, under, hidden, standing, rates, strict=True
        )
    ]
    file = written(tmp_path_factory.mktemp("t"), "county,people,population,rate", rows)

    def agrees(table):
        return all(
            n <= d and (not stand or abs(per * n / d - rate) <= 0.05 + 1e-7)
            for n, d, stand, rate in zip(table, under, standing, rates, strict=True)
        )

    compared(attacked(file, declared), list(feasible(hidden, counts, agrees)), names, hidden)


def test_a_masked_table_shows_no_share_of_a_hidden_total(tmp_path):
    file = written(
        tmp_path,
        "county,people,share",
        [("Alpine", 6, 5.2), ("Butte", 50, 43.1), ("Colusa", 60, 51.7), (TOTAL, 116, 100)],
    )
    out = tmp_path / "masked.csv"
    options = SHARE.model_copy(
        update={"dimensions": {"county": SHARE.dimensions["county"].model_copy()}}
    )
    mask_file(file, options, policy(), out, certificate=tmp_path / "proof")
    lines = {line.split(",")[0]: line.split(",")[1:] for line in out.read_text().splitlines()[1:]}
    hidden_total = lines[TOTAL][0] == ""
    for name, (people, share, *_) in lines.items():
        assert (share == "") == (people == "" or hidden_total), name
    found = attacked(out, SHARE)
    assert not any(recovered for _, _, recovered in found.values())
    assert math.isclose(sum(1 for line in lines.values() if line[0] == ""), 2)


@pytest.mark.parametrize("text", ["43.1%", " 43.1 % "])
def test_a_percent_sign_is_read_as_a_reader_would(tmp_path, text):
    file = written(
        tmp_path,
        "county,people,share",
        [("Alpine", None, None), ("Butte", 50, text), ("Colusa", 60, "51.7%"), (TOTAL, None, "")],
    )
    assert attacked(file, SHARE) == {"Alpine": (6, 6, True)}


def test_a_derivation_adds_up_to_the_bound_it_gives(tmp_path):
    """The codes say that the other cell of Alpine's row has 11 people or more."""
    declared = Publication.model_validate(
        {
            "name": "t",
            "policy": "calhhs_ddg_2",
            "dimensions": {
                "county": {"kind": "residence_geography", "total": "All"},
                "sex": {"kind": "sex", "total": "Both"},
            },
            "figures": {"people": {"people": "people"}},
        }
    )
    counts = {
        **{("Alpine", "F"): 6, ("Alpine", "M"): 12, ("Alpine", "Both"): 18},
        **{("Butte", "F"): 40, ("Butte", "M"): 45, ("Butte", "Both"): 85},
        **{("All", "F"): 46, ("All", "M"): 57, ("All", "Both"): 103},
    }
    inner = {at for at in counts if "Both" not in at and "All" not in at}
    rows = [
        (*at, None, 1 if n < 11 else 2) if at in inner else (*at, n, 0) for at, n in counts.items()
    ]
    file = written(tmp_path, "county,sex,people,people_annotation", rows)
    report = attack_file(file, declared, policy()).to_dict()
    found = report["people"]["people"]["findings"]
    told = 0
    for finding in found:
        for bound in finding["derivation"].values():
            known = [s["left_for_hidden"] for s in bound["sums"]]
            if None not in known and (bound["sums"] or bound["taking"]):
                value = sum(-s["times"] * s["left_for_hidden"] for s in bound["sums"])
                value += sum(t["times"] * t["at"] for t in bound["taking"])
                assert math.isclose(value, bound["value"], abs_tol=0.02)
                told += 1
    assert found
    assert told
