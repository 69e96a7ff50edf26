"""SBD: instances of PASCAL VOC images with polygon-like outlines (Hariharan et al., 2011)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from iseg_widget.datasets.base import Sample
from iseg_widget.datasets.benchmark import InstanceBenchmark, split_stems
from iseg_widget.datasets.files import read_image_file


class Sbd(InstanceBenchmark):
    """Validation split: 2857 images, 6671 objects, one sample each; every pixel counts.

    The protocol of FocusCut (Sec. 4.1) and IA-FPN (Sec. 4). Instances come from
    ``GTinst.Segmentation`` of ``inst/<stem>.mat``, where every value but 0 is one; the class masks
    in ``cls/`` are not needed. No object is left out: the published evaluations drop none either.

    Parameters
    ----------
    root
        The folder with ``img/``, ``inst/``, ``val.txt`` and ``train.txt`` (``dataset/`` in the
        benchmark release).

    Raises
    ------
    ValueError
        The list is missing or empty, or (from ``names`` or a sample) a file is unreadable.
    """

    name = "sbd"
    folders = (
        "sbd",
        "SBD",
        "sbd/dataset",
        "SBD/dataset",
        "benchmark_RELEASE/dataset",
        "sbd/benchmark_RELEASE/dataset",
        "SBD/benchmark_RELEASE/dataset",
    )
    objects = 6671
    description = "SBD validation split, every instance is an object; every pixel counts"
    download = "the SBD benchmark release (benchmark.tgz, Hariharan et al.)"
    layout = "{folder}/img/<stem>.jpg, {folder}/inst/<stem>.mat and {folder}/val.txt, train.txt"
    split: ClassVar[str] = "val"

    def __init__(self, root: str | os.PathLike[str]) -> None:
        super().__init__(root)
        self._stems = split_stems(self.root / f"{self.split}.txt")

    @classmethod
    def holds(cls, place: Path) -> bool:
        """Whether ``place`` has the images, the instances and the list of this split."""
        return (
            all((place / folder).is_dir() for folder in ("img", "inst"))
            and (place / f"{cls.split}.txt").is_file()
        )

    def _scan(self) -> Iterator[tuple[str, int]]:
        for stem in self._stems:
            values = np.unique(read_instances(self._file(stem)))
            yield from ((stem, int(value)) for value in values[values > 0])

    def _file(self, stem: str) -> Path:
        return self.root / "inst" / f"{stem}.mat"

    def _instance(self, name: str, stem: str, value: int) -> Sample:
        image = read_image_file(self.root / "img" / f"{stem}.jpg")
        return Sample(name, image, read_instances(self._file(stem)) == value)


class SbdTrain(Sbd):
    """Training split: 8498 images, 20172 objects; for training, not for reports."""

    name = "sbd_train"
    objects = 20172
    description = "SBD training split, every instance is an object; every pixel counts"
    split = "train"


def read_instances(path: Path) -> NDArray[Any]:
    """``(H, W)`` instance ids of an SBD ``inst/*.mat`` file, 0 where there is none.

    Raises
    ------
    ValueError
        The file is missing, or holds no ``GTinst.Segmentation``; the message names it.
    """
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        content = loadmat(path, variable_names=["GTinst"], struct_as_record=True)
        values = content["GTinst"]["Segmentation"].item()
    except (OSError, KeyError, IndexError, TypeError, ValueError, MatReadError) as error:
        raise ValueError(f"cannot read GTinst.Segmentation of {path}: {error}") from error
    if not isinstance(values, np.ndarray) or values.ndim != 2:
        raise ValueError(f"{path}: GTinst.Segmentation is not a two-dimensional array")
    return values
