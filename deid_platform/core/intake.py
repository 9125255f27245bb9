"""The request form: every field of intake, and the rules a form must meet before review.

A form is read leniently and judged whole, so that its author learns of all problems at once, each
with the id of its rule. No text of the form is quoted in a problem.

Source: HICP Practice 7.3, intake; CalHHS Business Use Case Proposal (2018), fields R and D; CalHHS
Open Data Handbook 1.2, decision tree of levels.
"""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from deid_platform.core.digests import canonical_digest
from deid_platform.core.errors import DeclarationError
from deid_platform.core.register import Method, Need, Purpose
from deid_platform.core.steps import Profile

_LONGEST = 900


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    @field_validator("*", mode="before")
    @classmethod
    def _one_line(cls, value: Any) -> Any:
        """Text as one line: YAML folds it, and the ledger holds no line breaks."""
        if not isinstance(value, str):
            return value
        line = " ".join(value.split())
        if len(line) > _LONGEST or not line.isprintable():
            raise ValueError("longer than 900 characters, or not printable")
        return line


class ElementKind(StrEnum):
    """What one requested column says, as the decision rule on methods sees it."""

    MEASURE = "measure"
    YEAR = "year"
    DATE = "date"
    AGE = "age"
    AGE_OVER_89 = "age_over_89"
    STATE = "state"
    ZIP3 = "zip3"
    SUB_STATE_GEOGRAPHY = "sub_state_geography"
    SURROGATE = "surrogate"
    UNIQUE_CODE = "unique_code"
    CHARACTERISTIC = "characteristic"
    RARE_CONDITION = "rare_condition"
    SENSITIVE = "sensitive"
    FREE_TEXT = "free_text"
    DIRECT_IDENTIFIER = "direct_identifier"


NEEDS = {
    ElementKind.DATE: Need.DATES,
    ElementKind.AGE_OVER_89: Need.DATES,
    ElementKind.SUB_STATE_GEOGRAPHY: Need.FINER_GEOGRAPHY,
    ElementKind.RARE_CONDITION: Need.RARE_CONDITIONS,
    ElementKind.FREE_TEXT: Need.FREE_TEXT,
    ElementKind.UNIQUE_CODE: Need.OTHER_UTILITY,
}
"""What an element makes a request need, as the method standard's decision rule names it."""
NOT_SAFE_HARBOR = frozenset(
    {
        ElementKind.DATE,
        ElementKind.AGE_OVER_89,
        ElementKind.SUB_STATE_GEOGRAPHY,
        ElementKind.UNIQUE_CODE,
        ElementKind.FREE_TEXT,
    }
)
"""What Safe Harbor does not let through: it forces an Expert Determination at record level."""


class Element(_Part):
    """One requested column, and why the purpose cannot do without it."""

    name: str
    kind: ElementKind
    justification: str = ""


class Recipient(_Part):
    """Who receives the data: a role or an organisation rather than a name."""

    name: str
    kind: Literal["internal", "department", "third_party", "public"]


class Research(_Part):
    """Research takes the approval of the Committee for the Protection of Human Subjects."""

    cphs_approval: str = ""
    irb_approval: str = ""


class Exchange(_Part):
    """The Business Use Case Proposal of an exchange between two departments.

    The last four fields are needed only if the proposal is disputed.
    """

    use_case_name: str = ""
    provider: str = ""
    receiver: str = ""
    submitter_contact: str = ""
    receiver_contact: str = ""
    description_purpose: str = ""
    data_types: str = ""
    output_use: str = ""
    data_users: str = ""
    transfer_management: str = ""
    destruction_return: str = ""
    critical_dates: str = ""
    redisclosure: Literal["permitted", "not_permitted"] | None = None
    specialized_security: str = ""
    known_risks: str = ""
    legal_authority: str = ""
    alternatives: str = ""
    positions: str = ""


class OpenData(_Part):
    """The answers that give a table its open-data level."""

    individual: bool
    prohibited: bool
    sole_source_without_sensitivities: bool
    mandate: bool = False
    permission_of_owners: bool = False
    already_public: bool = False

    @property
    def level(self) -> int | None:
        """1, 2 or 3; None while the permission of the data's owners is to be obtained."""
        if self.individual or self.prohibited:
            return 3
        if not self.sole_source_without_sensitivities:
            return 2 if self.permission_of_owners else None
        return 1 if self.mandate or self.already_public else 2


