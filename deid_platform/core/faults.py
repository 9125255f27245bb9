"""Every way a declaration, a policy or a table to be assessed can be wrong, with its code.

One fault, one code, one sentence of documentation: `docs/reference/declaration.md` lists them all
and a test holds the list to this enum. Codes are never reused. A fault names columns, keys and
rules; it never quotes a cell.
"""

from __future__ import annotations

from enum import Enum

from deid_platform.core.errors import AssessmentError, DeclarationError


class Fault(Enum):
    """A fault: its code and what it means."""

    UNREADABLE_FILE = ("D-01", "a file is missing, unreadable, empty or not what its name says")
    NOT_A_MAPPING = ("D-02", "the declaration is not a YAML mapping")
    UNKNOWN_KEY = ("D-03", "a key that the declaration format does not have")
    MISSING_KEY = ("D-04", "a required key is absent")
    WRONG_TYPE = ("D-05", "a value of the wrong type or outside its choices")
    UNKNOWN_KIND = ("D-06", "a dimension, filter or figure of a kind that does not exist")
    NO_DIMENSION = ("D-07", "no dimension at all")
    NO_FIGURE = ("D-08", "no figure at all")
    NO_PEOPLE = ("D-09", "a figure without a count of the people behind it")
    COLUMN_TWICE = ("D-10", "one column in two roles that exclude each other")
    TWO_DENOMINATORS = ("D-11", "a figure with more than one kind of denominator")
    UNKNOWN_PARENT = ("D-12", "a hierarchy that names a column or label that is not declared")
    NOT_A_TREE = ("D-13", "a hierarchy with a cycle or a child of two parents")
    BAD_PART = ("D-14", "a part that names an unknown column, or dimensions in no part")
    UNKNOWN_SUBJECT = ("D-15", "a high-risk subject that the policy does not list")
    BAD_HIGH_RISK = ("D-16", "high-risk subjects on a column that is no dimension")
    UNKNOWN_SURVEY = ("D-17", "a survey without the design columns its rule needs")
    UNKNOWN_POLICY = ("D-18", "a policy that does not exist, or one that may not be used")
    UNKNOWN_REFERENCE = ("D-19", "a reference population that the policy does not carry")
    UNSOURCED_POPULATION = ("D-20", "populations typed into a declaration without their source")
    TOTAL_REPEATED = ("D-21", "a total label that is also listed as a group")
    BAD_MEANING = ("D-22", "a label given two meanings")
    NO_TOTAL = ("D-23", "a denominator or part that needs a total the dimension does not have")
    OVERLAY_WITHOUT_REFERENCES = ("D-24", "an overlay without filing, approval or effective date")
    BAD_OVERRIDE = ("D-25", "an overlay that overrides what the policy does not have")
    OVERLAY_LOOP = ("D-26", "overlays that extend each other")
    BAD_POLICY_TABLE = ("D-27", "a score table with a gap, an overlap or a repeated row")
    BAD_VECTOR = ("D-28", "a worked example with an unknown kind or field, or malformed")
    NO_SUGGESTION = ("D-29", "a recode that is permitted but cannot be computed")
    NO_PUBLICATION = ("D-30", "no publication of that name in this deployment")
    BAD_MASKING = ("D-31", "wishes about masking that contradict the declaration")
    UNAPPROVED_METHOD = ("D-32", "a masking method that the Peer Review Team has not approved")

    UNDECLARED_COLUMN = ("C-01", "the table has a column that nobody declared")
    MISSING_COLUMN = ("C-02", "the table lacks a declared column")
    EMPTY_TABLE = ("C-03", "the table has no row")
    NOT_A_NUMBER = ("C-04", "a column that must hold whole numbers holds something else")
    NEGATIVE = ("C-05", "a negative count or population")
    FRACTIONAL = ("C-06", "a fractional count or population")
    MISSING_PEOPLE = ("C-07", "a cell without a count of people")
    MISSING_POPULATION = ("C-08", "a cell without its denominator, or a label without population")
    PEOPLE_OVER_DENOMINATOR = ("C-09", "more people in a cell than in its denominator")
    DUPLICATE_CELL = ("C-10", "the same combination of labels twice")
    EMPTY_LABEL = ("C-11", "an empty label in a dimension")
    OVERLAPPING_AGES = ("C-12", "age ranges that overlap without a declared hierarchy")
    UNREADABLE_AGE = ("C-13", "an age label that cannot be read as a range")
    UNREADABLE_PERIOD = ("C-14", "a time label that cannot be read as a period")
    UNKNOWN_GEOGRAPHY = ("C-15", "a place that the reference population does not list")
    UNKNOWN_GROUP = ("C-16", "a group the policy does not list, without a declared population")
    UNKNOWN_PROGRAM = ("C-17", "a plan or program without known enrolment")
    NO_TIME = ("C-18", "no reporting period, as a dimension or as a filter")
    NO_GEOGRAPHY = ("C-19", "no geography or insurance coverage, as a dimension or as a filter")
    SIDE_BY_SIDE_CROSSED = ("C-20", "rows that cross dimensions declared side by side")
    HIERARCHY_BROKEN = ("C-21", "a child label under two parents in the table")
    MARGIN_MISMATCH = ("C-22", "a total smaller than one of its own cells")
    UNKNOWN_HIGH_RISK_LABEL = ("C-23", "a high-risk label that the table does not hold")
    SURVEY_DESIGN = ("C-24", "survey design values that are missing or impossible")
    TOTAL_ABSENT = ("C-25", "a declared total label that the table does not hold")

    NOT_MATERIALISED = ("C-26", "a publication whose table is not in the limited zone yet")

    def __init__(self, code: str, meaning: str) -> None:
        self.code = code
        self.meaning = meaning


class DeclarationFault(DeclarationError):
    """A declaration, policy or vector file is wrong, in one documented way."""

    def __init__(self, fault: Fault, where: str, what: str, do: str) -> None:
        super().__init__(where, f"[{fault.code}] {what}", do)
        self.fault = fault
        self._parts = (fault, where, what, do)

    def __reduce__(self) -> tuple[type[DeclarationFault], tuple[Fault, str, str, str]]:  # type: ignore[override]
        """Pickle by the four parts."""
        return type(self), self._parts


class AssessmentFault(AssessmentError):
    """A table cannot be assessed, in one documented way."""

    def __init__(self, fault: Fault, where: str, what: str, do: str) -> None:
        super().__init__(where, f"[{fault.code}] {what}", do)
        self.fault = fault
        self._parts = (fault, where, what, do)

    def __reduce__(self) -> tuple[type[AssessmentFault], tuple[Fault, str, str, str]]:  # type: ignore[override]
        """Pickle by the four parts."""
        return type(self), self._parts
