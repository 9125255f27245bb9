"""What carries a release to a destination, to which only, and what is known of it afterwards."""

from __future__ import annotations

import hashlib
import io
import multiprocessing
import os
import signal
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import pytest

from deid_platform.core.errors import (
    AuthorisationError,
    DeclarationError,
    LedgerError,
    TransferError,
    ZoneError,
)
from deid_platform.core.workflow import Role
from deid_platform.engine.deployment import Deployment
from deid_platform.governance import sending
from deid_platform.governance import transfers as transfers_of
from deid_platform.governance.archive import pack
from deid_platform.governance.channels import base, channel_names
from deid_platform.governance.destinations import Destination
from deid_platform.governance.destruction import confirm_destruction
from deid_platform.governance.events import ActionRefused
from deid_platform.governance.ledger import Ledger
from deid_platform.governance.recorded import verify_ledger
from deid_platform.governance.register_events import RegisterApplied
from deid_platform.governance.request_events import DecisionRecorded
from deid_platform.governance.requests import Actor, request_of
from deid_platform.governance.sending import send
from deid_platform.governance.signing import sign
from deid_platform.governance.transfer_events import (
    DestructionConfirmed,
    TransferCompleted,
    TransferFailed,
    TransferStarted,
)
from deid_platform.governance.transfers import (
    Standing,
    owed,
    transfers,
)
from tests.support.governance import ANA, BEN, DANA, NAME, World
from tests.support.people import actor, people, unsigned
from tests.support.releases import count
from tests.support.servers import SftpServer, new_key, s3_server, sftp_server

BUCKET = "deliveries"


@dataclass
class There:
    """A destination, and what the other side holds."""

    destination: Destination
    environment: dict[str, str]
    files: Callable[[], dict[str, bytes]]
    plant: Callable[[str, bytes], None]


@pytest.fixture(scope="session")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SftpServer]:
    with sftp_server(tmp_path_factory.mktemp("sshd")) as server:
        yield server


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    with s3_server() as endpoint:
        yield endpoint


@pytest.fixture(params=["outbox", "sftp", "s3"])
def there(request: pytest.FixtureRequest, tmp_path: Path) -> There:
    return {"outbox": in_folder, "sftp": at_server, "s3": in_bucket}[request.param](
        request, tmp_path
    )


def in_folder(_request: pytest.FixtureRequest, tmp_path: Path) -> There:
    folder = tmp_path / "share"
    folder.mkdir()
    return There(
        destination=Destination(
            name="share",
            recipient="registry",
            channel="outbox",
            location="the registry",
            settings={"folder": str(folder)},
        ),
        environment={},
        files=lambda: contents(folder),
        plant=lambda name, content: planted(folder, name, content),
    )


def at_server(request: pytest.FixtureRequest, tmp_path: Path) -> There:
    server: SftpServer = request.getfixturevalue("sshd")
    folder = server.folder / tmp_path.name
    folder.mkdir()
    return There(
        destination=Destination(
            name="county_sftp",
            recipient="county",
            channel="sftp",
            location="the county",
            settings={**server.settings, "folder": f"{server.folder}/{tmp_path.name}"},
            parameters={"key_file": "COUNTY_KEY_FILE"},
        ),
        environment={"COUNTY_KEY_FILE": str(server.key_file)},
        files=lambda: contents(folder),
        plant=lambda name, content: planted(folder, name, content),
    )


