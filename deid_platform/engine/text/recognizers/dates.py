"""Dates finer than a year in every clinical form, and ages over 89; relative dates stay.

Source: 45 CFR 164.514(b)(2)(i)(C).
"""

import re

from deid_platform.core.text.spans import EntityClass
from deid_platform.engine.text.recognizer import Recognizer

_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|"
    r"oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\b\.?"
)
_YEAR = r"(?:1[89][0-9]{2}|20[0-9]{2})"
_YY = rf"(?:{_YEAR}|'?[0-9]{{2}})"
_MM = r"(?:0?[1-9]|1[0-2])"
_DD = r"(?:0?[1-9]|[12][0-9]|3[01])"
_NTH = r"(?:st|nd|rd|th)?"
_TIME = (
    r"(?:[T ,@]{1,2}(?:at )?[0-2]?[0-9]:[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{1,6})?)?"
    r"(?: ?[ap]\.?m\b\.?)?(?: ?(?:Z|UTC|GMT|[A-Z]{2,3}T|[+-][0-9]{2}:?[0-9]{2})\b)?)?"
)
_WEEKDAY = r"(?:mon|tues|wednes|thurs|fri|satur|sun)days?"
_ORDINAL = (
    r"(?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|eleventh|twelfth|thirteenth|"
    r"fourteenth|fifteenth|sixteenth|seventeenth|eighteenth|nineteenth|twentieth|thirtieth|"
    r"(?:twenty|thirty)[- ](?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth))"
)
_HOLIDAY = (
    r"christmas(?: eve| day)?|thanksgiving|halloween|easter(?: sunday| monday)?|new year'?s(?: eve| day)?|"
    r"memorial day|labor day|independence day|july 4th|fourth of july|valentine'?s day|mother'?s day|"
    r"father'?s day|veterans day|martin luther king day|good friday|ash wednesday|cinco de mayo|"
    r"juneteenth|presidents'? day|st\.? patrick'?s day"
)
_OLD = r"(?:9[0-9]|1[0-2][0-9])"
_OLD_WORD = r"(?:ninety|(?:one )?hundred)(?:[- ](?:and[- ])?(?:one|two|three|four|five|six|seven|eight|nine|ten))?"
_FRACTION = re.compile(r"\d{1,2}/\d{1,2}")


def _not_a_score(text: str) -> bool:
    """Month and day, not a score out of ten or strength out of five."""
    if _FRACTION.fullmatch(text):
        first, second = map(int, text.split("/"))
        return second not in (5, 10, 6) or first > second
    return True


RECOGNIZERS = (
    Recognizer(
        entity=EntityClass.DATE,
        forms=(
            rf"\b{_YEAR}[-/.]{_MM}[-/.]{_DD}{_TIME}\b",
            rf"\b{_MM}[-/.]{_DD}[-/.]{_YY}{_TIME}\b",
            rf"\b{_DD}[-/.]{_MM}[-/.]{_YY}{_TIME}\b",
            rf"\b{_YEAR}-{_MM}\b",
            rf"\b{_MM}/{_YEAR}\b",
            r"\b(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])\b",
            rf"\b(?:{_WEEKDAY},? )?{_MONTH} {_DD}{_NTH}(?:,? {_YY})?{_TIME}\b",
            rf"\b(?:{_WEEKDAY},? )?{_DD}{_NTH}(?: of)?[- ]?{_MONTH}(?:[- ,]{{1,2}}{_YY})?{_TIME}\b",
            rf"\b{_MONTH}[ ,-]{{1,2}}(?:of )?{_YEAR}\b",
            rf"\b{_YEAR}[ -]{_MONTH}(?:[ -]{_DD})?\b",
            rf"\b(?:the )?{_ORDINAL} (?:day )?of {_MONTH}(?:,? {_YEAR})?\b",
            rf"\b{_MONTH} {_ORDINAL}(?:,? {_YEAR})?\b",
            rf"\b{_WEEKDAY}\b",
            rf"\b(?:{_HOLIDAY})(?:,? {_YEAR})?\b",
            r"\b(?:early|mid|late|end of|beginning of|since|until|till|through|in|during|by|last|next|this)"
            r"[- ](?P<x>(?-i:January|February|March|April|June|July|August|September|October|November|December"
            r"|Jan|Feb|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec|May))\b",
            rf"\b(?:spring|summer|fall|autumn|winter)(?: of)? {_YEAR}\b",
            r"\bQ[1-4][- /]?(?:19|20)[0-9]{2}\b",
            rf"\b(?:dob|d\.o\.b\.?|born|birth ?date|date of birth|died|dod)(?: on| in|:| is)?\s{{0,2}}"
            rf"(?P<x>{_MM}[-/. ]{_DD}[-/. ]{_YY}|{_DD}{_MM}{_YEAR})\b",
        ),
        finds={
            "admitted 03/14/2023 at noon": ["03/14/2023"],
            "on 2023-03-14T08:30:00Z": ["2023-03-14T08:30:00Z"],
            "14 Mar 2023; March 14th, 2023": ["14 Mar 2023", "March 14th, 2023"],
            "14-Mar-23 and 20230314": ["14-Mar-23", "20230314"],
            "since March 2023": ["March 2023"],
            "seen Tuesday": ["Tuesday"],
            "on the third of May": ["the third of May"],
            "on Christmas Eve 2019": ["Christmas Eve 2019"],
            "since June": ["June"],
            "DOB 3.4.61": ["3.4.61"],
        },
        leaves=(
            "three days ago",
            "in 2019",
            "may improve",
            "march in place",
            "BP 120/80",
            "pain 7/10",
            "strength 5/5",
            "postop day 3",
            "last week",
        ),
    ),
    Recognizer(
        entity=EntityClass.DATE,
        forms=(
            rf"\b(?:on|since|from|until|till|by|dated|admitted|seen|visit|discharged|d/c'?d|due|f/u|last|lmp|"
            rf"started|stopped|surgery|s/p|given|drawn|taken|done|exp|edd|dob)[ :]{{1,2}}(?P<x>{_MM}/{_DD})\b",
            rf"\b(?P<x>{_MM}/{_DD}) ?(?:-|–|to|through) ?{_MM}/{_DD}\b",
            rf"\b{_MM}/{_DD} ?(?:-|–|to|through) ?(?P<x>{_MM}/{_DD})\b",
        ),
        check=_not_a_score,
        score=0.7,
        finds={"seen 3/14 by": ["3/14"], "LMP 2/20, no bleeding": ["2/20"]},
        leaves=("strength 4/5", "since 7/10 pain", "dated"),
    ),
    Recognizer(
        entity=EntityClass.AGE,
        forms=(
            rf"\b(?P<x>{_OLD})[- ]?(?:y/?o\b|yrs?\b|years?[- ]?(?:old|of age)\b|y\.o\.|-?year-?old)",
            rf"\b(?:age|aged|turned|turning|is now|age:|age of|at)\s(?P<x>{_OLD})(?:[\s,.;)]|$)",
            rf"\b(?P<x>{_OLD_WORD})[- ]years?[- ]old\b",
            r"\b(?:super)?centenarian\b",
            r"\b(?P<x>9[0-9]|1[0-2][0-9])(?:M|F)\b",
        ),
        finds={
            "a 93-year-old man": ["93"],
            "is 101 yo": ["101"],
            "aged 90 and frail": ["90"],
            "ninety-two-year-old": ["ninety-two"],
        },
        leaves=("an 89-year-old", "a 9 year old", "HR 93", "at 100% FiO2"),
    ),
)
