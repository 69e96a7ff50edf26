"""A mask in tiles: what changes in a small place is changed there, and all else is shared."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from iseg_widget.masks import Box, Mask, box_of
from iseg_widget.views import cut, hull, intersect

SIDE = 256
"""Of a tile, in pixels."""

_LEVEL = 1  # tiles are long runs, and written at every stroke

Place = tuple[int, int]
"""Row and column of a tile."""


@dataclass(frozen=True, slots=True)
class Tile:
    """A tile that is not empty: ``data`` is zlib over its packed bits, ``None`` when it is full.

    ``box`` is the smallest that holds its pixels, in pixels of the image; ``area`` their number.
    """

    data: bytes | None
    box: Box
    area: int


@dataclass(frozen=True, eq=False, slots=True)
class Tiles:
    """A mask, cut by a grid that begins at the image's corner; it never changes.

    Attributes
    ----------
    shape: ``(H, W)`` of the image.
    tiles: those that are not empty.
    box: smallest half-open box that holds all; ``None`` when empty.
    area: number of pixels.
    """

    shape: tuple[int, int]
    tiles: Mapping[Place, Tile] = field(default_factory=dict)
    box: Box | None = None
    area: int = 0

    @classmethod
    def of(cls, crop: Mask, box: Box | None, shape: tuple[int, int]) -> Tiles:
        """Cut up the pixels ``crop`` within ``box`` of an image; nothing is outside of it."""
        return cls(shape) if box is None else cls(shape).patched(box, crop)

    def __eq__(self, other: object) -> bool:
        """Whether both hold the same pixels."""
        if not isinstance(other, Tiles):
            return NotImplemented
        return self.shape == other.shape and self.tiles == other.tiles

    def __hash__(self) -> int:
        """Return the same number for equal masks."""
        return hash((self.shape, self.box, self.area))

    @property
    def size(self) -> int:
        """Bytes of all tiles, about."""
        return sum(8 if tile.data is None else len(tile.data) for tile in self.tiles.values())

    def window(self, box: Box) -> Mask:
        """Return the pixels within any box of the image, ``(h, w)`` bool."""
        out = np.zeros((box[3] - box[1], box[2] - box[0]), bool)
        inner = None if self.box is None else intersect(box, self.box)
        if inner is None:
            return out
        for place in _places(inner):
            tile = self.tiles.get(place)
            common = None if tile is None else intersect(tile.box, inner)
            if tile is None or common is None:
                continue
            part = cut(out, within(common, box))
            if tile.data is None:
                part[...] = True
            else:
                part[...] = cut(self._pixels(place, tile), within(common, self._box(place)))
        return out

    def patched(self, box: Box, crop: Mask) -> Tiles:
        """Return the mask with ``crop`` within ``box``; itself where that changes nothing."""
        tiles = dict(self.tiles)
        before: list[Tile] = []
        after: list[Tile] = []
        for place in _places(box):
            around = self._box(place)
            common = intersect(box, around)
            if common is None:
                continue
            old = tiles.get(place)
            new = self._renewed(place, old, common, cut(crop, within(common, box)))
            if new == old:
                continue
            tiles.pop(place, None)
            before += [] if old is None else [old]
            if new is not None:
                tiles[place] = new
                after.append(new)
        if not before and not after:
            return self
        area = self.area + sum(tile.area for tile in after) - sum(tile.area for tile in before)
        return Tiles(self.shape, tiles, self._around(tiles, before, after), area)

    def minus(self, other: Tiles) -> Tiles:
        """Return the mask without the other's pixels; itself where they share none."""
        left = self
        for place in self.tiles.keys() & other.tiles.keys():
            one, two = self.tiles[place], other.tiles[place]
            common = intersect(one.box, two.box)
            if common is not None:
                part = self.window(common)
                left = left.patched(common, part & ~other.window(common))
        return left

    def changed(self, other: Tiles) -> Box | None:
        """Smallest half-open box that holds all pixels in which two masks differ, if any do."""
        found: Box | None = None
        for place in self.tiles.keys() | other.tiles.keys():
            one, two = self.tiles.get(place), other.tiles.get(place)
            if one is two or one == two:
                continue
            around = self._box(place)
            box = box_of(self._pixels(place, one) ^ self._pixels(place, two))
            if box is not None:
                x, y = around[:2]
                placed = (box[0] + x, box[1] + y, box[2] + x, box[3] + y)
                found = placed if found is None else hull(found, placed)
        return found

    def _around(
        self, tiles: Mapping[Place, Tile], before: list[Tile], after: list[Tile]
    ) -> Box | None:
        """Return the box of ``tiles``, in which ``after`` took the place of ``before``."""
        then, lost, now = self.box, _hull(before), _hull(after)
        if then is None:
            return now
        touched = lost is not None and any(a == b for a, b in zip(then, lost, strict=True))
        # Only where pixels at an edge of the box may be gone are the other tiles looked at.
        if touched:
            return _hull(tiles.values())
        return then if now is None else hull(then, now)

    def _renewed(self, place: Place, old: Tile | None, box: Box, part: Mask) -> Tile | None:
        """Return a tile with ``part`` within ``box``, which lies in it."""
        around = self._box(place)
        if old is None and not part.any():
            return None
        if box == around:
            return _tile(part, around)
        if old is not None and old.data is None and part.all():
            return old
        pixels = self._pixels(place, old)
        inner = cut(pixels, within(box, around))
        if np.array_equal(inner, part):
            return old
        inner[...] = part
        return _tile(pixels, around)

    def _box(self, place: Place) -> Box:
        x, y = place[1] * SIDE, place[0] * SIDE
        return x, y, min(x + SIDE, self.shape[1]), min(y + SIDE, self.shape[0])

    def _pixels(self, place: Place, tile: Tile | None) -> Mask:
        x0, y0, x1, y1 = self._box(place)
        shape = (y1 - y0, x1 - x0)
        if tile is None:
            return np.zeros(shape, bool)
        if tile.data is None:
            return np.ones(shape, bool)
        bits = np.frombuffer(zlib.decompress(tile.data), np.uint8)
        return np.unpackbits(bits, count=shape[0] * shape[1]).reshape(shape).view(np.bool_)


def _tile(pixels: Mask, around: Box) -> Tile | None:
    """Return the tile of all its pixels; ``None`` when it is empty."""
    area = int(np.count_nonzero(pixels))
    if area == pixels.size:
        return Tile(None, around, area)
    box = box_of(pixels) if area else None
    if box is None:
        return None
    x, y = around[:2]
    data = zlib.compress(np.packbits(pixels).tobytes(), _LEVEL)
    return Tile(data, (box[0] + x, box[1] + y, box[2] + x, box[3] + y), area)


def _places(box: Box) -> Iterator[Place]:
    """Yield the tiles that a box touches."""
    for row in range(box[1] // SIDE, -(-box[3] // SIDE)):
        for column in range(box[0] // SIDE, -(-box[2] // SIDE)):
            yield row, column


def _hull(tiles: Iterable[Tile]) -> Box | None:
    found: Box | None = None
    for tile in tiles:
        found = tile.box if found is None else hull(found, tile.box)
    return found


def within(box: Box, around: Box) -> Box:
    """Return a box in the pixels of one that holds it."""
    x, y = around[:2]
    return box[0] - x, box[1] - y, box[2] - x, box[3] - y
