"""What the fixture generators share: one case = a tree, its snapshots, its truth.

A generator trains in a scratch folder, tells the case what it logged (or reads the
files back with the csv and json modules), and `Case.save` copies the scratch folder
to ``tests/runs/<case>/tree``: weights cut to `WEIGHT_BYTES`, caches left out, empty folders given a
``.gitkeep``, the scratch path replaced by ``/data/expruns/<case>``. Nothing here imports the program
under test: the oracle must not share its mistakes.

Each generator is run as ``python tests/make_runs/<family>.py`` in an environment
that has the framework named in its docstring. A rerun rewrites its cases; times,
host names and (for some frameworks) column orders then differ, nothing else.
"""

from __future__ import annotations

import csv
import json
import math
import os
import re
import shutil
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

RUNS = Path(os.environ.get("MAKE_RUNS_OUT", Path(__file__).parent.parent / "runs"))
WEIGHT_BYTES = 256
WEIGHT_SUFFIXES = {
    ".bin",
    ".cbm",
    ".ckpt",
    ".h5",
    ".keras",
    ".npz",
    ".pkl",
    ".pt",
    ".pth",
    ".safetensors",
    ".tar",
    ".zip",
}
BINARY_SUFFIXES = {".db", ".wandb"}  # with checksums: left as they are
LEFT_OUT = {"__pycache__", ".ipynb_checkpoints", "lock.mdb"}
MISSING = {"", "NA", "None"}


class Points:
    """Logged values in the order of writing: ``{metric: [(step, value), ...]}``."""

    def __init__(self) -> None:
        self.by_metric: dict[str, list[tuple[float, float]]] = {}

    def add(self, step: float, values: dict, leave_out: tuple[str, ...] = ()) -> None:
        """Add the numbers of one logged row; text, lists and blanks are no metrics."""
        for name, value in values.items():
            if name in leave_out or value is None or isinstance(value, (str, bool)):
                continue
            self.by_metric.setdefault(name, []).append((step, float(value)))

    def summary(self) -> dict[str, dict]:
        """Return the truth of every metric, orphaned points left out."""
        return {k: summarise(v) for k, v in sorted(self.by_metric.items())}


def summarise(points: list[tuple[float, float]]) -> dict:
    """Return count, nans, last, last_step, min and max of one metric's points.

    A step lower than the one before it is a resume: points written earlier whose step
    is not below it are orphans and do not count. An equal step is not a resume.
    ``orphans`` is present only where there are some.
    """
    kept: list[tuple[float, float]] = []
    orphans = 0
    for step, value in points:
        if kept and step < kept[-1][0]:
            before = len(kept)
            kept = [p for p in kept if p[0] < step]
            orphans += before - len(kept)
        kept.append((step, value))
    finite = [v for _, v in kept if math.isfinite(v)]
    out = {
        "count": len(kept),
        "nans": sum(math.isnan(v) for _, v in kept),
        "last": plain(kept[-1][1]),
        "last_step": plain(kept[-1][0]),
        "min": plain(min(finite)) if finite else None,
        "max": plain(max(finite)) if finite else None,
    }
    if orphans:
        out["orphans"] = orphans
    return out


def plain(value: object) -> object:
    """Return *value* as truth.json holds it: non-finite as text, 3.0 as 3.0."""
    if isinstance(value, float):
        if math.isnan(value):
            return "NaN"
        if math.isinf(value):
            return "Infinity" if value > 0 else "-Infinity"
        if value.is_integer() and abs(value) < 2**53:
            return int(value)
    return value


def flat(tree: object, prefix: str = "", sep: str = ".") -> dict[str, object]:
    """Flatten dicts with *sep*; lists and scalars stay values."""
    if not isinstance(tree, dict):
        return {prefix: plain(tree)}
    out: dict[str, object] = {}
    for key, value in tree.items():
        name = f"{prefix}{sep}{key}" if prefix else str(key)
        if isinstance(value, dict) and value:
            out.update(flat(value, name, sep))
        else:
            out[name] = plain(value)
    return out


def csv_points(
    path: Path,
    step: str | None,
    leave_out: tuple[str, ...] = (),
    *,
    sep: str = ",",
    skip_lines: int = 0,
) -> Points:
    """Read a well-formed csv plainly; *step* None means the row number from 0."""
    points = Points()
    with path.open(newline="", encoding="utf-8") as file:
        for _ in range(skip_lines):
            file.readline()
        for number, row in enumerate(csv.DictReader(file, delimiter=sep)):
            values = {
                k.strip(): float(v)
                for k, v in row.items()
                if k is not None
                and v is not None
                and v.strip() not in MISSING
                and is_number(v)
            }
            at = number if step is None else values.get(step, number)
            points.add(at, values, (*leave_out, step or ""))
    return points


