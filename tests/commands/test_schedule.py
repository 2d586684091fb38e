import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mlreport_batch.commands import run as run_command
from mlreport_batch.commands.schedule import (
    cron_line,
    crontab_text,
    systemd_units,
)
from mlreport_batch.config.channels import SmtpSettings
from mlreport_batch.errors import UsageError
from mlreport_batch.tick.conduct import SEND_S
from places import ROOT

AWKWARD = "conf 50% \"of\" $HOME 'it' \\ ; 설정.yaml"


def fake_program(folder: Path) -> Path:
    """Make an executable that writes its arguments, one a line, beside itself."""
    folder.mkdir(parents=True)
    program = folder / "mlreport-batch"
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$0" "$@" > "$HOME/called"\n')
    program.chmod(0o755)
    return program


def as_cron(line: str, home: Path) -> subprocess.CompletedProcess[str]:
    """Run a crontab line as cron does."""
    fields = line.split(maxsplit=5)
    assert len(fields) == 6
    # cron: an unescaped % ends the command, \% is a %.
    command = re.split(r"(?<!\\)%", fields[5])[0].replace("\\%", "%")
    return subprocess.run(
        [
            *("/usr/bin/env", "-i", "PATH=/usr/bin:/bin", f"HOME={home}"),
            *("SHELL=/bin/sh", "LOGNAME=me", "/bin/sh", "-c", command),
        ],
        cwd=home,
        check=False,
        capture_output=True,
        text=True,
    )


def run_as_cron(line: str, home: Path) -> list[str]:
    """Run a crontab line as cron does and return the fake program's arguments."""
    as_cron(line, home).check_returncode()
    return (home / "called").read_text().splitlines()


def test_the_cron_line_calls_the_program_with_its_config(tmp_path: Path):
    program = fake_program(tmp_path / "my env 100%")
    config = tmp_path / AWKWARD
    called = run_as_cron(cron_line([str(program)], config), tmp_path)
    assert called == [str(program), "run", "-q", "-c", str(config)]


def test_every_line_of_the_crontab_but_one_is_a_comment():
    text = crontab_text(["/usr/bin/x"], Path("/c.yaml"), password_env="PASS_VAR")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert lines == ["*/15 * * * * /usr/bin/x run -q -c /c.yaml"]
    assert "PASS_VAR" in text
    assert "password_file" in text
    assert "PASS_VAR" not in crontab_text(["/usr/bin/x"], Path("/c.yaml"))


def the_only_line(path: Path) -> str:
    text = path.read_text(encoding="utf-8")
    (line,) = [x for x in text.splitlines() if x and not x.startswith("#")]
    return line


def test_the_crontab_example_calls_the_program_with_its_config(tmp_path: Path):
    program = fake_program(tmp_path / ".local/bin")
    called = run_as_cron(the_only_line(ROOT / "crontab.example"), tmp_path)
    config = tmp_path / ".config/mlreport-batch/config.yaml"
    assert called == [str(program), "run", "-q", "-c", str(config)]


def test_the_crontab_example_runs(tmp_path: Path):
    """The line as cron runs it, with the program itself and almost no environment."""
    program = tmp_path / ".local/bin/mlreport-batch"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m mlreport_batch "$@"\n')
    program.chmod(0o755)
    shutil.copytree(ROOT / "sample_runs/gan", tmp_path / "실험/gan")
    config = tmp_path / ".config/mlreport-batch/config.yaml"
    config.parent.mkdir(parents=True)
    config.write_text("runs: [{path: ~/실험}]\n", encoding="utf-8")
    line = the_only_line(ROOT / "crontab.example")
    for number_of_mails in (1, 1):  # the second tick has no news
        done = as_cron(line, tmp_path)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        mails = list((tmp_path / "mlreport-outbox").glob("*.eml"))
        assert len(mails) == number_of_mails
    (config.parent / "config.yaml").write_text("run: []\n")
    done = as_cron(line, tmp_path)
    assert done.returncode == 78
    assert "did you mean 'runs'?" in done.stderr  # cron mails this


def test_the_crontab_example_is_up_to_date():
    made = crontab_text(["/HOME/bin/x"], Path("/HOME/c.yaml")).replace(
        "/HOME/bin/x", "$HOME/.local/bin/mlreport-batch"
    )
    made = made.replace("/HOME/c.yaml", "$HOME/.config/mlreport-batch/config.yaml")
    assert (ROOT / "crontab.example").read_text() == made


@pytest.mark.parametrize(
    ("every_min", "cron", "calendar"),
    [
        (1, "* * * * * ", "OnCalendar=*:0/1\n"),
        (20, "*/20 * * * * ", "OnCalendar=*:0/20\n"),
        (60, "0 * * * * ", "OnCalendar=hourly\n"),
    ],
)
def test_the_interval_is_the_one_asked_for(every_min: int, cron: str, calendar: str):
    line = cron_line(["/x"], Path("/c"), every_min=every_min)
    assert line == f"{cron}/x run -q -c /c"
    units = systemd_units(["/x"], Path("/c"), writable=[], every_min=every_min)
    assert calendar in units["mlreport-batch.timer"]


