from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deid_platform.core.errors import LedgerError
from deid_platform.governance import events
from deid_platform.governance.events import Event, event_from, event_kinds
from deid_platform.governance.plain import canonical_json, check_plain

KINDS = list(event_kinds().values())
SAMPLES: dict[str, Any] = {
    "str": "name",
    "int": 3,
    "bool": True,
    "str | None": None,
    "int | None": 4,
    "tuple[str, ...]": ("a", "b"),
    "dict[str, str]": {"a": "b"},
    "dict[str, int]": {"a": 1},
    "dict[str, Any]": {"a": {"b": ["c"]}},
}
plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text("abc é7", max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("ab"), inner, max_size=4),
)


class Colour(enum.StrEnum):
    RED = "red"


def sample(kind: type[Event]) -> Event:
    return kind(**{one.name: SAMPLES[str(one.type)] for one in dataclasses.fields(kind)})


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_every_event_comes_back_from_its_json_unchanged(kind):
    event = sample(kind)
    payload = json.loads(canonical_json(event.payload()))
    assert event_from(kind.kind, payload) == event


def test_no_two_kinds_share_a_name():
    assert len({kind.kind for kind in KINDS}) == len(KINDS) >= 18


@given(plain)
def test_plain_values_pass_and_their_json_is_canonical(value):
    text = canonical_json(check_plain(value))
    assert canonical_json(json.loads(text)) == text
    assert text.isascii()


@pytest.mark.parametrize(
    "value",
    [
        b"123-45-6789",
        datetime.date(1950, 1, 2),
        decimal.Decimal(1),
        np.int64(3),
        np.array([1]),
        {1, 2},
        {1: "a"},
        {"a": {"b": [object()]}},
        Colour.RED,
        math.nan,
        math.inf,
        "two\nlines",
        "null\x00byte",
        "x" * 1001,
        {"two\nlines": 1},
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_not_a_name_count_or_digest_is_refused_without_being_quoted(value):
    with pytest.raises(LedgerError) as raised:
        check_plain(value)
    assert "123-45" not in str(raised.value)


def test_an_event_checks_its_fields_when_it_is_made():
    with pytest.raises(LedgerError, match=r"table.promoted: fingerprint"):
        events.TablePromoted(table="t", zone="limited", fingerprint=b"raw", rows=1)  # type: ignore[arg-type]


def test_an_unknown_kind_or_field_is_an_error_not_a_guess():
    with pytest.raises(LedgerError, match="newer one"):
        event_from("request.blessed", {})
    with pytest.raises(LedgerError, match="newer one"):
        event_from("table.promoted", {"colour": "red"})
