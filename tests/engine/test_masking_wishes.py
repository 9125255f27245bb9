"""What a declaration wishes of masking changes the complements, and never what is protected."""

from __future__ import annotations

import csv

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deid_platform.core.declaration import parse_publication
from deid_platform.core.errors import DeclarationError, MaskingError
from deid_platform.engine.mask_file import attack_file, mask_file, verify_file
from tests.engine.policies import policy

AREAS = ("Alpine", "Butte", "Colusa", "Glenn", "Inyo")
SEXES = ("F", "M", "X")


def declared(**masking):
    return parse_publication(
        "table",
        {
            "policy": "calhhs_ddg_2",
            "dimensions": {
                "area": {"kind": "residence_geography", "total": "All"},
                "sex": {"kind": "sex", "total": "Both"},
            },
            "figures": {"people": {"people": "people"}},
            "masking": masking,
        },
        name="table",
    )


def written(folder, counts):
    """A file of areas by sex with its margins; ``counts`` has a row per area."""
    rows = [
        (a, s, n)
        for a, row in zip(AREAS, counts, strict=False)
        for s, n in zip(SEXES, row, strict=True)
    ]
    areas = list(dict.fromkeys(a for a, _, _ in rows))
    sexes = list(dict.fromkeys(s for _, s, _ in rows))
    rows += [(a, "Both", sum(n for b, _, n in rows if b == a)) for a in areas]
    rows += [
        ("All", s, sum(n for a, t, n in rows if t == s and a != "All")) for s in (*sexes, "Both")
    ]
    file = folder / "table.csv"
    with file.open("w", newline="") as lines:
        csv.writer(lines).writerows([("area", "sex", "people"), *rows])
    return file


def hidden(folder, counts, **masking):
    """The hidden cells; the result is attacked and its proof checked on the way."""
    publication, out, proof = declared(**masking), folder / "out.csv", folder / "proof"
    mask_file(written(folder, counts), publication, policy(), out, certificate=proof)
    assert verify_file(out, publication, policy(), proof) == []
    assert attack_file(out, publication, policy()).holds
    with out.open(newline="") as lines:
        return {(r["area"], r["sex"]) for r in csv.DictReader(lines) if r["people"] == ""}


COUNTS = [(4, 40, 90), (50, 30, 80), (60, 35, 70), (20, 25, 21)]


def test_a_cell_to_publish_is_no_complement(tmp_path):
    before = hidden(tmp_path, COUNTS)
    kept = next(one for one in sorted(before) if one != ("Alpine", "F"))
    after = hidden(tmp_path, COUNTS, must_publish=[{"area": kept[0], "sex": kept[1]}])
    assert kept in before
    assert kept not in after
    assert ("Alpine", "F") in after


def test_a_cell_preferred_for_hiding_is_taken_first(tmp_path):
    assert ("Butte", "X") not in hidden(tmp_path, COUNTS)
    preferred = [{"area": ["Butte", "Alpine"], "sex": ["X", "F"]}]
    assert ("Butte", "X") in hidden(tmp_path, COUNTS, prefer_hide=preferred)


def test_with_weights_by_cells_no_more_cells_are_hidden_than_by_people(tmp_path):
    counts = [(4, 12, 12), (11, 90, 80), (12, 70, 60), (90, 11, 12), (80, 12, 11)]
    by_cells = hidden(tmp_path, counts, weights="cells")
    assert len(by_cells) <= len(hidden(tmp_path, counts))
    assert len(by_cells) == 4


def test_an_equity_weight_keeps_complements_away_from_small_groups(tmp_path):
    # The rows that could complement Alpine's: Glenn's cost fewer people, but Glenn is tiny.
    counts = [(900, 800, 4), (5000, 20, 14), (4000, 6000, 200), (14, 16, 13)]
    assert {area for area, _ in hidden(tmp_path, counts)} == {"Alpine", "Glenn"}
    assert {area for area, _ in hidden(tmp_path, counts, equity_weight=10)} == {"Alpine", "Butte"}


def test_a_small_cell_cannot_be_wished_into_the_open(tmp_path):
    with pytest.raises(MaskingError, match=r"must_publish.*small"):
        hidden(tmp_path, COUNTS, must_publish=[{"area": "Alpine", "sex": "F"}])


def test_wishes_that_leave_no_safe_pattern_are_refused_and_write_nothing(tmp_path):
    wished = [{"sex": ["M", "X", "Both"]}, {"area": ["Butte", "Colusa", "Glenn", "All"]}]
    with pytest.raises(MaskingError, match=r"must_publish.*no pattern"):
        hidden(tmp_path, COUNTS, must_publish=wished)
    assert not (tmp_path / "out.csv").exists()


def test_a_label_that_the_table_does_not_hold_is_refused_without_quoting_it(tmp_path):
    with pytest.raises(DeclarationError, match=r"prefer_hide.*1 of the labels") as caught:
        hidden(tmp_path, COUNTS, prefer_hide=[{"area": "Atlantis"}])
    assert "Atlantis" not in str(caught.value)


ONE_OF = st.one_of(st.just(0), st.integers(1, 10), st.integers(11, 60))
PICK = st.fixed_dictionaries(
    {}, optional={"area": st.sampled_from(AREAS[:3]), "sex": st.sampled_from(SEXES)}
).filter(bool)


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.tuples(ONE_OF, ONE_OF, ONE_OF), min_size=3, max_size=3),
    st.lists(PICK, max_size=2),
    st.lists(PICK, max_size=2),
    st.sampled_from(["people", "cells"]),
    st.sampled_from([0, 3, 50]),
)
def test_whatever_is_wished_every_small_cell_stays_protected(
    tmp_path_factory, counts, keep, first, weights, equity
):
    wishes = {
        "must_publish": keep,
        "prefer_hide": first,
        "weights": weights,
        "equity_weight": equity,
    }
    folder = tmp_path_factory.mktemp("t")
    try:
        blank = hidden(folder, counts, **wishes)
    except MaskingError:
        assert not (folder / "out.csv").exists()
        return
    small = {
        (a, s)
        for a, row in zip(AREAS, counts, strict=False)
        for s, n in zip(SEXES, row, strict=True)
        if 1 <= n <= 10
    }
    assert small <= blank
    assert not any(
        all((area if key == "area" else sex) == label for key, label in pick.items())
        for area, sex in blank
        for pick in keep
    )
