"""MLflow's SQLite store, ``mlflow.db``: many runs in one file.

The bytes are read into a database in memory: nothing is locked, no journal is
touched, and what MLflow wrote while they were read shows as damage and is tried
again.
"""

import math
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing

from msgspec import Struct

from mlreport_batch.formats import (
    Candidate,
    Chunk,
    Hparams,
    Item,
    LogFormat,
    Match,
    Memory,
    NotYetError,
    Outcome,
    Point,
    Problem,
    Role,
)
from mlreport_batch.formats.kit.numbers import value_of
from mlreport_batch.formats.mlflow import STATUS_BY_NAME
from mlreport_batch.safety.clean import Scalar, clean
from mlreport_batch.safety.masking.redact import shown_name

_MAGIC = b"SQLite format 3\0"
_NAMES = frozenset(["mlflow.db", "mlruns.db"])
_LARGEST = 1.7976931348623157e308  # how MLflow stores an infinity
_STEPS_BETWEEN_CHECKS = 1_000_000
_CHECKS_MAX = 200  # some seconds
_WAL_VERSION = slice(18, 20)
_TABLES = ("runs", "metrics", "params")
_VALUE_MAX = 1_000_000  # bytes of a row or value; functions may not make longer ones
_RUNS_MAX, _PARAMS_MAX, _ROWS_MAX = 10_000, 100_000, 1_500_000


class DatabaseRun(Struct, frozen=True):
    """One run of the store.

    Attributes:
        run_id: MLflow's own id.
        label: Its name, unique in the store.
        items: What it says.
    """

    run_id: str
    label: str
    items: tuple[Item, ...]


def _matches(candidate: Candidate) -> Match | None:
    """Claim the two names that MLflow gives its database."""
    if candidate.name not in _NAMES or not candidate.head.startswith(_MAGIC):
        return None
    return Match(Role.metrics, note="MLflow database")


def _parse(chunk: Chunk, memory: Memory) -> Iterable[Item]:  # noqa: ARG001
    """Yield the points of all runs that are not deleted."""
    try:
        runs = read_runs(chunk.data)
    except sqlite3.DatabaseError as error:
        if chunk.data.startswith(_MAGIC):
            raise NotYetError(str(error)) from error
        yield Problem(chunk.path, None, "no SQLite database")
        return
    for run in runs:
        yield from run.items if len(runs) == 1 else _labelled(run)


MLFLOW_DATABASE = LogFormat(
    name="mlflow_database",
    matches=_matches,
    parse=_parse,
    whole_file=True,
)
"""The folder of the database is one run; its runs' names go before the metrics."""


def read_runs(data: bytes) -> list[DatabaseRun]:
    """Return the runs in the bytes of a database, the oldest first.

    Raises:
        sqlite3.DatabaseError: The bytes are no database of MLflow, or half of one.
    """
    header = bytearray(data[:100])
    header[_WAL_VERSION] = b"\1\1"  # only a file on disk can have a write-ahead log
    with closing(sqlite3.connect(":memory:")) as connection:
        try:
            connection.deserialize(bytes(header) + data[100:])
        except OverflowError as error:
            raise sqlite3.DatabaseError(str(error)) from error
        checks = iter(range(_CHECKS_MAX))
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _VALUE_MAX)
        connection.set_progress_handler(
            lambda: next(checks, None) is None, _STEPS_BETWEEN_CHECKS
        )
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
        _check_tables(connection)
        return _runs(connection)


def _check_tables(connection: sqlite3.Connection) -> None:
    """Refuse what is no plain table: a view or a computed column can be anything.

    Raises:
        sqlite3.DatabaseError: A table is missing, virtual, a view, or computes.
    """
    for table in _TABLES:
        found = connection.execute(
            "SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = ?", (table,)
        ).fetchone()
        if found is None or not str(found[0]).upper().startswith("CREATE TABLE"):
            raise sqlite3.DatabaseError("no tables of MLflow in it")
        (computed,) = connection.execute(
            "SELECT count(*) FROM pragma_table_xinfo(?) WHERE hidden", (table,)
        ).fetchone()
        if computed:
            raise sqlite3.DatabaseError("tables with generated columns")


def _runs(connection: sqlite3.Connection) -> list[DatabaseRun]:
    items: dict[object, list[Item]] = {}
    labels: dict[object, str] = {}
    taken: set[str] = set()
    for run_id, name, status in connection.execute(
        "SELECT run_uuid, name, status FROM runs "
        "WHERE lifecycle_stage = 'active' ORDER BY start_time, run_uuid LIMIT ?",
        (_RUNS_MAX,),
    ):
        label = shown_name(str(name or run_id))
        if label in taken:
            label = shown_name(f"{label} {str(run_id)[:8]}")
        taken.add(label)
        labels[run_id], items[run_id] = label, []
        if str(status) in STATUS_BY_NAME:
            outcome = STATUS_BY_NAME[str(status)]
            items[run_id].append(Outcome(outcome, f"mlflow.db says {status}"))
    for run_id, key, text in connection.execute(
        "SELECT run_uuid, key, value FROM params ORDER BY key LIMIT ?", (_PARAMS_MAX,)
    ):
        if run_id in items:
            values: dict[str, Scalar] = {shown_name(str(key)): clean(str(text), 6000)}
            items[run_id].append(Hparams(values))
    rows = 0
    for run_id, key, stored, step, is_nan in connection.execute(
        "SELECT run_uuid, key, value, step, is_nan FROM metrics ORDER BY rowid LIMIT ?",
        (_ROWS_MAX,),
    ):
        rows += 1
        value = math.nan if is_nan else value_of(stored)
        at = value_of(step)
        if run_id not in items or value is None or at is None or at - at != 0:
            continue
        if abs(value) >= _LARGEST:
            value = math.copysign(math.inf, value)
        items[run_id].append(Point(shown_name(str(key)), at, value))
    if items and (rows == _ROWS_MAX or len(items) == _RUNS_MAX):
        text = f"only the first {_RUNS_MAX:,} runs and {_ROWS_MAX:,} values are read"
        next(iter(items.values())).append(Problem("", None, text))
    return [
        DatabaseRun(str(run_id), label, tuple(items[run_id]))
        for run_id, label in labels.items()
    ]


def _labelled(run: DatabaseRun) -> Iterator[Item]:
    """Yield what *run* says under its label; how each stands is nobody's status."""
    for item in run.items:
        if isinstance(item, Point):
            yield Point(f"{run.label}/{item.metric}", item.step, item.value)
        elif isinstance(item, Hparams):
            yield Hparams({f"{run.label}.{key}": v for key, v in item.values.items()})
        elif isinstance(item, Problem):
            yield item
