"""A lab with a loopback Google: accounts, a template, a config, and drawing."""

# ruff: noqa: ANN401, TID253

import email
import email.message
import email.policy
import re
import shutil
import textwrap
import threading
import urllib.request
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from google_server import DriveFile, GoogleServer, build
from google_server.build import Table
from mlreport_batch.config.channels import GoogleSettings
from mlreport_batch.config.settings import Config, RenderSettings
from mlreport_batch.google.api.account import DRIVE_FILE, GMAIL_SEND
from mlreport_batch.google.api.pace import LIMITS, Pace
from mlreport_batch.google.engine import draw_google
from mlreport_batch.google.setup import create_template
from mlreport_batch.render.draw import Drawn, DrawTask
from mlreport_batch.render.mail import MailHeader
from mlreport_batch.report.model import Report
from mlreport_batch.state.store import State
from places import RUNS

USER, YOU = "me@lab.example", "you@lab.example"
FAST = Pace(
    first_wait_s=0.02,
    settle_s=0.02,
    limits={name: 1000 * units for name, units in LIMITS.items()},
)


class Lab:
    """One server, one account, one template, one state.

    Attributes:
        google: The config table; tests change it with `change`.
    """

    def __init__(self, server: GoogleServer, folder: Path) -> None:
        self.server = server
        self.folder = folder
        self.state_folder = folder / "state"
        self.google = GoogleSettings(
            credentials=None,
            subject=None,
            template=None,
            folder=None,
            scope="drive.file",
            find_sent=False,
            keep=True,
            fallback="hold",
            api_endpoint=server.url,
            ca_file=None,
        )

    def change(self, **changes: Any) -> None:
        """Change settings."""
        self.google = replace(self.google, **changes)

    # -- accounts ----------------------------------------------------------------

    def as_user(self, scopes: Sequence[str] = (DRIVE_FILE, GMAIL_SEND)) -> Any:
        """Work with the file of a user's login; return the grant."""
        grant = self.server.auth.consent(USER, scopes)
        path = self._fresh("user.json")
        self.server.auth.write_authorized_user(path, grant)
        self.change(credentials=path, subject=None)
        return grant

    def as_delegate(self, scopes: Sequence[str] = (DRIVE_FILE, GMAIL_SEND)) -> Any:
        """Work with a service account that acts for a user."""
        account = self.server.auth.add_service_account()
        account.delegate(scopes)
        path = self._fresh("key.json")
        self.server.auth.write_service_account(path, account)
        self.change(credentials=path, subject=USER)
        return account

    def in_shared_drive(self, role: str = "fileOrganizer") -> Any:
        """Work with a service account in a shared drive."""
        account = self.server.auth.add_service_account()
        drive = self.server.store.add_shared_drive("Reports", {account.email: role})
        path = self._fresh("key.json")
        self.server.auth.write_service_account(path, account)
        self.change(credentials=path, subject=None, folder=drive.id, scope="drive")
        return account

    def _fresh(self, name: str) -> Path:
        path = self.folder / name
        path.unlink(missing_ok=True)
        return path

    # -- templates ---------------------------------------------------------------

    def with_default_template(self) -> str:
        """Use the template that `template create` makes; return its id."""
        template = id_in(create_template(self.google)["template"])
        self.change(template=template)
        self.server.clear_log()
        return template

    def with_template(self, *blocks: Any, app: str = "", **options: Any) -> str:
        """Use a document made by hand; *app* opened it if it is given."""
        made = build.document(*blocks, **options)
        app = app or "123456-app.apps.googleusercontent.com"
        self.server.store.add(made, owner=USER, app=app)
        self.change(template=made.document_id)
        return made.document_id

    def with_small_template(self) -> str:
        """Use the smallest template that has a repeated row."""
        table = Table([["Key", "Value"], ["{{key}}", "{{value}}"]])
        return self.with_template("{{date}}", "{{run}} {{notification}}", table, "")

    # -- drawing -----------------------------------------------------------------

    def config(self, **changes: Any) -> Config:
        """Return a config of the lab's settings."""
        made = Config(
            runs=(),
            state=self.state_folder,
            render=RenderSettings(engine="google"),
            google=self.google,
        )
        return replace(made, **changes)

    def draw(self, *reports: Report, pace: Pace = FAST, batch: int = 16) -> list[Drawn]:
        """Draw *reports* as a tick does, with a state of its own folder."""
        self.state_folder.mkdir(exist_ok=True)
        tasks = [DrawTask(report, header(report)) for report in reports]
        batches = (tasks[i : i + batch] for i in range(0, len(tasks), batch))
        with closing(State(str(self.state_folder))) as state:
            drawn = draw_google(batches, self.config(), "inst", state, pace=pace)
            return [one for each in drawn for one in each]

    def state(self) -> State:
        """Open the state."""
        return State(str(self.state_folder))

    # -- looking -----------------------------------------------------------------

    def documents(self, *, trashed: bool = False) -> list[DriveFile]:
        """Return the documents of reports in Drive."""
        return [
            file
            for file in self.server.store.files.values()
            if file.trashed == trashed
            and any("mlreport_rid" in own for own in file.app_properties.values())
        ]

    def document(self, rid: str) -> Any:
        """Return the only kept document of a report."""
        (found,) = [
            file
            for file in self.documents()
            if any(own["mlreport_rid"] == rid for own in file.app_properties.values())
        ]
        return self.server.document(found.id)

    # -- the command line ----------------------------------------------------------

    def write_config(self, runs: Path, *, via: str, extra: str = "") -> Path:
        """Write a config file for *runs*."""
        google = self.google
        lines = [f"  api_endpoint: {google.api_endpoint}"]
        for name in (
            "credentials",
            "subject",
            "template",
            "folder",
            "scope",
            "find_sent",
            "fallback",
            "keep",
        ):
            value = getattr(google, name)
            if value is not None:
                shown = str(value).lower() if isinstance(value, bool) else value
                lines.append(f"  {name}: {shown}")
        text = textwrap.dedent(f"""\
            runs: [{{path: {runs}}}]
            state: {self.folder / "tick"}
            report: {{first_seen_max_age: null, timezone: UTC}}
            render: {{engine: google}}
            mail: {{via: {via}, from: {USER}, to: [{YOU}], max_per_tick: 1000}}
            outbox: {{dir: {self.folder / "outbox"}}}
            """)
        path = self.folder / "mlreport.yaml"
        path.write_text(text + extra + "google:\n" + "\n".join(lines) + "\n", "utf-8")
        return path

    def runs(self, names: Iterable[str], source: Path = RUNS) -> Path:
        """Copy run fixtures and return the folder that holds them."""
        target = self.folder / "experiments"
        for name in names:
            tree = source / name / "tree"
            found = tree if tree.is_dir() else source / name
            shutil.copytree(found, target / name, symlinks=True)
        return target


