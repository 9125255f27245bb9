"""Both ways between this engine and Presidio: our detection as one of its recognizers, its as ours.

A large spaCy or transformer model, or a remote service, that someone has as a Presidio recognizer
becomes a `Finder` here; ours takes part in an `AnalyzerEngine` there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from deid_platform.core.text.spans import EntityClass, Span
from deid_platform.engine.text.analyzer import Finder, TextAnalyzer

THEIR_NAMES: Mapping[EntityClass, str] = {
    EntityClass.EMAIL: "EMAIL_ADDRESS",
    EntityClass.URL: "URL",
    EntityClass.SSN: "US_SSN",
    EntityClass.HEALTH_PLAN: "HEALTH_PLAN",
    EntityClass.MEDICAL_RECORD: "MEDICAL_RECORD",
    EntityClass.ACCOUNT: "ACCOUNT",
    EntityClass.LICENSE: "US_DRIVER_LICENSE",
    EntityClass.VEHICLE: "VEHICLE",
    EntityClass.DEVICE: "DEVICE",
    EntityClass.IP_ADDRESS: "IP_ADDRESS",
    EntityClass.FAX: "FAX_NUMBER",
    EntityClass.PHONE: "PHONE_NUMBER",
    EntityClass.ADDRESS: "ADDRESS",
    EntityClass.POSTCODE: "ZIP_CODE",
    EntityClass.PERSON: "PERSON",
    EntityClass.ORGANIZATION: "ORGANIZATION",
    EntityClass.PLACE: "LOCATION",
    EntityClass.DATE: "DATE_TIME",
    EntityClass.AGE: "AGE",
    EntityClass.OTHER_ID: "ID",
}
"""What Presidio calls each class; the names it has none for are ours."""

OURS: Mapping[str, EntityClass] = {
    **{name: entity for entity, name in THEIR_NAMES.items()},
    "CREDIT_CARD": EntityClass.ACCOUNT,
    "IBAN_CODE": EntityClass.ACCOUNT,
    "US_BANK_NUMBER": EntityClass.ACCOUNT,
    "CRYPTO": EntityClass.ACCOUNT,
    "US_ITIN": EntityClass.SSN,
    "US_MBI": EntityClass.HEALTH_PLAN,
    "US_PASSPORT": EntityClass.LICENSE,
    "MEDICAL_LICENSE": EntityClass.LICENSE,
    "MAC_ADDRESS": EntityClass.DEVICE,
    "GPE": EntityClass.PLACE,
    "LOC": EntityClass.PLACE,
    "FAC": EntityClass.PLACE,
    "ORG": EntityClass.ORGANIZATION,
    "PER": EntityClass.PERSON,
    "DATE": EntityClass.DATE,
}
IGNORED = frozenset({"NRP", "NORP", "MONEY", "PERCENT", "CARDINAL", "ORDINAL", "QUANTITY"})
"""Their entities that are no identifiers."""


def as_recognizer(analyzer: TextAnalyzer) -> Any:
    """Our detection as one `EntityRecognizer`, to be added to a registry."""
    from presidio_analyzer import EntityRecognizer, RecognizerResult

    class PlatformRecognizer(EntityRecognizer):
        """Every identifier the platform finds, in one pass."""

        def load(self) -> None:
            """Nothing to load: the analyzer is ready."""

        def analyze(self, text: str, entities: Sequence[str], nlp_artifacts: Any) -> list[Any]:  # noqa: ARG002
            """Findings of the wanted entities."""
            return [
                RecognizerResult(
                    entity_type=THEIR_NAMES[span.entity],
                    start=span.start,
                    end=span.end,
                    score=span.score,
                )
                for span in analyzer.analyze([text])[0]
                if not entities or THEIR_NAMES[span.entity] in entities
            ]

    return PlatformRecognizer(
        supported_entities=sorted(THEIR_NAMES.values()), name="deid", supported_language="en"
    )


def from_engine(engine: Any, *, language: str = "en", least: float = 0.35) -> Finder:
    """Any object with Presidio's ``analyze(text=..., language=...)`` as a further detector.

    An entity we have no name for counts as another identifier: nothing found is let go.
    """

    def find(texts: Sequence[str]) -> list[list[Span]]:
        return [
            [
                Span(
                    start=result.start,
                    end=result.end,
                    entity=OURS.get(result.entity_type, EntityClass.OTHER_ID),
                    score=float(result.score),
                    source="presidio",
                )
                for result in engine.analyze(text=text, language=language)
                if result.score >= least and result.entity_type not in IGNORED
            ]
            for text in texts
        ]

    return find
