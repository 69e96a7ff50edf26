"""Masks cut to their boxes: many objects on a large image cost what the objects cover."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from iseg_widget.masks import Box, Mask, PackedMask, box_of, rle_decode, rle_encode
from iseg_widget.protocol import StoredMask
from iseg_widget.tiled import Tiles, within
from iseg_widget.views import cut, hull, intersect, whole

COARSE = 8
"""From one pixel in this many on, looking bits up one by one beats unpacking all of them."""


class Region:
    """A set of pixels of an image, packed; equal regions compare equal. It never changes.

    What comes of :meth:`patched` shares with the region before it all that did not change (see
    :mod:`iseg_widget.tiled`), so a stroke costs what it covers, in time and in memory.

    Attributes
    ----------
    shape: ``(H, W)`` of the image.
    box: smallest half-open box ``(x0, y0, x1, y1)`` that holds it; ``None`` when empty.
    area: number of pixels.
    """

    __slots__ = ("_packed", "_tiles", "area", "box", "shape")

    def __init__(
        self,
        shape: tuple[int, int],
        box: Box | None = None,
        packed: PackedMask | None = None,
        area: int = 0,
    ) -> None:
        self.shape, self.box, self.area = shape, box, area
        self._packed = packed
        self._tiles: Tiles | None = None

    def __repr__(self) -> str:
        """Return shape, box and area."""
        return f"Region(shape={self.shape}, box={self.box}, area={self.area})"

    def __eq__(self, other: object) -> bool:
        """Whether both hold the same pixels of images of one shape."""
        if not isinstance(other, Region):
            return NotImplemented
        if self is other:
            return True
        if (self.shape, self.box, self.area) != (other.shape, other.box, other.area):
            return False
        if self._tiles is None and other._tiles is None:
            return self._packed == other._packed
        return self.tiles == other.tiles

    def __hash__(self) -> int:
        """Return the same number for equal regions."""
        return hash((self.shape, self.box, self.area))

    @classmethod
    def of(cls, mask: Mask) -> Region:
        """Return the region of an ``(H, W)`` bool mask."""
        return cls.pasted(mask, (0, 0), (mask.shape[0], mask.shape[1]))

    @classmethod
    def pasted(cls, crop: Mask, corner: tuple[int, int], shape: tuple[int, int]) -> Region:
        """Return the region of a crop whose first pixel is ``corner`` (x, y) of the image."""
        box = box_of(crop)
        if box is None:
            return cls(shape)
        tight = cut(crop, box)
        x, y = corner
        placed = (box[0] + x, box[1] + y, box[2] + x, box[3] + y)
        return cls(shape, placed, PackedMask.pack(tight), int(np.count_nonzero(tight)))

    @classmethod
    def stored(cls, mask: StoredMask) -> Region:
        """Return a mask that is stored in another way; a region as it is."""
        return mask if isinstance(mask, Region) else cls.of(mask.unpack())

    @property
    def packed(self) -> PackedMask | None:
        """The pixels within :attr:`box`; packed anew after :meth:`patched`, and then kept."""
        if self._packed is None and self.box is not None:
            self._packed = PackedMask.pack(self.crop())
        return self._packed

    @property
    def tiles(self) -> Tiles:
        """The pixels in tiles, made when first asked for."""
        if self._tiles is None:
            self._tiles = Tiles.of(self.crop(), self.box, self.shape)
        return self._tiles

    @property
    def size(self) -> int:
        """About how many bytes :attr:`packed` has, without packing anything."""
        if self._packed is not None:
            return len(self._packed.data)
        return 0 if self._tiles is None else self._tiles.size

    def related(self, other: Region) -> bool:
        """Whether it takes little to find what differs, as after :meth:`patched`."""
        return self._tiles is not None and other._tiles is not None

    def patched(self, box: Box, crop: Mask) -> Region:
        """Return the region with the pixels ``crop`` within ``box``, which lies in the image.

        Itself where that changes nothing.
        """
        return self._with(self.tiles.patched(box, crop))

    def _with(self, tiles: Tiles) -> Region:
        if tiles is self.tiles:
            return self
        region = Region(self.shape, tiles.box, None, tiles.area)
        region._tiles = tiles
        return region

    def crop(self) -> Mask:
        """Return the pixels within :attr:`box`, ``(h, w)`` bool; ``(0, 0)`` when empty."""
        if self._packed is not None:
            return self._packed.unpack()
        if self._tiles is None or self.box is None:
            return np.zeros((0, 0), bool)
        return self._tiles.window(self.box)

    def window(self, box: Box) -> Mask:
        """Return the pixels within any box of the image, ``(h, w)`` bool."""
        if box == self.box:
            return self.crop()
        if self._tiles is not None:
            return self._tiles.window(box)
        out = np.zeros((box[3] - box[1], box[2] - box[0]), bool)
        common = None if self.box is None else intersect(self.box, box)
        if common is not None and self.box is not None:
            cut(out, within(common, box))[:] = cut(self.crop(), within(common, self.box))
        return out

    def sampled(self, rows: range, columns: range) -> Mask:
        """Return the pixels where rows and columns of the image cross, bool.

        Both are increasing. On a coarse grid the others are not even unpacked.
        """
        out = np.zeros((len(rows), len(columns)), bool)
        if self.box is None or self.packed is None:
            return out
        x0, y0, x1, y1 = self.box
        across, down = _inside(columns, x0, x1), _inside(rows, y0, y1)
        inner_rows, inner_columns = rows[down], columns[across]
        if rows.step * columns.step < COARSE:
            crop = self.crop()
            found = crop[inner_rows.start - y0 : inner_rows.stop - y0 : rows.step]
            out[down, across] = found[
                :, inner_columns.start - x0 : inner_columns.stop - x0 : columns.step
            ]
            return out
        bits = np.frombuffer(zlib.decompress(self.packed.data), np.uint8)
        starts = (np.array(inner_rows, np.int64) - y0) * (x1 - x0)
        places = starts[:, None] + (np.array(inner_columns, np.int64) - x0)
        out[down, across] = (bits[places >> 3] >> (7 - (places & 7)).astype(np.uint8)) & 1
        return out

    def mask(self) -> Mask:
        """Return the ``(H, W)`` bool mask."""
        return self.window(whole(self.shape))

    def unpack(self) -> Mask:
        """Return the ``(H, W)`` bool mask (see :class:`iseg_widget.protocol.StoredMask`)."""
        return self.mask()

    def holds(self, row: int, column: int) -> bool:
        """Whether a pixel belongs to the region."""
        if self.box is None:
            return False
        x0, y0, x1, y1 = self.box
        if not (x0 <= column < x1 and y0 <= row < y1):
            return False
        return bool(self.window((column, row, column + 1, row + 1))[0, 0])

    def minus(self, other: Region) -> Region:
        """Return the region without the other's pixels; itself where they share none."""
        if self.box is None or other.box is None:
            return self
        common = intersect(self.box, other.box)
        if common is None:
            return self
        if self._tiles is not None or other._tiles is not None:
            return self._with(self.tiles.minus(other.tiles))
        left = self.crop()
        part = cut(left, within(common, self.box))
        taken = part & other.window(common)
        if not taken.any():
            return self
        part[taken] = False
        return Region.pasted(left, self.box[:2], self.shape)

    def changed(self, other: Region) -> Box | None:
        """Smallest half-open box that holds all pixels in which two regions differ, if any do."""
        if self is other:
            return None
        if self.related(other):
            return self.tiles.changed(other.tiles)
        if self == other:
            return None
        if self.box is None or other.box is None:
            return self.box or other.box
        around = hull(self.box, other.box)
        box = box_of(self.window(around) ^ other.window(around))
        x, y = around[:2]
        return None if box is None else (box[0] + x, box[1] + y, box[2] + x, box[3] + y)

    def components(self) -> list[Region]:
        """Return the 8-connected parts, largest first."""
        if self.box is None:
            return []
        count, labels, statistics, _ = cv2.connectedComponentsWithStats(
            self.crop().astype(np.uint8), connectivity=8
        )
        parts = []
        for number in range(1, count):
            x, y, width, height = statistics[number, :4].tolist()
            crop: NDArray[Any] = cut(labels, (x, y, x + width, y + height)) == number
            parts.append(Region.pasted(crop, (self.box[0] + x, self.box[1] + y), self.shape))
        return sorted(parts, key=lambda part: -part.area)

    def rle(self) -> dict[str, Any]:
        """Return what :func:`iseg_widget.masks.rle_encode` returns for the mask."""
        height, width = self.shape
        if self.box is None:
            return {"size": [height, width], "counts": [height * width]}
        # Runs go down the columns: only those of the box need looking at.
        x0, _, x1, _ = self.box
        counts = rle_encode(self.window((x0, 0, x1, height)))["counts"]
        counts[0] += x0 * height
        after = (width - x1) * height
        if len(counts) % 2 == 1:
            counts[-1] += after
        elif after:
            counts.append(after)
        return {"size": [height, width], "counts": counts}

    @classmethod
    def from_rle(cls, rle: Mapping[str, Any], shape: tuple[int, int]) -> Region:
        """Read uncompressed run lengths (see :func:`iseg_widget.masks.rle_decode`).

        Raises
        ------
        ValueError: they belong to another shape, or do not fill it.
        """
        if [int(side) for side in rle["size"]] != list(shape):
            raise ValueError(f"run lengths of size {rle['size']} for an image of {list(shape)}")
        height, pixels = shape[0], shape[0] * shape[1]
        counts = np.asarray(rle["counts"], np.int64)
        ends = np.cumsum(counts)
        if counts.ndim != 1 or not len(counts) or (counts < 0).any() or ends[-1] != pixels:
            raise ValueError(
                f"run lengths must be non-negative and sum to {pixels} for size "
                f"{list(shape)}, got a sum of {int(counts.sum())}"
            )
        filled = np.flatnonzero((np.arange(len(counts)) % 2 == 1) & (counts > 0))
        if not len(filled):
            return cls(shape)
        first, last = int(filled[0]), int(filled[-1])
        start, stop = int(ends[first] - counts[first]), int(ends[last])
        x0, x1 = start // height, -(-stop // height)
        inner = counts[first : last + 1].tolist()
        strip = [start - x0 * height, *inner, x1 * height - stop]
        columns = rle_decode({"size": [height, x1 - x0], "counts": strip})
        return cls.pasted(columns, (x0, 0), shape)


def _inside(places: range, low: int, high: int) -> slice:
    """Return which of increasing places lie in ``low..high``."""
    return slice(
        *(min(len(places), max(0, -(-(end - places.start) // places.step))) for end in (low, high))
    )


def union(regions: Iterable[Region]) -> Region:
    """Return the pixels of all regions, which belong to one image; ``ValueError`` for none."""
    found = list(regions)
    if not found:
        raise ValueError("a union needs at least one region")
    boxes = [region.box for region in found if region.box is not None]
    if not boxes:
        return found[0]
    lows, highs = np.min(boxes, axis=0).tolist(), np.max(boxes, axis=0).tolist()
    around = (lows[0], lows[1], highs[2], highs[3])
    out = np.zeros((around[3] - around[1], around[2] - around[0]), bool)
    for region in found:
        if region.box is not None:
            cut(out, within(region.box, around))[region.crop()] = True
    return Region.pasted(out, around[:2], found[0].shape)
