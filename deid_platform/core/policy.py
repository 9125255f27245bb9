"""A disclosure policy: the guideline's thresholds, score tables and readings, as one value.

The numbers live in `assets/policies/*.yaml`; this module says what such a file may hold and
refuses one that is incomplete. Reading files is the engine's work.
"""

from __future__ import annotations

import itertools
from datetime import date
from typing import Any, Generic, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from deid_platform.core.digests import canonical_digest
from deid_platform.core.faults import DeclarationFault, Fault

T = TypeVar("T")

ComplementStrategy = Literal["least_interesting", "smallest", "most_similar"]
Measure = Literal[
    "people", "years", "population", "members", "months", "groups", "variables", "categories"
]


class Declared(BaseModel):
    """Base of everything read from YAML: immutable, and no key it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)


class Setting(Declared, Generic[T]):
    """One number or choice of the guideline, with where it says so."""

    value: T
    rule: str
    source: str


class Feasible(Declared):
    """What must stay possible, to a reader, for the value of a hidden small cell."""

    low: int = Field(ge=1)
    high: int


class Settings(Declared):
    """The thresholds and switches of the policy."""

    min_people: Setting[int]
    denominator_pass_min: Setting[int]
    score_threshold: Setting[int]
    min_feasible: Setting[Feasible]
    complement_strategy: Setting[ComplementStrategy]
    always_suppress_small: Setting[bool]
    finest_age_years: Setting[int]
    means_tested_counts_up_to: Setting[int]
    survey_min_sample: Setting[int]
    three_category_min_total: Setting[int]
    gender_groups_flagged_from: Setting[int]
    amount_tolerance_pct: Setting[int] = Setting[int](value=10, rule="M-4", source="4.4.1")


class ScoreRow(Declared):
    """One row of a score table: a band of a measure, or a set of categories.

    ``groups`` are the named groups that the guideline places in a band.
    """

    id: str
    label: str
    points: int
    at_least: int | None = None
    at_most: int | None = None
    categories: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    source: str

    def holds(self, value: int) -> bool:
        """Whether the band contains the value."""
        return (self.at_least is None or value >= self.at_least) and (
            self.at_most is None or value <= self.at_most
        )


class ScoreTable(Declared):
    """The points of one variable. Bands of a measure have no gap and no overlap."""

    title: str
    measure: Measure
    source: str
    rows: tuple[ScoreRow, ...] = Field(min_length=1)
    aliases: dict[str, tuple[str, ...]] = Field(default_factory=dict)

    @property
    def bands(self) -> tuple[ScoreRow, ...]:
        """The rows that are bands of the measure; a band without bounds holds every value."""
        if self.measure == "categories":
            return ()
        return tuple(row for row in self.rows if not row.categories)

    @property
    def finest(self) -> ScoreRow:
        """The highest-scoring row: what anything finer than listed takes (R-512)."""
        return max(self.rows, key=lambda row: row.points)

    def band(self, value: int) -> ScoreRow:
        """The row whose band contains the value.

        Raises:
            DeclarationFault: the table is not one of bands.
        """
        for row in self.bands:
            if row.holds(value):
                return row
        raise DeclarationFault(
            Fault.BAD_POLICY_TABLE, self.title, "no row holds that value", "make its bands cover it"
        )


class Reading(Declared):
    """How this policy reads a place where the guideline can be read in several ways."""

    where: str
    question: str
    chosen: str
    alternatives: tuple[str, ...] = Field(min_length=1)
    by: Literal["code", "human"] = "code"
    gate: str | None = None


class Rule(Declared):
    """One rule of the guideline in our words, and who applies it: code, or a person at a gate."""

    step: str
    source: str
    says: str
    by: Literal["code", "human"] = "code"
    gate: str | None = None

    @model_validator(mode="after")
    def _human_rules_have_a_gate(self) -> Self:
        if self.by == "human" and not self.gate:
            raise ValueError("a rule decided by a person names the gate where the person decides")
        return self


class Population(Declared):
    """People in a group: estimate, margin of error and what to warn of where the group is shown."""

    estimate: int = Field(ge=0)
    margin: int | None = Field(default=None, ge=0)
    warning: str | None = None


class PopulationFile(Declared):
    """A CSV of the project that holds the populations, pinned by its digest.

    ``where`` picks rows by equality; the path is relative to the project.
    """

    path: str
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    label_column: str
    population_column: str
    where: dict[str, str] = Field(default_factory=dict)


class ReferencePopulation(Declared):
    """How many people each group has statewide, with source and vintage."""

    title: str
    source: str
    vintage: str
    file: PopulationFile | None = None
    populations: dict[str, Population] = Field(default_factory=dict)
    aliases: dict[str, tuple[str, ...]] = Field(default_factory=dict)


class HighRiskSubject(Declared):
    """A population, diagnosis or service whose small cells are hidden whatever the score."""

    title: str
    source: str
    examples: tuple[str, ...]


class SurveyRule(Declared):
    """When an estimate of a survey is too unreliable to show (annotation 4)."""

    title: str
    source: str
    min_denominator: int | None = None
    min_numerator: int | None = None
    max_rse_pct: float | None = None
    min_proportion: float | None = None
    max_proportion: float | None = None
    protection: str | None = None


class SpecialCode(Declared):
    """A diagnosis or procedure code that the guideline names as needing expert review."""

    code: str
    system: str
    title: str
    visible: bool = False


class Filing(Declared):
    """The department's authority for its own version of the guideline."""

    department: str
    filing_reference: str
    prt_approval: str
    prt_approved_on: date
    effective_date: date