def in_bucket(request: pytest.FixtureRequest, tmp_path: Path) -> There:
    import boto3

    endpoint: str = request.getfixturevalue("s3")
    prefix = tmp_path.name
    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        aws_access_key_id="reader",
        aws_secret_access_key="reader",
        region_name="us-east-1",
    )
    client.create_bucket(Bucket=BUCKET)

    def files() -> dict[str, bytes]:
        listed = client.list_objects_v2(Bucket=BUCKET, Prefix=prefix + "/").get("Contents", ())
        return {
            one["Key"].removeprefix(prefix + "/"): client.get_object(Bucket=BUCKET, Key=one["Key"])[
                "Body"
            ].read()
            for one in listed
        }

    return There(
        destination=Destination(
            name="cloud",
            recipient="university",
            channel="s3",
            location="a university",
            settings={"endpoint": endpoint, "bucket": BUCKET, "prefix": prefix},
            parameters={"key_id": "CLOUD_ID", "key_secret": "CLOUD_SECRET"},
        ),
        environment={"CLOUD_ID": "sender", "CLOUD_SECRET": "secret"},
        files=files,
        plant=lambda name, content: (
            client.put_object(Bucket=BUCKET, Key=f"{prefix}/{name}", Body=content) and None
        ),
    )


def with_setting(there: There, **settings: str) -> Destination:
    return replace(there.destination, settings={**there.destination.settings, **settings})


def contents(folder: Path) -> dict[str, bytes]:
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def planted(folder: Path, name: str, content: bytes) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)


@dataclass
class Sender:
    """A released table and the way out."""

    world: World
    request: str
    folder: Path
    deployment: Deployment

    def send(self, destination: Destination, *, actor=DANA, until: date | None = None):
        return send(
            self.deployment,
            self.world.ledger,
            request=self.request,
            destination=destination,
            retention_until=until,
            actor=actor,
        )

    @property
    def bundle(self) -> dict[str, bytes]:
        prefix = f"{NAME}/{self.folder.name}"
        return {f"{prefix}/{name}": content for name, content in contents(self.folder).items()}


def released(world: World, environment: dict[str, str]) -> Sender:
    approved = world.approved()
    done = world.publish(approved.id)
    deployment = replace(
        world.deployment, environment={**world.deployment.environment, **environment}
    )
    return Sender(world=world, request=approved.id, folder=done.folder, deployment=deployment)


def test_channels_are_found_by_scanning_their_folder():
    assert channel_names() == ("outbox", "s3", "sftp")


def test_a_release_arrives_byte_for_byte_and_is_recorded_with_what_was_read_back(world, there):
    sender = released(world, there.environment)
    done = sender.send(there.destination)
    assert there.files() == sender.bundle
    manifest = hashlib.sha256((sender.folder / "manifest.json").read_bytes()).hexdigest()
    event = done.completed
    assert done.standing is Standing.COMPLETED
    assert (event.digest, event.receiver_digest) == (manifest, manifest)
    assert event.bytes == sum(map(len, sender.bundle.values()))
    assert event.files == len(sender.bundle)
    assert (
        event.encryption
        == {"outbox": "none", "sftp": "ssh", "s3": "none (loopback)"}[event.channel]
    )
    assert (event.destination, event.recipient) == (
        there.destination.name,
        there.destination.recipient,
    )
    approval = next(
        entry for entry in world.ledger.entries(subject=NAME) if entry.sequence == event.approval
    )
    assert approval.payload["action"] == "approve_release"
    assert event.by == "person:dana.lee"


def test_a_release_sent_again_is_recognised_and_nothing_changes(world, there):
    sender = released(world, there.environment)
    first, before = sender.send(there.destination), there.files()
    head = world.ledger.head()
    assert sender.send(there.destination) == first
    assert there.files() == before
    assert world.ledger.head() == head


def test_what_arrived_unnoticed_is_recognised_by_its_digest(world, there):
    """Killed after the last byte and before the record of it."""
    sender = released(world, there.environment)
    for name, content in sender.bundle.items():
        there.plant(name, content)
    assert sender.send(there.destination).standing is Standing.COMPLETED
    assert there.files() == sender.bundle


