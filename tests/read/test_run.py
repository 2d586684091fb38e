"""Reading a run as it grows ends where one reading of the whole does."""

import json
import os
import random
import shutil
import time
from pathlib import Path

import pytest
from msgspec.structs import fields, replace

from hostile import scalar_event
from mlreport_batch.find.listing import walk
from mlreport_batch.find.runs import RunDir, group_runs
from mlreport_batch.formats.registry import by_name
from mlreport_batch.read.run import RunState, chosen, read_run, series
from mlreport_batch.report.view import view_of
from mlreport_batch.safety.masking.redact import shown_name
from places import RUNS

TREES = sorted(path.parent.name for path in RUNS.glob("*/tree"))
SNAPSHOTS = sorted(path.parents[1].name for path in RUNS.glob("*/snapshots/truth.json"))
NOW_NS = time.time_ns()


def runs_below(root: Path) -> dict[str, RunDir]:
    folders = walk(str(root), root=str(root))
    return {run.name: run for run in group_runs(folders, str(root))}


def lay(source: Path, target: Path) -> None:
    """Make *target* the same as *source*, all of it written a minute ago."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target, symlinks=True)
    for path in target.rglob("*"):
        if path.is_file() and not path.is_symlink():
            os.utime(path, ns=(NOW_NS, NOW_NS - 60 * 10**9))


def said(state: RunState) -> list[str]:
    """Return what two readings must agree on."""
    parts = [repr((state.checkpoints, state.problems, sorted(state.logs)))]
    for path, log in sorted(state.logs.items()):
        signature = replace(log.signature, ctime_ns=0, inode=0)
        memory = {key: value for key, value in sorted(log.memory.items()) if value}
        plain = replace(log, signature=signature, restarts=0, memory=memory)
        parts += [f"{path} {f.name}={getattr(plain, f.name)!r}" for f in fields(plain)]
    return parts


def assert_same(known: RunState, fresh: RunState) -> None:
    pairs = zip(said(known), said(fresh), strict=True)
    assert not [pair for pair in pairs if pair[0] != pair[1]]


@pytest.mark.no_cover
@pytest.mark.parametrize("case", SNAPSHOTS)
def test_a_training_that_is_looked_at_as_it_goes(case: str, tmp_path: Path):
    known: dict[str, RunState] = {}
    truths = json.loads((RUNS / case / "snapshots" / "truth.json").read_text())
    root = tmp_path / "root"
    for truth in truths:
        lay(RUNS / case / "snapshots" / truth["snapshot"], root)
        found = runs_below(root)
        known = {
            name: read_run(run, known.get(name), now_ns=NOW_NS)
            for name, run in found.items()
        }
        for name, run in found.items():
            assert_same(known[name], read_run(run, None, now_ns=NOW_NS))
        for wanted in truth["runs"]:
            paths = (wanted["path"], wanted.get("run_folder") or "")
            names = [path.removeprefix("tree").lstrip("/") or "root" for path in paths]
            name = next((name for name in names if name in known), "")
            if not name:
                assert not wanted["metrics"] or "mlflow" in case  # a deleted run
                continue
            metrics = view_of(known[name]).metrics
            for metric, numbers in wanted["metrics"].items():
                assert metrics[metric].count == numbers["count"], metric
                assert metrics[metric].last_step == numbers["last_step"], metric


@pytest.mark.no_cover
@pytest.mark.parametrize("case", TREES)
@pytest.mark.parametrize("seed", [1, 2])
def test_logs_cut_anywhere_are_read_as_if_whole(case: str, seed: int, tmp_path: Path):
    rng = random.Random(f"{case} {seed}")
    root = tmp_path / "root"
    lay(RUNS / case / "tree", root)
    known: dict[str, RunState] = {}
    growing = {
        Path(file.full_path): Path(file.full_path).read_bytes()
        for run in runs_below(root).values()
        for file in run.files
        if file.format and not by_name()[file.format].whole_file
    }
    sizes = dict.fromkeys(growing, 0)
    for last in (False, False, True):
        for path, data in growing.items():
            left = len(data) - sizes[path]
            sizes[path] = len(data) if last else sizes[path] + rng.randint(0, left)
            path.write_bytes(data[: sizes[path]])
            os.utime(path, ns=(NOW_NS, NOW_NS - 60 * 10**9 - sizes[path]))
        found = runs_below(root)
        known = {
            name: read_run(run, known.get(name), now_ns=NOW_NS)
            for name, run in found.items()
        }
    for name, run in found.items():
        assert_same(known[name], read_run(run, None, now_ns=NOW_NS))


def test_of_twins_only_the_best_is_read(tmp_path: Path):
    lay(RUNS / "sb3_ppo" / "tree", tmp_path / "root")
    for run in runs_below(tmp_path / "root").values():
        read = chosen(run.files)
        twins = [file.match.twin for file in read if file.match and file.match.twin]
        assert len(twins) == len(set(twins))


def test_events_are_left_out_where_a_log_tells_the_same(tmp_path: Path):
    lay(RUNS / "tb_double" / "tree", tmp_path / "root")
    for run in runs_below(tmp_path / "root").values():
        assert "tensorboard" in {file.format for file in run.files}
        assert "tensorboard" not in {file.format for file in chosen(run.files)}


@pytest.mark.parametrize(
    ("name", "text", "is_log"),
    [
        ("evals_result.json", '{"train": {"auc": [0.5, 0.6]}}', True),
        ("history.json", '[{"epoch": 1, "train_auc": 0.5}]', True),
        ("results.json", '{"thresholds": [0.5, 0.6]}', False),
    ],
)
def test_output_is_left_out_where_a_document_holds_the_history(
    name: str, text: str, *, is_log: bool, tmp_path: Path
):
    run = tmp_path / "root" / "run"
    run.mkdir(parents=True)
    (run / "out.txt").write_text("[0]\ttrain-auc:0.5\n[1]\ttrain-auc:0.6\n")
    (run / name).write_text(text)
    [found] = runs_below(tmp_path / "root").values()
    read = {file.path for file in chosen(found.files)}
    assert read == ({name} if is_log else {name, "out.txt"})


def test_files_of_a_series_are_one_log(tmp_path: Path):
    lay(RUNS / "tb_restart" / "tree", tmp_path / "root")
    [run] = runs_below(tmp_path / "root").values()
    assert max(len(files) for files in series(chosen(run.files))) == 2


def test_a_log_that_goes_on_adds_no_names_to_the_state_beside_it(tmp_path: Path):
    """LLaMA-Factory's repeats what ``trainer_state.json`` says under other names."""
    lay(RUNS / "llamafactory_log" / "snapshots" / "0002", tmp_path / "root")
    run = next(
        run for name, run in runs_below(tmp_path / "root").items() if "resumed" in name
    )
    view = view_of(read_run(run, None, now_ns=NOW_NS))
    assert "learning_rate" in view.metrics
    assert not {"lr", "throughput"} & view.metrics.keys()
    assert view.metrics["loss"].last_step == 25
    assert view.orphans == 0


