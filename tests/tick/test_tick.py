"""Ticks of the whole program, on run directories as frameworks leave them."""

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from mlreport_batch.find import listing
from mlreport_batch.state import catalog, owed
from mlreport_batch.state.idle import glance
from mlreport_batch.state.owed import Owed, owed_of
from mlreport_batch.state.spool import Spool
from mlreport_batch.state.store import State
from mlreport_batch.tick.conduct import run_tick
from mlreport_batch.tick.summary import Options
from places import RUNS
from ticking import MAIL, Desk, Said

CSV = "step,loss\n1,0.5\n2,0.25\n"
LIGHTNING = RUNS / "lightning_basic"


# -- first, second, and what is new -----------------------------------------------


def test_a_first_tick_reports_and_a_second_does_nothing_at_all(desk: Desk):
    desk.copy(LIGHTNING / "tree")
    time.sleep(0.1)  # what was written just now is looked at again
    first = desk.report()
    assert first.code == 0
    assert "val_loss" in first.out
    [mail] = desk.mails()
    kinds = [part.get_content_type() for part in mail.walk()]
    assert {"text/plain", "text/html", "application/pdf"} <= set(kinds)
    before = desk.everything()
    second = desk.report()
    assert (second.code, second.out, second.err) == (0, "", "")
    assert desk.everything() == before
    assert (desk.out / "index.html").exists()
    assert len(list((desk.out / "reports").iterdir())) == 1


def test_only_the_run_that_grew_is_reported_again(desk: Desk):
    for name in "abc":
        desk.put(f"{name}/metrics.csv", CSV)
    assert desk.report("--json").json["sent"] == 3
    desk.mails()
    desk.append("b/metrics.csv", "3,0.125\n")
    said = desk.report("--json").json
    [run] = said["runs"]
    assert (run["name"], run["news"], run["new_points"]) == ("b", ["metrics"], 1)
    [text] = desk.texts()
    assert "Better: loss 0.125, 50.0 % less than at " in text


def test_a_new_checkpoint_is_news(desk: Desk):
    desk.put("a/metrics.csv", CSV)
    desk.report()
    desk.put("a/checkpoints/epoch=1.ckpt", "x" * 100)
    [run] = desk.report("--json").json["runs"]
    assert run["news"] == ["checkpoints"]
    assert not desk.report("--json").json["runs"]


def test_a_checkpoint_written_over_in_place_is_news(desk: Desk):
    desk.put("a/metrics.csv", CSV)
    file = desk.put("a/checkpoints/best.pt", "x" * 100)
    desk.report()
    with file.open("r+") as stream:
        stream.write("y" * 120)
    [run] = desk.report("--json").json["runs"]
    assert run["news"] == ["checkpoints"]


def test_a_changed_hyperparameter_is_news_and_an_alert(desk: Desk):
    desk.put("a/metrics.csv", CSV)
    desk.put("a/hparams.yaml", "lr: 0.1\nbatch: 8\n")
    desk.report()
    desk.put("a/hparams.yaml", "lr: 0.2\nbatch: 16\n", age_s=400)
    [run] = desk.report("--json").json["runs"]
    assert run["news"] == ["hparams", "alerts"]
    assert run["alerts"] == ["batch changed from 8 to 16"]
    assert not desk.report("--json").json["runs"]


def test_what_a_folder_means_its_runs_to_have_is_compared(desk: Desk):
    for name in ("vit-s", "gan"):
        desk.put(f"{name}/metrics.csv", CSV)
        desk.put(f"{name}/hparams.yaml", "bs: 8\n")
    config = desk.config(
        "report: {expect: {seed: 1}}\n", runs=', expect: {bs: 8, "vit-*": {bs: 4}}'
    )
    found = {run.name: run.alerts for run in desk.tick(config, time.time()).runs}
    assert found == {"vit-s": ("bs is 8, intended 4",), "gan": ()}
    assert all("This run does not state: seed." in text for text in desk.texts())


def test_what_the_owner_intended_is_compared(desk: Desk):
    desk.put("a/metrics.csv", CSV)
    desk.put("a/hparams.yaml", "lr: 1.0e-3\nbs: 32\n")
    desk.put("a/intent.yaml", "purpose: to see\nexpect: {lr: 0.001, bs: 64, wd: 0}\n")
    [run] = desk.report("--json").json["runs"]
    assert run["alerts"] == [
        "bs is 32, intended 64",
        "wd was intended to be 0, but the run states no such parameter",
    ]
    [text] = desk.texts()
    assert "to see" in text
    assert "Not as intended: bs is 32, intended 64 (and 1 more)." in text
    assert text.count(" 64") == 2  # and in the table of what was intended


@pytest.mark.parametrize("case", ["lightning_basic", "lightning_sparse"])
def test_a_training_is_reported_as_it_goes(desk: Desk, case: str):
    source = RUNS / case
    truths = json.loads((source / "snapshots" / "truth.json").read_text())
    known: dict[str, int] = {}
    for number, truth in enumerate(truths):
        for folder in desk.runs.iterdir():
            shutil.rmtree(folder)
        desk.copy(source / "snapshots" / truth["snapshot"])
        said = desk.report("--json").json
        [wanted] = truth["runs"]
        counts = {name: m["count"] for name, m in wanted["metrics"].items()}
        gained = sum(counts.values()) - sum(known.values())
        if gained:
            [run] = said["runs"]
            assert run["new_points"] == gained, number
            assert "metrics" in run["news"]
        known = counts
        assert not desk.report("--json").json["runs"]
    assert_equal_to_truth(desk, truths[-1]["runs"][0])


def assert_equal_to_truth(desk: Desk, wanted: dict):
    [run] = desk.run("inspect", desk.runs, "--json").json["runs"]
    for name, truth in wanted["metrics"].items():
        found = run["metrics"][name]
        for key, value in truth.items():
            assert found[key] == pytest.approx(value), (name, key)


def test_half_a_rewrite_is_never_reported(desk: Desk):
    """Lightning truncates metrics.csv and writes it anew when a column appears."""
    name = "lightning_logs/version_0/metrics.csv"
    snapshots = LIGHTNING / "snapshots"
    desk.copy(snapshots / "0001")
    before = (snapshots / "0001" / name).read_bytes()
    after = (snapshots / "0002" / name).read_bytes()
    assert not after.startswith(before)
    now = time.time()
    desk.tick(None, now)
    counts = seen_counts(desk)
    for cut in range(0, len(after), 37):
        now += 0.01
        file = desk.runs / name
        file.write_bytes(after[:cut])
        os.utime(file, ns=(int(now * 1e9), int(now * 1e9)))
        summary = desk.tick(None, now + 0.001)
        found = seen_counts(desk)
        assert all(found.get(key, 0) >= count for key, count in counts.items()), cut
        for run in summary.runs:
            assert run.new_points > 0
            assert not run.problems
        counts = found
    (desk.runs / name).write_bytes(after)
    summary = desk.tick(None, now + 10)
    assert seen_counts(desk) == {"lr-Adam": 1, "train_loss": 8, "val_acc": 1,
                                 "val_loss": 1, **extra(seen_counts(desk))}  # fmt: skip
    assert not desk.tick(None, now + 20).runs


def extra(counts: dict[str, int]) -> dict[str, int]:
    known = {"lr-Adam", "train_loss", "val_acc", "val_loss"}
    return {key: count for key, count in counts.items() if key not in known}


def seen_counts(desk: Desk) -> dict[str, int]:
    from mlreport_batch.report.view import view_of
    from mlreport_batch.state.store import State

    state = State(str(desk.out))
    try:
        [row] = state.runs()
        seen = state.seen(row.path)
        assert seen is not None
        return {name: m.count for name, m in view_of(seen).metrics.items()}
    finally:
        state.close()


