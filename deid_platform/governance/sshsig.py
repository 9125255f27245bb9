"""OpenSSH's signature format: reading an armored signature, and verifying it without a program.

Equal to ``ssh-keygen -Y verify`` but for two things that are stricter here: a security key must
have been touched, and hashes other than SHA-512 and SHA-256 are refused before anything is read.

Source: OpenSSH, PROTOCOL.sshsig and PROTOCOL.u2f.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import struct
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from deid_platform.core.register.ssh_keys import ACCEPTED, key_fields

_MAGIC = b"SSHSIG"
_BEGIN, _END = "-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----"
_LONGEST = 16_384
_DIGESTS = {b"sha512": hashlib.sha512, b"sha256": hashlib.sha256}
_CURVES: dict[bytes, tuple[ec.EllipticCurve, hashes.HashAlgorithm]] = {
    b"nistp256": (ec.SECP256R1(), hashes.SHA256()),
    b"nistp384": (ec.SECP384R1(), hashes.SHA384()),
    b"nistp521": (ec.SECP521R1(), hashes.SHA512()),
}
_RSA: dict[bytes, hashes.HashAlgorithm] = {
    b"rsa-sha2-256": hashes.SHA256(),
    b"rsa-sha2-512": hashes.SHA512(),
}
_TOUCHED = 0x01


@dataclass(frozen=True, kw_only=True)
class SshSignature:
    """The parts of a signature. The key is whose it claims to be; nothing is verified yet."""

    public_key: bytes
    namespace: str
    hash_algorithm: bytes
    signature: bytes

    @classmethod
    def parse(cls, armored: str) -> SshSignature:
        """Read the text between the lines of an armored signature.

        Raises:
            ValueError: it is no such text, or of a form that is not accepted.
        """
        lines = armored.strip().splitlines()
        if len(armored) > _LONGEST or lines[:1] != [_BEGIN] or lines[-1:] != [_END]:
            raise ValueError("not an armored SSH signature")
        try:
            blob = base64.b64decode("".join(lines[1:-1]), validate=True)
        except binascii.Error:
            raise ValueError("not an armored SSH signature") from None
        if blob[:6] != _MAGIC or blob[6:10] != struct.pack(">I", 1):
            raise ValueError("not an SSH signature of version 1")
        parts = key_fields(blob[10:])
        if len(parts) != 5 or parts[3] not in _DIGESTS or parts[2]:
            raise ValueError("not an SSH signature of a known form")
        key, namespace, _, algorithm, signature = parts
        try:
            name = namespace.decode("ascii")
        except UnicodeDecodeError:
            raise ValueError("not an SSH signature of a known form") from None
        return cls(public_key=key, namespace=name, hash_algorithm=algorithm, signature=signature)

    def verifies(self, payload: bytes) -> bool:
        """Whether the key it names signed exactly these bytes, in its namespace."""
        digest = _DIGESTS[self.hash_algorithm](payload).digest()
        signed = _MAGIC + b"".join(
            struct.pack(">I", len(part)) + part
            for part in (self.namespace.encode("ascii"), b"", self.hash_algorithm, digest)
        )
        try:
            _verify(self.public_key, self.signature, signed)
        except (InvalidSignature, ValueError):
            return False
        return True


def _verify(key: bytes, signature: bytes, signed: bytes) -> None:
    fields = key_fields(key)
    kind = fields[0].decode("ascii", "replace") if fields else ""
    if kind not in ACCEPTED:
        raise ValueError("a key type that may not sign")
    if kind.startswith("sk-"):
        algorithm, value, rest = _hardware_parts(signature)
        flags, counter = rest[:1], rest[1:]
        if len(rest) != 5 or not flags[0] & _TOUCHED:
            raise ValueError("the security key was not touched")
        application = fields[-1]
        signed = (
            hashlib.sha256(application).digest() + flags + counter + hashlib.sha256(signed).digest()
        )
    else:
        parts = key_fields(signature)
        if len(parts) != 2:
            raise ValueError("not a signature")
        algorithm, value = parts
    if kind == "ssh-rsa":
        _verify_rsa(fields, algorithm, value, signed)
    elif algorithm.decode("ascii", "replace") != kind:
        raise ValueError("a signature of another type than its key")
    elif "ed25519" in kind:
        ed25519.Ed25519PublicKey.from_public_bytes(fields[1]).verify(value, signed)
    else:
        _verify_ecdsa(fields, value, signed)


def _hardware_parts(signature: bytes) -> tuple[bytes, bytes, bytes]:
    """The type, the signature proper, and what follows: one byte of flags, four of a counter."""
    if len(signature) < 5:
        raise ValueError("cut short")
    algorithm, value = key_fields(signature[:-5])
    return algorithm, value, signature[-5:]


def _verify_rsa(fields: list[bytes], algorithm: bytes, value: bytes, signed: bytes) -> None:
    if len(fields) != 3 or algorithm not in _RSA:
        raise ValueError("an RSA signature of a kind that is not accepted")
    exponent, modulus = int.from_bytes(fields[1]), int.from_bytes(fields[2])
    size = (modulus.bit_length() + 7) // 8
    key = rsa.RSAPublicNumbers(exponent, modulus).public_key()
    key.verify(value.rjust(size, b"\0"), signed, padding.PKCS1v15(), _RSA[algorithm])


def _verify_ecdsa(fields: list[bytes], value: bytes, signed: bytes) -> None:
    curve, algorithm = _CURVES.get(fields[1], (None, None))
    if curve is None or algorithm is None or not fields[0].endswith(_suffix(fields)):
        raise ValueError("a curve that is not accepted")
    r, s = (int.from_bytes(part, signed=True) for part in key_fields(value))
    key = ec.EllipticCurvePublicKey.from_encoded_point(curve, fields[2])
    key.verify(encode_dss_signature(r, s), signed, ec.ECDSA(algorithm))


def _suffix(fields: list[bytes]) -> bytes:
    return fields[1] + (b"@openssh.com" if fields[0].startswith(b"sk-") else b"")
