"""A run's files are read once, in order, and half a file is no news."""

import gzip
import json
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from mlreport_batch.find import tail
from mlreport_batch.find.listing import walk
from mlreport_batch.find.runs import RunDir, group_runs
from mlreport_batch.formats import Problem, ProblemKind
from mlreport_batch.read import log as logs
from mlreport_batch.read.collect import REVISION, LogState
from mlreport_batch.read.log import look_again_at
from mlreport_batch.read.run import RunState, read_run
from mlreport_batch.report.view import RunView, view_of
from mlreport_batch.safety.contents import DOCUMENT_MAX
from mlreport_batch.safety.files import Signature
from places import RUNS

HOUR_NS = 3600 * 10**9


class Training:
    """A run directory, read again and again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now_ns = time.time_ns()
        self.state: RunState | None = None

    def put(self, name: str, text: str, *, age_s: float = 60, mode: str = "w") -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open(mode) as file:
            file.write(text)
        at = self.now_ns - int(age_s * 1e9)
        os.utime(path, ns=(at, at))
        return path

    def run(self) -> RunDir:
        root = str(self.folder)
        [run] = group_runs(walk(root, root=root), root)
        return run

    def read(self, run: RunDir | None = None) -> RunView:
        run = run or self.run()
        self.state = read_run(run, self.state, now_ns=self.now_ns)
        return view_of(self.state)

    def fresh(self) -> RunView:
        return view_of(read_run(self.run(), None, now_ns=self.now_ns))

    def log(self, name: str) -> LogState:
        assert self.state is not None
        return self.state.logs[name]


@pytest.fixture
def training(tmp_path: Path) -> Iterator[Training]:
    return Training(tmp_path)


def trainer_state(steps: int) -> str:
    history = [{"loss": 1 / step, "step": step} for step in range(1, steps + 1)]
    return json.dumps({"log_history": history, "global_step": steps, "max_steps": 9})


def test_rows_without_any_number_are_said_until_there_is_one(training: Training):
    training.put("metrics.csv", "step,loss,note\n")
    assert training.read().problems == ()
    training.put("metrics.csv", "1,,a\n2,NA,b\n", mode="a")
    (problem,) = training.read().problems
    assert problem.message == "rows, but no column of numbers"
    assert training.fresh().problems == (problem,)
    training.put("metrics.csv", "3,0.5,c\n", mode="a")
    view = training.read()
    assert view.problems == ()
    assert view.metrics["loss"].count == 1


def test_a_log_of_wandb_that_is_too_large_is_a_run_that_says_so(training: Training):
    name = "wandb/run-20260101_000000-abc/run-abc.wandb"
    path = training.put(name, ":W&B\0\0\0")
    os.truncate(path, DOCUMENT_MAX + 1)
    view = training.read()
    (problem,) = view.problems
    assert "larger than 64 MiB" in problem.message
    assert not view.metrics
    summary = f"{name.rpartition('/')[0]}/files/wandb-summary.json"
    training.put(summary, '{"_step": 9, "loss": 0.5}')
    view = training.read()
    assert view.problems == (problem,)
    assert view.metrics["loss"].last_step == 9


def test_half_a_document_leaves_what_it_said_before(training: Training):
    training.put("trainer_state.json", trainer_state(3))
    assert training.read().metrics["loss"].count == 3
    whole = trainer_state(5)
    training.put("trainer_state.json", whole[:80], age_s=0)
    view = training.read()
    assert view.metrics["loss"].count == 3
    assert view.problems == ()
    now = training.now_ns / 1e9
    wake_at = look_again_at(training.log("trainer_state.json"), now)
    assert wake_at is not None
    assert 3500 < wake_at - now <= 3601
    training.now_ns = int(wake_at * 1e9)  # its writer may live: it was written later
    assert training.read().problems == ()
    wake_at = look_again_at(training.log("trainer_state.json"), wake_at)
    assert wake_at is not None
    training.now_ns += HOUR_NS
    view = training.read()
    assert view.metrics["loss"].count == 3
    [problem] = view.problems
    assert "ends in the middle" in problem.message
    training.put("trainer_state.json", whole)
    view = training.read()
    assert view.metrics["loss"].count == 5
    assert view.problems == ()


def test_an_empty_document_is_waited_for(training: Training):
    training.put("metrics.csv", "step,loss\n1,1\n")
    training.put("hparams.yaml", "")
    assert training.read().problems == ()


def test_a_document_that_is_too_large_is_named_and_tried_again(training: Training):
    path = training.put("trainer_state.json", trainer_state(2))
    training.read()
    os.truncate(path, DOCUMENT_MAX + 1)
    view = training.read()
    assert view.metrics["loss"].count == 2
    [problem] = view.problems
    assert "64 MiB" in problem.message
    at = look_again_at(training.log("trainer_state.json"), 7300.0)
    assert at == 10800.0


def test_a_file_that_vanished_after_it_was_listed_is_no_problem(training: Training):
    path = training.put("metrics.csv", "step,loss\n1,1\n")
    run = training.run()
    path.unlink()
    assert training.read(run).problems == ()
    path = training.put("metrics.csv", "step,loss\n1,1\n")
    training.read()
    training.put("metrics.csv", "step,loss\n1,1\n2,1\n")
    run = training.run()
    path.unlink()
    assert training.read(run).metrics["loss"].count == 1


def test_problems_are_counted_beyond_twenty(training: Training):
    rows = "".join(f"{number},1,2,3\n" * 2 for number in range(40))
    training.put("train.jsonl", '{"step": 1, "loss": 1}\n' + "{bad\n" * 50)
    training.put("metrics.csv", "step,acc\n" + rows)
    view = training.read()
    assert all("\n" not in str(problem) for problem in view.problems)
    assert len(training.log("train.jsonl").problems) <= logs.PROBLEMS_MAX
    assert view.problems == training.fresh().problems


def test_a_line_that_is_too_long_is_named(training: Training):
    text = '{"step": 1, "loss": 1}\n{"x": "' + "y" * (2 << 20) + '"}\n'
    training.put("log.jsonl", text + '{"step": 2, "loss": 2}\n')
    view = training.read()
    assert view.metrics["loss"].count == 2
    assert [problem.line for problem in view.problems] == [2]


def test_a_backlog_beyond_the_limit_is_read_at_once_next_time(
    training: Training, monkeypatch: pytest.MonkeyPatch
):
    rows = "".join(f"{number},1\n" for number in range(3000))
    training.put("metrics.csv", "step,loss\n" + rows)
    monkeypatch.setattr(tail, "TICK_MAX", 8000)
    monkeypatch.setattr(tail.LogReader.chunks, "__defaults__", (4000,))
    view = training.read()
    count = view.metrics["loss"].count
    assert 0 < count < 3000
    assert "rest comes next" in view.problems[0].message
    assert look_again_at(training.log("metrics.csv"), 5.0) == 0.0
    monkeypatch.setattr(tail, "TICK_MAX", 1 << 30)
    view = training.read()
    assert view.metrics["loss"].count == 3000
    assert view.problems == ()


def test_restarts_are_remembered_when_a_step_goes_back(training: Training):
    training.put("metrics.csv", "step,loss\n1,1\n2,1\n3,1\n")
    training.read()
    training.put("metrics.csv", "step,loss\n1,1\n")
    assert training.read().restarts == 1
    training.put("metrics.csv", "2,1\n3,1\n2,1\n", mode="a")
    view = training.read()
    assert view.restarts == 1
    assert view.orphans == 2
    assert view.metrics["loss"].count == 2


def test_what_belongs_to_nobodys_format_is_left_alone(training: Training):
    training.put("metrics.csv", "step,loss\n1,1\n")
    training.put("data.txt", "hello\n")
    assert "data.txt" not in (training.read() and training.state).logs  # type: ignore[union-attr]


def test_series_of_files_go_on_and_are_overtaken_by_the_next(training: Training):
    for epoch in range(3):
        content = {"epoch": epoch, "training_loss": 1.0 - epoch / 10}
        training.put(f"metrics_epoch_{epoch}.json", json.dumps(content))
    first = training.read()
    training.put("metrics_epoch_3.json", json.dumps({"epoch": 3, "training_loss": 0.5}))
    view = training.read()
    assert {n: m.count for n, m in view.metrics.items()} == {
        n: m.count + 1 for n, m in first.metrics.items()
    }
    assert repr(view.metrics) == repr(training.fresh().metrics)


def mmcv_rows(epochs: Iterable[int]) -> list[str]:
    rows: list[str] = []
    for epoch in epochs:
        for batch in (50, 100, 150):
            row = {"mode": "train", "epoch": epoch, "iter": batch, "loss": 9 - epoch}
            rows.append(json.dumps(row) + "\n")
        row = {"mode": "val", "epoch": epoch, "iter": 800, "mAP": epoch / 10}
        rows.append(json.dumps(row) + "\n")
    return rows


@pytest.mark.parametrize("resumed", [1, 2, 3])
def test_a_log_named_by_the_time_goes_on_from_the_one_before(
    training: Training, resumed: int
):
    """mmcv begins another log at each resume, here of epochs 1 and 2."""
    name = "2026010{}_000000.log.json"
    training.put(name.format(1), "".join(mmcv_rows((1, 2))))
    assert training.read().metrics["train/loss"].last_step == 300
    rows = mmcv_rows(range(resumed, 5))
    for row in rows:
        training.put(name.format(2), row, mode="a")
        view = training.read()
    found = {n: (m.count, m.last, m.last_step) for n, m in view.metrics.items()}
    assert found["train/loss"] == (12, 5, 600)
    assert found["val/mAP"][1:] == (0.4, 600)
    assert repr(view.metrics) == repr(training.fresh().metrics)


def test_rows_without_steps_are_counted_on_where_a_log_is_moved_away(
    training: Training,
):
    training.put("metrics.jsonl.2", '{"loss": 4}\n')
    training.put("metrics.jsonl.1", '{"loss": 3}\n{"loss": 2}\n')
    training.put("metrics.jsonl", '{"loss": 1}\n')
    loss = training.read().metrics["loss"]
    assert (loss.count, loss.last, loss.last_step, loss.high_step) == (4, 1, 3, 0)


@pytest.mark.parametrize("form", ["jsonl", "csv", "log"])
@pytest.mark.parametrize("packed", ["", ".gz"])
def test_a_log_that_is_moved_away_in_turns_goes_on(
    training: Training, form: str, packed: str
):
    """As logrotate and Python's RotatingFileHandler do, which may pack what is old."""
    header = "step,loss\n" if form == "csv" else ""
    row = {
        "jsonl": '{{"step": {}, "loss": {}}}\n',
        "csv": "{},{}\n",
        "log": "step {} | loss {}\n",
    }[form]
    name = f"train_log.{form}"
    training.put(name, header + row.format(1, 0.1) + row.format(2, 0.5))
    assert training.read().metrics["loss"].low == 0.1
    path = training.folder / name
    for turn in (1, 2):
        for older in range(turn, 0, -1):
            before = (
                path if older == 1 else path.with_name(f"{name}.{older - 1}{packed}")
            )
            after = path.with_name(f"{name}.{older}{packed}")
            data = before.read_bytes()
            is_new = packed and before == path
            after.write_bytes(gzip.compress(data) if is_new else data)
        training.put(
            name, header + row.format(2 * turn + 1, 0.4) + row.format(2 * turn + 2, 0.3)
        )
        view = training.read()
        loss = view.metrics["loss"]
        assert (loss.count, loss.low, loss.low_step) == (2 * turn + 2, 0.1, 1)
        assert loss.last_step == 2 * turn + 2
        assert list(view.metrics) == ["loss"]
        assert view.orphans == 0
        assert repr(view.metrics) == repr(training.fresh().metrics)


