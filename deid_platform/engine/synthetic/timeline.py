"""Who visits when."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from deid_platform.engine.synthetic import vocabulary
from deid_platform.engine.synthetic.columns import years_between
from deid_platform.engine.synthetic.draw import Choices, Flags, Numbers, Shares, Source
from deid_platform.engine.synthetic.people import People
from deid_platform.engine.synthetic.scenario import Scenario

MINUTES_A_DAY = 24 * 60
_CHUNK = 1 << 18
_WEEKDAYS = (1.1, 1.02, 1.0, 0.99, 0.98, 0.97, 1.0)
_MONTHS = (1.1, 1.06, 1.03, 0.99, 0.98, 0.96, 0.97, 0.98, 0.97, 0.98, 1.0, 1.07)
_HOURS = Choices([(
    30, 25, 21, 19, 18, 20, 26, 35, 46, 57, 64, 66, 65, 63, 61, 60, 60, 61, 62, 61, 57, 52, 45, 37,
)])  # fmt: skip
# Beyond everyone's first visit: 70 % fall on anyone, 22 % on one person in 20, 8 % on one in 333.
_TIERS = ((0.70, 1), (0.92, 20), (1.0, 333))


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """Every visit of a scenario, ordered by arrival.

    ``number`` is the visit's, ``person`` its patient's, ``minute`` its arrival in minutes since
    1970 and ``is_last`` whether the patient is not seen again.
    """

    number: Numbers
    person: Numbers
    minute: Numbers
    is_last: Flags

    def between(self, start: datetime.date, end: datetime.date) -> Timeline:
        """The visits from ``start`` up to but not including ``end``."""
        edges = [_day(start) * MINUTES_A_DAY, _day(end) * MINUTES_A_DAY]
        first, last = np.searchsorted(self.minute, edges)
        return self.part(int(first), int(last))

    def part(self, first: int, last: int) -> Timeline:
        """The visits at positions ``first`` up to but not including ``last``."""
        rows = slice(first, last)
        return Timeline(
            number=self.number[rows],
            person=self.person[rows],
            minute=self.minute[rows],
            is_last=self.is_last[rows],
        )

    def __len__(self) -> int:
        return len(self.number)


@dataclass(frozen=True, kw_only=True)
class Calendar:
    """The days of a scenario and when its people come."""

    scenario: Scenario
    people: People
    source: Source

    def timeline(self) -> Timeline:
        """Draw every visit, a chunk at a time."""
        count = self.scenario.visits
        person = np.empty(count, dtype=np.int64)
        minute = np.empty(count, dtype=np.int64)
        for start in range(0, count, _CHUNK):
            numbers = np.arange(start, min(start + _CHUNK, count), dtype=np.int64)
            rows = slice(start, start + len(numbers))
            person[rows] = self._person(numbers)
            minute[rows] = self._minute(numbers, person[rows])
        order = np.argsort(minute, kind="stable")
        person = person[order]
        position = np.arange(count)
        last_position = np.zeros(self.scenario.people, dtype=np.int64)
        np.maximum.at(last_position, person, position)
        return Timeline(
            number=order,
            person=person,
            minute=minute[order],
            is_last=last_position[person] == position,
        )

    def birth_days(self, people: Numbers) -> Numbers:
        """Days of birth, so that ages are as drawn at everyone's first visit."""
        return self.people.birth_days(people, self._first_day(people))

    def has_moved(self, people: Numbers, days: Numbers) -> Flags:
        """Whether someone who moves within these months has done so."""
        flags: Flags = days >= self._day_of(self.source.uniform("moving day", people))
        return flags

    def _person(self, numbers: Numbers) -> Numbers:
        """The first visits go round everyone once; the others favour a few."""
        people = self.scenario.people
        tier = np.digitize(
            self.source.uniform("tier", numbers), [share for share, _ in _TIERS[:-1]]
        )
        sizes = np.array([max(1, people // part) for _, part in _TIERS])
        again = self.source.below("returning person", numbers, sizes[tier])
        return np.where(numbers < people, numbers, again)

    def _minute(self, numbers: Numbers, person: Numbers) -> Numbers:
        """Arrival: a later visit before birth or past the oldest age falls on the first day."""
        first = self._first_day(person)
        birth = self.people.birth_days(person, first)
        drawn = self._day_of(self.source.uniform("day", numbers))
        possible = (drawn >= birth) & (years_between(birth, drawn) <= vocabulary.OLDEST)
        day = np.where((numbers >= self.scenario.people) & possible, drawn, first)
        hour = _HOURS.pick(0, self.source.uniform("hour", numbers))
        return day * MINUTES_A_DAY + hour * 60 + self.source.below("minute", numbers, 60)

    def _first_day(self, people: Numbers) -> Numbers:
        return self._day_of(self.source.uniform("first day", people))

    def _day_of(self, shares: Shares) -> Numbers:
        return _day(self.scenario.start) + self._days.pick(0, shares)

    @cached_property
    def _days(self) -> Choices:
        starts = self.scenario.month_starts()
        days = (starts[0] + datetime.timedelta(n) for n in range((starts[-1] - starts[0]).days))
        return Choices([[_WEEKDAYS[d.weekday()] * _MONTHS[d.month - 1] for d in days]])


def _day(date: datetime.date) -> int:
    return (date - datetime.date(1970, 1, 1)).days
