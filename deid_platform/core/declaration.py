"""Reads a publication's declaration and refuses one that contradicts itself.

What can be checked without the table is checked here; what needs its cells, in `risk`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from pydantic import ValidationError

from deid_platform.core.faults import DeclarationFault, Fault
from deid_platform.core.masking_choice import Method
from deid_platform.core.policy import Declared
from deid_platform.core.publication import (
    ANNOTATION_SUFFIX,
    Characteristic,
    Dimension,
    Publication,
)

D = TypeVar("D", bound=Declared)


def parse_publication(where: str, block: Any, **known: Any) -> Publication:
    """Read a publication block; ``known`` holds what the surroundings already say.

    Args:
        where: the file and model, for messages.
        block: the mapping as YAML or the manifest holds it.
        known: values that the block need not repeat (name, description, columns, sources).

    Raises:
        DeclarationFault: the block is no mapping, or says something it may not.
    """
    if not isinstance(block, Mapping):
        raise DeclarationFault(
            Fault.NOT_A_MAPPING, where, "the declaration is not a mapping", "write keys and values"
        )
    if not block.get("dimensions") and "dimensions" in block:
        raise DeclarationFault(
            Fault.NO_DIMENSION, f"{where}: dimensions", "none", "declare each dimension column"
        )
    if not block.get("figures") and "figures" in block:
        raise DeclarationFault(
            Fault.NO_FIGURE, f"{where}: figures", "none", "declare each figure with its people"
        )
    publication = validated(Publication, where, {**known, **_with_text_labels(block)})
    _check_publication(where, publication)
    return publication


def validated(model: type[D], where: str, value: Any) -> D:
    """Build a model from YAML; pydantic's message, which quotes values, stays behind.

    Raises:
        DeclarationFault: a key or value the model does not have.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    raise _fault_of(where, first) from None


def _fault_of(where: str, error: Mapping[str, Any]) -> DeclarationFault:
    path = [str(step) for step in error["loc"]]
    place = f"{where}: {'.'.join(path)}" if path else where
    kind = str(error["type"])
    last = path[-1] if path else ""
    if kind == "extra_forbidden":
        return DeclarationFault(
            Fault.UNKNOWN_KEY, place, "no such key", "remove it or correct its spelling"
        )
    if kind == "missing":
        if last == "people":
            return DeclarationFault(
                Fault.NO_PEOPLE,
                place,
                "a figure has no people column",
                "name the column that counts the distinct people behind it (A-02)",
            )
        if last in ("dimensions", "figures"):
            fault = Fault.NO_DIMENSION if last == "dimensions" else Fault.NO_FIGURE
            return DeclarationFault(fault, place, "absent", "declare at least one")
        return DeclarationFault(Fault.MISSING_KEY, place, "this key is required", "add it")
    if last == "kind" and kind == "enum":
        return DeclarationFault(
            Fault.UNKNOWN_KIND, place, "no such kind", "choose one of the documented kinds"
        )
    return DeclarationFault(
        Fault.WRONG_TYPE, place, f"not a permitted value ({kind})", "see the declaration format"
    )


def _with_text_labels(value: Any) -> Any:
    """YAML reads the label ``2023`` or ``yes`` as a number or boolean; labels are text."""
    if not isinstance(value, Mapping):
        return value
    labelled = {
        *("labels", "groups", "populations", "margins", "hierarchy", "coarser", "high_risk"),
        *("must_publish", "prefer_hide", "least_interesting"),
    }
    return {
        key: _text_labels(inner)
        if key in labelled
        else _text(inner)
        if key in ("total", "value")
        else _with_text_labels(inner)
        for key, inner in value.items()
    }


def _text_labels(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {
            _text(key): inner if isinstance(inner, int) else _text_labels(inner)
            for key, inner in value.items()
        }
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_text_labels(item) for item in value]
    return _text(value)


def _text(value: Any) -> Any:
    if isinstance(value, bool):
        return "Yes" if value else "No"
    return str(value) if isinstance(value, int) else value


def _check_publication(where: str, publication: Publication) -> None:
    _check_roles(where, publication)
    for name, figure in publication.figures.items():
        given = (figure.denominator, figure.denominator_total, figure.denominator_population)
        if sum(1 for one in given if one) > 1:
            raise DeclarationFault(
                Fault.TWO_DENOMINATORS,
                f"{where}: figures.{name}",
                "more than one kind of denominator",
                "keep the smallest defensible one (A-04)",
            )
        _check_totals(where, f"figures.{name}", publication, figure.denominator_total)
    for name, dimension in publication.dimensions.items():
        _check_dimension(f"{where}: dimensions.{name}", publication, dimension)
    for group in (publication.dimensions, publication.filters, publication.inferred):
        for name, characteristic in group.items():
            _check_meanings(f"{where}: {name}", characteristic)
    _check_column_tree(where, publication)
    _check_parts(where, publication)
    _check_masking(where, publication)
    for column in publication.high_risk:
        if column not in publication.dimensions:
            raise DeclarationFault(
                Fault.BAD_HIGH_RISK,
                f"{where}: high_risk.{column}",
                "not a dimension of the table",
                "name a dimension, or list the subject under `subjects`",
            )
    survey = publication.survey
    if survey and not (survey.sample_column or survey.numerator_column or survey.rse_column):
        raise DeclarationFault(
            Fault.UNKNOWN_SURVEY,
            f"{where}: survey",
            "no design column",
            "name at least sample_column",
        )


