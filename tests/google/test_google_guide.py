"""The guide works as written: its configs, its commands, and what Google may answer."""

import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from google_server import GoogleServer, faults
from google_server.build import Table
from google_setup import FAST, USER, Browser, Lab, id_in
from mlreport_batch.cli import main
from mlreport_batch.google import engine as google
from mlreport_batch.google import gmail, setup
from mlreport_batch.google.api.account import DRIVE_FILE, GMAIL_SEND
from places import ROOT

GUIDE = (ROOT / "docs/google.md").read_text(encoding="utf-8")
COPY, MERGE = "drive.files.copy", "docs.documents.batchUpdate"
SEND = "gmail.users.messages.send"


def part(title: str) -> str:
    """Return the text below the heading that starts with *title*."""
    return GUIDE.partition(f"\n## {title}")[2].partition("\n## ")[0]


def blocks(text: str, language: str) -> list[str]:
    found = re.findall(rf"(?ms)^ *```{language}\n(.*?)^ *```$", text)
    return [re.sub(r"(?m)^   ", "", block) for block in found]


def commands(text: str) -> list[str]:
    """Return what is to be typed, in order, in blocks and within lines."""
    found = re.findall(
        r"(?m)`(mlreport-batch [^`]*-c [^`]*)`|^ *(mlreport-batch .*)$", text
    )
    return [inline or line for inline, line in found]


@pytest.fixture
def server() -> Iterator[GoogleServer]:
    with GoogleServer() as running:
        yield running


