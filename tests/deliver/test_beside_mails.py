"""What is told beside the mails: over real connections, to servers of ours."""

import os
import re
from pathlib import Path

import pytest

from mlreport_batch.config.channels import NotifySettings, PingSettings
from mlreport_batch.deliver.elsewhere import address_of, addresses_of, place_of, within
from mlreport_batch.deliver.elsewhere.calls import Call, Caller, made
from mlreport_batch.deliver.elsewhere.notify import Notices, check_extra, tell_all
from mlreport_batch.deliver.elsewhere.textfile import Gauge, text_of, written
from mlreport_batch.errors import ConfigError, CredentialError, MlreportError
from mlreport_batch.report.notice import Notice, of_rest
from smtp_server import closed_port
from web_server import HANG, WebServer

TOKEN = "s3cr3t-t0ken-9f8e7d6c"
PNG = b"\x89PNG\r\n\x1a\nnot really"

# Apprise imports a module that Python 3.13 has no more.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr':DeprecationWarning")


@pytest.fixture
def web():
    with WebServer() as server:
        yield server


def private(folder: Path, text: str, mode: int = 0o600) -> Path:
    file = folder / "secret"
    file.write_text(text)
    file.chmod(mode)
    return file


def test_a_call_is_made_once_and_says_what_it_is(web: WebServer):
    assert made(Call(f"{web.url}/{TOKEN}", b"{}", "application/json")) == ""
    (post,) = web.posts
    assert post.body == b"{}"
    assert post.headers["Content-Type"] == "application/json"
    assert re.fullmatch(r"mlreport-batch/[0-9.]+", post.headers["User-Agent"])


