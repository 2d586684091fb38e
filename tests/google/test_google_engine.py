"""The Google engine from run directories to mails, through the command line."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

import google_setup as lab_setup
import sample_reports as samples
from google_server import GoogleServer
from google_setup import FAST, USER, Lab, html_of, mail_of, pdf_of
from mlreport_batch.cli import main
from mlreport_batch.commands.inspect import look_at
from mlreport_batch.google import engine as google
from mlreport_batch.google import gmail
from mlreport_batch.google.api.account import DRIVE, DRIVE_FILE
from mlreport_batch.google.tidy import tidy_google
from mlreport_batch.state.store import State
from places import RUNS, SAMPLES

CASES = ("lightning_basic", "keras_basic", "hf_running", "lightning_korean")
ENGINE_CALLS = {
    "drive.files.copy",
    "docs.documents.batchUpdate",
    "drive.files.export",
    "gmail.users.messages.send",
}


@pytest.fixture
def server() -> Iterator[GoogleServer]:
    with GoogleServer() as running:
        yield running


@pytest.fixture
def lab(server: GoogleServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """Only the waits are shorter than in life."""
    monkeypatch.setattr(google, "Pace", lambda: FAST)
    monkeypatch.setattr(gmail, "_PACE", FAST)
    return Lab(server, tmp_path)


def account(lab: Lab, kind: str) -> str:
    """Set the lab up for an account; return how it sends."""
    if kind == "user":
        lab.as_user()
    elif kind == "delegate":
        lab.as_delegate()
    else:
        lab.in_shared_drive()
        return "outbox"
    return "gmail"


def mails(lab: Lab, via: str) -> list[bytes]:
    if via == "gmail":
        return [mail.raw for mail in lab.server.gmail.sent]
    return [path.read_bytes() for path in sorted((lab.folder / "outbox").glob("*.eml"))]


@pytest.mark.no_cover
@pytest.mark.parametrize("kind", ["user", "delegate", "shared drive"])
def test_each_run_gets_one_document_and_one_mail_for_five_calls(lab: Lab, kind: str):
    via = account(lab, kind)
    lab.with_default_template()
    exports = lab_setup.record_exports(lab.server)
    runs = lab.runs(CASES)
    config = lab.write_config(runs, via=via)
    assert main(["run", "-c", str(config)]) == 0

    count = len(look_at([str(runs)]))
    assert count >= len(CASES)
    sent = mails(lab, via)
    assert len(lab.documents()) == len(sent) == count
    calls = Counter(lab.server.counter)
    tokens = calls.pop("token")
    assert tokens <= 2
    expected = {
        "drive.files.copy": count,
        "docs.documents.batchUpdate": count,
        "drive.files.export": 2 * count,
        "drive.files.get": 1,
        "docs.documents.get": 1,
    }
    if via == "gmail":
        expected["gmail.users.messages.send"] = count
    assert calls == expected
    pdfs = {data for _, media_type, data in exports if media_type == "application/pdf"}
    assert {pdf_of(data) for data in sent} == pdfs
    for data in sent:
        page = html_of(data)
        assert "{{" not in page
        assert "History Table" in page
        link = re.search(r"https://docs.google.com/document/d/(\w+)/edit", page)
        assert link is not None
        document = lab.server.document(link[1])
        for key, value, *_ in next(t for t in tables(document) if t[0][0] == "Key"):
            assert f">{key}<" in page
            assert f">{value}<" in page or value in page
    assert {mail_of(data)["X-Mlreport-Id"] for data in sent} == {
        own["mlreport_rid"]
        for f in lab.documents()
        for own in f.app_properties.values()
    }


def tables(document: object) -> list[list[list[str]]]:
    found = []
    number = 0
    while True:
        try:
            found.append(document.table(number))  # type: ignore[attr-defined]
        except IndexError:
            return found
        number += 1


def test_a_tick_without_news_does_not_call_google(lab: Lab):
    lab.as_user()
    lab.with_default_template()
    config = lab.write_config(lab.runs(CASES), via="gmail")
    assert main(["run", "-c", str(config)]) == 0
    lab.server.clear_log()
    assert main(["run", "-c", str(config)]) == 0
    assert not lab.server.counter


def test_a_later_tick_reads_the_template_only_when_it_changed(lab: Lab):
    lab.as_user()
    template = lab.with_default_template()
    runs = lab.runs(["csv_no_step"])
    config = lab.write_config(runs, via="gmail")
    assert main(["run", "-c", str(config)]) == 0
    for is_changed in (False, True):
        if is_changed:
            line = {"insertText": {"location": {"index": 1}, "text": "Lab 7: "}}
            lab.server.edit(template, line)
        lab.server.clear_log()
        file = next(runs.rglob("*.csv"))
        last = file.read_text("utf-8").splitlines()[-1]
        with file.open("a", encoding="utf-8") as stream:
            stream.write(last + "\n")
        assert main(["run", "-c", str(config)]) == 0
        assert lab.server.count("drive.files.get") == 1
        assert lab.server.count("docs.documents.get") == int(is_changed)
        assert lab.server.count("drive.files.copy") == 1
        page = html_of(lab.server.gmail.sent[-1].raw)
        assert ("Lab 7: " in page) == is_changed
    # Two ticks later, the run is still one conversation.
    first, *later = lab.server.gmail.sent
    assert {mail.thread_id for mail in later} == {first.thread_id}


@pytest.mark.no_cover
def test_every_sample_run_comes_out_right(lab: Lab):
    lab.as_user()
    lab.with_default_template()
    source = SAMPLES
    names = [path.name for path in source.iterdir() if path.is_dir()]
    config = lab.write_config(lab.runs(names, source), via="gmail")
    assert main(["run", "-c", str(config)]) == 0
    told = len(names) - 1  # one just started and has nothing to tell
    assert len(lab.server.gmail.sent) == len(lab.documents()) == told
    for mail in lab.server.gmail.sent:
        check_mail(mail.raw)


@pytest.mark.slow
def test_every_framework_comes_out_right(
    lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    check_frameworks(
        lab,
        capsys,
        sorted(p.name for p in RUNS.iterdir() if p.is_dir()),
    )


@pytest.mark.no_cover
def test_main_frameworks_come_out_right(lab: Lab, capsys: pytest.CaptureFixture[str]):
    names = [
        "tb_basic",
        "wandb_offline",
        "mlflow_file",
        "sb3_nan",
        "ray_tune",
        "hydra_single",
    ]
    check_frameworks(lab, capsys, names)


def check_frameworks(
    lab: Lab, capsys: pytest.CaptureFixture[str], names: list[str]
) -> None:
    """Compare each document's History Table with what `inspect` reads."""
    lab.as_user()
    lab.with_default_template()
    runs = lab.runs(names)
    config = lab.write_config(runs, via="gmail")
    assert main(["run", "-c", str(config)]) == 0
    capsys.readouterr()
    assert main(["inspect", "--json", str(runs)]) == 0
    known = json.loads(capsys.readouterr().out)["runs"]
    metrics = {run["name"]: run["metrics"] for run in known}
    documents = {file.name.partition(" — ")[0] for file in lab.documents()}
    missing = {name for name in metrics if name not in documents}
    assert not any(metrics[name] for name in missing), missing
    assert len(lab.server.gmail.sent) == len(lab.documents()) == len(documents)
    for file in lab.documents():
        name = file.name.partition(" — ")[0]
        if not metrics[name]:
            continue  # its output tells of its end, and no table has a row
        history = next(
            t for t in tables(lab.server.document(file.id)) if t[0][0] == "Key"
        )
        keys = {row[0] for row in history[1:]}
        assert len(history) - 1 == min(200, len(metrics[name]))
        assert {key[:40] for key in keys} <= {key[:40] for key in metrics[name]} or any(
            "…" in key or "\ufffd" in key for key in keys
        )
    for mail in lab.server.gmail.sent:
        check_mail(mail.raw)


