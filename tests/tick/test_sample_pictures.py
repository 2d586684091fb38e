"""Pictures that a run saved stand in its mail, page and PDF, drawn anew."""

import re
from pathlib import Path

import pytest

from mlreport_batch.commands.preview import preview
from mlreport_batch.tick import pictures
from picture_files import JPEG, png, stating
from ticking import Desk

ROWS = "epoch,loss\n1,0.5\n2,0.4\n"


def test_a_picture_stands_in_mail_and_page_but_never_as_it_was(desk: Desk):
    desk.put("a/metrics.csv", ROWS)
    desk.put("a/samples/grid.png", png(note=b"taken at home"))
    desk.put("a/samples/<b>.jpg", JPEG, age_s=550)
    desk.put("a/samples/bomb.png", stating(50_000, 50_000), age_s=540)
    desk.report()
    [mail] = desk.mails()
    parts = {part["Content-ID"]: part for part in mail.walk() if part["Content-ID"]}
    shown = [parts[cid] for cid in parts if cid.startswith("<sample")]
    assert [part.get_content_type() for part in shown] == ["image/png"] * 2
    html = mail.get_body(("html",)).get_content()
    assert html.count('src="cid:sample') == 2
    assert "&lt;b&gt;.jpg" in html
    assert "samples/grid.png, saved" in mail.get_body(("plain",)).get_content()
    [page] = desk.out.rglob("reports/**/*.html")
    assert page.read_text().count('src="data:image/png;base64,') == 2
    whole = mail.as_bytes() + page.read_bytes()
    assert b"taken at home" not in whole
    assert all(JPEG not in part.get_content() for part in shown)


def test_a_tick_and_a_preview_show_the_same_pictures(desk: Desk, tmp_path: Path):
    desk.put("a/metrics.csv", ROWS)
    desk.put("a/grid.png", png())
    desk.report()
    [page] = desk.out.rglob("reports/**/*.html")
    [seen, *_] = preview(str(desk.runs / "a"), str(tmp_path / "p"), None, 1e9)
    sources = [
        re.findall(r'src="(data:[^"]+)"', Path(file).read_text())
        for file in (page, seen)
    ]
    assert sources[0] == sources[1] != []


def test_a_picture_that_kills_its_decoder_is_left_out(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
):
    from mlreport_batch.safety.child import BoundedChild

    child = BoundedChild(_dies)
    monkeypatch.setattr(pictures, "_child", lambda: child)
    desk.put("a/metrics.csv", ROWS)
    desk.put("a/grid.png", png())
    assert desk.report().code == 0
    [mail] = desk.mails()
    assert "sample" not in mail.get_body(("html",)).get_content()
    child.close()


def _dies(_: bytes) -> None:
    import os

    os._exit(3)
