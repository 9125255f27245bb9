"""Which trainings of a role a person lacks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from deid_platform.core.register.people import Person, TrainingModule
from deid_platform.core.register.vocabulary import day
from deid_platform.core.workflow import Role


def gaps(
    modules: Mapping[str, TrainingModule], person: Person, role: Role, at: datetime
) -> tuple[str, ...]:
    """The modules a role takes that a person has not completed, or not recently enough.

    Source: governance specification, section 7.
    """
    return tuple(_gaps(modules, person, role, at))


def _gaps(
    modules: Mapping[str, TrainingModule], person: Person, role: Role, at: datetime
) -> Iterator[str]:
    required = {name: one for name, one in modules.items() if role in one.roles}
    if not required:
        yield f"no training is declared for {role.value}"
    for name, module in required.items():
        records = [
            one
            for one in person.trainings
            if one.module == name and one.role is role and one.completed <= day(at)
        ]
        if not records:
            yield f"{name} not completed"
            continue
        last = max(records, key=lambda one: (one.expires, one.version))
        if last.expires < day(at):
            yield f"{name} expired on {last.expires}"
        elif last.version < module.oldest_accepted:
            yield f"{name} completed in version {last.version}, which no longer counts"
