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
    r"port|loop|block)\b",
    re.IGNORECASE,
)
_BEFORE = re.compile(
    r"(?:positive|negative|no|hx of|history of|with|for|has|suspected|possible|probable|known|"
    r"early|advanced|juvenile|anti|plus|post|of|the|a|s/p|equivocal|bilateral)\s+$",
    re.IGNORECASE,
)
_END = re.compile(r"['’]?s?\s*(?:[,.;:)\n]|$)")


@cache
def eponyms() -> frozenset[str]:
    """The names, in lower case."""
    return frozenset((DATA / "eponyms.txt").read_text("utf-8").split())


def is_eponym(text: str, start: int, end: int) -> bool:
    """Whether the name at these characters is a thing's, to judge by its neighbours."""
    name = text[start:end].lower().removesuffix("'s").removesuffix("’s").rstrip(".,'’")
    known = eponyms()
    parts = re.split(r"[-\s]+(?:and\s+)?", name)
    if name not in known and not all(part in known for part in parts):
        return False
    after = text[end : end + 40]
    return bool(_AFTER.match(after)) or (
        bool(_BEFORE.search(text[max(0, start - 20) : start])) and bool(_END.match(after))
    )
