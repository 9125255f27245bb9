"""The verifier accepts every certificate made, and no tampered one."""

from __future__ import annotations

import ast
import copy
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deid_platform.core.errors import MaskingError
from deid_platform.core.masking import MaskingRules, mask, verify
from deid_platform.core.masking.certificate import certify, decode, encode
from tests.core.masking.tables import as_text, cube, declaration

COUNTS = [[4, 40, 25, 0], [60, 70, 3, 18], [0, 90, 33, 7], [12, 15, 21, 5]]
PEOPLE, CODE = -2, -1
"""The last columns of a row of text."""


@dataclass(kw_only=True)
class Release:
    """What a verifier is given."""

    header: list[str]
    rows: list[list[str]]
    declaration: dict[str, Any]
    certificate: dict[str, Any]

    @property
    def part(self) -> dict[str, Any]:
        return self.certificate["people"]["people"]

    def faults(self, **rules: int) -> list[str]:
        return verify.verify(
            self.header, self.rows, self.declaration, self.certificate, {**verify.DDG, **rules}
        )


def certified(inner=COUNTS, rules: MaskingRules | None = None) -> Release:
    table = cube(inner)
    masking = mask(table, rules or MaskingRules())
    header, rows = as_text(masking)
    declared = declaration(table)
    certificate = certify({"people": masking}, header, rows, declared)
    return Release(
        header=header, rows=rows, declaration=declared, certificate=decode(encode(certificate))
    )


def told(tamper: Callable[[Release], object], *, redigested: bool = True) -> list[str]:
    """What the verifier says of a tampered release whose digest was made to fit again."""
    release = certified()
    assert release.faults() == []
    before = copy.deepcopy(release)
    tamper(release)
    assert release != before, "the tampering changed nothing"
    if redigested:
        release.certificate["table"] = verify.digest(
            release.header, release.rows, release.declaration
        )
    return release.faults()


def blank(release: Release, code: str = "1") -> list[str]:
    return next(row for row in release.rows if row[PEOPLE] == "" and row[CODE] == code)


def shown(release: Release) -> list[str]:
    return next(row for row in release.rows if row[PEOPLE] not in ("", "0"))


counts = st.one_of(st.integers(0, 12), st.integers(11, 60))
tables = (
    st.lists(st.lists(counts, min_size=4, max_size=4), min_size=3, max_size=5)
    | st.lists(counts, min_size=3, max_size=9)
    | st.lists(
        st.lists(st.lists(counts, min_size=2, max_size=2), min_size=3, max_size=3),
        min_size=3,
        max_size=3,
    )
)


@settings(deadline=None, max_examples=40)
@given(tables)
def test_every_certificate_made_is_accepted_also_after_packing(inner):
    try:
        release = certified(inner)
    except MaskingError:
        return
    assert release.faults() == []


# Tampering with the table: its digest is renewed, so that the table itself must give it away.


def test_another_table_is_rejected_by_its_digest():
    def tamper(release):
        release.rows[0], release.rows[1] = release.rows[1], release.rows[0]

    assert told(tamper, redigested=False) == [
        "the certificate was made for another table or declaration"
    ]


def test_a_hidden_value_that_is_shown_again_is_rejected():
    def tamper(release):
        blank(release)[PEOPLE:] = ["4", "0"]

    assert told(tamper)


def test_a_shown_value_that_is_changed_is_rejected():
    def tamper(release):
        shown(release)[PEOPLE] = "4711"

    assert "people: a table contradicts a published sum" in told(tamper)


def test_a_zero_that_is_changed_to_a_small_count_is_rejected():
    def tamper(release):
        next(row for row in release.rows if row[PEOPLE] == "0")[PEOPLE] = "3"

    assert "people: a small cell is shown" in told(tamper)


def test_a_zero_that_is_hidden_is_rejected():
    def tamper(release):
        row = next(k for k, row in enumerate(release.rows) if row[PEOPLE] == "0")
        place = sum(row[PEOPLE] == "" for row in release.rows[:row])
        release.rows[row][PEOPLE:] = ["", "1"]
        release.part["base"].insert(place, 0)

    assert "people: a table contradicts a shown value, a code or a denominator" in told(tamper)


