"""The pages on requests: the workflow with its tables, and the request form with its rules."""

from __future__ import annotations

from deid_platform.core.intake import ElementKind, Exchange, Form
from deid_platform.core.intake_rules import DISPUTE_FIELDS, rules_table
from deid_platform.core.steps import signers_table, steps_table
from deid_platform.core.workflow import diagram, separation_table, transition_table
from deid_platform.governance.step_checks import QUESTIONS
from docs.generate import table


def pages() -> dict[str, str]:
    """File name and text of each page."""
    return {"release-workflow.md": _workflow(), "intake.md": _intake()}


_COMMANDS = (
    ("draft a form", "`deid request draft PUBLICATION`", "anybody", "nothing"),
    ("ask", "`deid request new PUBLICATION --from FILE`", "requester", "submit"),
    ("review", "`deid review REQUEST`", "privacy or security reviewer", "approve_for_execution"),
    ("execute", "`deid execute REQUEST`", "the pipeline", "record_execution"),
    ("validate", "`deid validate REQUEST`", "validator; the checks alone (GV-01)", "validate"),
    ("determine", "`deid determine request REQUEST`", "expert, or steward", "determine"),
    ("clear legally", "`deid legal REQUEST`", "legal", "clear_legal"),
    ("approve", "`deid approve REQUEST --role ROLE`", "steward and above", "approve_release"),
    ("release", "`deid release REQUEST`", "data engineer, or the pipeline", "release"),
    ("give back", "`deid return REQUEST --reason ...`", "whoever decides", "return"),
    ("ask again", "`deid request resubmit REQUEST --from FILE`", "requester", "resubmit"),
    ("refuse", "`deid reject REQUEST --reason ...`", "whoever decides", "reject"),
    ("take back", "`deid request withdraw REQUEST --reason ...`", "requester", "withdraw"),
    (
        "stop, go on",
        "`deid hold REQUEST`, `deid resume REQUEST`",
        "whoever decides",
        "hold, resume",
    ),
    ("recall", "`deid recall REQUEST --reason ...`", "data steward", "recall"),
    ("expire", "`deid expire REQUEST`", "the pipeline, or the steward", "expire"),
    ("dispute", "`deid exchange dispute REQUEST`", "provider's data coordinator", "dispute"),
    ("mediate", "`deid exchange mediate REQUEST`", "liaison, risk subcommittee", "mediate"),
    ("decide", "`deid exchange decide REQUEST`", "undersecretary", "decide_for, decide_against"),
)


def _workflow() -> str:
    return "\n\n".join(
        [
            "# From request to release",
            f"```mermaid\n{diagram()}\n```",
            "Steps that are possible from anywhere (return, reject, withdraw, hold, resubmit) are "
            "in the table of transitions only.",
            "## Who does what",
            table(("to", "command", "who", "recorded as"), _COMMANDS),
            "Each person adds `--as NAME` and `--key FILE` (or sets `DEID_SIGNING_KEY`, to a key "
            "file or to a folder that holds one of each name). `deid inbox --as NAME` says what "
            "waits for a person and why. What is refused is recorded too, as `action.refused`.",
            "## Gates",
            "A gate stands while every fact it binds is what it was. When one changes, the gate "
            "and all after it are open again, and the request is back where the gates that stand "
            "put it; nothing has to be noticed by anybody.",
            steps_table(),
            "Who signs depends on the request:",
            signers_table(),
            "Open data of level 2 and records for a portal take the agency's decision as well "
            "(GV-03, GV-09). Approvals follow the order shown (GV-07). One person signs a gate "
            "once.",
            "The review's checklist:",
            "\n".join(f"- `{name}`: {question}" for name, question in QUESTIONS.items()),
            "## Signatures",
            "A decision is a JSON document that names the request, the step, the person, the role, "
            "the ledger, the register in force, the digest of every fact, the step's content and "
            "the entry of the request that came before. The person signs it with their own SSH "
            "key, in the namespace `deid-decision`. It counts only if the register of that time "
            "gave the person the key, the role and the training, and if the key was not revoked "
            "since. A release asks for all of this each time, with the fingerprint of the table "
            "in hand.",
            "The pipeline signs nothing: it records what it ran and what the checks said, and "
            "carries out what people decided.",
            "A release is recorded before its bytes are where others can read them, and delivered "
            "after. A run killed in between is completed by releasing the same request again: "
            "same bytes, one release.",
            "## Transitions",
            "What is not in this table is refused.",
            transition_table(),
            "## Separation of duties",
            "One person may not hold two of these roles on one request:",
            separation_table(),
            "## Requests of before signatures",
            "`request.submitted`, `request.approved`, `request.rejected`, `request.withdrawn` and "
            "`request.recalled` are events of earlier versions. They are read, so that old "
            "releases can be recalled, and authorise nothing: a request that was pending is "
            "withdrawn and made anew.",
        ]
    )


def _intake() -> str:
    fields = [(f"`{name}`", _type(str(one.annotation))) for name, one in Form.model_fields.items()]
    exchange = [
        (f"`exchange.{name}`", "if disputed" if name in DISPUTE_FIELDS else "always")
        for name in Exchange.model_fields
    ]
    return "\n\n".join(
        [
            "# The request form",
            "A YAML file; `deid request draft PUBLICATION` writes one as far as register and "
            "ledger know it. All problems are named at once, each with its rule. "
            "An example is in [../examples/request.yaml](../examples/request.yaml).",
            table(("field", "type"), fields),
            "Kinds of elements: " + ", ".join(f"`{kind.value}`" for kind in ElementKind) + ".",
            "An exchange between departments adds its Business Use Case Proposal:",
            table(("field", "needed"), exchange),
            "## Rules",
            rules_table(),
        ]
    )


def _type(annotation: str) -> str:
    for prefix in ("deid_platform.core.intake.", "deid_platform.core.register.vocabulary.",
                   "datetime.", "typing."):  # fmt: skip
        annotation = annotation.replace(prefix, "")
    return annotation.replace("<class '", "").replace("<enum '", "").replace("'>", "")
