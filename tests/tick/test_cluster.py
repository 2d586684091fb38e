"""Work on a real dask cluster, and on executors of the user's own."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from cluster_work import alone, double, here_alone, kill_the_first, variable
from mlreport_batch.config.load import load
from mlreport_batch.errors import ConfigError
from mlreport_batch.tick import cluster
from mlreport_batch.tick.conduct import run_tick
from mlreport_batch.tick.executors import executor_of
from mlreport_batch.tick.summary import Options
from places import ROOT
from ticking import Desk

THREADS = "cluster_work:threads"
LOKY = "joblib.externals.loky:get_reusable_executor"
WORKERS = 3
RUNS = 6
NOW = time.time()


@dataclass
class Dask:
    """A scheduler and its workers, each a process."""

    address: str
    workers: list["subprocess.Popen[bytes]"]


@pytest.fixture(scope="module")
def dask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dask]:
    """Start a cluster on this machine."""
    pytest.importorskip("distributed")
    told = tmp_path_factory.mktemp("dask") / "scheduler.json"
    place = os.pathsep.join([str(ROOT / "tests/helpers"), str(ROOT)])
    environment = {**os.environ, "PYTHONPATH": place}

    def start(what: str, *args: str) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", f"distributed.cli.dask_{what}", *args]
        return subprocess.Popen(
            [*command, "--scheduler-file", str(told), "--no-dashboard"],
            env=environment, cwd=told.parent, stdout=-3, stderr=-3,
        )  # fmt: skip

    with contextlib.ExitStack() as stack:

        def started(*args: str) -> "subprocess.Popen[bytes]":
            process = start(*args)
            stack.callback(process.wait)
            stack.callback(process.kill)
            return process

        started("scheduler", "--host", "127.0.0.1", "--port", "0")
        workers = [
            started("worker", "--nthreads", "1", "--no-nanny", "--host", "127.0.0.1")
            for _ in range(WORKERS)
        ]
        from distributed import Client

        while not told.exists() or not told.read_text():
            time.sleep(0.05)
        with Client(scheduler_file=str(told), set_as_default=False) as client:
            client.wait_for_workers(WORKERS, timeout=120)
            address = client.scheduler.address.removeprefix("tcp://")
        yield Dask(f"dask://{address}", workers)


def put_runs(desk: Desk) -> None:
    for number in range(RUNS):
        rows = "".join(f"{step},{number / (step + 1)}\n" for step in range(4))
        desk.put(f"gan/{number}/metrics.csv", f"step,val_loss\n{rows}")


def mails_by(
    desk: Desk,
    name: str,
    progress: Callable[[str, int, int], None] = lambda *_: None,
) -> tuple[dict[str, bytes], list[str]]:
    """Return the mails of a first tick where *name* is the executor, and its notices.

    All else is the same in each of them, what is random too.
    """
    config = desk.folder / "c.yaml"
    out = desk.folder / f"out{len(list(desk.folder.iterdir()))}"
    config.write_text(
        f"runs: [{{path: {desk.runs}}}]\nstate: {out}\noutbox: {{dir: {out}/outbox}}\n"
        f"executor: {name}\n"
    )
    with pytest.MonkeyPatch.context() as same:
        same.setattr("secrets.token_hex", lambda size: "00" * size)
        same.setattr("mlreport_batch.tick.reading.BATCH", 1)
        same.setattr("mlreport_batch.tick.reporting.REPORTS", 1)
        summary = run_tick(
            load(config), Options(), config_key="key", now=NOW, progress=progress
        )
    mails = {file.name: file.read_bytes() for file in (out / "outbox").glob("*.eml")}
    assert len(mails) == len(summary.runs) == RUNS
    return mails, summary.notices


def test_mails_are_the_same_though_a_worker_is_killed_and_one_is_stopped(
    dask: Dask, desk: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    with executor_of(dask.address, roots=[str(tmp_path)]) as there:
        assert list(there.map(double, range(9), 2)) == [*range(0, 18, 2)]
        # What fails there is done here, where its own error would be seen.
        assert list(there.map(here_alone, [1, 2], os.getpid())) == [1, 2]

    killed, stopped, _ = dask.workers

    def trouble(stage: str, done: int, _: int) -> None:
        if (stage, done) == ("read", 1):
            killed.kill()
        elif (stage, done) == ("read", 2):
            stopped.send_signal(signal.SIGSTOP)

    put_runs(desk)
    inline = mails_by(desk, "inline")
    assert inline[1] == []
    monkeypatch.setattr(cluster, "WAIT_S", 3.0)
    try:
        mails, notices = mails_by(desk, dask.address, trouble)
    finally:
        stopped.send_signal(signal.SIGCONT)
    assert mails == inline[0]
    assert killed.wait() == -signal.SIGKILL
    [notice] = notices
    assert "TimeoutError); they were done here" in notice


@pytest.mark.parametrize("name", ["dask", LOKY])
def test_work_that_kills_its_worker_is_done_elsewhere(
    dask: Dask, tmp_path: Path, name: str
):
    flag = tmp_path / "flag"
    with executor_of(dask.address if name == "dask" else name) as there:
        assert list(there.map(kill_the_first, range(9), str(flag))) == [
            *range(0, 27, 3)
        ]
    assert flag.exists()


def test_a_worker_that_is_another_or_sees_other_folders_is_refused(
    dask: Dask, monkeypatch: pytest.MonkeyPatch
):
    with (
        executor_of(dask.address, roots=["/nowhere", "s3://lab"]) as there,
        pytest.raises(ConfigError, match="does not see /nowhere"),
    ):
        list(there.map(double, [1], 2))
    monkeypatch.setattr(cluster, "__version__", "9.9")
    with (
        executor_of(dask.address) as there,
        pytest.raises(ConfigError, match=r"has mlreport-batch .*, not 9\.9"),
    ):
        list(there.map(double, [1], 2))


@pytest.mark.parametrize("name", [THREADS, LOKY])
def test_an_executor_of_the_user_makes_the_same_mails(desk: Desk, name: str):
    put_runs(desk)
    assert mails_by(desk, name) == mails_by(desk, "inline")


def test_threads_of_a_process_work_on_one_batch_at_a_time():
    with executor_of(THREADS) as there:
        assert list(there.map(alone, range(8), 0.01)) == [0] * 8


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("cluster_work:answers_otherwise", "a value of type str came back"),
        ("cluster_work:gives_no_future", "a value of type int was submitted"),
    ],
)
def test_what_is_not_what_a_worker_made_is_told_and_loses_nothing(
    desk: Desk, name: str, said: str
):
    put_runs(desk)
    config = desk.folder / "c.yaml"
    text = f"runs: [{{path: {desk.runs}}}]\nstate: {desk.out}\n"
    text += f"outbox: {{dir: {desk.out}/outbox}}\n"
    config.write_text(f"{text}executor: {name}\n")
    failed = desk.run("run", "-c", config)
    assert failed.code == 78
    for part in (said, "What was read is kept", "or set executor: inline"):
        assert part in failed.err
    config.write_text(text)
    assert desk.run("run", "-c", config).code == 0
    assert len(desk.mails()) == RUNS


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("no_such_module_here:make", "ModuleNotFoundError"),
        ("cluster_work:missing", "AttributeError"),
        ("cluster_work:nothing", "no concurrent.futures.Executor"),
        ("cluster_work:ends", "SystemExit: 3"),
    ],
)
def test_an_executor_that_cannot_be_made_is_told(name: str, said: str):
    with executor_of(name) as there, pytest.raises(ConfigError, match=said):
        list(there.map(double, [1], 2))


@pytest.mark.parametrize(
    ("name", "code", "line"),
    [
        (THREADS, 0, f"ok    executor {THREADS}"),
        ("cluster_work:nothing", 78, "FAIL  executor: cluster_work:nothing returns no"),
    ],
)
def test_check_makes_the_executor(desk: Desk, name: str, code: int, line: str):
    config = desk.folder / "c.yaml"
    config.write_text(
        f"runs: [{{path: {desk.runs}}}]\nstate: {desk.out}\nexecutor: {name}\n"
    )
    said = desk.run("check", "-c", config)
    assert said.code == code
    assert line in said.out


def test_a_cluster_needs_its_client(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with (
        executor_of("dask://127.0.0.1:1") as there,
        pytest.raises(ConfigError, match=r"mlreport-batch\[cluster\]"),
    ):
        list(there.map(double, [1], 2))


def test_a_scheduler_that_does_not_answer_is_told(monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr(cluster, "CONNECT_S", 0.2)
    with (
        executor_of("dask://127.0.0.1:1") as there,
        pytest.raises(ConfigError, match="no scheduler answers"),
    ):
        list(there.map(double, [1], 2))


@pytest.mark.parametrize("name", ["dask://", "a:b:c", "threads", "http://h:1"])
def test_what_is_no_executor_is_refused(desk: Desk, name: str):
    config = desk.folder / "c.yaml"
    config.write_text(f"runs: [{{path: {desk.runs}}}]\nexecutor: '{name}'\n")
    with pytest.raises(ConfigError, match="executor"):
        load(config)


def test_processes_have_the_environment_of_the_tick(monkeypatch: pytest.MonkeyPatch):
    for value in ("first", "second"):  # what they are forked from stays the same
        monkeypatch.setenv("MLREPORT_WORKER_TEST", value)
        with executor_of("processes", jobs=2) as there:
            assert list(there.map(variable, ["MLREPORT_WORKER_TEST"], None)) == [value]
