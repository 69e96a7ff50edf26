"""COCO MVal: 10 objects of each of COCO's 80 categories, seen or unseen (Lin et al., 2014)."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from iseg_widget.datasets.base import Sample
from iseg_widget.datasets.benchmark import Benchmark
from iseg_widget.datasets.files import (
    find_pairs,
    has_sub_folders,
    read_image_file,
    read_merged_mask,
)

Split = Literal["all", "seen", "unseen"]
_YEARS = ("2017", "2014")

# The 20 categories of PASCAL VOC by their COCO names: "seen" by networks trained on VOC or SBD.
SEEN = frozenset(
    {
        *("airplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
        *("dining table", "dog", "horse", "motorcycle", "person", "potted plant", "sheep"),
        *("couch", "train", "tv"),
    }
)


@dataclass(frozen=True, slots=True)
class CocoObject:
    """One annotated object of the draw: its image's file name and size, and its outline."""

    name: str
    file_name: str
    size: tuple[int, int]
    outline: Any

    def mask(self) -> NDArray[np.bool_]:
        """``(H, W)`` bool, rasterised by COCO's own rules (pycocotools).

        Raises
        ------
        ImportError
            pycocotools is not installed.
        """
        try:
            from pycocotools import mask as coco
        except ImportError as error:
            raise ImportError(
                "COCO annotations are read with pycocotools: "
                'pip install "iseg-widget[data]", or pip install pycocotools'
            ) from error
        rle = self.outline
        if isinstance(rle, list):
            rle = coco.merge(coco.frPyObjects(rle, *self.size))
        elif isinstance(rle["counts"], list):
            rle = coco.frPyObjects(rle, *self.size)
        return np.asarray(coco.decode(rle), dtype=bool)


class CocoMVal(Benchmark):
    """800 objects on 800 images of COCO val, 10 of each category; every pixel counts.

    FCA-Net (Sec. 4), IA-FPN (Sec. 4) and RIS-Net (Sec. 4) sample 10 images of each category at
    random; 20 categories are those of PASCAL VOC ("seen"), 60 are not ("unseen"). None says which
    images and which object of an image. Two layouts are read:

    - the list published with f-BRS, ``img/`` and ``gt/`` with one object an image (mask > 0). Its
      800 images are the ones of later papers; their categories are not in it, so it cannot be
      split into seen and unseen.
    - COCO itself, ``val2017/`` (or ``val2014/``, also inside ``images/``) and
      ``annotations/instances_val2017.json``. Then ``per_category`` objects are drawn from each
      category with ``seed``: images without repetition over all categories, the rarest category
      first, and one object of that category an image; crowd regions and objects under ``min_area``
      are not drawn. The draw is the same for every split. A category with too few images gives
      fewer objects; the description says how many there are. Scores on this draw are comparable
      among each other, with the papers' tables only roughly.

    Parameters
    ----------
    root
        The folder in one of the two layouts. When both are there the first is read, except for
        ``"seen"`` and ``"unseen"``.
    split
        ``"all"``, ``"seen"`` or ``"unseen"``. Default: that of the class.
    per_category, seed, min_area
        For the draw from COCO; ``min_area`` in pixels of the annotation.

    Raises
    ------
    ValueError
        The folder has neither layout, an option is not one of those named, or the annotations are
        not COCO's.
    """

    name = "coco_mval"
    folders: ClassVar[tuple[str, ...]] = (
        "COCO_MVal",
        "coco_mval",
        "coco",
        "COCO",
        "coco2017",
        "MSCOCO",
    )
    objects = 800
    description = "COCO MVal, 10 objects of each of 80 categories; every pixel counts"
    download = (
        "COCO_MVal.zip (800 images, published with f-BRS), or COCO's val images and instances"
    )
    layout = (
        "{folder}/img/<stem>.jpg and {folder}/gt/<stem>.png, or coco/val2017/<image>.jpg and "
        "coco/annotations/instances_val2017.json"
    )
    split: Split = "all"

    def __init__(
        self,
        root: str | os.PathLike[str],
        *,
        split: Split | None = None,
        per_category: int = 10,
        seed: int = 0,
        min_area: float = 10,
    ) -> None:
        if split is not None and split not in get_args(Split):
            raise ValueError(f"split must be one of {', '.join(get_args(Split))}, got {split!r}")
        if per_category < 1:
            raise ValueError(f"per_category must be at least 1, got {per_category}")
        super().__init__(root)
        self.split = split or self.split
        if self.split == "all" and has_sub_folders(self.root):
            self._pairs = {pair.stem: pair for pair in find_pairs(self.root)}
            self._names = tuple(self._pairs)
            here = len(self._names)
            note = "published list" + ("" if here == self.objects else f", this copy has {here}")
        else:
            images, annotations = _coco_files(self.root)
            self._images = images
            self._drawn = tuple(
                draw_objects(
                    _load(annotations), self.split, per_category, seed=seed, min_area=min_area
                )
            )
            self._pairs = {}
            self._names = tuple(item.name for item in self._drawn)
            note = f"own draw of {len(self._names)} from {annotations.name}, seed {seed}"
        self.description = f"{self.description} ({note})"

    @classmethod
    def holds(cls, place: Path) -> bool:
        """Whether ``place`` has one of the two layouts that this split can be read from."""
        listed = cls.split == "all" and has_sub_folders(place)
        return listed or _find_coco(place) is not None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all samples; drawn ones are ``<image>#<annotation id>``."""
        return self._names

    def _read(self, index: int) -> Sample:
        if self._pairs:
            pair = self._pairs[self._names[index]]
            return Sample(pair.stem, read_image_file(pair.image), read_merged_mask(pair.mask))
        item = self._drawn[index]
        return Sample(item.name, read_image_file(self._images / item.file_name), item.mask())


