"""Presidio's pattern recognizers over short texts, offline: no model, no list, no download.

Belongs here: what a single value looks like. Prose, names and a patient's own identifiers do not.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from deid_platform.core.attributes import IdentifierClass

LIKELY = 0.5
"""The score from which a recognizer's finding counts as evidence."""

CLASSES: dict[str, IdentifierClass] = {
    "CREDIT_CARD": IdentifierClass.ACCOUNT_NUMBER,
    "EMAIL_ADDRESS": IdentifierClass.EMAIL,
    "IBAN_CODE": IdentifierClass.ACCOUNT_NUMBER,
    "IP_ADDRESS": IdentifierClass.IP_ADDRESS,
    "MAC_ADDRESS": IdentifierClass.DEVICE,
    "MEDICAL_LICENSE": IdentifierClass.LICENSE_NUMBER,
    "PHONE_NUMBER": IdentifierClass.TELEPHONE,
    "URL": IdentifierClass.URL,
    "US_BANK_NUMBER": IdentifierClass.ACCOUNT_NUMBER,
    "US_DRIVER_LICENSE": IdentifierClass.LICENSE_NUMBER,
    "US_ITIN": IdentifierClass.SSN,
    "US_MBI": IdentifierClass.HEALTH_PLAN_NUMBER,
    "US_PASSPORT": IdentifierClass.LICENSE_NUMBER,
    "US_SSN": IdentifierClass.SSN,
    "UUID": IdentifierClass.OTHER_UNIQUE,
}
"""The identifier class that each of Presidio's entities is evidence of."""


def recognized(texts: Sequence[str], context: Sequence[str]) -> dict[str, int]:
    """In how many of the texts each entity is likely; ``context`` are words that may speak for it.

    Texts are never kept, and only counts are returned.
    """
    analyzer = _analyzer()
    counts: dict[str, int] = {}
    for text in texts:
        found = analyzer.analyze(
            text=text, language="en", score_threshold=LIKELY, context=list(context)
        )
        for entity in {result.entity_type for result in found}:
            counts[entity] = counts.get(entity, 0) + 1
    return counts


@cache
def _analyzer() -> Any:
    """An analyzer with pattern recognizers only, on an empty pipeline."""
    import spacy
    import tldextract
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry, predefined_recognizers
    from presidio_analyzer.nlp_engine import SpacyNlpEngine

    # Presidio checks addresses against the public suffix list, which would be downloaded.
    offline = tldextract.TLDExtract(cache_dir=None, suffix_list_urls=(), fallback_to_snapshot=True)
    tldextract.extract = offline  # type: ignore[assignment]
    pipeline = SpacyNlpEngine(models=[{"lang_code": "en", "model_name": "blank"}])
    pipeline.nlp = {"en": spacy.blank("en")}  # type: ignore[assignment]
    names = (
        "CreditCardRecognizer",
        "EmailRecognizer",
        "IbanRecognizer",
        "IpRecognizer",
        "MacAddressRecognizer",
        "MedicalLicenseRecognizer",
        "PhoneRecognizer",
        "UrlRecognizer",
        "UsBankRecognizer",
        "UsItinRecognizer",
        "UsLicenseRecognizer",
        "UsMbiRecognizer",
        "UsPassportRecognizer",
        "UsSsnRecognizer",
        "UuidRecognizer",
    )
    recognizers = [getattr(predefined_recognizers, name)() for name in names]
    return AnalyzerEngine(
        registry=RecognizerRegistry(recognizers=recognizers, supported_languages=["en"]),
        nlp_engine=pipeline,
        supported_languages=["en"],
    )