def test_a_code_1_that_is_changed_to_2_is_rejected():
    def tamper(release):
        blank(release)[CODE] = "2"

    assert told(tamper)


def test_a_blank_without_a_code_is_rejected():
    def tamper(release):
        blank(release)[CODE] = "0"

    assert "people: a hidden cell has not one code, or a figure stands in it" in told(tamper)


def test_a_shown_value_with_the_code_of_a_hidden_one_is_rejected():
    def tamper(release):
        shown(release)[CODE] = "1"

    assert told(tamper) == [
        "people: a shown cell has the code of a hidden one, or a blank has no code"
    ]


def test_a_dropped_row_is_rejected():
    assert told(lambda release: release.rows.pop())


def test_a_doubled_row_is_rejected():
    assert told(lambda release: release.rows.append(list(release.rows[-1])))


def test_a_renamed_label_is_rejected():
    def tamper(release):
        release.rows[0][0] = "elsewhere"

    assert told(tamper)


def test_a_dropped_annotation_column_is_rejected():
    def tamper(release):
        release.header.pop()
        for row in release.rows:
            row.pop()

    assert told(tamper) == ["the table or the certificate is malformed"]


# Tampering with the declaration.


def test_a_total_taken_out_of_the_declaration_is_rejected():
    def tamper(release):
        release.declaration["dimensions"]["d0"]["total"] = None

    assert told(tamper, redigested=False)


def test_a_total_declared_to_be_another_label_is_rejected():
    def tamper(release):
        release.declaration["dimensions"]["d0"]["total"] = "L00"

    assert "people: a table contradicts a published sum" in told(tamper)


def test_an_invented_hierarchy_is_rejected():
    def tamper(release):
        release.declaration["dimensions"]["d1"]["hierarchy"] = {"L00": ["L01", "L02"]}

    assert "people: a table contradicts a published sum" in told(tamper)


def test_a_figure_that_the_certificate_does_not_know_is_rejected():
    def tamper(release):
        release.declaration["figures"]["visits"] = {"people": "people"}
        release.header += ["visits", "visits_annotation"]
        for row in release.rows:
            row += row[PEOPLE:]

    assert told(tamper) == ["people: the certificate leaves out visits"]


# Tampering with the proof.


def test_a_certificate_of_another_format_is_rejected():
    assert told(lambda release: release.certificate.update(format="other"))


def test_a_certificate_that_is_empty_is_rejected():
    assert told(lambda release: release.certificate.clear(), redigested=False)


@pytest.mark.parametrize(
    ("rule", "value"),
    [("min_people", 5), ("feasible_low", 4), ("feasible_high", 3), ("every_small_cell", False)],
)
def test_a_certificate_made_under_laxer_rules_is_rejected(rule, value):
    assert told(lambda release: release.certificate["rules"].update({rule: value}))


def test_a_certificate_that_skips_a_column_of_people_is_rejected():
    assert told(lambda release: release.certificate["people"].clear())


def test_a_changed_value_of_the_complete_table_is_rejected():
    def tamper(release):
        release.part["base"][0] += 1

    assert "people: a table contradicts a published sum" in told(tamper)


def test_two_swapped_values_of_the_complete_table_are_rejected():
    def tamper(release):
        base = release.part["base"]
        other = next(k for k in range(1, len(base)) if base[k] != base[0])
        base[0], base[other] = base[other], base[0]

    assert told(tamper)


def test_a_shortened_complete_table_is_rejected():
    assert told(lambda release: release.part["base"].pop())


def test_a_complete_table_of_fractions_is_rejected():
    def tamper(release):
        release.part["base"] = [float(value) for value in release.part["base"]]
        release.part["base"][0] += 0.5

    assert told(tamper) == ["the table or the certificate is malformed"]


def test_a_witness_that_breaks_a_sum_is_rejected():
    def tamper(release):
        release.part["witnesses"][0]["amounts"][0] += 1

    assert "people: a table contradicts a published sum" in told(tamper)


def test_a_witness_that_moves_a_shown_cell_is_rejected():
    def tamper(release):
        cells = release.part["witnesses"][0]["cells"]
        cells[0] = next(
            k for k, row in enumerate(release.rows) if row[PEOPLE] != "" and k not in cells
        )

    assert "people: a table contradicts a shown value, a code or a denominator" in told(tamper)


