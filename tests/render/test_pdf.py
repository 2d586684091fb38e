"""What is added to the engine's PDFs, and pictures in one colour."""

import struct
import subprocess
import tempfile
import zlib

import pytest

import sample_reports
from mlreport_batch.language.say import say
from mlreport_batch.render import outline, pdf
from mlreport_batch.render.local import LocalRenderer
from mlreport_batch.render.outline import Heading


def poppler(tool: str, data: bytes, *arguments: str) -> str:
    """Return what a tool says of a PDF; it may not complain."""
    with tempfile.NamedTemporaryFile(suffix=".pdf") as file:
        file.write(data)
        file.flush()
        command = [tool, *arguments, file.name, *(["-"] if tool == "pdftotext" else [])]
        done = subprocess.run(command, capture_output=True, check=True)
    assert done.stderr == b""
    return done.stdout.decode()


def outlined(data: bytes) -> str:
    shown = poppler("pdftohtml", data, "-xml", "-stdout", "-i")
    return shown[shown.index("<outline>") :]


@pytest.mark.parametrize("name", ["fine", "korean", "many"])
def test_the_outline_leads_to_every_heading(name: str):
    report = getattr(sample_reports, name)()
    data = LocalRenderer().render(report).pdf or b""
    words = ("metrics", "charts", "hparams", "results", "checkpoints")
    titles = [say(report.language, f"part.{word}") for word in words]
    found = outlined(data)
    assert [found.index(f">{title}</item>") for title in titles]
    assert f"/Lang ({report.language})".encode() in data
    assert b"/DisplayDocTitle true" in data


def test_a_pdf_without_headings_has_a_language_and_no_outline():
    data = pdf.write_pdf("<p>a", title="t", made_at="2000-01-01T00:00:00Z")
    assert b"/Lang (en)" in data
    assert b"/Outlines" not in data
    assert "a" in poppler("pdftotext", data)


@pytest.mark.parametrize("data", [b"", b"%PDF-1.7\nno such thing\n%%EOF"])
def test_what_is_built_otherwise_stays_as_it_is(data: bytes):
    assert outline.with_outline(data, [Heading("a", "A")], "en") == data


def test_a_title_may_hold_any_character():
    html = '<h2 id="a">x<a href="#a"></a></h2>'
    title = "(가) \\ <b> 🎉"
    data = pdf.write_pdf(
        html, title="t", made_at="2000-01-01T00:00:00Z", headings=[Heading("a", title)]
    )
    assert "(가) \\ &lt;b&gt; 🎉</item>" in outlined(data)


def test_figures_of_a_pdf_can_be_copied():
    data = LocalRenderer().render(sample_reports.fine()).pdf or b""
    text = poppler("pdftotext", data, "-layout")
    for piece in ("12,000 of 50,000", "-0.0123", "14:20", "9.5106e-04"):
        assert piece in text


def unpacked(data: bytes) -> tuple[int, int, int, bytes]:
    width, height, _, kind = struct.unpack(">IIBB", data[16:26])
    at = data.index(b"IDAT")
    (length,) = struct.unpack(">I", data[at - 4 : at])
    return width, height, kind, zlib.decompress(data[at + 4 : at + 4 + length])


def test_small_drawings_are_cut_apart_and_have_no_ground():
    box = '<svg xmlns="http://www.w3.org/2000/svg" width="{0}" height="{1}">{2}</svg>'
    full = box.format(10, 4, '<rect width="10" height="4" fill="#000"/>')
    empty = box.format(6, 3, "")
    first, second = pdf.write_inked([(full, 10, 4), (empty, 6, 3)], ink="#2b7bc4")
    assert unpacked(first)[:3] == (20, 8, 3)
    assert set(unpacked(first)[3]) == {0, 15}, "full ink behind each row's filter byte"
    assert unpacked(second)[:3] == (12, 6, 3)
    assert set(unpacked(second)[3]) == {0}
    assert b"tRNS" in first
    assert bytes.fromhex("2b7bc4") in first
    assert pdf.write_inked([], ink="#000000") == []
