"""A packet on disk: written whole, never changed, and checked file by file.

<release>/manifest.json            every artefact with digest, size, media type and audience
          attestation.dsse.json    signed statement over the manifest and the released files
          ro-crate-metadata.json   the same for other tools
          report.html              the same for people
          platform-key.txt         public half of the key that signed
          objects/<sha256>         public artefacts, by content
          annex.age                restricted artefacts, sealed
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from deid_platform.core.errors import EvidenceError
from deid_platform.engine.durable_files import sync
from deid_platform.governance.packet.artefact import Absent, Artefact, Audience, json_bytes

FORMAT = "deid-evidence-packet/1"
MANIFEST = "manifest.json"
ATTESTATION = "attestation.dsse.json"
REPORT = "report.html"
KEY = "platform-key.txt"
ANNEX = "annex.age"
OBJECTS = "objects"

_EPOCH = (1980, 1, 1, 0, 0, 0)
_OPEN = 0o444
_SEALED = 0o400


@dataclass(frozen=True, kw_only=True)
class Listed:
    """One line of a manifest."""

    name: str
    path: str
    sha256: str
    size: int
    media_type: str
    audience: str
    description: str


def listed(
    name: str, path: str, content: bytes, media_type: str, audience: Audience, description: str
) -> Listed:
    """The line of a content."""
    return Listed(
        name=name,
        path=path,
        sha256=hashlib.sha256(content).hexdigest(),
        size=len(content),
        media_type=media_type,
        audience=audience.value,
        description=description,
    )


def line_of(artefact: Artefact) -> Listed:
    """The line of a public artefact, which lives under its digest."""
    path = f"{OBJECTS}/{artefact.digest}"
    return listed(
        artefact.name,
        path,
        artefact.content,
        artefact.media_type,
        artefact.audience,
        artefact.description,
    )


def manifest_bytes(
    about: Mapping[str, Any], lines: Iterable[Listed], absent: Iterable[Absent]
) -> bytes:
    """The manifest's text. Of the annex it tells the sealed bytes only: a digest of few small
    numbers can be searched for."""
    return json_bytes(
        {
            "format": FORMAT,
            **about,
            "artefacts": [asdict(line) for line in lines],
            "absent": [asdict(one) for one in absent],
        }
    )


def packed(artefacts: Iterable[Artefact], index: Mapping[str, Any]) -> bytes:
    """Restricted artefacts as one zip, with an index of their digests; the same bytes each time."""
    kept = list(artefacts)
    listing = {
        **index,
        "artefacts": [
            {"name": one.name, "sha256": one.digest, "description": one.description} for one in kept
        ],
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in (
            ("index.json", json_bytes(listing)),
            *((one.name, one.content) for one in kept),
        ):
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), content, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def unpacked(content: bytes) -> dict[str, bytes]:
    """The files of an opened annex, each compared with the index.

    Raises:
        EvidenceError: it is no annex, or a file is not what the index says.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            files = {name: archive.read(name) for name in archive.namelist()}
        index = json.loads(files["index.json"])
        listing = {one["name"]: one["sha256"] for one in index["artefacts"]}
    except (zipfile.BadZipFile, ValueError, KeyError, TypeError):
        raise EvidenceError(ANNEX, "it is not an annex", "it was replaced or damaged") from None
    found = {name: hashlib.sha256(text).hexdigest() for name, text in files.items()}
    del found["index.json"]
    if found != listing:
        raise EvidenceError(ANNEX, "a file in it is not what its index says", "it was changed")
    return files


def write_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write the files of a packet, read-only and forced to disk, into a folder that is new."""
    for name, content in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
        file.write_bytes(content)
        file.chmod(_SEALED if name == ANNEX else _OPEN)
        sync(file)
    for inner in {file.parent for file in map(folder.joinpath, files)}:
        sync(inner)


def place(draft: Path, folder: Path) -> None:
    """Move a finished packet to where it stays; one left by a run that recorded nothing goes."""
    folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if folder.exists():
        shutil.rmtree(folder)
    draft.rename(folder)
    sync(folder.parent)


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a packet.

    Raises:
        EvidenceError: there is none, or it is not one.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
        if manifest["format"] != FORMAT or not isinstance(manifest["artefacts"], list):
            raise ValueError
    except (OSError, ValueError, KeyError, TypeError):
        raise EvidenceError(
            str(folder), "there is no evidence packet with a manifest", "restore it from a backup"
        ) from None
    return dict(manifest)


def artefact_of(folder: Path, manifest: Mapping[str, Any], name: str) -> Any:
    """The plain value of a public JSON artefact; None where the packet has none of that name.

    Raises:
        EvidenceError: it is listed and cannot be read.
    """
    for line in manifest["artefacts"]:
        if line["name"] == f"{name}.json":
            try:
                return json.loads((folder / line["path"]).read_bytes())
            except (OSError, ValueError):
                raise EvidenceError(
                    line["name"], "the artefact cannot be read", "restore the packet from a backup"
                ) from None
    return None


def differences(folder: Path, manifest: Mapping[str, Any], *, annex: bool = True) -> list[str]:
    """What in the folder is not what the manifest lists, in words; empty where all is.

    Args:
        folder: the packet.
        manifest: its manifest.
        annex: whether the annex must be there; an export of the public part has none.
    """
    told = []
    known = {MANIFEST, ATTESTATION}
    for line in manifest["artefacts"]:
        path = line["path"]
        known.add(path)
        file = folder / path
        if path == ANNEX and not annex and not file.exists():
            continue
        if ".." in Path(path).parts or Path(path).is_absolute() or file.is_symlink():
            told.append(f"{line['name']} points out of the packet")
        elif not file.is_file():
            told.append(f"{line['name']} is missing")
        else:
            content = file.read_bytes()
            if hashlib.sha256(content).hexdigest() != line["sha256"]:
                told.append(f"{line['name']} was changed")
            elif len(content) != line["size"]:
                told.append(f"{line['name']} has another size than the manifest says")
    present = {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_symlink() or not path.is_dir()
    }
    told += [f"{name} was added" for name in sorted(present - known)]
    return told
