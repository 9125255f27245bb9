"""Pages on what the platform answers and records: exit codes, gates and ledger events."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import fields

from deid_platform.cli.audit import FINDING
from deid_platform.cli.policy import FAILED
from deid_platform.cli.register import CHANGES
from deid_platform.core.errors import DeidError
from deid_platform.core.risk.score_sheet import Outcome
from deid_platform.engine.gates import Gate, Stage, gates_for
from deid_platform.engine.scanning import ALARM
from deid_platform.governance import events
from deid_platform.governance.transfers import OVERDUE
from docs.generate import prose, table


def pages() -> dict[str, str]:
    """The pages, by file name."""
    return {
        "exit-codes.md": _exit_codes(),
        "gates.md": _gates(),
        "events.md": _events(),
    }


def _exit_codes() -> str:
    errors = sorted(
        {error for error in _subclasses(DeidError) if "exit_code" in vars(error)},
        key=lambda error: (error.exit_code, error.__name__),
    )
    rows = [
        ("0", "", "Done."),
        ("1", "", "An error of the program itself: please report it."),
        ("2", "", "Wrong usage: an unknown option, a missing argument."),
        *((str(e.exit_code), f"`{e.__name__}`", prose(e.__doc__)) for e in errors),
    ]
    outcomes = [
        (str(outcome.exit_code), outcome.value.replace("_", " "))
        for outcome in sorted(Outcome, key=lambda outcome: outcome.exit_code)
    ]
    return "\n\n".join(
        [
            "# Exit codes",
            "An error is one message on standard error: where, what, and what to do. It never "
            "holds a cell value. A more special error shares the code of its parent unless it has "
            "its own. A run that failed ends with the code of the first error of its steps; a "
            "stopped gate is 14.",
            table(("code", "error", "meaning"), rows),
            "## `deid assess`",
            "The outcome is the exit code, so that a script can branch on it.",
            table(("code", "outcome"), outcomes),
            "## `deid policy vectors`",
            f"{FAILED}: an example failed, or could not be understood.",
            "## `deid register plan --detailed-exitcode`",
            f"{CHANGES}: applying the files would change the register in force.",
            "## `deid audit`",
            f"{FINDING}: the question is answered, and something is wrong: code that nobody owns, "
            "a zone that others can read, a transfer that cannot be proved sound.",
            "## `deid transfer list` and `deid scan`",
            f"{OVERDUE}: a copy should be destroyed by now and nobody has shown that it is.",
            f"{ALARM}: a file holds identifiers, or cannot be looked into.",
        ]
    )


def _subclasses(error: type[DeidError]) -> Iterator[type[DeidError]]:
    for child in error.__subclasses__():
        yield child
        yield from _subclasses(child)


def _gates() -> str:
    found: dict[str, Gate] = {gate.name: gate for stage in Stage for gate in gates_for(stage)}
    overview = [
        (f"[{name}](#{name})", *("✓" if stage in gate.on else "" for stage in Stage))
        for name, gate in sorted(found.items())
    ]
    return "\n\n".join(
        [
            "# Gates",
            "A gate looks at one table and counts violations of one rule; it holds no value. Any "
            "count above 0, an error inside the gate, or nothing to look at stops the table. No "
            "option skips a gate. Each is a blocking asset check of the same name in Dagster, and "
            "its result is in the ledger under the fingerprint of the content it judged. How to "
            "act on one: [../how-to/read-a-gate.md](../how-to/read-a-gate.md).",
            "A table of the LIMITED or de-identified zone is judged in staging and promoted only "
            "if every gate passed. A candidate stays in the LIMITED zone, and is released only if "
            "every gate passed.",
            table(("gate", *(stage.value for stage in Stage)), overview),
            *(_gate(found[name]) for name in sorted(found)),
        ]
    )


def _gate(gate: Gate) -> str:
    return f"## {gate.name}\n\n{prose(inspect.getdoc(gate.run))}\n\nRule: {gate.source}."


def _events() -> str:
    shipped = [
        one for one in events.event_kinds().values() if one.__module__.startswith("deid_platform.")
    ]
    kinds = sorted(shipped, key=lambda event: event.kind)
    rows = [
        (
            f"`{event.kind}`",
            prose(inspect.getdoc(event)),
            ", ".join(f"`{one.name}`" for one in fields(event)),
        )
        for event in kinds
    ]
    return "\n\n".join(
        [
            "# Ledger events",
            "An entry of the ledger has a sequence number, a time, a kind, a subject (a table or "
            "a publication), a payload, the hash of the entry before it and its own. A payload "
            "holds names, rules, counts and digests, never a cell value. `deid ledger show --json` "
            "prints entries; `deid audit verify` recomputes the hashes.",
            table(("kind", "records that", "payload"), rows),
        ]
    )
