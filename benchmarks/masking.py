"""Masks generated tables with all margins, attacks and certifies them; JSON on standard output.

    python -m benchmarks.masking                      # all sizes
    python -m benchmarks.masking --sizes 11k 18k      # some
    python -m benchmarks.masking --attack-up-to 60000 # also without any witness, up to that size

A run ends with exit code 1 when a single small cell can be worked out.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from deid_platform.core.errors import MaskingError
from deid_platform.core.masking import (
    SMALL,
    Axis,
    Layout,
    Masking,
    MaskingRules,
    MaskingTable,
    attack,
    mask,
    published,
)
from deid_platform.core.masking.certificate import certify, encode
from deid_platform.core.masking.verify import verify

AXES = ("county", "age", "sex", "race", "quarter")
SIZES = {
    "11k": (58, 8, 2, 6),
    "18k": (58, 10, 2, 8),
    "57k": (58, 8, 2, 6, 4),
    "230k": (58, 19, 2, 12, 4),
}
LIMIT_SECONDS = {"57k": 60, "230k": 600}
"""What masking, attacking and certifying a table may take on two cores."""
LIMIT_MIB = 4096
RESULTS = Path(__file__).parent / "results"
MEAN_PEOPLE = 12.0
"""Per inner cell; the counts are skewed, so that most cells are zero or small."""


def generated(shape: tuple[int, ...], seed: int = 20) -> MaskingTable:
    """Counts of people by skewed, independent shares per level, with every margin."""
    rng = np.random.default_rng(seed)
    expected = np.ones(())
    for size in shape:
        expected = np.multiply.outer(expected, rng.pareto(1.2, size) + 0.05)
    people = rng.poisson(expected / expected.mean() * MEAN_PEOPLE)
    for axis in range(len(shape)):
        people = np.concatenate([people, people.sum(axis=axis, keepdims=True)], axis=axis)
    coordinates = np.stack([index.ravel() for index in np.indices(people.shape)], axis=1)
    axes = tuple(
        Axis(name=name, parents=(*[size] * size, -1))
        for name, size in zip(AXES, shape, strict=False)
    )
    return MaskingTable(
        layout=Layout(name="generated", axes=axes, coordinates=coordinates),
        people=people.ravel().astype(np.int64),
        gated=np.ones(people.size, dtype=bool),
    )


def as_text(masking: Masking) -> tuple[list[str], list[list[str]], dict[str, Any]]:
    """The masked table as header, rows and declaration."""
    layout = masking.table.layout
    names = [axis.name for axis in layout.axes]
    rows = [
        [*(f"{level:02}" for level in at), "" if code else str(people), str(code)]
        for at, people, code in zip(
            layout.coordinates.tolist(),
            masking.table.people.tolist(),
            masking.codes.tolist(),
            strict=True,
        )
    ]
    declaration = {
        "dimensions": {axis.name: {"total": f"{axis.size - 1:02}"} for axis in layout.axes},
        "figures": {"people": {"people": "people"}},
    }
    return [*names, "people", "people_annotation"], rows, declaration


def measured(given: tuple[str, int]) -> dict[str, Any]:
    """Mask, attack and certify one size; beside each measure, its share of the limit."""
    name, attack_up_to = given
    table, rules = generated(SIZES[name]), MaskingRules()
    start, processor = time.perf_counter(), time.process_time()
    try:
        masking = mask(table, rules)
    except MaskingError as refusal:
        return {"size": name, "cells": table.layout.cells, "refused": str(refusal)}
    masked = time.perf_counter()
    header, rows, declaration = as_text(masking)
    certificate = certify({"people": masking}, header, rows, declaration)
    size = len(encode(certificate))
    certified = time.perf_counter()
    faults = verify(header, rows, declaration, certificate)
    verified = time.perf_counter()
    result = {
        "size": name,
        **masking.counts(),
        **masking.people_hidden(),
        "masked_and_attacked_seconds": round(masked - start, 1),
        "certified_seconds": round(certified - masked, 1),
        "verified_seconds": round(verified - certified, 1),
        "total_seconds": round(verified - start, 1),
        "processor_seconds": round(time.process_time() - processor, 1),
        "attack": masking.audit.summary(),
        "certificate_bytes": size,
        "certificate_faults": len(faults),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
    result["share_of_limit"] = {
        "memory": round(result["peak_mib"] / LIMIT_MIB, 2),
        **{
            of: round(result[of] / LIMIT_SECONDS[name], 2)
            for of in ("total_seconds", "processor_seconds")
            if name in LIMIT_SECONDS
        },
    }
    if table.layout.cells <= attack_up_to:
        start = time.perf_counter()
        alone = attack(published(table, masking.codes), rules, small=masking.reasons == SMALL)
        result["programs_only"] = {
            **alone.summary(),
            "seconds": round(time.perf_counter() - start, 1),
        }
    return result


def compared(shape: tuple[int, ...]) -> dict[str, Any]:
    """What masking a small table loses, against the least any safe pattern loses."""
    table = generated(shape)
    start, processor = time.perf_counter(), time.process_time()
    masking = mask(table, MaskingRules())
    pattern = masking.pattern
    gap = None if pattern.gap is None else round(100 * pattern.gap, 1)
    return {
        "shape": list(shape),
        **masking.counts(),
        **masking.people_hidden(),
        "loss": pattern.loss,
        "least_loss_proven": pattern.loss_bound,
        "above_least_loss_pct": gap,
        "attack": masking.audit.summary(),
        "seconds": round(time.perf_counter() - start, 1),
        "processor_seconds": round(time.process_time() - processor, 1),
    }


def alone(function: Callable[[Any], dict[str, Any]], given: Any) -> dict[str, Any]:
    """Run in a process of its own, so that its peak of memory is its own."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=1, mp_context=context) as pool:
        return pool.submit(function, given).result()


