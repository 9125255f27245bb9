"""Street addresses, postal codes, rooms and every other geography below a state.

Source: 45 CFR 164.514(b)(2)(i)(B).
"""

from deid_platform.core.text.spans import EntityClass
from deid_platform.engine.text.recognizer import Recognizer

_KIND = (
    r"street|st|avenue|ave|av|road|rd|drive|dr|lane|ln|court|ct|boulevard|blvd|place|pl|way|circle|cir|"
    r"terrace|ter|trail|trl|parkway|pkwy|highway|hwy|alley|square|sq|crescent|cres|close|grove|row|walk|"
    r"loop|plaza|bypass|mews|gardens|crossing|turnpike|pike|expressway|freeway|fwy|esplanade|quay|wharf"
)
_WORD = r"(?:[\pL\pN][\pL\pN'’.-]*)"
_ENDING = (
    r"straße|strasse|str\.|weg|gasse|platz|allee|ufer|damm|straat|laan|plein|gracht|kade|gade|vej|gatan|"
    r"vägen|gata|veien|vegen|gränd|katu|tie|polku|kuja|utca|stræti|braut|stígur|stien|ulica|ulice"
)
_HEAD = (
    r"rua|calle|c/|via|rue|avenida|av\.|viale|piazza|plaza|ul\.|ulica|ulice|boulevard|bd|chemin|corso|"
    r"travessa|paseo|impasse|allée|place|largo|praça|carrer|carretera|camino|strada|vicolo|route"
)
_STATE = (
    r"(?-i:A[KLRZ]|C[AOT]|D[CE]|FL|GA|HI|I[ADLN]|K[SY]|LA|M[ADEINOST]|N[CDEHJMVY]|O[HKR]|P[AR]|RI|"
    r"S[CD]|T[NX]|UT|V[AT]|W[AIVY])"
)
_UNIT = r"(?:apt|apartment|suite|ste|unit|flat|floor|fl|bldg|building|lot|spc|space|#)\.?"

_ALSO_WORDS = frozenset(
    [
        "way",
        "place",
        "pl",
        "court",
        "ct",
        "close",
        "walk",
        "run",
        "drive",
        "dr",
        "circle",
        "square",
        "sq",
        "row",
        "loop",
        "st",
        "ter",
        "terrace",
        "trail",
        "alley",
        "crossing",
        "pike",
        "plaza",
        "gardens",
        "grove",
    ]
)


def _has_digit(text: str) -> bool:
    return any(c.isdigit() for c in text)


def _street_like(text: str) -> bool:
    """Not *2 tablets by way*: an ending that is also a word needs a capital before it."""
    words = text.replace(",", " ").replace(".", " ").lower().split()
    if any(word in _ALSO_WORDS for word in words[1:]):
        return any(c.isupper() for c in text)
    return True


