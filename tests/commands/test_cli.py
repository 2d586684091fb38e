"""What a person types, sees and gets back."""

import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mlreport_batch import __version__
from mlreport_batch.cli import main
from mlreport_batch.config.load import load
from mlreport_batch.printing import colours, columns_of, fitted
from mlreport_batch.tick.executors import Inline, Pool, executor_of
from places import RUNS
from ticking import Desk

CSV = "step,loss\n1,0.5\n2,nan\n"


@pytest.fixture(autouse=True)
def nowhere(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    """No config of this machine is found."""
    monkeypatch.chdir(desk.folder)
    monkeypatch.setenv("HOME", str(desk.folder))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(desk.folder / "none"))
    monkeypatch.delenv("MLREPORT_CONFIG", raising=False)


def test_inspect_says_what_was_found_and_why(desk: Desk):
    desk.put("a/metrics.csv", CSV)
    desk.put("a/hparams.yaml", "lr: 0.1\nn: .inf\n")
    desk.put("a/intent.yaml", "expect: {lr: 0.1}\n")
    desk.put("a/test_results.json", '{"acc": 0.5}')
    desk.put("a/notes.csv", "hello,you\nx,y\n")
    desk.put("a/best.ckpt", "x")
    desk.put("b/trainer_state.json", "{")
    said = desk.run("inspect", desk.runs)
    assert said.code == 0
    for text in (
        "a  [", "metric      loss = nan at step 2 (2 values)", "hparam      lr = 0.1",
        "intended    lr = 0.1", "checkpoint  best.ckpt", "file        metrics.csv: ",
    ):  # fmt: skip
        assert text in said.out
    runs = desk.run("inspect", desk.runs, "--json").json["runs"]
    [run] = [run for run in runs if run["name"] == "a"]
    assert list(run) == [
        "name", "path", "formats", "status", "metrics", "hparams", "checkpoints",
        "files", "problems", "results", "intended",
    ]  # fmt: skip
    assert run["results"] == {"acc": 0.5}
    assert run["intended"] == {"lr": 0.1}
    assert run["metrics"]["loss"] == {
        "count": 2, "nans": 1, "last": "NaN", "last_step": 2, "min": 0.5, "max": 0.5,
    }  # fmt: skip
    assert run["hparams"] == {"lr": 0.1, "n": "Infinity"}
    assert {file["path"]: bool(file["format"]) for file in run["files"]} == {
        "hparams.yaml": True, "intent.yaml": True, "metrics.csv": True,
        "notes.csv": False, "test_results.json": True,
    }  # fmt: skip
    assert all(file["why"] for file in run["files"])


def test_what_a_terminal_obeys_is_never_printed(desk: Desk):
    desk.put("a/metrics.csv", CSV)
    desk.put("a/hparams.json", json.dumps({"a": "값 x\u202e\u2066\x9b31m\x7f\u2028"}))
    said = desk.run("inspect", desk.runs, "--json")
    assert said.out.rstrip("\n").isprintable()
    assert "값" in said.out
    [run] = said.json["runs"]
    assert "\ufffd" in run["hparams"]["a"] or "\u202e" in run["hparams"]["a"]
    for command in (
        ("inspect", desk.folder / "no\x1b[31mpe\u202e\x9b\nBcc: x"),
        ("run", desk.folder / "no\x1b[31mpe\u202e"),
        ("run", "--no\x1b[31mpe\u202e"),
        ("no\x1b[31mpe\u202e",),
    ):
        said = desk.run(*command)
        assert said.code == 2
        assert said.err.replace("\n", "").isprintable(), said.err
        assert "pe" in said.err


def test_inspect_of_nothing_says_so(desk: Desk):
    assert desk.run("inspect", desk.runs).out == "no runs found\n"
    assert desk.run("inspect", desk.runs, "--json").json == {
        "version": 1,
        "runs": [],
        "left_alone": [],
    }
    assert desk.run("inspect", desk.folder / "none").code == 2


