"""More out of the data at hand: merged objects, parts, and objects copied onto other images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import cv2
import numpy as np
from numpy.typing import NDArray

from iseg_widget.masks import box_of

Image = NDArray[np.uint8]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Target:
    """An image ``(H, W, 3)`` uint8, its object ``(H, W)`` bool and its valid pixels.

    ``others`` are the pixels of other objects; ``None`` when it is not known what there is.
    """

    image: Image
    truth: Mask
    valid: Mask
    others: Mask | None = None


def _joined(first: Mask | None, second: Mask) -> Mask:
    return second if first is None else first | second


@dataclass(frozen=True)
class Augmentation:
    """How often objects are changed before they are cut, each a probability.

    The defaults are what this package's first recipes were trained with.

    Attributes
    ----------
    merge: two objects that touch count as one, where there are such. RITM's published training
        merges objects with 0.15.
    merge_apart: two objects of an image count as one although they do not touch. Not of a paper.
    part: a part of an object with labelled parts is the target instead of the whole.
    paste: the target is copied onto the image of another one, where it covers what is there. Not
        of a paper.
    cover: another image's object is copied over the target, whose rest remains the target. Not of
        a paper.
    """

    merge: float = 0.12
    merge_apart: float = 0.0
    part: float = 0.4
    paste: float = 0.0
    cover: float = 0.0

    def __post_init__(self) -> None:
        """Raise ``ValueError`` for what is no probability."""
        for entry in fields(self):
            value = getattr(self, entry.name)
            if not 0.0 <= value <= 1.0:
                raise ValueError(f"augment.{entry.name} must lie in 0..1, got {value!r}")
        if self.paste + self.cover > 1.0:
            raise ValueError(
                f"augment.paste and augment.cover exclude each other: {self.paste} and "
                f"{self.cover} are more than 1 together"
            )

    @classmethod
    def of(cls, settings: Mapping[str, float]) -> Augmentation:
        """Read a recipe's ``augment``; ``ValueError`` names unknown settings."""
        known = [entry.name for entry in fields(cls)]
        unknown = sorted(set(settings) - set(known))
        if unknown:
            raise ValueError(f"unknown augment settings {unknown}; accepted are {known}")
        return cls(**settings)


FEATHER = 1.0
"""Standard deviation in pixels of the soft edge of what is copied."""

PASTED = (0.3, 0.8)
"""Longer side of what is copied, as a fraction of the image's shorter one."""

COVERED = (0.4, 1.0)
"""Longer side of what covers a target, as a fraction of the target's."""

VISIBLE = 0.5
"""A target of which less than this fraction is left is not covered."""


def _transplant(
    source: Target, shape: tuple[int, int], length: float, rng: np.random.Generator
) -> tuple[Image, NDArray[np.float32]] | None:
    """Cut out an object at a new size, mirrored at random: its pixels and opacity."""
    box = box_of(source.truth)
    if box is None:
        return None
    x0, y0, x1, y1 = box
    scale = min(length / max(x1 - x0, y1 - y0), shape[0] / (y1 - y0), shape[1] / (x1 - x0))
    size = (max(1, round((x1 - x0) * scale)), max(1, round((y1 - y0) * scale)))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    pixels = cv2.resize(source.image[y0:y1, x0:x1], size, interpolation=how)
    opacity = cv2.resize(source.truth[y0:y1, x0:x1].astype(np.float32), size, interpolation=how)
    if rng.random() < 0.5:
        pixels, opacity = pixels[:, ::-1], opacity[:, ::-1]
    return np.asarray(pixels, np.uint8), np.asarray(opacity, np.float32)


def _put(
    onto: Image, pixels: Image, opacity: NDArray[np.float32], corner: tuple[int, int]
) -> tuple[Image, Mask]:
    """Lay pixels on an image, maybe over its border; return it and what they cover."""
    height, width = onto.shape[:2]
    whole = np.zeros((height, width), np.float32)
    colours = onto.copy()
    x, y = corner
    left, top = max(0, x), max(0, y)
    right, bottom = min(width, x + pixels.shape[1]), min(height, y + pixels.shape[0])
    inner = np.s_[top - y : bottom - y, left - x : right - x]
    whole[top:bottom, left:right] = opacity[inner]
    colours[top:bottom, left:right] = pixels[inner]
    covered = whole > 0.5
    soft = np.minimum(cv2.GaussianBlur(whole, (0, 0), FEATHER), whole)[:, :, None]
    mixed = onto * (1.0 - soft) + colours * soft
    return mixed.round().astype(np.uint8), covered


def paste(target: Target, scene: Target, rng: np.random.Generator) -> Target:
    """Copy the target onto the scene's image, somewhere inside, and make it the target there.

    The scene's target is another object then.
    """
    height, width = scene.truth.shape
    length = float(rng.uniform(*PASTED)) * min(height, width)
    cut = _transplant(target, (height, width), length, rng)
    if cut is None:
        return target
    pixels, opacity = cut
    corner = (
        int(rng.integers(width - pixels.shape[1] + 1)),
        int(rng.integers(height - pixels.shape[0] + 1)),
    )
    image, truth = _put(scene.image, pixels, opacity, corner)
    if not truth.any():
        return target
    others = _joined(scene.others, scene.truth) & ~truth
    return Target(image, truth, scene.valid | truth, others)


def cover(target: Target, other: Target, rng: np.random.Generator) -> Target:
    """Copy another object over the target's outline; the target is what is left of it.

    What covers it is another object. Returns the target as it is when too little would be left.
    """
    box = box_of(target.truth)
    if box is None:
        return target
    x0, y0, x1, y1 = box
    length = float(rng.uniform(*COVERED)) * max(x1 - x0, y1 - y0)
    height, width = target.truth.shape
    cut = _transplant(other, (height, width), length, rng)
    if cut is None:
        return target
    pixels, opacity = cut
    mask = target.truth.astype(np.uint8)
    rows, columns = np.nonzero(mask - cv2.erode(mask, np.ones((3, 3), np.uint8)))
    if len(rows) == 0:
        return target
    index = int(rng.integers(len(rows)))
    corner = (
        int(columns[index]) - pixels.shape[1] // 2,
        int(rows[index]) - pixels.shape[0] // 2,
    )
    image, covered = _put(target.image, pixels, opacity, corner)
    left = target.truth & ~covered
    if left.sum() < VISIBLE * target.truth.sum():
        return target
    return Target(image, left, target.valid | covered, _joined(target.others, covered))
