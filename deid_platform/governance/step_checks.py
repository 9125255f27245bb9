"""What each step of a request asks for by itself, beside state, role, person and signature.

One function per step: given what the person brings (``content``), it refuses or returns what is
recorded and signed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from deid_platform.core.determination import read_determination
from deid_platform.core.errors import AuthorisationError
from deid_platform.core.intake import Form
from deid_platform.core.intake_rules import Surroundings, check_form, missing_for_dispute
from deid_platform.core.register import Method, Register
from deid_platform.core.steps import (
    Fact,
    Facts,
    Profile,
    Signer,
    Step,
    needs_legal,
    needs_second_person,
    step_of,
)
from deid_platform.core.workflow import Action, Identity, Role
from deid_platform.governance.authority import valid_until
from deid_platform.governance.chain import Records
from deid_platform.governance.facts import (
    candidate_gates,
    current_binding,
    gate_standing,
    latest_candidate,
)
from deid_platform.governance.plain import Plain
from deid_platform.governance.requests import Request

Content = dict[str, Plain]
QUESTIONS: dict[str, str] = {
    "secondary_use": "Is this a secondary use that the standard covers?",
    "minimum_necessary": "Is every element necessary for the purpose?",
    "method_fits": "Does the method follow from the decision rule?",
    "environment_allowed": "Is the destination allowed for this?",
    "third_party_terms": "Are third-party terms present, or is there no third party?",
    "statutes_tagged": "Are the statutes that govern the elements known?",
}
"""The checklist of the review; any "no" means return or reject."""
_SHORTEST = 10


@dataclass(frozen=True, kw_only=True)
class _Case:
    """What a check may look at."""

    records: Records
    role: Role
    request: Request
    profile: Profile
    form: Form
    facts: Facts
    register: Register
    who: Identity
    content: Content
    at: datetime

    def refuse(self, what: str, do: str) -> AuthorisationError:
        return AuthorisationError(self.request.id, what, do)

    def text(self, name: str, what: str) -> str:
        """A text of the content that must be there."""
        value = self.content.get(name)
        line = " ".join(value.split()) if isinstance(value, str) else ""
        if not _SHORTEST <= len(line) <= 900 or not line.isprintable():
            raise self.refuse(f"{what} is missing or no printable line", f"give {name}")
        return line


def form_of(
    records: Records, content: Mapping[str, Plain], register: Register, at: datetime
) -> Form:
    """The form that a requester brings, held against table and register.

    Raises:
        FormError: naming every problem with its rule.
        AuthorisationError: the pipeline recorded no candidate of that name.
    """
    document = content.get("form")
    dataset = document.get("dataset") if isinstance(document, dict) else None
    name = dataset if isinstance(dataset, str) else ""
    candidate = latest_candidate(records, name)
    around = Surroundings(columns=candidate.columns if candidate else (), register=register, at=at)
    form = check_form(document, around, where=f"request for {name or 'a dataset'}")
    current_binding(records, name)
    return form


def check_step(
    records: Records,
    action: Action,
    role: Role,
    request: Request | None,
    facts: Facts,
    register: Register,
    who: Identity,
    content: Content,
    at: datetime,
) -> Content:
    """What a step records, if its own conditions are met.

    Raises:
        AuthorisationError: naming what is missing.
        DeclarationError: a determination lacks a mandatory content.
    """
    if request is None or request.form is None or request.profile is None:
        return content
    case = _Case(
        records=records,
        role=role,
        request=request,
        profile=request.profile,
        form=request.form,
        facts=facts,
        register=register,
        who=who,
        content=content,
        at=at,
    )
    rule = step_of(action)
    if rule is not None:
        _check_turn(case, rule.step)
    check = _CHECKS.get(action)
    return check(case) if check else content


def _side(case: _Case) -> str:
    """Of which department of an exchange the person is."""
    exchange = case.form.exchange
    if exchange is None or not case.who.is_person:
        return ""
    department = case.register.department_of(case.who)
    return {exchange.provider: "provider", exchange.receiver: "receiver"}.get(department, "")


def _turn(case: _Case, step: Step) -> Signer | None:
    side = _side(case)
    return next(
        (
            one
            for one in case.request.outstanding(step)
            if case.role in one.roles and one.side in ("", side)
        ),
        None,
    )


def _check_turn(case: _Case, step: Step) -> None:
    waiting = case.request.outstanding(step)
    mine = _turn(case, step)
    if mine is None:
        words = "; ".join(one.words for one in waiting)
        raise case.refuse(
            f"{step.value} does not wait for a {case.role.value}", f"it waits for: {words}"
        )
    if step is Step.APPROVAL and mine != waiting[0]:
        raise case.refuse(
            f"a {waiting[0].words} decides first (GV-07)", "approvals follow the handbook's order"
        )
    if any(one.by == case.who for one in case.request.standing.get(step, ())):
        raise case.refuse(
            f"separation of duties: one person signs {step.value} once",
            "another person must do this",
        )


def _review(case: _Case) -> Content:
    if case.role not in (Role.PRIVACY_REVIEWER, Role.SECURITY_REVIEWER):
        turn = _turn(case, Step.REVIEW)
        return {"side": turn.side if turn else ""}
    answers = case.content.get("answers")
    told = answers if isinstance(answers, dict) else {}
    no = [name for name in QUESTIONS if told.get(name) is not True]
    if no:
        raise case.refuse(
            f"the review's checklist is not answered yes for {', '.join(no)}",
            "return or reject the request, or answer what was checked",
        )
    return {
        "answers": dict.fromkeys(QUESTIONS, True),
        "legal_required": case.content.get("legal_required") is True,
    }


def _execution(case: _Case) -> Content:
    standard = case.register.standard_in_force(case.at)
    if not case.facts[Fact.CODE]:
        raise case.refuse(
            "the candidate does not say which code built it", "build it again with `deid run`"
        )
    if not standard.permits_policy(case.facts[Fact.POLICY]):
        raise case.refuse(
            "the policy is not one of the method standard in force",
            "build with an approved policy, or have the standard changed",
        )
    candidate = latest_candidate(case.records, case.request.publication)
    return {"rows": candidate.rows if candidate else 0}


def _validation(case: _Case) -> Content:
    binding = current_binding(case.records, case.request.publication)
    standing = gate_standing(case.records, binding, candidate_gates())
    if standing.missing:
        raise case.refuse("; ".join(standing.missing), "correct it and run the gates again")
    reasons = needs_second_person(case.profile)
    if not case.who.is_person:
        if reasons:
            raise case.refuse(
                f"a person validates beside the checks: {', '.join(reasons)} (GV-01)",
                "a validator does, with `deid validate`",
            )
        return {"checks": [one.gate for one in standing.results], "verdict": "passed"}
    if case.content.get("verdict") != "passed":
        raise case.refuse("the validator did not find it fit", "return or reject the request")
    sampled = case.content.get("sampled")
    return {
        "checks": [one.gate for one in standing.results],
        "verdict": "passed",
        "sampled": sampled if isinstance(sampled, int) else 0,
        "findings": case.text("findings", "what the validator looked at"),
    }


def _determination(case: _Case) -> Content:
    legal = needs_legal(case.profile)
    noted: Content = {"legal_review": ", ".join(legal) if legal else "not required"}
    method = case.form.method
    if method is Method.DDG_AGGREGATE:
        if not case.facts[Fact.SCORE_SHEET]:
            raise case.refuse("there is no score sheet", "run the assessment again")
        return {
            **noted,
            "method": method.value,
            "score_sheet": case.facts[Fact.SCORE_SHEET],
            "explanation": case.text("explanation", "why the score sheet and masking suffice"),
        }
    if method is Method.EXPERT_DETERMINATION:
        document = {
            name: value
            for name, value in case.content.items()
            if name not in ("method", "legal_review")
        }
        found = read_determination(document, case.at.date())
        return {**found.model_dump(mode="json"), **noted, "method": method.value}
    answer = case.content.get("actual_knowledge")
    if answer != "none":
        raise case.refuse(
            "actual knowledge is not answered with none (164.514(b)(2)(ii))",
            "anything else takes an Expert Determination: return the request",
        )
    return {
        **noted,
        "method": method.value if method else "",
        "actual_knowledge": "none",
        "scenarios": case.text("scenarios", "the scenarios considered"),
    }


def _legal(case: _Case) -> Content:
    return {"basis": case.text("basis", "the legal basis")}


def _reject(case: _Case) -> Content:
    if case.request.is_mandated:
        raise case.refuse(
            "the Undersecretary decided for this exchange: it cannot be refused any more",
            "return it with what is to be corrected",
        )
    return case.content


def _dispute(case: _Case) -> Content:
    if case.form.exchange is None:
        raise case.refuse("only an exchange between departments is disputed", "reject or return it")
    missing = missing_for_dispute(case.form)
    if missing:
        raise case.refuse(
            f"a disputed proposal also needs {', '.join(missing)}",
            "have the requester resubmit it with these fields",
        )
    if _side(case) != "provider":
        raise case.refuse("the provider's coordinator disputes", "let that person do it")
    return {"side": "provider"}


def _decide(case: _Case) -> Content:
    since = max(
        index for index, one in enumerate(case.request.decisions) if one.action is Action.DISPUTE
    )
    mediated = {one.role for one in case.request.decisions[since:]}
    for role in (Role.GOVERNANCE_LIAISON, Role.RISK_SUBCOMMITTEE):
        if role not in mediated:
            raise case.refuse(
                f"the {role.value} has not recorded its part of the mediation",
                "a dispute is logged and mediated before it is decided",
            )
    return case.content


def _expire(case: _Case) -> Content:
    until = valid_until(case.request)
    if until is None or case.at.date().isoformat() <= until:
        raise case.refuse("nothing it rests on has expired", "recall it if it must not be used")
    return {"expired": until}


_CHECKS: dict[Action, Callable[[_Case], Content]] = {
    Action.APPROVE_FOR_EXECUTION: _review,
    Action.RECORD_EXECUTION: _execution,
    Action.VALIDATE: _validation,
    Action.DETERMINE: _determination,
    Action.CLEAR_LEGAL: _legal,
    Action.REJECT: _reject,
    Action.DISPUTE: _dispute,
    Action.DECIDE_FOR: _decide,
    Action.DECIDE_AGAINST: _decide,
    Action.EXPIRE: _expire,
}