def test_an_interrupted_upload_begins_again_and_leaves_no_half_file(world, there, monkeypatch):
    sender = released(world, there.environment)
    sent = []

    def stops(place, parcels, known=frozenset()):
        with base.channel_named(place.channel).open(place) as carrier:
            carrier.put(parcels[0].file, parcels[0].name, parcels[0].sha256)
            sent.append(parcels[0].name)
        raise TransferError("destination", "the line went dead", "send it again")

    with monkeypatch.context() as patched:
        patched.setattr(sending, "carry", stops)
        with pytest.raises(TransferError, match="the line went dead"):
            sender.send(there.destination)
    assert list(there.files()) == sent
    (known,) = transfers(world.ledger).values()
    assert known.standing is Standing.FAILED
    assert sender.send(there.destination).standing is Standing.COMPLETED
    assert there.files() == sender.bundle
    assert count(world, TransferFailed) == 1


def test_a_half_written_file_of_a_killed_sender_is_written_anew(world, there):
    sender = released(world, there.environment)
    name, content = next(iter(sender.bundle.items()))
    folder, _, file = name.rpartition("/")
    there.plant(f"{folder}/.{file}.part", content[:10] + b"garbage" * 1_000)
    sender.send(there.destination)
    left = {one for one in there.files() if one.endswith(".part")}
    # Storage of objects needs no such file, so there it is a stranger's.
    assert left == ({f"{folder}/.{file}.part"} if there.destination.channel == "s3" else set())
    assert {k: v for k, v in there.files().items() if k not in left} == sender.bundle


def test_another_file_under_a_name_of_the_release_is_never_replaced(world, there):
    sender = released(world, there.environment)
    name = f"{NAME}/{sender.folder.name}/manifest.json"
    there.plant(name, b"{}")
    with pytest.raises(TransferError, match="holds another file"):
        sender.send(there.destination)
    assert there.files()[name] == b"{}"
    assert count(world, TransferCompleted) == 0


def send_and_die(deployment: Deployment, request: str, destination: Destination, key: Path) -> None:
    sending.completed = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
    send(
        deployment,
        Ledger.open(deployment.ledger_url),
        request=request,
        destination=destination,
        actor=Actor.of("dana.lee", "tester", lambda payload: sign(payload, key)),
    )


def test_a_sender_killed_before_its_record_is_completed_without_a_second_version(world, there):
    sender = released(world, there.environment)
    process = multiprocessing.get_context("spawn").Process(
        target=send_and_die,
        args=(sender.deployment, sender.request, there.destination, people().key("dana.lee")),
    )
    process.start()
    process.join(timeout=120)
    assert process.exitcode == -signal.SIGKILL
    before = there.files()
    assert before == sender.bundle
    assert sender.send(there.destination).standing is Standing.COMPLETED
    assert there.files() == before
    assert count(world, TransferStarted) == count(world, TransferCompleted) == 1


