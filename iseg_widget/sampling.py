"""Two conventions for going between an image and resized crops; a network is trained under one."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from iseg_widget.encode import map_to_corner_crop, map_to_crop
from iseg_widget.images import Pyramid
from iseg_widget.views import (
    Box,
    CornerPatch,
    Layers,
    Patch,
    cut,
    resize,
    resize_corners,
    sigmoid,
)

Array = NDArray[np.float32]


class Sampling(Protocol):
    """What a procedure needs to feed crops and to paste results back."""

    def image(self, image: Pyramid, box: Box, side: int) -> Array:
        """Return the image in ``box``, ``(3, side, side)``, RGB in 0..1."""

    def probability(self, soft: Layers, box: Box, side: int) -> Array:
        """Return the probability in ``box``, ``(side, side)``."""

    def clicks(self, clicks: Array, box: Box, side: int) -> Array:
        """Return ``(N, 3)`` clicks in pixels of the resized crop."""

    def coarse(self, fed: Box, target: Box, logits: Array) -> Patch:
        """Return the Segmentor's answer to ``fed`` as it is pasted into ``target``."""

    def refined(self, box: Box, logits: Array) -> Patch:
        """Return the Refiner's answer as it is pasted into ``box``."""


class HalfPixel:
    """Pixels are little squares: crops cover their box exactly, reducing averages."""

    def image(self, image: Pyramid, box: Box, side: int) -> Array:
        """See :class:`Sampling`."""
        pixels = np.divide(image.crop(box, (side, side)), 255.0, dtype=np.float32)
        return np.asarray(pixels.transpose(2, 0, 1))

    def probability(self, soft: Layers, box: Box, side: int) -> Array:
        """See :class:`Sampling`."""
        # Twice the input's side is enough to average from; a large image need not be rendered.
        grid = (min(2 * side, box[3] - box[1]), min(2 * side, box[2] - box[0]))
        return resize(soft.render(box, grid), (side, side)).astype(np.float32)

    def clicks(self, clicks: Array, box: Box, side: int) -> Array:
        """See :class:`Sampling`."""
        return map_to_crop(clicks, box, (side, side))

    def coarse(self, fed: Box, target: Box, logits: Array) -> Patch:  # noqa: ARG002
        """See :class:`Sampling`."""
        return Patch(target, logits.astype(np.float16))

    def refined(self, box: Box, logits: Array) -> Patch:
        """See :class:`Sampling`."""
        return Patch(box, logits.astype(np.float16))


class Corners:
    """Pixels are points and corners fall on corners, as in ClickSEG's published code.

    The Segmentor's answer is squashed before it is resized, the Refiner's after
    (``predictors/focalclick.py``).
    """

    def image(self, image: Pyramid, box: Box, side: int) -> Array:
        """See :class:`Sampling`."""
        pixels = resize_corners(cut(image.image, box), (side, side))
        return np.asarray(pixels.transpose(2, 0, 1) / np.float32(255.0))

    def probability(self, soft: Layers, box: Box, side: int) -> Array:
        """See :class:`Sampling`."""
        return resize_corners(soft.render(box), (side, side))

    def clicks(self, clicks: Array, box: Box, side: int) -> Array:
        """See :class:`Sampling`."""
        return map_to_corner_crop(clicks, box, (side, side))

    def coarse(self, fed: Box, target: Box, logits: Array) -> Patch:
        """See :class:`Sampling`."""
        values = sigmoid(logits)
        if fed != target:
            values = resize_corners(values, (fed[3] - fed[1], fed[2] - fed[0]))
        return CornerPatch(target, values, squashed=True)

    def refined(self, box: Box, logits: Array) -> Patch:
        """See :class:`Sampling`."""
        return CornerPatch(box, logits)


SAMPLINGS: dict[str, Sampling] = {"half_pixel": HalfPixel(), "corners": Corners()}
"""The conventions by name (see :class:`iseg_widget.networks.focalclick.Geometry`)."""
