"""E-mail and web addresses, messaging handles. Source: 45 CFR 164.514(b)(2)(i)(F), (N)."""

from deid_platform.core.text.spans import EntityClass
from deid_platform.engine.text.recognizer import Recognizer

_PLAIN_TOP = "com|org|net|edu|gov|mil|info|biz|io|co|co\\.uk|de|fr|es|it|nl|ch|au|ca|eu"
_TOP = (
    "com|org|net|edu|gov|mil|int|info|biz|io|co|us|uk|ca|de|fr|es|it|nl|be|ch|at|au|nz|in|jp|cn|br|"
    "mx|ru|se|no|dk|fi|pl|cz|hu|pt|ie|gr|eu|health|care|clinic|app|dev|me|tv|ly|ai"
)

RECOGNIZERS = (
    Recognizer(
        entity=EntityClass.EMAIL,
        forms=(
            r"(?:mailto:)?[\pL\pN._%+'-]{1,64}(?:@|\s?\(at\)\s?|\s?\[at\]\s?)[\pL\pN-]{1,63}"
            r"(?:\.[\pL\pN-]{1,63}){1,6}",
        ),
        finds={
            "Mail to ana.o'neil+x@mail.example.com, please": ["ana.o'neil+x@mail.example.com"],
            "josé@correo.example": ["josé@correo.example"],
            "jdoe [at] example.org": ["jdoe [at] example.org"],
        },
        leaves=("seen @ 5pm", "weight 70 kg @ rest"),
    ),
    Recognizer(
        entity=EntityClass.URL,
        forms=(
            r"\b(?:https?|ftp|sftp|s3|file)://[^\s<>\"')\]]+",
            r"\bwww\.[\pL\pN-]+(?:\.[\pL\pN-]+)+(?:/[^\s<>\"')\]]*)?",
            rf"\b[\pL\pN-]{{2,63}}(?:\.[\pL\pN-]{{2,63}}){{0,3}}\.(?:{_TOP})/[^\s<>\"')\]]*",
            rf"\b(?-i:[a-z0-9][a-z0-9-]{{1,62}}(?:\.[a-z0-9-]{{2,63}}){{0,3}}\.(?:{_PLAIN_TOP}))\b",
        ),
        finds={
            "see https://portal.example.org/u?id=7 now": ["https://portal.example.org/u?id=7"],
            "at www.example.com.": ["www.example.com"],
            "portal: myhealth.example.org/p/12": ["myhealth.example.org/p/12"],
            "visit clinic-news.com for more": ["clinic-news.com"],
        },
        leaves=("takes 2 tabs.in the morning", "e.g. this"),
    ),
    Recognizer(
        entity=EntityClass.OTHER_ID,
        forms=(
            r"(?:^|[\s(,:])(?P<x>@[A-Za-z_][A-Za-z0-9_.]{2,29})\b",
            r"\b(?:username|user ?name|login|user ?id|screen ?name|password|passcode)"
            r"(?: is|:|=)\s*(?P<x>[^\s,;]{3,40})",
        ),
        finds={
            "DM me, @sunny_rivera9": ["@sunny_rivera9"],
            "username: kwatts81, thanks": ["kwatts81"],
        },
        leaves=("seen @ 5", "password reset"),
    ),
)
