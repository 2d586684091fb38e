"""Ticks over runs that belong together: who leads, and what need not be run."""

import contextlib
import json
import time

import pytest

from mlreport_batch.report.brief import Brief
from mlreport_batch.report.case import Case
from mlreport_batch.safety.clean import Scalar
from mlreport_batch.state.store import RunRow, State
from mlreport_batch.tick import reading, reporting, work
from places import RUNS
from ticking import MAIL, Desk

HEAD = "epoch,val_loss\n"


def put(
    desk: Desk, name: str, values: list[float], age_s: float = 600, **hparams: Scalar
):
    settings = {"lr": 0.1, "depth": 3, "max_epochs": 3} | hparams
    desk.put(f"{name}/hparams.json", json.dumps(settings), age_s=age_s)
    rows = "".join(f"{n},{value}\n" for n, value in enumerate(values))
    if rows:
        desk.put(f"{name}/metrics.csv", HEAD + rows, age_s=age_s)


def test_a_report_tells_where_its_run_stands_in_its_group(desk: Desk):
    put(desk, "sweep/a", [0.9, 0.5, 0.4], lr=0.1)
    put(desk, "sweep/b", [0.8, 0.3, 0.2], lr=0.01)
    put(desk, "alone/c", [0.7], lr=0.5)
    said = desk.report("--json").json
    found = {run["name"]: run["position"] for run in said["runs"]}
    assert found["alone/c"] is None
    assert found["sweep/a"] == {
        "group": "sweep", "metric": "val_loss", "goal": "min", "rank": 2, "of": 2,
        "best": 0.4, "leader": "sweep/b", "leader_best": 0.2,
    }  # fmt: skip
    texts = {text.splitlines()[1]: text for text in desk.texts()}
    assert (
        "Place 2 of 2 by val_loss: 0.4; b leads with 0.2, 0.2"
        in texts["runs / sweep/a"]
    )
    assert "lr 0.1 instead of 0.01" in texts["runs / sweep/a"]
    assert "Against the others" not in texts["runs / alone/c"]


def test_a_digest_tells_bad_news_then_who_leads_then_a_line_a_run(desk: Desk):
    put(desk, "sweep/a", [0.9, 0.5, 0.4], lr=0.1)
    put(desk, "sweep/b", [0.8, 0.3, 0.2], lr=0.01)
    put(desk, "sweep/c", [0.8, float("nan")], lr=10)
    config = desk.config(f"mail: {{{MAIL}, digest: true}}\n")
    assert desk.run("run", "-c", config).code == 0
    [mail] = desk.mails()
    bodies = {kind: mail.get_body((kind,)) for kind in ("plain", "html")}
    for body in bodies.values():
        assert body is not None
        text = body.get_content()
        wrong = text.index("Diverged")
        leads = text.index("leads 3 runs by")
        assert wrong < leads < text.index("All runs")


def test_a_run_that_was_made_before_is_told_at_the_first_tick(desk: Desk):
    put(desk, "sweep/a", [0.9, 0.5, 0.4], age_s=9000)
    put(desk, "sweep/b", [0.9, 0.5, 0.2], lr=0.2, age_s=9000)
    config = desk.config()
    assert desk.run("run", "-c", config).code == 0
    desk.mails()
    put(desk, "sweep/again", [], age_s=30)
    desk.run("run", "-c", config)
    [mail] = desk.mails()
    assert "Same as an earlier run: all 3 hyperparameters are those of sweep/a" in str(
        mail["Subject"]
    )
    put(desk, "sweep/again", [0.9], age_s=20)  # it goes on, and that is told once
    desk.run("run", "-c", config)
    [mail] = desk.mails()
    assert "Same as" not in str(mail["Subject"])
    assert "Same as an earlier run" not in mail.get_body(("plain",)).get_content()


