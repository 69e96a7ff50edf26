"""A large picture as a pyramid of tiles, encoded when a page asks for them.

Level 0 is the image; every level has half the pixels of the one below, each way. The page gets
the *base* with the widget: the finest level that is small enough to go as one picture. Of the finer
levels it asks for the tiles in sight. They are cut from the image and encoded on threads of their
own, so that a click never waits for them.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from iseg_widget.views import Box, cut

RGB = NDArray[np.uint8]

TILE = 512
"""Side of a tile in pixels of its level."""

WHOLE_PIXELS = 1 << 22
"""Up to this many pixels a picture goes as one piece."""

BASE_PIXELS = 1 << 21
"""Most pixels of the base of a larger one: it is quickly there, and sharp until one zooms in."""

LOSSLESS_PIXELS = 1 << 18
"""Up to this many pixels a picture is sent as PNG; beyond, as JPEG."""

JPEG_QUALITY = 92
"""Without colour subsampling, errors at this quality cannot be seen."""

CACHE_BYTES = 32 << 20
"""Encoded tiles that are kept for a second view or a reload."""


@dataclass(frozen=True, slots=True)
class TileKey:
    """Which tile: its level, and its place there counted in tiles."""

    level: int
    column: int
    row: int


@dataclass(frozen=True, slots=True)
class Encoded:
    """A picture as bytes of a MIME type."""

    mime: str
    data: bytes


def encode(image: RGB, *, lossless: bool) -> Encoded:
    """Encode ``(h, w, 3)`` uint8 RGB as PNG, or as JPEG without colour subsampling."""
    pixels = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    if lossless:
        done, data = cv2.imencode(".png", pixels, (cv2.IMWRITE_PNG_COMPRESSION, 1))
    else:
        settings = (
            *(cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY),
            *(cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444),
        )
        done, data = cv2.imencode(".jpg", pixels, settings)
    if not done:
        raise ValueError(f"a picture of shape {image.shape} could not be encoded")
    return Encoded("image/png" if lossless else "image/jpeg", data.tobytes())


class PicturePyramid:
    """The levels of an image; thread-safe.

    Parameters
    ----------
    image: ``(H, W, 3)`` uint8 RGB; kept, not copied.
    """

    def __init__(self, image: RGB) -> None:
        self.image = image
        self.height, self.width = image.shape[:2]
        level = 0
        if self.height * self.width > WHOLE_PIXELS:
            while np.prod(self.size(level)) > BASE_PIXELS:
                level += 1
        self.base_level = level
        self._lock = threading.Lock()
        self._base: Encoded | None = None
        self._cache: OrderedDict[TileKey, Encoded] = OrderedDict()
        self._cached = 0

    def size(self, level: int) -> tuple[int, int]:
        """Return (width, height) of a level in its pixels; parts of pixels at the end count."""
        return -(-self.width >> level), -(-self.height >> level)

    def grid(self, level: int) -> tuple[int, int]:
        """Return the numbers of columns and rows of tiles of a level."""
        width, height = self.size(level)
        return -(-width // TILE), -(-height // TILE)

    def box(self, key: TileKey) -> Box:
        """Return the part of the image that a tile shows, in the image's pixels.

        Raises
        ------
        ValueError: there is no such tile.
        """
        columns, rows = self.grid(key.level) if 0 <= key.level < self.base_level else (0, 0)
        if not (0 <= key.column < columns and 0 <= key.row < rows):
            raise ValueError(
                f"there is no tile {key.column}, {key.row} of level {key.level}: the picture has "
                f"{self.base_level} levels of tiles"
            )
        side = TILE << key.level
        x, y = key.column * side, key.row * side
        return x, y, min(x + side, self.width), min(y + side, self.height)

    def base(self) -> Encoded:
        """Return the base, encoded; small images are exact."""
        with self._lock:
            if self._base is None:
                whole = _halved(self.image, self.base_level)
                lossless = self.width * self.height <= LOSSLESS_PIXELS
                self._base = encode(whole, lossless=lossless)
            return self._base

    def tile(self, key: TileKey) -> Encoded:
        """Return a tile, encoded; ``ValueError`` where there is none."""
        box = self.box(key)
        with self._lock:
            found = self._cache.get(key)
            if found is not None:
                self._cache.move_to_end(key)
                return found
        made = encode(self._reduced(box, key.level), lossless=False)
        with self._lock:
            if key not in self._cache:
                self._cache[key] = made
                self._cached += len(made.data)
            while self._cached > CACHE_BYTES and len(self._cache) > 1:
                self._cached -= len(self._cache.popitem(last=False)[1].data)
        return made

    def _reduced(self, box: Box, level: int) -> RGB:
        part = cut(self.image, box)
        if level == 0:
            return part
        size = (-(-(box[2] - box[0]) >> level), -(-(box[3] - box[1]) >> level))
        return np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA), np.uint8)


def _halved(image: RGB, times: int) -> RGB:
    """Return an image halved several times, an odd last row or column left out each time.

    Halving even sides is several times as fast as other reductions.
    """
    for _ in range(times):
        size = (max(1, image.shape[1] // 2), max(1, image.shape[0] // 2))
        even = image[: max(1, 2 * size[1]), : max(1, 2 * size[0])]
        image = np.asarray(cv2.resize(even, size, interpolation=cv2.INTER_AREA), np.uint8)
    return image


class TileServer:
    """Encodes tiles on threads of its own.

    Parameters
    ----------
    pyramid: where tiles come from.
    threads: how many; default: half of the machine's cores, for a click is worth more.
    """

    def __init__(self, pyramid: PicturePyramid, threads: int | None = None) -> None:
        self.pyramid = pyramid
        self._threads = threads or max(1, (os.cpu_count() or 2) // 2)
        self._pool: ThreadPoolExecutor | None = None
        self._closed = False
        self._lock = threading.Lock()

    def request(
        self,
        key: TileKey,
        done: Callable[[Encoded], None],
        failed: Callable[[Exception], None],
    ) -> None:
        """Call ``done`` with a tile from a thread of the server.

        Raises
        ------
        ValueError: there is no such tile.
        """
        self.pyramid.box(key)
        with self._lock:
            if self._closed:
                return
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self._threads, "iseg-tiles")
            self._pool.submit(self._answer, key, done, failed)

    def close(self) -> None:
        """Forget what is asked for. May be called again."""
        with self._lock:
            self._closed = True
            if self._pool is not None:
                self._pool.shutdown(wait=False, cancel_futures=True)

    def _answer(
        self,
        key: TileKey,
        done: Callable[[Encoded], None],
        failed: Callable[[Exception], None],
    ) -> None:
        try:
            done(self.pyramid.tile(key))
        except Exception as error:  # noqa: BLE001 - there is nobody here to raise to
            failed(error)
