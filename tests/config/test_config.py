import json
import os
import pickle
import re
import subprocess
import sys
import textwrap
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from mlreport_batch.config import locate as quick
from mlreport_batch.config import reference as config_text
from mlreport_batch.config.builder import Table, default_of, settings_of
from mlreport_batch.config.kinds import ListOf, Whole
from mlreport_batch.config.load import from_paths, load, parse
from mlreport_batch.config.settings import ChartSettings, Config
from mlreport_batch.errors import ConfigError, StateError, UsageError
from mlreport_batch.language.dates import local_zone, zone
from mlreport_batch.tick.from_config import wishes_of
from places import ROOT

HOME = Path("~").expanduser()

CONTRACT = """\
runs:
  - path: ~/experiments
    include: ["*"]
    exclude: ["*/debug/*"]
    to: [team@lab.example]
state: ~/.local/state/mlreport-batch    # folder: state.db, spool/, lock
report:
  metrics: ["val_*", "*loss*"]
  hparams: ["*"]
  goals: {"*loss*": min, "*acc*": max}
  expect: {optimizer.lr: 1e-3, optimizer: {name: adam, betas: [0.9, 0.99]}}
  every: 1h30m
  language: ko
  timezone: Asia/Seoul
  first_seen_max_age: 7d
render:
  engine: google
  template: null
mail:
  via: smtp
  from: ML reports <ml@lab.example>
  to: [me@lab.example]
  digest: false
  max_per_tick: 20
  backoff_s: 60
  on_unknown: resend
outbox: {dir: ~/mlreport-outbox}
smtp: {host: smtp.lab.example, port: 2525, security: starttls, username: ml,
  password_env: SMTP_PASSWORD, ca_file: null, timeout_s: 30, final_timeout_s: 600}
sendmail: {command: [/usr/sbin/sendmail, -t, -i]}
google: {credentials: ~/.config/mlreport-batch/google.json, subject: null,
  template: DOC_ID, folder: null, keep: true, fallback: local,
  api_endpoint: "http://127.0.0.1:8080/", ca_file: null}
alerts: {stall: auto, nan: true, divergence: true, plateau: null, remind: 1d}
formats:
  - files: ["*.log"]
    line: 'ep (?P<epoch>\\d+) loss (?P<loss>\\S+)'
redact: ["*my_secret*"]
executor: dask://host:8786
"""


def read(text: str, path: str = "/etc/lab/mlreport.yaml") -> Config:
    return parse(textwrap.dedent(text).encode(), path)


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read(text, "conf.yaml")
    return list(caught.value.problems)


def test_the_documented_config_is_read_whole():
    config = read(CONTRACT)
    assert config.runs[0].path == str(HOME / "experiments")
    assert config.runs[0].exclude == ("*/debug/*",)
    assert config.recipients_of(config.runs[0]) == ("team@lab.example",)
    assert config.state == HOME / ".local/state/mlreport-batch"
    assert config.report.metrics == ("val_*", "*loss*")
    assert config.report.goals == {"*loss*": "min", "*acc*": "max"}
    assert config.report.expect == {
        "optimizer.lr": 0.001,
        "optimizer.name": "adam",
        "optimizer.betas": "[0.9, 0.99]",
    }
    assert config.report.every == 5400.0
    assert config.report.first_seen_max_age == 604_800.0
    assert config.report.language == "ko"
    assert config.mail.sender == "ML reports <ml@lab.example>"
    assert config.mail.to == ("me@lab.example",)
    assert config.outbox.dir == HOME / "mlreport-outbox"
    assert (config.smtp.host, config.smtp.port) == ("smtp.lab.example", 2525)
    assert config.sendmail.command == ("/usr/sbin/sendmail", "-t", "-i")
    assert config.google.credentials == HOME / ".config/mlreport-batch/google.json"
    assert config.google.api_endpoint == "http://127.0.0.1:8080"
    assert config.google.fallback == "local"
    assert config.alerts.stall == "auto"
    assert config.alerts.remind == 86_400.0
    assert config.redact == ("*my_secret*",)
    assert config.source == Path("/etc/lab/mlreport.yaml")
    assert pickle.loads(pickle.dumps(config)) == config


def test_one_path_is_enough_and_the_rest_has_the_documented_defaults():
    config = read("runs: [{path: /data}]")
    assert config.state == HOME / ".local/state/mlreport-batch"
    assert config.report.metrics == ("*",)
    assert config.report.every == 0.0
    assert config.report.timezone is None
    assert config.report.first_seen_max_age == 604_800.0
    assert config.render.engine == "local"
    assert config.mail.via == "outbox"
    assert config.mail.max_per_tick == 20
    assert config.mail.backoff_s == 60.0
    assert config.mail.on_unknown == "resend"
    assert config.smtp.final_timeout_s == 600.0
    assert config.google.fallback == "hold"
    assert config.google.keep is True
    assert config.alerts.stall == "auto"
    assert config.alerts.plateau is None
    assert config.executor == "inline"
    assert config.never_enter == (config.state, config.outbox.dir)


def test_empty_keys_have_their_defaults_and_null_means_none_where_it_may():
    config = read(
        """\
        runs: {path: /data, include: }
        mail:
        smtp: ~
        report: {every: null, first_seen_max_age: null}
        alerts: {stall: false, remind: null, plateau: false}
        """
    )
    assert config.runs[0].include == ("*",)
    assert config.mail.via == "outbox"
    assert config.report.every == 0.0
    assert config.report.first_seen_max_age is None
    assert (config.alerts.stall, config.alerts.remind) == (None, None)
    assert config.alerts.plateau is None


