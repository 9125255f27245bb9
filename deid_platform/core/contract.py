"""A source contract: what a table holds and how each zone receives it.

A contract that exists is a contract that passed: every rule of shape, of Safe Harbor and of the
limited data set is checked when the value is made.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath
from typing import Annotated, Literal, Self

import pydantic
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from deid_platform.core.attributes import AttributeClass, IdentifierClass
from deid_platform.core.columns import Column
from deid_platform.core.digests import canonical_digest
from deid_platform.core.errors import DeclarationError
from deid_platform.core.safe_harbor import column_problem
from deid_platform.core.transforms import ColumnType, Transform
from deid_platform.core.transforms.base import TEMPORAL
from deid_platform.core.transforms.cap_age import CapAge
from deid_platform.core.transforms.date_to_year import DateToYear
from deid_platform.core.transforms.surrogate import Surrogate
from deid_platform.core.zones import Zone

Snake = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]*(_[a-z0-9]+)*$", max_length=60)]
Party = Annotated[str, StringConstraints(pattern=r"^(team|person):[A-Za-z0-9._@-]+$")]


class Source(BaseModel):
    """Where a system drops the table's files, and how they are written."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    files: str
    formats: tuple[Literal["csv", "parquet", "ndjson"], ...] = ("csv",)
    required: bool = True
    allow_empty: bool = False
    encoding: Literal["utf-8", "latin-1", "utf-16"] = "utf-8"
    delimiter: Annotated[str, StringConstraints(min_length=1, max_length=1)] = ","

    @model_validator(mode="after")
    def _inside_landing(self) -> Self:
        path = PurePosixPath(self.files)
        if path.is_absolute() or ".." in path.parts or len(path.parts) < 2:
            raise ValueError("files is <system>/<file>, relative to the landing folder")
        if not self.formats:
            raise ValueError("formats names at least one format")
        return self


@dataclass(frozen=True, kw_only=True)
class OutputColumn:
    """A column as a zone receives it; the first of its source columns is the one treated."""

    name: str
    type: ColumnType
    sources: tuple[str, ...]
    transform: Transform
    attribute_class: AttributeClass
    identifier: IdentifierClass | None
    description: str


class Contract(BaseModel):
    """One source table.

    ``person`` is the column that says whose privacy a row concerns; a table about no person
    (facilities, payers) says so, with its reason, in ``no_person``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Snake
    system: Snake
    version: int = Field(ge=1)
    owner: Party
    steward: Party
    description: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
    policy: Snake
    person: str | None = None
    no_person: Annotated[str, StringConstraints(strip_whitespace=True, min_length=10)] | None = None
    key: tuple[str, ...] = ()
    partition: str | None = None
    source: Source
    columns: dict[str, Column]

    @model_validator(mode="after")
    def _checked(self) -> Self:
        problems = list(_problems(self))
        if problems:
            raise first_of(problems)
        return self

    @classmethod
    def parse(cls, declared: object, where: str) -> Contract:
        """A contract from parsed YAML; ``where`` names it until its own name is known.

        Raises:
            DeclarationError: it does not say what a contract must, or what it may not.
        """
        if isinstance(declared, Mapping) and isinstance(declared.get("name"), str):
            where = declared["name"]
        undecided = [_review(where, path) for path in _undecided(declared)]
        if undecided:
            raise first_of(undecided)
        try:
            return cls.model_validate(declared)
        except pydantic.ValidationError as error:
            raise first_of(validation_errors(where, error)) from None

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the contract's content, whatever its layout, comments and column defaults."""
        content = self.model_dump(mode="json", exclude={"columns"}, exclude_none=True)
        content["columns"] = [[name, c.canonical()] for name, c in self.columns.items()]
        return canonical_digest(content)

    def outputs(self, zone: Zone) -> tuple[OutputColumn, ...]:
        """The columns a zone receives, in the contract's order."""
        return tuple(_outputs(self.columns, zone))

    def output_of(self, column: str, zone: Zone) -> OutputColumn | None:
        """What a zone receives of a source column; None if it is dropped there."""
        return next((o for o in self.outputs(zone) if o.sources[0] == column), None)

    def person_output(self, zone: Zone) -> str | None:
        """Name of the person's surrogate in a zone; None for a table about no person."""
        output = self.output_of(self.person, zone) if self.person else None
        return output.name if output else None

    def text_columns(self, zone: Zone) -> tuple[str, ...]:
        """Output columns of a zone that hold text."""
        return tuple(o.name for o in self.outputs(zone) if o.type is ColumnType.VARCHAR)

    @property
    def identifier_columns(self) -> dict[str, IdentifierClass]:
        """Source columns that hold a Safe Harbor identifier, and which."""
        return {name: c.identifier for name, c in self.columns.items() if c.identifier is not None}

    @property
    def surrogates(self) -> dict[str, str]:
        """Source columns replaced by a surrogate in some zone, and the domain of each."""
        found: dict[str, str] = {}
        for name, column in self.columns.items():
            for zone in (Zone.LIMITED, Zone.DEIDENTIFIED):
                treatment = column.treatment(zone)
                if isinstance(treatment, Surrogate):
                    found[name] = treatment.domain
        return found

    def crosswalk(self, domain: str) -> str:
        """Name of the crosswalk table of a domain, in schema ``crosswalk`` of the raw zone."""
        return f"{self.system}__{domain}"

    @property
    def event_dates(self) -> tuple[str, ...]:
        """Source dates whose year the DEIDENTIFIED zone shows, those of birth aside."""
        return tuple(
            name
            for name, column in self.columns.items()
            if column.type in TEMPORAL
            and column.identifier is IdentifierClass.DATES
            and column.treatment(Zone.DEIDENTIFIED).name == "date_to_year"
        )

    @property
    def capped_ages(self) -> dict[str, str]:
        """Capped ages of the DEIDENTIFIED zone that are shown beside a year: age to year column."""
        found: dict[str, str] = {}
        for output in self.outputs(Zone.DEIDENTIFIED):
            if isinstance(output.transform, CapAge) and output.transform.event is not None:
                year = self.output_of(output.transform.event, Zone.DEIDENTIFIED)
                if year is not None:
                    found[output.name] = year.name
        return found

    @property
    def capped_years(self) -> tuple[str, ...]:
        """Years the DEIDENTIFIED zone shows, capped where they reveal an age over 89."""
        outputs = self.outputs(Zone.DEIDENTIFIED)
        return tuple(o.name for o in outputs if isinstance(o.transform, DateToYear))


