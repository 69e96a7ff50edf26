"""labelme's JSON: a file an image (https://github.com/wkentaro/labelme)."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from iseg_widget.export.labelled import LabelledImage, LabelledMask
from iseg_widget.masks import box_of
from iseg_widget.outlines import fill, polygons, without_holes

Form = Literal["mask", "polygon"]
VERSION = "5.5.0"


def to_labelme(
    image: LabelledImage, *, form: Form = "mask", tolerance: float = 0.0
) -> dict[str, Any]:
    """Return labelme's description of an image as JSON-able dictionaries.

    Parameters
    ----------
    form: ``"mask"``: shapes that hold the pixels (labelme 5.3 and later), exact. ``"polygon"``:
        outlines, without holes, so regions with holes are cut into several; the parts of one object
        share a ``group_id``.
    tolerance: pixels that polygons may stray to have fewer corners; 0 is exact.

    Raises
    ------
    ValueError: unknown form.
    """
    if form not in get_args(Form):
        raise ValueError(f"form must be one of {', '.join(get_args(Form))}, got {form!r}")
    shapes: list[dict[str, Any]] = []
    for number, item in enumerate(image.objects):
        common = {"label": item.label, "description": item.name, "flags": {}, "group_id": number}
        box = box_of(item.mask)
        if box is None:
            continue
        if form == "mask":
            x0, y0, x1, y1 = box
            corners = [[x0, y0], [x1 - 1, y1 - 1]]
            pixels = _png(item.mask[y0:y1, x0:x1])
            shapes.append({**common, "shape_type": "mask", "points": corners, "mask": pixels})
            continue
        for part in without_holes(item.mask):
            for polygon in polygons(part, tolerance=tolerance):
                points = polygon.outer.tolist()
                shapes.append({**common, "shape_type": "polygon", "points": points, "mask": None})
    return {
        "version": VERSION,
        "flags": {},
        "shapes": shapes,
        "imagePath": image.file_name,
        "imageData": None,
        "imageHeight": image.shape[0],
        "imageWidth": image.shape[1],
    }


def _png(mask: NDArray[np.bool_]) -> str:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(mask).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def from_labelme(data: Mapping[str, Any]) -> LabelledImage:
    """Read labelme's description: shapes that are polygons, masks or rectangles.

    Shapes of one label and ``group_id`` are one object.

    Raises
    ------
    ValueError: a key is missing, a shape is of another type, or a mask does not fit its box.
    """
    try:
        shape = (int(data["imageHeight"]), int(data["imageWidth"]))
        objects: dict[tuple[Any, ...], LabelledMask] = {}
        for number, entry in enumerate(data["shapes"]):
            mask = _mask(entry, shape, number)
            label, group = str(entry["label"]), entry.get("group_id")
            key = (number,) if group is None else (label, group)
            if key in objects:
                mask = mask | objects[key].mask
            objects[key] = LabelledMask(mask, label, str(entry.get("description") or ""))
        return LabelledImage(str(data["imagePath"]), shape, tuple(objects.values()))
    except KeyError as error:
        raise ValueError(f"this is no labelme file: {error.args[0]!r} is missing") from error


def _mask(entry: Mapping[str, Any], shape: tuple[int, int], number: int) -> NDArray[np.bool_]:
    kind = entry.get("shape_type") or "polygon"
    points = np.asarray(entry["points"], np.float64).reshape(-1, 2)
    if kind == "polygon" and len(points) >= 3:
        return fill([points], shape)
    if kind == "rectangle" and len(points) == 2:
        (x0, y0), (x1, y1) = points
        return fill([np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])], shape)
    if kind == "mask" and len(points) == 2 and entry.get("mask"):
        return _pasted(entry["mask"], points, shape, number)
    raise ValueError(
        f"shape {number} is a {kind} of {len(points)} points; accepted are polygons of three or "
        "more, rectangles and masks of two"
    )


def _pasted(
    pixels: str, points: NDArray[np.float64], shape: tuple[int, int], number: int
) -> NDArray[np.bool_]:
    from PIL import Image

    try:
        with Image.open(io.BytesIO(base64.b64decode(pixels, validate=True))) as opened:
            part = np.asarray(opened.convert("L")) > 0
    except (ValueError, OSError) as error:
        raise ValueError(f"shape {number}: cannot read its mask: {error}") from error
    (x0, y0), (x1, y1) = np.round(points).astype(int)
    inside = 0 <= x0 <= x1 < shape[1] and 0 <= y0 <= y1 < shape[0]
    if not inside or part.shape != (y1 - y0 + 1, x1 - x0 + 1):
        raise ValueError(
            f"shape {number}: a mask of {part.shape} does not fit the box {points.tolist()} in an "
            f"image of {shape}"
        )
    mask = np.zeros(shape, bool)
    mask[y0 : y1 + 1, x0 : x1 + 1] = part
    return mask
