"""The name model as it is shipped, against the network it was trained as."""

from __future__ import annotations

import numpy as np

from deid_platform.engine.text import name_model
from deid_platform.engine.text.name_model import FILE, Features, NameModel, blank_pipeline, build

TEXTS = (
    "Anneliese Vanterpool lives at 12 Elm Street, Fresno.",
    "x",
    "Known Parkinson disease; Anneliese slept. Ünïcödé 名前 \u200b ok",
    " ".join(f"word{n} Name{n}" for n in range(300)),
)


def network():
    loaded = build()
    loaded.initialize(X=[name_model._sample()])
    name_model._load(loaded, FILE.read_bytes())
    return loaded


def test_words_seen_before_score_as_the_network_scores_them():
    nlp = blank_pipeline()
    docs = [nlp.make_doc(text) for text in TEXTS]
    for doc in docs:
        Features(nlp).write(doc)
    expected = network().predict(docs)
    scores = name_model._Scores(network())
    for _ in range(2):
        for one, other in zip(scores.of(docs), expected, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-4)


def test_it_forgets_words_before_they_fill_the_memory(monkeypatch):
    monkeypatch.setattr(name_model, "_MOST_WORDS", 10)
    model = NameModel(network())
    first = model.find(TEXTS)
    assert model.find(TEXTS) == first
    assert len(model._scores._rows) <= 700
