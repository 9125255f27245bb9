"""Social security, record, plan, account and licence numbers.

Source: 45 CFR 164.514(b)(2)(i)(G)-(K), (R).
"""

import re

from deid_platform.core.text.spans import EntityClass
from deid_platform.engine.text.recognizer import Recognizer

_IS = r"(?:\s*(?:number|numbers|no|nr|num|id|ids|code|is|was|ending(?: in| with)?)\b\.?)*"
_LINK = r"[\s:=#.(-]{0,4}"
_VALUE = r"(?P<x>[A-Z]{0,4}[-/ ]?[0-9][A-Z0-9]*(?:[-/.][A-Z0-9]+)*)"


def _keyed(words: str) -> str:
    """A value that follows one of the words, perhaps by way of *number*, *no.* or *is*."""
    return rf"\b(?:{words}){_IS}{_LINK}{_VALUE}\b"


def _numbered(words: str) -> str:
    """The same for words of daily use, which have to say that a number follows."""
    says = r"(?:\s*(?:numbers?|no|nr|num|ids?|code)\b\.?\s*(?:is|was)?|\s?#|:)"
    return rf"\b(?:{words}){says}{_LINK}{_VALUE}\b"


def several_digits(text: str) -> bool:
    """At least three digits: a code, not a count."""
    return sum(c.isdigit() for c in text) >= 3


def _card_like(text: str) -> bool:
    return 12 <= sum(c.isdigit() for c in text) <= 19


def _mixed(text: str) -> bool:
    digits = sum(c.isdigit() for c in text)
    return digits >= 3 and digits >= len(text) / 4 and any(c.isalpha() for c in text)


_CODE = re.compile(r"[A-Z]\d{2}\.?[0-9A-Z]{0,4}|\d{5}-\d|\d+(?:mg|mcg|ml|mL|kg|cm|mm|g|hr|h)")


def _identifier(text: str) -> bool:
    return _mixed(text) and not _CODE.fullmatch(text)


