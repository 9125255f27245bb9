"""Keep codes of named code systems."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar

import ibis

from deid_platform.core.transforms.base import ColumnTransform, ColumnType, transform


class CodeSystem(StrEnum):
    """Systems whose codes have a shape that no name or address has."""

    ICD_10_CM = "icd_10_cm"
    SNOMED_CT = "snomed_ct"
    RXNORM = "rxnorm"
    LOINC = "loinc"
    CVX = "cvx"
    CPT = "cpt"
    HCPCS = "hcpcs"
    DICOM_UID = "dicom_uid"
    DICOM_MODALITY = "dicom_modality"
    US_STATE = "us_state"
    """States, the District of Columbia and Puerto Rico, by postal code or in full."""
    POSITION = "position"
    """A position in a list or a number of a department: at most three digits."""


_STATES = """
AL AK AZ AR CA CO CT DE DC FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY
NC ND OH OK OR PA PR RI SC SD TN TX UT VT VA WA WV WI WY
Alabama Alaska Arizona Arkansas California Colorado Connecticut Delaware District_of_Columbia
Florida Georgia Hawaii Idaho Illinois Indiana Iowa Kansas Kentucky Louisiana Maine Maryland
Massachusetts Michigan Minnesota Mississippi Missouri Montana Nebraska Nevada New_Hampshire
New_Jersey New_Mexico New_York North_Carolina North_Dakota Ohio Oklahoma Oregon Pennsylvania
Puerto_Rico Rhode_Island South_Carolina South_Dakota Tennessee Texas Utah Vermont Virginia
Washington West_Virginia Wisconsin Wyoming
"""
_SHAPES: dict[CodeSystem, str] = {
    CodeSystem.ICD_10_CM: r"[A-Z][0-9][0-9AB](\.?[0-9A-Z]{1,4})?",
    CodeSystem.SNOMED_CT: r"[1-9][0-9]{5,17}",
    CodeSystem.RXNORM: r"[1-9][0-9]{0,7}",
    CodeSystem.LOINC: r"[1-9][0-9]{0,6}-[0-9]",
    CodeSystem.CVX: r"[0-9]{2,3}",
    CodeSystem.CPT: r"[0-9]{4}[0-9AFTU]",
    CodeSystem.HCPCS: r"[A-V][0-9]{4}",
    CodeSystem.DICOM_UID: r"[0-2](\.(0|[1-9][0-9]{0,19})){2,20}",
    CodeSystem.DICOM_MODALITY: r"[A-Z]{2}",
    CodeSystem.US_STATE: "|".join(_STATES.split()).replace("_", " "),
    CodeSystem.POSITION: r"[0-9]{1,3}",
}


@transform("keep_codes")
@dataclass(frozen=True, kw_only=True)
class KeepCodes(ColumnTransform):
    """Values with the shape of a code of one of ``systems`` stay; any other becomes ``other``.

    A name typed into a code's field goes; that a code exists is not looked up. ``also`` lists
    further values that stay. Null stays null.
    """

    options: ClassVar[frozenset[str]] = frozenset({"systems", "also", "other"})
    accepts: ClassVar[frozenset[ColumnType]] = frozenset({ColumnType.VARCHAR})

    systems: tuple[CodeSystem, ...]
    also: tuple[str, ...] = ()
    other: str = "other"

    def __post_init__(self) -> None:
        if not self.systems:
            raise ValueError("systems names at least one code system")

    @property
    def _pattern(self) -> str:
        return "|".join([*(_SHAPES[one] for one in self.systems), *map(re.escape, self.also)])

    def apply(self, value: str | None) -> str | None:
        """The value, or ``other``."""
        is_code = value is None or re.fullmatch(self._pattern, value) is not None
        return value if is_code else self.other

    def expr(self, column: Any) -> Any:
        """The same in the engine."""
        is_code = column.re_search(rf"\A(?:{self._pattern})\z")
        return ibis.ifelse(column.isnull() | is_code, column, self.other)
