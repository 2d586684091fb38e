"""From nothing to a mail that arrived: what `init` asks, and what it leaves."""

import getpass
import os
import re
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pexpect
import pytest
import yaml

from mlreport_batch.commands.schedule.when import When
from mlreport_batch.commands.setup.answers import Answers, Route
from mlreport_batch.commands.setup.write import config_text, password_place
from mlreport_batch.config.load import load, parse
from mlreport_batch.config.services import SERVICES, service_of
from mlreport_batch.language.dialogue import DIALOGUE
from smtp_server import PASSWORD, USER, Authority, RealServer, ScriptedServer
from ticking import Desk, Said

Typing = Callable[..., Said]
CSV = "step,loss\n1,0.5\n2,0.25\n"


@pytest.fixture(autouse=True)
def home(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user without anything."""
    monkeypatch.chdir(desk.folder)
    monkeypatch.setenv("HOME", str(desk.folder))
    for name in ("XDG_CONFIG_HOME", "MLREPORT_CONFIG", "LC_ALL", "LC_MESSAGES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", "C.UTF-8")
    # Nothing of this machine may be scheduled.
    monkeypatch.setenv("PATH", str(desk.folder / "nothing"))
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    return desk.folder


@pytest.fixture
def typing(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    """Run `init` on a terminal where a person types these lines and passwords."""

    def typed(*args: str, lines: str, passwords: tuple[str, ...] = ()) -> Said:
        left = iter(passwords)
        monkeypatch.setattr(getpass, "getpass", lambda _: next(left))
        monkeypatch.setattr(sys, "stdin", Typed(lines))
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
        return desk.run("init", *args)

    return typed


class Typed:
    """A terminal with a person before it, who has all answers ready."""

    def __init__(self, lines: str) -> None:
        self._lines = iter(lines.splitlines(keepends=True))

    def isatty(self) -> bool:
        return True

    def readline(self, *_: int) -> str:
        return next(self._lines, "")


def settings(home: Path) -> dict:
    return yaml.safe_load((home / ".config/mlreport-batch/config.yaml").read_text())


def test_enter_all_the_way_gives_a_folder_of_mails_and_a_sample(
    desk: Desk, home: Path, typing: Typing
):
    desk.put("a/metrics.csv", CSV)
    said = typing(lines="\n" * 6)
    assert said.code == 0, said.err
    assert "1  ~/runs: 1 found: a" in said.out
    assert settings(home)["runs"] == [{"path": "~/runs"}]
    [mail] = (home / "mlreport-outbox").iterdir()
    assert b"X-Mlreport-Id: test-" in mail.read_bytes()
    assert "What the first tick would report:\n  a  loss 0.25" in said.out
    assert not (home / ".local").exists()  # nothing was read for good
    again = typing(lines="\n" * 6)
    assert again.code == 2
    assert "is there already" in again.err


def test_runs_that_are_old_news_are_counted(desk: Desk):
    desk.put("new/metrics.csv", CSV)
    for name in ("old", "older"):
        desk.put(f"{name}/metrics.csv", CSV, age_s=30 * 86400)
    said = desk.run("init", "--runs", "runs", "--through", "outbox")
    assert "What the first tick would report:\n  new  " in said.out
    assert "Quiet for a week or longer: 2. Such runs" in said.out


def test_a_password_that_is_refused_may_be_typed_again(
    desk: Desk, home: Path, typing: Typing
):
    refused = {"auth": ["535 5.7.8 no such password"]}
    with ScriptedServer(refused, features=("AUTH PLAIN",)) as server:
        said = typing(
            *("--through", "smtp", "--runs", "runs", "--timezone", "Asia/Seoul"),
            *("--to", "kim@lab.example", "--schedule", "none", "--language", "en"),
            lines=f"\n127.0.0.1\nnone\n{server.port}\nkim\n\n",
            passwords=("wrong", "right"),
        )
    assert said.code == 0, said.out + said.err
    assert "refused the login" in said.err
    from email import message_from_bytes, policy

    mail = message_from_bytes(server.mails[0], policy=policy.default)
    assert mail["To"] == "kim@lab.example"
    assert mail["Subject"] == "[mlreport] test"
    assert "sample" in mail.get_body(("plain",)).get_content()
    secret = home / ".config/mlreport-batch/smtp-password"
    assert secret.read_text() == "right\n"
    assert secret.stat().st_mode & 0o777 == 0o600
    assert "right\n" not in (secret.parent / "config.yaml").read_text()
    assert settings(home)["smtp"] == {
        "host": "127.0.0.1", "port": server.port, "security": "none",
        "username": "kim", "password_file": "~/.config/mlreport-batch/smtp-password",
    }  # fmt: skip


def test_a_service_that_is_known_needs_an_app_password_and_nothing_else(
    desk: Desk, home: Path, typing: Typing
):
    for number in range(12):
        desk.put(f"r{number:02}/metrics.csv", CSV)
    (home / "nothing").mkdir()
    crontab = home / "nothing" / "crontab"
    crontab.write_text('#!/bin/sh\n[ "$1" = -l ] && exit 0\n/bin/cp "$1" "$HOME/tab"\n')
    crontab.chmod(0o755)
    with ScriptedServer(features=("AUTH PLAIN",)) as server:
        said = typing(
            *("--host", "127.0.0.1", "--port", str(server.port), "--security", "none"),
            lines="\n1\nkim@gmail.com\nnone of them\n1\n\n\n\n\n",
            passwords=("abcd efgh ijkl mnop",),
        )
    assert said.code == 0, said.out + said.err
    assert "none of them is none of these: gmail, outlook," in said.err
    assert "app password: one made for one program" in said.out
    assert "https://myaccount.google.com/apppasswords" in said.out
    secret = home / ".config/mlreport-batch/smtp-password"
    assert secret.read_text() == "abcdefghijklmnop\n"
    assert settings(home)["smtp"]["username"] == "kim@gmail.com"
    assert settings(home)["mail"]["from"] == "ML reports <kim@gmail.com>"
    assert "and 2 more" in said.out
    assert "*/15 * * * * " in (home / "tab").read_text()
    assert "All set" in said.out


def test_a_login_that_fails_for_good_is_said_and_may_be_mended_later(
    desk: Desk, home: Path, typing: Typing
):
    answers = ("--through", "smtp", "--runs", "runs", "--to", "kim@lab.example")
    more = ("--timezone", "Asia/Seoul", "--every", "15", "--schedule", "none")
    with ScriptedServer({"auth": "535 5.7.8 no"}, features=("AUTH PLAIN",)) as server:
        where = ("--host", "127.0.0.1", "--port", str(server.port))
        said = typing(
            *answers, *more, *where, "--security", "none", "--username", "kim",
            lines="\n\n", passwords=("wrong", ""),
        )  # fmt: skip
    assert said.code == 77
    assert "mails do not go out yet" in said.out
    assert settings(home)["mail"]["via"] == "smtp"


def test_a_route_may_be_tried_without_a_mail(desk: Desk, home: Path):
    args = ("--runs", "runs", "--through", "outbox", "--no-test")
    assert desk.run("init", *args).code == 0
    assert not (home / "mlreport-outbox").exists()


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        (("--to", "me"), "not an address"),
        (("--to", "me@x.example", "--through", "pigeon"), "pigeon is none of these"),
        (("--through", "outbox", "--timezone", "Moon"), "no time zone"),
        (("--through", "outbox", "--every", "never"), "no time to start at"),
        (("--through", "smtp", "--to", ","), "nobody is named"),
        (
            ("--through", "smtp", "--to", "a@x.example", "--host", "x", "--port", "0"),
            "0 is no port",
        ),
    ],
)
def test_an_option_that_is_wrong_is_refused(
    desk: Desk, home: Path, flags: tuple[str, ...], why: str
):
    said = desk.run("init", "--runs", "runs", *flags)
    assert said.code == 2
    assert why in said.err
    assert not (home / ".config").exists()


def test_a_wrong_answer_is_asked_for_again_and_no_other(desk: Desk, typing: Typing):
    said = typing(
        "--through", "outbox", "--schedule", "none",
        lines="fr\nen\n~\nnowhere\nruns\nMoon\nAsia/Seoul\n7\n90\n",
    )  # fmt: skip
    assert said.code == 0, said.err
    for text in (
        "fr: en or ko",
        "~ holds ~/.local/state",
        "nowhere cannot be read",
        "Moon",
        "divide a day",
    ):
        assert text in said.err
    asked = ("Language of", "Which folder", "Time zone", "How often")
    assert [said.out.count(question) for question in asked] == [2, 3, 2, 2]


def test_whoever_ends_the_questions_leaves_nothing(home: Path, typing: Typing):
    said = typing(lines="en\n")
    assert said.code == 2
    assert "ended before the last answer. Nothing more was written" in said.err
    assert not (home / ".config").exists()


def test_without_a_person_all_that_is_missing_is_named_at_once(desk: Desk, home: Path):
    said = desk.run("init", "--through", "smtp", "--language", "en")
    assert said.code == 2
    for flag in ("--runs", "--to", "--from", "--host"):
        assert flag in said.err
    assert not (home / ".config").exists()


def test_answers_that_do_not_fit_together_leave_nothing(desk: Desk, home: Path):
    said = desk.run(
        "init", "--runs", "runs", "--to", "a@x.example", "--through", "smtp", "--host",
        "mx.example", "--security", "none", "--username", "a", "--password-env", "X",
    )  # fmt: skip
    assert said.code == 78
    assert "none would send the password in clear text" in said.err
    assert not (home / ".config").exists()


def test_every_answer_is_an_option(desk: Desk, home: Path, tmp_path: Path):
    desk.put("a/metrics.csv", CSV)
    (tmp_path / "more").mkdir()
    with ScriptedServer(features=("AUTH PLAIN",)) as server:
        args = (
            *("--runs", "runs", "--runs", tmp_path / "more", "--to", "a@lab.example"),
            *(
                "--to",
                "Kim <b@lab.example>",
                "--through",
                "smtp",
                "--from",
                "ml@x.example",
            ),
            *("--host", "127.0.0.1", "--port", str(server.port), "--security", "none"),
            *("--username", "ml", "--password-env", "MAIL_PASSWORD"),
            *("--language", "ko", "--timezone", "Asia/Seoul", "--every", "daily 07:00"),
            *("--schedule", "none"),
        )
        os.environ["MAIL_PASSWORD"] = "x"
        try:
            said = desk.run("init", "lab.yaml", *args)
        finally:
            del os.environ["MAIL_PASSWORD"]
    assert said.code == 0, said.err
    assert "견본 보고서를 a@lab.example, b@lab.example" in said.out
    config = load("lab.yaml")
    assert [root.path for root in config.runs] == [
        str(desk.runs),
        str(tmp_path / "more"),
    ]
    assert config.mail.to == ("a@lab.example", "Kim <b@lab.example>")
    assert config.smtp.password_env == "MAIL_PASSWORD"
    assert config.report.language == "ko"
    assert not (home / ".config").exists()


def test_a_route_that_fails_keeps_the_config_and_says_what_to_do(
    desk: Desk, home: Path
):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and does not listen
        route = ("--host", "127.0.0.1", "--port", str(nobody.getsockname()[1]))
        said = desk.run(
            *("init", "--no-input", "--runs", "runs", "--to", "a@lab.example"),
            *("--through", "smtp", "--from", "ml@x.example", "--security", "none"),
            *route,
        )
    assert said.code == 75
    assert "Connection refused" in said.err
    assert "mlreport-batch check --send-test" in said.out
    assert settings(home)["mail"]["via"] == "smtp"


def test_what_cannot_start_ticks_is_said_though_all_else_is_set(
    desk: Desk,
):
    args = ("--runs", "runs", "--through", "outbox", "--schedule", "cron")
    said = desk.run("init", *args)
    assert said.code == 2
    assert "crontab cannot be started here" in said.err
    assert "All else is set" in said.out


def test_a_plain_init_writes_what_explains_every_key(desk: Desk):
    for args in (("init",), ("init", "other.yaml", "--no-input")):
        assert desk.run(*args).code == 0
    assert Path("mlreport.yaml").read_text() == Path("other.yaml").read_text()
    assert "ml@lab.example" in Path("other.yaml").read_text()


CRONTAB = """#!/bin/sh
cd "$(dirname "$0")"
case "$1" in
  -l) cat table ;;
  -) cat > table.new && mv table.new table ;;
  *) cp "$1" table ;;
