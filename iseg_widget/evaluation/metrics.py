"""The measures of interactive segmentation, of curves and of masks.

IoU, BIoU and ASSD after N clicks (the papers' IoU&N, BIoU&N, ASSD&N) are :func:`iou_at` over
curves of :func:`iou`, :func:`boundary_iou` and :func:`assd`. NoC and NoF with another limit
(FocusCut Table 5 and IA-FPN Table 2 have 100 clicks) take it as ``max_clicks``.

A *curve* holds the IoU after every click of one object: ``curve[k]`` belongs to click ``k + 1``.
Curves may have been cut when the object was done, and may differ in length; from its end on, a
curve stays at its last value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from iseg_widget.masks import box_of, iou

__all__ = [
    "ClickHistogram",
    "NofConvention",
    "assd",
    "boundary_iou",
    "click_histogram",
    "clicks_to_reach",
    "coverage_score",
    "hamming_distance",
    "iou",
    "iou_at",
    "mean_curve",
    "noc",
    "nof",
    "per_click",
    "seconds_per_click",
    "stack_curves",
]

Mask = NDArray[np.bool_]
Curves = Sequence[ArrayLike]
NofConvention = Literal["never_reached", "at_limit"]

BOUNDARY_WIDTH = 0.02
"""Width of the boundary band of BIoU, as a part of the image's diagonal (Cheng et al. 2021)."""


def stack_curves(curves: Curves, max_clicks: int) -> NDArray[np.float64]:
    """Return curves as ``(N, max_clicks)``, cut at ``max_clicks`` or extended by the last value.

    Raises
    ------
    ValueError: ``max_clicks`` is below 1, or a curve is empty or not one-dimensional.
    """
    if max_clicks < 1:
        raise ValueError(f"max_clicks must be at least 1, got {max_clicks}")
    rows = [np.asarray(curve) for curve in curves]
    for number, row in enumerate(rows):
        if row.ndim != 1 or row.size == 0:
            raise ValueError(
                f"curve {number} must hold at least one IoU in one dimension, has shape {row.shape}"
            )
    index = np.arange(max_clicks)
    stacked = np.empty((len(rows), max_clicks))
    for target, row in zip(stacked, rows, strict=True):
        target[:] = row[np.minimum(index, row.size - 1)]
    return stacked


def clicks_to_reach(
    curves: Curves, target: float, max_clicks: int = 20
) -> tuple[NDArray[np.int64], Mask]:
    """Count the clicks until each curve first has ``target`` or more.

    Returns
    -------
    clicks: ``(N,)`` int; ``max_clicks`` where the target is never reached.
    reached: ``(N,)`` bool.
    """
    if not 0.0 <= target <= 1.0:
        raise ValueError(f"a target IoU lies in 0..1, got {target!r}")
    hit = stack_curves(curves, max_clicks) >= target
    reached = hit.any(axis=1)
    clicks = np.where(reached, hit.argmax(axis=1) + 1, max_clicks).astype(np.int64)
    return clicks, np.asarray(reached)


def noc(curves: Curves, target: float, max_clicks: int = 20) -> float:
    """Mean number of clicks to reach ``target`` IoU (NoC; FocalClick Sec. 4.1).

    An object that never reaches it counts as ``max_clicks``. NaN without any curve.
    """
    clicks, _ = clicks_to_reach(curves, target, max_clicks)
    return float(clicks.mean()) if clicks.size else float("nan")


def nof(
    curves: Curves,
    target: float,
    max_clicks: int = 20,
    convention: NofConvention = "never_reached",
) -> int:
    """Count the objects that fail to reach ``target`` within ``max_clicks`` (NoF).

    Parameters
    ----------
    convention: ``"never_reached"`` (FocusCut, and the definition in the papers) counts curves
        that stay below the target; ``"at_limit"`` (the code of RITM and FocalClick, ">= 20
        clicks") also counts an object that gets there exactly with click ``max_clicks``.

    Raises
    ------
    ValueError: unknown convention, or see :func:`clicks_to_reach`.
    """
    if convention not in get_args(NofConvention):
        raise ValueError(
            f"unknown NoF convention {convention!r}; accepted are "
            f"{', '.join(get_args(NofConvention))}"
        )
    clicks, reached = clicks_to_reach(curves, target, max_clicks)
    failed = ~reached if convention == "never_reached" else clicks >= max_clicks
    return int(np.count_nonzero(failed))


def iou_at(curves: Curves, click: int) -> float:
    """Mean value after ``click`` clicks (counted from 1); cut curves keep their last value."""
    stacked = stack_curves(curves, click)
    return float(stacked[:, -1].mean()) if len(stacked) else float("nan")