class Browser:
    """Follows the consent page's redirect, as a person who clicks yes does."""

    def __init__(self, answer: str = "") -> None:
        self.answer = answer

    def open(self, url: str, **_: object) -> bool:
        def visit() -> None:
            if self.answer:
                target = url.partition("redirect_uri=")[2].partition("&")[0]
                address = urllib.request.unquote(target) + self.answer  # type: ignore[attr-defined]
            else:
                address = url
            with urllib.request.urlopen(address, timeout=120):
                pass

        threading.Thread(target=visit).start()
        return True


def id_in(link: str) -> str:
    """Return the id in a link to a document or a folder."""
    match = re.search(r"/(?:d|folders)/([\w-]+)", link)
    assert match is not None, link
    return match[1]


def header(report: Any) -> MailHeader:
    """Return a mail header for a report."""
    return MailHeader(
        rid=report.rid,
        message_id=f"<{report.rid}@lab.example>",
        date=datetime(2019, 12, 27, tzinfo=UTC),
        sender=USER,
        recipients=("you@lab.example",),
        subject="[mlreport] x",
        language=report.language,
    )


def mail_of(data: bytes) -> email.message.EmailMessage:
    """Parse a mail."""
    made = email.message_from_bytes(data, policy=email.policy.default)
    assert isinstance(made, email.message.EmailMessage)
    return made


def html_of(data: bytes) -> str:
    """Return a mail's HTML body."""
    body = mail_of(data).get_body(("html",))
    assert body is not None
    return str(body.get_content())


def pdf_of(data: bytes) -> bytes:
    """Return a mail's PDF attachment."""
    (found,) = [
        part.get_content()
        for part in mail_of(data).walk()
        if part.get_content_type() == "application/pdf"
    ]
    assert isinstance(found, bytes)
    return found


def numbered(report: Report, count: int) -> list[Report]:
    """Return *count* reports that differ in id and run."""
    return [
        replace(report, rid=f"rid{i:03d}", run=f"{report.run}_{i}")
        for i in range(count)
    ]


Recorder = Callable[..., tuple[bytes, str]]


def record_exports(server: GoogleServer) -> list[tuple[str, str, bytes]]:
    """Return a list that fills with what Drive exports: id, type, bytes."""
    recorded: list[tuple[str, str, bytes]] = []
    export: Recorder = server.drive.export

    def recording(caller: Any, file_id: str, query: Any) -> tuple[bytes, str]:
        data, media_type = export(caller, file_id, query)
        recorded.append((file_id, media_type, data))
        return data, media_type

    server.drive.export = recording  # type: ignore[method-assign]
    return recorded
