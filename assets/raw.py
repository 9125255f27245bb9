"""Raw tables: landing files, typed, counted and quarantined, in the encrypted raw zone."""

from collections.abc import Sequence

import dagster as dg

from assets import keys
from assets.reporting import markdown_counts, table_schema
from assets.resources import LedgerResource, ZonesResource
from deid_platform.core.contract import Contract
from deid_platform.core.errors import DeliveryError
from deid_platform.core.zones import Zone
from deid_platform.engine.delivery import UNPARTITIONED
from deid_platform.engine.ingest import IngestResult, ingest
from deid_platform.governance.events import DeliveryIngested


def raw_asset(contract: Contract) -> dg.AssetsDefinition:
    """Build the asset that writes ``raw/<name>`` from the landing folder."""

    @dg.asset(
        key=keys.raw(contract.name),
        deps=[keys.raw(table) for table in referenced_tables(contract)],
        pool=keys.pool(Zone.RAW),
        kinds={"duckdb"},
        description=contract.description,
        code_version=contract.digest,
        metadata={
            "steward": contract.steward,
            "source files": contract.source.files,
            **table_schema(
                [(name, c.type.value, c.description) for name, c in contract.columns.items()]
            ),
        },
        **keys.partitioning(contract),
        **keys.placement(Zone.RAW, contract),
    )
    def asset(
        context: dg.AssetExecutionContext, zones: ZonesResource, ledger: LedgerResource
    ) -> dg.MaterializeResult[None]:
        results: list[IngestResult] = []
        refused: list[DeliveryError] = []
        with zones.open(Zone.RAW, files=[zones.deployment.landing]) as con:
            for partition in partitions_of(context, contract):
                try:
                    results.append(ingest(con, zones.deployment, contract, partition))
                except DeliveryError as error:
                    refused.append(error)
        ledger.record(*_unrecorded(ledger, contract, results))
        if refused:
            raise _all_of(contract, refused) from None
        return dg.MaterializeResult(metadata=_metadata(results))

    return asset


def partitions_of(context: dg.AssetExecutionContext, contract: Contract) -> Sequence[str]:
    """The partitions a run asks for: months, or the one of an unpartitioned contract."""
    return context.partition_keys if contract.partition else [UNPARTITIONED]


def referenced_tables(contract: Contract) -> list[str]:
    """Tables whose rows this contract's rows must point at, other than itself."""
    named = {
        column.references.split(".", 1)[0]
        for column in contract.columns.values()
        if column.references
    }
    return sorted(named - {contract.name})


def _all_of(contract: Contract, refused: Sequence[DeliveryError]) -> DeliveryError:
    if len(refused) == 1:
        return refused[0]
    return DeliveryError(
        contract.name,
        f"{len(refused)} deliveries were refused, the first: {refused[0]}",
        "correct them and run those months again; the others were taken",
    )


def _unrecorded(
    ledger: LedgerResource, contract: Contract, results: Sequence[IngestResult]
) -> list[DeliveryIngested]:
    """Deliveries that the ledger does not name as the last of their partition.

    A process that ends between the zone's commit and the ledger's leaves such a one, and the next
    run finds the delivery unchanged.
    """
    last: dict[str, DeliveryIngested] = {}
    for entry in ledger.open().entries(kinds=[DeliveryIngested], subject=contract.name):
        if isinstance(entry.event, DeliveryIngested):
            last[entry.event.partition] = entry.event
    events = [_event(result) for result in results if result.digests]
    return [event for event in events if last.get(event.partition) != event]


def _event(result: IngestResult) -> DeliveryIngested:
    return DeliveryIngested(
        table=result.table,
        partition=result.partition,
        files=tuple(sorted(result.digests)),
        delivery_digest=",".join(result.digests[name] for name in sorted(result.digests)),
        contract_digest=result.contract_digest,
        rows_in=result.rows_in,
        rows_loaded=result.rows_loaded,
        rows_quarantined=result.rows_quarantined,
    )


def _metadata(results: Sequence[IngestResult]) -> dict[str, dg.MetadataValue]:
    reasons: dict[str, int] = {}
    for result in results:
        for reason, count in result.quarantined_by_reason.items():
            reasons[reason] = reasons.get(reason, 0) + count
    loaded = sum(result.rows_loaded for result in results)
    notes = sorted({result.note for result in results if result.note})
    absent = sorted({column for result in results for column in result.absent_columns})
    told: dict[str, dg.MetadataValue] = {
        "dagster/row_count": dg.MetadataValue.int(loaded),
        "rows in": dg.MetadataValue.int(sum(result.rows_in for result in results)),
        "rows loaded": dg.MetadataValue.int(loaded),
        "rows quarantined": dg.MetadataValue.int(sum(r.rows_quarantined for r in results)),
        "deliveries unchanged": dg.MetadataValue.int(sum(r.is_unchanged for r in results)),
    }
    if reasons:
        told["quarantined by reason"] = markdown_counts("reason", "rows", reasons)
    if absent:
        told["columns not delivered"] = dg.MetadataValue.text(", ".join(absent))
    if notes:
        told["note"] = dg.MetadataValue.text("; ".join(notes))
    return told
