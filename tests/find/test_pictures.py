"""The newest pictures of a run are found, and nothing else is."""

import os
from pathlib import Path

from mlreport_batch.find.pictures import PICTURES_MAX, SIZE_MAX, newest_pictures


def put(path: Path, at: int, data: bytes = b"x") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    os.utime(path, ns=(at, at))


def names(folder: Path, since: int = 0) -> list[str]:
    return [each.path for each in newest_pictures(str(folder), since)]


def test_the_newest_pictures_are_found_wherever_they_lie(tmp_path: Path):
    for number in range(6):
        put(tmp_path / f"samples/epoch_{number}.png", 100 + number)
    put(tmp_path / "wandb/run-1/files/media/images/grid.JPG", 200)
    assert names(tmp_path) == [
        "wandb/run-1/files/media/images/grid.JPG",
        "samples/epoch_5.png",
        "samples/epoch_4.png",
    ]
    assert len(names(tmp_path)) == PICTURES_MAX
    assert names(tmp_path, 201) == []
    assert names(tmp_path / "gone") == []


def test_what_no_run_saved_as_a_sample_is_passed_over(tmp_path: Path):
    put(tmp_path / ".cache/a.png", 1)
    put(tmp_path / "data/cat.png", 1)
    put(tmp_path / "a/b/c/d/e/f/deep.png", 1)
    put(tmp_path / "empty.png", 1, b"")
    put(tmp_path / "notes.txt", 1)
    (tmp_path / "folder.png").mkdir()
    with (tmp_path / "large.png").open("wb") as file:
        file.truncate(SIZE_MAX + 1)
    outside = tmp_path.parent / "outside.png"
    put(outside, 1)
    (tmp_path / "link.png").symlink_to(outside)
    (tmp_path / "loop").symlink_to(tmp_path)
    assert names(tmp_path) == []
