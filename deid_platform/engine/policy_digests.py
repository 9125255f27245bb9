"""The digest of each policy of the deployment, as a method standard lists it."""

from __future__ import annotations

from collections.abc import Mapping

from deid_platform.engine.declarations import load_safe_harbor, read_yaml
from deid_platform.engine.deployment import Deployment
from deid_platform.engine.publications import load_policy


def policy_digests(deployment: Deployment) -> dict[str, str]:
    """Name and digest of each policy that may be used, by name.

    Raises:
        DeclarationError: a policy says what it may not.
    """
    found = {}
    for file in sorted(deployment.policies.glob("*.yaml")):
        declared = read_yaml(file)
        if not isinstance(declared, Mapping) or declared.get("status") == "superseded":
            continue
        if declared.get("method") == "safe_harbor":
            found[file.stem] = load_safe_harbor(deployment, file.stem).digest
        else:
            found[file.stem] = load_policy(file.stem, deployment).digest
    return found
