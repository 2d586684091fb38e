"""The wall around plutoprint: HTML to PDF, SVG to PNG, nothing from outside.

Nothing else imports plutoprint. It draws with the fonts beside this file only,
and every address it asks for is answered with nothing.
"""

import functools
import io
import re
from collections.abc import Sequence
from datetime import date as calendar_date
from pathlib import Path
from typing import Any, Final

from mlreport_batch.render import charts

FONTS = Path(__file__).with_name("fonts")
FAILURES: Final = (ValueError, RuntimeError, MemoryError, OSError)
"""What `write_pdf` and `write_png` raise when the engine gives up."""

SCALE = 2  # pixels per CSS pixel, for phones and other dense screens

_MONTHS: Final[Sequence[str]] = (
    *("jan", "feb", "mar", "apr", "may", "jun"),
    *("jul", "aug", "sep", "oct", "nov", "dec"),
)


@functools.cache
def _engine() -> tuple[Any, Any]:
    import plutoprint

    class Nothing(plutoprint.ResourceFetcher):
        """Answers every address with an empty text; raising would print."""

        def fetch_url(self, url: str) -> Any:  # noqa: ANN401, ARG002
            return plutoprint.ResourceData(b"", "text/plain", "utf-8")

    plutoprint.plutobook_set_fontconfig_path(FONTS)
    return plutoprint, Nothing()


def write_pdf(html: str, *, title: str, made_at: str) -> bytes:
    """Return *html* as a PDF; the same arguments always give the same bytes.

    Args:
        html: A clean document: no NUL, no lone surrogates.
        title: The document's title.
        made_at: Its date of creation, ISO 8601.
    """
    plutoprint, nothing = _engine()
    book = plutoprint.Book(
        plutoprint.PAGE_SIZE_A4,
        plutoprint.PAGE_MARGINS_NORMAL,
        plutoprint.MEDIA_TYPE_PRINT,
    )
    book.custom_resource_fetcher = nothing
    book.load_html(_few_emoji(html))
    # Only now: loading a document takes back what was set before.
    book.set_metadata(plutoprint.PDF_METADATA_TITLE, title)
    book.set_metadata(plutoprint.PDF_METADATA_CREATOR, "mlreport-batch")
    book.set_metadata(plutoprint.PDF_METADATA_CREATION_DATE, made_at)
    book.set_metadata(plutoprint.PDF_METADATA_MODIFICATION_DATE, made_at)
    out = io.BytesIO()
    try:
        book.write_to_pdf_stream(out)
    except plutoprint.Error as exc:
        raise RuntimeError(str(exc)) from exc
    return out.getvalue()


# plutoprint takes 0.14 ms for each emoji in a table, so a log full of them would
# hold up the tick; the first thousand are drawn.
_EMOJI = re.compile("[\u2300-\u23ff\u2600-\u27bf\u2934-\u2b55\U0001f000-\U0001faff]")
_EMOJI_MOST = 1000


def _few_emoji(html: str) -> str:
    for count, match in enumerate(_EMOJI.finditer(html)):
        if count == _EMOJI_MOST:
            rest = match.start()
            return html[:rest] + _EMOJI.sub("\ufffd", html[rest:])
    return html


def write_png(svg: str, *, width: int, height: int) -> bytes:
    """Return *svg*, which is *width* x *height* CSS pixels, as an opaque PNG."""
    plutoprint, nothing = _engine()
    size = plutoprint.PageSize(
        width * plutoprint.UNITS_PX, height * plutoprint.UNITS_PX
    )
    book = plutoprint.Book(
        size, plutoprint.PAGE_MARGINS_NONE, plutoprint.MEDIA_TYPE_SCREEN
    )
    book.custom_resource_fetcher = nothing
    book.load_html(f'<body style="margin:0">{_few_emoji(svg)}</body>')
    canvas = plutoprint.ImageCanvas(
        width * SCALE, height * SCALE, plutoprint.IMAGE_FORMAT_RGB24
    )
    canvas.clear_surface(1, 1, 1)
    canvas.scale(SCALE, SCALE)
    book.render_page(canvas, 0)
    canvas.flush()
    return charts.pack_png(bytes(canvas.get_data()), width * SCALE, height * SCALE)


def iso_date(date: str) -> str:
    """Return a report's local *date* as ISO 8601, for the PDF's metadata.

    It is the report's date instead of the clock's, so that drawing the same
    report again gives the same bytes.
    """
    parts = re.findall(r"\d+|[a-z]{3,}", date.lower())
    numbers = [_MONTHS.index(p[:3]) + 1 if p[:3] in _MONTHS else p for p in parts]
    try:
        year, month, day = (int(number) for number in numbers[:3])
        return f"{calendar_date(year, month, day).isoformat()}T00:00:00Z"
    except ValueError:
        return "2000-01-01T00:00:00Z"