def test_a_log_rewritten_in_place_with_its_old_times_is_read_anew(desk: Desk):
    log = desk.put("a/metrics.csv", "step,loss\n1,0.25\n")
    desk.report()
    status = log.stat()
    log.write_text("step,loss\n1,0.75\n")
    os.utime(log, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert log.stat().st_size == status.st_size
    [run] = desk.report("--json").json["runs"]
    assert run["name"] == "a"
    assert any("0.75" in text for text in desk.texts())


def test_a_log_begun_anew_is_believed_once_it_is_quiet(desk: Desk):
    desk.put("a/metrics.csv", "step,loss\n" + "".join(f"{i},1\n" for i in range(9)))
    now = time.time()
    desk.tick(None, now)
    file = desk.put("a/metrics.csv", "step,loss\n0,7\n", age_s=0)
    assert not desk.tick(None, file.stat().st_mtime + 0.5).runs
    desk.mails()
    [run] = desk.tick(None, file.stat().st_mtime + 5).runs
    assert run.new_points == 1
    assert "Log restarted" in desk.texts()[0]
    desk.append("a/metrics.csv", "1,6\n2,5\n1,4\n", age_s=-60)
    desk.tick(None, now + 200)
    [text] = desk.texts()
    assert "Log restarted" in text
    assert "written before a resume" in text


# -- what cannot be read ------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "data", "problem"),
    [
        ("metrics_garbage.csv", bytes(range(256)) * 20, "not read"),
        ("hparams.yaml", b"lr: [1,\nx: {", "hparams.yaml"),
        ("trainer_state.json", b'{"log_history": [{"loss": 1', "trainer_state.json"),
    ],
)
def test_what_cannot_be_read_is_named_beside_what_can(
    desk: Desk, name: str, data: bytes, problem: str
):
    desk.put("a/metrics.csv", CSV)
    desk.put(f"a/{name}", data, age_s=4000)  # a document is waited for an hour
    said = desk.report("--json")
    [run] = said.json["runs"]
    assert said.code == 0
    assert any(problem in text for text in run["problems"]), run
    [text] = desk.texts()
    assert "0.25" in text
    assert name in text
    assert desk.report("--json").json["runs"] == []


@pytest.mark.parametrize("data", [b"", b"step,loss\n", b"step,loss"])
def test_a_file_without_rows_is_no_problem(desk: Desk, data: bytes):
    desk.put("a/metrics.csv", data)
    desk.put("a/hparams.yaml", "lr: 0.1\n")
    [run] = desk.report("--json").json["runs"]
    assert run["problems"] == []
    assert run["new_points"] == 0
    assert desk.report("--json").json["runs"] == []
    desk.put("a/metrics.csv", CSV, age_s=300)
    [run] = desk.report("--json").json["runs"]
    assert run["new_points"] == 2


def test_a_log_that_became_a_link_is_named(desk: Desk):
    desk.put("a/metrics.csv", CSV)
    desk.put("a/hparams.yaml", "lr: 0.1\n")
    desk.report()
    file = desk.runs / "a/metrics.csv"
    file.unlink()
    file.symlink_to(desk.folder / "elsewhere")
    said = desk.report("--json")
    assert said.code == 0
    [run] = said.json["runs"]
    assert run["problems"] == ["metrics.csv: is a symlink; not opened"]
    assert not desk.report("--json").json["runs"]


def test_strange_values_break_nothing(desk: Desk):
    desk.put("a/metrics.csv", "step,loss\n1,nan\n2,inf\n9" + "9" * 400 + ",1\n")
    desk.put(
        "a/hparams.json",
        '{"n": NaN, "i": Infinity, "s": "a\\ud800b", "big": 1' + "0" * 500 + "}",
    )
    desk.put("b/log.jsonl", '{"step": 1, "lo\\ud800ss": 1, "x\\n<b>": 2}\n')
    said = desk.report("--json")
    assert said.code == 0
    assert len(said.json["runs"]) == 2
    assert desk.report("--json").json["runs"] == []


def test_names_of_any_script_and_no_script_are_reported(desk: Desk):
    desk.put("실험 1/학습/metrics.csv", "step,손실\n1,0.5\n")
    odd = os.fsencode(desk.runs) + b"/bad\xff\xfe"
    os.mkdir(odd)
    for name in (b"m\xff.csv", b"m\xfe.csv"):
        with open(odd + b"/" + name, "wb") as file:
            file.write(CSV.encode() + b"3,1\n" * (name == b"m\xfe.csv"))
        os.utime(odd + b"/" + name, (time.time() - 600,) * 2)
    said = desk.report("--json")
    assert said.code == 0
    names = [run["name"] for run in said.json["runs"]]
    assert names[0].startswith("bad��")
    assert names[1:] == ["실험 1/학습"]
    subjects = [str(mail["Subject"]) for mail in desk.mails()]
    assert any("실험 1/학습" in subject for subject in subjects)
    assert desk.report("--json").json["runs"] == []
    assert desk.run("inspect", desk.runs).code == 0
    assert desk.run("inspect", desk.runs, "--json").code == 0


# -- what is asked for ----------------------------------------------------------------


def test_only_keeps_the_news_of_others(desk: Desk):
    desk.put("a/metrics.csv", CSV)
    desk.put("b/metrics.csv", CSV)
    desk.put("c/metrics.csv", CSV)
    for only, names in (("b", ["b"]), ("c", ["c"]), ("*", ["a"])):
        runs = desk.report("--json", "--only", only).json["runs"]
        assert [run["name"] for run in runs] == names


def test_all_reports_every_run_again(desk: Desk):
    desk.put("a/metrics.csv", CSV)
    desk.put("b/metrics.csv", CSV)
    desk.report()
    assert len(desk.mails()) == 2
    said = desk.report("--all", "--json").json
    assert [run["news"] for run in said["runs"]] == [[], []]
    assert len(desk.mails()) == 2


def test_a_dry_run_says_what_it_would_do_and_changes_nothing(desk: Desk):
    desk.put("a/metrics.csv", CSV)
    said = desk.report("--dry-run", "--json")
    assert [run["news"] for run in said.json["runs"]] == [["metrics"]]
    assert [run["rid"] for run in said.json["runs"]] == [None]
    assert not desk.out.exists()
    desk.report()
    desk.append("a/metrics.csv", "3,1\n")
    before = desk.everything()
    said = desk.report("--dry-run")
    assert "a" in said.out
    assert desk.everything() == before
    assert desk.report("--json").json["sent"] == 1


def test_json_has_the_promised_shape(desk: Desk):
    desk.put("a/metrics.csv", CSV)
    said = desk.report("--json").json
    promised = ["runs", "sent", "owed", "dead", "problems", "seconds"]
    assert list(said)[: len(promised)] == promised
    [run] = said["runs"]
    assert list(run)[:7] == [
        "name", "status", "news", "new_points", "rid", "problems", "alerts",
    ]  # fmt: skip
    assert len(run["rid"]) == 26
    assert all(isinstance(value, float) for value in said["seconds"].values())
    said = desk.report("--json").json
    assert {key: said[key] for key in promised[:-1]} == {
        "runs": [], "sent": 0, "owed": 0, "dead": 0, "problems": [],
    }  # fmt: skip


def test_a_summary_is_written_as_markdown(desk: Desk):
    desk.put("a|b<x>/metrics.csv", "step,loss\n1,nan\n")
    file = desk.folder / "summary.md"
    assert desk.report("--summary", file).code == 0
    text = file.read_text()
    assert text.startswith("## Training report")
    assert r"a\|b\<x\>" in text
    said = desk.report("--summary", "-", "--all")
    assert said.out.startswith("## Training report")


def test_each_file_that_cannot_be_written_is_told_and_all_else_is_shown(desk: Desk):
    desk.put("a/metrics.csv", "step,loss\n1,nan\n")
    where = desk.folder / "no"
    said = desk.report("--summary", where / "s.md", "--junit", where / "j.xml", "-v")
    assert said.code == 2
    for name in ("s.md", "j.xml"):
        assert f"{where / name} cannot be written: No such file" in said.err
    assert "The tick itself is done" in said.err
    assert "1 mail" in said.out
    written = desk.folder / "j.xml"
    said = desk.report("--summary", where / "s.md", "--junit", written, "--all")
    assert said.code == 2
    assert written.read_text().startswith("<?xml")


def test_a_summary_knows_no_minus_zero(desk: Desk):
    desk.put("a/metrics.csv", "step,loss\n0,-0\n1,0.5\n")
    assert "| 0.5 | 1 | 0 | 0 |" in desk.report("--summary", "-").out


def test_fail_on_is_met_by_alerts_and_problems(desk: Desk):
    desk.put("a/metrics.csv", "step,loss\n1,0.5\n2,nan\n")
    assert desk.report("--fail-on", "problem").code == 0
    said = desk.report("--fail-on", "alert")  # it is told, and holds
    assert said.code == 4
    assert "--fail-on alert is met by a; all reports were made" in said.err
    desk.append("a/metrics.csv", "3,0.1\n")
    assert desk.report("--fail-on", "alert").code == 0
    desk.put("b/metrics.csv", CSV)
    assert desk.report("--fail-on", "alert").code == 0
    desk.put("b/hparams.yaml", "a: [\n")
    assert desk.report("--fail-on", "problem").code == 4


def test_another_live_tick_is_left_alone(desk: Desk):
    from mlreport_batch.state.folder import Lock

    desk.put("a/metrics.csv", CSV)
    desk.out.mkdir()
    lock = Lock(str(desk.out))
    try:
        said = desk.report()
        assert said.code == 0
        assert len(said.err.splitlines()) == 1
        assert desk.report("-q").err == ""
    finally:
        lock.release()
    assert desk.report("--json").json["sent"] == 1


