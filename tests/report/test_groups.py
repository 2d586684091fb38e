"""Runs that belong together are found by their names."""

import pytest

from briefs import brief
from mlreport_batch.report.groups import BY_FOLDER, group_of, peers_of


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("sweep/lr-0.1", "sweep"),
        ("run7", ""),
        ("multirun/2026-11-23/12-47-47/3", "multirun/2026-11-23/12-47-47"),
        ("outputs/2026-11-23/12-47-47", "outputs"),
        ("2026-11-23/12-47-47", ""),
        ("ray_results/exp/trainable_9cb9d_00000_0_lr=0.01", "ray_results/exp"),
        ("tuner/untitled_project/trial_07", "tuner/untitled_project"),
        ("proj/lightning_logs/version_3", "proj/lightning_logs"),
    ],
)
def test_a_frameworks_runs_lie_in_one_folder(name: str, group: str):
    assert group_of(name, (BY_FOLDER,)) == group


def test_the_user_groups_by_globs_and_by_a_text():
    globs = ("*seed*", "vit/*")
    assert group_of("vit/a-seed-1", globs) == "*seed*"
    assert group_of("vit/a", globs) == "vit/*"
    assert group_of("cnn/a", globs) == "cnn"
    assert group_of("cnn/a", ("all",)) == "all"
    assert group_of("cnn/a", ("mine: {parent}",)) == "mine: cnn"


def test_a_run_of_another_training_is_no_peer_unless_the_user_says_so():
    run = brief("a", [1.0], hparams={"lr": 1, "wd": 0})
    members = {
        each.name: each
        for each in (
            run,
            brief("same metrics", [1.0]),
            brief("same hparams", [1.0], kin=2, hparams={"lr": 2, "wd": 0, "x": 1}),
            brief("another", [1.0], kin=2, hparams={"depth": 3}),
            brief("a few shared", [1.0], kin=2, hparams=dict.fromkeys(("lr", *"vwxy"))),
            brief("by accuracy", [1.0], metric="acc", goal="max"),
        )
    }
    found = [each.name for each in peers_of(run, members, chosen=False)]
    assert found == ["a", "same metrics", "same hparams"]
    assert len(peers_of(run, members, chosen=True)) == 5
