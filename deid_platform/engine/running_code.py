"""Which code, declarations and libraries are running: what has to be the same to rebuild a release.

The digest of the sources holds where there is no git; the commit names what was reviewed.
"""

from __future__ import annotations

import hashlib
import platform
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

from deid_platform.engine.deployment import Deployment

_GIT_SECONDS = 30
_CODE = Path(__file__).resolve().parents[2]
_DECLARED = ("*.yaml", "*.yml", "*.sql", "*.csv")
_LIBRARIES = ("duckdb", "dbt-duckdb", "ibis-framework", "highspy", "numpy", "dagster")


@dataclass(frozen=True, kw_only=True)
class RunningCode:
    """Code, declarations and libraries at one moment. A digest is SHA-256, in hexadecimal.

    ``commit`` is empty, and ``clean`` false, where the code is no git checkout.
    """

    commit: str
    clean: bool
    source_digest: str
    declarations_digest: str
    lock_digest: str
    python: str
    libraries: dict[str, str]

    def document(self) -> dict[str, object]:
        """Plain values, for evidence."""
        return asdict(self)

    def differences(self, other: RunningCode) -> tuple[str, ...]:
        """What differs, in words. Two commits of the same sources do not."""
        told = []
        if self.source_digest != other.source_digest:
            told.append(f"the code is {_named(other)}; the release was made by {_named(self)}")
        if self.declarations_digest != other.declarations_digest:
            told.append("contracts, policies or models were changed since")
        if self.lock_digest != other.lock_digest:
            told.append("the lock of dependencies was changed since")
        told += [
            f"{name} is {other.libraries.get(name, 'absent')}; it was {version}"
            for name, version in self.libraries.items()
            if other.libraries.get(name) != version
        ]
        return tuple(told)


def running_code(deployment: Deployment) -> RunningCode:
    """The version of what runs now."""
    commit, clean = _commit()
    lock = _CODE / "requirements.lock"
    return RunningCode(
        commit=commit,
        clean=clean,
        source_digest=_tree(_CODE, _sources()),
        declarations_digest=_tree(deployment.project, _declarations(deployment)),
        lock_digest=hashlib.sha256(lock.read_bytes()).hexdigest() if lock.is_file() else "",
        python=platform.python_version(),
        libraries={name: _version(name) for name in _LIBRARIES},
    )


def code_version(deployment: Deployment) -> str:
    """One digest of everything that can change a released byte: code and declarations."""
    parts = (_tree(_CODE, _sources()), _tree(deployment.project, _declarations(deployment)))
    return "sha256:" + hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _named(version: RunningCode) -> str:
    if not version.commit:
        return f"sources {version.source_digest[:12]}"
    return f"commit {version.commit[:12]}{'' if version.clean else ', changed since'}"


def _sources() -> Iterable[Path]:
    for package in ("deid_platform", "assets"):
        yield from (_CODE / package).rglob("*.py")
        yield from (_CODE / package).rglob("*.j2")


def _declarations(deployment: Deployment) -> Iterable[Path]:
    folders = [deployment.project / "assets"]
    folders += [deployment.dbt_project / name for name in ("models", "seeds", "macros", "tests")]
    for folder in folders:
        for pattern in _DECLARED:
            yield from folder.rglob(pattern)


def _tree(root: Path, files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for file in sorted(set(files)):
        content = hashlib.sha256(file.read_bytes()).hexdigest()
        digest.update(f"{file.relative_to(root).as_posix()}\n{content}\n".encode())
    return digest.hexdigest()


def _commit() -> tuple[str, bool]:
    git = shutil.which("git")
    if git is None or not (_CODE / ".git").exists():
        return "", False
    try:
        commit, changed = (
            subprocess.run(  # noqa: S603  # fixed words, and the program's own folder
                [git, "-C", str(_CODE), *words],
                capture_output=True,
                text=True,
                check=True,
                timeout=_GIT_SECONDS,
            ).stdout.strip()
            for words in (("rev-parse", "HEAD"), ("status", "--porcelain"))
        )
    except (OSError, subprocess.SubprocessError):
        return "", False
    return commit, not changed


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "absent"