def test_a_log_is_read_anew_where_an_earlier_one_comes_to_light(training: Training):
    name = "2026010{}_000000.log.json"
    training.put(name.format(2), "".join(mmcv_rows((3,))))
    training.read()
    training.put(name.format(1), "".join(mmcv_rows((1, 2))))
    assert training.read().metrics["train/loss"].last_step == 450
    assert training.read().metrics["train/loss"].count == 9


def test_logs_that_an_earlier_version_took_for_two_are_read_as_one(training: Training):
    for at in (1, 2):
        rows = "".join(mmcv_rows((at,)))
        training.put(f"2026010{at}_000000.log.json", rows)
    reading = logs.Reading(training.now_ns)
    settled = [
        replace(file, signature=replace(file.signature, ctime_ns=1))
        for file in training.run().files
    ]
    known = {}
    for file in settled:
        [log] = logs.read_series([file], {}, reading).values()
        known[file.path] = replace(log, signature=file.signature)
    found = logs.read_series(settled, known, reading)
    last = found[settled[-1].path]
    assert last.metrics["train/loss"].count == 6
    assert logs.read_series(settled, found, reading) == found


def test_strings_and_integers_can_be_kept(training: Training):
    training.put("metrics.csv", "step,loss\n1,1\n")
    training.put(
        "hparams.json",
        '{"s": "a\\ud800b", "big": 123456789012345678901234567890, "k\\udfff": 1}',
    )
    hparams = training.read().hparams
    assert hparams["s"] == "a?b"
    for key, value in hparams.items():
        key.encode()
        str(value).encode()
    assert not any(
        isinstance(value, int) and value >= 1 << 64 for value in hparams.values()
    )