RECOGNIZERS = (
    Recognizer(
        entity=EntityClass.ADDRESS,
        forms=(
            rf"\b[0-9]{{1,6}}[A-Z]?(?:-[0-9]{{1,4}})?,? (?:{_WORD}[ ]){{1,4}}(?:{_KIND})\b\.?"
            rf"(?:,? ?{_UNIT} ?#?[0-9]*[A-Z]?\b)?",
            rf"\b[\pL][\pL'’.-]*(?:[ -][\pL]+)?(?:{_ENDING}),? [0-9]{{1,4}} ?[A-Z]?\b",
            rf"\b[0-9]{{1,5}}[,]? ?(?:bis |ter )?(?:{_HEAD}) (?:(?:de|la|le|del|du|des|di|da|dos|d')[ ]?){{0,2}}"
            rf"{_WORD}(?: {_WORD}){{0,2}}",
            rf"\b(?:{_HEAD}) (?:(?:de|la|le|del|du|des|di|da|dos|d')[ ]?){{0,2}}{_WORD}(?: {_WORD}){{0,2}},? "
            rf"(?:n[º°o.]{{1,2}} ?)?[0-9]{{1,5}}\b",
            rf"\b{_WORD} (?:út|utca|u\.|tér|krt\.|körút|fasor) [0-9]{{1,4}}\.?",
            r"\b(?:p\.? ?o\.? ?box|post office box|postbus|postfach|apartado|psc|cmr) [0-9]{1,6}"
            r"(?:,? box [0-9]{1,6})?\b",
            r"\bunit [0-9]{3,6},? box [0-9]{1,6}\b",
            r"\b(?:APO|FPO|DPO),? (?:AE|AP|AA) [0-9]{5}(?:-[0-9]{4})?\b",
            r"\b(?:apt|apartment|suite|ste|flat)\.? ?#?(?:[0-9]{1,5}[A-Z]?|[A-Z])\b",
            rf"\b(?:interstate|state route|route|highway|hwy|us|sr|i)[ -][0-9]{{1,3}}\b(?: (?:and|at|near|exit) "
            rf"{_WORD}(?: (?:{_KIND}))?)?",
            rf"\b(?:corner|intersection) of (?P<x>{_WORD}(?: {_WORD})? and {_WORD}(?: (?:{_KIND}))?)\b",
        ),
        check=_street_like,
        finds={
            "at 123 N. Main St., Apt 4B": ["123 N. Main St., Apt 4B"],
            "wohnt Lindenstraße 12": ["Lindenstraße 12"],
            "12, rue de la Paix": ["12, rue de la Paix"],
            "PO Box 4471": ["PO Box 4471"],
            "PSC 3, Box 4471": ["PSC 3, Box 4471"],
            "corner of Oak and Third Street": ["Oak and Third Street"],
        },
        leaves=("take 2 tablets by way of", "5 mg per day", "walked 100 feet"),
    ),
    Recognizer(
        entity=EntityClass.POSTCODE,
        forms=(
            rf"\b{_STATE},? (?P<x>[0-9]{{5}}(?:-[0-9]{{4}})?)\b",
            r"\b[0-9]{5}-[0-9]{4}\b",
            r"\b(?:zip|zip ?code|post(?:al)? ?code|plz|cap|cep)(?: is|:| of)?\s{1,2}(?P<x>[A-Z0-9][A-Z0-9 -]{2,9}[A-Z0-9])\b",
            r"\b(?-i:[A-Z][0-9][A-Z] [0-9][A-Z][0-9])\b",
            r"\b(?-i:[A-Z]{1,2}[0-9][0-9A-Z]? [0-9][A-Z]{2})\b",
            r"\b[0-9]{4}-[0-9]{3}\b",
        ),
        check=_has_digit,
        score=0.8,
        finds={
            "Fresno, CA 93721": ["93721"],
            "zip: 93721": ["93721"],
            "London SW1A 1AA": ["SW1A 1AA"],
        },
        leaves=("T4 2.1", "CPT 99213", "zip line"),
    ),
    Recognizer(
        entity=EntityClass.PLACE,
        forms=(
            r"\b(?P<x>(?-i:[A-Z][\pL'-]+(?: [A-Z][\pL'-]+){0,2}) (?-i:County|Parish|Borough|Township|Precinct))\b",
            r"\b(?-i:County of [A-Z][\pL'-]+(?: [A-Z][\pL'-]+)?)\b",
            r"\b(?:city|town|village|suburb|municipality) of (?P<x>(?-i:[A-Z][\pL'-]+(?: [A-Z][\pL'-]+){0,2}))\b",
            r"[-+]?[0-9]{1,3}\.[0-9]{3,}[,; ]{1,2}[-+]?[0-9]{1,3}\.[0-9]{3,}",
            r"[0-9]{1,3}°\s?[0-9]{1,2}['′](?:\s?[0-9.]{1,5}[\"″])?\s?[NSEW]",
            r"\bcensus (?:tract|block)s? (?P<x>[0-9.]{3,8})\b",
            r"\b(?:fips|geoid)[ :]{1,2}(?P<x>[0-9]{5,15})\b",
            r"\b(?:room|rm|bed|bay|pod|ward|cubicle|stretcher|gurney)\.? ?(?:no\.? ?|# ?|number )?"
            r"(?P<x>[0-9]{1,4}[A-Z]?(?:-[0-9A-Z]{1,2})?)\b",
        ),
        score=0.8,
        finds={
            "moved to Fresno County": ["Fresno County"],
            "in the city of San Rafael": ["San Rafael"],
            "Rm 412B, Bed 2": ["412B", "2"],
            "37.7749, -122.4194": ["37.7749, -122.4194"],
        },
        leaves=("the county hospital", "out of bed", "bed rest", "room air"),
    ),
)
