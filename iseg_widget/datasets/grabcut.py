"""GrabCut: 50 photographs with one object each (Rother, Kolmogorov and Blake, 2004)."""

from __future__ import annotations

from iseg_widget.datasets.base import Sample
from iseg_widget.datasets.benchmark import PairBenchmark
from iseg_widget.datasets.files import Pair, read_id_mask, read_image_file

_BAND = 128


class GrabCut(PairBenchmark):
    """50 objects. Mask values: 0 background, 128 an ignored band along the contour, 255 object.

    The band counts neither for the IoU nor as an error for the robot user.
    """

    name = "grabcut"
    folders = ("grabcut", "GrabCut")
    objects = 50
    description = (
        "GrabCut, 50 objects; the band marked 128 along the contour counts neither for the IoU "
        "nor as an error for the robot"
    )
    download = (
        "the GrabCut images and their ground truth (data_GT, boundary_GT) of Microsoft Research"
    )

    def _sample(self, pair: Pair) -> Sample:
        values = read_id_mask(pair.mask)
        band = values == _BAND
        # Strictly above the band, as in the published evaluations.
        return Sample(
            pair.stem,
            read_image_file(pair.image),
            values > _BAND,
            ignore=band if band.any() else None,
        )
