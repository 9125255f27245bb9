"""What a recognizer by written form is: expressions in RE2's syntax, and its own examples."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from deid_platform.core.text.spans import EntityClass


def always(_: str) -> bool:
    """The check of a form that needs none."""
    return True


@dataclass(frozen=True, kw_only=True)
class Recognizer:
    """One kind of identifier by its written forms.

    Every expression is RE2's: no look-around, no back-reference, linear time whatever the text.
    What is found is the group named ``x``, or the whole match without one; what surrounds it in the
    expression is context.

    Args:
        entity: what a match is evidence of.
        forms: the expressions, matched without regard to case unless they say ``(?-i:...)``.
        check: whether a matched text is one after all, such as a check digit.
        finds: texts, each with the parts that must be found in it: the table test.
        leaves: texts in which nothing may be found.
    """

    entity: EntityClass
    forms: Sequence[str]
    check: Callable[[str], bool] = always
    score: float = 0.9
    finds: Mapping[str, Sequence[str]]
    leaves: Sequence[str] = ()
