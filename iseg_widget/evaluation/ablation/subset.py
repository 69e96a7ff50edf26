"""A dataset in a random order, so that its first objects are a fair sample of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from iseg_widget.datasets.base import BaseDataset, Dataset, Sample
from iseg_widget.datasets.defects import DefectiveDataset
from iseg_widget.masks import PackedMask


class Shuffled(BaseDataset):
    """The samples of a dataset in an order drawn by ``seed``.

    Benchmarks are sorted by name, so that their first objects are alike (DAVIS: frames of the same
    video). With ``evaluate(limit=N)`` this gives N objects drawn at random; a larger N takes the
    same ones and more, and so continues a run. Datasets of the same length get the same order.

    Generated initial masks are made once and kept, packed: an experiment reads them row after row.

    Raises
    ------
    ValueError: the seed is negative.
    """

    def __init__(self, dataset: Dataset, seed: int = 0) -> None:
        if seed < 0:
            raise ValueError(f"seed must be a whole number from 0, got {seed}")
        self.dataset = dataset
        self.seed = seed
        self.name = f"{dataset.name} shuffled{seed}"
        self.description = f"{dataset.description}; in an order drawn with seed {seed}"
        order = np.random.default_rng(seed).permutation(len(dataset.names))
        self._order: list[int] = order.tolist()
        names = dataset.names
        self._names = tuple(names[index] for index in self._order)
        self._masks: dict[int, PackedMask] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all samples in the order drawn."""
        return self._names

    def _read(self, index: int) -> Sample:
        place = self._order[index]
        if not isinstance(self.dataset, DefectiveDataset):
            return self.dataset[place]
        if place not in self._masks:
            sample = self.dataset[place]
            assert sample.initial_mask is not None  # noqa: S101 (for the type checker)
            self._masks[place] = PackedMask.pack(sample.initial_mask)
            return sample
        return replace(self.dataset.dataset[place], initial_mask=self._masks[place].unpack())