@pytest.mark.parametrize("every_min", [0, -5, 7, 45, 61, 120])
def test_an_interval_that_does_not_divide_an_hour_is_refused(every_min: int):
    with pytest.raises(UsageError, match="does not divide an hour"):
        cron_line(["/x"], Path("/c"), every_min=every_min)
    with pytest.raises(UsageError, match="does not divide an hour"):
        systemd_units(["/x"], Path("/c"), writable=[], every_min=every_min)


def test_a_path_with_a_line_break_is_refused():
    for config in (Path("/a\n* * * * * rm"), Path("/a\rb"), Path("/a\x1bb")):
        with pytest.raises(UsageError, match="cannot stand in a crontab"):
            cron_line(["/x"], config)


def exec_start(service: str) -> list[str]:
    """Split ExecStart as systemd does: quotes, then %, $ and backslashes."""
    (line,) = re.findall(r"^ExecStart=(.*)$", service, flags=re.MULTILINE)
    words = re.findall(r'"((?:[^"\\]|\\.)*)"|(\S+)', line)
    plain = [re.sub(r"\\(.)", r"\1", quoted or bare) for quoted, bare in words]
    for sign in ("%", r"\$"):  # a single one would be replaced by systemd
        assert not re.search(rf"(?<!{sign})({sign}{sign})*{sign}(?!{sign})", line)
    return [word.replace("%%", "%").replace("$$", "$") for word in plain]


def test_the_unit_calls_the_program_with_its_config():
    config = Path("/home/me") / AWKWARD
    program = "/opt/my env 100%/bin/mlreport-batch"
    units = systemd_units([program], config, writable=[Path("/a b/%s")])
    service = units["mlreport-batch.service"]
    assert exec_start(service) == [program, "run", "-q", "-c", str(config)]
    assert 'ReadWritePaths="/a b/%%s"' in service


def shipped(scope: str) -> dict[str, str]:
    return {
        file.name: file.read_text() for file in (ROOT / "systemd" / scope).iterdir()
    }


def test_the_shipped_user_units_are_up_to_date():
    units = systemd_units(
        ["/HOME/.local/bin/mlreport-batch"],
        Path("/HOME/.config/mlreport-batch/config.yaml"),
        writable=[
            Path("/HOME/.local/state/mlreport-batch"),
            Path("/HOME/mlreport-outbox"),
        ],
    )
    expected = {name: text.replace("/HOME", "%h") for name, text in units.items()}
    assert shipped("user") == expected


def test_the_shipped_system_units_say_what_those_of_a_user_say():
    """They add a user of their own and the hardening that only root can ask for."""
    mine, system = shipped("user"), shipped("system")
    assert system["mlreport-batch.timer"] == mine["mlreport-batch.timer"]
    wanted = [
        line
        for line in mine["mlreport-batch.service"].splitlines()
        if line and not line.startswith(("#", "ExecStart="))
    ]
    service = system["mlreport-batch.service"].splitlines()
    assert [line for line in wanted if line not in service] == []


@pytest.mark.parametrize("scope", ["user", "system"])
def test_systemd_accepts_the_units(scope: str, tmp_path: Path):
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not here")
    program = fake_program(tmp_path / "bin")
    command, config = [str(program)], tmp_path / "a b%.yaml"
    if scope == "user":
        units = systemd_units(command, config, writable=[tmp_path / "s s"])
    else:
        units = {
            name: text.replace("/opt/mlreport-batch/bin/mlreport-batch", str(program))
            for name, text in shipped("system").items()
        }
    for name, text in units.items():
        # Switched on what the user may switch on: it must be accepted as well.
        (tmp_path / name).write_text(re.sub("(?m)^#(?=[A-Z][A-Za-z]+=)", "", text))
    done = subprocess.run(
        [analyze, "verify", f"--{scope}", "--man=no", *(tmp_path / n for n in units)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"XDG_RUNTIME_DIR": str(tmp_path)},
    )
    ours = [line for line in done.stderr.splitlines() if "mlreport-batch" in line]
    assert ours == []
    assert done.returncode == 0


def test_the_system_unit_is_well_hardened():
    service = shipped("system")["mlreport-batch.service"]
    for wish in (
        *("DynamicUser=yes", "ProtectSystem=strict", "PrivateTmp=yes"),
        *("NoNewPrivileges=yes", "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6"),
        *("SystemCallFilter=@system-service", "MemoryMax=1G", "TimeoutStartSec=35min"),
        *("StateDirectory=mlreport-batch", "CapabilityBoundingSet="),
    ):
        assert f"\n{wish}\n" in service
    assert "\nReadWritePaths" not in service
    assert "\nPersistent=true\n" in shipped("system")["mlreport-batch.timer"]


def test_systemd_waits_for_all_that_a_tick_may_take():
    """Reading, sending, and the last server's word; no longer than others believe."""
    unit = (ROOT / "systemd" / "system" / "mlreport-batch.service").read_text()
    found = re.search(r"TimeoutStartSec=(\d+)min", unit)
    assert found
    longest_s = run_command.MAX_RUN_S + SEND_S + SmtpSettings().final_timeout_s
    assert longest_s < int(found[1]) * 60 < run_command.HOLDER_IS_OLD_S


def test_systemd_rates_the_system_unit_as_safe():
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not here")
    unit = ROOT / "systemd/system/mlreport-batch.service"
    done = subprocess.run(
        [analyze, "security", "--offline=true", "--threshold=20", str(unit)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-300:]
