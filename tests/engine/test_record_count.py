"""The independent count of records against Python's csv module."""

from __future__ import annotations

import csv
import io
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deid_platform.core.errors import DeliveryError
from deid_platform.engine import record_count
from deid_platform.engine.delivery import Delivery
from deid_platform.engine.record_count import count_csv_records

FIELD = st.text(st.sampled_from('ab", \n\r;é\u2028'), max_size=6)


def delivery(content: bytes, folder: str) -> Delivery:
    path = Path(folder) / "x.csv"
    path.write_bytes(content)
    return Delivery(path=path, name="x.csv", format="csv", size=len(content), stamp=(0, 0, 0))


@settings(deadline=None)
@given(
    st.lists(st.lists(FIELD, min_size=2, max_size=3), min_size=1, max_size=8),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(["utf-8", "utf-16"]),
    st.sampled_from([2, 6, 64, 1 << 23]),
    st.booleans(),
)
def test_the_count_agrees_with_the_csv_module_wherever_the_file_is_cut(
    rows: list[list[str]], line_end: str, encoding: str, chunk: int, ends: bool
) -> None:
    out = io.StringIO()
    # A field with a lone carriage return is quoted only where that is part of the line end.
    quoting = csv.QUOTE_ALL if line_end == "\n" else csv.QUOTE_MINIMAL
    csv.writer(out, lineterminator=line_end, quoting=quoting).writerows(rows)
    text = out.getvalue() if ends else out.getvalue().removesuffix(line_end)
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patched:
        patched.setattr(record_count, "_CHUNK", chunk)
        found = count_csv_records(delivery(text.encode(encoding), folder), encoding, ",")
    assert found.records == len(rows)
    assert found.blank_lines == ()


@settings(deadline=None)
@given(st.lists(st.sampled_from(["a,b", "", 'c,"d\n\ne"']), min_size=1, max_size=12))
def test_blank_lines_are_no_records_and_their_places_are_kept(lines: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        found = count_csv_records(
            delivery(("\n".join(lines) + "\n").encode(), folder), "utf-8", ","
        )
    assert found.records == sum(line != "" for line in lines)
    assert found.blank_lines == tuple(n for n, line in enumerate(lines, 1) if not line)


@pytest.mark.parametrize("chunk", [1, 2, 4, 5, 8, 1 << 23])
def test_a_character_cut_off_at_the_end_is_told_with_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(record_count, "_CHUNK", chunk)
    with pytest.raises(DeliveryError, match="the byte at offset 6 is not utf-8"):
        count_csv_records(delivery(b"a,b\n1,\xc3\xa9"[:7], str(tmp_path)), "utf-8", ",")


def test_one_stray_quote_in_a_large_file_is_no_endless_record(tmp_path: Path) -> None:
    lines = ["a,b", '1,5" pipe', *["2,plain"] * 200_000, '3,6" pipe', ""]
    found = count_csv_records(delivery("\n".join(lines).encode(), str(tmp_path)), "utf-8", ",")
    assert found.records == 200_003