def check_mail(data: bytes) -> None:
    """Check what holds for every mail."""
    page = html_of(data)
    assert len(page.encode()) <= 90_000
    assert pdf_of(data).startswith(b"%PDF")
    assert not re.search(r"{{\s*\w+\s*}}", page)
    assert not re.findall(r"""(?:src|background)\s*=\s*["']?(?!cid:)[a-z]+:""", page)
    assert "@import" not in page
    assert "url(" not in page
    cids = set(re.findall(r'src="cid:([^"]+)"', page))
    parts = {
        part["Content-ID"].strip("<>")
        for part in mail_of(data).walk()
        if part["Content-ID"]
    }
    assert cids == parts


def test_paper_example_comes_out_of_the_default_template(lab: Lab):
    lab.as_user()
    lab.with_default_template()
    values = {
        "GAN_loss": "2",
        "train_loss": "2",
        "val_loss": "1",
        "train_accuracy": "0.78",
        "val_accuracy": "0.98",
    }
    report = replace(
        samples.bare(),
        rid="paper",
        date="2019 December 27",
        headline="loss and accuracy of recent model.",
        metrics=tuple(samples.metric(key, value) for key, value in values.items()),
    )
    (drawn,) = lab.draw(report)
    document = lab.document("paper")
    lines = document.text().splitlines()
    assert lines[0] == "2019 December 27"
    assert "Notification loss and accuracy of recent model." in lines
    assert "History Table" in lines
    history = next(t for t in tables(document) if t[0][0] == "Key")
    assert history[0][:2] == ["Key", "Value"]
    assert {row[0]: row[1] for row in history[1:]} == values
    page = html_of(drawn.message)
    for key, value in values.items():
        assert re.search(rf">{key}</td>\s*<td[^>]*>{value}</td>", page), key


