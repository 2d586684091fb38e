"""What a folder holds is found, however much lies beside it."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from mlreport_batch.commands.inspect import Rest, as_text, look_at
from mlreport_batch.find import listing
from mlreport_batch.find.listing import list_folder, walk
from mlreport_batch.find.runs import group_runs

MANY = 50


@pytest.fixture
def crowd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with more text files than are looked into."""
    monkeypatch.setattr(listing, "CANDIDATES_MAX", MANY)
    for number in range(2 * MANY):
        (tmp_path / f"a_sample_{number:04}.txt").write_text("words and words")
    return tmp_path


@pytest.mark.parametrize(
    "name",
    [
        "metrics.csv", "progress.csv", "zz_training_log.csv", "results.csv",
        "trainer_state.json", "eval_metrics.json", "events.out.tfevents.1.host",
        "hparams.yaml", "train_config.yaml", "run-1.wandb",
    ],
)  # fmt: skip
def test_a_cap_leaves_out_what_does_not_sound_like_a_run(crowd: Path, name: str):
    (crowd / name).write_text("step,loss\n1,0.5\n")
    folder = list_folder(str(crowd), root=str(crowd))
    assert name in folder.files
    assert len(folder.files) == MANY
    [problem] = folder.problems
    assert f"{2 * MANY + 1} files that could hold metrics" in problem.message


def test_a_cap_leaves_out_nothing_that_was_read_before(crowd: Path):
    log = crowd / "zzz.csv"  # no name of a log
    log.write_text("step,loss\n1,0.5\n")
    for number in range(2 * MANY):
        (crowd / f"a_sample_{number:04}.txt").unlink()
    before = list_folder(str(crowd), root=str(crowd))
    assert before.files["zzz.csv"].format
    for number in range(2 * MANY):
        (crowd / f"a_sample_{number:04}.txt").write_text("words")
    after = list_folder(str(crowd), root=str(crowd), before=before)
    assert after.files["zzz.csv"].format == before.files["zzz.csv"].format


def test_what_a_cap_left_out_is_said_with_and_without_a_run(crowd: Path):
    rest: list[Rest] = []
    assert look_at([str(crowd)], rest=rest) == []
    [problem] = rest[0].problems
    assert "files that could hold metrics" in problem
    (crowd / "metrics.csv").write_text("step,loss\n1,0.5\n")
    rest = []
    looked = look_at([str(crowd)], rest=rest)
    assert "files that could hold metrics" in as_text(looked, 0)
    assert rest[0].problems == []  # it is said once, in its run


def test_every_name_in_a_folder_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A listing that was cut would differ from every later one."""
    for number in range(300):
        (tmp_path / f"{number}.npy").touch()
    (tmp_path / "metrics.csv").write_text("step,loss\n1,0.5\n")
    root = str(tmp_path)
    folders = list(walk(root, root=root))
    [run] = group_runs(folders, root)
    assert [file.path for file in run.files] == ["metrics.csv"]
    (tmp_path / "299.npy").unlink()
    [after] = walk(root, root=root)
    assert after.listing != folders[0].listing
    assert replace(after.bare(), listing=0) == replace(folders[0].bare(), listing=0)
