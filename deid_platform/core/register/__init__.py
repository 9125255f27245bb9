"""The register that an agency declares: people, standards, flows, third parties, destinations.

Values and look-ups only. Files are read by `engine.register_files`; what is in force is for
`governance.register` to say.
"""

from deid_platform.core.register.flows import CodePath, DataFlow
from deid_platform.core.register.parties import Destination, ThirdParty
from deid_platform.core.register.people import (
    Person,
    RoleGrant,
    Service,
    TrainingModule,
    TrainingRecord,
)
from deid_platform.core.register.register import NAMESPACE, Register
from deid_platform.core.register.ssh_keys import SshKey
from deid_platform.core.register.standard import MethodStandard
from deid_platform.core.register.vocabulary import (
    DestinationKind,
    ElementClass,
    Exposure,
    FlowStatus,
    Method,
    Need,
    Permission,
    Purpose,
    Term,
)

__all__ = [
    "NAMESPACE",
    "CodePath",
    "DataFlow",
    "Destination",
    "DestinationKind",
    "ElementClass",
    "Exposure",
    "FlowStatus",
    "Method",
    "MethodStandard",
    "Need",
    "Permission",
    "Person",
    "Purpose",
    "Register",
    "RoleGrant",
    "Service",
    "SshKey",
    "Term",
    "ThirdParty",
    "TrainingModule",
    "TrainingRecord",
]
