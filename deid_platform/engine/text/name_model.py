"""The small name model: spaCy's token-to-vector network and one softmax, on the CPU, offline.

It sees of a word its spelling, its shape and the flags of the word lists; only plain English words
are known to it by themselves, so that it learns contexts and not a list of names. Model card:
`data/names/README.md`.
"""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from deid_platform.engine.text.words import DATA, PLAIN, flags_of, folded

LABELS = ("PERSON", "PLACE", "ADDRESS", "POSTCODE", "ORG", "PEOPLE", "JOB")
WIDTH = 96
ROWS = (6000, 3000, 4000, 1000, 400)
DEPTH = 4
FILE = DATA / "names.bin.gz"
_ATTRIBUTES = ("TAG", "PREFIX", "SUFFIX", "SHAPE", "LEMMA")

_MOST_WORDS = 100_000
_INSIDE = r"""(?<=[^\W\d_])[:;"“”()\[\]|<>=,/]+(?=\S)"""

Scores = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Found:
    """A run of tokens the model takes for a name: offsets, label, mean probability."""

    start: int
    end: int
    label: str
    score: float


def blank_pipeline() -> Any:
    """spaCy's English tokenizer, which here also parts *name:"quote* and *name|town*.

    Prefixes and suffixes of a word are of three characters.
    """
    import spacy
    from spacy.attrs import PREFIX, SUFFIX
    from spacy.util import compile_infix_regex, compile_prefix_regex

    nlp: Any = spacy.blank("en")
    nlp.max_length = 10_000_000
    infixes = [*nlp.Defaults.infixes, _INSIDE]
    nlp.tokenizer.infix_finditer = compile_infix_regex(infixes).finditer
    nlp.tokenizer.prefix_search = compile_prefix_regex([*nlp.Defaults.prefixes, r"[>|*]"]).search
    vocab: Any = nlp.vocab
    vocab.lex_attr_getters = {
        **vocab.lex_attr_getters,
        PREFIX: lambda text: folded(text)[:3],
        SUFFIX: lambda text: folded(text)[-3:],
    }
    return nlp


def build() -> Any:
    """The untrained network: tokens in, one row of probabilities per token out."""
    from spacy.ml.models.tok2vec import MaxoutWindowEncoder, MultiHashEmbed, build_Tok2Vec_model
    from thinc.api import Softmax, chain, with_array

    embed = MultiHashEmbed(
        width=WIDTH, attrs=list(_ATTRIBUTES), rows=list(ROWS), include_static_vectors=False
    )
    encode = MaxoutWindowEncoder(width=WIDTH, window_size=1, maxout_pieces=3, depth=DEPTH)
    tok2vec = build_Tok2Vec_model(embed=embed, encode=encode)
    return chain(tok2vec, with_array(Softmax(nO=2 * len(LABELS) + 1, nI=WIDTH)))


class Features:
    """Writes into a document what the network reads of each token."""

    def __init__(self, nlp: Any) -> None:
        self._strings = nlp.vocab.strings
        self._known: dict[int, tuple[int, int]] = {}
        self._unknown = int(self._strings.add("?"))

    def of(self, orth: int, text: str) -> tuple[int, int]:
        """Hashes of the word itself, if it is plain English, and of its flags."""
        found = self._known.get(orth)
        if found is None:
            flags = flags_of(text)
            plain = PLAIN in flags or not any(c.isalpha() for c in text)
            found = (
                self._strings.add(folded(text) if plain and len(text) < 24 else "?"),
                self._strings.add("flags:" + flags),
            )
            if len(self._known) < 200_000:
                self._known[orth] = found
        return found

    def is_plain(self, orth: int, text: str) -> bool:
        """Whether the word is plain English: its own hash is not that of the unknown."""
        return self.of(orth, text)[0] != self._unknown

    def write(self, doc: Any) -> None:
        """Fill the two attributes that carry the features."""
        from spacy.attrs import LEMMA, ORTH, TAG

        if len(doc):
            strings = self._strings
            rows = [
                self._known.get(orth) or self.of(orth, strings[orth])
                for orth in doc.to_array(ORTH).tolist()
            ]
            doc.from_array([TAG, LEMMA], np.array(rows, dtype=np.uint64))


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """A token is a name unless it is this likely not to be one.

    A capitalised word that is on no list of plain English is given less benefit of the doubt, a
    lower-case one that is, more, unless the whole text is in lower case.
    """

    usual: float = 0.5
    strange: float = 0.85
    plain: float = 0.15


