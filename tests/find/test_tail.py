"""Only new whole lines are read, and any doubt begins at zero."""

import os
import random
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from disk import overwrite
from mlreport_batch.find import tail
from mlreport_batch.find.tail import Cursor, LogReader
from mlreport_batch.formats import Chunk
from mlreport_batch.safety.contents import DOCUMENT_MAX, read_document, read_head
from mlreport_batch.safety.files import NotRegularError, Signature, open_regular


def read(
    path: Path,
    since: Cursor | None = None,
    *,
    use_open_line: bool = False,
    size: int = tail.CHUNK,
) -> tuple[bytes, Cursor, LogReader]:
    with LogReader(str(path), since, use_open_line=use_open_line) as reader:
        data = b"".join(chunk.data for chunk in reader.chunks(size))
        return data, reader.cursor, reader


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log.csv"
    path.write_bytes(b"a,b\n1,2\n")
    return path


def append(path: Path, data: bytes):
    with path.open("ab") as file:
        file.write(data)


def test_a_first_reading_takes_all_whole_lines(log: Path):
    append(log, b"3,")
    data, cursor, reader = read(log)
    assert data == b"a,b\n1,2\n"
    assert (cursor.offset, cursor.lines) == (8, 2)
    assert reader.is_from_zero
    assert not reader.rewritten
    assert reader.has_open_line


def test_only_what_was_appended_is_read(log: Path):
    _, cursor, _ = read(log)
    append(log, b"3,4\n5")
    with LogReader(str(log), cursor) as reader:
        [chunk] = reader.chunks()
        cursor = reader.cursor
    assert chunk == Chunk(str(log), b"a,b", b"3,4\n", 8, 3, lines=1)
    append(log, b",6\n")
    data, cursor, reader = read(log, cursor)
    assert data == b"5,6\n"
    assert not reader.has_open_line
    assert cursor.lines == 4


def test_an_open_line_stays_open_while_nothing_comes(log: Path):
    append(log, b"3,4")
    _, cursor, _ = read(log, use_open_line=True)
    _, cursor, _ = read(log, cursor)
    append(log, b"5\n")
    data, _, reader = read(log, cursor)
    assert reader.rewritten == "continued"
    assert data == b"a,b\n1,2\n3,45\n"


def test_nothing_new_yields_nothing(log: Path):
    _, cursor, _ = read(log)
    data, again, reader = read(log, cursor)
    assert data == b""
    assert again == cursor
    assert not reader.is_from_zero


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"a,b\n", "shrank"),
        (b"", "shrank"),
        (b"a,b\n1,3\n", "rewritten"),
        (b"a,c\n1,2\n", "rewritten"),
        (b"a,b,c\n1,2,3\n4,5,6\n", "rewritten"),
    ],
)
def test_other_bytes_are_read_from_zero(log: Path, content: bytes, why: str):
    _, cursor, _ = read(log)
    log.write_bytes(content)
    data, _, reader = read(log, cursor)
    assert data == content
    assert reader.rewritten == why
    assert reader.is_from_zero


def test_a_change_far_before_the_cursor_is_noticed_in_a_log_of_some_size(log: Path):
    append(log, b"7,8\n" * 20_000)
    _, cursor, _ = read(log)
    data = bytearray(log.read_bytes())
    data[101] ^= 1
    log.write_bytes(data)
    assert read(log, cursor)[2].rewritten == "rewritten"
    append(log, b"7,8\n")
    assert read(log, cursor)[2].rewritten == "rewritten"


def test_a_large_log_that_grew_is_checked_at_both_ends(log: Path):
    append(log, b"7,8\n" * 100_000)
    _, cursor, _ = read(log)
    append(log, b"9,9\n")
    data, after, _ = read(log, cursor)
    assert data == b"9,9\n"
    whole = log.read_bytes()
    assert after == read(log)[1]
    log.write_bytes(b"b" + whole[1:] + b"1,1\n")
    assert read(log, after)[2].rewritten == "rewritten"
    near_end = bytearray(whole)
    near_end[-100] ^= 1
    log.write_bytes(bytes(near_end) + b"1,1\n")
    assert read(log, after)[2].rewritten == "rewritten"


def test_an_open_last_line_is_used_when_asked_and_not_read_twice(log: Path):
    append(log, b"3,4")
    data, cursor, _ = read(log, use_open_line=True)
    assert data == b"a,b\n1,2\n3,4\n"
    assert cursor.open_line
    assert (cursor.offset, cursor.lines) == (11, 3)
    assert read(log, cursor, use_open_line=True)[0] == b""
    append(log, b"\n5,6\n")
    data, after, _ = read(log, cursor)
    assert data == b"5,6\n"
    assert (after.lines, after.open_line) == (4, False)
    assert after == read(log)[1]


def test_an_open_last_line_that_went_on_is_read_anew(log: Path):
    append(log, b"3,4")
    _, cursor, _ = read(log, use_open_line=True)
    append(log, b"5\r\n")
    data, _, reader = read(log, cursor)
    assert data == b"a,b\n1,2\n3,45\r\n"
    assert reader.rewritten == "continued"


