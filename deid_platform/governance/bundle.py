"""A bundle: the files of one release and the manifest that lists them with their digests."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from deid_platform.core.errors import ZoneError
from deid_platform.engine.durable_files import sync
from deid_platform.governance.authority import Authority
from deid_platform.governance.targets import Release

MANIFEST = "manifest.json"
"""Lists every other file of a bundle with its digest."""

_CHUNK = 1 << 22


def write_manifest(folder: Path, release: Release, authority: Authority) -> None:
    """List the files of a folder, what was released, and which gates it passed."""
    files = [
        {"name": file.name, "bytes": file.stat().st_size, "sha256": file_digest(file)}
        for file in sorted(folder.iterdir())
    ]
    manifest = {
        "format": "deid-release-manifest/1",
        "release": release.id,
        "request": release.request,
        "publication": release.publication.name,
        "publication_digest": release.publication.digest,
        "policy": {
            "name": release.policy.name,
            "edition": release.policy.edition,
            "digest": release.policy.digest,
        },
        "score_sheet_digest": release.score_sheet_digest,
        "content_fingerprint": release.fingerprint,
        "rows": release.rows,
        "gates": [
            {"gate": result.gate, "rule": result.rule, "passed": result.passed}
            for result in authority.gates.results
        ],
        "files": files,
    }
    text = json.dumps(manifest, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    (folder / MANIFEST).write_bytes(text.encode())


def checked_files(folder: Path, manifest_digest: str) -> tuple[Path, ...]:
    """The files of a delivered bundle, the manifest last, each as it was released.

    Raises:
        ZoneError: the folder is not the bundle that the ledger knows, to the byte.
    """
    manifest = folder / MANIFEST
    try:
        intact = file_digest(manifest) == manifest_digest
        listed = json.loads(manifest.read_bytes())["files"] if intact else []
        files = tuple(folder / one["name"] for one in listed)
        intact = (
            intact
            and {file.name for file in folder.iterdir()} == {MANIFEST, *(f.name for f in files)}
            and all(
                file_digest(file) == one["sha256"] for file, one in zip(files, listed, strict=True)
            )
        )
    except OSError:
        intact = False
    if not intact:
        raise ZoneError(
            str(folder),
            "the folder does not hold the bundle that was released",
            "run `deid release` again to put it back, and find out who changed it",
        )
    return (*files, manifest)


def deliver(folder: Path, destination: Path, aside: Path) -> None:
    """Move a finished bundle into place whole; one that is there intact stays.

    Raises:
        ZoneError: it cannot be moved there.
    """
    try:
        if destination.exists():
            if _contents(destination) == _contents(folder):
                return
            destination.rename(aside)
        for file in folder.iterdir():
            sync(file)
        sync(folder)
        destination.parent.mkdir(parents=True, exist_ok=True)
        folder.rename(destination)
        sync(destination.parent)
    except OSError:
        raise ZoneError(
            str(destination),
            "the bundle cannot be put into the outbox",
            "check its owner, mode and free space, and run the release again to complete it",
        ) from None


def file_digest(file: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    sha = hashlib.sha256()
    with file.open("rb") as content:
        while chunk := content.read(_CHUNK):
            sha.update(chunk)
    return sha.hexdigest()


def _contents(folder: Path) -> dict[str, str]:
    return {
        file.relative_to(folder).as_posix(): file_digest(file) if file.is_file() else "folder"
        for file in folder.rglob("*")
    }
