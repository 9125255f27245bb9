"""What a column is: its attribute class, and the Safe Harbor identifier it holds, if any."""

from __future__ import annotations

import re
from enum import StrEnum


class AttributeClass(StrEnum):
    """How a column bears on privacy; every contract column has exactly one."""

    DIRECT_IDENTIFIER = "direct_identifier"
    QUASI_IDENTIFIER = "quasi_identifier"
    SENSITIVE = "sensitive"
    FREE_TEXT = "free_text"
    MEASURE = "measure"
    TECHNICAL = "technical"
    NEEDS_REVIEW = "needs_review"
    """A draft's mark for a column nobody has classified; a contract that holds one is refused."""


class IdentifierClass(StrEnum):
    """The 18 identifiers of Safe Harbor. Source: 45 CFR 164.514(b)(2)(i)(A)-(R).

    Ages over 89 belong to ``dates``, as in the rule. Partial values and derivatives (initials,
    the last four digits, hashes) belong to the identifier they come from.
    """

    NAME = "name"
    GEOGRAPHY = "geography"
    DATES = "dates"
    TELEPHONE = "telephone"
    FAX = "fax"
    EMAIL = "email"
    SSN = "ssn"
    MEDICAL_RECORD_NUMBER = "medical_record_number"
    HEALTH_PLAN_NUMBER = "health_plan_number"
    ACCOUNT_NUMBER = "account_number"
    LICENSE_NUMBER = "license_number"
    VEHICLE = "vehicle"
    DEVICE = "device"
    URL = "url"
    IP_ADDRESS = "ip_address"
    BIOMETRIC = "biometric"
    PHOTOGRAPH = "photograph"
    OTHER_UNIQUE = "other_unique"

    @property
    def citation(self) -> str:
        """The paragraph of the rule, as in ``45 CFR 164.514(b)(2)(i)(A)``."""
        letter = "ABCDEFGHIJKLMNOPQR"[list(IdentifierClass).index(self)]
        return f"45 CFR 164.514(b)(2)(i)({letter})"


LIMITED_MAY_KEEP: frozenset[IdentifierClass] = frozenset(
    {IdentifierClass.GEOGRAPHY, IdentifierClass.DATES, IdentifierClass.OTHER_UNIQUE}
)
"""Classes a limited data set may hold in part: town, county, state and ZIP but no street address;
dates and ages; codes that are on no list. Source: 45 CFR 164.514(e)(2)."""

