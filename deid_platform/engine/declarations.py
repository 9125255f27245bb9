"""Reads contracts and Safe Harbor policies from the deployment's YAML files.

A file is one contract, named after it. The set is checked as a set: policies and referenced
tables exist, and a reference crosses to the same surrogate domain.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pydantic
import yaml

from deid_platform.core.contract import Contract, first_of, validation_errors
from deid_platform.core.errors import DeclarationError
from deid_platform.core.safe_harbor import SafeHarborPolicy
from deid_platform.engine.deployment import Deployment
from deid_platform.engine.strict_yaml import parse_yaml


def read_yaml(file: Path) -> Any:
    """The content of one YAML file.

    Raises:
        DeclarationError: it cannot be read, is not YAML, or gives a key twice.
    """
    try:
        return parse_yaml(file.read_text("utf-8"))
    except OSError:
        raise DeclarationError(file.name, "the file cannot be read", "check its mode") from None
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        mark = getattr(error, "problem_mark", None)
        what = getattr(error, "problem", None) or "this is not YAML in UTF-8"
        line = f"{file.name}: line {mark.line + 1}" if mark else file.name
        raise DeclarationError(line, what, "correct the file") from None


def load_contract(file: Path) -> Contract:
    """One contract; what other files say about it is not checked.

    Raises:
        DeclarationError: the contract says what it may not, or is named unlike its file.
    """
    contract = Contract.parse(read_yaml(file), where=file.name)
    if contract.name != file.stem:
        raise DeclarationError(
            f"{file.name}: name", "the file and the contract have two names", "give them one"
        )
    return contract


def load_contracts(deployment: Deployment) -> dict[str, Contract]:
    """Every contract of the deployment, by name.

    Raises:
        DeclarationError: a contract says what it may not, or two do not fit together.
    """
    contracts = {file.stem: load_contract(file) for file in contract_files(deployment)}
    problems = list(set_problems(deployment, contracts))
    if problems:
        raise first_of(problems)
    return contracts


def contract_files(deployment: Deployment) -> list[Path]:
    """The contract files of the deployment, in order of name."""
    return sorted(deployment.contracts.glob("*.yaml"))


def load_safe_harbor(deployment: Deployment, name: str = "safe_harbor") -> SafeHarborPolicy:
    """The Safe Harbor policy a contract names.

    Raises:
        DeclarationError: there is none, or it says what it may not.
    """
    file = deployment.policies / f"{name}.yaml"
    if not file.is_file():
        raise DeclarationError(name, "there is no such policy", f"add policies/{name}.yaml")
    declared = read_yaml(file)
    if not isinstance(declared, Mapping) or declared.get("method") != "safe_harbor":
        raise DeclarationError(
            name,
            "this is no Safe Harbor policy, and contracts have no other method yet",
            "name a policy with method: safe_harbor",
        )
    try:
        policy = SafeHarborPolicy.model_validate(declared)
    except pydantic.ValidationError as error:
        raise first_of(validation_errors(name, error)) from None
    if policy.name != name:
        raise DeclarationError(name, "the policy is named unlike its file", "give them one name")
    return policy


def set_problems(
    deployment: Deployment, contracts: Mapping[str, Contract]
) -> Iterator[DeclarationError]:
    """What is wrong between contracts: policies, references, files claimed twice."""
    for policy in sorted({contract.policy for contract in contracts.values()}):
        try:
            load_safe_harbor(deployment, policy)
        except DeclarationError as error:
            yield error
    claimed: dict[str, str] = {}
    for contract in contracts.values():
        other = claimed.setdefault(contract.source.files, contract.name)
        if other != contract.name:
            yield DeclarationError(
                f"{contract.name}: source.files", f"{other} claims the same files", "change one"
            )
        yield from _reference_problems(contract, contracts)


def _reference_problems(
    contract: Contract, contracts: Mapping[str, Contract]
) -> Iterator[DeclarationError]:
    for name, column in contract.columns.items():
        if column.references is None:
            continue
        where = f"{contract.name}: columns.{name}: references"
        table, _, target = column.references.partition(".")
        referenced = contracts.get(table)
        if referenced is None or target not in referenced.columns:
            yield DeclarationError(where, f"there is no {column.references}", "correct the name")
        elif referenced.system != contract.system:
            yield DeclarationError(
                where, f"{table} is of another system", "reference a table of the same system"
            )
        elif contract.surrogates.get(name) != referenced.surrogates.get(target):
            yield DeclarationError(
                where,
                f"its surrogates would not join those of {column.references}",
                "give both the same domain",
            )
