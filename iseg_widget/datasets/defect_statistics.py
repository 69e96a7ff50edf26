"""What the initial masks of a dataset are like: how far from the truth, and wrong in which way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from iseg_widget.datasets.base import Dataset, Sample
from iseg_widget.datasets.defects import (
    KINDS,
    DefectiveDataset,
    DefectOptions,
    Kind,
    error_regions,
)


@dataclass(frozen=True, slots=True)
class DefectStatistics:
    """Statistics over the samples that have an initial mask.

    Parameters
    ----------
    objects
        Number of samples looked at.
    without
        How many of them have no initial mask; they enter none of the rest.
    ious
        IoU of every initial mask with the truth, in order; ignored pixels do not count.
    in_range
        Share of these that lie in the range (0.75 to 0.85, FocalClick Sec. 3.2).
    areas
        Pixels of every object that count, in order.
    wrong
        Share of the wrong pixels that lie in the boundary region, outside (false positives) and
        inside the object (false negatives), averaged over the objects. Not the shares of the error
        types: a super-pixel across the outline mostly reaches out of the boundary region.
    steps
        Share of the error types among the steps of the generator; ``None`` when the masks were
        not generated here.
    steps_per_object
        Their mean number; ``None`` likewise.
    """

    objects: int
    without: int
    ious: tuple[float, ...]
    in_range: float
    areas: tuple[int, ...]
    wrong: Mapping[Kind, float]
    steps: Mapping[Kind, float] | None
    steps_per_object: float | None

    def __str__(self) -> str:
        lines = [f"{self.objects} objects, {self.without} without an initial mask"]
        if self.ious:
            lines.append(
                f"IoU of the initial masks: mean {np.mean(self.ious):.3f}, from "
                f"{min(self.ious):.3f} to {max(self.ious):.3f}, {self.in_range:.1%} in range"
            )
            lines.append(f"object area: median {np.median(self.areas):.0f} pixels")
            lines.append(f"wrong pixels by region: {_shares(self.wrong)}")
        if self.steps is not None:
            lines.append(f"error types: {_shares(self.steps)}; {self.steps_per_object:.1f} each")
        return "\n".join(lines)


def _shares(shares: Mapping[Kind, float]) -> str:
    return ", ".join(f"{kind} {share:.1%}" for kind, share in shares.items())


def defect_statistics(dataset: Dataset, limit: int | None = None) -> DefectStatistics:
    """Statistics of a dataset's initial masks, given or generated.

    Reads one sample after the other; generating takes about two seconds an object of 854 x 480.

    Parameters
    ----------
    dataset
        One with initial masks (``davis585``), or the result of
        :func:`~iseg_widget.datasets.defects.with_defects`.
    limit
        Only the first samples.

    Raises
    ------
    ValueError
        The limit is below 1.
    """
    if limit is not None and limit < 1:
        raise ValueError(f"limit must be at least 1, got {limit}")
    options = dataset.options if isinstance(dataset, DefectiveDataset) else DefectOptions()
    count = len(dataset) if limit is None else min(limit, len(dataset))
    ious, areas, wrong, steps = [], [], [], Counter[Kind]()
    for index in range(count):
        if isinstance(dataset, DefectiveDataset):
            sample = dataset.dataset[index]
            defect = dataset.defect(sample)
            initial = defect.mask
            steps.update(defect.steps)
        else:
            sample = dataset[index]
            if sample.initial_mask is None:
                continue
            initial = sample.initial_mask
        iou, area, by_region = _compare(sample, initial, options.band)
        ious.append(iou)
        areas.append(area)
        wrong.append(by_region)
    total = sum(steps.values())
    return DefectStatistics(
        objects=count,
        without=count - len(ious),
        ious=tuple(ious),
        in_range=_mean([options.min_iou <= iou <= options.max_iou for iou in ious]),
        areas=tuple(areas),
        wrong={kind: _mean([shares[kind] for shares in wrong if shares]) for kind in KINDS},
        steps={kind: steps[kind] / total for kind in KINDS} if total else None,
        steps_per_object=total / len(ious) if total else None,
    )


def _mean(values: list[float] | list[bool]) -> float:
    return float(np.mean(values)) if values else 0.0


def _compare(
    sample: Sample, initial: np.ndarray, band: float
) -> tuple[float, int, dict[Kind, float]]:
    """IoU, the object's area, and the share of wrong pixels by region (empty: none is wrong)."""
    counted = np.ones(sample.mask.shape, bool) if sample.ignore is None else ~sample.ignore
    truth, initial = sample.mask & counted, initial & counted
    wrong = truth ^ initial
    pixels = int(wrong.sum())
    regions = error_regions(sample.mask, band)
    shares = {kind: float((wrong & regions[kind]).sum()) / pixels for kind in KINDS if pixels}
    iou = float((truth & initial).sum()) / float((truth | initial).sum())
    return iou, int(truth.sum()), shares
