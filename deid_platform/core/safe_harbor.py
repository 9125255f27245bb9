"""Safe Harbor and limited data set rules, held against each column of a contract at load.

An allow-list: a column that holds an identifier passes only by a transform registered as meeting
that identifier's requirement. Source: 45 CFR 164.514(b)(2) and (e).
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from deid_platform.core.attributes import (
    LIMITED_MAY_KEEP,
    AttributeClass,
    IdentifierClass,
    identifier_by_name,
    name_words,
    says_birth,
    says_street,
)
from deid_platform.core.columns import Column
from deid_platform.core.digests import canonical_digest
from deid_platform.core.transforms import ColumnType, Rules, Transform
from deid_platform.core.transforms.base import TEMPORAL
from deid_platform.core.zones import Zone

Zip3 = Annotated[str, StringConstraints(pattern=r"^[0-9]{3}$")]
_OLDEST = 89
_PARTS_OF_A_DATE = frozenset({"month", "week", "day", "weekday", "quarter", "hour", "minute"})
_EXPERT = "transform it, or use a policy backed by an Expert Determination"


class Zip3Profile(BaseModel):
    """One list of three-digit ZIP areas: those withheld, or the only ones allowed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    vintage: str
    basis: str
    restricted: tuple[Zip3, ...] | None = None
    allowed: tuple[Zip3, ...] | None = None

    @model_validator(mode="after")
    def _one_list(self) -> Self:
        if (self.restricted is None) == (self.allowed is None):
            raise ValueError("give either restricted or allowed")
        return self

    @property
    def digest(self) -> str:
        """SHA-256 of the list, for the attestation."""
        return canonical_digest([sorted(self.restricted or ()), sorted(self.allowed or ())])


class SafeHarborPolicy(BaseModel):
    """What Safe Harbor leaves to choose: the ZIP list with its vintage, and a lower age limit."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
    version: int = Field(ge=1)
    method: Literal["safe_harbor"]
    description: str = ""
    oldest_age: int = Field(default=_OLDEST, ge=17, le=_OLDEST)
    zip3_profile: str
    zip3_profiles: dict[str, Zip3Profile]

    @model_validator(mode="after")
    def _known_profile(self) -> Self:
        if self.zip3_profile not in self.zip3_profiles:
            raise ValueError("zip3_profile names none of zip3_profiles")
        return self

    @property
    def zip3(self) -> Zip3Profile:
        """The profile in force."""
        return self.zip3_profiles[self.zip3_profile]

    @property
    def digest(self) -> str:
        """SHA-256 of the whole policy."""
        return canonical_digest(self.model_dump(mode="json"))

    def rules(self, reference_year: int | None) -> Rules:
        """What transforms need to know of this policy and of the data's latest event year."""
        allowed = self.zip3.allowed
        return Rules(
            oldest_age=self.oldest_age,
            zip3_restricted=frozenset(self.zip3.restricted or ()),
            zip3_allowed=None if allowed is None else frozenset(allowed),
            reference_year=reference_year,
        )


def column_problem(name: str, column: Column) -> tuple[str, str] | None:
    """What is wrong with a column and what to do about it, or None."""
    return (
        _declaration_problem(name, column)
        or _limited_problem(name, column)
        or _safe_harbor_problem(name, column)
    )


def _declaration_problem(name: str, column: Column) -> tuple[str, str] | None:
    if column.identifier is not None or column.not_identifier is not None:
        return None
    if column.attribute_class is AttributeClass.DIRECT_IDENTIFIER:
        return "a direct identifier names no identifier class", "add identifier: <class>"
    if column.attribute_class is AttributeClass.FREE_TEXT:
        return None
    said = IdentifierClass.DATES if column.type in TEMPORAL else identifier_by_name(name)
    if said is None:
        return None
    by = "type" if column.type in TEMPORAL else "name"
    return (
        f"its {by} says it may be the identifier {said.value} ({said.citation}), "
        "and it declares none",
        f"add identifier: {said.value}, or say in not_identifier why it is not one",
    )


