"""Contracts and files of the tests, written as a person would."""

from __future__ import annotations

from typing import Any

from deid_platform.core.contract import Contract


def visits_contract(**changes: Any) -> Contract:
    """A monthly contract of emergency visits; ``changes`` replace top-level keys.

    ``source`` and ``columns`` are merged: a column of None is taken out.
    """
    declared: dict[str, Any] = {
        "name": "visits",
        "system": "hospital",
        "version": 1,
        "owner": "team:hospital-data",
        "steward": "person:steward",
        "description": "Visits.",
        "policy": "safe_harbor",
        "person": "mrn",
        "key": ["visit_id"],
        "partition": "visit_date",
        "source": {
            "files": "hospital/visits-{partition}.*",
            "formats": ["csv", "parquet", "ndjson"],
        },
        "columns": {
            "visit_id": {
                "type": "varchar",
                "required": True,
                "class": "direct_identifier",
                "identifier": "account_number",
                "transform": "drop",
            },
            "mrn": {
                "type": "varchar",
                "required": True,
                "class": "direct_identifier",
                "identifier": "medical_record_number",
                "transform": {"surrogate": {"domain": "person", "rename": "person_key"}},
            },
            "visit_date": {
                "type": "date",
                "required": True,
                "class": "quasi_identifier",
                "identifier": "dates",
                "range": ["1900-01-01", "2100-01-01"],
                "limited": {"date_to_month": {"rename": "visit_month"}},
                "deidentified": {"date_to_year": {"rename": "visit_year"}},
            },
            "age": {
                "type": "integer",
                "class": "quasi_identifier",
                "identifier": "dates",
                "range": [0, 120],
                "transform": "cap_age",
            },
            "sex": {
                "type": "varchar",
                "class": "quasi_identifier",
                "values": ["F", "M"],
                "transform": "keep",
            },
            "charge": {"type": "double", "class": "sensitive", "transform": "drop"},
            "note": {"type": "varchar", "class": "free_text", "transform": "drop"},
        },
    }
    for name, value in changes.items():
        if name in ("source", "columns"):
            merged = {**declared[name], **value}
            declared[name] = {k: v for k, v in merged.items() if v is not None}
        else:
            declared[name] = value
    return Contract.parse(declared, "visits")


HEADER = "visit_id,mrn,visit_date,age,sex,charge,note"


def visits_csv(*rows: str, header: str = HEADER) -> str:
    """A CSV file of visits."""
    return "\n".join([header, *rows, ""])