class TestArchives:
    def keyed(self, there: There, tmp_path: Path):
        import pyrage

        identity = pyrage.x25519.Identity.generate()
        ssh = new_key(tmp_path)
        keys = (str(identity.to_public()), (tmp_path / "other.pub").read_text().strip())
        return (
            replace(there.destination, keys=keys),
            [identity, pyrage.ssh.Identity.from_buffer(ssh.read_bytes())],
        )

    def test_each_recipient_opens_it_and_nobody_else(self, world, there, tmp_path):
        import pyrage

        sender = released(world, there.environment)
        destination, identities = self.keyed(there, tmp_path)
        done = sender.send(destination)
        ((name, content),) = there.files().items()
        assert name == f"{NAME}/{sender.folder.name}.tar.age"
        assert done.completed.digest == hashlib.sha256(content).hexdigest()
        assert done.completed.encryption.startswith("age+")
        for identity in identities:
            with tarfile.open(fileobj=io.BytesIO(pyrage.decrypt(content, [identity]))) as tar:
                files = {one.name: tar.extractfile(one).read() for one in tar.getmembers()}
                assert {(one.uid, one.mtime, one.uname) for one in tar.getmembers()} == {(0, 0, "")}
            assert {f"{NAME}/{name}": file for name, file in files.items()} == sender.bundle
        with pytest.raises(pyrage.DecryptError):
            pyrage.decrypt(content, [pyrage.x25519.Identity.generate()])
        for cell in (b"Alpine", b"county,visit_year"):
            assert cell not in content

    def test_an_archive_that_the_ledger_does_not_know_is_not_sent(self, world, there, tmp_path):
        import pyrage

        sender = released(world, there.environment)
        destination, identities = self.keyed(there, tmp_path)
        release = sender.folder.name
        transfer = sending.transfer_id(release, destination)
        work = world.deployment.scratch / "sending" / transfer
        work.mkdir(parents=True, mode=0o700)
        work.parent.chmod(0o700)
        (work / f"{release}.tar.age").write_bytes(b"something else altogether")
        sender.send(destination)
        (content,) = there.files().values()
        pyrage.decrypt(content, identities)

    def test_a_second_encryption_is_not_a_second_version(self, world, there, tmp_path):
        """The spool is lost with the archive in it after the archive arrived."""
        import shutil

        sender = released(world, there.environment)
        destination, _ = self.keyed(there, tmp_path)
        process = multiprocessing.get_context("spawn").Process(
            target=send_and_die,
            args=(sender.deployment, sender.request, destination, people().key("dana.lee")),
        )
        process.start()
        process.join(timeout=120)
        before = there.files()
        shutil.rmtree(world.deployment.scratch / "sending")
        done = sender.send(destination)
        assert there.files() == before
        (content,) = before.values()
        assert done.completed.digest == hashlib.sha256(content).hexdigest()
        assert done.completed.bytes == len(content)

    def test_a_key_that_is_none_is_refused_before_anything_leaves(self, world, there):
        sender = released(world, there.environment)
        with pytest.raises(DeclarationError, match="neither an age key nor an SSH key"):
            sender.send(replace(there.destination, keys=("ssh-ed25519 nonsense",)))
        assert there.files() == {}
        assert count(world, TransferStarted) == 0

    def test_no_plain_archive_is_left_behind(self, world, there, tmp_path):
        sender = released(world, there.environment)
        destination, _ = self.keyed(there, tmp_path)
        sender.send(destination)
        assert [
            f for f in world.deployment.scratch.rglob("*") if f.suffix in (".tar", ".age")
        ] == []

    def test_a_folder_that_cannot_be_written_is_told(self, tmp_path):
        import pyrage

        key = str(pyrage.x25519.Identity.generate().to_public())
        (tmp_path / "bundle").mkdir()
        with pytest.raises(TransferError, match="cannot be written"):
            pack(tmp_path / "bundle", tmp_path / "missing" / "a.tar.age", [key], "destination x")


