"""How each kind of variable takes its points: each label's row, the highest of which counts.

Source: DDG 2.0, 4.3.1 and 16.2 (R-511, R-512), by kind of variable.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from deid_platform.core.faults import AssessmentFault, Fault
from deid_platform.core.policy import ScoreRow, ScoreTable
from deid_platform.core.publication import Kind
from deid_platform.core.risk.labels import (
    Ages,
    Names,
    fold,
    looks_like_a_code,
    read_ages,
    read_months,
    without_qualifiers,
)
from deid_platform.core.risk.populations import People
from deid_platform.core.risk.variable import (
    Found,
    Scored,
    VariableScore,
    category,
    combined,
    note_margin,
    table_of,
    unknown_group,
    unscored,
)


def score_variable(variable: Scored) -> VariableScore:
    """The score of one variable.

    Raises:
        AssessmentFault: a label or its population cannot be derived and was not declared.
    """
    kind = variable.declared.kind
    table = _TABLE_OF.get(kind)
    if not variable.shown:
        return unscored(variable)
    if table is not None and variable.table(table) is None:
        scored = _other(variable)
    else:
        scored = _SCORERS[kind](variable)
    skipped = len(variable.labels) > len(variable.shown)
    return replace(scored, readings=(*scored.readings, "A-14")) if skipped else scored


def _time(variable: Scored) -> VariableScore:
    found, table = Found(readings=["A-09"]), table_of(variable, "time")
    for label in variable.shown:
        months = read_months(variable.meaning(label))
        if months is None:
            raise AssessmentFault(
                Fault.UNREADABLE_PERIOD,
                variable.place,
                "a label cannot be read as a reporting period",
                "write years, quarters or months, or give it a meaning under `labels`",
            )
        if months < 1:
            found.rules.append("R-512")
        found.take(table.band(months))
    return combined(variable, found, counts=False)


def _ages(variable: Scored) -> VariableScore:
    found, table = Found(), table_of(variable, "age_range")
    ranges: dict[str, Ages] = {}
    oldest = variable.policy.settings.finest_age_years.value
    for label in variable.shown:
        ages = read_ages(variable.meaning(label), oldest)
        if ages is None:
            raise AssessmentFault(
                Fault.UNREADABLE_AGE,
                variable.place,
                "a label cannot be read as a range of ages",
                'write "0-17" or "65 and over", or give it a meaning under `labels`',
            )
        ranges[label] = ages
        if ages.high >= oldest or ages.months:
            found.readings.append("A-10")
        found.take(table.band(ages.width))
    _check_overlaps(variable, ranges)
    return combined(variable, found)


def _check_overlaps(variable: Scored, ranges: Mapping[str, Ages]) -> None:
    """Ages may overlap only between a declared parent and what lies below it."""
    years = sorted((ages, label) for label, ages in ranges.items() if not ages.months)
    for position, (ages, label) in enumerate(years):
        for other, other_label in years[position + 1 :]:
            if not ages.overlaps(other):
                break
            if not (
                _below(variable.hierarchy, label, other_label)
                or _below(variable.hierarchy, other_label, label)
            ):
                raise AssessmentFault(
                    Fault.OVERLAPPING_AGES,
                    variable.place,
                    "two age ranges overlap",
                    "correct them, or declare the hierarchy they form",
                )


def _below(hierarchy: Mapping[str, Sequence[str]], parent: str, label: str) -> bool:
    children = hierarchy.get(parent, ())
    return label in children or any(_below(hierarchy, child, label) for child in children)


def _race(variable: Scored) -> VariableScore:
    """Broad groups by row, detailed ones by their statewide population (16.2.4)."""
    found = Found(rules=["R-513"])
    broad, detailed = table_of(variable, "race"), table_of(variable, "race_detailed")
    merged = variable.declared.kind is Kind.RACE_ETHNICITY
    reference = "race_not_hispanic_2020" if merged else "race_2020"
    kinds = set()
    for label in variable.shown:
        rows = [
            (row, people)
            for meaning in variable.meanings(label)
            if (people := None) is None and (row := _race_row(broad, detailed, meaning)) is not None
        ]
        people = variable.people(label, reference)
        band = detailed.band(people.estimate) if people else None
        if len(rows) == len(variable.meanings(label)):
            row = max((row for row, _ in rows), key=lambda row: row.points)
            kinds.add(row.id.partition("-")[0])
            if people and people.declared and band and band.points > row.points:
                found.rules.append("R-517")
                row = band
            found.take(row)
        elif band is not None:
            found.readings.append("A-14")
            found.take(band, max(band.points, broad.finest.points))
        else:
            raise unknown_group(variable)
        note_margin(found, detailed, people)
    if len(kinds) > 1:
        found.rules.append("R-515")
    return combined(variable, found)


def _race_row(broad: ScoreTable, detailed: ScoreTable, meaning: str) -> ScoreRow | None:
    for name in (meaning, without_qualifiers(meaning)):
        if name:
            row = category(broad, name) or category(detailed, name)
            if row is not None:
                return row
    return None


def _listed(table_name: str, *references: str) -> Callable[[Scored], VariableScore]:
    """A scorer for a table of categories and of groups by population."""

    def scorer(variable: Scored) -> VariableScore:
        found, table = Found(), table_of(variable, table_name)
        for label in variable.shown:
            people = variable.people(label, *references)
            rows = [category(table, meaning) for meaning in variable.meanings(label)]
            known = [row for row in rows if row is not None]
            if people and people.declared:
                known.append(table.band(people.estimate))
                found.rules.append("R-517")
            if len(known) >= len(rows):
                found.take(max(known, key=lambda row: row.points))
            elif people:
                found.take(table.band(people.estimate))
            else:
                raise unknown_group(variable)
            if people and people.declared and None in rows and table_name == "language":
                found.readings.append("A-29")
                found.expert.append("R-531: a language beyond the guideline's table")
            note_margin(found, table, people)
        return combined(variable, found)

    return scorer


def _sex(variable: Scored) -> VariableScore:
    """Male and female; with intersex as a third category the intersex row replaces it."""
    sex, intersex = table_of(variable, "sex"), variable.table("intersex")
    rows = {label: category(sex, variable.meaning(label)) for label in variable.shown}
    others = [label for label, row in rows.items() if row is None]
    if intersex and any(Names(["Intersex"]).find(variable.meaning(label)) for label in others):
        return _intersex(variable)
    found = Found()
    for row in rows.values():
        found.take(row or sex.finest)
    if others:
        found.rules.append("R-512")
        found.readings.append("A-15")
        found.expert.append("A-15: sex shown with another category")
    return combined(variable, found)


def _intersex(variable: Scored) -> VariableScore:
    found, table = Found(), table_of(variable, "intersex")
    for label in variable.shown:
        row = category(table, variable.meaning(label))
        if row is None:
            found.rules.append("R-512")
        found.take(row or table.finest)
    return combined(variable, found)


def _orientation(variable: Scored) -> VariableScore:
    """Four orientations by row; further ones as another variable, if that is higher (A-15)."""
    found, table = Found(), table_of(variable, "sexual_orientation")
    groups = table_of(variable, "groups").band(len(variable.shown))
    for label in variable.shown:
        row = category(table, variable.meaning(label))
        if row is None:
            people = variable.people(label, "sogi_2021")
            outside = table_of(variable, "population").band(people.estimate) if people else groups
            row = max(outside, table.finest, key=lambda row: row.points)
            found.readings.append("A-15")
            found.expert.append("R-531: orientations beyond the four listed")
        found.take(row)
    return combined(variable, found)


def _gender(variable: Scored) -> VariableScore:
    found, table = Found(), table_of(variable, "gender_identity")
    for label in variable.shown:
        row = category(table, variable.meaning(label))
        if row is None:
            found.rules.append("R-512")
        found.take(row or table.finest)
    if len(variable.shown) >= variable.policy.settings.gender_groups_flagged_from.value:
        found.readings.append("A-15")
        found.flags.append("ten gender categories or more")
    return combined(variable, found)


def _immigration(variable: Scored) -> VariableScore:
    """Citizens, naturalized and noncitizens score; any finer noncitizen status has no score."""
    found, table = Found(), table_of(variable, "immigration")
    rows = [category(table, variable.meaning(label)) for label in variable.shown]
    for row in rows:
        if row is not None:
            found.take(row)
    noncitizen = any(
        Names(["Noncitizen"], table.aliases).find(variable.meaning(label))
        for label in variable.shown
    )
    if None not in rows:
        scored = combined(variable, found)
        readings = ("A-16",) if noncitizen else ()
        return replace(scored, readings=readings, high_risk=noncitizen)
    return VariableScore(
        name=variable.name,
        kind=Kind.IMMIGRATION,
        points=None,
        row="not scored",
        row_label="disaggregated noncitizen statuses",
        source="16.2.8, 5.6.2",
        readings=("A-16",),
        expert_review=("16.2.8: a noncitizen status without a score",),
        high_risk=True,
    )


def _means_tested(variable: Scored) -> VariableScore:
    """Programs by enrolment; a variable in the interaction only up to 10,000,000 (R-505)."""
    found, table = Found(rules=["R-505"], readings=["A-11"]), table_of(variable, "means_tested")
    enrolled = [enrolment(variable, label) for label in variable.shown]
    for people in enrolled:
        found.take(table.band(people.estimate))
    limit = variable.policy.settings.means_tested_counts_up_to.value
    return combined(variable, found, counts=min(one.estimate for one in enrolled) <= limit)


def enrolment(variable: Scored, label: str) -> People:
    """Members of a plan or program.

    Raises:
        AssessmentFault: nothing says how many.
    """
    people = variable.people(label, "programs")
    if people is None:
        raise AssessmentFault(
            Fault.UNKNOWN_PROGRAM,
            variable.place,
            "a plan or program has no known enrolment (R-503, R-505)",
            "give it under `populations`, or a `population_column`",
        )
    return people


def _other(variable: Scored) -> VariableScore:
    """Outside the tables: by the population of the smallest group if all are known, else by
    the number of groups; always reviewed by the expert (R-531 to R-535)."""
    labels = variable.shown
    found = Found(rules=["R-531"], expert=["R-531: a variable outside the score tables"])
    known = [variable.people(label, "other_variables") for label in labels]
    if all(known):
        table = table_of(variable, "population")
        for people in known:
            if people is not None:
                found.take(table.band(people.estimate))
                note_margin(found, table, people)
        found.rules.append("R-532")
    else:
        found.take(table_of(variable, "groups").band(len(labels)))
        found.rules.append("R-533")
    if any(people and people.warning for people in known):
        found.rules.append("R-518")
    if variable.declared.codes or any(looks_like_a_code(label) for label in labels):
        found.rules.append("R-535")
        found.expert.append("R-535: specific diagnosis or procedure codes")
    special = {fold(code.code): code.visible for code in variable.policy.special_codes}
    if any(special.get(fold(label), False) for label in labels):
        found.flags.append("a publicly identifiable trait")
    return combined(variable, found)


_TABLE_OF = {
    Kind.RACE: "race",
    Kind.RACE_ETHNICITY: "race",
    Kind.ETHNICITY: "ethnicity",
    Kind.LANGUAGE: "language",
    Kind.SEX: "sex",
    Kind.SEXUAL_ORIENTATION: "sexual_orientation",
    Kind.GENDER_IDENTITY: "gender_identity",
    Kind.INTERSEX: "intersex",
    Kind.IMMIGRATION: "immigration",
    Kind.MEANS_TESTED: "means_tested",
}
_SCORERS: dict[Kind, Callable[[Scored], VariableScore]] = {
    Kind.TIME: _time,
    Kind.AGE_RANGE: _ages,
    Kind.RACE: _race,
    Kind.RACE_ETHNICITY: _race,
    Kind.ETHNICITY: _listed("ethnicity", "race_not_hispanic_2020"),
    Kind.LANGUAGE: _listed("language", "language_2021"),
    Kind.SEX: _sex,
    Kind.SEXUAL_ORIENTATION: _orientation,
    Kind.GENDER_IDENTITY: _gender,
    Kind.INTERSEX: _intersex,
    Kind.IMMIGRATION: _immigration,
    Kind.MEANS_TESTED: _means_tested,
    Kind.OTHER: _other,
}
