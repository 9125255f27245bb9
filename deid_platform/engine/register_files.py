"""Reads the register from its folder of YAML files.

Each file holds some sections (``people``, ``destinations``, ...). One section, even one entry, may
be spread over files; the same value may not be given twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pydantic

from deid_platform.core.contract import first_of, validation_errors
from deid_platform.core.errors import DeclarationError
from deid_platform.core.register import Register, SshKey
from deid_platform.engine.declarations import read_yaml


def load_register(*folders: Path) -> Register:
    """The register that the YAML files of one or more folders declare together.

    That entries fit together is not checked here: see `core.register.checks`.

    Raises:
        DeclarationError: a file is no YAML, says something twice, or what it may not.
    """
    files = [file for folder in folders for file in sorted(folder.glob("*.yaml"))]
    if not files:
        raise DeclarationError(
            str(folders[0]) if folders else "register",
            "the folder holds no register",
            "write its YAML files: see docs/how-to/keep-the-register.md",
        )
    declared: dict[str, Any] = {}
    for file in files:
        content = read_yaml(file)
        if content is None:
            continue
        if not isinstance(content, Mapping):
            raise DeclarationError(file.name, "not sections with entries", "write keys and values")
        _join(declared, content, file.name, ())
    return Register.parse(declared)


def read_public_key(file: Path, *, valid_from: date, valid_until: date) -> SshKey:
    """A key out of an OpenSSH public key file.

    Raises:
        DeclarationError: it cannot be read, is no such file, or of a kind that may not sign.
    """
    try:
        text = file.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        raise DeclarationError(
            str(file), "the file cannot be read as a public key", "name a .pub file"
        ) from None
    try:
        return SshKey.model_validate(
            {"public": text, "valid_from": valid_from, "valid_until": valid_until}
        )
    except pydantic.ValidationError as error:
        raise first_of(validation_errors(str(file), error)) from None


def _join(into: dict[str, Any], more: Mapping[str, Any], file: str, path: Sequence[str]) -> None:
    for key, value in more.items():
        place = (*path, str(key))
        if key not in into:
            into[key] = _copied(value)
        elif isinstance(into[key], dict) and isinstance(value, Mapping):
            _join(into[key], value, file, place)
        else:
            raise DeclarationError(
                f"{file}: {'.'.join(place)}",
                "another file gives this too",
                "say it in one of the two",
            )


def _copied(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _copied(inner) for key, inner in value.items()}
    return value
