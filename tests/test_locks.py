"""The lock files hold what pyproject.toml asks for."""

import importlib.metadata
import re
import tomllib
from collections.abc import Iterator

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from places import ROOT

LOCKS = {
    "requirements.lock": (),
    "requirements-test.lock": ("test",),
    "requirements-lint.lock": ("test", "lint"),
}


def locked(name: str) -> dict[str, set[Version]]:
    found: dict[str, set[Version]] = {}
    text = (ROOT / name).read_text(encoding="utf-8")
    for package, version in re.findall(r"(?m)^([a-z0-9.-]+)(?:\[\S+\])?==(\S+)", text):
        found.setdefault(package, set()).add(Version(version))
    return found


def asked(extras: tuple[str, ...]) -> Iterator[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    yield from map(Requirement, project["dependencies"])
    for extra in extras:
        yield from map(Requirement, project["optional-dependencies"][extra])


@pytest.mark.parametrize(("name", "extras"), LOCKS.items())
def test_all_that_is_asked_for_is_locked(name: str, extras: tuple[str, ...]):
    versions = locked(name)
    for requirement in asked(extras):
        found = versions.get(canonicalize_name(requirement.name), set())
        assert found, f"{requirement} is not in {name}: see CONTRIBUTING.md"
        assert all(map(requirement.specifier.contains, found)), (requirement, found)


def test_the_site_has_a_lock_of_its_own():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    (wanted,) = map(Requirement, project["dependency-groups"]["site"])
    (found,) = locked("requirements-site.lock")[wanted.name]
    assert wanted.specifier.contains(found)
    assert "pandas" not in locked("requirements-site.lock")


@pytest.mark.parametrize("name", [*LOCKS, "requirements-site.lock"])
def test_everything_locked_has_hashes_and_no_address(name: str):
    text = (ROOT / name).read_text(encoding="utf-8")
    entries = re.findall(r"(?ms)^\S+==.*?(?=^\S|\Z)", text)
    assert len(entries) > 20
    assert all("--hash=sha256:" in entry for entry in entries)
    assert "://" not in text
    assert "index" not in re.sub(r"(?m)^#.*", "", text)


def test_the_same_versions_are_run_tested_and_checked():
    run, test, lint = map(locked, LOCKS)
    assert run.items() <= test.items()
    assert test.items() <= lint.items()


@pytest.mark.parametrize("name", LOCKS)
def test_extras_that_locked_packages_ask_for_are_locked_as_such(name: str):
    # pip, with hashes, looks at newer versions of `a[b]` where the lock has only `a`,
    # and refuses them: the lock would hold until the next release of `a`.
    text = (ROOT / name).read_text(encoding="utf-8")
    with_extras = {
        (package, extra)
        for package, extras in re.findall(r"(?m)^([a-z0-9.-]+)\[(\S+)\]==", text)
        for extra in extras.split(",")
    }
    for package in locked(name):
        try:
            needs = importlib.metadata.requires(package) or []
        except importlib.metadata.PackageNotFoundError:
            continue  # for another platform, or for checks only
        for requirement in map(Requirement, needs):
            if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
                continue
            for extra in requirement.extras:
                asked_for = (canonicalize_name(requirement.name), extra)
                assert asked_for in with_extras, f"{package} wants {requirement}"
