"""People and services: who may act, in which roles, with which keys and trainings."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

from pydantic import Field

from deid_platform.core.register.ssh_keys import SshKey
from deid_platform.core.register.vocabulary import Entry, Line, Name, PersonName, day
from deid_platform.core.workflow import Identity, Role


class RoleGrant(Entry):
    """A role that a person holds from one day to another (UTC, both included).

    A grant always ends: holding on to a role means that somebody certified it again.
    """

    role: Role
    since: date
    until: date
    certified_by: PersonName

    def holds(self, at: datetime) -> bool:
        """Whether the role is held at a time."""
        return self.since <= day(at) <= self.until


class TrainingRecord(Entry):
    """A training that a person completed for one role (2.11)."""

    role: Role
    module: Name
    version: int = Field(ge=1)
    completed: date
    expires: date


class TrainingModule(Entry):
    """A training and the roles that cannot act without it (section 7).

    ``oldest_accepted`` is the version below which a completed training no longer counts.
    """

    title: Line
    content: Line
    version: int = Field(ge=1)
    oldest_accepted: int = Field(ge=1)
    roles: tuple[Role, ...] = Field(min_length=1)


class Person(Entry):
    """A person of the agency. Known by one name; ``aliases`` are other spellings of it.

    ``department`` is another one than the register's own, or the agency above it, if they are of
    that: they sign for their side of an exchange, mediate or decide, and nothing else.
    """

    name: Annotated[str, Field(exclude=True)] = ""
    display_name: Line
    unit: Line
    department: Line | None = None
    email: PersonName
    aliases: tuple[PersonName, ...] = ()
    roles: tuple[RoleGrant, ...] = Field(min_length=1)
    keys: tuple[SshKey, ...] = ()
    trainings: tuple[TrainingRecord, ...] = ()

    @property
    def identity(self) -> Identity:
        """As the ledger names them."""
        return Identity(kind="person", name=self.name)

    @property
    def names(self) -> tuple[str, ...]:
        """Every name by which the person is found, the first being theirs."""
        return tuple(dict.fromkeys((self.name, self.email, *self.aliases)))

    def roles_at(self, at: datetime) -> frozenset[Role]:
        """The roles held at a time."""
        return frozenset(grant.role for grant in self.roles if grant.holds(at))


class Service(Entry):
    """An identity of the platform itself, ``service:NAME``; it executes and never decides."""

    name: Annotated[str, Field(exclude=True)] = ""
    description: Line
    owner: PersonName
    keys: tuple[SshKey, ...] = ()

    @property
    def identity(self) -> Identity:
        """As the ledger names it."""
        return Identity(kind="service", name=self.name)
