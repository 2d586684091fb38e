"""Read the last words in what was caught of a run's output: the end of each file."""

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from mlreport_batch.find.runs import RunFile
from mlreport_batch.formats.captured import TAIL, is_of_training, last_words
from mlreport_batch.safety.clean import clean
from mlreport_batch.safety.files import Signature
from mlreport_batch.safety.masking.redact import redact_lines, redact_text, shown_tail
from mlreport_batch.safety.opened import opened

FILES_MAX = 32
"""So many files of a run, the newest first, are looked at."""


class Ending(Struct, frozen=True):
    """What the end of one file says.

    Attributes:
        signature: What ``stat`` said of the file when it was read.
        status: As `LastWords` has it; empty where nothing is said of an end.
        kind: What ended it, likewise.
        said: The line that says so, secrets masked.
        tail: The last lines, secrets masked.
        is_sure: Whether it surely holds what the training printed.
    """

    signature: Signature
    status: str = ""
    kind: str = ""
    said: str = ""
    tail: str = ""
    is_sure: bool = True


def read_endings(
    files: Iterable[RunFile], known: Mapping[str, Ending], redact: Sequence[str]
) -> dict[str, Ending]:
    """Return what the ends of a run's captured output say, by path.

    Only files that are not as they were are opened, and only their ends are read.
    One that cannot be read says what it said before.

    Args:
        files: The run's files.
        known: What they said before.
        redact: The user's globs on names of secrets.
    """
    captured = [file for file in files if file.is_output]
    captured.sort(key=lambda file: file.signature.mtime_ns, reverse=True)
    found = {}
    for file in captured[:FILES_MAX]:
        before = known.get(file.path)
        if before is None or before.signature != file.signature:
            before = _read(file, before, redact)
        found[file.path] = before
    return found


def _read(file: RunFile, before: Ending | None, redact: Sequence[str]) -> Ending:
    try:
        data = _tail_of(file.full_path)
    except OSError:
        return before or Ending(file.signature)
    words = last_words(data)
    is_sure = is_of_training(file.full_path.rpartition("/")[2], data)
    if words is None:
        return Ending(file.signature, is_sure=is_sure)
    return Ending(
        file.signature,
        words.status,
        words.kind,
        clean(redact_text(words.said, redact)),
        shown_tail(redact_lines(words.tail, redact)),
        is_sure,
    )


def _tail_of(path: str) -> bytes:
    file = opened(path)
    try:
        return file.pread(TAIL, max(0, file.signature.size - TAIL))
    finally:
        file.close()
