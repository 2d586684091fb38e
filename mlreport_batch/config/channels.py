"""The config tables of the channels, of other places, of pages, and of Google."""

from pathlib import Path
from typing import Literal

from msgspec import Struct

from mlreport_batch.config.builder import setting
from mlreport_batch.config.kinds import (
    Flag,
    FlagOr,
    ListOf,
    OneOf,
    OrNull,
    Seconds,
    Text,
    Whole,
    env_name,
)
from mlreport_batch.config.places import Address, InDrive, PathTo, Url

# A name whose parts DNS can hold, or an address.
_HOST = (
    r"(?:[A-Za-z0-9_-]{1,63}\.)*[A-Za-z0-9_-]{1,63}\.?"
    r"|[0-9A-Fa-f:.]+|\[[0-9A-Fa-f:.]+\]"
)

DEFAULT_OUTBOX = "~/mlreport-outbox"
SMTP_PORTS = {"starttls": 587, "tls": 465, "none": 25}


class OutboxSettings(Struct, frozen=True):
    """Mails as files."""

    dir: Path = setting(
        PathTo("a folder"), DEFAULT_OUTBOX, help="The folder that takes the mails"
    )


class PagesSettings(Struct, frozen=True):
    """Where the reports lie as pages, with a page over all runs."""

    dir: Path | None = setting(
        OrNull(PathTo("a folder")),
        None,
        help="Folder for `index.html` and `reports/`, beside the mails; null writes no"
        " pages. `--out` goes before it",
        example="~/public_html/runs",
    )
    url: str | None = setting(
        OrNull(Url()),
        None,
        help="The address under which that folder is served; notices link to pages",
        example="https://lab.example/~ml/runs",
    )


class NotifySettings(Struct, frozen=True):
    """Short notices, beside the mails."""

    urls_env: str | None = setting(
        OrNull(env_name()),
        None,
        help="Name of the environment variable that holds addresses as Apprise has"
        " them, with blanks in between. Needs the `notify` extra",
        example="MLREPORT_NOTIFY",
    )
    urls_file: Path | None = setting(
        OrNull(PathTo("a file")),
        None,
        help="A file of mode 0600 that holds them, one a line, instead of `urls_env`",
        example="~/.config/mlreport-batch/notify-urls",
    )
    about: Literal["alerts", "reports"] = setting(
        OneOf(("alerts", "reports")),
        "alerts",
        help="What is told: reports with new alerts, and digests; or every report",
    )
    max_per_tick: int = setting(
        Whole(1, 100),
        5,
        help="Most notices of one tick; one more says how many are left out",
    )
    timeout_s: float = setting(
        Seconds(1, 600), 60, help="Longest time for all notices of a tick"
    )

    @property
    def is_on(self) -> bool:
        """Whether notices are wanted."""
        return bool(self.urls_env or self.urls_file)


class PingSettings(Struct, frozen=True):
    """The beginning and the end of each tick, told to a service that watches it."""

    url_env: str | None = setting(
        OrNull(env_name()),
        None,
        help="Name of the environment variable that holds the address; `/start` and"
        " `/fail` are put behind it",
        example="MLREPORT_PING",
    )
    url_file: Path | None = setting(
        OrNull(PathTo("a file")),
        None,
        help="A file of mode 0600 that holds it, instead of `url_env`",
        example="~/.config/mlreport-batch/ping-url",
    )
    timeout_s: float = setting(
        Seconds(1, 600), 10, help="Longest time for one ping, all tries together"
    )

    @property
    def is_on(self) -> bool:
        """Whether pings are wanted."""
        return bool(self.url_env or self.url_file)


class WebhookSettings(Struct, frozen=True):
    """What `run --json` prints, for a program of yours."""

    url_env: str | None = setting(
        OrNull(env_name()),
        None,
        help="Name of the environment variable that holds the address",
        example="MLREPORT_WEBHOOK",
    )
    url_file: Path | None = setting(
        OrNull(PathTo("a file")),
        None,
        help="A file of mode 0600 that holds it, instead of `url_env`",
        example="~/.config/mlreport-batch/webhook-url",
    )
    timeout_s: float = setting(
        Seconds(1, 600), 30, help="Longest time for one call, all tries together"
    )

    @property
    def is_on(self) -> bool:
        """Whether the calls are wanted."""
        return bool(self.url_env or self.url_file)


class PrometheusSettings(Struct, frozen=True):
    """Figures of the last tick, for node_exporter's textfile collector."""

    file: Path | None = setting(
        OrNull(PathTo("a file")),
        None,
        help="The file to write, readable by all; its name must end in `.prom`, and its"
        " folder be there. null writes none",
        example="/var/lib/node_exporter/textfile/mlreport.prom",
    )

    @property
    def is_on(self) -> bool:
        """Whether the file is wanted."""
        return self.file is not None


