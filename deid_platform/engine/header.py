"""Holds the columns of a delivery against its contract.

Names of undeclared columns are told, because somebody has to classify them, but only where the
delivery visibly has a header: in a file without one, the first record's "names" are a patient's.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from deid_platform.core.contract import Contract
from deid_platform.core.errors import DeliveryError
from deid_platform.engine.delivery import Delivery
from deid_platform.engine.record_count import header_record

_DELIMITERS = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a pipe"}
_NAME = re.compile(r"[A-Za-z_][A-Za-z_ .-]*\d{0,3}[A-Za-z_]*")
_LISTED = 10


def csv_columns(contract: Contract, delivery: Delivery) -> list[str]:
    """The columns of a CSV file in its own order, all of them declared.

    Raises:
        DeliveryError: a header that is absent or not as declared, or another delimiter.
    """
    source = contract.source
    names = header_record(delivery, source.encoding, source.delimiter)
    if not _is_header(contract, names):
        for delimiter, spoken in _DELIMITERS.items():
            if delimiter != source.delimiter and _is_header(
                contract, header_record(delivery, source.encoding, delimiter)
            ):
                raise delivery.refusal(
                    f"the delimiter is not as declared; it is likely {spoken}",
                    "correct source.delimiter in the contract, or deliver it as declared",
                )
    check_columns(contract, delivery, names)
    return names


def check_columns(contract: Contract, delivery: Delivery, names: Sequence[str]) -> None:
    """Refuse a delivery whose columns are not those of the contract.

    Raises:
        DeliveryError: columns undeclared, dropped, twice there, or written in another case.
    """
    if not _is_header(contract, names):
        raise delivery.refusal(
            "it has no header, or that of another table: few of the declared columns are there",
            "deliver it with the column names of the contract in the first record",
        )
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise _refusal(delivery, "column names that occur twice", twice, names, "name each once")
    declared = {name.lower(): name for name in contract.columns}
    unknown = [name for name in names if name not in contract.columns]
    miswritten = [name for name in unknown if name.strip().lower() in declared]
    if miswritten:
        pairs = [f"{declared[name.strip().lower()]} is written otherwise" for name in miswritten]
        raise delivery.refusal(
            f"header names differ in case or spaces: {', '.join(pairs[:_LISTED])}",
            "write them exactly as the contract does",
        )
    if unknown:
        raise _refusal(
            delivery,
            "undeclared columns",
            unknown,
            names,
            f"classify them in the contract {contract.name}, or leave them out of the delivery",
        )
    dropped = [
        name
        for name, column in contract.columns.items()
        if name not in names and not column.optional
    ]
    if dropped:
        raise delivery.refusal(
            f"declared columns are missing: {', '.join(dropped[:_LISTED])}",
            "deliver them, or mark them optional in the contract",
        )


def _is_header(contract: Contract, names: Sequence[str]) -> bool:
    """Whether at least half of the columns a file must have are among the names."""
    present = {name.strip().lower() for name in names}
    needed = [name for name, column in contract.columns.items() if not column.optional]
    return 2 * sum(name.lower() in present for name in needed or contract.columns) >= len(needed)


def _refusal(
    delivery: Delivery, what: str, found: Sequence[str], names: Sequence[str], do: str
) -> DeliveryError:
    shown = [
        name if _NAME.fullmatch(name) and len(name) <= 63 else f"number {names.index(name) + 1}"
        for name in found[:_LISTED]
    ]
    more = "" if len(found) <= _LISTED else f" and {len(found) - _LISTED} more"
    return delivery.refusal(f"{what}: {', '.join(shown)}{more}", do)
