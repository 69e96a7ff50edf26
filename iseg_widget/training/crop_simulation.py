"""Simulated views: target crops and focus crops of FocalClick (Sec. 4.1), and random crops."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from iseg_widget.masks import box_of
from iseg_widget.training.augmentation import Target

ROTATION_PROBABILITY = 0.2
ROTATION_DEGREES = 15.0
FLIP_PROBABILITY = 0.5
CONTRAST = 0.3
BRIGHTNESS = 30.0
CHANNEL_SHIFT = 12.0
GREY_PROBABILITY = 0.04
SMALLEST_FOCUS = 12.0
SMALLEST_TRUTH = 20
"""Views that show fewer pixels of the object are drawn again."""

CROP_ATTEMPTS = 10
"""Random crops of an image before one is taken about a pixel of the object."""

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class FocusRanges:
    """How focus crops are drawn (Sec. 4.1).

    ``focus_object`` is the probability of the object's own box as focus crop, ``focus_length`` the
    range of a local focus crop's length against the object's, ``focus_expansion`` the range of the
    factor by which both grow.
    """

    focus_object: float
    focus_length: tuple[float, float]
    focus_expansion: tuple[float, float]


@dataclass(frozen=True)
class Window:
    """A rectangle of the source image that fills a view, maybe turned and mirrored.

    ``centre`` (x, y) and ``size`` (width, height) are in pixels of the source.
    """

    centre: tuple[float, float]
    size: tuple[float, float]
    degrees: float
    mirrored: bool

    def matrix(self, size: tuple[int, int], box: Box | None = None) -> NDArray[np.float64]:
        """Affine map from pixels of a result of ``size`` (H, W) to pixels of the source.

        ``box`` (fractions 0..1 of the window) selects a part of it, as a focus crop does.
        """
        x0, y0, x1, y1 = box or (0.0, 0.0, 1.0, 1.0)
        rows, columns = size
        # Result pixel -> fraction of the window, measured from its centre.
        to_fraction = np.array(
            [
                [(x1 - x0) / columns, 0, x0 + 0.5 * (x1 - x0) / columns - 0.5],
                [0, (y1 - y0) / rows, y0 + 0.5 * (y1 - y0) / rows - 0.5],
                [0, 0, 1],
            ]
        )
        turn = np.deg2rad(self.degrees)
        sign = -1.0 if self.mirrored else 1.0
        width, height = self.size
        to_source = np.array(
            [
                [sign * width * np.cos(turn), -height * np.sin(turn), self.centre[0] - 0.5],
                [sign * width * np.sin(turn), height * np.cos(turn), self.centre[1] - 0.5],
                [0, 0, 1],
            ]
        )
        return np.asarray((to_source @ to_fraction)[:2], dtype=np.float64)


def _span(
    low: float, high: float, length: float, limit: int, rng: np.random.Generator
) -> tuple[float, float]:
    """Place a stretch of ``length`` inside 0..limit so that it covers low..high where it can."""
    length = min(length, float(limit))
    first = max(0.0, high - length)
    last = min(low, limit - length)
    if first > last:
        first, last = min(first, last), max(first, last)
    start = rng.uniform(max(0.0, first), max(0.0, min(last, limit - length)) + 1e-6)
    return start + length / 2, length


def draw_window(
    truth: NDArray[np.bool_],
    rng: np.random.Generator,
    *,
    whole: bool,
    expansion: tuple[float, float],
    rotation: float = ROTATION_PROBABILITY,
    flip: float = FLIP_PROBABILITY,
) -> Window:
    """Draw a target crop.

    ``whole`` stands for the first click, which sees the (nearly) whole image; otherwise the
    object's box is expanded by a factor drawn from ``expansion`` (the procedure uses 1.4), with
    its own small variation along each axis. Both keep the object inside. ``rotation`` and ``flip``
    are probabilities of a turn by up to 15 degrees and of a mirrored view.
    """
    height, width = truth.shape
    box = box_of(truth)
    if box is None:
        raise ValueError("the target has no pixel to crop around")
    x0, y0, x1, y1 = box
    if whole:
        keep = rng.uniform(0.6, 1.0) if rng.random() < 0.6 else 1.0
        lengths = (
            max(x1 - x0, width * keep * rng.uniform(0.9, 1.0)),
            max(y1 - y0, height * keep * rng.uniform(0.9, 1.0)),
        )
    else:
        factor = rng.uniform(*expansion)
        lengths = (
            max(16.0, (x1 - x0) * factor * rng.uniform(0.88, 1.12)),
            max(16.0, (y1 - y0) * factor * rng.uniform(0.88, 1.12)),
        )
    centre_x, size_x = _span(x0, x1, lengths[0], width, rng)
    centre_y, size_y = _span(y0, y1, lengths[1], height, rng)
    return Window((centre_x, centre_y), (size_x, size_y), *_turn(rng, rotation, flip))


def _turn(rng: np.random.Generator, rotation: float, flip: float) -> tuple[float, bool]:
    """Draw a window's turn in degrees, and whether it is mirrored."""
    turned = rng.random() < rotation
    degrees = float(rng.uniform(-ROTATION_DEGREES, ROTATION_DEGREES)) if turned else 0.0
    return degrees, bool(rng.random() < flip)


