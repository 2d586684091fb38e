"""Imports go one way, from room to room and inside each: this test is the diagram."""

import ast
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from places import ROOT

PACKAGE = ROOT / "mlreport_batch"

# A room imports only from the rooms that stand after it.
ROOMS = """
    __main__ start cli commands printing
    tick google render deliver state report read find
    config formats language safety errors
""".split()
# What a tick that finds nothing runs.
LIGHT = ("", "start", "config.locate", "state.idle")
MODULES_IN_ROOT = 8


@cache
def modules() -> dict[str, Path]:
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        name = ".".join(parts).removesuffix("__init__").rstrip(".")
        found[name] = path
    return found


@cache
def imports(path: Path) -> frozenset[str]:
    """Return the modules of the package that *path* imports, lazily or not."""
    return frozenset(_imports(path))


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            base, _, rest = (node.module or "").partition(".")
            if base == PACKAGE.name:
                for alias in node.names:
                    inner = f"{rest}.{alias.name}".lstrip(".")
                    found = inner if inner in modules() else rest
                    if found:
                        yield found


def at_module_level(path: Path) -> Iterator[str]:
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").partition(".")[0]


@pytest.mark.parametrize("name", sorted(modules().keys() - {""}))
def test_a_room_imports_only_from_the_rooms_after_it(name: str):
    room = name.partition(".")[0]
    assert room in ROOMS, f"{name} stands in no room: give it one"
    for other in imports(modules()[name]):
        assert ROOMS.index(other.partition(".")[0]) >= ROOMS.index(room), other


def test_no_imports_run_in_a_circle():
    graph = {
        name: {other for other in imports(path) if other != name}
        for name, path in modules().items()
    }
    tuple(TopologicalSorter(graph).static_order())  # raises a CycleError


def test_the_rooms_are_few_and_nothing_else_lies_between_them():
    places = [path for path in PACKAGE.iterdir() if path.name != "__pycache__"]
    files = {path.name for path in places if path.is_file()}
    assert len(files) <= MODULES_IN_ROOT, sorted(files)
    rooms = {path.name for path in places if path.is_dir()}
    assert rooms == {room for room in ROOMS if not (PACKAGE / f"{room}.py").exists()}
    for room in rooms:
        assert (PACKAGE / room / "__init__.py").exists(), room


@pytest.mark.parametrize("name", modules())
def test_heavy_libraries_are_imported_where_they_are_used(name: str):
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    heavy = settings["tool"]["ruff"]["lint"]["flake8-tidy-imports"][
        "banned-module-level-imports"
    ]
    assert {"pandas", "numpy", "jinja2", "plutoprint", "email", "requests"} <= {*heavy}
    assert not set(heavy) & set(at_module_level(modules()[name]))


@pytest.mark.parametrize("name", LIGHT)
def test_what_a_tick_without_news_runs_imports_nothing_but_the_standard_library(
    name: str,
):
    found = set(at_module_level(modules()[name])) - {PACKAGE.name}
    assert found <= sys.stdlib_module_names - {"dataclasses", "re", "pathlib", "json"}


def test_one_module_prints():
    for name, path in modules().items():
        calls = (
            node.func.id
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        )
        assert name == "printing" or "print" not in calls, name


def test_stages_take_values_and_not_the_config():
    for name, path in modules().items():
        room = name.partition(".")[0]
        if room in ("state", "report", "read", "find", "formats", "language", "safety"):
            for other in imports(path):
                assert other not in ("config.load", "config.settings"), name
