"""What the README and CONTRIBUTING tell people to type works as written.

The two commands that install something are run for real by ``.ci/run``, in fresh
clones; here their last part is.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import yaml

import typed
from mlreport_batch.config.load import load
from places import ROOT
from typed import blocks, type_in

README = (ROOT / "README.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


COMMANDS = [line for block in blocks(README, "sh") for line in block.splitlines()]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return typed.make_place(tmp_path)


def test_two_commands_set_up_everything():
    main, test = [line for line in COMMANDS if "pip install" in line]
    for line in (main, test):
        assert line.startswith("python3 -m venv .venv && .venv/bin/pip install -r ")
    assert main.endswith(" && .venv/bin/mlreport-batch run sample_runs")
    assert test.endswith(" && .venv/bin/python -m pytest")


def test_the_main_command_makes_what_the_readme_says(place: Path):
    command = COMMANDS[0].rpartition(" && ")[2]
    done = type_in(place, command)
    assert done.returncode == 0, done.stderr
    out = place / "mlreport-out"
    assert len(list(out.glob("outbox/*.eml"))) == 9
    assert len(list(out.glob("reports/*/report.html"))) == 9
    assert len(list(out.glob("reports/*/report.pdf"))) == 9
    assert (out / "index.html").is_file()
    before = contents(place)
    again = type_in(place, command)
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    assert contents(place) == before


def contents(folder: Path) -> dict[Path, tuple[int, bytes]]:
    return {
        path: (path.stat().st_mtime_ns, path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_the_cron_section_works_from_top_to_bottom(place: Path):
    asking, init, *others = [line for line in COMMANDS if "pip install" not in line]
    assert asking.endswith(" init")
    assert " init " in init
    done = type_in(place, init)
    assert done.returncode == 0, done.stderr
    config = place / ".config/mlreport-batch/config.yaml"
    written = config.read_text(encoding="utf-8")
    config.write_text(written.replace("~/experiments", "~/sample_runs"), "utf-8")
    assert len(others) >= 3
    for command in others:
        done = type_in(place, command)
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        assert done.stdout
    assert not (place / "mlreport-outbox").exists()  # nothing was sent


def test_the_config_in_the_readme_is_right(tmp_path: Path):
    (text,) = [block for block in blocks(README, "yaml") if "runs:" in block]
    file = tmp_path / "config.yaml"
    file.write_text(text, encoding="utf-8")
    config = load(file)
    assert config.mail.via == "smtp"
    assert config.report.metrics == ("val_*", "*loss*")


def test_the_intent_in_the_readme_is_understood(place: Path):
    (text,) = [block for block in blocks(README, "yaml") if "purpose:" in block]
    (place / "sample_runs/gan/intent.yaml").write_text(text, encoding="utf-8")
    done = type_in(place, "mlreport-batch inspect sample_runs/gan")
    assert "intended    grad_clip = 1.0" in done.stdout
    assert "problem" not in done.stdout


def test_the_ci_step_in_the_readme_works(place: Path):
    (text,) = [block for block in blocks(README, "yaml") if "steps:" in block]
    steps = {step["name"]: step for step in yaml.safe_load(text)["steps"]}
    assert (ROOT / "requirements.lock").exists()  # which the step before it installs
    report = steps["Report"]
    (place / "sample_runs").rename(place / "runs")
    done = type_in(place, report["run"])
    assert done.returncode == 4  # one of the samples diverges
    summary = (place / "summary.md").read_text(encoding="utf-8")
    assert "vit-lr-sweep" in summary
    assert (place / "report/index.html").is_file()


def test_the_readme_names_every_command(place: Path):
    done = type_in(place, "mlreport-batch --help")
    commands = re.findall(r"(?m)^    (\w+)  ", done.stdout)
    assert {"run", "login"} <= set(commands)
    table = README[README.index("## Commands") : README.index("| exit code")]
    assert {name for name in commands if f"`{name}" not in table} == set()


PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]


@pytest.mark.parametrize("file", [str(page.relative_to(ROOT)) for page in PAGES])
def test_links_and_pictures_are_there(file: str):
    text = (ROOT / file).read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)\s]+)\)", text)
    local = [link.partition("#")[0] for link in links if "://" not in link]
    folder = (ROOT / file).parent
    assert [link for link in local if not (folder / link).exists()] == []


def test_the_korean_readme_has_the_same_commands():
    korean = (ROOT / "README.ko.md").read_text(encoding="utf-8")
    commands = [line for block in blocks(korean, "sh") for line in block.splitlines()]
    assert commands
    assert set(commands) <= set(COMMANDS)


def test_the_action_reports_summarizes_and_fails_as_asked(place: Path):
    """Its own steps, as a runner starts them."""
    action = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
    steps = {step["name"]: step for step in action["runs"]["steps"]}
    own = "PATHS='sample_runs/gan\n\nsample_runs/vit-lr-sweep' OUT=out FAIL_ON=alert"
    files = "GITHUB_OUTPUT=told GITHUB_STEP_SUMMARY=page.md"
    (place / "report.sh").write_text(steps["Report"]["run"])
    done = type_in(place, f"export {own} {files}; exec bash -euo pipefail report.sh")
    assert done.returncode == 0, done.stderr
    assert "exit-code=4" in (place / "told").read_text()
    assert "> [!CAUTION]" in (place / "page.md").read_text(encoding="utf-8")
    assert len(list((place / "out/outbox").iterdir())) == 2
    (place / "judge.sh").write_text(steps["Judge"]["run"])
    assert type_in(place, "CODE=4 bash judge.sh").returncode == 4
    assert set(action["inputs"]) >= {"paths", "out", "fail-on", "artifact", "comment"}


def test_the_page_of_places_shows_calls_that_work(place: Path):
    page = (ROOT / "docs/places.md").read_text(encoding="utf-8")
    lines = [line for block in blocks(page, "sh") for line in block.splitlines()]
    calls = [line for line in lines if line.startswith("mlreport-batch ")]
    (place / "mlreport.yaml").write_text("runs: [{path: sample_runs}]\n")
    (place / "runs").mkdir()
    (place / "sample_runs/gan").rename(place / "runs/gan")
    for call in calls:
        done = type_in(place, call.replace(" --install", ""))
        assert done.returncode == 0, (call, done.stderr)
    pipeline = yaml.safe_load(blocks(page, "yaml")[-1])
    assert ET.parse(place / "report/junit.xml").findall(".//testcase")
    shutil.rmtree(place / "report")
    (place / "runs").rename(place / "dvclive")
    assert type_in(place, pipeline["stages"]["report"]["cmd"]).returncode == 0
    assert (place / "report/summary.md").exists()


def test_the_gitlab_component_reports_what_the_page_of_places_gives_it(place: Path):
    page = (ROOT / "docs/places.md").read_text(encoding="utf-8")
    (call,) = yaml.safe_load(blocks(page, "yaml")[1])["include"]
    text = (ROOT / "templates/report.yml").read_text(encoding="utf-8")
    head, body = re.split(r"(?m)^---$", text)
    known = yaml.safe_load(head)["spec"]["inputs"]
    assert set(call["inputs"]) <= set(known)
    given = {name: each.get("default") for name, each in known.items()}
    given |= {**call["inputs"], "paths": "sample_runs/gan sample_runs/vit-lr-sweep"}
    filled = re.sub(r"\$\[\[ inputs\.([a-z-]+) \]\]", lambda m: str(given[m[1]]), body)
    job = yaml.safe_load(filled)["training-report"]
    assert job["needs"] == ["train"]
    # An empty list would start the job at once, without the runs.
    assert "default" not in known["needs"]
    assert not job["image"].endswith("slim")  # which has no git
    lines = [f"export {name}='{value}'" for name, value in job["variables"].items()]
    script = [line for line in job["script"] if "/tmp/" not in line]
    (place / "job.sh").write_text("\n".join(["set -e", *lines, *script]))
    done = type_in(place, "bash job.sh")
    assert done.returncode == 4, done.stderr
    cases = ET.parse(place / job["artifacts"]["reports"]["junit"])
    assert cases.findall(".//failure")
    assert (place / job["artifacts"]["paths"][0] / "summary.md").is_file()


def test_the_action_takes_what_the_page_of_places_gives_it():
    page = (ROOT / "docs/places.md").read_text(encoding="utf-8")
    job = yaml.safe_load(blocks(page, "yaml")[0])["jobs"]["train"]
    action = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
    (step,) = [step for step in job["steps"] if "mlreport" in step.get("uses", "")]
    assert set(step["with"]) <= set(action["inputs"])


GH = """#!/bin/sh
echo "$@" >> calls
case "$*" in *--paginate*) cat found 2>/dev/null || true ;; esac
"""


def test_the_action_brings_its_comment_up_to_date(place: Path):
    action = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
    (comment,) = [s for s in action["runs"]["steps"] if s["name"] == "Comment"]
    (place / "comment.sh").write_text(comment["run"])
    gh = place / ".venv/bin/gh"
    gh.write_text(GH)
    gh.chmod(0o755)
    call = "REPO=me/it NUMBER=7 SUMMARY=s.md bash -euo pipefail comment.sh"
    assert type_in(place, call).returncode == 0
    assert (
        "api repos/me/it/issues/7/comments -F body=@s.md"
        in (place / "calls").read_text()
    )
    (place / "found").write_text("123\n124\n")
    assert type_in(place, call).returncode == 0
    assert "-X PATCH repos/me/it/issues/comments/123" in (place / "calls").read_text()


def test_the_page_of_notices_shows_a_config_that_is_right(tmp_path: Path):
    page = (ROOT / "docs/notices.md").read_text(encoding="utf-8")
    file = tmp_path / "config.yaml"
    text = "runs: [{path: runs}]\n" + "".join(blocks(page, "yaml"))
    file.write_text(text, encoding="utf-8")
    config = load(file)
    places = (config.notify, config.ping, config.webhook, config.prometheus)
    assert all(place.is_on for place in places)
    assert config.pages.url == "https://lab.example/~ml/runs"


def test_the_page_of_microsoft_shows_a_config_that_is_right(tmp_path: Path):
    page = (ROOT / "docs/microsoft.md").read_text(encoding="utf-8")
    file = tmp_path / "config.yaml"
    text = "runs: [{path: runs}]\n" + "".join(blocks(page, "yaml"))
    file.write_text(text, encoding="utf-8")
    assert load(file).smtp.grant_file is not None


def test_the_picture_is_small():
    assert (ROOT / "docs/img/mails.png").stat().st_size < 200_000


def test_the_example_of_a_format_reads_its_log(tmp_path: Path):
    (text,) = blocks(CONTRIBUTING, "python")
    (tmp_path / "runs/a").mkdir(parents=True)
    (tmp_path / "runs/a/foo.log").write_text("120;loss;0.53\n130;loss;0.5\nbad\n")
    (tmp_path / "foo.py").write_text(text, encoding="utf-8")
    code = (
        "import sys, types, foo\n"
        "sys.modules['mlreport_batch.formats.foo'] = foo\n"
        "from mlreport_batch.formats import registry\n"
        "registry._NAMED = (('foo', 'FOO'), *registry._NAMED)\n"
        "from mlreport_batch.cli import main\n"
        "sys.exit(main(['inspect', 'runs']))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "loss = 0.5 at step 130 (2 values)" in done.stdout, done.stderr
    assert "foo.log: foo (Foo log)" in done.stdout
    assert "no step;name;value" in done.stdout
