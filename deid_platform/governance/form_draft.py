"""A draft of a request form, from what register and ledger know of a table.

It leaves blank what only the requester can say: what the data are for, and why each element is
needed. A draft is never complete.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from deid_platform.core.errors import AuthorisationError
from deid_platform.core.intake import ElementKind
from deid_platform.core.register import Exposure, Register
from deid_platform.governance.chain import Records
from deid_platform.governance.facts import latest_candidate

_KINDS: tuple[tuple[str, ElementKind], ...] = (
    (r"_(count|pct|rate|mean|amount)$|_per_\d", ElementKind.MEASURE),
    (r"year$", ElementKind.YEAR),
    (r"(date|month|quarter|week)", ElementKind.DATE),
    (r"zip3$", ElementKind.ZIP3),
    (r"(county|city|zip|tract|region)", ElementKind.SUB_STATE_GEOGRAPHY),
    (r"^state$", ElementKind.STATE),
    (r"age", ElementKind.AGE),
    (r"_key$", ElementKind.SURROGATE),
)
_RECIPIENT = {
    Exposure.PUBLIC: "public",
    Exposure.INTERNAL: "internal",
    Exposure.THIRD_PARTY: "third_party",
}


def draft_form(records: Records, register: Register, dataset: str, at: datetime) -> dict[str, Any]:
    """What a form for this table would say as far as it is known.

    Raises:
        AuthorisationError: the pipeline recorded no such candidate, or no active flow has it.
    """
    candidate = latest_candidate(records, dataset)
    if candidate is None:
        raise AuthorisationError(
            dataset, "the pipeline has recorded no candidate of it", "build it with `deid run`"
        )
    flows = [
        one
        for one in register.data_flows.values()
        if dataset in one.datasets and not one.obstacles(at)
    ]
    if not flows:
        raise AuthorisationError(
            dataset,
            "no active data flow of the register covers it",
            "have the flow registered: it says where the table may go, by which method",
        )
    flow = flows[0]
    place = register.destination(flow.destination)
    public = place.exposure is Exposure.PUBLIC
    return {
        "dataset": dataset,
        "unit": "",
        "purpose": flow.purpose.value,
        "secondary_use": True,
        "description": "",
        "sources": [flow.source],
        "period": "",
        "population": "",
        "data_elements": [
            {"name": name, "kind": _kind(name).value, "justification": ""}
            for name in candidate.columns
        ],
        "recipients": [
            {"name": one, "kind": _RECIPIENT[place.exposure]} for one in flow.recipients
        ],
        "destination": flow.destination,
        **({"third_party": flow.third_party} if flow.third_party else {}),
        **({"retention_until": "permanent"} if public else {"disposal": ""}),
        "frequency": "one_off",
        "record_level": False,
        "method": flow.method.value,
        "method_justification": "",
        "publication_intent": "open_data" if public else "none",
        **({"open_data": _LEVEL_QUESTIONS} if public else {}),
        "is_research": False,
        "funds_transfer": False,
    }


_LEVEL_QUESTIONS = {
    "individual": False,
    "prohibited": False,
    "sole_source_without_sensitivities": True,
    "mandate": False,
}


def _kind(column: str) -> ElementKind:
    for pattern, kind in _KINDS:
        if re.search(pattern, column):
            return kind
    return ElementKind.CHARACTERISTIC
