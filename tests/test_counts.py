"""What the works cost, counted: a count says the same on every machine.

Each figure is what was counted when it was last set; more than a tenth above it fails.
One that fell by much is set anew, so that what was won is not lost again.
"""

import os
import re
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from counting import counted
from mlreport_batch.cli import main
from mlreport_batch.start import first_look

MARGIN = 1.1
RUNS, MORE = 20, 20
ROW = "{},0.5,0.25\n"
LOG = "step,loss,acc\n" + "".join(map(ROW.format, range(15)))
LONG = "step,loss,acc\n" + "".join(map(ROW.format, range(20_000)))

IDLE_MODULES = 17
IDLE_CALLS = 485
IDLE_LOOKS_A_RUN = 3  # at its folder and two files
IDLE_FUNCTIONS_A_RUN = 9
IDLE_STATEMENTS = 6
NEWS_MODULES = 353
NEWS_STATEMENTS = 77
NEWS_BYTES = 20_500
NEWS_PATTERNS = 166
FIRST_CALLS_A_RUN = 43
FIRST_STATEMENTS_A_RUN = 21
FIRST_FUNCTIONS_A_RUN = 2_780
REPORT_FUNCTIONS = 32_500

needs_strace = pytest.mark.skipif(
    shutil.which("strace") is None, reason="strace is not installed"
)


def within(count: float, figure: float, what: str) -> None:
    assert count <= figure * MARGIN, f"{what}: {count:,.1f}, and it was {figure:,}"


