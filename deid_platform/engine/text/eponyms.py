"""Names that are no people: of diseases, signs, tests, devices and operations.

*Parkinson disease*, *positive Murphy sign*, *Foley placed*. The name alone decides nothing: what
stands beside it does.
"""

from __future__ import annotations

import re
from functools import cache

from deid_platform.engine.text.words import DATA

_AFTER = re.compile(
    r"['’]?s?\s+(?:disease|syndrome|sign|signs|test|tests|dementia|lymphoma|thyroiditis|palsy|"
    r"phenomenon|esophagus|oesophagus|fracture|cyst|sarcoma|tumou?r|nodes?|lesions?|spots?|catheter|drain|"
    r"tube|bag|procedure|operation|fundoplication|maneu?ver|score|scale|criteria|class|classification|"
    r"stage|grade|position|reflex|triad|point|contracture|hernia|diverticulum|ring|disorder|chorea|"
    r"ataxia|anemia|gangrene|angina|bodies|cells?|stain|virus|respirations?|respiration|sounds?|"
    r"coma|swab|forceps|retractor|clamp|brace|splint|boot|exercises|encephalopathy|psychosis|"
    r"nephropathy|cardiomyopathy|vasculitis|arteritis|purpura|granulomatosis|hydrocephalus|"
    r"malformation|placed|removed|inserted|in place|negative|positive|absent|present|pouch|line|"
    r"port|loop|block|gone|draining|drained|floated|titers?|upgoing|downgoing)\b",
    re.IGNORECASE,
)
_BEFORE = re.compile(
    r"(?:positive|negative|no|hx of|history of|with|for|has|suspected|possible|probable|known|"
    r"early|advanced|juvenile|anti|plus|post|of|the|a|s/p|equivocal|bilateral)\s+$",
    re.IGNORECASE,
)
_END = re.compile(r"['’]?s?\s*(?:[,.;:)\n]|$)")
_NUMBER = re.compile(r"['’]?s?\s+(?:[0-9]|stage|grade|class|type)", re.IGNORECASE)
# A title, a role or a first name before it, or another name after it: a person after all.
_PERSON_BEFORE = re.compile(
    r"(?:\b(?:dr|mr|mrs|ms|miss|prof|doctor|nurse|sister|father|mother|brother|wife|husband|son|"
    r"daughter|name|patient|pt|by|dear|hi|hello)\.?:?,?|\b[A-Z]\.)\s*$",
    re.IGNORECASE,
)
_NAME_BEFORE = re.compile(r"\b[A-Z][a-z]+\s+$")
_NAME_AFTER = re.compile(r"['’]?s?,?\s+[A-Z][a-z]+")
_WORD_BEFORE = re.compile(r"[\w'’-]*$")
_WORD_AFTER = re.compile(r"[\w'’-]*")


@cache
def eponyms() -> frozenset[str]:
    """The names, in lower case."""
    return frozenset((DATA / "eponyms.txt").read_text("utf-8").split())


def is_eponym(text: str, start: int, end: int) -> bool:
    """Whether the name at these characters is a thing's, to judge by its neighbours.

    A name that many families bear (*Bell*, *Wilson*) needs a thing beside it; one that few do
    (*Babinski*) is a thing's unless a person's title or name stands beside it.
    """
    start -= len(_match(_WORD_BEFORE, text[max(0, start - 30) : start]))
    end += len(_match(_WORD_AFTER, text[end : end + 30]))
    name = text[start:end].lower().removesuffix("'s").removesuffix("’s").rstrip(".,'’")
    known = eponyms()
    parts = re.split(r"[-\s]+(?:and\s+)?", name)
    if name not in known and not all(part in known for part in parts):
        return False
    before, after = text[max(0, start - 24) : start], text[end : end + 40]
    if ("-" in name and name in known) or _NUMBER.match(after):
        return True
    if _AFTER.match(after) or (_BEFORE.search(before) and _END.match(after)):
        return True
    if any(_is_family(part) for part in parts):
        return False
    return not (
        _PERSON_BEFORE.search(before) or _NAME_BEFORE.search(before) or _NAME_AFTER.match(after)
    )


def _match(regex: re.Pattern[str], text: str) -> str:
    found = regex.search(text)
    return found.group() if found else ""


def _is_family(name: str) -> bool:
    return name in _FAMILIES


_FAMILIES = frozenset(
    {
        *("bell", "wilson", "turner", "murphy", "graves", "baker", "cooper", "gardner", "edwards"),
        *("jackson", "wells", "weber", "brown", "smith", "jones", "johnson", "roth", "christmas"),
        *(
            "child",
            "harris",
            "bennett",
            "bishop",
            "barlow",
            "bartlett",
            "ramsay",
            "lambert",
            "ross",
        ),
        *(
            "jackson",
            "tanner",
            "richter",
            "norton",
            "simmonds",
            "sims",
            "stevens",
            "wolff",
            "watson",
        ),
        *("robinson", "wright", "fisher", "hess", "rankin", "clark", "hamilton", "montgomery"),
        *("lewis", "cox", "glenn", "morrison", "lichtenstein", "hicks", "sachs", "levine", "levin"),
        *("hutchinson", "bruce", "blake", "marshall", "horner", "ewing", "fitz", "gilbert", "moro"),
        *("arnold", "epstein", "hoffmann", "schilling", "hawkins", "spurling", "starling", "dukes"),
    }
)
"""Names that many families bear, too."""
