"""The end of captured output tells how a program ended, if it tells at all."""

import pytest

from mlreport_batch.formats.captured import (
    AFTER_MAX,
    LINES_MAX,
    TAIL,
    is_captured,
    last_words,
    named_after,
)

TRACE = 'Traceback (most recent call last):\n  File "train.py", line 3\n    step()\n'
OOM = f"{TRACE}torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB"


@pytest.mark.parametrize(
    ("text", "status", "kind", "said"),
    [
        (OOM, "failed", "gpu_memory", "CUDA out of memory"),
        (f"{TRACE}ValueError: bad at step 12", "failed", "error",
         "ValueError: bad at step 12"),
        (f"{TRACE}hydra.errors.Odd\n\nSet HYDRA_FULL_ERROR=1", "failed", "error",
         "hydra.errors.Odd"),
        ("[rank0]: " + TRACE.replace("\n", "\n[rank0]: ") + "RuntimeError: NCCL",
         "failed", "error", "RuntimeError: NCCL"),
        (f"{TRACE}ValueError: 1\nsrun: error: n1: task 0: Exited with exit code 1",
         "failed", "error", "ValueError: 1"),
        (f"{TRACE}torch.multiprocessing.errors.ChildFailedError:\n  exitcode  : -9",
         "killed", "killed", "exitcode  : -9"),
        (f"{TRACE}subprocess.CalledProcessError: it", "failed", "exit_code",
         "subprocess.CalledProcessError: it"),
        ("srun: error: n1: task 0: Exited with exit code 2", "failed", "exit_code",
         "srun: error: n1: task 0: Exited with exit code 2"),
        ("Segmentation fault (core dumped)", "failed", "crash",
         "Segmentation fault (core dumped)"),
        ("State: FAILED (code 1)", "failed", "crash", "State: FAILED (code 1)"),
        ("Killed", "killed", "killed", "Killed"),
        ("/x/slurm_script: line 5: 12 Killed     python t.py", "killed", "killed",
         "/x/slurm_script: line 5: 12 Killed     python t.py"),
        ("Command exited with exit code 137", "killed", "killed",
         "Command exited with exit code 137"),
        ("slurmstepd: error: Detected 1 oom-kill event(s)\nKilled", "killed", "memory",
         "slurmstepd: error: Detected 1 oom-kill event(s)"),
        ("^C" + TRACE + "KeyboardInterrupt", "killed", "interrupted",
         "KeyboardInterrupt"),
        ("slurmstepd: error: *** JOB 1 ON n1 CANCELLED AT 2024-01-01T00:00:00 ***",
         "killed", "cancelled",
         "slurmstepd: error: *** JOB 1 ON n1 CANCELLED AT 2024-01-01T00:00:00 ***"),
        ("error: *** JOB 1 ON n1 CANCELLED AT x DUE TO PREEMPTION ***", "killed",
         "preempted", "error: *** JOB 1 ON n1 CANCELLED AT x DUE TO PREEMPTION ***"),
        ("error: *** JOB 1 ON n1 CANCELLED AT x DUE TO TIME LIMIT ***", "out_of_time",
         "time_limit", "error: *** JOB 1 ON n1 CANCELLED AT x DUE TO TIME LIMIT ***"),
        ("=>> PBS: job killed: walltime 3610 exceeded limit 3600", "out_of_time",
         "time_limit", "=>> PBS: job killed: walltime 3610 exceeded limit 3600"),
        ("TERM_RUNLIMIT: job killed", "out_of_time", "time_limit",
         "TERM_RUNLIMIT: job killed"),
        ("Epoch 00023: early stopping", "finished", "early_stop",
         "Epoch 00023: early stopping"),
        ("`Trainer.fit` stopped: `max_epochs=80` reached.", "finished", "end_mark",
         "`Trainer.fit` stopped: `max_epochs=80` reached."),
        ("done training in 0.7 seconds", "finished", "end_mark",
         "done training in 0.7 seconds"),
        ("학습이 완료되었습니다", "finished", "end_mark", "학습이 완료되었습니다"),
        ("Training completed\nException ignored in: <f>\n" + TRACE + "TypeError: x",
         "finished", "end_mark", "Training completed"),
        ("job ended with exit code 0", "finished", "exit_zero",
         "job ended with exit code 0"),
    ],
)  # fmt: skip
def test_the_last_words_tell_how_it_ended(text: str, status: str, kind: str, said: str):
    words = last_words(f"Epoch 3: loss 0.5\nstep 1200\n{text}\n".encode())
    assert words is not None
    assert (words.status, words.kind, words.said) == (status, kind, said)
    assert text.rsplit("\n", maxsplit=1)[-1].strip("[rank0]: ") in words.tail
    assert last_words(f"{text}\nEpoch 4: loss 0.4\n".encode()) is None


