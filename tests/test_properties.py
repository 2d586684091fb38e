"""The long form of every property that is tried with fewer examples each day."""

import os
import subprocess
import sys

import pytest

from lengths import FULL
from places import ROOT

MODULES = sorted(
    path
    for path in (ROOT / "tests").rglob("test_*.py")
    if "import examples\n" in path.read_text("utf-8")
)


def test_the_modules_with_a_long_form_are_found():
    assert "test_formats_chunks.py" in {path.name for path in MODULES}


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_properties_hold_for_all_examples(path: os.PathLike[str]):
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "0", path],
        cwd=ROOT,
        env={**os.environ, "PYTEST_ADDOPTS": "", FULL: "all"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:]
