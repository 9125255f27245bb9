"""What every column transform is: a frozen value, its Python reference and its Ibis twin."""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, Self, TypeVar

import pydantic

from deid_platform.core.attributes import IdentifierClass


class ColumnType(StrEnum):
    """Types a contract may declare. There is no binary one: images and templates stay out."""

    VARCHAR = "varchar"
    INTEGER = "integer"
    BIGINT = "bigint"
    DOUBLE = "double"
    DECIMAL = "decimal"
    BOOLEAN = "boolean"
    DATE = "date"
    TIMESTAMP = "timestamp"

    @property
    def sql(self) -> str:
        """The type's name in DuckDB."""
        return "decimal(18, 4)" if self is ColumnType.DECIMAL else self.value

    @property
    def ibis(self) -> str:
        """The type's name in Ibis."""
        return _IBIS[self]


_IBIS = {
    ColumnType.VARCHAR: "string",
    ColumnType.INTEGER: "int32",
    ColumnType.BIGINT: "int64",
    ColumnType.DOUBLE: "float64",
    ColumnType.DECIMAL: "decimal(18, 4)",
    ColumnType.BOOLEAN: "boolean",
    ColumnType.DATE: "date",
    ColumnType.TIMESTAMP: "timestamp",
}

NUMERIC = frozenset({ColumnType.INTEGER, ColumnType.BIGINT, ColumnType.DOUBLE, ColumnType.DECIMAL})
TEMPORAL = frozenset({ColumnType.DATE, ColumnType.TIMESTAMP})


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What the policy and the data add to a transform when it is compiled.

    ``reference_year`` is the latest event year of the system: what a reader can hold against a
    year of birth. None where no table of the system has an event yet.
    """

    oldest_age: int
    zip3_restricted: frozenset[str] = frozenset()
    zip3_allowed: frozenset[str] | None = None
    reference_year: int | None = None


@dataclass(frozen=True, kw_only=True)
class Transform:
    """One column's treatment. ``rename`` names the output column (default: lower-case name)."""

    name: ClassVar[str]
    options: ClassVar[frozenset[str]] = frozenset()
    """Parameters a contract may set; the others come from the policy."""
    accepts: ClassVar[frozenset[ColumnType]] = frozenset(ColumnType)
    satisfies: ClassVar[frozenset[IdentifierClass]] = frozenset()
    """Identifier classes whose Safe Harbor requirement the output meets."""
    has_output: ClassVar[bool] = True
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    rename: str | None = None

    @property
    def companions(self) -> tuple[str, ...]:
        """Other source columns the transform looks at."""
        return ()

    def output_type(self, source: ColumnType) -> ColumnType:
        """Type of the output column."""
        return source

    def bound(self, rules: Rules) -> Self:  # noqa: ARG002 - overridden by those the policy rules
        """The same transform with what the policy says filled in."""
        return self

    def spec(self) -> dict[str, Any]:
        """Name and parameters as a contract writes them, for digests and evidence."""
        given = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if field.name in self.options | {"rename"}
        }
        return {self.name: {key: value for key, value in given.items() if value is not None}}


@dataclass(frozen=True, kw_only=True)
class ColumnTransform(Transform):
    """A transform computed from its row alone: `apply` and `expr` say the same thing."""

    @abstractmethod
    def apply(self, value: Any) -> Any:
        """The reference, on one Python value."""

    @abstractmethod
    def expr(self, column: Any) -> Any:
        """The same as an Ibis expression that every engine of ours runs unchanged."""

    def over(self, table: Any, column: str) -> Any:
        """The expression on a table's column, with the companions it looks at."""
        return self.expr(table[column])


T = TypeVar("T", bound=type[Transform])
TRANSFORMS: dict[str, type[Transform]] = {}


def transform(name: str) -> Callable[[T], T]:
    """Register a transform under the name contracts use."""

    def register(cls: T) -> T:
        cls.name = name
        TRANSFORMS[name] = cls
        return cls

    return register


def build_transform(declared: object) -> Transform:
    """A transform from what a contract says: ``keep`` or ``{cap_age: {rename: age}}``.

    Raises:
        ValueError: unknown name, unknown parameter, or a parameter of the wrong type.
    """
    if isinstance(declared, Transform):
        return declared
    name, given = _name_and_options(declared)
    if name not in TRANSFORMS:
        raise ValueError(
            f"no transform is named {name!r}; there are {', '.join(sorted(TRANSFORMS))}"
        )
    cls = TRANSFORMS[name]
    allowed = cls.options | ({"rename"} if cls.has_output else frozenset())
    unknown = sorted(set(given) - allowed)
    if unknown:
        raise ValueError(f"{name} takes no {', '.join(unknown)}; it takes {sorted(allowed)}")
    try:
        return pydantic.TypeAdapter(cls).validate_python(given)
    except pydantic.ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "parameters"
        raise ValueError(f"{name}: {where}: {first['msg']}") from None


def _name_and_options(declared: object) -> tuple[str, Mapping[str, Any]]:
    if isinstance(declared, str):
        return declared, {}
    if isinstance(declared, Mapping) and len(declared) == 1:
        name, given = next(iter(declared.items()))
        if isinstance(name, str) and (given is None or isinstance(given, Mapping)):
            return name, given or {}
    raise ValueError("a transform is a name, or one name with its parameters in braces")
