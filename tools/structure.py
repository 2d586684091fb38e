"""Print the figures of the project's structure, and the way of one row through it.

    python tools/structure.py          modules, functions, complexity, imports
    python tools/structure.py walk     one new row of a log, from the disk to the outbox

Complexity is cyclomatic, counted as ruff does (C901). The walk is measured: a tick over
a log that grew by one row is traced, and each call that leaves a module is counted.
"""

import ast
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "mlreport_batch"


@cache
def modules() -> dict[str, Path]:
    """Return the modules of the package by their dotted names below it."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        found[".".join(parts).removesuffix("__init__").rstrip(".")] = path
    return found


def imports(path: Path, known: dict[str, Path]) -> Iterator[str]:
    """Yield the modules of the package that a module imports, lazily or not."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom):
            base, _, rest = (node.module or "").partition(".")
            if base == PACKAGE.name:
                for alias in node.names:
                    inner = f"{rest}.{alias.name}".lstrip(".")
                    yield inner if inner in known else rest


def functions(path: Path) -> Iterator[int]:
    """Yield the length in lines of each function of a module, without its docstring."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0]
            is_told = ast.get_docstring(node) is not None
            told = (first.end_lineno or 0) - first.lineno + 1 if is_told else 0
            yield (node.end_lineno or 0) - node.lineno + 1 - told


def complexities() -> list[tuple[int, str]]:
    """Return (complexity, place) of every function, the highest first."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "ruff", "check", "--isolated", "--select", "C901"),
            *("--config", "lint.mccabe.max-complexity=0", "--ignore-noqa"),
            *("--output-format", "json", "--exit-zero", str(PACKAGE)),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    found = []
    for each in json.loads(done.stdout):
        words = each["message"].split()
        place = Path(each["filename"]).relative_to(PACKAGE)
        figure = int(each["message"].partition("(")[2].partition(" ")[0])
        found.append((figure, f"{place} {words[0].strip('`')}"))
    return sorted(found, reverse=True)


def figures() -> None:
    """Print what the structure is made of."""
    known = modules()
    lengths = {
        name: len(path.read_text("utf-8").splitlines()) for name, path in known.items()
    }
    arrows = {
        name: {other for other in imports(path, known) if other != name}
        for name, path in known.items()
    }
    rooms: dict[str, set[str]] = {}
    for name in known:
        rooms.setdefault(name.partition(".")[0], set()).add(name)
    in_root = [path.name for path in PACKAGE.iterdir() if path.is_file()]
    folders = [room for room in rooms if room and (PACKAGE / room).is_dir()]
    between = {
        (name.partition(".")[0], other.partition(".")[0])
        for name, others in arrows.items()
        for other in others
    }
    lines = sorted(n for path in known.values() for n in functions(path))
    complex_ones = complexities()
    try:
        tuple(TopologicalSorter(arrows).static_order())
        circles = "none"
    except CycleError as exc:
        circles = " -> ".join(exc.args[1])
    longest = max(lengths, key=lambda name: lengths[name])
    print(f"rooms              {len(folders)} and {len(in_root)} files in the root")
    print(f"modules            {len(known)}, {sum(lengths.values()):,} lines")
    print(f"longest module     {lengths[longest]} lines ({longest})")
    print(
        f"functions          {len(lines):,}, median {statistics.median(lines):.0f} "
        f"lines, longest {lines[-1]}"
    )
    print(f"complexity         at most {complex_ones[0][0]} ({complex_ones[0][1]})")
    for figure, place in complex_ones[1:3]:
        print(f"                   {figure} ({place})")
    print(f"arrows of imports  {sum(map(len, arrows.values()))} between modules")
    print(f"                   {sum(a != b for a, b in between)} between rooms")
    print(f"circles            {circles}")
    print()
    for room in sorted(folders, key=lambda room: -sum(lengths[n] for n in rooms[room])):
        total = sum(lengths[name] for name in rooms[room])
        print(f"{room:<12} {len(rooms[room]):>3} modules {total:>6,} lines")


class Walk:
    """Notes each step from one module of the package into another."""

    def __init__(self) -> None:
        self.names = {str(path): name for name, path in modules().items()}
        self.steps: list[str] = []

    def __call__(self, frame: FrameType, event: str, _: object) -> None:
        """Take one event of the interpreter."""
        if event == "call":
            name = self.names.get(frame.f_code.co_filename)
            if name is not None and (not self.steps or self.steps[-1] != name):
                self.steps.append(name)


def walked() -> list[str]:
    """Return the modules that a tick over a log with one more row steps into."""
    sys.path.insert(0, str(ROOT))
    from mlreport_batch.cli import main

    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "runs" / "a" / "metrics.csv"
        log.parent.mkdir(parents=True)
        log.write_text("epoch,loss\n0,1.0\n1,0.5\n")
        call = ["run", str(log.parents[1]), "--out", f"{folder}/out", "-q"]
        main(call)
        with log.open("a") as stream:
            stream.write("2,0.25\n")
        traced = Walk()
        sys.setprofile(traced)
        try:
            main(call)
        finally:
            sys.setprofile(None)
    return traced.steps


def walk() -> None:
    """Print what a tick over a log that grew by one row steps into."""
    steps = walked()
    rooms = [name.partition(".")[0] for name in steps]
    entered = list(dict.fromkeys(rooms))
    changes = sum(a != b for a, b in pairwise(rooms))
    print(f"modules  {len(set(steps))} crossed, {len(steps) - 1} changes of module")
    print(f"rooms    {len(entered)} crossed, {changes} changes of room")
    print("in the order of the first step: " + " -> ".join(entered))


if __name__ == "__main__":
    walk() if sys.argv[1:] == ["walk"] else figures()