@pytest.mark.parametrize(
    "text",
    [
        "", "\n\n", "hello", "EarlyStopping counter: 3 out of 10",
        "early_stopping: true", "early stopping patience: 3", "0 errors",
        "EarlyStopping(monitor='val_loss')", "ValueError: a warning without a trace",
        f"{TRACE}", "CUDA is available", "Training started", "will be killed: no",
        "return code: ok", "wandb: Run history:",
    ],
)  # fmt: skip
def test_what_tells_of_no_end_tells_nothing(text: str):
    assert last_words(text.encode()) is None


def test_of_bars_only_what_is_seen_last_counts():
    bars = b" 10%|# | 1/10\r 20%|## | 2/10 [00:10<00:40, 4s/it]\rKilled\n"
    words = last_words(bars)
    assert words is not None
    assert words.tail == "Killed"


def test_words_far_above_the_end_are_no_last_words():
    below = "".join(f"note {number}\n" for number in range(AFTER_MAX))
    assert last_words(f"Killed\n{below}".encode()) is not None
    assert last_words(f"Killed\n{below}more\n".encode()) is None
    assert last_words(("Killed\n" + "x\n" * LINES_MAX).encode()) is None


@pytest.mark.parametrize("piece", [b"exceeded ", b"walltime ", b"a.", b"\xff\0", b" "])
def test_any_bytes_are_looked_at_in_no_time(piece: bytes):
    assert last_words((piece * TAIL)[:TAIL]) is None


@pytest.mark.parametrize(
    ("name", "is_so"),
    [
        ("slurm-1.out", True), ("slurm-12_3.out", True), ("x.err", True),
        ("nohup.out", True), ("stderr", True), ("stderr.txt", True),
        ("stdout_0.log", True), ("train.log", True), ("job.o123", True),
        ("job.e123", True), ("log.txt", True), ("output.txt", True),
        ("console.txt", True), ("x.out.1", True), ("requirements.txt", False),
        ("metrics.csv", False), ("catalog", False), ("blog", False),
        ("events.out.tfevents.123.host", False), ("layout", False),
    ],
)  # fmt: skip
def test_captured_output_is_known_by_its_name(name: str, *, is_so: bool):
    assert is_captured(name) is is_so


@pytest.mark.parametrize(
    ("name", "folders", "named"),
    [
        ("run7.err", ["run7", "run70"], "run7"),
        ("slurm-run7-812.out", ["run7", "run"], "run7"),
        ("a_b.err", ["a", "ab", "a_b"], "a_b"),
        ("lr-0.15.err", ["lr-0.1"], None), ("lr-0.1.err", ["lr-0.1"], "lr-0.1"),
        ("slurm-12.out", ["12", "1"], None), ("12.out", ["12"], "12"),
        ("x.err", [], None), ("Run7.ERR", ["run7"], "run7"),
    ],
)  # fmt: skip
def test_output_is_named_after_a_run(name: str, folders: list[str], named: str | None):
    assert named_after(name, folders) == named
