"""`inspect --json` against what the frameworks themselves held in memory.

Each case under tests/runs has a truth.json that was made without our program; its
keys ``optional``, ``bookkeeping``, ``tolerated``, ``part_of``, ``if_skipped`` and
``written`` name what may be read in two right ways.
"""

import json
from pathlib import Path

import pytest

from mlreport_batch.cli import main
from places import RUNS
from truth import check_run

CASES = sorted(path.parent.name for path in RUNS.glob("*/truth.json"))

# Folders in which a framework left nothing that could be told.
NOTHING_TO_TELL = {"csv_empty", "tb_empty", "wandb_offline"}


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
    parts = {run["part_of"] for run in truth["runs"] if run.get("part_of")}
    missing = set(wanted) - set(got)
    if case in NOTHING_TO_TELL:
        assert all(not wanted[path]["metrics"] for path in missing)
    else:
        assert not missing
    assert set(got) - set(wanted) <= parts
    for path in set(got) & set(wanted):
        check_run(case, got[path], wanted[path], is_whole=path not in parts)


def test_there_are_cases():
    assert len(CASES) > 90
