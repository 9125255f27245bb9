"""Examines a deployment and says of each thing that is wrong what to do about it.

It opens zones read-only and repairs nothing. What it finds is names, counts, modes and versions.
Files, keys, zones and declarations are examined here; the ledger in `governance.ledger_health`, and
Dagster's instance in `assets.instance_health`.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from importlib import metadata
from pathlib import Path

import duckdb
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from deid_platform.core.errors import DeidError
from deid_platform.core.zones import ENCRYPTED, Zone
from deid_platform.engine.catalog import tables
from deid_platform.engine.database import attach_copy, connect, open_zone
from deid_platform.engine.dbt_manifest import dbt_executable, target_folder
from deid_platform.engine.dbt_sources import check_sources
from deid_platform.engine.declarations import load_contracts, load_safe_harbor, read_yaml
from deid_platform.engine.deployment import Deployment
from deid_platform.engine.lock_holders import holders
from deid_platform.engine.publications import load_policy, load_publications
from deid_platform.engine.restore import interrupted
from deid_platform.engine.rotation import unfinished
from deid_platform.engine.zone_copies import existing, key_id

_PACKAGE = "deid-platform"
_TOLD = ("dagster", "dbt-core", "duckdb")
_SCRATCH_KEY = "A" * 43 + "="
_ROOM = 1 << 30
_GIT_SECONDS = 20


class Level(StrEnum):
    """How bad a finding is; only a failure makes `deid doctor` fail."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was looked at: what is so and, unless it is well, what to do."""

    area: str
    level: Level
    what: str
    do: str = ""


def examine(deployment: Deployment) -> Iterator[Finding]:
    """Everything below the ledger, in the order in which repairs are best made."""
    examinations: tuple[Callable[[Deployment], Iterator[Finding]], ...] = (
        _versions,
        _encryption,
        _folders,
        _interruptions,
        _spills,
        _zones,
        _disk,
        _declarations,
        _programs,
    )
    for examination in examinations:
        yield from guarded(examination.__name__.strip("_"), examination(deployment))


def guarded(area: str, findings: Iterator[Finding]) -> Iterator[Finding]:
    """The findings, and as a failure what ended them early."""
    try:
        yield from findings
    except DeidError as error:
        yield failure(area, f"{error.where}: {error.what}", error.do)
    except OSError as error:
        place = error.filename or "a file"
        yield failure(area, f"{place}: {error.strerror}", "check its owner and mode")


def ok(area: str, what: str) -> Finding:
    """A finding that is well."""
    return Finding(area=area, level=Level.OK, what=what)


def note(area: str, what: str, do: str = "") -> Finding:
    """A finding that is worth knowing."""
    return Finding(area=area, level=Level.NOTE, what=what, do=do)


def warning(area: str, what: str, do: str) -> Finding:
    """A finding that will matter later."""
    return Finding(area=area, level=Level.WARNING, what=what, do=do)


def failure(area: str, what: str, do: str) -> Finding:
    """A finding that stops work, or should."""
    return Finding(area=area, level=Level.FAILURE, what=what, do=do)


def _versions(_: Deployment) -> Iterator[Finding]:
    area = "versions"
    python = ".".join(map(str, sys.version_info[:3]))
    try:
        package = metadata.metadata(_PACKAGE)
        needs = [Requirement(one) for one in metadata.requires(_PACKAGE) or ()]
    except metadata.PackageNotFoundError:
        yield failure(area, f"{_PACKAGE} is not installed", "pip install it, or `make demo`")
        return
    if not SpecifierSet(package["Requires-Python"] or "").contains(python, prereleases=True):
        yield failure(
            area, f"Python {python} is not {package['Requires-Python']}", "use one that is"
        )
    installed = {}
    for need in needs:
        if need.marker is not None and not need.marker.evaluate({"extra": ""}):
            continue
        try:
            installed[need.name] = metadata.version(need.name)
        except metadata.PackageNotFoundError:
            yield failure(area, f"{need.name} is not installed", "install requirements.lock")
            continue
        if not need.specifier.contains(installed[need.name], prereleases=True):
            yield failure(
                area,
                f"{need.name} {installed[need.name]} is not {need.specifier}",
                "install requirements.lock",
            )
    told = ", ".join(f"{name} {installed[name]}" for name in _TOLD if name in installed)
    yield ok(area, f"Python {python}, {told}")