def test_inspect_says_why_the_files_it_found_make_no_run(desk: Desk):
    folder = desk.runs / "data"
    folder.mkdir(parents=True)
    (folder / "people.csv").write_text("name,age\nbob,3\n")
    (folder / "config.json").write_text('{"lr": 1}')
    first, config, people = desk.run("inspect", desk.runs).out.splitlines()
    assert first == "no runs found"
    assert "data/config.json: hparams (configuration by its name; makes no" in config
    assert "data/people.csv: - (a table that compares" in people
    for number in range(60):
        (folder / f"{number:02d}.csv").write_text("")
    lines = desk.run("inspect", desk.runs).out.splitlines()
    assert len(lines) == 52
    assert lines[-1] == "  and 12 more files"


def test_inspect_tells_of_every_file_beside_runs_and_below_several_paths(desk: Desk):
    for name in ("one", "two"):
        desk.put(f"{name}/run/metrics.csv", CSV)
        desk.put(f"{name}/towns.csv", "town,precision\na,0.5\nb,0.4\n")
    paths = [desk.runs / "one", desk.runs / "two"]
    lines = desk.run("inspect", *paths).out.splitlines()
    why = "a table, but no column counts steps and no name tells of a training"
    for path in paths:
        at = lines.index(f"below {path}, and of no run:")
        assert lines[at + 1] == f"  file        towns.csv: - ({why})"
    lines = desk.run("inspect", paths[0]).out.splitlines()
    assert lines[-2:] == ["of no run:", f"  file        towns.csv: - ({why})"]
    told = desk.run("inspect", *paths, "--json").json
    assert [each["root"] for each in told["left_alone"]] == list(map(str, paths))


def test_inspect_of_many_runs_tells_a_line_of_each(desk: Desk):
    for number in range(11):
        desk.put(f"r{number:02}/metrics.csv", CSV)
    desk.put("r03/metrics.csv", f"{CSV}3,what\n")
    lines = desk.run("inspect", desk.runs).out.splitlines()
    rows = [line for line in lines if re.match(r"r\d\d  ", line)]
    assert len(rows) == 11
    assert (
        rows[3].split() == "r03 running lightning 1 metric to step 2, 1 problem".split()
    )
    assert "11 runs: 11 running" in lines
    assert "1 with problems" in lines
    full = desk.run("inspect", "-v", desk.runs).out
    assert full.count("  metric      loss = ") == 11
    coloured = desk.run("inspect", desk.runs, "--color", "always").out
    assert "\033[31;1m1 metric" in coloured


def test_a_preview_is_drawn_without_state(desk: Desk):
    desk.copy(RUNS / "lightning_basic" / "tree")
    said = desk.run("preview", desk.runs, "--out", desk.out)
    assert said.code == 0
    files = [Path(line) for line in said.out.splitlines()]
    assert [file.name for file in files] == ["report.html", "report.pdf", "report.eml"]
    assert files[1].read_bytes().startswith(b"%PDF")
    assert not (desk.out / "state.db").exists()
    desk.put("other/metrics.csv", CSV)
    said = desk.run("preview", desk.runs, "--out", desk.out)
    assert said.code == 2
    assert "2 runs" in said.err
    assert desk.run("preview", desk.runs / "other", "--out", desk.out).code == 0
    (desk.runs / "empty").mkdir()
    assert desk.run("preview", desk.runs / "empty", "--out", desk.out).code == 2
    (desk.folder / "file").write_text("x")
    said = desk.run("preview", desk.runs / "other", "--out", desk.folder / "file")
    assert said.code == 74


def test_a_preview_wants_what_the_config_wants(desk: Desk):
    desk.put("a/metrics.csv", CSV)
    config = desk.config("alerts: {nan: false}\nreport: {language: ko}\n")
    said = desk.run("preview", "-c", config, desk.runs / "a", "--out", desk.out)
    assert said.code == 0, said.err
    page = Path(said.out.splitlines()[0]).read_text(encoding="utf-8")
    assert "실행" in page
    assert "확인이 필요합니다" not in page


def test_status_of_nothing_is_nothing(desk: Desk):
    config = desk.config()
    said = desk.run("status", "-c", config)
    assert said.code == 0
    assert "last news  never" in said.out
    assert not desk.out.exists()
    assert desk.run("drop", "-c", config, "x").code == 2
    assert desk.run("retry", "-c", config).code == 2


