"""DAVIS: 345 frames of the 50 sequences of DAVIS-2016 (Perazzi et al., 2016), in two readings."""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np

from iseg_widget.datasets.base import Sample
from iseg_widget.datasets.benchmark import InstanceBenchmark, PairBenchmark, encoding_note
from iseg_widget.datasets.files import (
    Pair,
    find_pairs,
    read_id_mask,
    read_image_file,
    read_merged_mask,
)

_FOLDERS = ("davis", "davis345", "DAVIS", "DAVIS345")
_VOID = 255


class Davis(PairBenchmark):
    """345 frames; everything that is not background is one object, whatever instance it belongs to.

    The single-object reading is the common protocol (FocalClick Sec. 3.2 names its consequences).
    Copies of these frames differ in how they were compressed, so the description says the JPEG
    quality of this one.
    """

    name = "davis"
    folders = _FOLDERS
    objects = 345
    description = "DAVIS, 345 frames; all instances of a frame are merged to one object (mask > 0)"
    download = "the 345 frames of DAVIS-2016 used by the interactive segmentation papers"

    def __init__(self, root: str | os.PathLike[str]) -> None:
        super().__init__(root)
        self.description += encoding_note(self.pairs[0].image)

    def _sample(self, pair: Pair) -> Sample:
        return Sample(pair.stem, read_image_file(pair.image), read_merged_mask(pair.mask))


class DavisObjects(InstanceBenchmark):
    """The instances of the 345 DAVIS frames, one sample each, small ones left out.

    In the manner of DAVIS-585 (FocalClick Sec. 3.2): every instance is an object of its own, those
    under 300 pixels are dropped. It is not DAVIS-585: that one takes 10 frames of each of the 30
    DAVIS-2017 validation videos. It has no initial masks either;
    :func:`~iseg_widget.datasets.defects.with_defects` makes some.

    The masks must hold instance ids (one channel or palette); the value 255 is void and ignored.

    Parameters
    ----------
    root
        The folder of the 345 frames.
    min_pixels
        Objects with fewer pixels are left out (300: FocalClick Sec. 3.2).

    Raises
    ------
    ValueError
        The folder does not have the layout, or (from ``names``) a mask is in colour.
    """

    name = "davis_objects"
    folders = _FOLDERS
    objects = 535
    description = (
        "DAVIS, the instances of the 345 frames as objects of their own, in the manner of DAVIS-585"
    )
    download = (
        "the 345 frames of DAVIS-2016 used by the interactive segmentation papers, with masks that "
        "hold instance ids"
    )
    layout = PairBenchmark.layout

    def __init__(self, root: str | os.PathLike[str], *, min_pixels: int = 300) -> None:
        super().__init__(root)
        self.min_pixels = min_pixels
        self._pairs = {pair.stem: pair for pair in find_pairs(self.root)}
        note = encoding_note(next(iter(self._pairs.values())).image)
        self.description = f"{self.description}; at least {min_pixels} pixels each{note}"

    def _scan(self) -> Iterator[tuple[str, int]]:
        for stem, pair in self._pairs.items():
            values, counts = np.unique(read_id_mask(pair.mask), return_counts=True)
            kept = (values > 0) & (values != _VOID) & (counts >= self.min_pixels)
            yield from ((stem, int(value)) for value in values[kept])

    def _instance(self, name: str, stem: str, value: int) -> Sample:
        pair = self._pairs[stem]
        values = read_id_mask(pair.mask)
        void = values == _VOID
        return Sample(
            name,
            read_image_file(pair.image),
            values == value,
            ignore=void if void.any() else None,
        )
