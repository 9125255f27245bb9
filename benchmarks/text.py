"""`python -m benchmarks.text`: notes a second, as ratios to Presidio's own pattern recognizers.

Notes of about 1,500 characters, generated. Each detector reads the same notes in the same number of
processes, in turn; Presidio's has its default pattern recognizers and an empty pipeline, no model.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from typing import Any

from deid_platform.engine.pattern_recognizers import _analyzer as presidio_patterns
from deid_platform.engine.text.analyzer import TextAnalyzer
from training.generate import Generator

CHARACTERS = 1_500
BATCH = 64
DETECTORS = ("presidio", "forms and lists", "with the model")


def notes(count: int, seed: int) -> list[str]:
    """So many notes, each of sentences drawn from one pool."""
    pool = [one.text for one in Generator(seed).texts(3_000)]
    rng = random.Random(seed)
    made = []
    for _ in range(count):
        note = ""
        while len(note) < CHARACTERS:
            note += rng.choice(pool) + rng.choice([" ", "\n"])
        made.append(note)
    return made


@cache
def _detector(name: str) -> Any:
    if name == "presidio":
        analyzer = presidio_patterns()
        return lambda texts: [analyzer.analyze(text=text, language="en") for text in texts]
    return TextAnalyzer(names=None).analyze if name == "forms and lists" else TextAnalyzer().analyze


def _spans(job: tuple[str, list[str]]) -> tuple[int, float]:
    """How many spans a batch gave, and the peak memory of this process in megabytes."""
    name, texts = job
    found = sum(len(spans) for spans in _detector(name)(texts))
    return found, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def timed(name: str, texts: list[str], processes: int) -> dict[str, Any]:
    """Notes a second of one detector; start-up is not counted."""
    jobs = [(name, texts[at : at + BATCH]) for at in range(0, len(texts), BATCH)]
    with ProcessPoolExecutor(processes) as pool:
        list(pool.map(_spans, [(name, texts[:BATCH])] * processes))
        started = time.perf_counter()
        done = list(pool.map(_spans, jobs))
        seconds = time.perf_counter() - started
    return {
        "detector": name,
        "notes": len(texts),
        "notes_per_second": round(len(texts) / seconds, 1),
        "spans": sum(spans for spans, _ in done),
        "peak_mb": round(max(peak for _, peak in done)),
    }


def main() -> None:
    """Print one JSON document."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.text", description=__doc__)
    parser.add_argument("--notes", type=int, default=10_000, help="notes in all (10,000)")
    parser.add_argument("--processes", type=int, default=2, help="processes (2)")
    given = parser.parse_args()
    texts = notes(given.notes, 20261120)
    # Presidio reads a tenth: its rate does not depend on how many there are.
    results = [
        timed(
            name,
            texts[: max(BATCH, len(texts) // 10)] if name == "presidio" else texts,
            given.processes,
        )
        for name in DETECTORS
    ]
    base = results[0]["notes_per_second"]
    for result in results:
        result["ratio"] = round(result["notes_per_second"] / base, 1)
    sys.stdout.write(
        json.dumps({"processes": given.processes, "detectors": results}, indent=2) + "\n"
    )


if __name__ == "__main__":
    main()
