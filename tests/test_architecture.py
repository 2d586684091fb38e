"""Imports go one way, as the stages do: this test is the diagram."""

import ast
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "mlreport_batch"

# A module imports only what stands in a line above its own. A new one is named here,
# as far up as it can stand. The modules of a package that is named as a whole may
# import one another.
ORDER = """
    errors text words phrases metrics weights report tail localzone quick glance
    secret_names assigned redact yamlvalues executors bounded bulk_fold charts
    placeholders schedule spool state_folder tick_summary
    mail safekeep settings_builder yamlbuild
    database
    yamlguard
    formats settings_kinds
    settings bulk_rows discover
    bulk folder_table
    config config_text google_auth logs
    google_transport reader
    google_pace view
    changes google_client
    insights owed_table
    state
    catalog describe dispatch look mending pages deliver render
    channels wanted preview tending work google_live
    google_commands reporting
    tick
    checking summaries
    cli
    start
    __main__
"""
# The ports: what they hand on, which all may know.
PORTS = {"deliver": ("Channel", "Envelope", "Receipt", "Refusal", "Session"),
         "render": ("Image", "Rendered", "Renderer")}  # fmt: skip
# A member of a package that is itself a conductor.
APART = {
    "render.google": "work google_client",
    "deliver.gmail": "google_client google_commands",
}
LIGHT = ("__init__", "quick", "glance", "start")
LEVELS = {
    name: level
    for level, line in enumerate(ORDER.strip().splitlines())
    for name in line.split()
}


def modules() -> dict[str, Path]:
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        if parts != ("__init__",):
            found[".".join(parts).removesuffix(".__init__")] = path
    return found


def imports(path: Path) -> Iterator[tuple[str, str]]:
    """Yield (module of the package, name taken from it), lazy imports included."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            base, _, rest = (node.module or "").partition(".")
            if base == PACKAGE.name:
                for alias in node.names:
                    yield rest or alias.name, alias.name


def at_module_level(path: Path) -> Iterator[str]:
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").partition(".")[0]


@pytest.mark.parametrize("name", modules())
def test_a_module_imports_only_what_stands_before_it(name: str):
    unit = name.partition(".")[0]
    assert unit in LEVELS, f"{name} is new: give it a place in ORDER"
    for module, taken in imports(modules()[name]):
        other = module.partition(".")[0]
        if other in ("__version__", unit) or taken in PORTS.get(module, ()):
            continue
        if other in APART.get(name, "").split():
            continue
        assert LEVELS[other] <= LEVELS[unit], f"{name} imports {module}"
        if LEVELS[other] == LEVELS[unit]:
            line = ORDER.strip().splitlines()[LEVELS[unit]].split()
            assert line.index(other) < line.index(unit), f"{name} imports {module}"


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
    found = set(at_module_level(PACKAGE / f"{name}.py")) - {PACKAGE.name}
    assert found <= sys.stdlib_module_names - {"dataclasses", "re", "pathlib", "json"}


def test_only_the_command_line_prints():
    for name, path in modules().items():
        calls = (
            node.func.id
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        )
        assert name == "cli" or "print" not in calls, name


def test_stages_take_values_and_not_the_config():
    stages = (
        "tail metrics weights discover bulk logs reader view changes insights describe "
        "work state spool dispatch catalog pages mail"
    ).split()
    for name in stages:
        taken = {module for module, _ in imports(modules()[name])}
        assert not taken & {"config", "settings"}, name
