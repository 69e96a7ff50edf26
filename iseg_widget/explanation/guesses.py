"""Panels for arrays of methods that nobody has described: by name, type and shape."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iseg_widget.explanation.panel import Panel, in_range, steady
from iseg_widget.explanation.render import outlined
from iseg_widget.views import Box, whole

MOST_ITEMS = 16
"""Of a stack, so many items are shown; a feature map may have thousands of channels."""

GROUP = "Recorded by the method"


def guess(key: str, values: NDArray[Any], image: NDArray[np.uint8]) -> Iterator[Panel]:
    """Return panels for one recorded array.

    Boxes ``(N, 4)`` are drawn on the image, lists become numbers, colour images stay, and maps
    become what their name and values suggest; of stacks at most :data:`MOST_ITEMS` are shown. Text,
    complex numbers and empty arrays give nothing.
    """
    if values.dtype.kind not in "buif" or values.size == 0:
        return
    title = key.replace("_", " ").strip().capitalize()
    if values.dtype.kind == "f":
        values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    if "box" in key.lower() and values.ndim == 2 and values.shape[1] == 4:
        boxes = [_box(row) for row in values]
        picture = outlined(image, boxes, "")
        yield _panel(key, title, "boxes, drawn on the image", "image", picture, _edge(image))
    elif values.ndim < 2:
        numbers = np.atleast_1d(values).astype(np.float32)
        shown = _panel(key, title, f"{len(numbers)} numbers", "numbers", numbers, None)
        yield _with_limits(shown, in_range(np.append(numbers, np.float32(0.0))))
    elif values.ndim == 3 and values.shape[2] == 3 and values.dtype == np.uint8:
        box = _edge(image) if values.shape == image.shape else None
        yield _panel(key, title, "an image", "image", values, box)
    else:
        stack = values.reshape(-1, *values.shape[-2:])
        for number, item in enumerate(stack[:MOST_ITEMS], start=1):
            several = len(stack) > 1
            more = f", {number} of {len(stack)}" if several else ""
            name = f"{key}/{number}" if several else key
            yield _map(name, title + more, key.lower(), item, image)


def _map(key: str, title: str, name: str, item: NDArray[Any], image: NDArray[np.uint8]) -> Panel:
    """A two-dimensional array as the kind of map that its name and values suggest."""
    box = _edge(image) if item.shape == image.shape[:2] else None
    if item.dtype == np.bool_ or ("mask" in name and set(np.unique(item)) <= {0, 1}):
        return _panel(key, title, "a mask", "mask", item.astype(bool), box)
    array = item.astype(np.float32)
    ink = next((ink for ink in ("positive", "negative") if ink in name), "")
    unit_range = array.min() >= 0.0 and array.max() <= 1.0
    if array.min() < 0.0:
        return _with_limits(
            _panel(key, title, "signed values", "difference", array, box), steady(array)
        )
    for word, kind in (
        ("attention", "attention"),
        ("boundary", "boundary"),
        ("edge", "boundary"),
        ("prob", "probability"),
        ("mask", "probability"),
    ):
        if word in name and unit_range:
            return _panel(key, title, f"values of {word}", kind, array, box)
    limits = (0.0, 1.0) if unit_range else in_range(np.append(array.ravel(), np.float32(0.0)))
    unit = "px" if "distance" in name and not unit_range else ""
    shown = _panel(key, title, "a map", "map", array, box, ink=ink, unit=unit)
    return _with_limits(shown, limits)


def _panel(
    key: str,
    title: str,
    what: str,
    kind: str,
    array: NDArray[Any],
    box: Box | None,
    *,
    ink: str = "",
    unit: str = "",
) -> Panel:
    name = key.split("/", maxsplit=1)[0]
    caption = f"Recorded as {name}: {what}; this method's records are not described."
    return Panel(
        key, title, caption, kind, array, box, group=GROUP, ink=ink, unit=unit, described=False
    )


def _with_limits(panel: Panel, limits: tuple[float, float]) -> Panel:
    return replace(panel, limits=limits)


def _edge(image: NDArray[np.uint8]) -> Box:
    return whole((image.shape[0], image.shape[1]))


def _box(row: NDArray[Any]) -> Box:
    x0, y0, x1, y1 = (int(value) for value in row)
    return x0, y0, x1, y1
