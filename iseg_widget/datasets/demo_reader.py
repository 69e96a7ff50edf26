"""The embedded demonstration images as a dataset: needs no download."""

from __future__ import annotations

from iseg_widget.datasets.base import BaseDataset, Sample


class Demo(BaseDataset):
    """The few images with masks that come with the package; for trying things out."""

    name = "demo"
    description = "the embedded demonstration images; too few for a comparison between methods"

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the demonstration objects."""
        from iseg_widget.datasets import demo

        return tuple(demo.names())

    def _read(self, index: int) -> Sample:
        from iseg_widget.datasets import demo

        name = self.names[index]
        return Sample(name, *demo.sample(name))