def test_durations_add_up():
    def every(text: str) -> float:
        return read(f"runs: {{path: /d}}\nreport: {{every: {text}}}").report.every

    assert [every(x) for x in ("0", "0s", "90s", "1.5h", "1d12h", "2w")] == [
        *(0.0, 0.0, 90.0, 5400.0, 129_600.0, 1_209_600.0)
    ]


def test_a_wrong_default_is_a_bug_that_shows():
    with pytest.raises(ValueError, match="an int from 1 to 2"):
        default_of(Whole(1, 2), 5)


def test_a_single_value_is_a_list_of_one():
    config = read("runs: {path: /data}\nmail: {to: me@lab.example}\nredact: '*key*'")
    assert len(config.runs) == 1
    assert config.mail.to == ("me@lab.example",)
    assert config.redact == ("*key*",)


def test_paths_start_at_the_folder_of_the_config_and_only_the_home_is_expanded():
    config = read("runs: [{path: ../x}, {path: .}]\nstate: /s\noutbox: {dir: ~/o/../p}")
    assert [root.path for root in config.runs] == ["/etc/x", "/etc/lab"]
    assert config.outbox.dir == HOME / "p"
    assert problems("runs: {path: $HOME/x}") == [
        (
            "conf.yaml:1 runs.path: '$HOME/x': variables are not replaced; write ~ or"
            " the full path"
        )
    ]
    assert "no such home folder" in problems("runs: {path: ~nobody-there/x}")[0]


def test_buckets_are_kept_as_they_are():
    config = read("runs: [{path: s3://lab/runs/}, {path: gs://lab}]")
    assert [root.path for root in config.runs] == ["s3://lab/runs", "gs://lab"]
    assert config.runs[0].is_remote
    for bad in ("http://h/x", "s3://key:secret@lab/x", "file://h/x", "s3:///x"):
        assert "expected a folder, or s3://" in problems(f"runs: {{path: '{bad}'}}")[0]
    assert "on this machine" in problems("runs: {path: /d}\nstate: s3://lab/state")[0]


def test_all_problems_are_said_at_once_with_line_and_key():
    found = problems(
        """\
        runs:
          - path: /data
            inclde: ["*"]
          - {path: /more, to: [a@b.c, nobody]}
        stat: x
        metrics: [a]
        report:
          every: 5
          language: de
          timezone: Asia/Soul
          goals: {"*": up}
        mail:
          too: [a]
          via: smtp
          max_per_tick: abc
          digest: yes
          from: me@lab.example
          from: you@lab.example
        smtp:
          port: abc
        google: {template: !include x}
        """
    )
    assert found == [
        "conf.yaml:3 runs[0].inclde: unknown key 'inclde'; did you mean 'include'?",
        "conf.yaml:4 runs[1].to[1]: 'nobody' is not an address such as me@lab.example",
        "conf.yaml:5 stat: unknown key 'stat'; did you mean 'state'?",
        "conf.yaml:6 metrics: unknown key 'metrics'; did you mean 'report.metrics'?",
        "conf.yaml:8 report.every: expected a duration such as 15m, 6h or 7d, got 5",
        "conf.yaml:9 report.language: expected one of en, ko, got 'de'",
        (
            "conf.yaml:10 report.timezone: there is no time zone 'Asia/Soul'; expected"
            " one such as Asia/Seoul"
        ),
        "conf.yaml:11 report.goals.*: expected one of min, max, got 'up'",
        "conf.yaml:12 mail.to: is missing; via: smtp needs recipients",
        "conf.yaml:13 mail.too: unknown key 'too'; did you mean 'to'?",
        "conf.yaml:15 mail.max_per_tick: expected int, got 'abc'",
        (
            "conf.yaml:16 mail.digest: expected true, false or daily HH:MM or weekly"
            " DAY HH:MM, got 'yes'"
        ),
        "conf.yaml:18 'from' is already set in line 17",
        "conf.yaml:19 smtp.host: is missing; via: smtp needs a server",
        "conf.yaml:20 smtp.port: expected int, got 'abc'",
        "conf.yaml:21 the tag !include has no meaning here",
    ]


