"""A run that fails leaks nothing: not into logs, the event store, dbt's files or a message.

Each test plants its own markers and makes one step fail on them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from deid_platform.core.zones import Zone
from tests.support.canaries import sightings
from tests.support.path import Finished, Site

MONTH = ("2024-03", "2024-03")
MARKERS = ["Zqplantedname77x", "987-65-4320", "zqplanted77x@example.org", "77 Zqplanted Court"]


@pytest.fixture
def own(finished: Finished, tmp_path: Path) -> Site:
    """A copy of state and declarations."""
    return finished.site.copy(tmp_path, project=True)


def delivery(site: Site) -> Path:
    return site.deployment.landing / "ed_visits" / f"ed_visits-{MONTH[0]}.csv"


def planted(header: str, line: str) -> str:
    """A record of the file with our markers in place of a person's."""
    names, values = header.strip().split(","), line.strip().split(",")
    put = dict(zip(("patient_name", "ssn", "email", "street_address"), MARKERS, strict=True))
    return ",".join(put.get(n, v) for n, v in zip(names, values, strict=False)) + "\n"


def without_header(header: str, lines: Sequence[str]) -> str:
    return "".join([planted(header, lines[0]), *lines])


def with_an_unfinished_quote(header: str, lines: Sequence[str]) -> str:
    return "".join([header, planted(header, lines[0]).replace(MARKERS[0], f'"{MARKERS[0]}')])


def with_a_column_too_many(header: str, lines: Sequence[str]) -> str:
    named = f"{header.strip()},nickname\n"
    return "".join([named, planted(header, lines[0]).strip() + f",{MARKERS[0]}\n"])


def with_another_delimiter(header: str, lines: Sequence[str]) -> str:
    return "".join([header, planted(header, lines[0])]).replace(",", ";")


def everything_but_raw(site: Site) -> list[str]:
    return sorted({f"{s.file}: {s.place}" for s in site.sightings_outside_raw(MARKERS)})


@pytest.mark.parametrize(
    "spoilt",
    [without_header, with_an_unfinished_quote, with_a_column_too_many, with_another_delimiter],
)
def test_a_delivery_that_is_refused_is_not_quoted(
    copied: Site, capfd: pytest.CaptureFixture[str], spoilt: object
) -> None:
    header, *lines = delivery(copied).read_text("utf-8").splitlines(keepends=True)
    delivery(copied).write_text(spoilt(header, lines), "utf-8")  # type: ignore[operator]
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
    header, *lines = delivery(copied).read_text("utf-8").splitlines(keepends=True)
    names = header.strip().split(",")
    bad = planted(header, lines[0]).strip().split(",")
    bad[names.index("age_years")] = MARKERS[0]
    delivery(copied).write_text("".join([header, *lines, ",".join(bad) + "\n"]), "utf-8")

    outcome = copied.run("raw_zone", assets=["raw/ed_visits"], months=MONTH)

    assert outcome.succeeded
    assert copied.rows(Zone.RAW, "quarantine")["ed_visits"] == 1
    told = repr(outcome) + "".join(capfd.readouterr())
    assert [marker for marker in MARKERS if marker in told] == []
    assert everything_but_raw(copied) == []
    raw = copied.deployment.zone_file(Zone.RAW)
    held = sightings([raw], MARKERS, {raw.name: copied.deployment.key(Zone.RAW)})
    assert {one.marker for one in held} == set(range(len(MARKERS)))


@pytest.mark.parametrize("sql", ["cast(county as integer)", "error(county)"])
def test_a_model_that_fails_on_a_value_does_not_quote_it(
    own: Site, capfd: pytest.CaptureFixture[str], sql: str
) -> None:
    county = "Zqcounty77x"
    own.execute(Zone.LIMITED, "update limited.main.ed_visits set county = ?", [county])
    model = "ed_visits_by_county_year"
    file = own.deployment.dbt_project / f"models/publications/{model}/{model}.sql"
    file.write_text(
        file.read_text("utf-8").replace("visit_year, county\n", f"visit_year, {sql} as county\n"),
        "utf-8",
    )
    staged = own.deployment.staging_file(Zone.LIMITED)
    before = own.fingerprints(Zone.LIMITED)[model]

    outcome = own.run("marts", assets=[f"staging/{model}", f"limited/{model}"])

    assert not outcome.succeeded
    assert outcome.steps[f"limited__{model}"] == "skipped"
    told = repr(outcome) + "".join(capfd.readouterr())
    assert county not in told
    keys = {staged.name: own.deployment.key(Zone.LIMITED)}
    places = [p for p in own.home.iterdir() if p.name not in ("landing", "zones")]
    assert sightings(places, [county], keys) == []
    assert own.fingerprints(Zone.LIMITED)[model] == before
