"""The masks of a queue as files of other tools, written after the annotations they are made of."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

from iseg_widget.annotation import file
from iseg_widget.export import LabelledImage, id_png, to_coco, to_labelme, to_yolo, voc_pngs
from iseg_widget.folder.paths import common, relative

Format = Literal["png", "coco", "yolo", "voc", "labelme"]
FORMATS: tuple[Format, ...] = get_args(Format)

COCO = "coco.json"


def check_formats(formats: str | Sequence[str]) -> tuple[Format, ...]:
    """Return the formats, each once; ``ValueError`` naming those there are."""
    given = [formats] if isinstance(formats, str) else list(formats)
    unknown = [name for name in given if name not in FORMATS]
    if unknown:
        raise ValueError(f"formats must be among {', '.join(FORMATS)}, got {unknown}")
    return tuple(known for known in FORMATS if known in given)


@dataclass(frozen=True)
class Target:
    """An image that files are made for: its path, its files' name, and its annotation's file."""

    image: Path
    name: str
    annotation: Path


def read_labelled(target: Target) -> LabelledImage:
    """Return the objects of an annotation's file that have pixels.

    ``ValueError`` when it cannot be read.
    """
    stored = file.read(target.annotation)
    found = file.labelled(stored.snapshot, stored.shape, target.image.name)
    return replace(found, objects=tuple(item for item in found.objects if item.mask.any()))


def places(folder: Path, name: str, formats: Sequence[Format]) -> dict[Format, tuple[Path, ...]]:
    """Return where the files of an image lie, by format; COCO's has no files of its own."""
    voc = folder / "voc"
    everything: dict[Format, tuple[Path, ...]] = {
        "png": (folder / f"{name}.png",),
        "yolo": (folder / "yolo" / f"{name}.txt",),
        "voc": (
            voc / "SegmentationClass" / f"{name}.png",
            voc / "SegmentationObject" / f"{name}.png",
        ),
        "labelme": (folder / "labelme" / f"{name}.json",),
    }
    return {form: everything[form] for form in formats if form in everything}


def contents(
    target: Target,
    labelled: LabelledImage,
    folder: Path,
    formats: Sequence[Format],
    classes: Sequence[str],
) -> dict[Path, bytes]:
    """Return the files of an image with what is to be in them.

    Parameters
    ----------
    classes: labels in the order of their numbers, from 0 (YOLO) and from 1 (VOC).
    """
    made: dict[Path, bytes] = {}
    for form, paths in places(folder, target.name, formats).items():
        match form:
            case "png":
                made[paths[0]] = id_png(labelled)
            case "yolo":
                made[paths[0]] = to_yolo(labelled, classes).encode()
            case "voc":
                made |= zip(paths, voc_pngs(labelled, classes), strict=True)
            case _:
                named = replace(labelled, file_name=relative(target.image, paths[0].parent))
                made[paths[0]] = _json(to_labelme(named))
    return made


def class_lists(
    folder: Path, formats: Sequence[Format], classes: Sequence[str]
) -> dict[Path, bytes]:
    """Return the lists of class names, one a line, that YOLO and VOC have beside their files."""
    text = "".join(f"{name}\n" for name in classes).encode()
    return {folder / form / "classes.txt": text for form in formats if form in ("yolo", "voc")}


@dataclass(frozen=True)
class CocoPart:
    """An image's part of ``coco.json``.

    Attributes
    ----------
    target: whose part it is.
    shape: ``(H, W)``.
    annotations: COCO's, with the labels themselves for category ids.
    """

    target: Target
    shape: tuple[int, int]
    annotations: tuple[Mapping[str, Any], ...]


class CocoFile:
    """Keeps each image's part of ``coco.json``, so that a change costs what it changes."""

    def __init__(self) -> None:
        self._parts: dict[str, tuple[int, CocoPart]] = {}

    def parts(self, targets: Iterable[Target]) -> list[CocoPart]:
        """Return the parts of all images that have annotations which can be read."""
        found = []
        for target in targets:
            try:
                stamp = target.annotation.stat().st_mtime_ns
                known = self._parts.get(target.name)
                if known is None or known[0] != stamp or known[1].target != target:
                    known = self._parts[target.name] = (stamp, _coco_part(target))
            except (OSError, ValueError):  # not begun; or damaged, which shows when it is opened
                continue
            found.append(known[1])
        return found


def _coco_part(target: Target) -> CocoPart:
    labelled = read_labelled(target)
    data = to_coco([labelled])
    labels = {entry["id"]: entry["name"] for entry in data["categories"]}
    annotations = [
        {**entry, "category_id": labels[entry["category_id"]]} for entry in data["annotations"]
    ]
    return CocoPart(target, labelled.shape, tuple(annotations))


def coco_content(parts: Sequence[CocoPart], classes: Sequence[str]) -> bytes:
    """Return ``coco.json``.

    Images are named by their paths as seen from the innermost folder that holds them all. Category
    ids are 1, 2, … in the order of ``classes``.
    """
    root = common([part.target.image.parent for part in parts])
    data = to_coco([], classes=classes)
    for image, part in enumerate(parts, start=1):
        name = relative(part.target.image, root)
        height, width = part.shape
        data["images"].append({"id": image, "file_name": name, "height": height, "width": width})
        for entry in part.annotations:
            number = len(data["annotations"]) + 1
            category = list(classes).index(entry["category_id"]) + 1
            data["annotations"].append(
                {**entry, "id": number, "image_id": image, "category_id": category}
            )
    return _json(data)


def _json(data: Any) -> bytes:
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()
