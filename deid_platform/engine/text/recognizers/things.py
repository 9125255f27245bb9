"""Vehicles, devices and network addresses. Source: 45 CFR 164.514(b)(2)(i)(L), (M), (O)."""

import ipaddress

from deid_platform.core.text.spans import EntityClass
from deid_platform.engine.text.recognizer import Recognizer

_VIN = dict(zip("ABCDEFGH", range(1, 9), strict=True))
_VIN |= dict(zip("JKLMN", range(1, 6), strict=True)) | {"P": 7, "R": 9}
_VIN |= dict(zip("STUVWXYZ", range(2, 10), strict=True)) | {str(d): d for d in range(10)}
_WEIGHTS = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)


def is_vin(text: str) -> bool:
    """Whether the ninth character checks the other sixteen."""
    upper = text.upper()
    if len(upper) != 17 or any(c not in _VIN for c in upper):
        return False
    rest = sum(_VIN[c] * w for c, w in zip(upper, _WEIGHTS, strict=True)) % 11
    return upper[8] == ("X" if rest == 10 else str(rest))


def is_address(text: str) -> bool:
    """Whether it is a network address."""
    try:
        ipaddress.ip_interface(text.split("%")[0])
    except ValueError:
        return False
    return True


def _has_digit(text: str) -> bool:
    return sum(c.isdigit() for c in text) >= 2


RECOGNIZERS = (
    Recognizer(
        entity=EntityClass.VEHICLE,
        forms=(r"\b[A-HJ-NPR-Z0-9]{17}\b",),
        check=is_vin,
        finds={"VIN 1M8GDM9AXKP042788": ["1M8GDM9AXKP042788"]},
        leaves=("1M8GDM9A1KP042788",),
    ),
    Recognizer(
        entity=EntityClass.VEHICLE,
        forms=(
            r"\bvin(?: number| no\.?)?[\s:#]{1,3}(?P<x>[A-HJ-NPR-Z0-9]{11,17})\b",
            r"\b(?:(?:licen[cs]e |number )?plates?|tag|registration)(?: number| no\.?| #)?(?: is)?"
            r"[\s:#]{1,3}(?P<x>[A-Z0-9]{1,4}[- ]?[A-Z0-9]{2,5})\b",
        ),
        check=_has_digit,
        finds={"license plate: 7ABC123": ["7ABC123"], "plate is KX 4471": ["KX 4471"]},
        leaves=("plate fixation of tibia", "growth plate normal"),
    ),
    Recognizer(
        entity=EntityClass.DEVICE,
        forms=(
            r"\b[0-9A-F]{2}(?:[:-][0-9A-F]{2}){5}\b",
            r"\b(?:serial|s/n|sn|udi|imei|imsi|meid|lot|model|device id|implant id)"
            r"(?:\s*(?:number|no|num|id)\b\.?)?[\s:#]{1,3}(?P<x>[A-Z0-9][A-Z0-9./()-]{3,60})",
            r"\(01\)[0-9]{14}(?:\([0-9]{2}\)[A-Z0-9-]{3,20}){0,4}",
        ),
        check=_has_digit,
        finds={
            "pacemaker serial number PJN-4482001": ["PJN-4482001"],
            "UDI (01)00844588003288(17)141120(10)7654321D": [
                "(01)00844588003288(17)141120(10)7654321D"
            ],
            "MAC 00:1B:44:11:3A:B7": ["00:1B:44:11:3A:B7"],
        },
        leaves=("serial exams", "serial troponins negative", "a lot of pain"),
    ),
    Recognizer(
        entity=EntityClass.IP_ADDRESS,
        forms=(
            r"(?:^|[^\w.])(?P<x>[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?:/[0-9]{1,2})?)\b",
            r"(?:^|[^\w:])(?P<x>(?:[0-9a-f]{1,4}:){7}[0-9a-f]{1,4}|"
            r"(?:[0-9a-f]{1,4}:){1,6}(?::[0-9a-f]{1,4}){1,6}|(?:[0-9a-f]{1,4}:){1,7}:)",
        ),
        check=is_address,
        finds={
            "from 192.168.4.20.": ["192.168.4.20"],
            "host 2001:db8::8a2e:370:7334": ["2001:db8::8a2e:370:7334"],
        },
        leaves=("OID 1.2.840.113619.2", "ratio 1:2:3", "at 10:30"),
    ),
)
