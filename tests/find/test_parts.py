"""Folders side by side that are parts of one run."""

from pathlib import Path

import pytest

from mlreport_batch.commands.inspect import look_at
from ticking import Desk

LOG = "step,loss\n1,{}\n2,{}\n"


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    return Desk(tmp_path, capsys)


def names(desk: Desk) -> list[str]:
    return [looked.run.name for looked in look_at([str(desk.runs)])]


def test_writers_of_two_parts_of_the_data_are_one_run(desk: Desk):
    desk.put("exp/train/log.csv", LOG.format(5, 4))
    assert names(desk) == ["exp/train"]
    desk.put("exp/val/log.csv", LOG.format(7, 6))
    [looked] = look_at([str(desk.runs)])
    assert looked.run.name == "exp"
    assert set(looked.view.metrics) == {"train/loss", "val/loss"}


def test_runs_that_are_called_train_and_val_stay_apart(desk: Desk):
    """Ultralytics calls its runs so, and keeps their arguments beside the log."""
    desk.put("detect/train/results.csv", "epoch,loss\n1,5\n")
    desk.put("detect/train/args.yaml", "lr: 1\n")
    desk.put("detect/val/results.json", "{}")
    assert names(desk) == ["detect/train"]


@pytest.mark.parametrize("kept", ["checkpoints/last.ckpt", "weights/best.pt"])
def test_logs_beside_checkpoints_are_of_the_folder_above(desk: Desk, kept: str):
    desk.put(f"exp/{kept}", "x")
    desk.put("exp/logs/metrics.csv", LOG.format(5, 4))
    assert names(desk) == ["exp"]


def test_open_clip_keeps_its_results_among_the_checkpoints(desk: Desk):
    desk.put("exp/checkpoints/results.jsonl", '{"epoch": 1, "val_loss": 0.5}\n')
    assert names(desk) == ["exp/checkpoints"]
    desk.put("exp/tensorboard/notes.txt", "x")
    assert names(desk) == ["exp"]
    desk.put("bare/checkpoints/results.jsonl", '{"epoch": 1, "val_loss": 0.5}\n')
    desk.put("bare/params.txt", "lr: 0.1\nbatch_size: 4\n")
    assert names(desk) == ["bare", "exp"]


def test_monitors_are_of_the_run_above(desk: Desk):
    desk.put("exp/progress.csv", "time/total_timesteps,rollout/x\n1,2\n")
    desk.put("exp/monitors/0.monitor.csv", '#{"t_start": 1}\nr,l,t\n1,2,3\n')
    assert names(desk) == ["exp"]


def test_a_tick_that_meets_the_other_part_later_tells_of_one_run(desk: Desk):
    desk.put("exp/train/log.csv", LOG.format(5, 4))
    config = desk.config()
    now = (desk.folder / "mlreport.yaml").stat().st_mtime
    assert [run.name for run in desk.tick(config, now).runs] == ["exp/train"]
    desk.put("exp/val/log.csv", LOG.format(7, 6), age_s=300)
    assert [run.name for run in desk.tick(config, now + 600).runs] == ["exp"]
    assert desk.tick(config, now + 1200).runs == []