def growth(results: list[dict[str, Any]], of: str) -> float | None:
    """The exponent of a time over cells: the slope of their logarithms over all sizes."""
    timed = [r for r in results if r.get(of)]
    if len(timed) < 2:
        return None
    cells, times = (np.log([float(r[key]) for r in timed]) for key in ("cells", of))
    return round(float(np.polyfit(cells, times, 1)[0]), 2)


def safe(result: dict[str, Any]) -> bool:
    """Whether nothing can be worked out of a masked table."""
    attacks = [result.get("attack", {}), result.get("programs_only", {})]
    open_cells = sum(
        a.get(key, 0) for a in attacks for key in ("recovered", "narrowed", "undecided")
    )
    return open_cells == 0 and result.get("certificate_faults", 0) == 0


def main() -> int:
    """Run the chosen sizes and print one JSON document."""
    parser = argparse.ArgumentParser(description="Masking at growing sizes.")
    parser.add_argument("--sizes", nargs="*", default=list(SIZES), choices=list(SIZES))
    parser.add_argument("--attack-up-to", type=int, default=20_000)
    parser.add_argument("--shapes", nargs="*", default=["10x10", "58x12", "58x20x4"])
    chosen = parser.parse_args()
    shapes = [tuple(map(int, shape.split("x"))) for shape in chosen.shapes]
    comparisons = [alone(compared, shape) for shape in shapes]
    results = []
    for name in chosen.sizes:
        results.append(alone(measured, (name, chosen.attack_up_to)))
        sys.stderr.write(f"{name}: {results[-1].get('total_seconds', 'refused')} s\n")
    document = {
        "processors": os.cpu_count(),
        "masking": results,
        "growth_exponent": growth(results, "total_seconds"),
        "growth_exponent_processor": growth(results, "processor_seconds"),
        "loss": comparisons,
    }
    text = json.dumps(document, indent=2) + "\n"
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "masking.json").write_text(text, "utf-8")
    sys.stdout.write(text)
    return 0 if all(map(safe, [*results, *comparisons])) else 1


if __name__ == "__main__":
    raise SystemExit(main())
