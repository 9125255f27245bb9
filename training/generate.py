"""Labelled text for the name model: templates, filled from seeded names.

One template per line of `training/templates`. ``{slot}`` is filled, ``[a|b]`` is one of its
alternatives, ``\\n`` a line break. What a slot is filled with carries the slot's label, or none.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from training import vocabulary as v
from training.lexicon import HERE, counted_words, own_words
from training.names import Names

_CHOICE = re.compile(r"\[([^\[\]]*\|[^\[\]]*)\]")
_SLOT = re.compile(r"\{(\w+)\}")
# How often a text comes from each file.
_SHARES = {"clinical": 30, "letters": 20, "dialogue": 20, "prose": 20, "negatives": 14, "salad": 12}


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """A text and its spans: start, end, label."""

    text: str
    spans: tuple[tuple[int, int, str], ...]


class Generator:
    """Draws labelled texts; the same seed gives the same texts."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.names = Names(self.rng)
        self._templates = {
            file.stem: [
                line.replace("\\n", "\n").replace("\\t", "\t")
                for line in file.read_text("utf-8").splitlines()
                if line and not line.startswith("#")
            ]
            for file in sorted((HERE / "templates").glob("*.txt"))
        }
        self._words = sorted(set(own_words()))
        self._rare = sorted(counted_words()[1])
        self._slots = self._fillers()

    def texts(self, count: int) -> Iterator[Labelled]:
        """So many texts of one to four templates each."""
        for _ in range(count):
            kind = self.rng.choices(list(_SHARES), list(_SHARES.values()))[0]
            parts = self.rng.choices([1, 2, 3, 4], [60, 20, 12, 8])[0]
            joint = self.rng.choice([" ", " ", "\n"])
            text = self._joined([self._one(kind) for _ in range(parts)], joint)
            yield self._quoted(self._cased(text))

    def _one(self, kind: str) -> Labelled:
        if kind == "salad":
            return self._filled(self._salad())
        return self._filled(self.rng.choice(self._templates[kind]))

    def _salad(self) -> str:
        """Words in no order about one or two slots: context that says nothing."""
        words = [
            self.rng.choice(self._rare if self.rng.random() < 0.3 else self._words)
            for _ in range(self.rng.randint(2, 12))
        ]
        words[0] = words[0].capitalize()
        for _ in range(self.rng.choice([0, 1, 1, 2])):
            slot = self.rng.choice(
                ["{person}", "{person}", "{place}", "{org}", "{org}", "{address}", "{first}"]
            )
            if self.rng.random() < 0.2:
                slot = f"{self.rng.choice(['the', 'The', 'our', 'a'])} {slot}"
            at = 0 if self.rng.random() < 0.3 else self.rng.randint(0, len(words))
            if at == 0:
                words[0] = words[0].lower()
            words.insert(at, slot)
        if self.rng.random() < 0.15:
            words = [w if w.startswith("{") else w.capitalize() for w in words]
        return " ".join(words) + self.rng.choice([".", "?", "!", "", ",", ":"])

    def _filled(self, template: str) -> Labelled:
        while match := _CHOICE.search(template):
            chosen = self.rng.choice(match.group(1).split("|"))
            template = template[: match.start()] + chosen + template[match.end() :]
        template = re.sub(r" +([ .,?!:;])", r"\1", template).strip(" ")
        text, spans, at = "", [], 0
        for match in _SLOT.finditer(template):
            text += template[at : match.start()]
            label, fill = self._slots[match.group(1)]
            value = fill()
            for part, kind in [(value, label)] if isinstance(value, str) else value:
                if kind:
                    spans.append((len(text), len(text) + len(part), kind))
                text += part
            at = match.end()
        return Labelled(text=text + template[at:], spans=tuple(spans))

    @staticmethod
    def _joined(parts: list[Labelled], joint: str) -> Labelled:
        text, spans = "", []
        for part in parts:
            text += joint if text else ""
            spans += [(a + len(text), b + len(text), label) for a, b, label in part.spans]
            text += part.text
        return Labelled(text=text, spans=tuple(spans))

    def _cased(self, labelled: Labelled) -> Labelled:
        """Now and then all lower, all upper, or without the last mark."""
        share = self.rng.random()
        change: Callable[[str], str] = (
            str.lower if share < 0.03 else str.upper if share < 0.06 else lambda text: text
        )
        text = change(labelled.text)
        if len(text) != len(labelled.text):
            return labelled
        return Labelled(text=text, spans=labelled.spans)

    def _quoted(self, labelled: Labelled) -> Labelled:
        """Now and then with the marks of a quoted e-mail before each line."""
        if self.rng.random() > 0.04:
            return labelled
        mark = self.rng.choice([">", "> ", "| ", "* ", "- "])
        starts = [0] + [at + 1 for at, c in enumerate(labelled.text) if c == "\n"]

        def moved(at: int) -> int:
            return at + len(mark) * sum(start <= at for start in starts)

        text = mark + labelled.text.replace("\n", "\n" + mark)
        spans = tuple((moved(a), moved(b - 1) + 1, label) for a, b, label in labelled.spans)
        return Labelled(text=text, spans=spans)

    def _fillers(self) -> dict[str, tuple[str, Callable[[], str | list[tuple[str, str]]]]]:
        rng, names = self.rng, self.names

        def digits(low: int, high: int) -> str:
            return "".join(rng.choice("0123456789") for _ in range(rng.randint(low, high)))

        def one(values: object) -> Callable[[], str]:
            listed = list(values)  # type: ignore[call-overload]
            return lambda: str(rng.choice(listed))

        def date() -> str:
            y, m, d = rng.randint(1930, 2026), rng.randint(1, 12), rng.randint(1, 28)
            month = rng.choice(
                "January February March April May June July August September".split()
            )
            return rng.choice([
                f"{m}/{d}/{y}", f"{m:02}/{d:02}/{y % 100:02}", f"{y}-{m:02}-{d:02}", f"{month} {d}, {y}",
                f"{d} {month} {y}", f"{month[:3]} {d}", f"{m}/{d}", weekday(), f"{month} {y}", str(y),
                "yesterday", f"{rng.randint(2, 9)} days ago", "last week", "this morning",
            ])  # fmt: skip

        weekday = one("Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split())
        time = lambda: f"{rng.randint(0, 23):02}:{rng.randint(0, 59):02}"  # noqa: E731

        def phone() -> str:
            a, b, c = digits(3, 3), digits(3, 3), digits(4, 4)
            return rng.choice([f"({a}) {b}-{c}", f"{a}-{b}-{c}", f"{a}.{b}.{c}", f"+{digits(2, 2)} {a} {b} {c}",
                               f"{a}{b}{c}", f"0{a} {b} {c}", f"x{c}"])  # fmt: skip

        def email() -> str:
            return f"{names.first()}{rng.choice(['', '.', '_'])}{names.last()}@{rng.choice(self._words)}.com".replace(
                " ", ""
            )

        def identifier() -> str:
            return rng.choice(["", "", "A", "MR", "P-"]) + digits(4, 12)

        def last_comma() -> str:
            return f"{names.last()}, {names.first()}" + rng.choice(
                ["", "", f" {rng.choice('ABCDEJ')}."]
            )

        def initials() -> str:
            letters = [rng.choice("ABCDEFGHJKLMNPRSTW") for _ in range(rng.randint(2, 3))]
            return rng.choice(["".join(letters), ".".join(letters) + ".", "".join(letters).lower()])

        def some_people() -> str:
            return ", ".join(names.person() for _ in range(rng.randint(2, 4)))

        def capital(fill: Callable[[], str]) -> Callable[[], str]:
            return lambda: (lambda text: text[:1].upper() + text[1:])(fill())

        def upper(fill: Callable[[], str]) -> Callable[[], str]:
            return lambda: fill().upper()

        def lower(fill: Callable[[], str]) -> Callable[[], str]:
            return lambda: fill().lower()

        def capitals() -> str:
            words = [rng.choice(self._words).capitalize() for _ in range(rng.choice([1, 2, 2, 3]))]
            if len(words) > 1 and rng.random() < 0.4:
                words.insert(1, rng.choice(["&", "and", "of", "of the", "in", "for", "-"]))
            return " ".join(words)

        def shaped(shapes: list[str]) -> Callable[[], str]:
            return lambda: names.shaped(rng.choice(shapes))

        person, place, address, org = "PERSON", "PLACE", "ADDRESS", "ORG"
        symptom, condition, drug, kin = one(v.SYMPTOMS), one(v.CONDITIONS), one(v.DRUGS), one(v.KIN)
        country = one(names.countries)
        return {
            "person": (person, names.person),
            "first": (person, names.first),
            "last": (person, names.last),
            "last_comma": (person, last_comma),
            "person_list": (person, some_people),
            "person_or_last": (person, lambda: rng.choice([names.person, names.last])()),
            "initial": (person, one("ABCDEFGHJKLMNPRSTW")),
            "initials": (person, initials),
            "INITIAL": (person, one("ABCDEFGHJKLMNPRSTW")),
            "PERSON": (person, upper(names.person)),
            "PERSON_SPEAKER": (person, upper(names.first)),
            "FIRST": (person, upper(names.first)),
            "LAST": (person, upper(names.last)),
            "lower_person": (person, lower(names.person)),
            "lower_first": (person, lower(names.first)),
            "handle": (person, lambda: (names.first() + names.last() + digits(0, 3)).replace(" ", "")),
            "hashtag": ("", one(self._words)),
            "city": (place, names.town),
            "CITY": (place, upper(names.town)),
            "lower_city": (place, lower(names.town)),
            "place": (place, names.place),
            "state": (place, names.region),
            "country": (place, country),
            "zip": ("POSTCODE", names.zip_code),
            "street": (address, names.street),
            "address": (address, names.address),
            "address_lines": (address, lambda: names.address("\n")),
            "org": (org, names.organisation),
            "hospital": (org, shaped(v.HOSPITALS)),
            "facility": (org, shaped(v.FACILITIES)),
            "school": (org, shaped(v.SCHOOLS)),
            "payer": (org, shaped(v.PAYERS)),
            "nrp": ("PEOPLE", names.people_word),
            "job": ("JOB", names.job),
            "job_cap": ("JOB", capital(names.job)),
            "Title": ("", one(v.TITLES)),
            "kin": ("", kin),
            "kin_cap": ("", capital(kin)),
            "Kin_cap": ("", capital(kin)),
            "symptom": ("", symptom),
            "symptom_cap": ("", capital(symptom)),
            "SYMPTOM": ("", upper(symptom)),
            "condition": ("", condition),
            "condition_cap": ("", capital(condition)),
            "drug": ("", drug),
            "drug_cap": ("", capital(drug)),
            "dose": ("", one(v.DOSES)),
            "lab": ("", one(v.LABS)),
            "eponym": ("", one(v.EPONYMS)),
            "eponym_cap": ("", one(v.EPONYMS)),
            "icd": ("", lambda: f"{rng.choice('EIJKMRSZ')}{digits(2, 2)}.{digits(1, 2)}"),
            "age": ("", lambda: str(rng.randint(1, 99))),
            "num": ("", lambda: digits(1, 3)),
            "id": ("", identifier),
            "phone": ("", phone),
            "email": ("", email),
            "date": ("", date),
            "time": ("", time),
            "weekday": ("", weekday),
            "year": ("", lambda: str(rng.randint(1900, 2026))),
            "month_year": ("", lambda: f"{rng.choice(['May', 'June', 'October'])} {rng.randint(1990, 2026)}"),
            "money": ("", lambda: f"{rng.choice('$€£')}{digits(1, 4)}"),
            "quote": ("", one(v.QUOTES)),
            "caps": ("", capitals),
            "CAPS": ("", upper(capitals)),
            "subject": ("", one(v.SUBJECTS)),
        }  # fmt: skip
