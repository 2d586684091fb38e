"""The code of our templates is kept, and counts only as long as it is ours."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import sample_reports
from mlreport_batch.render import layout
from mlreport_batch.render.compiled import code_cache
from mlreport_batch.render.local import LocalRenderer

jinja2: Any = pytest.importorskip("jinja2")

SOURCE = "Hello {{ name }}"


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return what is compiled from now on."""
    found: list[str] = []
    compile_ = jinja2.Environment.compile

    def spy(self: object, source: str, *rest: object) -> object:
        found.append(source)
        return compile_(self, source, *rest)

    monkeypatch.setattr(jinja2.Environment, "compile", spy)
    return found


def said(folder: Path, source: str = SOURCE) -> str:
    """Return what a new process with its cache in *folder* makes of a template."""
    loader = jinja2.DictLoader({"hello": source})
    cache = code_cache(str(folder))
    environment = jinja2.Environment(loader=loader, bytecode_cache=cache)
    return environment.get_template("hello").render(name="you")


def test_a_template_is_compiled_once(tmp_path: Path, compiled: list[str]):
    folder = tmp_path / "cache"
    assert said(folder) == said(folder) == "Hello you"
    assert compiled == [SOURCE]
    assert folder.stat().st_mode & 0o777 == 0o700


def test_one_that_was_changed_is_compiled_anew(tmp_path: Path, compiled: list[str]):
    assert said(tmp_path) == "Hello you"
    assert said(tmp_path, "Bye {{ name }}") == "Bye you"
    assert len(compiled) == 2


def _damage(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:-9] + bytes([data[-9] ^ 1]) + data[-8:])


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def _share(path: Path) -> None:
    path.chmod(0o620)


def _share_folder(path: Path) -> None:
    path.parent.chmod(0o777)


def _link(path: Path) -> None:
    other = path.with_name("other")
    path.rename(other)
    path.symlink_to(other)


@pytest.mark.parametrize("spoil", [_damage, _cut, _share, _share_folder, _link])
def test_code_that_may_be_another_s_or_is_damaged_is_not_run(
    tmp_path: Path, compiled: list[str], spoil: Callable[[Path], None]
):
    assert said(tmp_path) == "Hello you"
    [kept] = tmp_path.iterdir()
    spoil(kept)
    assert said(tmp_path) == "Hello you"
    assert len(compiled) == 2


def test_code_of_another_version_is_not_run(
    tmp_path: Path, compiled: list[str], monkeypatch: pytest.MonkeyPatch
):
    assert said(tmp_path) == "Hello you"
    monkeypatch.setattr(jinja2, "__version__", "3.2.0")
    assert said(tmp_path) == "Hello you"
    assert len(compiled) == 2


def test_nothing_is_kept_where_it_would_not_be_taken(
    tmp_path: Path, compiled: list[str]
):
    tmp_path.chmod(0o777)
    assert said(tmp_path) == "Hello you"
    assert not os.listdir(tmp_path)


def test_without_a_place_to_keep_it_templates_are_compiled(
    tmp_path: Path, compiled: list[str]
):
    occupied = tmp_path / "cache"
    occupied.write_text("a file")
    assert said(occupied) == said(occupied) == "Hello you"
    assert len(compiled) == 2
    assert os.listdir(tmp_path) == ["cache"]


def test_reports_are_drawn_with_what_is_kept(
    tmp_path: Path, compiled: list[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    layout._environment.cache_clear()
    first = LocalRenderer().render(sample_reports.bare())
    assert compiled
    layout._environment.cache_clear()
    compiled.clear()
    assert LocalRenderer().render(sample_reports.bare()) == first
    assert not compiled
    layout._environment.cache_clear()