class SmtpSettings(Struct, frozen=True):
    """A mail server."""

    host: str | None = setting(
        OrNull(Text(_HOST, "a host name")),
        None,
        help="The server; needed with `via: smtp`",
        example="smtp.lab.example",
    )
    port: int = setting(
        Whole(1, 65_535),
        587,
        help="Its port; when left out 587, with `tls` 465, with `none` 25",
    )
    security: Literal["starttls", "tls", "none"] = setting(
        OneOf(("starttls", "tls", "none")),
        "starttls",
        help="How the connection is protected; `none` together with a username is"
        " accepted only towards this machine",
    )
    username: str | None = setting(
        OrNull(Text(what="text")),
        None,
        help="Who logs in; null does not log in",
        example="ml",
    )
    password_env: str | None = setting(
        OrNull(env_name()),
        None,
        help="Name of the environment variable that holds the password",
        example="SMTP_PASSWORD",
    )
    password_file: Path | None = setting(
        OrNull(PathTo("a file")),
        None,
        help="A file of mode 0600 that holds the password, instead of `password_env`;"
        " cron passes few variables on",
        example="~/.config/mlreport-batch/smtp-password",
    )
    grant_file: Path | None = setting(
        OrNull(PathTo("a file")),
        None,
        help="A file of mode 0600 with the grant that `login --smtp` got: logs in by"
        " OAuth2 (XOAUTH2) instead of with a password",
        example="~/.config/mlreport-batch/smtp-grant.json",
    )
    ca_file: Path | None = setting(
        OrNull(PathTo("a file", must_exist=True)),
        None,
        help="Certificates to trust instead of the machine's",
        example="/etc/ssl/lab-ca.pem",
    )
    timeout_s: float = setting(
        Seconds(1, 3600), 30, help="Longest wait for each answer of the server"
    )
    final_timeout_s: float = setting(
        Seconds(1, 3600),
        600,
        help="Longest wait for the answer after a mail's last byte. RFC 5321 asks for"
        " ten minutes; a short wait makes duplicates",
    )


class SendmailSettings(Struct, frozen=True):
    """A command that takes mails."""

    command: tuple[str, ...] = setting(
        ListOf(Text(what="text"), at_least=1),
        ["/usr/sbin/sendmail", "-t", "-i"],
        help="The command and its arguments; no shell is involved",
    )
    timeout_s: float = setting(
        Seconds(1, 3600),
        600,
        help="Longest time for one mail; programs that send while we wait, such as"
        " msmtp, need minutes",
    )


class GoogleSettings(Struct, frozen=True):
    """Google Docs, Drive and Gmail."""

    credentials: Path | None = setting(
        OrNull(PathTo("a file")),
        None,
        help="A service-account key or an authorized-user file, mode 0600; null uses"
        " application default credentials",
        example="~/.config/mlreport-batch/google.json",
    )
    subject: str | None = setting(
        OrNull(Address()),
        None,
        help="The user a service account acts for (domain-wide delegation)",
        example="ml@lab.example",
    )
    template: str | None = setting(
        OrNull(InDrive("a document")),
        None,
        help="The template document; needed with `engine: google`, made by"
        " `template create`",
        example="1AbCdEfGhIjKlMnOpQrStUv",
    )
    folder: str | None = setting(
        OrNull(InDrive("a folder")),
        None,
        help="The Drive folder that takes the documents; `template create --folder"
        " NAME` makes one",
        example="0AbCdEfGhIjKlMn",
    )
    scope: Literal["drive.file", "drive"] = setting(
        OneOf(("drive.file", "drive")),
        "drive.file",
        help="What is asked for: files that this program made, or all of Drive; only"
        " `drive` sees a template or folder of your own",
    )
    find_sent: bool = setting(
        Flag(),
        default=False,
        help="Ask for `gmail.metadata` too: after a lost answer, look under Sent"
        " whether the mail went out",
    )
    keep: bool | int = setting(
        FlagOr(Whole(1, 100_000)),
        default=True,
        help="Keep each report's document, linked in the mail; a number keeps so many"
        " of each run, false none once the mail is sent (the others go to the trash)",
        example="5",
    )
    fallback: Literal["hold", "local"] = setting(
        OneOf(("hold", "local")),
        "hold",
        help="When Google refuses the credential or the template is gone: hold the"
        " reports, or draw them with the local engine",
    )
    api_endpoint: str | None = setting(
        OrNull(Url()),
        None,
        help="Replaces the host of all three APIs; http only towards this machine",
        example="https://apis.lab.example",
    )
    ca_file: Path | None = setting(
        OrNull(PathTo("a file", must_exist=True)),
        None,
        help="Certificates to trust instead of the machine's",
        example="/etc/ssl/lab-ca.pem",
    )