def test_both_kinds_of_evidence_can_be_off(desk: Desk):
    put(desk, "sweep/a", [0.9, 0.5, 0.4], age_s=9000)
    put(desk, "sweep/again", [], age_s=30)
    config = desk.config("alerts: {repeat: false, behind: false}\n")
    said = desk.run("run", "-c", config, "--json").json
    assert [run["alerts"] for run in said["runs"]] == [[], []]


def test_runs_of_one_first_tick_are_told_of_each_other(desk: Desk):
    put(desk, "sweep/a", [0.9, 0.5, 0.4], age_s=9000)
    put(desk, "sweep/again", [0.9], age_s=30)
    said = desk.report("--json").json
    [again] = [run for run in said["runs"] if run["name"] == "sweep/again"]
    assert "those of sweep/a" in again["alerts"][0]
    assert said["sent"] == 2


def test_the_users_groups_and_baseline_go_before_folders(desk: Desk):
    put(desk, "one/a", [0.9, 0.5, 0.4])
    put(desk, "two/b", [0.8, 0.3, 0.2])
    put(desk, "three/c", [0.8, 0.3, 0.1])
    config = desk.config("report: {baseline: b}\n", runs=", group: ['*/[abc]']")
    said = desk.run("run", "-c", config, "--json").json
    assert {run["position"]["of"] for run in said["runs"]} == {3}
    [text] = [text for text in desk.texts() if "one/a" in text.splitlines()[1]]
    assert "Against two/b: val_loss 0.4 and 0.2" in text


@pytest.mark.parametrize("fixture", ["hydra_multirun", "ray_tune"])
def test_a_frameworks_sweep_is_one_group(desk: Desk, fixture: str):
    desk.copy(RUNS / fixture / "tree")
    said = desk.report("--json").json
    groups: dict[str, int] = {}
    for run in said["runs"]:
        if run["position"]:
            key = run["position"]["group"]
            groups[key] = groups.get(key, 0) + 1
    expected = {
        "hydra_multirun": {"multirun/2026-11-23/12-47-47": 4, "sweep": 2},
        "ray_tune": {"ray_results/exp": 3},
    }
    assert groups == expected[fixture]


def test_a_tick_loads_the_briefs_of_the_group_with_news_alone(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
):
    for sweep in ("one", "two", "three"):
        for name in "abcd":
            put(desk, f"{sweep}/{name}", [0.9, ord(name) / 100], lr=ord(name))
    now = time.time()
    for later_s in (0, 120):  # what was just written is looked at twice
        desk.tick(None, now + later_s)
    asked = []
    members = State.members

    def counted(state: State, *key: str) -> object:
        found = members(state, *key)
        asked.append((key[1], len(found[1])))
        return found

    monkeypatch.setattr(State, "members", counted)
    desk.append("two/b/metrics.csv", "2,0.1\n")
    assert desk.tick(None, now + 240).sent == 1
    assert set(asked) == {("two", 4)}
    assert len(asked) <= 2  # before and after the run was read


def test_briefs_that_are_damaged_or_gone_are_made_again(desk: Desk):
    put(desk, "sweep/a", [0.9, 0.5, 0.4])
    put(desk, "sweep/b", [0.8, 0.3, 0.2], lr=0.2)
    desk.report()
    state = State(str(desk.out))
    with state.transaction():
        state._db.execute("UPDATE briefs SET brief = x'0011'")
    assert list(state.briefs()) == []
    state.close()
    desk.append("sweep/a/metrics.csv", "3,0.1\n")
    assert desk.report("--json").json["sent"] == 1
    said = desk.report("--all", "--json").json
    assert [run["position"]["rank"] for run in said["runs"]] == [1, 2]


