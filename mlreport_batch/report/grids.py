"""Evaluation results that are a matrix: figures of some kinds, of each of some things.

``{"cat": {"precision": .., "recall": ..}, "dog": {..}}`` is one, as are ``test_acc``,
``test_f1``, ``val_acc`` and ``val_f1`` in a flat file.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import takewhile
from typing import Final, TypeAlias

from msgspec import Struct

from mlreport_batch.language.figures import figure, places_of, with_unit
from mlreport_batch.language.say import say
from mlreport_batch.report.goals import goal_of
from mlreport_batch.report.names import family_of, split_of, unit_of
from mlreport_batch.safety.clean import Scalar, clean

COLUMNS_FEW: Final = 4
"""Where there are more of them, and fewer rows, the rows become the columns."""
_LEAST: Final = 2
_SHAPES_MAX: Final = 100
"""Rows with more kinds of columns than that are no matrices, only many results."""
_EXACT: Final = 10**15

_Table: TypeAlias = dict[str, dict[str, str]]


class GridRow(Struct, frozen=True):
    """One line of a grid; a cell without a figure is empty."""

    key: str
    cells: tuple[str, ...]


class Grid(Struct, frozen=True):
    """Results as a table.

    Attributes:
        title: What the names of all rows begin with, or empty.
        columns: The names of the columns.
        rows: The lines, in the order of the file.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[GridRow, ...]


def grids_of(
    results: Mapping[str, Scalar], language: str
) -> tuple[tuple[Grid, ...], dict[str, Scalar]]:
    """Return the matrices among *results*, and the results that are in none.

    Of each thing in a matrix two figures are known that are known of another, too.
    """
    rest, grids = dict(results), []
    for names in _matrices(_by_path(_figures_of(rest))):
        columns = _columns(names)
        texts = _texts(names, results, by_row=_goals(names) > _goals(columns))
        is_wide = len(columns) > max(COLUMNS_FEW, len(texts))
        grids.append(_grid(_turned(texts) if is_wide else texts))
        _drop(names, rest)
    for names in _matrices(_by_part(_figures_of(rest))):
        texts = _texts(names, results, by_row=True)
        grids.append(
            _grid(
                {
                    row: {say(language, f"data.{p}"): text for p, text in cells.items()}
                    for row, cells in texts.items()
                }
            )
        )
        _drop(names, rest)
    return tuple(grids), rest


def _figures_of(results: Mapping[str, Scalar]) -> Iterator[str]:
    for name, value in results.items():
        if isinstance(value, float) or (type(value) is int and abs(value) < _EXACT):
            yield name


def _by_path(names: Iterable[str]) -> _Table:
    """Return names by what stands before their last part, and by that part."""
    table: _Table = {}
    for name in names:
        row, _, column = name.rpartition("/")
        if row and column:
            table.setdefault(row, {})[column] = name
    return table


def _by_part(names: Iterable[str]) -> _Table:
    """Return names by what was measured, and by the part of the data."""
    table: _Table = {}
    for name in names:
        part = split_of(name)
        if part:
            table.setdefault(family_of(name), {}).setdefault(part, name)
    return table


def _matrices(table: _Table) -> Iterator[_Table]:
    """Yield the rows that share columns, of more than one row."""
    groups: list[tuple[set[str], _Table]] = []
    for row, cells in table.items():
        columns = set(cells)
        like = [each for each in groups if len(each[0] & columns) >= _LEAST]
        if not like and len(groups) >= _SHAPES_MAX:
            continue
        joined, *others = like or [(columns, {})]
        for other in others:
            joined[0].update(other[0])
            joined[1].update(other[1])
        joined[0].update(columns)
        joined[1][row] = cells
        known = {id(each) for each in like}
        groups = [*(each for each in groups if id(each) not in known), joined]
    yield from (rows for _, rows in groups if len(rows) >= _LEAST)


def _drop(names: _Table, rest: dict[str, Scalar]) -> None:
    for cells in names.values():
        for name in cells.values():
            del rest[name]


def _goals(names: Iterable[str]) -> int:
    """Return how many names are those of metrics with a goal."""
    return sum(goal_of(name, {}) is not None for name in names)


def _texts(names: _Table, results: Mapping[str, Scalar], *, by_row: bool) -> _Table:
    """Return the figures of *names* as texts; those of one metric have like decimals.

    Args:
        names: The names of the results, as a table.
        results: Their values.
        by_row: Whether a row is a metric, else a column is one.
    """
    if by_row:
        return _turned(_texts(_turned(names), results, by_row=False))
    values = {
        row: {column: float(results[name] or 0) for column, name in cells.items()}
        for row, cells in names.items()
    }
    places = {
        column: places_of([row[column] for row in values.values() if column in row])
        for column in _columns(names)
    }
    return {
        row: {
            column: with_unit(figure(value, places[column]), unit_of(column))
            for column, value in cells.items()
        }
        for row, cells in values.items()
    }


def _columns(table: _Table) -> list[str]:
    return list(dict.fromkeys(column for row in table.values() for column in row))


def _turned(table: _Table) -> _Table:
    """Return a table with its rows as columns."""
    return {
        column: {row: cells[column] for row, cells in table.items() if column in cells}
        for column in _columns(table)
    }


def _grid(texts: _Table) -> Grid:
    columns, title = _columns(texts), _shared(list(texts))
    return Grid(
        clean(title.strip("/")),
        tuple(map(clean, columns)),
        tuple(
            GridRow(
                clean(row.removeprefix(title)),
                tuple(cells.get(column, "") for column in columns),
            )
            for row, cells in texts.items()
        ),
    )


def _shared(names: Sequence[str]) -> str:
    """Return the folders that all names begin with, with the stroke at their end."""
    levels = zip(*(name.split("/")[:-1] for name in names), strict=False)
    shared = takewhile(lambda parts: len(set(parts)) == 1, levels)
    return "".join(f"{part}/" for part, *_ in shared)
