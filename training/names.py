"""Names of people, towns, organisations and addresses, of many origins, for the templates."""

from __future__ import annotations

import collections
import random
from dataclasses import dataclass, field
from functools import cached_property

from training import vocabulary as v
from training.lexicon import HERE, faker_names, localities, own_words, territories

_PARTICLES = "von van de der del della di da le la bin al- ibn ter dos Mc Mac O' D' El- St.".split()


def latin(name: str) -> bool:
    """Whether English text would spell the name so."""
    return bool(name) and name[0].isupper() and all(ord(c) < 0x250 or c in "’'- ." for c in name)


class Invented:
    """Names nobody has, that sound like those of a list: letters follow pairs of letters."""

    def __init__(self, names: list[str]) -> None:
        table: dict[str, list[str]] = collections.defaultdict(list)
        for name in names:
            if name.isalpha():
                text = f"^^{name.lower()}$"
                for at in range(len(text) - 2):
                    table[text[at : at + 2]].append(text[at + 2])
        self._table = dict(table)

    def draw(self, rng: random.Random) -> str:
        """One name of 3 to 11 letters."""
        while True:
            text = "^^"
            while len(text) < 14:
                letter = rng.choice(self._table[text[-2:]])
                if letter == "$":
                    break
                text += letter
            if 5 <= len(text) < 14:
                return text[2:].capitalize()