def _offset(low: float, high: float, length: float, crop: int, rng: np.random.Generator) -> int:
    """Draw where ``crop`` pixels of ``length`` begin, so that they meet low..high.

    Whatever is shorter than the crop lies in its middle: the offset is then negative.
    """
    room = math.floor(length - crop + 1e-6)
    if room < 0:
        return math.floor((length - crop) / 2)
    first = min(room, max(0, math.floor(low - crop) + 1))
    last = min(room, max(first, math.ceil(high) - 1))
    return int(rng.integers(first, last + 1))


def _about(place: float, length: float, crop: int) -> int:
    """Where ``crop`` pixels of ``length`` begin that have a place in the middle if they can."""
    room = math.floor(length - crop + 1e-6)
    if room < 0:
        return math.floor((length - crop) / 2)
    return min(room, max(0, round(place - crop / 2)))


def draw_crop(
    truth: NDArray[np.bool_],
    rng: np.random.Generator,
    *,
    size: tuple[int, int],
    scale: float,
    rotation: float,
    flip: float,
) -> Window:
    """Draw a random crop of the scaled image that shows at least a part of the object.

    As the papers' own training does (FCA-Net Sec. 3.5, FocalClick Sec. 4.1, IA-FPN Sec. 4.1,
    FocusCut Sec. 4.1). Crops begin at whole pixels of the scaled image, all those that show some
    pixels of the object being alike. An image that is smaller than the crop lies in its middle;
    what is outside is not valid, and black as in RITM's and FocalClick's published code.

    Parameters
    ----------
    truth: the object ``(H, W)``; ``ValueError`` when it is empty.
    rng: source of randomness.
    size: (height, width) of the crop in pixels of the scaled image.
    scale: its size against the source's.
    rotation, flip: as for :func:`draw_window`.
    """
    box = box_of(truth)
    if box is None:
        raise ValueError("the target has no pixel to crop around")
    rows, columns = (length * scale for length in truth.shape)
    low_x, low_y, high_x, high_y = (edge * scale for edge in box)
    for _ in range(CROP_ATTEMPTS):
        left = _offset(low_x, high_x, columns, size[1], rng)
        top = _offset(low_y, high_y, rows, size[0], rng)
        x0, y0, x1, y1 = (
            max(0, round(edge / scale)) for edge in (left, top, left + size[1], top + size[0])
        )
        if np.count_nonzero(truth[y0:y1, x0:x1]) * scale**2 >= SMALLEST_TRUTH:
            break
    else:
        places = np.flatnonzero(truth)
        y, x = divmod(int(places[rng.integers(len(places))]), truth.shape[1])
        left = _about(x * scale, columns, size[1])
        top = _about(y * scale, rows, size[0])
    return Window(
        ((left + size[1] / 2) / scale, (top + size[0] / 2) / scale),
        (size[1] / scale, size[0] / scale),
        *_turn(rng, rotation, flip),
    )


def draw_focus(
    truth: NDArray[np.bool_],
    rng: np.random.Generator,
    ranges: FocusRanges,
) -> Box:
    """Draw a focus crop in pixels of the target crop ``truth`` (H, W).

    Either the object's box, or a box centred on its boundary whose sides are about a fraction
    drawn from ``focus_length`` of the object's longer one; then expanded.
    """
    height, width = truth.shape
    box = box_of(truth)
    if box is None:
        return (0.0, 0.0, float(width), float(height))
    x0, y0, x1, y1 = box
    centre = ((x0 + x1) / 2, (y0 + y1) / 2)
    size = (float(x1 - x0), float(y1 - y0))
    if rng.random() >= ranges.focus_object:
        mask = truth.astype(np.uint8)
        rows, columns = np.nonzero(mask - cv2.erode(mask, np.ones((3, 3), np.uint8)))
        if len(rows):
            index = int(rng.integers(len(rows)))
            centre = (float(columns[index]), float(rows[index]))
            edge = rng.uniform(*ranges.focus_length) * max(size)
            size = (edge * rng.uniform(0.75, 1.33), edge * rng.uniform(0.75, 1.33))
    factor = rng.uniform(*ranges.focus_expansion)
    half_x = max(SMALLEST_FOCUS, size[0] * factor) / 2
    half_y = max(SMALLEST_FOCUS, size[1] * factor) / 2
    return (
        max(0.0, centre[0] - half_x),
        max(0.0, centre[1] - half_y),
        min(float(width), centre[0] + half_x),
        min(float(height), centre[1] + half_y),
    )


