"""Who is responsible, accountable, consulted and informed for each step of a release.

Source: HICP Practice 7.3, roles (governance specification, section 4).
"""

from __future__ import annotations

from deid_platform.core.workflow import Role

_ROLES = (
    Role.REQUESTER,
    Role.PRIVACY_REVIEWER,
    Role.SECURITY_REVIEWER,
    Role.DATA_ENGINEER,
    Role.VALIDATOR,
    Role.EXPERT,
    Role.LEGAL,
    Role.DATA_STEWARD,
)
_LETTERS = {
    "intake": "RA C I I - - - C",
    "method_selection": "C RA C C - C C C",
    "execution": "I I C RA - C - I",
    "validation": "- I C C RA C - I",
    "determination": "- C - C C RA C I",
    "legal": "- C - - - C RA I",
    "release": "I C C I I C C RA",
    "retention_and_audit": "I A R C - - C C",
}

RACI: dict[str, dict[Role, str]] = {
    activity: {
        role: letters for role, letters in zip(_ROLES, row.split(), strict=True) if letters != "-"
    }
    for activity, row in _LETTERS.items()
}
"""By activity and role: R responsible, A accountable, C consulted, I informed."""