def first_of(problems: list[DeclarationError]) -> DeclarationError:
    """The first problem, which says how many more there are."""
    first = problems[0]
    if len(problems) == 1:
        return first
    more = len(problems) - 1
    return DeclarationError(
        first.where, first.what, f"{first.do} (and {more} more problem{'s'[: more > 1]})"
    )


def validation_errors(where: str, error: pydantic.ValidationError) -> list[DeclarationError]:
    """Ours for pydantic's: by path, without the value that was given."""
    return [
        DeclarationError(
            ": ".join([where, *_path(problem["loc"])]),
            problem["msg"].removeprefix("Value error, "),
            "correct the declaration",
        )
        for problem in error.errors(include_input=False, include_url=False)
    ]


def _review(where: str, path: str) -> DeclarationError:
    if path.startswith("columns.") and path.endswith(".class"):
        column = path.removesuffix(".class")
        do = "give it a class and, if it holds one, its identifier class"
        return DeclarationError(f"{where}: {column}", "nobody has classified this column", do)
    return DeclarationError(f"{where}: {path}", "nobody has decided this", "replace needs_review")


def _undecided(declared: object, path: str = "") -> Iterator[str]:
    """Where a draft's mark still stands, in the order of the file."""
    if isinstance(declared, Mapping):
        for key, value in declared.items():
            yield from _undecided(value, f"{path}.{key}" if path else str(key))
    elif isinstance(declared, str) and AttributeClass.NEEDS_REVIEW in declared.split("/"):
        yield path


def _path(loc: tuple[int | str, ...]) -> list[str]:
    parts = [str(part) for part in loc]
    if parts[:1] == ["columns"] and len(parts) > 1:
        return [f"columns.{parts[1]}", *(part for part in parts[2:3] if not part.isdigit())]
    return [".".join(parts)] if parts else []


def _outputs(columns: Mapping[str, Column], zone: Zone) -> Iterator[OutputColumn]:
    for name, column in columns.items():
        treatment = column.treatment(zone)
        if treatment.has_output:
            yield OutputColumn(
                name=treatment.rename or name.lower(),
                type=treatment.output_type(column.type),
                sources=(name, *treatment.companions),
                transform=treatment,
                attribute_class=column.attribute_class,
                identifier=column.identifier,
                description=column.description,
            )


def _problems(contract: Contract) -> Iterator[DeclarationError]:
    yield from _shape_problems(contract)
    yield from _person_problems(contract)
    yield from _partition_problems(contract)
    for zone in (Zone.LIMITED, Zone.DEIDENTIFIED):
        yield from _output_problems(contract, zone)
    for name, column in contract.columns.items():
        problem = column_problem(name, column)
        if problem is not None:
            yield DeclarationError(f"{contract.name}: columns.{name}", *problem)


