"""A tick without news against ``find -printf`` over the same tree."""

import sqlite3
import sys
from pathlib import Path

from trees import compare, mlreport, run, scratch, settle, small_runs, tell

TARGET = 0.7


def measure(runs: int, rounds: int) -> None:
    with scratch() as folder:
        root, out = folder / "runs", folder / "out"
        small_runs(root, runs)
        settle()
        config = folder / "mlreport.yaml"
        config.write_text(f"runs:\n  - path: {root}\nstate: {out}\n")
        run(mlreport("baseline", "-c", config))
        tick = mlreport("run", "-c", config)
        run(tick)  # what is left to settle is settled now
        before = fingerprint(out)
        find = ["find", root, "-type", "f", "-printf", "%i %s %T@ %p\n"]
        ours, theirs = compare(lambda: run(tick), lambda: run(find), rounds)
        tell(f"no news, {runs:,} runs x 2 files", ours, theirs, "find -printf", TARGET)
        same = fingerprint(out) == before
        print(f"  the state is {'untouched' if same else 'WRITTEN TO'}")


def fingerprint(folder: Path) -> object:
    """Return what would differ if a tick had written anything."""
    with sqlite3.connect(f"file:{folder / 'state.db'}?mode=ro", uri=True) as database:
        version = database.execute("PRAGMA data_version").fetchone()
    return version, sorted(
        (path.name, path.stat().st_size, path.stat().st_mtime_ns)
        for path in folder.rglob("*")
    )


if __name__ == "__main__":
    measure(10_000, 9)
    if "--all" in sys.argv:
        measure(100_000, 5)