def test_a_log_that_holds_nothing_new_is_not_opened(
    training: Training, monkeypatch: pytest.MonkeyPatch
):
    training.put("metrics.csv", "step,loss\n1,1\n")
    run = training.run()
    files = tuple(
        replace(f, signature=replace(f.signature, ctime_ns=1)) for f in run.files
    )
    run = replace(run, files=files)
    training.read(run)
    assert training.state is not None
    known = {
        path: replace(log, signature=files[0].signature)
        for path, log in training.state.logs.items()
    }
    training.state = replace(training.state, logs=known)
    monkeypatch.setattr(tail, "open_unpacked", pytest.fail)
    assert training.read(run).metrics["loss"].count == 1


def test_a_held_log_is_looked_at_soon_and_an_open_line_in_an_hour(training: Training):
    training.put("metrics.csv", "step,loss\n1,1\n2,1\n3,")
    training.read()
    now = training.now_ns / 1e9
    at = look_again_at(training.log("metrics.csv"), now)
    assert at == pytest.approx(now + 3600 - 60 + 1)
    assert look_again_at(training.log("metrics.csv"), now + 4000) is None
    training.put("metrics.csv", "step,loss\n", age_s=0)
    assert training.read().metrics["loss"].count == 2
    assert look_again_at(training.log("metrics.csv"), now) == now + 2
    training.now_ns += 3 * 10**9
    assert training.read().metrics == {}
    assert look_again_at(training.log("metrics.csv"), now) is None


