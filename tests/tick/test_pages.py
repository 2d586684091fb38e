"""Pages beside the mails: what a tick writes of them, and what it never costs."""

import html
import shutil
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hostile import PAYLOADS
from mlreport_batch.errors import ConfigError
from mlreport_batch.render.run_index import STATIC_ROWS, Shown, index_html
from mlreport_batch.render.run_rows import PageCurves, PageRow, RowFiles, content_of
from ticking import MAIL, Desk

CSV = "step,loss\n1,0.5\n2,0.25\n"


def pages_of(desk: Desk, more: str = "", runs: str = "") -> tuple[Path, Path]:
    """Return a config with pages, and their folder."""
    folder = desk.folder / "pages"
    text = f"mail: {{{MAIL}}}\npages: {{dir: {folder}}}\n{more}"
    return desk.config(text, runs), folder


def rows_in(folder: Path) -> dict[str, PageRow]:
    files = RowFiles(str(folder))
    index = files.index()
    assert index is not None
    return {row.name: row for row in files.all_rows(index.files)}


def inodes(folder: Path) -> dict[str, int]:
    found = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.stat().st_ino for path in found}


def test_the_page_knows_the_groups_of_the_config(desk: Desk):
    desk.put("a/metrics.csv", CSV)
    config, folder = pages_of(desk)
    assert desk.run("run", "-c", config).code == 0
    assert rows_in(folder)["a"].group == "runs"
    config, folder = pages_of(desk, runs=", group: mine")
    assert desk.run("run", "-c", config).code == 0
    assert rows_in(folder)["a"].group == "mine"


def test_a_config_has_pages_where_it_says_so(desk: Desk):
    desk.put("sweep/a/metrics.csv", CSV)
    desk.put("sweep/a/hparams.yaml", "lr: 0.1\ntags: [base]\npassword: hunter2\n")
    desk.put("b/metrics.csv", CSV)
    config, folder = pages_of(desk)
    said = desk.run("run", "-c", config, "-v")
    assert said.code == 0
    assert f"pages: {folder / 'index.html'}" in said.out
    rows = rows_in(folder)
    a = rows["sweep/a"]
    assert (a.group, a.tags, a.main) == ("sweep", ("base",), "loss")
    assert rows["b"].group == "runs"  # the name of the root
    assert a.metrics == {"loss": (0.25, 0.25)}
    assert a.hparams["lr"] == 0.1
    assert "loss 0.25" in a.headline
    run = folder / "reports" / a.slug
    assert (a.page, a.pdf, a.drawn) == (True, True, True)
    curves = content_of((run / "curves.js").read_bytes(), PageCurves)
    assert curves.curves[0].lows == (0.5, 0.25)
    assert {path.name for path in run.iterdir()} == {
        "report.html", "report.pdf", "curves.js"
    }  # fmt: skip
    everything = b"".join(p.read_bytes() for p in folder.rglob("*") if p.is_file())
    assert b"hunter2" not in everything
    assert len(desk.mails()) == 2


def test_a_tick_writes_only_what_changed(desk: Desk):
    for name in "abc":
        desk.put(f"{name}/metrics.csv", CSV)
    config, folder = pages_of(desk, "report: {every: 1h}\n")
    now = time.time()
    desk.tick(config, now)
    before = inodes(folder)
    assert not desk.tick(config, now + 1).runs
    assert inodes(folder) == before
    desk.append("b/metrics.csv", "3,0.125\n")
    desk.tick(
        config, now + 60
    )  # too early for a report; the page shows it all the same
    after = inodes(folder)
    row = rows_in(folder)["b"]
    assert row.metrics["loss"] == (0.125, 0.125)
    assert {name for name in after if after[name] != before.get(name)} == {
        "index.html", "data/index.js", "data/runs-000.js",
        f"reports/{row.slug}/curves.js",
    }  # fmt: skip


def test_a_run_that_is_gone_or_left_out_is_on_no_page(desk: Desk):
    for name in ("a", "b", "debug/c"):
        desk.put(f"{name}/metrics.csv", CSV)
    config, folder = pages_of(desk)
    now = time.time()
    desk.tick(config, now)
    assert set(rows_in(folder)) == {"a", "b", "debug/c"}
    shutil.rmtree(desk.runs / "a")
    desk.tick(config, now + 60)
    assert set(rows_in(folder)) == {"b", "debug/c"}
    assert ">a<" not in (folder / "index.html").read_text()
    config, _ = pages_of(desk, runs=", exclude: [debug/*]")
    assert desk.run("run", "-c", config).code == 0
    assert set(rows_in(folder)) == {"b"}


