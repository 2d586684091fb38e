"""A server of SFTP on this machine, over a folder, that counts what is asked of it."""

import contextlib
import os
import socket
import stat
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import paramiko
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

USER = "kim"


@dataclass
class SftpServer:
    """A folder that is served, and what was asked of it."""

    folder: Path
    home: Path
    """Of who logs in: with its key and the hosts it knows."""
    port: int = 0
    opened: list[str] = field(default_factory=list)
    read: int = 0
    """Bytes."""
    denied: str = ""
    """A folder that is not listed."""
    answers: threading.Event = field(default_factory=threading.Event)
    """Whether files are opened; else who asks waits until they are."""

    def __post_init__(self) -> None:
        self.answers.set()

    @property
    def root(self) -> str:
        return f"sftp://{USER}@127.0.0.1:{self.port}/runs"

    def real(self, path: str) -> str:
        return f"{self.folder}/{path.lstrip('/')}"


class _Login(paramiko.ServerInterface):  # type: ignore[misc]
    def __init__(self, allowed: paramiko.PKey) -> None:
        self._allowed = allowed

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        ok = username == USER and key == self._allowed
        return paramiko.AUTH_SUCCESSFUL if ok else paramiko.AUTH_FAILED

    def check_channel_request(self, *_: object) -> int:
        return paramiko.OPEN_SUCCEEDED

    def get_allowed_auths(self, _: str) -> str:
        return "publickey"


class _Files(paramiko.SFTPServerInterface):  # type: ignore[misc]
    def __init__(self, _: object, served: SftpServer) -> None:
        self._served = served

    def list_folder(self, path: str) -> object:
        if path == self._served.denied:
            return paramiko.SFTP_PERMISSION_DENIED
        folder = self._served.real(path)
        return [self.lstat(f"{path}/{name}") for name in os.listdir(folder)]

    def lstat(self, path: str) -> object:
        return self._told(path, os.lstat)

    def stat(self, path: str) -> object:
        return self._told(path, os.stat)

    def _told(self, path: str, ask: Callable[[str], os.stat_result]) -> object:
        try:
            found = ask(self._served.real(path))
        except OSError as exc:
            return paramiko.SFTPServer.convert_errno(exc.errno)
        return paramiko.SFTPAttributes.from_stat(found, os.path.basename(path))

    def open(self, path: str, flags: int, _: object) -> object:
        assert not flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        self._served.opened.append(path)
        self._served.answers.wait(60)
        return _File(self._served, self._served.real(path))


class _File(paramiko.SFTPHandle):  # type: ignore[misc]
    def __init__(self, served: SftpServer, path: str) -> None:
        super().__init__()
        self._served, self._path = served, path

    def stat(self) -> object:
        return paramiko.SFTPAttributes.from_stat(os.stat(self._path))

    def read(self, offset: int, length: int) -> bytes:
        with open(self._path, "rb") as file:
            file.seek(offset)
            data = file.read(length)
        self._served.read += len(data)
        return data


def _key(path: Path) -> paramiko.PKey:
    """Return a new key, which is also written to *path*."""
    made = Ed25519PrivateKey.generate()
    text = made.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    path.write_bytes(text)
    path.chmod(stat.S_IRUSR | stat.S_IWUSR)
    return paramiko.Ed25519Key.from_private_key_file(str(path))


@contextlib.contextmanager
def serving(folder: Path, home: Path) -> Iterator[SftpServer]:
    """Serve *folder*, whose ``runs`` are read by who lives in *home*."""
    (home / ".ssh").mkdir(parents=True)
    mine, host = _key(home / ".ssh/id_ed25519"), _key(home / "host_key")
    served = SftpServer(folder, home)
    listening = socket.create_server(("127.0.0.1", 0))
    served.port = listening.getsockname()[1]
    known = f"[127.0.0.1]:{served.port} {host.get_name()} {host.get_base64()}\n"
    (home / ".ssh/known_hosts").write_text(known)
    transports: list[paramiko.Transport] = []

    def accept() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            transport = paramiko.Transport(connection)
            transport.add_server_key(host)
            transport.set_subsystem_handler("sftp", paramiko.SFTPServer, _Files, served)
            transports.append(transport)
            with contextlib.suppress(paramiko.SSHException, EOFError):
                transport.start_server(server=_Login(mine))

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        yield served
    finally:
        served.answers.set()
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()
        for transport in transports:
            transport.close()
