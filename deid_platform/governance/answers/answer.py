"""What an answer is: lines with their evidence, and what keeps it from being complete."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from deid_platform.core.errors import EvidenceError

_TOLD = 5


@dataclass(frozen=True, kw_only=True)
class Line:
    """One thing that is said of one subject; ``evidence`` says where it can be looked up."""

    subject: str
    says: str
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A question, what is said to it, and what is missing or wrong."""

    question: str
    lines: tuple[Line, ...]
    problems: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """Plain values for ``--json``."""
        return {
            "question": self.question,
            "answered": not self.problems,
            "lines": [asdict(line) for line in self.lines],
            "problems": list(self.problems),
        }

    def check(self, what: str) -> None:
        """Let only a complete answer pass.

        Args:
            what: the subject of the question.

        Raises:
            EvidenceError: naming everything that is missing or wrong.
        """
        if self.problems:
            told = list(self.problems[:_TOLD])
            if len(self.problems) > _TOLD:
                told.append(f"and {len(self.problems) - _TOLD} more")
            raise EvidenceError(
                what, "; ".join(told), "the answer is not complete until this is mended"
            )


def entries(numbers: Iterable[int]) -> tuple[str, ...]:
    """References to entries of the ledger."""
    return tuple(f"ledger entry {number}" for number in sorted(set(numbers)))
