"""Every block of code in the docs is right: it is typed, or read by what it is for.

Those of the README, of docs/places.md and of docs/google.md have tests of their own
beside; docs/commands.md is made from the parser.
"""

import json
import os
import re
import shlex
import sys
from concurrent.futures import Executor, Future
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import MagicMock

import pytest
import yaml

import typed
from mlreport_batch.cli.parser import make_parser
from mlreport_batch.config.load import load
from mlreport_batch.deliver.elsewhere import addresses_of
from places import ROOT
from ticking import Desk
from typed import blocks, fences, type_in

DOCS = sorted(ROOT.glob("docs/*.md"))
INTENT = {"purpose", "expect", "to"}
SCHEMA = json.loads((ROOT / "mlreport_batch/config.schema.json").read_text("utf-8"))
# Of other programs, each with a test of its own in test_readme.py.
PIPELINES = {"jobs", "include", "stages"}
# What asks a server that a test of its own stands in for.
ASKING = ("login ", "template create", "check --live")
# Programs that are not ours. Whatever comes in by a pipe is read.
OTHERS = "crontab docker gcloud jq kubectl launchctl pip scrontab systemctl".split()


def all_blocks(language: str) -> list[Any]:
    return [
        pytest.param(block, id=f"{page.stem}-{number}")
        for page in DOCS
        for number, block in enumerate(
            blocks(page.read_text(encoding="utf-8"), language)
        )
    ]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    made = typed.make_place(tmp_path)
    for name in OTHERS:
        typed.put_program(made, name, "sh -c '[ -t 0 ] || cat' >/dev/null")
    typed.put_program(made, "python", f'"{sys.executable}" "$@"')
    made.joinpath("sample_runs").rename(made / "experiments")
    (made / "runs").symlink_to("experiments")
    (made / "mlreport.yaml").write_text("runs: [{path: experiments}]\n")
    return made


def test_no_block_is_of_a_language_that_nothing_here_reads():
    found = {
        (page.name, language)
        for page in DOCS
        for language, _ in fences(page.read_text("utf-8"))
    }
    assert {language for _, language in found} == {
        "", "html", "python", "sh", "text", "yaml",
    }  # fmt: skip
    assert {name for name, language in found if language == "text"} == {"commands.md"}
    assert {name for name, language in found if language == ""} == {
        "google.md", "notices.md", "reliability.md",
    }  # fmt: skip


@pytest.mark.parametrize("block", all_blocks("sh"))
def test_what_a_page_types_works(place: Path, block: str):
    lines = block.replace("\\\n", " ").splitlines()
    for line in lines:
        if any(f"mlreport-batch {each}" in line for each in ASKING):
            call = shlex.split(line)[1:]
            assert make_parser().parse_args(call).command == call[0]
        else:
            done = type_in(place, line)
            assert done.returncode == 0, (line, done.stdout, done.stderr)


@pytest.mark.parametrize("block", all_blocks("yaml"))
def test_what_a_page_configures_is_understood(place: Path, block: str):
    document = yaml.safe_load(block)
    if PIPELINES & document.keys():
        return
    if set(document) <= INTENT:
        (place / "experiments/gan/intent.yaml").write_text(block, encoding="utf-8")
        said = type_in(place, "mlreport-batch inspect experiments/gan").stdout
        assert len(re.findall(r"(?m)^ +intended ", said)) == len(document["expect"])
        assert "problem" not in said
        return
    assert document.keys() <= SCHEMA["properties"].keys()
    given = "" if "runs" in document else "runs: [{path: experiments}]\n"
    file = place / "mlreport.yaml"
    file.write_text(given + block, encoding="utf-8")
    assert load(file).runs


def test_the_format_of_ones_own_reads_what_the_page_says(desk: Desk):
    (block,) = [
        block
        for block in blocks((ROOT / "docs/config.md").read_text("utf-8"), "yaml")
        if block.startswith("formats:")
    ]
    desk.put("a/train.log", "ep 1 loss 0.5 acc 0.7\nep 2 loss 0.4\n")
    config = desk.config(block)
    said = desk.run("run", "-c", config, "--dry-run", "--json").json
    (run,) = said["runs"]
    assert run["metrics"].keys() == {"loss", "acc"}


class _Remote:
    """Ray's, in this process."""

    def __init__(self, work: Any) -> None:  # noqa: ANN401
        self.work = work

    def remote(self, *arguments: object) -> "_Remote":
        self.answer = self.work(*arguments)
        return self

    def future(self) -> Future:
        done: Future = Future()
        done.set_result(self.answer)
        return done


