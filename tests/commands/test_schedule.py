import os
import plistlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from msgspec.structs import replace

from mlreport_batch.commands import run as run_command
from mlreport_batch.commands.schedule.call import Call
from mlreport_batch.commands.schedule.cron import cron_lines, crontab_text
from mlreport_batch.commands.schedule.units import systemd_units
from mlreport_batch.commands.schedule.when import When, when_of
from mlreport_batch.config.channels import SmtpSettings
from mlreport_batch.errors import UsageError
from mlreport_batch.tick.conduct import SEND_S
from places import ROOT
from ticking import Desk

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


def the_line(call: Call) -> str:
    (line,) = cron_lines(call, When())
    return line


def run_as_cron(line: str, home: Path) -> list[str]:
    """Run a crontab line as cron does and return the fake program's arguments."""
    as_cron(line, home).check_returncode()
    return (home / "called").read_text().splitlines()


def test_the_cron_line_calls_the_program_with_its_config(tmp_path: Path):
    program = fake_program(tmp_path / "my env 100%")
    config = tmp_path / AWKWARD
    called = run_as_cron(the_line(Call((str(program),), config)), tmp_path)
    assert called == [str(program), "run", "-q", "-c", str(config)]


def test_every_line_of_the_crontab_but_one_is_a_comment():
    call = Call(("/usr/bin/x",), Path("/c.yaml"))
    text = crontab_text(replace(call, variables=("PASS_VAR", "PING")), When())
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert lines == ["*/15 * * * * /usr/bin/x run -q -c /c.yaml"]
    assert "does not pass PASS_VAR, PING on: name a file" in text
    assert "PASS_VAR" not in crontab_text(call, When())


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
    made = crontab_text(Call(("/HOME/bin/x",), Path("/HOME/c.yaml")), When()).replace(
        "/HOME/bin/x", "$HOME/.local/bin/mlreport-batch"
    )
    made = made.replace("/HOME/c.yaml", "$HOME/.config/mlreport-batch/config.yaml")
    assert (ROOT / "crontab.example").read_text() == made


@pytest.mark.parametrize(
    ("text", "cron", "calendar"),
    [
        ("1", ["* * * * *"], ["*:0/1"]),
        (None, ["*/15 * * * *"], ["*:0/15"]),
        ("20", ["*/20 * * * *"], ["*:0/20"]),
        ("60", ["0 * * * *"], ["hourly"]),
        ("2h", ["0 */2 * * *"], ["*-*-* 0,2,4,6,8,10,12,14,16,18,20,22:0:00"]),
        (
            "90 min",
            ["0 */3 * * *", "30 1-23/3 * * *"],
            ["*-*-* 0,3,6,9,12,15,18,21:0:00", "*-*-* 1,4,7,10,13,16,19,22:30:00"],
        ),
        ("Daily  07:05", ["5 7 * * *"], ["*-*-* 7:5:00"]),
        ("7:05", ["5 7 * * *"], ["*-*-* 7:5:00"]),
    ],
)
def test_the_interval_is_the_one_asked_for(
    text: str | None, cron: list[str], calendar: list[str]
):
    call = Call(("/x",), Path("/c"))
    when = when_of(text)
    assert cron_lines(call, when) == [f"{each} /x run -q -c /c" for each in cron]
    timer = systemd_units(call, when)["mlreport-batch.timer"]
    assert re.findall("OnCalendar=(.*)", timer) == calendar


def starts_of(fields: str) -> list[int]:
    """Return the minutes of a day at which a crontab line starts."""

    def values(field: str, count: int) -> list[int]:
        span, _, step = field.partition("/")
        if span == "*":
            return list(range(0, count, int(step or 1)))
        if step:
            return list(range(int(span.partition("-")[0]), count, int(step)))
        return [int(each) for each in span.split(",")]

    minute, hour, *rest = fields.split()
    assert rest == ["*", "*", "*"]
    return [h * 60 + m for h in values(hour, 24) for m in values(minute, 60)]


@pytest.mark.parametrize("every_min", [n for n in range(1, 1441) if 1440 % n == 0])
def test_all_that_divides_a_day_is_kept_to_the_minute(every_min: int):
    lines = when_of(str(every_min)).cron_fields()
    starts = sorted(start for line in lines for start in starts_of(line))
    assert starts == list(range(0, 1440, every_min))
    assert len(lines) <= 8


@pytest.mark.parametrize("text", ["0", "7", "61", "-5", "often", "daily", "25:00"])
def test_what_is_no_interval_is_refused_with_what_would_be(text: str):
    with pytest.raises(UsageError) as refused:
        when_of(text)
    assert "Take " in str(refused.value)


