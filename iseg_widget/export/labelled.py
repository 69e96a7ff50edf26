"""What is exported: images with named, labelled masks."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

DEFAULT_LABEL = "object"


@dataclass(frozen=True)
class LabelledMask:
    """An object: its ``(H, W)`` bool mask, its class label, and a name of its own if it has one."""

    mask: NDArray[np.bool_]
    label: str = DEFAULT_LABEL
    name: str = ""


@dataclass(frozen=True)
class LabelledImage:
    """An image's file name, its shape ``(H, W)`` and its objects, those on top last.

    Raises
    ------
    ValueError: a mask is of another shape or not bool.
    """

    file_name: str
    shape: tuple[int, int]
    objects: tuple[LabelledMask, ...] = field(default_factory=tuple)

    def __post_init__(self) -> None:
        """Check the masks."""
        for number, item in enumerate(self.objects):
            if item.mask.shape != self.shape or item.mask.dtype != np.bool_:
                raise ValueError(
                    f"object {number} of {self.file_name!r}: the mask must be {self.shape} bool, "
                    f"got {item.mask.shape} {item.mask.dtype}"
                )


def class_names(
    images: Sequence[LabelledImage], classes: Sequence[str] | None = None
) -> tuple[str, ...]:
    """Return the class labels: as given, or all that occur, in order of occurrence.

    ``ValueError`` for a label that is not among the given ones, or for one given twice.
    """
    used = dict.fromkeys(item.label for image in images for item in image.objects)
    if classes is None:
        return tuple(used)
    if len(set(classes)) != len(classes):
        raise ValueError(f"classes must differ, got {list(classes)}")
    missing = [label for label in used if label not in classes]
    if missing:
        raise ValueError(f"the labels {missing} are not among the classes {list(classes)}")
    return tuple(classes)


def flat_ids(image: LabelledImage, values: Sequence[int]) -> NDArray[np.int64]:
    """Return ``(H, W)`` with each object's value; where objects overlap, the later one's."""
    ids = np.zeros(image.shape, np.int64)
    for item, value in zip(image.objects, values, strict=True):
        ids[item.mask] = value
    return ids


def write_file(path: str | os.PathLike[str], content: bytes) -> Path:
    """Write a file so that a crash leaves the old one or the new one, never half of one."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(
        dir=target.parent, prefix=f".{target.name}.", delete=False
    ) as partial:
        try:
            partial.write(content)
            partial.flush()
            os.fsync(partial.fileno())
        except BaseException:
            Path(partial.name).unlink(missing_ok=True)
            raise
    # A temporary file is private; a written one is as others would write it.
    mask = os.umask(0)
    os.umask(mask)
    Path(partial.name).chmod(0o666 & ~mask)
    Path(partial.name).replace(target)
    return target
