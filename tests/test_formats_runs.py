"""What real run directories say is what their frameworks knew in memory."""

import json
from pathlib import Path

import pytest
from formats_reading import (
    RUNS,
    found_runs,
    hparams_of,
    is_same,
    items_by_file,
    metrics_of,
)

from mlreport_batch.errors import Problem

CASES = sorted(path.parent.name for path in RUNS.glob("*/truth.json"))


def truth_of(case: str) -> list[dict]:
    return json.loads((RUNS / case / "truth.json").read_text("utf-8"))["runs"]


def run_items(case: str, wanted: dict) -> dict:
    tree = RUNS / case / "tree"
    below = Path(RUNS / case / wanted["path"]).relative_to(tree)
    return items_by_file(found_runs(tree)["" if below == Path() else str(below)])


@pytest.mark.parametrize("case", CASES)
def test_runs_are_found_where_the_framework_put_them(case: str):
    tree = RUNS / case / "tree"
    wanted = {
        str(Path(RUNS / case / run["path"]).relative_to(tree)) for run in truth_of(case)
    }
    assert {path or "." for path in found_runs(tree)} == wanted


@pytest.mark.parametrize("case", CASES)
def test_metrics_are_the_ones_the_framework_had_in_memory(case: str):
    for wanted in truth_of(case):
        files = run_items(case, wanted)
        metrics = metrics_of(item for items in files.values() for item in items)
        allowed = {
            *wanted["metrics"],
            *wanted.get("bookkeeping", ()),
            *wanted.get("optional", ()),
        }
        if not wanted.get("per_file"):
            assert set(metrics) <= allowed
        for name, truth in wanted["metrics"].items():
            found = metrics[name]
            assert found.count == truth["count"], name
            assert found.nans == truth["nans"], name
            assert is_same(found.last, truth["last"]), name
            assert is_same(found.last_step, truth["last_step"]), name
            assert is_same(found.low, truth["min"]), name
            assert is_same(found.high, truth["max"]), name


@pytest.mark.parametrize("case", CASES)
def test_hparams_are_the_ones_the_framework_was_given(case: str):
    for wanted in truth_of(case):
        files = run_items(case, wanted)
        found = hparams_of(item for items in files.values() for item in items)
        missing = set(wanted["hparams"]) - set(found)
        assert not missing


@pytest.mark.parametrize("case", CASES)
def test_sound_files_have_no_problems(case: str):
    for wanted in truth_of(case):
        problems = [
            item
            for items in run_items(case, wanted).values()
            for item in items
            if isinstance(item, Problem)
        ]
        assert not problems or wanted.get("problems")
