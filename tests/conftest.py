"""What several test modules are given, and how hypothesis works in all of them."""

import os
import sys
from functools import partial
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


# A forked child is ended, and what was measured in it is gone.
os.register_at_fork(after_in_child=partial(sys.settrace, None))


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    """Return a desk with an empty folder of runs."""
    (tmp_path / "runs").mkdir()
    return Desk(tmp_path, capsys)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Let a worker of xdist measure once.

    pytest-cov begins twice in it, and where the second pauses the first would go on.
    """
    plugin = session.config.pluginmanager.getplugin("_cov")
    first = getattr(plugin, "cov_controller", None)
    if first and hasattr(session.config, "workerinput"):
        first.pause()
