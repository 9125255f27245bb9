"""The signed statement of a release: in-toto Statement v1 in a DSSE envelope, Ed25519.

Source: in-toto Attestation Framework, Statement v1; DSSE 1.0.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from deid_platform.core.errors import EvidenceError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from securesystemslib.signer import SSlibKey

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "urn:deid-platform:release-evidence:v1"


def statement(subjects: Mapping[str, str], predicate: Mapping[str, Any]) -> dict[str, Any]:
    """An in-toto statement about files, each with its SHA-256."""
    return {
        "_type": STATEMENT_TYPE,
        "subject": [
            {"name": name, "digest": {"sha256": digest}}
            for name, digest in sorted(subjects.items())
        ],
        "predicateType": PREDICATE_TYPE,
        "predicate": dict(predicate),
    }


def sign(stated: Mapping[str, Any], key: Ed25519PrivateKey) -> bytes:
    """The envelope's JSON text."""
    from securesystemslib.dsse import Envelope
    from securesystemslib.signer import CryptoSigner

    payload = json.dumps(stated, sort_keys=True, separators=(",", ":")).encode()
    envelope = Envelope(payload, PAYLOAD_TYPE, {})
    envelope.sign(CryptoSigner(key))
    return (json.dumps(envelope.to_dict(), indent=2, sort_keys=True) + "\n").encode()


def public_text(key: Ed25519PrivateKey) -> str:
    """The public half, 32 bytes in base64, as the ledger records it."""
    return base64.b64encode(key.public_key().public_bytes_raw()).decode()


def opened(envelope: bytes, public: str) -> dict[str, Any]:
    """The statement in an envelope, once its signature is verified.

    Args:
        envelope: the JSON text.
        public: the one key that may have signed it, as `public_text` writes it.

    Raises:
        EvidenceError: it is no such envelope, or that key did not sign exactly this.
    """
    from securesystemslib.dsse import Envelope
    from securesystemslib.exceptions import Error

    try:
        parsed = Envelope.from_dict(json.loads(envelope))
        if parsed.payload_type != PAYLOAD_TYPE:
            raise ValueError
        parsed.verify([_key(public)], 1)
        stated = json.loads(parsed.payload)
        if stated["_type"] != STATEMENT_TYPE or stated["predicateType"] != PREDICATE_TYPE:
            raise ValueError
    except (Error, ValueError, KeyError, TypeError, AttributeError):
        raise EvidenceError(
            "attestation",
            "its signature is not that of the platform's key over this statement",
            "the packet was changed, or signed by another key than the ledger names",
        ) from None
    return dict(stated)


def _key(public: str) -> SSlibKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from securesystemslib.signer import SSlibKey

    raw = base64.b64decode(public, validate=True)
    return SSlibKey.from_crypto(Ed25519PublicKey.from_public_bytes(raw))
