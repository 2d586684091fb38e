"""Send mails through an SMTP server.

Encrypted or not at all: a server without STARTTLS, or with a certificate that does
not fit, is never spoken to in clear. The dialogue is in `smtp_session`, which is
imported on the first connection only.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from mlreport_batch.errors import ConfigError, CredentialError
from mlreport_batch.safety.clean import clean

if TYPE_CHECKING:
    from mlreport_batch.deliver.smtp.session import SmtpSession

_PORTS = {"starttls": 587, "tls": 465, "none": 25}
_PORT_MAX = 65535


@dataclass(frozen=True, slots=True)
class SmtpChannel:
    """The config table ``smtp``.

    Attributes:
        host: Name or address of the server; its certificate must bear it.
        port: Default 587, 465 or 25, by *security*.
        security: ``starttls``, ``tls`` from the first byte, or ``none``.
        username: Log in under this name; None sends without login.
        password_env: Environment variable with the password, or the name of a
            systemd credential (``LoadCredential=``).
        password_file: File with the password, readable by its owner alone.
        ca_file: PEM file of the authority to trust instead of the system's.
        timeout_s: Longest wait for anything but the answer to a whole mail.
        final_timeout_s: Longest wait for that. RFC 5321 asks for 10 minutes: who
            gives up earlier makes a second copy.

    Raises:
        ConfigError: Values that cannot work, all of them at once.
    """

    host: str
    port: int | None = None
    security: Literal["starttls", "tls", "none"] = "starttls"
    username: str | None = None
    password_env: str | None = None
    password_file: str | None = None
    ca_file: str | None = None
    timeout_s: float = 30.0
    final_timeout_s: float = 600.0

    def __post_init__(self) -> None:
        problems = tuple(self._problems())
        if problems:
            raise ConfigError("The smtp settings cannot work", problems=problems)

    @property
    def place(self) -> str:
        """The server as messages name it."""
        return f"{clean(self.host, 100)}:{self.port or _PORTS[self.security]}"

    @property
    def port_number(self) -> int:
        """The port that is really used."""
        return self.port or _PORTS[self.security]

    @contextmanager
    def open(self) -> Iterator["SmtpSession"]:
        """Connect, encrypt and log in; say goodbye at the end."""
        from mlreport_batch.deliver.smtp.session import SmtpSession

        session = SmtpSession(self)
        try:
            yield session
        finally:
            session.close()

    def check(self) -> str:
        """Return one line after connecting, encrypting and logging in."""
        with self.open() as session:
            return session.describe()

    def password(self) -> str:
        """Return the password.

        Raises:
            CredentialError: There is none.
            ConfigError: Others can read its file.
        """
        if self.password_env:
            secret = os.environ.get(self.password_env) or _systemd(self.password_env)
            where = f"the environment variable {self.password_env}"
        else:
            path = Path(self.password_file or "").expanduser()
            secret, where = _from_file(path), str(path)
        if not secret:
            raise CredentialError(
                f"No password for {self.username} at {self.place}: {where} is empty",
                kept="All mails are kept",
                advice="Set it where cron sees it, or use smtp.password_file",
            )
        return secret

    def _problems(self) -> Iterator[str]:
        if not _is_host(self.host):
            yield f"smtp.host: {clean(self.host)!r} is not a host name"
        if self.security not in _PORTS:
            yield f"smtp.security: {self.security!r} is none of starttls, tls, none"
        elif self.security == "none" and self.username and not _is_here(self.host):
            yield (
                "smtp.security: none would send the password in clear;"
                " use starttls or tls, or leave out username"
            )
        if self.port is not None and not 0 < self.port <= _PORT_MAX:
            yield f"smtp.port: {self.port} is not between 1 and {_PORT_MAX}"
        sources = [key for key in (self.password_env, self.password_file) if key]
        if self.username and len(sources) != 1:
            yield "smtp.username: needs password_env or password_file, one of them"
        if sources and not self.username:
            yield "smtp.username: is missing, though there is a password"
        for key in ("timeout_s", "final_timeout_s"):
            if not getattr(self, key) > 0:
                yield f"smtp.{key}: must be above 0"


def _is_host(host: str) -> bool:
    try:
        name = host.encode("idna").decode("ascii")
    except UnicodeError:
        return False
    return bool(name) and clean(name) == name and not set(name) & set(" /@<>")


def _is_here(host: str) -> bool:
    import ipaddress

    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower().rstrip(".") == "localhost"


def _systemd(name: str) -> str:
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if not folder or "/" in name:
        return ""
    try:
        return (Path(folder) / name).read_text("utf-8").rstrip("\r\n")
    except (OSError, UnicodeError):
        return ""


def _from_file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            data = file.read(4096)
    except OSError as exc:
        raise CredentialError(
            f"smtp.password_file: {path} cannot be read: {exc.strerror}",
            kept="All mails are kept",
            advice="Put the password there, readable by you alone (chmod 600)",
        ) from exc
    if stat.S_IMODE(mode) & 0o077:
        raise ConfigError(
            f"smtp.password_file: others can read {path}",
            kept="All mails are kept",
            advice=f"Run: chmod 600 {path}",
        )
    return data.decode("utf-8", "replace").rstrip("\r\n")