def test_the_error_says_what_is_kept_and_lists_the_problems():
    with pytest.raises(ConfigError) as caught:
        read("runs: []\nfoo: 1", "conf.yaml")
    assert caught.value.exit_code == 78
    lines = str(caught.value).splitlines()
    assert lines[0].startswith("conf.yaml has 2 problems. Nothing was read, sent")
    assert lines[1] == "  conf.yaml:1 runs: is empty; at least one is needed"
    assert lines[2].startswith("  conf.yaml:2 foo: unknown key 'foo'; valid here: runs")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "conf.yaml:1 runs: is missing"),
        ("[]", "conf.yaml:1 expected a table with keys such as runs, state"),
        ("runs: x", "conf.yaml:1 runs: expected a table with keys such as path"),
        ("runs:\n- to: a@b.c", "conf.yaml:2 runs[0].path: is missing"),
        ("a: [", "conf.yaml:2 did not find expected node content"),
        ("a: 1\nb: \0", "conf.yaml:2 a NUL byte; this is not a text file"),
        ("runs: [{path: 12}]", "conf.yaml:1 runs[0].path: expected a folder"),
        ("runs: {path: /d, include: [2024]}", "got 2024; put it in quotes"),
        ("runs: {path: /d, include: ['']}", "expected text, got ''"),
        ("runs: {path: /d}\nmail: 3", "conf.yaml:2 mail: expected a table with keys"),
        ("runs: {path: /d}\nmail: {to: []}", "mail.to: is empty"),
        ("runs: {path: /d}\nmail: {to: [1]}", "mail.to[0]: expected an address"),
        ("runs: {path: /d}\nmail: {max_per_tick: 0}", "an int from 1 to 10000, got 0"),
        ("runs: {path: /d}\nmail: {max_per_tick: 1.5}", "expected int, got 1.5"),
        ("runs: {path: /d}\nmail: {max_per_tick: true}", "expected int, got true"),
        ("runs: {path: /d}\nmail: {backoff_s: 0.1}", "seconds from 1 to 3600, got 0.1"),
        ("runs: {path: /d}\nmail: {backoff_s: 1m}", "a number of seconds, got '1m'"),
        ("runs: {path: /d}\nmail: {via: pigeon}", "outbox, smtp, sendmail, gmail, got"),
        ("runs: {path: /d}\nreport: {every: -5m}", "expected a duration"),
        ("runs: {path: /d}\nreport: {every: 99999d}", "at most 36525d"),
        ("runs: {path: /d}\nreport: {expect: [1]}", "a table of hyperparameters"),
        ("runs: {path: /d}\nreport: {goals: min}", "expected a table of min, max"),
        ("runs: {path: /d}\nreport: {timezone: Asia}", "there is no time zone 'Asia'"),
        ("runs: {path: /d}\nreport: {timezone: ../x}", "there is no time zone"),
        ("runs: {path: /d}\nreport: {timezone: 9}", "expected a time zone such as"),
        ("runs: {path: /d}\nreport: {charts: many}", "charts.most: expected int"),
        ("runs: {path: /d}\nreport: {charts: 25}", "an int from 0 to 24, got 25"),
        ("runs: {path: /d}\nreport: {charts: [1]}", "a table with keys such as most"),
        ("runs: {path: /d}\nreport: {charts: {smoothing: 1}}", "to below 1 or auto"),
        ("runs: {path: /d}\nreport: {charts: {axis: up}}", "auto, linear, log, got"),
        ("runs: {path: /d}\nreport: {charts: {metric: x}}", "did you mean 'metrics'?"),
        ("runs: {path: /d}\nalerts: {stall: often}", "such as 15m, 6h or 7d or auto"),
        (
            "runs: {path: /d}\nexecutor: ray",
            "processes, dask://host:8786 or module:function",
        ),
        ('runs: {path: /d}\nredact: ["a\\nb"]', "got control characters"),
        ('runs: {path: "/d\\n"}', "got control characters"),
        ("runs: {path: /d}\nrender: {template: x.html}", "there is no file"),
        ("runs: {path: /d}\nsmtp: {host: a b}", "expected a host name, got 'a b'"),
        ("runs: {path: /d}\ngoogle: {template: 'https://docs/d/x'}", "or its link"),
        ("runs: {path: /d}\nsendmail: {command: []}", "sendmail.command: is empty"),
        ("runs: {path: /d}\n" + "x" * 60 + ": 1", "unknown key 'xxx"),
        ("runs: {path: /d}\nredact: [{a: 1}, [2]]", "got a table of keys"),
        (
            "runs: {path: /d}\nnotify: {about: reports}",
            "conf.yaml:2 notify: tells nobody; it needs urls_env or urls_file",
        ),
        (
            "runs: {path: /d}\nping:\n  url_env: A\n  url_file: /b",
            "conf.yaml:4 ping.url_file: excludes url_env; keep one",
        ),
        ("runs: {path: /d}\nwebhook: {url_env: 'https://x'}", "webhook.url_env: "),
        ("runs: {path: /d}\nping: 'https://h/t0ken'", "got 'https://…'"),
        ("runs: {path: /d}\nnotify: {urls_file: 'ntfys://t0ken'}", "got 'ntfys://…'"),
        (
            "runs: {path: /d}\nprometheus: {file: /p/a.txt}",
            "prometheus.file: /p/a.txt does not end in .prom",
        ),
        (
            "runs: {path: /d}\nprometheus: {file: /d/a.prom}",
            "prometheus.file: /d lies inside runs",
        ),
    ],
)
def test_wrong_values_are_named(text: str, expected: str):
    assert any(expected in line for line in problems(text)), problems(text)


def test_a_long_value_is_shown_short():
    (line,) = problems("runs: {path: /d}\nexecutor: " + "y" * 500)
    assert len(line) < 150