def test_pages_that_cannot_be_written_hold_up_no_mail(desk: Desk):
    desk.put("a/metrics.csv", CSV)
    config, folder = pages_of(desk)
    folder.write_text("no folder")
    said = desk.run("run", "-c", config)
    assert said.code != 0
    assert str(folder) in said.err
    assert "The mails go out all the same" in said.err
    assert len(desk.mails()) == 1
    folder.unlink()
    assert desk.run("run", "-c", config).code == 0
    row = rows_in(folder)["a"]
    assert (row.page, row.drawn, row.metrics["loss"][0]) == (False, True, 0.25)
    assert not desk.mails()
    before = inodes(folder)
    assert desk.run("run", "-c", config).out == ""
    assert inodes(folder) == before


@pytest.mark.parametrize("where", ["before", "within"])
def test_pages_that_a_killed_tick_left_behind_are_made_anew(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, where: str
):
    for name in "ab":
        desk.put(f"{name}/metrics.csv", CSV)
    config, folder = pages_of(desk)
    now = time.time()
    desk.tick(config, now)
    desk.append("b/metrics.csv", "3,0.125\n")
    time.sleep(0.1)  # what was written just now is looked at again
    target = "change" if where == "before" else "put_index"

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(RowFiles, target, die)
    with pytest.raises(KeyboardInterrupt):
        desk.tick(config, now + 1)
    monkeypatch.undo()
    desk.append("a/metrics.csv", "3,0.0625\n")
    desk.tick(config, now + 2)  # b is not looked at
    rows = rows_in(folder)
    assert rows["b"].metrics["loss"][0] == 0.125
    assert rows["a"].metrics["loss"][0] == 0.0625


@pytest.mark.parametrize("file", ["index.js", "runs-000.js"])
def test_data_that_were_damaged_are_made_anew(desk: Desk, file: str):
    for name in "ab":
        desk.put(f"{name}/metrics.csv", CSV)
    config, folder = pages_of(desk)
    now = time.time()
    desk.tick(config, now)
    (folder / "data" / file).write_bytes(b"")
    desk.append("b/metrics.csv", "3,0.125\n")
    desk.tick(config, now + 60)
    assert rows_in(folder)["a"].metrics["loss"][0] == 0.25
    assert rows_in(folder)["b"].metrics["loss"][0] == 0.125


def test_a_dry_run_and_a_config_without_pages_write_none(desk: Desk):
    desk.put("a/metrics.csv", CSV)
    config, folder = pages_of(desk)
    desk.tick(config, time.time(), dry_run=True)
    assert not folder.exists()
    desk.tick(desk.config(), time.time())
    assert not list(desk.folder.rglob("index.html"))


def test_a_page_over_recorded_runs_lists_them(desk: Desk):
    desk.put("a/metrics.csv", CSV)
    config, folder = pages_of(desk)
    assert desk.run("baseline", "-c", config).code == 0
    row = rows_in(folder)["a"]
    assert (row.page, row.drawn, row.metrics["loss"][0]) == (False, True, 0.25)


def test_check_says_whether_pages_can_be_written(desk: Desk):
    desk.put("a/metrics.csv", CSV)
    config, folder = pages_of(desk)
    assert f"ok    pages {folder}" in desk.run("check", "-c", config).out
    folder.write_text("no folder")
    assert f"FAIL  pages {folder} cannot be" in desk.run("check", "-c", config).out


def test_pages_lie_beside_the_runs_and_never_among_them(desk: Desk):
    with pytest.raises(ConfigError) as caught:
        desk.settings(desk.config(f"pages: {{dir: {desk.runs}/pages}}\n"))
    assert "pages.dir" in str(caught.value.problems)
    assert "never written to" in str(caught.value.problems)


def test_the_page_without_scripts_is_bounded_and_says_so():
    rows = [
        PageRow(id=f"{n:x}", slug=f"s{n}", name=text, headline=text, page=True)
        for n, text in enumerate(PAYLOADS)
    ]
    at = datetime(2026, 1, 2, tzinfo=UTC)
    page = index_html(Shown(rows, 10_000, at, "en"))
    assert len(rows) < STATIC_ROWS
    assert f"The {len(rows)} runs of 10,000" in page
    for text in PAYLOADS:
        assert html.escape(text) in page or not text.isprintable() or "{" in text
    assert page.count("<script") == page.count("<script defer src=")
    assert "style=" not in page
    assert index_html(Shown(rows, len(rows), at, "ko")).count("<p") == 0