def mean_curve(
    curves: Curves, max_clicks: int, initial: Sequence[float] | None = None
) -> NDArray[np.float64]:
    """Mean value for every number of clicks: the mIoU-NoC curve (FCA-Net Fig. 5, FocusCut Fig. 4).

    Parameters
    ----------
    curves: of the IoU or of any other measure; cut curves keep their last value.
    max_clicks: clicks to go to.
    initial: the value of each object before its first click.

    Returns
    -------
    ``(max_clicks,)``, or with ``initial`` ``(max_clicks + 1,)``. NaN without any curve.

    Raises
    ------
    ValueError: see :func:`stack_curves`, or ``initial`` has another length than ``curves``.
    """
    stacked = stack_curves(curves, max_clicks)
    if initial is not None:
        if len(initial) != len(stacked):
            raise ValueError(f"initial holds {len(initial)} values for {len(stacked)} curves")
        stacked = np.column_stack([np.asarray(initial, float), stacked])
    if not len(stacked):
        return np.full(stacked.shape[1], np.nan)
    return np.asarray(stacked.mean(axis=0))


@dataclass(frozen=True, eq=False)
class ClickHistogram:
    """How many objects reach a target with their first, second, … click (IA-FPN Fig. 5).

    Attributes
    ----------
    reached: ``(max_clicks,)`` int; ``reached[k]`` objects get there exactly with click ``k + 1``.
    failed: objects that never do.
    """

    reached: NDArray[np.int64]
    failed: int

    @property
    def within(self) -> NDArray[np.int64]:
        """``(max_clicks,)`` int: objects that get there with so many clicks or fewer."""
        return np.asarray(np.cumsum(self.reached))


def click_histogram(curves: Curves, target: float, max_clicks: int = 20) -> ClickHistogram:
    """Count the objects by the clicks they need to reach ``target`` IoU.

    Raises
    ------
    ValueError: see :func:`clicks_to_reach`.
    """
    clicks, reached = clicks_to_reach(curves, target, max_clicks)
    counts = np.bincount(clicks[reached] - 1, minlength=max_clicks)
    return ClickHistogram(counts.astype(np.int64), int(np.count_nonzero(~reached)))


