"""Demo data: eight objects on five photographs, with masks drawn by hand.

``polygons.json`` is the source of the masks; ``masks/*.png`` are drawn from it by
``python -m iseg_widget.datasets.demo``. The README in this folder names the photographs' licences.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray


@cache
def polygons() -> dict[str, dict[str, Any]]:
    """The content of ``polygons.json``: for every object its image, description and polygons."""
    text = (files(__name__) / "polygons.json").read_text(encoding="utf-8")
    objects: dict[str, dict[str, Any]] = json.loads(text)
    return objects


def names() -> tuple[str, ...]:
    """Names of all objects, in order."""
    return tuple(polygons())


def rasterise(polygons: Mapping[str, Any], shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Draw one object's polygons.

    Parameters
    ----------
    polygons
        Holds ``"outer"`` and optionally ``"holes"``, each a list of polygons, each a list of whole
        ``[x, y]`` in pixels; (0, 0) is the centre of the top-left pixel. Vertices belong to what
        they enclose: those of ``"outer"`` to the object, those of ``"holes"`` to the background.
    shape
        Height and width of the mask, in pixels.

    Returns
    -------
    ``(H, W)`` uint8, 255 on the object and 0 elsewhere.
    """
    mask = np.zeros(shape, np.uint8)
    for key, value in (("outer", 255), ("holes", 0)):
        for polygon in polygons.get(key, ()):
            # One call each: together, overlapping polygons would cancel out.
            cv2.fillPoly(mask, [np.asarray(polygon, np.int32)], [value])
    return mask


def sample(name: str) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """One object.

    Parameters
    ----------
    name
        One of :func:`names`.

    Returns
    -------
    image
        ``(H, W, 3)`` uint8 RGB.
    mask
        ``(H, W)`` bool, the object.

    Raises
    ------
    ValueError
        There is no such object.
    """
    if name not in polygons():
        raise ValueError(f"no demo object {name!r}; accepted are {', '.join(names())}")
    image = _decode(f"images/{polygons()[name]['image']}", cv2.IMREAD_COLOR)
    mask = _decode(f"masks/{name}.png", cv2.IMREAD_GRAYSCALE)
    return np.ascontiguousarray(image[:, :, ::-1]), mask > 0


def _decode(path: str, flags: int) -> NDArray[np.uint8]:
    """Decode an image of this package, ``(H, W)`` or ``(H, W, 3)`` BGR by OpenCV's ``flags``."""
    data = np.frombuffer((files(__name__) / path).read_bytes(), np.uint8)
    decoded = cv2.imdecode(data, flags)
    if decoded is None:
        raise ValueError(f"cannot decode the demo file {path}")
    return decoded.astype(np.uint8, copy=False)