def test_a_run_can_be_the_path_itself(desk: Desk):
    desk.put("mine/metrics.csv", CSV)
    said = desk.run("run", desk.runs / "mine", "--out", desk.out, "--json").json
    assert [run["name"] for run in said["runs"]] == ["mine"]


def test_our_own_folder_below_the_root_is_not_entered(desk: Desk):
    desk.put("a/metrics.csv", CSV)
    out = desk.runs / "mlreport-out"
    said = desk.run("run", desk.runs, "--out", out, "--json").json
    assert [run["name"] for run in said["runs"]] == ["a"]
    (out / "metrics.csv").write_text(CSV)
    assert desk.run("run", desk.runs, "--out", out, "--json").json["runs"] == []


def test_wrong_calls_say_what_was_meant(desk: Desk):
    assert desk.run("run", desk.folder / "none").code == 2
    said = desk.run("run", desk.runs, "--jsn")
    assert said.code == 2
    assert "--json" in said.err
    said = desk.run("rum")
    assert said.code == 2
    assert "run" in said.err
    config = desk.folder / "bad.yaml"
    config.write_text("run: []\nmail: {vai: smtp}\n")
    said = desk.run("run", "-c", config)
    assert said.code == 78
    assert "runs" in said.err
    assert "via" in said.err


# -- which mails ----------------------------------------------------------------------


def test_many_runs_share_a_digest_beyond_the_limit(desk: Desk):
    for number in range(5):
        desk.put(f"r{number}/metrics.csv", CSV)
    config = desk.config(f"mail: {{{MAIL}, max_per_tick: 2}}\n")
    assert desk.run("run", "-c", config).code == 0
    mails = desk.mails()
    assert len(mails) == 3
    [digest] = [mail for mail in mails if "Runs with news" in str(mail["Subject"])]
    assert digest["References"]
    body = digest.get_body(("plain",))
    assert body is not None
    for name in ("r2", "r3", "r4"):
        assert name in body.get_content()
    said = desk.run("run", "-c", config)
    assert (said.code, said.out, said.err) == (0, "", "")
    assert desk.mails() == []


def test_runs_with_alerts_have_their_own_mails_first(desk: Desk):
    for number in range(5):
        value = "nan" if number == 4 else "0.5"
        desk.put(f"r{number}/metrics.csv", f"step,loss\n1,0.9\n2,{value}\n")
    config = desk.config(f"mail: {{{MAIL}, max_per_tick: 2}}\n")
    assert desk.run("run", "-c", config).code == 0
    subjects = [str(mail["Subject"]) for mail in desk.mails()]
    assert [s for s in subjects if "Runs with news" not in s] == [
        "[mlreport] r0",
        "[mlreport] r4: Diverged: loss NaN since step 2",
    ]


def test_why_mails_wait_is_said_also_after_the_server_was_down(desk: Desk):
    desk.put("a/metrics.csv", CSV)
    config = desk.config()
    now = time.time()
    desk.answer(64)  # bad usage: no mail can go out at all
    assert "64" in desk.tick(config, now).waits_for
    desk.answer(75)  # this mail not now
    desk.tick(config, now + 4000)
    waiting = desk.tick(config, now + 4001)
    assert waiting.errors == []
    assert (waiting.owed, waiting.exit_code) == (1, 75)
    assert "75" in waiting.waits_for
    desk.answer(0)
    assert desk.tick(config, now + 9000).waits_for == ""


def test_a_run_in_a_digest_has_a_page_of_its_own(desk: Desk):
    for number in range(22):
        desk.put(f"r{number}/metrics.csv", CSV)
    assert desk.report("--json").json["sent"] == 1
    assert len(list(desk.out.glob("reports/*/report.html"))) == 22


def test_a_digest_holds_all_runs_of_a_tick(desk: Desk):
    for name in "ab":
        desk.put(f"{name}/metrics.csv", CSV)
    config = desk.config(f"mail: {{{MAIL}, digest: true}}\n")
    desk.run("run", "-c", config)
    assert len(desk.mails()) == 1
    desk.append("a/metrics.csv", "3,1\n")
    desk.run("run", "-c", config)
    [mail] = desk.mails()
    assert "a" in str(mail["Subject"])


def test_runs_of_another_root_go_to_their_own_people(desk: Desk):
    desk.put("a/metrics.csv", CSV)
    config = desk.config(runs=", to: [team@lab.example]")
    desk.put("a/intent.yaml", "to: [boss@lab.example, thief@evil.example]\n")
    desk.run("run", "-c", config)
    [mail] = desk.mails()
    assert "team@lab.example" in mail["To"]
    assert "boss@lab.example" in mail["To"]
    assert "thief" not in mail["To"]
    assert "me@lab" not in mail["To"]


def test_reports_keep_the_distance_asked_for(desk: Desk):
    desk.put("a/metrics.csv", CSV)
    config = desk.config("report: {every: 6h}\nalerts: {stall: null}\n")
    now = time.time()
    assert desk.tick(config, now).sent == 1
    desk.append("a/metrics.csv", "3,0.2\n")
    assert desk.tick(config, now + 60).sent == 0
    desk.append("a/metrics.csv", "4,0.1\n", age_s=400)
    assert desk.tick(config, now + 3600).sent == 0
    summary = desk.tick(config, now + 6 * 3600 + 1)
    assert summary.sent == 1
    assert summary.runs[0].new_points == 2


def test_what_somebody_must_know_does_not_wait_for_a_distance(desk: Desk):
    desk.put("a/metrics.csv", CSV)
    config = desk.config("report: {every: 6h}\nalerts: {stall: null}\n")
    now = time.time()
    desk.tick(config, now)
    desk.append("a/metrics.csv", "3,nan\n")
    assert desk.tick(config, now + 60).sent == 1
    desk.append("a/metrics.csv", "4,nan\n", age_s=400)
    assert desk.tick(config, now + 120).sent == 0
    desk.append("a/metrics.csv", "5,0.1\n", age_s=300)
    assert desk.tick(config, now + 180).sent == 1
    desk.put("a/train.err", "Killed\n", age_s=200)
    assert desk.tick(config, now + 240).sent == 1
    assert [mail["Subject"] for mail in desk.mails()] == [
        "[mlreport] a",
        "[mlreport] a: Diverged: loss NaN since step 3",
        "[mlreport] a: Killed at step 5",
        "[mlreport] a: Numbers again",
    ]


@pytest.mark.parametrize("is_deleted_whole", [True, False])
def test_what_waits_to_be_told_is_told_when_its_run_is_deleted(
    desk: Desk, is_deleted_whole: bool
):
    log = desk.put("a/metrics.csv", CSV)
    config = desk.config("report: {every: 6h}\nalerts: {stall: 1h}\n")
    now = time.time()
    assert desk.tick(config, now).sent == 1
    desk.append("a/metrics.csv", "3,0.2\n")
    assert desk.tick(config, now + 60).sent == 0
    if is_deleted_whole:
        shutil.rmtree(desk.runs / "a")
    else:
        log.unlink()
    desk.mails()
    summary = desk.tick(config, now + 5 * 3600)
    assert summary.sent == 1
    assert summary.runs[0].new_points == 1
    assert summary.runs[0].alerts == ()  # it does not stall
    [text] = desk.texts()
    assert "0.2" in text
    assert "a/: deleted; what was read before is told here" in text
    for later in (7, 80, 800):
        assert desk.tick(config, now + later * 3600).runs == []
    assert desk.run("status", "-c", config, "--json").json["runs"] == 0


def test_a_run_that_is_deleted_when_all_is_told_is_no_news(desk: Desk):
    nan = "step,loss\n1,0.5\n2,nan\n"
    for name, text in (("a", CSV), ("b", nan)):
        desk.put(f"{name}/metrics.csv", text)
    config = desk.config("alerts: {stall: 1h}\n")
    now = time.time()
    desk.append("a/metrics.csv", "3,0.2\n")
    assert desk.tick(config, now).sent == 2
    desk.append("a/metrics.csv", "4,0.1\n")
    assert desk.tick(config, now + 60).sent == 1
    for name in ("a", "b"):
        shutil.rmtree(desk.runs / name)
    # As late as this, a stall and a reminder of NaN would be due.
    assert desk.tick(config, now + 90_000).runs == []
    assert desk.run("status", "-c", config, "--json").json["runs"] == 0


