"""The pages of several shards as one."""

import os
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from mlreport_batch.errors import StateError
from mlreport_batch.render import merged
from mlreport_batch.render.merged import merge_pages, shards_in
from mlreport_batch.render.run_rows import PageIndex, PageRow, RowFiles
from ticking import Desk

AT = datetime(2026, 5, 4, tzinfo=UTC)
GROUPS = ("gan", "vit", "sweep", "ablation", "seeds")
LOG = "step,val_loss\n0,2\n1,1\n2,0.5\n"


def _rows(folder: Path) -> dict[str, PageRow]:
    files = RowFiles(str(folder))
    index = files.index()
    assert index is not None
    return {row.id: row for row in files.all_rows(index.files)}


def _put(folder: Path, *rows: PageRow, made: float = 0.0) -> str:
    files = RowFiles(str(folder))
    sums = files.make(rows, len(rows))
    files.put_index(PageIndex(1, "en", made, sums, {}))
    return str(folder)


@pytest.fixture
def sharded(desk: Desk) -> Desk:
    """Two shards have been at work, below a folder of pages."""
    for group in GROUPS:
        desk.put(f"{group}/1/metrics.csv", LOG)
    config = desk.config("pages: {dir: pages}\n")
    for shard in ("1/2", "2/2"):
        assert desk.run("run", "-c", config, "--shard", shard, "-q").code == 0
    return desk


def test_merged_shards_hold_what_one_tick_holds_and_their_links_lead_on(sharded: Desk):
    pages, whole = sharded.folder / "pages", sharded.folder / "whole"
    config = sharded.folder / "mlreport.yaml"
    said = sharded.run("pages", "--merge", "-c", config)
    assert (said.code, said.err) == (0, "")
    assert said.out == f"{pages / 'index.html'}: 5 runs of 2 shards\n"
    config.write_text(
        config.read_text()
        .replace("dir: pages", "dir: whole")
        .replace(f"state: {sharded.out}", f"state: {sharded.folder / 'other'}")
    )
    assert sharded.run("run", "-c", config, "-q").code == 0
    found, one = _rows(pages), _rows(whole)
    assert {key: replace(row, reported=0) for key, row in found.items()} == {
        key: replace(row, reported=0) for key, row in one.items()
    }
    for row in found.values():
        assert row.page
        for name in ("report.html", "report.pdf", "curves.js"):
            (link,) = pages.glob(f"shard-*/reports/{row.slug}/{name}")
            assert (pages / "reports" / row.slug / name).samefile(link)
        assert f"reports/{row.slug}/report.html" in (pages / "index.html").read_text()


def test_a_second_merge_brings_what_is_new_and_keeps_the_rest(sharded: Desk):
    pages, config = sharded.folder / "pages", sharded.folder / "mlreport.yaml"
    assert sharded.run("pages", "--merge", "-c", config).code == 0
    before = {path: path.stat().st_ino for path in pages.glob("reports/*/*")}
    sharded.append("vit/1/metrics.csv", "3,0.25\n")
    for shard in ("1/2", "2/2"):
        assert sharded.run("run", "-c", config, "--shard", shard, "-q").code == 0
    assert sharded.run("pages", "--merge", "-c", config).code == 0
    after = {path: path.stat().st_ino for path in pages.glob("reports/*/*")}
    changed = {path.parent.name for path in after if after[path] != before[path]}
    assert [name.rpartition("-")[0] for name in changed] == ["vit-1"]
    (row,) = [row for row in _rows(pages).values() if row.name == "vit/1"]
    assert row.step == 3


def test_reports_are_copied_where_no_link_can_be_made(
    sharded: Desk, monkeypatch: pytest.MonkeyPatch
):
    def refuse(*_: Any) -> None:  # noqa: ANN401
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    shards = sorted(map(str, (sharded.folder / "pages").glob("shard-*")))
    out = sharded.folder / "all"
    for _ in range(2):
        said = sharded.run("pages", "--merge", *shards, "--out", out)
        assert said.code == 0, said.err
        made = {path: path.stat() for path in out.glob("reports/*/*")}
        assert len(made) == 3 * len(GROUPS)
        assert {status.st_nlink for status in made.values()} == {1}
    again = merge_pages(shards, str(out), AT)
    assert again == len(GROUPS)
    assert {path: path.stat().st_ino for path in made} == {
        path: status.st_ino for path, status in made.items()
    }
    assert not list(out.rglob("*.tmp"))


