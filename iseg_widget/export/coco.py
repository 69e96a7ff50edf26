"""COCO's instance annotations: run lengths (exact) or polygons.

Format: https://cocodataset.org/#format-data, section "Object Detection".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from iseg_widget.export.labelled import LabelledImage, LabelledMask, class_names
from iseg_widget.masks import box_of, rle_decode, rle_encode
from iseg_widget.outlines import Ring, fill, polygons, without_holes

Form = Literal["rle", "polygon"]


def to_coco(
    images: Sequence[LabelledImage],
    *,
    form: Form = "rle",
    tolerance: float = 0.0,
    classes: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Return a COCO data set as JSON-able dictionaries.

    Parameters
    ----------
    images: with their objects.
    form: ``"rle"``: uncompressed run lengths, exact. ``"polygon"``: lists of corners; COCO has no
        holes, so regions with holes are cut into several polygons.
    tolerance: pixels that polygons may stray to have fewer corners; 0 is exact. Regions with holes
        are cut first and simplified then.
    classes: category names in order of their ids from 1; default: the labels that occur.

    Raises
    ------
    ValueError: unknown form, or a label that is not among ``classes``.
    """
    if form not in get_args(Form):
        raise ValueError(f"form must be one of {', '.join(get_args(Form))}, got {form!r}")
    names = class_names(images, classes)
    annotations: list[dict[str, Any]] = []
    for number, image in enumerate(images, start=1):
        for item in image.objects:
            box = box_of(item.mask) or (0, 0, 0, 0)
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": names.index(item.label) + 1,
                    "segmentation": (
                        rle_encode(item.mask)
                        if form == "rle"
                        else [ring.ravel().tolist() for ring in _rings(item.mask, tolerance)]
                    ),
                    "area": int(np.count_nonzero(item.mask)),
                    "bbox": [box[0], box[1], box[2] - box[0], box[3] - box[1]],
                    "iscrowd": 0,
                    **({"name": item.name} if item.name else {}),
                }
            )
    return {
        "info": {"description": "written by iseg_widget"},
        "images": [
            {"id": n, "file_name": i.file_name, "height": i.shape[0], "width": i.shape[1]}
            for n, i in enumerate(images, start=1)
        ],
        "categories": [{"id": n, "name": name} for n, name in enumerate(names, start=1)],
        "annotations": annotations,
    }


def _rings(mask: NDArray[np.bool_], tolerance: float) -> list[Ring]:
    parts = without_holes(mask)
    return [p.outer for part in parts for p in polygons(part, tolerance=tolerance)]


def from_coco(data: Mapping[str, Any]) -> list[LabelledImage]:
    """Read a COCO data set: polygons, run lengths, and run lengths compressed to text.

    Raises
    ------
    ValueError: a key is missing, ids do not fit, or a segmentation is of no known form.
    """
    try:
        labels = {entry["id"]: str(entry["name"]) for entry in data["categories"]}
        shapes = {e["id"]: (int(e["height"]), int(e["width"])) for e in data["images"]}
        objects: dict[Any, list[LabelledMask]] = {number: [] for number in shapes}
        for entry in data["annotations"]:
            shape = shapes[entry["image_id"]]
            mask = _mask(entry["segmentation"], shape, entry.get("id"))
            label = labels[entry["category_id"]]
            objects[entry["image_id"]].append(LabelledMask(mask, label, str(entry.get("name", ""))))
        return [
            LabelledImage(str(e["file_name"]), shapes[e["id"]], tuple(objects[e["id"]]))
            for e in data["images"]
        ]
    except KeyError as error:
        raise ValueError(
            f"this is no complete COCO data set: {error.args[0]!r} is missing or names nothing; "
            "expected are images, categories and annotations with their ids"
        ) from error


def _mask(segmentation: Any, shape: tuple[int, int], number: object) -> NDArray[np.bool_]:
    if isinstance(segmentation, list):
        mask = np.zeros(shape, bool)
        for flat in segmentation:
            corners = np.asarray(flat, np.float64)
            if corners.ndim != 1 or corners.size < 6 or corners.size % 2:
                raise ValueError(
                    f"annotation {number}: a polygon is a flat list of at least three x, y pairs, "
                    f"got {corners.size} numbers"
                )
            mask |= fill([corners.reshape(-1, 2)], shape)
        return mask
    if not isinstance(segmentation, Mapping) or not {"size", "counts"} <= set(segmentation):
        raise ValueError(
            f"annotation {number}: a segmentation is a list of polygons or run lengths "
            "{'size', 'counts'}"
        )
    if tuple(segmentation["size"]) != shape:
        raise ValueError(
            f"annotation {number}: the run lengths are for {segmentation['size']}, "
            f"the image is {list(shape)}"
        )
    counts = segmentation["counts"]
    if isinstance(counts, (str, bytes)):
        counts = decompress(counts)
    return rle_decode({"size": segmentation["size"], "counts": counts})


def decompress(text: str | bytes) -> list[int]:
    """Return the run lengths that COCO's tools write as text.

    Each number is stored in groups of five bits, lowest first, as characters from ``"0"`` on; from
    the third on numbers are differences to the one two before.
    """
    characters = text.encode("ascii") if isinstance(text, str) else text
    counts: list[int] = []
    value = shift = 0
    for character in characters:
        bits = character - 48
        if not 0 <= bits < 64:
            raise ValueError(f"run lengths as text hold the character {chr(character)!r}")
        value |= (bits & 0x1F) << shift
        shift += 5
        if bits & 0x20:
            continue
        if bits & 0x10:
            value -= 1 << shift
        counts.append(value + counts[-2] if len(counts) > 2 else value)
        value = shift = 0
    return counts
