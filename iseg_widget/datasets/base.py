"""What every dataset gives: samples of one image and one object, decoded when asked for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

UInt8Image = NDArray[np.uint8]
BoolMask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Sample:
    """One object to be segmented on one image.

    Parameters
    ----------
    name
        Unique in its dataset, stable between runs (results are filed under it).
    image
        ``(H, W, 3)`` uint8 RGB.
    mask
        ``(H, W)`` bool, the true object; at least one pixel.
    ignore
        ``(H, W)`` bool, pixels that count neither for the IoU nor as errors; ``None``: none.
    initial_mask
        ``(H, W)`` bool, the flawed mask an annotator starts from (interactive mask correction,
        FocalClick Sec. 3.2); ``None``: from scratch.

    Raises
    ------
    ValueError
        Shapes or types do not fit, or no pixel outside ``ignore`` belongs to the object.
    """

    name: str
    image: UInt8Image
    mask: BoolMask
    ignore: BoolMask | None = None
    initial_mask: BoolMask | None = None

    def __post_init__(self) -> None:
        if self.image.ndim != 3 or self.image.shape[2] != 3 or self.image.dtype != np.uint8:
            raise ValueError(
                f"sample {self.name!r}: the image must be (H, W, 3) uint8, got shape "
                f"{self.image.shape} of {self.image.dtype}"
            )
        for field in ("mask", "ignore", "initial_mask"):
            array = getattr(self, field)
            if array is None and field != "mask":
                continue
            if array.shape != self.image.shape[:2]:
                raise ValueError(
                    f"sample {self.name!r}: {field} has shape {array.shape}, "
                    f"the image {self.image.shape[:2]}"
                )
            if array.dtype != np.bool_:
                raise ValueError(f"sample {self.name!r}: {field} must be bool, got {array.dtype}")
        counted = self.mask if self.ignore is None else self.mask & ~self.ignore
        if not counted.any():
            raise ValueError(
                f"sample {self.name!r}: the mask is empty, there is no object to segment"
            )


@runtime_checkable
class Dataset(Protocol):
    """What the evaluation asks of a dataset; :class:`BaseDataset` helps to write a reader."""

    @property
    def name(self) -> str:
        """Short name that results are filed under."""

    @property
    def description(self) -> str:
        """What it holds and by which protocol it is scored, in a sentence or two."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all samples in order, without decoding an image."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Sample: ...

    def __iter__(self) -> Iterator[Sample]: ...


class BaseDataset(ABC):
    """Common part of the readers: length, indices, iteration from ``names`` and ``_read``."""

    name: str = "dataset"
    description: str = ""

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """Names of all samples in order, without decoding an image."""

    @abstractmethod
    def _read(self, index: int) -> Sample:
        """Decode sample ``index`` (0 <= index < len)."""

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Sample:
        """Decode one sample.

        Raises
        ------
        IndexError
            No such sample.
        ValueError
            A file is unreadable, sizes differ or the mask is empty; the message names the file.
        """
        length = len(self)
        if not -length <= index < length:
            raise IndexError(f"{self.name} has {length} samples, there is no index {index}")
        return self._read(index % length)

    def __iter__(self) -> Iterator[Sample]:
        for index in range(len(self)):
            yield self._read(index)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}: {len(self)} objects>"


class MemoryDataset(BaseDataset):
    """Samples that are already in memory, e.g. from one's own reader or in a test.

    Raises
    ------
    ValueError
        Two samples bear the same name.
    """

    def __init__(
        self, samples: Iterable[Sample], name: str = "memory", description: str = ""
    ) -> None:
        self._samples = tuple(samples)
        self.name = name
        self.description = description
        self._names = unique_names((sample.name for sample in self._samples), name)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all samples in order."""
        return self._names

    def _read(self, index: int) -> Sample:
        return self._samples[index]


def unique_names(names: Iterable[str], dataset: str) -> tuple[str, ...]:
    """Return the names as a tuple; ``ValueError`` when two are equal."""
    result = tuple(names)
    seen: set[str] = set()
    for name in result:
        if name in seen:
            raise ValueError(f"{dataset}: two samples are called {name!r}")
        seen.add(name)
    return result
