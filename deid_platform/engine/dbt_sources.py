"""The dbt sources, generated from the contracts: what models may read, in each zone.

``python -m deid_platform.engine.dbt_sources`` writes ``dbt_project/models/_sources.yml`` anew after
a contract has changed; a test fails when the file and the contracts differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from deid_platform.core.contract import Contract
from deid_platform.core.errors import DeclarationError
from deid_platform.core.zones import Zone
from deid_platform.engine.declarations import load_contracts
from deid_platform.engine.deployment import Deployment

_HEADER = """\
# Generated from assets/contracts by `python -m deid_platform.engine.dbt_sources`; do not edit.
"""
_DESCRIPTIONS = {
    Zone.LIMITED: "Limited data set, 45 CFR 164.514(e) in content: still PHI. For publications.",
    Zone.DEIDENTIFIED: "Records de-identified under Safe Harbor, for marts.",
}


def sources_file(deployment: Deployment) -> Path:
    """Where the generated sources stand."""
    return deployment.dbt_project / "models" / "_sources.yml"


def render_sources(contracts: Mapping[str, Contract]) -> str:
    """The sources file: one source per zone, one table per contract, its columns as received."""
    document = {
        "version": 2,
        "sources": [
            {
                "name": zone.value,
                "database": zone.value,
                "schema": "main",
                "description": description,
                "tables": [_table(contracts[name], zone) for name in sorted(contracts)],
            }
            for zone, description in _DESCRIPTIONS.items()
        ],
    }
    return _HEADER + yaml.safe_dump(document, sort_keys=False, width=100, allow_unicode=True)


def write_sources(deployment: Deployment) -> Path:
    """Write the sources of a deployment's contracts.

    Raises:
        DeclarationError: a contract is wrong.
    """
    file = sources_file(deployment)
    file.write_text(render_sources(load_contracts(deployment)), "utf-8")
    return file


def check_sources(deployment: Deployment) -> None:
    """Compare the sources file with the contracts.

    Raises:
        DeclarationError: the file is missing or is not what the contracts give.
    """
    file = sources_file(deployment)
    wanted = render_sources(load_contracts(deployment))
    if not file.exists() or file.read_text("utf-8") != wanted:
        raise DeclarationError(
            str(file),
            "it is not what the contracts give",
            "run `python -m deid_platform.engine.dbt_sources` and commit the file",
        )


def _table(contract: Contract, zone: Zone) -> dict[str, Any]:
    columns = [
        {"name": column.name, "data_type": column.type.value}
        | ({"description": column.description} if column.description else {})
        for column in contract.outputs(zone)
    ]
    if zone is Zone.LIMITED:
        columns.append(
            {
                "name": "_partition",
                "data_type": "varchar",
                "description": "Month of the delivery, or 'all'.",
            }
        )
    return {"name": contract.name, "description": contract.description, "columns": columns}


if __name__ == "__main__":
    write_sources(Deployment.from_environment())
