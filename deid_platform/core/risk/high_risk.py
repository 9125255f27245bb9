"""High-risk subjects: populations, diagnoses and services hidden at 1 to 10 whatever the score.

A subject belongs to a row or cell, not to the table (A-17). Declared subjects count, and so does
a label that names one of the policy's examples.

Source: DDG 2.0, 5.6.2 (M-7); 16.2.14 for traits that others can see (R-534).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from deid_platform.core.faults import AssessmentFault, DeclarationFault, Fault
from deid_platform.core.policy import DdgPolicy
from deid_platform.core.publication import Kind, Publication
from deid_platform.core.risk.labels import fold


def subject_of(label: str, policy: DdgPolicy) -> str | None:
    """The high-risk subject that a label names, if it does."""
    text = fold(label)
    for subject, entry in policy.high_risk.items():
        for example in entry.examples:
            plural = r"(?:s|es|ies)?"
            if re.search(rf"(?<!\w){re.escape(fold(example))}{plural}(?!\w)", text):
                return subject
    return None


def high_risk_labels(
    where: str, publication: Publication, column: str, labels: Iterable[str], policy: DdgPolicy
) -> frozenset[str]:
    """The labels of a dimension whose small cells are always hidden.

    Raises:
        DeclarationFault: the declaration names a subject that the policy does not list.
        AssessmentFault: the declaration names a label that the table does not hold.
    """
    declared = publication.high_risk.get(column, {})
    _check_subjects(f"{where}: high_risk.{column}", declared.values(), policy)
    present = list(labels)
    if not set(declared) <= set(present):
        raise AssessmentFault(
            Fault.UNKNOWN_HIGH_RISK_LABEL,
            f"{where}: high_risk.{column}",
            "a declared label that the table does not hold",
            "correct its spelling, so that no cell is missed",
        )
    dimension = publication.dimensions[column]
    named = {
        label
        for label in present
        if label != dimension.total
        and (
            subject_of(dimension.labels.get(label, label), policy) is not None
            or (dimension.kind is Kind.IMMIGRATION and _is_noncitizen(label, policy))
        )
    }
    return frozenset(named | set(declared))


def table_subjects(where: str, publication: Publication, policy: DdgPolicy) -> tuple[str, ...]:
    """The high-risk subjects of the whole table: declared, or named by what everybody has.

    Raises:
        DeclarationFault: the declaration names a subject that the policy does not list.
    """
    _check_subjects(f"{where}: subjects", publication.subjects, policy)
    held = {**publication.filters, **publication.inferred}
    named = (subject_of(one.labels.get(one.value, one.value), policy) for one in held.values())
    found = [subject for subject in named if subject is not None]
    return tuple(dict.fromkeys((*publication.subjects, *found)))


def _check_subjects(where: str, subjects: Iterable[str], policy: DdgPolicy) -> None:
    if policy.high_risk and not set(subjects) <= set(policy.high_risk):
        raise DeclarationFault(
            Fault.UNKNOWN_SUBJECT,
            where,
            "a subject that the policy does not list",
            "choose one of: " + ", ".join(policy.high_risk),
        )


def _is_noncitizen(label: str, policy: DdgPolicy) -> bool:
    """Any immigration status but citizen, naturalized and foreign born is one without
    citizenship (A-16)."""
    table = policy.score_tables.get("immigration")
    citizens = {"u.s. citizen", "foreign born", "naturalized citizen"}
    if table is not None:
        for name in ("U.S. citizen", "Foreign born", "Naturalized citizen"):
            citizens |= {fold(other) for other in table.aliases.get(name, ())}
    unscored = {fold(one) for one in policy.unscored_labels}
    return fold(label) not in citizens | unscored


def is_visible_trait(value: str, policy: DdgPolicy) -> bool:
    """Whether a code is of a trait that others can see (R-534)."""
    return any(fold(value) == fold(code.code) and code.visible for code in policy.special_codes)
