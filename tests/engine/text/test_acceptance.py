"""The measures that the engine has to keep, on text it was not made from."""

from __future__ import annotations

from pathlib import Path

import pytest

from deid_platform.engine.text.analyzer import TextAnalyzer
from deid_platform.engine.text.evaluate import evaluate
from deid_platform.engine.text.gold import read_gold
from deid_platform.engine.text.known import KnownIdentifiers
from training.heldout import notes, trap_rate

SENTENCES = Path(__file__).resolve().parents[3] / "../shared/data/text/dev.json"


@pytest.mark.skipif(not SENTENCES.exists(), reason="the labelled sentences are not here")
def test_sentences_nobody_here_wrote_lose_95_percent_of_identifiers():
    measures = evaluate(read_gold(SENTENCES), TextAnalyzer().analyze).measures()
    assert measures["overlap"]["all_phi"]["recall"] >= 0.95
    assert measures["overlap"]["all_phi"]["f2"] >= 0.92
    assert measures["iou_0.7"]["all_phi"]["f2"] >= 0.80


def test_clinical_notes_of_a_known_record_lose_almost_everything():
    made = notes(96, seed=2)
    records = [KnownIdentifiers(note.record) for note in made]
    texts = [note.example.text for note in made]
    found = iter(TextAnalyzer().analyze(texts, records))

    evaluation = evaluate([n.example for n in made], lambda part: [next(found) for _ in part])

    measures = evaluation.measures()
    recall = {label: row["recall"] for label, row in measures["overlap"]["classes"].items()}
    assert min(recall[label] for label in ("NAME", "DATE", "ID", "CONTACT")) >= 0.995
    assert recall["LOCATION"] >= 0.98
    assert measures["overlap"]["all_phi"]["precision"] >= 0.95
    assert trap_rate(evaluation.examples, evaluation.found) <= 0.01
