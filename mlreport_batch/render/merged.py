"""One folder of pages over those of several ticks that share the runs."""

import contextlib
import os
import re
import shutil
from collections.abc import Sequence
from datetime import datetime

from msgspec.structs import replace

from mlreport_batch.errors import StateError, reason_of
from mlreport_batch.render.pages import CURVES, Pages
from mlreport_batch.render.run_index import STATIC_ROWS, Shown, put_page
from mlreport_batch.render.run_rows import PageIndex, PageRow, RowFiles
from mlreport_batch.safety.files import TEMPORARY

_SHARD = re.compile(r"shard-([1-9][0-9]*)-of-([1-9][0-9]*)")
_SLUG = re.compile(r"[A-Za-z0-9._-]+-([0-9a-f]+)")
_TRIES = 5
_KEPT = "The pages of the shards are as they were"


def shards_in(folder: str) -> tuple[list[str], list[int]]:
    """Return the pages of shards in *folder*, and which shards have none yet.

    Where shards of several N lie there, they are those whose tick was the last.

    Raises:
        StateError: The folder cannot be read.
    """
    found: dict[int, dict[int, tuple[float, str]]] = {}
    try:
        names = os.listdir(folder)
    except OSError as exc:
        raise _failed(folder, exc) from exc
    for name in names:
        match = _SHARD.fullmatch(name)
        path = os.path.join(folder, name)
        index = RowFiles(path).index()
        if match is not None and index is not None:
            found.setdefault(int(match[2]), {})[int(match[1])] = index.made, path
    if not found:
        return [], []
    count = max(found, key=lambda count: max(found[count].values()))
    shards = found[count]
    missing = [number for number in range(1, count + 1) if number not in shards]
    return [path for _, (_, path) in sorted(shards.items())], missing


def merge_pages(folders: Sequence[str], out: str, at: datetime) -> int:
    """Write pages over the runs of several folders of pages; return their number.

    Reports are linked, not copied, where they lie on one file system. Of a run that
    several folders have, the row counts whose logs were written last, and of those the
    one reported last. Words are in the language of the first. A report that *out* has
    of a run that is no more stays, as it does where a tick writes pages.

    Args:
        folders: Of pages; nothing in them is changed.
        out: The folder for all runs; none of the others.
        at: Now, in the reader's time zone; aware.

    Raises:
        StateError: A folder has no whole pages or is *out*, where nothing was written,
            or *out* cannot be written.
    """
    known: dict[str, tuple[PageRow, str]] = {}
    indexes = []
    for folder in folders:
        if os.path.realpath(folder) == os.path.realpath(out):
            raise StateError(
                f"{folder} is to be merged into itself",
                kept=_KEPT,
                advice="Name another folder for the pages of all shards",
            )
        index, rows = _read(folder)
        indexes.append(index)
        for row in rows:
            other = known.get(row.id)
            if other is None or _age(other[0]) < _age(row):
                known[row.id] = (row, folder)
    try:
        pages, files = Pages(out), RowFiles(out)
        merged = [_linked(row, folder, pages) for row, folder in known.values()]
        sums = files.make(merged, len(merged))
        latest = sorted(merged, key=lambda row: row.reported or 0.0, reverse=True)
        shown = Shown(latest[:STATIC_ROWS], len(merged), at, indexes[0].language)
        put_page(pages, files, sums, shown)
    except OSError as exc:
        raise _failed(out, exc) from exc
    return len(merged)


def _read(folder: str) -> tuple[PageIndex, list[PageRow]]:
    """Return what a folder of pages holds.

    Raises:
        StateError: It has none.
    """
    for _ in range(_TRIES):  # a tick may write them just now
        files = RowFiles(folder)
        index = files.index()
        if index is not None:
            with contextlib.suppress(OSError, ValueError):
                rows = list(files.all_rows(index.files))
                if all(_is_ours(row) for row in rows):
                    return index, rows
    raise StateError(
        f"{folder} has no whole pages of this version",
        kept=_KEPT,
        advice="Name the folders of pages of shards, and merge them after their ticks",
    )


def _is_ours(row: PageRow) -> bool:
    """Return whether a row leads below the pages, as those that were not forged do."""
    match = _SLUG.fullmatch(row.slug)
    return match is not None and match[1] == row.id


def _age(row: PageRow) -> tuple[float, float]:
    return row.written, row.reported or 0.0


def _linked(row: PageRow, folder: str, pages: Pages) -> PageRow:
    """Put what a row leads to below *pages*; return the row of what is there."""
    source, target = Pages(folder).folder_of(row.slug), pages.folder_of(row.slug)
    os.makedirs(target, exist_ok=True)
    has = {
        key: is_there and _link(os.path.join(source, name), os.path.join(target, name))
        for key, name, is_there in (
            ("page", "report.html", row.page),
            ("pdf", "report.pdf", row.pdf),
            ("drawn", CURVES, row.drawn),
        )
    }
    return replace(row, **has)


def _link(source: str, target: str) -> bool:
    """Make *target* what *source* is; return whether there is such a file.

    Pages are replaced, never written into, so that a link stays what it was.
    """
    temporary = target + TEMPORARY
    try:
        if _signature(source) == _signature(target):
            return os.path.exists(source)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        try:
            os.link(source, temporary)
        except OSError:  # another file system, or one without links
            shutil.copy2(source, temporary)
        os.replace(temporary, target)
    except FileNotFoundError:
        return False
    return True


def _signature(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return None
    return status.st_size, status.st_mtime_ns


def _failed(folder: str, exc: OSError) -> StateError:
    return StateError(
        f"{folder}: {reason_of(exc)}",
        kept=_KEPT,
        advice="Free space or mend the permissions, and merge again",
    )
