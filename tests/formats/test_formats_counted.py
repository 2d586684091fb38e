"""Steps under names that nobody listed, and clocks under any name."""

import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from formats_reading import candidate, claim, found_runs, parse, points, problems, read
from mlreport_batch.formats.kit.bookkeeping import is_bookkeeping, step_rank
from mlreport_batch.formats.registry import by_name, recognise
from mlreport_batch.read.run import RunState, read_run

KNOWN = (
    "env_steps training_step train/step frame timestep timesteps current_step epoch_id "
    "epoch_idx epoch_num iter_num episodes n_iter TrainStep env/frames epoch_no "
    "에폭 에포크 스텝 단계 step_count optimizer_step time_step"
).split()
UNKNOWN = [
    "n_updates", "num_steps", "interactions", "tokens_seen", "samples", "x",
    "TotalSteps", "진행", "rollouts", "n", "id_of_update",
]  # fmt: skip


def table(names: list[str], rows: list[list[object]]) -> str:
    return "".join(",".join(map(str, row)) + "\n" for row in [names, *rows])


@pytest.mark.parametrize("name", [*KNOWN, *UNKNOWN])
def test_a_count_under_any_name_is_the_step_and_no_metric(name: str):
    data = table([name, "loss"], [[10, 0.5], [20, 0.4], [30, 0.3]])
    form, _ = claim("run/log.csv", data)
    wanted = {"loss": [(10, 0.5), (20, 0.4), (30, 0.3)]}
    assert points(read(form, data)) == wanted
    rows = [{name: at, "loss": value} for at, value in wanted["loss"]]
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    form, _ = claim("run/log.jsonl", lines)
    assert points(read(form, lines)) == wanted


@pytest.mark.parametrize("name", KNOWN)
def test_a_count_with_a_telling_name_needs_one_row(name: str):
    data = table([name, "loss"], [[10, 0.5]])
    assert points(read(claim("run/log.csv", data)[0], data)) == {"loss": [(10, 0.5)]}


CLOCKS = (
    "seconds,time_s,elapsed,duration_min,duration,Time (s),elapsed [s],wall_time,"
    "WallTime,total_time,runtime,run_time,start_time,elapsed_hours,time_ms,시간,"
    "경과 시간,소요시간(초),minutes,secs,date,cumulative_seconds,epoch_end_ts,"
    "log_timestamp,step_ts"
).split(",")
MEASURED = (
    "step_time epoch_time timers/step time/fps seconds_per_step sec_per_it min_time "
    "time/step train_runtime inference_time s ms min time_to_target loss_min"
).split()


@pytest.mark.parametrize("name", CLOCKS)
def test_a_clock_under_any_name_is_no_metric(name: str):
    assert is_bookkeeping(name)
    data = table(["epoch", name, "loss"], [[1, 17, 0.5], [2, 31, 0.4]])
    assert points(read("csv", data)) == {"loss": [(1, 0.5), (2, 0.4)]}


@pytest.mark.parametrize("name", MEASURED)
def test_what_something_takes_is_measured(name: str):
    assert not is_bookkeeping(name)


def test_what_is_planned_does_not_count():
    for name in ("num_steps", "total_epochs", "train_epochs", "max_steps", "step_size"):
        assert step_rank(name) is None
    assert step_rank("step") < step_rank("env_steps") < step_rank("epoch")
    assert step_rank("epoch") < step_rank("epoch_idx") < step_rank("batch")


@given(
    names=st.permutations(["count", "loss", "other", "seconds"]),
    steps=st.lists(st.integers(1, 50), min_size=2, max_size=20),
    others=st.lists(st.integers(0, 9), min_size=20, max_size=20),
    cuts=st.lists(st.integers(0, 900), max_size=4),
)
def test_the_first_column_that_rises_in_every_row_counts(
    names: list[str], steps: list[int], others: list[int], cuts: list[int]
):
    at, rows, rising = 0, [], []
    for number, (step, other) in enumerate(zip(steps, others, strict=False)):
        at += step
        rising.append(other)
        row = {"count": at, "loss": at / 7, "other": other, "seconds": number}
        rows.append([row[name] for name in names])
    data = table(names, rows)
    form, _ = claim("run/log.csv", data)
    is_other = all(a < b for a, b in pairwise(rising))
    first = "other" if is_other and names.index("other") < names.index("count") else ""
    found = points(parse(by_name()[form], data.encode(), cuts_in(data, cuts)))
    column = names.index(first or "count")
    assert found["loss"] == [(row[column], row[names.index("loss")]) for row in rows]
    assert found.keys() == {"loss", "count" if first else "other"}
    assert not problems(read(form, data))