def test_a_path_with_a_line_break_is_refused():
    for config in (Path("/a\n* * * * * rm"), Path("/a\rb"), Path("/a\x1bb")):
        with pytest.raises(UsageError, match="cannot stand in a crontab"):
            the_line(Call(("/x",), config))


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
    units = systemd_units(Call((program,), config, (Path("/a b/%s"),)), When())
    service = units["mlreport-batch.service"]
    assert exec_start(service) == [program, "run", "-q", "-c", str(config)]
    assert 'ReadWritePaths="/a b/%%s"' in service


def shipped(scope: str) -> dict[str, str]:
    return {
        file.name: file.read_text() for file in (ROOT / "systemd" / scope).iterdir()
    }


def test_the_shipped_user_units_are_up_to_date():
    call = Call(
        ("/HOME/.local/bin/mlreport-batch",),
        Path("/HOME/.config/mlreport-batch/config.yaml"),
        (Path("/HOME/.local/state/mlreport-batch"), Path("/HOME/mlreport-outbox")),
    )
    units = systemd_units(call, When())
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
    config = tmp_path / "a b%.yaml"
    if scope == "user":
        call = Call((str(program),), config, (tmp_path / "s s",))
        units = systemd_units(call, when_of("90"))
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


# -- put where it belongs ---------------------------------------------------------

CRONTAB = """#!/bin/sh
# As cron's own: -l prints or says "no crontab for me"; a file takes its place.
kept="$(dirname "$0")/kept"
if [ "$1" = -l ]; then
    [ -f "$(dirname "$0")/refuse" ] && { echo "not allowed" >&2; exit 1; }
    [ -f "$kept" ] || { echo "no crontab for me" >&2; exit 1; }
    cat "$kept"
else
    cp "$1" "$kept"
fi
"""


@pytest.fixture
def bin_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of programs that stands before all others."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    return folder


def put_program(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text)
    (folder / name).chmod(0o755)


@pytest.mark.parametrize(
    ("kind", "program"), [("cron", "crontab"), ("slurm", "scrontab")]
)
def test_a_crontab_gets_our_lines_once_and_keeps_all_others(
    kind: str, program: str, bin_folder: Path, desk: Desk
):
    put_program(bin_folder, program, CRONTAB)
    kept = bin_folder / "kept"
    before = "MAILTO=me\n# mine\n5 4 * * * backup %x\n"
    kept.write_text(before)
    config = desk.config()
    install = ("schedule", kind, "-c", config, "--install")
    assert "installed (every 15 minutes)" in desk.run(*install).out
    first = kept.read_text()
    assert first.startswith(before)
    assert first.count(" run -q -c ") == 1
    assert ("#SCRON" in first) == (kind == "slurm")
    assert "in place already" in desk.run(*install).out
    assert kept.read_text() == first
    assert "changed (every 90 minutes)" in desk.run(*install, "--every", "90").out
    assert kept.read_text().count(" run -q -c ") == 2
    other = desk.folder / "other.yaml"
    other.write_text(config.read_text())
    desk.run("schedule", kind, "-c", other, "--install")
    assert kept.read_text().count(" run -q -c ") == 3
    desk.run("schedule", kind, "-c", other, "--remove")
    assert "removed" in desk.run("schedule", kind, "-c", config, "--remove").out
    assert kept.read_text() == before
    said = desk.run("schedule", kind, "-c", config, "--remove")
    assert (said.code, kept.read_text()) == (0, before)


def test_a_crontab_that_cannot_be_read_is_left_alone(bin_folder: Path, desk: Desk):
    put_program(bin_folder, "crontab", CRONTAB)
    (bin_folder / "kept").write_text("5 4 * * * backup\n")
    (bin_folder / "refuse").touch()
    said = desk.run("schedule", "cron", "-c", desk.config(), "--install")
    assert said.code == 2
    assert "not allowed" in said.err
    assert (bin_folder / "kept").read_text() == "5 4 * * * backup\n"


def test_an_empty_crontab_is_made_and_a_second_line_for_one_config_is_told(
    bin_folder: Path, desk: Desk
):
    put_program(bin_folder, "crontab", CRONTAB)
    config = desk.config()
    desk.run("schedule", "cron", "-c", config, "--install")
    kept = bin_folder / "kept"
    kept.write_text(f"* * * * * mlreport-batch run -c {config}\n")
    said = desk.run("schedule", "cron", "-c", config, "--install")
    assert "another line of yours starts this config too" in said.out


