"""Real servers on loopback: OpenSSH's sshd, and one that speaks S3."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class SftpServer:
    """A running sshd that offers file transfer only, below ``folder``."""

    port: int
    user: str
    folder: Path
    host_key: str
    key_file: Path

    @property
    def settings(self) -> dict[str, str]:
        """As the register declares a destination there."""
        return {
            "host": "127.0.0.1",
            "port": str(self.port),
            "user": self.user,
            "folder": str(self.folder),
            "host_key": self.host_key,
        }


@contextlib.contextmanager
def sftp_server(folder: Path) -> Iterator[SftpServer]:
    """An sshd of one's own, with its own host key, for the account that runs the tests."""
    sshd = shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin:/sbin")
    if sshd is None:
        pytest.skip("no OpenSSH server is installed")
    inbox = folder / "inbox"
    inbox.mkdir(parents=True)
    for name in ("host", "person"):
        _keygen(folder / name)
    (folder / "authorized_keys").write_text((folder / "person.pub").read_text())
    port = free_port()
    config = folder / "sshd_config"
    config.write_text(
        f"""
        Port {port}
        ListenAddress 127.0.0.1
        HostKey {folder / "host"}
        AuthorizedKeysFile {folder / "authorized_keys"}
        PidFile none
        StrictModes no
        UsePAM no
        PasswordAuthentication no
        KbdInteractiveAuthentication no
        PermitRootLogin prohibit-password
        Subsystem sftp internal-sftp
        ForceCommand internal-sftp
        """.replace("        ", "")
    )
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # sshd's own requirement of its superuser
    server = subprocess.Popen(
        [sshd, "-D", "-e", "-f", config], stderr=(folder / "sshd.err").open("wb")
    )
    try:
        await_port(port, server)
        yield SftpServer(
            port=port,
            user=_account(),
            folder=inbox,
            host_key=" ".join((folder / "host.pub").read_text().split()[:2]),
            key_file=folder / "person",
        )
    finally:
        server.terminate()
        server.wait(timeout=20)


@contextlib.contextmanager
def s3_server() -> Iterator[str]:
    """The address of an S3 server that keeps objects in memory."""
    server_module = pytest.importorskip("moto.server", reason="moto's server is not installed")
    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()


def new_key(folder: Path, name: str = "other") -> Path:
    """Another SSH key."""
    _keygen(folder / name)
    return folder / name


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def await_port(port: int, server: subprocess.Popen) -> None:
    for _ in range(150):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        if server.poll() is not None:
            break
        time.sleep(0.1)
    raise RuntimeError("the server did not start")


def _keygen(file: Path) -> None:
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", file], check=True
    )


def _account() -> str:
    import pwd

    return pwd.getpwuid(os.getuid()).pw_name