@dataclass
class Names:
    """Draws names. The lists are sorted, so that a seed gives the same names everywhere."""

    rng: random.Random
    given: list[str] = field(init=False)
    family: list[str] = field(init=False)
    towns: list[str] = field(init=False)

    def __post_init__(self) -> None:
        given, family = faker_names()
        self.given = sorted(filter(latin, given))
        self.family = sorted(filter(latin, family))
        self.towns = sorted(filter(latin, localities()))
        self.countries = sorted(filter(latin, territories()))
        self.states = (HERE / "words" / "states.txt").read_text("utf-8").split("\n")[:52]
        self.peoples = (HERE / "words" / "peoples.txt").read_text("utf-8").split()

    @cached_property
    def _common(self) -> tuple[list[str], list[str]]:
        from faker.providers.person.en_US import Provider

        return sorted(Provider.first_names), sorted(Provider.last_names)

    @cached_property
    def _new_given(self) -> Invented:
        return Invented(self.given)

    @cached_property
    def _new_family(self) -> Invented:
        return Invented(self.family)

    @cached_property
    def _new_town(self) -> Invented:
        return Invented([t for town in self.towns for t in town.split()])

    @cached_property
    def _plain(self) -> list[str]:
        return sorted(word for word in set(own_words()) if len(word) > 3)

    @cached_property
    def _jobs(self) -> list[str]:
        from faker.providers.job import Provider

        return sorted({*Provider.jobs, *v.EXTRA_JOBS})

    @cached_property
    def _fakers(self) -> list[object]:
        from faker import Faker

        codes = (
            "en_US en_US en_GB en_CA en_AU de_DE fr_FR es_ES it_IT nl_NL sv_SE da_DK no_NO fi_FI"
        )
        codes += " pl_PL cs_CZ hu_HU pt_BR pt_PT de_AT fr_CH en_IE en_NZ en_IN sl_SI hr_HR ro_RO"
        made = []
        for code in codes.split():
            faker = Faker(code)
            faker.seed_instance(self.rng.randrange(1 << 30))
            made.append(faker)
        return made

    def first(self) -> str:
        """A given name."""
        share = self.rng.random()
        if share < 0.25:
            return self.rng.choice(self._common[0])
        return self._new_given.draw(self.rng) if share > 0.85 else self.rng.choice(self.given)

    def last(self) -> str:
        """A family name, sometimes double or with a particle."""
        share = self.rng.random()
        name = (
            self.rng.choice(self._common[1])
            if share < 0.25
            else self._new_family.draw(self.rng)
            if share > 0.8
            else self.rng.choice(self.family)
        )
        share = self.rng.random()
        if share < 0.03:
            return f"{name}-{self.rng.choice(self.family)}"
        if share < 0.06:
            particle = self.rng.choice(_PARTICLES)
            return particle + ("" if particle[-1] in "c'-" else " ") + name
        return name

    def person(self) -> str:
        """A name as people write it: mostly given and family, now and then more or less."""
        share = self.rng.random()
        first, last, initial = self.first(), self.last(), self.rng.choice("ABCDEFGHJKLMNPRSTVW")
        if share < 0.55:
            return f"{first} {last}"
        if share < 0.72:
            return f"{first} {initial}{self.rng.choice(['.', ''])} {last}"
        if share < 0.78:
            return f"{first} {self.first()} {last}"
        if share < 0.83:
            return f"{first} {last} {self.last()}"
        if share < 0.85:
            return f"{initial}. {last}"
        if share < 0.87:
            return f"{initial}. {self.rng.choice('ABCDEJM')}. {last}"
        if share < 0.89:
            return f"{first} {last}, {self.rng.choice(['Jr.', 'Sr.', 'III', 'Jr'])}"
        return first if share < 0.97 else last

    def town(self) -> str:
        """A town, real or not."""
        share = self.rng.random()
        if share < 0.12:
            return self._new_town.draw(self.rng)
        if share < 0.2:
            tail = self.rng.choice(
                "ville town burg mouth land chester haven port shire bury stad".split()
            )
            return self.rng.choice([self.first(), self.last()]) + tail
        if share < 0.26:
            head = self.rng.choice(
                "New North East South West Port Lake Fort Mount San Santa Saint".split()
            )
            return f"{head} {self.rng.choice([self.first(), self.last(), self.rng.choice(self.towns)])}"
        return self.rng.choice(self.towns)

    def place(self) -> str:
        """A town, or less often a country or state."""
        share = self.rng.random()
        if share < 0.72:
            return self.town()
        return self.rng.choice(self.countries) if share < 0.9 else self.rng.choice(self.states)

    def people_word(self) -> str:
        """A nationality, people, religion or party."""
        word = self.rng.choice(self.peoples)
        share = self.rng.random()
        word = word.lower() if share < 0.12 else word
        return word + "s" if share > 0.9 and word[-1] not in "hse" else word

    def job(self) -> str:
        """An occupation in lower case."""
        return self.rng.choice(self._jobs).lower().split(",")[0].split("/")[0]

    def organisation(self) -> str:
        """A company, bank, paper, agency or body, real or not."""
        share = self.rng.random()
        rng = self.rng
        if rng.random() < 0.1:
            words = [rng.choice(self._plain).capitalize() for _ in range(rng.choice([1, 2, 2, 3]))]
            return " ".join(words) + rng.choice(["", "", f" {rng.choice(v.ORG_TAILS)}"])
        if share < 0.14:
            return rng.choice(v.FAMOUS_ORGS)
        if share < 0.28:
            return f"{self.last()} {rng.choice(v.ORG_TAILS)}"
        if share < 0.36:
            return f"{self.last()}{rng.choice(['-', ' and ', ' & ', ', '])}{self.last()}"
        if share < 0.40:
            return f"{self.last()}, {self.last()} and {self.last()}"
        if share < 0.56:
            stems = rng.choice(v.ORG_STEMS), rng.choice(v.ORG_STEMS + v.ORG_WORDS)
            name = rng.choice([" ".join(stems), "".join(stems), stems[0] + stems[1].lower()])
            return name + rng.choice(["", "", " " + rng.choice(v.ORG_TAILS)])
        if share < 0.68:
            name = self._new_town.draw(rng)
            return name + rng.choice(["", "", "", ".com", ".io", " " + rng.choice(v.ORG_TAILS)])
        if share < 0.74:
            letters = "".join(rng.choice("ABCDEFGHIKLMNOPRSTUVW") for _ in range(rng.randint(2, 5)))
            return rng.choice([letters, letters, f"{letters} {rng.choice(v.ORG_TAILS)}"])
        if share < 0.78:
            return rng.choice(v.ORG_STEMS + v.ORG_WORDS) + rng.choice(
                ["ly", "ify", "ium", "era", "ics"]
            )
        return self.shaped(rng.choice(v.ORG_HEADS))

    def shaped(self, shape: str) -> str:
        """A name by a shape such as ``{city} General Hospital``."""
        while "{" in shape:
            before, _, rest = shape.partition("{")
            slot, _, after = rest.partition("}")
            shape = before + self._part(slot) + after
        return shape

    def _part(self, slot: str) -> str:
        match slot:
            case "city":
                return self.town()
            case "last":
                return self.last()
            case "state":
                return self.rng.choice(self.states)
            case "country":
                return self.rng.choice(self.countries)
            case "nrp":
                return self.rng.choice(self.peoples)
            case "saint":
                return self.rng.choice(v.SAINTS)
            case "plant":
                return self.rng.choice(v.PLANTS)
            case _:
                return self.rng.choice(v.ORG_WORDS)

    def street(self) -> str:
        """House number and street, in the forms of many countries."""
        rng = self.rng
        share = rng.random()
        if share < 0.3:
            faker = rng.choice(self._fakers)
            return str(faker.street_address()).replace("\n", " ")  # type: ignore[attr-defined]
        number = str(
            rng.choice([rng.randint(1, 99), rng.randint(100, 9999), rng.randint(10000, 99999)])
        )
        word = rng.choice([self.last, self.first, lambda: rng.choice(v.PLANTS), self.town])()
        if share < 0.62:
            kind = rng.choice(v.STREETS)
            way = rng.choice(["", "", "", "N ", "S. ", "East ", "West ", "NW "])
            ordinal = rng.choice(
                ["1st", "2nd", "3rd", "5th", "12th", "42nd", "Main", "Elm", "Fifth"]
            )
            return f"{number} {way}{rng.choice([word, word, word, ordinal])} {kind}"
        if share < 0.66:
            return f"{rng.choice(['P.O. Box', 'PO Box', 'Box'])} {number}"
        if share < 0.69:
            return f"PSC {number}, Box {rng.randint(100, 9999)}"
        if share < 0.84:
            tail = rng.choice(
                "straße strasse weg gasse platz straat laan gade vej gatan vägen gata veien katu tie "
                "utca stræti brautin".split()
            )
            return f"{word}{tail} {rng.randint(1, 250)}{rng.choice(['', '', 'a', 'B', ' A'])}"
        head = rng.choice(
            "Rua Calle Via Rue Avenida Viale Plaza Piazza Avenue ul. Ulica Ul. Place Boulevard Chemin "
            "Corso Travessa Paseo Impasse Allée".split()
        )
        link = rng.choice(["", "", " de", " de la", " del", " du", " dos", " di"])
        return rng.choice(
            [
                f"{head}{link} {word} {number}",
                f"{number}, {head.lower()}{link} {word}",
                f"{number} {head}{link} {word}",
                f"{word} út {number}.",
                f"{number} {word}",
            ]
        )

    def zip_code(self) -> str:
        """A postal code of some country."""
        digits = lambda n: "".join(self.rng.choice("0123456789") for _ in range(n))  # noqa: E731
        letter = lambda: self.rng.choice("ABCDEGHJKLMNPRSTVWXY")  # noqa: E731
        return self.rng.choice([
            digits(5), digits(5), digits(5), f"{digits(5)}-{digits(4)}", digits(4),
            f"{digits(2)}-{digits(3)}", f"{digits(3)} {digits(2)}", f"{digits(4)}-{digits(3)}",
            f"{letter()}{digits(1)}{letter()} {digits(1)}{letter()}{digits(1)}",
            f"{letter()}{letter()}{digits(1)} {digits(1)}{letter()}{letter()}",
            f"{digits(4)} {letter()}{letter()}", digits(6),
        ])  # fmt: skip

    def region(self) -> str:
        """A state, spelt out or by two letters, or a short code of a region abroad."""
        short = "CA NY TX FL WA OR NV AZ CO IL OH GA NC PA MA ON BC QC NSW VIC AB ZH BE LT VE GE MI".split()
        return self.rng.choice(
            [self.rng.choice(self.states), self.rng.choice(short), self.rng.choice(short)]
        )

    def address(self, line: str | None = None) -> list[tuple[str, str]]:
        """A whole address on one line or, with ``line`` given, on several: texts with labels."""
        rng = self.rng
        joint = line or rng.choice([", ", ", ", " ", "\n", ",\n", "\n, ", "\n "])
        street = self.street()
        if rng.random() < 0.35:
            unit = rng.choice(
                ["Apt.", "Apt", "Suite", "Ste.", "Unit", "#", "Flat", "Floor", "Room"]
            )
            tail = f"{unit} {rng.randint(1, 999)}{rng.choice(['', '', 'B'])}"
            street += rng.choice([" ", ", ", joint]) + tail
        town, code, region = self.town(), self.zip_code(), self.region()
        place, post = "PLACE", "POSTCODE"
        share = rng.random()
        lines: list[list[tuple[str, str]]] = [[(street, "ADDRESS")]]
        if share < 0.06:
            force = f"{rng.choice(['APO', 'FPO', 'DPO'])} {rng.choice(['AE', 'AP', 'AA'])}"
            lines.append([(force, "ADDRESS"), (" ", ""), (f"{rng.randint(9000, 99999):05}", post)])
        elif share < 0.16:
            pass
        elif share < 0.5:
            lines.append([(town, place), (", ", ""), (region, place), (" ", ""), (code, post)])
        elif share < 0.65:
            lines.append([(code, post), (" ", ""), (town, place)])
        elif share < 0.75:
            lines.append([(town, place), (" ", ""), (code, post)])
        elif share < 0.85:
            lines += [[(town, place)], [(region, place), (" ", ""), (code, post)]]
        else:
            lines += [[(town, place)]] + ([[(region, place)]] if rng.random() < 0.6 else [])
        if rng.random() < 0.3:
            country = [(rng.choice(self.countries), place)]
            lines.append(country + ([(" ", ""), (code, post)] if rng.random() < 0.3 else []))
        pieces = list(lines[0])
        for one in lines[1:]:
            pieces += [(joint, ""), *one]
        return pieces
