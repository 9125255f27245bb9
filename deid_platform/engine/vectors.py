"""Runs a file of worked examples against a policy, and says for each what was expected and got.

The format is `docs/reference/vectors.md`: departments test their own overlay with it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deid_platform.core.errors import DeidError
from deid_platform.core.examples import KINDS, Fields
from deid_platform.core.examples.fields import bad, label
from deid_platform.core.policy import DdgPolicy
from deid_platform.core.risk.labels import fold
from deid_platform.engine.publications import read_mapping

_KEYS = {"id", "kind", "source", "basis", "title", "input", "expected", "notes"}
_FILE_KEYS = {"schema_version", "conventions", "vectors"}
_METHODS = {"preferred", "alternatives", "fallback"}
_METHOD_WORDS = {
    "split": r"split|fewer variables|several tables|separate tables",
    "coarsen": r"granular|group categories|coarser|aggregat|region",
    "suppress": r"suppress",
    "expert": r"expert|case-by-case|case by case",
}
_ANY_ORDER = {"suppressed", "complementary", "zeros_shown", "primary", "labels"}


@dataclass(frozen=True, kw_only=True)
class VectorResult:
    """One example: ``status`` is pass, fail or error; ``failures`` say expected against got."""

    id: str
    kind: str
    status: str
    failures: tuple[str, ...] = ()
    expected: Any = None
    got: Any = None

    def to_dict(self) -> dict[str, Any]:
        """The result as plain values."""
        return {
            "id": self.id,
            "kind": self.kind,
            "status": self.status,
            "failures": list(self.failures),
            "expected": self.expected,
            "got": self.got,
        }


def run_vectors(file: Path, policy: DdgPolicy) -> list[VectorResult]:
    """Run every example of a file.

    Raises:
        DeclarationFault: the file cannot be read or is no file of examples.
    """
    content = read_mapping(file)
    unknown = sorted(set(content) - _FILE_KEYS)
    if unknown:
        raise bad(f"{file.name}: {unknown[0]}", "an unknown key")
    vectors = content.get("vectors")
    if content.get("schema_version") != 1 or not isinstance(vectors, list) or not vectors:
        raise bad(file.name, "not a file of worked examples of schema_version 1")
    results = [run_vector(vector, policy, number) for number, vector in enumerate(vectors, 1)]
    ids = [result.id for result in results]
    if len(set(ids)) != len(ids):
        raise bad(file.name, "two examples have one id")
    return results


def run_vector(vector: Any, policy: DdgPolicy, number: int = 1) -> VectorResult:
    """Run one example; what cannot be understood is an error, never a pass."""
    given = vector if isinstance(vector, Mapping) else {}
    name, kind = label(given.get("id", f"vector {number}")), label(given.get("kind", ""))
    try:
        unknown = sorted(str(key) for key in set(given) - _KEYS)
        if unknown:
            raise bad(name, f"unknown field {unknown[0]}")
        missing = sorted({"id", "kind", "input", "expected"} - set(given))
        if missing:
            raise bad(name, f"lacks {missing[0]}")
        handler = KINDS.get(kind)
        if handler is None:
            raise bad(name, "unknown kind")
        expected = given["expected"]
        fields = Fields(name, given["input"], expected)
        if not isinstance(expected, Mapping) or not expected:
            raise bad(name, "expects nothing")
        got = handler(fields, policy)
        fields.finish()
        unanswered = sorted(str(key) for key in set(expected) - set(got))
        if unanswered:
            raise bad(name, f"unknown expected field {unanswered[0]}")
        failures = [
            f"{key}: expected {wanted}, got {got[key]}"
            for key, wanted in expected.items()
            if not agrees(str(key), wanted, got[key])
        ]
    except DeidError as error:
        return VectorResult(id=name, kind=kind, status="error", failures=(str(error),))
    except (TypeError, ValueError, KeyError, IndexError, AttributeError) as error:
        what = f"{name}: a value of the wrong shape ({type(error).__name__})"
        return VectorResult(id=name, kind=kind, status="error", failures=(what,))
    return VectorResult(
        id=name,
        kind=kind,
        status="fail" if failures else "pass",
        failures=tuple(failures),
        expected=expected,
        got={key: got[key] for key in expected},
    )


def agrees(key: str, wanted: Any, got: Any) -> bool:
    """Whether what was computed is what an example expects.

    Yes and no stand for true and false; methods agree when they name the same kinds; texts agree
    without regard to case and spacing; where several answers are right, one match is enough;
    cells are sets.
    """
    if key == "acceptable":
        return any(
            all(agrees(part, one[part], option.get(part)) for part in one)
            for one in wanted
            for option in got
        )
    if key in _ANY_ORDER and _is_list(got) and got and _is_list(got[0]) and not _pairs(got):
        return any(agrees(key, wanted, option) for option in got)
    if key == "labels" and _is_list(got):
        return any(agrees(key, wanted, option) for option in got)
    if key == "labels":
        return str(got) in [part.strip() for part in str(wanted).split(" or ")]
    if key in ("flag", "reason", "flags") and _is_list(got):
        wanted_all = wanted if _is_list(wanted) else [wanted]
        return all(any(_same_text(one, text) for text in got) for one in wanted_all)
    if key in _METHODS and wanted is not None and got is not None:
        return _methods(wanted) == _methods(got)
    if isinstance(wanted, Mapping):
        return isinstance(got, Mapping) and all(
            label(part) in got and agrees(label(part), one, got[label(part)])
            for part, one in wanted.items()
        )
    if _is_list(wanted):
        if not _is_list(got) or len(wanted) != len(got):
            return False
        if key in _ANY_ORDER or _pairs(wanted):
            return sorted(map(str, map(_folded, wanted))) == sorted(map(str, map(_folded, got)))
        return all(agrees("", one, other) for one, other in zip(wanted, got, strict=True))
    return _same(wanted, got)


def _methods(value: Any) -> set[str]:
    """Which kinds of masking method a text, or a list of texts, names."""
    text = fold(" ".join(map(str, value)) if _is_list(value) else str(value))
    return {name for name, words in _METHOD_WORDS.items() if re.search(words, text)} or {text}


def _pairs(value: Sequence[Any]) -> bool:
    """Whether a list holds two-way cells."""
    return bool(value) and all(
        _is_list(one) and len(one) == 2 and all(isinstance(part, str) for part in one)
        for one in value
    )


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _folded(value: Any) -> Any:
    return [_folded(one) for one in value] if _is_list(value) else fold(label(value))


def _same(wanted: Any, got: Any) -> bool:
    if isinstance(got, bool) or isinstance(wanted, bool):
        return _truth(wanted) is _truth(got)
    if isinstance(wanted, str) and isinstance(got, str):
        return _same_text(wanted, got)
    return bool(wanted == got)


def _truth(value: Any) -> Any:
    return {"yes": True, "no": False}.get(str(value).lower(), value)


def _same_text(one: Any, other: Any) -> bool:
    return fold(str(one)) == fold(str(other))
