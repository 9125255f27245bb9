from __future__ import annotations

import base64
import hashlib
import os
import pickle
import struct
import subprocess
import textwrap
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from deid_platform.core.errors import ToolError
from deid_platform.core.register import NAMESPACE, Register
from deid_platform.core.workflow import Role
from deid_platform.governance.chain import GENESIS
from deid_platform.governance.signatures import (
    Decision,
    Rule,
    SignatureError,
    check_signed,
    verify,
)
from deid_platform.governance.signing import sign
from tests.support.register import Office, make_key, now, office


@pytest.fixture(scope="session")
def here(tmp_path_factory) -> Office:
    return office(tmp_path_factory.mktemp("office"))


def approval(here: Office, **changes) -> Decision:
    values = {
        "request": "req-1",
        "step": "release_approval",
        "decision": "approve",
        "person": "person:ben.cho",
        "role": Role.DATA_STEWARD.value,
        "at": now().isoformat(),
        "ledger": GENESIS,
        "register_digest": here.register.digest,
        "fingerprints": {"candidate": "a" * 64},
    }
    return Decision(**{**values, **changes})


def edited(here: Office, name: str, **fields) -> Register:
    """The register with fields of a person's first key, role or training changed."""

    def change(content):
        person = content["people"][name]
        for path, value in fields.items():
            section, _, field = path.partition("__")
            person[section][0][field] = value

    return here.changed(change)


def rule_of(call, *args, **kwargs) -> Rule:
    with pytest.raises(SignatureError) as raised:
        call(*args, **kwargs)
    assert pickle.loads(pickle.dumps(raised.value)).rule is raised.value.rule
    assert raised.value.rule.value in str(raised.value)
    return raised.value.rule


def checked(here, decision, signature=None, register=None, at=None, ledger=GENESIS):
    return check_signed(
        decision,
        signature or here.sign(decision),
        register or here.register,
        at or now(),
        ledger=ledger,
    )


def test_a_decision_signed_by_its_person_counts(here):
    decision = approval(here)
    key = checked(here, decision)
    assert str(key.person) == "person:ben.cho"
    assert Decision.of(decision.plain()) == decision


@pytest.mark.parametrize(
    "changes",
    [
        {"request": "req-2"},
        {"step": "legal"},
        {"decision": "reject"},
        {"person": "person:gus.ortiz"},
        {"role": "validator"},
        {"fingerprints": {"candidate": "b" * 64}},
        {"fingerprints": {}},
        {"policy_digest": "c" * 64},
        {"conditions": ("none",)},
        {"answers": {"minimum_necessary": "no"}},
        {"reason": "another"},
    ],
    ids=str,
)
def test_a_decision_changed_after_it_was_signed_does_not_count(here, changes):
    decision = approval(here)
    signature = here.sign(decision)
    rule = rule_of(checked, here, replace(decision, **changes), signature)
    assert rule is (Rule.OTHER_PERSON if "person" in changes else Rule.TAMPERED)


@pytest.mark.parametrize(
    "broken",
    [
        "",
        "no signature",
        "-----BEGIN SSH SIGNATURE-----\n-----END SSH SIGNATURE-----",
        "-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----",
        "-----BEGIN SSH SIGNATURE-----\nU1NIU0lHAAAAAgAAAA==\n-----END SSH SIGNATURE-----",
    ],
)
def test_what_is_no_signature_is_malformed(here, broken):
    payload = approval(here).payload()
    assert rule_of(verify, payload, broken, "ben.cho", here.register, now()) is Rule.MALFORMED


def test_a_signature_with_any_character_changed_does_not_count(here):
    decision = approval(here)
    signature = here.sign(decision)
    body = signature.index("\n") + 1
    for place in range(body, len(signature) - 30, 7):
        if signature[place] == "\n":
            continue
        other = "A" if signature[place] != "A" else "B"
        changed = signature[:place] + other + signature[place + 1 :]
        with pytest.raises(SignatureError):
            verify(decision.payload(), changed, "ben.cho", here.register, now())


def test_a_signature_of_another_namespace_does_not_count(here):
    decision = approval(here)
    signature = sign(decision.payload(), here.key("ben.cho"), namespace="git")
    assert rule_of(checked, here, decision, signature) is Rule.WRONG_NAMESPACE


def test_a_key_of_somebody_else_does_not_count(here):
    decision = approval(here)
    assert rule_of(checked, here, decision, here.sign(decision, "ana.ruiz")) is Rule.OTHER_PERSON


def test_a_key_that_is_not_registered_does_not_count(here, tmp_path):
    make_key(tmp_path / "new")
    decision = approval(here)
    signature = sign(decision.payload(), tmp_path / "new")
    assert rule_of(checked, here, decision, signature) is Rule.KEY_UNKNOWN


