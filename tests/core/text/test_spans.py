"""Overlapping findings, and texts without them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from deid_platform.core.attributes import IdentifierClass
from deid_platform.core.text.redaction import redact, tag
from deid_platform.core.text.spans import EntityClass, Span, resolved


def span(start: int, end: int, entity: EntityClass = EntityClass.PERSON) -> Span:
    return Span(start=start, end=end, entity=entity)


@st.composite
def texts_with_spans(draw: st.DrawFn) -> tuple[str, list[Span]]:
    text = draw(st.text(max_size=60))
    places = st.integers(0, len(text))
    spans = draw(st.lists(st.tuples(places, places, st.sampled_from(EntityClass)), max_size=8))
    return text, [span(min(a, b), max(a, b), entity) for a, b, entity in spans]


def test_every_class_is_evidence_of_an_identifier_of_the_rule():
    assert {entity.identifier for entity in EntityClass} == set(IdentifierClass) - {
        IdentifierClass.BIOMETRIC,
        IdentifierClass.PHOTOGRAPH,
    }


def test_the_longest_of_overlapping_findings_gives_the_class_and_all_give_characters():
    address, name = span(4, 20, EntityClass.ADDRESS), span(16, 24)
    assert resolved([name, address]) == [span(4, 24, EntityClass.ADDRESS)]


def test_findings_of_equal_length_are_decided_by_priority():
    both = [span(0, 9, EntityClass.OTHER_ID), span(0, 9, EntityClass.SSN)]
    assert resolved(both) == [span(0, 9, EntityClass.SSN)]


def test_neighbours_stay_apart():
    assert len(resolved([span(0, 3), span(3, 6), span(7, 9)])) == 3


@given(texts_with_spans())
def test_resolved_findings_claim_the_same_characters_once(case):
    _, spans = case
    claimed = [at for one in resolved(spans) for at in range(one.start, one.end)]
    assert claimed == sorted({at for one in spans for at in range(one.start, one.end)})


@given(texts_with_spans())
def test_redaction_changes_no_character_outside_of_what_is_replaced(case):
    text, spans = case
    redacted = redact(text, spans)
    before = after = 0
    for one in redacted.replaced:
        assert redacted.text[after : one.new_start] == text[before : one.span.start]
        before, after = one.span.end, one.new_end
    assert redacted.text[after:] == text[before:]


@given(texts_with_spans())
def test_redaction_keeps_line_breaks(case):
    text, spans = case
    assert redact(text, spans).text.count("\n") == text.count("\n")


def test_a_tag_names_the_class():
    redacted = redact("Ana came", [span(0, 3)])
    assert redacted.text == "<PERSON> came"
    assert redacted.counts() == {EntityClass.PERSON: 1}
    assert tag(span(0, 1), "a\nb") == "<PERSON>\n"


def test_a_span_outside_of_the_text_is_refused():
    import pytest

    with pytest.raises(ValueError, match="9"):
        redact("short", [span(0, 9)])
