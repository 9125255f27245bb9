"""One variable to score, and what its score says.

Nothing here keeps a label: a score names rows and rules, so that a score sheet can be shown.

Source: DDG 2.0, 4.3.1 and 16.2 (R-511).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from deid_platform.core.faults import AssessmentFault, Fault
from deid_platform.core.policy import DdgPolicy, ScoreRow, ScoreTable
from deid_platform.core.publication import Characteristic, Kind
from deid_platform.core.risk.labels import Names, fold
from deid_platform.core.risk.populations import People, people_of

MARGIN_STRADDLES = "margin of error straddles band edge"


@dataclass(frozen=True, kw_only=True)
class VariableScore:
    """What one variable adds, and why.

    ``points`` is null where the guideline gives no score. ``group_points`` has one entry per
    label, in the order of the labels given. ``counts`` says whether the interaction counts it.
    """

    name: str
    kind: Kind
    points: int | None
    row: str
    row_label: str
    source: str
    rules: tuple[str, ...] = ("R-511",)
    readings: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    expert_review: tuple[str, ...] = ()
    group_points: tuple[int, ...] = ()
    counts: bool = True
    high_risk: bool = False


@dataclass
class Found:
    """What the labels of one variable gave so far."""

    rows: list[tuple[int, ScoreRow]] = field(default_factory=list)
    readings: list[str] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)
    rules: list[str] = field(default_factory=list)
    expert: list[str] = field(default_factory=list)

    def take(self, row: ScoreRow, points: int | None = None) -> None:
        """Note one group's row, and its points where they differ from the row's."""
        self.rows.append((row.points if points is None else points, row))


@dataclass(frozen=True, kw_only=True)
class Scored:
    """One variable to score: its name, its declaration, its labels and their populations.

    ``members`` are populations read from a column of the table, which come before any reference.
    """

    where: str
    name: str
    declared: Characteristic
    labels: Sequence[str]
    policy: DdgPolicy
    members: Mapping[str, int] = field(default_factory=dict)
    hierarchy: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def place(self) -> str:
        """Where a message says the trouble is."""
        return f"{self.where}: {self.name}"

    @property
    def shown(self) -> list[str]:
        """The labels that are scored: unknown and not reported are not (A-14)."""
        unscored = {fold(label) for label in self.policy.unscored_labels}
        return [label for label in self.labels if fold(self.meaning(label)) not in unscored]

    def meaning(self, label: str) -> str:
        """The standard name that the declaration gives a label."""
        return self.declared.labels.get(label, label)

    def meanings(self, label: str) -> tuple[str, ...]:
        """The standard names that a label stands for, several where it is a declared group."""
        return self.declared.groups.get(label, (self.meaning(label),))

    def people(self, label: str, *references: str) -> People | None:
        """How many people a label stands for, from the table, the declaration or a reference."""
        return people_of(self.policy, self.declared, label, self.members, references)

    def table(self, name: str) -> ScoreTable | None:
        """A score table of the policy, if it has one."""
        return self.policy.score_tables.get(name)


def unscored(variable: Scored) -> VariableScore:
    """A variable that shows only unknown or not reported (A-14)."""
    return VariableScore(
        name=variable.name,
        kind=variable.declared.kind,
        points=0,
        row="none",
        row_label="only unknown or not reported",
        source="16.2.4",
        readings=("A-14",),
        counts=False,
    )


def combined(variable: Scored, found: Found, counts: bool = True) -> VariableScore:
    """The variable's score: that of its highest-scoring group (R-511)."""
    points, row = max(found.rows, key=lambda pair: pair[0])
    return VariableScore(
        name=variable.name,
        kind=variable.declared.kind,
        points=points,
        row=row.id,
        row_label=row.label,
        source=row.source,
        rules=once("R-511", *found.rules),
        readings=once(*found.readings),
        flags=once(*found.flags),
        expert_review=once(*found.expert),
        group_points=tuple(points for points, _ in found.rows),
        counts=counts,
    )


def once(*items: str) -> tuple[str, ...]:
    """The items without repetition, in order."""
    return tuple(dict.fromkeys(items))


def table_of(variable: Scored, name: str) -> ScoreTable:
    """A score table that the policy must have.

    Raises:
        AssessmentFault: it has not.
    """
    table = variable.table(name)
    if table is None:
        raise AssessmentFault(
            Fault.BAD_POLICY_TABLE, variable.place, f"the policy has no {name} table", "add it"
        )
    return table


def category(table: ScoreTable, meaning: str) -> ScoreRow | None:
    """The row that lists a name as a category or as a named group."""
    for attribute in ("categories", "groups"):
        listed = {name: row for row in table.rows for name in getattr(row, attribute)}
        name = Names(listed, table.aliases).find(meaning)
        if name is not None:
            return listed[name]
    return None


def note_margin(found: Found, table: ScoreTable, people: People | None) -> None:
    """Flag an estimate whose margin of error reaches another band (A-29)."""
    if people is None:
        return
    if people.warning:
        found.flags.append(people.warning)
    if people.margin:
        low = table.band(max(0, people.estimate - people.margin))
        high = table.band(people.estimate + people.margin)
        if low.points != high.points:
            found.readings.append("A-29")
            found.flags.append(MARGIN_STRADDLES)


def unknown_group(variable: Scored) -> AssessmentFault:
    """The fault of a label that nothing lists."""
    return AssessmentFault(
        Fault.UNKNOWN_GROUP,
        variable.place,
        "a label is in no row and no reference population (16.2, R-517)",
        "give its population under `populations`, or its standard name under `labels`",
    )
