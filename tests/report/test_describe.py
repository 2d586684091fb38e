"""A report says in words and figures what a run says, and what was left out."""

import math
from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from mlreport_batch.find.checkpoints import Checkpoint
from mlreport_batch.formats import Problem, Progress, Text
from mlreport_batch.formats.kit.commits import commit_text
from mlreport_batch.language.dates import local_now
from mlreport_batch.report import describe as module
from mlreport_batch.report.alerts import Alert
from mlreport_batch.report.case import case_of
from mlreport_batch.report.describe import describe, describe_digest
from mlreport_batch.report.model import (
    AlertRules,
    Occasion,
    Report,
    Trend,
    Verdict,
    Wishes,
)
from mlreport_batch.report.names import chosen_names
from mlreport_batch.report.news import compare, snapshot_of
from mlreport_batch.report.view import Place, RunView
from views import view

NOW = datetime(2026, 11, 23, 13, 5, tzinfo=UTC)


def report(
    of: RunView,
    before: RunView | None = None,
    alerts: tuple[Alert, ...] = (),
    **wishes: Any,  # noqa: ANN401
) -> Report:
    known = None
    if before is not None:
        known = snapshot_of(before, best={}, alerts={}, at=NOW.timestamp() - 3600)
    now = NOW.timestamp()
    asked, rules = Wishes(**wishes), AlertRules()
    case = case_of(of, asked, rules, now=now, has_grown=False, timezone="UTC")
    return describe(
        case,
        known,
        compare(of, known),
        alerts,
        occasion=Occasion("rid1", "a/b\n<x>", "proj", NOW),
    )


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ([], [0.5], "loss 0.5"),
        ([1.0], [1.0, 0.5], "Better: loss 0.5, 50.0 % less than at 12:05 UTC"),
        ([1.0], [1.0, 1.5], "Worse: loss 1.5, 50.0 % more than at 12:05 UTC"),
        ([1.0], [1.0, 1.0], "loss 1, as at 12:05 UTC"),
        ([1.0], [1.0, 0.99999], "Better: loss 0.99999, < 0.1 % less than at"),
        ([-1.0], [-1.0, -2.0], "Better: loss -2, -1 since 12:05 UTC"),
        ([0.0], [0.0, 2.0], "Worse: loss 2, +2 since 12:05 UTC"),
        ([1.0], [1.0, 100.0], "Worse: loss 100, +99 since 12:05 UTC"),
        ([math.nan], [math.nan, 2.0], "loss 2"),
        ([1.0], [1.0, math.nan], "loss NaN"),
    ],
)
def test_the_headline_tells_the_change(
    before: list[float], after: list[float], words: str
):
    text = report(view({"loss": after}), view({"loss": before})).headline
    assert words in text
    assert f"step {len(after)}" in text


def test_the_headline_tells_the_best():
    assert "best so far" in report(view({"loss": [2, 1]})).headline
    assert "best 1 (step 2)" in report(view({"loss": [2, 1, 3]})).headline
    assert "best" not in report(view({"loss": [2]})).headline


@pytest.mark.parametrize(
    ("metric", "values", "words"),
    [
        ("검증 손실", [2.0, 1.0], "현재까지 최저"),
        ("검증 손실", [2.0, 1.0, 3.0], "최저 1 (스텝 2)"),
        ("검증 정확도", [0.1, 0.2], "현재까지 최고"),
        ("검증 정확도", [0.1, 0.2, 0.1], "최고 0.2 (스텝 2)"),
    ],
)
def test_korean_calls_the_best_value_lowest_or_highest_by_the_goal(
    metric: str, values: list[float], words: str
):
    found = report(view({metric: values}), language="ko")
    assert words in found.headline
    assert [row.goal for row in found.metrics] == ["min" if "손" in metric else "max"]


def test_the_headline_names_the_first_alert():
    alerts = (Alert("nan", "a", "a is NaN"), Alert("stall", "", "quiet"))
    text = report(view({"loss": [1]}), alerts=alerts).headline
    assert text == "Diverged: a is NaN (and 1 more)."
    found = report(view(), alerts=(Alert("intent", "lr", "lr is 1"),))
    assert found.headline == "Not as intended: lr is 1. No metrics yet."
    killed = report(view(), alerts=(Alert("killed", "", "Killed at step 5"),))
    assert killed.headline == "Killed at step 5."
    assert found.subject == "Not as intended: lr is 1"


def test_the_headline_of_a_run_without_metrics_tells_of_checkpoints():
    one = view(checkpoints=(Checkpoint("a.pt", 1, 1),))
    assert report(one).headline == "new checkpoint a.pt."
    two = view(checkpoints=(Checkpoint("a.pt", 1, 1), Checkpoint("b.pt", 1, 1)))
    assert report(two).headline == "2 new checkpoints."


def test_the_headline_goes_by_what_matters_unless_the_user_chose():
    run = view({"lr": [0.1], "train_loss": [1], "val_loss": [2]})
    assert report(run).headline.startswith("val_loss 2")
    chosen = report(run, metrics=("lr", "train*"))
    assert chosen.headline.startswith("lr 0.1")
    assert [row.key for row in chosen.metrics] == ["lr", "train_loss"]


