"""Public data sets as training sources: SBD, PASCAL VOC, and COCO with LVIS.

They are read in the layouts they are published in, training splits only. Reading SBD needs scipy;
COCO and LVIS need pycocotools, and a memory that holds their annotations: packed into shards once,
they load in seconds.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from iseg_widget.datasets.benchmark import split_stems
from iseg_widget.datasets.coco_mval import CocoObject
from iseg_widget.datasets.files import read_id_mask
from iseg_widget.datasets.sbd import SbdTrain, read_instances
from iseg_widget.training.sources import Entry, Files, Source

SAME = 0.8
"""IoU above which an object of COCO is one that LVIS has, too; ours."""

MOST = 254
"""Ids of a mask: 0 is background and 255 ignored."""

LAYERS = 63
"""Most objects of an image that are kept, the largest ones."""


def png(ids: NDArray[Any], origin: Path) -> bytes:
    """Return ids as an 8-bit PNG; ``ValueError`` when one is over 255."""
    if ids.size and int(ids.max()) > 255:
        raise ValueError(f"{origin}: ids go up to {ids.max()}, accepted are 0 to 255")
    _, data = cv2.imencode(".png", np.ascontiguousarray(ids, np.uint8))
    return data.tobytes()


class SbdSource:
    """SBD's training split (``train.txt``): ``img/<stem>.jpg`` and ``inst/<stem>.mat``.

    The data set is called ``sbd``.
    """

    def __init__(self, root: Path) -> None:
        self.root, self.origin = root, str(root)
        stems = split_stems(root / f"{SbdTrain.split}.txt")
        self.entries = tuple(Entry("sbd", stem, "instances") for stem in stems)

    def files(self, entry: Entry) -> Files:
        """See :class:`~iseg_widget.training.sources.Source`."""
        mask = self.root / "inst" / f"{entry.stem}.mat"
        return Files(
            _bytes(self.root / "img" / f"{entry.stem}.jpg"),
            ".jpg",
            png(read_instances(mask), mask),
        )


class VocSource:
    """PASCAL VOC's training images with instances, in the layout of ``VOCdevkit/VOC2012``.

    The void outline (255) is ignored. The data set is called ``voc``.
    """

    def __init__(self, root: Path) -> None:
        self.root, self.origin = root, str(root)
        stems = split_stems(root / "ImageSets" / "Segmentation" / "train.txt")
        self.entries = tuple(Entry("voc", stem, "instances") for stem in stems)

    def files(self, entry: Entry) -> Files:
        """See :class:`~iseg_widget.training.sources.Source`."""
        mask = self.root / "SegmentationObject" / f"{entry.stem}.png"
        image = self.root / "JPEGImages" / f"{entry.stem}.jpg"
        # The file has a palette; written anew, ids are what is decoded.
        return Files(_bytes(image), ".jpg", png(read_id_mask(mask), mask))


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ValueError(f"cannot read the image {path}: {error}") from error


@dataclass(frozen=True)
class _Picture:
    """One annotated image: its file, size ``(H, W)`` and the outlines of each set."""

    path: str
    size: tuple[int, int]
    outlines: dict[str, list[Any]]


class CocoSource:
    """COCO's training images with the objects of COCO, of LVIS, or of both (RITM's training set).

    Objects may overlap: an LVIS jacket lies on a COCO person. With both, an object of COCO is left
    out where LVIS has it, too (:data:`SAME`), as RITM combines them (arXiv 2102.06583, Sec. 4.1).
    Crowds are left out. The data set is called ``coco``, ``lvis`` or ``coco_lvis``.

    Parameters
    ----------
    root: the folder with ``train2017/`` (LVIS also takes images of ``val2017/``) and
        ``annotations/``: ``instances_train2017.json``, ``lvis_v1_train.json`` or both.
    """

    def __init__(self, root: Path) -> None:
        self.root, self.origin = root, str(root)
        self._pictures: dict[str, _Picture] = {}
        there = [kind for kind, path in coco_annotations(root).items() if path.is_file()]
        for kind in there:
            self._add(kind, coco_annotations(root)[kind])
        name = "_".join(there)
        self.entries = tuple(Entry(name, stem, "groups") for stem in self._pictures)

    def _add(self, kind: str, path: Path) -> None:
        try:
            content = json.loads(path.read_bytes())
            images = {image["id"]: image for image in content["images"]}
            annotations = content["annotations"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ValueError(f"cannot read {path}: {error}") from error
        for annotation in annotations:
            if annotation.get("iscrowd"):
                continue
            image = images[annotation["image_id"]]
            relative = _image_path(image)
            stem = PurePosixPath(relative).stem
            if stem not in self._pictures:
                size = int(image["height"]), int(image["width"])
                self._pictures[stem] = _Picture(relative, size, {})
            outlines = self._pictures[stem].outlines.setdefault(kind, [])
            outlines.append(_compact(annotation["segmentation"]))

    def files(self, entry: Entry) -> Files:
        """See :class:`~iseg_widget.training.sources.Source`."""
        picture = self._pictures[entry.stem]
        masks = {
            kind: [_mask(entry.stem, picture, outline) for outline in outlines]
            for kind, outlines in picture.outlines.items()
        }
        lvis = masks.get("lvis", [])
        both = [*lvis, *(m for m in masks.get("coco", []) if not _known(m, lvis))]
        ids, objects = flatten(both, picture.size)
        path = self.root / picture.path
        return Files(_bytes(path), path.suffix, png(ids, path), objects)


def coco_annotations(root: Path) -> Mapping[str, Path]:
    """Annotation files of COCO and LVIS below ``root``, there or not."""
    folder = root / "annotations"
    return {"coco": folder / "instances_train2017.json", "lvis": folder / "lvis_v1_train.json"}


def _image_path(image: Mapping[str, Any]) -> str:
    """``train2017/<name>.jpg``: LVIS names the folder in the image's address only."""
    if "file_name" in image:
        return f"train2017/{image['file_name']}"
    return "/".join(str(image["coco_url"]).split("/")[-2:])


