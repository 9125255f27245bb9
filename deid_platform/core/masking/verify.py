"""Re-checks a masked table against its certificate, with nothing but the standard library.

It shares no code with what masked the table: it reads the declaration and the published rows
itself, takes the certificate's complete table, and checks that this table and every witness agree
with all that is published, and that for each hidden small cell two of them are as far apart as
the policy asks. It uses no solver; what it accepts is proof, whoever wrote it.

Source: DDG 2.0, 7.3 and M-15.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

FORMAT = "deid-masking-certificate-1"
Row = Sequence[str]


def digest(header: Row, rows: Sequence[Row]) -> str:
    """SHA-256 of a published table as text: its header and its rows in order."""
    lines = "\n".join(json.dumps(list(row), ensure_ascii=False) for row in (header, *rows))
    return hashlib.sha256(lines.encode()).hexdigest()


def verify(
    header: Row, rows: Sequence[Row], declaration: Mapping[str, Any], certificate: Mapping[str, Any]
) -> list[str]:
    """What is wrong with a masked table or its certificate; empty when all of it holds.

    Args:
        header: the columns of the published table.
        rows: its rows as text, a withheld value as the empty text.
        declaration: the publication's declaration, as YAML or JSON reads it.
        certificate: what `certificate.certify` made.
    """
    try:
        if certificate["format"] != FORMAT:
            return ["unknown certificate format"]
        if certificate["table"] != digest(header, rows):
            return ["the certificate was made for another table"]
        found = []
        columns = {name: [row[k] for row in rows] for k, name in enumerate(header)}
        groups = _sums(columns, declaration["dimensions"], len(rows))
        counted = {str(figure["people"]) for figure in declaration["figures"].values()}
        if counted != set(certificate["people"]):
            return ["the certificate does not cover every column that counts people"]
        for people, part in certificate["people"].items():
            found += _check(columns, declaration, groups, people, part, certificate["rules"])
        return found
    except (KeyError, ValueError, TypeError, IndexError, AttributeError):
        return ["the table or the certificate is malformed"]


def _sums(
    columns: Mapping[str, Sequence[str]], dimensions: Mapping[str, Any], count: int
) -> list[tuple[str, int, list[int]]]:
    """Every published sum: the dimension it runs along, its total's row, its members' rows."""
    names = list(dimensions)
    keys = list(zip(*(columns[name] for name in names), strict=True))
    at = {key: row for row, key in enumerate(keys)}
    if len(at) != count:
        raise ValueError
    found: dict[tuple[str, int], list[int]] = defaultdict(list)
    for row, key in enumerate(keys):
        for place, name in enumerate(names):
            declared = dimensions[name] or {}
            label, total = key[place], declared.get("total")
            above = next(
                (p for p, under in (declared.get("hierarchy") or {}).items() if label in under),
                total if label != total else None,
            )
            nested = [n for n in names if (dimensions[n] or {}).get("parent") == name]
            open_below = any(
                key[names.index(n)] != (dimensions[n] or {}).get("total") for n in nested
            )
            if above is not None and not open_below:
                member_of = at.get((*key[:place], str(above), *key[place + 1 :]))
                if member_of is not None:
                    found[name, member_of].append(row)
    return [(name, total, members) for (name, total), members in found.items()]


def _check(
    columns: Mapping[str, Sequence[str]],
    declaration: Mapping[str, Any],
    groups: list[tuple[str, int, list[int]]],
    people: str,
    part: Mapping[str, Any],
    rules: Mapping[str, int],
) -> list[str]:
    linked = {n: f for n, f in declaration["figures"].items() if f["people"] == people}
    hidden = [row for row, value in enumerate(columns[people]) if value == ""]
    found = []
    codes = [0] * len(columns[people])
    for name in linked:
        for row, code in enumerate(columns[f"{name}_annotation"]):
            blank, withheld = columns[name][row] == "", columns[people][row] == ""
            number = int(code or 0)
            codes[row] = max(codes[row], number)
            if (number in (1, 2)) != withheld or (withheld and not blank):
                return [f"{people}: a blank is not annotated, or a figure stands in a hidden cell"]
    if len(part["base"]) != len(hidden):
        return [f"{people}: the certificate does not list every hidden cell"]
    base = [int(value) if value else 0 for value in columns[people]]
    for row, value in zip(hidden, part["base"], strict=True):
        base[row] = value
    low, high = _bounds(columns, linked, groups, base, set(hidden), codes, rules)
    inexact = {
        name for name, total, members in groups if sum(base[m] for m in members) != base[total]
    }
    touching: dict[int, list[int]] = defaultdict(list)
    for number, (_, total, members) in enumerate(groups):
        for row in (total, *members):
            touching[row].append(number)
    if not _agrees(base, range(len(groups)), groups, inexact):
        found.append(f"{people}: the complete table contradicts a published sum")
    if any(not low[row] <= base[row] <= high[row] for row in hidden):
        found.append(f"{people}: the complete table contradicts a code or a denominator")
    small = [row for row in hidden if 1 <= base[row] < rules["min_people"]]
    if any(1 <= base[r] < rules["min_people"] for r in part["gated"] if columns[people][r]):
        found.append(f"{people}: a small cell is shown")
    least, most = {row: base[row] for row in small}, {row: base[row] for row in small}
    concealed = set(hidden)
    for witness in part["witnesses"]:
        change = dict(zip(witness["cells"], witness["amounts"], strict=True))
        touched = {number for row in change for number in touching[row]}
        sums = all(
            sum(change.get(m, 0) for m in groups[g][2]) == change.get(groups[g][1], 0)
            for g in touched
        )
        moved = base.copy() if inexact else base
        before = {row: base[row] for row in change}
        for row, amount in change.items():
            moved[row] += amount
        fits = all(row in concealed and low[row] <= moved[row] <= high[row] for row in change)
        if not (sums and fits and _agrees(moved, touched, groups, inexact)):
            found.append(f"{people}: a witness contradicts what is published")
        for row in change:
            if row in least:
                least[row], most[row] = min(least[row], moved[row]), max(most[row], moved[row])
        for row, value in before.items():
            base[row] = value
    others = [n for n, f in linked.items() if n != people and f.get("kind", "count") == "count"]
    figures = {name: part["figures"].get(name) for name in others} if part["solved"] else {}
    for change in part["solved"]:
        moved = _moved(base, change["people"])
        touched = {number for row in change["people"]["cells"] for number in touching[row]}
        if not (
            set(change["people"]["cells"]) <= concealed
            and all(low[r] <= moved[r] <= high[r] for r in change["people"]["cells"])
            and _agrees(moved, touched, groups, inexact)
            and all(
                _carried(columns[name], hidden, known, change["figures"][name], moved, groups)
                for name, known in figures.items()
            )
        ):
            found.append(f"{people}: a solved table contradicts what is published")
        for row in change["people"]["cells"]:
            if row in least:
                least[row], most[row] = min(least[row], moved[row]), max(most[row], moved[row])
    floor = _least([int(value != "0") for value in columns[people]], groups)
    for row in small:
        wanted = max(rules["feasible_low"], floor[row]), min(rules["feasible_high"], high[row])
        if least[row] > wanted[0] or most[row] < wanted[1] or least[row] == most[row]:
            found.append(f"{people}: no two tables are far enough apart for a small cell")
    return found


def _moved(base: Sequence[int], change: Mapping[str, Sequence[int]]) -> list[int]:
    moved = list(base)
    for row, amount in zip(change["cells"], change["amounts"], strict=True):
        moved[row] += amount
    return moved


def _carried(
    column: Sequence[str],
    hidden: Sequence[int],
    known: Sequence[int],
    change: Mapping[str, Sequence[int]],
    people: Sequence[int],
    groups: list[tuple[str, int, list[int]]],
) -> bool:
    """Whether a further figure adds up, and has at least the people of each hidden cell."""
    values = [int(value) if value else 0 for value in column]
    for row, value in zip(hidden, known, strict=True):
        values[row] = value
    for moved in (values, _moved(values, change)):
        if any(sum(moved[m] for m in members) != moved[total] for _, total, members in groups):
            return False
    return set(change["cells"]) <= set(hidden) and all(moved[row] >= people[row] for row in hidden)


def _bounds(
    columns: Mapping[str, Sequence[str]],
    linked: Mapping[str, Any],
    groups: list[tuple[str, int, list[int]]],
    base: Sequence[int],
    hidden: set[int],
    codes: Sequence[int],
    rules: Mapping[str, int],
) -> tuple[list[int], list[int]]:
    """What a code and a denominator say of each cell; code 1 only beside a code 2 in its block."""
    low, high = [1] * len(base), [1 << 62] * len(base)
    for figure in linked.values():
        bounds = columns.get(figure.get("denominator") or "", ())
        known = [int(float(value)) if value else 1 << 62 for value in bounds]
        if known and all(value >= people for value, people in zip(known, base, strict=True)):
            high = [min(pair) for pair in zip(high, known, strict=True)]
    block = list(range(len(base)))

    def root(row: int) -> int:
        while block[row] != row:
            block[row] = block[block[row]]
            row = block[row]
        return row

    for _, total, members in groups:
        joined = [row for row in (total, *members) if row in hidden]
        for row in joined[1:]:
            block[root(row)] = root(joined[0])
    told = {root(row) for row in hidden if codes[row] == 2}
    for row in hidden:
        if root(row) in told and codes[row] == 1:
            high[row] = min(high[row], rules["min_people"] - 1)
        elif codes[row] == 2:
            low[row] = rules["min_people"]
    return low, high


def _agrees(
    values: Sequence[int],
    numbers: Any,
    groups: list[tuple[str, int, list[int]]],
    inexact: set[str],
) -> bool:
    """Whether sums hold; along an inexact dimension, the total lies between maximum and sum."""
    for number in numbers:
        name, total, members = groups[number]
        parts = [values[row] for row in members]
        if name in inexact:
            if not max(parts) <= values[total] <= sum(parts):
                return False
        elif sum(parts) != values[total]:
            return False
    return True


def _least(nonzero: list[int], groups: list[tuple[str, int, list[int]]]) -> list[int]:
    """The lowest count of each cell when only the zeros are known; witnesses keep every sum."""
    low, changed = nonzero, True
    while changed:
        changed = False
        for _, total, members in groups:
            wanted = sum(low[row] for row in members)
            if wanted > low[total]:
                low[total], changed = wanted, True
    return low