def is_number(text: str) -> bool:
    """Tell whether float() takes *text* (it takes nan and inf too)."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def same(a: dict, b: dict, rel: float = 0.0) -> None:
    """Insist that two oracles agree (memory against plain reading)."""
    if set(a) != set(b):
        raise AssertionError(f"names differ: {sorted(set(a) ^ set(b))}")
    for name in a:
        for key in a[name]:
            x, y = a[name][key], b[name].get(key)
            if x != y and not (
                isinstance(x, (int, float))
                and isinstance(y, (int, float))
                and math.isclose(x, y, rel_tol=rel)
            ):
                raise AssertionError(f"{name}.{key}: {x!r} != {y!r}")


def run(  # noqa: PLR0913
    path: str,
    metrics: dict | Points,
    hparams: dict | None = None,
    checkpoints: list[str] | None = None,
    status: str | None = None,
    notes: list[str] | None = None,
    **more: object,
) -> dict:
    """Return one entry of truth.json's ``runs``."""
    return {
        "path": path,
        "metrics": metrics.summary() if isinstance(metrics, Points) else metrics,
        "hparams": hparams or {},
        "checkpoints": sorted(checkpoints or []),
        "status": status,
        "notes": notes or [],
        **more,
    }


class Case:
    """One case folder in the making; work in `tree`, then `save`."""

    def __init__(self, name: str, framework: str, packages: tuple[str, ...] = ()):
        self.name = name
        self.framework = framework
        self.versions = {p: installed(p) for p in packages}
        self.scratch = Path(tempfile.mkdtemp(prefix=f"mk_{name}_"))
        self.tree = self.scratch / "tree"
        self.tree.mkdir()
        self.target = RUNS / name
        shutil.rmtree(self.target, ignore_errors=True)
        self.snapshots: list[dict] = []
        self.cut: list[str] = []

    def snapshot(self, when: str, runs: list[dict] | None = None) -> None:
        """Keep a copy of the tree as it is now (part of a growing run)."""
        number = f"{len(self.snapshots) + 1:04}"
        self._copy(self.tree, self.target / "snapshots" / number)
        self.snapshots.append({"snapshot": number, "when": when, "runs": runs or []})

    def save(self, runs: list[dict], notes: list[str] | None = None, **more) -> None:
        """Copy the tree into place and write truth.json."""
        self._copy(self.tree, self.target / "tree")
        notes = list(notes or [])
        if self.cut:
            kinds = sorted({Path(c).suffix for c in self.cut})
            notes.append(
                f"weight files ({', '.join(kinds)}) are cut to {WEIGHT_BYTES} bytes"
            )
        truth = {
            "case": self.name,
            "framework": self.framework,
            "versions": self.versions,
            "runs": runs,
            "notes": notes,
            **more,
        }
        dump(self.target / "truth.json", truth)
        if self.snapshots:
            dump(self.target / "snapshots" / "truth.json", self.snapshots)
        shutil.rmtree(self.scratch)
        size = sum(f.stat().st_size for f in self.target.rglob("*") if f.is_file())
        print(f"{self.name}: {len(runs)} runs, {size / 1024:.0f} KiB")

    def _copy(self, source: Path, target: Path) -> None:
        swaps = [
            (
                str(self.scratch / "tree").encode(),
                f"/data/expruns/{self.name}".encode(),
            ),
            (str(self.scratch).encode(), b"/data/expruns"),
            (sys.prefix.encode(), b"/data/venv"),
            (str(Path(__file__).parent).encode(), b"/data/code"),
        ]
        target.mkdir(parents=True, exist_ok=True)
        if not any(source.iterdir()):
            (target / ".gitkeep").touch()
        for path in sorted(source.rglob("*")):
            rel = path.relative_to(source)
            if LEFT_OUT & set(rel.parts):
                continue
            to = target / rel
            if path.is_symlink():
                to.parent.mkdir(parents=True, exist_ok=True)
                link = os.readlink(path)
                if link.startswith("/"):
                    link = os.path.relpath(link, path.parent)
                to.symlink_to(link)
            elif path.is_dir():
                to.mkdir(parents=True, exist_ok=True)
                if not any(path.iterdir()):
                    (to / ".gitkeep").touch()  # git keeps no empty folder
            else:
                data = path.read_bytes()
                if "tfevents" not in path.name and path.suffix not in BINARY_SUFFIXES:
                    for old, new in swaps:
                        data = data.replace(old, new)
                    data = re.sub(rb"/tmp/[\w./-]*", b"/data/tmp", data)
                if path.suffix in WEIGHT_SUFFIXES and len(data) > WEIGHT_BYTES:
                    data = data[:WEIGHT_BYTES]
                    self.cut.append(str(rel))
                to.parent.mkdir(parents=True, exist_ok=True)
                to.write_bytes(data)


def dump(path: Path, value: object) -> None:
    """Write JSON as the truth files have it."""
    text = json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n", encoding="utf-8")


def installed(package: str) -> str:
    """Return the version of an installed package ("" if it is not there)."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def checkpoints_in(folder: Path, *patterns: str) -> list[str]:
    """Return the files below *folder* that match, relative, sorted."""
    found = {p for pattern in patterns for p in folder.rglob(pattern) if p.is_file()}
    return sorted(str(p.relative_to(folder)) for p in found)
