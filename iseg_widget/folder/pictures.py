"""Decoding images, the next one before it is asked for."""

from __future__ import annotations

import contextlib
import threading
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from iseg_widget.annotation.file import image_sha256
from iseg_widget.images import RGB, read_image

AHEAD_PIXELS = 64_000_000
"""Images with more pixels are not decoded ahead: two of them may be too much for the memory."""

_Key = tuple[Path, int, int]


@dataclass(frozen=True)
class Picture:
    """An image and what tells it from others.

    Attributes
    ----------
    pixels: ``(H, W, 3)`` uint8 RGB, read-only.
    sha256: of the pixels.
    """

    pixels: RGB
    sha256: str


class Pictures:
    """Reads image files; what was decoded ahead is there at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ahead: dict[_Key, Future[Picture | None]] = {}

    def read(self, path: Path) -> Picture:
        """Return an image; ``ValueError`` when it is missing or unreadable."""
        key = _key(path)
        with self._lock:
            future = None if key is None else self._ahead.pop(key, None)
            self._ahead.clear()
        ahead = None if future is None else future.result()
        return _decode(path) if ahead is None else ahead

    def prefetch(self, path: Path) -> None:
        """Begin to decode an image on a thread of its own; the one before is forgotten."""
        key = _key(path)
        if key is None:
            return
        with self._lock:
            if key in self._ahead:
                return
            self._ahead.clear()
            future = self._ahead[key] = Future()
        threading.Thread(
            target=_fill, args=(future, path), name="iseg-prefetch", daemon=True
        ).start()

    def forget(self) -> None:
        """Let go of what was decoded ahead."""
        with self._lock:
            self._ahead.clear()


def _key(path: Path) -> _Key | None:
    try:
        about = path.stat()
    except OSError:
        return None
    return path, about.st_mtime_ns, about.st_size


def _fill(future: Future[Picture | None], path: Path) -> None:
    found = None
    # Whatever goes wrong here goes wrong again, and is told, when the image is asked for.
    with contextlib.suppress(Exception):
        if _pixels(path) <= AHEAD_PIXELS:
            found = _decode(path)
    future.set_result(found)


def _pixels(path: Path) -> int:
    from PIL import Image

    with Image.open(path) as image:
        return image.width * image.height


def _decode(path: Path) -> Picture:
    try:
        pixels = read_image(path)
    except ValueError:
        raise
    except Exception as error:  # a damaged file may raise anything
        raise ValueError(f"cannot read an image from {path}: {error}") from error
    pixels.flags.writeable = False
    return Picture(pixels, image_sha256(pixels))
