"""Small folders in the layout of the benchmarks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

SHAPE = (12, 16)


def write_image(path: Path, shape: tuple[int, int] = SHAPE, value: int = 90) -> np.ndarray:
    """A grey RGB image with one bright pixel in the top-left corner."""
    pixels = np.full((*shape, 3), value, np.uint8)
    pixels[0, 0] = 255, 0, 0
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return pixels


def write_mask(path: Path, values: dict[int, tuple[slice, slice]]) -> np.ndarray:
    """A mask of 0 with rectangles of other values."""
    pixels = np.zeros(SHAPE, np.uint8)
    for value, where in values.items():
        pixels[where] = value
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return pixels


OBJECT = (slice(3, 9), slice(4, 10))
BAND = (slice(2, 3), slice(4, 10))


def write_pair(root: Path, stem: str, values: dict[int, tuple[slice, slice]] | None = None) -> None:
    """``images/<stem>.png`` and ``masks/<stem>.png``; without values, one object of 255."""
    write_image(root / "images" / f"{stem}.png")
    write_mask(root / "masks" / f"{stem}.png", {255: OBJECT} if values is None else values)