class Shelf:
    """Runs, a config over them, and how a tick over them is traced."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.runs = folder, folder / "runs"
        self.config = str(folder / "mlreport.yaml")
        Path(self.config).write_text(
            f"runs:\n  - path: {self.runs}\nstate: {folder}/state\n"
            f"outbox: {{dir: {folder}/outbox}}\nmail: {{max_per_tick: 100}}\n"
        )

    def add(self, count: int, text: str = LOG) -> None:
        for _ in range(count):
            run = self.runs / f"run_{len(os.listdir(self.runs)):03d}"
            run.mkdir()
            (run / "metrics.csv").write_text(text)
            (run / "hparams.yaml").write_text("lr: 0.1\n")
        time.sleep(0.2)  # what was written just now is looked at again for a while

    def traced(self, *calls: str) -> tuple[list[str], list[str]]:
        """Return the system calls of a tick and the modules that it imports."""
        return traced(
            self.folder, ["-m", "mlreport_batch", "run", "-c", self.config], *calls
        )


def traced(
    folder: Path, program: list[str], *calls: str
) -> tuple[list[str], list[str]]:
    """Return the system calls of Python running *program*, and what it imports."""
    trace = folder / "trace"
    strace = ["strace", "-f", "-y", "-qq", "-o", str(trace), *calls]
    done = subprocess.run(
        [*strace, sys.executable, "-X", "importtime", *program],
        capture_output=True,
        text=True,
        check=True,
    )
    lines = done.stderr.splitlines()
    modules = [line.rpartition("|")[2] for line in lines if line.startswith("import")]
    return trace.read_text().splitlines(), modules


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    (tmp_path / "runs").mkdir()
    found = Shelf(tmp_path)
    found.add(RUNS)
    return found


def statements(monkeypatch: pytest.MonkeyPatch, work: Callable[[], object]) -> int:
    """Return how many SQL statements *work* executes."""
    found: list[str] = []
    connect = sqlite3.connect

    def tracing(*args: Any, **options: Any) -> sqlite3.Connection:  # noqa: ANN401
        database = connect(*args, **options)
        database.set_trace_callback(found.append)
        return database

    with monkeypatch.context() as patch:
        patch.setattr(sqlite3, "connect", tracing)
        work()
    return len(found)


def settled(shelf: Shelf) -> Shelf:
    """Return *shelf* once a tick over it has nothing to do."""
    assert main(["baseline", "-c", shelf.config]) == 0
    assert main(["run", "-c", shelf.config, "-q"]) == 0
    assert first_look([], None, shelf.config) == []
    return shelf


@needs_strace
def test_system_calls_and_imports_of_a_tick_without_news(shelf: Shelf):
    # What every Python does at its start is the machine's business.
    bare, known = traced(shelf.folder, ["-c", "import runpy"])
    few, modules = settled(shelf).traced()
    shelf.add(MORE)
    many, _ = settled(shelf).traced()
    within(len(modules) - len(known), IDLE_MODULES, "modules")
    within(len(few) - len(bare), IDLE_CALLS, "system calls")
    # Which folder is listed all the same goes by the minute: it is not counted.
    looks = re.compile(
        rf'stat(?:at)?\((?:AT_FDCWD[^,]*, )?"{re.escape(str(shelf.runs))}/'
    )
    a_run = sum(map(bool, map(looks.search, many))) / (RUNS + MORE)
    assert a_run == IDLE_LOOKS_A_RUN


def test_functions_and_statements_of_a_tick_without_news(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
):
    def look() -> object:
        return first_look([], None, settled_at)

    settled_at = settled(shelf).config
    few, _ = counted(look)
    within(statements(monkeypatch, look), IDLE_STATEMENTS, "SQL statements")
    shelf.add(MORE)
    settled(shelf)
    many, _ = counted(look)
    within((many - few) / MORE, IDLE_FUNCTIONS_A_RUN, "functions a run")


@needs_strace
def test_bytes_and_imports_of_a_tick_with_a_line_more(shelf: Shelf):
    shelf.add(1, LONG)
    log = settled(shelf).runs / f"run_{RUNS:03d}" / "metrics.csv"
    with log.open("a") as file:
        file.write("20001,0.5,0.25\n")
    calls, modules = shelf.traced("-e", "trace=read,pread64,readv,preadv")
    of_runs = re.compile(rf"<{re.escape(str(shelf.runs))}/.*> *(.*) = (\d+)$|(?!)")
    _, known = traced(shelf.folder, ["-c", "import runpy"])
    read = [int(m[2]) for m in map(of_runs.search, calls) if m]
    assert len(os.listdir(shelf.folder / "outbox")) == 1
    within(sum(read), NEWS_BYTES, "bytes read")
    within(
        len(modules) - len(known),
        NEWS_MODULES,
        "modules, those of the child not counted",
    )


def test_statements_of_a_tick_with_a_line_more(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
):
    log = settled(shelf).runs / "run_003" / "metrics.csv"
    with log.open("a") as file:
        file.write("15,0.5,0.25\n")
    count = statements(monkeypatch, lambda: main(["run", "-c", shelf.config, "-q"]))
    within(count, NEWS_STATEMENTS, "SQL statements")


def test_patterns_compiled_by_a_tick_with_a_line_more(shelf: Shelf):
    log = settled(shelf).runs / "run_003" / "metrics.csv"
    with log.open("a") as file:
        file.write("15,0.5,0.25\n")
    program = (
        "import re._compiler as c, sys\n"
        "from mlreport_batch.start import entry\n"
        "made, compile_ = [], c.compile\n"
        "c.compile = lambda *given: made.append(given) or compile_(*given)\n"
        "try:\n entry()\nfinally:\n print(len(made))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "run", "-c", shelf.config],
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(os.listdir(shelf.folder / "outbox")) == 1
    within(int(done.stdout), NEWS_PATTERNS, "patterns")


def test_functions_and_statements_of_a_first_read(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
):
    def read() -> int:
        shutil.rmtree(shelf.folder / "state", ignore_errors=True)
        return main(["baseline", "-c", shelf.config])

    read()  # what is imported, compiled or kept once
    few, asked = counted(read)[0], statements(monkeypatch, read)
    shelf.add(MORE)
    many, asked_more = counted(read)[0], statements(monkeypatch, read)
    within((many - few) / MORE, FIRST_FUNCTIONS_A_RUN, "functions a run")
    within((asked_more - asked) / MORE, FIRST_STATEMENTS_A_RUN, "SQL statements a run")


@needs_strace
def test_system_calls_of_a_first_read(shelf: Shelf):
    def read() -> int:
        shutil.rmtree(shelf.folder / "state", ignore_errors=True)
        program = ["-m", "mlreport_batch", "baseline", "-c", shelf.config]
        return len(traced(shelf.folder, program)[0])

    few = read()
    shelf.add(MORE)
    within((read() - few) / MORE, FIRST_CALLS_A_RUN, "system calls a run")


def test_functions_of_a_report():
    from mlreport_batch.render.local import LocalRenderer
    from sample_reports import fine

    renderer, report = LocalRenderer(), fine()
    renderer.render(report)
    count, _ = counted(lambda: renderer.render(report))
    within(count, REPORT_FUNCTIONS, "functions")
