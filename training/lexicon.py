"""The word lists: which words are given names, family names, places, or plain English.

Sources, all of them facts about words: name lists of Faker (MIT); localities of libphonenumber's
geocoding data as packed by phonenumbers (Apache-2.0); territories of the Unicode CLDR as packed by
Babel (Unicode licence); plain words counted in the documentation of installed packages, and this
project's own templates and word list.
"""

from __future__ import annotations

import collections
import gzip
import importlib
import pkgutil
import re
import sysconfig
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path

from deid_platform.engine.text.eponyms import eponyms
from training import vocabulary as v

HERE = Path(__file__).parent
DATA = HERE.parent / "deid_platform" / "engine" / "text" / "data"
SYNTHETIC = HERE.parent / "deid_platform" / "engine" / "synthetic" / "lists"
_LOWER = re.compile(r"(?<![\w'’-])[a-z]{2,20}(?![\w'’-])")
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*\.?")


def folded(text: str) -> str:
    """Lower case, without accents."""
    plain = unicodedata.normalize("NFKD", text)
    return "".join(c for c in plain if not unicodedata.combining(c)).lower()


def faker_names() -> tuple[set[str], set[str]]:
    """Given and family names of every locale, in any script."""
    import faker.providers.person as package

    given: set[str] = set()
    family: set[str] = set()
    for info in pkgutil.iter_modules(package.__path__):
        provider = importlib.import_module(f"{package.__name__}.{info.name}").Provider
        for attribute in dir(provider):
            values = getattr(provider, attribute)
            if not isinstance(values, Iterable) or isinstance(values, str):
                continue
            if attribute.startswith("first") or "first_romanized" in attribute:
                given.update(value for value in values if isinstance(value, str))
            elif attribute.startswith("last") or "last_romanized" in attribute:
                family.update(value for value in values if isinstance(value, str))
    return given, family


def localities() -> set[str]:
    """Towns and districts of the world, without state or region."""
    import phonenumbers.geodata as package

    found: set[str] = set()
    for info in pkgutil.iter_modules(package.__path__):
        if not info.name.startswith("data"):
            continue
        for by_language in importlib.import_module(f"{package.__name__}.{info.name}").data.values():
            for part in re.split(r"[/,]| - |\(|\)", by_language.get("en", "")):
                name = part.strip(" .")
                if 3 <= len(name) <= 40 and not re.search(r"\d", name):
                    found.add(name)
    return {name for name in found if name[0].isupper()}


def territories() -> set[str]:
    """Countries, and states of the United States."""
    from babel import Locale

    names = Locale("en").territories
    countries = {str(name) for code, name in names.items() if code.isalpha() and len(code) == 2}
    return countries | set((HERE / "words" / "states.txt").read_text("utf-8").split("\n")) - {""}


def counted_words() -> tuple[set[str], set[str]]:
    """Words that documentation writes in lower case: the usual ones, and the rare."""
    counts: collections.Counter[str] = collections.Counter()
    packages: dict[str, set[str]] = collections.defaultdict(set)
    paths = sysconfig.get_paths()
    for root in (Path(paths["purelib"]), Path(paths["stdlib"])):
        for pattern in ("*.rst", "*.md", "METADATA", "topics.py"):
            for file in sorted(root.rglob(pattern)):
                package = file.relative_to(root).parts[0]
                for word in _LOWER.findall(file.read_text("utf-8", errors="ignore")[:400_000]):
                    counts[word] += 1
                    packages[word].add(package)
    usual = {word for word, n in counts.items() if n >= 4 and len(packages[word]) >= 2}
    return usual, set(counts) - usual


def plain_words() -> set[str]:
    """Words of plain English: documentation's usual ones, emoji names, this project's lists."""
    from faker.providers.lorem.en_US import Provider
    from rich._emoji_codes import EMOJI

    emoji = {word for name in EMOJI for word in re.findall(r"[a-z]{3,}", name)}
    names = {folded(part) for name in territories() for part in name.split()}
    given = {folded(name) for name in faker_names()[0]}
    counted = (counted_words()[0] | emoji) - names - given
    return counted | set(own_words()) | set(Provider.word_list)


def own_words() -> Iterator[str]:
    """Lower-case words of the templates and of the project's list."""
    for file in sorted((HERE / "templates").glob("*.txt")):
        text = re.sub(r"\{[^}]*\}|^#.*$", " ", file.read_text("utf-8"), flags=re.MULTILINE)
        yield from _LOWER.findall(text)
    yield from (HERE / "words" / "plain.txt").read_text("utf-8").split()
    yield from (HERE / "words" / "drugs.txt").read_text("utf-8").split()
    yield from (HERE / "words" / "medical.txt").read_text("utf-8").split()
    for phrase in (*v.SYMPTOMS, *v.CONDITIONS, *v.DRUGS):
        if not any(folded(word) in eponyms() for word in re.split(r"[ '’]", phrase)):
            yield from _LOWER.findall(phrase.lower())
    with (SYNTHETIC / "diagnoses.csv").open(encoding="utf-8") as file:
        for line in file:
            if not any(word in eponyms() for word in re.split(r"[^a-z]+", folded(line))):
                yield from _LOWER.findall(line)


def flags() -> dict[str, str]:
    """What each folded word may be: any of F, L, P, Q, S, N and C.

    F given name, L family name, P a whole place name, Q part of one, S state or country,
    N nationality or people, C plain English.
    """
    found: dict[str, set[str]] = collections.defaultdict(set)
    given, family = faker_names()
    for flag, names in (("F", given), ("L", family)):
        for name in names:
            for part in _parts(name):
                found[part].add(flag)
    for flag, whole, part_flag in (("P", localities(), "Q"), ("S", territories(), "T")):
        for name in whole:
            parts = list(_parts(name))
            for part in parts:
                found[part].add(flag if len(parts) == 1 else part_flag)
    for word in (HERE / "words" / "peoples.txt").read_text("utf-8").split():
        found[folded(word)].add("N")
        found[folded(word) + "s"].add("N")
    for word in plain_words():
        found[folded(word)].add("C")
    return {word: "".join(sorted(kinds)) for word, kinds in sorted(found.items()) if word}


def _parts(name: str) -> Iterable[str]:
    for match in _WORD.finditer(name):
        part = folded(match.group().rstrip("."))
        if len(part) > 1:
            yield part


def write() -> None:
    """Write the lists into the package."""
    lines = "".join(f"{word}\t{kinds}\n" for word, kinds in flags().items())
    phrases = sorted({folded(name) for name in localities() | territories() if " " in name})
    DATA.mkdir(parents=True, exist_ok=True)
    for name, text in (("words.tsv.gz", lines), ("places.txt.gz", "\n".join(phrases) + "\n")):
        (DATA / name).write_bytes(gzip.compress(text.encode(), 9, mtime=0))


if __name__ == "__main__":
    write()