class _Scores:
    """The network's probabilities. What depends on the word alone is worked out once per word."""

    def __init__(self, network: Any) -> None:
        from thinc.api import NumpyOps

        # numpy's own product is faster here than the one thinc brings along.
        ops = NumpyOps(use_blis=False)
        for node in network.walk():
            node.ops = ops
        tok2vec, self._softmax = network.layers
        self._embed, self._encode = tok2vec.layers
        self._rows: dict[int, int] = {}
        self._vectors = np.empty((0, WIDTH), dtype=np.float32)

    def of(self, docs: Sequence[Any]) -> list[Scores]:
        """One row per token of each document; none of them may be empty."""
        from spacy.attrs import ORTH

        if len(self._rows) > _MOST_WORDS:
            self._rows, self._vectors = {}, self._vectors[:0]
        words = [doc.to_array(ORTH).tolist() for doc in docs]
        new: list[Scores] = [self._vectors]
        for doc, orths in zip(docs, words, strict=True):
            if any(orth not in self._rows for orth in orths):
                known = len(self._rows)
                first = {orth: at for at, orth in enumerate(orths) if orth not in self._rows}
                self._rows |= {orth: known + n for n, orth in enumerate(first)}
                new.append(self._embed.predict([doc])[0][list(first.values())])
        if len(new) > 1:
            self._vectors = np.concatenate(new)
        embedded = [self._vectors[[self._rows[orth] for orth in orths]] for orths in words]
        found: list[Scores] = self._softmax.predict(self._encode.predict(embedded))
        return found


class NameModel:
    """The trained model. Finds runs of tokens; never keeps a text."""

    def __init__(self, network: Any, *, thresholds: Thresholds | None = None) -> None:
        """A network, and how sure it must be."""
        self.nlp = blank_pipeline()
        self._scores = _Scores(network)
        self._features = Features(self.nlp)
        self._kinds: dict[int, int] = {}
        self._thresholds = thresholds or Thresholds()

    @classmethod
    @cache
    def shipped(cls) -> NameModel:
        """The model in the package."""
        network = build()
        network.initialize(X=[_sample()])
        _load(network, FILE.read_bytes())
        return cls(network)

    def find(self, texts: Sequence[str]) -> list[list[Found]]:
        """For each text, its names in order."""
        docs = [self.nlp.make_doc(text) for text in texts]
        for doc in docs:
            self._features.write(doc)
        full = [doc for doc in docs if len(doc)]
        scores = iter(self._scores.of(full) if full else [])
        return [self._runs(doc, next(scores)) if len(doc) else [] for doc in docs]

    def _outside(self, doc: Any) -> Scores:
        """The threshold of each token."""
        from spacy.attrs import ORTH

        limits = self._thresholds
        plain = limits.usual if doc.text.islower() else limits.plain
        by_kind = np.array([limits.usual, limits.strange, plain], dtype=np.float32)
        kinds = [self._kind(orth) for orth in doc.to_array(ORTH).tolist()]
        return np.asarray(by_kind[kinds])

    def _kind(self, orth: int) -> int:
        """0 for a usual word, 1 for a capitalised one of no list, 2 for a plain lower-case one."""
        kind = self._kinds.get(orth)
        if kind is None:
            text = self.nlp.vocab.strings[orth]
            kind = 0
            if text[0].isalpha():
                plain = self._features.is_plain(orth, text)
                if text[0].isupper() and not plain and len(text) > 2:
                    kind = 1
                elif plain and text.islower():
                    kind = 2
            if len(self._kinds) < 2 * _MOST_WORDS:
                self._kinds[orth] = kind
        return kind

    def _runs(self, doc: Any, scores: Scores) -> list[Found]:
        inside = scores[:, 1::2] + scores[:, 2::2]
        best = inside.argmax(axis=1)
        named = scores[:, 0] < self._outside(doc)
        if not named.any():
            return []
        rows = np.arange(len(best))
        begins = scores[rows, 1 + 2 * best] > scores[rows, 2 + 2 * best]
        chance = 1 - scores[:, 0]
        found: list[Found] = []
        run: list[int] = []

        def close() -> None:
            while run and not _wordlike(doc[run[-1]].text):
                run.pop()
            if run:
                first, last = doc[run[0]], doc[run[-1]]
                found.append(
                    Found(
                        start=first.idx,
                        end=last.idx + len(last.text),
                        label=LABELS[int(best[run[0]])],
                        score=float(chance[run].mean()),
                    )
                )
            run.clear()

        for at in np.flatnonzero(named).tolist():
            if run and (at != run[-1] + 1 or best[at] != best[run[0]] or begins[at]):
                close()
            if run or _wordlike(doc[at].text):
                run.append(at)
        close()
        return found


def _wordlike(text: str) -> bool:
    return any(c.isalnum() for c in text) or text == "#"


def _sample() -> Any:
    return blank_pipeline().make_doc("A sample.")


def pack(network: Any) -> bytes:
    """The weights, halved in precision, as they are shipped."""
    import srsly

    rows = []
    for node in network.walk():
        for name in node.param_names:
            if node.has_param(name):
                value = np.asarray(node.get_param(name), dtype=np.float16)
                rows.append([node.name, name, list(value.shape), value.tobytes()])
    return gzip.compress(srsly.msgpack_dumps(rows), 9, mtime=0)


def _load(network: Any, packed: bytes) -> None:
    import srsly

    rows = iter(srsly.msgpack_loads(gzip.decompress(packed)))
    for node in network.walk():
        for name in node.param_names:
            if node.has_param(name):
                _, known, shape, content = next(rows)
                if known != name:
                    raise ValueError("the model file does not fit the network")
                value = np.frombuffer(content, dtype=np.float16).reshape(shape)
                node.set_param(name, value.astype(np.float32))