def test_a_damaged_state_is_said_and_left_as_it_is(desk: Desk):
    desk.put("a/metrics.csv", CSV)
    config = desk.config()
    desk.run("run", "-c", config)
    database = desk.out / "state.db"
    for backup in desk.out.glob("state.db.*"):
        backup.unlink()
    database.write_bytes(b"not a database" * 1000)
    for args in (["run"], ["status"], ["run", "--dry-run"], ["retry"]):
        said = desk.run(args[0], "-c", config, *args[1:])
        assert said.code == 74, args
        assert "state.db" in said.err
    assert database.read_bytes() == b"not a database" * 1000


def test_check_tells_of_each_thing(desk: Desk):
    desk.put("a/metrics.csv", CSV)
    config = desk.config()
    said = desk.run("check", "-c", config)
    assert said.code == 0, said.out
    lines = said.out.splitlines()
    assert all(line.startswith("ok") for line in lines)
    assert len(lines) >= 5
    said = desk.run("check", "-c", config, "--send-test")
    assert said.code == 0
    [mail] = desk.mails()
    assert "test" in str(mail["Subject"])
    desk.answer(69)
    said = desk.run("check", "-c", config, "--send-test")
    assert said.code == 75
    assert "FAIL" in said.out
    desk.runs.rename(desk.folder / "away")
    said = desk.run("check", "-c", config)
    assert said.code == desk.run("run", "-c", config).code == 78
    assert f"{desk.runs} cannot be read" in said.out
    assert "change `runs`" in said.out


def test_check_looks_into_the_users_template(desk: Desk):
    desk.put("a/metrics.csv", CSV)
    own = desk.folder / "own.html"
    config = desk.config(f"render: {{template: {own}}}\n")
    own.write_text("<p>{{run}}: {{metric:any}}</p>")
    said = desk.run("check", "-c", config)
    assert said.code == 0, said.out
    assert f"ok    template {own}: 2 placeholders" in said.out
    own.write_text("<p>{{run}}: {{nosuch}}</p>")
    said = desk.run("check", "-c", config)
    assert said.code == 78
    assert f"FAIL  template {own}: no report fills {{{{nosuch}}}}." in said.out
    own.write_bytes(b"\xff")
    said = desk.run("check", "-c", config)
    assert said.code == 78
    assert "cannot be read" in said.out
    assert "Correct render.template" in said.out


def test_init_writes_a_config_that_can_be_read(desk: Desk):
    said = desk.run("init")
    assert said.code == 0
    assert load("mlreport.yaml").runs
    assert desk.run("init").code == 2
    assert desk.run("init", desk.folder / "new" / "config.yaml").code == 0
    assert desk.run("init", desk.folder / "mlreport.yaml" / "below").code == 2


@pytest.mark.parametrize("kind", ["cron", "systemd"])
def test_a_schedule_is_printed(desk: Desk, kind: str):
    said = desk.run("schedule", kind, "-c", desk.config(), "--every", "5")
    assert said.code == 0
    assert "5" in said.out
    assert str(desk.folder) in said.out


def test_a_config_that_is_missing_is_said(desk: Desk):
    assert desk.run("run").code == 2
    assert desk.run("run", "-c", desk.folder / "none.yaml").code == 78
    assert desk.run("baseline", "-c", desk.folder / "none.yaml").code == 78
    assert desk.run().code == 2
    assert desk.run("--version").code == 0


def test_paths_go_before_the_configs_runs(desk: Desk):
    desk.put("a/metrics.csv", CSV)
    desk.put("b/metrics.csv", CSV)
    config = desk.config()
    said = desk.run("run", "-c", config, desk.runs / "b", "--json").json
    assert [run["name"] for run in said["runs"]] == ["b"]


def test_a_config_may_have_pages_too(desk: Desk):
    desk.put("a/metrics.csv", CSV)
    pages = desk.folder / "pages"
    assert desk.run("run", "-c", desk.config(), "--out", pages).code == 0
    assert (pages / "index.html").exists()
    assert len(list(pages.glob("reports/*/report.pdf"))) == 1


def test_verbose_tells_times_and_problems(desk: Desk):
    desk.put("a/metrics.csv", CSV)
    desk.put("a/hparams.yaml", "x: [\n")
    said = desk.report("-v")
    assert "hparams.yaml" in said.out
    assert "discover" in said.out
    desk.put("b/metrics.csv", CSV)
    assert desk.report("-q").out == ""