class CocoMValSeen(CocoMVal):
    """The 20 categories that PASCAL VOC has, too: 200 objects, drawn from COCO val."""

    name = "coco_mval_seen"
    folders = ("coco", "COCO", "coco2017", "MSCOCO")
    objects = 200
    description = "COCO MVal, 10 objects of each of the 20 categories of PASCAL VOC"
    download = "COCO's val images and instances (val2017.zip, annotations_trainval2017.zip)"
    layout = "{folder}/val2017/<image>.jpg and {folder}/annotations/instances_val2017.json"
    split: Split = "seen"


class CocoMValUnseen(CocoMValSeen):
    """The 60 categories that PASCAL VOC has not: 600 objects, drawn from COCO val."""

    name = "coco_mval_unseen"
    objects = 600
    description = "COCO MVal, 10 objects of each of the 60 categories that PASCAL VOC has not"
    split = "unseen"


def _find_coco(place: Path) -> tuple[Path, Path] | None:
    """Image folder and annotation file of COCO val in ``place``."""
    for year in _YEARS:
        annotations = place / "annotations" / f"instances_val{year}.json"
        for images in (place / f"val{year}", place / "images" / f"val{year}"):
            if annotations.is_file() and images.is_dir():
                return images, annotations
    return None


def _coco_files(root: Path) -> tuple[Path, Path]:
    found = _find_coco(root)
    if found is None:
        raise ValueError(
            f"{root} is not COCO: expected val2017/<image>.jpg and "
            "annotations/instances_val2017.json (or 2014) in it"
        )
    return found


def _load(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ValueError(f"cannot read {path}: {error}") from error
    wanted = ("images", "annotations", "categories")
    if not isinstance(content, dict) or any(key not in content for key in wanted):
        raise ValueError(f"{path} is not a COCO instances file: expected {', '.join(wanted)}")
    return content


def draw_objects(
    content: dict[str, Any], split: Split, per_category: int, *, seed: int, min_area: float
) -> Iterator[CocoObject]:
    """Draw objects category by category, the rarest first; see :class:`CocoMVal`.

    Parameters
    ----------
    content
        A COCO instances file: ``images``, ``annotations`` and ``categories``.
    """
    images = {image["id"]: image for image in content["images"]}
    by_category: dict[int, dict[int, list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    for annotation in content["annotations"]:
        if not annotation.get("iscrowd") and annotation["area"] >= min_area:
            found = by_category[annotation["category_id"]]
            found[annotation["image_id"]].append(annotation)
    rng = np.random.default_rng(seed)
    used: set[int] = set()
    categories = {int(category["id"]): category["name"] for category in content["categories"]}
    for key in sorted(categories, key=lambda key: (len(by_category[key]), key)):
        found = by_category[key]
        taken = 0
        for image_id in rng.permutation(sorted(found)).tolist():
            if taken == per_category:
                break
            if image_id in used:
                continue
            annotations = sorted(found[image_id], key=lambda annotation: int(annotation["id"]))
            annotation = annotations[rng.integers(len(annotations))]
            used.add(image_id)
            taken += 1
            if split == "all" or (categories[key] in SEEN) == (split == "seen"):
                yield _object(images[image_id], annotation)


def _object(image: dict[str, Any], annotation: dict[str, Any]) -> CocoObject:
    stem = Path(image["file_name"]).stem
    return CocoObject(
        f"{stem}#{annotation['id']}",
        image["file_name"],
        (int(image["height"]), int(image["width"])),
        annotation["segmentation"],
    )