def test_news_of_a_deleted_run_outlive_a_tick_that_dies(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
):
    desk.put("a/metrics.csv", CSV)
    config = desk.config("report: {every: 6h}\n")
    now = time.time()
    desk.tick(config, now)
    desk.append("a/metrics.csv", "3,0.2\n")
    desk.tick(config, now + 60)
    shutil.rmtree(desk.runs / "a")
    with monkeypatch.context() as patch:
        patch.setattr("mlreport_batch.tick.reading.read_batch", None)
        with pytest.raises(TypeError):
            desk.tick(config, now + 120)
    assert desk.tick(config, now + 180).sent == 1
    assert desk.tick(config, now + 240).sent == 0


def test_news_of_a_deleted_run_that_nobody_wants_hold_up_no_idle_tick(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
):
    desk.put("a/metrics.csv", CSV)
    desk.put("b/metrics.csv", CSV)
    config = desk.config("report: {every: 6h}\n")
    now = time.time()
    desk.tick(config, now)
    desk.append("a/metrics.csv", "3,0.2\n")
    desk.tick(config, now + 60)
    shutil.rmtree(desk.runs / "a")
    with monkeypatch.context() as patch:
        patch.setattr("mlreport_batch.tick.reading.read_batch", None)
        with pytest.raises(TypeError):
            desk.tick(config, now + 120)
    settings = desk.settings(desk.config("report: {every: 6h}\n"))
    root = replace(settings.runs[0], exclude=("a",))
    other = replace(settings, runs=(root,))
    summary = run_tick(other, Options(), config_key="other", now=now + 180)
    assert summary.sent == 0
    assert desk.run("status", "-c", config, "--json").json["runs"] == 1


def test_old_runs_are_recorded_when_first_seen(desk: Desk):
    desk.put("old/metrics.csv", CSV, age_s=8 * 86400)
    desk.put("new/metrics.csv", CSV)
    config = desk.config()
    assert desk.run("run", "-c", config).code == 0
    assert len(desk.mails()) == 1
    desk.append("old/metrics.csv", "3,0.125\n")
    desk.run("run", "-c", config)
    [text] = desk.texts()
    assert "old" in text
    assert "50.0 % less" in text


def test_a_run_that_was_seen_before_it_had_values_is_never_old(desk: Desk):
    desk.put("a/metrics.csv", "step,loss\n")
    config = desk.config("report: {first_seen_max_age: 7d}\n")
    now = time.time()
    desk.tick(config, now)
    desk.mails()
    desk.append("a/metrics.csv", "1,0.5\n", age_s=0)
    assert desk.tick(config, now + 8 * 86400).sent == 1
    assert "0.5" in desk.texts()[0]


def test_another_config_looks_at_what_is_known_by_its_own_rules(desk: Desk):
    desk.put("a/metrics.csv", CSV)
    now = time.time()
    waiting = desk.config("report: {every: 7d}\n")
    assert desk.tick(waiting, now).sent == 1
    desk.append("a/metrics.csv", "3,0.125\n")
    time.sleep(0.1)  # what was just written is looked at anyway
    for later in (60, 200):
        assert desk.tick(waiting, now + later).sent == 0
    at_once = desk.settings(desk.config("report: {every: 0s}\n"))
    summary = run_tick(at_once, Options(), config_key="another", now=now + 300)
    assert summary.sent == 1


def test_a_clock_that_was_ahead_makes_nothing_wait(desk: Desk):
    desk.put("a/metrics.csv", CSV)
    config = desk.config("report: {every: 6h}\n")
    now, year = time.time(), 365 * 86400
    assert desk.tick(config, now).sent == 1
    desk.append("a/metrics.csv", "3,0.125\n")
    assert desk.tick(config, now + year).sent == 1
    desk.append("a/metrics.csv", "4,0.0625\n")
    time.sleep(0.1)  # what was just written is looked at anyway
    for later in (60, 200):
        assert desk.tick(config, now + year + later).sent == 0  # to be told in 6 h
    assert desk.tick(config, now + 7 * 3600).sent == 1
    assert desk.tick(config, now + 8 * 3600).sent == 0


def test_what_a_clock_that_was_ahead_took_for_old_is_told_later(desk: Desk):
    desk.put("new/metrics.csv", CSV)
    desk.put("old/metrics.csv", CSV, age_s=8 * 86400)
    config = desk.config()
    now = time.time()
    assert desk.tick(config, now + 40 * 86400).sent == 0
    time.sleep(0.1)  # what was just written is looked at anyway
    assert desk.tick(config, now + 40 * 86400 + 200).sent == 0
    assert glance(str(desk.out), "key", now + 40 * 86400 + 300) == []
    assert glance(str(desk.out), "key", now + 60) != []
    summary = desk.tick(config, now + 60)
    assert [run.name for run in summary.runs] == ["new"]
    assert summary.sent == 1
    assert desk.tick(config, now + 120).sent == 0
    assert glance(str(desk.out), "key", now + 180) == []


def test_what_a_baseline_took_for_told_is_not_told_when_the_clock_is_set_back(
    desk: Desk,
):
    desk.put("new/metrics.csv", CSV)
    config = desk.config()
    now = time.time()
    desk.tick(config, now + 40 * 86400, baseline=True)
    assert desk.tick(config, now + 60).sent == 0


@pytest.mark.parametrize("what", ["a/metrics.csv", "a", "a/model.ckpt"])
def test_times_beyond_what_64_bits_hold_are_survived(desk: Desk, what: str):
    for name in ("a", "b"):
        desk.put(f"{name}/metrics.csv", CSV)
        desk.put(f"{name}/model.ckpt", b"x")
    far = 10_413_792_000  # in the year 2300
    os.utime(desk.runs / what, (far, far))
    if (desk.runs / what).stat().st_mtime != far:
        pytest.skip("!!! this file system keeps no such time: NOT TESTED")
    said = desk.report("--json")
    assert (said.code, said.err) == (0, "")
    assert len(desk.mails()) == 2
    assert desk.report("--json").json["runs"] == []


def test_a_baseline_sends_nothing_and_counts_as_reported(desk: Desk):
    desk.put("a/metrics.csv", CSV)
    config = desk.config()
    assert desk.run("baseline", "-c", config).code == 0
    assert desk.mails() == []
    said = desk.run("run", "-c", config)
    assert (said.code, said.out, said.err) == (0, "", "")
    desk.append("a/metrics.csv", "3,0.125\n")
    desk.run("run", "-c", config)
    assert "50.0 % less" in desk.texts()[0]


def test_excluded_runs_appear_when_the_config_takes_them_in(desk: Desk):
    desk.put("a/metrics.csv", CSV)
    desk.put("debug/metrics.csv", CSV)
    config = desk.config(runs=", exclude: [debug]")
    desk.run("run", "-c", config)
    assert len(desk.mails()) == 1
    desk.config()
    desk.run("run", "-c", config)
    [text] = desk.texts()
    assert "debug" in text


def test_what_happened_to_an_excluded_run_is_told_when_it_is_back(desk: Desk):
    desk.put("a/metrics.csv", CSV)
    desk.put("b/metrics.csv", CSV)
    config = desk.config()
    desk.run("run", "-c", config)
    desk.config(runs=", exclude: [b]")
    desk.append("b/metrics.csv", "3,0.125\n")
    desk.mails()
    desk.run("run", "-c", config)
    assert desk.mails() == []
    desk.config()
    desk.run("run", "-c", config)
    [text] = desk.texts()
    assert "50.0 % less" in text


# -- outages ----------------------------------------------------------------------


def test_after_an_outage_there_is_one_mail_a_run_about_all_of_it(desk: Desk):
    for name in "ab":
        desk.put(f"{name}/metrics.csv", "step,loss\n1,8.0\n")
        desk.put(f"{name}/hparams.yaml", "bs: 8\n")
    config = desk.config("alerts: {stall: null}\n")
    now = time.time()
    assert desk.tick(config, now).sent == 2
    desk.mails()
    desk.answer(75)
    for number in range(2, 8):
        now += 3600
        desk.append(
            "a/metrics.csv", f"{number},{8.0 / number}\n", age_s=-now + time.time()
        )
        if number == 3:
            desk.put("a/hparams.yaml", "bs: 16\n", age_s=300)
            desk.append("b/metrics.csv", "2,4.0\n")
        summary = desk.tick(config, now)
        assert summary.exit_code == 75
        assert summary.owed == (1 if number < 3 else 2)
    desk.answer(0)
    summary = desk.tick(config, now + 7200)
    assert summary.exit_code == 0
    assert (summary.sent, summary.owed) == (2, 0)
    a, b = (" ".join(text.split()) for text in desk.texts())
    assert "loss 1.143, 85.7 % less than at" in a
    assert "bs changed from 8 to 16" in a
    assert "loss 4, 50.0 % less than at" in b
    assert not desk.tick(config, now + 9000).runs