def _limited_problem(name: str, column: Column) -> tuple[str, str] | None:
    treatment, identifier = column.treatment(Zone.LIMITED), column.identifier
    if not treatment.has_output:
        return None
    if column.attribute_class is AttributeClass.FREE_TEXT:
        return "free text may not enter the limited zone", "limited: drop"
    if identifier is None:
        return None
    if identifier is IdentifierClass.GEOGRAPHY and says_street(name):
        return (
            "a limited data set holds no street address or coordinates (45 CFR 164.514(e)(2)(ii))",
            "limited: drop",
        )
    direct = column.attribute_class is AttributeClass.DIRECT_IDENTIFIER
    if (direct or identifier not in LIMITED_MAY_KEEP) and identifier not in treatment.satisfies:
        return (
            f"{treatment.name} leaves the identifier {identifier.value} in a limited data set "
            "(45 CFR 164.514(e)(2))",
            f"limited: {_allowed_for(identifier)}",
        )
    return None


def _safe_harbor_problem(name: str, column: Column) -> tuple[str, str] | None:
    treatment, identifier = column.treatment(Zone.DEIDENTIFIED), column.identifier
    if not treatment.has_output:
        return None
    if column.attribute_class is AttributeClass.FREE_TEXT:
        return "Safe Harbor records hold no free text", "deidentified: drop"
    if identifier is None:
        return _unbounded_text_problem(column, treatment)
    if identifier not in treatment.satisfies:
        return _REFUSALS.get(
            identifier,
            f"{treatment.name} does not remove the identifier {identifier.value} "
            f"({identifier.citation})",
        ), f"{_EXPERT}; permitted: {_allowed_for(identifier)}"
    return _misuse(name, treatment)


def _unbounded_text_problem(column: Column, treatment: Transform) -> tuple[str, str] | None:
    """Text that is kept as it stands, where a person could have typed a name."""
    if (
        column.type is not ColumnType.VARCHAR
        or treatment.name != "keep"
        or column.values is not None
    ):
        return None
    if column.attribute_class is AttributeClass.MEASURE:
        return "a measure that is text may hold anything", "use numeric_only or keep_values"
    if column.open_vocabulary is None:
        return (
            "text that is kept may hold anything, a name among it",
            "use keep_values or keep_codes, list its values, or say in open_vocabulary who sets "
            "them and why none can be a name",
        )
    return None


def _misuse(name: str, treatment: Transform) -> tuple[str, str] | None:
    """A transform that meets its class in general but not on such a column."""
    words = set(name_words(name))
    said = identifier_by_name(name)
    if said in _NEVER_A_CODE and said not in treatment.satisfies:
        return (
            f"its name says it is the identifier {said.value} ({said.citation}), for which "
            f"{treatment.name} would leave a stand-in",
            f"identifier: {said.value}; permitted: {_allowed_for(said)}",
        )
    if treatment.name == "date_to_year" and says_birth(name):
        return (
            "a year of birth may reveal an age over 89 (45 CFR 164.514(b)(2)(i)(C))",
            "use birth_year, or drop it",
        )
    if treatment.name == "cap_age":
        if words & _PARTS_OF_A_DATE:
            return "cap_age is for ages in years, and this is part of a date", "drop it"
        if getattr(treatment, "oldest", _OLDEST) > _OLDEST:
            return "ages over 89 must be capped (45 CFR 164.514(b)(2)(i)(C))", "oldest: 89 or less"
    if treatment.name == "zip3" and not any("zip" in word or "post" in word for word in words):
        return "zip3 is for ZIP codes, and its name does not say it is one", "drop it"
    return None


_NEVER_A_CODE = (IdentifierClass.GEOGRAPHY, IdentifierClass.DATES, IdentifierClass.NAME)
"""Classes of which a code still says something: a county's is known by how many live in it."""
_REFUSALS: dict[IdentifierClass, str] = {
    IdentifierClass.GEOGRAPHY: "Safe Harbor permits no geography below a state except "
    "three-digit ZIP areas (45 CFR 164.514(b)(2)(i)(B))",
    IdentifierClass.DATES: "Safe Harbor permits no date element but the year, and no age over 89 "
    "(45 CFR 164.514(b)(2)(i)(C))",
}
_PERMITTED: dict[IdentifierClass, str] = {
    IdentifierClass.GEOGRAPHY: "zip3 for ZIP codes, else drop",
    IdentifierClass.DATES: "date_to_year, birth_year, cap_age or drop",
}


def _allowed_for(identifier: IdentifierClass) -> str:
    if identifier in _PERMITTED:
        return _PERMITTED[identifier]
    surrogate = identifier in {
        IdentifierClass.MEDICAL_RECORD_NUMBER,
        IdentifierClass.HEALTH_PLAN_NUMBER,
        IdentifierClass.ACCOUNT_NUMBER,
        IdentifierClass.OTHER_UNIQUE,
    }
    return "surrogate or drop" if surrogate else "drop"