def _encryption(_: Deployment) -> Iterator[Finding]:
    area = "encryption"
    with tempfile.TemporaryDirectory() as folder:
        try:
            con = connect(Path(folder))
            try:
                file = Path(folder) / "tried.duckdb"
                attach_copy(con, file, "tried", _SCRATCH_KEY, read_only=False)
                con.execute("create table tried.main.one as select 1 as one")
            finally:
                con.close()
        except duckdb.Error:
            yield failure(
                area,
                "DuckDB cannot write an encrypted file: OpenSSL does not load",
                "install duckdb-extension-httpfs of DuckDB's own version, for this machine",
            )
            return
    yield ok(area, "OpenSSL loads and DuckDB writes encrypted files")


def _folders(deployment: Deployment) -> Iterator[Finding]:
    area, home = "folders", deployment.home
    if not home.is_dir():
        yield failure(area, f"{home} does not exist", "run `deid init`, or set DEID_HOME")
        return
    # Permission bits that nobody but the owner may have; readers of snapshots come in by a group.
    private, shared = 0o077, 0o027
    folders = {
        home: shared,
        deployment.snapshots: shared,
        deployment.outbox: 0o022,
        deployment.evidence: 0o022,
        deployment.landing: 0o007,
        home / "zones": private,
        home / "staging": private,
        home / "keys": private,
        deployment.scratch: private,
        deployment.dagster_home: private,
    }
    files = [*home.glob("zones/*.duckdb*"), *home.glob("staging/*.duckdb*"), home / "ledger.db"]
    is_well = True
    for path, refused in {**folders, **dict.fromkeys(files, private)}.items():
        if not path.exists():
            if path in folders:
                is_well = False
                yield warning(area, f"{path} does not exist", "run `deid init`")
            continue
        status = path.stat()
        if status.st_uid != os.geteuid():
            is_well = False
            yield failure(
                area,
                f"{path} belongs to user {status.st_uid}, and this is user {os.geteuid()}",
                "run as its owner, or chown it",
            )
        if stat.S_IMODE(status.st_mode) & refused:
            is_well = False
            allowed = stat.S_IMODE(status.st_mode) & ~refused
            yield failure(
                area,
                f"{path} can be used by others: mode {stat.S_IMODE(status.st_mode):o}",
                f"chmod {allowed:o} {path}",
            )
    if is_well:
        yield ok(area, f"{home} belongs to this user, and to nobody else")


def _interruptions(deployment: Deployment) -> Iterator[Finding]:
    if interrupted(deployment):
        yield failure(
            "restore",
            "a restore was interrupted; no zone is opened until it is finished",
            "run `deid restore` again with the same backup",
        )
    else:
        for left in sorted(deployment.home.glob("restore-*")):
            yield warning(
                "restore",
                f"{left} is what a restore left behind, perhaps the state before it",
                "delete it once you are sure that nothing in it is needed",
            )
    for zone in sorted(ENCRYPTED):
        if left_behind := unfinished(deployment, zone):
            yield failure(
                "keys",
                f"a change of the {zone.value} key was interrupted: "
                f"{', '.join(path.name for path in left_behind)} left",
                f"run `deid key rotate {zone.value}`, which finishes or undoes it; delete nothing",
            )


def _spills(deployment: Deployment) -> Iterator[Finding]:
    left = [path for path in deployment.scratch.glob("deid-spill-*") if not _is_held(path)]
    if left:
        yield note(
            "spills",
            f"{len(left)} spill folders of killed processes, encrypted",
            "nothing: the next session removes them",
        )
    if left := list(deployment.scratch.glob("spill-dbt-*")):
        yield note(
            "spills",
            f"{len(left)} spill folders of dbt, encrypted",
            "delete them if no run is going on",
        )


def _is_held(folder: Path) -> bool:
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
    return False


def _zones(deployment: Deployment) -> Iterator[Finding]:
    for zone in Zone:
        yield from guarded(zone.value, _zone(deployment, zone))


