"""Masks and pictures as bytes: the overlay, the image, the still picture of a saved notebook."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from iseg_widget.clicks import Click
from iseg_widget.masks import PackedMask
from iseg_widget.regions import Region
from iseg_widget.views import hull

if TYPE_CHECKING:
    from PIL.Image import Image as PilImage

Mask = NDArray[np.bool_]
Box = tuple[int, int, int, int]

WHOLE_PIXELS = 1 << 24
"""A mask whose box has more pixels is sent whole if that is short: it is packed already, while to
find what changed all of it would have to be looked at."""
WHOLE_BYTES = 1 << 17

MAX_PIXELS = 1 << 24
"""Pixels of the largest map that a page gets whole; beyond, every k-th pixel."""
MAX_SIDE = 8192
"""Longest side of such a map (browsers limit their canvases)."""

STILL_SIDE = 640
"""Longest side of the still picture that is saved with the notebook."""

TINT = (37, 132, 255)
POSITIVE, NEGATIVE = (0, 158, 115), (213, 94, 0)


def to_grid(mask: Mask) -> Mask:
    """Return a mask as a page that has no tiles sees it: itself, or every k-th pixel of it."""
    height, width = mask.shape
    by_area = math.ceil(math.sqrt(height * width / MAX_PIXELS))
    step = max(1, by_area, math.ceil(max(height, width) / MAX_SIDE))
    return mask[step // 2 :: step, step // 2 :: step] if step > 1 else mask


@dataclass(frozen=True, slots=True)
class Overlay:
    """A mask, or what changed in it, on its way to the page (see :mod:`.messages`).

    ``grid`` is (width, height); ``is_patch`` tells whether ``box`` holds only the change, else
    nothing is outside of it; ``data`` is ``None`` when the box is empty.
    """

    grid: tuple[int, int]
    box: Box
    is_patch: bool
    data: bytes | None


def encode_overlay(region: Region, previous: Region | None = None) -> Overlay:
    """Encode a mask, whole or as a patch of ``previous``, whichever is less.

    The cost is that of the boxes, not of the image.
    """
    height, width = region.shape
    grid = (width, height)
    nothing = (0, 0, 0, 0)
    if previous is None:
        return _whole(region)
    if region == previous:
        return Overlay(grid, nothing, is_patch=True, data=None)
    if region.box is None:
        return _whole(region)
    around = region.box if previous.box is None else hull(region.box, previous.box)
    pixels = (around[2] - around[0]) * (around[3] - around[1])
    if pixels > WHOLE_PIXELS and region.size <= WHOLE_BYTES and not region.related(previous):
        return _whole(region)
    changed = region.changed(previous)
    if changed is None:
        return Overlay(grid, nothing, is_patch=True, data=None)
    patch = PackedMask.pack(np.ascontiguousarray(region.window(changed))).data
    if len(patch) > region.size:
        return _whole(region)
    return Overlay(grid, changed, is_patch=True, data=patch)


def _whole(region: Region) -> Overlay:
    height, width = region.shape
    data = None if region.packed is None else region.packed.data
    return Overlay((width, height), region.box or (0, 0, 0, 0), is_patch=False, data=data)


def _shrink(image: NDArray[np.uint8], factor: float) -> NDArray[np.uint8]:
    height, width = image.shape[:2]
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    image = np.ascontiguousarray(image)
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def still_png(
    image: NDArray[np.uint8], mask: Mask, clicks: Sequence[Click], opacity: float
) -> bytes:
    """Return a small PNG of image, mask and clicks: what a reader without a kernel sees.

    ``image`` is (H, W, 3) uint8 RGB, ``mask`` (H, W) bool, ``opacity`` 0 to 1.
    """
    return _png(still_picture(image, mask, clicks, opacity))


def stills_png(
    image: NDArray[np.uint8],
    masks: Sequence[tuple[Mask, tuple[int, int, int]]],
    clicks: Sequence[Click],
    opacity: float,
) -> bytes:
    """Return a small PNG with a still picture for each of several masks and their tints."""
    from PIL import Image

    columns = min(len(masks), 3)
    side = STILL_SIDE // (1 if columns == 1 else 2)
    parts = [still_picture(image, mask, clicks, opacity, tint, side) for mask, tint in masks]
    width, height = parts[0].size
    gap = 6
    rows = math.ceil(len(parts) / columns)
    size = (columns * (width + gap) - gap, rows * (height + gap) - gap)
    page = Image.new("RGB", size, "white")
    for number, part in enumerate(parts):
        page.paste(part, (number % columns * (width + gap), number // columns * (height + gap)))
    return _png(page)


def _png(picture: PilImage) -> bytes:
    out = io.BytesIO()
    picture.quantize(256).save(out, "PNG")
    return out.getvalue()


def still_picture(
    image: NDArray[np.uint8],
    mask: Mask,
    clicks: Sequence[Click],
    opacity: float,
    tint: tuple[int, int, int] = TINT,
    side: int = STILL_SIDE,
) -> PilImage:
    """Return image, mask and clicks as a picture of at most ``side`` pixels; see above."""
    from PIL import Image, ImageDraw

    factor = min(1.0, side / max(image.shape[:2]))
    step = max(1, int(0.25 / factor))  # four samples a pixel are plenty
    sampled = image[step // 2 :: step, step // 2 :: step]
    small = _shrink(sampled, side / max(sampled.shape[:2])) if factor < 1 else image
    height, width = small.shape[:2]
    samples = mask[step // 2 :: step, step // 2 :: step].astype(np.float32)
    cover = cv2.resize(samples, (width, height), interpolation=cv2.INTER_AREA)
    weight = (cover * opacity)[:, :, None]
    blended = small * (1 - weight) + np.asarray(tint, np.float32) * weight
    inside = (cover > 0.5).astype(np.uint8)
    outline = inside - cv2.erode(inside, np.ones((3, 3), np.uint8))
    blended[outline.astype(bool)] = tint
    picture = Image.fromarray(blended.round().astype(np.uint8))
    pen = ImageDraw.Draw(picture)
    for click in clicks:
        x, y = (click.x + 0.5) * width / image.shape[1], (click.y + 0.5) * height / image.shape[0]
        place = (x - 5, y - 5, x + 5, y + 5)
        if click.positive:
            pen.ellipse(place, fill=POSITIVE, outline="white")
        else:
            pen.rectangle(place, fill=NEGATIVE, outline="white")
    return picture
