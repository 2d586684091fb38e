"""What is released: the version, its notes, the image."""

import json
import re
from fnmatch import fnmatch
from pathlib import Path

import pytest
import yaml

from mlreport_batch import __version__
from mlreport_batch.cli.parser import make_parser
from places import ROOT
from release import notes
from ticking import Desk

FILES = ("pyproject.toml", "mlreport_batch/__init__.py", "CHANGELOG.md")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """The files that name the version, as they are before a release."""
    (tmp_path / "mlreport_batch").mkdir()
    for name in FILES:
        (tmp_path / name).write_text((ROOT / name).read_text("utf-8"), "utf-8")
    log = tmp_path / "CHANGELOG.md"
    head = f"## [Unreleased]\n\n## [{__version__}] - 2026-12-01"
    log.write_text(log.read_text("utf-8").replace("## [Unreleased]", head), "utf-8")
    return tmp_path


def test_a_release_has_the_notes_of_its_version(clone: Path):
    text = notes(f"v{__version__}", clone)
    assert text.startswith("### Added\n")
    assert "`run`: one tick over folders of runs" in text


@pytest.mark.parametrize(
    ("name", "old", "new", "why"),
    [
        ("pyproject.toml", f'"{__version__}"', '"9.9.9"', "pyproject.toml says 9.9.9"),
        ("mlreport_batch/__init__.py", "__version__", "version", "says nothing"),
        ("CHANGELOG.md", f"[{__version__}]", "[0.0.1]", "has nothing under"),
        ("CHANGELOG.md", "[Unreleased]\n", "[Unreleased]\n- More.\n", "still has"),
    ],
)
def test_a_release_that_is_not_ready_is_none(
    clone: Path, name: str, old: str, new: str, why: str
):
    file = clone / name
    text = file.read_text("utf-8")
    assert old in text
    file.write_text(text.replace(old, new), "utf-8")
    with pytest.raises(ValueError, match=why):
        notes(f"v{__version__}", clone)


def test_a_tag_starts_a_release_and_no_job_gets_more_rights_than_it_needs():
    text = (ROOT / ".github/workflows/release.yml").read_text("utf-8")
    flow = yaml.safe_load(text)
    assert flow[True] == {"push": {"tags": ["v*"]}}  # YAML 1.1 takes `on` for true
    assert flow["permissions"] == {"contents": "read"}
    writers = {
        name: [right for right, kind in job["permissions"].items() if kind == "write"]
        for name, job in flow["jobs"].items()
        if "permissions" in job
    }
    assert writers == {
        "publish": ["id-token"], "release": ["contents"], "image": ["packages"],
    }  # fmt: skip


def test_issues_ask_for_what_our_program_can_say():
    said = " ".join(make_parser().commands()) + " --version"
    for file in (ROOT / ".github/ISSUE_TEMPLATE").iterdir():
        form = yaml.safe_load(file.read_text("utf-8"))
        assert {"name", "description", "body"} <= set(form)
        for command in re.findall(
            r"`mlreport-batch ([a-z-]+)", file.read_text("utf-8")
        ):
            assert command in said


DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")


def test_the_image_is_made_of_what_docker_may_see():
    ignored = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    seen = {line[1:] for line in ignored if line.startswith("!")}
    copied: set[str] = set()
    for line in re.findall(r"(?m)^COPY (?!--from)(.+)$", DOCKERFILE):
        copied.update(line.split()[:-1])
    assert copied == seen
    assert all((ROOT / name).exists() for name in copied)
    wheel = (ROOT / "pyproject.toml").read_text("utf-8")
    wanted = re.findall(r'(?m)^"(\S+)" = "share/', wheel)
    assert wanted
    assert all(any(fnmatch(name, each) for each in seen) for name in wanted)


def test_the_image_starts_a_tick_and_runs_as_nobody_special():
    entry, command = (
        json.loads(re.search(rf"(?m)^{word} (.+)$", DOCKERFILE)[1])
        for word in ("ENTRYPOINT", "CMD")
    )
    assert entry == ["mlreport-batch"]
    assert make_parser().parse_args(command).command == "run"
    last = DOCKERFILE.rpartition("FROM ")[2]
    assert re.search(r"(?m)^USER [1-9]", last)


def test_the_page_of_places_starts_the_image_with_calls_that_work(desk: Desk):
    page = (ROOT / "docs/places.md").read_text("utf-8")
    calls = re.findall(r"(?m) mlreport-batch (run /runs .+)$", page)
    assert calls
    desk.put("a/metrics.csv", "step,loss\n1,0.5\n")
    for call in calls:
        here = call.replace("/runs", str(desk.runs)).replace("/report", str(desk.out))
        assert desk.run(*here.split()).code == 0