def test_a_digest_of_an_outage_is_superseded_as_a_whole(desk: Desk):
    for name in "ab":
        desk.put(f"{name}/metrics.csv", "step,loss\n1,8.0\n")
    config = desk.config(f"mail: {{{MAIL}, digest: true}}\nalerts: {{stall: null}}\n")
    now = time.time()
    desk.tick(config, now)
    desk.mails()
    desk.answer(75)
    desk.append("a/metrics.csv", "2,4.0\n")
    desk.append("b/metrics.csv", "2,2.0\n")
    assert desk.tick(config, now + 3600).owed == 1
    desk.append("a/metrics.csv", "3,1.0\n", age_s=300)
    summary = desk.tick(config, now + 7200)
    assert summary.owed == 1
    desk.answer(0)
    assert desk.tick(config, now + 14400).sent == 1
    [text] = desk.texts()
    assert re.search(r" 1 +-7 ", text)
    assert re.search(r" 2 +-6 ", text)


def test_a_digest_that_single_mails_supersede_gives_each_run_its_base(desk: Desk):
    for name in "ab":
        desk.put(f"{name}/metrics.csv", "step,loss\n1,8.0\n")
    config = desk.config(f"mail: {{{MAIL}, digest: true}}\nalerts: {{stall: null}}\n")
    now = time.time()
    desk.tick(config, now)
    desk.mails()
    desk.answer(75)
    for name in "ab":
        desk.append(f"{name}/metrics.csv", "2,4.0\n")
    assert desk.tick(config, now + 3600).owed == 1
    config = desk.config("alerts: {stall: null}\n")
    desk.append("a/metrics.csv", "3,2.0\n", age_s=300)
    assert desk.tick(config, now + 7200).owed == 2
    desk.append("b/metrics.csv", "3,1.0\n", age_s=300)
    assert desk.tick(config, now + 10800).owed == 2
    desk.answer(0)
    assert desk.tick(config, now + 20000).sent == 2
    a, b = desk.texts()
    assert "loss 2, 75.0 % less" in a
    assert "loss 1, 87.5 % less" in b


def test_a_superseded_digest_is_not_written_again_for_each_of_its_runs(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
):
    for name in "abcd":
        desk.put(f"{name}/metrics.csv", "step,loss\n1,8.0\n")
    config = desk.config(f"mail: {{{MAIL}, digest: true}}\n")
    now = time.time()
    desk.answer(75)
    assert desk.tick(config, now).owed == 1
    [digest] = [path.name for path in (desk.out / "spool/told").iterdir()]
    config = desk.config(f"mail: {{{MAIL}, max_per_tick: 1}}\n")
    for name in "abcd":
        desk.append(f"{name}/metrics.csv", "2,4.0\n")
    put, written = Spool.put, list[str]()

    def noted(spool: Spool, rid: str, data: bytes, place: str) -> None:
        written.append(rid)
        put(spool, rid, data, place)

    monkeypatch.setattr(Spool, "put", noted)
    assert desk.tick(config, now + 7200).owed == 2
    assert digest not in written
    assert len(written) == 4


def test_what_is_owed_is_not_read_again_for_each_report(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
):
    names = "abcdefghijkl"
    for name in names:
        desk.put(f"{name}/metrics.csv", "step,loss\n1,8.0\n")
    config, now = desk.config(), time.time()
    desk.answer(75)
    assert desk.tick(config, now).owed == len(names)
    for name in names:
        desk.append(f"{name}/metrics.csv", "2,4.0\n")
    read = list[object]()

    def noted(values: Sequence[object]) -> Owed:
        read.append(values)
        return owed_of(values)

    monkeypatch.setattr(owed, "owed_of", noted)
    assert desk.tick(config, now + 7200).owed == len(names)
    assert len(read) < len(names) * 12  # a few times a tick, whatever the runs


def test_a_superseded_digest_loses_nothing_of_a_run_left_out_by_only(desk: Desk):
    for name in "ab":
        desk.put(f"{name}/metrics.csv", "step,loss\n1,8.0\n")
    config = desk.config(f"mail: {{{MAIL}, digest: true}}\nalerts: {{stall: null}}\n")
    now = time.time()
    desk.answer(75)
    assert desk.tick(config, now).owed == 1
    desk.append("a/metrics.csv", "2,4.0\n")
    desk.answer(0)
    desk.tick(config, now + 7200, only="a")
    desk.tick(config, now + 14400)
    text = "\n".join(desk.texts())
    assert "loss 4" in text
    assert re.search(r"(?m)^[ \d]*b .* 8$", text)


def test_a_run_that_vanished_stays_in_the_owed_digest(desk: Desk):
    for name in "ab":
        desk.put(f"{name}/metrics.csv", "step,loss\n1,8.0\n")
    config = desk.config(f"mail: {{{MAIL}, digest: true}}\nalerts: {{stall: null}}\n")
    now = time.time()
    desk.answer(75)
    assert desk.tick(config, now).owed == 1
    desk.append("a/metrics.csv", "2,4.0\n")
    shutil.rmtree(desk.runs / "b")
    desk.answer(0)
    desk.tick(config, now + 7200)
    desk.tick(config, now + 14400)
    text = "\n".join(desk.texts())
    assert "loss 4" in text
    assert re.search(r"(?m)^[ \d]*b .* 8$", text)


def test_news_told_by_a_digest_that_still_waits_is_not_told_again(desk: Desk):
    for name in "ab":
        desk.put(f"{name}/metrics.csv", CSV)
    config = desk.config(f"mail: {{{MAIL}, digest: true}}\n")
    now = time.time()
    desk.answer(75)
    assert desk.tick(config, now).owed == 1
    desk.append("a/metrics.csv", "3,4.0\n4,4.0\n5,4.0\n")
    shutil.rmtree(desk.runs / "b")
    desk.answer(0)
    desk.tick(config, now + 7200)
    desk.tick(config, now + 14400)
    texts = desk.texts()
    assert len(texts) == 2
    [report] = [text for text in texts if "runs / a" in text]
    assert re.search(r"New values +3\b", report)


def test_a_retried_mail_is_not_superseded_once_later_news_were_told(desk: Desk):
    desk.put("a/metrics.csv", CSV)
    config = desk.config()
    now = time.time()
    desk.answer(65)
    desk.tick(config, now)
    [dead] = desk.run("status", "-c", config, "--json").json["dead"]
    desk.answer(0)
    desk.append("a/metrics.csv", "3,0.2\n4,0.2\n5,0.2\n")
    desk.tick(config, now + 60)
    assert desk.run("retry", "-c", config, dead["rid"]).code == 0
    desk.append("a/metrics.csv", "6,0.1\n")
    desk.tick(config, now + 120)
    counts = [re.search(r"New values +(\d+)", text) for text in desk.texts()]
    assert sorted(int(found[1]) for found in counts if found) == [1, 2, 3]


def test_news_of_a_vanished_mail_are_told_though_a_later_one_waits(desk: Desk):
    desk.put("a/metrics.csv", CSV)
    config = desk.config()
    now = time.time()
    desk.answer(65)
    desk.tick(config, now)
    desk.answer(75)
    desk.append("a/metrics.csv", "3,0.2\n")
    desk.tick(config, now + 60)
    [dead] = (desk.out / "spool" / "dead").iterdir()
    dead.unlink()
    desk.tick(config, now + 120)
    desk.answer(0)
    desk.append("a/metrics.csv", "4,0.1\n")
    desk.tick(config, now + 7200)
    counts = [re.search(r"New values +(\d+)", text) for text in desk.texts()]
    assert [int(found[1]) for found in counts if found] == [4]


def test_a_refused_mail_is_kept_until_somebody_decides(desk: Desk):
    desk.put("a/metrics.csv", CSV)
    config = desk.config()
    desk.answer(65)
    said = desk.run("run", "-c", config)
    assert said.code == 75
    assert "retry" in said.err
    said = desk.run("run", "-c", config, "--json")
    assert (said.code, said.json["owed"], said.json["dead"]) == (0, 0, 1)
    status = desk.run("status", "-c", config, "--json").json
    [dead] = status["dead"]
    assert status["owed"] == []
    assert "a" in desk.run("status", "-c", config).out
    desk.answer(0)
    assert desk.run("retry", "-c", config, "nothing").code == 2
    assert desk.run("retry", "-c", config).code == 0
    assert desk.run("run", "-c", config).code == 0
    assert len(desk.mails()) == 1
    assert desk.run("drop", "-c", config, dead["rid"]).code == 2