@pytest.mark.parametrize(
    ("smtp", "expected"),
    [
        (
            "username: ml",
            "smtp.username: needs password_env, password_file or grant_file",
        ),
        ("password_env: P", "smtp.password_env: needs a username"),
        ("password_file: /p", "smtp.password_file: needs a username"),
        (
            "username: ml, password_env: P, password_file: /p",
            "smtp.password_file: excludes password_env; keep one of them",
        ),
        ("grant_file: /p", "smtp.grant_file: needs a username"),
        (
            "username: ml, password_env: P, grant_file: /p",
            "smtp.grant_file: excludes password_env; keep one of them",
        ),
        (
            "username: ml, password_env: P, security: none",
            "smtp.security: none would send the password in clear text",
        ),
        ("security: tsl", "smtp.security: expected one of starttls, tls, none"),
    ],
)
def test_smtp_settings_must_fit_together(smtp: str, expected: str):
    base = "runs: {path: /d}\nmail: {via: smtp, from: a@b.c, to: d@e.f}\n"
    (line,) = problems(f"{base}smtp: {{host: mail.example, {smtp}}}")
    assert expected in line
    assert line.startswith("conf.yaml:3 ")


@pytest.mark.parametrize(
    ("smtp", "key"),
    [
        ("host: ''", "smtp.host"),
        ("host: a b", "smtp.host"),
        (f"host: {'x' * 64}.example", "smtp.host"),
        ("host: h..example", "smtp.host"),
        ('host: "a\\r\\nb"', "smtp.host"),
        ("port: 0", "smtp.port"),
        ("port: 70000", "smtp.port"),
        ("timeout_s: 0", "smtp.timeout_s"),
        ("final_timeout_s: .nan", "smtp.final_timeout_s"),
    ],
)
def test_smtp_settings_that_cannot_work_are_refused(smtp: str, key: str):
    (line,) = problems(f"runs: {{path: /d}}\nsmtp: {{{smtp}}}")
    assert line.startswith(f"conf.yaml:2 {key}: ")
    assert line.isprintable()


@pytest.mark.parametrize(
    "smtp",
    [
        "host: [1]",
        "host: h, username: [1], password_env: P",
        "host: h, username: ml, password_env: '!'",
        "host: [1], username: ml, password_env: P, security: nonne",
    ],
)
def test_what_is_wrong_already_is_not_told_twice(smtp: str):
    base = "runs: {path: /d}\nmail: {via: smtp, from: a@b.c, to: d@e.f}\n"
    keys = [line.split()[1] for line in problems(f"{base}smtp: {{{smtp}}}")]
    assert (
        len(keys)
        == len(set(keys))
        == smtp.count("[1]") + smtp.count("!") + smtp.count("nonne")
    )


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST.", "127.0.0.1", "127.9.9.9", "::1"]
)
def test_a_password_in_clear_text_may_go_to_this_machine(host: str):
    login = "username: ml, password_env: P, security: none"
    config = read(f"runs: {{path: /d}}\nsmtp: {{host: '{host}', {login}}}")
    assert config.smtp.security == "none"
    for other in ("localhost.evil.example", "127.0.0.1.example", "10.0.0.1"):
        assert problems(f"runs: {{path: /d}}\nsmtp: {{host: {other}, {login}}}")


@pytest.mark.parametrize(
    ("smtp", "port"),
    [
        ("", 587),
        ("security: tls", 465),
        ("security: none", 25),
        ("security: tls, port: 4650", 4650),
    ],
)
def test_the_port_follows_from_the_security_unless_it_is_named(smtp: str, port: int):
    assert read(f"runs: {{path: /d}}\nsmtp: {{{smtp}}}").smtp.port == port


@pytest.mark.parametrize("key", ["password", "token", "secret", "api_key", "Password"])
def test_a_secret_in_the_config_is_refused_and_never_repeated(key: str):
    (line,) = problems(f"runs: {{path: /d}}\nsmtp: {{{key}: hunter2}}")
    assert "does not belong into this file" in line
    assert "password_env" in line
    assert "hunter2" not in line


def test_a_password_in_place_of_a_variable_name_is_never_repeated():
    (line,) = problems("runs: {path: /d}\nsmtp: {username: ml, password_env: hunter2!}")
    assert "expected the name of an environment variable" in line
    assert "hunter2" not in line


@pytest.mark.parametrize(
    "url", ["https://apis.example", "http://localhost:80/x", "http://[::1]:9"]
)
def test_an_endpoint_is_https_or_on_this_machine(url: str):
    config = read(f"runs: {{path: /d}}\ngoogle: {{api_endpoint: '{url}/'}}")
    assert config.google.api_endpoint == url


@pytest.mark.parametrize(
    "url",
    [
        *("http://apis.example", "http://localhost.example", "http://127.0.0.1.evil"),
        *("http://127.0.0.1@evil.example", "ftp://x", "apis.example", "https://"),
        "https://user:hunter2@apis.example",
    ],
)
def test_any_other_endpoint_is_refused(url: str):
    (line,) = problems(f"runs: {{path: /d}}\ngoogle: {{api_endpoint: '{url}'}}")
    assert "google.api_endpoint" in line
    assert "hunter2" not in line


def test_sender_and_recipients_are_needed_when_mails_leave_the_machine():
    for via in ("sendmail", "gmail"):
        lines = problems(f"runs: {{path: /d}}\nmail: {{via: {via}}}")
        assert [line.split(" is ")[0] for line in lines] == [
            "conf.yaml:2 mail.from:",
            "conf.yaml:2 mail.to:",
        ]
    config = read(
        "runs: {path: /d, to: a@b.c}\nmail: {via: sendmail, from: me@lab.example}"
    )
    assert config.recipients_of(config.runs[0]) == ("a@b.c",)


