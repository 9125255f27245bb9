"""Record tables of the limited and the de-identified zone: written, audited and promoted at once.

One operation builds a table, puts every gate of its stage before it, and promotes it only if all
passed. Until then it is in an encrypted file, or in the session alone. The gates appear as asset
checks; where one fails nothing is materialised and the last good table stays.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg

from assets import keys
from assets.raw import partitions_of
from assets.reporting import check_result, column_lineage, markdown_counts, table_schema
from assets.resources import LedgerResource, ZonesResource
from deid_platform.core.contract import Contract
from deid_platform.core.safe_harbor import SafeHarborPolicy
from deid_platform.core.zones import ENCRYPTED, Zone
from deid_platform.engine.builds import waiting_place
from deid_platform.engine.deidentify import (
    DeidentifyResult,
    deidentify,
    ensure_tables,
    promote,
)
from deid_platform.engine.fingerprint import fingerprint
from deid_platform.engine.gates import Stage, evaluate_all, gates_for
from deid_platform.engine.gates.declared import record_subject
from deid_platform.engine.gates.subjects import TableName
from deid_platform.engine.treatment import WHOLE
from deid_platform.governance.anchor import set_anchor
from deid_platform.governance.events import (
    Event,
    GateEvaluated,
    SafeHarborAttested,
    TableDeidentified,
    TablePromoted,
)

STAGES = {Zone.LIMITED: Stage.LIMITED, Zone.DEIDENTIFIED: Stage.DEIDENTIFIED}


def gate_specs(key: dg.AssetKey, stage: Stage) -> list[dg.AssetCheckSpec]:
    """The blocking checks of a stage, each with the rule it serves."""
    return [
        dg.AssetCheckSpec(
            gate.name,
            asset=key,
            blocking=True,
            description=f"{gate.description} Source: {gate.source}.",
        )
        for gate in gates_for(stage)
    ]


def record_asset(
    contract: Contract, zone: Zone, contracts: Mapping[str, Contract], policy: SafeHarborPolicy
) -> dg.AssetsDefinition:
    """Build the asset that writes ``<zone>/<name>`` from ``raw/<name>``.

    It comes after every raw table of its system: identifiers of all of them are searched for in
    it, and the latest year among them bounds years of birth.
    """
    key = keys.record_table(zone, contract.name)
    system = [other for other in contracts.values() if other.system == contract.system]
    outputs = contract.outputs(zone)

    @dg.multi_asset(
        name=keys.op_name(key),
        specs=[
            dg.AssetSpec(
                key,
                deps=[keys.raw(other.name) for other in system],
                skippable=True,
                description=contract.description,
                code_version=f"{contract.digest[:12]}-{policy.digest[:12]}",
                kinds={"duckdb"},
                metadata={
                    "steward": contract.steward,
                    **table_schema([(o.name, o.type.value, o.description) for o in outputs]),
                },
                **keys.placement(zone, contract),
            )
        ],
        check_specs=gate_specs(key, STAGES[zone]),
        pool=keys.pool(zone),
        **keys.partitioning(contract),
    )
    def asset(
        context: dg.AssetExecutionContext, zones: ZonesResource, ledger: LedgerResource
    ) -> Iterator[Any]:
        partitions = list(partitions_of(context, contract))
        in_session = zone not in ENCRYPTED
        catalog, schema, name = waiting_place(contract.name, zone, in_session=in_session)
        staged = TableName(catalog=catalog, schema=schema, name=name)
        with zones.open(zone, reading=[Zone.RAW]) as con:
            for other in contracts.values():
                ensure_tables(con, other, zone)
            result = deidentify(
                con, contract, zone, partitions, policy, system=system, in_session=in_session
            )
            whole = result.partitions == (WHOLE,)
            subject = record_subject(
                contract,
                zone,
                contracts.values(),
                policy,
                staged,
                partitions=None if whole else result.partitions,
            )
            found = evaluate_all(con, subject)
            content = fingerprint(con, staged.sql)
            passed = all(one.passed for one in found)
            set_anchor(con, zone, ledger.open())
            rows = promote(con, contract, zone, in_session=in_session) if passed else 0
        events: list[Event] = [_deidentified(result, content)]
        events += [
            GateEvaluated.of(one, fingerprint=content, policy_digest=policy.digest) for one in found
        ]
        if passed:
            events.append(
                TablePromoted(
                    table=key.to_user_string(), zone=zone.value, fingerprint=content, rows=rows
                )
            )
            if result.attestation is not None:
                events.append(
                    SafeHarborAttested.of(
                        result.attestation,
                        table=key.to_user_string(),
                        by="service:pipeline",
                        fingerprint=content,
                    )
                )
        ledger.record(*events)
        yield from (check_result(key, one) for one in found)
        if passed:
            yield dg.MaterializeResult(asset_key=key, metadata=_metadata(contract, result))

    return asset


def _deidentified(result: DeidentifyResult, content: str) -> TableDeidentified:
    return TableDeidentified(
        table=f"{result.zone.value}/{result.contract}",
        zone=result.zone.value,
        partitions=result.partitions,
        rows=result.rows_written,
        contract_digest=result.contract_digest,
        policy_digest=result.policy_digest,
        fingerprint=content,
    )


def _metadata(contract: Contract, result: DeidentifyResult) -> dict[str, dg.MetadataValue]:
    nulled = {column: count for column, count in result.nulled.items() if count}
    told: dict[str, dg.MetadataValue] = {
        "dagster/row_count": dg.MetadataValue.int(result.rows_written),
        "rows read": dg.MetadataValue.int(result.rows_read),
        "partitions built": dg.MetadataValue.int(len(result.partitions)),
        "policy": dg.MetadataValue.text(f"{result.policy} version {result.policy_version}"),
        "statement": dg.MetadataValue.md(f"```sql\n{result.sql}\n```"),
        **column_lineage(keys.raw(contract.name), result.lineage),
    }
    if nulled:
        told["values made null"] = markdown_counts("column", "values", nulled)
    if result.reference_year is not None:
        told["year of reference"] = dg.MetadataValue.int(result.reference_year)
    return told