def test_a_log_that_is_never_quiet_is_believed_once_it_only_grew(training: Training):
    training.put("metrics.csv", "step,loss\n" + "1,1\n" * 9)
    training.read()
    text = "step,loss\n"
    counts = []
    for step in range(1, 6):
        training.now_ns += 10**9
        text += f"{step},7\n"
        training.put("metrics.csv", text, age_s=0)
        counts.append(training.read().metrics["loss"].count)
    assert counts[:2] == [9, 9]
    assert counts[-1] == 5


def test_a_log_that_is_emptied_twice_is_not_believed_to_be_empty(training: Training):
    training.put("metrics.csv", "step,loss\n1,1\n2,1\n")
    run = training.run()
    training.read(run)
    for _ in range(2):
        training.now_ns += 2 * 10**9
        path = training.put("metrics.csv", "", age_s=0.5)
        signature = Signature.of(path.stat())
        run = replace(run, files=(replace(run.files[0], signature=signature),))
        assert training.read(run).metrics["loss"].count == 2


@pytest.mark.parametrize("case", ["tb_restart", "tb_purge", "keras_append"])
def test_orphans_of_a_series_are_counted_once(case: str):
    source = RUNS / case
    [truth] = json.loads((source / "truth.json").read_text())["runs"]
    root = str(source / truth["path"])
    [run] = group_runs(walk(root, root=root), root)
    wanted = sum(metric.get("orphans", 0) for metric in truth["metrics"].values())
    assert view_of(read_run(run, None)).orphans == wanted > 0


