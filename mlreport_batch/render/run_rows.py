"""The data of the page over all runs: scripts beside it, which a tick rewrites in part.

::

    data/runs-000.js ...       the runs, spread over a power of two of files
    data/index.js              which files there are, and the words of the page
    reports/<slug>/curves.js   the curves of one run

A browser refuses to fetch files of a page that was opened from the disk, but runs its
scripts. Each holds one call with one text, which is JSON: no value of a run is ever
read as a program. A file that is not as it was written is made anew from the state.
"""

import os
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from mlreport_batch.report.card import Card, CardCurve, Figure
from mlreport_batch.safety.clean import Scalar
from mlreport_batch.safety.files import replace_file

VERSION = 1
"""Of the data's layout; what another one wrote is made anew."""
ROWS_A_FILE = 64
MODE = 0o644
_T = TypeVar("_T")


class PageRow(Struct, frozen=True, omit_defaults=True):
    """One run, in the words of the page's scripts; see `Card` for what is not said.

    Attributes:
        id: Of the run in links.
        slug: Its folder under ``reports/``.
        page: Whether it has a page there.
        pdf: Whether it has a PDF there.
        reported: When its last report was made, seconds since the epoch.
        drawn: Whether it has curves.
    """

    id: str
    slug: str
    name: str
    group: str = ""
    status: str = ""
    headline: str = ""
    tags: tuple[str, ...] = ()
    alerts: tuple[str, ...] = ()
    main: str = ""
    metrics: Mapping[str, tuple[Figure, Figure | None]] = field(default_factory=dict)
    hparams: Mapping[str, Scalar] = field(default_factory=dict)
    progress: float | None = None
    step: float | None = None
    started: float | None = None
    written: float = 0.0
    spark: str = ""
    reported: float | None = None
    page: bool = False
    pdf: bool = False
    drawn: bool = False


def with_card(row: PageRow, card: Card) -> PageRow:
    """Return a row with what the card of its run says."""
    return replace(
        row,
        tags=card.tags,
        alerts=card.alerts,
        main=card.main,
        metrics=card.metrics,
        hparams=card.hparams,
        progress=card.progress,
        step=card.step,
        started=card.started,
        written=card.written,
        spark=card.spark,
    )


class PageCurves(Struct, frozen=True):
    """The curves of one run; see `Card`."""

    curves: tuple[CardCurve, ...]
    times: tuple[tuple[float, float], ...]


class PageIndex(Struct, frozen=True):
    """What a browser loads first.

    Attributes:
        version: Of the layout.
        language: Of the words.
        made: When it was written, seconds since the epoch.
        files: A sum of each file of runs, empty for none: another address for what
            is another, or servers and browsers would show what they kept.
        words: What the page says, by key.
    """

    version: int
    language: str
    made: float
    files: tuple[str, ...]
    words: Mapping[str, str]


def script_of(kind: str, key: str, content: object) -> bytes:
    """Return a script that hands *content* to the page.

    Neither a browser's parser of HTML nor its parser of scripts finds in it anything
    but one text: what means something to one of them is escaped as JSON does it.
    """
    text = msgspec.json.encode(content).decode()
    for char in "<>&'\u2028\u2029\x7f":
        text = text.replace(char, f"\\u{ord(char):04x}")
    text = text.replace("\\", "\\\\")
    return f"mlreport.take('{kind}','{key}',\n'{text}');\n".encode()


def content_of(script: bytes, kind: type[_T]) -> _T:
    """Return what `script_of` was given.

    Raises:
        ValueError: It is not what was written.
    """
    call, _, text = script.decode().partition(",\n'")
    if not call.startswith("mlreport.take(") or not text.endswith("');\n"):
        raise ValueError("it is no data of the page")
    return msgspec.json.decode(text[:-4].replace("\\\\", "\\"), type=kind)


