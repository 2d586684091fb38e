"""Pictures are drawn anew: small, without what else stood in their files."""

import numpy as np  # noqa: TID253
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlreport_batch.render import pictures
from mlreport_batch.render.png import pack_png
from picture_files import JPEG, pixels_of, png, stating


def chunks(data: bytes) -> set[bytes]:
    found, at = set(), 8
    while at < len(data):
        found.add(data[at + 4 : at + 8])
        at += 12 + int.from_bytes(data[at : at + 4], "big")
    return found


def test_a_picture_keeps_its_look_and_nothing_else():
    original = png(note=b"taken at home")
    found = pictures.drawn_anew(original)
    assert found is not None
    data, width, height = found
    assert (width, height) == (30, 20)
    assert pixels_of(data) == pixels_of(png())
    assert b"home" not in data
    assert chunks(data) == {b"IHDR", b"PLTE", b"IDAT", b"IEND"}


def test_a_jpeg_becomes_a_png():
    found = pictures.drawn_anew(JPEG)
    assert found is not None
    assert found[1:] == (24, 16)
    assert chunks(found[0]) == {b"IHDR", b"PLTE", b"IDAT", b"IEND"}
    assert pictures.size_of(JPEG) == (24, 16)


def photo(side: int, noise: int) -> bytes:
    """Return a PNG in which colours go over into others, with noise on them."""
    down, right = np.mgrid[:side, :side] * 255 // side
    plain = np.stack([right, 0 * down + 128, down, 0 * down], axis=2)
    grain = np.random.default_rng(0).integers(-noise, noise + 1, plain.shape)
    pixels = (plain + grain).clip(0, 255).astype(np.uint8)
    return pack_png(pixels.tobytes(), side, side)


def test_a_large_picture_is_made_small():
    found = pictures.drawn_anew(png(1000, 500))
    assert found is not None
    assert found[1:] == (480, 240)
    assert len(found[0]) <= pictures.PNG_MAX


@pytest.mark.parametrize(("noise", "wide"), [(0, 480), (20, 320), (255, 320)], ids=str)
def test_a_photo_costs_a_mail_no_more_than_its_bound(noise: int, wide: int):
    found = pictures.drawn_anew(photo(480, noise))
    assert found is not None
    data, *size = found
    assert size == [wide, wide]
    assert len(data) <= pictures.PNG_MAX == 150_000


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GIF89a",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        png()[:-20],
        JPEG[:-40],
        stating(60_000, 60_000),
        stating(0, 10),
        pack_png(b"\xff" * 400, 10, 10),
        b"\xff\xd8\xff\xd9",
        b"\xff\xd8\xff\xe0\x00\x00" + b"\xff\xd9",
    ],
    ids=range(10),
)
def test_what_is_no_whole_picture_is_left_out(data: bytes):
    assert pictures.drawn_anew(data) is None


@given(
    st.binary(max_size=200), st.sampled_from([b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"])
)
@settings(max_examples=30)
def test_no_bytes_make_reading_a_size_fail(data: bytes, start: bytes):
    end = b"IEND\xaeB`\x82" if start.startswith(b"\x89") else b"\xff\xd9"
    found = pictures.size_of(start + data + end)
    assert found is None or len(found) == 2


def test_a_picture_of_too_many_pixels_is_not_decoded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pictures, "_PIXELS_MAX", 599)
    assert pictures.drawn_anew(png()) is None
    monkeypatch.setattr(pictures, "_PIXELS_MAX", 600)
    assert pictures.drawn_anew(png()) is not None