def test_once_decided_a_dead_mail_is_called_to_mind_no_more(desk: Desk):
    desk.put("a/metrics.csv", CSV)
    config = desk.config()
    desk.answer(65)
    now = time.time()
    desk.tick(config, now)
    [dead] = desk.run("status", "-c", config, "--json").json["dead"]
    desk.run("drop", "-c", config, dead["rid"])
    assert desk.tick(config, now + 100).errors == []
    state = State(str(desk.out))
    assert state.meta("dead_told_at") == "0"  # else every later tick would look
    state.close()


def test_a_dropped_mail_counts_as_told(desk: Desk):
    desk.put("a/metrics.csv", CSV)
    config = desk.config()
    desk.answer(75)
    desk.run("run", "-c", config)
    [owed] = desk.run("status", "-c", config, "--json").json["owed"]
    assert desk.run("drop", "-c", config, owed["rid"]).code == 0
    desk.answer(0)
    said = desk.run("run", "-c", config)
    assert (said.code, said.out, said.err) == (0, "", "")
    assert desk.mails() == []
    assert list((desk.out / "spool" / "new").iterdir()) == []


@pytest.mark.parametrize("is_run_gone", [False, True])
@pytest.mark.parametrize("fault", ["gone", "cut", "changed"])
def test_a_mail_that_is_not_in_the_spool_as_it_was_is_made_anew(
    desk: Desk, fault: str, *, is_run_gone: bool
):
    desk.put("a/metrics.csv", CSV)
    config = desk.config()
    desk.answer(75)
    now = time.time()
    assert desk.tick(config, now).owed == 1
    if is_run_gone:
        shutil.rmtree(desk.runs / "a")
        assert desk.tick(config, now + 60).owed == 1
    [mail] = (desk.out / "spool" / "new").iterdir()
    whole = mail.read_bytes()
    mail.unlink()
    if fault == "cut":
        mail.write_bytes(whole[:3000])
    elif fault == "changed":
        mail.write_bytes(whole.replace(b"0.25", b"0.35"))
    desk.answer(0)
    [error] = desk.tick(config, now + 7200).errors
    assert ("gone from" if fault == "gone" else "damaged") in str(error)
    assert "reported anew" in str(error)
    assert desk.mails() == []
    assert desk.tick(config, now + 14400).sent == 1
    [text] = desk.texts()
    assert "loss 0.25" in text
    assert ("deleted; what was read before" in text) == is_run_gone
    assert desk.tick(config, now + 21600).sent == 0


def _other_config(desk: Desk) -> Path:
    """Write a config of the same state that mails into an outbox."""
    file = desk.folder / "other.yaml"
    file.write_text(
        f"runs: [{{path: {desk.runs}}}]\nstate: {desk.out}\n"
        "mail: {via: outbox, from: other@lab.example, to: [other@lab.example]}\n"
        f"outbox: {{dir: {desk.out / 'outbox'}}}\n"
    )
    return file


@pytest.mark.parametrize("has_more", [False, True])
def test_a_mail_of_one_config_is_never_sent_by_another(desk: Desk, *, has_more: bool):
    desk.put("a/metrics.csv", CSV)
    config, other = desk.config(), _other_config(desk)
    desk.answer(75)
    now = time.time()
    assert desk.tick(config, now).owed == 1
    if has_more:
        desk.append("a/metrics.csv", "3,0.2\n")
    summary = desk.tick(other, now + 7200)
    assert summary.sent == int(has_more)
    [error] = summary.errors
    assert f"1 mail waits here for {config}" in str(error)
    assert summary.exit_code == 75
    assert [mail["To"] for mail in desk.mails()] == ["other@lab.example"] * has_more
    desk.answer(0)
    assert desk.tick(config, now + 14400).sent == 1
    assert [mail["To"] for mail in desk.mails()] == ["me@lab.example"]
    assert desk.tick(other, now + 21600).errors == []


def test_whom_an_intent_asks_for_and_the_config_does_not_allow_is_said(desk: Desk):
    desk.put("a/metrics.csv", CSV)
    desk.put("a/intent.yaml", "to: [thief@gmail.com, 'no address', kim@lab.example]\n")
    said = desk.run("run", "-c", desk.config(), "--json")
    problems = "\n".join(said.json["problems"])
    assert "a: its intent asks for a mail to thief@gmail.com, whom" in problems
    assert "asks for a mail to no address, whom mail.allow_to" in problems
    assert "kim@" not in problems
    [mail] = desk.mails()
    assert mail["To"] == "me@lab.example, kim@lab.example"