def put_events(folder: Path, losses: list[float], *, number: int = 0) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    name = f"events.out.tfevents.170000000{number}.host.{number}.0"
    steps = range(number, number + len(losses))
    records = map(scalar_event, steps, [b"loss"] * len(losses), losses)
    (folder / name).write_bytes(b"".join(records))


@pytest.mark.parametrize("above", ["args.json", ".hydra/config.yaml"])
def test_writers_in_folders_of_their_own_do_not_overtake_one_another(
    above: str, tmp_path: Path
):
    """PyTorch's ``SummaryWriter("train")`` and ``SummaryWriter("val")``."""
    run = tmp_path / "root" / "run"
    (run / above).parent.mkdir(parents=True)
    (run / above).write_text('{"lr": 0.1}')
    put_events(run / "train", [4, 3, 2, 1])
    put_events(run / "val", [6, 5, 4])
    put_events(run / "val", [3, 2], number=1)  # resumed: one folder, one series
    [found] = runs_below(tmp_path / "root").values()

    view = view_of(read_run(found, None, now_ns=NOW_NS))

    assert {name: m.count for name, m in view.metrics.items()} == {
        "train/loss": 4,
        "val/loss": 3,
    }
    assert view.metrics["train/loss"].low == 1
    assert view.orphans == 2


def test_a_run_s_own_events_keep_their_names_beside_those_below_it(tmp_path: Path):
    run = tmp_path / "root" / "run"
    put_events(run, [4, 3])
    put_events(run / "val", [6, 5], number=1)
    [found] = runs_below(tmp_path / "root").values()
    view = view_of(read_run(found, None, now_ns=NOW_NS))
    assert list(view.metrics) == ["loss", "val/loss"]


SAME_SHAPE = (
    "acc/resnet50_bs256_lr0p1_wd1e4_ep90_seed42_amp_e1",
    "acc/resnet50_bs256_lr0p1_wd1e4_ep90_seed43_amp_e1",
)
SAME_START = ("loss/" + "block_" * 60 + "a", "loss/" + "block_" * 60 + "b")


@pytest.mark.parametrize("names", [SAME_SHAPE, SAME_START])
def test_names_that_are_masked_or_cut_stay_apart(
    names: tuple[str, str], tmp_path: Path
):
    root, values = tmp_path / "root", (0.5, 0.25)
    row = dict(zip(names, values, strict=True))
    files = {
        "csv/metrics.csv": f"step,{','.join(names)}\n1,0.5,0.25\n".encode(),
        "lines/metrics.jsonl": json.dumps({"step": 1} | row).encode() + b"\n",
        "events/events.out.tfevents.1.h.1.0": b"".join(
            scalar_event(1, name.encode(), value) for name, value in row.items()
        ),
        "results/results.json": json.dumps(row).encode(),
        "hparams/hparams.json": json.dumps(row).encode(),
    }
    for path, data in files.items():
        (root / path).parent.mkdir(parents=True)
        (root / path).write_bytes(data)

    known: dict[str, set[str]] = {}
    for name, run in runs_below(root).items():
        view = view_of(read_run(run, None, now_ns=NOW_NS))
        found = {key: s.last for key, s in view.metrics.items()}
        found |= view.results | view.hparams
        assert sorted(found.values()) == [0.25, 0.5], name
        assert all(len(key) <= 300 for key in found)
        known[name] = set(found)
    assert len(known) == len(files)
    # Whichever file says it, the name is the same.
    assert len({frozenset(keys) for keys in known.values()}) == 1


def test_a_name_is_changed_only_where_it_is_masked_or_cut():
    assert shown_name("train/loss") == "train/loss"
    assert shown_name("a\x1b[31mb\x01") == "ab\ufffd"
    assert shown_name("x" * 300) == "x" * 300
    cut, masked = shown_name("x" * 301), shown_name("password=hunter2hunter2")
    assert len(cut) == 300
    assert cut.startswith("xxx")
    assert "hunter" not in masked
    # Far behind where anything is looked at.
    assert shown_name("x" * 10_000 + "a") != shown_name("x" * 10_000 + "b")
    assert shown_name("\ud800" * 301) != shown_name("\ud800" * 302)
