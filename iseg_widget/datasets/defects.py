"""Flawed initial masks made by super-pixels (FocalClick Sec. 3.2, Algorithm 1).

They turn any dataset into a benchmark of mask correction:

>>> from iseg_widget import datasets
>>> sample = datasets.with_defects(datasets.load("demo"), seed=0)[0]
>>> bool((sample.initial_mask == sample.mask).all())
False
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from iseg_widget.datasets.base import BaseDataset, BoolMask, Dataset, Sample, UInt8Image

Kind = Literal["boundary", "external", "internal"]
KINDS: tuple[Kind, ...] = get_args(Kind)
Labels = NDArray[np.int64]
_MOST_STEPS = 500
# Sides of the squares that stand in where super-pixels fail, by the root of the object's area.
_SQUARES = (0.2, 0.05)
_MOST_PIXELS = 1_000_000


@dataclass(frozen=True, slots=True)
class DefectOptions:
    """What Algorithm 1 leaves to choose.

    Parameters
    ----------
    min_iou, max_iou
        The range that the initial mask's IoU must lie in (paper: 0.75 to 0.85).
    shares
        Probability of a boundary error, an external false positive and an internal false negative
        at each step (paper, Sec. 3.2: 0.65, 0.25, 0.1; it writes "internal TN" for the last).
    superpixels
        Numbers of super-pixels to choose from at each step (paper: 50, 100, 200, 300, 500, 700).
    band
        Half the width of the boundary region, as a share of the square root of the object's area;
        at least one pixel. The paper erodes and dilates the mask but says not by how much; 0.05 is
        ours.

    Raises
    ------
    ValueError
        The range is not within 0 to 1, the shares are not three that add up to 1, or a number is
        not positive.
    """

    min_iou: float = 0.75
    max_iou: float = 0.85
    shares: tuple[float, float, float] = (0.65, 0.25, 0.10)
    superpixels: tuple[int, ...] = (50, 100, 200, 300, 500, 700)
    band: float = 0.05

    def __post_init__(self) -> None:
        if not 0 < self.min_iou < self.max_iou < 1:
            raise ValueError(
                f"0 < min_iou < max_iou < 1 is needed, got {self.min_iou} and {self.max_iou}"
            )
        if len(self.shares) != len(KINDS) or min(self.shares) < 0:
            raise ValueError(f"shares must be three numbers from 0, got {self.shares}")
        if abs(sum(self.shares) - 1) > 1e-6:
            raise ValueError(f"shares must add up to 1, got {self.shares}")
        if not self.superpixels or min(self.superpixels) < 1:
            raise ValueError(f"superpixels must be numbers from 1, got {self.superpixels}")
        if self.band <= 0:
            raise ValueError(f"band must be above 0, got {self.band}")


@dataclass(frozen=True, eq=False, slots=True)
class Defect:
    """A flawed mask and how it came about.

    Parameters
    ----------
    mask
        ``(H, W)`` bool; never equal to the true mask.
    iou
        Its IoU with the true mask; ignored pixels do not count.
    steps
        The error types that were applied, in order.
    reached
        Whether ``iou`` lies in the range. It cannot for objects of one or two pixels.
    """

    mask: BoolMask
    iou: float
    steps: tuple[Kind, ...]
    reached: bool


def simulate_defects(
    image: UInt8Image,
    mask: BoolMask,
    rng: np.random.Generator,
    *,
    ignore: BoolMask | None = None,
    options: DefectOptions | None = None,
) -> Defect:
    """Spoil a true mask until its IoU is in the range (FocalClick Algorithm 1).

    A step draws the error type and the number of super-pixels, segments the image by SLIC and
    merges one super-pixel into the mask:

    - boundary: one that lies across the object's outline is added whole or removed whole;
    - external: one that lies outside the object and its boundary region is added;
    - internal: one that lies in the object and not in its boundary region is removed.

    Differences from the paper: SLIC is scikit-image's, not fast-slic. The algorithm stops when a
    step takes the IoU below the minimum; here such super-pixels are not drawn, and only those are
    that make the mask worse, so that the error types keep their shares. When there is none, as many
    super-pixels of the object's surroundings alone are tried, then the largest number of them, then
    squares down to single pixels: this is what makes small objects and pure noise possible. A type
    that has no place left (an object without interior) is drawn no more. Images of more than a
    million pixels are segmented at reduced size.

    Parameters
    ----------
    image
        ``(H, W, 3)`` uint8.
    mask
        ``(H, W)`` bool, at least one pixel outside ``ignore``.
    rng
        Source of all randomness.
    ignore
        ``(H, W)`` bool, pixels that do not count for the IoU.

    Raises
    ------
    ImportError
        scikit-image is not installed.
    ValueError
        No pixel of the object counts.
    """
    options = options or DefectOptions()
    state = _Spoiler(image, mask, ignore, options)
    possible = np.array(options.shares)
    while state.iou > options.max_iou and possible.any() and len(state.steps) < _MOST_STEPS:
        kind = KINDS[rng.choice(len(KINDS), p=possible / possible.sum())]
        if not state.spoil(kind, rng):
            possible[KINDS.index(kind)] = 0
    if not state.steps:
        state.spoil_one_pixel()
    reached = options.min_iou <= state.iou <= options.max_iou
    return Defect(state.mask, state.iou, tuple(state.steps), reached)


class _Spoiler:
    """The mask as it gets worse; segmentations are made when asked for, and kept."""

    def __init__(
        self, image: UInt8Image, truth: BoolMask, ignore: BoolMask | None, options: DefectOptions
    ) -> None:
        counted = np.ones(truth.shape, bool) if ignore is None else ~ignore
        if not (truth & counted).any():
            raise ValueError("the mask is empty, there is no object to spoil")
        self.options = options
        self.truth, self.counted, self.mask = truth, counted, truth.copy()
        self.steps: list[Kind] = []
        self.regions = error_regions(truth, options.band)
        self._pieces = _Pieces(image, truth)
        self.intersection = self.union = int((truth & counted).sum())

    @property
    def iou(self) -> float:
        return self.intersection / self.union

    def spoil(self, kind: Kind, rng: np.random.Generator) -> bool:
        """Apply one error of this type; ``False`` when there is no place for one."""
        number = self.options.superpixels[rng.integers(len(self.options.superpixels))]
        for labels, box in self._pieces.levels(number, max(self.options.superpixels)):
            outcomes = self._outcomes(kind, labels, box)
            if len(outcomes):
                add, piece, intersection, union = outcomes[rng.integers(len(outcomes))].tolist()
                self.mask[box][labels == piece] = bool(add)
                self.intersection, self.union = intersection, union
                self.steps.append(kind)
                return True
        return False

    def _outcomes(self, kind: Kind, labels: Labels, box: tuple[slice, slice]) -> NDArray[np.int64]:
        """All allowed errors of a type: rows of (add?, piece, new intersection, new union)."""
        flat = labels.ravel()
        size = int(flat.max()) + 1

        def count(where: BoolMask) -> NDArray[np.int64]:
            return np.bincount(flat[where.ravel()], minlength=size)

        boundary, outside, inside = (self.regions[name][box] for name in KINDS)
        truth, mask = self.truth[box], self.mask[box]
        here, all_pixels = self.counted[box], np.bincount(flat, minlength=size)
        if kind == "boundary":
            # Across the outline; single pixels, next to it.
            fitting = count(boundary) > 0
            if all_pixels.max() > 1:
                fitting &= (count(truth) > 0) & (count(~truth) > 0)
            ways: tuple[bool, ...] = (True, False)
        else:
            fitting = (all_pixels > 0) & (
                count(outside if kind == "external" else inside) == all_pixels
            )
            ways = (kind == "external",)
        rows = []
        for add in ways:
            changed = here & (mask != add)
            hits, misses = count(changed & truth), count(changed & ~truth)
            sign = 1 if add else -1
            intersection = self.intersection + sign * hits
            union = self.union + sign * misses
            # Compared by products: exact, and free of 0 / 0.
            worse = intersection * self.union < self.intersection * union
            allowed = intersection >= self.options.min_iou * union
            pieces = np.flatnonzero(fitting & worse & allowed)
            ways_column = np.full(len(pieces), int(add))
            rows.append(
                np.stack([ways_column, pieces, intersection[pieces], union[pieces]], axis=1)
            )
        return np.concatenate(rows)

    def spoil_one_pixel(self) -> None:
        """For one or two pixels, where every error leaves the range: the smallest there is."""
        import cv2

        near = cv2.dilate(self.truth.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
        free = np.flatnonzero(near & ~self.truth & self.counted)
        if len(free):
            self.mask.flat[free[0]] = True
            self.union += 1
        else:
            self.mask.flat[np.flatnonzero(self.truth & self.counted)[-1]] = False
            self.intersection -= 1
        self.steps.append("boundary")


class _Pieces:
    """Segmentations of an image from coarse to fine, each made once."""

    def __init__(self, image: UInt8Image, truth: BoolMask) -> None:
        self._image = image
        self._whole = (slice(0, truth.shape[0]), slice(0, truth.shape[1]))
        rows, columns = (np.flatnonzero(truth.any(axis=axis)) for axis in (1, 0))
        margin = 8 + max(rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1) // 4
        self._near = (
            slice(max(0, int(rows[0] - margin)), int(rows[-1] + 1 + margin)),
            slice(max(0, int(columns[0] - margin)), int(columns[-1] + 1 + margin)),
        )
        self._length = float(np.sqrt(truth.sum()))
        self._made: dict[tuple[bool, int], Labels] = {}

    def levels(self, number: int, most: int) -> Iterator[tuple[Labels, tuple[slice, slice]]]:
        """Label images, and the part of the image they are of."""
        yield self._segment(number, near=False), self._whole
        yield self._segment(number, near=True), self._near
        yield self._segment(most, near=True), self._near
        sides = {max(1, int(share * self._length)) for share in _SQUARES} | {1}
        for side in sorted(sides, reverse=True):
            yield self._squares(side), self._near

    def _squares(self, side: int) -> Labels:
        height, width = self._image[self._near].shape[:2]
        row, column = np.arange(height) // side, np.arange(width) // side
        labels: Labels = row[:, None] * (width // side + 1) + column[None, :]
        return labels

    def _segment(self, number: int, *, near: bool) -> Labels:
        if (near, number) not in self._made:
            part = self._image[self._near if near else self._whole]
            self._made[near, number] = superpixels(part, number)
        return self._made[near, number]


def superpixels(image: UInt8Image, number: int) -> Labels:
    """``(H, W)`` labels from 0 of about ``number`` SLIC super-pixels of an ``(H, W, 3)`` image.

    Raises
    ------
    ImportError
        scikit-image is not installed.
    """
    import cv2

    try:
        from skimage.segmentation import slic
    except ImportError as error:
        raise ImportError(
            "flawed initial masks need scikit-image: "
            'pip install "iseg-widget[data]", or pip install scikit-image'
        ) from error
    height, width = image.shape[:2]
    scale = (_MOST_PIXELS / (height * width)) ** 0.5
    if scale < 1:
        size = max(1, round(width * scale)), max(1, round(height * scale))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    # Single precision: a fifth faster than the double precision that bytes are turned into.
    pixels = image.astype(np.float32) / 255
    labels: Any = slic(pixels, n_segments=min(number, pixels[..., 0].size), start_label=0)
    if scale < 1:
        labels = cv2.resize(
            labels.astype(np.int32), (width, height), interpolation=cv2.INTER_NEAREST
        )
    return np.asarray(labels, np.int64)


def error_regions(truth: BoolMask, band: float = 0.05) -> dict[Kind, BoolMask]:
    """Boundary region, outside and inside of an object (FocalClick Sec. 3.2), ``(H, W)`` bool each.

    The boundary region is the dilated minus the eroded object; the three cover the image. ``band``
    as in :class:`DefectOptions`.
    """
    import cv2

    radius = max(1, round(band * float(np.sqrt(truth.sum()))))
    disk = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    pixels = truth.astype(np.uint8)
    # Default borders: the image's edge is no outline of the object.
    outside = cv2.dilate(pixels, disk) == 0
    inside = cv2.erode(pixels, disk) > 0
    return {"boundary": ~(outside | inside), "external": outside, "internal": inside}


class DefectiveDataset(BaseDataset):
    """A dataset whose samples start from generated flawed masks; see :func:`with_defects`."""

    def __init__(
        self, dataset: Dataset, seed: int = 0, options: DefectOptions | None = None
    ) -> None:
        if seed < 0:
            raise ValueError(f"seed must be a whole number from 0, got {seed}")
        self.dataset = dataset
        self.seed = seed
        self.options = options or DefectOptions()
        self.name = f"{dataset.name}+defects{seed}"
        self.description = (
            f"{dataset.description}; starts from masks spoilt by super-pixels to an IoU of "
            f"{self.options.min_iou:g} to {self.options.max_iou:g} (FocalClick Alg. 1 with "
            f"scikit-image's SLIC, seed {seed})"
        )

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all samples: those of the dataset."""
        return self.dataset.names

    def defect(self, sample: Sample) -> Defect:
        """Return the defect of one of the dataset's samples, with its steps."""
        key = hashlib.sha256(sample.name.encode()).digest()
        rng = np.random.default_rng([self.seed, *np.frombuffer(key, "<u4").tolist()])
        return simulate_defects(
            sample.image, sample.mask, rng, ignore=sample.ignore, options=self.options
        )

    def _read(self, index: int) -> Sample:
        sample = self.dataset[index]
        return replace(sample, initial_mask=self.defect(sample).mask)


def with_defects(
    dataset: Dataset, seed: int = 0, *, options: DefectOptions | None = None
) -> DefectiveDataset:
    """Give every sample of a dataset a flawed initial mask, in the manner of DAVIS-585.

    Masks are made when a sample is read, and depend on the seed, the sample's name, image and mask
    only, not on the order or on other samples. Initial masks that the dataset has are replaced.
    Nothing is stored: reading a sample twice makes its mask twice.

    Parameters
    ----------
    seed
        A whole number from 0.

    Raises
    ------
    ValueError
        The seed is negative.
    """
    return DefectiveDataset(dataset, seed, options)
