from __future__ import annotations

import io
import threading
from concurrent.futures import Future

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from iseg_widget.widget import pyramid
from iseg_widget.widget.pyramid import Encoded, PicturePyramid, TileKey, TileServer


def gradient(width: int, height: int) -> NDArray[np.uint8]:
    """Each pixel's place can be read from its colour; smooth, so that JPEG keeps it."""
    rows, columns = np.indices((height, width))
    return np.stack(
        [columns * 255 // width, rows * 255 // height, np.full_like(rows, 99)], -1
    ).astype(np.uint8)


def decoded(picture: Encoded) -> NDArray[np.uint8]:
    image = Image.open(io.BytesIO(picture.data))
    assert Image.MIME[image.format or ""] == picture.mime
    return np.asarray(image.convert("RGB"))


@pytest.mark.parametrize(
    ("size", "level"), [((640, 400), 0), ((2048, 2048), 0), ((3840, 2160), 1), ((12000, 8000), 3)]
)
def test_base_is_the_finest_level_that_goes_as_one_piece(size: tuple[int, int], level: int):
    image = np.zeros((size[1], size[0], 3), np.uint8)
    made = PicturePyramid(image)
    assert made.base_level == level
    shown = decoded(made.base()).shape
    assert np.abs(np.subtract(shown[:2], made.size(level)[::-1])).max() <= 1


def test_base_looks_like_the_image(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pyramid, "WHOLE_PIXELS", 1000)
    monkeypatch.setattr(pyramid, "BASE_PIXELS", 100_000)
    image = gradient(1301, 703)
    made = PicturePyramid(image)
    assert made.base_level == 2
    shown = decoded(made.base()).astype(int)
    exact = cv2.resize(image, shown.shape[1::-1], interpolation=cv2.INTER_AREA).astype(int)
    assert np.abs(shown - exact).max() <= 3


def test_small_pictures_are_exact():
    image = np.random.default_rng(0).integers(0, 255, (40, 30, 3), dtype=np.uint8)
    base = PicturePyramid(image).base()
    assert base.mime == "image/png"
    np.testing.assert_array_equal(decoded(base), image)


def test_tiles_cover_the_image_without_overlap(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pyramid, "WHOLE_PIXELS", 1000)
    monkeypatch.setattr(pyramid, "BASE_PIXELS", 1000)
    image = gradient(1301, 700)
    made = PicturePyramid(image)
    assert made.base_level == 5
    for level in range(made.base_level):
        seen = np.zeros(image.shape[:2], np.uint8)
        columns, rows = made.grid(level)
        for row in range(rows):
            for column in range(columns):
                key = TileKey(level, column, row)
                x0, y0, x1, y1 = made.box(key)
                seen[y0:y1, x0:x1] += 1
                tile = decoded(made.tile(key))
                assert tile.shape[:2] == (-(-(y1 - y0) >> level), -(-(x1 - x0) >> level))
                assert max(tile.shape[:2]) <= pyramid.TILE
                part = image[y0:y1, x0:x1].reshape(-1, 3).mean(0)
                np.testing.assert_allclose(tile.reshape(-1, 3).mean(0), part, atol=2)
        assert (seen == 1).all()


@pytest.mark.parametrize("key", [(0, 8, 0), (0, 0, 5), (1, 0, 0), (-1, 0, 0), (0, -1, 0)])
def test_there_is_no_such_tile(key: tuple[int, int, int]):
    made = PicturePyramid(np.zeros((2160, 3840, 3), np.uint8))
    with pytest.raises(ValueError, match="no tile"):
        made.tile(TileKey(*key))
    with pytest.raises(ValueError, match="no tile"):
        TileServer(made).request(TileKey(*key), print, print)


def test_cache_is_used_and_bounded(monkeypatch: pytest.MonkeyPatch):
    made = PicturePyramid(gradient(3840, 2160))
    one = made.tile(TileKey(0, 0, 0))
    assert made.tile(TileKey(0, 0, 0)) is one
    monkeypatch.setattr(pyramid, "CACHE_BYTES", 3 * len(one.data))
    for column in range(8):
        made.tile(TileKey(0, column, 1))
    assert sum(len(tile.data) for tile in made._cache.values()) == made._cached
    assert made._cached <= 3 * len(one.data)
    assert made.tile(TileKey(0, 0, 0)) is not one


def test_server_answers_on_a_thread_of_its_own_and_stops():
    server = TileServer(PicturePyramid(gradient(3840, 2160)))
    answer: Future[tuple[Encoded, str]] = Future()
    server.request(
        TileKey(0, 1, 1),
        lambda tile: answer.set_result((tile, threading.current_thread().name)),
        answer.set_exception,
    )
    tile, thread = answer.result(20)
    assert decoded(tile).shape == (512, 512, 3)
    assert thread.startswith("iseg-tiles")
    server.close()
    server.close()
    server.request(TileKey(0, 1, 2), lambda _: pytest.fail("it is closed"), print)


def test_server_tells_what_went_wrong(monkeypatch: pytest.MonkeyPatch):
    server = TileServer(PicturePyramid(gradient(3840, 2160)))
    monkeypatch.setattr(pyramid.cv2, "imencode", lambda *_: (False, None))
    answer: Future[Encoded] = Future()
    server.request(TileKey(0, 0, 0), answer.set_result, answer.set_exception)
    with pytest.raises(ValueError, match="could not be encoded"):
        answer.result(20)
