"""MLflow's SQLite store, ``mlflow.db``: many runs in one file.

The bytes are read into a database in memory: nothing is locked, no journal is
touched, and what MLflow wrote while they were read shows as damage and is tried
again.
"""

import math
import re
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache

from mlreport_batch.formats import (
    Candidate,
    Chunk,
    Hparams,
    Intent,
    Item,
    LogFormat,
    Match,
    Member,
    Memory,
    NotYetError,
    Outcome,
    Point,
    Problem,
    Role,
    Text,
)
from mlreport_batch.formats.kit.numbers import value_of
from mlreport_batch.formats.mlflow import KIND_OF_TAG, STATUS_BY_NAME, told_tag
from mlreport_batch.safety.clean import clean_block
from mlreport_batch.safety.files import storable_ns
from mlreport_batch.safety.masking.redact import shown, shown_name

_MAGIC = b"SQLite format 3\0"
_NAMED = re.compile(r"(?i).*(?:mlflow|mlruns).*\.(?:db|sqlite3?)")
_LARGEST = 1.7976931348623157e308  # how MLflow stores an infinity
_STEPS_BETWEEN_CHECKS = 1_000_000
_CHECKS_MAX = 200  # some seconds
_WAL_VERSION = slice(18, 20)
_TABLES = ("runs", "metrics", "params")
_VALUE_MAX = 1_000_000  # bytes of a row or value; functions may not make longer ones
_SHOWN_MAX = 6000
_RUNS_MAX, _PARAMS_MAX, _ROWS_MAX = 10_000, 100_000, 1_500_000
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_TIMES = ("start_time", "end_time")


def _matches(candidate: Candidate) -> Match | None:
    """Claim a database that is named after MLflow."""
    if not _NAMED.fullmatch(candidate.name) or not candidate.head.startswith(_MAGIC):
        return None
    return Match(Role.context, note="MLflow database; each run in it is one")


def _members(data: bytes) -> Iterable[Member | Problem]:
    """Yield the runs that are not deleted, the newest first.

    Raises:
        NotYetError: The bytes are no database of MLflow, or half of one.
    """
    with _asked(data) as database:
        values = _sums(database, "metrics")
        params = _sums(database, "params")
        tags = _sums(database, "tags") if _has_tags(database) else {}
        runs, left_out = _active_runs(database)
    yield from left_out
    for run in runs:
        key = run["run_uuid"]
        count, newest, *_ = said = values.get(key, (0, None))
        times = [_integer(run.get(name)) for name in _TIMES] + [_integer(newest)]
        known = [time for time in times if time is not None]
        version = (sorted(run.items()), said, params.get(key), tags.get(key))
        yield Member(
            name=_name_of(run),
            size=_integer(count) or 0,
            time_ns=storable_ns(max(known) * 1_000_000) if known else None,
            version=zlib.crc32(repr(version).encode("utf-8", "replace")),
        )


def _parse(chunk: Chunk, memory: Memory) -> Iterable[Item]:  # noqa: ARG001
    """Yield what the database says of one run."""
    with _asked(chunk.data) as database:
        runs = database.execute(
            "SELECT * FROM runs WHERE lifecycle_stage = 'active' AND run_uuid = ?",
            (chunk.member.rpartition("/")[2],),
        )
        for run in _by_column(runs):
            yield from _items(database, run, chunk.path)


MLFLOW_DATABASE = LogFormat(
    name="mlflow_database",
    matches=_matches,
    parse=_parse,
    whole_file=True,
    members=_members,
)
"""Each run in the database is a run; the folder of the database is none for it."""


@contextmanager
def _asked(data: bytes) -> Iterator[sqlite3.Connection]:
    """Give the bytes of a database as one in memory, which computes for seconds only.

    Raises:
        NotYetError: They are no database of MLflow, or half of one.
    """
    try:
        connection = _opened(data)
        checks = iter(range(_CHECKS_MAX))
        connection.set_progress_handler(
            lambda: next(checks, None) is None, _STEPS_BETWEEN_CHECKS
        )
        yield connection
    except (sqlite3.DatabaseError, OverflowError) as exc:
        raise NotYetError(str(exc)) from exc


@lru_cache(maxsize=1)
def _opened(data: bytes) -> sqlite3.Connection:
    header = bytearray(data[:100])
    header[_WAL_VERSION] = b"\1\1"  # only a file on disk can have a write-ahead log
    connection = sqlite3.connect(":memory:", check_same_thread=False)
    try:
        connection.deserialize(bytes(header) + data[100:])
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _VALUE_MAX)
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
        for table in _TABLES:
            _check_table(connection, table)
            _index(connection, table)
    except BaseException:
        connection.close()
        raise
    return connection


def _check_table(connection: sqlite3.Connection, table: str) -> None:
    """Refuse what is no plain table: a view or a computed column can be anything.

    Raises:
        sqlite3.DatabaseError: It is missing, virtual, a view, or computes.
    """
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