def test_docs_without_gmail_and_gmail_without_docs(lab: Lab):
    lab.as_user()
    lab.with_default_template()
    runs = lab.runs(["keras_basic"])
    config = lab.write_config(runs, via="outbox")
    assert main(["run", "-c", str(config)]) == 0
    assert len(mails(lab, "outbox")) == len(lab.documents()) == 1
    assert not lab.server.count("gmail.users.messages.send")

    text = config.read_text("utf-8").replace("engine: google", "engine: local")
    config.write_text(text.replace("via: outbox", "via: gmail"), "utf-8")
    assert main(["run", "-c", str(config), "--all"]) == 0
    assert len(lab.server.gmail.sent) == 1
    assert len(lab.documents()) == 1


def test_document_is_named_tagged_filed_and_shared_with_nobody(lab: Lab):
    lab.as_user()
    folder = lab.server.store.add_file(
        "Reports",
        "application/vnd.google-apps.folder",
        owner=USER,
        app="123456-app.apps.googleusercontent.com",
    )
    lab.change(folder=folder.id)
    lab.with_default_template()
    lab.draw(samples.fine())
    (file,) = lab.documents()
    at = f"{samples.fine().at:%H:%M:%S}"
    assert file.name == f"vision/resnet50-cosine/seed_3 — 2019 December 27, {at}"
    assert file.parent == folder.id
    assert file.roles == {}
    (own,) = file.app_properties.values()
    assert own == {"mlreport_rid": samples.fine().rid, "mlreport_instance": "inst"}
    assert not lab.server.count("drive.permissions.create")


def test_template_made_by_hand_is_used_with_the_scope_drive(lab: Lab):
    lab.in_shared_drive()
    made = lab_setup.build.document("{{run}}", "")
    lab.server.store.add(made, parent=lab.google.folder)
    lab.change(template=made.document_id)
    (drawn,) = lab.draw(samples.fine())
    assert drawn.error is None
    assert [grant.scopes for grant in lab.server.auth.grants] == [{DRIVE}]
    lab.change(scope="drive.file")
    (drawn,) = lab.draw(replace(samples.fine(), rid="second"))
    assert drawn.error is not None
    assert drawn.error.exit_code == 78
    for cure in ("template create", "--folder NAME", "google.scope to drive"):
        assert cure in str(drawn.error)


def test_documents_of_one_day_have_names_of_their_own(lab: Lab):
    lab.as_user()
    lab.with_default_template()
    report = samples.fine()
    times = [report.at + timedelta(seconds=number) for number in range(3)]
    lab.draw(*(replace(report, rid=f"r{at:%S}", at=at) for at in times))
    assert len({file.name for file in lab.documents()}) == 3


def test_app_made_template_is_used_with_the_narrow_scope_alone(lab: Lab):
    lab.as_delegate(scopes=[DRIVE_FILE])
    lab.with_default_template()
    (drawn,) = lab.draw(samples.fine())
    assert drawn.error is None
    assert {frozenset(g.scopes) for g in lab.server.auth.grants} == {
        frozenset({DRIVE_FILE})
    }


def test_digests_are_drawn_here(lab: Lab):
    lab.as_user()
    lab.with_default_template()
    (drawn,) = lab.draw(samples.digest())  # type: ignore[arg-type]
    assert drawn.error is None
    assert "runs have news" in html_of(drawn.message)
    assert not lab.server.counter


@pytest.mark.no_cover
@pytest.mark.parametrize("keep", [False, 1, True])
def test_documents_are_trimmed_to_what_is_to_be_kept(lab: Lab, keep: bool):
    lab.as_user()
    lab.with_default_template()
    lab.change(keep=keep)
    runs = lab.runs(["csv_no_step", "keras_basic"])
    config = lab.write_config(runs, via="gmail")
    for _ in range(3):
        assert main(["run", "-c", str(config), "--all"]) == 0
    with closing(State(str(lab.folder / "tick"))) as state:
        tidy_google(lab.config(state=lab.folder / "tick"), state)
    kept = Counter(file.name.partition(" — ")[0] for file in lab.documents())
    assert set(kept.values()) == ({3} if keep is True else {1} if keep else set())
    assert len(lab.documents(trashed=True)) == 6 - sum(kept.values())
    assert not lab.server.count("drive.files.delete")