class RowFiles:
    """The files that hold the runs of one page.

    Args:
        folder: Of the page.
    """

    def __init__(self, folder: str) -> None:
        self._folder = os.path.join(folder, "data")

    def index(self) -> PageIndex | None:
        """Return what is known of the files, None where they must be made anew."""
        try:
            found = content_of(self._read("index.js"), PageIndex)
        except (OSError, ValueError):
            return None
        return found if found.version == VERSION else None

    def put_index(self, index: PageIndex) -> None:
        """Say which files there are, once they are there.

        Raises:
            OSError: It could not be written.
        """
        self._write("index.js", script_of("index", "", index))

    def make(self, rows: Iterable[PageRow], total: int) -> tuple[str, ...]:
        """Write all files anew; return their sums.

        Raises:
            OSError: They could not be written.
        """
        os.makedirs(self._folder, exist_ok=True)
        count = files_for(total)
        spread: list[dict[str, PageRow]] = [{} for _ in range(count)]
        for row in rows:
            spread[file_of(row.id, count)][row.id] = row
        for name in os.listdir(self._folder):
            if name.startswith("runs-") and name not in map(_name, range(count)):
                os.unlink(os.path.join(self._folder, name))
        return tuple(self._put(number, rows) for number, rows in enumerate(spread))

    def change(
        self, files: Sequence[str], rows: Iterable[PageRow], gone: Iterable[str]
    ) -> tuple[str, ...]:
        """Write the files of some runs anew; return the sums of all.

        Args:
            files: The sums as they were.
            rows: The runs, as they are now.
            gone: The ids of runs that are no more.

        Raises:
            OSError: They could not be read or written.
            ValueError: One is not as it was written.
        """
        news: dict[int, dict[str, PageRow | None]] = {}
        for row in rows:
            news.setdefault(file_of(row.id, len(files)), {})[row.id] = row
        for key in gone:
            news.setdefault(file_of(key, len(files)), {})[key] = None
        sums = list(files)
        for number, changed in news.items():
            known = self._rows(number, sums[number]) | changed
            kept = {key: row for key, row in known.items() if row is not None}
            sums[number] = self._put(number, kept, sums[number])
        return tuple(sums)

    def all_rows(self, files: Sequence[str]) -> Iterator[PageRow]:
        """Yield what the files hold.

        Raises:
            OSError: They could not be read.
            ValueError: One is not as it was written.
        """
        for number, known in enumerate(files):
            for row in self._rows(number, known).values():
                if row is not None:
                    yield row

    def _rows(self, number: int, known: str) -> dict[str, PageRow | None]:
        if not known:
            return {}
        script = self._read(_name(number))
        if sum_of(script) != known:
            raise ValueError("it is not as it was written")
        return {row.id: row for row in content_of(script, list[PageRow])}

    def _put(self, number: int, rows: Mapping[str, PageRow], known: str = "") -> str:
        """Write one file unless it is there; return its sum."""
        if not rows and not known:
            return ""
        ordered = [rows[key] for key in sorted(rows)]
        script = script_of("runs", str(number), ordered)
        found = sum_of(script)
        if found != known:
            self._write(_name(number), script)
        return found

    def _read(self, name: str) -> bytes:
        with open(os.path.join(self._folder, name), "rb") as stream:
            return stream.read()

    def _write(self, name: str, script: bytes) -> None:
        replace_file(os.path.join(self._folder, name), script, MODE)


def files_for(total: int) -> int:
    """Return over how many files so many runs are spread, a power of two."""
    return 1 << max(0, (total - 1) // ROWS_A_FILE).bit_length()


def file_of(key: str, count: int) -> int:
    """Return which of *count* files holds the run with the id *key*, which is hex."""
    return int(key, 16) % count


def sum_of(data: bytes) -> str:
    """Return what tells a file from what it was before."""
    return f"{zlib.crc32(data):08x}"


def _name(number: int) -> str:
    return f"runs-{number:03}.js"