@pytest.fixture
def lab(server: GoogleServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A home of its own; only the waits are shorter than in life."""
    monkeypatch.setattr(google, "Pace", lambda: FAST)
    monkeypatch.setattr(gmail, "_PACE", FAST)
    monkeypatch.setattr(setup, "_PACE", FAST)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    made = Lab(server, tmp_path)
    made.runs(["keras_basic"])
    return made


class Person:
    """Follows the guide."""

    def __init__(self, lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
        self.lab = lab
        self.capsys = capsys
        self.config: dict[str, Any] = {}

    def write(self, *texts: str, **more: Any) -> None:  # noqa: ANN401
        """Write the config; the place of Google is the test's."""
        for text in texts:
            self.config |= yaml.safe_load(text)
        self.config |= {"report": {"first_seen_max_age": None}, **more}
        self.config["google"]["api_endpoint"] = self.lab.server.url
        Path("mlreport.yaml").write_text(yaml.safe_dump(self.config), "utf-8")

    def type(self, command: str) -> str:
        """Type *command*; what it says must be good news."""
        name, *words = shlex.split(command)
        assert name == "mlreport-batch"
        code = main(words)
        said = self.capsys.readouterr()
        assert code == 0, (command, said)
        return said.out

    def key(self) -> Path:
        """Return where the guide keeps the credential."""
        path = Path(self.config["google"]["credentials"]).expanduser()
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def follow(self, typed: list[str]) -> None:
        """Type all; what ``template create`` prints goes into the config."""
        for command in typed:
            said = self.type(command)
            if " template create" in command:
                self.config["google"]["template"] = said.strip()
                self.write()


@pytest.fixture
def person(lab: Lab, capsys: pytest.CaptureFixture[str]) -> Person:
    return Person(lab, capsys)


def is_finished(lab: Lab, mails: int) -> None:
    assert lab.documents()
    assert len(lab.server.gmail.sent) == mails
    assert all(b"{{" not in mail.raw for mail in lab.server.gmail.sent)


def test_a_personal_account_works_from_top_to_bottom(person: Person, browser: Browser):
    text = part("A.")
    person.lab.server.auth.write_client_secrets(Path("client.json"))
    person.write(*blocks(text, "yaml"))
    typed = commands(text)
    assert [command.split()[1] for command in typed] == [
        "login", "template", "check", "run",
    ]  # fmt: skip
    assert "pip install 'mlreport-batch[login]'" in text
    person.follow(typed)
    is_finished(person.lab, 1)
    (live,) = commands(part("`check --live`"))
    assert person.type(live).count(": yes") == len(rows(part("`check --live`")))


def test_delegation_works_from_top_to_bottom(person: Person):
    text = part("B.")
    account = person.lab.server.auth.add_service_account()
    (scopes,) = blocks(text, "")
    account.delegate(scopes.strip().split(","))
    person.write(*blocks(part("A."), "yaml"), *blocks(text, "yaml"))
    person.lab.server.auth.write_service_account(person.key(), account)
    person.follow(
        [command for command in commands(part("A.")) if "login" not in command]
    )
    is_finished(person.lab, 1)


def test_a_shared_drive_works_from_top_to_bottom(person: Person):
    text = part("C.")
    account = person.lab.server.auth.add_service_account()
    members = {account.email: "fileOrganizer"}  # a content manager
    drive = person.lab.server.store.add_shared_drive("Reports", members)
    person.write(*blocks(part("A."), "yaml"), *blocks(text, "yaml"))
    person.config["google"]["folder"] = drive.id
    person.write(mail={"via": "outbox", "from": USER, "to": [USER]})
    person.lab.server.auth.write_service_account(person.key(), account)
    person.follow(
        [command for command in commands(part("A.")) if "login" not in command]
    )
    is_finished(person.lab, 0)
    assert all(file.parent == drive.id for file in person.lab.documents())


def test_folder_that_is_made_along_is_used(person: Person, browser: Browser):
    person.lab.server.auth.write_client_secrets(Path("client.json"))
    text = part("A.")
    person.write(*blocks(text, "yaml"))
    login, create, *others = commands(text)
    person.type(login)
    (option,) = re.findall(r"With `(--folder [^`]+)`", text)
    for line in person.type(f"{create} {option}").splitlines():
        key, link = line.removeprefix("google.").split(": ")
        person.config["google"][key] = link
    person.write()
    person.follow(others)
    folder = id_in(person.config["google"]["folder"])
    assert all(file.parent == folder for file in person.lab.documents())


def test_command_of_gcloud_asks_for_what_is_needed():
    (command,) = [c for c in blocks(part("Without a key"), "sh") if "gcloud" in c]
    asked = re.search(r"--scopes=(\S+)", command)
    assert asked is not None
    assert DRIVE_FILE in asked[1].split(",")


# -- what Google may answer -----------------------------------------------------------


def rows(text: str) -> list[list[str]]:
    """Return the rows of the table in *text* below its head."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


ANSWERS = [
    (said, int(code))
    for messages, code, _ in rows(part("When Google says no"))
    for said in re.findall("`([^`]+)`", messages)
]


def every(method: str, fault: faults.Fault) -> Callable[[Lab], Any]:
    return lambda lab: lab.server.fail(method, fault, times=-1)


def refused(
    method: str, status: int, reason: str, text: str = ""
) -> Callable[[Lab], Any]:
    return every(method, faults.refuse(status, reason, text))


def grant(text: str) -> Callable[[Lab], Any]:
    return every("token", faults.invalid_grant(text))


def trashed(lab: Lab) -> None:
    lab.server.store.files[str(lab.google.template)].trashed = True


def no_document(lab: Lab) -> None:
    kind = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
    lab.server.store.files[str(lab.google.template)].mime_type = kind


def merged(lab: Lab) -> None:
    spans = {(0, 0): (1, 2)}
    lab.with_template("", Table([["a", "b"], ["{{key}}", ""]], spans=spans), "")


SCENES: dict[str, Callable[[Lab], Any]] = {
    "invalid_grant: Token has been expired or revoked": grant(
        "Token has been expired or revoked."
    ),
    "invalid_grant: Invalid JWT Signature": grant("Invalid JWT Signature."),
    "invalid_grant: Invalid JWT: Token must be a short-lived token": grant(
        "Invalid JWT: Token must be a short-lived token (60 minutes) and in a"
        " reasonable timeframe."
    ),
    "unauthorized_client": refused(
        "token", 401, "unauthorized_client", "no such scope"
    ),
    "its grant does not cover this": refused(COPY, 403, "insufficientPermissions"),
    "others can read …": lambda lab: Path(str(lab.google.credentials)).chmod(0o644),
    "sees no template …": lambda lab: lab.server.store.files.pop(
        str(lab.google.template)
    ),
    "sees no folder …": lambda lab: lab.change(folder="nowhere"),
    "is in the trash": trashed,
    "is no Google Doc": no_document,
    "cannot be filled": merged,
    "There is no storage for …": every(COPY, faults.storage_full()),
    "does not let … do this": refused(COPY, 403, "insufficientFilePermissions"),
    "may not use this API": refused(COPY, 403, "accessNotConfigured"),
    "has no mailbox": refused(SEND, 400, "failedPrecondition"),
    "answers 429": every(COPY, faults.rate_limited()),
    "503": every(COPY, faults.refuse(503)),
    "does not answer": every(MERGE, faults.drop()),
    "token endpoint cannot be used now": every("token", faults.refuse(503)),
    "the login page of a network?": every("drive.files.get", faults.portal()),
    "sending limit is reached": lambda lab: setattr(lab.server.gmail, "daily_limit", 0),
    "nobody knows whether Gmail took mail …": every(SEND, faults.drop(applied=True)),
    "still shows placeholders": lambda lab: setattr(
        lab.server.drive, "stale_exports", 99
    ),
}


@pytest.mark.no_cover
@pytest.mark.parametrize(("said", "code"), ANSWERS)
def test_each_answer_in_the_guide_is_said_and_ends_as_it_tells(
    lab: Lab, capsys: pytest.CaptureFixture[str], said: str, code: int
):
    lab.as_user([DRIVE_FILE, GMAIL_SEND])
    lab.with_small_template()
    SCENES[said](lab)
    config = lab.write_config(lab.folder / "experiments", via="gmail")
    assert main(["run", "-c", str(config)]) == code
    heard = "".join(capsys.readouterr())
    pattern = ".*".join(map(re.escape, said.split("…")))
    assert re.search(pattern.rstrip(), heard), heard


def test_no_scene_is_left_over():
    assert {said for said, _ in ANSWERS} == {*SCENES}
