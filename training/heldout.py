"""Measures the engine on clinical notes it was not trained on, with and without the record known.

python -m training.heldout --notes 600
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from deid_platform.core.text.evaluation import Example, Marked
from deid_platform.core.text.spans import EntityClass, Span
from deid_platform.engine.text.analyzer import TextAnalyzer
from deid_platform.engine.text.evaluate import evaluate
from deid_platform.engine.text.known import Known, KnownIdentifiers
from training.generate import Generator
from training.lexicon import HERE
from training.vocabulary import KIN

_TRAPS = (
    "Parkinson Swan-Ganz Romberg Babinski Hoehn Yahr Veress Calot Hartmann Jackson-Pratt Foley Braden "
    "Morse Colles Salter-Harris Apgars Moro Bell Lyme"
).split()


@dataclass(frozen=True, kw_only=True)
class Note:
    """A note with its marks, and what the record of its patient holds."""

    example: Example
    record: tuple[Known, ...]


def notes(count: int, seed: int) -> list[Note]:
    """Notes in turn of each template, each of another patient."""
    text = (HERE / "heldout.txt").read_text("utf-8").split("\n", 1)[1]
    templates = [one.strip("\n") for one in text.split("\n--\n") if one.strip()]
    generator = Generator(seed)
    return [_note(templates[n % len(templates)], generator) for n in range(count)]


def _note(template: str, generator: Generator) -> Note:
    rng, names = generator.rng, generator.names
    values = _values(rng, names)
    text, at = "", 0
    marks = []
    while True:
        start = template.find("{", at)
        if start < 0:
            break
        end = template.index("}", start)
        text += template[at:start]
        slot = template[start + 1 : end]
        label, value = values[slot]() if callable(values[slot]) else values[slot]
        if label:
            marks.append(Marked(start=len(text), end=len(text) + len(value), label=label))
        text += value
        at = end + 1
    text += template[at:]
    # A state may stay: a finding on it is neither right nor wrong.
    state = text.find(", CA ")
    neutral = () if state < 0 else (Marked(start=state + 2, end=state + 4, label="STATE"),)
    record = tuple(
        Known(entity=entity, value=values[slot][1])
        for entity, slots in _RECORD.items()
        for slot in slots
    )
    return Note(example=Example(text=text, marked=tuple(marks), neutral=neutral), record=record)


_RECORD = {
    EntityClass.PERSON: ("full", "kin_full", "doctor", "nurse"),
    EntityClass.MEDICAL_RECORD: ("mrn",),
    EntityClass.PHONE: ("phone", "fax"),
    EntityClass.EMAIL: ("email", "doctor_email"),
    EntityClass.ADDRESS: ("street",),
    EntityClass.PLACE: ("city",),
    EntityClass.POSTCODE: ("zip",),
    EntityClass.ORGANIZATION: ("employer", "hospital"),
    EntityClass.SSN: ("ssn",),
    EntityClass.HEALTH_PLAN: ("plan",),
    EntityClass.ACCOUNT: ("account",),
}


def _values(rng: random.Random, names: Any) -> dict[str, Any]:
    first, last, kin_first = names.first(), names.last(), names.first()
    doctor_first, doctor_last, nurse = (
        names.first(),
        names.last(),
        f"{names.first()} {names.last()}",
    )

    def digits(n: int) -> str:
        return "".join(rng.choice("0123456789") for _ in range(n))

    def date(low: int = 2015, high: int = 2025) -> tuple[str, str]:
        y, m, d = rng.randint(low, high), rng.randint(1, 12), rng.randint(1, 28)
        month = rng.choice("January February March April May June July August".split())
        form = rng.choice([
            f"{m}/{d}/{y}", f"{m:02}/{d:02}/{y % 100:02}", f"{y}-{m:02}-{d:02}", f"{month} {d}, {y}",
            f"{d} {month[:3]} {y}", f"{month} {d}", f"{d}-{month[:3]}-{y}",
        ])  # fmt: skip
        return "DATE", form

    def phone() -> str:
        return rng.choice(["({}) {}-{}", "{}-{}-{}", "{}.{}.{}", "{} {} {}"]).format(
            rng.choice("23456789") + digits(2), rng.choice("23456789") + digits(2), digits(4)
        )

    def mailbox(name: str) -> str:
        return f"{name.split()[0].lower()}{digits(2)}@mail.example.com"

    person, place, org, ident, contact = "NAME", "LOCATION", "ORGANIZATION", "ID", "CONTACT"
    hospital = names.shaped(
        rng.choice(["{city} General Hospital", "St. {saint}'s Hospital", "{last} Clinic"])
    )
    return {
        "first": (person, first),
        "last": (person, last),
        "FIRST": (person, first.upper()),
        "LAST": (person, last.upper()),
        "full": (person, f"{first} {last}"),
        "kin_first": (person, kin_first),
        "kin_full": (person, f"{kin_first} {last}"),
        "kin": ("", rng.choice(KIN[:20])),
        "doctor": (person, f"{doctor_first} {doctor_last}"),
        "doctor_last": (person, doctor_last),
        "nurse": (person, nurse),
        "initials": (person, first[0] + last[0]),
        "mr": ("", rng.choice(["Mr.", "Mrs.", "Ms."])),
        "age": ("", str(rng.randint(20, 89))),
        "time": ("", f"{rng.randint(10, 23)}:{rng.randint(10, 59)}"),
        "dob": date(1935, 2015),
        "date": date,
        "mrn": (ident, digits(8)),
        "plan": (ident, rng.choice(["1EG4-TE5-MK7", "9AB2-CD3-EF4"]) + digits(1)),
        "ssn": (ident, f"{rng.randint(100, 660)}-{digits(2)}-{digits(4)}"),
        "account": (ident, digits(9)),
        "device": (ident, f"{rng.choice('ABC')}{digits(7)}"),
        "vin": (ident, "1M8GDM9AXKP042788"),
        "licence": (ident, f"{rng.choice('ABCDEFN')}{digits(7)}"),
        "ip": (ident, f"10.{rng.randint(0, 255)}.{rng.randint(0, 255)}.{rng.randint(1, 254)}"),
        "phone": (contact, phone()),
        "fax": (contact, phone()),
        "email": (contact, mailbox(last if last.isascii() else "someone")),
        "doctor_email": (contact, mailbox(doctor_last if doctor_last.isascii() else "doctor")),
        "street": (
            place,
            f"{rng.randint(1, 9999)} {names.last()} {rng.choice(['Street', 'Ave', 'Rd', 'Lane'])}",
        ),
        "city": (place, names.town()),
        "zip": (place, digits(5)),
        "hospital": (org, hospital),
        "employer": (org, names.organisation()),
    }


def main() -> None:
    """Print measures with and without the record as JSON; counts only."""
    parser = argparse.ArgumentParser(prog="python -m training.heldout", description=__doc__)
    parser.add_argument("--notes", type=int, default=600)
    parser.add_argument("--seed", type=int, default=71)
    parser.add_argument("--errors", action="store_true", help="show them: the notes are invented")
    given = parser.parse_args()
    made = notes(given.notes, given.seed)
    examples = [note.example for note in made]
    analyzer = TextAnalyzer()
    records = {id(n): KnownIdentifiers(n.record) for n in made}
    found = []
    for at in range(0, len(made), 64):
        part = made[at : at + 64]
        found += analyzer.analyze([n.example.text for n in part], [records[id(n)] for n in part])
    turn = iter(found)
    result = {
        "record_known": evaluate(examples, lambda texts: [next(turn) for _ in texts]),
        "record_unknown": evaluate(examples, analyzer.analyze),
    }
    printed = {}
    for name, evaluation in result.items():
        measures = evaluation.measures()
        total = measures["overlap"]["all_phi"]
        printed[name] = {
            "recall": {k: v["recall"] for k, v in measures["overlap"]["classes"].items()},
            "all": {k: total[k] for k in ("recall", "precision", "f2")},
            "character_recall": measures["characters"]["recall"],
            "traps_found": trap_rate(examples, evaluation.found),
        }
        if given.errors:
            for example, outcome in zip(examples, evaluation.outcomes, strict=True):
                for m in outcome.missed:
                    print(
                        name,
                        "missed",
                        m.label,
                        repr(example.text[max(0, m.start - 25) : m.end + 12]),
                        repr(example.text[m.start : m.end]),
                    )
                for s in outcome.wrong:
                    print(
                        name,
                        "wrong",
                        s.entity,
                        s.source,
                        repr(example.text[s.start : s.end]),
                        repr(example.text[max(0, s.start - 20) : s.end + 12]),
                    )
    sys.stdout.write(json.dumps(printed, indent=2) + "\n")


def trap_rate(examples: Sequence[Example], found: Sequence[Sequence[Span]]) -> float:
    """The share of eponyms in these notes that were taken for people or places."""
    traps = hit = 0
    for example, spans in zip(examples, found, strict=True):
        for trap in _TRAPS:
            start = example.text.find(trap)
            if start >= 0:
                traps += 1
                hit += any(s.start < start + len(trap) and start < s.end for s in spans)
    return round(hit / max(traps, 1), 4)


if __name__ == "__main__":
    main()
