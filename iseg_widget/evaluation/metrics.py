"""The measures of interactive segmentation: IoU, BIoU, ASSD, NoC, NoF.

A *curve* holds the IoU after every click of one object: ``curve[k]`` belongs to click ``k + 1``.
Curves may have been cut when the object was done, and may differ in length; from its end on, a
curve stays at its last value.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from iseg_widget.masks import iou

__all__ = [
    "NofConvention",
    "assd",
    "boundary_iou",
    "clicks_to_reach",
    "iou",
    "iou_at",
    "noc",
    "nof",
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


def _check(prediction: Mask, truth: Mask, ignore: Mask | None) -> None:
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
    """Boundary IoU: the IoU of the inner bands along both contours (FocusCut Sec. 4).

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
    if not first.any() and not second.any():
        return 0.0
    if not (compat or (first.any() and second.any())):
        return float(np.hypot(*truth.shape))
    distances = np.concatenate([_away(second, compat)[first], _away(first, compat)[second]])
    return float(distances.mean())


def _away(outline: Mask, compat: bool) -> NDArray[np.floating]:
    """Distance of every pixel to the outline."""
    if compat:
        from scipy.ndimage import distance_transform_edt

        return np.asarray(distance_transform_edt(~outline))
    free = (~outline).astype(np.uint8)
    return np.asarray(cv2.distanceTransform(free, cv2.DIST_L2, cv2.DIST_MASK_PRECISE))
