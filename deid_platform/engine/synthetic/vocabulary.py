"""The words and weights of the generator, read from the data files beside this module."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from deid_platform.core.errors import DeclarationError
from deid_platform.engine.synthetic.draw import Choices, Shares, Words

_FOLDER = Path(__file__).parent / "lists"

SEXES = ("F", "M", "Unknown")
GROUPS = (
    "White",
    "Black or African American",
    "Asian",
    "American Indian or Alaska Native",
    "Native Hawaiian or Other Pacific Islander",
    "Multiracial",
    "Hispanic or Latino",
    "Unknown",
)
"""Combined race and ethnicity; the first six, not Hispanic, are also races."""
HISPANIC = GROUPS.index("Hispanic or Latino")
UNKNOWN = GROUPS.index("Unknown")
OLDEST = 104
"""Nobody is older at a visit. The open-ended age groups need a few people over 89."""


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """One diagnosis code, who may have it and what tends to follow."""

    code: str
    description: str
    condition_group: str
    weight: float
    sex: str
    youngest: int
    oldest: int
    transport_pct: float
    admitted_pct: float


@dataclass(frozen=True, kw_only=True)
class Names:
    """Given and family names by origin, the mix of origins by group, and languages."""

    origins: tuple[str, ...]
    given: Words
    family: Words
    origin_of_group: Choices
    english_given: Shares
    languages: tuple[str, ...]
    language_of_origin: Choices


@dataclass(frozen=True, kw_only=True)
class Places:
    """Counties with their towns and area codes.

    Row ``elsewhere`` of the towns, after those of the counties, lists towns in other states.
    ``cities`` and ``zip_codes`` are the two parts of a town.
    """

    counties: tuple[str, ...]
    towns: Words
    elsewhere: int
    cities: Any
    zip_codes: Any
    area_codes: Words
    streets: tuple[str, ...]
    street_kinds: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Population:
    """Shares of the counties and, within each, of the groups, in the order of `Places`."""

    county: Choices
    group_of_county: Choices


@cache
def diagnoses() -> tuple[Diagnosis, ...]:
    """All diagnoses."""
    with (_FOLDER / "diagnoses.csv").open(encoding="utf-8", newline="") as file:
        return tuple(
            Diagnosis(
                code=row["code"],
                description=row["description"],
                condition_group=row["condition_group"],
                weight=float(row["weight"]),
                sex=row["sex"],
                youngest=int(row["youngest"]),
                oldest=int(row["oldest"]),
                transport_pct=float(row["transport_pct"]),
                admitted_pct=float(row["admitted_pct"]),
            )
            for row in csv.DictReader(file)
        )


@cache
def names() -> Names:
    """All names. The given names of an origin take two rows, women's and men's."""
    content = _read("names.yaml")
    origins = tuple(content["given"])
    languages = tuple(dict.fromkeys(name for mix in content["languages"].values() for name in mix))
    return Names(
        origins=origins,
        given=Words(
            [content["given"][origin][sex].split() for origin in origins for sex in "FM"],
            flatness=4.0,
        ),
        family=Words([content["family"][origin].split() for origin in origins], flatness=4.0),
        origin_of_group=_mixes([content["origins"].get(group, {}) for group in GROUPS], origins),
        english_given=np.array(
            [content["english_given_pct"].get(origin, 0) / 100 for origin in origins]
        ),
        languages=languages,
        language_of_origin=_mixes([content["languages"][o] for o in origins], languages),
    )


@cache
def places() -> Places:
    """All places; a town is written ``City|ZIP``."""
    content = _read("places.yaml")
    counties: Mapping[str, Any] = content["counties"]
    cities_by_row = [*(county["cities"] for county in counties.values()), content["elsewhere"]]
    towns = Words([_towns(cities) for cities in cities_by_row])
    return Places(
        counties=tuple(counties),
        towns=towns,
        elsewhere=len(counties),
        cities=towns.mapped(lambda town: town.split("|")[0]),
        zip_codes=towns.mapped(lambda town: town.split("|")[1]),
        area_codes=Words([[str(c) for c in county["areas"]] for county in counties.values()]),
        streets=tuple(content["streets"].split()),
        street_kinds=tuple(content["street_kinds"].split()),
    )


def read_population(file: Path) -> Population:
    """Read the project's seed of county populations.

    Raises:
        DeclarationError: the file is missing, or does not hold every county and group.
    """
    counts: dict[tuple[str, str], int] = {}
    try:
        with file.open(encoding="utf-8", newline="") as lines:
            for row in csv.DictReader(lines):
                counts[row["area"], row["race_ethnicity"]] = int(row["population_count"])
        by_county = [
            [counts[county, group] if group != "Unknown" else 0 for group in GROUPS]
            for county in places().counties
        ]
    except (OSError, KeyError, ValueError, TypeError):
        raise DeclarationError(
            str(file),
            "this is not a table of every county's population by race and ethnicity",
            "restore the seed, or set DEID_PROJECT to the project that holds it",
        ) from None
    return Population(
        county=Choices([[sum(groups) for groups in by_county]]),
        group_of_county=Choices(by_county),
    )


def _read(name: str) -> Any:
    return yaml.safe_load((_FOLDER / name).read_text("utf-8"))


def _towns(cities: Mapping[str, Sequence[int | str]]) -> list[str]:
    return [f"{city}|{zip_code}" for city, codes in cities.items() for zip_code in codes]


def _mixes(rows: Sequence[Mapping[str, float]], options: Sequence[str]) -> Choices:
    """Weights by option; a row without any is never asked for, and gets equal weights."""
    return Choices(
        [[(row or dict.fromkeys(options, 1)).get(o, 0) for o in options] for row in rows]
    )