_WORDS: dict[IdentifierClass, frozenset[str]] = {
    IdentifierClass.SSN: frozenset({"ssn", "itin"}),
    IdentifierClass.EMAIL: frozenset({"email", "mail"}),
    IdentifierClass.FAX: frozenset({"fax"}),
    IdentifierClass.TELEPHONE: frozenset({"phone", "tel", "mobile", "cell", "pager", "sms"}),
    IdentifierClass.MEDICAL_RECORD_NUMBER: frozenset({"mrn", "chart", "accession", "empi"}),
    IdentifierClass.HEALTH_PLAN_NUMBER: frozenset(
        {"member", "subscriber", "beneficiary", "cin", "bic", "mbi", "hicn", "policyholder"}
    ),
    IdentifierClass.ACCOUNT_NUMBER: frozenset({"account", "acct", "iban", "card"}),
    IdentifierClass.LICENSE_NUMBER: frozenset(
        {"licence", "license", "driver", "drivers", "passport", "certificate", "dea"}
    ),
    IdentifierClass.VEHICLE: frozenset({"vin", "plate", "vehicle"}),
    IdentifierClass.DEVICE: frozenset({"udi", "imei", "serial", "mac"}),
    IdentifierClass.URL: frozenset({"url", "uri", "website", "link", "href"}),
    IdentifierClass.IP_ADDRESS: frozenset({"ip", "ipv4", "ipv6"}),
    IdentifierClass.BIOMETRIC: frozenset({"biometric", "fingerprint", "retina", "iris"}),
    IdentifierClass.PHOTOGRAPH: frozenset({"photo", "photograph", "picture", "portrait"}),
    IdentifierClass.GEOGRAPHY: frozenset(
        {
            *("address", "addr", "street", "city", "town", "county", "zip", "zipcode", "postal"),
            *("postcode", "lat", "lon", "lng", "latitude", "longitude", "tract", "fips", "geoid"),
            *("precinct", "birthplace", "neighborhood", "mssa", "geocode", "apartment"),
            *("coordinates", "geometry", "geom", "geohash"),
        }
    ),
    IdentifierClass.DATES: frozenset(
        {
            *("date", "dob", "birth", "born", "datetime", "timestamp", "time", "month", "week"),
            *("day", "weekday", "quarter", "hour", "age", "death", "deceased", "birthday"),
            *("birthdate", "deathdate", "yob", "dod", "dt", "dte"),
        }
    ),
    IdentifierClass.NAME: frozenset(
        {
            *("name", "surname", "first", "last", "middle", "maiden", "alias", "initials"),
            *("nickname", "employer", "guarantor", "guardian", "spouse", "kin", "mother", "father"),
        }
    ),
    IdentifierClass.OTHER_UNIQUE: frozenset(
        {
            *("id", "uuid", "guid", "uid", "identifier", "npi", "tin", "ein", "login", "password"),
            *("barcode", "hash", "token", "cookie"),
        }
    ),
}
_INSIDE: dict[IdentifierClass, tuple[str, ...]] = {
    IdentifierClass.SSN: ("ssn", "socialsecurity"),
    IdentifierClass.EMAIL: ("email",),
    IdentifierClass.TELEPHONE: ("phone",),
    IdentifierClass.MEDICAL_RECORD_NUMBER: ("mrn", "medicalrecord"),
    IdentifierClass.HEALTH_PLAN_NUMBER: ("memberid", "subscriberid", "insuranceid"),
    IdentifierClass.LICENSE_NUMBER: ("licence", "license", "passport"),
    IdentifierClass.IP_ADDRESS: ("ipaddr",),
    IdentifierClass.GEOGRAPHY: ("address", "zipcode", "county", "latitude", "longitude", "birthpl"),
    IdentifierClass.DATES: ("birth", "dateof", "timestamp"),
    IdentifierClass.NAME: ("firstname", "lastname", "fullname", "middlename", "surname"),
}
_ENDINGS: dict[IdentifierClass, tuple[str, ...]] = {
    IdentifierClass.DATES: ("date", "datetime"),
    IdentifierClass.NAME: ("name",),
    IdentifierClass.OTHER_UNIQUE: ("id", "uid"),
}
_NOT_AN_ID = frozenset(
    {*("paid", "unpaid", "prepaid", "valid", "invalid", "void", "avoid", "covid", "medicaid")}
    | {*("grid", "rapid", "fluid", "solid", "aid", "steroid", "opioid", "thyroid", "hybrid")}
)
_STREET = frozenset(
    {
        *("address", "addr", "street", "lat", "lon", "lng", "latitude", "longitude", "tract"),
        *("geocode", "geoid", "apartment", "block", "birthplace", "coordinates", "geometry"),
        *("geom", "geohash"),
    }
)
_BIRTH = ("birth", "dob", "born", "yob")


def name_words(name: str) -> tuple[str, ...]:
    """Lower-case words of a column name: ``PatientID``, ``patient_id`` and ``PATIENT ID`` agree."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    words = re.split(r"[^A-Za-z]+", spaced)
    return tuple(word.lower() for word in words if word)


def identifier_by_name(name: str) -> IdentifierClass | None:
    """The identifier class that a column's name speaks of, or None.

    Wide on purpose: a contract answers a false alarm with one line of ``not_identifier``, and a
    missed identifier is a leak.
    """
    words = name_words(name)
    joined = "".join(words)
    for identifier, known in _WORDS.items():
        if known & set(words) or any(part in joined for part in _INSIDE.get(identifier, ())):
            return identifier
    for identifier, endings in _ENDINGS.items():
        if any(word.endswith(endings) and word not in _NOT_AN_ID for word in words):
            return identifier
    return None


def says_street(name: str) -> bool:
    """Whether a geography column's name speaks of a street address or of coordinates."""
    words = name_words(name)
    return bool(_STREET & set(words)) or "address" in "".join(words)


def says_birth(name: str) -> bool:
    """Whether a column's name speaks of birth, whose year may itself reveal an age over 89."""
    joined = "".join(name_words(name))
    return any(word in joined for word in _BIRTH)
