"""The questions of ``init``, in their order, and what the answers mean."""

import argparse
import os
import shutil
import sys
from typing import Literal, get_args

from msgspec import Struct

from mlreport_batch.commands.schedule.when import DEFAULT, When, when_of
from mlreport_batch.commands.setup.asker import Asker
from mlreport_batch.commands.setup.look import Found, look, usual_folders
from mlreport_batch.config.channels import SMTP_PORTS
from mlreport_batch.config.services import SERVICES, Service, service_of
from mlreport_batch.errors import UsageError
from mlreport_batch.language.dates import zone
from mlreport_batch.printing import tell
from mlreport_batch.safety.address import is_loopback, mail_domain, parse_address

Language = Literal["en", "ko"]
NOBODY = "-"
_PORT_MAX = 65_535


class Route(Struct, frozen=True):
    """The way of the mails.

    Attributes:
        through: A name of `SERVICES`.
        sender: The address that mails come from, empty for an outbox.
        host: The mail server, empty where none is spoken to.
        port: Its port.
        security: ``starttls``, ``tls`` or ``none``.
        username: Who logs in, empty for nobody.
        password: What was typed, empty where a file or a variable holds it.
        password_file: A file of the user's that holds it.
        password_env: A variable that holds it.
    """

    through: str
    sender: str = ""
    host: str = ""
    port: int = 0
    security: str = "starttls"
    username: str = ""
    password: str = ""
    password_file: str = ""
    password_env: str = ""


class Answers(Struct, frozen=True):
    """All that ``init`` wants to know."""

    language: str
    runs: tuple[str, ...]
    to: tuple[str, ...]
    route: Route
    timezone: str
    when: When
    schedule: str


def language_here() -> str:
    """Return the language that this session speaks, of those we do."""
    names = ("LC_ALL", "LC_MESSAGES", "LANG")
    spoken = next(filter(None, map(os.environ.get, names)), "")
    return "ko" if spoken.startswith("ko") else "en"


def settle(args: argparse.Namespace, asker: Asker) -> Answers:
    """Return all answers: those given as options, the others asked for.

    Raises:
        UsageError: An option is wrong, or there is nobody to ask for what is missing.
    """
    language = asker.get(
        "language",
        "--language {en,ko}",
        _language,
        given=args.language,
        default=asker.language,
    )
    asker.language = language or asker.language
    runs = _runs(args.runs, asker)
    to = _recipients(args, asker)
    through = _service(args, to, asker)
    route = _route(args, through, to, asker)
    timezone = asker.get(
        "timezone", "--timezone ZONE", _zone, given=args.timezone, default=""
    )
    when = asker.get(
        "every", "--every WHEN", when_of, given=args.every, default=DEFAULT
    )
    schedule = asker.get(
        "schedule",
        "--schedule {cron,systemd,none}",
        _schedule,
        given=args.schedule,
        default=_scheduler_here() if asker.can_ask else "none",
    )
    if asker.missing:
        names = ", ".join(asker.missing)
        raise UsageError(
            f"there is nobody to ask, and these are missing: {names}",
            kept="Nothing was written",
            advice="Give them, or call `mlreport-batch init` on a terminal. "
            "`mlreport-batch init FILE --no-input` alone writes a config to edit",
        )
    return Answers(
        asker.language, runs, to, route, timezone or "", when or When(), schedule or ""
    )


def _language(text: str) -> str:
    if text not in get_args(Language):
        raise UsageError(f"{text}: en or ko")
    return text


def _zone(text: str) -> str:
    try:
        zone(text)
    except ValueError as exc:
        raise UsageError(f"{exc}; expected one such as Asia/Seoul") from exc
    return text


def _schedule(text: str) -> str:
    if text not in ("cron", "systemd", "none"):
        raise UsageError(f"{text}: cron, systemd or none")
    return text


def _scheduler_here() -> str:
    """Return what can start ticks on this machine."""
    if shutil.which("crontab"):
        return "cron"
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    return "systemd" if os.path.isdir(os.path.join(runtime, "systemd")) else "none"


def _runs(given: list[str] | None, asker: Asker) -> tuple[str, ...]:
    usual: list[Found] = []
    if given is None and asker.can_ask:
        usual = usual_folders([os.getcwd(), os.path.expanduser("~")])
        if usual:
            asker.tell("found_here")
        asker.choose([f"{each.path}: {_told(each, asker)}" for each in usual])

    def check(text: str) -> Found:
        is_number = text.isdecimal() and 0 < int(text) <= len(usual)
        found = usual[int(text) - 1] if is_number else look(text)
        tell(f"{found.path}: {_told(found, asker)}")
        return found

    default = usual[0].path if usual else None
    wanted: list[str | None] = [*given] if given else [None]
    roots = [
        asker.get("runs", "--runs DIR", check, given=each, default=default)
        for each in wanted
    ]
    return tuple(root.path for root in roots if root is not None)


def _told(found: Found, asker: Asker) -> str:
    """Return what lies in a folder, in words."""
    if not found.names:
        return asker.say("runs_none")
    names, count = found.some_names, len(found.names)
    if (more := count - names.count(", ") - 1) > 0:
        names = asker.say("runs_more", names=names, more=f"{more:,}")
    key = "runs_found" if found.is_all else "runs_many"
    return asker.say(key, count=f"{count:,}", names=names)


