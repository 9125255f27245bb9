"""How results become asset metadata: names, rules and counts, as text, tables and lineage."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import dagster as dg

from deid_platform.engine.gates import GateResult


def markdown_counts(name: str, unit: str, counts: Mapping[str, int]) -> dg.MetadataValue:
    """A two-column Markdown table, largest count first."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return markdown_table((name, unit), [(key, f"{count:,}") for key, count in ordered])


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> dg.MetadataValue:
    """A Markdown table; bars in texts are escaped."""
    lines = [head, ["---"] * len(head), *rows]
    text = "\n".join(
        "| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines
    )
    return dg.MetadataValue.md(text)


def table_schema(columns: Iterable[tuple[str, str, str]]) -> dict[str, dg.MetadataValue]:
    """Dagster's column schema of (name, type, description)."""
    return {
        "dagster/column_schema": dg.MetadataValue.table_schema(
            dg.TableSchema(
                columns=[
                    dg.TableColumn(name=name, type=kind, description=description or None)
                    for name, kind, description in columns
                ]
            )
        )
    }


def column_lineage(
    upstream: dg.AssetKey, lineage: Mapping[str, Sequence[str]]
) -> dict[str, dg.MetadataValue]:
    """Dagster's column lineage: each output column and the columns of one table it comes from."""
    return {
        "dagster/column_lineage": dg.MetadataValue.column_lineage(
            dg.TableColumnLineage(
                deps_by_column={
                    column: [
                        dg.TableColumnDep(asset_key=upstream, column_name=source)
                        for source in sources
                    ]
                    for column, sources in lineage.items()
                }
            )
        )
    }


def check_result(key: dg.AssetKey, result: GateResult) -> dg.AssetCheckResult:
    """A gate's result as an asset check: the rule it serves, and counts."""
    counts = {
        **{f"violations: {name}": count for name, count in result.violations.items()},
        **{f"seen: {name}": count for name, count in result.counts.items()},
    }
    metadata: dict[str, dg.MetadataValue] = {
        "rule": dg.MetadataValue.text(result.rule),
        "violations": dg.MetadataValue.int(sum(result.violations.values())),
    }
    if counts:
        metadata["counts"] = markdown_counts("what", "count", counts)
    if result.error is not None:
        metadata["error"] = dg.MetadataValue.text(result.error)
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=result.gate,
        passed=result.passed,
        severity=dg.AssetCheckSeverity.ERROR,
        description=result.summary(),
        metadata=metadata,
    )
