"""A department's own version of the guideline: a few overrides and the authority for them.

An overlay extends a policy. Without the filing reference, the Peer Review Team's approval and the
effective date it is refused; only a superseded edition, kept for comparison, needs none.

Source: DDG 2.0, 2 and 7 (departments adopt and file their own version; the PRT approves it;
no department value is assumed, A-35).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deid_platform.core.faults import DeclarationFault, Fault

OVERLAY_KEYS = frozenset(
    {"extends", "name", "title", "edition", "approved_on", "status", "filing", "overrides"}
)
_OPEN = frozenset({"references", "high_risk", "surveys", "rules", "alternate_methods"})
"""Sections in which an overlay may add an entry; in the others it may only change one."""
_SECTIONS = frozenset(
    {
        "settings",
        "score_tables",
        "readings",
        "unscored_labels",
        "special_codes",
        "differences_not_documented",
        *_OPEN,
    }
)


def overlaid(where: str, base: Mapping[str, Any], overlay: Mapping[str, Any]) -> dict[str, Any]:
    """The policy that an overlay makes of its base, both as plain mappings.

    Mappings merge key by key, lists are replaced, and null removes an entry.

    Raises:
        DeclarationFault: the overlay lacks its authority, or overrides what is not there.
    """
    unknown = sorted(set(overlay) - OVERLAY_KEYS)
    if unknown:
        raise DeclarationFault(
            Fault.UNKNOWN_KEY, f"{where}: {unknown[0]}", "no such key in an overlay", "remove it"
        )
    superseded = overlay.get("status") == "superseded"
    if not superseded and not _has_authority(overlay.get("filing")):
        raise DeclarationFault(
            Fault.OVERLAY_WITHOUT_REFERENCES,
            f"{where}: filing",
            "an overlay needs department, filing_reference, prt_approval, prt_approved_on and "
            "effective_date",
            "add the references of the approved filing",
        )
    if "name" not in overlay:
        raise DeclarationFault(
            Fault.MISSING_KEY, f"{where}: name", "an overlay needs a name of its own", "add it"
        )
    overrides = overlay.get("overrides") or {}
    if not isinstance(overrides, Mapping):
        raise DeclarationFault(
            Fault.NOT_A_MAPPING, f"{where}: overrides", "not a mapping", "write keys and values"
        )
    merged = dict(base)
    for section, changes in overrides.items():
        if section not in _SECTIONS:
            raise DeclarationFault(
                Fault.BAD_OVERRIDE,
                f"{where}: overrides.{section}",
                "no such section of a policy",
                "correct its spelling",
            )
        merged[section] = _merged(
            f"{where}: overrides.{section}", base.get(section, {}), changes, section in _OPEN
        )
    heading = {key: value for key, value in overlay.items() if key not in ("extends", "overrides")}
    merged.pop("filing", None)
    extends = (*base.get("extends", ()), str(overlay["extends"]))
    return {**merged, **heading, "extends": extends}


def _has_authority(filing: Any) -> bool:
    needed = ("department", "filing_reference", "prt_approval", "prt_approved_on", "effective_date")
    return isinstance(filing, Mapping) and all(filing.get(key) for key in needed)


def _merged(where: str, base: Any, changes: Any, may_add: bool) -> Any:
    if not isinstance(changes, Mapping) or not isinstance(base, Mapping):
        return changes
    merged = dict(base)
    for key, change in changes.items():
        if key not in base and not may_add:
            raise DeclarationFault(
                Fault.BAD_OVERRIDE,
                f"{where}.{key}",
                "the extended policy has nothing of that name",
                "correct its spelling",
            )
        if change is None:
            merged.pop(key, None)
        else:
            merged[key] = _merged(f"{where}.{key}", base.get(key), change, True)
    return merged
