"""Finds the landing file of a contract and a partition, and says what is wrong with it.

One file per contract and partition: two formats of one month are two truths, and the platform
does not choose. Nothing here opens DuckDB or reads a row.
"""

from __future__ import annotations

import fnmatch
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from deid_platform.core.contract import Contract
from deid_platform.core.errors import DeliveryError
from deid_platform.engine.deployment import Deployment
from deid_platform.engine.durable_files import sha256_of

UNPARTITIONED = "all"
"""The partition of a table whose contract has none."""

_PARTITION = "{partition}"
_MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])")
FORMATS = {".csv": "csv", ".parquet": "parquet", ".ndjson": "ndjson", ".jsonl": "ndjson"}
"""What the end of a file's name says of its format."""
_ANY_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,10}(\.(gz|zst|zip|bak|tmp|part|partial|filepart))?")
_GLOB = frozenset("*?[")


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One landing file: where it is, what it claims to be, and the bytes it held when found."""

    path: Path
    name: str
    """The path below the landing folder, for messages and records."""
    format: str
    size: int
    stamp: tuple[int, int, int]

    def digest(self) -> str:
        """SHA-256 of the bytes.

        Raises:
            DeliveryError: the file cannot be read.
        """
        try:
            return sha256_of(self.path)
        except OSError:
            raise self.refusal(
                "the file cannot be read", "check its owner and mode, and deliver it again"
            ) from None

    def check_unchanged(self) -> None:
        """Refuse a file that somebody wrote to while it was being loaded.

        Raises:
            DeliveryError: size, time or identity of the file is no longer what it was.
        """
        try:
            now = _stamp(self.path.stat())
        except OSError:
            now = (0, 0, 0)
        if now != self.stamp:
            raise self.refusal(
                "the file changed while it was being read",
                "deliver under another name and rename when complete; then run again",
            )

    def refusal(self, what: str, do: str) -> DeliveryError:
        """An error about this file."""
        return DeliveryError(self.name, what, do)


def find_delivery(deployment: Deployment, contract: Contract, partition: str) -> Delivery | None:
    """The file of ``contract`` and ``partition``; None when the system delivers nothing here.

    None is only possible for a contract whose source is not required and whose folder is absent.

    Raises:
        DeliveryError: missing, ambiguous, named with more than the contract says, unreadable,
            empty, not a regular file, of a format the contract does not list, or a link that leaves
            the landing folder.
    """
    check_partition(contract, partition)
    expected = contract.source.files.replace(_PARTITION, partition)
    folder, matching = _matching(deployment, contract, _pattern(contract, partition))
    if not matching:
        if not contract.source.required and not folder.exists():
            return None
        raise DeliveryError(
            expected,
            "no file of that name is in the landing folder",
            "deliver it, or run another partition",
        )
    unlike = sum(not _is_plain(path.name, expected) for path in matching)
    if unlike:
        raise DeliveryError(
            expected,
            f"{unlike} files claim to be this delivery and have more in their names than it says",
            "rename them; names of files are recorded, and may hold nothing of a person",
        )
    formats = contract.source.formats
    wrong = [path.name for path in matching if FORMATS.get(path.suffix.lower()) not in formats]
    if wrong:
        raise DeliveryError(
            expected,
            f"a file of that name is not {' or '.join(formats)}: {_shown(wrong)}",
            "convert it, move it away, or list its format in the contract",
        )
    if len(matching) > 1:
        raise DeliveryError(
            expected,
            f"{len(matching)} files claim to be this delivery: "
            + _shown([path.name for path in matching]),
            "leave one of them in the landing folder",
        )
    return _checked(deployment, contract, matching[0])


def available_partitions(deployment: Deployment, contract: Contract) -> list[str]:
    """The partitions that have a file in the landing folder, in order.

    An unpartitioned contract has the one partition ``all``, or none without a file.

    Raises:
        DeliveryError: the folder cannot be read.
    """
    pattern = _pattern(contract, None)
    _, matching = _matching(deployment, contract, pattern)
    found = set()
    for path in matching:
        match = pattern.fullmatch(path.name)
        if match is not None:
            found.add(match.groupdict().get("partition", UNPARTITIONED))
    return sorted(found)


def check_partition(contract: Contract, partition: str) -> None:
    """Refuse a partition that the contract cannot have.

    Raises:
        DeliveryError: not a month, or a month of an unpartitioned contract.
    """
    if contract.partition is None:
        if partition != UNPARTITIONED:
            raise DeliveryError(
                contract.name, "this contract has no partitions", f"ask for {UNPARTITIONED!r}"
            )
    elif not _MONTH.fullmatch(partition):
        raise DeliveryError(
            contract.name, "a partition is a month", "write it as YYYY-MM, such as 2024-03"
        )


def _is_plain(name: str, expected: str) -> bool:
    """Whether a file's name adds no more than an extension to one that leaves it open."""
    stem, ending = expected.rpartition("/")[2][:-2], expected[-2:]
    if ending != ".*" or set(stem) & _GLOB:
        return True  # the contract says more exactly, or less, on purpose
    return _ANY_SUFFIX.fullmatch(name[len(stem) :]) is not None


def _pattern(contract: Contract, partition: str | None) -> re.Pattern[str]:
    """The file-name part of the contract's pattern; a None partition captures any month."""
    month = f"(?P<partition>{_MONTH.pattern})" if partition is None else re.escape(partition)
    name = contract.source.files.rpartition("/")[2]
    parts = [fnmatch.translate(part)[4:-3] for part in name.split(_PARTITION)]
    return re.compile("(?s:" + month.join(parts) + ")")


def _matching(
    deployment: Deployment, contract: Contract, pattern: re.Pattern[str]
) -> tuple[Path, list[Path]]:
    """The contract's folder, and its entries that match, in order."""
    folder = deployment.landing / contract.source.files.rpartition("/")[0]
    try:
        entries = sorted(folder.iterdir())
    except FileNotFoundError:
        return folder, []
    except OSError:
        raise DeliveryError(
            contract.source.files, "the folder cannot be read", "check its owner and mode"
        ) from None
    return folder, [path for path in entries if pattern.fullmatch(path.name)]


def _checked(deployment: Deployment, contract: Contract, path: Path) -> Delivery:
    name = str(path.relative_to(deployment.landing))
    try:
        real = path.resolve(strict=True)
        status = real.stat()
    except (OSError, RuntimeError):
        raise DeliveryError(
            name, "the file cannot be read", "check that it exists, its owner and its mode"
        ) from None
    if not real.is_relative_to(deployment.landing.resolve()):
        raise DeliveryError(
            name, "the link leads out of the landing folder", "deliver the file itself"
        )
    if not stat.S_ISREG(status.st_mode):
        raise DeliveryError(name, "this is not a regular file", "deliver a file")
    if not os.access(real, os.R_OK):
        raise DeliveryError(name, "the file cannot be read", "check its owner and mode")
    if set(str(real)) & _GLOB:
        raise DeliveryError(
            name,
            "its path holds one of * ? [, which DuckDB reads as a pattern of several files",
            "rename the file, or move DEID_HOME",
        )
    format_ = FORMATS[path.suffix.lower()]
    if status.st_size == 0 and not (format_ == "ndjson" and contract.source.allow_empty):
        raise DeliveryError(name, "the file is empty (0 bytes)", "deliver it again")
    return Delivery(
        path=real,
        name=name,
        format=format_,
        size=status.st_size,
        stamp=_stamp(status),
    )


def _stamp(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_size, status.st_mtime_ns, status.st_ino


def _shown(names: list[str]) -> str:
    return ", ".join(names)