def _check_roles(where: str, publication: Publication) -> None:
    counted = {*publication.figure_columns, *publication.people_columns}
    counted |= set(publication.denominator_columns)
    both = [column for column in publication.dimension_columns if column in counted]
    both += [c for c in publication.figure_columns if c.endswith(ANNOTATION_SUFFIX)]
    both += [c for c in publication.people_columns if c in publication.denominator_columns]
    if both:
        raise DeclarationFault(
            Fault.COLUMN_TWICE,
            f"{where}: {both[0]}",
            "the column has two roles that exclude each other",
            "a column is a dimension, a figure or count of people, or a denominator",
        )


def _check_totals(where: str, place: str, publication: Publication, columns: Sequence[str]) -> None:
    for column in columns:
        dimension = publication.dimensions.get(column)
        if dimension is None or dimension.total is None:
            raise DeclarationFault(
                Fault.NO_TOTAL,
                f"{where}: {place}",
                f"needs the total of {column}, which has none",
                "give that dimension its total label, or another denominator",
            )


def _check_dimension(where: str, publication: Publication, dimension: Dimension) -> None:
    total = dimension.total
    if total is not None and total in {*dimension.populations, *dimension.groups}:
        raise DeclarationFault(
            Fault.TOTAL_REPEATED,
            where,
            "its total label is also listed as a group",
            "list the total only under `total`",
        )
    if dimension.parent is not None and dimension.parent not in publication.dimensions:
        raise DeclarationFault(
            Fault.UNKNOWN_PARENT, f"{where}.parent", "not a dimension", "name a declared dimension"
        )
    children = [child for group in dimension.hierarchy.values() for child in group]
    if len(set(children)) != len(children) or _has_cycle(dimension.hierarchy):
        raise DeclarationFault(
            Fault.NOT_A_TREE,
            f"{where}.hierarchy",
            "not a tree",
            "give each label one parent, and no cycle",
        )


def _check_meanings(where: str, characteristic: Characteristic) -> None:
    if set(characteristic.labels) & set(characteristic.groups):
        raise DeclarationFault(
            Fault.BAD_MEANING,
            where,
            "one label stands under both `labels` and `groups`",
            "keep one of them",
        )
    if characteristic.populations and not characteristic.population_source:
        raise DeclarationFault(
            Fault.UNSOURCED_POPULATION,
            f"{where}.populations",
            "populations without population_source",
            "say where the numbers come from, with their vintage (A-04)",
        )
    if any(people < 0 for people in characteristic.populations.values()):
        raise DeclarationFault(
            Fault.WRONG_TYPE, f"{where}.populations", "a negative population", "correct it"
        )


def _check_column_tree(where: str, publication: Publication) -> None:
    parents = {
        name: (dimension.parent,)
        for name, dimension in publication.dimensions.items()
        if dimension.parent
    }
    if _has_cycle(parents):
        raise DeclarationFault(
            Fault.NOT_A_TREE,
            f"{where}: dimensions",
            "their parents form a cycle",
            "let each parent be coarser than its child",
        )


def _check_parts(where: str, publication: Publication) -> None:
    if not publication.parts:
        return
    shown = {column for part in publication.parts for column in part}
    if shown != set(publication.dimensions) or not all(publication.parts):
        raise DeclarationFault(
            Fault.BAD_PART,
            f"{where}: parts",
            "they do not name each dimension, and only dimensions",
            "list every dimension in at least one part",
        )
    for part in publication.parts:
        absent = [column for column in publication.dimensions if column not in part]
        _check_totals(where, "parts", publication, absent)


def _check_masking(where: str, publication: Publication) -> None:
    choice = publication.masking
    named = {column for cells in (*choice.must_publish, *choice.prefer_hide) for column in cells}
    shared = (choice.share_of,) if choice.share_of else ()
    named |= set(shared)
    if unknown := sorted(named - set(publication.dimensions)):
        raise DeclarationFault(
            Fault.BAD_MASKING,
            f"{where}: masking",
            f"{unknown[0]} is not a dimension",
            "name declared dimensions",
        )
    if not all((*choice.must_publish, *choice.prefer_hide)):
        raise DeclarationFault(
            Fault.BAD_MASKING,
            f"{where}: masking",
            "an entry names no dimension, so it would be every cell",
            "name at least one dimension with its labels",
        )
    if (choice.method is Method.PERCENTAGES) != (choice.share_of is not None):
        raise DeclarationFault(
            Fault.BAD_MASKING,
            f"{where}: masking",
            "method: percentages and share_of go together",
            "name the dimension of two large categories and a small one (M-31), or neither",
        )


def _has_cycle(edges: Mapping[str, Sequence[str]]) -> bool:
    """Whether following a mapping from node to next nodes ever comes back."""
    done: set[str] = set()

    def visit(node: str, path: frozenset[str]) -> bool:
        if node in path:
            return True
        if node in done:
            return False
        found = any(visit(following, path | {node}) for following in edges.get(node, ()))
        done.add(node)
        return found

    return any(visit(node, frozenset()) for node in edges)
