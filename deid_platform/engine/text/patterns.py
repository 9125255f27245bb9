"""All written forms in one pass: a set automaton says which occur, and only those are looked for.

RE2 throughout: time is linear in the text, whatever it holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from deid_platform.core.text.spans import Span
from deid_platform.engine.text.recognizer import Recognizer
from deid_platform.engine.text.recognizers import recognizers


@dataclass(frozen=True, kw_only=True)
class _Form:
    name: str
    recognizer: Recognizer
    regex: Any
    group: int


class PatternPass:
    """Finds what the given recognizers describe."""

    def __init__(self, found: dict[str, Recognizer]) -> None:
        import re2  # type: ignore[import-untyped]

        options = re2.Options()
        options.case_sensitive = False
        options.log_errors = False
        options.max_mem = 256 << 20
        self._set = re2.Set.SearchSet(options)
        self._forms: list[_Form] = []
        for name, recognizer in found.items():
            for form in recognizer.forms:
                regex = re2.compile(form, options)
                self._set.Add(form)
                self._forms.append(
                    _Form(
                        name=name,
                        recognizer=recognizer,
                        regex=regex,
                        group=regex.groupindex.get("x", 0),
                    )
                )
        # Matches any text but an empty one. Where it does not, the automaton ran out of its memory
        # and knows nothing: then every form is looked for.
        self._always = self._set.Add("(?s:.)")
        self._set.Compile()

    @classmethod
    @cache
    def shipped(cls) -> PatternPass:
        """With every recognizer of the package."""
        return cls(recognizers())

    def find(self, text: str) -> list[Span]:
        """Spans in no order; they may overlap."""
        spans: list[Span] = []
        occur = self._set.Match(text) or []
        if text and self._always not in occur:
            occur = range(self._always + 1)
        for number in occur:
            if number == self._always:
                continue
            form = self._forms[number]
            for match in form.regex.finditer(text):
                start, end = match.span(form.group)
                if start < end and form.recognizer.check(text[start:end]):
                    spans.append(
                        Span(
                            start=start,
                            end=end,
                            entity=form.recognizer.entity,
                            score=form.recognizer.score,
                            source=form.name,
                        )
                    )
        return spans
