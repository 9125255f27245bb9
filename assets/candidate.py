"""Score sheets, candidates and their gates."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

import dagster as dg

from assets import keys
from assets.marts import Model
from assets.records import gate_specs
from assets.reporting import check_result, markdown_table, table_schema
from assets.resources import LedgerResource, ZonesResource
from deid_platform.core.contract import Contract
from deid_platform.core.errors import GateError
from deid_platform.core.policy import DdgPolicy
from deid_platform.core.publication import Publication
from deid_platform.core.zones import Zone
from deid_platform.engine.assess import assess_publication
from deid_platform.engine.fingerprint import fingerprint
from deid_platform.engine.gates import Stage, evaluate, gates_for
from deid_platform.engine.gates.declared import candidate_subject
from deid_platform.engine.gates.subjects import TableName
from deid_platform.engine.mask import MaskResult, mask_publication
from deid_platform.engine.masking_page import keep_page, markdown
from deid_platform.engine.masking_report import Told, masking_report
from deid_platform.engine.promotion import REFERENCE
from deid_platform.engine.running_code import code_version
from deid_platform.governance.anchor import set_anchor
from deid_platform.governance.events import AssessmentRecorded, CandidateBuilt, GateEvaluated
from deid_platform.governance.publish import candidate_fingerprint


def assessment_asset(
    publication: Publication, policy: DdgPolicy, model: Model
) -> dg.AssetsDefinition:
    """Build the asset that scores ``limited/<name>`` and keeps its sheet as ``assessment/<name>``.

    The sheet tells bands, never the smallest count; its digest is part of what reviewers approve.
    An aggregate without a row, of a system that delivers nothing, has no sheet and no candidate:
    both are skipped, and no other table is held up.
    """

    @dg.asset(
        key=keys.assessment(publication.name),
        deps=[keys.limited(publication.name)],
        output_required=False,
        pool=keys.pool(Zone.LIMITED),
        group_name="assessment",
        kinds={"duckdb"},
        description=f"Score sheet under {publication.policy}: {publication.description}",
        owners=[model.owner] if model.owner else None,
        tags={"deid/zone": Zone.LIMITED.value, "deid/policy": publication.policy},
        code_version=f"{publication.digest[:12]}-{policy.digest[:12]}",
    )
    def asset(
        context: dg.AssetExecutionContext, zones: ZonesResource, ledger: LedgerResource
    ) -> Iterator[dg.MaterializeResult[None]]:
        aggregate = _aggregate(publication).sql
        with zones.open(Zone.LIMITED) as con:
            if con.execute(f"select 1 from {aggregate} limit 1").fetchone() is None:
                context.log.warning("The aggregate has no row: there is nothing to assess.")
                return
            source = fingerprint(con, aggregate)
            sheet = assess_publication(con, publication, policy)
        ledger.record(
            AssessmentRecorded(
                publication=publication.name,
                fingerprint=source,
                policy_digest=policy.digest,
                score_sheet_digest=sheet.digest,
            )
        )
        told: dict[str, dg.MetadataValue] = {
            "outcome": dg.MetadataValue.text(sheet.outcome.value),
            "score sheet": dg.MetadataValue.md(sheet.markdown()),
            "digest": dg.MetadataValue.text(sheet.digest),
            "masking": dg.MetadataValue.text(
                "small cells are hidden whatever the score: the ledger holds no expert's "
                "confirmation for this table (A-05)"
            ),
        }
        if sheet.score is not None:
            told["score"] = dg.MetadataValue.int(sheet.score)
        yield dg.MaterializeResult(metadata=told)

    return asset


def candidate_asset(
    publication: Publication,
    policy: DdgPolicy,
    model: Model,
    linked: Sequence[Publication],
) -> dg.AssetsDefinition:
    """Build the asset that masks ``limited/<name>`` into ``candidate/<name>``, once assessed.

    It comes after the candidates that share cells with it, and hides what they hide.
    """
    key = keys.candidate(publication.name)

    @dg.asset(
        key=key,
        deps=[
            keys.limited(publication.name),
            keys.assessment(publication.name),
            *(keys.candidate(other.name) for other in linked),
        ],
        pool=keys.pool(Zone.LIMITED),
        group_name="candidate",
        kinds={"duckdb"},
        description=publication.description,
        owners=[model.owner] if model.owner else None,
        tags={"deid/zone": Zone.LIMITED.value, "deid/policy": publication.policy},
        code_version=f"{publication.digest[:12]}-{policy.digest[:12]}",
        metadata=table_schema([(name, kind, text) for name, (kind, text) in model.columns.items()]),
    )
    def asset(zones: ZonesResource, ledger: LedgerResource) -> dg.MaterializeResult[None]:
        with zones.open(Zone.LIMITED) as con:
            source = fingerprint(con, _aggregate(publication).sql)
            sheet = _sheet_digest(ledger, publication, policy, source)
            set_anchor(con, Zone.LIMITED, ledger.open())
            # Small counts at a low score take an expert's confirmation for the very table.
            # The ledger holds none, so they are hidden whatever the score.
            masked = mask_publication(
                con, publication, policy, masking_required=True, linked=linked
            )
            keep_page(con, publication)
            pictures = markdown(masking_report(con, publication, told=Told.CODE))
            content = candidate_fingerprint(con, publication.name)
        rows = max(counts["cells"] for counts in masked.counts.values())
        ledger.record(
            CandidateBuilt(
                publication=publication.name,
                fingerprint=content,
                publication_digest=publication.digest,
                policy_digest=policy.digest,
                rows=rows,
                blanks=blanks(masked),
                score_sheet_digest=sheet,
                source_fingerprint=source,
                columns=publication.table_columns,
                code_version=code_version(zones.deployment),
            )
        )
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": dg.MetadataValue.int(rows),
                "fingerprint": dg.MetadataValue.text(content),
                "cells": _cells_table(masked),
                **{name: dg.MetadataValue.md(text) for name, text in pictures.items()},
                "page": dg.MetadataValue.text(f"deid report {publication.name} -o FILE.html"),
            }
        )

    return asset


def candidate_checks(
    publication: Publication,
    policy: DdgPolicy,
    model: Model,
    contracts: Mapping[str, Contract],
    linked: Sequence[Publication],
) -> dg.AssetChecksDefinition:
    """Build the gates of a candidate as blocking checks, each of which can be run alone.

    Results go to the ledger under the fingerprint of what was looked at; a release asks there.
    """
    key = keys.candidate(publication.name)
    sources = [contracts[name] for name in model.sources]

    @dg.multi_asset_check(
        name=f"gates__{publication.name}",
        specs=gate_specs(key, Stage.CANDIDATE),
        can_subset=True,
        pool=keys.pool(Zone.LIMITED),
    )
    def checks(
        context: dg.AssetCheckExecutionContext, zones: ZonesResource, ledger: LedgerResource
    ) -> Iterator[dg.AssetCheckResult]:
        wanted = {check.name for check in context.selected_asset_check_keys}
        with zones.open(None, reading=[Zone.LIMITED, Zone.RAW]) as con:
            content = candidate_fingerprint(con, publication.name)
            subject = candidate_subject(
                publication,
                policy,
                sources,
                datetime.now(UTC).date(),
                contracts=contracts.values(),
                source=_source(model),
                rows_figure=_rows_figure(publication),
                linked=linked,
                reference=[
                    TableName(catalog=Zone.LIMITED.value, schema=REFERENCE, name=seed)
                    for seed in model.seeds
                ],
            )
            found = [
                evaluate(gate, con, subject)
                for gate in gates_for(Stage.CANDIDATE)
                if gate.name in wanted
            ]
        ledger.record(
            *(
                GateEvaluated.of(one, fingerprint=content, policy_digest=policy.digest)
                for one in found
            )
        )
        yield from (check_result(key, one) for one in found)

    return checks


def blanks(masked: MaskResult) -> dict[str, int]:
    """Hidden cells by reason, summed over the columns that count people."""
    return {
        reason: sum(counts[f"{reason}_hidden"] for counts in masked.counts.values())
        for reason in ("small", "complementary")
    }


def _aggregate(publication: Publication) -> TableName:
    return TableName(catalog=Zone.LIMITED.value, name=publication.name)


def _sheet_digest(
    ledger: LedgerResource, publication: Publication, policy: DdgPolicy, source: str
) -> str:
    """The digest of the score sheet of exactly this content under this policy.

    Raises:
        GateError: the content was not assessed, or under another policy.
    """
    latest = None
    for entry in ledger.open().entries(kinds=[AssessmentRecorded], subject=publication.name):
        latest = entry.event
    if (
        not isinstance(latest, AssessmentRecorded)
        or latest.fingerprint != source
        or latest.policy_digest != policy.digest
    ):
        raise GateError(
            f"candidate/{publication.name}",
            "the aggregate as it is now has not been assessed under this policy",
            f"materialise assessment/{publication.name} first",
        )
    return latest.score_sheet_digest


def _source(model: Model) -> TableName | None:
    if len(model.sources) != 1:
        return None
    return TableName(catalog=Zone.LIMITED.value, name=model.sources[0])


def _rows_figure(publication: Publication) -> str | None:
    """The figure that counts the rows of the source: a count of events, not of people."""
    counting = [name for name, figure in publication.figures.items() if figure.people != name]
    return counting[0] if counting else None


def _cells_table(masked: MaskResult) -> dg.MetadataValue:
    """Cells by what became of them. People in hidden cells are left out: where one cell is hidden
    their sum is its value."""
    rows = [
        (people, what.replace("_", " "), f"{counts[what]:,}")
        for people, counts in masked.counts.items()
        for what in ("cells", "zeros", "small_hidden", "complementary_hidden")
    ]
    return markdown_table(("people column", "cells", "count"), rows)
