"""What stays with a person from visit to visit, as columns for any selection of people."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from deid_platform.engine.synthetic import vocabulary
from deid_platform.engine.synthetic.canaries import Canaries
from deid_platform.engine.synthetic.columns import Column, blanked, chosen, digits, joined
from deid_platform.engine.synthetic.draw import Choices, Flags, Numbers, Shares, Source
from deid_platform.engine.synthetic.vocabulary import GROUPS, HISPANIC, SEXES, UNKNOWN

_MRNS = 98_000_000
_SSNS = 898 * 99 * 9_999
_MEMBERS = 1_000_000_000

# Shares of the years of age at a person's first visit: emergency departments see infants and the
# old far more than others.
_AGE_BANDS = (
    (1, 34), (5, 72), (15, 92), (25, 128), (35, 160), (45, 132), (55, 112), (65, 108), (75, 84),
    (85, 56), (90, 16), (95, 5), (100, 1.2), (vocabulary.OLDEST + 1, 0.3),
)  # fmt: skip
_RACES_OF_HISPANICS = (52.0, 2.5, 0.8, 3.2, 0.5, 12.0, 0.0, 29.0)
# Four who come with children and four who come with adults, two women first in each.
_KIN = ("mother", "grandmother", "father", "grandfather", "wife", "daughter", "husband", "son")
_CHILDRENS_KIN = 4
_MAIL = ("mail.example.com", "inbox.example.net", "post.example.org", "home.example.com")
_PAYERS = ("Medi-Cal", "Commercial", "Medicare", "Self-pay", "Other Government", "Unknown")
_PAYER_PREFIXES = ("MC", "CP", "MB", None, "OG", None)
_PAYERS_BY_AGE = Choices([
    (54.0, 37.0, 0.2, 4.0, 3.8, 1.0),
    (37.0, 41.0, 4.0, 13.0, 3.5, 1.5),
    (8.0, 6.5, 80.0, 2.0, 2.5, 1.0),
])  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class People:
    """Everyone of one scenario. Nothing is stored: a person's number is enough."""

    source: Source
    population: vocabulary.Population
    canaries: Canaries

    def sex(self, people: Numbers) -> Numbers:
        """Numbers in `SEXES`."""
        return _SEXES.pick(0, self.source.uniform("sex", people))

    def birth_days(self, people: Numbers, first_visit_days: Numbers) -> Numbers:
        """Days of birth, given the day on which each was first expected to visit."""
        years = _AGES.pick(0, self.source.uniform("age", people))
        age = years + self.source.uniform("age fraction", people)
        return first_visit_days - np.floor(age * 365.2425).astype(np.int64)

    def group(self, people: Numbers) -> Numbers:
        """Numbers in `GROUPS`, whether or not the hospital recorded them."""
        home = self.first_county(people)
        return self.population.group_of_county.pick(home, self.source.uniform("group", people))

    def first_county(self, people: Numbers) -> Numbers:
        """Numbers of the counties of residence before any move."""
        return self.population.county.pick(0, self.source.uniform("county", people))

    def moves(self, people: Numbers) -> tuple[Flags, Numbers]:
        """Who moves once within the time seen, and where to."""
        to = self.population.county.pick(0, self.source.uniform("second county", people))
        return self.source.chance("moves", people, 0.04), to

    def race_columns(self, people: Numbers) -> dict[str, Column]:
        """Race, ethnicity and their exclusive combination, as recorded."""
        group = self.group(people)
        hispanic = group == HISPANIC
        race = np.where(
            hispanic, _HISPANIC_RACES.pick(0, self.source.uniform("race", people)), group
        )
        unrecorded = self.source.chance("group unrecorded", people, 0.025)
        unknown = "Unknown"
        return {
            "race": _LABELS.take(pa.array(np.where(unrecorded, UNKNOWN, race))),
            "ethnicity": chosen(
                unrecorded,
                unknown,
                chosen(hispanic, "Hispanic or Latino", "Not Hispanic or Latino"),
            ),
            "race_ethnicity": _LABELS.take(pa.array(np.where(unrecorded, UNKNOWN, group))),
        }

    def origin(self, people: Numbers) -> Numbers:
        """Numbers of the origins that names and languages go by."""
        share = self.source.uniform("origin", people)
        return vocabulary.names().origin_of_group.pick(self.group(people), share)

    def language(self, people: Numbers) -> Column:
        """The language the person prefers to speak."""
        names = vocabulary.names()
        share = self.source.uniform("language", people)
        return pa.array(names.languages).take(
            pa.array(names.language_of_origin.pick(self.origin(people), share))
        )

    def name_columns(self, people: Numbers, ages: Numbers) -> dict[str, Column]:
        """Full name, its parts, an e-mail address made of them, and a relative's given name."""
        names = vocabulary.names()
        origin = self.origin(people)
        family = names.family.pick(origin, self.source.uniform("family", people))
        second = names.family.pick(origin, self.source.uniform("second family", people))
        double = self.source.chance("double name", people, 0.06)
        given = self._given("given", people, origin, self._named_as(people))
        kin = self.source.below("kin", people, 4) + np.where(ages < 18, 0, _CHILDRENS_KIN)
        relative = self._given("relative", people, origin, kin % 4 // 2)
        given_name = self.canaries.overlaid(
            "given", people, names.given.texts.take(pa.array(given))
        )
        family_names = names.family.texts.take(pa.array(family))
        family_name = self.canaries.overlaid(
            "family",
            people,
            joined(
                family_names,
                chosen(double, "-", ""),
                chosen(double, names.family.texts.take(pa.array(second)), ""),
            ),
        )
        initials = chosen(
            self.source.chance("has initial", people, 0.3),
            joined(" ", _INITIALS.take(pa.array(self.source.below("initial", people, 21))), "."),
            "",
        )
        email = joined(
            self._plain_given.take(pa.array(given)),
            ".",
            self._plain_family.take(pa.array(family)),
            digits(people % 9_973),
            "@",
            pa.array(_MAIL).take(pa.array(self.source.below("mail", people, len(_MAIL)))),
        )
        return {
            "patient_name": joined(given_name, initials, " ", family_name),
            "given": given_name,
            "family": family_name,
            "kin": pa.array(_KIN).take(pa.array(kin)),
            "relative": self.canaries.overlaid(
                "relative", people, names.given.texts.take(pa.array(relative))
            ),
            "email": self.canaries.overlaid(
                "email", people, blanked(email, self.source.chance("no e-mail", people, 0.3))
            ),
        }

    def number_columns(self, people: Numbers) -> dict[str, Column]:
        """Record, social security and telephone numbers."""
        ssn = self.source.scramble("ssn", people, _SSNS)
        area = ssn // (99 * 9_999) + 1
        area += area >= 666  # never issued
        ssn_text = joined(
            digits(area, 3), "-", digits(ssn // 9_999 % 99 + 1, 2), "-", digits(ssn % 9_999 + 1, 4)
        )
        mrn = joined("MRN", digits(self.source.scramble("mrn", people, _MRNS), 8))
        overlaid = self.canaries.overlaid
        return {
            "patient_mrn": overlaid("patient_mrn", people, mrn),
            "ssn": overlaid(
                "ssn", people, blanked(ssn_text, self.source.chance("no ssn", people, 0.08))
            ),
            "phone": overlaid("phone", people, self._phones(people)),
        }

    def payer_columns(self, people: Numbers, ages: Numbers) -> dict[str, Column]:
        """Who is expected to pay, and the person's number there."""
        band = np.digitize(ages, (18, 65)).astype(np.int64)
        payer = pa.array(_PAYERS_BY_AGE.pick(band, self.source.uniform("payer", people)))
        number = digits(self.source.scramble("member", people, _MEMBERS), 9)
        prefix = pa.array(_PAYER_PREFIXES).take(payer)
        member_id = blanked(joined(prefix, number), prefix.is_null().to_numpy(zero_copy_only=False))
        return {
            "payer": pa.array(_PAYERS).take(payer),
            "member_id": self.canaries.overlaid("member_id", people, member_id),
        }

    def _named_as(self, people: Numbers) -> Numbers:
        """0 for a woman's given name, 1 for a man's."""
        sex = self.sex(people)
        either = self.source.below("name of unknown sex", people, 2)
        return np.where(sex == SEXES.index("Unknown"), either, sex)

    def _given(self, stream: str, people: Numbers, origin: Numbers, named_as: Numbers) -> Numbers:
        names = vocabulary.names()
        english = self.source.chance(f"english {stream}", people, names.english_given[origin])
        row = np.where(english, names.origins.index("english"), origin) * 2 + named_as
        return names.given.pick(row, self.source.uniform(stream, people))

    def _phones(self, people: Numbers) -> Column:
        codes = vocabulary.places().area_codes
        code = codes.pick(self.first_county(people), self.source.uniform("area code", people))
        area = codes.texts.take(pa.array(code))
        # From N12 to N99: N11 are services, and 555 is for canaries.
        exchange = 212 + self.source.below("exchange", people, 88)
        exchange += self.source.below("exchange hundreds", people, 8) * 100
        exchange += exchange == 555
        local = digits(exchange)
        line = digits(self.source.below("line", people, 10_000), 4)
        written = self.source.uniform("phone format", people)
        phone = chosen(
            written < 0.6,
            joined("(", area, ") ", local, "-", line),
            chosen(written < 0.9, joined(area, "-", local, "-", line), joined(area, local, line)),
        )
        return blanked(phone, self.source.chance("no phone", people, 0.04))

    @cached_property
    def _plain_given(self) -> Column:
        return vocabulary.names().given.mapped(_plain)

    @cached_property
    def _plain_family(self) -> Column:
        return vocabulary.names().family.mapped(_plain)


def _plain(name: str) -> str:
    """A name as it stands in an e-mail address."""
    letters = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return "".join(filter(str.isalpha, letters)).lower()


def _age_weights() -> Shares:
    weights = np.zeros((1, vocabulary.OLDEST + 1))
    start = 0
    for end, weight in _AGE_BANDS:
        weights[0, start:end] = weight / (end - start)
        start = end
    return weights


_SEXES = Choices([(529.0, 468.0, 3.0)])
_AGES = Choices(_age_weights())
_HISPANIC_RACES = Choices([_RACES_OF_HISPANICS])
_LABELS = pa.array(GROUPS)
_INITIALS = pa.array(list("ABCDEFGHIJKLMNOPRSTVW"))
