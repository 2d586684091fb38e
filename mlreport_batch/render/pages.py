"""The folder of pages: the newest report of each run, and a page over all runs.

::

    index.html                 all runs; see `run_index` and `run_rows`
    assets/                    its style and its scripts
    data/                      its data
    reports/<slug>/report.html
    reports/<slug>/report.pdf
    reports/<slug>/curves.js
"""

import hashlib
import os
import re

from msgspec import Struct

from mlreport_batch.errors import StateError, reason_of
from mlreport_batch.render.run_rows import MODE, PageCurves, script_of, sum_of
from mlreport_batch.safety.files import replace_file, write_durably

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_ID_LETTERS = 8
CURVES = "curves.js"


def slug_of(name: str, path: str) -> str:
    """Return a folder name for a run: safe characters of its name plus a short hash."""
    safe = _UNSAFE.sub("-", name).strip("-.")[-60:].strip("-.") or "run"
    return f"{safe}-{id_of(path)}"


def id_of(path: str) -> str:
    """Return what a run is called in links: some hexadecimal digits of its own."""
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:_ID_LETTERS]


class Pages(Struct, frozen=True):
    """The folder that takes the pages."""

    folder: str

    def report_path(self, slug: str) -> str:
        """Return where a run's newest report lies as HTML."""
        return os.path.join(self.folder_of(slug), "report.html")

    def folder_of(self, slug: str) -> str:
        """Return the folder of one run."""
        return os.path.join(self.folder, "reports", slug)

    def put_report(self, slug: str, page_html: str, pdf: bytes | None) -> None:
        """Keep a run's newest report.

        Raises:
            StateError: It could not be written.
        """
        folder = self.folder_of(slug)
        try:
            os.makedirs(folder, exist_ok=True)
            write_durably(
                os.path.join(folder, "report.html"),
                page_html.encode("utf-8", "replace"),
                MODE,
            )
            if pdf is not None:
                write_durably(os.path.join(folder, "report.pdf"), pdf, MODE)
        except OSError as exc:
            raise unusable(folder, exc) from exc

    def has(self, slug: str, name: str) -> bool:
        """Return whether a run has a file of that name with something in it."""
        try:
            return os.path.getsize(os.path.join(self.folder_of(slug), name)) > 0
        except OSError:
            return False

    def put_curves(self, slug: str, key: str, curves: PageCurves) -> None:
        """Keep a run's curves.

        A first tick may write those of ten thousand runs, which to wait for the disk
        each time would make take twice as long; lost ones are written anew.

        Raises:
            StateError: They could not be written.
        """
        folder = self.folder_of(slug)
        try:
            os.makedirs(folder, exist_ok=True)
            path = os.path.join(folder, CURVES)
            script = script_of("curves", key, curves)
            replace_file(path, script, MODE, is_synced=False)
        except OSError as exc:
            raise unusable(folder, exc) from exc

    def put(self, name: str, data: bytes) -> None:
        """Keep a file of the page over all runs, unless it is there already.

        Raises:
            OSError: It could not be written.
        """
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        try:
            with open(path, "rb") as stream:
                is_there = sum_of(stream.read()) == sum_of(data)
        except OSError:
            is_there = False
        if not is_there:
            replace_file(path, data, MODE)


def unusable(path: str, exc: OSError) -> StateError:
    """Return the error of pages that cannot be written."""
    return StateError(
        f"{path}: {reason_of(exc)}",
        kept="The mails go out all the same, and no page is older than before",
        advice="Free space or mend the permissions; the next tick writes them anew",
    )
