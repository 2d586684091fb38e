"""Each line that guards against a fault is broken, and its tests are seen to fail."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from guards import GUARDS, Guard
from places import ROOT

PACKAGE = "mlreport_batch"
ROWS = {f"F{number}" for number in range(1, 61)}


@cache
def files_of(root: Path) -> dict[str, list[Path]]:
    """Return the test files below *root* by the names of their modules."""
    found: dict[str, list[Path]] = {}
    for path in (root / "tests").rglob("test_*.py"):
        found.setdefault(path.stem, []).append(path)
    return found


def place(root: Path, guard: Guard) -> Path:
    return root / PACKAGE / guard.file


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.name)
def test_a_guard_stands_where_it_is_said_to_stand(guard: Guard):
    source = place(ROOT, guard).read_text("utf-8")
    assert source.count(guard.line) == 1
    if guard.file.endswith(".py"):
        compile(source.replace(guard.line, guard.broken), guard.file, "exec")
    for name in guard.tests.split():
        module, _, test = name.partition("::")
        [file] = files_of(ROOT)[module]
        text = file.read_text("utf-8")
        assert not test or f"def {test.partition('[')[0]}(" in text, name


def test_every_row_has_a_guard_and_stands_in_the_table_with_tests_that_exist():
    assert {row for guard in GUARDS for row in guard.rows.split()} == ROWS
    tests = {
        path.name: set(re.findall(r"def (test_\w+)\(", path.read_text("utf-8")))
        for path in (ROOT / "tests").rglob("test_*.py")
    }
    page = (ROOT / "docs" / "reliability.md").read_text("utf-8")
    told: set[str] = set()
    for line in page.splitlines():
        if not re.match(r"\| F\d", line):
            continue
        _, rows, _, _, named, _ = line.split("|")
        for start, end in re.findall(r"F(\d+)(?:-F(\d+))?", rows):
            told.update(f"F{n}" for n in range(int(start), int(end or start) + 1))
        found = re.findall(r"`(test_\w+\.py)?(?:::)?(test_\w+)?`", named)
        assert found, line
        module = ""
        for file, test in found:  # a test without a module is in the one before
            module = file or module
            assert module in tests, line
            assert not test or test in tests[module], f"{module}::{test}"
    assert told == ROWS


@pytest.fixture(scope="session")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Yield a copy of the project whose tests pass and meet that copy alone."""
    root = tmp_path_factory.mktemp("guards") / "project"
    left_out = shutil.ignore_patterns(".git", ".venv*", "__pycache__", ".*_cache")
    shutil.copytree(ROOT, root, ignore=left_out, symlinks=True)
    yield root
    shutil.rmtree(root)


def outcome(root: Path, tests: str) -> tuple[int, str]:
    """Run *tests* in the copy; return pytest's exit code and what it said."""
    names = [
        f"{file}{mark}{test}"
        for module, mark, test in (name.partition("::") for name in tests.split())
        for file in files_of(root)[module]
    ]
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, "-n", "0", *names],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root), "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    return done.returncode, done.stdout[-3000:]


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.name)
def test_a_broken_guard_is_noticed(guard: Guard, copy: Path):
    path = place(copy, guard)
    source = path.read_text("utf-8")
    path.write_text(source.replace(guard.line, guard.broken), "utf-8")
    try:
        code, said = outcome(copy, guard.tests)
    finally:
        path.write_text(source, "utf-8")
    assert code == 1, said
    assert re.search(r"^FAILED |^ERROR tests.*::", said, re.MULTILINE), said


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_whole_guards_break_nothing(copy: Path):
    names = sorted({name for guard in GUARDS for name in guard.tests.split()})
    code, said = outcome(copy, " ".join(names))
    assert code == 0, said
