"""What several test modules are given, and how hypothesis works in all of them."""

import os
from pathlib import Path

import hypothesis
import pytest

from lengths import FULL
from ticking import Desk

# How long an example takes says more about the machine than about us. The same
# examples are taken each time, so that the tests fail for a change or not at all; the
# long form looks for others.
hypothesis.settings.register_profile(
    "anywhere",
    deadline=None,
    derandomize=FULL not in os.environ,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("anywhere")


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    """Return a desk with an empty folder of runs."""
    (tmp_path / "runs").mkdir()
    return Desk(tmp_path, capsys)
