"""Triage notes: free text in which some of the patient's identifiers turn up."""

from __future__ import annotations

import string
from collections.abc import Mapping
from functools import cache

import numpy as np
import pyarrow as pa

from deid_platform.engine.synthetic.columns import Column, joined
from deid_platform.engine.synthetic.draw import Choices, Flags, Numbers, Shares

_FULL = (
    "{given} {family}, DOB {born}, {patient_mrn}, brought by {kin} {relative}. "
    "Lives at {street_address}, {city}. Call back {phone} or {email}. SSN {ssn}, "
    "member {member_id}. C/o {complaint} since {onset}. {mark}"
)
"""Every canary has this note: each of its markers stands in free text too."""

_TEMPLATES: Mapping[str, float] = {
    _FULL: 1,
    "{age} yo {sex} c/o {complaint}. Onset {onset}. Denies fever, chills. Ambulatory, NAD.": 14,
    "Pt is a {age}-year-old {sex} presenting with {complaint}, started {onset}. Pain {pain}/10. "
    "Alert and oriented x4. Skin warm and dry.": 12,
    "C/O {complaint} x {days} days. No meds taken PTA. VSS. NKDA.": 12,
    "{complaint}; worse since {onset}. Seen elsewhere {earlier} for same. No relief with "
    "acetaminophen. Pain {pain}/10, resting on gurney.": 9,
    "Mr./Ms. {family} states symptoms began {onset}. {complaint}. Pain {pain}/10.": 8,
    "{given} {family} brought in by {kin} {relative}, who reports {complaint} since {onset}.": 7,
    "Pt {family}, {given} ({patient_mrn}) here for {complaint}. Last visit {earlier}.": 5,
    "{kin} {relative} at bedside, contact {phone}. {age} yo with {complaint}.": 5,
    "BIBA from {street_address}, {city}. {age} yo {sex}, {complaint}. "
    "GCS 15, BP stable en route.": 4,
    "Interpreter used. Patient reports {complaint} for {days} days. Follow-up call to {phone}.": 3,
    "Discharge papers to be mailed to {street_address}, {city} {zip}. "
    "Presenting with {complaint}.": 2,
    "Results to {email} per patient's request. {complaint}, onset {onset}.": 2,
    "Pt known to dept, pls see chart {patient_mrn}. {complaint}. {kin} ({relative}) in "
    "the waiting room.": 3,
    'Pt states "it got worse {onset}". {complaint}, pain {pain}/10.\nTriage level 3; to bed 12.': 4,
    "Identity confirmed by name and DOB {born}. {complaint}. Denies SI/HI. Safe at home.": 3,
    "Lives alone in {city}, {county} County. {complaint} since {onset}; neighbour called 911.": 2,
    "School nurse sent home; {kin} {relative} reached at {phone}. {complaint}.": 1,
    "Triaged to fast track. {complaint}. Ice and elevation advised, resting comfortably.": 3,
}
_CHOICES = Choices([tuple(_TEMPLATES.values())])


def triage_notes(shares: Shares, full: Flags, slots: Mapping[str, Column]) -> Column:
    """One note per row.

    Args:
        shares: which template each row takes, as a share in (0, 1).
        full: true where the note must hold every identifier.
        slots: the column that fills each slot.
    """
    template = np.where(full, 0, _CHOICES.pick(0, shares))
    parts: list[Column] = [pa.array([], pa.string())]
    rows: list[Numbers] = [np.array([], dtype=np.int64)]
    for number, text in enumerate(_TEMPLATES):
        (where,) = np.nonzero(template == number)
        if len(where):
            index = pa.array(where)
            pieces = [
                piece if is_text else slots[piece].take(index) for piece, is_text in _pieces(text)
            ]
            parts.append(joined(*pieces))
            rows.append(where)
    return pa.concat_arrays(parts).take(pa.array(np.argsort(np.concatenate(rows))))


@cache
def _pieces(template: str) -> tuple[tuple[str, bool], ...]:
    """The fixed texts (true) and the names of the slots (false) of a template, in order."""
    pieces: list[tuple[str, bool]] = []
    for text, slot, _, _ in string.Formatter().parse(template):
        if text:
            pieces.append((text, True))
        if slot:
            pieces.append((slot, False))
    return tuple(pieces)
