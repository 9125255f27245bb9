"""Percentages instead of counts, as `deid mask` writes them, and when it refuses."""

from __future__ import annotations

import csv

import pytest

from deid_platform.core.declaration import parse_publication
from deid_platform.core.errors import MaskingError
from deid_platform.engine.mask_file import mask_file
from tests.engine.policies import policy


def declared(figures=None, **choice):
    return parse_publication(
        "sexes",
        {
            "policy": "calhhs_ddg_2",
            "dimensions": {
                "area": {"kind": "residence_geography", "total": "All"},
                "sex": {"kind": "intersex", "total": "Both"},
            },
            "figures": figures or {"people": {"people": "people"}},
            "masking": {"method": "percentages", "share_of": "sex", **choice},
        },
        name="sexes",
    )


def masked(folder, areas, publication=None):
    rows = [(area, sex, n) for area, counts in areas.items() for sex, n in counts.items()]
    rows += [
        ("All", sex, sum(c[sex] for c in areas.values())) for sex in next(iter(areas.values()))
    ]
    rows += [(a, "Both", sum(n for b, _, n in rows if b == a)) for a in (*areas, "All")]
    file, out = folder / "sexes.csv", folder / "out.csv"
    with file.open("w", newline="") as lines:
        written = [(area, sex, n, 2 * n) for area, sex, n in rows]
        csv.writer(lines).writerows([("area", "sex", "people", "visits"), *written])
    publication = publication or declared()
    if "visits" not in publication.figures:
        file.write_text("".join(f"{one.rpartition(',')[0]}\n" for one in file.open()))
    mask_file(file, publication, policy(), out)
    with out.open(newline="") as lines:
        return {(row["area"], row["sex"]): row for row in csv.DictReader(lines)}


NORTH = {"Female": 1545, "Male": 1445, "Intersex": 10}
SOUTH = {"Female": 2600, "Male": 2390, "Intersex": 8}


def test_shares_replace_the_counts_of_every_group(tmp_path):
    found = masked(tmp_path, {"North": NORTH, "South": SOUTH})
    assert [found["North", sex]["people_pct"] for sex in NORTH] == ["52%", "48%", "<1%"]
    assert found["All", "Both"]["people_pct"] == "100%"
    assert set(found["North", "Female"]) == {"area", "sex", "people_pct", "note"}
    assert "may not add" in found["North", "Female"]["note"]
    assert not any(char in (tmp_path / "out.csv").read_text() for char in ("1545", "2600"))


def test_fewer_than_1100_people_are_refused(tmp_path):
    """M-33."""
    few = {"Female": 540, "Male": 550, "Intersex": 9}
    with pytest.raises(MaskingError, match=r"below 1,100 \(1 groups\)"):
        masked(tmp_path, {"North": NORTH, "South": few})
    assert not (tmp_path / "out.csv").exists()


def test_counts_published_elsewhere_are_refused(tmp_path):
    """M-34."""
    publication = declared(counts_published_elsewhere=True)
    with pytest.raises(MaskingError, match="published elsewhere"):
        masked(tmp_path, {"North": NORTH, "South": SOUTH}, publication)


def test_further_figures_beside_the_percentages_are_refused(tmp_path):
    figures = {"people": {"people": "people"}, "visits": {"people": "people"}}
    with pytest.raises(MaskingError, match="stand alone"):
        masked(tmp_path, {"North": NORTH, "South": SOUTH}, declared(figures))