def test_the_google_engine_needs_a_template():
    (line,) = problems("runs: {path: /d}\nrender: {engine: google}")
    assert line.startswith("conf.yaml:1 google.template: is missing")


@pytest.mark.parametrize(
    "address",
    [
        *("me", "me@", "@x", "a b@c.d", "a@b@c", "me@lab.example,you@x.y", "a@-b.c"),
        *(
            "a@b.c>",
            "<a@b.c",
            "a" * 65 + "@b.c",
            "a@b..c",
            ".a@b.c",
        ),
    ],
)
def test_what_is_no_address_is_refused(address: str):
    quoted = json.dumps(address)
    (line,) = problems(f"runs: {{path: /d}}\nmail: {{to: [{quoted}]}}")
    assert line.startswith("conf.yaml:2 mail.to[0]: ")


@pytest.mark.parametrize(
    "address", ["me@localhost", "a.b+c@lab.example", "김 <kim@연구.example>"]
)
def test_usual_addresses_are_kept_as_written(address: str):
    config = read(f"runs: {{path: /d}}\nmail: {{to: ['{address}']}}")
    assert config.mail.to == (address,)


def test_folders_of_runs_may_not_overlap(tmp_path: Path):
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "link").symlink_to("a")
    conf = str(tmp_path / "c.yaml")

    def overlap(runs: str) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            read(runs, conf)
        return [line.split(" ", 1)[1] for line in caught.value.problems]

    assert overlap("runs: [{path: a},{path: ./a}]") == [
        "runs[1].path: is the same folder as runs[0].path; one is enough"
    ]
    assert overlap("runs:\n- path: link\n- path: a/b") == [
        "runs[1].path: lies inside runs[0].path; one is enough"
    ]
    assert "runs[1].path: contains runs[0].path; one is enough" in overlap(
        "runs: [{path: a/b},{path: /}]"
    )
    assert len(read("runs: [{path: a},{path: ab}]", conf).runs) == 2


def test_state_and_outbox_stay_out_of_the_folders_with_runs(tmp_path: Path):
    (tmp_path / "runs").mkdir()
    (tmp_path / "link").symlink_to("runs")
    conf = str(tmp_path / "c.yaml")
    for state in ("runs", "runs/state", "link/state"):
        with pytest.raises(ConfigError, match="never written to") as caught:
            read(f"runs: {{path: runs}}\nstate: {tmp_path}/{state}", conf)
        assert caught.value.problems[0].startswith(f"{conf}:2 state: ")
    with pytest.raises(ConfigError, match=r"outbox\.dir: .* lies inside runs"):
        read("runs: {path: runs}\noutbox: {dir: runs/out}", conf)
    aside = "\nmail: {via: gmail, from: a@b.c, to: a@b.c}\noutbox: {dir: runs/out}"
    assert read("runs: {path: runs}" + aside, conf).mail.via == "gmail"
    assert read("runs: {path: runs/x}\nstate: runs", conf).state == tmp_path / "runs"


def test_a_missing_file_tells_how_to_make_one(tmp_path: Path):
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "none.yaml")
    assert "No such file" in str(caught.value)
    assert "mlreport-batch init" in str(caught.value)
    with pytest.raises(ConfigError, match="Is a directory"):
        load(tmp_path)


def test_a_file_that_is_there_is_read(tmp_path: Path):
    file = tmp_path / "c.yaml"
    file.write_bytes("\ufeffruns:\r\n- path: x\r\n".encode())
    assert load(file).runs[0].path == str(tmp_path / "x")


# Without a config


def test_paths_alone_keep_everything_below_the_out_folder(tmp_path: Path):
    (tmp_path / "runs/inner").mkdir(parents=True)
    (tmp_path / "more").mkdir()
    paths = [tmp_path / name for name in ("runs", "runs/inner", "more/../more", "runs")]
    out = tmp_path / "runs/mlreport-out"
    config = from_paths(paths, out)
    assert [r.path for r in config.runs] == [str(paths[0]), str(tmp_path / "more")]
    assert (config.state, config.outbox.dir) == (out, out / "outbox")
    assert config.never_enter == (out,)
    assert config.out == out
    assert config.report.first_seen_max_age is None
    assert (config.render.engine, config.mail.via) == ("local", "outbox")


def test_relative_paths_of_a_call_start_where_the_user_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "runs").mkdir()
    monkeypatch.chdir(tmp_path)
    config = from_paths(["runs"], "out")
    assert config.runs[0].path == str(tmp_path / "runs")
    assert config.state == tmp_path / "out"


def test_a_path_that_is_no_folder_is_a_usage_error(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="is not there"):
        from_paths([tmp_path / "none"], tmp_path)
    with pytest.raises(UsageError, match="is not a folder"):
        from_paths([tmp_path / "file"], tmp_path)


# Time zones


def test_zones_are_known_by_name():
    noon = datetime(2026, 7, 1, 12, tzinfo=UTC)
    seoul = read("runs: {path: /d}\nreport: {timezone: Asia/Seoul}").report.zone()
    assert noon.astimezone(seoul).hour == 21
    with pytest.raises(ValueError, match="no time zone"):
        zone("Nowhere/Land")


