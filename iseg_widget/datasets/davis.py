"""DAVIS: 345 frames of the 50 sequences of DAVIS-2016 (Perazzi et al., 2016)."""

from __future__ import annotations

from iseg_widget.datasets.base import Sample
from iseg_widget.datasets.benchmark import Benchmark
from iseg_widget.datasets.files import Pair, read_image_file, read_merged_mask


class Davis(Benchmark):
    """345 frames; everything that is not background is one object, whatever instance it belongs to.

    The single-object reading is the common protocol (FocalClick Sec. 3.2 names its consequences).
    """

    name = "davis"
    folders = ("davis", "davis345", "DAVIS", "DAVIS345")
    objects = 345
    description = "DAVIS, 345 frames; all instances of a frame are merged to one object (mask > 0)"
    download = "the 345 frames of DAVIS-2016 used by the interactive segmentation papers"

    def _sample(self, pair: Pair) -> Sample:
        return Sample(pair.stem, read_image_file(pair.image), read_merged_mask(pair.mask))