def cuts_in(data: str, cuts: list[int]) -> list[int]:
    return [cut % (len(data.encode()) + 1) for cut in cuts]


@pytest.mark.parametrize(
    "rows",
    [
        [[10, 0.5]],
        [[10, 0.5], [10, 0.4]],
        [[10, 0.5], [20, 0.4], [15, 0.3]],
        [[10, 0.5], [20.5, 0.4]],
        [[10, 0.5], ["", 0.4]],
        [[-10, 0.5], [20, 0.4]],
        [[1700000000, 0.5], [1700000060, 0.4]],
        [[1700000000123, 0.5], [1700000060456, 0.4]],
    ],
)
def test_a_column_that_does_not_rise_in_every_row_is_a_metric(rows: list[list[float]]):
    data = table(["x", "loss"], rows)
    assert claim("run/log.csv", data)[0] == "csv"
    lines = "".join(f'{{"x": {x or "null"}, "loss": {y}}}\n' for x, y in rows)
    assert claim("run/log.jsonl", lines)[0] == "json_lines"


def test_a_resume_goes_back_and_still_counts():
    counts = [10, 20, 30, 40, 30, 40, 50]
    data = table(["x", "loss"], [[at, 1 / at] for at in counts])
    form, _ = claim("run/log.csv", data)
    assert [step for step, _ in points(read(form, data))["loss"]] == counts


def test_a_known_step_and_a_measure_leave_the_others_alone():
    rows = [[1, 10, 0.5], [2, 20, 0.4]]
    data = table(["x", "epoch", "loss"], rows)
    assert claim("run/log.csv", data)[0] == "csv"
    data = table(["reward", "x", "loss"], rows)
    found = points(read(claim("run/log.csv", data)[0], data))
    assert found["reward"] == [(10, 1), (20, 2)]


def test_rows_of_samples_are_still_no_log():
    data = table(["image_id", "loss"], [[1, 0.5], [2, 0.4], [3, 0.4]])
    assert claim("run/x.csv", data) is None
    data = table(["interactions", "loss"], [[1, 0.5], [2, 0.4], [3, 0.4]])
    assert claim("run/x.csv", data)[0] == "csv_counted_1"
    for name, wanted in (("tokens", "lines_counted"), ("sample_id", None)):
        lines = "".join(f'{{"{name}": {at}, "loss": 0.5}}\n' for at in (1, 2, 3))
        found = claim("data/x.jsonl", lines)
        assert (found and found[0]) == wanted
    data = table(["model", "params", "test_loss"], [["a", 1, 0.5], ["b", 2, 0.4]])
    assert claim("run/results_log.csv", data) is None
    data = table(["row", "price"], [[1, 0.5], [2, 0.4], [3, 0.4]])
    assert claim("run/x.csv", data) is None


def test_the_rows_of_a_counted_log_can_be_read_in_bulk():
    layout = by_name()["csv_counted_2"].bulk_layout(b"a,b,loss")
    assert (layout.step, [name for _, name in layout.metrics]) == (1, ["a", "loss"])
    assert by_name()["csv_counted_2"].bulk_layout(b"a,epoch,loss").step == 1
    assert by_name()["csv_counted_2"].bulk_layout(b"loss").step is None


def test_a_log_becomes_a_counted_one_by_its_second_row_and_is_no_longer_one_later():
    first = table(["x", "loss"], [[10, 0.5]]).encode()
    second, back = first + b"20,0.4\n", first + b"20,0.4\n5,0.3\n"
    for known, data, wanted in (
        ("csv", first, "csv"),
        ("csv", second, "csv_counted_1"),
        ("csv_counted_1", second, "csv_counted_1"),
        ("csv_counted_1", back, "csv"),
    ):
        found = recognise(candidate("run/log.csv", data), known)
        assert found is not None
        assert found[0].name == wanted


def test_a_counted_log_says_after_each_tick_what_a_first_reading_says(tmp_path: Path):
    path = tmp_path / "run" / "log.csv"
    path.parent.mkdir()
    before: RunState | None = None
    text = "x,other,loss\n"
    for at in range(1, 30):
        text += f"{10 * at},{at % 3},{1 / at}\n"
        path.write_text(text)
        run = found_runs(tmp_path)["run"]
        before = read_run(run, before, now_ns=4 * 10**18)
        fresh = read_run(run, None, now_ns=4 * 10**18)
        assert before.logs["log.csv"].metrics == fresh.logs["log.csv"].metrics
        assert ("x" in before.logs["log.csv"].metrics) == (at == 1)
    assert before is not None
    assert before.logs["log.csv"].metrics["loss"].last_step == 290
