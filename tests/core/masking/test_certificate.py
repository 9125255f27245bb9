"""The verifier accepts every certificate made, and no tampered one."""

from __future__ import annotations

import ast
import copy
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deid_platform.core.errors import MaskingError
from deid_platform.core.masking import MaskingRules, mask, verify
from deid_platform.core.masking.certificate import certify, decode, encode
from tests.core.masking.tables import as_text, cube, declaration

COUNTS = [[4, 40, 25, 0], [60, 70, 3, 18], [0, 90, 33, 7], [12, 15, 21, 5]]


def certified(inner=COUNTS):
    table = cube(inner)
    masking = mask(table, MaskingRules())
    header, rows = as_text(masking)
    certificate = certify({"people": masking}, header, rows)
    return header, rows, declaration(table), certificate


counts = st.one_of(st.integers(0, 12), st.integers(11, 60))


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.lists(counts, min_size=4, max_size=4), min_size=3, max_size=5)
    | st.lists(counts, min_size=3, max_size=9)
    | st.lists(
        st.lists(st.lists(counts, min_size=2, max_size=2), min_size=3, max_size=3),
        min_size=3,
        max_size=3,
    )
)
def test_every_certificate_made_is_accepted_also_after_packing(inner):
    try:
        header, rows, declared, certificate = certified(inner)
    except MaskingError:
        return
    assert verify.verify(header, rows, declared, decode(encode(certificate))) == []


def shown(rows):
    return next(row for row in rows if row[-1] == "0" and row[-2] not in ("", "0"))


def blank(rows):
    return next(row for row in rows if row[-2] == "")


def show_a_value(header, rows, declared, certificate):
    row = blank(rows)
    row[-2], row[-1] = "9", "0"


def change_a_shown_value(header, rows, declared, certificate):
    shown(rows)[-2] = "4711"


def change_an_annotation(header, rows, declared, certificate):
    blank(rows)[-1] = "2"


def drop_a_row(header, rows, declared, certificate):
    rows.pop()


def swap_two_rows(header, rows, declared, certificate):
    rows[0], rows[1] = rows[1], rows[0]


def rename_a_level(header, rows, declared, certificate):
    rows[0][0] = "elsewhere"


TAMPERINGS_OF_THE_TABLE = [
    show_a_value,
    change_a_shown_value,
    change_an_annotation,
    drop_a_row,
    swap_two_rows,
    rename_a_level,
]


def change_the_complete_table(part):
    part["base"][0] += 1


def shorten_the_complete_table(part):
    part["base"].pop()


def break_a_sum_in_a_witness(part):
    part["witnesses"][0]["amounts"][0] += 1


def move_a_shown_cell(part):
    part["witnesses"][0]["cells"][0] = next(
        cell for cell in range(25) if cell not in part["witnesses"][0]["cells"]
    )


def widen_a_witness_beyond_what_is_there(part):
    part["witnesses"][0]["amounts"] = [100 * a for a in part["witnesses"][0]["amounts"]]


def halve_every_witness(part):
    for witness in part["witnesses"]:
        witness["amounts"] = [0 for _ in witness["amounts"]]


def remove_all_witnesses(part):
    part["witnesses"] = []


def truncate_a_witness(part):
    part["witnesses"][0]["cells"].pop()


def swap_two_values_of_the_complete_table(part):
    base = part["base"]
    other = next(k for k in range(1, len(base)) if base[k] != base[0])
    base[0], base[other] = base[other], base[0]


TAMPERINGS_OF_THE_PROOF = [
    change_the_complete_table,
    shorten_the_complete_table,
    break_a_sum_in_a_witness,
    move_a_shown_cell,
    widen_a_witness_beyond_what_is_there,
    halve_every_witness,
    remove_all_witnesses,
    truncate_a_witness,
    swap_two_values_of_the_complete_table,
]


@pytest.mark.parametrize("tamper", TAMPERINGS_OF_THE_TABLE, ids=lambda f: f.__name__)
@pytest.mark.parametrize("redigested", [False, True])
def test_a_tampered_table_is_rejected_even_when_its_digest_is_renewed(tamper, redigested):
    header, rows, declared, certificate = certified()
    tamper(header, rows, declared, certificate)
    if redigested and tamper is not swap_two_rows:
        certificate["table"] = verify.digest(header, rows)
    assert verify.verify(header, rows, declared, certificate) != []


@pytest.mark.parametrize("tamper", TAMPERINGS_OF_THE_PROOF, ids=lambda f: f.__name__)
def test_a_tampered_proof_is_rejected(tamper):
    header, rows, declared, certificate = certified()
    tamper(certificate["people"]["people"])
    assert verify.verify(header, rows, declared, certificate) != []


def test_a_certificate_that_skips_a_column_of_people_is_rejected():
    header, rows, declared, certificate = certified()
    certificate["people"] = {}
    assert verify.verify(header, rows, declared, certificate) != []


def test_a_certificate_of_another_format_or_none_at_all_is_rejected():
    header, rows, declared, certificate = certified()
    assert verify.verify(header, rows, declared, {**certificate, "format": "other"}) != []
    assert verify.verify(header, rows, declared, {}) != []
    with pytest.raises(MaskingError, match="not a certificate"):
        decode(b"nothing of the kind")


def test_a_small_cell_that_is_shown_is_rejected():
    header, rows, declared, certificate = certified([[40, 50], [60, 70]])
    certificate = copy.deepcopy(certificate)
    rows[0][2] = "4"
    certificate["table"] = verify.digest(header, rows)
    assert verify.verify(header, rows, declared, certificate) != []


def test_the_same_masking_gives_the_same_certificate_bytes():
    assert encode(certified()[3]) == encode(certified()[3])


def test_the_verifier_imports_the_standard_library_only():
    tree = ast.parse(Path(verify.__file__).read_text())
    imported = {
        (node.module if isinstance(node, ast.ImportFrom) else node.names[0].name).split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert imported <= set(sys.stdlib_module_names)


def test_witnesses_are_shared():
    rng = np.random.default_rng(3)
    _, _, _, certificate = certified(rng.integers(0, 60, size=(12, 8)).tolist())
    part = certificate["people"]["people"]
    moves = 2 * sum(1 for value in part["base"] if value <= 10)
    assert len(part["witnesses"]) < moves
