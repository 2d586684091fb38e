"""A renderer that hangs, crashes or eats memory costs a report only its looks (F29).

The faults are real: signals, endless loops, allocations, and a drawing library that
is broken when it is imported, put before the installed one on the search path.
"""

# ruff: noqa: TID253 - only the product loads it late

import contextlib
import mmap
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from email import policy
from email.parser import BytesParser
from pathlib import Path

import pytest

from hostile import good_csv
from mlreport_batch.safety.child import BoundedChild, ChildFailedError


def _spin() -> None:
    while True:
        pass


def _eat() -> int:
    return len([bytearray(16 << 20) for _ in range(100)])


def _fail() -> None:
    raise KeyError("password=hunter2hunter2")


def _files() -> list[str]:
    found = []
    for number in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):  # the listing itself is closed again
            found.append(os.readlink(f"/proc/self/fd/{number}"))
    return found


WORK: dict[str, Callable[[], object]] = {
    "crash": lambda: os.kill(os.getpid(), signal.SIGSEGV),
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "spin": _spin,
    "sleep": lambda: time.sleep(600),
    "eat": _eat,
    "exit": lambda: os._exit(3),
    "unpicklable": lambda: lambda: None,
    "raise": _fail,
    "family": lambda: (os.getpgid(0), os.getpid(), os.getppid()),
    "files": _files,
    "some": lambda: len(bytearray(50 << 20)),
    "big": lambda: b"x" * 30_000_000,
}


def work(task: str) -> object:
    """Do what *task* says: the work of the children in these tests."""
    return WORK[task]() if task in WORK else task.upper()


@pytest.mark.parametrize(
    ("task", "says"),
    [
        ("crash", "SIGSEGV"),
        ("kill", "SIGKILL"),
        ("spin", "SIGXCPU"),
        ("sleep", "took longer than 1 s"),
        ("eat", "needed more than 100 MiB"),
        ("exit", "exit code 3"),
        ("unpicklable", "died"),
        ("raise", "died"),
    ],
)
def test_a_child_that_fails_says_how_and_the_next_call_works(
    task: str, says: str, capfd: pytest.CaptureFixture[str]
):
    # No limit but the one that is meant may end it, however slow the machine is.
    cpu_s = 1 if task == "spin" else 1000
    child = BoundedChild(work, cpu_s=cpu_s, wall_s=100.0, memory_bytes=100 << 20)
    try:
        assert child.call("before") == "BEFORE"
        child._wall_s = 1.0 if task == "sleep" else 100.0
        with pytest.raises(ChildFailedError, match=says):
            child.call(task)
        child._wall_s = 100.0
        assert child.call("after") == "AFTER"
    finally:
        child.close()
    assert capfd.readouterr() == ("", "")


def test_a_child_has_its_memory_however_much_its_parent_has_mapped():
    child = BoundedChild(work, memory_bytes=100 << 20)
    try:
        with mmap.mmap(-1, 1 << 30, prot=0):
            assert child.call("some") == 50 << 20
    finally:
        child.close()


def test_each_thread_has_the_answer_to_what_it_asked():
    asked = [f"{chr(97 + number % 26)}{number}" * 999 for number in range(200)]
    child = BoundedChild(work)
    try:
        with ThreadPoolExecutor(8) as threads:
            answers = list(threads.map(child.call, asked))
    finally:
        child.close()
    assert answers == [task.upper() for task in asked]


