"""Berkeley: 100 objects on 96 photographs (McGuinness and O'Connor, 2010; photographs of BSDS)."""

from __future__ import annotations

from iseg_widget.datasets.base import Sample
from iseg_widget.datasets.benchmark import PairBenchmark
from iseg_widget.datasets.files import Pair, read_image_file, read_merged_mask


class Berkeley(PairBenchmark):
    """100 objects on 96 photographs. Mask values: 0 background, anything else object.

    Two photographs carry three objects each: ``189011``, ``189011a`` and ``189011b``, and likewise
    ``239007``. The published layout repeats the photograph under each stem; a single copy under the
    bare stem will do.
    """

    name = "berkeley"
    folders = ("berkeley", "Berkeley")
    objects = 100
    second_objects = True
    description = "Berkeley, 100 objects on 96 photographs; every pixel counts"
    download = "the Berkeley object masks of McGuinness and O'Connor with their BSDS images"

    def _sample(self, pair: Pair) -> Sample:
        return Sample(pair.stem, read_image_file(pair.image), read_merged_mask(pair.mask))