class TestRefusals:
    @pytest.fixture
    def there(self, request: pytest.FixtureRequest, tmp_path: Path) -> There:
        return in_folder(request, tmp_path)

    def refused(self, world: World, there: There, words: str, **how: object) -> None:
        sender = Sender(
            world=world,
            request="req-0001",
            folder=Path(),
            deployment=world.deployment,
        )
        destination = how.pop("destination", there.destination)
        with pytest.raises(AuthorisationError, match=words):
            sender.send(destination, **how)
        assert there.files() == {}
        assert count(world, TransferStarted) == 0
        last = list(world.ledger.entries(kinds=[ActionRefused]))[-1].payload
        assert last["action"] == "transfer"

    def test_what_is_not_released(self, world, there):
        world.approved()
        self.refused(world, there, "only what is released may be sent")

    def test_what_was_recalled(self, world, there):
        sender = released(world, {})
        world.recall(sender.request)
        self.refused(world, there, "the request is recalled")

    def test_a_destination_that_the_register_refuses(self, world, there):
        released(world, {})
        frozen = replace(there.destination, refusals=("the contract expired on 2026-01-01",))
        self.refused(world, there, "the contract expired", destination=frozen)

    def test_a_third_party_without_a_day_to_destroy_it(self, world, there):
        released(world, {})
        self.refused(
            world,
            there,
            "retention_until",
            destination=replace(there.destination, kept_at_most_until=date(2028, 1, 1)),
        )

    def test_a_copy_that_would_outlive_its_contract(self, world, there):
        released(world, {})
        self.refused(
            world,
            there,
            "the contract ends on 2027-01-31",
            destination=replace(there.destination, kept_at_most_until=date(2027, 1, 31)),
            until=date(2027, 2, 1),
        )

    @pytest.mark.parametrize("actor", [ANA, BEN], ids=["requester", "approver"])
    def test_who_asked_or_approved(self, world, there, actor):
        released(world, {})
        self.refused(world, there, "separation of duties", actor=actor)

    @pytest.mark.parametrize(
        ("actor", "words"),
        [
            (unsigned("dana.lee"), "counts only with a signature"),
            (actor("dana.lee", "ben.cho"), "SIG-05"),
            (actor("gus.ortiz"), "separation of duties|does not hold the role"),
            (actor("lena.voss"), "does not hold the role data_engineer"),
            (Actor.of("service:pipeline", "tester"), "a service may not send"),
            (actor("Ana.Ruiz@health.example", "ana.ruiz"), "separation of duties"),
        ],
        ids=["no key", "other key", "validator", "no role", "service", "alias of requester"],
    )
    def test_who_is_no_engineer_with_a_key_of_their_own(self, world, there, actor, words):
        released(world, {})
        self.refused(world, there, words, actor=actor)

    def test_a_release_that_is_not_public_to_another_destination(self, world, there, monkeypatch):
        sender = released(world, {})
        known = request_of(world.ledger, sender.request)
        inner = known.form.model_copy(update={"publication_intent": "none", "recipients": ()})
        monkeypatch.setattr(transfers_of, "request_of", lambda *_: replace(known, form=inner))
        self.refused(world, there, "approved for open_data and is not public")

    def test_a_destination_that_moved_after_the_approval(self, world, there):
        released(world, {})
        moved = replace(there.destination, name="open_data")
        self.refused(world, there, "another place than the one that was approved",
                     destination=moved)  # fmt: skip

    @pytest.mark.parametrize("damage", ["changed", "added", "removed", "manifest"])
    def test_a_bundle_that_is_not_what_was_released(self, world, there, damage):
        sender = released(world, {})
        victim = next(one for one in sender.folder.iterdir() if one.name != "manifest.json")
        if damage == "changed":
            victim.write_bytes(victim.read_bytes() + b"1")
        elif damage == "added":
            (sender.folder / "extra.csv").write_text("x")
        elif damage == "removed":
            victim.unlink()
        else:
            (sender.folder / "manifest.json").write_text("{}")
        with pytest.raises(ZoneError, match="does not hold the bundle that was released"):
            sender.send(there.destination)
        assert there.files() == {}

    def test_a_file_exchanged_after_the_look(self, world, there, monkeypatch):
        sender = released(world, {})
        victim = next(one for one in sender.folder.iterdir() if one.suffix == ".csv")
        whole = sending.carry

        def exchanged(*given):
            victim.write_text("county,visit_count\nAlpine,5\n")
            return whole(*given)

        monkeypatch.setattr(sending, "carry", exchanged)
        before = sender.bundle
        sender.send(there.destination)
        assert there.files() == before

    def test_two_senders_at_once(self, world, there):
        sender = released(world, {})
        transfer = sending.transfer_id(sender.folder.name, there.destination)
        with (
            sending._alone(world.deployment, transfer),
            pytest.raises(TransferError, match="being sent by another process"),
        ):
            sender.send(there.destination)


