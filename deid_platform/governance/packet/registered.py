"""What the register in force says about a release: standard, flows, recipients and their terms.

The public part tells rules and titles; people's keys, contacts and storage locations are in the
annex, with the register whole.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from deid_platform.core.errors import AuthorisationError
from deid_platform.core.register import Register
from deid_platform.governance.chain import Records
from deid_platform.governance.packet.artefact import (
    Absent,
    Artefact,
    Audience,
    Group,
    json_artefact,
)
from deid_platform.governance.register import applied_registers

_PUBLIC_FLOW = ("title", "purpose", "source_system", "destination", "export_mechanism", "method")


def registered(
    records: Records, publication: str, at: datetime
) -> tuple[list[Artefact], list[Absent]]:
    """Artefacts of the register in force, and what it does not say of this release.

    Raises:
        LedgerError: the register in the ledger was not applied by somebody entitled to it.
    """
    applied = applied_registers(records)
    if not applied:
        why = "no register is in force in this ledger"
        return [], [
            Absent(name="governance/method_standard", why=why),
            Absent(name="release/registered_flows", why=why),
        ]
    register, entry = applied[-1].register, applied[-1].entry
    artefacts = [
        json_artefact(
            Group.GOVERNANCE,
            "register",
            "Which register was in force, who put it in force, and since when.",
            {
                "digest": register.digest,
                "applied_by": entry.payload["by"],
                "at": entry.at,
                "sequence": entry.sequence,
                "hash": entry.hash,
            },
        ),
        json_artefact(
            Group.GOVERNANCE,
            "register_in_full",
            "The register in force.",
            register.content,
            Audience.RESTRICTED,
        ),
    ]
    absent = []
    try:
        standard = register.standard_in_force(at)
    except AuthorisationError as error:
        absent.append(Absent(name="governance/method_standard", why=error.what))
    else:
        artefacts.append(
            json_artefact(
                Group.GOVERNANCE,
                "method_standard",
                "The method standard in force: permitted methods, decision rule, allowances.",
                {"version": standard.version, **standard.model_dump(mode="json")},
            )
        )
    flows = _flows(register, publication)
    if flows:
        artefacts.append(
            json_artefact(Group.RELEASE, "registered_flows", "Entries of the data-flow map.", flows)
        )
    else:
        absent.append(
            Absent(
                name="release/registered_flows", why="no flow of the register names this dataset"
            )
        )
    return artefacts, absent


def _flows(register: Register, publication: str) -> dict[str, Any]:
    return {
        name: {
            field: value
            for field, value in flow.model_dump(mode="json").items()
            if field in _PUBLIC_FLOW
        }
        for name, flow in register.data_flows.items()
        if publication in flow.datasets
    }
