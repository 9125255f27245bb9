"""What makes a request form complete and its method the right one: one function per rule.

Source: HICP Practice 7.3, intake, decision rule and third parties; 45 CFR 164.514(b) and (e);
CalHHS Business Use Case Proposal (2018); readings GV-03 and GV-09.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from deid_platform.core.intake import (
    NOT_SAFE_HARBOR,
    ElementKind,
    Form,
    FormError,
    read_form,
)
from deid_platform.core.register import Exposure, Method, Purpose, Register

_SHORTEST = 10


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What a form is held against: the table's columns, the register in force, and the time."""

    columns: tuple[str, ...]
    register: Register
    at: datetime


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing wrong with a form, and the rule it breaks."""

    rule: str
    field: str
    what: str

    def __str__(self) -> str:
        return f"{self.rule} {self.field}: {self.what}"


Found = Iterator[tuple[str, str]]
_Check = Callable[[Form, Surroundings], Found]


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A rule of intake."""

    id: str
    text: str
    source: str
    check: _Check


RULES: dict[str, Rule] = {}


def _rule(id: str, text: str, source: str) -> Callable[[_Check], _Check]:
    def add(check: _Check) -> _Check:
        RULES[id] = Rule(id=id, text=text, source=source, check=check)
        return check

    return add


_MANDATORY = (
    *("dataset", "unit", "purpose", "description", "sources", "period", "population"),
    *("data_elements", "recipients", "destination", "frequency", "record_level"),
    *("publication_intent", "is_research", "funds_transfer"),
)


@_rule("IN-01", "Every mandatory field is filled in.", "HICP 7.3, intake")
def _mandatory(form: Form, _: Surroundings) -> Found:
    for name in _MANDATORY:
        if getattr(form, name) in (None, "", ()):
            yield name, "it is missing"


@_rule("IN-02", "The requester confirms that this is a secondary use.", "HICP 7.3, intake")
def _secondary(form: Form, _: Surroundings) -> Found:
    if form.secondary_use is not True:
        yield "secondary_use", "it must be confirmed with true"


@_rule("IN-03", "Each element is justified: minimum necessary.", "HICP 7.3; 45 CFR 164.502(b)")
def _justified(form: Form, _: Surroundings) -> Found:
    for number, element in enumerate(form.data_elements, 1):
        if len(element.justification) < _SHORTEST:
            yield f"data_elements.{number}", "say why the purpose needs this element"
    names = [element.name for element in form.data_elements]
    if len(set(names)) != len(names):
        yield "data_elements", "an element is named twice"


@_rule("IN-04", "The elements are exactly the columns of the table.", "HICP 7.3, minimum necessary")
def _columns(form: Form, around: Surroundings) -> Found:
    named = {element.name for element in form.data_elements}
    for column in around.columns:
        if column not in named:
            yield "data_elements", f"the column {column} is not asked for"
    if named - set(around.columns):
        yield "data_elements", f"{len(named - set(around.columns))} named that the table lacks"


@_rule("IN-05", "The destination is on the register's list and fits the recipients.",
       "HICP 7.3, egress")  # fmt: skip
def _destination(form: Form, around: Surroundings) -> Found:
    known = around.register.destinations.get(form.destination)
    if known is None:
        if form.destination:
            yield "destination", "it is not an approved destination of the register"
        return
    if (known.exposure is Exposure.PUBLIC) != form.public:
        yield "destination", f"its exposure is {known.exposure.value}, the recipients' is not"
    if known.exposure is Exposure.THIRD_PARTY and known.third_party != form.third_party:
        yield "destination", "it belongs to another third party than the form names"


@_rule("IN-06", "Retention and the way of disposal are stated.", "HICP 7.3, intake")
def _retention(form: Form, around: Surroundings) -> Found:
    until = form.retention_until
    if until is None:
        yield "retention_until", "it is missing"
    elif until == "permanent":
        if not form.public or form.to_third_party:
            yield "retention_until", "only public tables are kept for good"
    elif not isinstance(until, str) and until <= around.at.date():
        yield "retention_until", "it lies in the past"
    if until != "permanent" and len(form.disposal) < _SHORTEST:
        yield "disposal", "say how the data are destroyed or returned"


@_rule("IN-07", "A third party is in the inventory, marked and reviewed.",
       "HICP 7.3, third parties")  # fmt: skip
def _third_party(form: Form, around: Surroundings) -> Found:
    if not form.to_third_party:
        return
    party = around.register.third_parties.get(form.third_party)
    if party is None:
        yield "third_party", "name the entry of the register that holds its contract and terms"
        return
    if form.method is not None and form.method not in party.methods:
        yield "third_party", "its contract does not cover this method"
    if form.purpose is not None and form.purpose not in party.purposes:
        yield "third_party", "its contract does not permit this purpose"