def _shape_problems(contract: Contract) -> Iterator[DeclarationError]:
    where = contract.name
    if not contract.columns:
        yield DeclarationError(where, "it declares no columns", "list every column of the file")
    for lowered, count in Counter(name.lower() for name in contract.columns).items():
        if count > 1:
            yield DeclarationError(
                f"{where}: columns.{lowered}",
                "two columns differ only in case, which SQL cannot tell apart",
                "rename one in the delivery",
            )
    for name in contract.columns:
        if name.startswith("_") or not name.isprintable() or name != name.strip() or not name:
            yield DeclarationError(
                f"{where}: columns.{name}",
                "names that begin with _ are the platform's, and names are printable text",
                "rename it in the delivery",
            )
    for name in contract.key:
        column = contract.columns.get(name)
        if column is None:
            yield DeclarationError(f"{where}: key", f"{name} is no column", "list it in columns")
        elif not column.required:
            yield DeclarationError(
                f"{where}: columns.{name}", "a key column may be missing", "add required: true"
            )


def _person_problems(contract: Contract) -> Iterator[DeclarationError]:
    where = f"{contract.name}: person"
    if contract.person is None:
        if contract.no_person is None:
            yield DeclarationError(
                where,
                "it does not say whose privacy a row concerns",
                "name the person key, or say in no_person why its rows concern nobody",
            )
        return
    if contract.no_person is not None:
        yield DeclarationError(where, "it has a person and no_person", "keep one of the two")
    column = contract.columns.get(contract.person)
    if column is None:
        yield DeclarationError(
            where, f"{contract.person} is no column", "name a column of the file"
        )
        return
    for zone in (Zone.LIMITED, Zone.DEIDENTIFIED):
        if not isinstance(column.treatment(zone), Surrogate):
            yield DeclarationError(
                f"{contract.name}: columns.{contract.person}",
                f"the person key has no surrogate in the {zone.value} zone, "
                "where people could then not be counted",
                "transform: {surrogate: {domain: person, rename: person_key}}",
            )
    if not column.required:
        yield DeclarationError(
            f"{contract.name}: columns.{contract.person}",
            "the person key may be missing",
            "add required: true",
        )


def _partition_problems(contract: Contract) -> Iterator[DeclarationError]:
    placed = "{partition}" in contract.source.files
    if contract.partition is None:
        if placed:
            yield DeclarationError(
                f"{contract.name}: source.files", "it names {partition}", "declare a partition"
            )
        return
    where = f"{contract.name}: partition"
    column = contract.columns.get(contract.partition)
    if column is None or column.type not in TEMPORAL or not column.required:
        yield DeclarationError(
            where, "the partition is no required date column", "name a date with required: true"
        )
    elif column.treatment(Zone.DEIDENTIFIED).name not in ("date_to_year", "drop"):
        yield DeclarationError(
            where, "the DEIDENTIFIED zone is rebuilt by year", "deidentified: date_to_year, or drop"
        )
    if not placed:
        yield DeclarationError(
            f"{contract.name}: source.files",
            "a partitioned table has one file for each month",
            "put {partition} where the file name has YYYY-MM",
        )


def _output_problems(contract: Contract, zone: Zone) -> Iterator[DeclarationError]:
    outputs = contract.outputs(zone)
    if not outputs:
        yield DeclarationError(contract.name, f"nothing reaches {zone.value}", "keep some column")
    names = Counter(output.name for output in outputs)
    for output in outputs:
        where = f"{contract.name}: columns.{output.sources[0]}"
        for companion in output.transform.companions:
            if companion not in contract.columns or (
                contract.columns[companion].treatment(Zone.DEIDENTIFIED).name != "date_to_year"
            ):
                yield DeclarationError(
                    where,
                    f"{companion} is no date whose year the DEIDENTIFIED zone shows",
                    "event: names the date column the age is counted to",
                )
        if names[output.name] > 1:
            yield DeclarationError(
                where,
                f"two columns of the {zone.value} zone would be named {output.name}",
                "rename one of them",
            )
        if not output.name.isidentifier() or output.name != output.name.lower():
            yield DeclarationError(
                where,
                f"the {zone.value} zone would name it {output.name!r}, which is not snake case",
                "add rename: <snake_case> to its transform",
            )
        if output.name.startswith("_"):
            yield DeclarationError(where, "names that begin with _ are the platform's", "rename it")
