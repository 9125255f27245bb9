"""One column of a source contract."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    model_validator,
)

from deid_platform.core.attributes import AttributeClass, IdentifierClass
from deid_platform.core.transforms import ColumnType, Transform, build_transform
from deid_platform.core.zones import Zone

_BINARY = frozenset({"blob", "bytea", "binary", "varbinary", "bit"})


def _column_type(declared: object) -> object:
    if isinstance(declared, str) and declared.lower() in _BINARY:
        raise ValueError(
            "binary content is refused: it may be a photograph or a biometric template "
            "(45 CFR 164.514(b)(2)(i)(P), (Q)); leave it out of the delivery"
        )
    return declared


Treatment = Annotated[
    Transform,
    BeforeValidator(build_transform),
    PlainSerializer(lambda treatment: treatment.spec()),
]
Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=10)]
Bound = int | float | date


class Column(BaseModel):
    """A column: its type, what it says about a person, and how each zone receives it.

    ``transform`` treats both zones alike; else ``limited`` and ``deidentified`` are both given.
    ``optional`` columns may be absent from a file; ``required`` ones may hold no null.
    ``not_identifier`` answers, with its reason, a name that sounds like an identifier;
    ``open_vocabulary`` says why a text that is kept without a list of its values holds no name.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", arbitrary_types_allowed=True, populate_by_name=True
    )

    type: Annotated[ColumnType, BeforeValidator(_column_type)]
    attribute_class: AttributeClass = Field(alias="class")
    identifier: IdentifierClass | None = None
    not_identifier: Reason | None = None
    open_vocabulary: Reason | None = None
    required: bool = False
    optional: bool = False
    values: tuple[str | int, ...] | None = None
    range: tuple[Bound, Bound] | None = None
    references: Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]+\.[^.]+$")] | None = None
    description: str = ""
    transform: Treatment | None = None
    limited: Treatment | None = None
    deidentified: Treatment | None = None

    @model_validator(mode="after")
    def _one_treatment_per_zone(self) -> Self:
        apart = (self.limited is not None, self.deidentified is not None)
        if self.attribute_class is AttributeClass.NEEDS_REVIEW:
            raise ValueError(
                "nobody has classified this column; give it a class and, if it holds one, "
                "its identifier class"
            )
        if (self.transform is None) != all(apart) or (self.transform is not None and any(apart)):
            raise ValueError("give either transform, or both limited and deidentified")
        if self.identifier is not None and self.not_identifier is not None:
            raise ValueError("it has an identifier class, so drop not_identifier")
        if self.open_vocabulary is not None and self.values is not None:
            raise ValueError("its values are listed, so drop open_vocabulary")
        if self.required and self.optional:
            raise ValueError("it is required, so it cannot be optional")
        for treatment in {self.treatment(Zone.LIMITED), self.treatment(Zone.DEIDENTIFIED)}:
            if self.type not in treatment.accepts:
                raise ValueError(f"{treatment.name} does not take the type {self.type.value}")
        if self.range is not None:
            _check_range(self.type, self.range)
        return self

    def treatment(self, zone: Zone) -> Transform:
        """The transform with which a zone receives this column.

        Raises:
            ValueError: the zone receives no source columns.
        """
        chosen = {
            Zone.LIMITED: self.limited or self.transform,
            Zone.DEIDENTIFIED: self.deidentified or self.transform,
        }.get(zone)
        if chosen is None:
            raise ValueError(f"the {zone.value} zone receives no source columns")
        return chosen

    def canonical(self) -> dict[str, Any]:
        """Plain values for the contract's digest."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


def _check_range(type_: ColumnType, bounds: tuple[Bound, Bound]) -> None:
    dates = type_ in (ColumnType.DATE, ColumnType.TIMESTAMP)
    if type_ in (ColumnType.VARCHAR, ColumnType.BOOLEAN) or any(
        isinstance(bound, date) != dates for bound in bounds
    ):
        raise ValueError(f"this range does not fit the type {type_.value}")
    low, high = bounds
    if low > high:  # type: ignore[operator]
        raise ValueError("the range ends before it begins")
