"""The closed sets and the field types that the register is declared in."""

from __future__ import annotations

from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints

from deid_platform.core.errors import AuthorisationError
from deid_platform.core.workflow import Identity


class Method(StrEnum):
    """How a dataset is made safe for its use."""

    SAFE_HARBOR = "safe_harbor"
    EXPERT_DETERMINATION = "expert_determination"
    DDG_AGGREGATE = "ddg_aggregate"
    LIMITED_DATA_SET = "limited_data_set"


class Purpose(StrEnum):
    """What data are used for, beyond care: the rows of the allowance matrix."""

    ANALYTICS = "analytics"
    RESEARCH = "research"
    QUALITY = "quality"
    PRODUCT_DEVELOPMENT = "product_development"
    MODEL_TRAINING = "model_training"
    TEST_DATA = "test_data"
    REPORTING = "reporting"
    EXCHANGE = "exchange"
    PUBLIC_RELEASE = "public_release"


class Need(StrEnum):
    """What a request needs that decides its method."""

    DATES = "dates"
    FINER_GEOGRAPHY = "finer_geography"
    RARE_CONDITIONS = "rare_conditions"
    FREE_TEXT = "free_text"
    OTHER_UTILITY = "other_utility"


class DestinationKind(StrEnum):
    """What kind of place data go to: the columns of the allowance matrix."""

    WAREHOUSE = "warehouse"
    BI_PLATFORM = "bi_platform"
    RESEARCH_ENCLAVE = "research_enclave"
    SFTP = "sftp"
    BUCKET = "bucket"
    FOLDER = "folder"
    PORTAL = "portal"


class Exposure(StrEnum):
    """Who is behind a destination."""

    INTERNAL = "internal"
    THIRD_PARTY = "third_party"
    PUBLIC = "public"


class SourceSystem(StrEnum):
    """Where the data of a flow come from."""

    EHR = "ehr"
    CLAIMS = "claims"
    CRM = "crm"
    PATIENT_PORTAL = "patient_portal"
    CALL_CENTER = "call_center"
    OTHER = "other"


class ExportMechanism(StrEnum):
    """How data leave their source."""

    QUERY = "query"
    JOB = "job"
    EXTRACT = "extract"
    API = "api"


class FlowStatus(StrEnum):
    """Whether a data flow may be used."""

    ACTIVE = "active"
    FROZEN = "frozen"
    RETIRED = "retired"


class ElementClass(StrEnum):
    """What a data element is; a contract's attribute classes, and figures."""

    DIRECT_IDENTIFIER = "direct_identifier"
    QUASI_IDENTIFIER = "quasi_identifier"
    FREE_TEXT = "free_text"
    SENSITIVE = "sensitive"
    MEASURE = "measure"


class Term(StrEnum):
    """What a contract with a third party must settle, each with its clause (section 8)."""

    ALLOWED_USES = "allowed_uses"
    NO_REIDENTIFICATION = "no_reidentification"
    NO_CONTACT = "no_contact"
    ONWARD_DISCLOSURE = "onward_disclosure"
    INCIDENT_NOTIFICATION = "incident_notification"
    SAFEGUARDS = "safeguards"
    AUDIT_RIGHT = "audit_right"
    RETURN_OR_DESTRUCTION = "return_or_destruction"
    AB_713 = "ab_713"


class Permission(StrEnum):
    """What a code path may do; a zone is read or written by nothing else."""

    READ_RAW = "read_raw"
    WRITE_RAW = "write_raw"
    READ_LIMITED = "read_limited"
    WRITE_LIMITED = "write_limited"
    READ_DEIDENTIFIED = "read_deidentified"
    WRITE_DEIDENTIFIED = "write_deidentified"
    WRITE_RELEASE = "write_release"
    EXPORT = "export"


def _person(text: str) -> str:
    try:
        identity = Identity.parse(text)
    except AuthorisationError:
        raise ValueError("not the name of a person") from None
    if not identity.is_person:
        raise ValueError("a person is meant here, not a service")
    return identity.name


def _one_line(text: str) -> str:
    joined = " ".join(text.split())
    if not joined or len(joined) > 900 or not joined.isprintable():
        raise ValueError("between 1 and 900 printable characters")
    return joined


Line = Annotated[str, AfterValidator(_one_line)]
"""Text that the ledger can hold: printable, its line breaks folded."""

PersonName = Annotated[str, AfterValidator(_person)]
"""A person, by name or alias, with or without ``person:``."""

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]*([_-][a-z0-9]+)*$", max_length=60)]
"""The name of an entry: what other entries refer to it by."""

EnvironmentVariable = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]{2,60}$")]
"""The name of a variable; its value, perhaps a secret, is no part of the register."""

Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class Entry(BaseModel):
    """Base of everything declared in the register."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


def day(at: datetime) -> date:
    """The day, in UTC, that a time falls on; every date of the register is one."""
    return at.astimezone(UTC).date()
