"""Each visit as a row: what its patient brings along, and what happens."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deid_platform.engine.synthetic import vocabulary
from deid_platform.engine.synthetic.columns import (
    Column,
    blanked,
    chosen,
    dates,
    digits,
    joined,
    times,
    years_between,
)
from deid_platform.engine.synthetic.draw import Choices, Flags, Numbers, Shares, Source
from deid_platform.engine.synthetic.notes import triage_notes
from deid_platform.engine.synthetic.people import People
from deid_platform.engine.synthetic.timeline import MINUTES_A_DAY, Calendar, Timeline

_VISIT_IDS = 10_000_000_000
_DISPOSITIONS = (
    "Home", "Left Without Being Seen", "Left Against Medical Advice", "Transferred",
    "Skilled Nursing Facility", "Admitted", "Expired",
)  # fmt: skip
_ADMITTED = _DISPOSITIONS.index("Admitted")
_EXPIRED = _DISPOSITIONS.index("Expired")
# Under 70 years, and from 70 on.
_LEAVING = Choices([(905.0, 38.0, 16.0, 33.0, 0.0), (825.0, 18.0, 12.0, 45.0, 100.0)])
_OFTEN_RETURNING = frozenset({"Substance use", "Serious mental illness"})
_SEX_LABELS = pa.array(vocabulary.SEXES)
_SEX_WORDS = pa.array(["female", "male", "patient"])
_AGES = 111
# Days since 1970 that a note may hold: births before 1850 or visits after 2100 are impossible.
_EARLIEST_WRITTEN = -120 * 366
_LATEST_WRITTEN = 132 * 366


@dataclass(frozen=True, kw_only=True)
class Visits:
    """Makes rows for any part of a timeline."""

    calendar: Calendar
    people: People
    source: Source

    def batch(self, visits: Timeline) -> Column:
        """One row per visit, in order of arrival, as a record batch."""
        people, numbers = visits.person, visits.number
        day = visits.minute // MINUTES_A_DAY
        birth = self.calendar.birth_days(people)
        age = years_between(birth, day)
        sex = self.people.sex(people)
        numbered = self.people.number_columns(people)
        named = self.people.name_columns(people, age)
        address = self._address_columns(people, day)
        payer = self.people.payer_columns(people, age)
        condition = self._condition(numbers, people, sex, age)
        facts = _facts()
        description = facts.descriptions.take(pa.array(condition))
        stay = self._stay(numbers)
        note = triage_notes(
            self.source.uniform("note", numbers),
            self.people.canaries.are_among(people),
            {
                **named,
                **numbered,
                **address,
                **self._spoken(numbers, day),
                "member_id": payer["member_id"],
                "born": _written(birth),
                "age": digits(age),
                "sex": _SEX_WORDS.take(pa.array(sex)),
                "complaint": pc.utf8_lower(description),
                "mark": self.people.canaries.note_markers(people),
            },
        )
        columns = {
            "visit_id": self.visit_ids(numbers),
            "patient_mrn": numbered["patient_mrn"],
            "patient_name": named["patient_name"],
            "ssn": numbered["ssn"],
            "birth_date": dates(birth),
            "age_years": pa.array(age.astype(np.int32)),
            "sex": _SEX_LABELS.take(pa.array(sex)),
            **self.people.race_columns(people),
            "language": self.people.language(people),
            "phone": numbered["phone"],
            "email": named["email"],
            **address,
            **payer,
            "visit_date": dates(day),
            "arrival_time": times(visits.minute),
            "discharge_time": times(visits.minute + stay),
            "diagnosis_code": facts.codes.take(pa.array(condition)),
            "diagnosis_description": description,
            "condition_group": facts.groups.take(pa.array(condition)),
            "is_emergency_transport": pa.array(
                self.source.chance("transport", numbers, facts.transport[condition])
            ),
            "disposition": self._disposition(numbers, age, condition, visits.is_last),
            "triage_note": note,
        }
        return pa.RecordBatch.from_pydict(columns)

    def visit_ids(self, numbers: Numbers) -> Column:
        """Identifiers that say nothing about the order of visits."""
        return joined("V", digits(self.source.scramble("visit", numbers, _VISIT_IDS), 10))

    def _address_columns(self, people: Numbers, day: Numbers) -> dict[str, Column]:
        """Where the patient lives at the visit.

        The county is that of residence. A few give a mailing address in another state.
        """
        places = vocabulary.places()
        source = self.source
        movers, second_county = self.people.moves(people)
        moved = movers & self.calendar.has_moved(people, day)
        county = np.where(moved, second_county, self.people.first_county(people))
        home = people * 2 + moved
        row = np.where(source.chance("elsewhere", home, 0.004), places.elsewhere, county)
        town = pa.array(places.towns.pick(row, source.uniform("town", home)))
        zip_code = places.zip_codes.take(town)
        long_zip = joined(zip_code, "-", digits(source.below("zip+4", home, 9_000) + 1_000))
        street = joined(
            digits(source.below("house", home, 9_870) + 11),
            " ",
            pa.array(places.streets).take(
                pa.array(source.below("street", home, len(places.streets)))
            ),
            " ",
            pa.array(places.street_kinds).take(
                pa.array(source.below("street kind", home, len(places.street_kinds)))
            ),
            chosen(
                source.chance("flat", home, 0.22),
                joined(" Apt ", digits(source.below("flat number", home, 340) + 1)),
                "",
            ),
        )
        return {
            "street_address": self.people.canaries.overlaid("street_address", people, street),
            "city": places.cities.take(town),
            "zip": blanked(
                chosen(source.chance("long zip", home, 0.03), long_zip, zip_code),
                source.chance("no zip", home, 0.005),
            ),
            "county": pa.array(places.counties).take(pa.array(county)),
        }

    def _spoken(self, numbers: Numbers, day: Numbers) -> dict[str, Column]:
        """What a triage nurse writes down beside the patient's particulars."""
        since = self.source.below("days of complaint", numbers, 9) + 1
        earlier = self.source.below("days since last seen", numbers, 380) + 6
        return {
            "onset": _written(day - since),
            "earlier": _written(day - earlier),
            "days": digits(since),
            "pain": digits(self.source.below("pain", numbers, 11)),
        }

    def _condition(self, numbers: Numbers, people: Numbers, sex: Numbers, age: Numbers) -> Numbers:
        often = people < max(1, self.calendar.scenario.people // 20)
        stratum = (np.minimum(sex, 1) * 2 + often) * _AGES + np.clip(age, 0, _AGES - 1)
        return _conditions().pick(stratum, self.source.uniform("condition", numbers))

    def _stay(self, numbers: Numbers) -> Numbers:
        """Minutes in the department: mostly a few hours, at times a day."""
        long = self.source.uniform("long stay", numbers)
        # Multiplied out, not a power: the result is then the same on every machine.
        tail = (1_300 * (long * long) * (long * long) * (long * long)).astype(np.int64)
        return 25 + self.source.below("stay", numbers, 270) + tail

    def _disposition(
        self, numbers: Numbers, age: Numbers, condition: Numbers, last: Flags
    ) -> Column:
        facts = _facts()
        admitted = self.source.chance("admitted", numbers, facts.admitted[condition])
        left = _LEAVING.pick((age >= 70).astype(np.int64), self.source.uniform("leaving", numbers))
        # Nobody comes back after dying.
        grave = np.where(facts.admitted[condition] > 0.9, 0.02, 0.0004)
        dies = last & self.source.chance("dies", numbers, grave)
        outcome = np.where(dies, _EXPIRED, np.where(admitted, _ADMITTED, left))
        return pa.array(_DISPOSITIONS).take(pa.array(outcome))


@dataclass(frozen=True, kw_only=True)
class _Facts:
    """The diagnoses, column by column."""

    codes: Column
    descriptions: Column
    groups: Column
    transport: Shares
    admitted: Shares


@cache
def _facts() -> _Facts:
    rows = vocabulary.diagnoses()
    return _Facts(
        codes=pa.array([row.code for row in rows]),
        descriptions=pa.array([row.description for row in rows]),
        groups=pa.array([row.condition_group for row in rows]),
        transport=np.array([row.transport_pct / 100 for row in rows]),
        admitted=np.array([row.admitted_pct / 100 for row in rows]),
    )


@cache
def _conditions() -> Choices:
    """Weights of the diagnoses by sex, whether the patient returns often, and age."""
    rows = vocabulary.diagnoses()
    weights = np.array([row.weight for row in rows])
    tilt = np.array([5.0 if row.condition_group in _OFTEN_RETURNING else 1.0 for row in rows])
    ages = np.arange(_AGES)[:, None]
    by_age = (ages >= [row.youngest for row in rows]) & (ages <= [row.oldest for row in rows])
    strata = [
        by_age * weights * [row.sex in ("", sex) for row in rows] * (tilt if often else 1.0)
        for sex in ("F", "M")
        for often in (False, True)
    ]
    return Choices(np.concatenate(strata))


def _written(days: Numbers) -> Column:
    """Days as people write them."""
    return _written_days().take(pa.array(days - _EARLIEST_WRITTEN))


@cache
def _written_days() -> Column:
    days = np.arange(_EARLIEST_WRITTEN, _LATEST_WRITTEN)
    return pc.strftime(dates(days), format="%m/%d/%Y")
