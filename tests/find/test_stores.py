"""The runs inside one file are found like folders, and only where they changed."""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from hostile import mlflow_database
from lengths import examples
from mlreport_batch.commands.inspect import look_at
from mlreport_batch.errors import UsageError
from mlreport_batch.find import folder
from mlreport_batch.find.listing import walk
from mlreport_batch.find.runs import group_runs
from mlreport_batch.read.run import read_run
from mlreport_batch.state.catalog import Catalog
from mlreport_batch.state.idle import INSIDE
from mlreport_batch.state.store import State

CSV = "step,loss\n1,0.5\n"


def change(path: Path, statement: str, *values: object) -> None:
    before = path.stat().st_mtime
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(statement, values)
    later = before + 1  # and long ago, whatever the clock says
    os.utime(path, (later, later))


def run_id(number: int) -> str:
    return f"{number:032x}"


class Shelf:
    """A root with a database, what is known of it, and surveys."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self.root.mkdir()
        self.file = self.root / "mlflow.db"
        (folder / "state").mkdir()
        self.state = State(str(folder / "state"))
        self.catalog = Catalog(self.state, lambda _root, _name: True, frozenset())

    def survey(self) -> list[str]:
        """Return which runs are to be looked at, by their names."""
        self.found = self.catalog.survey([str(self.root)], time.time())
        return [os.path.relpath(path, self.root) for path in self.found.dirty]

    def known(self) -> dict[str, object]:
        runs = map(self.catalog.run_dir, self.state.runs())
        return {run.name: run.files for run in runs if run.files}

    def there(self) -> dict[str, object]:
        root = str(self.root)
        runs = group_runs(walk(root, root=root), root)
        return {run.name: run.files for run in runs}


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    made = Shelf(tmp_path)
    mlflow_database(made.file, runs=3)
    os.utime(made.file, (1, 1))
    yield made
    made.state.close()


def test_each_run_is_one_and_the_folder_is_none(shelf: Shelf):
    names = [f"mlflow.db/{run_id(number)}" for number in range(3)]
    assert shelf.survey() == names
    assert shelf.known() == shelf.there()
    row = next(row for row in shelf.state.runs() if row.name == names[1])
    (file,) = shelf.catalog.run_dir(row).files
    assert file.full_path == str(shelf.file)
    (shelf.root / "metrics.csv").write_text(CSV)
    assert "." in shelf.survey()  # beside a log of its own, they stay by themselves
    assert shelf.known().keys() == {*names, "root"}
    assert [found.format for found in shelf.known()["root"]] == [
        "lightning",
        "mlflow_database",
    ]


def test_what_others_log_to_a_database_is_no_sign_of_life(shelf: Shelf):
    log = shelf.root / "metrics.csv"
    log.write_text(CSV)
    os.utime(log, (5, 5))
    os.utime(shelf.file, (100, 100))
    shelf.survey()
    row = shelf.state.run(str(shelf.root))
    assert row is not None
    assert read_run(shelf.catalog.run_dir(row), None).updated_ns == 5e9


def test_only_the_run_that_says_more_is_looked_at(shelf: Shelf):
    shelf.survey()
    change(shelf.file, "INSERT INTO metrics VALUES (?, 'acc', 0.5, 1, 0)", run_id(1))
    assert shelf.survey() == [f"mlflow.db/{run_id(1)}"]
    change(shelf.file, "DELETE FROM runs WHERE run_uuid = ?", run_id(2))
    assert shelf.survey() == []
    assert shelf.known().keys() == {f"mlflow.db/{run_id(n)}" for n in (0, 1)}
    shelf.file.unlink()
    shelf.survey()
    assert shelf.known() == {}


def test_a_tick_without_news_is_quiet(shelf: Shelf):
    time.sleep(0.1)  # what was just written to is looked into again
    shelf.survey()
    with shelf.state.transaction():
        for row in shelf.state.runs():
            shelf.state.put_run(replace(row, wake_at=None))
    assert shelf.state.changed_folders(time.time()) == []
    assert folder.INSIDE == INSIDE  # said twice, since that tick imports nothing


OPERATIONS = ("add", "log", "delete", "finish", "half", "whole", "unlink")


@settings(
    max_examples=examples(15),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(operations=st.lists(st.sampled_from(OPERATIONS), max_size=10))
def test_what_is_known_is_what_a_look_at_all_would_find(
    operations: list[str], tmp_path_factory: pytest.TempPathFactory
):
    shelf = Shelf(tmp_path_factory.mktemp("shelf"))
    whole, count = b"", 1
    for number, operation in enumerate(("add", *operations)):
        if operation == "unlink":
            shelf.file.unlink(missing_ok=True)
        elif operation == "half" and shelf.file.exists():
            whole = whole or shelf.file.read_bytes()
            shelf.file.write_bytes(whole[: len(whole) // 2])
        else:
            if whole:
                shelf.file.write_bytes(whole)
                whole = b""
            if not shelf.file.exists():
                mlflow_database(shelf.file, runs=count)
            write(shelf.file, operation, number)
        shelf.survey()
        if not whole:
            assert shelf.known() == shelf.there()
    shelf.state.close()


def write(path: Path, operation: str, number: int) -> None:
    if operation == "add":
        change(
            path,
            "INSERT INTO runs VALUES (?, 'n', 'RUNNING', 'active', 1)",
            run_id(100 + number),
        )
    elif operation == "log":
        query = "INSERT INTO metrics VALUES (?, 'acc', 0.5, ?, 0)"
        change(path, query, run_id(0), number)
    elif operation == "delete":
        query = "UPDATE runs SET lifecycle_stage = 'deleted' WHERE run_uuid = ?"
        change(path, query, run_id(0))
    elif operation == "finish":
        change(path, "UPDATE runs SET status = 'FINISHED'")


def test_half_a_database_changes_nothing_and_is_said_once_it_is_final(shelf: Shelf):
    shelf.survey()
    known, whole = shelf.known(), shelf.file.read_bytes()
    shelf.file.write_bytes(whole[:9000])
    assert shelf.survey() == []
    assert shelf.known() == known
    assert not shelf.found.unlisted
    time.sleep(0.1)  # what was just written to is looked into again, whatever it is
    found, *_ = walk(str(shelf.root), root=str(shelf.root))
    assert found.is_unsure
    shelf.catalog = Catalog(shelf.state, lambda *_: True, frozenset(), ((), True))
    assert shelf.survey() == []  # also where all folders are looked into anew
    assert shelf.known() == known
    shelf.catalog = Catalog(shelf.state, lambda *_: True, frozenset())
    os.utime(shelf.file, (1, 1))
    shelf.survey()
    (problem,) = shelf.found.unlisted
    assert problem.path == str(shelf.file)
    assert problem.message.startswith("ends in the middle: ")
    assert shelf.known() == known  # what was read of it stays true
    (shelf.root / "notes.txt").write_text("x")
    shelf.survey()
    assert not shelf.found.unlisted  # it is said once
    kept = shelf.state.folder(str(shelf.root))
    assert kept is not None
    assert [found.message for found in kept.problems] == [problem.message]
    shelf.file.write_bytes(whole)
    os.utime(shelf.file, (2, 2))
    shelf.survey()
    assert shelf.known() == shelf.there()


def test_what_is_no_database_is_said(shelf: Shelf):
    shelf.file.write_bytes(shelf.file.read_bytes()[:100] + bytes(1 << 20))
    os.utime(shelf.file, (1, 1))
    assert shelf.survey() == []
    assert [problem.path for problem in shelf.found.unlisted] == [str(shelf.file)]
    with open(shelf.file, "r+b") as file:
        file.truncate(65 << 20)
    shelf.survey()
    (problem,) = shelf.found.unlisted
    assert "larger than 64 MiB" in problem.message


def test_a_run_inside_a_file_can_be_named(shelf: Shelf):
    one = shelf.file / run_id(1)
    assert [item.run.name for item in look_at([str(one)])] == [f"mlflow.db/{run_id(1)}"]
    assert len(look_at([str(shelf.file)])) == 3
    with pytest.raises(UsageError):
        look_at([str(shelf.root / "nothing" / "here")])
