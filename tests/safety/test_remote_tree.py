"""What is made of a bucket's listing, whatever stands in it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlreport_batch.safety.remote.tree import Tree

ROOT = "s3://lab/runs"
WRITTEN = datetime(2026, 1, 2, tzinfo=UTC)


def object_of(size: int = 1, **said: object) -> Mapping[str, Any]:
    return {"size": size, "LastModified": WRITTEN, "ETag": '"a"', **said}


def names(tree: Tree, path: str) -> dict[str, bool]:
    return {entry.name: entry.is_dir() for entry in tree.entries(path)[1]}


def test_objects_lie_in_folders():
    paths = ("a/metrics.csv", "a/ckpt/last.pt", "notes.txt")
    tree = Tree(ROOT, {path: object_of() for path in paths})
    assert names(tree, ROOT) == {"a": True, "notes.txt": False}
    assert names(tree, f"{ROOT}/a") == {"metrics.csv": False, "ckpt": True}
    assert tree.lstat(f"{ROOT}/notes.txt").st_mtime_ns == WRITTEN.timestamp() * 1e9
    for path in ("b", "a/b", "notes.txt/a"):
        with pytest.raises(FileNotFoundError):
            tree.lstat(f"{ROOT}/{path}")


@settings(max_examples=30)
@given(st.lists(st.text("a./\0", min_size=1, max_size=6), max_size=6))
def test_no_key_leads_out_of_the_root_or_breaks_a_listing(keys: list[str]):
    tree = Tree(ROOT, {key: object_of() for key in keys})
    for folder in tree.folders():
        assert folder == ROOT or folder.startswith(f"{ROOT}/")
        for name, is_folder in names(tree, folder).items():
            assert name not in ("", ".", "..")
            assert "\0" not in name
            assert "/" not in name
            path = f"{folder}/{name}"
            assert is_folder == (path in set(tree.folders()))
            tree.lstat(path)


def test_another_version_is_another_file_and_another_name_another_folder():
    one = Tree(ROOT, {"a/x": object_of()})
    for said in ({"ETag": '"b"'}, {"size": 2}, {"generation": "7"}):
        other = Tree(ROOT, {"a/x": object_of(**said)})
        assert other.lstat(f"{ROOT}/a/x") != one.lstat(f"{ROOT}/a/x")
        assert other.lstat(f"{ROOT}/a") == one.lstat(f"{ROOT}/a")
    more = Tree(ROOT, {"a/x": object_of(), "a/y": object_of()})
    assert more.lstat(f"{ROOT}/a") != one.lstat(f"{ROOT}/a")


@pytest.mark.parametrize(
    "time", [WRITTEN, WRITTEN.replace(tzinfo=None), WRITTEN.isoformat(), 1767312000.0]
)
def test_every_library_tells_times_in_its_way(time: object):
    tree = Tree(ROOT, {"x": {"size": 1, "updated": time}})
    assert tree.lstat(f"{ROOT}/x").st_mtime_ns == WRITTEN.timestamp() * 1e9


@pytest.mark.parametrize("time", ["", "soon", None])
def test_a_time_that_is_none_is_long_ago(time: object):
    tree = Tree(ROOT, {"x": {"size": None, "updated": time}})
    assert tree.lstat(f"{ROOT}/x").st_mtime_ns == 0