def test_a_person_who_is_not_registered_decides_nothing(here):
    decision = approval(here, person="person:nobody.here")
    signature = here.sign(decision, "ben.cho")
    assert rule_of(checked, here, decision, signature) is Rule.PERSON_UNKNOWN


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"keys__valid_until": "2026-01-01"}, Rule.EXPIRED),
        ({"keys__valid_from": "2035-01-01"}, Rule.NOT_YET_VALID),
        ({"keys__revoked_at": "2026-01-01T00:00:00Z"}, Rule.REVOKED),
        ({"roles__until": "2026-01-01"}, Rule.ROLE_NOT_HELD),
        ({"roles__since": "2035-01-01"}, Rule.ROLE_NOT_HELD),
        ({"trainings__expires": "2026-01-01"}, Rule.TRAINING),
        ({"trainings__version": 1}, Rule.TRAINING),
        ({"trainings__role": "validator"}, Rule.TRAINING),
    ],
    ids=str,
)
def test_a_key_role_or_training_that_does_not_hold_is_named(here, fields, rule):
    register = edited(here, "ben.cho", **fields)
    decision = approval(here, register_digest=register.digest)
    assert rule_of(checked, here, decision, register=register) is rule


def test_a_key_counts_through_its_last_second_and_not_after(here):
    register = edited(here, "ben.cho", keys__valid_until="2026-03-31")
    last = datetime(2026, 3, 31, 23, 59, 59, tzinfo=UTC)
    decision = approval(here, register_digest=register.digest, at=last.isoformat())
    signature = here.sign(decision)
    assert checked(here, decision, signature, register, last)
    late = last + timedelta(seconds=1)
    assert rule_of(checked, here, decision, signature, register, late) is Rule.EXPIRED


def test_a_role_that_the_person_does_not_hold_is_refused(here):
    assert rule_of(checked, here, approval(here, role="legal")) is Rule.ROLE_NOT_HELD


def test_a_decision_counts_in_one_ledger_under_one_register_at_its_time(here):
    decision = approval(here)
    assert rule_of(checked, here, decision, ledger="1" * 64) is Rule.OTHER_LEDGER
    register = edited(here, "ana.ruiz", roles__until="2030-01-01")
    assert rule_of(checked, here, decision, register=register) is Rule.OTHER_REGISTER
    for at in (now() + timedelta(days=8), now() - timedelta(hours=1)):
        assert rule_of(checked, here, decision, at=at) is Rule.OTHER_TIME
    assert rule_of(checked, here, approval(here, at="yesterday")) is Rule.OTHER_TIME
    assert rule_of(checked, here, approval(here, at="2026-01-01T00:00:00")) is Rule.OTHER_TIME


def test_an_agent_signs_for_the_public_key(here, tmp_path, monkeypatch):
    public = tmp_path / "ben.pub"
    public.write_text(here.key("ben.cho").with_name("ben.cho.pub").read_text())
    decision = approval(here)
    with pytest.raises(ToolError, match="did not sign"):
        sign(decision.payload(), public)
    socket = tmp_path / "agent"
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.DEVNULL)
    try:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
        for _ in range(100):
            if socket.exists():
                break
            subprocess.run(["sleep", "0.05"], check=True)
        subprocess.run(["ssh-add", "-q", here.key("ben.cho")], check=True, capture_output=True)
        assert checked(here, decision, sign(decision.payload(), public))
    finally:
        agent.terminate()
        agent.wait(timeout=10)


def test_a_key_with_a_passphrase_and_no_agent_is_an_error_that_says_so(tmp_path, monkeypatch):
    make_key(tmp_path / "locked", passphrase="correct horse")
    monkeypatch.setenv("SSH_ASKPASS_REQUIRE", "never")
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    with pytest.raises(ToolError, match="ssh-add"):
        sign(b"x", tmp_path / "locked")


def test_a_missing_key_or_program_is_an_error(tmp_path, monkeypatch):
    with pytest.raises(ToolError, match="no such key file"):
        sign(b"x", tmp_path / "none")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolError, match="install OpenSSH"):
        sign(b"x", tmp_path / "none")


def by_ssh_keygen(
    folder: Path, register: Register, who: str, payload: bytes, signature: str, at: datetime
) -> bool:
    """Whether ``ssh-keygen -Y verify`` accepts a signature by the same register."""
    (folder / "allowed").write_text(register.allowed_signers(at))
    (folder / "revoked").write_text(register.revoked_keys(at))
    (folder / "signature").write_text(signature)
    done = subprocess.run(
        [
            *("ssh-keygen", "-Y", "verify", "-n", NAMESPACE, "-f", str(folder / "allowed")),
            *("-I", f"person:{who}", "-s", str(folder / "signature")),
            *("-r", str(folder / "revoked"), "-O", f"verify-time={at:%Y%m%d%H%M%S}"),
        ],
        input=payload,
        capture_output=True,
        env={**os.environ, "TZ": "UTC"},
        check=False,
    )
    return done.returncode == 0


