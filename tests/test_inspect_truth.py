"""`inspect --json` against what the frameworks themselves held in memory.

Each case under tests/runs has a truth.json that was made without our program; its
keys ``optional``, ``bookkeeping``, ``tolerated``, ``part_of``, ``if_skipped`` and
``written`` name what may be read in two right ways.
"""

import json
import math
import struct
from pathlib import Path

import pytest

from mlreport_batch.cli import main

RUNS = Path(__file__).parent / "runs"
CASES = sorted(path.parent.name for path in RUNS.glob("*/truth.json"))

# Folders in which a framework left nothing that could be told.
NOTHING_TO_TELL = {"csv_empty", "tb_empty", "wandb_offline"}
# One report tells of all runs of a database, with their names before their metrics.
DATABASES = {"mlflow_sqlite"}
# Each environment's file is a log of its own; their names are told apart.
SEVERAL_LOGS = {"sb3_monitor_only"}


def number(value: object) -> object:
    names = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
    return names.get(value, value) if isinstance(value, str) else value


def float32(value: float) -> float:
    try:
        return struct.unpack("f", struct.pack("f", value))[0]
    except OverflowError:
        return math.copysign(math.inf, value)


def same(got: object, wanted: object) -> bool:
    got, wanted = number(got), number(wanted)
    if isinstance(wanted, str) and isinstance(got, float):
        wanted = float(wanted)  # "1e-4" is a number to everybody but YAML 1.1
    if isinstance(got, int | float) and isinstance(wanted, int | float):
        if math.isnan(got) or math.isnan(wanted):
            return math.isnan(got) and math.isnan(wanted)
        # SB3's CSV shortens float32; TensorBoard holds float32.
        return got == wanted or float32(got) == float32(wanted)
    return got == wanted


def inspected(path: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, dict]:
    assert main(["inspect", "--json", str(path / "tree")]) == 0
    runs = json.loads(capsys.readouterr().out)["runs"]
    return {str(Path(run["path"]).relative_to(path)): run for run in runs}


@pytest.mark.parametrize("case", CASES)
def test_inspect_agrees_with_the_framework(
    case: str, capsys: pytest.CaptureFixture[str]
):
    truth = json.loads((RUNS / case / "truth.json").read_text("utf-8"))
    got = inspected(RUNS / case, capsys)
    wanted = {
        str(Path(run["path"])): run for run in truth["runs"] if not run.get("part_of")
    }
    if case in DATABASES:
        check_database(got, truth["runs"])
        return
    parts = {run["part_of"] for run in truth["runs"] if run.get("part_of")}
    missing = set(wanted) - set(got)
    if case in NOTHING_TO_TELL:
        assert all(not wanted[path]["metrics"] for path in missing)
    else:
        assert not missing
    assert set(got) - set(wanted) <= parts
    for path in set(got) & set(wanted):
        check_run(case, got[path], wanted[path], is_whole=path not in parts)


def check_run(case: str, got: dict, wanted: dict, *, is_whole: bool) -> None:
    metrics = wanted.get("written") or wanted.get("if_skipped") or wanted["metrics"]
    tolerated = set(wanted.get("tolerated", ()))
    extra = set(wanted.get("optional", ())) | set(wanted.get("bookkeeping", ()))
    assert set(metrics) <= set(got["metrics"])
    if is_whole and case not in SEVERAL_LOGS:
        assert set(got["metrics"]) - set(metrics) <= extra
    for name in set(metrics) - tolerated:
        for key in ("count", "nans", "last", "last_step", "min", "max"):
            assert same(got["metrics"][name][key], metrics[name][key]), (name, key)
    for key, value in (wanted["hparams"] or {}).items():
        assert key in got["hparams"]
        assert same(got["hparams"][key], value), key
    maybe = set(wanted.get("optional_checkpoints", ())) | {"model-best", "model-last"}
    assert set(got["checkpoints"]) - maybe == set(wanted["checkpoints"]) - maybe
    assert all(set(each) == {"path", "line", "message"} for each in got["problems"])


def check_database(got: dict[str, dict], wanted: list[dict]) -> None:
    [run] = got.values()
    names = {f"{each['run_name']}/{m}" for each in wanted for m in each["metrics"]}
    assert set(run["metrics"]) == names
    for each in wanted:
        for name, summary in each["metrics"].items():
            found = run["metrics"][f"{each['run_name']}/{name}"]
            for key in ("count", "nans", "last", "last_step", "min", "max"):
                assert same(found[key], summary[key]), (name, key)


def test_there_are_cases():
    assert len(CASES) > 90