def test_pages_below_out_are_merged_without_a_config(desk: Desk):
    for group in GROUPS:
        desk.put(f"{group}/1/metrics.csv", LOG)
    call = ("run", desk.runs, "--out", desk.out, "-q")
    assert desk.run(*call, "--shard", "1/2").code == 0
    said = desk.run("pages", "--merge", "--out", desk.out)
    assert said.code == 0
    assert "without shard 2, which has no pages" in said.err
    assert desk.run(*call, "--shard", "2/2").code == 0
    assert desk.run("pages", "--merge", "--out", desk.out).err == ""
    assert len(_rows(desk.out)) == len(GROUPS)


def test_a_shard_without_runs_has_pages_too(desk: Desk):
    desk.put("gan/1/metrics.csv", LOG)
    for shard in ("1/2", "2/2"):
        desk.run("run", desk.runs, "--out", desk.out, "-q", "--shard", shard)
    said = desk.run("pages", "--merge", "--out", desk.out)
    assert (said.code, said.err) == (0, "")


def test_of_another_n_the_shards_that_were_written_last_count(tmp_path: Path):
    row = PageRow(id="0a", slug="r-0a", name="r")
    _put(tmp_path / "shard-1-of-2", row, made=5)
    last = _put(tmp_path / "shard-2-of-3", row, made=6)
    assert shards_in(str(tmp_path)) == ([last], [1, 3])


def test_of_a_run_in_two_shards_the_one_written_last_counts(tmp_path: Path):
    old = PageRow(id="0a", slug="r-0a", name="r", headline="old", written=1.0)
    new = replace(old, headline="new", written=2.0)
    folders = [_put(tmp_path / "1", new), _put(tmp_path / "2", old)]
    for order in (folders, folders[::-1]):
        assert merge_pages(order, str(tmp_path / "out"), AT) == 1
        assert _rows(tmp_path / "out")["0a"].headline == "new"


def test_a_report_that_vanished_is_no_link(tmp_path: Path):
    row = PageRow(id="0a", slug="r-0a", name="r", page=True, pdf=True)
    folder = _put(tmp_path / "1", row)
    (tmp_path / "1/reports/r-0a").mkdir(parents=True)
    (tmp_path / "1/reports/r-0a/report.pdf").write_bytes(b"x")
    assert merge_pages([folder], str(tmp_path / "out"), AT) == 1
    found = _rows(tmp_path / "out")["0a"]
    assert (found.page, found.pdf) == (False, True)


@pytest.mark.parametrize("other", ["missing", "out"])
def test_a_missing_shard_and_a_merge_into_itself_write_nothing(
    tmp_path: Path, other: str
):
    first = _put(tmp_path / "1", PageRow(id="0a", slug="r-0a", name="r"))
    with pytest.raises(StateError):
        merge_pages([first, str(tmp_path / other)], str(tmp_path / "out"), AT)
    assert not (tmp_path / "missing").exists()
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("slug", ["../../r-0a", "r-0b", "/r-0a"])
def test_a_forged_row_leads_nowhere(tmp_path: Path, slug: str):
    folder = _put(tmp_path / "1", PageRow(id="0a", slug=slug, name="r", page=True))
    with pytest.raises(StateError, match="no whole pages"):
        merge_pages([folder], str(tmp_path / "out"), AT)


def test_a_tick_that_writes_meanwhile_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    row = PageRow(id="0a", slug="r-0a", name="old")
    folder = _put(tmp_path / "1", row)
    whole = RowFiles.index

    def index_of_before(self: RowFiles) -> PageIndex | None:
        found = whole(self)
        _put(tmp_path / "1", replace(row, name="new"))
        monkeypatch.setattr(RowFiles, "index", whole)
        return found

    monkeypatch.setattr(merged.RowFiles, "index", index_of_before)
    assert merge_pages([folder], str(tmp_path / "out"), AT) == 1
    assert _rows(tmp_path / "out")["0a"].name == "new"


def test_what_cannot_be_merged_is_said(sharded: Desk):
    said = sharded.run("pages", "--merge", "--out", sharded.folder / "none")
    assert said.code == 74
    assert "none: " in said.err
    said = sharded.run("pages", "--merge", "--out", sharded.folder)
    assert (said.code, said.out) == (2, "")
    assert "holds no pages of shards" in said.err
    config = sharded.config("")
    said = sharded.run("pages", "--merge", "-c", config)
    assert said.code == 2
    assert "names no pages.dir" in said.err
    shutil.rmtree(sharded.folder / "pages")
    (sharded.folder / "pages").write_text("a file")
    first = sharded.folder / "first"
    _put(first, PageRow(id="0a", slug="r-0a", name="r"))
    said = sharded.run("pages", "--merge", first, "--out", sharded.folder / "pages")
    assert said.code == 74
    assert "mend the permissions" in said.err
