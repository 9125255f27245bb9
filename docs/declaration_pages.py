"""Pages on what an agency declares: transforms, contracts and Safe Harbor policies."""

from __future__ import annotations

import dataclasses
import inspect
from pathlib import Path
from typing import Any

from deid_platform.core.attributes import IdentifierClass
from deid_platform.core.columns import Column
from deid_platform.core.contract import Contract
from deid_platform.core.safe_harbor import SafeHarborPolicy
from deid_platform.core.transforms import TRANSFORMS, ColumnType, Transform
from deid_platform.core.zones import Zone
from deid_platform.engine.declarations import load_contracts, load_safe_harbor, read_yaml
from deid_platform.engine.deployment import Deployment
from docs.generate import prose, table

_CHECKOUT = Path(__file__).resolve().parents[1]


def pages() -> dict[str, str]:
    """The pages, by file name, on the declarations of this checkout."""
    shipped = Deployment(project=_CHECKOUT, home=_CHECKOUT / "var", environment={})
    return {
        "transforms.md": _transforms(),
        "contracts.md": _contracts(load_contracts(shipped)),
        "policies.md": _policies(shipped),
    }


def _transforms() -> str:
    return "\n\n".join(
        [
            "# Transforms",
            "A transform treats one column. A contract names it alone (`transform: keep`) or with "
            "options (`deidentified: {cap_age: {event: visit_date}}`). Every transform that has an "
            "output also takes `rename`, the name of the output column. The numbers that a policy "
            "fixes are not options.",
            *(_transform(name, TRANSFORMS[name]) for name in sorted(TRANSFORMS)),
        ]
    )


def _transform(name: str, transform: type[Transform]) -> str:
    options = [_option(field) for field in _options(transform)]
    accepts = (
        "any"
        if transform.accepts == frozenset(ColumnType)
        else ", ".join(kind.value for kind in ColumnType if kind in transform.accepts)
    )
    satisfies = ", ".join(one.value for one in IdentifierClass if one in transform.satisfies)
    facts = [
        ("options", ", ".join(options) or "none"),
        ("column types", accepts),
        ("meets Safe Harbor for", satisfies or "no identifier"),
    ]
    return "\n\n".join([f"## {name}", prose(inspect.getdoc(transform)), table(("", ""), facts)])


def _options(transform: type[Transform]) -> list[dataclasses.Field[Any]]:
    return [field for field in dataclasses.fields(transform) if field.name in transform.options]


def _option(field: dataclasses.Field[Any]) -> str:
    if field.default is dataclasses.MISSING:
        return f"`{field.name}` (required)"
    return f"`{field.name}`" if field.default is None else f"`{field.name}` ({field.default})"


def _contracts(contracts: dict[str, Contract]) -> str:
    identifiers = [(one.value, one.citation) for one in IdentifierClass]
    return "\n\n".join(
        [
            "# Contracts",
            "What each shipped source table holds, and what becomes of each column in the LIMITED "
            "and in the de-identified zone. A file with a column that its contract does not list "
            "is refused.",
            "\n".join(f"- [{name}](#{name})" for name in sorted(contracts)),
            *(_contract(contracts[name]) for name in sorted(contracts)),
            "## Identifier classes",
            "The 18 classes of Safe Harbor.",
            table(("class", "source"), identifiers),
        ]
    )


def _contract(contract: Contract) -> str:
    facts = [
        ("files", f"`landing/{contract.source.files}` ({', '.join(contract.source.formats)})"),
        ("person", f"`{contract.person}`" if contract.person else f"none: {contract.no_person}"),
        ("key", ", ".join(f"`{one}`" for one in contract.key) or "none"),
        ("partition", f"month of `{contract.partition}`" if contract.partition else "none"),
        ("owner, steward", f"{contract.owner}, {contract.steward}"),
        ("policy", contract.policy),
    ]
    rows = [
        (
            f"`{name}`",
            column.type.value,
            column.attribute_class.value,
            column.identifier.value if column.identifier else "",
            _treatment(name, column, Zone.LIMITED),
            _treatment(name, column, Zone.DEIDENTIFIED),
        )
        for name, column in contract.columns.items()
    ]
    header = ("column", "type", "class", "identifier", "LIMITED", "de-identified")
    return "\n\n".join(
        [f"## {contract.name}", contract.description, table(("", ""), facts), table(header, rows)]
    )


def _treatment(name: str, column: Column, zone: Zone) -> str:
    treatment = column.treatment(zone)
    given = treatment.spec()[treatment.name]
    options = ", ".join(_value(key, value) for key, value in given.items() if key != "rename")
    said = f"{treatment.name} ({options})" if options else treatment.name
    if not treatment.has_output:
        return said
    output = treatment.rename or name.lower()
    return said if output == name else f"{said} → `{output}`"


def _value(key: str, value: Any) -> str:
    if isinstance(value, (tuple, list)):
        return f"{key}: {len(value)} listed"
    return f"{key}: {value}"


def _policies(deployment: Deployment) -> str:
    policies: list[SafeHarborPolicy] = []
    disclosure: list[tuple[str, str]] = []
    for file in sorted(deployment.policies.glob("*.yaml")):
        declared = read_yaml(file)
        if declared.get("method") == "safe_harbor":
            policies.append(load_safe_harbor(deployment, file.stem))
        else:
            title = declared.get("title") or declared.get("description") or ""
            disclosure.append((f"`{file.stem}`", str(title)))
    return "\n\n".join(
        [
            "# Policies",
            "Contracts name a Safe Harbor policy, publications a disclosure policy. Both are YAML "
            "in `assets/policies/`.",
            *(_safe_harbor(policy) for policy in policies),
            "## Disclosure policies",
            table(("policy", "what it is"), disclosure),
            "`deid policy diff` lists the rules in which two of them differ.",
        ]
    )


def _safe_harbor(policy: SafeHarborPolicy) -> str:
    rows = [
        (
            f"`{name}`" + (" (in force)" if name == policy.zip3_profile else ""),
            profile.vintage,
            profile.basis,
            ", ".join(profile.restricted or ())
            or f"all but the {len(profile.allowed or ())} it allows",
        )
        for name, profile in policy.zip3_profiles.items()
    ]
    return "\n\n".join(
        [
            f"## {policy.name}, version {policy.version}",
            policy.description,
            f"Oldest age shown: {policy.oldest_age}; beyond it, one category.",
            "ZIP areas shown as `000`, by profile:",
            table(("profile", "vintage", "basis", "areas"), rows),
        ]
    )