def test_the_machines_zone_comes_from_tz_or_its_localtime(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def offset(localtime: Path) -> timedelta | None:
        return datetime(2026, 1, 1, tzinfo=local_zone(localtime)).utcoffset()

    monkeypatch.setenv("TZ", ":Asia/Seoul")
    assert offset(tmp_path / "none") == timedelta(hours=9)
    assert read("runs: {path: /d}").report.zone() == zone("Asia/Seoul")
    for odd in ("KST-9", "../etc", ""):
        monkeypatch.setenv("TZ", odd)
        assert offset(tmp_path / "none") == timedelta(0)
    monkeypatch.delenv("TZ")

    link = tmp_path / "localtime"
    link.symlink_to("/usr/share/zoneinfo/Asia/Tokyo")
    assert offset(link) == timedelta(hours=9)

    import importlib.resources

    package = importlib.resources.files("tzdata.zoneinfo.Asia")
    copy = tmp_path / "copy"
    copy.write_bytes(package.joinpath("Kolkata").read_bytes())
    assert offset(copy) == timedelta(hours=5, minutes=30)
    monkeypatch.setenv("TZ", str(copy))
    assert offset(tmp_path / "none") == timedelta(hours=5, minutes=30)
    monkeypatch.delenv("TZ")
    copy.write_bytes(b"nonsense")
    assert offset(copy) == timedelta(0)
    odd_link = tmp_path / "odd"
    odd_link.symlink_to("/x/zoneinfo/Not/There")
    assert offset(odd_link) == timedelta(0)


# What a tick without news uses


def test_the_config_is_searched_in_the_documented_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    xdg = {"XDG_CONFIG_HOME": str(tmp_path / "xdg")}
    assert quick.find_config(None, xdg) is None
    at_home = tmp_path / "home/.config/mlreport-batch/config.yaml"
    at_xdg = tmp_path / "xdg/mlreport-batch/config.yaml"
    for file in (at_home, at_xdg):
        file.parent.mkdir(parents=True)
        file.touch()
    assert quick.find_config(None, xdg) == str(at_xdg)
    assert quick.find_config(None, {}) == str(at_home)
    assert quick.find_config(None, {"XDG_CONFIG_HOME": "rel"}) == str(at_home)
    (tmp_path / "mlreport.yaml").touch()
    assert quick.find_config(None, xdg) == "mlreport.yaml"
    assert quick.find_config(None, xdg | {"MLREPORT_CONFIG": "/env"}) == "/env"
    assert quick.find_config("/c", xdg | {"MLREPORT_CONFIG": "/env"}) == "/c"


def test_the_key_changes_with_bytes_place_home_and_version(
    monkeypatch: pytest.MonkeyPatch,
):
    keys = [quick.config_key(b"a", "/x/c"), quick.config_key(b"b", "/x/c")]
    keys.append(quick.config_key(b"a", "/y/c"))
    monkeypatch.setattr(quick, "__version__", "0.0.0")
    keys.append(quick.config_key(b"a", "/x/c"))
    monkeypatch.setenv("HOME", "/elsewhere")
    keys.append(quick.config_key(b"a", "/x/c"))
    assert len(set(keys)) == 5
    assert quick.config_key(b"a", "/x/c") == keys[-1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("runs:\n- path: /d\n", str(HOME / ".local/state/mlreport-batch")),
        ("---\nruns:\n  - path: /d\nstate: /s  # here\n", "/s"),
        ("state: ~/s\r\nruns: {path: /d}\r\n", str(HOME / "s")),
        ("\ufeffstate: ../s t\nruns: {path: /d}", "/etc/s t"),
        ("# state: /no\nruns: {path: /d}\nstate: ./상태", "/etc/lab/상태"),
        (
            "runs:\n  - path: /d\n    state: /no",
            str(HOME / ".local/state/mlreport-batch"),
        ),
        ("state: '/s'\n", None),
        ("'state': /s\n", None),
        ("state : /s\n", None),
        ("{state: /s}\n", None),
        ("<<: {state: /s}\n", None),
        ("state: *x\n", None),
        ("state: &x /s\n", None),
        ("state:\n  /s\n", None),
        ("state: /s\n  more\n", None),
        ("state: relative\n", None),
        ("state: ~\n", None),
        ("state: /a: b\n", None),
        ("state: /a\t# b\n", None),
        ("a: x\u2028state: /s\n", None),
        ("%YAML 1.1\n---\nstate: /s\n", None),
        ("--- {state: /s}\n", None),
    ],
)
def test_the_state_folder_is_found_by_a_look_at_the_bytes(
    text: str, expected: str | None
):
    assert quick.quick_state_dir(text.encode(), "/etc/lab/c.yaml") == expected


def test_bytes_that_are_not_utf8_are_left_to_the_yaml_reader():
    assert quick.quick_state_dir("state: /s".encode("utf-16"), "c") is None


@given(st.text("/~. #:'\"-abs\n\t\\&*[]{}", max_size=12))
def test_the_quick_look_agrees_with_the_yaml_reader(value: str):
    data = f"runs: [{{path: /d}}]\nstate: {value}\n".encode()
    found = quick.quick_state_dir(data, "/etc/lab/c.yaml")
    try:
        state = parse(data, "/etc/lab/c.yaml").state
    except ConfigError:
        return
    assert found in {None, str(state)}


