"""What tells one declaration from another: a digest of its content, not of its layout."""

from __future__ import annotations

import hashlib
import json


def canonical_digest(value: object) -> str:
    """SHA-256 of a plain value's canonical JSON: sorted keys, no blanks, UTF-8."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