def per_click(values: Curves, max_clicks: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Mean over the objects that had a click, for every click; nothing is carried on.

    For what belongs to a click and not to the state after it: its seconds, its improvement.

    Parameters
    ----------
    values: per object one value per click; objects may have had no click. NaN is left out.
    max_clicks: clicks to go to.

    Returns
    -------
    mean: ``(max_clicks,)``; NaN where no object had the click.
    count: ``(max_clicks,)`` int, values that the mean is taken over.
    """
    total, count = np.zeros(max_clicks), np.zeros(max_clicks, np.int64)
    for row in values:
        found = np.asarray(row, float).ravel()[:max_clicks]
        there = ~np.isnan(found)
        total[: len(found)] += np.where(there, found, 0.0)
        count[: len(found)] += there
    return np.divide(total, count, out=np.full(max_clicks, np.nan), where=count > 0), count


def seconds_per_click(seconds: Curves) -> float:
    """Mean time of a click over all clicks of all objects (SPC; FocusCut Sec. 4.1); NaN without.

    For methods that slow down with the clicks, as FocusCut's, :func:`per_click` shows how much.
    """
    every = [value for row in seconds for value in np.asarray(row, float).ravel()]
    return float(np.mean(every)) if every else float("nan")


def _check(prediction: NDArray[np.generic], truth: Mask, ignore: Mask | None) -> None:
    for name, array in (("truth", truth), ("ignore", ignore)):
        if array is not None and array.shape != prediction.shape:
            raise ValueError(
                f"{name} has shape {array.shape}, the prediction has {prediction.shape}"
            )


def _band(labels: NDArray[np.uint8], width: int) -> NDArray[np.uint8]:
    """What ``width`` erosions take off; beyond the image's border everything is 0."""
    square = np.ones((3, 3), np.uint8)
    eroded = cv2.erode(np.pad(labels, 1), square, iterations=width)[1:-1, 1:-1]
    return labels - eroded.astype(np.uint8)


def boundary_iou(
    prediction: Mask, truth: Mask, ignore: Mask | None = None, *, compat: bool = False
) -> float:
    """Boundary IoU: the IoU of the inner bands along both contours (Cheng et al. 2021).

    FocusCut Sec. 4.1 reports it after N clicks (BIoU&N).

    The band is 2 % of the image's diagonal wide, at least one pixel, and runs along the image's
    border, too. 1 when both bands are empty.

    Parameters
    ----------
    prediction, truth, ignore: ``(H, W)`` bool.
    compat: treat ignored pixels as the published code of FocusCut does: they enter the truth's
        band with the value 255 before it is computed, and only those that still have it are left
        out. By default all ignored pixels are left out of both bands.

    Raises
    ------
    ValueError: the shapes differ.
    """
    _check(prediction, truth, ignore)
    width = max(1, round(BOUNDARY_WIDTH * float(np.hypot(*prediction.shape))))
    labels = truth.astype(np.uint8)
    if compat and ignore is not None:
        labels[ignore] = 255
    truth_band = _band(labels, width)
    prediction_band = _band(prediction.astype(np.uint8), width)
    return iou(prediction_band == 1, truth_band == 1, truth_band == 255 if compat else ignore)


def _outline(mask: Mask) -> Mask:
    """Pixels on the outer contours of a mask; holes have no part in it."""
    found, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    drawn = np.zeros(mask.shape, bool)
    for outline in found:
        drawn[outline[:, 0, 1], outline[:, 0, 0]] = True
    return drawn


def assd(
    prediction: Mask, truth: Mask, ignore: Mask | None = None, *, compat: bool = False
) -> float:
    """Average symmetric surface distance in pixels (FocusCut Sec. 4).

    The mean over the pixels of both masks' outer contours of the distance to the other mask's
    contours. 0 when both masks are empty. When one is, there is no contour to be distant from:
    the image's diagonal then, so that a failure does not vanish from a mean.

    Parameters
    ----------
    prediction, truth, ignore: ``(H, W)`` bool; ignored pixels take the truth in the prediction.
    compat: as the published code of FocusCut: ignored pixels are background in the truth and stay
        what they are in the prediction, and with one empty mask the value is what
        ``scipy.ndimage.distance_transform_edt`` gives for an image without zeros.

    Raises
    ------
    ValueError: the shapes differ.
    """
    _check(prediction, truth, ignore)
    if ignore is not None and compat:
        truth = truth & ~ignore
    elif ignore is not None:
        prediction = np.where(ignore, truth, prediction)
    first, second = _outline(prediction), _outline(truth)
    if not (first.any() and second.any()):
        if first.any() == second.any():
            return 0.0
        return _to_nowhere(first | second) if compat else float(np.hypot(*truth.shape))
    box = box_of(first | second)
    if box is not None:  # the nearest outline pixel of an outline pixel lies in there, too
        x0, y0, x1, y1 = box
        first, second = first[y0:y1, x0:x1], second[y0:y1, x0:x1]
    distances = np.concatenate([_away(second, first), _away(first, second)])
    return float(distances.mean())


def _away(outline: Mask, pixels: Mask) -> NDArray[np.float64]:
    """Distance of every one of ``pixels`` to the outline.

    The square is a whole number. Rounding it takes off what OpenCV's float32 has in the last
    digit, which differs from call to call.
    """
    free = (~outline).astype(np.uint8)
    found = np.asarray(cv2.distanceTransform(free, cv2.DIST_L2, cv2.DIST_MASK_PRECISE))
    return np.asarray(np.sqrt(np.rint(np.square(found[pixels], dtype=np.float64))))


def _to_nowhere(outline: Mask) -> float:
    """Mean distance to an outline without a pixel, as the published code has it."""
    from scipy.ndimage import distance_transform_edt

    return float(np.asarray(distance_transform_edt(np.ones(outline.shape, bool)))[outline].mean())


def hamming_distance(
    prediction: Mask | NDArray[np.floating], truth: Mask, ignore: Mask | None = None
) -> float:
    """Part of the pixels that differ (RIS-Net Sec. 4.3, Fig. 7): mean of x (1 - y) + (1 - x) y.

    Parameters
    ----------
    prediction: ``(H, W)`` bool, or a probability in 0..1.
    truth, ignore: ``(H, W)`` bool; ignored pixels do not count.

    Raises
    ------
    ValueError: the shapes differ.
    """
    _check(prediction, truth, ignore)
    if prediction.dtype == np.bool_:
        differs = prediction != truth
    else:
        differs = np.where(truth, 1.0 - prediction, prediction)
    counted = differs if ignore is None else differs[~ignore]
    return float(counted.mean(dtype=np.float64)) if counted.size else 0.0


def coverage_score(
    prediction: Mask | NDArray[np.floating], truth: Mask, ignore: Mask | None = None
) -> float:
    """Part of the object that is found, the recall (RIS-Net Sec. 4.3, Fig. 7): sum x y / sum y.

    Parameters
    ----------
    prediction: ``(H, W)`` bool, or a probability in 0..1.
    truth, ignore: ``(H, W)`` bool; ignored pixels do not count. 1 when no object pixel is left.

    Raises
    ------
    ValueError: the shapes differ.
    """
    _check(prediction, truth, ignore)
    found = prediction[truth if ignore is None else truth & ~ignore]
    return float(found.mean(dtype=np.float64)) if found.size else 1.0
