"""The way in: which commands a first glance may end, and that it ends only those."""

import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mlreport_batch.cli import PlainRun, as_parsed, main
from mlreport_batch.cli.parser import make_parser
from mlreport_batch.start import first_look, plain_run
from mlreport_batch.state import idle
from mlreport_batch.state.owed import Owed
from mlreport_batch.state.store import State

ROW = b"step,loss\n1,0.5\n"


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["run"], ([], None, None, None, "")),
        (["run", "a", "-q", "b"], (["a", "b"], None, None, None, "quiet")),
        (["run", "-c", "x.yaml"], ([], None, "x.yaml", None, "")),
        (["run", "--config", "x.yaml", "--out", "o"], ([], "o", "x.yaml", None, "")),
        (["run", "--quiet", "-q"], ([], None, None, None, "quiet")),
        (["run", "-v"], ([], None, None, None, "verbose")),
        (["run", "--shard", "1/2"], ([], None, None, "1/2", "")),
        (["run", "--all"], None),
        (["run", "--only", "a*"], None),
        (["run", "--json"], None),
        (["run", "-v", "-q"], None),
        (["run", "-cx.yaml"], None),
        (["run", "-c"], None),
        (["run", "--out", "-q"], None),
        (["run", "--out=o"], None),
        (["run", "--", "a"], None),
        (["status"], None),
        ([], None),
    ],
)
def test_only_a_plain_run_is_read_by_hand(argv: list[str], expected: PlainRun | None):
    assert plain_run(argv) == expected


@pytest.mark.parametrize(
    "words",
    [[], ["a", "b"], ["-c", "x"], ["--out", "o", "-q"], ["-v", "--shard", "1/2"]],
)
def test_what_is_read_by_hand_is_what_the_parser_would_read(words: list[str]):
    plain = plain_run(["run", *words])
    assert plain is not None
    parsed = vars(make_parser().parse_args(["run", *words]))
    assert vars(as_parsed(plain)) | {"version": None} == parsed


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for number in range(40):
        folder = tmp_path / "runs" / f"run_{number:02d}"
        folder.mkdir(parents=True)
        path = folder / "metrics.csv"
        path.write_bytes(ROW)
    time.sleep(0.2)  # what was written just now is looked at again for a while
    (tmp_path / "mlreport.yaml").write_text(
        f"runs:\n  - path: {tmp_path}/runs\nstate: {tmp_path}/state\n"
        f"outbox: {{dir: {tmp_path}/outbox}}\n"
    )
    assert main(["baseline", "-c", str(tmp_path / "mlreport.yaml")]) == 0
    main(["run", "-c", str(tmp_path / "mlreport.yaml")])
    return tmp_path


def settled(tree: Path) -> str:
    """Return the config of *tree* once no file of it is too young to be believed."""
    config = str(tree / "mlreport.yaml")
    for _ in range(5):
        if first_look([], None, config) == []:
            return config
        main(["run", "-c", config])
    raise AssertionError("never quiet")


@pytest.mark.parametrize("shared_from", [1, 10**6])
@pytest.mark.parametrize("slow_s", [0.0, 1e9])
@pytest.mark.parametrize("number", [0, 19, 20, 39])
def test_a_glance_sees_every_change_alone_and_with_help(
    tree: Path,
    monkeypatch: pytest.MonkeyPatch,
    shared_from: int,
    slow_s: float,
    number: int,
):
    monkeypatch.setattr(idle, "SHARED_FROM", shared_from)
    monkeypatch.setattr(idle, "SLOW_S", slow_s)
    monkeypatch.setattr(idle, "TRIED", 3)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    config = settled(tree)
    with (tree / "runs" / f"run_{number:02d}" / "metrics.csv").open("ab") as file:
        file.write(b"2,0.4\n")
    changed = os.fsencode(tree / "runs" / f"run_{number:02d}")
    assert first_look([], None, config) == [changed]


