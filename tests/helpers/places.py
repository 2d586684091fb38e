"""Where things lie: the project, its fixtures, its samples."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
RUNS = ROOT / "tests" / "runs"
SAMPLES = ROOT / "sample_runs"