def test_metrics_that_are_left_out_for_their_names_are_said_once(training: Training):
    rows = "step,loss,db_password\n1,0.5,3\n"
    training.put("metrics.csv", rows)
    told = "1 metric is left out, as its name looks like that of a secret (db_password)"
    for more in ("", "2,x;y,4\n", "3,0.4,5\n"):
        rows += more
        training.put("metrics.csv", rows)
        problems = training.read().problems
        assert [p.message for p in problems if "left out, as" in p.message] == [told]
    assert len(problems) == 2
    assert "db_password" not in training.log("metrics.csv").metrics


def test_names_that_come_later_are_said_with_those_before(training: Training):
    lines = ['{"step": 1, "loss": 0.5, "api_key": 3}']
    for number in range(12):
        training.put("metrics.jsonl", "\n".join(lines) + "\n")
        training.read()
        lines.append(f'{{"step": {number + 2}, "x": 1, "v{number:02}_password": 3}}')
        lines.append(f'{{"step": {number + 2}, "loss": "y{number}"}} x')
    [problem, *_] = training.read().problems
    assert problem.message == (
        "12 metrics are left out, as their names look like those of secrets (api_key, "
        + ", ".join(f"v{n:02}_password" for n in range(9))
        + ", …)"
    )
    assert training.fresh().problems == training.read().problems


def test_results_that_are_left_out_for_their_names_are_said(training: Training):
    training.put("eval_results.json", '{"acc": 0.5, "api_key": 73912846}')
    [problem] = training.read().problems
    assert problem.message.endswith("looks like that of a secret (api_key)")


def test_what_an_earlier_revision_could_not_read_is_read_anew(training: Training):
    training.put("metrics.csv", "step,loss\n1,0.5\n2,x;y;z\n")
    [problem] = training.read().problems
    earlier = replace(
        training.log("metrics.csv"),
        revision=0,
        problems=(replace(problem, message="cannot be read: as it once was told"),),
    )
    assert training.state is not None
    training.state = replace(training.state, logs={"metrics.csv": earlier})
    assert training.read().problems == (problem,)
    assert training.log("metrics.csv").revision == REVISION


def test_what_an_earlier_revision_read_well_is_not_read_again(
    training: Training, monkeypatch: pytest.MonkeyPatch
):
    training.put("metrics.csv", "step,loss\n1,0.5\n")
    run = training.run()
    [file] = run.files
    settled = replace(file, signature=replace(file.signature, ctime_ns=1))
    run = replace(run, files=(settled,))
    training.read(run)
    log = training.log("metrics.csv")
    earlier = replace(log, revision=0, signature=settled.signature)
    assert training.state is not None
    training.state = replace(training.state, logs={"metrics.csv": earlier})
    monkeypatch.setattr(tail, "open_unpacked", pytest.fail)
    training.read(run)
    assert training.log("metrics.csv").revision == 0


