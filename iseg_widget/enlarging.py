"""Where an enlarged map exceeds a value, without enlarging what lies plainly on one side.

Bilinear interpolation stays between the values it starts from. So of a crop-sized map of logits
that stands for a hundred times as many pixels, only the blocks through which the contour runs are
enlarged at all; the others are filled.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Box = tuple[int, int, int, int]

BLOCK = 128
"""Side of a block in pixels of the enlarged map."""

MARGIN = 1e-4
"""How far beyond the cutoff all values of a block must lie, in units of its largest one, so that
rounding cannot carry a pixel across."""


def worthwhile(shape: tuple[int, int], box: Box) -> bool:
    """Whether a map of ``shape`` (h, w) is enlarged so much by ``box`` that blocks are quicker."""
    rows, columns = box[3] - box[1], box[2] - box[0]
    return rows >= 4 * shape[0] and columns >= 4 * shape[1] and rows * columns >= 16 * BLOCK**2


def enlarged_exceeds(
    values: NDArray[np.floating], box: Box, window: Box, cutoff: float
) -> NDArray[np.bool_]:
    """Return where ``values`` ``(h, w)``, enlarged bilinearly to ``box``, are above ``cutoff``.

    Parameters
    ----------
    values: centres of their cells, half-pixel convention, as :func:`iseg_widget.views.resize`.
    box: half-open box in pixels that the values stand for.
    window: the part of the box that is wanted.
    cutoff: compared with ``>``.

    Returns
    -------
    ``(H, W)`` bool of the window's size.
    """
    source = values.astype(np.float32)
    rows = _Axis(source.shape[0], box[1], box[3], window[1], window[3])
    columns = _Axis(source.shape[1], box[0], box[2], window[0], window[2])
    padded = np.pad(source, (0, 1))  # reduceat takes no end beyond the array; it is never reached
    low, high = (
        extreme.reduceat(extreme.reduceat(padded, rows.spans, 0)[::2], columns.spans, 1)[:, ::2]
        for extreme in (np.minimum, np.maximum)
    )
    margin = MARGIN * np.maximum(np.abs(low), np.abs(high))
    inside, outside = low > cutoff + margin, high < cutoff - margin
    out = np.zeros((window[3] - window[1], window[2] - window[0]), bool)
    for row in range(len(rows.starts) - 1):
        top, bottom = rows.starts[row], rows.starts[row + 1]
        for column in np.flatnonzero(~outside[row]).tolist():
            left, right = columns.starts[column], columns.starts[column + 1]
            if inside[row, column]:
                out[top:bottom, left:right] = True
                continue
            part = source[rows.range(row), columns.range(column)]
            enlarged = rows.weights(row) @ part @ columns.weights(column).T
            np.greater(enlarged, np.float32(cutoff), out=out[top:bottom, left:right])
    return out


class _Axis:
    """Blocks along one axis: their pixels, and the values that these are interpolated from."""

    def __init__(self, count: int, low: int, high: int, start: int, stop: int) -> None:
        pixels = np.arange(start - low, stop - low)
        places = np.clip((pixels + 0.5) * (count / (high - low)) - 0.5, 0.0, count - 1.0)
        self._places = places
        first = np.minimum(np.floor(places).astype(np.intp), max(0, count - 2))
        self.starts = [*range(0, stop - start, BLOCK), stop - start]
        lows = first[self.starts[:-1]]
        highs = np.minimum(first[np.array(self.starts[1:]) - 1] + 2, count)
        self._ranges = [slice(a, b) for a, b in zip(lows.tolist(), highs.tolist(), strict=True)]
        self.spans = np.column_stack([lows, highs]).ravel()

    def range(self, block: int) -> slice:
        """Return the values that a block is interpolated from."""
        return self._ranges[block]

    def weights(self, block: int) -> NDArray[np.float32]:
        """Return the weights of those values for every pixel of a block, ``(pixels, values)``."""
        values = self._ranges[block]
        places = self._places[self.starts[block] : self.starts[block + 1], None]
        distance = np.abs(places - np.arange(values.start, values.stop))
        return np.asarray(np.maximum(0.0, 1.0 - distance), np.float32)
