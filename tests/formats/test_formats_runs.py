"""What real run directories say is what their frameworks knew in memory."""

import json
from pathlib import Path

import pytest

from formats_reading import found_runs, hparams_of, is_same, items_by_file, metrics_of
from mlreport_batch.formats import Outcome, Problem
from places import RUNS

# Cases that the discovery decides with the formats; test_inspect_truth.py has them.
TOGETHER = {
    "tb_tf2_keras",
    "tb_hparams",
    "tb_add_scalars",
    "mlflow_file",
}
CASES = sorted(
    path.parent.name
    for path in RUNS.glob("*/truth.json")
    if path.parent.name not in TOGETHER
)


FAULTY = ("csv_bad_utf8", "csv_nul_tail", "csv_ragged", "jsonl_odd", "tb_bad_crc")


def truth_of(case: str) -> list[dict]:
    return json.loads((RUNS / case / "truth.json").read_text("utf-8"))["runs"]


def run_items(case: str, wanted: dict) -> dict:
    tree = RUNS / case / "tree"
    found = found_runs(tree)
    for path in (wanted["path"], wanted.get("run_folder")):
        below = Path(RUNS / case / (path or "missing")).relative_to(RUNS / case)
        name = str(below.relative_to("tree")) if below.parts[0] == "tree" else "missing"
        if name in found:
            return items_by_file(found[name])
    assert not wanted["metrics"]
    assert not wanted["hparams"]
    return {}


def truth_metrics(wanted: dict) -> dict:
    """Return the metrics as they were meant, where the truth knows two readings."""
    return wanted.get("written") or wanted.get("if_skipped") or wanted["metrics"]


def wanted_runs(case: str) -> list[dict]:
    return truth_of(case)


@pytest.mark.parametrize("case", CASES)
def test_metrics_are_the_ones_the_framework_had_in_memory(case: str):
    for wanted in wanted_runs(case):
        files = run_items(case, wanted)
        metrics = metrics_of(item for items in files.values() for item in items)
        allowed = {*wanted["metrics"], *wanted.get("bookkeeping", ())}
        allowed |= set(wanted.get("optional", ()))
        tolerated = wanted.get("tolerated", {})
        if wanted["metrics"]:
            assert set(metrics) <= allowed
        for name, truth in truth_metrics(wanted).items():
            found = metrics[name]
            extra = tolerated.get(name, {}).get("count", 0)
            assert found.count in (truth["count"], truth["count"] + extra), name
            assert found.nans == truth["nans"], name
            assert is_same(found.last, truth["last"]), name
            assert is_same(found.last_step, truth["last_step"]), name
            assert is_same(found.low, truth["min"]), name
            assert is_same(found.high, truth["max"]), name


@pytest.mark.parametrize("case", CASES)
def test_hparams_are_the_ones_the_framework_was_given(case: str):
    for wanted in wanted_runs(case):
        files = run_items(case, wanted)
        found = hparams_of(item for items in files.values() for item in items)
        assert not set(wanted["hparams"]) - set(found)


@pytest.mark.parametrize("case", CASES)
def test_the_status_is_what_the_files_say(case: str):
    for wanted in wanted_runs(case):
        items = [item for items in run_items(case, wanted).values() for item in items]
        said = [item.status for item in items if isinstance(item, Outcome)]
        if wanted["status"] is None:
            assert not said
        elif said:
            told = {"interrupted": "killed"}.get(wanted["status"], wanted["status"])
            assert said == [told]


@pytest.mark.parametrize("case", CASES)
def test_sound_files_have_no_problems(case: str):
    for wanted in wanted_runs(case):
        items = [item for items in run_items(case, wanted).values() for item in items]
        problems = [item for item in items if isinstance(item, Problem)]
        assert not problems or case in FAULTY


@pytest.mark.parametrize(
    "name",
    [
        "d990b2a8ea6a42248a1a586745fb3f8c",
        "mlruns/452651994187752916/d990b2a8ea6a42248a1a586745fb3f8c",
    ],
)
def test_a_run_that_is_named_by_random_letters_keeps_its_name(
    name: str, tmp_path: Path
):
    run = tmp_path / name
    run.mkdir(parents=True)
    (run / "metrics.csv").write_text("step,loss\n1,0.5\n")
    [found] = found_runs(tmp_path).values()
    assert found.name == name


def test_secrets_in_names_of_runs_are_masked(tmp_path: Path):
    run = tmp_path / ("hf_" + "QwErTyUiOpAsDfGhJkLzXcVbNm")
    run.mkdir()
    (run / "metrics.csv").write_text("step,loss\n1,0.5\n")
    [found] = found_runs(tmp_path).values()
    assert found.name.startswith("***~")


def test_the_settings_that_accelerate_keeps_beside_its_events_belong_to_their_run(
    tmp_path: Path,
):
    """It makes one folder for ``hparams.yml`` and one for ``add_hparams``."""
    (tmp_path / "proj" / "1795698172.68177").mkdir(parents=True)
    (tmp_path / "proj" / "metrics.csv").write_text("step,loss\n1,0.5\n")
    hparams = tmp_path / "proj" / "1795698172.68177" / "hparams.yml"
    hparams.write_text("lr: 0.1\n")
    assert list(found_runs(tmp_path)) == ["proj"]