class AlternateMethod(Declared):
    """A method outside the guideline, with the Peer Review Team's approval of it (A-34)."""

    description: str
    basis: str
    prt_approval: str
    prt_approved_on: date


class DdgPolicy(Declared):
    """A disclosure policy under the CalHHS Data De-Identification Guidelines."""

    kind: Literal["ddg"] = "ddg"
    name: str
    title: str
    edition: str
    approved_on: date
    status: Literal["in_force", "superseded"] = "in_force"
    extends: tuple[str, ...] = ()
    filing: Filing | None = None
    settings: Settings
    score_tables: dict[str, ScoreTable]
    unscored_labels: tuple[str, ...]
    references: dict[str, ReferencePopulation]
    high_risk: dict[str, HighRiskSubject]
    surveys: dict[str, SurveyRule]
    special_codes: tuple[SpecialCode, ...]
    rules: dict[str, Rule]
    readings: dict[str, Reading]
    alternate_methods: dict[str, AlternateMethod] = Field(default_factory=dict)
    differences_not_documented: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _bands_are_complete(self) -> Self:
        for name, table in self.score_tables.items():
            check_bands(f"{self.name}: score_tables.{name}", table)
        return self

    @property
    def min_people(self) -> int:
        """Fewest distinct people a cell may show (11); 1 to one less than it is small."""
        return self.settings.min_people.value

    @property
    def denominator_pass_min(self) -> int:
        """Smallest denominator that is not small (20,001)."""
        return self.settings.denominator_pass_min.value

    @property
    def score_threshold(self) -> int:
        """Lowest score at which masking is required (13)."""
        return self.settings.score_threshold.value

    @property
    def min_feasible(self) -> tuple[int, int]:
        """Values (lowest, highest) that must all stay possible for a hidden small cell."""
        feasible = self.settings.min_feasible.value
        return feasible.low, feasible.high

    @property
    def complement_strategy(self) -> ComplementStrategy:
        """How a complementary cell is chosen, unless a dimension says otherwise."""
        return self.settings.complement_strategy.value

    @property
    def amount_tolerance(self) -> float:
        """The share within which no reader may come to know the amount of a small cell."""
        return self.settings.amount_tolerance_pct.value / 100

    @property
    def always_suppress_small(self) -> bool:
        """Hide cells of 1 to 10 even where the score would allow them (A-05)."""
        return self.settings.always_suppress_small.value

    @property
    def digest(self) -> str:
        """SHA-256 of the policy's canonical JSON: the same whatever the order of its YAML keys."""
        return canonical_digest(self.model_dump(mode="json"))

    def is_small(self, people: int) -> bool:
        """Whether a count of distinct people is small: 1 to 10; zero is not (R-201)."""
        return 1 <= people < self.min_people

    def in_effect(self, on: date) -> bool:
        """Whether the policy is in force on a day; without a filing it is from its approval on."""
        begins = self.filing.effective_date if self.filing else self.approved_on
        return self.status == "in_force" and begins <= on

    def replace(self, **settings: Any) -> DdgPolicy:
        """A copy with other values of settings, for tests and what-if questions."""
        changed = {
            name: getattr(self.settings, name).model_copy(update={"value": value})
            for name, value in settings.items()
        }
        return self.model_copy(update={"settings": self.settings.model_copy(update=changed)})


def check_bands(where: str, table: ScoreTable) -> None:
    """Refuse a table whose bands leave a gap, overlap, or do not reach both ends.

    Raises:
        DeclarationFault: the bands do not cover each whole number exactly once.
    """
    ids = [row.id for row in table.rows]
    if len(set(ids)) != len(ids):
        raise DeclarationFault(
            Fault.BAD_POLICY_TABLE, where, "two rows have one id", "give each row its own"
        )
    bands = sorted(
        table.bands,
        key=lambda row: -1 if row.at_least is None else row.at_least,
    )
    if not bands:
        return
    unbounded = bands[0].at_least is None and bands[-1].at_most is None
    joined = all(
        lower.at_most is not None and upper.at_least == lower.at_most + 1
        for lower, upper in itertools.pairwise(bands)
    )
    if not (unbounded and joined):
        raise DeclarationFault(
            Fault.BAD_POLICY_TABLE,
            where,
            "its bands leave a gap or overlap",
            "let each band begin one above the end of the one below, open at both ends",
        )
