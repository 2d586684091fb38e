"""A configuration in the folder above its runs is theirs."""

import os
from pathlib import Path

import pytest

from mlreport_batch.commands.inspect import look_at
from ticking import Desk

LOG = "step,loss\n1,0.5\n2,0.4\n"
DAY = 86400.0


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    return Desk(tmp_path, capsys)


def hparams_of(desk: Desk) -> dict[str, dict[str, object]]:
    return {
        looked.run.name: looked.view.hparams for looked in look_at([str(desk.runs)])
    }


def test_a_configuration_above_is_that_of_runs_which_have_none(desk: Desk):
    desk.put("exp/configuration.yaml", "lr: 0.5\nseed: 1\n")
    desk.put("exp/walker/metrics.csv", LOG)
    desk.put("exp/runner/metrics.csv", LOG)
    desk.put("exp/runner/hparams.yaml", "lr: 0.25\n")
    desk.put("exp/inner/deep/metrics.csv", LOG)
    assert hparams_of(desk) == {
        "exp/walker": {"lr": 0.5, "seed": 1},
        "exp/runner": {"lr": 0.25},
        "exp/inner/deep": {},
    }


def test_a_configuration_written_long_after_a_run_is_not_its_own(desk: Desk):
    desk.put("exp/config.yaml", "lr: 0.5\n")
    desk.put("exp/old/metrics.csv", LOG, age_s=DAY)
    desk.put("exp/new/metrics.csv", LOG)
    assert hparams_of(desk) == {"exp/old": {}, "exp/new": {"lr": 0.5}}


def test_what_belongs_to_a_run_is_no_other_one_s(desk: Desk):
    desk.put("exp/config.yaml", "lr: 0.5\n")
    desk.put("exp/metrics.csv", LOG)
    desk.put("exp/finetune/metrics.csv", LOG)
    assert hparams_of(desk)["exp/finetune"] == {}


def test_a_configuration_for_the_next_run_changes_no_earlier_one(desk: Desk):
    desk.put("exp/config.yaml", "lr: 0.5\n")
    desk.put("exp/first/metrics.csv", LOG)
    config = desk.config("report: {expect: {lr: 0.5}}\n")
    now = float(os.stat(config).st_mtime)
    [first] = desk.tick(config, now).runs
    assert first.alerts == ()
    desk.put("exp/config.yaml", "lr: 0.1\n", age_s=400)
    desk.append("exp/first/metrics.csv", "3,0.3\n")
    desk.put("exp/second/metrics.csv", LOG, age_s=400)
    summary = desk.tick(config, now + 600)
    alerts = {run.name: len(run.alerts) for run in summary.runs}
    assert alerts == {"exp/first": 0, "exp/second": 1}
