"""The measures that an evaluation can take at every click, by name.

A measure gets everything that is known after a click, so a new one needs an entry in
:data:`MEASURES` and nothing else. The IoU is not among them: it is always taken.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from iseg_widget.evaluation import metrics
from iseg_widget.protocol import VIEW_KINDS, View

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What came of a click, and what should have.

    Attributes
    ----------
    prediction, truth: ``(H, W)`` bool.
    ignore: ``(H, W)`` bool, pixels that do not count, if there are any.
    views: the crops that the method looked at for this click (``step.views``).
    """

    prediction: Mask
    truth: Mask
    ignore: Mask | None = None
    views: tuple[View, ...] = ()


Measure = Callable[[Answer], float]

_WHOLE_WITHOUT = ("target_crop", "zoom_in")
"""Views in whose absence the whole image was looked at in their place."""


def view_area(answer: Answer, kind: str) -> float:
    """Mean area of the crops of a kind, as a part of the image (FocalClick Table 6).

    Without such a crop: 1 for a target crop and a zoomed view, because the method then looks at
    the whole image (FocalClick's first click, Fig. 4); 0 for the others.

    Raises
    ------
    ValueError: unknown kind of view.
    """
    if kind not in VIEW_KINDS:
        raise ValueError(f"unknown kind of view {kind!r}; accepted are {', '.join(VIEW_KINDS)}")
    boxes = [view.box for view in answer.views if view.kind == kind]
    if not boxes:
        return 1.0 if kind in _WHOLE_WITHOUT else 0.0
    height, width = answer.truth.shape
    areas = [
        max(0, min(x1, width) - max(x0, 0)) * max(0, min(y1, height) - max(y0, 0))
        for x0, y0, x1, y1 in boxes
    ]
    return float(np.mean(areas) / (height * width))


def _of_masks(measure: Callable[[Mask, Mask, Mask | None], float]) -> Measure:
    return lambda answer: measure(answer.prediction, answer.truth, answer.ignore)


MEASURES: Mapping[str, Measure] = {
    "biou": _of_masks(metrics.boundary_iou),
    "assd": _of_masks(metrics.assd),
    "hamming": _of_masks(metrics.hamming_distance),
    "coverage": _of_masks(metrics.coverage_score),
    **{f"{kind}_area": partial(view_area, kind=kind) for kind in VIEW_KINDS},
}
"""What ``evaluate(metrics=…)`` takes: ``"biou"``, ``"assd"``, RIS-Net's ``"hamming"`` and
``"coverage"``, and ``"target_crop_area"`` and so on for every kind of view."""