def test_a_metric_row_tells_value_change_and_best():
    before = view({"loss": [3, 1], "x": [1], "acc": [0.1]})
    after = view({"loss": [3, 1, 2], "x": [1, 2], "acc": [0.1, 0.2]})
    rows = {row.key: row for row in report(after, before).metrics}
    loss, acc, x = rows["loss"], rows["acc"], rows["x"]
    assert (loss.value, loss.step, loss.delta, loss.trend) == (
        "2", "3", "+1", Trend.worse,
    )  # fmt: skip
    assert (loss.best, loss.best_step, loss.low, loss.high) == ("1", "2", "1", "3")
    assert (acc.trend, acc.is_best_now) == (Trend.better, True)
    assert (x.trend, x.best) == (Trend.unknown, "")
    same = report(before, before).metrics
    assert {row.trend for row in same} == {Trend.same}


@pytest.mark.parametrize("values", [[1.0], [1.0, 1.0, 1.0]])
def test_one_value_is_no_best(values: list[float]):
    told = report(view({"loss": values}))
    (row,) = told.metrics
    assert (row.value, row.best, row.best_step) == ("1", "", "")
    assert "best" not in told.headline


def test_the_only_number_is_the_best_once_there_are_none():
    (row,) = report(view({"loss": [1.0, math.nan]})).metrics
    assert (row.value, row.best) == ("NaN", "1")


def test_what_a_reader_asks_for_first_leads_the_table():
    found = report(view({"train/loss": [1, 2], "val/loss": [3, 4], "ep_reward": [5]}))
    assert [row.key for row in found.metrics] == ["ep_reward", "val/loss", "train/loss"]
    assert found.main == "ep_reward"


def test_a_run_without_data_says_when_something_was_written():
    written = int((NOW.timestamp() - 60) * 1e9)
    assert report(view({}, updated_ns=written)).status_text.startswith("last written")


def test_figures_of_a_metric_agree_and_have_their_unit():
    before = view({"loss": [15562.1, 18000.0], "tokens_per_second": [900.25]})
    after = view(
        {"loss": [15562.1, 18000.0, 18252.997], "tokens_per_second": [900.25, 1800.5]},
        results={"eval_time_s": 2.5},
    )
    found = report(after, before)
    rows = {row.key: row for row in found.metrics}
    loss, speed = rows["loss"], rows["tokens_per_second"]
    assert (loss.value, loss.best, loss.delta) == ("18253.0", "15562.1", "+253.0")
    assert (loss.low, loss.high) == ("15562.1", "18253.0")
    assert (speed.value, speed.delta) == ("1800.5 tokens/s", "+900.2")
    assert "loss 18253.0" in found.headline
    assert "best 15562.1" in found.headline
    assert [fact.value for fact in found.results] == ["2.5 s"]


def test_intended_hyperparameters_come_first():
    run = view(hparams={"lr": 0.1, "bs": 64, "x": None}, expect={"bs": 32})
    run = replace(run, expect={"bs": 32, "own": 1})
    found = report(run, expect={"lr": 0.1, "wd": 1})
    assert [(row.key, row.verdict) for row in found.hparams] == [
        ("bs", Verdict.wrong), ("own", Verdict.missing), ("lr", Verdict.right),
        ("x", Verdict.extra),
    ]  # fmt: skip
    assert [row.key for row in found.further_hparams] == ["lr", "x"]
    assert found.intent_ok is False
    assert (found.intent_text, found.unstated) == ("", "This run does not state: wd.")
    assert report(run).intent_ok is False
    right = report(view(hparams={"lr": 0.1}), expect={"lr": 0.1})
    assert (right.intent_ok, right.intent_text[:7]) == (True, "The one")
    both = report(view(hparams={"a": 1, "b": 2}), expect={"a": 1, "b": 2})
    assert both.intent_text == "All 2 intended hyperparameters are as intended."
    none = report(view(hparams={"a": 1}))
    assert (none.intent_ok, none.intent_text) == (None, "")


def test_a_blank_hyperparameter_is_stated():
    run = view(hparams={"note": "", "resume": ""})
    found = report(run, expect={"resume": "last.pt"})
    assert [(row.key, row.value) for row in found.hparams] == [
        ("resume", '""'),
        ("note", '""'),
    ]
    right = report(run, expect={"resume": ""}).hparams[0]
    assert (right.intended, right.verdict) == ('""', Verdict.right)


def test_a_changed_hyperparameter_shows_what_it_was():
    found = report(view(hparams={"lr": 0.2}), view(hparams={"lr": 0.1}))
    assert found.hparams[0].changed_from == "0.1 (until 13:05 UTC)"


