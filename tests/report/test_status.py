"""A run's status is the word of its best evidence, and only as long as that holds."""

from typing import Any

import pytest

from mlreport_batch.find.checkpoints import Checkpoint
from mlreport_batch.formats import Outcome, Progress
from mlreport_batch.language.english import ENGLISH
from mlreport_batch.read.beats import Beat, Beats
from mlreport_batch.read.endings import Ending
from mlreport_batch.report.model import AlertRules
from mlreport_batch.report.plan import Goal, goal_of_run, plans_in
from mlreport_batch.report.status import patience_s, row_s, status_of
from mlreport_batch.report.timing import timing_of
from mlreport_batch.report.view import Place, RunView
from mlreport_batch.safety.clean import Scalar
from mlreport_batch.safety.files import Signature
from places import ROOT
from views import view

START = 1_700_000_000
HOUR = 3600.0


def at(seconds: float) -> int:
    """Return nanoseconds since the epoch, some seconds after the start."""
    return int((START + seconds) * 1e9)


def ended(status: str, kind: str, when: float, *, is_sure: bool = True) -> Ending:
    signature = Signature(1, at(when), 1, 1)
    return Ending(signature, status, kind, "so", "tail", is_sure)


SEEN = Beats((Beat(START + 5940, 99, 99), Beat(START + 6000, 100, 100)))


def run(written: float = 6000, **others: Any) -> RunView:  # noqa: ANN401
    """Return a view of a run that wrote a row a minute."""
    made = {
        "started_ns": at(0), "updated_ns": at(written), "written_ns": at(written),
        "places": (Place("step", 1, 100, 100),), "beats": SEEN,
    }  # fmt: skip
    return view({"loss": [1 / n for n in range(1, 101)]}, **(made | others))


def word(of: RunView, now: float, *, has_grown: bool = True) -> str:
    return status_of(of, AlertRules(), now=START + now, has_grown=has_grown).word


@pytest.mark.parametrize(
    ("others", "now", "expected"),
    [
        ({}, 6060, "running"),
        ({}, 6000 + 1201, "stalled"),
        ({"outcome": Outcome("failed", "it says so")}, 6060, "failed"),
        ({"outcome": Outcome("killed", "it says so")}, 6060, "killed"),
        ({"outcome": Outcome("running", "")}, 6060, "running"),
        ({"outcome": Outcome("finished", "")}, 10**6, "finished"),
        ({"progress": Progress(100, 100)}, 10**6, "finished"),
        ({"hparams": {"max_steps": 100}}, 6001, "finished"),
        ({"hparams": {"max_steps": 110}}, 6001, "running"),
        ({"hparams": {"max_steps": 101}}, 6001, "running"),
        ({"hparams": {"max_steps": 101}}, 10**6, "finished"),
        ({"hparams": {"epochs": 100}}, 6001, "running"),
        ({"hparams": {"epochs": 100}}, 10**6, "finished"),
        ({"hparams": {"epochs": 90}}, 10**6, "stalled"),
        ({"hparams": {"epochs": 100}, "places": (Place("", 1, 100, 100),)}, 6001,
         "running"),
        ({"hparams": {"epochs": 100}, "places": (Place("", 1, 100, 100),)}, 10**6,
         "finished"),
        ({"endings": {"a": ended("failed", "error", 6010)}}, 6060, "failed"),
        ({"endings": {"a": ended("failed", "error", 5941)}}, 6060, "failed"),
        ({"endings": {"a": ended("failed", "error", 5939)}}, 6060, "running"),
        ({"endings": {"a": ended("failed", "error", 5939)}}, 10**6, "stalled"),
        ({"endings": {"a": ended("failed", "error", 6010),
                      "b": ended("", "", 6080)}}, 6090, "running"),
        ({"endings": {"a": ended("failed", "error", 6010),
                      "b": ended("", "", 9000, is_sure=False)}}, 9090, "failed"),
        ({"endings": {"a": ended("failed", "error", 6010, is_sure=False)}}, 6170,
         "running"),
        ({"endings": {"a": ended("failed", "error", 6010, is_sure=False)}}, 6190,
         "failed"),
        ({"endings": {"a": ended("failed", "error", 6010, is_sure=False)},
          "rows": 0, "beats": Beats()}, 6020, "failed"),
        ({"endings": {"a": ended("finished", "end_mark", 6010)},
          "hparams": {"max_steps": 200}}, 6060, "running"),
        ({"endings": {"a": ended("finished", "early_stop", 6010)},
          "hparams": {"max_steps": 200}}, 6060, "finished"),
        ({"endings": {"a": ended("failed", "exit_code", 6010),
                      "b": ended("out_of_time", "time_limit", 6005)}}, 6060,
         "out_of_time"),
        ({"endings": {"a": ended("finished", "end_mark", 6010)}}, 6060, "finished"),
        ({"endings": {"a": ended("finished", "end_mark", 6010)},
          "written_ns": at(7000), "updated_ns": at(7000)}, 7010, "running"),
        ({"endings": {"a": ended("finished", "end_mark", 6010)},
          "written_ns": at(7000), "updated_ns": at(7000)}, 10**6, "finished"),
        ({"endings": {"a": ended("finished", "end_mark", 6010),
                      "b": ended("killed", "killed", 6010)}}, 6060, "killed"),
        ({"checkpoints": (Checkpoint("w/model_final.pth", 1, at(6010)),)}, 6060,
         "finished"),
        ({"checkpoints": (Checkpoint("model_final.pth", 1, at(5000)),)}, 6060,
         "running"),
        ({"checkpoints": (Checkpoint("finalist.pth", 1, at(6010)),)}, 6060,
         "running"),
        ({"hparams": {"max_steps": 100},
          "endings": {"a": ended("failed", "error", 6010)}}, 6060, "failed"),
    ],
)  # fmt: skip
def test_the_best_evidence_gives_the_word(
    others: dict[str, Any], now: float, expected: str
):
    assert word(run(**others), now) == expected