RECOGNIZERS = (
    Recognizer(
        entity=EntityClass.SSN,
        forms=(
            r"\b[0-9]{3}[-. ][0-9]{2}[-. ][0-9]{4}\b",
            r"\b(?:x{3}|\*{3})[-. ]?(?:x{2}|\*{2})[-. ]?(?P<x>[0-9]{4})\b",
            rf"\b(?:ssn|ss|soc(?:ial)? sec(?:urity)?|itin|tin|ein|national insurance)\b{_IS}(?: last (?:4|four))?"
            rf"{_LINK}(?P<x>[0-9]{{4,9}}|[0-9-]{{9,12}})\b",
        ),
        finds={
            "SSN 123-45-6789 on file": ["123-45-6789"],
            "social security number is 123456789": ["123456789"],
            "ssn last 4: 6789": ["6789"],
            "xxx-xx-6789": ["6789"],
        },
        leaves=("SS, 10 mg", "SpO2 98"),
    ),
    Recognizer(
        entity=EntityClass.MEDICAL_RECORD,
        forms=(
            _keyed(
                r"mrn|mr|med(?:ical)?\.? rec(?:ord)?s?|chart|patient id|pt id|hospital id|accession|"
                r"acc|encounter|visit (?:id|no|number|#)|csn|har|specimen|case|file|record|study id|"
                r"order id|unit (?:no|number)"
            ),
        ),
        check=several_digits,
        finds={
            "MRN: 00123456": ["00123456"],
            "Medical record number is AB-99182": ["AB-99182"],
            "chart #4471823 reviewed": ["4471823"],
            "Accession No. S21-10442": ["S21-10442"],
        },
        leaves=("case 2 of 3", "MR grade 2+", "encounter lasted 40 minutes"),
    ),
    Recognizer(
        entity=EntityClass.HEALTH_PLAN,
        forms=(
            r"\b[1-9][AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y0-9][0-9]-?[AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y0-9][0-9]-?"
            r"[AC-HJKMNP-RT-Y]{2}[0-9]{2}\b",
            r"\b9[0-9]{7}[A-Z](?:[0-9]{5})?\b",
            _keyed(
                r"member(?:ship)?|subscriber|policy|policyholder|group|beneficiary|medicare|medicaid|"
                r"medi-?cal|cin|bic|mbi|hicn?|insurance|insured|plan|rx ?bin|pcn|ihss"
            ),
        ),
        check=several_digits,
        finds={
            "Medicare 1EG4-TE5-MK73": ["1EG4-TE5-MK73"],
            "CIN 91234567A": ["91234567A"],
            "Member ID: XQJ882711204": ["XQJ882711204"],
            "policy no. 4421-99": ["4421-99"],
        },
        leaves=("group 2", "plan: 40 mg daily"),
    ),
    Recognizer(
        entity=EntityClass.ACCOUNT,
        forms=(
            r"\b[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?\b",
            _keyed(
                r"account|acct|a/c|acc|iban|bic|swift|routing|aba|invoice|claim|bill(?:ing)?|card|"
                r"credit card|debit card|mastercard|amex|guarantor"
            ),
            _numbered(
                r"transaction|confirmation|reference|ref|tracking|order|ticket|booking|reservation|"
                r"loan|check|visa"
            ),
        ),
        check=several_digits,
        finds={
            "IBAN GB82 WEST 1234 5698 7654 32": ["GB82 WEST 1234 5698 7654 32"],
            "acct #: 99-10023": ["99-10023"],
            "claim number is 2024110077": ["2024110077"],
        },
        leaves=("card games", "well check. Wt 14.2 kg", "check in 300 days", "account of 2 falls"),
    ),
    Recognizer(
        entity=EntityClass.ACCOUNT,
        forms=(r"\b[0-9]{4}(?:[ -]?[0-9]{2,6}){2,4}\b", r"\b[0-9]{12,19}\b"),
        check=_card_like,
        score=0.8,
        finds={
            "paid by 4111 1111 1111 1111": ["4111 1111 1111 1111"],
            "card 378282246310005 declined": ["378282246310005"],
        },
        leaves=("on 2024 01 02", "call 555 1234"),
    ),
    Recognizer(
        entity=EntityClass.LICENSE,
        forms=(
            _keyed(
                r"licen[cs]e|lic|driver'?s? licen[cs]e|dl|passport|certificate|cert|dea|npi|registration|"
                r"birth certificate|permit|badge|visa no|state id|green card|alien"
            ),
            r"\b[ABCDEFGHJKLMPRSTUX][A-Z9][0-9]{7}\b",
            r"\b[A-Z][0-9]{7,8}\b",
        ),
        check=several_digits,
        finds={
            "Driver's license D1234567": ["D1234567"],
            "DEA# AB1234563": ["AB1234563"],
            "passport no: 533401927": ["533401927"],
        },
        leaves=("license renewed 2 years ago",),
    ),
    Recognizer(
        entity=EntityClass.OTHER_ID,
        forms=(
            r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b",
            r"\b[0-9a-f]{32,128}\b",
            r"\b(?-i:[13][1-9A-HJ-NP-Za-km-z]{25,34})\b",
            r"\b[0-9]{7,11}\b",
        ),
        score=0.6,
        finds={
            "key 6f1e2d3c-4b5a-6978-8a9b-0c1d2e3f4a5b.": ["6f1e2d3c-4b5a-6978-8a9b-0c1d2e3f4a5b"],
            "number 20481377 in the log": ["20481377"],
        },
        leaves=("platelets 250000", "1,200,000 units"),
    ),
    Recognizer(
        entity=EntityClass.OTHER_ID,
        forms=(
            rf"\b(?:id|identifier|trial|subject|participant|protocol|barcode|study|sample|extension|pin)"
            rf"{_IS}{_LINK}{_VALUE}\b",
            r"\b[A-Z0-9]{2,6}(?:-[A-Z0-9]{2,8}){1,4}\b",
            r"\b[A-Z]{1,4}[0-9]{5,12}[A-Z]{0,2}\b",
        ),
        check=_identifier,
        score=0.6,
        finds={
            "Subject ID: NV-20931": ["NV-20931"],
            "sample LK778120 stored": ["LK778120"],
        },
        leaves=("ICD-10 E11.65", "CPT 99213", "SARS-CoV-2", "T1-T2 signal", "COVID-19"),
    ),
)
