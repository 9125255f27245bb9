"""Telephone, pager and fax numbers of any country. Source: 45 CFR 164.514(b)(2)(i)(D), (E)."""

import re

from deid_platform.core.text.spans import EntityClass
from deid_platform.engine.text.recognizer import Recognizer

_EXT = r"(?:\s?(?:x|ext\.?|extension)\s?[0-9]{1,6})?"
_NUMBER = rf"\+?\(?[0-9][0-9().\s/-]{{3,18}}[0-9]{_EXT}"
_CALLED = (
    r"phones?|tel(?:ephone)?s?|cell(?:ular| phone)?|mobile|pager|beeper|sms|call(?:ed|ing| me| back)?|"
    r"text(?:ed| me)?|dial|ring|reach(?:ed)?(?: me| him| her| us| them)?|contact|callback|home|work|"
    r"office|whatsapp|hotline|voicemail"
)


def _enough(text: str) -> bool:
    return 7 <= sum(c.isdigit() for c in text) <= 15 and not _DATE.fullmatch(text)


def _keyed(text: str) -> bool:
    return 4 <= sum(c.isdigit() for c in text) <= 15 and not _DATE.fullmatch(text)


_DATE = re.compile(
    r"(?:19|20)\d\d[ -]+(?:19|20)\d\d|\d{1,2}[/.-]\d{1,2}[/.-]\d{2,4}|\d{4}-\d{1,2}-\d{1,2}|(?:19|20)\d\d|\((?:19|20)\d\d\).*|\d{1,2}[:.]\d{2}"
)


def _grouped(text: str) -> bool:
    groups = re.findall(r"[0-9]+", text)
    return (
        7 <= sum(map(len, groups)) <= 15
        and len(groups) >= 2
        and max(map(len, groups)) >= 3
        and not _DATE.fullmatch(text)
    ) or bool(re.fullmatch(r"(?:\d\d[- .]){3,4}\d\d", text))


RECOGNIZERS = (
    Recognizer(
        entity=EntityClass.FAX,
        forms=(
            rf"\b(?:fax|facsimile|f)(?:\s*(?:number|no|nr|#)\b\.?)?(?: is|:|\.| to| at)?\s?(?P<x>{_NUMBER})",
        ),
        check=_enough,
        finds={"Fax: (916) 555-0148": ["(916) 555-0148"], "fax no. 916.555.0148": ["916.555.0148"]},
        leaves=("faxed 3 pages",),
    ),
    Recognizer(
        entity=EntityClass.PHONE,
        forms=(
            rf"(?:\+?1[-. ]?)?\([2-9][0-9]{{2}}\)\s?[0-9]{{3}}[-. ]?[0-9]{{4}}{_EXT}\b",
            rf"\b(?:1[-. ])?[2-9][0-9]{{2}}[-. /][0-9]{{3}}[-. ][0-9]{{4}}{_EXT}\b",
            rf"(?:\+|\b00)[1-9][0-9]{{0,3}}[-. ]?(?:\(0?[0-9]{{0,4}}\)[-. ]?)?[0-9](?:[-. ]?[0-9]){{5,12}}{_EXT}\b",
            rf"\b0[0-9]{{1,5}}(?:[-. /][0-9]{{2,7}}){{1,5}}{_EXT}\b",
            r"\([0-9]{1,6}\)[-. ]?[0-9]{2,5}(?:[-. ][0-9]{2,5}){0,3}\b",
            r"\b[2-9][0-9]{2}[2-9][0-9]{6}\b",
        ),
        check=_enough,
        finds={
            "call (415) 555-0132 ext. 12": ["(415) 555-0132 ext. 12"],
            "415.555.0132 or 415-555-0133": ["415.555.0132", "415-555-0133"],
            "ring +44 (0)20 7946 0958": ["+44 (0)20 7946 0958"],
            "Büro 030 901820": ["030 901820"],
            "at 4155550132 today": ["4155550132"],
        },
        leaves=("BP 120/80", "05/12/2019", "0.5 mg", "(2019) 45-50"),
    ),
    Recognizer(
        entity=EntityClass.PHONE,
        forms=(
            rf"\b(?:{_CALLED})(?:\s*(?:number|no|nr|#|num)\b\.?)?(?: is| at| on|:|\.)?\s?(?P<x>{_NUMBER})",
            r"\b(?:x|ext\.?|extension)\s?(?P<x>[0-9]{3,6})\b",
        ),
        check=_keyed,
        finds={"pager 4471-22": ["4471-22"], "tel. 467 3395": ["467 3395"], "ext. 4471": ["4471"]},
        leaves=("called at 10:30", "call 05/12/2019", "text 2"),
    ),
    Recognizer(
        entity=EntityClass.PHONE,
        forms=(
            r"\b[0-9]{2,4}(?:[ -][0-9]{2,4}){1,4}\b",
            r"\b[0-9]{2,4} [0-9]{5,7}\b",
        ),
        check=_grouped,
        score=0.5,
        finds={"467 3395 after six": ["467 3395"], "73-18-20-44": ["73-18-20-44"]},
        leaves=("20 30 40", "in 2019-2020", "90-120 mg", "10-12-19"),
    ),
)
