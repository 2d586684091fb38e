"""Where the pages of a PDF end: nothing stands alone at the top or the bottom."""

import html
import re
import subprocess
from pathlib import Path

import pytest
from msgspec import Struct
from msgspec.structs import replace

import sample_reports
from mlreport_batch.language.say import say
from mlreport_batch.render.local import LocalRenderer
from mlreport_batch.report.drawn import Sample
from mlreport_batch.report.model import Fact, Report, TextBlock
from picture_files import png

PAGE_MM, TOP_MM, BOTTOM_MM = 297, 12, 16
PARTS = (
    "intent metrics charts samples hparams results checkpoints problems cuts".split()
)
HEADS = ("metric", "file", "hparam", "run")
TOGETHER = 2
LINES_TOGETHER = 3
LEAST_FILLED = 0.6

TEXT = re.compile(r'<text top="(\d+)" left="(\d+)".*? height="(\d+)".*?>(.*?)</text>')
HEIGHT = re.compile(r'number="\d+".*? height="(\d+)"')


class Page(Struct):
    """The lines of a page without its running ones, and how far down the last ends."""

    lines: list[str]
    filled: float


def pages_of(data: bytes, folder: Path) -> list[Page]:
    path = folder / "paper.pdf"
    path.write_bytes(data)
    command = ["pdftohtml", "-xml", "-i", "-stdout", str(path)]
    shown = subprocess.run(command, capture_output=True, check=True).stdout.decode()
    return [_page(text) for text in shown.split("<page ")[1:]]


def _page(text: str) -> Page:
    match = HEIGHT.search(text)
    assert match is not None
    high = int(match[1])
    top, bottom = (high * mm / PAGE_MM for mm in (TOP_MM - 1, PAGE_MM - BOTTOM_MM))
    rows: dict[int, list[tuple[int, str]]] = {}
    for y, x, size, piece in TEXT.findall(text):
        words = html.unescape(re.sub("<.*?>", "", piece)).strip()
        base = int(y) + int(size)
        if words and top < base < bottom:
            near = next((each for each in rows if abs(each - base) < 7), base)
            rows.setdefault(near, []).append((int(x), words))
    lines = [" ".join(words for _, words in sorted(rows[y])) for y in sorted(rows)]
    return Page(lines, max(rows, default=0) / high)


def is_title(line: str, report: Report) -> bool:
    titles = [say(report.language, f"part.{part}") for part in PARTS]
    titles += [block.title for block in report.texts]
    return any(line == title or line.startswith(f"{title} ·") for title in titles)


def is_head(line: str, report: Report) -> bool:
    heads = [say(report.language, f"table.{name}") for name in HEADS]
    return line.split(maxsplit=1)[0] in heads


def faults(report: Report, folder: Path) -> list[str]:
    """Return what stands alone, and pages that end long before their end."""
    pages = pages_of(LocalRenderer().render(report).pdf or b"", folder)
    names = {chart.title for chart in report.charts}
    found = []
    for number, page in enumerate(pages):
        lines = page.lines
        above = [is_title(line, report) or is_head(line, report) for line in lines]
        assert lines, f"page {number + 1} is empty"
        if number + 1 < len(pages):
            # A line of pictures is enough.
            if (
                any(above[-1 if report.samples else -TOGETHER :])
                or set(lines[-1].split()) & names
            ):
                found.append(f"ends page {number + 1}: {lines[-TOGETHER:]}")
            if page.filled < LEAST_FILLED:
                found.append(f"page {number + 1} ends at {page.filled:.0%}")
        if number and not is_title(lines[0], report):
            rows = lines[1:] if above[0] else lines
            told = [is_title(line, report) for line in rows[:TOGETHER]]
            if len(rows) < TOGETHER or any(told):
                found.append(f"begins page {number + 1}: {lines[:TOGETHER]}")
        if number and set(report.texts[-1].text.split("\n")) & {lines[0]}:
            rest = set(report.texts[-1].text.split("\n")) & set(lines)
            if len(rest) < LINES_TOGETHER:
                found.append(f"begins page {number + 1}: {rest}")
    return found


def report_of(
    rows: int, *, charts: int = 0, layers: int = 12, language: str = "en"
) -> Report:
    base = sample_reports.fine() if language == "en" else sample_reports.korean()
    hparams = [replace(base.hparams[-2], key=f"model.part_{i}") for i in range(21)]
    return replace(
        base,
        metrics=tuple(sample_reports.metric(f"metric_{i}") for i in range(rows)),
        charts=base.charts[:charts],
        hparams=tuple(hparams),
        results=tuple(Fact(f"test/score_{i}", "0.5") for i in range(6)),
        checkpoints=base.checkpoints * 2,
        texts=(TextBlock("Model", "\n".join(f"layer {i}" for i in range(layers))),),
    )


@pytest.mark.parametrize("rows", range(8, 36))
def test_no_row_or_heading_stands_alone_on_a_page(tmp_path: Path, rows: int):
    assert faults(report_of(rows), tmp_path) == []


@pytest.mark.parametrize("language", ["en", "ko"])
@pytest.mark.parametrize("rows", [14, 20, 22, 24])
def test_charts_stay_with_their_heading(tmp_path: Path, rows: int, language: str):
    assert faults(report_of(rows, charts=2, language=language), tmp_path) == []


@pytest.mark.parametrize("rows", range(17, 32, 2))
def test_pictures_stay_with_their_heading(tmp_path: Path, rows: int):
    square = Sample("samples/1.png", "08:42 UTC", png(480, 480), 480, 480)
    assert faults(replace(report_of(rows), samples=(square,) * 3), tmp_path) == []


@pytest.mark.parametrize("layers", range(6, 22))
def test_a_text_leaves_no_line_alone(tmp_path: Path, layers: int):
    assert faults(report_of(1, layers=layers), tmp_path) == []
