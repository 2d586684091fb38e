"""Kinds of logs that were once read wrong without a word, whatever they are called."""

import json
import tempfile
from pathlib import Path

import pytest
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
    outer=st.sampled_from("cycle resolution level prune_percent 주기".split()),
    each=st.lists(st.integers(1, 9), min_size=2, max_size=4),
    inner=st.sampled_from(["epoch", "step", "에폭", "iteration"]),
    lengths=st.lists(st.integers(2, 5), min_size=4, max_size=4),
    flipped=st.booleans(),
)
@settings(max_examples=examples(40), deadline=None)
def test_steps_that_begin_again_with_a_count_that_nobody_knows_overtake_nothing(
    outer: str, each: list[int], inner: str, lengths: list[int], flipped: bool
):
    rows: list[list[float]] = []
    for at in range(len(each)):
        counts = [[step, sum(each[: at + 1])] for step in range(1, lengths[at] + 1)]
        rows += [[*(c if flipped else c[::-1]), 1 / (2 + at)] for c in counts]
    names = [inner, outer] if flipped else [outer, inner]
    view = looked_at(as_file("csv", [*names, "loss"], rows))
    assert view.metrics["loss"].count == len(rows)
    assert list(view.metrics) == ["loss"]
    assert view.orphans == 0


@given(
    batch=st.sampled_from(["i", "idx", "minibatch", "mini_batch", "j"]),
    lengths=st.lists(st.integers(2, 5), min_size=2, max_size=4),
)
@settings(max_examples=examples(20), deadline=None)
def test_batches_under_a_short_name_count_beside_epochs(batch: str, lengths: list[int]):
    rows = [
        [epoch, step * 10, 1 / (1 + epoch + step)]
        for epoch, length in enumerate(lengths)
        for step in range(length)
    ]
    view = looked_at(as_file("csv", ["epoch", batch, "loss"], rows))
    assert list(view.metrics) == ["loss"]
    loss = view.metrics["loss"]
    assert (loss.count, loss.last_step) == (len(rows), 10 * (len(rows) - 1))


@pytest.mark.parametrize(
    ("names", "rows"),
    [
        # a resume with another setting, and layers of a model
        (["epoch", "batch_size"], [(1, 32), (2, 32), (3, 32), (2, 64), (3, 64)]),
        (["epoch", "layer"], [(1, 0), (1, 1), (2, 0), (2, 1)]),
    ],
)
def test_other_whole_numbers_beside_steps_count_nothing(
    names: list[str], rows: list[tuple[int, int]]
):
    with_loss = [[*row, 1 / (1 + at)] for at, row in enumerate(rows)]
    view = looked_at(as_file("csv", [*names, "loss"], with_loss))
    assert view.metrics[names[1]].last_step == rows[-1][0]


@given(steps=st.permutations([100, 200, 300, 400, 500, 600]))
@settings(max_examples=examples(20), deadline=None)
def test_a_count_by_its_last_word_need_not_rise(steps: list[int]):
    rows = [[step, step / 1000] for step in steps]
    view = looked_at(as_file("csv", ["checkpoint_step", "eval_loss"], rows))
    assert list(view.metrics) == ["eval_loss"]
    loss = view.metrics["eval_loss"]
    assert (loss.count, loss.last, loss.last_step) == (6, 0.6, 600)


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