def colour_table(rng: np.random.Generator, strength: float = 1.0) -> NDArray[np.uint8]:
    """Draw a ``(256, 1, 3)`` look-up table of contrast, brightness and channel shifts.

    ``strength`` 0..1: how far they may go; 0 changes nothing.
    """
    levels = np.arange(256, dtype=np.float32)[:, None]
    reach, most, single = (v * strength for v in (CONTRAST, BRIGHTNESS, CHANNEL_SHIFT))
    contrast = rng.uniform(1 - reach, 1 + reach)
    shift = rng.uniform(-most, most) + rng.uniform(-single, single, 3)
    table = (levels - 128.0) * contrast + 128.0 + shift
    return np.clip(table, 0, 255).astype(np.uint8)[:, None, :]


@dataclass(frozen=True)
class SimulatedView:
    """A training sample of one view.

    ``image`` is ``(3, H, W)`` in 0..1, ``truth`` and ``valid`` are ``(H, W)``, and so is
    ``others``: pixels of other objects, ``None`` when they are not known or not asked for.
    """

    image: NDArray[np.float32]
    truth: NDArray[np.bool_]
    valid: NDArray[np.bool_]
    others: NDArray[np.bool_] | None = field(default=None, kw_only=True)


@dataclass(frozen=True)
class SimulatedCrops(SimulatedView):
    """A training sample of FocalClick.

    ``image``, ``truth``, ``valid`` are the target crop; ``focus_box`` lies in it (pixels,
    half-open); ``focus`` shows that box as a square of side R, cut from the source image so that
    it carries the detail the target crop has lost.
    """

    focus_box: Box
    focus: SimulatedView


class Scissors:
    """Cuts views out of one target, all in the same drawn colours.

    Parameters
    ----------
    target: what is cut.
    rng: source of randomness.
    strength: of the changes of colours, see :func:`colour_table`.
    others: whether views tell where other objects are.
    black: outside of the image is black; otherwise its border is repeated there.
    """

    def __init__(
        self,
        target: Target,
        rng: np.random.Generator,
        strength: float = 1.0,
        *,
        others: bool = False,
        black: bool = False,
    ) -> None:
        self.image = target.image
        self.border = cv2.BORDER_CONSTANT if black else cv2.BORDER_REPLICATE
        masks = [target.truth, target.valid]
        if others and target.others is not None:
            masks.append(target.others)
        self.masks = [mask.astype(np.uint8) * 255 for mask in masks]
        self.table = colour_table(rng, strength)
        self.grey = rng.random() < GREY_PROBABILITY * strength

    def cut(self, matrix: NDArray[np.float64], size: tuple[int, int]) -> SimulatedView:
        """Cut a view of ``size`` (H, W); ``matrix`` maps its pixels to pixels of the source."""
        # Reduce by averaging: draw at twice the size when the source is much finer.
        step = float(np.abs(matrix[:, :2]).max())
        factor = 2 if step > 1.6 else 1
        fine = matrix.copy()
        fine[:, 2] += fine[:, :2].sum(1) * (0.5 / factor - 0.5)
        fine[:, :2] /= factor
        height, width = size

        def warp(source: NDArray[np.uint8], border: int) -> NDArray[np.uint8]:
            out = cv2.warpAffine(
                source,
                fine,
                (width * factor, height * factor),
                flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                borderMode=border,
            )
            if factor > 1:
                out = cv2.resize(out, (width, height), interpolation=cv2.INTER_AREA)
            return np.asarray(out, dtype=np.uint8)

        image = cv2.LUT(warp(self.image, self.border), self.table)
        if self.grey:
            image = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        planes = np.ascontiguousarray(image.transpose(2, 0, 1), dtype=np.float32) / 255.0
        truth, valid, *others = (
            np.asarray(warp(mask, cv2.BORDER_CONSTANT) > 127) for mask in self.masks
        )
        return SimulatedView(planes, truth, valid, others=others[0] if others else None)


def simulate(
    scissors: Scissors,
    window: Window,
    rng: np.random.Generator,
    *,
    size: tuple[int, int],
    focus_side: int,
    ranges: FocusRanges,
) -> SimulatedCrops:
    """Cut ``window`` as a target crop of ``size`` (H, W), and a focus crop in it."""
    view = scissors.cut(window.matrix(size), size)
    box = draw_focus(view.truth, rng, ranges)
    height, width = size
    fractions = (box[0] / width, box[1] / height, box[2] / width, box[3] / height)
    square = (focus_side, focus_side)
    focus = scissors.cut(window.matrix(square, fractions), square)
    return SimulatedCrops(view.image, view.truth, view.valid, box, focus, others=view.others)