def _compact(outline: Any) -> Any:
    """Keep polygons in a tenth of the memory that lists of numbers take."""
    if isinstance(outline, list):
        return [np.asarray(polygon, np.float32) for polygon in outline]
    return outline


def _mask(stem: str, picture: _Picture, outline: Any) -> NDArray[np.bool_]:
    if isinstance(outline, list):
        outline = [polygon.astype(np.float64).tolist() for polygon in outline]
    return CocoObject(stem, picture.path, picture.size, outline).mask()


def _known(mask: NDArray[np.bool_], others: Iterable[NDArray[np.bool_]]) -> bool:
    return any((mask & other).sum() > SAME * (mask | other).sum() for other in others)


def flatten(
    masks: Sequence[NDArray[np.bool_]], shape: tuple[int, int]
) -> tuple[NDArray[np.uint8], tuple[tuple[int, ...], ...]]:
    """Write objects that may overlap as one map of ids.

    Pixels that belong to the same objects share an id; an object is the group of ids that its
    pixels have. The smallest objects are left out where there are more than :data:`LAYERS` or
    there would be more than :data:`MOST` ids.

    Returns
    -------
    Ids ``(H, W)`` uint8, 0 where there is no object, and the ids of each object that is kept, the
    largest first.
    """
    kept = sorted((m for m in masks if m.any()), key=lambda m: -int(m.sum()))[:LAYERS]
    while True:
        codes = np.zeros(shape, np.int64)
        for bit, mask in enumerate(kept):
            codes |= mask.astype(np.int64) << bit
        values, inverse = np.unique(codes, return_inverse=True)
        if values[0] != 0:
            values, inverse = np.concatenate([[0], values]), inverse + 1
        if len(values) <= MOST + 1:
            break
        kept = kept[: len(kept) * 3 // 4]
    ids = inverse.reshape(shape).astype(np.uint8)
    groups = tuple(
        tuple(int(i) for i in np.flatnonzero(values >> bit & 1)) for bit in range(len(kept))
    )
    return ids, groups


def find_public(root: Path) -> Source | None:
    """Open ``root`` as the public data set whose layout it has; ``None`` when it has none's."""
    if SbdTrain.holds(root):
        return SbdSource(root)
    lists = root / "ImageSets" / "Segmentation"
    if (lists / "train.txt").is_file() and (root / "SegmentationObject").is_dir():
        return VocSource(root)
    if any(path.is_file() for path in coco_annotations(root).values()):
        return CocoSource(root)
    return None
