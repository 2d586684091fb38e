"""The wall around plutoprint: HTML to PDF, SVG to PNG, nothing from outside.

Nothing else imports plutoprint. It draws with the fonts beside this file only,
and every address it asks for is answered with nothing.
"""

import functools
import io
import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from mlreport_batch.render.outline import Heading, with_outline
from mlreport_batch.render.palette import reduced
from mlreport_batch.render.png import pack_drawing, pack_indexed, pack_ink

FONTS = Path(__file__).with_name("fonts")

FAILURES: Final = (ValueError, RuntimeError, MemoryError, OSError)
"""What `write_pdf` and `write_png` raise when the engine gives up."""

SCALE = 2  # pixels per CSS pixel, for phones and other dense screens


# plutoprint takes 0.14 ms for each emoji in a table, so a log full of them would
# hold up the tick; the first thousand are drawn.
_EMOJI = re.compile("[\u2300-\u23ff\u2600-\u27bf\u2934-\u2b55\U0001f000-\U0001faff]")

_EMOJI_MOST = 1000

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h

_INK = re.compile(r'(?:fill|stroke)="(#[0-9a-f]{6})"(?: fill-opacity="([.\d]+)")?')


@functools.cache
def _engine() -> tuple[Any, Any]:
    import plutoprint

    class Nothing(plutoprint.ResourceFetcher):
        """Answers every address with an empty text; raising would print."""

        def fetch_url(self, url: str) -> Any:  # noqa: ANN401, ARG002
            return plutoprint.ResourceData(b"", "text/plain", "utf-8")

    plutoprint.plutobook_set_fontconfig_path(FONTS)
    _keep_memory()
    return plutoprint, Nothing()


def _keep_memory() -> None:
    """Let the allocator keep what a picture took, for the next one.

    Given back each time, it costs 2,000 page faults a report: a tenth of it.
    """
    import ctypes

    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:  # it is glibc's
        mallopt(_M_MMAP_THRESHOLD, 64 << 20)
        mallopt(_M_TRIM_THRESHOLD, 256 << 20)


def write_pdf(
    html: str,
    *,
    title: str,
    made_at: str,
    language: str = "en",
    headings: Sequence[Heading] = (),
) -> bytes:
    """Return *html* as a PDF; the same arguments always give the same bytes.

    Args:
        html: A clean page: no NUL, no lone surrogates.
        title: The PDF's title.
        made_at: Its date of creation, ISO 8601.
        language: What it is written in.
        headings: What its outline leads to: elements that links in it lead to as well.
    """
    plutoprint, nothing = _engine()
    book = plutoprint.Book(
        plutoprint.PAGE_SIZE_A4,
        plutoprint.PAGE_MARGINS_NORMAL,
        plutoprint.MEDIA_TYPE_PRINT,
    )
    book.custom_resource_fetcher = nothing
    # Links inside the page need an address of it; nothing is ever asked for there.
    book.load_html(_few_emoji(html), "", "", "about://report/")
    # Only now: loading a page takes back what was set before.
    book.set_metadata(plutoprint.PDF_METADATA_TITLE, title)
    book.set_metadata(plutoprint.PDF_METADATA_CREATOR, "mlreport-batch")
    book.set_metadata(plutoprint.PDF_METADATA_CREATION_DATE, made_at)
    book.set_metadata(plutoprint.PDF_METADATA_MODIFICATION_DATE, made_at)
    out = io.BytesIO()
    try:
        book.write_to_pdf_stream(out)
    except plutoprint.Error as exc:
        raise RuntimeError(str(exc)) from exc
    return with_outline(out.getvalue(), headings, language)


def _few_emoji(html: str) -> str:
    for count, match in enumerate(_EMOJI.finditer(html)):
        if count == _EMOJI_MOST:
            rest = match.start()
            return html[:rest] + _EMOJI.sub("\ufffd", html[rest:])
    return html


def write_png(svg: str, *, width: int, height: int) -> bytes:
    """Return *svg*, a drawing of *width* x *height* CSS pixels, as an opaque PNG."""
    pixels = _pixels(svg, width, height)
    inks = [(colour, float(share or 1)) for colour, share in _INK.findall(svg)]
    return pack_drawing(pixels, width * SCALE, height * SCALE, inks)


def write_picture(page: str, *, width: int, height: int) -> bytes:
    """Return *page*, which shows a picture, as an opaque PNG of a pixel a CSS pixel.

    It has `palette.COLOURS_MAX` colours at most.
    """
    indices, colours = reduced(_pixels(page, width, height, scale=1))
    return pack_indexed(indices, width, height, colours)


def write_inked(drawn: Sequence[tuple[str, int, int]], *, ink: str) -> list[bytes]:
    """Return small drawings as PNGs in one colour on nothing.

    All are drawn at once: to begin costs more than such a drawing.

    Args:
        drawn: SVG elements in black, with their width and height in CSS pixels.
        ink: The colour, as ``#rrggbb``.
    """
    if not drawn:
        return []
    stacked = "".join(
        f'<div style="height:{height}px">{svg}</div>' for svg, _, height in drawn
    )
    stride = max(width for _, width, _ in drawn)
    greys = _pixels(stacked, stride, sum(height for *_, height in drawn))[::4]
    stride *= SCALE
    pictures, at = [], 0
    for _, width, height in drawn:
        wide, high = width * SCALE, height * SCALE
        rows = range(at, at + stride * high, stride)
        cut = b"".join([greys[row : row + wide] for row in rows])
        pictures.append(pack_ink(cut, wide, high, ink))
        at += stride * high
    return pictures


def _pixels(body: str, width: int, height: int, scale: int = SCALE) -> bytes:
    """Return *body* on white, four bytes (B, G, R, unused) each pixel."""
    plutoprint, nothing = _engine()
    size = plutoprint.PageSize(
        width * plutoprint.UNITS_PX, height * plutoprint.UNITS_PX
    )
    book = plutoprint.Book(
        size, plutoprint.PAGE_MARGINS_NONE, plutoprint.MEDIA_TYPE_SCREEN
    )
    book.custom_resource_fetcher = nothing
    book.load_html(
        f"<style>body{{margin:0}}svg{{display:block}}</style>{_few_emoji(body)}"
    )
    canvas = plutoprint.ImageCanvas(
        width * scale, height * scale, plutoprint.IMAGE_FORMAT_RGB24
    )
    canvas.clear_surface(1, 1, 1)
    canvas.scale(scale, scale)
    book.render_page(canvas, 0)
    canvas.flush()
    return bytes(canvas.get_data())


def iso_date(at: datetime) -> str:
    """Return the day of *at* as ISO 8601, for the PDF's metadata.

    It is the report's day instead of the clock's, so that drawing the same report
    again gives the same bytes.
    """
    return f"{at:%Y-%m-%d}T00:00:00Z"