def test_user_units_are_written_started_and_removed(bin_folder: Path, desk: Desk):
    log = bin_folder / "log"
    put_program(bin_folder, "systemctl", f'#!/bin/sh\necho "$@" >> {log}\n')
    put_program(bin_folder, "loginctl", "#!/bin/sh\necho no\n")
    config = desk.config()
    said = desk.run("schedule", "systemd", "-c", config, "--install")
    assert "installed" in said.out
    assert "loginctl enable-linger" in said.out
    folder = desk.folder / "xdg" / "systemd" / "user"
    assert f" -c {config}" in (folder / "mlreport-batch.service").read_text()
    assert "--user enable --now mlreport-batch.timer" in log.read_text()
    said = desk.run("schedule", "systemd", "-c", config, "--install")
    assert "in place already" in said.out
    other = desk.folder / "other.yaml"
    other.write_text(config.read_text())
    desk.run("schedule", "systemd", "-c", other, "--install", "--every", "daily 7:00")
    assert len(list(folder.iterdir())) == 4
    desk.run("schedule", "systemd", "-c", config, "--remove")
    (timer,) = folder.glob("*.timer")
    assert "OnCalendar=*-*-* 7:0:00" in timer.read_text()
    put_program(bin_folder, "systemctl", "#!/bin/sh\necho no bus >&2; exit 1\n")
    said = desk.run("schedule", "systemd", "-c", config, "--install")
    assert said.code == 2
    assert "no bus" in said.err
    assert "The units are in" in said.err


def test_a_mac_gets_an_agent(bin_folder: Path, desk: Desk):
    put_program(bin_folder, "launchctl", "#!/bin/sh\nexit 0\n")
    config = desk.config()
    printed = plistlib.loads(desk.run("schedule", "launchd", "-c", config).out.encode())
    assert printed["ProgramArguments"][-1] == str(config)
    assert printed["StartInterval"] == 900
    daily = desk.run("schedule", "launchd", "-c", config, "--every", "daily 07:30").out
    assert plistlib.loads(daily.encode())["StartCalendarInterval"] == {
        "Hour": 7, "Minute": 30,
    }  # fmt: skip
    assert desk.run("schedule", "launchd", "-c", config, "--install").code == 0
    (agent,) = (desk.folder / "Library/LaunchAgents").iterdir()
    assert plistlib.loads(agent.read_bytes()) == printed
    assert desk.run("schedule", "launchd", "-c", config, "--remove").code == 0
    assert not agent.exists()


def test_what_a_tick_reads_and_writes_beside_the_mails_is_passed_on(desk: Desk):
    config = desk.config(
        "ping: {url_env: PING}\nwebhook: {url_env: HOOK}\nnotify: {urls_env: PING}\n"
        f"prometheus: {{file: {desk.folder}/prom/ml.prom}}\n"
        f"pages: {{dir: {desk.folder}/pages}}\n"
    )
    *_, job = yaml.safe_load_all(desk.run("schedule", "kubernetes", "-c", config).out)
    pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    names = [each["name"] for each in pod["containers"][0]["env"]]
    assert names == ["HOME", "PING", "HOOK"]
    assert (
        "PING, HOOK on: name a file" in desk.run("schedule", "cron", "-c", config).out
    )
    units = desk.run("schedule", "systemd", "-c", config).out
    writes = re.search(r"#ReadWritePaths=(.*)", units)[1]
    assert f"{desk.folder}/pages" in writes
    assert f"{desk.folder}/prom" in writes


def test_a_cluster_gets_a_config_and_a_cron_job_for_each_line(desk: Desk):
    config = desk.config("report: {timezone: Asia/Seoul}\n")
    said = desk.run("schedule", "kubernetes", "-c", config, "--every", "90")
    settings, *jobs = yaml.safe_load_all(said.out)
    assert settings["data"]["config.yaml"].strip() == config.read_text().strip()
    assert [job["spec"]["schedule"] for job in jobs] == [
        "0 */3 * * *",
        "30 1-23/3 * * *",
    ]
    for job in jobs:
        assert job["spec"]["timeZone"] == "Asia/Seoul"
        pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        # `~` in the config means the folders that are mounted.
        assert container["env"] == [{"name": "HOME", "value": os.environ["HOME"]}]
        mounts = {each["mountPath"]: each["name"] for each in container["volumeMounts"]}
        assert {str(desk.runs), str(desk.out), "/config"} <= set(mounts)
        assert set(mounts.values()) == {each["name"] for each in pod["volumes"]}
    said = desk.run("schedule", "kubernetes", "-c", config, "--install")
    assert said.code == 2
    assert "kubectl apply" in said.err
