"""A deployment on which the real path runs: real files, DuckDB, dbt and Dagster.

The whole path is run once in a session, on the Synthea sample and on generated visits with
planted people. Tests that change something work on a copy of what that run left.
"""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner, Result

from deid_platform.core.zones import ENCRYPTED, Zone
from deid_platform.engine.database import open_zone
from deid_platform.engine.deployment import Deployment
from deid_platform.engine.fingerprint import fingerprint
from deid_platform.engine.initialise import initialise
from deid_platform.engine.sql import qualified
from deid_platform.engine.synthetic import Scenario, generate
from deid_platform.governance.demonstration import KEYS
from tests.support.canaries import Sighting, sightings
from tests.support.synthetic import POPULATION

if TYPE_CHECKING:
    from assets.runs import RunOutcome

CHECKOUT = Path(__file__).resolve().parents[2]
SAMPLE = CHECKOUT / "../shared/data/synthea"
MONTHS = ("2023-10", "2023-11", "2023-12", "2024-01", "2024-02", "2024-03")
VISITS = 6_000
ANA, BEN, DANA = "person:ana.ruiz", "person:ben.cho", "person:dana.lee"
PUBLICATION = "ed_visits_by_county_year"
PERSONAL = (
    "SSN",
    "DRIVERS",
    "PASSPORT",
    "FIRST",
    "MIDDLE",
    "LAST",
    "MAIDEN",
    "ADDRESS",
    "LAT",
    "LON",
)
"""Columns of the sample's patients that hold an identifier."""
_OURS = ("DEID_", "DAGSTER_", "DBT_")