def by_us(register, who, payload, signature, at) -> bool:
    try:
        verify(payload, signature, who, register, at)
    except SignatureError:
        return False
    return True


KINDS = {
    "ed25519": ("ed25519",),
    "ecdsa-256": ("ecdsa", "-b", "256"),
    "ecdsa-384": ("ecdsa", "-b", "384"),
    "ecdsa-521": ("ecdsa", "-b", "521"),
    "rsa": ("rsa", "-b", "3072"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_we_accept_exactly_what_ssh_keygen_accepts(here, tmp_path, kind):
    name, *bits = KINDS[kind]
    file = tmp_path / "key"
    subprocess.run(
        ["ssh-keygen", "-q", "-t", name, *bits, "-N", "", "-f", str(file)],
        check=True,
        capture_output=True,
    )
    register = edited(
        here,
        "ben.cho",
        keys__public=file.with_name("key.pub").read_text().strip(),
        keys__valid_from="2026-01-01",
        keys__valid_until="2026-06-30",
        keys__revoked_at="2026-05-01T12:00:00Z",
    )
    payload = approval(here).payload()
    signature = sign(payload, file)
    lines = signature.splitlines()
    tampered = [signature]
    for number in (2, len(lines) // 2, len(lines) - 2):
        line = lines[number]
        swapped = ("B" if line[0] == "A" else "A") + line[1:]
        tampered.append("\n".join([*lines[:number], swapped, *lines[number + 1 :]]) + "\n")
    verdicts = set()
    for at in (
        datetime(2025, 12, 31, 23, 59, 59, tzinfo=UTC),
        datetime(2026, 1, 1, tzinfo=UTC),
        datetime(2026, 5, 1, 11, 59, 59, tzinfo=UTC),
        datetime(2026, 5, 1, 12, tzinfo=UTC),
        datetime(2026, 7, 1, tzinfo=UTC),
    ):
        for who in ("ben.cho", "ana.ruiz"):
            for body in (payload, payload + b" "):
                for one in tampered:
                    theirs = by_ssh_keygen(tmp_path, register, who, body, one, at)
                    assert by_us(register, who, body, one, at) == theirs, (at, who, one)
                    verdicts.add(theirs)
    assert verdicts == {True, False}


def wire(*parts: bytes) -> bytes:
    return b"".join(struct.pack(">I", len(part)) + part for part in parts)


def security_key(kind: str):
    """What a security key would hold: its public line, and how it signs a message."""
    application = b"ssh:"
    if kind == "ed25519":
        private = ed25519.Ed25519PrivateKey.generate()
        name, raw = b"sk-ssh-ed25519@openssh.com", private.public_key().public_bytes_raw()
        blob = wire(name, raw, application)
        proper = private.sign
    else:
        curve = ec.generate_private_key(ec.SECP256R1())
        name = b"sk-ecdsa-sha2-nistp256@openssh.com"
        raw = curve.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        blob = wire(name, b"nistp256", raw, application)

        def proper(message: bytes) -> bytes:
            r, s = decode_dss_signature(curve.sign(message, ec.ECDSA(hashes.SHA256())))
            return wire(*(n.to_bytes(n.bit_length() // 8 + 1) for n in (r, s)))

    def signed(payload: bytes, flags: int = 1) -> str:
        digest = hashlib.sha512(payload).digest()
        inner = b"SSHSIG" + wire(NAMESPACE.encode(), b"", b"sha512", digest)
        tail = bytes([flags]) + struct.pack(">I", 7)
        message = hashlib.sha256(application).digest() + tail + hashlib.sha256(inner).digest()
        signature = wire(name, proper(message)) + tail
        outer = b"SSHSIG" + struct.pack(">I", 1)
        outer += wire(blob, NAMESPACE.encode(), b"", b"sha512", signature)
        text = "\n".join(textwrap.wrap(base64.b64encode(outer).decode(), 70))
        return f"-----BEGIN SSH SIGNATURE-----\n{text}\n-----END SSH SIGNATURE-----\n"

    return f"{name.decode()} {base64.b64encode(blob).decode()}", signed


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa"])
def test_a_security_key_counts_as_ssh_keygen_counts_it_if_it_was_touched(here, tmp_path, kind):
    public, signed = security_key(kind)
    register = edited(here, "ben.cho", keys__public=public)
    payload, at = approval(here).payload(), now()
    touched = signed(payload)
    assert verify(payload, touched, "ben.cho", register, at).key.is_hardware
    for body in (payload, payload + b" "):
        theirs = by_ssh_keygen(tmp_path, register, "ben.cho", body, touched, at)
        assert by_us(register, "ben.cho", body, touched, at) == theirs
    assert not by_us(register, "ben.cho", payload, signed(payload, flags=0), at)
