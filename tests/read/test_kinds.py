"""Kinds of logs that were once read wrong without a word, whatever they are called."""

import json
import tempfile
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from lengths import examples
from mlreport_batch.find.listing import walk
from mlreport_batch.find.runs import group_runs
from mlreport_batch.read.run import read_run
from mlreport_batch.report.view import RunView, view_of

NOW_NS = 2_000_000_000 * 10**9


def looked_at(files: dict[str, str]) -> RunView:
    """Return what is read of one run with these *files*."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "root"
        for name, text in files.items():
            path = root / "run" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        runs = group_runs(walk(str(root), root=str(root)), str(root))
        [run] = (run for run in runs if run.name == "run")
        return view_of(read_run(run, None, now_ns=NOW_NS))


OUTER = st.sampled_from(
    "epoch epoch_num ep epoch_idx cur_epoch train/epoch Epoch 에폭 stage task episode "
    "round".split()
)
INNER = st.sampled_from(
    ["step", "it", "batch_idx", "iter", "global step", "batch", "스텝"]
)


def as_file(form: str, names: list[str], rows: list[list[float]]) -> dict[str, str]:
    if form == "csv":
        lines = [",".join(names), *(",".join(map(repr, row)) for row in rows)]
        return {"train_log.csv": "\n".join(lines) + "\n"}
    lines = [json.dumps(dict(zip(names, row, strict=True))) for row in rows]
    return {"train_log.jsonl": "\n".join(lines) + "\n"}


@example(
    outer="episode", inner="step", lengths=[3, 3], first=1, form="csv", flipped=False
)
@given(
    outer=OUTER,
    inner=INNER,
    lengths=st.lists(st.integers(1, 5), min_size=2, max_size=4),
    first=st.sampled_from([0, 1]),
    form=st.sampled_from(["csv", "jsonl"]),
    flipped=st.booleans(),
)
@settings(max_examples=examples(60), deadline=None)
def test_steps_that_begin_again_overtake_nothing(
    outer: str, inner: str, lengths: list[int], first: int, form: str, flipped: bool
):
    names = [inner, outer] if flipped else [outer, inner]
    rows = []
    for epoch, length in enumerate(lengths, first):
        for step in range(length):
            counts = [step, epoch] if flipped else [epoch, step]
            rows.append([*counts, 1 / (1 + len(rows))])
    view = looked_at(as_file(form, [*names, "loss"], rows))
    assert view.metrics["loss"].count == len(rows)
    assert view.orphans == 0


@given(
    lengths=st.lists(st.integers(1, 30), min_size=2, max_size=12),
    names=st.sampled_from(
        [("episode", "steps"), ("episode", "length"), ("ep", "steps")]
    ),
    form=st.sampled_from(["csv", "jsonl"]),
)
@settings(max_examples=examples(40), deadline=None)
def test_how_long_an_episode_was_is_no_step(
    lengths: list[int], names: tuple[str, str], form: str
):
    rows = [[at, length, at / 2] for at, length in enumerate(lengths, 1)]
    view = looked_at(as_file(form, [*names, "reward"], rows))
    reward = view.metrics["reward"]
    assert reward.count == len(rows)
    if sorted(set(lengths)) != lengths:  # else they may be steps of all episodes
        assert reward.last_step == len(rows)
    assert view.orphans == 0


@given(
    steps=st.permutations([100, 200, 300, 400, 500, 600]),
    form=st.sampled_from(["csv", "jsonl"]),
)
@settings(max_examples=examples(40), deadline=None)
def test_steps_that_come_out_of_order_all_stay(steps: list[int], form: str):
    rows = [[step, step / 1000] for step in steps]
    view = looked_at(as_file(form, ["step", "loss"], rows))
    assert view.metrics["loss"].count == len(rows)
    assert view.orphans == 0


@given(
    own=st.lists(st.integers(1, 3), min_size=1, max_size=6),
    key=st.sampled_from(["train/global_step", "trainer/global_step"]),
)
@settings(max_examples=examples(30), deadline=None)
def test_the_counter_of_calls_gives_way_to_the_trainer_s_steps(
    own: list[int], key: str
):
    rows = []
    for at, more in enumerate(own, 1):
        rows.append([float(sum(own[:at]) + more), at * 500.0, 1.0 / at])
    view = looked_at(as_file("jsonl", ["_step", key, "train/loss"], rows))
    loss = view.metrics["train/loss"]
    assert (loss.count, loss.last_step) == (len(rows), 500 * len(rows))


@given(
    beside=st.sampled_from(
        ["metrics_backup.csv", "eval/metrics.csv", "artifacts/eval/metrics.csv",
         "metrics_old.csv", "test/metrics.csv"]
    )
)  # fmt: skip
@settings(max_examples=examples(10), deadline=None)
def test_a_name_does_not_depend_on_what_else_lies_there(beside: str):
    log = "step,loss\n1,0.5\n2,0.4\n"
    other = "step,loss\n1,0.7\n2,0.6\n3,0.5\n"
    alone = looked_at({"metrics.csv": log}).metrics["loss"]
    together = looked_at({"metrics.csv": log, beside: other}).metrics
    assert together["loss"] == alone
