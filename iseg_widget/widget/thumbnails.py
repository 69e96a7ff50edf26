"""Small pictures of the states that a history consists of."""

from __future__ import annotations

import io
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from iseg_widget.annotation import Annotation
from iseg_widget.annotation.state import Snapshot
from iseg_widget.widget.messages.objects import HistoryList

SIDE = 56
"""Longest side in pixels."""
MOST = 200
"""Only the latest states before and after the present get one each; others are too far away."""

_FAINT = 0.45


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def thumbnail(
    small: NDArray[np.uint8], shape: tuple[int, int], snapshot: Snapshot
) -> NDArray[np.uint8]:
    """Paint a state's visible objects onto the faded ``small``, (h, w, 3) uint8 RGB."""
    faint = (small.astype(np.float32) * _FAINT + 255 * (1 - _FAINT)).astype(np.uint8)
    return painted(faint, shape, snapshot, 1.0)


def painted(
    small: NDArray[np.uint8], shape: tuple[int, int], snapshot: Snapshot, opacity: float
) -> NDArray[np.uint8]:
    """Paint a state's visible objects onto a copy of a shrunk image.

    Parameters
    ----------
    small: ``(h, w, 3)`` uint8 RGB.
    shape: ``(H, W)`` of the image itself.
    opacity: of the objects, 0 to 1.
    """
    height, width = small.shape[:2]
    rows = ((np.arange(height) + 0.5) * shape[0] / height).astype(int)
    columns = ((np.arange(width) + 0.5) * shape[1] / width).astype(int)
    out = small.copy()
    for state in snapshot.objects:
        if not state.visible or state.region.box is None:
            continue
        x0, y0, x1, y1 = state.region.box
        inside = np.ix_((rows >= y0) & (rows < y1), (columns >= x0) & (columns < x1))
        part = state.region.crop()[
            np.ix_(
                rows[(rows >= y0) & (rows < y1)] - y0,
                columns[(columns >= x0) & (columns < x1)] - x0,
            )
        ]
        cut = out[inside]
        tint = np.asarray(_rgb(snapshot.info(state).colour), np.float32)
        cut[part] = cut[part] * (1 - opacity) + tint * opacity
        out[inside] = cut
    return out


def history_list(
    annotation: Annotation, name: str, pause: Callable[[], None] | None = None
) -> HistoryList:
    """Return the list of all commands and a column of thumbnails, that of the beginning first.

    ``pause`` is called after every thumbnail.
    """
    from PIL import Image

    states = annotation.past_and_future
    height, width = annotation.shape
    factor = SIDE / max(height, width)
    cell = (max(1, round(width * factor)), max(1, round(height * factor)))
    small = np.asarray(cv2.resize(annotation.image, cell, interpolation=cv2.INTER_AREA), np.uint8)
    first = max(0, min(annotation.done - MOST // 2, len(states) - MOST))
    column = np.full((len(states) * cell[1], cell[0], 3), 255, np.uint8)
    for place, (_, snapshot) in enumerate(states):
        if first <= place < first + MOST:
            painted = thumbnail(small, annotation.shape, snapshot)
            column[place * cell[1] : (place + 1) * cell[1]] = painted
            if pause is not None:
                pause()
    out = io.BytesIO()
    Image.fromarray(column).save(out, "PNG", compress_level=1)
    return HistoryList(
        id=name,
        names=tuple(command or "begin" for command, _ in states[1:]),
        objects=tuple(snapshot.active for _, snapshot in states[1:]),
        done=annotation.done,
        cell=cell,
        data=out.getvalue(),
    )
