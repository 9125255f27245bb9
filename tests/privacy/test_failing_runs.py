"""A run that fails leaks nothing: not into logs, the event store, dbt's files or a message.

Each test plants its own markers and makes one step fail on them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from deid_platform.core.zones import Zone
from tests.support.canaries import sightings
from tests.support.path import Finished, Site, records, rewrite

MONTH = ("2024-03", "2024-03")
MARKERS = ["Zqplantedname77x", "987-65-4320", "zqplanted77x@example.org", "77 Zqplanted Court"]


@pytest.fixture
def own(finished: Finished, tmp_path: Path) -> Site:
    """A copy of state and declarations."""
    return finished.site.copy(tmp_path, project=True)


Records = list[dict[str, str]]


def planted(row: dict[str, str]) -> dict[str, str]:
    """A record with our markers in place of a person's."""
    columns = ("patient_name", "ssn", "email", "street_address")
    return row | dict(zip(columns, MARKERS, strict=True))


def without_header(file: Path, rows: Records) -> None:
    rewrite(file, [planted(rows[0]), *rows])
    file.write_text(file.read_text("utf-8").split("\n", 1)[1], "utf-8")


def with_an_unfinished_quote(file: Path, rows: Records) -> None:
    rewrite(file, [planted(rows[0])])
    file.write_text(file.read_text("utf-8").replace(MARKERS[0], f'"{MARKERS[0]}'), "utf-8")


def with_a_column_too_many(file: Path, rows: Records) -> None:
    rewrite(file, [{**planted(row), "nickname": MARKERS[0]} for row in rows])


def with_another_delimiter(file: Path, rows: Records) -> None:
    rewrite(file, [planted(row) for row in rows], delimiter=";")


def with_bytes_that_are_no_text(file: Path, rows: Records) -> None:
    rewrite(file, [planted(row) for row in rows[:5]])
    file.write_bytes(file.read_bytes().replace(MARKERS[0].encode(), b"\xff\x00" * 9))


def everything_but_raw(site: Site) -> list[str]:
    return sorted({f"{s.file}: {s.place}" for s in site.sightings_outside_raw(MARKERS)})


@pytest.mark.parametrize(
    "spoilt",
    [
        without_header,
        with_an_unfinished_quote,
        with_a_column_too_many,
        with_another_delimiter,
        with_bytes_that_are_no_text,
    ],
)
def test_a_delivery_that_is_refused_is_not_quoted(
    copied: Site, capfd: pytest.CaptureFixture[str], spoilt: Callable[[Path, Records], None]
) -> None:
    file = copied.delivery(MONTH[0])
    spoilt(file, records(file))
    before = copied.fingerprint_where(Zone.RAW, "ed_visits", "true")

    outcome = copied.run("raw_zone", assets=["raw/ed_visits"], months=MONTH)

    assert not outcome.succeeded
    assert "DeliveryError" in outcome.errors["raw__ed_visits"]
    told = repr(outcome) + "".join(capfd.readouterr())
    assert [marker for marker in MARKERS if marker in told] == []
    assert everything_but_raw(copied) == []
    assert copied.fingerprint_where(Zone.RAW, "ed_visits", "true") == before


def test_a_record_in_quarantine_is_counted_and_not_quoted(
    copied: Site, capfd: pytest.CaptureFixture[str]
) -> None:
    file = copied.delivery(MONTH[0])
    rows = records(file)
    rewrite(file, [*rows, planted(rows[0]) | {"age_years": MARKERS[0]}])

    outcome = copied.run("raw_zone", assets=["raw/ed_visits"], months=MONTH)

    assert outcome.succeeded
    assert copied.rows(Zone.RAW, "quarantine")["ed_visits"] == 1
    told = repr(outcome) + "".join(capfd.readouterr())
    assert [marker for marker in MARKERS if marker in told] == []
    assert everything_but_raw(copied) == []
    raw = copied.deployment.zone_file(Zone.RAW)
    held = sightings([raw], MARKERS, {raw.name: copied.deployment.key(Zone.RAW)})
    assert {one.marker for one in held} == set(range(len(MARKERS)))


def test_a_model_that_fails_on_a_value_does_not_quote_it(
    own: Site, capfd: pytest.CaptureFixture[str]
) -> None:
    county = "Zqcounty77x"
    own.execute(Zone.LIMITED, "update limited.main.ed_visits set county = ?", [county])
    model = "ed_visits_by_county_year"
    file = own.deployment.dbt_project / f"models/publications/{model}/{model}.sql"
    file.write_text(
        file.read_text("utf-8").replace(
            "visit_year, county\n", "visit_year, cast(county as integer) as county\n"
        ),
        "utf-8",
    )
    staged = own.deployment.staging_file(Zone.LIMITED)
    before = own.fingerprints(Zone.LIMITED)[model]

    outcome = own.run("marts", assets=[f"staging/{model}", f"limited/{model}"])

    assert not outcome.succeeded
    assert outcome.steps.get(f"limited__{model}") != "done"
    told = repr(outcome) + "".join(capfd.readouterr())
    assert county not in told
    keys = {staged.name: own.deployment.key(Zone.LIMITED)}
    places = [p for p in own.home.iterdir() if p.name not in ("landing", "zones")]
    assert sightings(places, [county], keys) == []
    assert own.fingerprints(Zone.LIMITED)[model] == before