@dataclass(frozen=True, kw_only=True)
class Site:
    """One deployment, and what one can do to it as the pipeline, a person or an intruder would."""

    home: Path
    project: Path = CHECKOUT

    @property
    def deployment(self) -> Deployment:
        """The deployment; its keys are in key files."""
        environment = {"DEID_HOME": str(self.home), "DEID_PROJECT": str(self.project)}
        return Deployment.from_environment(environment)

    @contextlib.contextmanager
    def environment(self) -> Iterator[None]:
        """This process, and programs it starts, work on this deployment."""
        before = dict(os.environ)
        for name in [name for name in before if name.startswith(_OURS)]:
            del os.environ[name]
        os.environ |= {"DEID_HOME": str(self.home), "DEID_PROJECT": str(self.project)}
        os.environ |= {"DAGSTER_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1"}
        os.environ["DEID_SIGNING_KEY"] = str(self.home / KEYS)
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)

    def copy(self, folder: Path, *, project: bool = False) -> Site:
        """This deployment's state somewhere else, and its declarations too where asked."""
        home = Path(shutil.copytree(self.home, folder / "home"))
        if not project:
            return dataclasses.replace(self, home=home)
        ignored = shutil.ignore_patterns("target", "logs", "__pycache__")
        for name in ("assets", "dbt_project"):
            shutil.copytree(self.project / name, folder / "project" / name, ignore=ignored)
        return Site(home=home, project=folder / "project")

    def run(
        self,
        job: str = "whole_path",
        *,
        assets: Iterable[str] | None = None,
        months: tuple[str, str] | None = None,
    ) -> RunOutcome:
        """Run a job of the code location, or some of its assets, in this process."""
        with self.environment():
            import dagster as dg

            from assets.location import build_definitions
            from assets.runs import execute

            keys = [dg.AssetKey(asset.split("/")) for asset in assets] if assets else None
            definitions = build_definitions(self.deployment)
            return execute(definitions, self.deployment, job, months=months, assets=keys)

    def checks_alone(self, asset: str) -> dict[str, bool]:
        """Run the checks of an asset without the asset; which passed."""
        with self.environment():
            import dagster as dg

            from assets.instance import instance_of
            from assets.location import build_definitions

            selected = dg.AssetSelection.checks_for_assets(dg.AssetKey(asset.split("/")))
            alone = dg.Definitions(jobs=[dg.define_asset_job("checks_alone", selected)])
            definitions = dg.Definitions.merge(build_definitions(self.deployment), alone)
            done = definitions.resolve_job_def("checks_alone").execute_in_process(
                instance=instance_of(self.deployment), raise_on_error=False
            )
            return {one.check_name: one.passed for one in done.get_asset_check_evaluations()}

    def deid(self, *arguments: str) -> Result:
        """The ``deid`` command; an error of ours is the result's exception."""
        from deid_platform.cli import build_app

        with self.environment():
            return CliRunner().invoke(build_app(), list(arguments))

    def asked(self, *arguments: str) -> Any:
        """What a command answers with ``--json``.

        Raises:
            AssertionError: the command failed.
        """
        done = self.deid(*arguments, "--json")
        if done.exit_code != 0:
            raise AssertionError(f"deid {arguments[0]}: {done.exception or done.output}")
        return json.loads(done.stdout)

    def delivery(self, month: str) -> Path:
        """The file of a month's visits."""
        return self.deployment.landing / "ed_visits" / f"ed_visits-{month}.csv"

    def form(self, publication: str = PUBLICATION) -> Path:
        """A complete request form for a publication, as a file."""
        form = self.asked("request", "draft", publication)
        form |= {
            "unit": "Epidemiology",
            "description": "The yearly open data table",
            "period": "The months delivered",
            "population": "Residents with a visit",
            "method_justification": "A public aggregate goes through the guideline",
        }
        for element in form["data_elements"]:
            element["justification"] = "Part of the public table"
        form["open_data"]["mandate"] = True
        file = self.home / f"request-{publication}.yaml"
        file.write_text(json.dumps(form), "utf-8")
        return file

    def request(self, publication: str = PUBLICATION) -> str:
        """Ask for a release; the request's id."""
        form = str(self.form(publication))
        return str(self.asked("request", publication, "--from", form, "--as", ANA)["request"])

    def reviewed(self, request: str) -> None:
        """Have a request reviewed and executed."""
        self.asked("review", request, "--yes", "--as", "eli.park")
        self.asked("execute", request)

    def validated(self, request: str) -> Result:
        """Validate as the second person."""
        found = ("--findings", "Looked at twenty rows", "--yes", "--as", "gus.ortiz")
        return self.deid("validate", request, *found, "--json")

    def approve(self, request: str) -> None:
        """Take a request through every gate, each by another person.

        Raises:
            AssertionError: a gate refused.
        """
        if self.asked("request", "show", request)["state"] == "submitted":
            self.asked("review", request, "--yes", "--as", "eli.park")
        self.asked("execute", request)
        if self.validated(request).exit_code != 0:
            raise AssertionError(f"deid validate: {request}")
        why = ("--explanation", "Small cells are hidden, the certificate holds")
        self.asked("determine", "request", request, *why, "--as", "hana.kim")
        for name, role in (
            (BEN, "data_steward"),
            ("max.hale", "deputy_director"),
            ("nora.quinn", "director"),
        ):
            self.asked("approve", request, "--role", role, "--as", name)

    def sql(self, zone: Zone, statement: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """Rows of a query on one zone."""
        with open_zone(self.deployment, None, reading=[zone]) as con:
            return con.execute(statement, list(parameters)).fetchall()

    def tables(self, zone: Zone, schema: str = "main") -> list[str]:
        """Names of a schema's tables."""
        found = self.sql(
            zone,
            "select table_name from duckdb_tables() "
            "where database_name = ? and schema_name = ? order by 1",
            [zone.value, schema],
        )
        return [name for (name,) in found]

    def execute(self, zone: Zone, statement: str, parameters: Sequence[Any] = ()) -> None:
        """Change a zone behind the platform's back."""
        with open_zone(self.deployment, zone) as con:
            con.execute(statement, list(parameters))

    def rows(self, zone: Zone, schema: str = "main") -> dict[str, int]:
        """Rows of each table of a schema."""
        names = self.tables(zone, schema)
        counts = [f"(select count(*) from {qualified(zone, schema, name)})" for name in names]
        return dict(zip(names, self.sql(zone, f"select {', '.join(counts)}")[0], strict=True))

    def fingerprints(self, zone: Zone, schema: str = "main") -> dict[str, str]:
        """Fingerprint of each table of a schema."""
        names = self.tables(zone, schema)
        with open_zone(self.deployment, None, reading=[zone]) as con:
            return {name: fingerprint(con, qualified(zone, schema, name)) for name in names}

    def fingerprint_where(self, zone: Zone, table: str, condition: str) -> str:
        """Fingerprint of the rows of a table that meet a condition."""
        source = qualified(zone, "main", table)
        with open_zone(self.deployment, None, reading=[zone]) as con:
            con.execute(f"create temp table part as from {source} where {condition}")
            return fingerprint(con, qualified("temp", "main", "part"))

    def sightings_outside_raw(self, markers: Sequence[str]) -> list[Sighting]:
        """Markers in any file but the raw zone's and the landing folder's.

        Encrypted files are opened with their keys, so that what they hold is searched too.
        """
        keys = {f"{zone.value}.duckdb": self.deployment.key(zone) for zone in ENCRYPTED}
        raw = self.deployment.zone_file(Zone.RAW)
        places = [
            file
            for file in sorted(self.home.rglob("*"))
            if file.is_file()
            and not file.is_relative_to(self.deployment.landing)
            and not file.name.startswith(raw.name)
        ]
        return sightings(places, markers, keys)


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A whole path that has been run once, and what must be found nowhere but in the raw zone."""

    site: Site
    outcomes: list[Mapping[str, Any]]
    canaries: list[str] = dataclasses.field(repr=False)
    identifiers: list[str] = dataclasses.field(repr=False)

    def check(self, name: str, asset: str) -> Mapping[str, Any]:
        """One check of the run."""
        (found,) = [
            check
            for outcome in self.outcomes
            for check in outcome["checks"]
            if (check["check"], check["asset"]) == (name, asset)
        ]
        return found


def new_site(folder: Path) -> Site:
    """A deployment without deliveries."""
    site = Site(home=folder / "home")
    initialise(site.deployment)
    return site


def deliver_visits(site: Site, canary_file: Path) -> list[str]:
    """Generated visits into the landing folder; the markers of the people planted among them."""
    scenario = Scenario.of(
        people=4_000, visits=VISITS, months=len(MONTHS), start=MONTHS[0], canaries=12
    )
    generate(
        scenario, site.deployment.landing, population=POPULATION, canary_file=canary_file, workers=2
    )
    return json.loads(canary_file.read_text("utf-8"))


def records(file: Path) -> list[dict[str, str]]:
    """The records of a CSV file, whose notes run over several lines."""
    with file.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def rewrite(file: Path, rows: Sequence[Mapping[str, str]], **options: Any) -> None:
    """Write records as a CSV file, in place of what was there."""
    with file.open("w", encoding="utf-8", newline="") as lines:
        writer = csv.DictWriter(lines, list(rows[0]), **options)
        writer.writeheader()
        writer.writerows(rows)


def identifiers_of_the_sample() -> list[str]:
    """Every identifier and birth date of every person of the sample, each once."""
    with (SAMPLE / "patients.csv").open(encoding="utf-8-sig", newline="") as file:
        people = list(csv.DictReader(file))
    found = {row[name] for row in people for name in PERSONAL if row.get(name)}
    found |= {row["Id"] for row in people}
    # The first of a month is how LIMITED writes the month of a birth, which it may hold.
    found |= {row["BIRTHDATE"] for row in people if not row["BIRTHDATE"].endswith("-01")}
    return sorted(text for text in found if len(text) >= 4)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """The whole path, run once by the command; change nothing in it, take a copy."""
    folder = tmp_path_factory.mktemp("finished")
    site = new_site(folder)
    canaries = deliver_visits(site, folder / "canaries.json")
    if SAMPLE.is_dir():
        shutil.copytree(SAMPLE, site.deployment.landing / "synthea")
    site.asked("demo", "--people")
    done = site.deid("run", "--json")
    if not done.stdout:
        raise AssertionError(f"deid run: {done.exception}")
    return Finished(
        site=site,
        outcomes=json.loads(done.stdout),
        canaries=canaries,
        identifiers=identifiers_of_the_sample() if SAMPLE.is_dir() else [],
    )


@pytest.fixture(scope="session")
def with_sample(finished: Finished) -> Finished:
    """The same, for tests about the Synthea sample."""
    if not SAMPLE.is_dir():
        pytest.skip("the Synthea sample is not beside the checkout")
    return finished


@dataclass(frozen=True, kw_only=True)
class Demonstrated:
    """The same deployment after `deid demo`: the path run a second time, and one release."""

    site: Site
    summary: Mapping[str, Any]


@pytest.fixture(scope="session")
def demonstrated(finished: Finished, tmp_path_factory: pytest.TempPathFactory) -> Demonstrated:
    """`deid demo` on a copy of the finished state; change nothing in it."""
    site = finished.site.copy(tmp_path_factory.mktemp("demonstrated"))
    return Demonstrated(site=site, summary=site.asked("demo"))


@pytest.fixture
def copied(finished: Finished, tmp_path: Path) -> Site:
    """A copy of the state after the whole path, to be changed."""
    return finished.site.copy(tmp_path)