def test_an_open_last_line_may_end_the_windows_way(log: Path):
    append(log, b"3,4")
    _, cursor, _ = read(log, use_open_line=True)
    append(log, b"\r\n")
    data, after, reader = read(log, cursor)
    assert data == b""
    assert not reader.rewritten
    assert after == read(log)[1]


@pytest.mark.parametrize("size", [1 << 16, 1 << 20, 4 << 20])
def test_a_line_over_a_mebibyte_is_passed_over_however_it_is_cut(
    tmp_path: Path, size: int
):
    path = tmp_path / "log"
    at_most = b"x" * tail.LINE_MAX + b"\n"
    path.write_bytes(b"1\n" + b"y" * (tail.LINE_MAX + 1) + b"\n2\n" + at_most + b"3\n")
    data, cursor, reader = read(path, size=size)
    assert data == b"1\n2\n" + at_most + b"3\n"
    assert reader.skipped_lines == [2]
    assert cursor.lines == 5
    assert cursor == read(path)[1]
    assert read(path, cursor)[0] == b""
    assert not read(path, cursor)[2].rewritten


def test_line_numbers_go_on_after_a_line_that_was_passed_over(tmp_path: Path):
    path = tmp_path / "log"
    path.write_bytes(b"1\n" + b"y" * (3 << 20) + b"\n2\n")
    with LogReader(str(path), None) as reader:
        chunks = list(reader.chunks())
    assert [(chunk.first_line, chunk.data) for chunk in chunks] == [
        (1, b"1\n"),
        (3, b"2\n"),
    ]
    assert chunks[1].start == 2 + (3 << 20) + 1


def test_a_long_line_that_is_still_being_written_is_left(tmp_path: Path):
    path = tmp_path / "log"
    path.write_bytes(b"1\n" + b"y" * (5 << 20))
    data, cursor, reader = read(path, use_open_line=True)
    assert data == b"1\n"
    assert cursor.offset == 2
    assert reader.skipped_lines == []


@pytest.mark.parametrize("mebibytes", [8, 40])
def test_holes_are_jumped(tmp_path: Path, mebibytes: int):
    path = tmp_path / "log"
    with path.open("wb") as file:
        file.write(b"1\n")
        file.seek(mebibytes << 20)
        file.write(b"\n2\n")
    data, cursor, reader = read(path)
    assert data == b"1\n2\n"
    assert reader.skipped_lines == [2]
    again, same, reader = read(path, cursor)
    assert (again, same, reader.rewritten) == (b"", cursor, "")


def test_a_hole_to_the_end_is_left(tmp_path: Path):
    path = tmp_path / "log"
    path.write_bytes(b"1\n")
    os.truncate(path, 1 << 40)
    data, cursor, reader = read(path)
    assert data == b"1\n"
    assert cursor.offset == 2
    assert reader.has_open_line


def test_a_tick_reads_so_much_and_says_so(log: Path, monkeypatch: pytest.MonkeyPatch):
    append(log, b"7,8\n" * 10)
    monkeypatch.setattr(tail, "TICK_MAX", 20)
    with LogReader(str(log), None) as reader:
        data = b"".join(chunk.data for chunk in reader.chunks(10))
        assert reader.notes
        cursor = reader.cursor
    rest, _, _ = read(log, cursor, size=10)
    assert log.read_bytes().startswith(data + rest)
    assert rest


def test_records_are_cut_where_their_format_says(tmp_path: Path):
    path = tmp_path / "log"
    path.write_bytes(b"aaa\nbb")

    def split(data: bytes) -> int:
        return len(data) // 3 * 3

    with LogReader(str(path), None, split=split) as reader:
        assert [chunk.data for chunk in reader.chunks(4)] == [b"aaa", b"\nbb"]
        cursor = reader.cursor
    assert cursor.offset == 6
    append(path, b"cccdd")
    with LogReader(str(path), cursor, split=split) as reader:
        assert [chunk.data for chunk in reader.chunks()] == [b"ccc"]
        assert reader.has_open_line


def test_a_record_without_end_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(tail, "RECORD_MAX", 5)
    path = tmp_path / "log"
    path.write_bytes(b"x" * 20)
    with LogReader(str(path), None, split=lambda _: 0) as reader:
        assert list(reader.chunks(4)) == []
        assert len(reader.notes) == 1


def test_reading_ahead_closes_the_log(log: Path):
    reader = LogReader(str(log), None)
    chunks = reader.read_ahead()
    assert list(reader.chunks()) == chunks
    assert reader.cursor == read(log)[1]


def test_a_log_cut_while_it_is_read_gives_what_is_there(log: Path):
    with LogReader(str(log), None) as reader:
        log.write_bytes(b"a,b\n")
        assert b"".join(chunk.data for chunk in reader.chunks()) == b"a,b\n"
    _, cursor, _ = read(log)
    with LogReader(str(log), cursor) as reader:
        assert not reader.rewritten


