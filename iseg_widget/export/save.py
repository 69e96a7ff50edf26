"""One image's objects as one file, and back, by the format's name."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from iseg_widget.export.coco import from_coco, to_coco
from iseg_widget.export.geojson import to_geojson
from iseg_widget.export.labelled import LabelledImage, class_names, write_file
from iseg_widget.export.labelme import from_labelme, to_labelme
from iseg_widget.export.png import binary_png, id_png, read_id_png, voc_pngs
from iseg_widget.export.yolo import from_yolo, to_yolo


def _json(data: Any) -> bytes:
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()


def _union(image: LabelledImage) -> bytes:
    covered = [item.mask for item in image.objects]
    return binary_png(np.any(covered, axis=0) if covered else np.zeros(image.shape, bool))


def _classes(image: LabelledImage, classes: Sequence[str] | None) -> tuple[str, ...]:
    return class_names([image], classes)


_Writer = Callable[..., bytes]

_WRITERS: Mapping[str, _Writer] = {
    "coco": lambda image, classes=None, **how: _json(to_coco([image], classes=classes, **how)),
    "labelme": lambda image, classes=None, **how: _json(to_labelme(image, **how)),  # noqa: ARG005
    "geojson": lambda image, classes=None, **how: _json(to_geojson(image, **how)),  # noqa: ARG005
    "yolo": lambda image, classes=None, **how: to_yolo(
        image, _classes(image, classes), **how
    ).encode(),
    "png": lambda image, classes=None: id_png(image),  # noqa: ARG005
    "mask": lambda image, classes=None: _union(image),  # noqa: ARG005
    "voc": lambda image, classes=None: voc_pngs(image, _classes(image, classes))[0],
}
FORMATS = tuple(_WRITERS)
"""``png`` holds object numbers, ``mask`` is black and white, ``voc`` holds class numbers."""

_BY_SUFFIX = {".json": "coco", ".geojson": "geojson", ".txt": "yolo", ".png": "png"}


def format_of(path: str | os.PathLike[str], format: str | None = None) -> str:  # noqa: A002
    """Return a format by its name, or by the path's ending; ``ValueError`` naming those known."""
    suffix = Path(path).suffix.lower()
    found = _BY_SUFFIX.get(suffix) if format is None else format
    if found is None or found not in _WRITERS:
        given = f"the ending {suffix!r}" if format is None else repr(format)
        raise ValueError(
            f"no format is known for {given}; accepted are format= one of {', '.join(FORMATS)}, "
            f"or a path that ends with {', '.join(_BY_SUFFIX)}"
        )
    return found


def save(
    image: LabelledImage,
    path: str | os.PathLike[str],
    format: str | None = None,  # noqa: A002
    *,
    classes: Sequence[str] | None = None,
    **settings: Any,
) -> Path:
    """Write an image's objects as one file; a crash leaves the old file or the new one.

    Parameters
    ----------
    format: one of :data:`FORMATS`; default: by the path's ending (``.json`` is COCO, ``.geojson``,
        ``.txt`` YOLO, ``.png`` object numbers).
    classes: class names in the order of their numbers; default: the labels that occur.
    settings: of the format, such as ``form`` and ``tolerance``; see :mod:`iseg_widget.export`.

    Raises
    ------
    ValueError: unknown format, or objects that the format cannot hold.
    TypeError: a setting that the format does not have.
    """
    write = _WRITERS[format_of(path, format)]
    return write_file(path, write(image, classes=classes, **settings))


def read(
    path: str | os.PathLike[str],
    shape: tuple[int, int] | None = None,
    format: str | None = None,  # noqa: A002
    *,
    file_name: str | None = None,
    classes: Sequence[str] | None = None,
) -> LabelledImage:
    """Read an image's objects: COCO (RLE or polygons), labelme, YOLO, or a mask picture.

    Parameters
    ----------
    shape: ``(H, W)`` of the image, which YOLO's files do not tell.
    format: ``"coco"``, ``"labelme"``, ``"yolo"`` or ``"png"``; default: by what the file holds.
    file_name: which image of a COCO file with several.
    classes: YOLO's class names in order.

    Raises
    ------
    ValueError: the file is missing or of no such format, holds no or several images of that name,
        or tells too little.
    """
    source = Path(path)
    if not source.is_file():
        raise ValueError(f"there is no file {source}")
    name = file_name or source.with_suffix("").name
    kind = format or _BY_SUFFIX.get(source.suffix.lower(), "png")
    if kind in ("png", "mask", "voc"):
        return read_id_png(source, name)
    if kind == "yolo":
        if shape is None or classes is None:
            raise ValueError("a YOLO file tells neither image size nor classes: give both")
        return from_yolo(source.read_text("utf-8"), name, shape, classes)
    try:
        data = json.loads(source.read_bytes())
    except ValueError as error:
        raise ValueError(f"{source} cannot be read as JSON: {error}") from error
    if not isinstance(data, Mapping):
        data = {}  # what is missing is then named
    if kind == "labelme" or (format is None and "shapes" in data):
        return from_labelme(data)
    found = [image for image in from_coco(data) if file_name in (None, image.file_name)]
    if len(found) != 1:
        names = [image.file_name for image in found] or [x["file_name"] for x in data["images"]]
        raise ValueError(f"{source} has to name one image: file_name= one of {', '.join(names)}")
    return found[0]