@_rule("IN-08", "Its contract is in force and settles every term.",
       "HICP 7.3, third parties; AB 713")  # fmt: skip
def _terms(form: Form, around: Surroundings) -> Found:
    party = around.register.third_parties.get(form.third_party)
    for obstacle in party.obstacles(around.at) if party else ():
        yield "third_party", obstacle


@_rule("IN-09", "Research names its CPHS or IRB approval.", "California Civil Code 1798.24(t)")
def _research(form: Form, _: Surroundings) -> Found:
    if not (form.is_research or form.purpose is Purpose.RESEARCH):
        return
    if form.is_research is False:
        yield "is_research", "the purpose is research"
    approved = form.research
    if approved is None or not (approved.cphs_approval or approved.irb_approval):
        yield "research", "name the approval by the committee for human subjects"


@_rule("IN-10", "A transfer of funds names its contract.", "Business Use Case Proposal (2018)")
def _funds(form: Form, _: Surroundings) -> Found:
    if form.funds_transfer and not form.funds_contract:
        yield "funds_contract", "name the interagency agreement that runs in parallel"


@_rule("IN-13", "An active data flow of the register covers the table.", "HICP 7.3, gate 1")
def _flow(form: Form, around: Surroundings) -> Found:
    flows = [one for one in around.register.data_flows.values() if form.dataset in one.datasets]
    fitting = [one for one in flows if one.destination == form.destination]
    if form.dataset and not fitting:
        yield "dataset", "no data flow of the register takes it to this destination"
    elif fitting and all(one.obstacles(around.at) for one in fitting):
        yield "dataset", fitting[0].obstacles(around.at)[0]


_REQUIRED = (
    *("use_case_name", "provider", "receiver", "submitter_contact", "receiver_contact"),
    *("description_purpose", "data_types", "output_use", "data_users", "transfer_management"),
    *("destruction_return", "critical_dates", "redisclosure", "specialized_security"),
)
DISPUTE_FIELDS = ("known_risks", "legal_authority", "alternatives", "positions")
"""Fields D of a proposal: needed once it is disputed."""


@_rule("IN-11", "A proposal has every field R.", "Business Use Case Proposal (2018), fields R")
def _exchange(form: Form, _: Surroundings) -> Found:
    if any(one.kind == "department" for one in form.recipients) and form.exchange is None:
        yield "exchange", "another department receives the data, so this part is mandatory"
    if form.exchange is None:
        return
    for name in _REQUIRED:
        if not getattr(form.exchange, name):
            yield f"exchange.{name}", "it is missing"
    if form.exchange.provider and form.exchange.provider == form.exchange.receiver:
        yield "exchange.receiver", "a department's own data need no exchange"


@_rule("IN-12", "Nobody receives data in order to de-identify them.", "HICP 7.3, third parties")
def _raw(form: Form, _: Surroundings) -> Found:
    if form.recipient_deidentifies:
        yield "recipient_deidentifies", "data are de-identified before they leave"
    for number, element in enumerate(form.data_elements, 1):
        if element.kind is ElementKind.DIRECT_IDENTIFIER:
            yield f"data_elements.{number}", "a direct identifier is never released"


@_rule("MD-01", "The method is named and justified at intake.", "HICP 7.3, method standard")
def _method(form: Form, around: Surroundings) -> Found:
    standard = around.register.standard_in_force(around.at)
    if form.method is None:
        yield "method", "it is missing; it is never left open"
    elif form.method not in standard.permitted_methods:
        yield "method", "the method standard in force does not permit it"
    if len(form.method_justification) < _SHORTEST:
        yield "method_justification", "say why this method fits the use"
    for name in ("method_justification", "description"):
        if standard.forbidden_in(getattr(form, name)):
            yield name, "the method standard forbids this wording: say what is done"


@_rule("MD-07", "The standard allows this method for this use at this destination.",
       "HICP 7.3, method standard")  # fmt: skip
def _allowed(form: Form, around: Surroundings) -> Found:
    place = around.register.destinations.get(form.destination)
    if place is None or form.purpose is None or form.method is None:
        return
    standard = around.register.standard_in_force(around.at)
    if standard.allowance(form.purpose, place.kind, place.exposure, form.method) is None:
        yield "method", "no row of the standard's matrix allows it"


def _kinds(form: Form) -> set[ElementKind]:
    return {element.kind for element in form.data_elements}