def test_configs_that_name_no_state_have_one_each(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HOME", str(desk.folder / "home"))
    desk.put("a/metrics.csv", CSV)
    config, other = desk.config(), _other_config(desk)
    for file in (config, other):
        text = file.read_text()
        file.write_text(re.sub("^state: .*\n", "", text, flags=re.MULTILINE))
    desk.answer(75)
    assert desk.run("run", "-c", config).code == 75
    desk.answer(0)
    for _ in range(2):
        assert desk.run("run", "-c", other).code == 0
        assert [mail["To"] for mail in desk.mails()][-1:] in ([], ["other@lab.example"])
    first, second = sorted((desk.folder / "home/.local/state").iterdir())
    assert (first / "config").read_text() == str(config)
    assert (second / "config").read_text() == str(other)
    assert len(list((first / "spool/new").iterdir())) == 1
    for file, folder in ((config, first), (other, second)):
        assert f"state      {folder}\n" in desk.run("status", "-c", file).out
    # The state of a config that was moved is the next one's to take over.
    config.rename(desk.folder / "moved.yaml")
    found = desk.run("status", "-c", desk.folder / "moved.yaml").out
    assert f"state      {first}\n" in found
    assert f"state      {second}\n" in desk.run("status", "-c", other).out


def test_mails_of_a_config_that_is_gone_or_renamed_are_sent(desk: Desk):
    desk.put("a/metrics.csv", CSV)
    config, other = desk.config(), _other_config(desk)
    desk.answer(75)
    now = time.time()
    assert desk.tick(config, now).owed == 1
    config.unlink()
    assert desk.tick(other, now + 7200).sent == 1


def test_retry_hands_a_mail_over_to_another_config(desk: Desk):
    desk.put("a/metrics.csv", CSV)
    config, other = desk.config(), _other_config(desk)
    desk.answer(75)
    now = time.time()
    assert desk.tick(config, now).owed == 1
    assert desk.tick(other, now + 7200).sent == 0
    said = desk.run("retry", "-c", other)
    assert "sent by the next run" in said.out
    assert desk.tick(other, now + 7201).sent == 1
    assert desk.run("retry", "-c", other).out == "no mails wait\n"


def test_retry_ends_the_wait_after_a_refusal(desk: Desk):
    desk.put("a/metrics.csv", CSV)
    config = desk.config()
    desk.answer(77)
    now = time.time()
    assert desk.tick(config, now).exit_code == 77
    desk.answer(0)
    assert desk.tick(config, now + 900).exit_code == 77
    assert "tried by the next run" in desk.run("retry", "-c", config).out
    assert desk.tick(config, now + 901).sent == 1


# -- what happens to folders -----------------------------------------------------------


def test_an_unreadable_root_keeps_all_that_is_known(desk: Desk):
    desk.put("a/metrics.csv", CSV)
    config = desk.config()
    desk.run("run", "-c", config)
    desk.mails()
    desk.runs.rename(desk.folder / "away")
    said = desk.run("run", "-c", config)
    assert said.code != 0
    assert str(desk.runs) in said.err
    assert desk.run("status", "-c", config, "--json").json["runs"] == 1
    (desk.folder / "away").rename(desk.runs)
    said = desk.run("run", "-c", config)
    assert (said.code, said.out, said.err) == (0, "", "")
    desk.append("a/metrics.csv", "3,0.125\n")
    desk.run("run", "-c", config)
    assert "50.0 % less" in desk.texts()[0]


def test_a_new_folder_that_cannot_be_listed_is_said_once(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
):
    for name in "ab":
        desk.put(f"{name}/metrics.csv", CSV)

    def failing(path: str, **options: object) -> listing.Folder:
        if path.endswith("/b"):
            raise PermissionError(13, "Permission denied", path)
        return list_folder(path, **options)  # type: ignore[arg-type]

    list_folder = listing.list_folder
    with monkeypatch.context() as patch:
        for module in (listing, catalog):
            patch.setattr(module, "list_folder", failing)
        [notice] = desk.tick(None, time.time()).notices
        assert "b: cannot be listed: Permission denied" in notice
        assert desk.tick(None, time.time()).notices == []
    assert [run.name for run in desk.tick(None, time.time()).runs] == ["b"]


def test_only_an_outbox_is_named_as_the_place_of_the_mails(desk: Desk):
    desk.put("a/metrics.csv", CSV)
    assert "mails: " in desk.report("-v").out
    shutil.rmtree(desk.out)
    assert "mails: " not in desk.run("run", "-v", "-c", desk.config()).out


def test_what_mails_wait_for_is_not_why_others_are_dead(desk: Desk):
    desk.put("a/metrics.csv", CSV)
    config = desk.config()
    now = time.time()
    desk.answer(65)
    desk.tick(config, now)
    desk.put("b/metrics.csv", CSV)
    desk.answer(75)
    desk.tick(config, now + 60)
    waiting = desk.tick(config, now + 61)
    assert (waiting.owed, waiting.dead) == (1, 1)
    assert "with 75" in waiting.waits_for


def test_a_report_that_cannot_be_drawn_is_named_with_its_run(desk: Desk):
    desk.put("a/metrics.csv", CSV)
    own = desk.folder / "own.html"
    own.write_bytes(b"\xff{{run}}")
    config = desk.config(f"render: {{template: {own}}}\n")
    summary = desk.tick(config, time.time())
    assert summary.exit_code == 78
    [problem] = summary.problems
    assert problem.startswith("run a waits: ")
    assert [(run.name, run.rid) for run in summary.runs] == [("a", None)]


def test_a_tick_with_one_news_commits_three_times_and_syncs_little(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
):
    for name in ("a", "b"):
        desk.put(f"{name}/metrics.csv", CSV)
    config = desk.config()
    for _ in range(2):
        assert desk.run("run", "-c", config).code == 0
    statements: list[str] = []
    synced: list[str] = []
    connect, fsync = sqlite3.connect, os.fsync

    def traced(*args: object, **options: object) -> sqlite3.Connection:
        database = connect(*args, **options)  # type: ignore[arg-type]
        database.set_trace_callback(statements.append)
        return database

    def counted(descriptor: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{descriptor}").rpartition("/")[2])
        fsync(descriptor)

    monkeypatch.setattr(sqlite3, "connect", traced)
    monkeypatch.setattr(os, "fsync", counted)
    desk.append("a/metrics.csv", "9,0.1\n")
    said = desk.run("run", "-c", config, "--json")
    assert said.json["sent"] == 1
    # What was seen; what is owed; what is settled.
    assert [s for s in statements if s == "COMMIT"] == ["COMMIT"] * 3
    # The record and the mail, the folders of both, and two moves.
    ends = [name.partition(".")[2] or name for name in synced]
    assert ends == ["tmp", "eml.tmp", "told", "new", "cur", "new", "sent", "cur"]


def test_a_baseline_is_in_the_copy_at_once(desk: Desk):
    # It tells nothing, so that nothing else would say what it took as told.
    desk.put("a/metrics.csv", CSV)
    config = desk.config()
    assert desk.run("run", "-c", config).code == 0
    desk.put("b/metrics.csv", CSV)
    assert desk.run("baseline", "-c", config).code == 0
    [database] = desk.folder.rglob("state.db")
    database.unlink()
    said = desk.run("run", "-c", config, "--json")
    assert (said.code, said.json["runs"]) == (0, [])
    assert "took its place" in said.err


def test_a_root_that_was_never_readable_is_not_forgotten(desk: Desk):
    desk.put("a/metrics.csv", CSV)
    config = desk.config()
    desk.runs.rename(desk.folder / "away")
    for _ in range(3):
        said = desk.run("run", "-c", config)
        assert said.code == 78
        assert "root cannot be read: No such file or directory (ENOENT)" in said.err
    (desk.folder / "away").rename(desk.runs)
    said = desk.run("run", "-c", config, "--json")
    assert [run["name"] for run in said.json["runs"]] == ["a"]
    said = desk.run("run", "-c", config)
    assert (said.code, said.out, said.err) == (0, "", "")


def test_a_deleted_run_is_forgotten_and_a_renamed_one_is_a_new_run(desk: Desk):
    desk.put("a/metrics.csv", CSV)
    desk.put("b/metrics.csv", CSV)
    desk.report()
    shutil.rmtree(desk.runs / "a")
    said = desk.report()
    assert (said.code, said.out) == (0, "")
    (desk.runs / "b").rename(desk.runs / "c")
    assert [run["name"] for run in desk.report("--json").json["runs"]] == ["c"]
    assert desk.run("status", "--out", desk.out, "--json").json["runs"] == 1


@pytest.mark.parametrize(("first", "second"), [("/lab", ""), ("", "/lab")])
def test_runs_go_on_when_a_root_is_made_wider_or_narrower(
    desk: Desk, first: str, second: str
):
    for name in ("a", "b"):
        desk.put(f"lab/{name}/metrics.csv", CSV)
    assert desk.run("run", "-c", desk.config(runs=first)).code == 0
    assert len(desk.mails()) == 2
    config = desk.config(runs=second)
    assert desk.run("run", "-c", config).code == 0
    assert desk.run("run", "-c", config).code == 0
    assert desk.mails() == []
    desk.append("lab/a/metrics.csv", "3,0.125\n")
    desk.put("lab/c/metrics.csv", CSV)
    assert desk.run("run", "-c", config).code == 0
    prefix = "" if second else "lab/"
    assert [str(mail["Subject"]) for mail in desk.mails()] == [
        f"[mlreport] {prefix}a",
        f"[mlreport] {prefix}c",
    ]


def test_a_run_that_is_there_again_goes_on(desk: Desk):
    desk.put("a/metrics.csv", CSV)
    desk.put("b/metrics.csv", CSV)
    desk.report()
    (desk.runs / "a").rename(desk.folder / "a")
    desk.report()
    (desk.folder / "a").rename(desk.runs / "a")
    assert desk.report("--json").json["runs"] == []


def test_a_vanished_run_is_kept_for_thirty_days(desk: Desk):
    desk.put("a/metrics.csv", CSV)
    desk.put("b/metrics.csv", CSV)
    now = time.time()

    def news(days: float) -> list[str]:
        return [run.name for run in desk.tick(None, now + days * 86400).runs]

    assert sorted(news(0)) == ["a", "b"]
    (desk.runs / "a").rename(desk.folder / "a")
    assert news(1) == []
    assert news(30) == []
    (desk.folder / "a").rename(desk.runs / "a")
    assert news(30.5) == []
    (desk.runs / "a").rename(desk.folder / "a")
    assert news(31) == []
    assert news(62) == []
    (desk.folder / "a").rename(desk.runs / "a")
    assert news(62.5) == ["a"]


def test_equal_runs_are_two_runs(desk: Desk):
    for name in ("a", "b"):
        desk.put(f"{name}/metrics.csv", CSV)
    assert len({run["rid"] for run in desk.report("--json").json["runs"]}) == 2
    assert len(desk.mails()) == 2


def test_moved_logs_make_another_folder_the_run(desk: Desk):
    desk.put("a/metrics.csv", CSV)
    desk.report()
    (desk.runs / "a" / "version_0").mkdir()
    (desk.runs / "a" / "metrics.csv").rename(
        desk.runs / "a" / "version_0" / "metrics.csv"
    )
    said = desk.report("--json").json
    assert [run["name"] for run in said["runs"]] == ["a/version_0"]


# -- time alone ----------------------------------------------------------------------


def test_a_run_that_stops_writing_is_told_once(desk: Desk):
    desk.put("a/metrics.csv", CSV)
    config = desk.config("alerts: {stall: 1h}\n")
    now = time.time()
    desk.tick(config, now)
    desk.append("a/metrics.csv", "3,0.1\n", age_s=0)
    desk.tick(config, now + 10)
    desk.mails()
    assert not desk.tick(config, now + 1800).runs
    [run] = desk.tick(config, now + 3700).runs
    assert (run.status, run.news) == ("stalled", ("alerts",))
    assert not desk.tick(config, now + 90_000).runs


def test_nan_is_told_again_once_a_day_while_the_run_goes_on(desk: Desk):
    desk.put("a/metrics.csv", "step,loss\n1,nan\n", age_s=0)
    config = desk.config("alerts: {stall: null}\n")
    now = time.time()
    assert desk.tick(config, now).sent == 1
    assert desk.tick(config, now + 86_500).sent == 0  # it may be over
    for number, (hours, sent) in enumerate([(25, 1), (26, 0), (48, 0), (50, 1)], 2):
        desk.append("a/metrics.csv", f"{number},nan\n", age_s=-3600 * hours)
        assert desk.tick(config, now + 3600 * hours + 1).sent == sent
        assert not due_runs(desk, now + 3600 * hours + 100)


def due_runs(desk: Desk, now: float) -> list[str]:
    from mlreport_batch.state.store import State

    state = State(str(desk.out))
    try:
        return state.due_runs(now)
    finally:
        state.close()


@pytest.mark.parametrize("place", ["a/run.err", "a/logs/run.err", "a.err"])
@pytest.mark.parametrize("size", [10, 20_000])
def test_what_is_caught_of_a_runs_output_tells_of_its_end(
    desk: Desk, place: str, size: int
):
    desk.put("a/metrics.csv", CSV)
    desk.put("ab/metrics.csv", CSV)
    desk.put(place, "x\n" * size)
    config = desk.config()
    now = time.time()
    assert desk.tick(config, now).sent == 2
    assert not desk.tick(config, now + 10).runs
    desk.append(place, "Killed\n", age_s=400)
    [run] = desk.tick(config, now + 20).runs
    assert (run.name, run.status, run.news) == ("a", "killed", ("status", "alerts"))
    assert not desk.tick(config, now + 30).runs
    desk.append("a/metrics.csv", "3,0.1\n", age_s=300)
    [run] = desk.tick(config, now + 40).runs
    assert (run.status, run.alerts) == ("running", ())
    assert desk.mails()[-2]["Subject"] == "[mlreport] a: Killed at step 2"


def test_what_an_evaluation_or_another_run_says_is_no_word_on_a_run(desk: Desk):
    desk.put("a/metrics.csv", CSV)
    for place in ("a/eval/run.err", "a/test.log", "b.err", "slurm-1.out", "a/b.err"):
        desk.put(place, "Killed\n")
    desk.put("a/b/metrics.csv", CSV)
    found = {run.name: run.status for run in desk.tick(desk.config(), time.time()).runs}
    assert found == {"a": "running", "a/b": "killed"}


def test_an_unfinished_last_line_is_used_after_an_hour(desk: Desk):
    desk.put("a/metrics.csv", CSV + "3,0.125", age_s=60)
    now = time.time()
    assert desk.tick(None, now).runs[0].new_points == 2
    assert not desk.tick(None, now + 1800).runs
    assert desk.tick(None, now + 3700).runs[0].new_points == 1
    assert not desk.tick(None, now + 9000).runs


# -- as cron does it ---------------------------------------------------------------

PROBE = """
import sys
from mlreport_batch.cli import main
code = main(sys.argv[1:])
heavy = {"pandas", "numpy", "jinja2", "plutoprint", "css_inline", "googleapiclient",
         "google", "email", "fsspec", "requests", "yaml", "msgspec", "tenacity",
         "smtplib"}
print(sorted(heavy & set(sys.modules)), code)
"""


def test_a_tick_without_news_imports_nothing_heavy(desk: Desk):
    desk.put("a/metrics.csv", CSV)
    config = desk.config()
    args = [sys.executable, "-c", PROBE, "run", "-c", str(config)]
    time.sleep(0.1)
    first = subprocess.run(args, capture_output=True, text=True, check=True)
    assert "'email'" in first.stdout
    second = subprocess.run(args, capture_output=True, text=True, check=True)
    assert (second.stdout, second.stderr) == ("[] 0\n", "")


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_output_fits_any_locale(desk: Desk, encoding: str):
    desk.put("학습/metrics.csv", "step,손실\n1,0.5\n")
    os.mkdir(os.fsencode(desk.runs) + b"/\xff")
    (Path(os.fsdecode(os.fsencode(desk.runs) + b"/\xff")) / "metrics.csv").write_text(
        CSV
    )
    for command in (
        ["run", "--out", str(desk.out)],
        ["inspect"],
        ["inspect", "--json"],
    ):
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "mlreport_batch",
                command[0],
                str(desk.runs),
                *command[1:],
            ],
            env={"PYTHONIOENCODING": encoding, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert b"0.5" in done.stdout or command[0] == "inspect"


def test_sigterm_ends_a_tick_at_a_safe_point(desk: Desk):
    new = desk.out / "spool" / "new"
    for attempt in range(20):
        for number in range(19):
            desk.put(f"a{attempt}/r{number}/metrics.csv", CSV)
        process = subprocess.Popen(
            [sys.executable, "-m", "mlreport_batch", "run", str(desk.runs), "--out",
             str(desk.out)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        while process.poll() is None and not (new.exists() and any(new.iterdir())):
            time.sleep(0.005)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate()
        if process.returncode == 75:
            break
        # On a busy machine a whole tick may fit between two looks of ours.
        assert process.returncode == 0, errors
        assert len(desk.mails()) == 19
    else:
        pytest.fail("none was ended in the middle")
    said = desk.report("--json")
    assert said.code == 0
    assert len(desk.mails()) == 19
    assert desk.report("--json").json["runs"] == []


# -- without the right to read ----------------------------------------------------


@pytest.fixture
def nobodys(desk: Desk, capsys: pytest.CaptureFixture[str]) -> Iterator[Desk]:
    """A desk of somebody who may not read everything: root may."""
    if os.geteuid() != 0:
        yield desk
        return
    # All modules are imported while they can be.
    desk.put("a/metrics.csv", CSV)
    desk.put("a/hparams.yaml", "lr: 0.1\n")
    desk.report("--json")
    desk.texts()
    folder = Path(tempfile.mkdtemp())
    os.chown(folder, 65534, 65534)
    os.seteuid(65534)
    try:
        (folder / "runs").mkdir()
        yield Desk(folder, capsys)
    finally:
        os.seteuid(0)
        shutil.rmtree(folder)


def test_a_log_that_may_not_be_read_keeps_what_it_said(nobodys: Desk):
    desk = nobodys
    desk.put("a/metrics.csv", CSV)
    desk.put("a/hparams.yaml", "lr: 0.1\n")
    desk.report()
    for name in ("metrics.csv", "hparams.yaml"):
        (desk.runs / "a" / name).chmod(0)
    said = desk.report("--json")
    assert said.code == 0
    [run] = said.json["runs"]
    assert run["news"] == ["problems"]
    assert run["problems"] == [
        "hparams.yaml: cannot be read: Permission denied",
        "metrics.csv: cannot be read: Permission denied",
    ]
    assert "0.25" in desk.texts()[-1]
    for _ in range(3):
        assert desk.report("--json").json["runs"] == []
    # An unreadable file is looked at again at full hours: stay within one.
    now = (time.time() // 3600 + 2) * 3600 + 60
    desk.tick(None, now)
    desk.tick(None, now + 1)
    before = {k: v for k, v in desk.everything().items() if not k.endswith("lock")}
    assert not desk.tick(None, now + 300).runs
    after = {k: v for k, v in desk.everything().items() if not k.endswith("lock")}
    assert after == before
    for name in ("metrics.csv", "hparams.yaml"):
        (desk.runs / "a" / name).chmod(0o644)
    desk.append("a/metrics.csv", "3,0.125\n")
    [run] = desk.report("--json").json["runs"]
    assert (run["new_points"], run["problems"]) == (1, [])


def test_a_folder_that_may_not_be_read_keeps_its_run(nobodys: Desk):
    desk = nobodys
    desk.put("a/metrics.csv", CSV)
    desk.report()
    (desk.runs / "a").chmod(0)
    said = desk.report("--json")
    assert said.code == 0
    [run] = said.json["runs"]
    assert run["news"] == ["problems"]
    assert "cannot be listed: Permission denied" in run["problems"][0]
    assert "0.25" in desk.texts()[-1]
    assert desk.report("--json").json["runs"] == []
    (desk.runs / "a").chmod(0o755)
    assert desk.report("--json").json["runs"] == []
    desk.append("a/metrics.csv", "3,0.125\n")
    [run] = desk.report("--json").json["runs"]
    assert (run["new_points"], run["problems"]) == (1, [])


def test_a_run_that_was_never_readable_is_named(nobodys: Desk):
    desk = nobodys
    desk.put("a/metrics.csv", CSV)
    desk.put("a/sub/hparams.yaml", "lr: 0.1\n")
    (desk.runs / "a/sub").chmod(0)
    desk.put("b/metrics.csv", CSV).chmod(0)
    desk.put("b/hparams.yaml", "lr: 0.1\n")
    said = desk.report("--json")
    (desk.runs / "a/sub").chmod(0o755)
    assert said.code == 0
    a, b = said.json["runs"]
    assert "sub" in a["problems"][0]
    assert b["problems"] == ["metrics.csv: cannot be read: Permission denied"]


def test_what_is_kept_is_for_its_owner_only(desk: Desk):
    desk.put("a/metrics.csv", CSV)
    old = os.umask(0)
    try:
        assert desk.run("run", "-c", desk.config()) == Said(0, "", "")
    finally:
        os.umask(old)
    for path in [desk.out, *desk.out.rglob("*")]:
        assert path.stat().st_mode & 0o077 == 0, path
