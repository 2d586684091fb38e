"""Any other CSV or TSV that is a log and not a data set."""

from collections.abc import Iterable
from functools import partial

from mlreport_batch.formats import (
    Candidate,
    Chunk,
    Item,
    LogFormat,
    Match,
    Memory,
    Role,
)
from mlreport_batch.formats.kit.bookkeeping import (
    has_sure_step,
    is_log_name,
    sounds_like_metrics,
)
from mlreport_batch.formats.kit.columns import (
    Header,
    build_header,
    bulk_layout,
    split_cells,
)
from mlreport_batch.formats.kit.documents import stem_of
from mlreport_batch.formats.kit.numbers import BLANK, cell_number
from mlreport_batch.formats.kit.rows import read_rows
from mlreport_batch.formats.kit.text import filled, head_lines

_SUFFIXES = (".csv", ".tsv")
_SCANNED = 20


def _matches(candidate: Candidate) -> Match | None:
    """Claim a table of numbers that counts steps or sounds like metrics."""
    stem, suffix = stem_of(candidate.name)
    if suffix not in _SUFFIXES:
        return None
    lines = list(filled(head_lines(candidate.head, candidate.size)))
    while lines and lines[0].startswith("#") and _header(lines[0]) is None:
        del lines[0]
    header = _header(lines[0]) if lines else None
    if header is None or not header.layout.metrics:
        return None
    if len(lines) > 1 and not _has_number(header, lines[1:_SCANNED]):
        return None
    names = header.names
    if has_sure_step(names):
        return Match(Role.metrics, note="CSV with a step column")
    if sounds_like_metrics(names) or (is_log_name(stem) and not _is_sample(names)):
        return Match(Role.metrics, note="CSV with metrics")
    return None


def _parse(chunk: Chunk, memory: Memory) -> Iterable[Item]:
    """Yield the points of each row."""
    return read_rows(chunk, memory, _header)


def _header(line: str) -> Header | None:
    """Return the header in *line*, which NumPy's savetxt marks with ``#``."""
    if not line.startswith("#"):
        return build_header(line)
    found = build_header(line.lstrip("# "))
    if found is None or found.layout.step is None or not found.layout.metrics:
        return None
    return Header(line, found.names, found.layout)


def _is_sample(names: tuple[str, ...]) -> bool:
    """Return whether each row is about one sample: ``id,score`` of a submission."""
    first = names[0].lower()
    is_run = first.startswith(("trial", "run", "exp"))
    return first == "id" or (first.endswith(("_id", " id")) and not is_run)


def _has_number(header: Header, rows: list[str]) -> bool:
    """Return whether one of the first rows has a number where a metric may stand."""
    layout = header.layout
    for row in rows:
        cells = split_cells(row, layout.separator)
        if len(cells) != layout.width or tuple(cells) == header.names:
            continue
        filled_in = [cells[at] for at, _ in layout.metrics if cells[at] not in BLANK]
        if any(cell_number(cell, layout.separator) is not None for cell in filled_in):
            return True
    return False


CSV_LOG = LogFormat(
    name="csv",
    matches=_matches,
    parse=_parse,
    bulk_layout=partial(bulk_layout, build=_header),
)
"""A CSV or TSV with a step column, with metrics for names, or named a log."""