def test_a_witness_that_goes_below_one_person_is_rejected():
    def tamper(release):
        for witness in release.part["witnesses"]:
            witness["amounts"] = [100 * amount for amount in witness["amounts"]]

    assert "people: a table contradicts a shown value, a code or a denominator" in told(tamper)


def test_witnesses_that_change_nothing_are_rejected():
    def tamper(release):
        for witness in release.part["witnesses"]:
            witness["amounts"] = [0 for _ in witness["amounts"]]

    assert told(tamper) == ["people: no two tables are far enough apart for a small cell"]


@pytest.mark.parametrize("kept", [0, 1])
def test_a_certificate_without_its_witnesses_is_rejected(kept):
    def tamper(release):
        del release.part["witnesses"][kept:]

    assert told(tamper) == ["people: no two tables are far enough apart for a small cell"]


def test_a_truncated_witness_is_rejected():
    assert told(lambda release: release.part["witnesses"][0]["cells"].pop())


def test_an_overlap_of_people_that_is_claimed_for_a_changed_sum_is_rejected():
    def tamper(release):
        release.part["base"][0] -= 1
        release.part["inexact"] = ["d0", "d1"]

    assert "people: a table contradicts a published sum" in told(tamper)


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_any_changed_number_of_the_complete_table_or_of_a_cell_is_rejected(data):
    release = certified()
    if data.draw(st.booleans()):
        place = data.draw(st.integers(0, len(release.part["base"]) - 1))
        release.part["base"][place] += data.draw(st.integers(1, 9)) * data.draw(
            st.sampled_from([-1, 1])
        )
    else:
        row = data.draw(st.sampled_from([row for row in release.rows if row[PEOPLE]]))
        row[PEOPLE] = str(int(row[PEOPLE]) + data.draw(st.integers(1, 99)))
        release.certificate["table"] = verify.digest(
            release.header, release.rows, release.declaration
        )
    assert release.faults() != []


# What is a certificate, and who may check it.


def test_what_is_no_certificate_is_refused():
    with pytest.raises(MaskingError, match="not a certificate"):
        decode(b"nothing of the kind")


def test_a_certificate_of_a_stricter_policy_holds_under_that_policy_only():
    release = certified(rules=MaskingRules(min_people=21, feasible=(1, 20)))
    assert release.faults(min_people=21, feasible_high=20) == []
    assert release.faults() != []


def test_the_same_masking_gives_the_same_certificate_bytes():
    assert encode(certified().certificate) == encode(certified().certificate)


def test_the_verifier_imports_the_standard_library_only():
    tree = ast.parse(Path(verify.__file__).read_text())
    imported = {
        (node.module if isinstance(node, ast.ImportFrom) else node.names[0].name).split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert imported <= set(sys.stdlib_module_names)


def test_the_verifier_runs_alone_as_a_program(tmp_path):
    """A copy of the one file, in a Python without any package."""
    release = certified()
    alone = tmp_path / "verify.py"
    alone.write_bytes(Path(verify.__file__).read_bytes())
    (tmp_path / "declaration.json").write_text(json.dumps(release.declaration))
    (tmp_path / "proof.bin").write_bytes(encode(release.certificate))
    files = ["masked.csv", "declaration.json", "proof.bin"]

    def checked(rows):
        lines = [",".join(row) for row in (release.header, *rows)]
        (tmp_path / "masked.csv").write_text("\n".join(lines) + "\n")
        return subprocess.run(
            [sys.executable, "-I", "-S", alone, *files],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )

    done = checked(release.rows)
    assert (done.returncode, done.stdout) == (0, "the certificate holds\n")
    done = checked(release.rows[1:])
    assert (done.returncode, done.stdout) == (
        1,
        "the certificate was made for another table or declaration\n",
    )


def test_witnesses_are_shared():
    rng = np.random.default_rng(3)
    part = certified(rng.integers(0, 60, size=(12, 8)).tolist()).part
    moves = 2 * sum(1 for value in part["base"] if value <= 10)
    assert len(part["witnesses"]) < moves
