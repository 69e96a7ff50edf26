"""Common parts of the benchmark readers: finding a benchmark's folder, and its usual layout."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from iseg_widget.datasets.base import BaseDataset, Sample, unique_names
from iseg_widget.datasets.files import (
    Pair,
    find_pairs,
    find_root,
    has_sub_folders,
    jpeg_quality,
    read_list,
)


class Benchmark(BaseDataset):
    """A published benchmark that is found by its folder's name and layout.

    Attributes
    ----------
    folders
        Names its folder goes by; the first one stands in messages.
    objects
        Number of samples of the published protocol.
    download, layout
        For the message when it is not there: what to download, and how to lay it out.
    """

    folders: ClassVar[tuple[str, ...]] = ()
    objects: ClassVar[int] = 0
    download: ClassVar[str] = ""
    layout: ClassVar[str] = ""

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = Path(root).expanduser()

    @classmethod
    def holds(cls, place: Path) -> bool:
        """Whether ``place`` has the benchmark's layout."""
        return has_sub_folders(place)

    @classmethod
    def find(
        cls, root: str | os.PathLike[str] | None = None
    ) -> tuple[Path | None, tuple[Path, ...]]:
        """Return the benchmark's folder, or ``None``, and the places looked at, in order."""
        # A folder called like another benchmark is hardly this one.
        own = {Path(name).name for name in cls.folders}
        others = {Path(name).name for name in _all_folders()}
        foreign = root is not None and Path(root).name in others - own
        return find_root(cls.folders, root, itself=not foreign, holds=cls.holds)

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
        folder = cls.folders[0]
        raise ValueError(
            f"dataset {cls.name!r} was not found. Download {cls.download} and lay it out as "
            f"{cls.layout.format(folder=folder)}; then pass root=<folder that holds {folder}/> or "
            f"set ISEG_DATA to it. Looked in: {where}"
        )


def _all_folders() -> Iterator[str]:
    """Folder names of all readers there are."""
    readers: list[type[Benchmark]] = Benchmark.__subclasses__()
    for reader in readers:
        yield from reader.folders
        readers.extend(reader.__subclasses__())


class PairBenchmark(Benchmark):
    """A benchmark in ``<root>/images/<stem>.jpg|png`` and ``<root>/masks/<stem>.png``.

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

    layout = "{folder}/images/<stem>.jpg|png and {folder}/masks/<stem>.png"
    second_objects: ClassVar[bool] = False

    def __init__(self, root: str | os.PathLike[str]) -> None:
        super().__init__(root)
        self._pairs = find_pairs(self.root, second_objects=self.second_objects)
        self._names = tuple(pair.stem for pair in self._pairs)
        if len(self._names) != self.objects:
            self.description = f"{self.description} (this copy has {len(self._names)})"

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


class InstanceBenchmark(Benchmark):
    """A benchmark whose files hold several objects each, one sample an object.

    Samples are called ``<stem>#<id>``. The first use of ``names`` (also by ``len``) reads all mask
    files once. The list of stems and ids is kept in memory, some tens of bytes an object; images
    and masks are not. Nothing is written to disk.
    """

    @abstractmethod
    def _scan(self) -> Iterator[tuple[str, int]]:
        """Stem and id of every object, in order."""

    @abstractmethod
    def _instance(self, name: str, stem: str, value: int) -> Sample:
        """Decode one object."""

    @cached_property
    def _items(self) -> tuple[tuple[str, int], ...]:
        return tuple(self._scan())

    @cached_property
    def _names(self) -> tuple[str, ...]:
        return unique_names((f"{stem}#{value}" for stem, value in self._items), self.name)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all samples, ``<stem>#<id>``; the first use reads all mask files once."""
        return self._names

    def _read(self, index: int) -> Sample:
        return self._instance(self._names[index], *self._items[index])


def split_stems(path: Path) -> tuple[str, ...]:
    """Stems listed in a split file such as ``val.txt``; ``ValueError`` when one comes twice."""
    return unique_names(read_list(path), str(path))


def encoding_note(image: Path) -> str:
    """How this copy's images are stored, for a description: copies of DAVIS differ in it.

    ``"; images are JPEG of quality 78"``, judged by one file; empty when it is not a JPEG.
    """
    quality = jpeg_quality(image)
    return "" if quality is None else f"; images are JPEG of quality {quality}"
