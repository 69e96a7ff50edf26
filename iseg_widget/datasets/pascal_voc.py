"""PASCAL VOC 2012: instances of the segmentation task's validation images (Everingham et al.)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from iseg_widget.datasets.base import Sample
from iseg_widget.datasets.benchmark import InstanceBenchmark, split_stems
from iseg_widget.datasets.files import read_id_mask, read_image_file

_VOID = 255
_SPLITS = ("val", "train", "trainval")


class PascalVoc(InstanceBenchmark):
    """Validation split: 1449 images, 3427 objects, one sample each; the value 255 is ignored.

    The protocol of FCA-Net (Sec. 4) and IA-FPN (Sec. 4): the void outline (255) counts neither
    for the IoU nor as an error. Values are the palette's indices in ``SegmentationObject``. The
    published code of RITM and FocalClick reads the palette's colours as grey instead; there ids 1
    and 16, 3 and 18, 6 and 21, 9 and 24 have one grey value and become one object, and RITM's
    documentation counts 3417.

    Parameters
    ----------
    root
        ``VOCdevkit/VOC2012``.
    split
        ``"val"`` (the benchmark), ``"train"`` or ``"trainval"``.

    Raises
    ------
    ValueError
        The list is missing or empty, the split is unknown, or (from ``names`` or a sample) a file
        is unreadable.
    """

    name = "pascal_voc"
    folders = (
        "VOCdevkit/VOC2012",
        "VOC2012",
        "pascal_voc",
        "PascalVOC",
        "pascal_voc/VOCdevkit/VOC2012",
        "PascalVOC/VOCdevkit/VOC2012",
    )
    objects = 3427
    description = (
        "PASCAL VOC 2012 validation split, every instance is an object; the void outline (255) "
        "counts neither for the IoU nor as an error for the robot"
    )
    download = "PASCAL VOC 2012 (VOCtrainval_11-May-2012.tar)"
    layout = (
        "{folder}/JPEGImages/<stem>.jpg, {folder}/SegmentationObject/<stem>.png and "
        "{folder}/ImageSets/Segmentation/val.txt"
    )

    def __init__(self, root: str | os.PathLike[str], *, split: str = "val") -> None:
        if split not in _SPLITS:
            raise ValueError(f"split must be one of {', '.join(_SPLITS)}, got {split!r}")
        super().__init__(root)
        self._stems = split_stems(self.root / "ImageSets" / "Segmentation" / f"{split}.txt")
        if split != "val":
            self.name = f"{self.name}_{split}"
            self.description = self.description.replace("validation", split)

    @classmethod
    def holds(cls, place: Path) -> bool:
        """Whether ``place`` has the images, the instances and the lists."""
        return (
            all((place / folder).is_dir() for folder in ("JPEGImages", "SegmentationObject"))
            and (place / "ImageSets" / "Segmentation" / "val.txt").is_file()
        )

    def _scan(self) -> Iterator[tuple[str, int]]:
        for stem in self._stems:
            values = np.unique(read_id_mask(self._file(stem)))
            yield from ((stem, int(value)) for value in values[(values > 0) & (values != _VOID)])

    def _file(self, stem: str) -> Path:
        return self.root / "SegmentationObject" / f"{stem}.png"

    def _instance(self, name: str, stem: str, value: int) -> Sample:
        values = read_id_mask(self._file(stem))
        void = values == _VOID
        image = read_image_file(self.root / "JPEGImages" / f"{stem}.jpg")
        return Sample(name, image, values == value, ignore=void if void.any() else None)
