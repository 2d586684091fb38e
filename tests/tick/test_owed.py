"""What becomes of mails that are not taken at once: F40 to F45, F50, F51, N9."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from crash_tools import Lab, Zygote, check_told, laboratory, mails_of
from mlreport_batch.cli import main
from mlreport_batch.commands import run as run_command
from mlreport_batch.render import draw
from mlreport_batch.render.draw import DrawSettings
from mlreport_batch.safety.child import BoundedChild
from mlreport_batch.state.folder import Lock, LockedError
from mlreport_batch.tick.summary import TickSummary
from smtp_server import ScriptedServer, closed_port, drop

TWO = "  to: [one@lab.example, two@lab.example]"
DAY_S = 86400.0


class Clock:
    """Sets the time that ticks in this process go by."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        real = time.time
        self.shift_s = 0.0
        monkeypatch.setattr(
            "mlreport_batch.commands.run.time.time", lambda: real() + self.shift_s
        )


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def _lab(folder: Path, server: ScriptedServer, recipients: str = "") -> Lab:
    lab = Lab(folder / "lab", server.port)
    if recipients:
        text = lab.config.read_text()
        text = re.sub(r"  to: .*", recipients, text)
        lab.config.write_text(text)
    lab.grow("a", 2)
    return lab


def _tick(
    lab: Lab, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> tuple[int, str]:
    capsys.readouterr()
    lab.shift_s = clock.shift_s
    return main(lab.argv), capsys.readouterr().err


def _status(lab: Lab, capsys: pytest.CaptureFixture[str]) -> dict[str, list[dict]]:
    capsys.readouterr()
    assert main(["status", "--json", "-c", str(lab.config)]) == 0
    return json.loads(capsys.readouterr().out)


def _recipients(server: ScriptedServer) -> list[str]:
    return [c[9:-1] for c in server.commands if c.startswith("RCPT TO:")]


@pytest.mark.parametrize("first", ["250 ok", "450 later", "550 never"])
@pytest.mark.parametrize("second", ["250 ok", "450 later", "550 never"])
def test_f43_an_accepted_recipient_never_gets_it_twice(
    tmp_path: Path,
    clock: Clock,
    capsys: pytest.CaptureFixture[str],
    first: str,
    second: str,
):
    with ScriptedServer({"rcpt": [first, second]}) as server:
        lab = _lab(tmp_path, server, TWO)
        answers = {"one@lab.example": first, "two@lab.example": second}
        code, said = _tick(lab, clock, capsys)
        got = {to for to, answer in answers.items() if answer == "250 ok"}
        later = {to for to, answer in answers.items() if answer == "450 later"}
        never = {to for to, answer in answers.items() if answer == "550 never"}
        assert code == (75 if later or never else 0)
        assert len(server.mails) == bool(got)
        assert all(to in said for to in later | never)
        for hours in (1, 2, 3):
            clock.shift_s = hours * 3600.0
            server.commands.clear()
            lab.grow("a", 1)  # the next report must not take the place of this one
            code, said = _tick(lab, clock, capsys)
            if hours == 1:
                again = Counter(_recipients(server))
                # One mail of today to both, and the old one to whom it waits for.
                for to in answers:
                    is_old_due = to in later or (to in never and bool(later))
                    assert again[to] == 1 + (is_old_due and bool(got))
        if not later and never and got:
            assert [m["recipients"] for m in _status(lab, capsys)["dead"]] == [
                sorted(never)
            ]


def test_f43_it_is_kept_who_still_waits_even_if_the_tick_dies(
    tmp_path: Path, clock: Clock, capsys: pytest.CaptureFixture[str]
):
    with ScriptedServer({"rcpt": ["250 ok", "450 later"]}) as server:
        lab = _lab(tmp_path, server, TWO)
        _tick(lab, clock, capsys)
        [owed] = _status(lab, capsys)["owed"]
        assert owed["recipients"] == ["two@lab.example"]
        clock.shift_s = 3700.0
        server.commands.clear()
        assert _tick(lab, clock, capsys)[0] == 0
        assert _recipients(server) == ["two@lab.example"]
        assert server.mails[0] == server.mails[1]


@pytest.mark.parametrize(
    ("limit", "missing"), [(25_000, "The PDF"), (16_000, "The pictures")]
)
def test_f49_a_server_that_takes_small_mails_gets_one(
    tmp_path: Path,
    clock: Clock,
    capsys: pytest.CaptureFixture[str],
    limit: int,
    missing: str,
):
    with ScriptedServer(features=(f"SIZE {limit}", "AUTH PLAIN LOGIN")) as server:
        lab = _lab(tmp_path, server)
        code, said = _tick(lab, clock, capsys)
        assert (code, said) == (0, ""), said
        [mail] = server.mails
        assert len(mail) <= limit
        assert (
            f"{missing} is left out" in mail.decode()
            or f"{missing} are left" in mail.decode()
        )
        clock.shift_s = 3700.0
        assert _tick(lab, clock, capsys)[0] == 0
        assert len(server.mails) == 1


def test_f49_what_no_server_takes_yet_is_kept(
    tmp_path: Path, clock: Clock, capsys: pytest.CaptureFixture[str]
):
    with ScriptedServer(features=("SIZE 900", "AUTH PLAIN LOGIN")) as server:
        lab = _lab(tmp_path, server)
        code, said = _tick(lab, clock, capsys)
        assert code == 75
        assert "takes 900" in said
        [owed] = _status(lab, capsys)["owed"]
        assert "takes 900" in owed["why"]
        assert not server.mails


@pytest.mark.no_cover
def test_f41_waits_double_to_an_hour_and_are_kept(
    tmp_path: Path, clock: Clock, capsys: pytest.CaptureFixture[str]
):
    with ScriptedServer({"mail": "451 later"}) as server:
        lab = _lab(tmp_path, server)
        tries: list[float] = []
        for minute in range(0, 300, 2):
            clock.shift_s = minute * 60.0
            before = len(server.commands)
            code, _ = _tick(lab, clock, capsys)
            assert code == 75
            if any(c.startswith("MAIL") for c in server.commands[before:]):
                tries.append(minute)
        waits = [b - a for a, b in pairwise(tries)]
        assert waits == sorted(waits)
        assert waits[-1] == 60
        assert len(tries) < 20


@pytest.mark.no_cover
def test_f40_a_server_that_takes_nothing_is_left_alone_longer_and_longer(
    tmp_path: Path, clock: Clock, capsys: pytest.CaptureFixture[str]
):
    with ScriptedServer({"greeting": "421 busy"}) as server:
        lab = _lab(tmp_path, server)
        for minute in range(0, 180, 2):
            clock.shift_s = minute * 60.0
            assert _tick(lab, clock, capsys)[0] == 75
        assert len(server.mails) == 0
        assert server.connections < 40  # of 90 ticks, some of which asked twice


def test_f40_nobody_answers(
    tmp_path: Path, clock: Clock, capsys: pytest.CaptureFixture[str]
):
    with closed_port() as port:
        lab = Lab(tmp_path / "lab", port)
        lab.grow("a", 2)
        code, said = _tick(lab, clock, capsys)
        assert code == 75
        assert "refused" in said.lower()


@pytest.mark.no_cover
def test_f41_after_five_days_a_mail_is_dead_and_named_once_a_day(
    tmp_path: Path, clock: Clock, capsys: pytest.CaptureFixture[str]
):
    with ScriptedServer({"mail": "451 later"}) as server:
        lab = _lab(tmp_path, server)
        for hour in range(0, 5 * 24 + 1, 2):
            clock.shift_s = hour * 3600.0
            code, _ = _tick(lab, clock, capsys)
            assert code == 75
        [dead] = _status(lab, capsys)["dead"]
        assert lab.places()["dead"] == [dead["rid"]]
        assert "451" in dead["why"]
        said = []
        for hour in range(2, 24 * 4, 2):
            clock.shift_s = (5 * 24 + hour) * 3600.0
            code, text = _tick(lab, clock, capsys)
            assert code == (75 if text else 0)
            assert not text or dead["rid"] in text
            said += [hour] if text else []
        assert said == [24, 48, 72]


def test_f42_one_refused_mail_does_not_hold_up_the_others(
    tmp_path: Path, clock: Clock, capsys: pytest.CaptureFixture[str]
):
    with ScriptedServer({"dot": ["554 spam"]}) as server:
        lab = _lab(tmp_path, server)
        lab.grow("b", 1)
        code, said = _tick(lab, clock, capsys)
        assert code == 75
        [dead] = lab.places()["dead"]
        assert dead in said
        assert len(lab.places()["sent"]) == 1
        assert _tick(lab, clock, capsys) == (0, "")
        assert main(["retry", dead, "-c", str(lab.config)]) == 0
        assert _tick(lab, clock, capsys)[0] == 0
        assert lab.places()["dead"] == []
        del server.mails[0]  # it was not taken
        assert max(check_told(server.mails, lab.steps).values()) == 1
        clock.shift_s = 3 * DAY_S
        assert _tick(lab, clock, capsys) == (0, "")


def test_f42_a_dead_mail_can_be_dropped(
    tmp_path: Path, clock: Clock, capsys: pytest.CaptureFixture[str]
):
    with ScriptedServer({"dot": ["554 spam"]}) as server:
        lab = _lab(tmp_path, server)
        _tick(lab, clock, capsys)
        [dead] = lab.places()["dead"]
        assert main(["drop", dead, "-c", str(lab.config)]) == 0
        assert lab.places()["dead"] == []
        clock.shift_s = 2 * DAY_S
        assert _tick(lab, clock, capsys) == (0, "")
        assert _status(lab, capsys)["dead"] == []


def test_f45_three_times_unknown_is_held_and_named(
    tmp_path: Path, clock: Clock, capsys: pytest.CaptureFixture[str]
):
    with ScriptedServer({"dot": drop}) as server:
        lab = _lab(tmp_path, server)
        for hour in range(6):
            clock.shift_s = hour * 3700.0
            code, said = _tick(lab, clock, capsys)
            if hour < 4:
                assert code == 75
        assert len(server.mails) == 3
        assert len(set(server.mails)) == 1
        [held] = _status(lab, capsys)["dead"]
        clock.shift_s += DAY_S
        code, said = _tick(lab, clock, capsys)
        assert code == 75
        assert held["rid"] in said


@pytest.mark.parametrize("policy", ["resend", "hold"])
def test_f45_a_held_mail_that_is_retried_is_not_superseded(
    tmp_path: Path, clock: Clock, capsys: pytest.CaptureFixture[str], policy: str
):
    """It may have arrived: told again by another mail, its news would come twice."""
    silent = 3 if policy == "resend" else 1
    with ScriptedServer({"dot": [drop] * silent}) as server:
        lab = _lab(tmp_path, server, f"  to: [me@lab.example]\n  on_unknown: {policy}")
        for hour in range(4):
            clock.shift_s = hour * 3700.0
            _tick(lab, clock, capsys)
        [held] = _status(lab, capsys)["dead"]
        assert main(["retry", "-c", str(lab.config)]) == 0
        lab.grow("a", 1)
        clock.shift_s += 3700.0
        assert _tick(lab, clock, capsys)[0] == 0
        assert check_told(server.mails, lab.steps)[held["rid"]] == silent + 1


def test_f11_a_file_that_could_not_be_looked_into_is_looked_into_again(
    tmp_path: Path,
    clock: Clock,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):
    """Nothing of its folder changes afterwards: only the tick can know of it."""

    def fail(*_: object) -> bytes:
        raise OSError(5, "Input/output error")

    with ScriptedServer() as server:
        lab = _lab(tmp_path, server)
        for path in (lab.runs / "a" / "metrics.csv", lab.runs / "a", lab.runs):
            os.utime(path, (time.time() - 60, time.time() - 60))
        with monkeypatch.context() as patch:
            patch.setattr("mlreport_batch.find.listing.read_head", fail)
            _tick(lab, clock, capsys)
        assert server.mails == []
        clock.shift_s = 60.0
        assert _tick(lab, clock, capsys)[0] == 0
        check_told(server.mails, lab.steps)


def test_an_outage_of_a_day_ends_with_one_mail_a_run(
    tmp_path: Path, clock: Clock, capsys: pytest.CaptureFixture[str]
):
    with ScriptedServer({"mail": "451 later"}) as server:
        lab = _lab(tmp_path, server)
        for number in range(32):
            clock.shift_s = lab.shift_s = number * 2700.0
            lab.grow("a", 2)
            if number % 3 == 0:
                lab.grow("b", 1)
            assert _tick(lab, clock, capsys)[0] == 75
        assert len(lab.places()["new"]) == 2
        server.script = {}
        clock.shift_s += 3700.0
        assert _tick(lab, clock, capsys)[0] == 0
        assert sorted(m.run for m in mails_of(server.mails)) == ["a", "b"]
        check_told(server.mails, lab.steps)


def test_n8_a_clock_that_jumps_holds_up_nothing(
    tmp_path: Path, clock: Clock, capsys: pytest.CaptureFixture[str]
):
    """Forward a year, back to now, back a day: what is new is mailed all the same."""
    with ScriptedServer() as server:
        lab = _lab(tmp_path, server)
        for shift_s in (0.0, 365 * DAY_S, 60.0, -DAY_S, 120.0):
            clock.shift_s = shift_s
            lab.grow("a", 1)
            assert _tick(lab, clock, capsys)[0] == 0
            check_told(server.mails, lab.steps)


def test_n8_a_wait_noted_by_a_clock_in_the_future_is_over_at_once(
    tmp_path: Path, clock: Clock, capsys: pytest.CaptureFixture[str]
):
    with ScriptedServer({"greeting": "421 busy"}) as server:
        lab = _lab(tmp_path, server)
        clock.shift_s = lab.shift_s = 365 * DAY_S
        lab.grow("a", 1)
        assert _tick(lab, clock, capsys)[0] == 75
        server.script = {"mail": "451 later"}
        clock.shift_s += 3700.0
        assert _tick(lab, clock, capsys)[0] == 75
        server.script = {}
        clock.shift_s = 0.0
        assert _tick(lab, clock, capsys)[0] == 0
        assert _status(lab, capsys)["dead"] == []


# -- one at a time -----------------------------------------------------------------


@pytest.mark.parametrize(
    "rounds",
    [4, pytest.param(200, marks=[pytest.mark.slow, pytest.mark.timeout(7200)])],
)
def test_n9_eight_processes_at_once_make_one_mail_a_change(tmp_path: Path, rounds: int):
    with ScriptedServer() as server:
        lab = Lab(tmp_path / "lab", server.port)
        zygotes = [Zygote(tmp_path) for _ in range(8)]
        try:
            for number in range(1, rounds + 1):
                lab.grow("a", 1)
                for zygote in zygotes:
                    zygote.start(lab.argv)
                assert [zygote.wait().code for zygote in zygotes] == [0] * 8
                server.settle()
                assert len(server.mails) == number
        finally:
            for zygote in zygotes:
                zygote.__exit__()
        assert max(check_told(server.mails, lab.steps).values()) == 1


def test_f24_the_second_tick_says_so_and_ends_with_0(
    tmp_path: Path, clock: Clock, capsys: pytest.CaptureFixture[str]
):
    with ScriptedServer() as server:
        lab = _lab(tmp_path, server)
        lock = Lock(str(lab.state))
        argv = [word for word in lab.argv if word != "-q"]
        assert main(argv) == 0
        assert capsys.readouterr().err.count("\n") == 1
        lock.release()
        assert _tick(lab, clock, capsys)[0] == 0


def test_f24_a_lock_held_for_three_intervals_is_said_aloud(
    tmp_path: Path, clock: Clock, capsys: pytest.CaptureFixture[str]
):
    with ScriptedServer() as server:
        lab = _lab(tmp_path, server)
        lock = Lock(str(lab.state))
        file = lab.state / "lock"
        pid, wall, booted = file.read_text().split()
        old = int(run_command.HOLDER_IS_OLD_S) + 60
        file.write_text(f"{pid} {int(wall) - old} {int(booted) - old}")
        code, said = _tick(lab, clock, capsys)
        assert code == 75
        assert pid in said
        # A jump of the clock alone makes no tick old.
        file.write_text(f"{pid} {int(wall) - old} {booted}")
        assert _tick(lab, clock, capsys)[0] == 0
        for note in ("", "what?", f"{pid} {int(wall) + old} {booted}"):
            file.write_text(note)
            with pytest.raises(LockedError) as caught:
                Lock(str(lab.state))
            assert caught.value.running_for_s == 0.0
        lock.release()


def test_f25_the_lock_of_a_killed_tick_is_free_while_its_child_still_draws(
    tmp_path: Path,
):
    with laboratory(tmp_path) as (lab, server, zygote):
        lab.grow("a", 1)
        for delay in (0.02, 0.06, 0.1, 0.15, 0.2, 0.3):
            lab.grow("a", 1)
            zygote.start(lab.argv)
            time.sleep(delay)
            zygote.kill()
            zygote.wait()
            for _ in range(20):
                ended = zygote.run([w for w in lab.argv if w != "-q"])
                if "another tick" not in ended.output:
                    break
                time.sleep(0.5)  # it was just being started
            assert ended.code == 0
            assert "another tick" not in ended.output
        server.settle()
        check_told(server.mails, lab.steps)


# -- asked to end ------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_f51_a_tick_that_is_asked_to_end_does_so_at_a_safe_point(
    tmp_path: Path, number: signal.Signals
):
    with laboratory(tmp_path) as (lab, server, zygote):
        for delay in (0.0, 0.02, 0.05, 0.08, 0.12, 0.16, 0.25):
            for run in "abc":
                lab.grow(run, 1)
            zygote.start(lab.argv)
            time.sleep(delay)
            zygote.kill(number)
            ended = zygote.wait()
            if ended.killed or "in _child" in ended.output:
                continue  # it came before the tick began
            assert ended.code in (0, 75), ended
            assert "Traceback" not in ended.output
            if ended.code == 0:
                assert ended.output == ""
        assert zygote.run(lab.argv, shift_s=60.0).code == 0
        server.settle()
        assert max(check_told(server.mails, lab.steps).values()) == 1


