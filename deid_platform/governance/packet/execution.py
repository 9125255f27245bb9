"""Evidence of the rules in force and of what ran under them: governance and execution groups."""

from __future__ import annotations

from deid_platform.core.raci import RACI
from deid_platform.core.workflow import TRANSITIONS, Role, excluded_by
from deid_platform.core.zones import Zone
from deid_platform.engine.declarations import load_contract
from deid_platform.engine.deployment import Deployment
from deid_platform.engine.gates import Stage, gates_for
from deid_platform.governance.packet.artefact import Absent, Artefact, Group, json_artefact
from deid_platform.governance.packet.facts import shown
from deid_platform.governance.packet.subject import Subject


def governance(subject: Subject) -> list[Artefact]:
    """Policy, declaration, decision criteria and roles."""
    policy, publication = subject.release.policy, subject.release.publication
    return [
        json_artefact(
            Group.GOVERNANCE,
            "policy",
            "The policy in force: method, thresholds, score tables, rules and readings.",
            {"digest": policy.digest, **policy.model_dump(mode="json")},
        ),
        json_artefact(
            Group.GOVERNANCE,
            "declaration",
            "What the table was declared to show.",
            {"digest": publication.digest, **publication.model_dump(mode="json")},
        ),
        json_artefact(
            Group.GOVERNANCE,
            "decision_criteria",
            "Every gate before a candidate, and the rule it serves.",
            [
                {"gate": gate.name, "rule": gate.source, "says": gate.description}
                for gate in gates_for(Stage.CANDIDATE)
            ],
        ),
        json_artefact(
            Group.GOVERNANCE,
            "roles",
            "Who does what, who may do which step, and which roles exclude each other.",
            {
                "raci": {
                    activity: {role.value: letters for role, letters in row.items()}
                    for activity, row in RACI.items()
                },
                "steps": {
                    one.action.value: sorted(role.value for role in one.roles)
                    for one in TRANSITIONS
                },
                "must_not_also_be": {
                    role.value: sorted(other.value for other in excluded_by(role)) for role in Role
                },
            },
        ),
    ]


def execution(subject: Subject) -> list[Artefact]:
    """Code, run, inputs and outputs."""
    facts, binding = subject.facts, subject.authority.binding
    candidate = next((e for e in facts.candidate if e.kind == "candidate.built"), None)
    return [
        json_artefact(
            Group.EXECUTION,
            "code",
            "Commit, clean-tree flag, sources, declarations, lock and libraries.",
            subject.code.document(),
        ),
        json_artefact(
            Group.EXECUTION,
            "run",
            "What the pipeline did, in order of the ledger.",
            [
                shown(entry)
                for entry in sorted(
                    (*facts.tables, *facts.aggregate, *facts.candidate), key=lambda e: e.sequence
                )
            ],
        ),
        json_artefact(
            Group.EXECUTION,
            "inputs",
            "Deliveries by digest, and the fingerprint of the aggregate that was masked.",
            {
                "aggregate": candidate.payload.get("source_fingerprint") if candidate else None,
                "deliveries": [
                    {
                        "table": entry.payload["table"],
                        "partition": entry.payload["partition"],
                        "files": entry.payload["files"],
                        "digest": entry.payload["delivery_digest"],
                        "contract_digest": entry.payload["contract_digest"],
                        "ledger": entry.hash,
                    }
                    for entry in facts.deliveries
                ],
            },
        ),
        json_artefact(
            Group.EXECUTION,
            "outputs",
            "Fingerprint of the candidate, digests of the released files.",
            {
                "fingerprint": binding.fingerprint,
                "policy_digest": binding.policy_digest,
                "publication_digest": binding.publication_digest,
                "rows": subject.release.rows,
                "files": dict(subject.files),
            },
        ),
    ]


def columns(deployment: Deployment, subject: Subject) -> tuple[list[Artefact], list[Absent]]:
    """What was done to each source column on its way into LIMITED, and to each published one."""
    sources, absent = {}, []
    for name in subject.sources:
        file = deployment.contracts / f"{name}.yaml"
        if not file.is_file():
            absent.append(
                Absent(name=f"execution/columns of {name}", why="its contract is not declared")
            )
            continue
        contract = load_contract(file)
        sources[name] = {
            "contract_digest": contract.digest,
            "version": contract.version,
            "columns": {
                column: {
                    "class": declared.attribute_class.value,
                    "identifier": declared.identifier.value if declared.identifier else None,
                    "rule": declared.identifier.citation if declared.identifier else None,
                    "action": declared.treatment(Zone.LIMITED).spec(),
                    "becomes": output.name
                    if (output := contract.output_of(column, Zone.LIMITED))
                    else None,
                }
                for column, declared in contract.columns.items()
            },
        }
    return [
        json_artefact(
            Group.EXECUTION,
            "columns",
            "What was done to each column: of each source on its way in, and of the table.",
            {
                "sources": sources,
                "published": [
                    {"name": field.name, "type": field.type, "notes": field.notes}
                    for field in subject.release.fields
                ],
            },
        )
    ], absent
