"""`deid audit standard`: the standard in force, the methods it permits, and its history."""

from __future__ import annotations

from datetime import UTC, datetime

import typer

from deid_platform.cli import AsJson, console, print_json
from deid_platform.engine.deployment import Deployment
from deid_platform.governance.ledger import Ledger
from deid_platform.governance.register import applied_registers, register_in_force


def register(group: typer.Typer) -> None:
    """Add ``standard``."""
    group.command("standard")(standard)


def standard(as_json: AsJson = False) -> None:
    """Show the method standard in force, who approved it, and every version there ever was.

    Example: `deid audit standard --json`
    """
    ledger = Ledger.open(Deployment.from_environment().ledger_url)
    found = register_in_force(ledger).standard_in_force(datetime.now(UTC))
    history = [
        {
            "version": one.version,
            "effective_from": one.effective_from,
            "effective_until": one.effective_until,
            "register": applied.register.digest,
            "entry": applied.entry.sequence,
            "applied_by": applied.entry.payload["by"],
        }
        for applied in applied_registers(ledger)
        for one in applied.register.method_standards.values()
    ]
    if as_json:
        print_json(
            {
                "version": found.version,
                "standard": found.model_dump(mode="json"),
                "history": history,
            }
        )
        return
    console.print(f"{found.version}: {found.title}, since {found.effective_from}", highlight=False)
    methods = ", ".join(one.value for one in found.permitted_methods)
    console.print(f"permitted: {methods}", highlight=False)
    console.print(f"decision rule: {found.decision_rule.text}", highlight=False, soft_wrap=True)
    for row in found.allowances:
        told = (
            f"  {row.use_case.value} to {', '.join(row.destinations)} "
            f"({', '.join(row.exposures)}): {', '.join(row.methods)}"
        )
        console.print(told, highlight=False, soft_wrap=True)
    for name, digest in found.policies.items():
        console.print(f"policy {name}: {digest}", highlight=False, soft_wrap=True)
    for one in found.approvals:
        told = f"approved {one.approved} by {one.by} ({one.role.value}), {one.reference}"
        console.print(told, highlight=False, soft_wrap=True)
    for past in history:
        console.print(
            f"ledger entry {past['entry']}: {past['version']} from {past['effective_from']} "
            f"until {past['effective_until'] or 'further notice'}, applied by {past['applied_by']}",
            highlight=False,
            soft_wrap=True,
        )
