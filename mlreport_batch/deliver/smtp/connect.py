"""Reach an SMTP server, encrypt, and log in: everything before the first mail.

Nothing that fails here concerns a single mail, so it is a `ChannelDownError`
(try again in the next tick), a `CredentialError` or a `ConfigError`.
"""

import base64
import re
import socket
import ssl
from pathlib import Path

from msgspec import Struct

from mlreport_batch.config.channels import SmtpSettings
from mlreport_batch.deliver.smtp.grant import token_of
from mlreport_batch.deliver.smtp.server import password_of, place_of
from mlreport_batch.deliver.smtp.wire import Answer, Wire, WireError
from mlreport_batch.errors import ChannelDownError, ConfigError, CredentialError
from mlreport_batch.safety.clean import clean

ALL_KEPT = "All mails are kept and tried again in the next tick"

_HELO = re.compile(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")
_READY, _DONE, _LOGGED_IN = 220, 250, 235
_NOT_YET_VALID, _EXPIRED = 9, 10  # X509_V_ERR_CERT_*
_OTHER_HOST = frozenset({62, 64})
_NO_TLS_AT_ALL = frozenset(
    {"WRONG_VERSION_NUMBER", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE"}
)


class Link(Struct, frozen=True):
    """A connection that is ready for mails.

    Attributes:
        wire: The connection.
        features: What the server can do, by upper-case keyword of its EHLO.
    """

    wire: Wire
    features: dict[str, str]

    @property
    def size_limit(self) -> int:
        """The largest mail that the server takes, in bytes; 0 where it is silent."""
        size = self.features.get("SIZE", "")
        return int(size) if re.fullmatch("[0-9]{1,18}", size) else 0


def connect(server: SmtpSettings) -> Link:
    """Return a connection that is encrypted and logged in as *server* says.

    Raises:
        ChannelDownError: No mail can go out now.
        CredentialError: The password or the grant is missing or refused.
        ConfigError: The server cannot be trusted as configured.
    """
    secret = password_of(server) if server.grant_file is None else token_of(server)
    context = _context(server) if server.security != "none" else None
    wire = _reach(server)
    try:
        return Link(wire, _prepare(wire, server, context, secret))
    except WireError as exc:
        wire.close()
        raise down(server, str(exc), wire.stage) from exc
    except BaseException:
        wire.close()
        raise


def down(server: SmtpSettings, reason: str, stage: str) -> ChannelDownError:
    """Return the error for a server that takes no mail at all now."""
    return ChannelDownError(
        f"{place_of(server)} {reason} (at {stage})",
        kept=ALL_KEPT,
        advice="If this lasts, check smtp.host, smtp.port and smtp.security",
    )


def _context(server: SmtpSettings) -> ssl.SSLContext:
    path = Path(server.ca_file).expanduser() if server.ca_file else None
    try:
        return ssl.create_default_context(cafile=path)
    except OSError as exc:  # ssl.SSLError is one
        raise ConfigError(
            f"smtp.ca_file: {path} holds no certificate that can be read"
            f" ({exc.strerror or exc})",
            kept=ALL_KEPT,
            advice="Name a PEM file with the authority's certificate",
        ) from exc


def _reach(server: SmtpSettings) -> Wire:
    try:
        sock = socket.create_connection((server.host, server.port), server.timeout_s)
    except OSError as exc:
        why = f"cannot be reached: {clean(exc.strerror or str(exc))}"
        raise down(server, why, "connect") from exc
    return Wire(sock, server.timeout_s)


def _prepare(
    wire: Wire, server: SmtpSettings, context: ssl.SSLContext | None, secret: str
) -> dict[str, str]:
    if context and server.security == "tls":
        _encrypt(wire, server, context)
    wire.stage = "greeting"
    wire.expect(wire.read(server.timeout_s), _READY)
    features = _hello(wire)
    if context and server.security == "starttls":
        wire.stage = "STARTTLS"
        if "STARTTLS" not in features:
            raise ConfigError(
                f"{place_of(server)} offers no encryption (STARTTLS), so nothing was"
                " sent to it",
                kept=ALL_KEPT,
                advice="Try smtp.security: tls with port 465, or ask the server's"
                " administrator; somebody in between may also hide the offer",
            )
        wire.expect(wire.command("STARTTLS"), _READY)
        _encrypt(wire, server, context)
        features = _hello(wire)  # what was said in clear counts no more
    if server.username:
        wire.stage = "AUTH"
        _log_in(wire, server, features.get("AUTH", ""), secret)
    return features


def _hello(wire: Wire) -> dict[str, str]:
    wire.stage = "EHLO"
    name = socket.getfqdn()
    if not _HELO.fullmatch(name):
        address = wire.local_address.partition("%")[0]
        name = f"[IPv6:{address}]" if ":" in address else f"[{address}]"
    answer = wire.expect(wire.command(f"EHLO {name}"), _DONE)
    # Old servers write "AUTH=LOGIN" beside or instead of "AUTH LOGIN".
    words = (line.replace("=", " ", 1).partition(" ") for line in answer.lines[1:])
    return {key.upper(): value.strip() for key, _, value in words}


def _encrypt(wire: Wire, server: SmtpSettings, context: ssl.SSLContext) -> None:
    wire.stage = "TLS"
    try:
        wire.start_tls(context, server.host or "")
    except ssl.SSLCertVerificationError as exc:
        raise _distrust(server, exc) from exc
    except ssl.SSLError as exc:
        if server.security == "tls" and exc.reason in _NO_TLS_AT_ALL:
            raise ConfigError(
                f"{place_of(server)} does not speak TLS from the first byte",
                kept=ALL_KEPT,
                advice="Try smtp.security: starttls, or port 465",
            ) from exc
        why = f"could not agree on encryption ({exc.reason or 'cut off'})"
        raise down(server, why, wire.stage) from exc
    except OSError as exc:
        why = f"did not finish the encryption ({exc.strerror or exc})"
        raise down(server, why, wire.stage) from exc


def _distrust(
    server: SmtpSettings, exc: ssl.SSLCertVerificationError
) -> ChannelDownError | ConfigError:
    why = f"{place_of(server)} is not trusted: {clean(exc.verify_message)}"
    if exc.verify_code in (_EXPIRED, _NOT_YET_VALID):
        advice = "Have its certificate renewed; check this machine's clock"
        return ChannelDownError(why, kept=ALL_KEPT, advice=advice)
    if exc.verify_code in _OTHER_HOST:
        advice = "Set smtp.host to the name that its certificate bears"
    else:
        advice = "Set smtp.ca_file to the PEM file of the authority that signed it"
    return ConfigError(why, kept=ALL_KEPT, advice=advice)


def _log_in(wire: Wire, server: SmtpSettings, offered: str, secret: str) -> None:
    username, ways = server.username or "", offered.upper().split()
    if server.grant_file is None:
        what, advice = "password", "Renew the password; many providers want an app"
        advice += " password"
        answer = _by_password(wire, ways, username, secret)
    else:
        what, advice = "OAuth2 (XOAUTH2)", "Look whether the mailbox may use SMTP, and"
        advice += " run `mlreport-batch login --smtp` again"
        answer = _by_token(wire, ways, username, secret)
    if answer is None:
        raise ConfigError(
            f"{place_of(server)} offers no login by {what}"
            f" (it offers {clean(offered) or 'none'})",
            kept=ALL_KEPT,
            advice="Leave out smtp.username, or use another port or server",
        )
    if answer.is_never:
        raise CredentialError(
            f"{place_of(server)} refused the login of {clean(username, 100)}: {answer}",
            kept="All mails are kept",
            advice=advice,
        )
    wire.expect(answer, _LOGGED_IN)


def _by_password(
    wire: Wire, ways: list[str], username: str, password: str
) -> Answer | None:
    """Return the answer to a login, None where no such one is offered."""
    plain = _base64(f"\0{username}\0{password}")
    wire.secrets = (plain, _base64(password), password)
    if "PLAIN" in ways:
        return wire.command(f"AUTH PLAIN {plain}")
    if "LOGIN" not in ways:
        return None
    answer = wire.command("AUTH LOGIN")
    for line in (_base64(username), _base64(password)):
        if answer.is_go_on:
            answer = wire.command(line)
    return answer


def _by_token(wire: Wire, ways: list[str], username: str, token: str) -> Answer | None:
    """Return the answer to a login, None where no such one is offered.

    https://developers.google.com/workspace/gmail/imap/xoauth2-protocol
    """
    if "XOAUTH2" not in ways:
        return None
    both = _base64(f"user={username}\1auth=Bearer {token}\1\1")
    wire.secrets = (both, token)
    answer = wire.command(f"AUTH XOAUTH2 {both}")
    # A no comes as a question that holds the reason, and wants an empty line.
    return wire.command("") if answer.is_go_on else answer


def _base64(text: str) -> str:
    return base64.b64encode(text.encode("utf-8", "surrogateescape")).decode("ascii")
