"""What each click does and where it lies: the statistics behind FCA-Net (its Table 1).

FCA-Net rests on two observations about people's clicks: the first brings most of the IoU, and it
lies near the object's centre. Both are taken here from the records of any evaluation. Logs of
people's sessions become records by ``evaluate(robot=ReplayRobot.from_logs(logs))``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from iseg_widget.clicks import Click, check_inside
from iseg_widget.datasets.base import Dataset
from iseg_widget.evaluation import metrics
from iseg_widget.evaluation.records import Record

Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class ClickStatistics:
    """Statistics by the number of the click; index ``k`` belongs to click ``k + 1``.

    Attributes
    ----------
    improvement: ``(K,)`` PI: mean IoU that the click adds, over the objects that had it. NaN where
        none did.
    centrality: ``(K,)`` CD: mean centrality degree of the positive clicks, see
        :func:`centrality_degree`. NaN where there was none.
    objects, positive: ``(K,)`` int, what the means are taken over.
    """

    improvement: NDArray[np.float64]
    centrality: NDArray[np.float64]
    objects: NDArray[np.int64]
    positive: NDArray[np.int64]

    def to_records(self) -> list[dict[str, Any]]:
        """One mapping per click (``click``, ``pi``, ``cd``, ``objects``, ``positive``)."""
        return [
            {
                "click": k + 1,
                "pi": float(self.improvement[k]),
                "cd": float(self.centrality[k]),
                "objects": int(self.objects[k]),
                "positive": int(self.positive[k]),
            }
            for k in range(len(self.improvement))
        ]


def centrality_map(
    truth: Mask, ignore: Mask | None = None, *, border: bool = False
) -> NDArray[np.float64]:
    """Centrality degree of every pixel: E(p) of FCA-Net Eq. 11.

    The Euclidean distance to the background, as a part of the largest that a pixel of the object
    has. (Eq. 11 prints the maximum over the background, where the distance is 0 throughout; the
    object is meant.)

    Parameters
    ----------
    truth: ``(H, W)`` bool, the object.
    ignore: ``(H, W)`` bool, pixels that belong neither to the object nor to the background.
    border: count what lies beyond the image's border as background, as the robot users do. By
        default only the image's own pixels count, as the equation says.

    Returns
    -------
    ``(H, W)`` float64: 1 at the most central pixels, 0 in the background, NaN at ignored pixels,
    and NaN everywhere when there is no object or no background.

    Raises
    ------
    ValueError: the shapes differ.
    """
    if ignore is not None and ignore.shape != truth.shape:
        raise ValueError(f"ignore has shape {ignore.shape}, the truth has {truth.shape}")
    inside = truth if ignore is None else truth & ~ignore
    background = ~truth if ignore is None else ~(truth | ignore)
    if not inside.any() or not (border or background.any()):
        return np.full(truth.shape, np.nan)
    free = np.pad(~background, 1, constant_values=False) if border else ~background
    found = cv2.distanceTransform(free.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    depth = np.asarray(found, np.float64)
    depth = depth[1:-1, 1:-1] if border else depth
    result = depth / depth[inside].max()
    if ignore is not None:
        result[ignore] = np.nan
    return np.asarray(result)


def centrality_degree(
    click: Click, truth: Mask, ignore: Mask | None = None, *, border: bool = False
) -> float:
    """Centrality degree of a click's pixel, see :func:`centrality_map`.

    Raises
    ------
    ValueError: the shapes differ, or the click lies outside.
    """
    check_inside(click, (truth.shape[0], truth.shape[1]))
    return float(centrality_map(truth, ignore, border=border)[click.pixel])


def improvements(record: Record) -> NDArray[np.float64]:
    """IoU that each click of an object added; the first against the IoU before any click."""
    return np.diff(np.asarray([record.initial_iou, *record.ious]))


def click_statistics(
    records: Iterable[Record], dataset: Dataset, max_clicks: int = 10, *, border: bool = False
) -> ClickStatistics:
    """Return the statistics of FCA-Net's Table 1 for a set of records.

    Parameters
    ----------
    records: of an evaluation, e.g. ``report.valid``; faulty ones are left out.
    dataset: that they are of; only the truths are used.
    max_clicks: clicks to go to; the paper shows 10.
    border: see :func:`centrality_map`.

    Raises
    ------
    ValueError: ``max_clicks`` is below 1, a record is of no sample of the dataset, or a click lies
        outside its image.
    """
    if max_clicks < 1:
        raise ValueError(f"max_clicks must be at least 1, got {max_clicks}")
    places = {name: index for index, name in enumerate(dataset.names)}
    added: list[NDArray[np.float64]] = []
    central: list[list[float]] = []
    for record in records:
        if record.error is not None:
            continue
        if record.name not in places:
            raise ValueError(f"{dataset.name} has no sample {record.name!r}")
        added.append(improvements(record))
        sample = dataset[places[record.name]]
        degrees = centrality_map(sample.mask, sample.ignore, border=border)
        shape = (degrees.shape[0], degrees.shape[1])
        central.append([])
        for click in record.clicks[:max_clicks]:
            check_inside(click, shape)
            central[-1].append(float(degrees[click.pixel]) if click.positive else float("nan"))
    improvement, objects = metrics.per_click(added, max_clicks)
    centrality, positive = metrics.per_click(central, max_clicks)
    return ClickStatistics(improvement, centrality, objects, positive)
