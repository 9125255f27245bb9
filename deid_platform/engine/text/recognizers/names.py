"""People by what stands around their names: titles, roles, forms, signatures; employers.

Source: 45 CFR 164.514(b)(2)(i)(A).
"""

from deid_platform.core.text.spans import EntityClass
from deid_platform.engine.text.recognizer import Recognizer
from deid_platform.engine.text.words import PLAIN, flags_of

_CAP = r"(?-i:\p{Lu}[\pL'’-]*\p{Ll}[\pL'’-]*|\p{Lu}{2,}|\p{Lu}\.)"
_PART = r"(?:(?-i:de|la|del|der|van|von|da|dos|di|bin|al|el|le) ){0,2}"
_NAME = rf"{_CAP}(?:[ ]{_PART}{_CAP}){{0,3}}"
_KIN = (
    r"mother|father|mom|dad|wife|husband|spouse|partner|daughter|son|sister|brother|aunt|uncle|niece|"
    r"nephew|cousin|grandmother|grandfather|grandma|grandpa|granddaughter|grandson|fianc[ée]e?|girlfriend|"
    r"boyfriend|stepmother|stepfather|stepson|stepdaughter|guardian|caregiver|neighbor|roommate|twin"
)


def _name_like(text: str) -> bool:
    """Not all of it plain English: *Mother Denies* is no name."""
    words = [word.strip(".,'’") for word in text.split()]
    return any(PLAIN not in flags_of(word) for word in words if len(word) > 1) or (
        len(words) > 1 and all(len(word) == 1 for word in words)
    )


RECOGNIZERS = (
    Recognizer(
        entity=EntityClass.PERSON,
        forms=(
            rf"(?-i:\b(?:Dr|Mr|Mrs|Ms|Prof|Rev|Sr|Hon|Sgt|Lt|Capt|Col|Gen|Sen|Gov|Fr)\b\.?|"
            rf"\b(?:Miss|Mister|Madam|Doctor|Professor|Nurse|Officer|Deputy|Judge|Pastor|Rabbi|Father|Sister|"
            rf"Sir|Lady|Lord|Señor|Señora|Mx)\b)\s(?P<x>{_NAME})",
            rf"(?-i:\b(?:DR|MR|MRS|MS)\b\.?)\s(?P<x>{_NAME})",
            r"\b(?:dr|mr|mrs|ms|miss|prof)\b\.? (?P<x>\pL[\pL'-]{2,})",
            rf"(?P<x>{_NAME}),? (?-i:M\.?D|D\.?O|R\.?N|N\.?P|P\.?A(?:-C)?|D\.?D\.?S|Ph\.?D|LCSW|MSW|LVN|CNA|CRNA|Pharm\.?D|PT|OT|RD|Esq|FNP|DPM|Psy\.?D|LMFT)\b",
        ),
        check=_name_like,
        finds={
            "Dr. Ana Reyes-Lim agreed": ["Ana Reyes-Lim"],
            "seen by Tom Okafor, RN": ["Tom Okafor"],
            "mr. kowalczyk was late": ["kowalczyk"],
        },
        leaves=("Dr. will call", "MS is stable", "Doctor said no"),
    ),
    Recognizer(
        entity=EntityClass.PERSON,
        forms=(
            rf"\b(?:{_KIN})(?:'s name is| is named| named|,| is|:| called)?[ (]{{1,2}}(?P<x>(?-i:\p{{Lu}}\p{{Ll}}[\pL'’-]+)(?: {_CAP})?)",
            rf"(?P<x>{_NAME}) \((?:{_KIN})\)",
            rf"\b(?:patient|pt|client|resident|name|patient name|surgeon|physician|attending|pcp|provider|"
            rf"resident|nurse|therapist|interpreter|witness|author|contact|guarantor|subscriber|policy ?holder|"
            rf"next of kin|nok|poa|dpoa|informant|signed(?: by)?|dictated by|transcribed by|reviewed by|"
            rf"prepared by|read by|electronically signed by|attn|attention|cc|re|dear|hi|hello|my name is|"
            rf"called|named|known as|aka|a\.k\.a\.|alias|nickname|goes by|née|nee|maiden name)[:,]?\s{{1,2}}(?P<x>{_NAME}(?:, {_CAP}(?: {_CAP})?)?)",
            r"\b(?:initials?|dictated by|typed by|transcribed|d/t|signed)[: ]{1,2}(?P<x>[A-Z]{2,3}(?:/[A-Z]{2,3})?)\b",
            r"(?-i:\b(?P<x>\p{Lu}[\p{Lu}'’-]+, \p{Lu}[\pL'’-]+(?: \p{Lu}\b\.?)?))",
            r"(?-i:\b(?:\p{Lu}\. ?){1,2}(?P<x>\p{Lu}\p{Ll}[\pL'’-]+))\b",
            r"\b(?P<x>[A-Z]{2,3}) ?/ ?(?-i:MD|DO|RN|NP|PA|PA-C|LCSW|MSW|LVN|CNA|PT|OT|RT)\b",
            r"/s/ (?P<x>[^\n]{2,40})",
        ),
        check=_name_like,
        score=0.8,
        finds={
            "wife Oksana at bedside": ["Oksana"],
            "Patient: Nguyen, Thi": ["Nguyen, Thi"],
            "VARGAS, ELENA M.": ["VARGAS, ELENA M."],
            "called at noon. kq/RN": ["kq"],
        },
        leaves=("mother Denies fever", "Patient: Alert", "PAIN, SEVERE", "called 911"),
    ),
    Recognizer(
        entity=EntityClass.ORGANIZATION,
        forms=(
            rf"\b(?:employed (?:by|at|with)|works? (?:at|for)|working (?:at|for)|worked (?:at|for)|job at|employer:?|"
            rf"company:?|hired by|retired from) (?:the )?(?P<x>{_CAP}(?:(?: |-| & | and | of ){_CAP}){{0,4}})",
            r"(?-i:(?P<x>\p{Lu}[\pL\pN'’&.-]*(?:(?: |, | & | and | of )\p{Lu}[\pL\pN'’&.-]*){0,4},? "
            r"(?:Inc|LLC|Ltd|Corp|Corporation|GmbH|PLC|plc|LLP|Co|Company|Group|Holdings|Hospital|Clinic|"
            r"Medical Center|Medical Group|Health System|University|College|Academy|Elementary|High School|"
            r"Middle School|Nursing Home|Hospice|Pharmacy|Bank|Foundation|Institute|Laboratories|Church)\b\.?))",
        ),
        check=_name_like,
        score=0.7,
        finds={
            "works at Delmora Foods as": ["Delmora Foods"],
            "sent by Tamalpa Valley Hospital": ["Tamalpa Valley Hospital"],
        },
        leaves=("works at night", "went to the Hospital"),
    ),
)
