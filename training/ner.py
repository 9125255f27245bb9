"""Train the name model: ``make train-ner``.

Every batch is new text, so nothing is learnt by heart; the seed and the number of steps decide the
result, on one machine and one version of the libraries. A second seed makes the text it is measured
on.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from deid_platform.engine.text import name_model
from deid_platform.engine.text.name_model import LABELS, Features, NameModel, blank_pipeline, build
from deid_platform.engine.text.words import PLAIN
from training.generate import Generator, Labelled

NAMELIKE = set("FLPQST")


class Batches:
    """Documents with one class number per token."""

    def __init__(self, seed: int, *, words: int) -> None:
        self._texts = Generator(seed)
        self._rng = random.Random(seed + 1)
        self._nlp = blank_pipeline()
        self._features = Features(self._nlp)
        self._words = words

    def __iter__(self) -> Iterator[tuple[list[Any], Any]]:
        while True:
            docs, classes, words = [], [], 0
            for labelled in self._texts.texts(400):
                doc, numbers = self._labelled(labelled)
                docs.append(doc)
                classes.append(numbers)
                words += len(doc)
                if words >= self._words:
                    break
            yield docs, np.concatenate(classes)

    def _labelled(self, labelled: Labelled) -> tuple[Any, Any]:
        doc = self._nlp.make_doc(labelled.text)
        numbers = np.zeros(len(doc), dtype=np.int64)
        spans = iter(labelled.spans)
        span = next(spans, None)
        begun = False
        for at, token in enumerate(doc):
            end = token.idx + len(token.text)
            while span and token.idx >= span[1]:
                span, begun = next(spans, None), False
            if span and end > span[0]:
                numbers[at] = 1 + 2 * LABELS.index(span[2]) + int(begun)
                begun = True
        self._forgetful(doc, numbers)
        return doc, numbers

    def _forgetful(self, doc: Any, numbers: Any) -> None:
        """Write the features, and now and then forget that a name or a word is on a list."""
        from spacy.attrs import LEMMA, TAG

        if not len(doc):
            return
        strings, rng = self._nlp.vocab.strings, self._rng
        forget_names = rng.random() < 0.3
        rows = []
        for token, number in zip(doc, numbers, strict=True):
            tag, flags = self._features.of(token.orth, token.text)
            share = rng.random()
            if number and (forget_names or share < 0.15):
                kept = PLAIN if PLAIN in strings[flags][6:] and share < 0.5 else ""
                flags = strings.add("flags:" + kept)
            elif not number and token.is_alpha and share < (0.2 if token.is_lower else 0.05):
                tag, flags = strings.add("?"), strings.add("flags:")
            rows.append((tag, flags))
        doc.from_array([TAG, LEMMA], np.array(rows, dtype=np.uint64))


def train(*, seed: int, steps: int, words: int, rate: float) -> Any:
    """The trained network; progress goes to standard error."""
    from thinc.api import Adam, fix_random_seed

    fix_random_seed(seed)
    network = build()
    batches = iter(Batches(seed, words=words))
    docs, _ = next(batches)
    network.initialize(X=docs[:4])
    _dropout(network, 0.1)
    adam = Adam(rate, L2=0.001, grad_clip=1.0)
    started, loss, seen = time.monotonic(), 0.0, 0
    averages: dict[tuple[int, str], Any] = {}
    for step in range(steps):
        adam.learn_rate = rate * min(1.0, (step + 1) / 100) * max(0.02, 1 - step / steps)
        docs, classes = next(batches)
        docs, classes = _with_words(docs, classes)
        scores, backwards = network.begin_update(docs)
        flat = np.concatenate(scores)
        target = np.zeros_like(flat)
        target[np.arange(len(classes)), classes] = 1
        gradient = (flat - target) / len(classes) * 50
        cuts = np.cumsum([len(doc) for doc in docs])[:-1]
        backwards(np.split(gradient, cuts))
        network.finish_update(adam)
        loss += float(-np.log(flat[np.arange(len(classes)), classes] + 1e-9).mean())
        seen += len(classes)
        if (step + 1) % 100 == 0:
            speed = seen / (time.monotonic() - started)
            print(
                f"step {step + 1}: loss {loss / 100:.4f}, {speed:,.0f} words/s",
                file=sys.stderr,
                flush=True,
            )
            loss = 0.0
        if step > steps * 0.7:
            _average(network, averages, step - int(steps * 0.7))
    for node in network.walk():
        for name in node.param_names:
            if (node.id, name) in averages:
                node.set_param(name, averages[node.id, name])
    _dropout(network, 0.0)
    return network


def _dropout(network: Any, rate: float) -> None:
    from thinc.api import set_dropout_rate

    set_dropout_rate(network, rate)


def _average(network: Any, averages: dict[tuple[int, str], Any], count: int) -> None:
    """The mean of the weights over the last third of the steps."""
    for node in network.walk():
        for name in node.param_names:
            if node.has_param(name):
                value, key = node.get_param(name), (node.id, name)
                if key in averages:
                    averages[key] += (value - averages[key]) / count
                else:
                    averages[key] = value.copy()


def _with_words(docs: list[Any], classes: Any) -> tuple[list[Any], Any]:
    return [doc for doc in docs if len(doc)], classes


def main() -> None:
    """Train, pack, and write the model into the package."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=20261120)
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--words", type=int, default=1200)
    parser.add_argument("--rate", type=float, default=0.004)
    parser.add_argument("--out", default=str(name_model.FILE))
    arguments = parser.parse_args()
    network = train(
        seed=arguments.seed, steps=arguments.steps, words=arguments.words, rate=arguments.rate
    )
    from pathlib import Path

    Path(arguments.out).write_bytes(name_model.pack(network))
    model = NameModel(network)
    texts = list(Generator(arguments.seed + 7).texts(1500))
    found = model.find([t.text for t in texts])
    for label in LABELS:
        gold = hit = predicted = right = 0
        for text, spans in zip(texts, found, strict=True):
            for a, b, kind in text.spans:
                if kind == label:
                    gold += 1
                    hit += any(s.start < b and a < s.end for s in spans)
            for s in spans:
                if s.label == label:
                    predicted += 1
                    right += any(s.start < b and a < s.end for a, b, _ in text.spans)
        print(
            f"{label}: recall {hit / max(gold, 1):.3f} of {gold}, precision {right / max(predicted, 1):.3f}"
        )


if __name__ == "__main__":
    main()
