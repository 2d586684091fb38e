import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from places import SAMPLES

RUNS = {
    "gan",
    "resnet50-cifar10",
    "segmentation/lightning_logs/version_0",
    "transformer-ko-en",
    "vit-lr-sweep/lr-0.01",
    "detr-coco",
    "wav2vec-finetune",
    "llama-qlora",
    "diffusion-64px",
    "음성인식/한국어-기본모형",
}
OWN = {"make_samples.py", "README.md"}


def files_below(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in OWN and path.suffix != ".pyc"
    }


def test_the_script_writes_the_samples_that_are_committed(tmp_path: Path):
    script = SAMPLES / "make_samples.py"
    subprocess.run([sys.executable, str(script), str(tmp_path)], check=True)
    assert files_below(tmp_path) == files_below(SAMPLES)


def test_the_samples_are_small():
    assert sum(map(len, files_below(SAMPLES).values())) < 100_000


def test_the_samples_readme_names_every_run():
    text = (SAMPLES / "README.md").read_text(encoding="utf-8")
    assert all(f"| `{name}` |" in text for name in RUNS)


def test_the_latest_values_of_the_gan_run_are_those_of_the_paper():
    with (SAMPLES / "gan/history.csv").open(encoding="utf-8") as file:
        *_, last = csv.DictReader(file)
    assert list(last.items())[1:] == [
        ("GAN_loss", "2"),
        ("train_loss", "2"),
        ("val_loss", "1"),
        ("train_accuracy", "0.78"),
        ("val_accuracy", "0.98"),
    ]


@pytest.fixture(scope="module")
def found() -> dict[str, dict]:

    done = subprocess.run(
        [sys.executable, "-m", "mlreport_batch", "inspect", "--json", str(SAMPLES)],
        capture_output=True,
        check=True,
    )
    return {run["name"]: run for run in json.loads(done.stdout)["runs"]}


def test_the_samples_are_found_and_nothing_else(found: dict[str, dict]):
    assert found.keys() == RUNS
    assert [run["problems"] for run in found.values()] == [[]] * len(RUNS)


def test_each_sample_shows_its_point(found: dict[str, dict]):
    gan = found["gan"]
    assert [(key, m["last"]) for key, m in gan["metrics"].items()] == [
        ("GAN_loss", 2),
        ("train_loss", 2),
        ("val_loss", 1),
        ("train_accuracy", 0.78),
        ("val_accuracy", 0.98),
    ]
    assert "checkpoints/best.pt" in found["resnet50-cifar10"]["checkpoints"]
    sparse = found["segmentation/lightning_logs/version_0"]
    assert [sparse["metrics"][key]["count"] for key in ("train_loss", "val_loss")] == [
        30,
        6,
    ]
    nested = found["transformer-ko-en"]
    assert "train/loss" in nested["metrics"]
    assert nested["hparams"]["tracker_api_key"] == "***"
    assert found["diffusion-64px"]["status"] == "empty"
    diverged = found["vit-lr-sweep/lr-0.01"]
    assert diverged["metrics"]["train_loss"]["last"] == "NaN"
    assert found["음성인식/한국어-기본모형"]["hparams"]["학습률"] == 0.0005


def test_a_tick_over_the_samples_tells_which_run_needs_a_person(tmp_path: Path):
    fresh = tmp_path / "samples"  # how old a clone is tells nothing
    shutil.copytree(SAMPLES, fresh, copy_function=shutil.copyfile)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "mlreport_batch", "run", str(fresh)),
            *("--out", str(tmp_path / "out"), "--json"),
        ],
        capture_output=True,
        check=True,
    )

    runs = {run["name"]: run for run in json.loads(done.stdout)["runs"]}
    told = {name: run["alerts"] for name, run in runs.items()}
    assert told.keys() == RUNS - {"diffusion-64px"}
    assert {name for name, alerts in told.items() if alerts} == {
        "vit-lr-sweep/lr-0.01",
        "detr-coco",
        "wav2vec-finetune",
        "llama-qlora",
    }
    statuses = {name: run["status"] for name, run in runs.items()}
    assert statuses["resnet50-cifar10"] == "finished"
    assert statuses["detr-coco"] == "failed"
    assert statuses["wav2vec-finetune"] == "killed"
    assert statuses["llama-qlora"] == "out_of_time"
    assert statuses["gan"] == "running"
    said = "\n".join(told["vit-lr-sweep/lr-0.01"])
    assert "NaN" in said
    assert "lr is 0.01, intended 0.001" in said
    assert "grad_clip" in said


def test_the_samples_readme_shows_quiet_and_stalled_runs(tmp_path: Path):
    text = (SAMPLES / "README.md").read_text(encoding="utf-8")
    block = text.partition("```sh\n")[2].partition("```")[0]
    program = f"{sys.executable} -m mlreport_batch"
    script = block.replace("mlreport-batch run", f"{program} run --json -q")
    shutil.copytree(SAMPLES, tmp_path / "sample_runs")
    done = subprocess.run(
        ["bash", "-ec", script], cwd=tmp_path, capture_output=True, check=True
    )
    first, second = map(json.loads, done.stdout.splitlines())
    statuses = {run["name"]: run["status"] for run in first["runs"]}
    assert statuses["gan"] == statuses["transformer-ko-en"] == "quiet"
    assert [(run["name"], run["status"]) for run in second["runs"]] == [
        ("gan", "stalled")
    ]