def test_f51_a_signal_while_the_process_ends_shows_no_traceback(
    monkeypatch: pytest.MonkeyPatch,
):
    ended: list[BoundedChild] = []

    def interrupted(child: BoundedChild) -> None:
        ended.append(child)
        raise KeyboardInterrupt

    at_exit: list[tuple] = []
    monkeypatch.setattr(BoundedChild, "close", interrupted)
    monkeypatch.setattr("atexit.register", lambda *call: at_exit.append(call))
    child = draw._child(DrawSettings(template=f"/{id(at_exit)}"))
    for function, *args in at_exit:
        try:
            function(*args)
        except KeyboardInterrupt:
            pytest.fail("it would be shown as a traceback")
    assert ended == [child]


def test_f50_a_run_of_a_quarter_of_an_hour_ends_at_a_safe_point(
    tmp_path: Path,
    clock: Clock,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):
    with ScriptedServer() as server:
        lab = _lab(tmp_path, server)
        for run in "bcd":
            lab.grow(run, 1)
        monkeypatch.setattr(run_command, "MAX_RUN_S", 0.0)
        monkeypatch.setattr("mlreport_batch.tick.reporting.REPORTS", 1)
        code, said = _tick(lab, clock, capsys)
        assert code == 75
        assert "ended early" in said
        # What is made is sent: else a log that takes too long would hold up all.
        assert len(server.mails) == 1
        assert TickSummary(is_cut=True).exit_code == 75
        monkeypatch.undo()
        assert main(lab.argv) == 0
        check_told(server.mails, lab.steps)