def test_many_are_asked_at_once_where_an_answer_takes_long(
    tree: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(idle, "SLOW_S", 0.001)
    monkeypatch.setattr(idle, "TRIED", 3)
    settled(tree)
    asking, most = 0, 0

    def lstat(path: bytes) -> os.stat_result:
        nonlocal asking, most
        asking += 1
        most = max(most, asking)
        time.sleep(0.002)
        asking -= 1
        return os.lstat(path)

    database = idle.open_read_only(str(tree / "state"))
    assert database is not None
    assert list(idle.changed(database, time.time(), lstat)) == []
    database.close()
    assert most > 1


def test_a_glance_works_alone_where_no_process_can_be_started(
    tree: Path, monkeypatch: pytest.MonkeyPatch
):
    def refused() -> int:
        raise BlockingIOError

    config = settled(tree)
    monkeypatch.setattr(idle, "SHARED_FROM", 1)
    monkeypatch.setattr(os, "fork", refused)
    assert first_look([], None, config) == []


@pytest.mark.parametrize(("age_s", "is_quiet"), [(60, True), (90_000, False)])
def test_dead_mails_are_called_to_mind_once_a_day(
    tree: Path, age_s: float, is_quiet: bool
):
    config = settled(tree)
    state = State(str(tree / "state"))
    with state.transaction():
        state.set_meta("dead_told_at", repr(time.time() - age_s))
    state.close()
    assert (first_look([], None, config) == []) == is_quiet


def test_a_mail_that_only_seems_held_is_looked_at(tree: Path):
    """One wrong bit must not keep a mail from being sent for ever."""
    config = settled(tree)
    state = State(str(tree / "state"))
    with state.transaction():
        state.set_meta("dead_told_at", repr(time.time()))
        state.owe(
            Owed("r1", 1.0, "ml@lab.example", ("me@lab.example",), "s", held=True)
        )
    state.close()
    assert first_look([], None, config) == []
    state = State(str(tree / "state"))
    with state.transaction():
        state.owe(Owed("r1", 1.0, "ml@lab.example", ("me@lab.example",), "s"))
    state.close()
    with sqlite3.connect(tree / "state" / "state.db") as database:
        database.execute("UPDATE owed SET held=1")
    database.close()
    assert first_look([], None, config) is None


def test_a_quiet_tick_imports_neither_parser_nor_package(tree: Path):
    config = settled(tree)
    done = subprocess.run(
        [
            sys.executable,
            "-X",
            "importtime",
            "-m",
            "mlreport_batch",
            "run",
            "-c",
            config,
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    found = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "mlreport_batch.state.idle" in found
    assert not found & {"argparse", "re", "mlreport_batch.cli", "dataclasses"}


def test_news_reach_the_command_line(tree: Path):
    config = settled(tree)
    (tree / "runs" / "run_40").mkdir()
    (tree / "runs" / "run_40" / "metrics.csv").write_bytes(ROW)
    done = subprocess.run(
        [sys.executable, "-m", "mlreport_batch", "run", "-c", config],
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(list((tree / "outbox").glob("*.eml"))) == 1


@pytest.mark.parametrize(
    "spelling", ["{folder}", '"state": {folder}', "&a {folder}", "? state\n: {folder}"]
)
def test_any_spelling_of_the_config_is_parsed_once(
    tree: Path, monkeypatch: pytest.MonkeyPatch, spelling: str
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tree / "cache"))
    config = str(tree / "flow.yaml")
    state = spelling.format(folder=f"{tree}/state")
    roots, outbox = f"runs: [{{path: {tree}/runs}}]", f"outbox: {{dir: {tree}/outbox}}"
    text = f"{state if ':' in state else f'state: {state}'}\n{roots}\n{outbox}\n"
    if spelling == "{folder}":
        text = f"{{state: {state}, {roots}, {outbox}}}"
    Path(config).write_text(text)
    assert first_look([], None, config) is None
    assert main(["run", "-c", config, "--dry-run", "-q"]) == 0
    assert not (tree / "cache").exists()
    assert main(["run", "-c", config]) == 0
    assert first_look([], None, config) == []
    (tree / "runs" / "run_00" / "metrics.csv").write_bytes(ROW * 2)
    assert first_look([], None, config) == [os.fsencode(tree / "runs" / "run_00")]
    Path(config).write_text(text + " # edited\n")
    assert first_look([], None, config) is None


def test_nothing_is_remembered_where_nothing_can_be_written(
    tree: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tree / "mlreport.yaml"))
    config = tree / "flow.yaml"
    config.write_text(f"{{state: {tree}/state, runs: [{{path: {tree}/runs}}]}}")
    assert main(["run", "-c", str(config), "-q"]) == 0
    assert first_look([], None, str(config)) is None
