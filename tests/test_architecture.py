"""Imports go one way, from room to room and inside each: this test is the diagram."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from places import ROOT
from structure import PACKAGE, imports, modules, walked

# A room imports only from the rooms that stand after it.
ROOMS = """
    __main__ start cli commands printing
    tick google render deliver state report read find
    config formats language safety errors
""".split()
# What a tick that finds nothing runs.
LIGHT = ("", "start", "config.locate", "state.idle")
MODULES_IN_ROOT = 8
ROOMS_MAX = 14
LINES_MAX = 400


@cache
def arrows() -> dict[str, frozenset[str]]:
    """Return the modules that each module imports, lazily or not."""
    return {
        name: frozenset(imports(path, modules())) - {""}
        for name, path in modules().items()
    }


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
    for other in arrows()[name]:
        assert ROOMS.index(other.partition(".")[0]) >= ROOMS.index(room), other


def test_no_imports_run_in_a_circle():
    graph = {name: others - {name} for name, others in arrows().items()}
    tuple(TopologicalSorter(graph).static_order())  # raises a CycleError


def test_imports_are_absolute():
    for name, path in modules().items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            assert not isinstance(node, ast.ImportFrom) or node.level == 0, name


def test_no_module_is_longer_than_a_reader_can_hold_in_mind():
    lengths = {
        name: len(path.read_text(encoding="utf-8").splitlines())
        for name, path in modules().items()
    }
    assert {name: n for name, n in lengths.items() if n > LINES_MAX} == {}


def test_the_rooms_are_few_and_nothing_else_lies_between_them():
    places = [path for path in PACKAGE.iterdir() if path.name != "__pycache__"]
    files = {path.name for path in places if path.is_file()}
    assert len(files) <= MODULES_IN_ROOT, sorted(files)
    rooms = {path.name for path in places if path.is_dir()}
    assert rooms == {room for room in ROOMS if not (PACKAGE / f"{room}.py").exists()}
    assert len(rooms) <= ROOMS_MAX
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
    for name, others in arrows().items():
        room = name.partition(".")[0]
        if room in ("state", "report", "read", "find", "formats", "language", "safety"):
            assert not others & {"config.load", "config.settings"}, name


def test_the_guide_shows_the_rooms_in_their_order_and_modules_that_are_there():
    guide = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    table = [line for line in guide.splitlines() if line.startswith("| `")]
    rows = [re.findall(r"`(\w+)/?`", line.split("|")[1]) for line in table]
    named = [room for row in rows for room in row if room in ROOMS]
    # `printing` stands with the door; nothing else is out of its place.
    assert [room for room in named if room != "printing"] == [
        room for room in ROOMS if room not in ("__main__", "printing")
    ]


def _way() -> list[list[str]]:
    """Return the modules that the guide's walk passes, for each time over the runs."""
    guide = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    way = guide[guide.index("1. *Find.*") : guide.index("10. The next tick")]
    return [re.findall(r"`(\w+\.\w+)`", part) for part in re.split(r"\. \*", way)[1:]]


def test_a_row_meets_each_room_once_each_time_over_the_runs():
    ways = _way()
    assert len(ways) == 4
    for way in ways:
        rooms = [name.partition(".")[0] for name in way]
        met = [
            room
            for room, before in zip(rooms, ["", *rooms], strict=False)
            if room != before
        ]
        assert len(met) == len(set(met)), met


def test_a_row_is_seen_to_go_the_way_that_the_guide_shows():
    steps = walked()
    named = {name for way in _way() for name in way}
    assert named - set(steps) == {"render.local"}  # it draws in a process of its own
    assert len({name.partition(".")[0] for name in steps}) <= ROOMS_MAX
