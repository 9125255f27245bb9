"""Every exception of the platform, drawn as a tree.

    DeidError
    ├── DeclarationError      a contract, policy or publication is wrong                    10
    │   └── DeclarationFault  one documented way to be wrong (core/faults.py)               10
    ├── DeliveryError         a landing file cannot be taken                                11
    ├── ZoneError             a zone file cannot be opened, locked or written               12
    │   └── ZoneKeyError      a zone's key is missing, malformed, readable or wrong         13
    ├── GateError             a gate stopped a table                                        14
    ├── AuthorisationError    the ledger does not authorise what was asked                  15
    ├── LedgerError           the ledger cannot be read or its chain does not hold          16
    ├── AssessmentError       a table cannot be assessed                                    17
    │   └── AssessmentFault   one documented way to be unfit (core/faults.py)               17
    ├── MaskingError          a table cannot be masked safely                               18
    ├── ToolError             dbt, Dagster or another program failed                        19
    ├── TransferError         a release cannot be carried to its destination                20
    ├── EvidenceError         evidence is missing or changed, or a question has no answer   23
    └── QueryError            a query on a snapshot cannot be answered                      24

The number is the exit code of the command line. A message says where, what, and what to do; it
never holds a cell value.
"""

from __future__ import annotations

from typing import ClassVar


class DeidError(Exception):
    """Base of every error a user can act on.

    Args:
        where: the file, table or column, by name.
        what: what is wrong, in one clause, without any cell value.
        do: what the reader should do.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, where: str, what: str, do: str) -> None:
        super().__init__(f"{where}: {what}; {do}")
        self.where = where
        self.what = what
        self.do = do

    def __reduce__(self) -> tuple[type[DeidError], tuple[str, str, str]]:
        """Pickle by the three parts, so that an error crosses a process boundary whole."""
        return type(self), (self.where, self.what, self.do)


class DeclarationError(DeidError):
    """A contract, policy or publication says something it may not."""

    exit_code = 10


class DeliveryError(DeidError):
    """A file in the landing folder cannot be taken as it is."""

    exit_code = 11


class ZoneError(DeidError):
    """A zone file cannot be opened, locked or written."""

    exit_code = 12


class ZoneKeyError(ZoneError):
    """The key of an encrypted zone is missing, malformed, readable by others, or wrong."""

    exit_code = 13


class GateError(DeidError):
    """A gate stopped a table; nothing was promoted."""

    exit_code = 14


class AuthorisationError(DeidError):
    """The ledger holds no authority for what was asked."""

    exit_code = 15


class LedgerError(DeidError):
    """The ledger cannot be read, or its chain does not hold."""

    exit_code = 16


class AssessmentError(DeidError):
    """A table cannot be assessed under the policy."""

    exit_code = 17


class MaskingError(DeidError):
    """No safe masking of the table was found."""

    exit_code = 18


class ToolError(DeidError):
    """A program the platform drives (dbt, Dagster) failed."""

    exit_code = 19


class TransferError(DeidError):
    """A release cannot be carried to its destination, or did not arrive as it was sent."""

    exit_code = 30


class EvidenceError(DeidError):
    """Evidence of a release is missing or was changed, or does not answer what was asked."""

    exit_code = 31


class QueryError(DeidError):
    """A query on a published snapshot is wrong, or fails on its data."""

    exit_code = 32
