"""Marked texts of three formats, and which marks have to be found."""

from __future__ import annotations

import json

import pytest

from deid_platform.core.errors import DeliveryError
from deid_platform.engine.text.gold import exemption, read_gold

TEXT = "Ana came in 2019."
OUTSIDE = {"entity_type": "A", "start_position": 0, "end_position": 9}


def test_presidio_json_is_read(tmp_path):
    file = tmp_path / "gold.json"
    spans = [{"entity_type": "PERSON", "start_position": 0, "end_position": 3}]
    file.write_text(json.dumps([{"full_text": TEXT, "spans": spans}]))
    (example,) = read_gold(file)
    assert [(m.start, m.end, m.label) for m in example.marked] == [(0, 3, "PERSON")]


def test_brat_is_read_with_its_discontinuous_marks(tmp_path):
    (tmp_path / "a.txt").write_text(TEXT)
    (tmp_path / "a.ann").write_text("T1\tPATIENT 0 3;4 8\tAna came\nR1\tsome relation\n")
    (example,) = read_gold(tmp_path)
    assert [(m.start, m.end, m.label) for m in example.marked] == [
        (0, 3, "PATIENT"),
        (4, 8, "PATIENT"),
    ]


def test_i2b2_xml_is_read(tmp_path):
    file = tmp_path / "a.xml"
    file.write_text(
        f"<deid><TEXT><![CDATA[{TEXT}]]></TEXT><TAGS>"
        '<NAME id="P0" start="0" end="3" text="Ana" TYPE="PATIENT"/></TAGS></deid>'
    )
    (example,) = read_gold(file)
    assert [(m.start, m.end, m.label) for m in example.marked] == [(0, 3, "PATIENT")]


@pytest.mark.parametrize(
    ("label", "content", "exempt"),
    [
        ("PERSON", "Ana", False),
        ("GPE", "Norway", False),
        ("NRP", "Norwegian", True),
        ("TITLE", "Mr.", True),
        ("AGE", "89", True),
        ("AGE", "90", False),
        ("AGE", "ninety", False),
        ("DATE_TIME", "2019", True),
        ("DATE_TIME", "Tuesday", False),
        ("ANYTHING_ELSE", "x", False),
    ],
)
def test_only_what_safe_harbor_lets_stay_is_exempt(label, content, exempt):
    assert (exemption(label, content) is not None) is exempt


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", "{"),
        ("a.json", "[]"),
        ("a.json", '[{"full_text": "x"}]'),
        ("a.json", json.dumps([{"full_text": "x", "spans": [OUTSIDE]}])),
        ("a.xml", "<deid/>"),
        ("a.xml", "<!DOCTYPE a [<!ENTITY b 'c'>]><deid><TEXT>&b;</TEXT><TAGS/></deid>"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_without_quoting_it(tmp_path, name, content):
    file = tmp_path / name
    file.write_text(content)
    with pytest.raises(DeliveryError) as refused:
        read_gold(file)
    assert content not in str(refused.value)
