"""One's own data: a folder with ``images/`` and ``masks/``."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from iseg_widget.datasets.base import BaseDataset, Sample, unique_names
from iseg_widget.datasets.files import (
    Pair,
    find_pairs,
    read_id_mask,
    read_image_file,
    read_merged_mask,
)

Objects = Literal["ids", "merged"]
_MOST_IDS = 128


class Folder(BaseDataset):
    """``<root>/images/<stem>.jpg|png`` with ``<root>/masks/<stem>.png``.

    A mask may be binary (0 and any other value) or hold ids, one per object; every id is one
    sample. A file with one object gives the sample ``<stem>``, one with several ``<stem>#<id>``.
    Images without a mask are passed over.

    Parameters
    ----------
    root
        The folder.
    objects
        ``"ids"``: every value except 0 (and ``ignore``) is an object of its own. ``"merged"``: all
        of them together are one object, also in colour masks.
    ignore
        A mask value that counts neither as object nor as background, usually 255. ``None``
        (default): there is none, and 255 is an object like any other.
    min_pixels
        Objects with fewer pixels are left out (DAVIS-585 leaves out those under 300 pixels,
        FocalClick Sec. 3.2). With ``"merged"`` nothing is left out.

    Raises
    ------
    ValueError
        The folder does not have the layout above, or an option is not one of those named.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        *,
        objects: Objects = "ids",
        ignore: int | None = None,
        min_pixels: int = 1,
    ) -> None:
        if objects not in get_args(Objects):
            raise ValueError(
                f"objects must be one of {', '.join(get_args(Objects))}, got {objects!r}"
            )
        self.root = Path(root).expanduser()
        self.name = self.root.resolve().name
        self.objects: Objects = objects
        self.ignore = ignore
        self.min_pixels = min_pixels
        self._pairs = find_pairs(self.root)
        what = "one object a mask value" if objects == "ids" else "one object an image"
        ignored = "" if ignore is None else f"; mask value {ignore} is ignored"
        self.description = f"{self.root}: {len(self._pairs)} images, {what}{ignored}"

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all samples.

        With ``objects="ids"`` the first use reads all masks once to find the ids.
        """
        return tuple(self._items)

    @cached_property
    def _items(self) -> dict[str, tuple[Pair, int | None]]:
        """By name: the files, and the object's value (``None``: every value that counts)."""
        items: list[tuple[str, tuple[Pair, int | None]]] = []
        for pair in self._pairs:
            found = [None] if self.objects == "merged" else self._ids(pair.mask)
            for value in found:
                name = pair.stem if len(found) == 1 else f"{pair.stem}#{value}"
                items.append((name, (pair, value)))
        unique_names((name for name, _ in items), self.name)
        return dict(items)

    def _ids(self, path: Path) -> list[int | None]:
        values, counts = np.unique(read_id_mask(path), return_counts=True)
        kept = ~np.isin(values, [0] if self.ignore is None else [0, self.ignore])
        if not kept.any():
            # A mask without any object stays a sample, so that it is reported and does not vanish.
            return [None]
        if np.count_nonzero(kept) > _MOST_IDS:
            raise ValueError(
                f"{path} holds {np.count_nonzero(kept)} different values, so it is hardly a mask "
                'with ids; for a soft or colour mask use objects="merged"'
            )
        return [int(value) for value in values[kept & (counts >= self.min_pixels)]]

    def _read(self, index: int) -> Sample:
        name = self.names[index]
        pair, value = self._items[name]
        image = read_image_file(pair.image)
        if self.objects == "merged" and self.ignore is None:
            return Sample(name, image, read_merged_mask(pair.mask))
        values = read_id_mask(pair.mask)
        ignored = np.zeros(values.shape, bool) if self.ignore is None else values == self.ignore
        mask = (values > 0) & ~ignored if value is None else values == value
        return Sample(name, image, mask, ignore=ignored if ignored.any() else None)
