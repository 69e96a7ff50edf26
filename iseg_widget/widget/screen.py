"""What the page shows of an annotation, and what has to be sent when that changes.

Masks are kept as regions, so a change costs what it covers and not what the image does.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from iseg_widget.annotation import Annotation
from iseg_widget.masks import Box
from iseg_widget.regions import Region
from iseg_widget.views import hull, intersect
from iseg_widget.widget.codec import Overlay, encode_overlay
from iseg_widget.widget.messages import Others

_LEVEL = 1  # ids are long runs: the fastest compression is within a few per cent of the best
CODES = 255


@dataclass(frozen=True)
class Shown:
    """One state as the page sees it: the active mask, and the others in drawing order.

    ``ids`` are those of all visible objects. The active one, which is not drawn with the others, is
    among them, so that codes stay the same when another one becomes active.
    """

    active: Region
    others: dict[int, Region]
    ids: tuple[int, ...]

    def code(self, number: int) -> int:
        """Return the code of an object."""
        return 1 + self.ids.index(number) % CODES

    def codes(self, box: Box) -> NDArray[np.uint8]:
        """Return the codes of the others in a box, ``(h, w)`` uint8, the later one on top."""
        x, y = box[:2]
        out = np.zeros((box[3] - y, box[2] - x), np.uint8)
        for number, region in self.others.items():
            common = None if region.box is None else intersect(region.box, box)
            if common is not None:
                x0, y0, x1, y1 = common
                part = out[y0 - y : y1 - y, x0 - x : x1 - x]
                part[region.window(common)] = self.code(number)
        return out

    def changed(self, before: Shown) -> Box | None:
        """Return a box that holds all pixels whose code differs."""
        if self.ids != before.ids:
            return _around([*self.others.values(), *before.others.values()])
        differing = []
        for number in self.ids:
            now, then = self.others.get(number), before.others.get(number)
            if now is not then and now != then:
                differing += [region for region in (now, then) if region is not None]
        return _around(differing)


def _around(regions: Iterable[Region]) -> Box | None:
    found: Box | None = None
    for region in regions:
        if region.box is not None:
            found = region.box if found is None else hull(found, region.box)
    return found


class Screen:
    """What was sent last; the next state is sent as the difference to it."""

    def __init__(self, annotation: Annotation, rev: int = 0) -> None:
        self.rev = rev
        self._shown = self._look(annotation)

    @staticmethod
    def _look(annotation: Annotation) -> Shown:
        active = annotation.active
        visible = [item.id for item in annotation.objects if item.visible]
        if active is not None and active in visible:
            mask = annotation.region_of(active)
        else:
            mask = Region(annotation.shape)
        others = {number: annotation.region_of(number) for number in visible if number != active}
        return Shown(mask, others, tuple(visible))

    def update(self, annotation: Annotation) -> Shown:
        """Take the new state as shown; returns the former one."""
        before, self._shown = self._shown, self._look(annotation)
        self.rev += 1
        return before

    def mask(self, before: Shown | None) -> Overlay:
        """Encode the active mask, as the difference to ``before`` if that is less."""
        return encode_overlay(self._shown.active, None if before is None else before.active)

    def others(self, before: Shown | None) -> tuple[Others, bytes | None]:
        """Encode the other objects, as the difference to ``before`` if there is one."""
        now = self._shown
        base = None if before is None else self.rev - 1
        box = _around(now.others.values()) if before is None else now.changed(before)
        if box is None:
            return Others(base=base, box=(0, 0, 0, 0), ids=now.ids), None
        data = zlib.compress(now.codes(box).data, _LEVEL)
        return Others(base=base, box=box, ids=now.ids), data