class TestSftp:
    @pytest.fixture
    def there(self, request: pytest.FixtureRequest, tmp_path: Path) -> There:
        return at_server(request, tmp_path)

    def test_another_host_key_is_refused_before_a_byte_is_sent(self, world, there, tmp_path):
        sender = released(world, there.environment)
        new_key(tmp_path)
        other = (tmp_path / "other.pub").read_text()
        with pytest.raises(TransferError, match="does not show the host key"):
            sender.send(
                replace(
                    there.destination, settings={**there.destination.settings, "host_key": other}
                )
            )
        assert there.files() == {}

    @pytest.mark.parametrize("host_key", ["", "ssh-ed25519", "ssh-ed25519 AAAA", "none at all"])
    def test_a_host_key_that_is_none_is_refused(self, world, there, host_key):
        sender = released(world, there.environment)
        with pytest.raises(DeclarationError, match="host_key"):
            sender.send(
                replace(
                    there.destination, settings={**there.destination.settings, "host_key": host_key}
                )
            )

    def test_a_key_the_server_does_not_know_is_told_without_its_path(self, world, there, tmp_path):
        key = new_key(tmp_path)
        sender = released(world, {"COUNTY_KEY_FILE": str(key)})
        with pytest.raises(TransferError, match="AuthenticationException") as raised:
            sender.send(there.destination)
        assert str(key) not in str(raised.value)

    def test_a_key_that_others_can_read_is_refused(self, world, there, tmp_path):
        key = new_key(tmp_path)
        key.chmod(0o644)
        sender = released(world, {"COUNTY_KEY_FILE": str(key)})
        with pytest.raises(TransferError, match="readable by others"):
            sender.send(there.destination)

    def test_a_variable_that_is_not_set_is_named(self, world, there):
        sender = released(world, {})
        with pytest.raises(TransferError, match="COUNTY_KEY_FILE is not set"):
            sender.send(there.destination)

    @pytest.mark.parametrize(
        ("setting", "value"),
        [("host", "a b"), ("host", ""), ("user", "a:b"), ("port", "x"), ("folder", "")],
    )
    def test_a_setting_of_another_form_is_refused(self, world, there, setting, value):
        sender = released(world, there.environment)
        with pytest.raises(DeclarationError, match=f"setting {setting}"):
            sender.send(with_setting(there, **{setting: value}))

    def test_a_server_that_is_not_there_is_told(self, world, there):
        sender = released(world, there.environment)
        nowhere = with_setting(there, port="1")
        with pytest.raises(TransferError, match="did not go through"):
            sender.send(nowhere)
        assert count(world, TransferFailed) == 1


class TestS3:
    @pytest.fixture
    def there(self, request: pytest.FixtureRequest, tmp_path: Path) -> There:
        return in_bucket(request, tmp_path)

    @pytest.mark.parametrize("endpoint", ["http://storage.example", "https://a:b@storage.example"])
    def test_an_endpoint_without_encryption_or_with_a_password_is_refused(
        self, world, there, endpoint
    ):
        sender = released(world, there.environment)
        with pytest.raises(DeclarationError, match="https address"):
            sender.send(
                replace(
                    there.destination, settings={**there.destination.settings, "endpoint": endpoint}
                )
            )

    def test_a_bucket_that_is_not_there_is_told(self, world, there):
        sender = released(world, there.environment)
        with pytest.raises(TransferError, match="did not go through"):
            sender.send(with_setting(there, bucket="missing"))

    def test_a_large_file_goes_up_in_parts_and_appears_whole(
        self, world, there, tmp_path, monkeypatch
    ):
        from deid_platform.governance.channels import s3

        monkeypatch.setattr(s3, "_ONE_PUT", 5 << 20)
        file = tmp_path / "large"
        file.write_bytes(os.urandom(12 << 20))
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        place = base.Place(
            name="cloud",
            channel="s3",
            settings=there.destination.settings,
            parameters=there.destination.parameters,
            environment=there.environment,
        )
        parcel = base.Parcel(file=file, name="large", sha256=digest)
        assert base.carry(place, [parcel]).digest == digest
        assert there.files() == {"large": file.read_bytes()}