def test_a_child_that_raises_prints_nothing(tmp_path: Path):
    (tmp_path / "raising.py").write_text(
        "from mlreport_batch.safety.child import BoundedChild, ChildFailedError\n"
        "def work(task):\n"
        "    raise KeyError(task)\n"
        "child = BoundedChild(work)\n"
        "try:\n"
        "    child.call('password=hunter2hunter2')\n"
        "except ChildFailedError as error:\n"
        "    print(error)\n"
        "child.close()\n"
    )
    ran = subprocess.run(
        [sys.executable, str(tmp_path / "raising.py")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stderr == ""
    assert "hunter2" not in ran.stdout
    assert "died" in ran.stdout


def test_three_failures_in_a_row_are_enough_and_fewer_are_forgotten():
    child = BoundedChild(work)
    try:
        for _ in range(2):
            for _ in range(2):
                with pytest.raises(ChildFailedError, match="exit code 3"):
                    child.call("exit")
            assert child.call("well") == "WELL"
        for says in ("exit code 3", "exit code 3", "exit code 3", "given up"):
            with pytest.raises(ChildFailedError, match=says):
                child.call("exit")
        with pytest.raises(ChildFailedError, match="given up"):
            child.call("well")
    finally:
        child.close()


def test_the_limit_on_cpu_time_is_for_each_task():
    child = BoundedChild(work, cpu_s=2)
    try:
        pids = set()
        for _ in range(4):
            found = child.call("family")
            assert isinstance(found, tuple)
            pids.add(found[1])
            assert child.call("big") == b"x" * 30_000_000
        assert len(pids) == 1
    finally:
        child.close()


def test_a_child_leads_a_group_of_its_own_and_holds_no_files_of_its_parent(
    tmp_path: Path,
):
    child = BoundedChild(work)
    with (tmp_path / "lock").open("w") as lock:
        os.set_inheritable(lock.fileno(), True)
        try:
            group, own, parent = child.call("family")  # type: ignore[misc]
            assert (group, parent) == (own, os.getpid())
            assert str(tmp_path / "lock") not in child.call("files")  # type: ignore[operator]
        finally:
            child.close()
    with pytest.raises(ProcessLookupError):
        os.kill(own, 0)


FAULTS = {
    "crash": "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)",
    "memory": "kept = bytearray(4 << 30)",
    "raise": "raise RuntimeError('password=hunter2hunter2')",
    "exit": "import os; os._exit(0)",
    "missing": "raise ImportError('libcairo.so: cannot open shared object file')",
    "spin": "while True: pass",
    "hang": "import time; time.sleep(600)",
}
SLOW = {"spin", "hang"}


def tick(base: Path, fault: str) -> subprocess.CompletedProcess[str]:
    (base / "broken").mkdir(exist_ok=True)
    (base / "broken" / "plutoprint.py").write_text(fault + "\n")
    return subprocess.run(
        [sys.executable, "-m", "mlreport_batch", "run", "root", "--out", "out", "-v"],
        cwd=base,
        env={
            **os.environ,
            "PYTHONPATH": f"{base / 'broken'}:{os.environ.get('PYTHONPATH', '')}",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )


@pytest.mark.parametrize(
    "fault",
    [pytest.param(f, marks=[pytest.mark.slow] if f in SLOW else []) for f in FAULTS],
)
def test_the_text_still_goes_out_when_the_renderer_fails(fault: str, tmp_path: Path):
    for name in ("one", "two"):
        (tmp_path / "root" / name).mkdir(parents=True)
        (tmp_path / "root" / name / "metrics.csv").write_text(good_csv())
    ran = tick(tmp_path, FAULTS[fault])
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == ""
    assert "hunter2" not in ran.stdout
    mails = sorted((tmp_path / "out" / "outbox").iterdir())
    assert len(mails) == 2
    for path in mails:
        mail = BytesParser(policy=policy.default).parsebytes(path.read_bytes())
        assert not mail.defects
        body = mail.get_body(("plain",))
        assert body is not None
        text = str(body.get_content())
        assert "val_loss" in text
        assert "0.0833" in text
        assert "could not be drawn" in text
        assert "hunter2" not in text
        page = mail.get_body(("html",))
        assert page is not None
        assert "could not be drawn" in page.get_content()
    # The next tick, with a sound renderer, owes nothing and repeats nothing.
    (tmp_path / "broken" / "plutoprint.py").unlink()
    again = subprocess.run(
        [sys.executable, "-m", "mlreport_batch", "run", "root", "--out", "out"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")


def test_a_plain_page_shows_markup_as_text(tmp_path: Path):
    (tmp_path / "root" / "one").mkdir(parents=True)
    log = good_csv().replace("val_loss", "<b onclick=evil()>", 1)
    (tmp_path / "root" / "one" / "metrics.csv").write_text(log)
    ran = tick(tmp_path, FAULTS["exit"])
    assert ran.returncode == 0, ran.stderr
    [path] = (tmp_path / "out" / "outbox").iterdir()
    mail = BytesParser(policy=policy.default).parsebytes(path.read_bytes())
    page = mail.get_body(("html",))
    assert page is not None
    assert "&lt;b onclick=evil()&gt;" in page.get_content()
    assert "<b" not in page.get_content()


@pytest.mark.slow
def test_a_template_that_is_too_much_costs_the_report_its_looks(tmp_path: Path):
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "metrics.csv").write_text(good_csv())
    nested = "<table><tr><td>" * 3000 + "{{run}}" + "</td></tr></table>" * 3000
    (tmp_path / "own.html").write_text(f"<body>{nested}</body>")
    (tmp_path / "mlreport.yaml").write_text(
        "runs: [{path: root}]\nstate: state\noutbox: {dir: outbox}\n"
        "render: {template: own.html}\n"
        "mail: {from: a@lab.example, to: [b@lab.example]}\n"
    )
    ran = subprocess.run(
        [sys.executable, "-m", "mlreport_batch", "run"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )
    assert ran.returncode == 0, ran.stderr
    [path] = (tmp_path / "outbox").iterdir()
    mail = BytesParser(policy=policy.default).parsebytes(path.read_bytes())
    body = mail.get_body(("plain",))
    assert body is not None
    assert "val_loss" in body.get_content()


@pytest.mark.parametrize("content", [None, b"\xff\xfe not utf-8 {{run}}"])
def test_f32_a_broken_template_ends_the_tick_before_anything_is_consumed(
    content: bytes | None, tmp_path: Path
):
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "metrics.csv").write_text(good_csv())
    (tmp_path / "mlreport.yaml").write_text(
        "runs: [{path: root}]\nstate: state\noutbox: {dir: outbox}\n"
        "render: {template: own.html}\n"
        "mail: {from: a@lab.example, to: [b@lab.example]}\n"
    )
    own = tmp_path / "own.html"
    if content is not None:
        own.write_bytes(content)

    def tick() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "mlreport_batch", "run"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )

    ran = tick()
    assert ran.returncode == 78, ran.stderr
    assert "own.html" in ran.stderr
    assert "Traceback" not in ran.stderr
    own.write_text("<body><p>{{run}} {{metric:val_loss}}</p></body>")
    ran = tick()
    assert (ran.returncode, ran.stderr) == (0, "")
    [mail] = (tmp_path / "outbox").iterdir()
    assert b"val_loss" in mail.read_bytes()


def test_a_child_that_cannot_be_set_up_says_so_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(os, "devnull", "/nowhere/null")
    child: BoundedChild[int, str] = BoundedChild(str)
    with pytest.raises(ChildFailedError, match="could not be started"):
        child.call(1)
    child.close()
    assert capfd.readouterr() == ("", "")
