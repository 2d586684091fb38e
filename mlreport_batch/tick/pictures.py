"""Put the sample pictures that a run saved into its report."""

from functools import cache
from typing import TYPE_CHECKING

from msgspec.structs import replace

from mlreport_batch.find.pictures import SIZE_MAX, newest_pictures
from mlreport_batch.language.dates import moment_text
from mlreport_batch.report.drawn import Sample
from mlreport_batch.report.model import Report
from mlreport_batch.safety.clean import clean
from mlreport_batch.safety.masking.redact import redact_text
from mlreport_batch.safety.opened import opened

if TYPE_CHECKING:
    from mlreport_batch.safety.child import BoundedChild

    Drawn = tuple[bytes, int, int] | None

CPU_S = 5
WALL_S = 15.0


def with_pictures(report: Report, folder: str, since_ns: int) -> Report:
    """Return *report* with the newest pictures of a run, drawn anew.

    What cannot be read or decoded is left out: a picture is no reason for a problem.

    Args:
        report: The run's report.
        folder: The run's directory.
        since_ns: Modification time of its oldest log.
    """
    samples = []
    for found in newest_pictures(folder, since_ns):
        drawn = _drawn_anew(found.full_path)
        if drawn is not None:
            data, width, height = drawn
            name = clean(redact_text(found.path))
            at = moment_text(found.mtime_ns / 1e9, report.at, report.language)
            samples.append(Sample(name, at, data, width, height))
    return replace(report, samples=tuple(samples)) if samples else report


def _drawn_anew(path: str) -> "Drawn":
    from mlreport_batch.safety.child import ChildFailedError

    try:
        file = opened(path)
        try:
            data = file.pread(SIZE_MAX + 1, 0)
        finally:
            file.close()
        return _child().call(data) if len(data) <= SIZE_MAX else None
    except (OSError, ChildFailedError):
        return None


@cache
def _child() -> "BoundedChild[bytes, Drawn]":
    from mlreport_batch.safety.child import BoundedChild, end_at_exit

    child = BoundedChild(_draw, cpu_s=CPU_S, wall_s=WALL_S)
    end_at_exit(child)
    return child


def _draw(data: bytes) -> "Drawn":
    from mlreport_batch.render import pdf
    from mlreport_batch.render.pictures import drawn_anew

    try:
        return drawn_anew(data)
    except pdf.FAILURES:
        return None