def unreadable(training: Training, name: str) -> RunDir:
    """Return the run with a file that can be listed and not opened."""
    run = training.run()
    files = tuple(
        replace(file, full_path=f"{training.folder}/none/{name}")
        if file.path == name
        else file
        for file in run.files
    )
    (training.folder / "none").mkdir(exist_ok=True)
    (training.folder / "none" / name).mkdir(exist_ok=True)
    return replace(run, files=files)


def test_what_an_earlier_revision_read_is_kept_while_its_file_cannot_be_read(
    training: Training,
):
    training.put("metrics.csv", "step,loss\n1,0.5\n2,0.25\n")
    training.read()
    earlier = replace(training.log("metrics.csv"), revision=0, restarts=2)
    assert training.state is not None
    training.state = replace(training.state, logs={"metrics.csv": earlier})
    for _ in range(3):
        view = training.read(unreadable(training, "metrics.csv"))
        assert view.metrics["loss"].count == 2
        assert [problem.kind for problem in view.problems] == [ProblemKind.unreadable]
    view = training.read()
    assert view.metrics["loss"].count == 2
    assert (view.problems, view.restarts) == ((), 2)


def test_half_a_document_of_an_earlier_revision_leaves_what_it_said(
    training: Training,
):
    training.put("trainer_state.json", trainer_state(3))
    training.read()
    problem = Problem("trainer_state.json", None, "of an earlier revision")
    earlier = replace(
        training.log("trainer_state.json"), revision=0, problems=(problem,)
    )
    assert training.state is not None
    training.state = replace(training.state, logs={"trainer_state.json": earlier})
    training.put("trainer_state.json", trainer_state(5)[:80], age_s=0)
    assert training.read().metrics["loss"].count == 3
    training.now_ns += 2 * HOUR_NS
    assert training.read().metrics["loss"].count == 3


@pytest.mark.parametrize("rows_at_once", [1, 2, 8])
def test_a_log_taken_for_another_is_read_anew(tmp_path: Path, rows_at_once: int):
    """Lengths of episodes look like a count until one is shorter than the last."""
    lengths = [150, 180, 200, 90, 150, 80, 300, 10]
    training = Training(tmp_path / "run")
    training.put("training_log.csv", "episode,reward,steps\n")
    for start in range(0, len(lengths), rows_at_once):
        rows = [
            f"{episode},{episode / 10},{lengths[episode - 1]}\n"
            for episode in range(start + 1, start + rows_at_once + 1)
        ]
        training.put("training_log.csv", "".join(rows), mode="a")
        found = training.read()
    reward = found.metrics["reward"]
    assert (reward.count, reward.last, reward.last_step) == (8, 0.8, 8)
    assert found.orphans == 0
    assert found == training.fresh()


@pytest.mark.parametrize("rows_at_once", [1, 2, 6])
def test_rows_that_are_not_in_order_overtake_nothing(tmp_path: Path, rows_at_once: int):
    steps = [1000, 500, 2000, 1500, 3000, 2500]
    training = Training(tmp_path / "run")
    training.put("eval_log.csv", "step,eval_acc\n")
    for start in range(0, len(steps), rows_at_once):
        rows = [f"{s},{s / 10000}\n" for s in steps[start : start + rows_at_once]]
        training.put("eval_log.csv", "".join(rows), mode="a")
        found = training.read()
    accuracy = found.metrics["eval_acc"]
    assert (accuracy.count, accuracy.last, accuracy.last_step) == (6, 0.3, 3000)
    assert [step for step, _, _ in accuracy.curve.points()] == sorted(steps)
    assert found.orphans == 0


def test_a_resume_overtakes_what_it_has_not_reached_yet(tmp_path: Path):
    training = Training(tmp_path / "run")
    rows = [f"{step},{step}\n" for step in (*range(0, 60, 10), 30, 40)]
    training.put("log.csv", "step,loss\n" + "".join(rows))
    found = training.read()
    assert (found.metrics["loss"].count, found.orphans) == (5, 3)
    assert found.metrics["loss"].last_step == 40