def test_facts_steps_and_the_like_are_told():
    run = view(
        {"loss": [1, 2]},
        progress=Progress(1500, 6000),
        orphans=3,
        restarts=1,
        updated_ns=int((NOW.timestamp() - 60) * 1e9),
        results={"acc": 0.5, "n": 10**400, "name": "x"},
        texts=(Text("model", "a\nb"),),
        problems=(Problem("a.csv", 3, "bad"),),
        purpose="to\nsee",
    )
    found = report(run)
    assert found.steps == "1,500 of 6,000 (25 %)"
    assert found.run == "a/b\ufffd<x>"
    assert found.status_text == "last written 1 min ago (13:04 UTC)"
    assert [fact.key for fact in found.facts] == [
        "New values", "Overtaken values", "Log restarted",
    ]  # fmt: skip
    assert [fact.value for fact in found.results] == ["0.5", "1e400", "x"]
    assert found.texts[0].text == "a\nb"
    assert found.problems == ("a.csv:3: bad",)
    assert report(view({"a": [1]})).steps == "step 1"
    assert report(view()).steps == ""


@pytest.mark.parametrize(
    ("hparams", "noted", "commit"),
    [
        ({"git_commit": "0123456789abcdef"}, "", "0123456789"),
        ({"env.git.sha": "abc1234"}, "", "abc1234"),
        ({"code/commit_hash": "abc1234"}, "", "abc1234"),
        ({"git_commit": "main"}, "", ""),
        ({"revision": "abc1234", "sha": "abc1234", "recommit": "abc1234"}, "", ""),
        ({}, "os: Linux\ngit.commit: abcdef0123456\nx: y", "abcdef0123"),
        ({}, "os: Linux", ""),
    ],
)
def test_the_commit_of_a_run_is_told(hparams: dict[str, str], noted: str, commit: str):
    found = report(view(hparams=hparams, texts=(Text("environment", noted),)))
    facts = {fact.key: fact.value for fact in found.facts}
    assert facts.get("Commit", "") == commit


@pytest.mark.parametrize(
    ("language", "facts"),
    [
        ("en", [("Commit", "0123456789, with changes since"), ("Note", "a b")]),
        ("ko", [("커밋", "0123456789 이후 변경 있음"), ("메모", "a b")]),
    ],
)
def test_notes_and_changes_since_the_commit_are_facts(
    language: str, facts: list[tuple[str, str]]
):
    texts = (commit_text("0123456789" * 4, is_dirty=True), Text("note", "a\nb"))
    found = report(view({"loss": [1, 2]}, texts=texts), language=language)
    assert [(fact.key, fact.value) for fact in found.facts][-2:] == facts
    assert found.texts == ()


def test_checkpoints_come_newest_first():
    at = int(NOW.timestamp()) * 10**9
    old, new = Checkpoint("old.pt", 0, at - 10**10), Checkpoint("best.pt", 10**6, at)
    found = report(view(checkpoints=(old, new)), view(checkpoints=(old,)))
    assert [(row.path, row.size, row.is_new) for row in found.checkpoints] == [
        ("best.pt", "1.0 MB", True), ("old.pt", "", False),
    ]  # fmt: skip
    assert not report(view(checkpoints=(old, new))).checkpoints[0].is_new


@pytest.mark.parametrize(
    ("units", "counted"),
    [(["epoch"], "epoch"), (["step"] * 2, "step"), (["step", "epoch"], ""), ([], "")],
    ids=str,
)
def test_what_charts_count_is_told_where_all_logs_count_alike(
    units: list[str], counted: str
):
    places = tuple(Place(unit, 1, 2, 2) for unit in units)
    assert report(view({"loss": [2, 1]}, places=places)).counted == counted


def test_train_and_val_share_a_chart():
    run = view({"train_loss": [1, 2], "val_loss": [1, 2], "acc": [1, 2], "one": [1]})
    charts = report(run).charts
    assert sorted(len(chart.series) for chart in charts) == [1, 2]
    many = view({f"loss/{set_}": [1, 2] for set_ in "abcdef"})
    assert all(len(chart.series) <= 4 for chart in report(many).charts)


def test_what_is_left_out_is_said():
    many = {
        f"m{number}": [1.0, 2.0 + number] for number in range(module.METRICS_MAX + 5)
    }
    found = report(view(many, hparams=dict.fromkeys(map(str, range(500)), 1)))
    assert len(found.metrics) == module.METRICS_MAX
    assert len(found.cuts) == 3


def test_globs_choose_in_their_order():
    names = ["a", "b", "c"]
    assert chosen_names(names, ("*",)) == names
    assert chosen_names(names, ("c", "[ab]", "a")) == ["c", "a", "b"]


def test_a_digest_counts_and_puts_alerts_first():
    calm = report(view({"loss": [1]}))
    bad = report(view({"loss": [1]}), alerts=(Alert("nan", "a", "a is NaN"),))
    digest = describe_digest([calm, bad], rid="r", language="en")
    assert digest.reports == (bad, calm)
    assert digest.headline == "2 runs have news; 1 need attention"
    fine = describe_digest([calm, calm], rid="r", language="en")
    assert fine.headline == "2 runs have news"


def test_dates_are_local_and_in_the_reports_language():
    assert report(view()).date == "2026 November 23"
    korean = report(view({"loss": [1]}), language="ko")
    assert korean.date == "2026년 11월 23일"
    assert local_now(UTC, 0).isoformat() == "1970-01-01T00:00:00+00:00"
    assert local_now(None, 0).tzinfo is not None
