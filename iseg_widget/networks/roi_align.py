"""RoIAlign in plain PyTorch (He et al., "Mask R-CNN", ICCV 2017, Sec. 3).

Bins are averaged over a regular grid of bilinear samples. It is separable: along each axis every
output bin is a fixed weighted sum of input rows (columns), so a box becomes two small matrices and
the whole operation two batched matrix products, exact and differentiable, on any device.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def _axis_weights(start: Tensor, length: Tensor, bins: int, size: int, samples: int) -> Tensor:
    """Weights ``(N, bins, size)`` of one axis; ``start`` and ``length`` are ``(N,)`` in cells."""
    step = length / bins
    offsets = (torch.arange(samples, device=start.device, dtype=start.dtype) + 0.5) / samples
    index = torch.arange(bins, device=start.device, dtype=start.dtype)
    position = (
        start[:, None, None] + (index[None, :, None] + offsets[None, None, :]) * step[:, None, None]
    )
    # Samples more than a cell outside the map count as zero, others are clamped to it.
    valid = ((position >= -1.0) & (position <= size)).to(start.dtype)
    position = position.clamp(0.0, size - 1.0)
    low = position.floor()
    fraction = position - low
    high = (low + 1).clamp(max=size - 1)
    weights = start.new_zeros(start.shape[0], bins, size)
    weights.scatter_add_(2, low.long(), valid * (1.0 - fraction) / samples)
    weights.scatter_add_(2, high.long(), valid * fraction / samples)
    return weights


def roi_align(
    features: Tensor,
    boxes: Tensor,
    output_size: tuple[int, int],
    spatial_scale: float = 1.0,
    *,
    aligned: bool = True,
    sampling_ratio: int = -1,
) -> Tensor:
    """Crop and resize one box per feature map.

    Parameters
    ----------
    features: ``(N, C, H, W)``.
    boxes: ``(N, 4)`` as ``x0, y0, x1, y1`` in input pixels, one box for each map in the batch.
    output_size: ``(rows, columns)`` of the result.
    spatial_scale: cells of the map per input pixel (1/4 for a stride-4 map).
    aligned: shift by half a cell, so that cell centres lie at integer + 0.5.
    sampling_ratio: samples per bin and axis; -1 takes ``ceil(box side / bins)``, box by box.

    Returns
    -------
    Tensor of shape ``(N, C, *output_size)``.
    """
    if boxes.shape != (features.shape[0], 4):
        raise ValueError(
            f"boxes must have shape ({features.shape[0]}, 4), one per map; got {tuple(boxes.shape)}"
        )
    rows, columns = output_size
    height, width = features.shape[2:]
    # Weights stay in float32: box coordinates do not survive half precision.
    scaled = boxes.to(torch.float32) * spatial_scale - (0.5 if aligned else 0.0)
    x0, y0, x1, y1 = scaled.unbind(1)
    box_width, box_height = x1 - x0, y1 - y0
    if not aligned:
        box_width, box_height = box_width.clamp(min=1.0), box_height.clamp(min=1.0)

    def weights(start: Tensor, length: Tensor, bins: int, size: int) -> Tensor:
        if sampling_ratio > 0:
            return _axis_weights(start, length, bins, size, sampling_ratio)
        counts = [max(1, math.ceil(value / bins)) for value in length.tolist()]
        result = start.new_zeros(start.shape[0], bins, size)
        for count in set(counts):
            chosen = torch.tensor(
                [index for index, value in enumerate(counts) if value == count],
                device=start.device,
            )
            result[chosen] = _axis_weights(start[chosen], length[chosen], bins, size, count)
        return result

    row_weights = weights(y0, box_height, rows, height).to(features.dtype)
    column_weights = weights(x0, box_width, columns, width).to(features.dtype)
    along_rows = torch.einsum("nrh,nchw->ncrw", row_weights, features)
    return torch.einsum("nsw,ncrw->ncrs", column_weights, along_rows)
