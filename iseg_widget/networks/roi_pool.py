"""ROI pooling in plain PyTorch (Girshick, "Fast R-CNN", ICCV 2015, Sec. 2.1).

A box is rounded to whole cells and divided into bins that may share a row of cells; each bin is
the **maximum** of its cells. Maxima over rectangles are maxima along rows and then along columns,
so a box takes two gathers, exact and differentiable, on any device.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def _cells(start: float, stop: float, scale: float) -> tuple[int, int]:
    """Cells ``[first, last]`` of the pixels ``start`` to ``stop`` - 1; halves are rounded up."""
    first = math.floor(start * scale + 0.5)
    last = math.floor((stop - 1) * scale + 0.5)
    return first, max(first, last)


def _bins(first: int, last: int, bins: int, size: int) -> tuple[Tensor, Tensor]:
    """Cells of every bin: indices ``(bins, K)``, and which bins hold any, ``(bins,)`` bool.

    Bins of fewer than K cells repeat their last one, which changes no maximum.
    """
    length = last - first + 1
    index = torch.arange(bins)
    # Integers: floor(b * length / bins) and ceil((b + 1) * length / bins), without rounding error.
    low = (index * length).div(bins, rounding_mode="floor") + first
    high = -(-(index + 1) * length).div(bins, rounding_mode="floor") + first
    low, high = low.clamp(0, size), high.clamp(0, size)
    reach = torch.arange(int((high - low).amax().clamp(min=1)))
    cells = torch.minimum(low[:, None] + reach, (high - 1)[:, None]).clamp(0, size - 1)
    return cells, high > low


def roi_pool(
    features: Tensor,
    boxes: Tensor,
    image: Tensor,
    output_size: tuple[int, int],
    spatial_scale: float = 1.0,
) -> Tensor:
    """Maximum of every bin of every box, as Fast R-CNN's layer.

    Parameters
    ----------
    features: ``(N, C, h, w)``.
    boxes: ``(R, 4)`` half-open ``x0, y0, x1, y1`` in input pixels; R may be 0.
    image: ``(R,)`` int64, the image in the batch that each box belongs to.
    output_size: ``(rows, columns)`` of the result.
    spatial_scale: cells of the map per input pixel (1/8 for a stride-8 map).

    Returns
    -------
    ``(R, C, rows, columns)``. Bins outside the map are zero.

    Raises
    ------
    ValueError: boxes that are not ``(R, 4)``, another number of ``image`` entries, or an image that
        is not in the batch.
    """
    if boxes.ndim != 2 or boxes.shape[1] != 4 or image.shape != boxes.shape[:1]:
        raise ValueError(
            f"boxes must be (R, 4) with R image numbers, got {tuple(boxes.shape)} and "
            f"{tuple(image.shape)}"
        )
    count, channels, height, width = features.shape
    pooled = [features.new_zeros(0, channels, *output_size)]
    for box, number in zip(boxes.tolist(), image.tolist(), strict=True):
        if not 0 <= number < count:
            raise ValueError(f"a box belongs to image {number} of a batch of {count}")
        x0, y0, x1, y1 = box
        rows, row_held = _bins(*_cells(y0, y1, spatial_scale), output_size[0], height)
        columns, column_held = _bins(*_cells(x0, x1, spatial_scale), output_size[1], width)
        device = features.device
        along_rows = features[number][:, rows.to(device)].amax(2)
        found = along_rows[:, :, columns.to(device)].amax(3)
        held = (row_held[:, None] & column_held[None, :]).to(device)
        pooled.append(torch.where(held, found, found.new_zeros(()))[None])
    return torch.cat(pooled)
