"""Pictures of what a network is trained on, for people to look at."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from iseg_widget.training.seen import Seen

ROWS = 8
POSITIVE, NEGATIVE, OUTLINE = (40, 220, 40), (230, 40, 40), (255, 220, 0)
GAP = 4


def draw(seen: Seen, rows: int = ROWS) -> NDArray[np.uint8]:
    """Draw the first views of a batch, one a row.

    From the left: the view with positive (green) and negative (red) clicks, the truth with what is
    ignored in grey, the previous probability, and the answer's with the truth's outline.

    Returns
    -------
    uint8 RGB of ``rows * (H + 4) - 4`` rows and ``4 * (W + 4) - 4`` columns.
    """
    images = seen.image[:rows].detach().float().cpu().numpy()
    answers = torch.sigmoid(seen.logits[:rows].detach().float()).cpu().numpy()[:, 0]
    truths, valids = (
        mask[:rows, 0].detach().cpu().numpy() > 0.5 for mask in (seen.truth, seen.valid)
    )
    drawn = []
    for index, (image, answer) in enumerate(zip(images, answers, strict=True)):
        truth, valid = truths[index], valids[index]
        tiles = [
            _clicked(image, seen.given.clicks[index]),
            np.where(valid, np.where(truth, 255, 0), 128).astype(np.uint8)[:, :, None].repeat(3, 2),
            _grey(seen.given.previous[index]),
            _outlined(_grey(answer), truth),
        ]
        drawn.append(_joined(tiles, axis=1))
    return _joined(drawn, axis=0)


def _clicked(image: NDArray[np.float32], clicks: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return the view ``(H, W, 3)`` with disks on its clicks."""
    canvas = np.ascontiguousarray((image.transpose(1, 2, 0) * 255).round().clip(0, 255), np.uint8)
    radius = max(2, min(canvas.shape[:2]) // 50)
    for x, y, positive in clicks:
        centre = (round(float(x)), round(float(y)))
        cv2.circle(canvas, centre, radius + 1, (255, 255, 255), -1)
        cv2.circle(canvas, centre, radius, POSITIVE if positive else NEGATIVE, -1)
    return canvas


def _grey(probability: NDArray[np.float32]) -> NDArray[np.uint8]:
    return (probability * 255).round().astype(np.uint8)[:, :, None].repeat(3, 2)


def _outlined(canvas: NDArray[np.uint8], truth: NDArray[np.bool_]) -> NDArray[np.uint8]:
    mask = truth.astype(np.uint8)
    canvas[(mask - cv2.erode(mask, np.ones((3, 3), np.uint8))) > 0] = OUTLINE
    return canvas


def _joined(tiles: list[NDArray[np.uint8]], axis: int) -> NDArray[np.uint8]:
    """Join tiles of one size, a white gap between them."""
    shape = list(tiles[0].shape)
    shape[axis] = GAP
    gap = np.full(shape, 255, np.uint8)
    parts = [part for tile in tiles for part in (gap, tile)][1:]
    return np.concatenate(parts, axis)
