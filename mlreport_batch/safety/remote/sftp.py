"""Read over SFTP from hosts that are known, as ssh does."""

from collections.abc import Callable
from typing import Any, Final

_READ_S: Final = 30


def known_hosts() -> Any:  # noqa: ANN401 - fsspec has no types
    """Return fsspec's class, but for the keys of hosts: it takes whatever answers.

    A host must be in ``~/.ssh/known_hosts``; who logs in is known by an agent or the
    keys in ``~/.ssh``.

    Raises:
        ImportError: Paramiko is not installed.
    """
    import paramiko
    from fsspec.implementations.sftp import SFTPFileSystem

    class UnknownHostKeyError(paramiko.SSHException):  # type: ignore[misc]
        pass

    class Refusing(paramiko.MissingHostKeyPolicy):  # type: ignore[misc]
        def missing_host_key(self, *_: object) -> None:
            raise UnknownHostKeyError

    class KnownHosts(SFTPFileSystem):  # type: ignore[misc]
        def _connect(self) -> None:
            self.client = paramiko.SSHClient()
            self.client.load_system_host_keys()
            self.client.set_missing_host_key_policy(Refusing())
            self.client.connect(self.host, **self.ssh_kwargs)
            self.ftp = self.client.open_sftp()
            self.ftp.get_channel().settimeout(_READ_S)

        def ls(self, *args: Any, **more: Any) -> Any:  # noqa: ANN401
            return self._in_time(super().ls, *args, **more)

        def cat_file(self, *args: Any, **more: Any) -> Any:  # noqa: ANN401
            return self._in_time(super().cat_file, *args, **more)

        def _in_time(self, ask: Callable[..., Any], *args: Any, **more: Any) -> Any:  # noqa: ANN401
            """Ask, and hang up on a server that does not answer in time.

            What is asked for after it fails at once: each file would take as long.
            """
            try:
                return ask(*args, **more)
            except TimeoutError:
                self.client.close()
                raise

    return KnownHosts