esac
"""


@pytest.fixture
def person(home: Path) -> Iterator[Callable[..., pexpect.spawn]]:
    """Start `init` on a terminal of its own, before a person."""
    programs = home / "bin"
    programs.mkdir()
    (programs / "crontab").write_text(CRONTAB)
    (programs / "crontab").chmod(0o755)
    (programs / "table").write_text("0 5 * * * backup\n")
    started: list[pexpect.spawn] = []

    def start(**env: str) -> pexpect.spawn:
        path = f"{programs}:/usr/bin:/bin"
        child = pexpect.spawn(
            sys.executable,
            ["-m", "mlreport_batch", "init"],
            env={**os.environ, "PYTHONUTF8": "1", "PATH": path, **env},
            encoding="utf-8",
            dimensions=(40, 300),
            timeout=120,
        )
        started.append(child)
        return child

    yield start
    for child in started:
        child.close(force=True)


def test_a_dialogue_ends_with_a_tested_route_and_an_installed_schedule(
    desk: Desk, home: Path, tmp_path: Path, person: Callable[..., pexpect.spawn]
):
    desk.put("gan/metrics.csv", CSV)
    (tmp_path / "ca").mkdir()
    authority = Authority(tmp_path / "ca")
    with RealServer(authority.context("localhost")) as server:
        child = person(SSL_CERT_FILE=str(authority.file))
        for question, answer in [
            (r"Language .* \[en\]: ", ""),
            (r"1  ~/runs: 1 found: gan\s+Which folder .* \[~/runs\]: ", ""),
            (r"Who gets .*: ", "kim@lab.example"),
            (r"A number or a name \[smtp\]: ", ""),
            (r"From which address .* \[kim@lab.example\]: ", ""),
            (r"Its server .* \[smtp.lab.example\]: ", "localhost"),
            (r"protected\? .* \[starttls\]: ", ""),
            (r"Port \[587\]: ", "many"),
            (r"many is no port.\s+Port \[587\]: ", str(server.port)),
            (r"Who logs in\? .*: ", USER),
            (r"Password \(not shown\): ", ""),
            (r"needs an answer. Ctrl-C .*\s+Password \(not shown\): ", "wrong"),
            (r"Time zone .*: ", "Asia/Seoul"),
            (r"How often .* \[15\]: ", "daily 07:00"),
            (r"What shall start it\? .* \[cron\]: ", ""),
            (r"Try another password\? .*: ", PASSWORD),
        ]:
            child.expect(question)
            child.sendline(answer)
        child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0, child.before
    assert "wrong" not in child.before
    assert PASSWORD not in child.before
    assert f"logged in as {USER}" in child.before
    assert "gan  loss 0.25" in child.before
    ((sender, recipients, _),) = server.mails
    assert (sender, recipients) == ("kim@lab.example", ["kim@lab.example"])
    table = (home / "bin/table").read_text()
    assert table.startswith("0 5 * * * backup\n")
    assert "0 7 * * * " in table
    found = load(home / ".config/mlreport-batch/config.yaml")
    assert found.smtp.password_file is not None
    assert found.smtp.password_file.read_text() == f"{PASSWORD}\n"
    assert found.smtp.password_file.stat().st_mode & 0o777 == 0o600


def test_a_dialogue_that_is_given_up_writes_nothing(
    desk: Desk, home: Path, person: Callable[..., pexpect.spawn]
):
    desk.put("gan/metrics.csv", CSV)
    child = person()
    child.expect("Language .*: ")
    child.sendline("")
    child.expect("Which folder .*: ")
    child.sendintr()
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 2
    assert "ended before the last answer" in child.before
    assert not (home / ".config").exists()


def test_a_dialogue_is_in_the_language_of_the_terminal(
    desk: Desk, home: Path, person: Callable[..., pexpect.spawn]
):
    desk.put("실험/metrics.csv", CSV)
    child = person(LANG="ko_KR.UTF-8")
    for _ in range(5):
        child.sendline("")
    child.expect("cron")
    child.sendline("none")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0, child.before
    assert "모두 되었습니다" in child.before
    assert settings(home)["report"] == {"language": "ko"}


@pytest.mark.parametrize(
    ("address", "service"),
    [
        ("me@gmail.com", "gmail"), ("me@Hotmail.co.kr", "outlook"),
        ("me@live.com", "outlook"), ("Kim <kim@naver.com>", "naver"),
        ("me@hanmail.net", "daum"), ("me@kakao.com", "kakao"), ("a@me.com", "icloud"),
        ("me@lab.example", "smtp"), ("me@notgmail.com", "smtp"),
        ("x@uni.onmicrosoft.com", "microsoft365"),
    ],
)  # fmt: skip
def test_the_service_is_found_by_the_domain(address: str, service: str):
    assert service_of(address) == service


@pytest.mark.parametrize("language", sorted(DIALOGUE))
def test_the_dialogue_says_the_same_in_every_language(language: str):
    def fields(text: str) -> set[str]:
        return set(re.findall(r"\{(\w+)\}", text))

    said, english = DIALOGUE[language], DIALOGUE["en"]
    assert set(said) == set(english)
    assert all(fields(text) == fields(english[key]) for key, text in said.items())
    for name, service in SERVICES.items():
        assert (f"note.{name}" in said) == bool(service.page)
        assert (f"service.{name}" in said) == (not service.label)


@pytest.mark.parametrize("text", ["~/no", "/a b", "/실험: #1", "/'\"\\", "/- a", "yes"])
def test_any_path_stands_in_the_config_as_it_is(text: str, home: Path):
    file = str(home / "c.yaml")
    route = Route(
        "smtp", "ml@x.example", "mx.example", 25, "starttls", "true", "secret"
    )
    answers = Answers("ko", (text, "/more"), ("a@x.example",), route, "", When(), "")
    config = parse(config_text(answers, file).encode(), file)
    wanted = os.path.join(home, os.path.expanduser(text))
    assert [root.path for root in config.runs] == [os.path.abspath(wanted), "/more"]
    assert config.smtp.username == "true"
    assert (config.smtp.port, config.smtp.security) == (25, "starttls")
    assert str(config.smtp.password_file) == password_place(file)


def test_a_real_server_with_tls_and_login_takes_the_sample(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """STARTTLS and AUTH, as a mail server of a university has them."""
    (tmp_path / "ca").mkdir()
    authority = Authority(tmp_path / "ca")
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    with RealServer(authority.context("localhost")) as server:
        monkeypatch.setattr(sys, "stdin", Typed(f"{PASSWORD}\n"))
        said = desk.run(
            "init", "--runs", "runs", "--to", "kim@lab.example", "--through", "smtp",
            "--host", "localhost", "--port", str(server.port), "--username", USER,
            "--password-stdin", "--no-input",
        )  # fmt: skip
    assert said.code == 0, said.err
    assert "logged in as" in said.out
    assert len(server.mails) == 1