def _zone(deployment: Deployment, zone: Zone) -> Iterator[Finding]:
    key = ""
    if zone in ENCRYPTED:
        key = f", key {key_id(deployment.key(zone))}"
        if deployment.environment.get(f"DEID_{zone.name}_KEY_NEW"):
            yield warning(
                zone.value,
                f"DEID_{zone.name}_KEY_NEW is set, which only a change of key reads",
                "after the change, give its value as the key and unset it",
            )
    file = deployment.zone_file(zone)
    if not file.exists():
        yield note(zone.value, f"no zone file yet{key}", "the first run makes it")
        return
    if writing := [one for one in holders(file) if one.is_writing]:
        who = ", ".join(f"{one.name} (process {one.pid})" for one in writing)
        yield warning(
            zone.value, f"{who} is writing it", "wait for it to end; `deid status` shows runs"
        )
        return
    with open_zone(deployment, None, reading=[zone]) as con:
        yield ok(zone.value, f"opens, {len(tables(con, zone.value))} tables{key}")


def _disk(deployment: Deployment) -> Iterator[Finding]:
    if not deployment.home.is_dir():
        return
    sizes = [deployment.zone_file(zone).stat().st_size for zone in existing(deployment)]
    free, largest, total = (
        shutil.disk_usage(deployment.home).free,
        max(sizes, default=0),
        sum(sizes),
    )
    told = f"{_megabytes(free)} free; the zones take {_megabytes(total)}"
    if free < largest:
        yield failure(
            "disk",
            f"{told}, the largest {_megabytes(largest)}: it cannot be built anew beside itself",
            "free space, or move DEID_HOME to a larger disk",
        )
    elif free < max(total, _ROOM):
        yield warning("disk", told, "free space before the next rebuild, backup or change of key")
    else:
        yield ok("disk", told)


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.0f} MB"


def _declarations(deployment: Deployment) -> Iterator[Finding]:
    area = "declarations"
    contracts = load_contracts(deployment)
    policies = sorted(deployment.policies.glob("*.yaml"))
    for file in policies:
        declared = read_yaml(file)
        if isinstance(declared, dict) and declared.get("method") == "safe_harbor":
            load_safe_harbor(deployment, file.stem)
        else:
            load_policy(file.stem, deployment, superseded=True)
    check_sources(deployment)
    told = f"{len(contracts)} contracts, {len(policies)} policies"
    manifest = target_folder(deployment) / "manifest.json"
    if not manifest.exists():
        yield note(area, f"{told}; dbt's project is not parsed yet", "the next run does that")
        return
    publications = load_publications(manifest)
    for one in publications:
        load_policy(one.policy, deployment)
    yield ok(area, f"{told}, {len(publications)} publications load; dbt's sources are in step")


def _programs(deployment: Deployment) -> Iterator[Finding]:
    for name, program in {"dbt": dbt_executable(), "dagster": _beside("dagster")}.items():
        if not program.exists():
            yield failure("programs", f"{program} does not exist", f"install {name} beside Python")
    if shutil.which("ssh-keygen") is None:
        yield warning(
            "programs", "there is no ssh-keygen", "install OpenSSH: signing decisions needs it"
        )
    yield _checkout(deployment.project)


def _beside(name: str) -> Path:
    return Path(sys.executable).with_name(name)


def _checkout(project: Path) -> Finding:
    git = shutil.which("git")
    if git is None:
        return note("code", "there is no git: which code runs cannot be told")
    try:
        head, changed = (
            subprocess.run(  # noqa: S603  # fixed words, and the deployment's own folder
                [git, "-C", str(project), *words],
                capture_output=True,
                text=True,
                check=True,
                timeout=_GIT_SECONDS,
            ).stdout.strip()
            for words in (("rev-parse", "--short", "HEAD"), ("status", "--porcelain"))
        )
    except (OSError, subprocess.SubprocessError):
        return note("code", f"{project} is no git checkout: which code runs cannot be told")
    if changed:
        files = len(changed.splitlines())
        return note(
            "code",
            f"commit {head} with {files} files changed since",
            "commit them, so that the declarations in force can be named",
        )
    return ok("code", f"commit {head}, nothing changed since")