def test_processes_do_the_same_as_one(desk: Desk):
    for number in range(4):
        desk.put(f"r{number}/metrics.csv", CSV)
    said = desk.report("--jobs", "2", "--json")
    assert said.code == 0, said.err
    assert said.json["sent"] == 4
    assert len(desk.mails()) == 4


def double(batch: int, factor: int) -> int:
    return batch * factor


def test_executors_keep_the_order():
    assert isinstance(executor_of("inline"), Inline)
    assert isinstance(executor_of("processes", 1), Inline)
    assert isinstance(executor_of("processes"), Pool)
    for executor in (executor_of("inline"), executor_of("inline", 2)):
        with executor as found:
            assert list(found.map(double, iter(range(9)), 3)) == [*range(0, 27, 3)]


def test_a_closed_pipe_is_no_bug(desk: Desk):
    desk.put("a/metrics.csv", CSV)
    command = f"{sys.executable} -m mlreport_batch inspect {desk.runs} | true"
    done = subprocess.run(
        ["/bin/sh", "-c", command], capture_output=True, text=True, check=False
    )
    assert done.stderr == ""


def test_our_own_bugs_end_with_70_and_no_secrets(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
):
    from mlreport_batch.commands import inspect as look

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("--token abcdefgh12345")

    monkeypatch.setattr(look, "look_at", broken)
    said = desk.run("inspect", desk.runs)
    assert said.code == 70
    assert "ZeroDivisionError" in said.err
    assert "abcdefgh" not in said.err


def test_a_disk_that_fails_below_our_own_modules_is_no_bug(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
):
    from mlreport_batch.commands import inspect as look

    def broken(*_: object, **__: object) -> None:
        raise OSError(5, "Input/output error", "/usr/lib/python3/stringprep.py")

    monkeypatch.setattr(look, "look_at", broken)
    said = desk.run("inspect", desk.runs)
    assert said.code == 74
    assert "/usr/lib/python3/stringprep.py: Input/output error (EIO)" in said.err
    assert "Traceback" not in said.err


