"""What Safe Harbor did to a table, column by column: the value that governance records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from deid_platform.core.attributes import AttributeClass, IdentifierClass
from deid_platform.core.contract import Contract
from deid_platform.core.safe_harbor import SafeHarborPolicy
from deid_platform.core.zones import Zone

_ALSO = {
    "surrogate": "45 CFR 164.514(c)",
    "zip3": "45 CFR 164.514(b)(2)(i)(B)",
}


@dataclass(frozen=True, kw_only=True)
class ColumnTreatment:
    """One source column: what it is, what was done, under which rule, and what is left."""

    column: str
    attribute_class: AttributeClass
    identifier: IdentifierClass | None
    action: str
    parameters: dict[str, Any]
    rule: str | None
    output: str | None
    not_identifier: str | None


@dataclass(frozen=True, kw_only=True)
class SafeHarborAttestation:
    """The removal of all 18 identifiers from one table, 45 CFR 164.514(b)(2)(i).

    The other half of the method, that nobody has actual knowledge that what is left could
    identify somebody (paragraph (ii)), is a person's statement and no part of this.
    """

    contract: str
    contract_version: int
    contract_digest: str
    policy: str
    policy_version: int
    policy_digest: str
    oldest_age: int
    zip3_profile: str
    zip3_vintage: str
    zip3_digest: str
    reference_year: int | None
    treatments: tuple[ColumnTreatment, ...]


def attest(
    contract: Contract, policy: SafeHarborPolicy, reference_year: int | None
) -> SafeHarborAttestation:
    """The attestation of a contract under a policy, for the DEIDENTIFIED zone."""
    return SafeHarborAttestation(
        contract=contract.name,
        contract_version=contract.version,
        contract_digest=contract.digest,
        policy=policy.name,
        policy_version=policy.version,
        policy_digest=policy.digest,
        oldest_age=policy.oldest_age,
        zip3_profile=policy.zip3_profile,
        zip3_vintage=policy.zip3.vintage,
        zip3_digest=policy.zip3.digest,
        reference_year=reference_year,
        treatments=tuple(_treatments(contract)),
    )


def _treatments(contract: Contract) -> list[ColumnTreatment]:
    treatments = []
    for name, column in contract.columns.items():
        treatment = column.treatment(Zone.DEIDENTIFIED)
        output = contract.output_of(name, Zone.DEIDENTIFIED)
        rule = column.identifier.citation if column.identifier else None
        treatments.append(
            ColumnTreatment(
                column=name,
                attribute_class=column.attribute_class,
                identifier=column.identifier,
                action=treatment.name,
                parameters=treatment.spec()[treatment.name],
                rule="; ".join(filter(None, (rule, _ALSO.get(treatment.name)))) or None,
                output=output.name if output else None,
                not_identifier=column.not_identifier,
            )
        )
    return treatments
