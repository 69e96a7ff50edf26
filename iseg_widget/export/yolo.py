"""YOLO's segmentation labels: a text file an image, a line an object.

A line is ``class x1 y1 x2 y2 …`` with one closed outline in fractions of the image's size
(https://docs.ultralytics.com/datasets/segment/). Parts and holes of an object are joined to one
outline by cuts without width, which the even-odd rule does not see.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from iseg_widget.export.labelled import LabelledImage, LabelledMask
from iseg_widget.outlines import Ring, fill, polygons


def _joined(rings: Sequence[Ring]) -> Ring:
    """Join rings to one line that goes to each from the first corner of the first, and back."""
    start = rings[0][:1]
    line = [rings[0]]
    for ring in rings[1:]:
        line += [start, ring, ring[:1]]
    return np.concatenate(line)


def to_yolo(image: LabelledImage, classes: Sequence[str], *, tolerance: float = 0.0) -> str:
    """Return the label file of an image; objects without a pixel have no line.

    Parameters
    ----------
    classes: labels in order of their numbers from 0.
    tolerance: pixels that outlines may stray to have fewer corners; 0 is exact.

    Raises
    ------
    ValueError: a label is not among ``classes``.
    """
    height, width = image.shape
    lines = []
    for item in image.objects:
        if item.label not in classes:
            raise ValueError(f"the label {item.label!r} is not among the classes {list(classes)}")
        found = polygons(item.mask, tolerance=tolerance)
        rings = [ring for polygon in found for ring in (polygon.outer, *polygon.holes)]
        if rings:
            fractions = _joined(rings) / (width, height)
            numbers = " ".join(f"{value:.8g}" for value in fractions.ravel())
            lines.append(f"{list(classes).index(item.label)} {numbers}\n")
    return "".join(lines)


def from_yolo(
    text: str, file_name: str, shape: tuple[int, int], classes: Sequence[str]
) -> LabelledImage:
    """Read a label file of an image of ``shape`` (H, W).

    Raises
    ------
    ValueError: a line holds no class among ``classes`` or not at least three corners.
    """
    objects = []
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split()
        if not words:
            continue
        try:
            index, values = int(words[0]), np.asarray(words[1:], np.float64)
        except ValueError as error:
            raise ValueError(f"line {number}: expected numbers, got {line[:60]!r}") from error
        if not 0 <= index < len(classes):
            raise ValueError(f"line {number}: class {index}, accepted are 0..{len(classes) - 1}")
        if values.size < 6 or values.size % 2:
            raise ValueError(
                f"line {number}: expected at least three x, y pairs, got {values.size} numbers"
            )
        ring = values.reshape(-1, 2) * (shape[1], shape[0])
        # Corners written with eight digits; whole pixels are meant where they are that close.
        whole = np.round(ring)
        ring = np.where(np.abs(ring - whole) < 1e-3, whole, ring)
        objects.append(LabelledMask(fill([ring], shape), classes[index]))
    return LabelledImage(file_name, shape, tuple(objects))