def test_runs_are_listed_and_compared_out_of_the_state(desk: Desk):
    put(desk, "sweep/a", [0.9, 0.5, 0.4], lr=0.1)
    put(desk, "sweep/b", [0.8, 0.3, 0.2], lr=0.01)
    put(desk, "other/c", [0.7, float("nan")], lr=0.5)
    desk.report()
    before = desk.everything()
    for path in desk.runs.rglob("*.csv"):
        path.unlink()  # nothing of a run is looked at
    out = ("--out", desk.out)
    listed = desk.run("ls", *out, "--sort", "best").out.splitlines()
    assert [line.split()[0] for line in listed] == [
        "run", "sweep/b", "sweep/a", "other/c",
    ]  # fmt: skip
    rows = desk.run("ls", "sweep", *out, "--json").json["runs"]
    assert [(row["name"], row["group"], row["best"]) for row in rows] == [
        ("sweep/a", "sweep", 0.4),
        ("sweep/b", "sweep", 0.2),
    ]
    [row] = desk.run("ls", "*/c", *out, "--json").json["runs"]
    assert row["last"] == "NaN"
    text = desk.run("compare", "a", "sweep/b", *out).out
    assert "lr" in text
    assert "depth" not in text
    found = desk.run("compare", "a", "b", *out, "--json").json
    assert found["hparams"] == {"lr": {"sweep/a": 0.1, "sweep/b": 0.01}}
    assert found["metrics"]["val_loss"]["sweep/a"]["min"] == 0.4
    for wrong in (("ls", "z"), ("compare", "a", "z"), ("compare", "a")):
        assert desk.run(*wrong, *out).code == 2
    assert desk.everything() == before


def test_a_summary_has_a_leaderboard_with_a_column_for_what_differs(desk: Desk):
    put(desk, "sweep/a", [0.9, 0.5, 0.4], lr=0.1)
    put(desk, "sweep/b", [0.8, 0.3, 0.2], lr=0.01)
    text = desk.report("--summary", "-").out
    assert "| Place | Run | val\\_loss | To the leader | lr | Status |" in text
    assert "| 1 | b | 0.2 |  | 0.01 |" in text


