"""The register: everything about people, rules and places that governance looks up."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Annotated, Any, TypeVar

import pydantic
from pydantic import Field, StringConstraints, model_validator

from deid_platform.core.contract import first_of, validation_errors
from deid_platform.core.digests import canonical_digest
from deid_platform.core.errors import AuthorisationError
from deid_platform.core.register.flows import CodePath, DataFlow
from deid_platform.core.register.parties import Destination, ThirdParty
from deid_platform.core.register.people import Person, Service, TrainingModule
from deid_platform.core.register.ssh_keys import SshKey
from deid_platform.core.register.standard import MethodStandard
from deid_platform.core.register.training import gaps
from deid_platform.core.register.vocabulary import Entry, Line, Name
from deid_platform.core.workflow import Identity, Role

NAMESPACE = "deid-decision"
"""The namespace of signatures on decisions: a signature made for anything else is none."""

_E = TypeVar("_E")


_PersonKey = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?$")]
_Version = Annotated[str, StringConstraints(pattern=r"^[0-9a-z][0-9a-z.-]{0,30}$")]


class Agency(Entry):
    """Whose register it is."""

    name: Line
    department: Line
    contact: Line


class Register(Entry):
    """The whole register, as declared in the files of one folder; see `load_register`.

    That entries fit together is for `register_problems`: a register out of the ledger was checked
    when it was applied.
    """

    agency: Agency
    people: dict[_PersonKey, Person] = Field(min_length=1)
    services: dict[Name, Service] = Field(default_factory=dict)
    training: dict[Name, TrainingModule] = Field(default_factory=dict)
    method_standards: dict[_Version, MethodStandard] = Field(min_length=1)
    data_flows: dict[Name, DataFlow] = Field(default_factory=dict)
    third_parties: dict[Name, ThirdParty] = Field(default_factory=dict)
    destinations: dict[Name, Destination] = Field(default_factory=dict)
    code_paths: dict[str, CodePath] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _named(cls, declared: Any) -> Any:
        """An entry is told the key it stands under."""
        if not isinstance(declared, Mapping):
            return declared
        named = dict(declared)
        for section in ("people", "services", "third_parties", "destinations", "data_flows"):
            named[section] = _with_keys(named.get(section), "name")
        named["method_standards"] = _with_keys(named.get("method_standards"), "version")
        return {key: value for key, value in named.items() if value is not None}

    @classmethod
    def parse(cls, declared: object, where: str = "register") -> Register:
        """A register from plain values.

        Raises:
            DeclarationError: naming the place in the files and what to do.
        """
        try:
            return cls.model_validate(declared)
        except pydantic.ValidationError as error:
            raise first_of(validation_errors(where, error)) from None

    @cached_property
    def content(self) -> dict[str, Any]:
        """The register as plain values, from which `parse` makes it again."""
        return self.model_dump(mode="json", exclude_defaults=True)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the content, whatever files and layout it was declared in."""
        return canonical_digest(self.content)

    def identity(self, who: Identity | str) -> Identity:
        """The one identity of a person however spelled; a service's is its own."""
        identity = Identity.parse(who) if isinstance(who, str) else who
        if not identity.is_person:
            return identity
        return Identity(kind="person", name=self._names.get(identity.name, identity.name))

    def person(self, who: Identity | str) -> Person:
        """A person by name, alias or e-mail address.

        Raises:
            AuthorisationError: the register knows nobody of that name.
        """
        identity = self.identity(who)
        person = self.people.get(identity.name) if identity.is_person else None
        if person is None:
            raise AuthorisationError(
                str(identity),
                "not a person of the register in force",
                "a data coordinator adds people with `deid register apply`",
            )
        return person

    def department_of(self, who: Identity | str) -> str:
        """The department that a person is of: the register's own, unless they name another.

        Raises:
            AuthorisationError: the register knows nobody of that name.
        """
        return self.person(who).department or self.agency.department

    def service(self, who: Identity | str) -> Service:
        """A service by name.

        Raises:
            AuthorisationError: the register does not know it.
        """
        identity = self.identity(who)
        service = None if identity.is_person else self.services.get(identity.name)
        if service is None:
            raise _unknown("services", str(identity))
        return service

    def roles(self, who: Identity | str, at: datetime) -> frozenset[Role]:
        """The roles a person holds at a time; none for somebody unknown."""
        identity = self.identity(who)
        person = self.people.get(identity.name) if identity.is_person else None
        return person.roles_at(at) if person else frozenset()

    def people_in(self, role: Role, at: datetime) -> tuple[Person, ...]:
        """Who holds a role at a time, by name."""
        return tuple(
            self.people[name] for name in sorted(self.people) if role in self.roles(name, at)
        )

    def trained(self, who: Identity | str, role: Role, at: datetime) -> bool:
        """Whether a person has completed every training of a role, and none expired."""
        return not self.training_gaps(who, role, at)

    def training_gaps(self, who: Identity | str, role: Role, at: datetime) -> tuple[str, ...]:
        """The trainings of a role that a person lacks at a time, and why each."""
        return gaps(self.training, self.person(who), role, at)

    def standard_in_force(self, at: datetime) -> MethodStandard:
        """The one method standard in force at a time.

        Raises:
            AuthorisationError: none is, or more than one.
        """
        found = [one for one in self.method_standards.values() if one.in_force(at)]
        if len(found) != 1:
            raise AuthorisationError(
                "method_standards",
                "no standard is in force" if not found else "two standards are in force at once",
                "give exactly one standard effective dates that include this day, "
                "and apply the register",
            )
        return found[0]

    def destination(self, name: str) -> Destination:
        """A destination of the allow-list.

        Raises:
            AuthorisationError: the list has none of that name.
        """
        return _found(self.destinations, "destinations", name)

    def third_party(self, name: str) -> ThirdParty:
        """A third party of the inventory.

        Raises:
            AuthorisationError: the inventory has none of that name.
        """
        return _found(self.third_parties, "third_parties", name)

    def data_flow(self, name: str) -> DataFlow:
        """A data flow.

        Raises:
            AuthorisationError: none of that name is registered.
        """
        return _found(self.data_flows, "data_flows", name)

    def code_path(self, path: str) -> CodePath:
        """The most specific entry that covers a file, by its path in the repository.

        Raises:
            AuthorisationError: no entry covers it: nobody owns it, so it may do nothing.
        """
        covering = [pattern for pattern in self.code_paths if fnmatchcase(path, pattern)]
        if not covering:
            raise _unknown("code_paths", path)
        return self.code_paths[max(covering, key=len)]

    def covers(self, path: str) -> bool:
        """Whether an entry of ``code_paths`` covers a file."""
        return any(fnmatchcase(path, pattern) for pattern in self.code_paths)

    def key_owner(self, blob: bytes) -> tuple[Identity, SshKey] | None:
        """Whose key this is, expired and revoked ones included."""
        return self._keys.get(blob)

    def allowed_signers(self, at: datetime) -> str:
        """An OpenSSH ``allowed_signers`` file of the keys not revoked at a time.

        Read it under ``TZ=UTC``: OpenSSH takes times without a zone as local.
        """
        lines = [
            f'{identity} namespaces="{NAMESPACE}",'
            f'valid-after="{key.first_moment:%Y%m%d%H%M%S}",'
            f'valid-before="{key.last_moment:%Y%m%d%H%M%S}" {key.public}'
            for identity, key in self._keys.values()
            if identity.is_person and not key.is_revoked(at)
        ]
        return "".join(f"{line}\n" for line in sorted(lines))

    def revoked_keys(self, at: datetime) -> str:
        """The public keys revoked at a time, one a line, as ``ssh-keygen -r`` reads them."""
        return "".join(f"{key.public}\n" for _, key in self._keys.values() if key.is_revoked(at))

    @cached_property
    def _names(self) -> dict[str, str]:
        return {alias: one.name for one in self.people.values() for alias in one.names}

    @cached_property
    def _keys(self) -> dict[bytes, tuple[Identity, SshKey]]:
        holders: list[Person | Service] = [*self.people.values(), *self.services.values()]
        return {key.blob: (one.identity, key) for one in holders for key in one.keys}


def _with_keys(section: Any, field: str) -> Any:
    if not isinstance(section, Mapping):
        return section
    return {
        key: {**value, field: str(key)} if isinstance(value, Mapping) else value
        for key, value in section.items()
    }


def _found(entries: Mapping[str, _E], section: str, name: str) -> _E:
    entry = entries.get(name)
    if entry is None:
        raise _unknown(section, name)
    return entry


def _unknown(section: str, name: str) -> AuthorisationError:
    return AuthorisationError(
        f"{section}.{name}" if name.isprintable() and len(name) < 100 else section,
        "not in the register in force",
        "add it to the register's files and have it applied, or correct the name",
    )