def _recipients(args: argparse.Namespace, asker: Asker) -> tuple[str, ...]:
    needs_some = args.through not in (None, "outbox")
    given = ",".join(args.to) if args.to else None
    if given is None and args.through == "outbox":
        given = ""
    found = asker.get(
        "to_needed" if needs_some else "to",
        "--to ADDRESS (or --through outbox)",
        lambda text: _addresses(text, needs_some=needs_some),
        given=given,
        default="" if asker.can_ask and not needs_some else None,
    )
    return found or ()


def _addresses(text: str, *, needs_some: bool) -> tuple[str, ...]:
    found = tuple(part.strip() for part in text.split(",") if part.strip())
    for each in found:
        _address(each)
    if needs_some and not found:
        raise UsageError("nobody is named")
    return found


def _address(text: str) -> str:
    try:
        parse_address(text)
    except ValueError as exc:
        raise UsageError(str(exc)) from exc
    return text


def _service(args: argparse.Namespace, to: tuple[str, ...], asker: Asker) -> str:
    """Return the name of what carries the mails."""
    names = list(SERVICES)
    if args.through is None and not to:
        return "outbox"  # nobody gets any, as was just answered

    def check(text: str) -> str:
        is_number = text.isdecimal() and 0 < int(text) <= len(names)
        name = names[int(text) - 1] if is_number else text.lower()
        if name not in SERVICES:
            raise UsageError(asker.say("no_service", text=text, names=", ".join(names)))
        return name

    if args.through is None:
        labels = (SERVICES[n].label or asker.say(f"service.{n}") for n in names)
        asker.choose(
            [f"{n:<13} {label}" for n, label in zip(names, labels, strict=True)]
        )
    default = service_of(parse_address(to[0])[1]) if to else None
    return (
        asker.get("through", "--through", check, given=args.through, default=default)
        or "outbox"
    )


def _route(
    args: argparse.Namespace, through: str, to: tuple[str, ...], asker: Asker
) -> Route:
    if through == "outbox":
        return Route(through)
    service = SERVICES[through]
    first = to[0] if to else ""
    has_account = bool(service.host)
    fits = not has_account or service_of(first) == through
    sender = asker.get(
        "sender" if has_account else "sender_of",
        "--from ADDRESS",
        _address,
        given=args.sender,
        default=first if first and fits else None,
    )
    if through == "sendmail":
        return Route(through, sender or "")
    host, security, port = _server(args, service, sender or first, asker)
    login = _login(args, service, host, sender or "", asker)
    return Route(through, sender or "", host, port, security, **login)


def _server(
    args: argparse.Namespace, service: Service, sender: str, asker: Asker
) -> tuple[str, str, int]:
    """Return host, security and port of the mail server."""
    if service.host:
        security = args.security or service.security
        return args.host or service.host, security, args.port or SMTP_PORTS[security]
    guess = f"smtp.{mail_domain(sender)}" if asker.can_ask else None
    host = asker.get("host", "--host HOST", str, given=args.host, default=guess)
    security = asker.get(
        "security", "--security", _security, given=args.security, default="starttls"
    )
    security = security or "starttls"
    port = asker.get(
        "port",
        "--port PORT",
        _port,
        given=None if args.port is None else str(args.port),
        default=str(SMTP_PORTS[security]),
    )
    return host or "", security, port or 0


def _security(text: str) -> str:
    if text not in SMTP_PORTS:
        raise UsageError(f"{text}: {', '.join(SMTP_PORTS)}")
    return text


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) <= _PORT_MAX:
        raise UsageError(f"{text} is no port")
    return int(text)


def _login(
    args: argparse.Namespace, service: Service, host: str, sender: str, asker: Asker
) -> dict[str, str]:
    """Return who logs in, and what holds the password."""
    address = parse_address(sender)[1] if sender else ""
    username = args.username or (address if service.host else None)
    if username is None:
        # A server of this machine mostly wants no login, all others mostly do.
        default = NOBODY if is_loopback(host) else address
        username = asker.get("username", "--username NAME", str, default=default)
    if username in (None, "", NOBODY):
        return {}
    return {"username": username or "", **_password(args, service, asker)}


def _password(
    args: argparse.Namespace, service: Service, asker: Asker
) -> dict[str, str]:
    if args.password_file:
        return {
            "password_file": os.path.abspath(os.path.expanduser(args.password_file))
        }
    if args.password_env:
        return {"password_env": args.password_env}
    given = sys.stdin.readline().strip() if args.password_stdin else None
    if service.page and given is None and asker.can_ask:
        asker.tell("app_is", label=service.label, page=service.page)
        name = next(name for name, each in SERVICES.items() if each is service)
        asker.tell(f"note.{name}")
    found = asker.get(
        "app_password" if service.page else "password",
        "--password-file FILE (or --password-env NAME, --password-stdin)",
        str,
        given=given,
        is_secret=True,
    )
    return {"password": without_blanks(found or "", service)}


def without_blanks(password: str, service: Service) -> str:
    """Return a password as it is meant: app passwords are shown in groups."""
    return password.replace(" ", "") if service.page else password
