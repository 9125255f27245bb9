"""`deid audit training`: who is trained for the roles they hold, and who is not."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import typer

from deid_platform.cli import AsJson, console, print_json
from deid_platform.engine.deployment import Deployment
from deid_platform.governance.ledger import Ledger
from deid_platform.governance.register import register_in_force


def register(group: typer.Typer) -> None:
    """Add ``training``."""
    group.command("training")(training)


def training(as_json: AsJson = False) -> None:
    """Show each person's roles now, the trainings of each, and what is missing or expired.

    Somebody with a gap is listed and can do nothing in that role; the exit code is 0 all the same.

    Example: `deid audit training`
    """
    found = register_in_force(Ledger.open(Deployment.from_environment().ledger_url))
    at = datetime.now(UTC)
    rows: list[dict[str, Any]] = [
        {
            "person": name,
            "role": role.value,
            "trained": found.trained(name, role, at),
            "gaps": found.training_gaps(name, role, at),
            "completed": [
                {"module": one.module, "version": one.version, "expires": one.expires}
                for one in person.trainings
                if one.role is role
            ],
        }
        for name, person in found.people.items()
        for role in sorted(person.roles_at(at))
    ]
    if as_json:
        print_json({"register": found.digest, "people": rows})
        return
    for row in rows:
        state = "trained" if row["trained"] else "; ".join(row["gaps"])
        console.print(f"{row['person']}  {row['role']}  {state}", highlight=False, soft_wrap=True)
    without = sum(not row["trained"] for row in rows)
    console.print(f"{len(rows)} roles held, {without} without training", highlight=False)