def test_the_executor_on_ray_submits_work(monkeypatch: pytest.MonkeyPatch):
    """Ray itself is too large for the tests; its names are those of Ray 2.60."""
    (block,) = blocks((ROOT / "docs/scaling.md").read_text("utf-8"), "python")
    ray = ModuleType("ray")
    ray.remote = _Remote  # type: ignore[attr-defined]
    ray.init = lambda: None  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "ray", ray)
    made: dict[str, Any] = {}
    exec(block, made)
    executor = made["make"]()
    assert isinstance(executor, Executor)
    assert executor.submit(max, 2, 3).result() == 3


LIBRARIES = {
    "lightning": "lightning.pytorch lightning.pytorch.loggers",
    "transformers": "",
    "keras": "keras.callbacks",
    "torch": "torch.utils torch.utils.tensorboard",
    "stable_baselines3": "stable_baselines3.common stable_baselines3.common.logger",
}


def test_the_calls_of_frameworks_are_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The frameworks are too large for the tests: see the next one."""
    for name, below in LIBRARIES.items():
        for module in [name, *below.split()]:
            monkeypatch.setitem(sys.modules, module, MagicMock())
    monkeypatch.chdir(tmp_path)
    for block in blocks((ROOT / "docs/frameworks.md").read_text("utf-8"), "python"):
        exec(block, {})
    assert (tmp_path / "runs/mine/metrics.csv").stat().st_size


@pytest.mark.slow
def test_the_calls_of_frameworks_work_in_the_frameworks(tmp_path: Path):
    """``MLREPORT_FRAMEWORKS`` names a Python that has all of them."""
    python = os.environ["MLREPORT_FRAMEWORKS"]
    for block in blocks((ROOT / "docs/frameworks.md").read_text("utf-8"), "python"):
        (tmp_path / "block.py").write_text(block, encoding="utf-8")
        done = type_in(tmp_path, f"{shlex.quote(python)} block.py")
        assert done.returncode == 0, (block, done.stderr)


def test_the_addresses_of_notices_are_addresses(tmp_path: Path):
    (block,) = blocks((ROOT / "docs/notices.md").read_text("utf-8"), "")
    file = tmp_path / "urls"
    file.write_text(block)
    file.chmod(0o600)
    config = tmp_path / "mlreport.yaml"
    config.write_text(f"runs: [{{path: runs}}]\nnotify: {{urls_file: {file}}}\n")
    assert len(addresses_of(load(config).notify)) == 2


def test_the_scopes_to_grant_are_those_that_are_asked_for():
    (block,) = blocks((ROOT / "docs/google.md").read_text("utf-8"), "")
    from mlreport_batch.google.api.account import DRIVE_FILE, GMAIL_SEND

    assert block.strip().split(",") == [DRIVE_FILE, GMAIL_SEND]


def test_a_state_has_the_files_that_are_told_of(desk: Desk):
    (block,) = blocks((ROOT / "docs/reliability.md").read_text("utf-8"), "")
    told = {line.split()[0] for line in block.splitlines() if line[0] != " "}
    desk.put("a/metrics.csv", "step,loss\n1,0.5\n")
    assert desk.run("run", desk.runs, "--out", desk.out, "-q").code == 0
    (state,) = {path.parent for path in desk.out.rglob("state.db")}
    made = {
        f"state/{path.relative_to(state)}{'/' * path.is_dir()}"
        for path in state.rglob("*")
    }
    assert told - made <= {"state/state.db.bak", "state/spool/dead/"}
    ours = {name for name in made if name.startswith(("state/s", "state/l"))}
    assert {name for name in ours if name.rstrip("/").count("/") == 1} <= {
        *told, "state/spool/",
    }  # fmt: skip


def test_the_template_of_the_page_is_filled(place: Path):
    (block,) = blocks((ROOT / "docs/placeholders.md").read_text("utf-8"), "html")
    (place / "my.html").write_text(block, encoding="utf-8")
    (place / "mlreport.yaml").write_text(
        "runs: [{path: experiments}]\nrender: {template: my.html}\n"
    )
    done = type_in(place, "mlreport-batch preview experiments/gan -c mlreport.yaml")
    assert done.returncode == 0, done.stderr
    text = "".join(
        path.read_text("utf-8") for path in place.glob("mlreport-out/**/*.html")
    )
    assert "{{" not in text
    assert "History Table" in text
