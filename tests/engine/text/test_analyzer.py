"""The detectors together: what is found, what is left, and that nothing breaks."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deid_platform.core.text.redaction import redact
from deid_platform.core.text.spans import EntityClass, Span
from deid_platform.engine.text.analyzer import TextAnalyzer
from deid_platform.engine.text.known import Known, KnownIdentifiers
from deid_platform.engine.text.name_model import FILE
from deid_platform.engine.text.presidio import as_recognizer, from_engine

FULL = TextAnalyzer()
FAST = TextAnalyzer(names=None)


def left(text: str, analyzer: TextAnalyzer = FULL) -> str:
    return redact(text, analyzer.analyze([text])[0], lambda span, _: f"<{span.entity}>").text


def test_the_model_in_the_package_is_under_eight_megabytes():
    assert FILE.stat().st_size < 8_000_000


@pytest.mark.parametrize("analyzer", [FULL, FAST], ids=["model", "lists"])
@pytest.mark.parametrize(
    "text",
    [
        "Known Parkinson disease, on carbidopa 25 mg.",
        "Foley catheter removed. Murphy sign negative.",
        "Salter-Harris II. Braden 17, Morse 55. Babinski absent.",
        "Hx of Crohn's disease and Hodgkin lymphoma.",
        "WBC 11.9, Hgb 13.2, Na 138, K 4.2. BP 120/80, HR 72.",
        "E11.65, CPT 99213. Pain 7/10. Strength 5/5.",
        "Seen three days ago for the same. Age 67. Diagnosed in 2015.",
        "Take 2 tablets by mouth twice daily with food.",
    ],
)
def test_what_is_no_identifier_is_left(text, analyzer):
    assert left(text, analyzer) == text


@pytest.mark.parametrize(
    "text",
    [
        "Discussed with Dr. Anneliese Vanterpool at noon.",
        "Her mother Marisol was at bedside.",
        "Lives at 4471 Quarry Hollow Road, Fresno, CA 93721.",
        "Patient: VANTERPOOL, ANNELIESE",
        "Anneliese Vanterpool denies chest pain.",
    ],
)
def test_names_and_addresses_go(text):
    redacted = left(text)
    for word in ("Vanterpool", "VANTERPOOL", "Anneliese", "Marisol", "Quarry", "Fresno", "93721"):
        assert word not in redacted


def test_what_the_record_knows_is_found_where_nothing_else_would():
    record = KnownIdentifiers([Known(entity=EntityClass.PERSON, value="Summer Day")])
    text = "summer day was tearful; Summer slept."
    spans = FAST.analyze([text], [record])[0]
    assert [text[s.start : s.end] for s in spans] == ["summer day", "Summer"]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.text(max_size=120), max_size=4))
def test_no_text_breaks_it_and_spans_lie_inside_in_order(texts):
    for text, spans in zip(texts, FULL.analyze(texts), strict=True):
        at = 0
        for span in spans:
            assert at <= span.start < span.end <= len(text)
            at = span.end


def test_a_text_is_found_the_same_alone_and_in_a_batch():
    texts = ["Ana Reyes called.", "", "Write to 12 Elm Street, Fresno.", " \n "]
    assert FULL.analyze(texts) == [FULL.analyze([text])[0] for text in texts]


def test_presidio_takes_ours_and_ours_takes_presidio():
    recognizer = as_recognizer(FAST)
    results = recognizer.analyze("SSN 123-45-6789", ["US_SSN"], None)
    assert [(r.entity_type, r.start, r.end) for r in results] == [("US_SSN", 4, 15)]

    class Engine:
        def analyze(self, text: str, language: str) -> list[object]:
            return recognizer.analyze(text, [], None)

    found = from_engine(Engine())(["SSN 123-45-6789", "none"])
    assert found[0][0].entity is EntityClass.SSN
    assert found[1] == []


def test_the_findings_of_a_further_detector_are_added():
    def more(texts):
        return [[Span(start=0, end=3, entity=EntityClass.PERSON)] for _ in texts]

    assert left("pain today", TextAnalyzer(names=None, more=(more,))) == "<person>n today"
