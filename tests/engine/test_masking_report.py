"""The pictures of a masked table: what they count, what they never hold, and who can read them."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import duckdb
import pytest

from deid_platform.core.errors import MaskingError
from deid_platform.engine.mask import mask_publication
from deid_platform.engine.masking_page import html, keep_page, kept_page, markdown
from deid_platform.engine.masking_report import MOST_ROWS, Told, masking_report
from tests.engine.policies import policy
from tests.engine.test_mask import COUNTS, limited, publication

HIDDEN = 7919
"""The one count of a hidden complement: it must be nowhere."""


def masked(counts=COUNTS, **changes) -> duckdb.DuckDBPyConnection:
    con = limited(counts)
    mask_publication(con, publication(**changes), policy())
    return con


class Page(HTMLParser):
    """The texts of a page, its links to elsewhere, and the text of every cell of a table."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.outside: list[str] = []
        self.squares: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.outside += [given[name] for name in ("src", "href", "action") if name in given]
        if tag in ("script", "link", "iframe", "object", "img"):
            self.outside.append(tag)
        if tag == "td" and given.get("class") != "bar":
            self.squares.append("")

    def handle_data(self, data):
        self.text += data
        if self.squares and self.lasttag == "td":
            self.squares[-1] += data


def test_cells_are_tallied_by_what_became_of_them():
    (part,) = masking_report(masked(), publication()).parts
    whole = part.all_cells
    assert (whole.shown, whole.zero, whole.small, whole.complementary) == (7, 1, 1, 3)
    alpine = next(t for t in part.groups["county"] if t.label == "Alpine")
    assert (alpine.shown, alpine.zero, alpine.small, alpine.complementary) == (1, 0, 1, 1)
    assert alpine.blank_share == 2 / 3
    assert part.widths == {
        "1": 0, "2 to 3": 0, "4 to 9": 0, "10": 1, "11 to 20": 0, "21 or more": 0
    }  # fmt: skip


def test_the_groups_with_most_blanks_come_first():
    (part,) = masking_report(masked(), publication()).parts
    tallies, more = part.most_blank("county")
    assert [tally.label for tally in tallies] == ["Alpine", "Butte", "California", "Colusa"]
    assert more == 0


def test_a_table_of_two_dimensions_is_drawn_cell_by_cell_with_its_margins_last():
    (part,) = masking_report(masked(), publication()).parts
    (drawn,) = part.maps
    assert drawn.is_exact
    assert (drawn.rows[-1], drawn.columns[-1]) == ("California", "All")
    states = {key: str(tally.state) for key, tally in drawn.tallies.items()}
    assert states[("Alpine", "F")] == "small"
    assert states[("Alpine", "M")] == "complementary"
    assert states[("Colusa", "F")] == "zero"
    assert states[("California", "All")] == "shown"


def test_the_page_holds_no_value_of_a_cell_and_loads_nothing():
    con = masked(COUNTS | {("Alpine", "F"): 7, ("Alpine", "M"): HIDDEN})
    text = html(masking_report(con, publication()))
    page = Page(text)
    assert page.outside == []
    assert "http" not in text
    assert "Alpine" in page.text
    assert str(HIDDEN) not in text.replace(",", "")
    shown = {value for (value,) in con.execute(
        "select distinct person_count from limited.main.visits_by_county where person_count > 12"
    ).fetchall()}  # fmt: skip
    numbers = {int(number) for number in re.findall(r"\d+", page.text.replace(",", ""))}
    assert shown & numbers <= {33, 50, 67, 100, 20, 30, 40}  # percentages


def test_every_square_of_a_map_has_a_mark_and_none_is_told_by_its_colour_alone():
    page = Page(html(masking_report(masked(), publication())))
    assert all(text.strip() for text in page.squares)
    assert {"·", "0", "S", "C"} <= set(page.squares)


def test_labels_are_escaped_on_the_page_and_in_markdown():
    con = masked(COUNTS | {("<script>|x", "F"): 30, ("<script>|x", "M"): 40})
    report = masking_report(con, publication())
    assert "<script>" not in html(report)
    told = "\n".join(markdown(report).values())
    assert "<script>" not in told
    assert "&lt;script&gt;\\|x" in told


def test_metadata_goes_by_the_published_codes_which_may_say_less_than_the_reasons():
    con = masked()
    con.execute("update limited.masking.visits_by_county set person_count_code = 1 "
                "where person_count_code = 2")  # fmt: skip
    by_code = masking_report(con, publication(), told=Told.CODE).parts[0].all_cells
    by_reason = masking_report(con, publication()).parts[0].all_cells
    assert (by_code.small, by_code.complementary) == (4, 0)
    assert (by_reason.small, by_reason.complementary) == (1, 3)
    told = markdown(masking_report(con, publication(), told=Told.CODE))
    assert "C |" not in told["map"].split("\n\n", 1)[1]
    assert "published code 1" in told["map"]


def test_a_table_of_three_dimensions_is_drawn_as_shares_of_its_longest_with_each_other():
    con = duckdb.connect(":memory:")
    con.execute("attach ':memory:' as limited")
    con.execute(
        """create table limited.main.visits_by_county as
        with cells as (
            select county, sex, age, (county * 7 + sex * 13 + age * 5) % 23 as people
            from range(9) as c (county), range(2) as s (sex), range(3) as a (age))
        select coalesce('C' || county, 'All') as county, coalesce('S' || sex, 'All') as sex,
               coalesce('A' || age, 'All') as age, sum(people)::bigint as person_count
        from cells group by cube (county, sex, age)"""
    )
    declared = publication(
        dimensions={
            "county": {"kind": "residence_geography", "total": "All"},
            "sex": {"kind": "sex", "total": "All"},
            "age": {"kind": "age_range", "total": "All"},
        },
        figures={"person_count": {"people": "person_count"}},
    )
    mask_publication(con, declared, policy())
    report = masking_report(con, declared)
    maps = report.parts[0].maps
    assert [(one.down, one.across) for one in maps] == [("county", "sex"), ("county", "age")]
    assert not any(one.is_exact for one in maps)
    assert {tally.cells for tally in maps[0].tallies.values()} == {4}
    assert "percentage" in html(report)


@pytest.mark.parametrize(("places", "drawn"), [(30, 31), (200, MOST_ROWS)])
def test_a_long_dimension_is_drawn_by_its_rows_with_most_blanks(places, drawn):
    counts = {(f"Place {k:03}", s): 3 + k % 40 for k in range(places) for s in ("F", "M")}
    report = masking_report(masked(counts), publication())
    (one,) = report.parts[0].maps
    assert (len(one.rows), one.rows_left_out) == (drawn, places + 1 - drawn)
    assert ("more are not drawn" in html(report)) == (places + 1 > drawn)


def test_a_wide_map_is_cut_into_parts():
    counts = {(f"P{k:03}", f"G{g:02}"): 30 for k in range(60) for g in range(45)}
    report = masking_report(masked(counts), publication())
    (one,) = report.parts[0].maps
    assert [len(strip) for strip in one.strips] == [20, 20, 6]
    assert "Part 3 of 3" in html(report)


def test_a_page_is_kept_beside_the_certificate_and_read_back():
    con = masked()
    keep_page(con, publication())
    assert kept_page(con, "visits_by_county") == html(masking_report(con, publication())).encode()
    with pytest.raises(MaskingError, match="no report of such a candidate"):
        kept_page(con, "another")
