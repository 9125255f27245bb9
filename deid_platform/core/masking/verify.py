"""Re-checks a masked table against its certificate, with nothing but the standard library.

    python verify.py masked.csv declaration.json proof.bin

It shares no code with what masked the table and uses no solver. The certificate gives one complete
table and changes to it. Each table so made must agree with all that is published: sums, zeros,
codes and denominators; and for every hidden small cell two of them are as far apart as the policy
asks. What it accepts is proof, whoever wrote it. Source: DDG 2.0, 4.4.3 (M-15, protection audit).
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import math
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import index
from pathlib import Path
from typing import Any

FORMAT = "deid-masking-certificate-2"
DDG = {"min_people": 11, "feasible_low": 1, "feasible_high": 10, "every_small_cell": True}
"""1 to 10 people are few and hidden wherever they stand; none of these counts may be ruled out."""
STATISTICS = ("rate", "percentage", "mean", "amount")
Texts = Mapping[str, Sequence[str]]
Sums = Sequence[tuple[str, int, Sequence[int]]]
"""Every published sum: the dimension it runs along, its total's row and its members' rows."""


def digest(
    header: Sequence[str], rows: Iterable[Sequence[str]], declaration: Mapping[str, Any]
) -> str:
    """SHA-256 of a published table: what is declared of its sums, its header, its rows in order."""
    dimensions = {name: one or {} for name, one in declaration["dimensions"].items()}
    said = [
        [n, d.get("total"), d.get("hierarchy") or {}, d.get("parent")]
        for n, d in dimensions.items()
    ] + [
        [n, f["people"], f.get("kind") or "count", f.get("denominator")]
        for n, f in declaration["figures"].items()
    ]
    lines = (json.dumps(list(line), sort_keys=True) for line in (said, header, *rows))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def verify(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    declaration: Mapping[str, Any],
    certificate: Mapping[str, Any],
    rules: Mapping[str, int] = DDG,
) -> list[str]:
    """What is wrong with a published table (as text) or its certificate; empty when all holds."""
    try:
        if certificate["format"] != FORMAT or certificate["rules"] != dict(rules):
            return ["the certificate has another format, or was made under other rules"]
        if certificate["table"] != digest(header, rows, declaration):
            return ["the certificate was made for another table or declaration"]
        columns = dict(zip(header, zip(*rows, strict=True), strict=True))
        sums, figures = _sums(columns, declaration["dimensions"]), declaration["figures"]
        if {figure["people"] for figure in figures.values()} != set(certificate["people"]):
            return ["the certificate does not cover every column that counts people"]
        found = []
        for people, part in certificate["people"].items():
            linked = {name: one for name, one in figures.items() if one["people"] == people}
            faults = _faults(columns, linked, sums, people, part, rules)
            found += [f"{people}: {fault}" for fault in dict.fromkeys(faults)]
        return found
    except (KeyError, ValueError, TypeError, IndexError, AttributeError, OverflowError):
        return ["the table or the certificate is malformed"]


def _sums(columns: Texts, dimensions: Mapping[str, Any]) -> Sums:
    """The sums that totals, hierarchies and nested dimensions make, where the total is a row."""
    declared = {name: dimension or {} for name, dimension in dimensions.items()}
    totals = {name: dimension.get("total") for name, dimension in declared.items()}
    above: dict[str, dict[str, Any]] = {}
    for name, dimension in declared.items():
        labels, tree = set(columns[name]), dimension.get("hierarchy") or {}
        above[name] = {label: totals[name] for label in labels if label != totals[name]}
        above[name] |= {label: top for top in tree if top in labels for label in tree[top]}
    labels_of = zip(*(columns[name] for name in declared), strict=True)
    keys = [dict(zip(declared, labels, strict=True)) for labels in labels_of]
    at = {tuple(key.values()): row for row, key in enumerate(keys)}
    if len(at) != len(keys):
        raise ValueError
    found: dict[tuple[str, int], list[int]] = defaultdict(list)
    for row, key in enumerate(keys):
        for name in declared:
            within = (n for n, other in declared.items() if other.get("parent") == name)
            total = at.get(tuple({**key, name: above[name].get(key[name])}.values()))
            if total is not None and all(key[n] == totals[n] for n in within):
                found[name, total].append(row)
    return [(name, total, members) for (name, total), members in found.items()]


def _faults(
    columns: Texts,
    linked: Mapping[str, Any],
    sums: Sums,
    people: str,
    part: Mapping[str, Any],
    rules: Mapping[str, int],
) -> Iterator[str]:
    """What is wrong with one column of people, the figures of these people, and their proof."""
    smallest: int = rules["min_people"]
    codes: dict[int, int] = {}
    for row, text in enumerate(columns[people]):
        marks = {f: (columns[f"{f}_annotation"][row] or "0", columns[f][row] == "") for f in linked}
        if text == "":
            codes[row] = max(int(code) for code, _ in marks.values())
            if set(marks.values()) not in ({("1", True)}, {("2", True)}):
                yield "a hidden cell has not one code, or a figure stands in it"
        for name, (code, blank) in marks.items() if text else ():
            # A statistic goes with its denominator, an amount for the sake of another.
            follows = blank and code in ("1", "2") and linked[name].get("kind") in STATISTICS
            if (code, blank) != ("0", False) and code not in ("3", "4", "5") and not follows:
                yield "a shown cell has the code of a hidden one, or a blank has no code"
    tables = {}
    for name, hidden in {**part["figures"], people: part["base"]}.items():
        value = dict(zip(codes, map(index, hidden), strict=True))
        tables[name] = [
            value[r] if r in codes else int(float(t)) for r, t in enumerate(columns[name])
        ]
    for name in linked.keys() - tables.keys():
        is_count = (linked[name].get("kind") or "count") == "count"
        if is_count and _is_additive(columns[name], columns[people], sums):
            yield f"the certificate leaves out {name}"
    base, loose = tables[people], set(part["inexact"])
    low, high = _bounds(columns, linked, sums, base, codes, smallest)
    touching: dict[int, list[int]] = defaultdict(list)
    for number, (_, total, members) in enumerate(sums):
        for row in (total, *members):
            touching[row].append(number)

    def contradictions(numbers: Iterable[int], rows: Iterable[int]) -> Iterator[str]:
        """What the tables, as they now are, contradict in these sums and these rows."""
        for number in numbers:
            name, total, members = sums[number]
            for of, table in tables.items():
                whole, parts = table[total], [table[row] for row in members]
                overlap = of == people and name in loose and max(parts) <= whole
                if sum(parts) < whole or (sum(parts) > whole and not overlap):
                    yield "a table contradicts a published sum"
        for row in rows:
            if row not in codes or not low[row] <= base[row] <= high[row]:
                yield "a table contradicts a shown value, a code or a denominator"
            elif any(table[row] < base[row] for table in tables.values()):
                yield "a table has less of a figure than people behind it"

    yield from contradictions(range(len(sums)), codes)
    few = [row for row, value in enumerate(base) if 1 <= value < smallest]
    gated = {row for row in part["gated"] if base[row]}
    if any(row not in codes and (rules["every_small_cell"] or row in gated) for row in few):
        yield "a small cell is shown"
    reached = {row: {base[row]} for row in few if row in codes}
    for change in [{"people": one, "figures": {}} for one in part["witnesses"]] + part["solved"]:
        moves = {name: change["figures"].get(name, change["people"]) for name in tables}
        steps = [
            (tables[name], row, index(amount))
            for name, move in moves.items()
            for row, amount in zip(move["cells"], move["amounts"], strict=True)
        ]
        for table, row, amount in steps:
            table[row] += amount
        rows = {row for _, row, _ in steps}
        yield from contradictions({number for row in rows for number in touching[row]}, rows)
        for row in rows & reached.keys():
            reached[row].add(base[row])
        for table, row, amount in steps:
            table[row] -= amount
    floor = _floor(columns[people], sums)
    for row, values in reached.items():
        least = max(rules["feasible_low"], floor[row])
        most = min(rules["feasible_high"], high[row])
        if min(values) > least or max(values) < most or len(values) < 2:
            yield "no two tables are far enough apart for a small cell"


def _is_additive(column: Sequence[str], people: Sequence[str], sums: Sums) -> bool:
    """Whether a reader counts on a figure: all shown of it adds up and is at least its people."""
    known = {row: float(column[row] or -1) for row, text in enumerate(people) if text}
    whole = ((total, members) for _, total, members in sums if known.keys() >= {total, *members})
    return all(value >= float(people[row]) for row, value in known.items()) and all(
        sum(known[row] for row in members) == known[total] for total, members in whole
    )


def _bounds(
    columns: Texts,
    linked: Mapping[str, Any],
    sums: Sums,
    base: Sequence[int],
    codes: Mapping[int, int],
    smallest: int,
) -> tuple[dict[int, int], dict[int, float]]:
    """What codes and denominators say of hidden cells; code 1 only where its block has a code 2."""
    joined = [[row for row in (total, *members) if row in codes] for _, total, members in sums]
    told, before = {row for row, code in codes.items() if code == 2}, -1
    while len(told) > before:
        before = len(told)
        for block in joined:
            if not told.isdisjoint(block):
                told.update(block)
    low = {row: smallest if code == 2 else 1 for row, code in codes.items()}
    high = {r: smallest - 1 if c == 1 and r in told else math.inf for r, c in codes.items()}
    for figure in linked.values():
        limit = [float(text or "inf") for text in columns.get(figure.get("denominator"), ())]
        if limit and all(most >= count for most, count in zip(limit, base, strict=True)):
            high = {row: min(most, limit[row]) for row, most in high.items()}
    return low, high


def _floor(people: Sequence[str], sums: Sums) -> list[int]:
    """The lowest count of each cell when only the zeros are known: no masking hides more."""
    low, before = [int(text != "0") for text in people], -1
    while sum(low) > before:
        before = sum(low)
        for _, total, members in sums:
            low[total] = max(low[total], sum(low[row] for row in members))
    return low


def main(table: str, declaration: str, certificate: str) -> int:
    """Print what is wrong with a table, by three files; 0 when nothing is, else 1."""
    with Path(table).open(encoding="utf-8-sig", newline="") as lines:
        header, *rows = csv.reader(lines)
    declared = json.loads(Path(declaration).read_bytes())
    content = json.loads(gzip.decompress(Path(certificate).read_bytes()))
    faults = verify(header, rows, declared.get("publication", declared), content)
    print("\n".join(faults) or "the certificate holds")
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]) if len(sys.argv) == 4 else __doc__)
