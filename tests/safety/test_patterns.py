"""Patterns that are compiled late find what others find, and all of them compile."""

import importlib
import pkgutil
import re

import pytest

import mlreport_batch
from mlreport_batch.safety.patterns import _Late, late


def test_a_late_pattern_is_compiled_once_and_finds_the_same(
    monkeypatch: pytest.MonkeyPatch,
):
    compiled: list[str] = []
    compile_ = re.compile
    monkeypatch.setattr(
        re,
        "compile",
        lambda text, flags=0: compiled.append(text) or compile_(text, flags),
    )
    pattern = late(r"(\w)o+", re.IGNORECASE)
    assert pattern.pattern == r"(\w)o+"
    assert not compiled
    assert pattern.sub(r"\1", "FOO to") == "F t"
    assert [found[1] for found in pattern.finditer("foo to")] == ["f", "t"]
    assert pattern.groups == 1
    assert len(compiled) == 1


def test_every_late_pattern_compiles():
    found = 0
    for module in pkgutil.walk_packages(mlreport_batch.__path__, "mlreport_batch."):
        if module.name.endswith("__main__"):
            continue
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, _Late):
                assert value.groups >= 0
                found += 1
    assert found > 50