def _index(connection: sqlite3.Connection, table: str) -> None:
    """Have the rows of one run found without a look at all, as MLflow has them."""
    found = connection.execute(
        "SELECT 1 FROM pragma_index_list(?) i, pragma_index_info(i.name) c "
        "WHERE c.seqno = 0 AND c.name = 'run_uuid' AND NOT i.partial",
        (table,),
    ).fetchone()
    if found is None:
        connection.execute(f"CREATE INDEX run_of_{table} ON {table} (run_uuid)")


def _by_column(rows: sqlite3.Cursor) -> Iterator[dict[str, object]]:
    columns = [column[0] for column in rows.description]
    return (dict(zip(columns, row, strict=True)) for row in rows)


def _active_runs(
    database: sqlite3.Connection,
) -> tuple[list[dict[str, object]], list[Problem]]:
    """Return the rows of the runs by column, and what is said of those left out."""
    rows = database.execute(
        "SELECT * FROM runs WHERE lifecycle_stage = 'active' "
        "ORDER BY start_time DESC, run_uuid LIMIT ?",
        (_RUNS_MAX + 1,),
    )
    runs = list(_by_column(rows))
    problems: list[Problem] = []
    if len(runs) > _RUNS_MAX:
        del runs[_RUNS_MAX:]
        note = f"only the newest {_RUNS_MAX:,} runs in it are read"
        problems.append(Problem("", None, note))
    known = [run for run in runs if _ID.fullmatch(str(run["run_uuid"]))]
    if left := len(runs) - len(known):
        note = f"{left:,} runs with ids that are none of MLflow's are left out"
        problems.append(Problem("", None, note))
    return known, problems


def _name_of(run: Mapping[str, object]) -> str:
    """Return where the file store would keep a run: below its experiment's number."""
    experiment = _integer(run.get("experiment_id"))
    name = str(run["run_uuid"])
    return name if experiment is None else f"{experiment}/{name}"


def _sums(database: sqlite3.Connection, table: str) -> dict[object, tuple[object, ...]]:
    """Return (rows, newest time, last row) of each run in a *table*."""
    names = {
        row[0]
        for row in database.execute("SELECT name FROM pragma_table_info(?)", (table,))
    }
    newest = "max(timestamp)" if "timestamp" in names else "NULL"
    query = f"SELECT run_uuid, count(*), {newest}, max(rowid) FROM {table} "  # noqa: S608
    return {run: tuple(sums) for run, *sums in database.execute(f"{query} GROUP BY 1")}


def _integer(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _tags(database: sqlite3.Connection, run: object) -> Iterator[Text]:
    """Yield the tags of a run that are told."""
    if not _has_tags(database):
        return
    marks = ",".join("?" * len(KIND_OF_TAG))
    rows = database.execute(
        f"SELECT key, value FROM tags WHERE run_uuid = ? AND key IN ({marks})",  # noqa: S608
        (run, *KIND_OF_TAG),
    )
    for name, value in rows:
        yield from told_tag(name, str(value or ""))


def _has_tags(database: sqlite3.Connection) -> bool:
    """Return whether there is a plain table of tags; a run may do without."""
    try:
        _check_table(database, "tags")
    except sqlite3.DatabaseError:
        return False
    return True


def _items(
    database: sqlite3.Connection, run: Mapping[str, object], path: str
) -> Iterator[Item]:
    key, name, status = run["run_uuid"], run.get("name"), str(run.get("status"))
    if isinstance(name, str) and name:
        yield Intent(purpose=shown(name))
    if status in STATUS_BY_NAME:
        file = path.rpartition("/")[2]
        yield Outcome(STATUS_BY_NAME[status], f"{file} says {status}")
    for param, text in database.execute(
        "SELECT key, value FROM params WHERE run_uuid = ? ORDER BY key LIMIT ?",
        (key, _PARAMS_MAX),
    ):
        block = clean_block(str(text), max_lines=100, max_columns=_SHOWN_MAX)
        yield Hparams({shown_name(str(param)): block})
    yield from _tags(database, key)
    rows = database.execute(
        "SELECT key, value, step, is_nan FROM metrics WHERE run_uuid = ? "
        "ORDER BY rowid LIMIT ?",
        (key, _ROWS_MAX + 1),
    )
    for number, (metric, stored, step, is_nan) in enumerate(rows):
        if number == _ROWS_MAX:
            note = f"only the first {_ROWS_MAX:,} values are read"
            yield Problem(path, None, note)
            return
        value = math.nan if is_nan else value_of(stored)
        at = value_of(step)
        if value is None or at is None or at - at != 0:
            continue
        if abs(value) >= _LARGEST:
            value = math.copysign(math.inf, value)
        yield Point(shown_name(str(metric)), at, value)