# -- as cron starts it -------------------------------------------------------------


@pytest.fixture
def outbox_lab(tmp_path: Path) -> Path:
    run = tmp_path / "runs" / "größe"
    run.mkdir(parents=True)
    (run / "metrics.csv").write_text("step,loss\n0,1.0\n")
    config = tmp_path / "mlreport.yaml"
    config.write_text(
        f"runs: [{{path: {tmp_path}/runs}}]\nstate: {tmp_path}/state\n"
        f"mail: {{via: outbox, from: a@b.example, to: [a@b.example]}}\n"
        f"outbox: {{dir: {tmp_path}/outbox}}\n"
    )
    return tmp_path


COMMAND = [sys.executable, "-m", "mlreport_batch", "run"]


@pytest.mark.parametrize(
    "env", [{}, {"LANG": "C", "LC_ALL": "C"}, {"HOME": "/nonexistent", "PATH": ""}]
)
def test_f51_a_bare_environment_is_enough(outbox_lab: Path, env: dict[str, str]):
    config = str(outbox_lab / "mlreport.yaml")
    done = subprocess.run(
        [*COMMAND, "-c", config], env=env, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert len(list((outbox_lab / "outbox").glob("*.eml"))) == 1


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_f51_closed_standard_streams_harm_nothing(outbox_lab: Path, closed: str):
    line = f"exec {' '.join(COMMAND)} -v -c mlreport.yaml {closed}"
    done = subprocess.run(["sh", "-c", line], cwd=outbox_lab, check=False)
    assert done.returncode == 0
    assert len(list((outbox_lab / "outbox").glob("*.eml"))) == 1
    note = (outbox_lab / "state" / "lock").read_text()
    assert re.fullmatch(r"\d+ \d+ \d+\n", note)


def test_f51_output_that_cannot_be_written_is_said_with_74(outbox_lab: Path):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*COMMAND, "--json", "-c", "mlreport.yaml"],
            cwd=outbox_lab,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 74
    assert "ENOSPC" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(list((outbox_lab / "outbox").glob("*.eml"))) == 1


@pytest.mark.parametrize(
    ("trouble", "options", "code", "said"),
    [
        ("outbox", [], 78, "not a folder"),
        ("file", ["--summary", "no/such.md"], 2, "no/such.md cannot be written"),
    ],
)
def test_f51_a_reader_that_goes_away_hides_no_failure(
    outbox_lab: Path, trouble: str, options: list[str], code: int, said: str
):
    if trouble == "outbox":
        (outbox_lab / "outbox").write_text("no folder")
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [*COMMAND, "-v", "-c", "mlreport.yaml", *options],
        cwd=outbox_lab,
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(write)
    assert done.returncode == code
    assert said in done.stderr


def test_f52_no_process_to_draw_in_makes_a_plain_mail(
    outbox_lab: Path, monkeypatch: pytest.MonkeyPatch
):
    def refuse(*_: object) -> int:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    draw._child.cache_clear()
    monkeypatch.setattr("os.fork", refuse)
    assert main(["run", "-c", str(outbox_lab / "mlreport.yaml")]) == 0
    draw._child.cache_clear()
    [mail] = (outbox_lab / "outbox").glob("*.eml")
    assert b"EAGAIN" in mail.read_bytes()
