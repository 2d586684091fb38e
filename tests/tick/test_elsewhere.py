"""Ticks that are told elsewhere: what is sent when, and that no mail waits for it."""

import json
import re
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest

from mlreport_batch.config.load import load
from mlreport_batch.errors import StateError
from mlreport_batch.state.idle import glance
from mlreport_batch.tick.elsewhere import Elsewhere
from mlreport_batch.tick.summary import TickSummary
from ticking import MAIL, Desk
from web_server import HANG, WebServer

TOKEN = "s3cr3t-t0ken-9f8e7d6c"
CSV = "step,loss\n1,0.5\n2,0.25\n"
BAD = CSV + "3,nan\n4,nan\n"

# Apprise imports a module that Python 3.13 has no more.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr':DeprecationWarning")


@pytest.fixture(scope="module", autouse=True)
def _services_known() -> None:
    """Load Apprise's services once, so that not every child has to."""
    with warnings.catch_warnings(action="ignore"):
        import apprise

        apprise.Apprise.instantiate("json://localhost")


@pytest.fixture
def web():
    with WebServer() as server:
        yield server


@pytest.fixture
def told(desk: Desk, web: WebServer, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A config that tells everything to one server."""
    monkeypatch.setenv("NOTIFY", f"json://127.0.0.1:{web.port}/notify/{TOKEN}")
    monkeypatch.setenv("PING", f"{web.url}/ping/{TOKEN}")
    monkeypatch.setenv("HOOK", f"{web.url}/hook/{TOKEN}")
    return desk.config(
        f"mail: {{{MAIL}}}\n"
        f"pages: {{dir: {desk.folder}/pages, url: 'https://lab.example/runs/'}}\n"
        "notify: {urls_env: NOTIFY, max_per_tick: 2}\nping: {url_env: PING}\n"
        f"webhook: {{url_env: HOOK}}\nprometheus: {{file: {desk.folder}/ml.prom}}\n"
    )


def posts(web: WebServer, kind: str) -> list:
    return [post for post in web.posts if post.path.startswith(f"/{kind}/")]


def figures(desk: Desk) -> dict[str, str]:
    text = (desk.folder / "ml.prom").read_text()
    found = re.findall(
        r'(?m)^mlreport_(\w+)\{config="[^"]+"(?:,\w+="(\w+)")?\} (\S+)$', text
    )
    return {f"{name} {label}".strip(): value for name, label, value in found}


def test_a_tick_with_an_alert_is_told_everywhere(
    desk: Desk, web: WebServer, told: Path
):
    desk.put("good/metrics.csv", CSV)
    desk.put("bad/metrics.csv", BAD)
    said = desk.run("run", "-c", told)
    assert (said.code, said.err) == (0, "")
    assert len(desk.mails()) == 2
    (notice,) = posts(web, "notify")  # of the one with an alert
    assert notice.json["title"].startswith("[mlreport] bad: Diverged")
    assert "loss NaN" in notice.json["message"]
    link = notice.json["message"].splitlines()[-1]
    page = link.removeprefix("https://lab.example/runs/")
    assert (desk.folder / "pages" / page).is_file()
    (picture,) = notice.json["attachments"]
    assert picture["mimetype"] == "image/png"
    assert len(picture["base64"]) > 2000
    (call,) = posts(web, "hook")
    assert {run["name"] for run in call.json["runs"]} == {"good", "bad"}
    assert call.json["runs"][0]["metrics"]["loss"]["count"] == 4
    assert (call.json["sent"], call.json["exit_code"]) == (2, 0)
    start, end = posts(web, "ping")
    assert (start.path, start.body) == (f"/ping/{TOKEN}/start", b"")
    assert end.path == f"/ping/{TOKEN}"
    assert b"2 runs with news, 2 mails sent" in end.body
    assert web.posts.index(start) == 0
    assert web.posts[-1] is end
    found = figures(desk)
    assert found["sent_mails"] == "2"
    assert found["alerted_runs"] == "1"
    assert found["last_tick_exit_code"] == "0"
    assert sum(int(v) for k, v in found.items() if k.startswith("runs ")) == 2
    assert abs(float(found["last_tick_timestamp_seconds"]) - time.time()) < 3600


def test_a_tick_that_finds_nothing_is_pinged_and_nothing_else(
    desk: Desk, web: WebServer, told: Path
):
    desk.put("bad/metrics.csv", BAD)
    desk.run("run", "-c", told)
    web.posts.clear()
    before = figures(desk)["last_tick_timestamp_seconds"]
    said = desk.run("run", "-c", told, "-q")
    assert (said.code, said.out, said.err) == (0, "", "")
    assert web.paths() == [f"/ping/{TOKEN}/start", f"/ping/{TOKEN}"]
    assert figures(desk)["last_tick_timestamp_seconds"] > before
    assert figures(desk)["alerted_runs"] == "1"


def test_a_config_that_tells_no_more_of_ticks_is_idle_again(
    desk: Desk, web: WebServer, told: Path
):
    desk.put("a/metrics.csv", CSV)
    desk.run("run", "-c", told)
    plain = desk.config()
    desk.run("run", "-c", plain)
    time.sleep(0.01)
    from mlreport_batch.config.locate import quick_key

    key, _ = quick_key([], None, str(plain))
    assert glance(str(desk.out), key, time.time()) == []


def test_what_fails_elsewhere_is_one_line_each_and_holds_up_no_mail(
    desk: Desk, web: WebServer, told: Path
):
    (desk.folder / "ml.prom").mkdir()
    desk.put("bad/metrics.csv", BAD)
    web.answers = {
        f"/{place}/{TOKEN}{more}": [status] * 9
        for place, more, status in (
            ("notify", "", 403), ("ping", "", 404), ("ping", "/start", 500),
            ("hook", "", 410),
        )
    }  # fmt: skip
    said = desk.run("run", "-c", told)
    assert (said.code, said.out) == (0, "")
    assert len(desk.mails()) == 1
    lines = said.err.splitlines()
    kinds = [line.split()[1] for line in lines]
    assert kinds == ["ping:", "notify:", "webhook:", "prometheus:", "ping:"]
    assert "answered 410" in said.err
    assert "(it answered 403)" in said.err
    everything = b"".join(data for *_, data in desk.everything().values())
    assert TOKEN not in said.err
    assert TOKEN.encode() not in everything


def test_a_failing_tick_says_so_with_its_messages(
    desk: Desk, web: WebServer, told: Path
):
    desk.put("bad/metrics.csv", BAD)
    desk.answer(75)  # sendmail's own word for "try again"
    said = desk.run("run", "-c", told)
    assert said.code == 75
    end = posts(web, "ping")[-1]
    assert end.path == f"/ping/{TOKEN}/fail"
    assert b"exit code 75" in end.body
    assert figures(desk)["owed_mails"] == "1"
    web.answers = {f"/ping/{TOKEN}/fail": [404]}
    (desk.out / "state.db").write_bytes(b"no state" * 100)
    (desk.out / "state.db.bak").unlink(missing_ok=True)
    said = desk.run("run", "-c", told)
    assert said.code == 74
    end = posts(web, "ping")[-1]
    assert end.path == f"/ping/{TOKEN}/fail"
    assert b"state.db" in end.body
    assert said.err.count("ping: ") == 1
    assert figures(desk) == {
        "last_tick_exit_code": "74",
        "last_tick_timestamp_seconds": figures(desk)["last_tick_timestamp_seconds"],
    }


def test_a_tick_that_is_asked_to_end_only_pings(
    web: WebServer, told: Path, monkeypatch: pytest.MonkeyPatch
):
    watch = Elsewhere(load(told), 0.0, lambda: True)
    summary = TickSummary(errors=[StateError("full")])
    watch.end(summary)
    assert web.paths() == [f"/ping/{TOKEN}/fail"]
    (line,) = summary.notices
    assert line.startswith("webhook: not told, since the tick was asked to end")


def test_a_fault_of_ours_in_telling_is_a_line_too(
    web: WebServer, told: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("os.fork", no_process)
    summary = TickSummary()
    Elsewhere(load(told), 0.0, lambda: False).end(summary)
    (line,) = summary.notices
    assert line.startswith("ping: ")
    assert TOKEN not in line
    assert summary.exit_code == 0


def test_shards_write_their_figures_side_by_side(
    desk: Desk, web: WebServer, told: Path
):
    desk.put("a/metrics.csv", CSV)
    for shard in ("1/2", "2/2"):
        assert desk.run("run", "-c", told, "--shard", shard).code == 0
        name = f"ml-{shard.replace('/', '-of-')}.prom"
        text = (desk.folder / name).read_text()
        assert text.count(f'",shard="{shard}"') == text.count("{config=")
    assert not (desk.folder / "ml.prom").exists()


def test_a_notice_links_to_the_page_of_its_shard(
    desk: Desk, web: WebServer, told: Path
):
    desk.put("bad/metrics.csv", BAD)
    assert desk.run("run", "-c", told, "--shard", "1/1").code == 0
    (notice,) = posts(web, "notify")
    link = notice.json["message"].splitlines()[-1]
    page = link.removeprefix("https://lab.example/runs/")
    assert page.startswith("shard-1-of-1/")
    assert (desk.folder / "pages" / page).is_file()


def test_a_ping_tells_no_secret(web: WebServer, told: Path):
    watch = Elsewhere(load(told), 0.0, lambda: False)
    watch.begin()
    token = "hf_" + "aB3dE5gH7j" * 3
    watch.failed(StateError(f"cannot log in with {token}"))
    said = posts(web, "ping")[-1].body.decode()
    assert "cannot log in with" in said
    assert token not in said


def no_process() -> int:
    raise ValueError(TOKEN)


def test_many_notices_are_few_and_a_digest_is_one(
    desk: Desk, web: WebServer, told: Path
):
    for name in "abcd":
        desk.put(f"{name}/metrics.csv", BAD)
    desk.run("run", "-c", told)
    titles = [post.json["title"] for post in posts(web, "notify")]
    assert len(titles) == 3
    assert titles[-1] == "[mlreport] 2 more runs have news"
    rest = posts(web, "notify")[-1].json["message"]
    assert "https://lab.example/runs/index.html" in rest
    web.posts.clear()
    for name in "abcd":
        desk.append(f"{name}/metrics.csv", "5,0.5\n")
    text = told.read_text().replace(MAIL, f"{MAIL}, digest: true")
    told.write_text(text + "report: {language: ko}\n")
    desk.run("run", "-c", told)
    (digest,) = posts(web, "notify")
    assert "a: " in digest.json["message"]
    assert digest.json["title"].startswith("[mlreport] ")


def test_only_a_tick_that_tells_elsewhere_loads_what_does(desk: Desk):
    desk.put("bad/metrics.csv", BAD)
    config = desk.config()
    code = (
        "import sys\nfrom mlreport_batch.cli import main\n"
        f"main(['run', '-c', {str(config)!r}])\n"
        "print([m for m in sys.modules if 'elsewhere' in m or 'notic' in m\n"
        "       or m.partition('.')[0] in ('requests', 'apprise', 'tenacity')])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_a_server_that_hangs_costs_its_time_and_no_more(
    desk: Desk, web: WebServer, told: Path
):
    text = told.read_text()
    text = re.sub(r"(?m)^(notify|webhook|prometheus):.*\n", "", text)
    told.write_text(text.replace("url_env: PING", "url_env: PING, timeout_s: 1"))
    web.answers = {f"/ping/{TOKEN}/start": [HANG] * 3, f"/ping/{TOKEN}": [HANG] * 3}
    desk.put("a/metrics.csv", CSV)
    said = desk.run("run", "-c", told)
    assert said.code == 0
    assert len(desk.mails()) == 1
    assert said.err.count("did not answer") == 2


def test_check_looks_at_all_places_and_sends_a_test_notice(
    desk: Desk, web: WebServer, told: Path, monkeypatch: pytest.MonkeyPatch
):
    said = desk.run("check", "-c", told)
    assert f"ok    ping {web.url}: the address is there" in said.out
    assert f"ok    webhook {web.url}: the address is there" in said.out
    assert f"ok    prometheus {desk.folder}/ml.prom" in said.out
    assert "ok    notify json: the addresses are there" in said.out
    assert web.posts == []
    said = desk.run("check", "-c", told, "--send-test")
    assert "ok    notify json: took a test notice" in said.out
    assert posts(web, "notify")[0].json["message"] == "Notices arrive here."
    monkeypatch.delenv("PING")
    web.answers = {f"/notify/{TOKEN}": [403] * 9}
    told.write_text(told.read_text().replace("ml.prom", "none/ml.prom"))
    said = desk.run("check", "-c", told, "--send-test")
    assert said.code == 77
    assert (
        "FAIL  ping: there is no address in the environment variable PING" in said.out
    )
    assert "FAIL  prometheus.file" in said.out
    assert "FAIL  notify: address 1 (json)" in said.out
    assert TOKEN not in said.out + said.err


def test_json_and_dry_runs_tell_nobody(desk: Desk, web: WebServer, told: Path):
    desk.put("bad/metrics.csv", BAD)
    desk.run("run", "-c", told, "--dry-run")
    desk.run("baseline", "-c", told)
    assert web.posts == []
    assert not (desk.folder / "ml.prom").exists()
    assert json.loads(desk.run("run", "-c", told, "--json").out)["exit_code"] == 0
