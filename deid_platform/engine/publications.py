"""Reads disclosure policies, and publications from the dbt manifest or a declaration file."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from deid_platform.core.declaration import parse_publication, validated
from deid_platform.core.faults import DeclarationFault, Fault
from deid_platform.core.policy import DdgPolicy
from deid_platform.core.policy_overlay import overlaid
from deid_platform.core.publication import Publication
from deid_platform.engine.deployment import Deployment
from deid_platform.engine.strict_yaml import parse_yaml


def load_policy(
    policy: str | Path, deployment: Deployment, *, superseded: bool = False
) -> DdgPolicy:
    """A disclosure policy by its name in the deployment, or by the path of its file.

    Args:
        policy: the name of a file in ``assets/policies``, or a path that ends in ``.yaml``.
        deployment: where policies and the population tables they name are.
        superseded: also give a policy that is kept for comparison only.

    Raises:
        DeclarationFault: there is no such policy, it may not be used, or its file is wrong.
    """
    loaded = validated(DdgPolicy, str(policy), _policy_block(str(policy), deployment, ()))
    if loaded.status == "superseded" and not superseded:
        raise DeclarationFault(
            Fault.UNKNOWN_POLICY,
            str(policy),
            "this policy is superseded and kept for comparison",
            "use a policy in force",
        )
    return loaded


def load_publications(manifest: Path) -> list[Publication]:
    """Every model of a dbt manifest that declares ``meta.publication``, by name.

    Raises:
        DeclarationFault: the manifest cannot be read, or a declaration is wrong.
    """
    try:
        nodes = json.loads(manifest.read_text("utf-8"))["nodes"]
    except (OSError, ValueError, KeyError, TypeError):
        raise DeclarationFault(
            Fault.UNREADABLE_FILE,
            str(manifest),
            "this is not a dbt manifest that can be read",
            "run `dbt parse` in the dbt project",
        ) from None
    publications = [
        _of_node(node)
        for node in nodes.values()
        if node.get("resource_type") == "model" and "publication" in _meta(node)
    ]
    return sorted(publications, key=lambda publication: publication.name)


def find_publication(name: str, publications: list[Publication]) -> Publication:
    """The publication of that name.

    Raises:
        DeclarationFault: there is none.
    """
    for publication in publications:
        if publication.name == name:
            return publication
    raise DeclarationFault(
        Fault.NO_PUBLICATION,
        name,
        "no publication of that name in the dbt manifest",
        "see `deid status` for those there are, or give a file and --declare",
    )


def load_declaration(file: Path) -> Publication:
    """A publication from a declaration file, with or without a ``publication:`` key on top.

    Raises:
        DeclarationFault: the file cannot be read or says something it may not.
    """
    block = read_mapping(file)
    if set(block) == {"publication"}:
        block = block["publication"]
    return parse_publication(file.name, block, name=file.stem, policy="calhhs_ddg_2")


def read_mapping(file: Path) -> dict[str, Any]:
    """The mapping that a YAML file holds.

    Raises:
        DeclarationFault: it is missing, no YAML, or no mapping.
    """
    try:
        value = parse_yaml(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError):
        raise DeclarationFault(
            Fault.UNREADABLE_FILE, str(file), "cannot be read as UTF-8 text", "check its path"
        ) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" at line {mark.line + 1}" if mark is not None else ""
        raise DeclarationFault(
            Fault.UNREADABLE_FILE, str(file), f"not valid YAML{line}", "correct it"
        ) from None
    if not isinstance(value, dict):
        raise DeclarationFault(
            Fault.NOT_A_MAPPING, str(file), "not a mapping", "write keys and values"
        )
    return value


def _policy_block(policy: str, deployment: Deployment, seen: tuple[str, ...]) -> dict[str, Any]:
    file = Path(policy) if policy.endswith((".yaml", ".yml")) else _named(policy, deployment)
    if str(file) in seen:
        raise DeclarationFault(
            Fault.OVERLAY_LOOP, str(file), "the overlay extends itself", "extend a base policy"
        )
    if not file.is_file():
        raise DeclarationFault(
            Fault.UNKNOWN_POLICY, policy, "no such policy", f"see {deployment.policies}"
        )
    block = read_mapping(file)
    if "extends" in block:
        base = _policy_block(str(block["extends"]), deployment, (*seen, str(file)))
        return overlaid(policy, base, block)
    references = block.get("references")
    if isinstance(references, Mapping):
        filled = {
            name: _with_file(policy, reference, deployment)
            for name, reference in references.items()
        }
        return {**block, "references": filled}
    return block


def _named(policy: str, deployment: Deployment) -> Path:
    if not policy.replace("_", "").replace("-", "").isalnum():
        raise DeclarationFault(
            Fault.UNKNOWN_POLICY, "policy", "that is no name of a policy", "give a name or a path"
        )
    return deployment.policies / f"{policy}.yaml"


def _with_file(policy: str, reference: Any, deployment: Deployment) -> Any:
    """Fill in the populations of a reference that lives in a file, if the file is unchanged."""
    source = reference.get("file") if isinstance(reference, Mapping) else None
    if not isinstance(source, Mapping):
        return reference
    path = deployment.project / str(source.get("path", ""))
    try:
        content = path.read_bytes()
    except OSError:
        raise DeclarationFault(
            Fault.UNREADABLE_FILE, f"{policy}: {path}", "cannot be read", "check its path"
        ) from None
    if hashlib.sha256(content).hexdigest() != source.get("sha256"):
        raise DeclarationFault(
            Fault.UNKNOWN_REFERENCE,
            f"{policy}: {source.get('path')}",
            "the population table is not the one that the policy was approved with",
            "restore it, or approve its new digest in the policy",
        )
    where = dict(source.get("where") or {})
    try:
        rows = list(csv.DictReader(io.StringIO(content.decode("utf-8"))))
        populations = {
            row[source["label_column"]]: {"estimate": int(row[source["population_column"]])}
            for row in rows
            if all(row[column] == value for column, value in where.items())
        }
    except (ValueError, KeyError, csv.Error):
        raise DeclarationFault(
            Fault.UNKNOWN_REFERENCE,
            f"{policy}: {source.get('path')}",
            "not a table with those columns and whole numbers",
            "correct the reference in the policy",
        ) from None
    return {**reference, "populations": populations}


def _meta(node: Mapping[str, Any]) -> Mapping[str, Any]:
    meta = (node.get("config") or {}).get("meta") or node.get("meta") or {}
    return meta if isinstance(meta, Mapping) else {}


def _of_node(node: Mapping[str, Any]) -> Publication:
    columns = {
        name: {
            "description": (column.get("description") or "").strip(),
            "type": column.get("data_type") or "",
        }
        for name, column in (node.get("columns") or {}).items()
    }
    return parse_publication(
        str(node["name"]),
        _meta(node)["publication"],
        name=node["name"],
        description=(node.get("description") or "").strip(),
        columns=columns,
        sources=tuple(sorted((node.get("depends_on") or {}).get("nodes", ()))),
    )
