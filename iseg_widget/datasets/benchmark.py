"""Common part of the benchmark readers: a folder of images and masks, one sample a mask."""

from __future__ import annotations

import os
from abc import abstractmethod
from pathlib import Path
from typing import ClassVar

from iseg_widget.datasets.base import BaseDataset, Sample
from iseg_widget.datasets.files import Pair, find_pairs, find_root


class Benchmark(BaseDataset):
    """A published benchmark in ``<root>/images/<stem>.jpg|png`` and ``<root>/masks/<stem>.png``.

    ``img``/``gt`` and ``data_GT``/``boundary_GT`` are understood as folder names, too.

    Parameters
    ----------
    root
        The benchmark's own folder.

    Raises
    ------
    ValueError
        The folder does not have the layout above.
    """

    folders: ClassVar[tuple[str, ...]] = ()
    objects: ClassVar[int] = 0
    download: ClassVar[str] = ""
    second_objects: ClassVar[bool] = False

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = Path(root).expanduser()
        self._pairs = find_pairs(self.root, second_objects=self.second_objects)
        self._names = tuple(pair.stem for pair in self._pairs)
        if len(self._names) != self.objects:
            self.description = f"{self.description} (this copy has {len(self._names)})"

    @classmethod
    def find(
        cls, root: str | os.PathLike[str] | None = None
    ) -> tuple[Path | None, tuple[Path, ...]]:
        """Return the benchmark's folder, or ``None``, and the places looked at, in order."""
        # A folder called like another benchmark is hardly this one.
        others = {name for reader in Benchmark.__subclasses__() for name in reader.folders}
        foreign = root is not None and Path(root).name in others - set(cls.folders)
        return find_root(cls.folders, root, itself=not foreign)

    @classmethod
    def locate(cls, root: str | os.PathLike[str] | None = None) -> Path:
        """Find the benchmark's folder.

        It is ``root`` itself or lies in it; without ``root``, in ``$ISEG_DATA`` or its ``eval/``.

        Raises
        ------
        ValueError
            It is not there; the message gives the layout, what to download and where was looked.
        """
        place, looked = cls.find(root)
        if place is not None:
            return place
        where = (
            ", ".join(map(str, looked))
            if looked
            else "nowhere: no root was given and $ISEG_DATA is not set"
        )
        raise ValueError(
            f"dataset {cls.name!r} was not found. Download {cls.download} and lay it out as "
            f"{cls.folders[0]}/images/<stem>.jpg|png and {cls.folders[0]}/masks/<stem>.png; then "
            f"pass root=<folder that holds {cls.folders[0]}/> or set ISEG_DATA to it. "
            f"Looked in: {where}"
        )

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all samples: the stems of the mask files, sorted."""
        return self._names

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """The files, one pair a sample."""
        return self._pairs

    def _read(self, index: int) -> Sample:
        return self._sample(self._pairs[index])

    @abstractmethod
    def _sample(self, pair: Pair) -> Sample: ...
