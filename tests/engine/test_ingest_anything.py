"""Whatever bytes are delivered: taken with every record accounted for, or refused."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from deid_platform.core.errors import DeliveryError
from deid_platform.core.zones import Zone
from deid_platform.engine.database import open_zone
from deid_platform.engine.deployment import Deployment
from deid_platform.engine.ingest import ingest
from deid_platform.engine.raw_tables import prepare_raw
from tests.support.deployments import land, temporary_deployment
from tests.support.tables import visits_contract, visits_csv

GOOD = visits_csv(
    "v1,m1,2024-03-01,34,F,1.5,well",
    'v2,m2,2024-03-02,,M,,"two\nlines ""quoted"""',
    "v3,m1,2024-03-31,90,,0,",
).encode()
NOISE = st.sampled_from(
    b'" "" , \n \r\n \r ; \\ # {} 1e9 NaN null \xc3\xa9 \xff \x00 \xef\xbb\xbf'.split(b" ")
)
Change = tuple[int, int, bytes]
CHANGES = st.lists(st.tuples(st.integers(0, len(GOOD)), st.integers(0, 9), NOISE), max_size=4)


@pytest.fixture(scope="module")
def session(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Deployment, duckdb.DuckDBPyConnection]]:
    deployment = temporary_deployment(tmp_path_factory.mktemp("anything"))
    (deployment.landing / "hospital").mkdir()
    with open_zone(deployment, Zone.RAW, files=[deployment.landing]) as con:
        prepare_raw(con, [visits_contract()])
        yield deployment, con


@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(CHANGES)
@example([(len(GOOD), 0, b'"')])
@example([(43, 0, b"\r\n")])
def test_any_bytes_are_accounted_for_or_refused(
    session: tuple[Deployment, duckdb.DuckDBPyConnection], changes: list[Change]
) -> None:
    deployment, con = session
    content = GOOD
    for place, length, noise in changes:
        content = content[:place] + noise + content[place + length :]
    land(deployment, "hospital/visits-2024-03.csv", content)
    held = (
        "select count(*), count(distinct _row), coalesce(max(_row), 0) from "
        "(select _row from raw.main.visits union all select _row from raw.quarantine.visits)"
    )
    before = con.execute(held).fetchall()
    try:
        result = ingest(con, deployment, visits_contract(), "2024-03")
    except DeliveryError:
        assert con.execute(held).fetchall() == before
        return
    assert result.rows_in == result.rows_loaded + result.rows_quarantined
    assert con.execute(held).fetchall() == [(result.rows_in,) * 3]
