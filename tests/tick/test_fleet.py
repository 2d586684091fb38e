"""Many trainings over days: each alert at the first tick that can know it, once."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest

from fleet import DAY, HOUR, MINUTE, Fleet, Write, at_pace, rows, settings
from mlreport_batch.render.plain import write

TICK = 15 * MINUTE


def tick_after(at: float) -> float:
    """Return the first tick at or after some seconds."""
    return math.ceil(at / TICK) * TICK


def falling(number: int) -> str:
    return f"{number},{2 / (number + 1) + 0.1:.5f}"


def hparams(**values: object) -> Write:
    text = "".join(f"{key}: {value}\n" for key, value in values.items())
    return 0.0, "hparams.yaml", "\0" + text


def all_the_time(pace: float) -> list[float]:
    """Return the times of rows that come until nobody looks any more."""
    return at_pace(int(3 * DAY / pace), pace)


Story = tuple[list[Write], list[tuple[float, str]]]


def ends_by_its_epochs() -> Story:
    """Keras counts its epochs from 0."""
    times = at_pace(80, 10 * MINUTE)
    log = rows("epoch,loss", falling, times)
    return [hparams(epochs=80), *log], [(tick_after(times[-1]), "finished")]


def ends_by_epochs_from_one() -> Story:
    times = at_pace(40, 10 * MINUTE)
    log = rows("epoch,val_loss", lambda n: falling(n + 1), times)
    return [hparams(max_epochs=40), *log], [(tick_after(times[-1]), "finished")]


def ends_by_its_steps() -> Story:
    times = at_pace(300, MINUTE)
    log = rows("step,loss", lambda n: f"{100 * (n + 1)},{1 / (n + 1)}", times)
    return [hparams(max_steps=30_000), *log], [(tick_after(times[-1]), "finished")]


def overshoots_its_steps() -> Story:
    """Stable-Baselines3 ends with the rollout in which it gets there."""
    times = at_pace(49, 5 * MINUTE)
    log = rows(
        "time/total_timesteps,rollout/ep_rew_mean",
        lambda n: f"{2048 * (n + 1)},{n}",
        times,
    )
    plan = hparams(total_timesteps=100_000, n_steps=2048, n_epochs=10)
    return [plan, *log], [(tick_after(times[-1]), "finished")]


def ends_without_its_last_row() -> Story:
    """Rows each 70 steps: the last of 1,000 is never logged, so silence tells."""
    times = at_pace(15, 10 * MINUTE)
    log = rows("step,loss", lambda n: f"{70 * n},{1 / (n + 1)}", times)
    silent = tick_after(times[-1] + 20 * 10 * MINUTE + 1)
    return [hparams(max_steps=1000), *log], [(silent, "finished")]


def ends_in_lightnings_rows() -> Story:
    """Steps and epochs in each row; a validation row ends an epoch."""
    times = at_pace(60, 5 * MINUTE)

    def row(number: int) -> str:
        epoch, part = divmod(number, 3)
        step = 90 * epoch + 30 * (part + 1) - 1
        return f"{epoch},{step},{1 / (number + 1)}," + ("0.5" if part == 2 else "")

    log = rows("epoch,step,train_loss,val_loss", row, times)
    return [hparams(max_epochs=20), *log], [(tick_after(times[-1]), "finished")]


def stops_early() -> Story:
    times = at_pace(23, 10 * MINUTE)
    log = list(rows("epoch,val_loss", falling, times))
    end = times[-1] + 5
    said = (end, "train.log", "Epoch 00023: early stopping\n")
    return [hparams(epochs=80), *log, said], [(tick_after(end), "finished")]


def ends_by_its_frameworks_word() -> Story:
    times = at_pace(30, 10 * MINUTE)
    log = list(rows("step,loss", falling, times))
    end = times[-1] + 5
    said = (end, "nohup.out", "`Trainer.fit` stopped: `max_epochs=3` reached.\n")
    return [*log, said], [(tick_after(end), "finished")]


TRACEBACK = """Traceback (most recent call last):
  File "train.py", line 80, in <module>
    loss.backward()
torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB
"""


def broken(file: str, text: str, what: str) -> Story:
    times = at_pace(40, 5 * MINUTE)
    log = list(rows("step,loss", falling, times))
    printed = [(at, file, f"step {n} loss 0.5\n") for n, at in enumerate(times)]
    end = times[-1] + 20
    writes = [hparams(max_steps=1000), *log, *printed, (end, file, text)]
    return writes, [(tick_after(end), what)]


def runs_out_of_gpu_memory() -> Story:
    return broken("slurm-812.out", TRACEBACK, "failed")


def fails_beside_its_folder() -> Story:
    text = 'Traceback (most recent call last):\n  File "x"\nValueError: no data\n'
    return broken("../fails_beside_its_folder.err", text, "failed")


def exits_with_a_code() -> Story:
    return broken("logs/run.err", "srun: error: n1: task 0: Exited with exit code 2\n",
                  "failed")  # fmt: skip


def crashes() -> Story:
    return broken("stderr.txt", "Segmentation fault (core dumped)\n", "failed")


def is_killed() -> Story:
    return broken("nohup.out", "Killed\n", "killed")


def is_killed_for_memory() -> Story:
    text = "slurmstepd: error: Detected 1 oom_kill event in StepId=8.batch.\n"
    return broken("slurm-813.out", text, "killed")


def is_cancelled() -> Story:
    text = "slurmstepd: error: *** JOB 8 ON n1 CANCELLED AT 2023-11-14T10:00:00 ***\n"
    return broken("job.e814", text, "killed")


def runs_out_of_time() -> Story:
    text = "slurmstepd: error: *** JOB 8 ON n1 CANCELLED AT 2023-11-14T10:00:00 DUE TO "
    return broken("slurm-815.out", f"{text}TIME LIMIT ***\n", "out_of_time")


def hangs() -> Story:
    """Rows each minute, seen each quarter of an hour: half as much again is long."""
    times = at_pace(120, MINUTE)
    log = rows("step,loss", falling, times)
    silent = tick_after(times[-1] + 1.5 * TICK + 1)
    return [hparams(max_steps=1000), *log], [(silent, "stall")]


def hangs_at_a_fast_pace() -> Story:
    """Rows each 3 s, for a young run: twenty minutes are long."""
    times = at_pace(600, 3.0)
    log = rows("step,loss", falling, times)
    silent = tick_after(times[-1] + 20 * MINUTE + 1)
    return [hparams(max_steps=9000), *log], [(silent, "stall")]


def writes_by_the_hundred() -> Story:
    """What is logged each 25 s comes to the disk each 42 minutes."""
    times = [42 * MINUTE * n for n in range(1, 104)]

    def row(number: int) -> str:
        return "\n".join(falling(100 * number + n) for n in range(100))

    return [hparams(max_steps=10**6), *rows("step,loss", row, times)], []


def validates_each_epoch() -> Story:
    """Rows each 2 s for five minutes, then a quarter of an hour without any."""
    times = [at + 20 * MINUTE * n for n in range(220) for at in at_pace(15, 20.0)]
    return [hparams(max_steps=10**6), *rows("step,loss", falling, times)], []


def fails_beside_a_program_that_goes_on() -> Story:
    """What watches the card writes on after the training is dead."""
    writes, told = runs_out_of_gpu_memory()
    watched = [(at, "gpu.log", "util 3 %\n") for at in all_the_time(5 * MINUTE)]
    return [*writes, *watched], told


def hangs_beside_a_program_that_goes_on() -> Story:
    writes, told = hangs()
    watched = [(at, "gpu.log", "util 3 %\n") for at in all_the_time(5 * MINUTE)]
    return [*writes, *watched], told


def is_helped_by_a_program_that_fails() -> Story:
    """What a tracker writes to its own log is no word on the training."""
    times = all_the_time(HOUR)
    log = list(rows("step,loss", falling, times))
    text = 'Traceback (most recent call last):\n  File "x"\nConnectionError: away\n'
    outs = [(at + 10 * MINUTE, "wandb/debug.log", text) for at in times]
    return [hparams(max_steps=1000), *log, *outs], []


def is_slow() -> Story:
    times = at_pace(40, 2 * HOUR)
    return [hparams(epochs=100), *rows("epoch,loss", falling, times)], []


def evaluates_each_night() -> Story:
    """Nothing is written for 50 minutes each night."""
    times, at, was_night = [], MINUTE, False
    while at < 3 * DAY:
        times.append(at)
        is_night = at % DAY // HOUR == 16  # one in the morning
        at += 50 * MINUTE if is_night and not was_night else 2 * MINUTE
        was_night = is_night
    return [hparams(max_steps=10**6), *rows("step,loss", falling, times)], []


def turns_into_nan() -> Story:
    """NaN from step 23 on, and on for two days: told once, and once a day."""
    times = all_the_time(10 * MINUTE)

    def row(number: int) -> str:
        return f"{number},nan" if number >= 23 else falling(number)

    first = tick_after(times[23])
    told = [(first + DAY * n, "nan") for n in range(3)]
    return list(rows("step,loss", row, times)), told


def scales_its_gradients() -> Story:
    """Mixed precision: a norm is infinite for a step now and then."""

    def row(number: int) -> str:
        return f"{falling(number)},{'inf' if number % 7 == 3 else 1.0}"

    return list(rows("step,loss,grad_norm", row, all_the_time(HOUR))), []


def diverges() -> Story:
    times = at_pace(90, 30 * MINUTE)

    def row(number: int) -> str:
        return falling(number) if number < 80 else f"{number},{10.0 * (number - 78)}"

    # Two rows above all before them, in the last buckets of the course.
    log = rows("epoch,loss", row, times)
    return [hparams(epochs=90), *log], [
        (tick_after(times[81]), "divergence"),
        (tick_after(times[89]), "finished"),
    ]


def has_a_wrong_rate() -> Story:
    intent = (0.0, "intent.yaml", "expect: {lr: 0.001, batch_size: 32}\n")
    log = rows("step,loss", falling, all_the_time(HOUR))
    return [hparams(lr=0.01, batch_size=32), intent, *log], [(TICK, "intent")]


def states_no_rate() -> Story:
    """What the config means all runs to have is no fault of one that is silent."""
    log = rows("step,loss", falling, all_the_time(HOUR))
    return [hparams(seed=1), *log], []


def has_a_schedule() -> Story:
    """The rate that the settings state falls, as the log shows, from the intended."""
    times = all_the_time(HOUR)
    rates = [0.1 / (number + 1) for number in range(len(times))]

    def row(number: int) -> str:
        return f"{falling(number)},{rates[number]}"

    writes = list(rows("step,loss,lr", row, times))
    for at, rate in zip(times, rates, strict=True):
        writes.append((at, "hparams.yaml", f"\0optim: {{lr: {rate}}}\n"))
    intent = (0.0, "intent.yaml", "expect: {lr: 0.1}\n")
    return [intent, *writes], []


def is_resumed() -> Story:
    """It fails, is started again two hours later, and ends well."""
    times = at_pace(20, 10 * MINUTE)
    fails = times[-1] + 20
    again = [fails + 2 * HOUR + 10 * MINUTE * n for n in range(1, 23)]
    log = list(rows("epoch,loss", falling, times))
    log += rows("epoch,loss", falling, again, first=18)
    outs = [
        (fails, "slurm-1.out", TRACEBACK),
        (fails + 2 * HOUR, "slurm-2.out", "go\n"),
    ]
    return [hparams(epochs=40), *log, *outs], [
        (tick_after(fails), "failed"),
        (tick_after(fails + 2 * HOUR), "over"),
        (tick_after(again[-1]), "finished"),
    ]


def is_restarted() -> Story:
    """It is killed and begins anew, in the same files."""
    times = at_pace(12, 10 * MINUTE)
    killed = times[-1] + 20
    begins = killed + HOUR
    again = at_pace(20, 10 * MINUTE, begins)
    log = list(rows("epoch,loss", falling, times))
    log.append((begins - 1, "metrics.csv", "\0"))
    log += rows("epoch,loss", falling, again)
    outs = [
        (killed, "nohup.out", "Killed\n"),
        (begins - 5, "nohup.out", "\0starting\n"),
    ]
    return [hparams(epochs=20), *log, *outs], [
        (tick_after(killed), "killed"),
        (tick_after(begins - 5), "over"),
        (tick_after(again[-1]), "finished"),
    ]


def recovers_from_nan() -> Story:
    """It is taken up again from before the NaN."""
    times = at_pace(40, 10 * MINUTE)

    def row(number: int) -> str:
        return f"{number},nan" if number >= 30 else falling(number)

    again = [at for at in all_the_time(HOUR) if at > times[-1]]
    log = list(rows("step,loss", row, times))
    log += rows("step,loss", falling, again, first=25)
    return log, [(tick_after(times[30]), "nan"), (tick_after(again[0]), "over")]


def catches_its_errors() -> Story:
    """A bad image, and a batch that was too large: the training goes on."""
    times = all_the_time(HOUR)
    log = list(rows("step,loss", falling, times))
    outs: list[Write] = []
    for number, at in enumerate(times):
        if number % 10 == 5:
            outs.append((at, "train.log", f"{TRACEBACK}skipped\n"))
        outs.append((at + 1, "train.log", f"step {number} loss 0.5\n"))
    return [hparams(max_steps=1000), *log, *outs], []


STORIES: list[Callable[[], Story]] = [
    ends_by_its_epochs, ends_by_epochs_from_one, ends_by_its_steps,
    overshoots_its_steps, ends_without_its_last_row, ends_in_lightnings_rows,
    stops_early, ends_by_its_frameworks_word, runs_out_of_gpu_memory,
    fails_beside_its_folder, exits_with_a_code, crashes, is_killed,
    is_killed_for_memory, is_cancelled, runs_out_of_time, hangs, hangs_at_a_fast_pace,
    is_slow, writes_by_the_hundred, validates_each_epoch,
    is_helped_by_a_program_that_fails, fails_beside_a_program_that_goes_on,
    hangs_beside_a_program_that_goes_on, evaluates_each_night,
    turns_into_nan, scales_its_gradients, diverges, has_a_wrong_rate,
    states_no_rate, has_a_schedule, is_resumed, is_restarted, recovers_from_nan,
    catches_its_errors,
]  # fmt: skip


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_each_alert_comes_once_and_at_the_first_tick_that_can_know_it(
    story: Callable[[], Story], tmp_path: Path
):
    writes, told = story()
    fleet = Fleet(tmp_path, settings(expect={"weight_decay": 0.1}))
    fleet.add(story.__name__, writes)
    fleet.run(3 * DAY, TICK)
    assert fleet.urgent(story.__name__) == told


def test_rows_that_only_add_to_a_nan_are_no_news(tmp_path: Path):
    fleet = Fleet(tmp_path, settings())
    fleet.add("run", turns_into_nan()[0])
    fleet.run(1.5 * DAY, TICK)
    first = next(mail.at for mail in fleet.of("run") if mail.what)
    found = [(m.at, m.report.headline) for m in fleet.of("run") if m.at >= first]
    told = "Diverged: loss NaN since step 23."
    assert found == [(first, told), (first + DAY, told)]


@pytest.mark.parametrize("language", ["en", "ko"])
def test_a_fact_stands_once_in_a_mail(tmp_path: Path, language: str):
    """What was told and holds stands in one line, and only there."""
    fleet = Fleet(tmp_path, settings(language))
    times = all_the_time(HOUR)

    def row(number: int) -> str:
        loss = "nan" if number >= 5 else f"{1 / (number + 1)}"
        return f"{number},{loss},{number}"

    fleet.add("run", rows("step,loss,acc", row, times))
    fleet.run(DAY, TICK)
    first, later = [m for m in fleet.of("run") if m.at >= tick_after(times[5])][:2]
    assert "NaN" in first.report.headline
    assert not first.report.further_alerts
    assert not first.report.standing
    assert "NaN" in later.report.standing
    assert not later.report.alerts
    assert later.report.attention == 1
    assert later.what == ""
    text = write(later.report)
    assert text.count(later.report.standing.partition(" (")[0]) == 1
