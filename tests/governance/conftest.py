"""Ledgers on both databases; PostgreSQL is a private server started for the session."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.support.governance import World
from tests.support.governance import world as new_world


def _postgres_folder() -> Path | None:
    found = shutil.which("initdb")
    folders = [Path(found).parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    return next((one for one in reversed(folders) if (one / "postgres").exists()), None)


def _account() -> str | None:
    """PostgreSQL does not run as root."""
    return None if os.getuid() else "postgres"


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    binaries = _postgres_folder()
    if binaries is None:
        pytest.skip("no PostgreSQL server is installed")
    psycopg = pytest.importorskip("psycopg", reason="psycopg is not installed")
    account = _account()
    folder = Path(tempfile.mkdtemp(prefix="deid-postgres-"))
    if account:
        entry = pwd.getpwnam(account)
        os.chown(folder, entry.pw_uid, entry.pw_gid)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    run = {"user": account, "cwd": folder, "stdout": subprocess.DEVNULL}
    subprocess.run(
        [binaries / "initdb", "-D", folder / "data", "-U", "deid", "-A", "trust", "-E", "UTF8"],
        check=True,
        **run,
    )
    server = subprocess.Popen(
        [
            *(binaries / "postgres", "-D", folder / "data", "-p", str(port)),
            *("-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="),
            *("-c", "fsync=off"),
        ],
        stderr=subprocess.DEVNULL,
        **run,
    )
    url = f"postgresql://deid@127.0.0.1:{port}/"
    try:
        for _ in range(150):
            try:
                psycopg.connect(url + "postgres", connect_timeout=2).close()
                break
            except psycopg.OperationalError:
                time.sleep(0.1)
        yield url
    finally:
        # A fast shutdown: an orderly one would wait for the tests' pooled connections.
        server.send_signal(signal.SIGINT)
        server.wait(timeout=30)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres_url(postgres: str) -> str:
    import psycopg

    name = f"ledger_{uuid4().hex}"
    with psycopg.connect(postgres + "postgres", autocommit=True) as con:
        con.execute(f"create database {name}")
    return f"{postgres.replace('postgresql:', 'postgresql+psycopg:')}{name}"


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgres_url"))
    return f"sqlite:///{tmp_path / 'ledger' / 'ledger.db'}"


@pytest.fixture
def world(tmp_path: Path) -> World:
    return new_world(tmp_path)
