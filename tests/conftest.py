"""What several test modules are given."""

from pathlib import Path

import pytest

from ticking import Desk


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    """Return a desk with an empty folder of runs."""
    (tmp_path / "runs").mkdir()
    return Desk(tmp_path, capsys)
