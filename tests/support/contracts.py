"""Builders of contracts: a small sound one, to be changed by the test."""

from __future__ import annotations

import copy
from typing import Any

from deid_platform.core.contract import Contract

OPEN = "picked from a list of the system"
"""Why a test column that is kept holds no name."""
_VISITS: dict[str, Any] = {
    "name": "visits",
    "system": "hospital",
    "version": 1,
    "owner": "team:hospital-data",
    "steward": "person:steward",
    "description": "Visits. One row per visit.",
    "policy": "safe_harbor",
    "person": "mrn",
    "key": ["visit_id"],
    "partition": "visit_date",
    "source": {"files": "hospital/visits-{partition}.csv"},
    "columns": {
        "visit_id": {
            "type": "varchar",
            "required": True,
            "class": "direct_identifier",
            "identifier": "other_unique",
            "transform": {"surrogate": {"domain": "visit", "rename": "visit_key"}},
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
            "limited": {"date_to_month": {"rename": "visit_month"}},
            "deidentified": {"date_to_year": {"rename": "visit_year"}},
        },
        "county": {
            "type": "varchar",
            "class": "quasi_identifier",
            "identifier": "geography",
            "limited": "keep",
            "deidentified": "drop",
        },
        "sex": {
            "type": "varchar",
            "class": "quasi_identifier",
            "open_vocabulary": OPEN,
            "transform": "keep",
        },
    },
}


def visits_declaration(**columns: Any) -> dict[str, Any]:
    """What YAML would hold for a partitioned table; columns given are added, None removes one."""
    declared = copy.deepcopy(_VISITS)
    for name, column in columns.items():
        if column is None:
            del declared["columns"][name]
        else:
            declared["columns"][name] = column
    return declared


def visits_contract(**columns: Any) -> Contract:
    """The contract of `visits_declaration`."""
    return Contract.parse(visits_declaration(**columns), "visits")