def test_the_quick_look_imports_nothing_heavy():
    code = (
        "import sys; import mlreport_batch.config.locate as q;"
        "q.quick_state_dir(b'', 'x');"
        "print(*sys.modules)"
    )
    done = subprocess.run(
        [
            sys.executable,
            "-I",
            "-S",
            "-c",
            f"import sys; sys.path[:0]={sys.path}; {code}",
        ],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    loaded = set(done.stdout.split())
    assert "mlreport_batch.config.locate" in loaded
    assert not loaded & {"yaml", "re", "dataclasses", "pathlib", "json", "hashlib"}


# What is written about the settings


def uncommented(text: str) -> str:
    return re.sub(r"(?m)^( *)#(?=(?:- |  )?[a-z_]+:)", r"\1", text)


def test_the_config_that_init_writes_works_as_it_stands(tmp_path: Path):
    file = tmp_path / "mlreport.yaml"
    file.write_text(config_text.init_text(), encoding="utf-8")
    config = load(file)
    assert config.mail.via == "outbox"
    plain = read("runs: {path: ~/experiments}")
    assert config.report == plain.report
    assert max(len(line) for line in file.read_text().splitlines()[8:]) <= 88


def test_every_default_that_init_shows_is_the_default():
    text = config_text.init_text(schema=None)
    assert "yaml-language-server" not in text
    shown = read(uncommented(text))
    assert shown.formats  # an example: by default there is none
    assert replace(shown, formats=()) == read(text)
    assert text != uncommented(text)


def test_init_shows_every_key():
    import yaml

    shown = yaml.safe_load(uncommented(config_text.init_text()))
    for key in ("runs", "formats"):
        (shown[key],) = shown[key]
    for each in settings_of(Config):
        kind = each.kind.kind if isinstance(each.kind, ListOf) else each.kind
        assert each.key in shown
        if isinstance(kind, Table):
            keys = [inner.key for inner in settings_of(kind.cls)]
            assert list(shown[each.key]) == keys


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ChartSettings()),
        ("report: {charts: 7}", ChartSettings(most=7)),
        ("report: {charts: 0}", ChartSettings(most=0)),
        ("report: {charts: }", ChartSettings()),
        (
            "report: {charts: {metrics: lr, smoothing: 0, axis: log}}",
            ChartSettings(metrics=("lr",), smoothing=0.0, axis="log"),
        ),
    ],
)
def test_charts_are_a_number_or_a_table(text: str, expected: ChartSettings):
    config = read(f"runs: {{path: /d}}\n{text}")
    assert config.report.charts == expected
    assert wishes_of(config).charts.most == expected.most


def test_what_runs_are_meant_to_have_goes_by_folder_and_by_name(tmp_path: Path):
    runs = tmp_path / "runs"
    runs.mkdir()
    file = tmp_path / "mlreport.yaml"
    file.write_text(
        f"runs:\n  - path: {runs}\n    expect:\n      batch: 8\n"
        "      optim: {lr: 0.1}\n"
        '      "vit-*": {batch: 16, optim: {wd: 0}}\n      "*-l": {batch: 4}\n'
    )
    [root] = load(file).runs
    assert root.expected_of("resnet") == {"batch": 8, "optim.lr": 0.1}
    assert root.expected_of("vit-s") == {"batch": 16, "optim.lr": 0.1, "optim.wd": 0}
    assert root.expected_of("vit-l")["batch"] == 4
    file.write_text(f"runs: [{{path: {runs}, expect: 3}}]\n")
    with pytest.raises(ConfigError, match="expect"):
        load(file)


def test_the_shipped_schema_is_up_to_date():
    assert config_text.SCHEMA_FILE.read_text("utf-8") == config_text.schema_text()


def test_the_reference_page_is_up_to_date_and_holds_every_table():
    page = (ROOT / "docs/config.md").read_text("utf-8")
    assert config_text.with_tables(page) == page
    for name, table in config_text.reference_tables():
        assert f"<!-- table {name} -->\n{table}<!-- end -->" in page


def test_the_example_of_the_reference_page_is_valid():
    page = (ROOT / "docs/config.md").read_text("utf-8")
    example = re.findall(r"```yaml\n(.*?)```", page, flags=re.DOTALL)[0]
    assert read(example).smtp.username == "ml"