def test_silence_of_a_run_that_was_never_seen_alive_is_quiet():
    assert word(run(), 10**6, has_grown=False) == "quiet"
    off = AlertRules(stall_s=None)
    assert status_of(run(), off, now=START + 1e6, has_grown=True).word == "quiet"
    assert status_of(view(), AlertRules(), now=1).word == "empty"


def test_the_pace_is_what_was_seen():
    assert row_s(run(beats=Beats())) == 60
    assert row_s(view({"a": [1, 2]}, started_ns=at(0), updated_ns=at(600))) is None
    copied = view({"a": [1, 2, 3]}, started_ns=at(0), updated_ns=at(5))
    assert row_s(copied) is None
    seen = Beats((Beat(0, 10, 10), Beat(30, 20, 20), Beat(5000, 30, 30)))
    assert row_s(run(beats=Beats(seen.recent[:2]))) == 3
    assert row_s(run(beats=seen)) == 250


FAST = Beats((Beat(0, 1, 1), Beat(30, 11, 11)))


@pytest.mark.parametrize(
    ("stall", "others", "expected"),
    [
        (7200.0, {}, 7200),
        ("auto", {}, 1200),
        ("auto", {"beats": FAST}, 600),
        ("auto", {"updated_ns": at(3000), "beats": FAST}, 1200),
        ("auto", {"updated_ns": at(20_000), "beats": FAST}, 2000),
        ("auto", {"updated_ns": at(10**6), "beats": FAST}, 3600),
        ("auto", {"beats": Beats()}, 9000),
        ("auto", {"beats": Beats((Beat(0, 1, 1), Beat(2400, 2401, 1)))}, 3600),
        ("auto", {"beats": Beats(FAST.recent, silence_s=HOUR)}, 1.5 * HOUR),
        ("auto", {"updated_ns": at(5), "beats": Beats()}, 1800),
    ],
)  # fmt: skip
def test_patience_goes_by_pace_age_and_earlier_silences(
    stall: Any,  # noqa: ANN401
    others: dict[str, Any],
    expected: float,
):
    assert patience_s(run(**others), AlertRules(stall_s=stall)) == expected


@pytest.mark.parametrize(
    ("hparams", "plans"),
    [
        ({"epochs": 80}, {"epoch": 80}), ({"max_epochs": "80"}, {"epoch": 80}),
        ({"trainer.max_epochs": 80}, {"epoch": 80}),
        ({"num_train_epochs": 3.0}, {"epoch": 3}), ({"maxEpochs": 5}, {"epoch": 5}),
        ({"max_steps": 10, "num_train_steps": 20}, {"step": 20}),
        ({"total_timesteps": 1e6, "n_steps": 2048}, {"step": 1e6}),
        ({"n_iter": 300}, {"step": 300}), ({"num_boost_round": 50}, {"step": 50}),
        ({"n_estimators": 50}, {"step": 50}), ({"iterations": 50}, {"step": 50}),
        ({"max_steps": -1, "epochs": None, "max_iters": True}, {}),
        ({"warmup_steps": 5, "eval_steps": 5, "epoch": 3, "step": 9, "n_steps": 5,
          "log_every_n_steps": 5, "steps_per_epoch": 5, "lr": 1, "update_epochs": 4,
          "epochs": "many", "max_epochs_without_gain": 3}, {}),
    ],
)  # fmt: skip
def test_plans_are_known_by_their_names(
    hparams: dict[str, Scalar], plans: dict[str, float]
):
    assert plans_in(hparams) == plans


