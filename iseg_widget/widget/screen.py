"""What the page shows of an annotation, and what has to be sent when that changes."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from iseg_widget.annotation import Annotation
from iseg_widget.masks import box_of
from iseg_widget.widget.codec import Box, Mask, Overlay, encode_overlay, to_grid
from iseg_widget.widget.messages import Others

_LEVEL = 1  # ids are long runs: the fastest compression is within a few per cent of the best
CODES = 255


@dataclass(frozen=True)
class Shown:
    """One state as the page sees it, on its grid: the active mask, and codes of the others."""

    active: Mask
    codes: NDArray[np.uint8]
    ids: tuple[int, ...]


def codes_of(annotation: Annotation) -> tuple[NDArray[np.uint8], tuple[int, ...]]:
    """Return the codes ``(h, w)`` uint8 of the visible objects that are not active, and their ids.

    See :class:`iseg_widget.widget.messages.Others`.
    """
    shown = [o for o in annotation.objects if o.visible and o.id != annotation.active]
    ids = tuple(item.id for item in shown)
    codes = np.zeros(annotation.shape, np.uint8)
    for place, item in enumerate(shown):
        if item.box is not None:
            x0, y0, x1, y1 = item.box
            codes[y0:y1, x0:x1][annotation.mask_of(item.id, item.box)] = 1 + place % CODES
    return np.ascontiguousarray(to_grid(codes)), ids


class Screen:
    """What was sent last; the next state is sent as the difference to it."""

    def __init__(self, annotation: Annotation) -> None:
        self.rev = 0
        self._shown = self._look(annotation)

    @staticmethod
    def _look(annotation: Annotation) -> Shown:
        number = annotation.active
        visible = number is not None and annotation.info(number).visible
        if number is not None and visible:
            mask = np.ascontiguousarray(to_grid(annotation.mask_of(number)))
        else:
            mask = to_grid(np.zeros(annotation.shape, bool))
        return Shown(mask, *codes_of(annotation))

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
        height, width = now.codes.shape
        if before is None:
            base: int | None = None
            box: Box | None = (0, 0, width, height) if now.ids else None
        else:
            base, box = self.rev - 1, box_of(now.codes != before.codes)
        if box is None:
            return Others(base=base, box=(0, 0, 0, 0), ids=now.ids), None
        x0, y0, x1, y1 = box
        part = np.ascontiguousarray(now.codes[y0:y1, x0:x1])
        return Others(base=base, box=box, ids=now.ids), zlib.compress(part.data, _LEVEL)
