"""Masks and pictures as bytes: the overlay, the image, the still picture of a saved notebook."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from iseg_widget.clicks import Click
from iseg_widget.masks import PackedMask, box_of

Mask = NDArray[np.bool_]
Box = tuple[int, int, int, int]

MAX_PIXELS = 1 << 24
"""Pixels of the largest picture and overlay that a page gets; beyond, every k-th pixel."""
MAX_SIDE = 8192
"""Longest side of such a picture (browsers limit their canvases)."""

LOSSLESS_PIXELS = 1 << 18
"""Up to this many pixels a picture is sent as PNG; beyond, as JPEG."""
JPEG_QUALITY = 95

STILL_SIDE = 640
"""Longest side of the still picture that is saved with the notebook."""

TINT = (37, 132, 255)
POSITIVE, NEGATIVE = (0, 158, 115), (213, 94, 0)


def grid_step(shape: tuple[int, int]) -> int:
    """How many pixels of the image (H, W) one pixel of the page's grid stands for, each way."""
    height, width = shape
    by_area = math.ceil(math.sqrt(height * width / MAX_PIXELS))
    return max(1, by_area, math.ceil(max(height, width) / MAX_SIDE))


_T = TypeVar("_T", bound=np.generic)


def to_grid(mask: NDArray[_T]) -> NDArray[_T]:
    """Return a map as the page sees it: itself, or its every k-th pixel for a huge image."""
    step = grid_step((mask.shape[0], mask.shape[1]))
    return mask[step // 2 :: step, step // 2 :: step] if step > 1 else mask


@dataclass(frozen=True, slots=True)
class Overlay:
    """A mask, or what changed in it, on its way to the page (see :mod:`.messages`).

    ``grid`` is (width, height); ``is_patch`` tells whether ``box`` holds only the change;
    ``data`` is ``None`` when nothing changed.
    """

    grid: tuple[int, int]
    box: Box
    is_patch: bool
    data: bytes | None


def encode_overlay(mask: Mask, previous: Mask | None = None) -> Overlay:
    """Encode a mask as seen by the page, whole or as a patch of ``previous``, whichever is less.

    Both masks are (h, w) bool on the page's grid (:func:`to_grid`).
    """
    height, width = mask.shape
    grid = (width, height)
    whole = Overlay(grid, (0, 0, width, height), is_patch=False, data=_packed(mask))
    if previous is None:
        return whole
    changed = box_of(mask ^ previous)
    if changed is None:
        return Overlay(grid, (0, 0, 0, 0), is_patch=True, data=None)
    x0, y0, x1, y1 = changed
    patch = Overlay(grid, changed, is_patch=True, data=_packed(mask[y0:y1, x0:x1]))
    return min(patch, whole, key=lambda overlay: len(overlay.data or b""))


def _packed(mask: Mask) -> bytes:
    return PackedMask.pack(np.ascontiguousarray(mask)).data


def _shrink(image: NDArray[np.uint8], factor: float) -> NDArray[np.uint8]:
    height, width = image.shape[:2]
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def encode_picture(image: NDArray[np.uint8]) -> tuple[str, bytes]:
    """Return the MIME type and the bytes of an (H, W, 3) uint8 RGB image for the page.

    Small ones are exact; larger ones are JPEG without colour subsampling, whose errors cannot
    be seen; huge ones are made smaller first.
    """
    from PIL import Image

    step = grid_step((image.shape[0], image.shape[1]))
    if step > 1:
        image = _shrink(image, 1 / step)
    out = io.BytesIO()
    picture = Image.fromarray(image)
    if image.shape[0] * image.shape[1] <= LOSSLESS_PIXELS:
        picture.save(out, "PNG", compress_level=1)
        return "image/png", out.getvalue()
    picture.save(out, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    return "image/jpeg", out.getvalue()


def still_png(
    image: NDArray[np.uint8], mask: Mask, clicks: Sequence[Click], opacity: float
) -> bytes:
    """Return a small PNG of image, mask and clicks: what a reader without a kernel sees.

    ``image`` is (H, W, 3) uint8 RGB, ``mask`` (H, W) bool, ``opacity`` 0 to 1.
    """
    from PIL import Image, ImageDraw

    factor = min(1.0, STILL_SIDE / max(image.shape[:2]))
    small = _shrink(image, factor) if factor < 1 else image
    height, width = small.shape[:2]
    cover = cv2.resize(mask.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
    weight = (cover * opacity)[:, :, None]
    blended = small * (1 - weight) + np.asarray(TINT, np.float32) * weight
    inside = (cover > 0.5).astype(np.uint8)
    outline = inside - cv2.erode(inside, np.ones((3, 3), np.uint8))
    blended[outline.astype(bool)] = TINT
    picture = Image.fromarray(blended.round().astype(np.uint8))
    pen = ImageDraw.Draw(picture)
    for click in clicks:
        x, y = (click.x + 0.5) * width / image.shape[1], (click.y + 0.5) * height / image.shape[0]
        place = (x - 5, y - 5, x + 5, y + 5)
        if click.positive:
            pen.ellipse(place, fill=POSITIVE, outline="white")
        else:
            pen.rectangle(place, fill=NEGATIVE, outline="white")
    out = io.BytesIO()
    picture.quantize(256).save(out, "PNG")
    return out.getvalue()