def test_no_password_is_taken_from_elsewhere(
    web: WebServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    file = private(tmp_path, "default login me password s3cr3t\n")
    monkeypatch.setenv("NETRC", str(file))
    assert made(Call(web.url)) == ""
    assert "Authorization" not in web.posts[0].headers


def test_a_busy_server_is_asked_again_and_one_that_says_no_is_not(web: WebServer):
    web.answers = {"/busy": [503, 429, 200], "/no": [404], "/moved": [302]}
    assert made(Call(f"{web.url}/busy")) == ""
    assert made(Call(f"{web.url}/no")) == "answered 404"
    assert made(Call(f"{web.url}/moved")) == "answered 302"
    assert web.paths() == ["/busy"] * 3 + ["/no", "/moved"]


def test_a_server_that_stays_busy_is_given_up(web: WebServer):
    web.answers = {"/busy": [503] * 9}
    assert made(Call(f"{web.url}/busy")) == "answered 503"
    assert len(web.posts) == 3


@pytest.mark.parametrize(("is_repeatable", "count"), [(False, 1), (True, 2)])
def test_what_may_have_arrived_is_not_sent_again_unless_it_does_no_harm(
    web: WebServer, is_repeatable: bool, count: int
):
    web.answers = {"/x": [HANG, 200]}
    call = Call(f"{web.url}/x", timeout_s=1.5, is_repeatable=is_repeatable)
    assert bool(made(call)) is not is_repeatable
    assert len(web.posts) == count


def test_what_fails_is_said_without_the_address():
    with closed_port() as port:
        caller = Caller(3)
        why = caller.post(Call(f"http://127.0.0.1:{port}/{TOKEN}", timeout_s=3))
        caller.close()
    assert why.startswith(f"http://127.0.0.1:{port} cannot be reached (")
    assert TOKEN not in why


def hang(_: str) -> str:
    import time

    time.sleep(600)
    return ""


def test_work_that_does_not_end_is_ended(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("mlreport_batch.deliver.elsewhere._GRACE_S", 0.1)
    assert "took longer than" in within(0.1, hang, "")
    assert within(60, str.upper, "done") == "DONE"
    assert within(60, int, TOKEN) == "could not be done (ValueError)"


def test_addresses_come_from_private_files_and_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    file = private(tmp_path, f"# mine\n\nntfys://{TOKEN}\nslack://a/b/c json://x\n")
    found = addresses_of(NotifySettings(urls_file=file))
    assert found == (f"ntfys://{TOKEN}", "slack://a/b/c", "json://x")
    monkeypatch.setenv("PING", f"https://hc.example/{TOKEN}/\n")
    url = address_of(PingSettings(url_env="PING"), "ping")
    assert url == f"https://hc.example/{TOKEN}"
    assert place_of(url) == "https://hc.example"
    assert place_of("ntfys://topic") == "ntfys"


@pytest.mark.parametrize(
    ("text", "mode", "kind"),
    [
        ("", 0o600, CredentialError),
        ("\n # none\n", 0o600, CredentialError),
        (f"{TOKEN}", 0o600, ConfigError),
        (f"json://{TOKEN}", 0o640, ConfigError),
    ],
)
def test_a_file_of_addresses_that_cannot_be_used_is_told(
    tmp_path: Path, text: str, mode: int, kind: type[MlreportError]
):
    settings = NotifySettings(urls_file=private(tmp_path, text, mode))
    with pytest.raises(kind) as found:
        addresses_of(settings)
    assert TOKEN not in str(found.value)
    assert "notify" in str(found.value)
    assert str(tmp_path) in str(found.value)


@pytest.mark.parametrize(
    "url",
    ["", "hc.example/x", f"http://hc.example/{TOKEN}", "ftp://x/", "https://u@h/"],
)
def test_pings_are_encrypted_or_stay_here(url: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PING", url)
    with pytest.raises((ConfigError, CredentialError)) as found:
        address_of(PingSettings(url_env="PING"), "ping")
    assert TOKEN not in str(found.value)


def notices(*urls: str, **changes: object) -> Notices:
    values = {"title": "run: Diverged", "text": "loss NaN", "is_bad": True, **changes}
    return Notices(urls, (Notice(**values),), 60)  # type: ignore[arg-type]


def told(notices: Notices) -> str:
    """Tell them in a child, as a tick does: Apprise leaves threads behind."""
    return within(60, tell_all, notices)


def test_notices_reach_services_with_link_and_picture(web: WebServer):
    check_extra()
    url = f"json://127.0.0.1:{web.port}/{TOKEN}"
    link = "https://lab.example/reports/run/report.html"
    assert told(notices(url, url, link=link, picture=PNG)) == ""
    first, _ = web.posts
    assert first.json["title"] == "run: Diverged"
    assert first.json["message"] == f"loss NaN\n{link}"
    assert first.json["type"] == "warning"
    (attached,) = first.json["attachments"]
    assert (attached["filename"], attached["mimetype"]) == ("curve.png", "image/png")


def test_services_that_take_no_notice_are_counted_and_the_others_get_theirs(
    web: WebServer,
):
    web.answers = {f"/{TOKEN}": [403] * 9, "/slow": [500, 200]}
    base = f"json://127.0.0.1:{web.port}"
    why = told(notices(f"{base}/{TOKEN}", f"nosuch://{TOKEN}", f"{base}/slow"))
    assert why == (
        "address 1 (json) did not take 1 of 1 (it answered 403); "
        "address 2 (nosuch) is none that Apprise knows"
    )
    assert web.paths() == [f"/{TOKEN}"] * 3 + ["/slow"] * 2


def test_notices_without_time_are_not_told(web: WebServer):
    late = Notices((f"json://127.0.0.1:{web.port}",), notices().notices, 0.0)
    assert "no time was left" in tell_all(late)
    assert web.posts == []


def test_a_notice_calls_nobody():
    names = ["@channel run", "<!here> a", "<@U123>", "mean <= 3", "me @ lab"]
    text = of_rest(names, language="en", link="").text
    assert re.findall(r"@\w|<[!@]", text) == []
    assert "mean <= 3" in text
    assert "me @ lab" in text


def test_figures_are_written_whole_and_readable_by_all(tmp_path: Path):
    file = tmp_path / "a.prom"
    gauges = [
        Gauge("owed_mails", "That wait.", {"": 2}),
        Gauge("runs", "Runs.", {"running": 1, 'a"b\\': 0.5}, "status"),
    ]
    umask = os.umask(0o077)
    try:
        assert written(file, text_of(gauges, {"config": 'C:\\x "y"'})) == ""
    finally:
        assert os.umask(umask) == 0o077
    assert file.read_text() == (
        "# HELP mlreport_owed_mails That wait.\n"
        "# TYPE mlreport_owed_mails gauge\n"
        'mlreport_owed_mails{config="C:\\\\x \\"y\\""} 2\n'
        "# HELP mlreport_runs Runs.\n"
        "# TYPE mlreport_runs gauge\n"
        'mlreport_runs{config="C:\\\\x \\"y\\"",status="running"} 1\n'
        'mlreport_runs{config="C:\\\\x \\"y\\"",status="a\\"b\\\\"} 0.5\n'
    )
    assert file.stat().st_mode & 0o777 == 0o644
    assert [path.name for path in tmp_path.iterdir()] == ["a.prom"]
    gone = tmp_path / "gone/a.prom"
    assert (
        written(gone, "")
        == f"{gone} cannot be written: No such file or directory (ENOENT)"
    )
