"""Whether the entries of a register fit together at a time."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import datetime

from deid_platform.core.errors import DeclarationError
from deid_platform.core.register.flows import DataFlow
from deid_platform.core.register.parties import Destination
from deid_platform.core.register.register import Register
from deid_platform.core.register.standard import MethodStandard
from deid_platform.core.register.vocabulary import FlowStatus, Method
from deid_platform.core.workflow import Role
from deid_platform.core.zones import Zone


def register_problems(register: Register, at: datetime) -> list[DeclarationError]:
    """Everything wrong between entries, each by its path in the files and with what to do."""
    return [
        *_people(register, at),
        *_keys(register),
        *_training(register),
        *_standards(register, at),
        *_owners(register, at),
        *_parties(register, at),
        *_flows(register, at),
        *_code(register),
    ]


def _people(register: Register, at: datetime) -> Iterator[DeclarationError]:
    holders: dict[str, str] = {}
    for name, person in register.people.items():
        for alias in person.names:
            other = holders.setdefault(alias, name)
            if other != name:
                yield DeclarationError(
                    f"people.{name}",
                    f"goes by a name of {other} too",
                    "one name means one person: change the alias or e-mail address of one",
                )
        for number, grant in enumerate(person.roles):
            where = f"people.{name}.roles[{number}]"
            if grant.until < grant.since:
                yield DeclarationError(where, "ends before it begins", "correct until")
            if register.identity(f"person:{grant.certified_by}").name == name:
                yield DeclarationError(
                    where, "the holder certified it", "have another person certify the role"
                )
        if len(roles := {grant.role for grant in person.roles}) > 1 and Role.AUDITOR in roles:
            yield DeclarationError(
                f"people.{name}.roles",
                "an auditor holds another role",
                "an auditor only reads (section 4): give the other role to another person",
            )
    for name in register.services:
        if name in holders:
            yield DeclarationError(
                f"services.{name}", "a person has this name", "give the service another"
            )
    if not _successors(register, at):
        yield DeclarationError(
            "people",
            "nobody could apply the next register",
            "somebody must hold the role data_coordinator or director, be trained for it and have "
            "a valid key: grant the role or add the key (`deid register key`)",
        )


def _successors(register: Register, at: datetime) -> list[str]:
    """Who may apply the next register, so that this one is not the last."""
    return [
        person.name
        for role in (Role.DATA_COORDINATOR, Role.DIRECTOR)
        for person in register.people_in(role, at)
        if register.department_of(person.identity) == register.agency.department
        and register.trained(person.identity, role, at)
        and any(key.is_valid(at) for key in person.keys)
    ]


def _keys(register: Register) -> Iterator[DeclarationError]:
    seen: dict[bytes, str] = {}
    for section, holders in (("people", register.people), ("services", register.services)):
        for name, holder in holders.items():
            for number, key in enumerate(holder.keys):
                where = f"{section}.{name}.keys[{number}]"
                other = seen.setdefault(key.blob, where)
                if other != where:
                    yield DeclarationError(
                        where,
                        f"the same key as {other}",
                        "a key means one person and is listed once: make another key",
                    )
                if key.valid_until < key.valid_from:
                    yield DeclarationError(where, "ends before it begins", "correct valid_until")


def _training(register: Register) -> Iterator[DeclarationError]:
    for name, module in register.training.items():
        if module.oldest_accepted > module.version:
            yield DeclarationError(
                f"training.{name}.oldest_accepted",
                "above the version that exists",
                "nobody could be trained: lower it",
            )
    covered = {role for module in register.training.values() for role in module.roles}
    for name, person in register.people.items():
        for number, grant in enumerate(person.roles):
            if grant.role not in covered:
                yield DeclarationError(
                    f"people.{name}.roles[{number}]",
                    f"no training is declared for {grant.role.value}",
                    "name the role in a module of training (section 7)",
                )
        for number, record in enumerate(person.trainings):
            where = f"people.{name}.trainings[{number}]"
            known = register.training.get(record.module)
            if known is None:
                yield DeclarationError(
                    where, f"there is no module {record.module}", "correct it or declare the module"
                )
            elif record.version > known.version:
                yield DeclarationError(
                    where, "a version that does not exist yet", "correct version"
                )
            if record.expires < record.completed:
                yield DeclarationError(where, "expires before it was completed", "correct a date")


def _standards(register: Register, at: datetime) -> Iterator[DeclarationError]:
    ordered = sorted(register.method_standards.values(), key=lambda one: one.effective_from)
    for one in ordered:
        where = f"method_standards.{one.version}"
        if one.effective_until is not None and one.effective_until < one.effective_from:
            yield DeclarationError(where, "ends before it begins", "correct effective_until")
        yield from _standard(register, where, one)
    for one, after in itertools.pairwise(ordered):
        if one.effective_until is None or one.effective_until >= after.effective_from:
            yield DeclarationError(
                f"method_standards.{one.version}.effective_until",
                f"in force at once with {after.version}",
                "exactly one standard is in force: end this one the day before the next begins",
            )
    if not any(one.in_force(at) for one in ordered):
        yield DeclarationError(
            "method_standards",
            "none is in force now",
            "give one effective dates that include this day; without it nothing can be approved",
        )


def _standard(
    register: Register, where: str, standard: MethodStandard
) -> Iterator[DeclarationError]:
    for number, row in enumerate(standard.allowances):
        for method in row.methods:
            if method not in standard.permitted_methods:
                yield DeclarationError(
                    f"{where}.allowances[{number}].methods",
                    f"{method.value} is not a permitted method",
                    "permit it in permitted_methods or take it out",
                )
    if not standard.policies:
        yield DeclarationError(
            f"{where}.policies",
            "none",
            "list each policy with its digest (`deid register policies`)",
        )
    for number, approval in enumerate(standard.approvals):
        person = register.people.get(register.identity(f"person:{approval.by}").name)
        if person is None or approval.role not in {grant.role for grant in person.roles}:
            yield DeclarationError(
                f"{where}.approvals[{number}]",
                f"nobody of that name holds the role {approval.role.value}",
                "name who approved the standard, in the role they hold",
            )


def _owners(register: Register, at: datetime) -> Iterator[DeclarationError]:
    owners = [(f"services.{n}.owner", one.owner, None) for n, one in register.services.items()]
    owners += [(f"code_paths.{n}.owner", one.owner, None) for n, one in register.code_paths.items()]
    owners += [
        (f"destinations.{n}.owner", one.owner, None) for n, one in register.destinations.items()
    ]
    steward, system_owner = Role.DATA_STEWARD, Role.SYSTEM_OWNER
    asked: list[tuple[str, str, Role | None]] = [*owners]
    for name, flow in register.data_flows.items():
        place = f"data_flows.{name}.owners"
        if flow.status is not FlowStatus.RETIRED:
            asked += [
                (f"{place}.data_steward", flow.owners.data_steward, steward),
                (f"{place}.system_owner", flow.owners.system_owner, system_owner),
                (f"{place}.requester", flow.owners.requester, Role.REQUESTER),
            ]
    for name, party in register.third_parties.items():
        asked.append((f"third_parties.{name}.manager", party.manager, Role.THIRD_PARTY_MANAGER))
    for name, person in register.people.items():
        for number, grant in enumerate(person.roles):
            asked.append((f"people.{name}.roles[{number}].certified_by", grant.certified_by, None))
    for where, owner, role in asked:
        identity = register.identity(f"person:{owner}")
        if identity.name not in register.people:
            yield DeclarationError(
                where, "not a person of the register", "name a person, or add this one to people"
            )
        elif role is not None and role not in register.roles(identity, at):
            yield DeclarationError(
                where,
                f"the person does not hold the role {role.value} now",
                "grant the role or name somebody who holds it",
            )


def _parties(register: Register, at: datetime) -> Iterator[DeclarationError]:
    for name, destination in register.destinations.items():
        if destination.third_party and destination.third_party not in register.third_parties:
            yield DeclarationError(
                f"destinations.{name}.third_party",
                "not in the inventory of third parties",
                "add it to third_parties with its contract first",
            )
    for name, party in register.third_parties.items():
        if party.contract.expires < party.contract.effective:
            yield DeclarationError(
                f"third_parties.{name}.contract", "ends before it begins", "correct its dates"
            )
        active = [
            flow.name
            for flow in register.data_flows.values()
            if flow.third_party == name and flow.status is FlowStatus.ACTIVE
        ]
        if active and (obstacles := party.obstacles(at)):
            yield DeclarationError(
                f"third_parties.{name}",
                "; ".join(obstacles),
                f"settle this, or freeze the flow {active[0]} (section 8)",
            )


def _flows(register: Register, at: datetime) -> Iterator[DeclarationError]:
    for name, flow in register.data_flows.items():
        where = f"data_flows.{name}"
        destination = register.destinations.get(flow.destination)
        if destination is None:
            yield DeclarationError(
                f"{where}.destination",
                "not a destination of the allow-list",
                "add it to destinations or correct the name",
            )
            continue
        if flow.third_party != destination.third_party:
            yield DeclarationError(
                f"{where}.third_party",
                "not the third party of its destination",
                "name the one the destination belongs to, or leave out both",
            )
        if flow.next_review < flow.last_reviewed:
            yield DeclarationError(f"{where}.next_review", "before the last", "correct a date")
        if flow.status is FlowStatus.ACTIVE:
            yield from _allowed(register, where, flow, destination, at)


def _allowed(
    register: Register, where: str, flow: DataFlow, destination: Destination, at: datetime
) -> Iterator[DeclarationError]:
    standards = [one for one in register.method_standards.values() if one.in_force(at)]
    for standard in standards:
        row = standard.allowance(flow.purpose, destination.kind, destination.exposure, flow.method)
        if row is None:
            yield DeclarationError(
                f"{where}.method",
                f"the standard {standard.version} does not allow {flow.method.value} for "
                f"{flow.purpose.value} to a {destination.kind.value} "
                f"({destination.exposure.value})",
                "choose a method that its allowances have, or freeze the flow",
            )
    if flow.third_party is not None and flow.third_party in register.third_parties:
        party = register.third_parties[flow.third_party]
        if flow.method not in party.methods or flow.purpose not in party.purposes:
            yield DeclarationError(
                where,
                "its method or purpose is not one that the third party's entry permits",
                "correct the flow, or amend the contract and then third_parties",
            )
    if flow.method is Method.DDG_AGGREGATE and destination.zone is not Zone.RELEASE:
        yield DeclarationError(
            f"{where}.destination",
            "takes no data of the release zone, where aggregates are",
            "name a destination with zone: release",
        )


def _code(register: Register) -> Iterator[DeclarationError]:
    for path, code in register.code_paths.items():
        if code.service not in register.services:
            yield DeclarationError(
                f"code_paths.{path}.service",
                "not a service of the register",
                "name the identity the code runs as, and add it to services",
            )