def test_the_writer_brings_schema_and_page_up_to_date(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(config_text, "SCHEMA_FILE", tmp_path / "schema.json")
    page = tmp_path / "page.md"
    page.write_text("x\n<!-- table outbox -->\n| stale |\n<!-- end -->\ny\n")
    config_text.main([str(page)])
    assert json.loads((tmp_path / "schema.json").read_text())["title"]
    assert "stale" not in page.read_text()
    assert "| `dir` |" in page.read_text()
    assert page.read_text().endswith("<!-- end -->\ny\n")


def fits(value: object, schema: dict[str, Any]) -> bool:  # noqa: PLR0911
    """Check the part of JSON Schema that the config's schema uses."""
    if "anyOf" in schema:
        return any(fits(value, each) for each in schema["anyOf"])
    if "const" in schema:
        return value == schema["const"] and type(value) is type(schema["const"])
    if "enum" in schema:
        return value in schema["enum"]
    types = {"object": dict, "array": list, "string": str, "boolean": bool}
    types |= {"integer": int, "number": (int, float), "null": type(None)}  # type: ignore[dict-item]
    if not isinstance(value, types[schema["type"]]):
        return False
    if isinstance(value, dict):
        known, extra = schema.get("properties", {}), schema.get("additionalProperties")
        return set(schema.get("required", ())) <= set(value) and all(
            fits(item, known[key])
            if key in known
            else extra is not False and (extra is None or fits(item, extra))
            for key, item in value.items()
        )
    if isinstance(value, list):
        enough = len(value) >= schema.get("minItems", 0)
        return enough and all(fits(item, schema["items"]) for item in value)
    if isinstance(value, str):
        long_enough = len(value) >= schema.get("minLength", 0)
        return long_enough and bool(re.search(schema.get("pattern", ""), value))
    return True


def test_the_schema_accepts_what_the_program_accepts():
    from mlreport_batch.safety.yaml.load import load as load_yaml

    schema = config_text.schema()
    assert fits(load_yaml(CONTRACT.encode()), schema)
    for each in (*settings_of(Config),):
        described = schema["properties"][each.key]
        assert described["description"]
        if "default" in described:
            assert fits(described["default"], described)
    for good in ("5", "{most: 2, smoothing: auto}", "{smoothing: 0.5}"):
        text = f"{{runs: [{{path: /d}}], report: {{charts: {good}}}}}"
        assert fits(load_yaml(text.encode()), schema), good
    text = "mail: {too: 1}", "mail: {via: x}", "report: {every: 5}", "runs: []"
    for wrong in (*text, "report: {charts: x}", "report: {charts: {axis: 3}}"):
        value = load_yaml(f"{{runs: [{{path: /d}}], {wrong}}}".encode())
        assert not fits(value, schema), wrong
    assert not fits({}, schema)


def test_nothing_names_the_machine_it_was_made_on():
    for file in (config_text.SCHEMA_FILE, ROOT / "docs/config.md"):
        assert os.fspath(ROOT) not in file.read_text("utf-8")


def test_a_disk_that_fails_is_no_mistake_in_the_config(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def failing(*_: object) -> bytes:
        raise OSError(5, "Input/output error")

    (tmp_path / "ml.yaml").write_text("runs: [{path: /d}]")
    monkeypatch.setattr(os, "read", failing)
    with pytest.raises(
        StateError, match=r"ml\.yaml: Input/output error \(EIO\)"
    ) as info:
        load(tmp_path / "ml.yaml")
    assert info.value.exit_code == 74


# Where a config may come from


def test_a_config_is_read_from_a_pipe_to_its_end(tmp_path: Path):
    read_end, write_end = os.pipe()

    def write() -> None:
        with open(write_end, "w") as stream:
            for part in ("runs: [{path: ", "/d}]\nstate: /s\n"):
                stream.write(part)
                stream.flush()
                gate.wait(0.2)

    gate = threading.Event()
    writer = threading.Thread(target=write)
    writer.start()
    config = load(f"/dev/fd/{read_end}")
    writer.join()
    os.close(read_end)
    assert config.state == Path("/s")


def test_the_quick_look_leaves_a_pipe_to_who_reads_it():
    read_end, write_end = os.pipe()
    os.write(write_end, b"runs: [{path: /d}]\nstate: /s\n")
    os.close(write_end)
    path = f"/dev/fd/{read_end}"
    assert quick.quick_key([], None, path) == ("", None)
    assert load(path).state == Path("/s")
    os.close(read_end)


def test_a_fifo_that_nobody_writes_to_is_no_config_and_holds_nobody_up(tmp_path: Path):
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(ConfigError, match="nobody writes to it"):
        load(tmp_path / "fifo")


def test_a_pipe_whose_writer_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(quick, "PIPE_S", 0.05)
    read_end, write_end = os.pipe()
    with pytest.raises(ConfigError, match="nothing more came"):
        load(f"/dev/fd/{read_end}")
    os.close(read_end)
    os.close(write_end)


def test_what_is_too_large_to_be_a_config_is_read_no_further(tmp_path: Path):
    big = tmp_path / "big.yaml"
    big.touch()
    os.truncate(big, 2 << 30)
    for path in (big, Path("/dev/zero")):
        with pytest.raises(ConfigError, match="larger than 1,000,000 bytes"):
            load(path)


@pytest.mark.parametrize(
    "link",
    [
        "1AbC_d-9",
        "https://docs.google.com/document/d/1AbC_d-9",
        "https://docs.google.com/document/d/1AbC_d-9/edit?usp=sharing#heading=h.x",
        "https://docs.google.com/document/u/1/d/1AbC_d-9/edit",
        "https://docs.google.com/a/lab.example/document/d/1AbC_d-9/edit",
        "https://drive.google.com/file/d/1AbC_d-9/view",
        "https://drive.google.com/open?usp=drive_link&id=1AbC_d-9&x=1",
        "https://drive.google.com/drive/folders/1AbC_d-9?usp=sharing",
        "https://drive.google.com/drive/u/0/folders/1AbC_d-9",
    ],
)
def test_what_lies_in_drive_is_named_by_id_or_link(link: str):
    found = read(
        f"runs: {{path: /d}}\ngoogle: {{template: '{link}', folder: '{link}'}}"
    )
    assert (found.google.template, found.google.folder) == ("1AbC_d-9", "1AbC_d-9")


@pytest.mark.parametrize(
    "text", ["https://evil.example/d/1AbC", "a b", "https://docs.google.com/", "x/y"]
)
def test_other_addresses_are_nothing_in_drive(text: str):
    with pytest.raises(ConfigError, match="or its link"):
        read(f"runs: {{path: /d}}\ngoogle: {{template: '{text}'}}")
