"""An Expert Determination: its mandatory contents, and what each lacks.

Source: 45 CFR 164.514(b)(1); CalHHS DDG 2.0, section 6, contents of a determination for covered
entities; safe-harbor reading of validity (time-limited, with triggers for review).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from deid_platform.core.errors import DeclarationError

VERY_SMALL_RISK = (
    "the risk is very small that the information could be used, alone or in combination with "
    "other reasonably available information, by an anticipated recipient to identify an "
    "individual who is a subject of the information"
)
"""The regulation's words, 45 CFR 164.514(b)(1)(i), which a determination repeats."""
_SHORTEST = 20
_SHA256 = 64


class DeterminationError(DeclarationError):
    """An Expert Determination lacks a mandatory content."""


class ExpertDetermination(BaseModel):
    """What an expert attests; the sixth content, the signature, is that of the decision.

    ``documentation`` is the SHA-256 of the document with methods and results, ``document`` says
    where it is kept. ``prt_approval`` is the reference of the expert's own approval.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    risk_statement: str = ""
    attests_both_conditions: bool = False
    document: str = ""
    documentation: str = ""
    explanation: str = ""
    methods_outside_guidelines: bool | None = None
    outside_basis: str = ""
    outside_prt_approval: str = ""
    anticipated_recipients: str = ""
    available_information: str = ""
    prt_approval: str = ""
    valid_until: date | None = None
    review_triggers: tuple[str, ...] = ()

    @field_validator("*", mode="before")
    @classmethod
    def _one_line(cls, value: Any) -> Any:
        return " ".join(value.split()) if isinstance(value, str) else value

    def missing(self, today: date) -> tuple[str, ...]:
        """The mandatory contents that are not there, each with its number."""
        return tuple(self._missing(today))

    def _missing(self, today: date) -> Iterator[str]:
        if VERY_SMALL_RISK not in self.risk_statement.lower():
            yield "1 the very-small-risk statement in the words of 45 CFR 164.514(b)(1)(i)"
        if not self.attests_both_conditions:
            yield "2 the attestation that 164.514(b)(1)(i) and (ii) are met"
        if not self.document or len(self.documentation) != _SHA256:
            yield "3 the documentation of methods and results, by its SHA-256"
        if len(self.explanation) < _SHORTEST:
            yield "4 the principles, methods and analyses that justify it"
        if not self.prt_approval:
            yield "5 the approval of the expert by the Peer Review Team, beside the signature"
        if self.methods_outside_guidelines is None:
            yield "6 whether methods outside the guidelines were used"
        elif self.methods_outside_guidelines and not (
            self.outside_basis and self.outside_prt_approval
        ):
            yield "6 the basis of methods outside the guidelines, and their approval"
        for name in ("anticipated_recipients", "available_information"):
            if not getattr(self, name):
                yield name.replace("_", " ")
        if self.valid_until is None:
            yield "valid_until: a determination is limited in time"
        elif self.valid_until <= today:
            yield "valid_until in the future"


def read_determination(document: Any, today: date) -> ExpertDetermination:
    """The determination of a document.

    Raises:
        DeterminationError: naming every content that is missing.
    """
    where = "expert determination"
    try:
        found = ExpertDetermination.model_validate(document)
    except ValidationError as error:
        told = error.errors(include_input=False, include_url=False, include_context=False)
        wrong = "; ".join(".".join(map(str, one["loc"])) + ": " + one["msg"] for one in told)
        raise DeterminationError(where, wrong, "correct these fields") from None
    missing = found.missing(today)
    if missing:
        raise DeterminationError(where, "missing: " + "; ".join(missing), "add them")
    return found
