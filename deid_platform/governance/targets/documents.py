"""What goes beside the data of a bundle, whatever their format: dictionary, note, metadata.

Source: CalHHS Open Data Handbook 1.2, metadata and annotation columns (GV-05 CKAN profile);
CalHHS DDG 2.0, section 4.4 (M-21 to M-23).
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deid_platform.core.errors import GateError
from deid_platform.engine.sql import identifier
from deid_platform.governance.targets.base import Field, Release

if TYPE_CHECKING:
    import duckdb

ANNOTATION_CODES = {
    0: "the value is shown; a true zero is written 0",
    1: "suppressed: a small number of people",
    2: "suppressed: complementary, so that totals do not give another value back",
    3: "no data available",
    4: "statistically unstable value",
    5: "incomplete data",
}
"""Source: CalHHS DDG 2.0, 7.5 of our reading; Open Data Handbook, suppression."""
_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_DATASTORE_TYPES = {"integer": "int", "number": "numeric", "date": "timestamp"}


def write_documents(release: Release, data: Path, *, kind: str, media_type: str) -> None:
    """Write the dictionary, the note on suppression and the metadata of a data file beside it.

    Args:
        kind: the data's format as a portal shows it, such as ``CSV``.
    """
    dictionary = data.with_name(f"{release.stem}_dictionary.csv")
    note = data.with_name(f"{release.stem}_suppression.md")
    dictionary.write_bytes(_dictionary(release).encode())
    note.write_bytes(_note(release).encode())
    metadata = {
        "dublin_core": _dublin_core(release, media_type),
        "ckan": _ckan(release, (data, dictionary, note), kind, media_type),
    }
    text = json.dumps(metadata, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    data.with_name(f"{release.stem}_metadata.json").write_bytes(text.encode())


def check_headers(release: Release) -> None:
    """Refuse column names that a portal would misread.

    Raises:
        GateError: naming how many.
    """
    bad = [field.name for field in release.fields if not _HEADER.fullmatch(field.name)]
    if bad:
        raise GateError(
            f"release of {release.publication.name}",
            f"{len(bad)} column names are not letters, digits and underscores",
            "rename them in the model",
        )


def check_numbers(con: duckdb.DuckDBPyConnection, table: str, release: Release) -> None:
    """Refuse what a division by zero leaves: a reader would take ``inf`` for text.

    Raises:
        GateError: naming the column and how many cells.
    """
    for field in release.fields:
        if field.database_type not in ("DOUBLE", "FLOAT"):
            continue
        name = identifier(field.name)
        found = con.execute(f"select count(*) from {table} where not isfinite({name})").fetchone()
        if found and found[0]:
            raise GateError(
                f"release of {release.publication.name}: column {field.name}",
                f"{found[0]} cells are no numbers (infinite, or not a number)",
                "make them null, with their annotation, in the model; nothing was released",
            )


def _dictionary(release: Release) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["field_name", "type", "description", "technical_notes"])
    for field in release.fields:
        writer.writerow([field.name, field.type, field.description, field.notes])
    return text.getvalue()


def _note(release: Release) -> str:
    policy = release.policy
    codes = "\n".join(f"| {code} | {says} |" for code, says in ANNOTATION_CODES.items())
    pairs = "\n".join(
        f"- `{figure}`: `{release.publication.annotation_column(figure)}`"
        for figure in release.publication.figure_columns
    )
    return f"""# {release.title}: how small numbers are protected

This table was de-identified under the {policy.title} (policy `{policy.name}`).

A value is withheld where fewer than {policy.min_people} distinct people stand behind it (1 to
{policy.min_people - 1}) and the guideline's conditions for publishing it are not met: primary
suppression. Further values are withheld where a total would otherwise give the first one back:
complementary suppression. Small numbers are judged on people, not on events. Statistics computed
from a withheld value are withheld with it.

A withheld value is blank. A true zero is written `0`. The annotation column of each figure says
why it is blank:

{pairs}

| code | meaning |
|---|---|
{codes}

Withheld values must not be estimated from this or from other tables in order to learn about a
person.

Source: CalHHS Data De-Identification Guidelines, Edition 2.0: sections 4.2 (numerator and
denominator), 4.3 (publication scoring), 4.4.1 and 4.4.3 (suppression); CalHHS Open Data Handbook
1.2 (annotation columns).

Content `{release.fingerprint}`, policy `{policy.digest}`.
"""


def _dublin_core(release: Release, media_type: str) -> dict[str, Any]:
    policy = release.policy
    return _stated(
        {
            "title": release.title,
            "subject": sorted({one.kind.value for one in release.publication.dimensions.values()}),
            "description": release.publication.description,
            "date": _coverage(release),
            "type": "Dataset",
            "format": media_type,
            "identifier": release.id,
            "source": list(release.publication.sources),
            "language": "en",
            "coverage": _coverage(release),
            "rights": f"De-identified aggregate under {policy.title}",
        }
    )


def _ckan(
    release: Release, files: tuple[Path, Path, Path], kind: str, media_type: str
) -> dict[str, Any]:
    policy = release.policy
    data, dictionary, note = files
    extras = _stated(
        {
            "temporal_coverage": _coverage(release),
            "suppression_method": f"fewer than {policy.min_people} people; complementary",
            "ddg_edition": policy.edition,
            "policy_digest": policy.digest,
            "score_sheet_digest": release.score_sheet_digest,
            "content_fingerprint": release.fingerprint,
        }
    )
    return {
        "name": release.publication.name.lower(),
        "title": release.title,
        "notes": release.publication.description or release.title,
        "tags": [{"name": name} for name in release.publication.dimension_columns],
        "version": release.fingerprint.rpartition(":")[2][:8],
        # A portal opens it when the handbook's own approvals are on file (GV-07).
        "private": True,
        "extras": [{"key": key, "value": value} for key, value in extras.items()],
        "resources": [
            {
                **_resource(data, "Data", kind, media_type),
                "datastore_fields": [_datastore_field(field) for field in release.fields],
            },
            _resource(dictionary, "Data dictionary", "CSV", "text/csv"),
            _resource(note, "How small numbers are protected", "Markdown", "text/markdown"),
        ],
    }


def _resource(file: Path, name: str, kind: str, media_type: str) -> dict[str, Any]:
    content = file.read_bytes()
    return {
        "name": name,
        "file": file.name,
        "format": kind,
        "mimetype": media_type,
        "size": len(content),
        "hash": f"sha256:{hashlib.sha256(content).hexdigest()}",
    }


def _datastore_field(field: Field) -> dict[str, Any]:
    return {
        "id": field.name,
        "type": _DATASTORE_TYPES.get(field.type, "text"),
        "info": {"label": field.name, "notes": field.description},
    }


def _coverage(release: Release) -> str | None:
    return release.period.replace("_", "/") if release.period else None


def _stated(elements: dict[str, Any]) -> dict[str, Any]:
    """Only what is known: an empty element would look like a statement."""
    return {name: value for name, value in elements.items() if value}
