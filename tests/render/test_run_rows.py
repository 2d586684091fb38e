"""The data of the page over all runs, as files that are rewritten in part."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hostile import PAYLOADS
from mlreport_batch.render.run_rows import (
    ROWS_A_FILE,
    PageRow,
    RowFiles,
    content_of,
    files_for,
    script_of,
)

TEXTS = st.text(max_size=20) | st.sampled_from(PAYLOADS)


@settings(max_examples=40)
@given(st.dictionaries(TEXTS, TEXTS, max_size=4))
def test_a_script_holds_one_text_and_nothing_else(said: dict[str, str]):
    row = PageRow(id="0f", slug="a-0f", name="a", hparams=said)
    script = script_of("runs", "7", [row])
    assert content_of(script, list[PageRow]) == [row]
    text = script.decode()
    call, _, rest = text.partition("\n")
    assert call == "mlreport.take('runs','7',"
    assert rest[0] == "'"
    assert rest.endswith("');\n")
    inside = rest[1:-4]
    assert not set(inside).intersection("<>&'\n\r\u2028\u2029")
    assert inside.count("\\") % 2 == 0


@pytest.mark.parametrize(
    "script", [b"", b"mlreport.take('runs','0',\n'[", b"\xff", b"x,\n'[]');\n"]
)
def test_what_is_no_script_of_ours_is_refused(script: bytes):
    with pytest.raises(ValueError, match=r".+"):
        content_of(script, list[PageRow])


def rows(count: int) -> list[PageRow]:
    return [PageRow(id=f"{n:x}", slug=f"s{n}", name=f"run {n}") for n in range(count)]


def ids(files: RowFiles, sums: tuple[str, ...]) -> set[str]:
    return {row.id for row in files.all_rows(sums)}


def test_only_the_files_of_changed_runs_are_written(tmp_path: Path):
    files = RowFiles(str(tmp_path))
    all_rows = rows(ROWS_A_FILE * 4)
    sums = files.make(all_rows, len(all_rows))
    assert len(sums) == 4
    before = {path: path.stat().st_ino for path in tmp_path.glob("data/runs-*")}
    changed = PageRow(id="6", slug="s6", name="another")
    after = files.change(sums, [changed], [all_rows[10].id])
    assert [a == b for a, b in zip(after, sums, strict=True)] == [1, 1, 0, 1]
    written = [
        path.name for path, inode in before.items() if path.stat().st_ino != inode
    ]
    assert written == ["runs-002.js"]
    assert ids(files, after) == {row.id for row in all_rows} - {"a"}
    assert files.change(after, [changed], []) == after


def test_a_file_that_somebody_changed_is_noticed(tmp_path: Path):
    files = RowFiles(str(tmp_path))
    sums = files.make(rows(2), 2)
    (tmp_path / "data/runs-000.js").write_text("alert(1)")
    with pytest.raises(ValueError, match="not as it was written"):
        files.change(sums, rows(1), [])


def test_files_of_a_larger_page_are_removed(tmp_path: Path):
    files = RowFiles(str(tmp_path))
    files.make(rows(ROWS_A_FILE + 1), ROWS_A_FILE + 1)
    assert len(list(tmp_path.glob("data/*"))) == 2
    files.make(rows(1), 1)
    assert [path.name for path in tmp_path.glob("data/*")] == ["runs-000.js"]


@given(st.integers(0, 1_000_000))
def test_a_file_holds_few_runs(total: int):
    count = files_for(total)
    assert count & (count - 1) == 0
    assert ROWS_A_FILE * count >= total
    assert count == 1 or ROWS_A_FILE * count < 2 * total
