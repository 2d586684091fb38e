"""Evidence that an experiment may not be needed, and what is none."""

import pytest
from msgspec.structs import replace

from briefs import brief
from mlreport_batch.report.brief import Brief
from mlreport_batch.report.model import AlertRules
from mlreport_batch.report.needless import Experience

HPARAMS = {"lr": 0.1, "depth": 3, "seed": 1, "output_dir": "/a"}


def said(run: Brief, *others: Brief, **rules: bool) -> list[str]:
    alerts = Experience([run, *others]).needless(run, AlertRules(**rules), "en")
    return [f"{alert.kind}: {alert.text}" for alert in alerts]


RUN = brief("new", status="running", oldest=9, hparams=HPARAMS, metric="", goal="")


def test_a_run_with_the_hyperparameters_of_an_earlier_one_is_told_with_its_result():
    same = brief("old", [0.5, 0.3], hparams=HPARAMS | {"lr": "0.10", "output_dir": ""})
    [text] = said(RUN, same)
    assert text.startswith("repeat: all 2 hyperparameters are those of old ")
    assert text.endswith("(finished, best val_loss 0.3 at step 2)")
    assert said(RUN, same, repeat=False) == []
    assert said(replace(same, status="running"), RUN) == []  # it was there first


@pytest.mark.parametrize(
    "changes",
    [
        {"hparams": HPARAMS | {"seed": 2}},
        {"hparams": HPARAMS | {"lr": 0.2}},
        {"hparams": HPARAMS | {"wd": 0}},
        {"hparams": HPARAMS | {"lr": True}},
        {"status": "failed"},
        {"status": "killed"},
        {"oldest": 10.0},
    ],
)
def test_another_seed_value_or_a_run_that_broke_is_no_repeat(changes: dict):
    other = replace(brief("old", [0.3], hparams=HPARAMS), **changes)
    assert said(RUN, other) == []


def test_who_repeats_often_means_to_and_few_hyperparameters_tell_nothing():
    old = [brief(f"old{n}", [0.3], hparams=HPARAMS, oldest=n) for n in range(3)]
    assert len(said(RUN, *old[:2])) == 1
    assert said(RUN, *old) == []
    bare = {"lr": 0.1}
    other = brief("old", [0.3], hparams=bare)
    assert said(replace(RUN, hparams=bare), other) == []


@pytest.mark.parametrize("sign", [1, -1])
def test_a_run_behind_all_finished_ones_at_its_step_is_told(sign: int):
    goal = "min" if sign == 1 else "max"

    def run(name: str, values: list[float], status: str = "finished") -> Brief:
        return brief(name, [sign * v for v in values], goal=goal, status=status)

    done = [run(str(n), [0.9, 0.24 + n / 100, 0.1]) for n in range(3)]
    late = run("late", [0.9, 0.31], "running")
    [text] = said(late, *done)
    low, high = sorted((sign * 0.24, sign * 0.26))
    assert text.startswith(f"behind: val_loss {sign * 0.31:g} at best by step 2; 3")
    assert f"{low:g} to {high:g}" in text
    assert said(late, *done, behind=False) == []
    assert said(late, *done[:2]) == []  # of two nobody knows how much they differ
    assert said(run("near", [0.9, 0.27], "running"), *done) == []
    early = [run(str(n), [0.9]) for n in range(3)]
    assert said(late, *early) == []  # none of them came so far