@pytest.fixture(params=["folder", "fifo", "socket", "link", "device"])
def special(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "special"
    server = None
    if request.param == "folder":
        path.mkdir()
    elif request.param == "fifo":
        os.mkfifo(path)
    elif request.param == "socket":
        server = socket.socket(socket.AF_UNIX)
        server.bind(str(path))
    elif request.param == "link":
        (tmp_path / "target").write_bytes(b"1\n")
        path.symlink_to(tmp_path / "target")
    else:
        path = Path(os.devnull)
    yield path
    if server is not None:
        server.close()


def test_only_regular_files_are_opened(special: Path):
    for use in (open_regular, read_head, read_document):
        with pytest.raises(NotRegularError):
            use(str(special))
    with pytest.raises(NotRegularError):
        LogReader(str(special), None)


def test_a_missing_file_is_an_error(tmp_path: Path):
    with pytest.raises(FileNotFoundError):
        LogReader(str(tmp_path / "none"), None)


def test_a_document_is_read_whole_up_to_a_limit(log: Path):
    data, signature = read_document(str(log))
    assert data == log.read_bytes()
    assert signature == Signature.of(log.stat())
    assert read_head(str(log), 3) == b"a,b"
    os.truncate(log, DOCUMENT_MAX + 1)
    with pytest.raises(OSError, match="64 MiB"):
        read_document(str(log))


pieces = st.text("ab\n", max_size=6).map(str.encode)
steps = st.one_of(
    st.tuples(st.just("append"), pieces),
    st.tuples(st.just("finish"), st.just(b"")),
    st.tuples(st.just("rewrite"), pieces),
    st.tuples(st.just("truncate"), st.integers(0, 20)),
    st.tuples(st.just("flip"), st.integers(0, 20)),
    st.tuples(st.just("delete"), st.just(b"")),
    st.tuples(st.just("read"), st.sampled_from([1, 3, 100])),
    st.tuples(st.just("quiet read"), st.just(100)),
)


Operation = tuple[str, object]


@pytest.mark.no_cover
@settings(max_examples=400)
@given(st.lists(steps, max_size=14))
def test_whatever_happens_to_a_log_its_lines_are_read_once(
    tmp_path_factory: pytest.TempPathFactory, operations: list[Operation]
):
    replay(tmp_path_factory.getbasetemp() / "model.log", operations)


@pytest.mark.no_cover
def test_n12_ten_thousand_histories_of_a_log(log: Path):
    many_histories(log, 10_000)


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_n12_a_million_histories_of_a_log(log: Path):
    many_histories(log, int(os.environ.get("HISTORIES", "1000000")))


def many_histories(path: Path, count: int) -> None:
    rng = random.Random(count)

    def piece() -> bytes:
        return bytes(rng.choices(b"ab\n", k=rng.randrange(7)))

    kinds = {
        "append": piece,
        "finish": lambda: b"",
        "rewrite": piece,
        "truncate": lambda: rng.randrange(21),
        "flip": lambda: rng.randrange(21),
        "delete": lambda: b"",
        "read": lambda: rng.choice([1, 3, 100]),
        "quiet read": lambda: 100,
    }
    names = list(kinds)
    weights = [4, 2, 1, 1, 1, 1, 6, 1]
    for _ in range(count):
        chosen = rng.choices(names, weights, k=rng.randrange(1, 12))
        operations = [(name, kinds[name]()) for name in chosen]
        try:
            replay(path, operations)
        except AssertionError as exc:
            raise AssertionError(f"{operations}: {exc}") from exc


def replay(path: Path, operations: Sequence[Operation]) -> None:  # noqa: C901
    """Do *operations* to a log, and read it as a tick does, against an oracle."""
    path.unlink(missing_ok=True)
    content, written = b"", None
    lines = b""
    cursor: Cursor | None = None
    for name, value in [*operations, ("read", 100)]:
        if name == "append":
            assert isinstance(value, bytes)
            content += value
        elif name == "finish":
            content += b"\n"
        elif name == "rewrite":
            assert isinstance(value, bytes)
            content = value
        elif name == "truncate":
            assert isinstance(value, int)
            content = content[:value]
        elif name == "flip" and content:
            assert isinstance(value, int)
            at = value % len(content)
            content = content[:at] + b"c" + content[at + 1 :]
        elif name == "delete":
            content, cursor, lines = b"", None, b""
            path.unlink(missing_ok=True)
            written = None
        if content != written:
            overwrite(path, content)
            written = content
        if "read" not in name:
            continue
        assert isinstance(value, int)
        is_quiet = name == "quiet read"
        with LogReader(str(path), cursor, use_open_line=is_quiet) as reader:
            if reader.is_from_zero:
                lines = b""
            found = list(reader.chunks(value))
            lines += b"".join(chunk.data for chunk in found)
            cursor = reader.cursor
        wanted = content[: content.rfind(b"\n") + 1]
        if cursor.open_line:
            wanted = content + b"\n"
        assert lines == wanted
        fresh = read(path, use_open_line=cursor.open_line)[1]
        assert cursor == replace(fresh, guard=cursor.guard) == fresh
