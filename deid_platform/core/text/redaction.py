"""A text without its identifiers, and where each character went."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from deid_platform.core.text.spans import EntityClass, Span, resolved


@dataclass(frozen=True, kw_only=True)
class Replaced:
    """One replacement: where it stood in the text, and where its substitute stands now."""

    span: Span
    new_start: int
    new_end: int


@dataclass(frozen=True, kw_only=True)
class Redacted:
    """A redacted text. Outside of ``replaced`` every character is the one that was there."""

    text: str
    replaced: tuple[Replaced, ...]

    def counts(self) -> Mapping[EntityClass, int]:
        """How many spans of each class were replaced."""
        return Counter(one.span.entity for one in self.replaced)


def tag(span: Span, content: str) -> str:
    """The class in angle brackets, and as many line breaks as the content had."""
    return f"<{span.entity.upper()}>" + "\n" * content.count("\n")


def redact(
    text: str, spans: Sequence[Span], substitute: Callable[[Span, str], str] = tag
) -> Redacted:
    """Replace every span.

    Args:
        text: any text.
        spans: in any order, overlapping or not.
        substitute: what to write for a span, given its content.

    Raises:
        ValueError: if a span reaches outside the text.
    """
    pieces: list[str] = []
    replaced: list[Replaced] = []
    at = length = 0
    for span in resolved(spans):
        if span.start < 0 or span.end > len(text):
            raise ValueError(f"a span ends at {span.end} in a text of {len(text)} characters")
        before, new = text[at : span.start], substitute(span, text[span.start : span.end])
        start = length + len(before)
        length = start + len(new)
        replaced.append(Replaced(span=span, new_start=start, new_end=length))
        pieces += [before, new]
        at = span.end
    pieces.append(text[at:])
    return Redacted(text="".join(pieces), replaced=tuple(replaced))