class TestDestruction:
    def sent(self, world: World, request: pytest.FixtureRequest, tmp_path: Path):
        there = in_folder(request, tmp_path)
        sender = released(world, {})
        done = sender.send(
            replace(there.destination, kept_at_most_until=date(2028, 1, 1)), until=date(2027, 6, 30)
        )
        return sender, done

    def confirm(self, world: World, transfer: str, **how: object):
        given = {"method": "shredded", "proof": "a" * 64, "actor": BEN, **how}
        return confirm_destruction(world.ledger, transfer=transfer, **given)

    def test_a_copy_is_owed_from_the_day_after_its_last(self, world, request, tmp_path):
        _, done = self.sent(world, request, tmp_path)
        assert owed(world.ledger, date(2027, 6, 30)) == ()
        (one,) = owed(world.ledger, date(2027, 7, 1))
        assert one.transfer == done
        assert "2027-06-30" in one.why

    def test_a_recalled_release_is_owed_at_once_by_everybody_who_has_it(
        self, world, request, tmp_path
    ):
        sender, done = self.sent(world, request, tmp_path)
        world.recall(sender.request)
        (one,) = owed(world.ledger, date(2026, 1, 1))
        assert (one.transfer.id, one.why) == (done.id, "the release is recalled")

    def test_a_proof_settles_it(self, world, request, tmp_path):
        _, done = self.sent(world, request, tmp_path)
        assert self.confirm(world, done.id).standing is Standing.DESTROYED
        assert owed(world.ledger, date(2030, 1, 1)) == ()
        assert count(world, DestructionConfirmed) == 1

    @pytest.mark.parametrize(
        ("how", "words"),
        [
            ({"actor": DANA}, "who sent a copy may not confirm"),
            ({"proof": "a certificate"}, "not a SHA-256 digest"),
            ({"method": " "}, "not one printable line"),
        ],
    )
    def test_what_proves_nothing_is_refused(self, world, request, tmp_path, how, words):
        _, done = self.sent(world, request, tmp_path)
        with pytest.raises(AuthorisationError, match=words):
            self.confirm(world, done.id, **how)
        assert count(world, DestructionConfirmed) == 0

    @pytest.mark.parametrize(
        ("how", "words"),
        [
            ({"actor": unsigned("ben.cho")}, "counts only with a signature"),
            ({"actor": actor("ben.cho", "dana.lee")}, "SIG-05"),
            ({"actor": Actor.of("service:pipeline", "tester")}, "a service may not confirm"),
            ({"actor": actor("lena.voss")}, "does not hold the role data_steward"),
            ({"role": Role.DATA_ENGINEER}, "may not confirm"),
            ({"actor": actor("Dana.Lee@health.example", "dana.lee")}, "who sent a copy"),
        ],
        ids=["no key", "other key", "service", "role not held", "other role", "alias of sender"],
    )
    def test_who_may_not_say_so_is_refused(self, world, request, tmp_path, how, words):
        _, done = self.sent(world, request, tmp_path)
        with pytest.raises(AuthorisationError, match=words):
            self.confirm(world, done.id, **how)
        assert count(world, DestructionConfirmed) == 0

    def test_both_signatures_are_verified_with_the_ledger(self, world, request, tmp_path):
        _, done = self.sent(world, request, tmp_path)
        self.confirm(world, done.id)
        before = verify_ledger(world.ledger).decisions
        last = list(world.ledger.entries(kinds=[DestructionConfirmed]))[-1].event
        world.ledger.append(replace(last, proof="b" * 64))
        with pytest.raises(LedgerError, match="its proof is not the one that was signed"):
            verify_ledger(world.ledger)
        assert before == 2 + sum(count(world, kind) for kind in (DecisionRecorded, RegisterApplied))

    def test_a_copy_is_destroyed_once(self, world, request, tmp_path):
        _, done = self.sent(world, request, tmp_path)
        self.confirm(world, done.id)
        with pytest.raises(AuthorisationError, match="confirmed already"):
            self.confirm(world, done.id)
