"""The wall around plutoprint: HTML to PDF, SVG to PNG, nothing from outside.

Nothing else imports plutoprint. It draws with the fonts beside this file only,
and every address it asks for is answered with nothing.
"""

import functools
import io
import re
import struct
import zlib
from datetime import datetime
from pathlib import Path
from typing import Any, Final

FONTS = Path(__file__).with_name("fonts")

FAILURES: Final = (ValueError, RuntimeError, MemoryError, OSError)
"""What `write_pdf` and `write_png` raise when the engine gives up."""

SCALE = 2  # pixels per CSS pixel, for phones and other dense screens


# plutoprint takes 0.14 ms for each emoji in a table, so a log full of them would
# hold up the tick; the first thousand are drawn.
_EMOJI = re.compile("[\u2300-\u23ff\u2600-\u27bf\u2934-\u2b55\U0001f000-\U0001faff]")

_EMOJI_MOST = 1000


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
        html: A clean page: no NUL, no lone surrogates.
        title: The PDF's title.
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
    return out.getvalue()


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
    return pack_png(bytes(canvas.get_data()), width * SCALE, height * SCALE)


def iso_date(at: datetime) -> str:
    """Return the day of *at* as ISO 8601, for the PDF's metadata.

    It is the report's day instead of the clock's, so that drawing the same report
    again gives the same bytes.
    """
    return f"{at:%Y-%m-%d}T00:00:00Z"


def pack_png(pixels: bytes, width: int, height: int) -> bytes:
    """Return *pixels* (B, G, R and an unused byte each) as an opaque PNG."""
    row = 1 + 3 * width
    # The filter byte in front of each row is the reason for the copy per row.
    rgb = bytearray(3 * width * height)
    rgb[0::3] = pixels[2::4]
    rgb[1::3] = pixels[1::4]
    rgb[2::3] = pixels[0::4]
    out = bytearray(row * height)
    for y in range(height):
        out[y * row + 1 : (y + 1) * row] = rgb[y * 3 * width : (y + 1) * 3 * width]
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            _png_part(b"IHDR", header),
            _png_part(b"IDAT", zlib.compress(out, 1)),
            _png_part(b"IEND", b""),
        )
    )


def _png_part(kind: bytes, data: bytes) -> bytes:
    return (
        struct.pack(">I", len(data))
        + kind
        + data
        + struct.pack(">I", zlib.crc32(kind + data))
    )