@pytest.mark.parametrize(
    ("place", "hparams", "expected"),
    [
        (Place("epoch", 0, 79, 80), {"epochs": 80}, (80, 80, True)),
        (Place("epoch", 0, 78, 79), {"epochs": 80}, (79, 80, False)),
        (Place("epoch", 1, 79, 79), {"epochs": 80}, (79, 80, False)),
        (Place("epoch", 1, 80, 80), {"epochs": 80}, (80, 80, True)),
        (Place("step", 10, 3000, 300), {"max_steps": 3000}, (3000, 3000, True)),
        (Place("step", 0, 2999, 300), {"max_steps": 3000}, (3000, 3000, True)),
        (Place("step", 2048, 2048, 1), {"num_steps": 2048}, (2048, 2048, False)),
        (Place("step", 2048, 9 * 2048, 9), {"num_steps": 2048}, None),
        (Place("step", 49, 2999, 60, 0, 79), {"epochs": 80}, (79, 80, False)),
        (Place("step", 49, 2999, 80, 0, 79), {"epochs": 80}, (80, 80, True)),
        (Place("step", 10, 900, 80, 0.1, 3.0), {"epochs": 3}, (3, 3, True)),
        (Place("step", 10, 900, 80, 0.1, 2.9), {"epochs": 3}, (2.9, 3, False)),
    ],
)  # fmt: skip
def test_a_plan_is_held_against_what_counts_the_same(
    place: Place, hparams: dict[str, Scalar], expected: tuple[float, float, bool] | None
):
    made = view({"loss": [1.0] * place.rows}, hparams=hparams, places=(place,))
    goal = goal_of_run(made)
    found = goal and (goal.done, goal.total, goal.is_reached)
    assert found == expected


def test_a_guess_is_no_progress():
    guessed = run(hparams={"epochs": 100})
    status = status_of(guessed, AlertRules(), now=START + 6001)
    assert (status.word, status.goal) == ("running", None)


@pytest.mark.parametrize(
    ("done", "text"),
    [(0, "0 %"), (1, "< 1 %"), (3, "1 %"), (300, "100 %"), (310, "100 %")],
)
def test_progress_is_told_in_whole_percents(done: float, text: str):
    assert Goal("step", done, 300).percent == text


def test_an_end_is_told_only_as_the_data_bear_it():
    half = run(hparams={"max_steps": 200}, beats=Beats())
    status = status_of(half, AlertRules(), now=START + 6060)
    assert status.goal == Goal("step", 100, 200)
    assert timing_of(half, status, START + 6060).ends is None  # seen once
    half = run(hparams={"max_steps": 200})
    timing = timing_of(half, status, START + 6060)
    assert timing.ends == START + 12_000
    assert timing.started == START
    assert timing_of(half, status, START + 12_060).ends is None
    stalled = status_of(half, AlertRules(), now=START + 9000, has_grown=True)
    assert timing_of(half, stalled, START + 9000).ends is None


def test_the_guide_tells_of_each_word():
    guide = (ROOT / "docs/status.md").read_text(encoding="utf-8")
    table = guide[: guide.index("## Times")]
    words = [key for key in ENGLISH if key.startswith("status.")]
    assert len(words) == 8
    for key in words:
        word = "empty" if key == "status.empty" else ENGLISH[key]
        assert f"*{word}*" in table


def test_a_start_that_its_rows_deny_is_not_told():
    late = Beats((Beat(START + 5000, 80, 80), Beat(START + 6000, 90, 90)))
    status = status_of(run(), AlertRules(), now=START + 6060)
    assert timing_of(run(), status, START + 6060).started == START
    assert timing_of(run(beats=late), status, START + 6060).started == START
    fast = Beats((Beat(START + 5999, 80, 80), Beat(START + 6000, 90, 90)))
    assert timing_of(run(beats=fast), status, START + 6060).started is None
    young = run(started_ns=at(5990))
    assert timing_of(young, status, START + 6060).started is None