def test_a_baseline_whose_output_nobody_reads_hides_no_debt(desk: Desk):
    desk.put("a/metrics.csv", "step,loss\n1,0.5\n")
    config = desk.config()
    desk.answer(75)
    assert desk.run("run", "-c", config).code == 75
    script = '"$0" -m mlreport_batch baseline -c "$1" | true; echo "${PIPESTATUS[0]}"'
    done = subprocess.run(
        ["bash", "-c", script, sys.executable, config],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "75"


def test_one_run_that_kills_its_reader_does_not_stop_the_others(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    """As the kernel kills a process for want of memory."""
    for number in range(6):
        desk.put(f"r{number}/metrics.csv", "step,loss\n1,0.5\n")
    (tmp_path / "sitecustomize.py").write_text(
        "import os, signal\n"
        "from mlreport_batch.tick import work\n"
        "read = work._read\n"
        "def dying(task, *rest):\n"
        "    if task.run.name == 'r3':\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return read(task, *rest)\n"
        "work._read = dying\n"
    )
    where = f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    done = subprocess.run(
        [sys.executable, "-m", "mlreport_batch", "run", str(desk.runs), "--out",
         str(desk.out), "--jobs", "2", "--json"],
        env={**os.environ, "PYTHONPATH": where},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 75, done.stderr
    assert "r3" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(desk.mails()) == 5


def test_colours_are_for_terminals_and_for_those_who_ask(
    monkeypatch: pytest.MonkeyPatch,
):
    assert not any(colours().values())
    assert all(colours("always").values())
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "")  # empty counts as not set
    assert all(colours().values())
    assert not any(colours("never").values())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not any(colours().values())
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert not any(colours().values())


@pytest.mark.parametrize(
    ("text", "columns", "shown"),
    [
        ("gan", 5, "gan  "), ("gan", 3, "gan"), ("a/long/name", 6, "…/name"),
        ("음성/기본", 9, "음성/기본"), ("음성/기본", 10, "음성/기본 "),
        ("음성/기본", 7, "…/기본 "), ("음성", 1, "…"), ("", 2, "  "),
    ],
)  # fmt: skip
def test_a_name_takes_the_columns_it_is_given(text: str, columns: int, shown: str):
    assert fitted(text, columns) == shown
    assert columns_of(shown) == columns


def test_an_interrupt_ends_with_75(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    from mlreport_batch.commands import inspect as look

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(look, "look_at", interrupted)
    assert desk.run("inspect", desk.runs).code == 75


def test_the_module_is_the_program(desk: Desk):
    done = subprocess.run(
        [sys.executable, "-m", "mlreport_batch", "--version"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.startswith(f"mlreport-batch {__version__}\nPython 3.")
    assert "\nmsgspec " in done.stdout


def test_a_terminal_gets_colours_and_a_bar(desk: Desk):
    import pty

    for number in range(12):
        desk.put(f"r{number}/metrics.csv", CSV)
    parent, child = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "mlreport_batch", "run", str(desk.runs), "--out",
         str(desk.out)],
        stdin=child, stdout=child, stderr=child,
    )  # fmt: skip
    os.close(child)
    shown = b""
    while True:
        try:
            part = os.read(parent, 4096)
        except OSError:
            break
        shown += part
    os.close(parent)
    assert process.wait() == 0
    text = shown.decode()
    assert "\033[31;1m" in text
    assert "12 runs with news" in text


def test_json_on_stdout_is_all_there_is(desk: Desk):
    desk.put("a/metrics.csv", CSV)
    said = desk.report("--json", "-v")
    assert json.loads(said.out)["sent"] == 1
    assert math.isfinite(json.loads(said.out)["seconds"]["read"])
    assert main(["run", str(desk.runs), "--out", str(desk.out)]) == 0


def test_nobody_else_may_write_to_what_a_command_leaves(desk: Desk, tmp_path: Path):
    desk.put("a/metrics.csv", "step,loss\n1,0.5\n")
    made = tmp_path / "made"
    made.mkdir()
    before = os.umask(0)
    try:
        run = str(desk.runs)
        where = ("--out", str(made / "out"))
        assert desk.run("run", run, *where, "--summary", made / "s.md").code == 0
        assert desk.run("preview", desk.runs / "a", "--out", made / "p").code == 0
        assert desk.run("init", made / "new" / "ml.yaml").code == 0
        assert os.umask(0) == 0
    finally:
        os.umask(before)
    paths = [path for path in made.rglob("*") if not path.is_symlink()]
    assert len(paths) > 10
    assert [path for path in paths if path.stat().st_mode & 0o022] == []


def test_check_says_that_the_state_lies_on_a_network_file_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from mlreport_batch.state.folder import network_of

    mounts = tmp_path / "mountinfo"
    lines = (
        "22 1 0:20 / / rw - ext4 /dev/a rw",
        "30 22 0:50 / /mnt/a\\040b rw,relatime shared:1 - nfs4 server:/x rw",
        "31 30 0:51 / /mnt/a\\040b/local rw - tmpfs tmpfs rw",
        "32 22 0:52 / /home/\xff rw - fuse.sshfs me@host: rw",
    )
    mounts.write_text("\n".join(lines) + "\n", encoding="latin-1")
    found = {
        path: network_of(path, str(mounts))
        for path in ("/mnt/a b/state", "/mnt/a b", "/mnt/a b/local/x", "/mnt/a bc", "/")
    }
    assert found == {
        "/mnt/a b/state": "nfs4",
        "/mnt/a b": "nfs4",
        "/mnt/a b/local/x": "",
        "/mnt/a bc": "",
        "/": "",
    }
    assert network_of(os.fsdecode(b"/home/\xff/s"), str(mounts)) == "fuse.sshfs"
    assert network_of("/", str(tmp_path / "none")) == ""
    monkeypatch.setattr("mlreport_batch.commands.check.network_of", lambda _: "nfs4")
    from mlreport_batch.commands.check import _folder

    assert "on a network file system (nfs4)" in _folder(str(tmp_path))


@pytest.mark.parametrize(("kind", "is_asked"), [("alert", False), ("problem", True)])
def test_only_alerts_that_hold_are_looked_for_where_nothing_is_new(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, kind: str, *, is_asked: bool
):
    desk.put("a/metrics.csv", "step,loss\n1,1\n2,0.5\n")
    assert desk.report().code == 0
    asked: list[object] = []
    monkeypatch.setattr(
        "mlreport_batch.state.idle.glance", lambda *args: asked.append(args)
    )
    assert desk.report("--fail-on", kind).code == 0
    assert bool(asked) == is_asked