def test_of_very_many_old_runs_the_newest_are_reported_in_one_mail_and_a_screenful(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(reading, "FIRST_MAX", 22)
    for number in range(30):
        put(desk, f"old/r{number:02d}", [0.9], age_s=900 + number)
    said = desk.report()
    assert said.code == 0
    assert "the 22 newest of 30 new runs are reported" in said.err
    assert "… and 7 more" in said.out
    assert len(said.out.splitlines()) < 24
    assert len(desk.mails()) == 1
    assert {row.name for row in shown(desk) if row.seq} == {
        f"old/r{number:02d}" for number in range(22)
    }
    assert desk.report("--json").json["runs"] == []  # the others are known
    desk.append("old/r29/metrics.csv", "1,0.5\n")
    assert desk.report("--json").json["sent"] == 1


def shown(desk: Desk) -> list[RunRow]:
    with contextlib.closing(State.read(str(desk.out))) as state:
        return list(state.runs())


def test_a_digest_comes_at_its_time_and_alerts_at_once(desk: Desk):
    put(desk, "sweep/a", [0.9, 0.5], max_epochs=9)
    put(desk, "sweep/b", [0.8, 0.3], lr=0.2, max_epochs=9)
    now = time.time()
    due = now // 60 * 60 + 6 * 3600
    at = time.strftime("%H:%M", time.gmtime(due + 9 * 3600))  # as Seoul has it
    config = desk.config(
        f"mail: {{{MAIL}, digest: daily {at}}}\nreport: {{timezone: Asia/Seoul}}\n"
        "alerts: {stall: null}\n"
    )
    assert desk.tick(config, now).sent == 1  # the first news there ever is
    put(desk, "sweep/c", [0.9], lr=0.3, max_epochs=9)
    desk.append("sweep/a/metrics.csv", "2,0.4\n")
    assert desk.tick(config, now + 60).sent == 0
    desk.append("sweep/b/metrics.csv", "2,nan\n")
    assert desk.tick(config, now + 120).sent == 1
    desk.mails()
    assert desk.tick(config, due - 10).sent == 0
    assert desk.tick(config, due + 10).sent == 1
    [text] = desk.texts()
    assert "2 runs have news" in text
    assert "All runs · sweep · val_loss" in text
    assert "  c  quiet" in text
    desk.append("sweep/a/metrics.csv", "3,0.3\n")
    assert desk.tick(config, due + 60).sent == 0  # until tomorrow
    assert desk.tick(config, due + 86400 + 10).sent == 1


def test_the_history_of_a_hyperparameter_is_kept_and_shown(desk: Desk):
    put(desk, "a", [0.9, 0.5], lr=0.1, max_epochs=99)
    desk.report()
    for values, lr in (([0.9, 0.5, 0.4], 0.05), ([0.9, 0.5, 0.4, 0.3], "0.01")):
        put(desk, "a", values, lr=lr, age_s=500 - len(values), max_epochs=99)
        desk.report()
    put(desk, "a", [0.9, 0.5, 0.4, 0.3, 0.2], lr="0.01", age_s=400, max_epochs=99)
    desk.mails()
    desk.report()
    [text] = desk.texts()
    [line] = [line for line in text.splitlines() if line.startswith("lr ")]
    assert line.index("was 0.05 (until epoch 3,") < line.index("; 0.1 (until epoch 2,")


def sweep(desk: Desk, *last: float, **settings: Scalar) -> None:
    """Lay three runs that go on together, the last of which has more values."""
    for lr in (1, 2):
        put(desk, f"sweep/{lr}", [0.9, 0.5, 0.4 / lr], age_s=60, lr=lr)
    put(desk, "sweep/3", [0.8, 0.6, *last], age_s=60 - len(last), lr=3, **settings)


def test_one_mail_tells_that_a_group_is_done_in_place_of_that_about_its_last_run(
    desk: Desk,
):
    sweep(desk)
    config = desk.config()
    assert desk.run("run", "-c", config, "--json").json["sent"] == 3
    desk.mails()
    sweep(desk, 0.1)
    desk.put("sweep/3/checkpoints/best.ckpt", "weights", age_s=58)
    said = desk.run("run", "-c", config, "--json").json
    assert (said["sent"], [run["name"] for run in said["runs"]]) == (1, ["sweep/3"])
    [mail] = desk.mails()
    assert mail["Subject"] == "[mlreport] sweep: all 3 runs are over"
    text = mail.get_body(("plain",)).get_content()
    assert "All 3 runs of sweep are over; best: 3 with val_loss 0.1" in text
    assert "Checkpoint of 3: checkpoints/best.ckpt (7 B)" in text
    assert [line.split()[:2] for line in text.splitlines() if " finished" in line] == [
        ["3", "finished"],  # of how many there are
        ["1", "3"],
        ["2", "2"],
        ["3", "1"],
    ]
    assert [part.get_filename() for part in mail.iter_attachments()] == ["digest.pdf"]
    assert desk.run("run", "-c", config, "--json").json["sent"] == 0


@pytest.mark.parametrize("why", ["off", "first", "goes on", "begun", "other", "broke"])
def test_the_last_run_of_a_group_has_its_own_mail_or_bad_news_go_first(
    desk: Desk, why: str
):
    off = ", group_done: false" if why == "off" else ""
    config = desk.config(f"mail: {{{MAIL}{off}}}\n")
    if why != "first":
        sweep(desk)
        desk.run("run", "-c", config)
        desk.mails()
    if why in ("goes on", "begun"):
        put(desk, "sweep/new", [0.9] if why == "goes on" else [], age_s=30, lr=4)
    if why == "other":  # no run that they are compared with, but one of the folder
        desk.put("sweep/gan/metrics.csv", "epoch,d_loss,g_loss\n0,0.7,0.9\n", age_s=30)
    sweep(desk, float("nan") if why == "broke" else 0.1)
    desk.run("run", "-c", config)
    subjects = {str(mail["Subject"]) for mail in desk.mails()}
    assert ("[mlreport] sweep: all 3 runs are over" in subjects) is False
    told = "Diverged: val_loss NaN" if why == "broke" else "Finished"
    assert any(f"[mlreport] sweep/3: {told}" in subject for subject in subjects)


def test_what_only_others_get_is_no_part_of_the_mail_about_a_group(desk: Desk):
    sweep(desk)
    desk.put("sweep/1/intent.yaml", "to: kim@lab.example\n", age_s=60)
    config = desk.config()
    desk.run("run", "-c", config)
    desk.mails()
    sweep(desk, 0.1)
    desk.run("run", "-c", config)
    [mail] = desk.mails()
    assert "kim" not in str(mail["To"])
    [pdf] = mail.iter_attachments()
    assert pdf.get_filename() == "digest.pdf"


def test_mails_about_groups_count_among_those_of_a_tick(desk: Desk):
    config = desk.config(f"mail: {{{MAIL}, max_per_tick: 2}}\n")
    for last in ([], [0.1]):
        for group in "abc":
            for run in (1, 2, 3):
                values = [0.9, 0.5, *(last if run == 3 else [0.4])]
                age_s = 60 - len(values)
                put(desk, f"{group}/{run}", values, age_s=age_s, lr=run)
        desk.run("run", "-c", config)
        subjects = {str(mail["Subject"]) for mail in desk.mails()}
    assert subjects == {
        "[mlreport] a: all 3 runs are over",
        "[mlreport] b: all 3 runs are over",
        "[mlreport] c/3: Finished 3/3: best val_loss 0.1 (epoch 2)",
    }


def test_beside_the_mail_about_a_group_no_digest_is_about_one_run(desk: Desk):
    config = desk.config(f"mail: {{{MAIL}, max_per_tick: 1}}\n")
    sweep(desk)
    desk.run("run", "-c", config)
    desk.mails()
    sweep(desk, 0.1)
    put(desk, "other", [0.9, 0.5], age_s=58)
    desk.run("run", "-c", config)
    one, group = desk.mails()
    assert group["Subject"] == "[mlreport] sweep: all 3 runs are over"
    assert [each.get_filename() for each in one.iter_attachments()] == ["other.pdf"]


def test_a_group_is_done_though_nobody_knows_what_its_last_run_is_compared_by(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
):
    """So it is where an earlier version read that run, and told nothing of it."""
    sweep(desk)
    config = desk.config()
    desk.run("run", "-c", config)
    desk.mails()
    sweep(desk, 0.1)
    with monkeypatch.context() as patch:
        patch.setattr(reporting.Reporter, "report", lambda *_: None)
        desk.run("run", "-c", config)
    with contextlib.closing(State(str(desk.out))) as state, state.transaction():
        state._db.execute("DELETE FROM briefs WHERE CAST(path AS TEXT) LIKE '%/3'")
    assert desk.run("run", "-c", config, "--json").json["sent"] == 1
    [mail] = desk.mails()
    assert mail["Subject"] == "[mlreport] sweep: all 3 runs are over"


def test_a_run_that_cannot_be_worked_on_is_left_out_of_the_mail_about_its_group(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
):
    sweep(desk)
    config = desk.config()
    desk.run("run", "-c", config)
    desk.mails()
    sweep(desk, 0.1)
    brief_of = work.brief_of

    def fails(case: Case, name: str) -> Brief:
        if name == "sweep/2":
            raise ValueError
        return brief_of(case, name)

    monkeypatch.setattr(work, "brief_of", fails)
    assert desk.run("run", "-c", config, "--json").json["sent"] == 1
    [mail] = desk.mails()
    text = mail.get_body(("plain",)).get_content()
    assert "All 3 runs of sweep are over; best: 3 with val_loss 0.1" in text
