"""What a public table declares: its dimensions, its figures and the people behind them.

The block stands in dbt's ``meta.publication`` or in a YAML file beside a table from anywhere
(`docs/reference/declaration.md`). It says what a column is; scores come from the data and from
reference populations, never from what an author typed.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import Field

from deid_platform.core.digests import canonical_digest
from deid_platform.core.masking_choice import MaskingChoice
from deid_platform.core.policy import ComplementStrategy, Declared

ANNOTATION_SUFFIX = "_annotation"


class Kind(StrEnum):
    """What a dimension, filter or inferred characteristic says about people."""

    RESIDENCE_GEOGRAPHY = "residence_geography"
    SERVICE_GEOGRAPHY = "service_geography"
    TIME = "time"
    AGE_RANGE = "age_range"
    RACE = "race"
    RACE_ETHNICITY = "race_ethnicity"
    ETHNICITY = "ethnicity"
    LANGUAGE = "language"
    SEX = "sex"
    SEXUAL_ORIENTATION = "sexual_orientation"
    GENDER_IDENTITY = "gender_identity"
    INTERSEX = "intersex"
    IMMIGRATION = "immigration"
    INSURANCE = "insurance"
    MEANS_TESTED = "means_tested"
    OTHER = "other"
    PROVIDER = "provider"

    @property
    def is_geography(self) -> bool:
        """Whether the kind places people or services."""
        return self in (Kind.RESIDENCE_GEOGRAPHY, Kind.SERVICE_GEOGRAPHY)

    @property
    def is_personal(self) -> bool:
        """Whether the kind describes people (step 1), not the event or the provider."""
        return self not in (Kind.TIME, Kind.PROVIDER, Kind.SERVICE_GEOGRAPHY)


class FigureKind(StrEnum):
    """What a published number is."""

    COUNT = "count"
    RATE = "rate"
    PERCENTAGE = "percentage"
    MEAN = "mean"
    AMOUNT = "amount"

    @property
    def is_statistic(self) -> bool:
        """Whether it is a numerator over a denominator, which does not add up."""
        return self in (FigureKind.RATE, FigureKind.PERCENTAGE, FigureKind.MEAN)


class Characteristic(Declared):
    """What a dimension, filter and inferred characteristic have in common: how labels are read.

    ``labels`` gives a label its standard name ("Youth": "0-17"); ``groups`` makes a label of
    several standard names, whose populations add up ("North": [Shasta, Siskiyou]); ``populations``
    are people per label where no reference lists it, and need ``population_source``; ``margins``
    are their margins of error;
    ``reference`` picks one of the policy's reference populations.
    """

    kind: Kind
    description: str = ""
    labels: dict[str, str] = Field(default_factory=dict)
    groups: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    populations: dict[str, int] = Field(default_factory=dict)
    margins: dict[str, int] = Field(default_factory=dict)
    population_source: str | None = None
    reference: str | None = None
    area: Literal["region", "address", "rural", "frontier"] = "region"
    hospitals: bool = False
    residents_only: bool = False
    codes: bool = False


class Dimension(Characteristic):
    """A column whose labels define the cells.

    ``total`` is the label of its margin, or null. ``parent`` is a coarser dimension column into
    which this one nests; ``hierarchy`` nests labels within the column (parent: [children]).
    """

    total: str | None = None
    population_column: str | None = None
    parent: str | None = None
    hierarchy: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    inclusive: bool = False
    least_interesting: tuple[str, ...] = ()
    strategy: ComplementStrategy | None = None
    coarser: dict[str, dict[str, str]] = Field(default_factory=dict)
    pool_years: tuple[int, ...] = ()
    may_drop: bool = False


class Held(Characteristic):
    """A characteristic that is the same for the whole table: a filter, or one inferred.

    ``value`` is the label everybody in the table has; ``because`` says why it is inferred.
    """

    value: str
    because: str = ""


class Figure(Declared):
    """A published number, the people behind it and the population they come from.

    Of ``denominator`` (a column), ``denominator_total`` (the margin over these dimensions) and
    ``denominator_population`` at most one is given. With none, the denominator is unknown and
    taken as small. Of a rate, percentage or mean, ``numerator`` is the column that is divided
    (the people, unless it says otherwise; of a mean, an amount or count), ``per`` what it is
    multiplied by (100,000) and ``decimals`` how many are printed; what is not declared is told
    from the cells that show everything, as a reader would.
    """

    kind: FigureKind = FigureKind.COUNT
    people: str
    denominator: str | None = None
    denominator_total: tuple[str, ...] = ()
    denominator_population: int | None = Field(default=None, gt=0)
    denominator_source: str | None = None
    numerator: str | None = None
    per: int | None = Field(default=None, gt=0)
    decimals: int | None = Field(default=None, ge=0, le=12)
    unit: str = ""
    description: str = ""


class Column(Declared):
    """A column of the table, as its dictionary describes it."""

    description: str = ""
    type: str = ""


class Survey(Declared):
    """The design columns of a survey, for its reliability rule."""

    name: str
    sample_column: str | None = None
    numerator_column: str | None = None
    rse_column: str | None = None


class Publication(Declared):
    """A public table: one row per cell, margins included as rows.

    ``parts`` are sets of dimensions shown crossed with each other, side by side with the other
    parts; none means that all are crossed. ``high_risk`` gives the high-risk subject of labels of
    a dimension; ``subjects`` those of the whole table.
    """

    name: str
    policy: str
    description: str = ""
    title: str = ""
    product: Literal[
        "administrative", "survey", "budget_projected", "budget_actual", "provider_characteristics"
    ] = "administrative"
    ties_to_members: bool = True
    personal_data: Literal["yes", "expressly_public"] = "yes"
    personal_data_basis: str = ""
    dimensions: dict[str, Dimension] = Field(min_length=1)
    figures: dict[str, Figure] = Field(min_length=1)
    filters: dict[str, Held] = Field(default_factory=dict)
    inferred: dict[str, Held] = Field(default_factory=dict)
    parts: tuple[tuple[str, ...], ...] = ()
    high_risk: dict[str, dict[str, str]] = Field(default_factory=dict)
    subjects: tuple[str, ...] = ()
    survey: Survey | None = None
    columns: dict[str, Column] = Field(default_factory=dict)
    sources: tuple[str, ...] = ()
    exact_totals: bool = True
    masking: MaskingChoice = MaskingChoice()

    @property
    def dimension_columns(self) -> tuple[str, ...]:
        """The columns that define the cells, as declared."""
        return tuple(self.dimensions)

    @property
    def figure_columns(self) -> tuple[str, ...]:
        """The published numbers, as declared."""
        return tuple(self.figures)

    @property
    def people_columns(self) -> tuple[str, ...]:
        """The columns that count people, each once."""
        return tuple(dict.fromkeys(figure.people for figure in self.figures.values()))

    @property
    def denominator_columns(self) -> tuple[str, ...]:
        """The columns that hold denominators, each once."""
        named = (figure.denominator for figure in self.figures.values())
        return tuple(dict.fromkeys(column for column in named if column))

    @property
    def table_columns(self) -> tuple[str, ...]:
        """Every column the table may have: any other one is undeclared."""
        survey = self.survey
        design = (
            (survey.sample_column, survey.numerator_column, survey.rse_column) if survey else ()
        )
        populations = (dimension.population_column for dimension in self.dimensions.values())
        return tuple(
            dict.fromkeys(
                column
                for column in (
                    *self.dimension_columns,
                    *self.figure_columns,
                    *self.people_columns,
                    *self.denominator_columns,
                    *populations,
                    *design,
                )
                if column
            )
        )

    @property
    def crossed(self) -> tuple[tuple[str, ...], ...]:
        """The parts, or the one part that crosses every dimension."""
        return self.parts or (self.dimension_columns,)

    @property
    def digest(self) -> str:
        """SHA-256 of the declaration's canonical JSON."""
        return canonical_digest(self.model_dump(mode="json"))

    @staticmethod
    def annotation_column(figure: str) -> str:
        """The column that says why the figure's cell is blank (A-21)."""
        return figure + ANNOTATION_SUFFIX
