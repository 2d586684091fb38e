"""What is opened lies where its path says, whatever is swapped in meanwhile."""

import ctypes
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from mlreport_batch.find import listing
from mlreport_batch.find.listing import list_folder
from mlreport_batch.safety import files
from mlreport_batch.safety.contents import read_head
from mlreport_batch.safety.files import open_regular, opened_folder
from ticking import Desk

CSV = "step,loss\n1,0.5\n2,0.25\n"
SECRET = "step,loss\n1,666.5\n2,666.25\n"
_EXCHANGE = 2


def swap(first: Path, second: Path) -> None:
    """Exchange two names at once, as only the kernel can."""
    libc = ctypes.CDLL(None, use_errno=True)
    here = -100  # AT_FDCWD
    names = [os.fsencode(first), os.fsencode(second)]
    if libc.renameat2(here, names[0], here, names[1], _EXCHANGE):
        raise OSError(ctypes.get_errno(), "renameat2")


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    return Desk(tmp_path, capsys)


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder that no config names, with what nobody shall read."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "metrics.csv").write_text(SECRET)
    (folder / "intent.yaml").write_text("purpose: a secret purpose\n")
    (folder / "secret-model.ckpt").write_text("x")
    return folder


def swapped_at(
    monkeypatch: pytest.MonkeyPatch, number: int, first: Path, second: Path
) -> Callable[[], int]:
    """Swap two folders just before the opening *number* of anything in the first."""
    real, calls = os.open, 0

    def opening(path: str, *args: int, **options: int) -> int:
        nonlocal calls
        inside = isinstance(path, str) and path.startswith(str(first))
        calls += inside
        if not (inside and calls == number):
            return real(path, *args, **options)
        swap(first, second)
        try:
            return real(path, *args, **options)
        finally:
            swap(first, second)

    monkeypatch.setattr(files.os, "open", opening)
    return lambda: calls


@pytest.mark.parametrize("number", range(1, 9))
def test_a_folder_that_is_swapped_for_a_link_shows_nothing_of_where_it_leads(
    desk: Desk, outside: Path, monkeypatch: pytest.MonkeyPatch, number: int
):
    desk.put("a/metrics.csv", CSV)
    desk.put("a/intent.yaml", "purpose: all may know\n")
    link = desk.folder / "link"
    link.symlink_to(outside)
    now = time.time()
    config = desk.config()
    with monkeypatch.context() as patch:
        calls = swapped_at(patch, number, desk.runs / "a", link)
        desk.tick(config, now)
        if calls() < number:
            assert number > 4
    desk.append("a/metrics.csv", "3,0.125\n")
    desk.tick(config, now + 100)
    texts = "\n".join(desk.texts())
    assert "666.5" not in texts
    assert "666.25" not in texts
    assert "secret" not in texts
    assert "loss 0.125" in texts
    assert "all may know" in texts


def test_a_folder_that_is_swapped_while_it_is_listed_is_listed_as_it_was(
    desk: Desk, outside: Path, monkeypatch: pytest.MonkeyPatch
):
    folder, link = desk.runs / "a", desk.folder / "link"
    desk.put("a/metrics.csv", CSV)
    desk.put("a/model.ckpt", "x")
    link.symlink_to(outside)
    real = os.scandir

    def scanning(path: str) -> object:
        swap(folder, link)
        return real(path)

    monkeypatch.setattr(listing.os, "scandir", scanning)
    found = list_folder(str(folder), root=str(desk.runs))
    swap(folder, link)
    assert list(found.checkpoints) == ["model.ckpt"]
    assert "666.5" not in str(found)


def test_a_folder_that_is_swapped_all_the_time_shows_nothing_either(
    desk: Desk, outside: Path
):
    desk.put("a/metrics.csv", CSV)
    link, folder = desk.folder / "link", desk.runs / "a"
    link.symlink_to(outside)
    ends = threading.Event()

    def swap_on() -> None:
        while not ends.is_set():
            swap(folder, link)
            swap(folder, link)

    thread = threading.Thread(target=swap_on)
    thread.start()
    try:
        for _ in range(300):
            with suppress(OSError):
                found = list_folder(str(folder), root=str(desk.runs))
                assert "secret-model.ckpt" not in found.checkpoints
            with suppress(OSError):
                assert read_head(str(folder / "metrics.csv")) == CSV.encode()
    finally:
        ends.set()
        thread.join()


@pytest.mark.parametrize("has_proc", [True, False])
def test_only_what_is_reached_by_no_link_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, has_proc: bool
):
    real = tmp_path / "real" / "folder"
    real.mkdir(parents=True)
    (real / "metrics.csv").write_text(CSV)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    if not has_proc:

        def missing(path: str) -> str:
            raise FileNotFoundError(path)

        monkeypatch.setattr(files.os, "readlink", missing)
    os.close(open_regular(f"{real}/metrics.csv"))
    os.close(open_regular(f"/{real}//metrics.csv"))
    with opened_folder(str(real)) as descriptor:
        assert os.listdir(descriptor) == ["metrics.csv"]
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        with pytest.raises(OSError, match="symlink"):
            open_regular(f"{tmp_path}/link/folder/metrics.csv")
        with (
            pytest.raises(NotADirectoryError, match="link"),
            opened_folder(f"{tmp_path}/link/folder"),
        ):
            pass
    assert len(os.listdir("/proc/self/fd")) == before


def test_strange_names_are_where_they_are(tmp_path: Path):
    for name in ("한글 (deleted)", "a\nb", "\udcff", "x (deleted)"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "metrics.csv").write_text(CSV)
        assert read_head(f"{folder}/metrics.csv") == CSV.encode()


@pytest.mark.parametrize("is_replaced", [True, False])
def test_a_file_that_is_replaced_or_deleted_as_it_is_opened_is_no_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_replaced: bool
):
    path, fresh = tmp_path / "metrics.csv", tmp_path / "fresh"
    path.write_text("old")
    fresh.write_text("new")
    real = os.open

    def opening(*args: str, **options: int) -> int:
        descriptor = real(*args, **options)  # type: ignore[arg-type]
        if args[0] == str(path) and fresh.exists():
            fresh.replace(path)
            if not is_replaced:
                path.unlink()
        return descriptor

    monkeypatch.setattr(files.os, "open", opening)
    if is_replaced:
        assert read_head(str(path)) == b"new"
    else:
        with pytest.raises(FileNotFoundError):
            read_head(str(path))