class Form(_Part):
    """What a requester states. Absent fields are problems of the form, not of its reading.

    ``destination`` and ``third_party`` name entries of the register, which holds the contract and
    its terms; ``utility_need`` says what the use needs that Safe Harbor would take away.
    """

    dataset: str = ""
    unit: str = ""
    purpose: Purpose | None = None
    secondary_use: bool | None = None
    description: str = ""
    sources: tuple[str, ...] = ()
    period: str = ""
    population: str = ""
    data_elements: tuple[Element, ...] = ()
    recipients: tuple[Recipient, ...] = ()
    destination: str = ""
    retention_until: date | Literal["permanent"] | None = None
    disposal: str = ""
    frequency: Literal["one_off", "weekly", "monthly", "quarterly", "yearly"] | None = None
    record_level: bool | None = None
    free_text_included: bool = False
    recipient_deidentifies: bool = False
    method: Method | None = None
    method_justification: str = ""
    utility_need: str = ""
    publication_intent: (
        Literal["none", "open_data", "pra", "media", "legislature", "report"] | None
    ) = None
    open_data: OpenData | None = None
    third_party: str = ""
    is_research: bool | None = None
    research: Research | None = None
    funds_transfer: bool | None = None
    funds_contract: str = ""
    exchange: Exchange | None = None
    legal_authority: str = ""
    restrictions: str = ""

    @property
    def needs(self) -> frozenset[Need]:
        """What the request needs that decides its method."""
        found = {NEEDS[one.kind] for one in self.data_elements if one.kind in NEEDS}
        if self.free_text_included:
            found.add(Need.FREE_TEXT)
        if self.utility_need:
            found.add(Need.OTHER_UTILITY)
        return frozenset(found)

    @property
    def public(self) -> bool:
        """Whether anybody may see what is released."""
        return self.publication_intent not in (None, "none") or any(
            one.kind == "public" for one in self.recipients
        )

    @property
    def to_third_party(self) -> bool:
        """Whether somebody outside the departments receives it under a contract."""
        return bool(self.third_party) or any(one.kind == "third_party" for one in self.recipients)

    @property
    def digest(self) -> str:
        """SHA-256 of the form's canonical JSON."""
        return canonical_digest(self.document())

    def document(self) -> dict[str, Any]:
        """The form as plain values, without what was left empty."""
        told: dict[str, Any] = self.model_dump(mode="json", exclude_defaults=True)
        return told

    def profile(self, *, department_wants_legal: bool = False) -> Profile:
        """What of the form decides on gates and signers."""
        return Profile(
            method=self.method or Method.EXPERT_DETERMINATION,
            public=self.public,
            third_party=self.to_third_party,
            free_text=self.free_text_included,
            record_level=bool(self.record_level),
            exchange=self.exchange is not None,
            open_data_level=(
                (self.open_data.level if self.open_data else None)
                if self.publication_intent == "open_data"
                else None
            ),
            department_wants_legal=department_wants_legal,
        )


class FormError(DeclarationError):
    """A request form does not meet the rules of intake."""


def read_form(where: str, document: Any) -> tuple[Form, dict[str, str]]:
    """Read what can be read; the fields that could not be, each with what is wrong.

    Raises:
        FormError: the document is not a form at all.
    """
    if not isinstance(document, dict):
        raise FormError(where, "a request form is a mapping of fields", "see `deid request draft`")
    left = dict(document)
    wrong: dict[str, str] = {}
    while True:
        try:
            return Form.model_validate(left), wrong
        except ValidationError as error:
            # The texts of pydantic's errors hold no value of the form, but its inputs do.
            for one in error.errors(include_input=False, include_url=False, include_context=False):
                field = str(one["loc"][0])
                wrong.setdefault(field, ".".join(map(str, one["loc"])) + ": " + one["msg"])
                left.pop(field, None)


def form_from(document: dict[str, Any]) -> Form:
    """The form that the ledger holds.

    Raises:
        FormError: it does not read as one.
    """
    form, wrong = read_form("request form", document)
    if wrong:
        raise FormError("request form", "; ".join(wrong.values()), "verify the ledger")
    return form