@_rule("MD-02", "Safe Harbor only where every element passes it.", "45 CFR 164.514(b)(2)(i)")
def _safe_harbor(form: Form, _: Surroundings) -> Found:
    if form.method is Method.SAFE_HARBOR:
        for kind in sorted(_kinds(form) & NOT_SAFE_HARBOR):
            yield "method", f"{kind.value} takes an Expert Determination"


@_rule("MD-03", "The method is the one that the decision rule leads to.",
       "HICP 7.3, decision rule")  # fmt: skip
def _decided(form: Form, around: Surroundings) -> Found:
    if form.method in (None, Method.LIMITED_DATA_SET) or form.record_level is None:
        return
    rule = around.register.standard_in_force(around.at).decision_rule
    expected = rule.method_for(form.needs, is_public_aggregate=not form.record_level)
    if form.method is not expected:
        yield "method", f"the decision rule leads to {expected.value}"


@_rule("MD-04", "Public and aggregated tables go through the DDG.", "DDG 2.0, section 3")
def _ddg(form: Form, _: Surroundings) -> Found:
    if form.record_level is False and form.method in (
        Method.SAFE_HARBOR,
        Method.EXPERT_DETERMINATION,
    ):
        yield "method", "an aggregate of the limited zone is assessed under the DDG"
    if form.method is Method.DDG_AGGREGATE and form.record_level:
        yield "method", "the DDG path is for aggregates, not for records"


@_rule("MD-05", "A limited data set stays PHI: never public, only under an agreement.",
       "45 CFR 164.514(e)")  # fmt: skip
def _limited(form: Form, _: Surroundings) -> Found:
    if form.method is not Method.LIMITED_DATA_SET:
        return
    if form.public:
        yield "method", "a limited data set is never published"
    if form.purpose not in (Purpose.RESEARCH, Purpose.QUALITY, Purpose.EXCHANGE):
        yield "purpose", "a limited data set serves research, public health or operations only"
    if not form.third_party and form.exchange is None:
        yield "third_party", "a limited data set takes a data use agreement"


@_rule("MD-06", "Free text takes the expert path.", "HICP 7.3; reading SH-08")
def _free_text(form: Form, _: Surroundings) -> Found:
    has = ElementKind.FREE_TEXT in _kinds(form)
    if has and not form.free_text_included:
        yield "free_text_included", "an element is free text, which is excluded by default"
    if form.free_text_included and form.method is not Method.EXPERT_DETERMINATION:
        yield "method", "free text takes an Expert Determination"


@_rule("GV-03", "Open data of level 1, or of level 2 by the agency.", "Open Data Handbook 1.2")
def _level(form: Form, _: Surroundings) -> Found:
    if form.publication_intent != "open_data":
        return
    if form.open_data is None:
        yield "open_data", "answer the questions that give the table its level"
    elif form.open_data.level is None:
        yield "open_data.permission_of_owners", "obtain the permission of the data's owners first"
    elif form.open_data.level == 3 and not form.record_level:
        yield "open_data", "level 3 is never published"


@_rule("GV-09", "Records reach a portal only by expert and agency.", "Open Data Handbook 1.2")
def _records(form: Form, _: Surroundings) -> Found:
    if form.record_level and form.public and form.method is not Method.EXPERT_DETERMINATION:
        yield "method", "records for the public take an Expert Determination and the agency"


def problems(document: Any, around: Surroundings, where: str = "request form") -> list[Problem]:
    """Everything wrong with a form, at once.

    Raises:
        FormError: the document is not a form at all.
    """
    form, wrong = read_form(where, document)
    found = [Problem(rule="IN-00", field=field, what=what) for field, what in wrong.items()]
    for rule in RULES.values():
        for field, what in rule.check(form, around):
            if field.split(".")[0] not in wrong:
                found.append(Problem(rule=rule.id, field=field, what=what))
    return found


def check_form(document: Any, around: Surroundings, where: str = "request form") -> Form:
    """The form, if it meets every rule.

    Raises:
        FormError: naming every problem with its rule.
    """
    found = problems(document, around, where)
    if found:
        raise FormError(
            where, "; ".join(map(str, found)), "complete the form; docs/reference/intake.md has it"
        )
    return read_form(where, document)[0]


def missing_for_dispute(form: Form) -> tuple[str, ...]:
    """Fields D that a disputed proposal lacks."""
    if form.exchange is None:
        return ("exchange",)
    return tuple(name for name in DISPUTE_FIELDS if not getattr(form.exchange, name))


def rules_table() -> str:
    """The rules of intake as a Markdown table, for the documentation."""
    rows = ["| rule | says | source |", "|---|---|---|", "| IN-00 | A field reads as declared. | |"]
    rows += [f"| {one.id} | {one.text} | {one.source} |" for _, one in sorted(RULES.items())]
    return "\n".join(rows)
