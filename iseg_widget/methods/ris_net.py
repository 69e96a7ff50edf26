"""RIS-Net: look again at the regions that clicks span (Liew et al., ICCV 2017).

Every click is answered from the whole image and all clicks, in these moves (Sec. 3, Fig. 2):

1. the network sees RGB and two maps of the **distance** to the nearest positive and the nearest
   negative click (Eq. 1), and gives a global prediction;
2. each positive click and its nearest negative click span a square **ROI** (Sec. 3.2.1); the local
   branch looks at the shared features in it again, beside the context of the whole image;
3. global and local predictions are **fused**: the maximum of all that a pixel has (Eq. 3);
4. a **graph cut** finds the outline, with the clicks as hard constraints (Sec. 3).

No previous mask is fed. Where one existed before, only what changed under the click is taken over.
No code was published; what the paper leaves open is told at the options.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from iseg_widget.clicks import Click, check_step, to_array
from iseg_widget.encode import DISTANCE_CAP, distance_maps, map_to_crop
from iseg_widget.masks import progressive_merge
from iseg_widget.methods.graph_cut_refine import STRENGTH, GraphCut
from iseg_widget.networks.ris_net import ROI_SIDE, RISNetwork, enlarge, stretch
from iseg_widget.protocol import Step, View
from iseg_widget.regions import Region
from iseg_widget.views import Box, cut, mask_layers, resize, sigmoid, whole

LARGEST_LOGIT = 30000.0
"""Logits are kept as float16, which ends at 65504; both are certainty."""

LARGEST_BATCH = 16
"""ROIs that go through the local branch at once."""

Fusion = Literal["max", "average"]


@dataclass(frozen=True)
class RISNetOptions:
    """Settings of RIS-Net; the defaults are the paper's, or ours where it has none.

    Attributes
    ----------
    max_side: limit in pixels of the longer side as the network sees the image; ``None``: none. The
        paper names no size but times 640 x 480 (Sec. 4.1), which both leave as it is.
    global_context: append the pyramid of the whole image's features ("Global context" of Table 2).
        Without it the network sees zeros in their place.
    local_branch: look at ROIs at all ("Local branch" of Table 2).
    fusion: ``"max"`` (Eq. 3) or ``"average"``, which Sec. 3.4 finds slightly worse. The average is
        taken over the maps that reach a pixel: with zeros outside the ROIs counted, as Eq. 3 pads
        them, no object could be left there.
    roi_count: look at no more ROIs than this, drawn at random (Sec. 3.2.1, for want of memory;
        N_ROI = 5 is for training); ``None``: at all.
    seed: of that draw, which is the same whenever the same clicks are given.
    graph_cut: refine the fused probability (Sec. 3; all of the paper's numbers have it).
    strength: weight of the graph cut's pairwise term; ours, none is given.
    neighbours: 4 or 8, of the graph cut's grid; ours, none is given.
    progressive_merge: update a mask that existed before, or was drawn, only in the changed region
        under the click. Not of this paper: FocalClick's way of keeping what is there.
    threshold: probability above which a pixel belongs to the mask; the graph cut's unary terms are
        equal there.
    compat: without effect, nothing was published to be compatible with.
    """

    max_side: int | None = 1024
    global_context: bool = True
    local_branch: bool = True
    fusion: Fusion = "max"
    roi_count: int | None = None
    seed: int = 0
    graph_cut: bool = True
    strength: float = STRENGTH
    neighbours: Literal[4, 8] = 8
    progressive_merge: bool = True
    threshold: float = 0.5
    compat: bool = False

    def __post_init__(self) -> None:
        """Raise ``ValueError`` for a value outside what is accepted."""
        if self.max_side is not None and not 32 <= self.max_side <= 16384:
            raise ValueError(f"max_side must be None or lie in 32..16384, got {self.max_side!r}")
        if self.fusion not in ("max", "average"):
            raise ValueError(f"fusion must be 'max' or 'average', got {self.fusion!r}")
        if self.roi_count is not None and self.roi_count < 1:
            raise ValueError(f"roi_count must be None or at least 1, got {self.roi_count!r}")
        if self.seed < 0:
            raise ValueError(f"seed must not be negative, got {self.seed!r}")
        if not 0.0 <= self.strength <= 1000.0:
            raise ValueError(f"strength must lie in 0..1000, got {self.strength!r}")
        if self.neighbours not in (4, 8):
            raise ValueError(f"neighbours must be 4 or 8, got {self.neighbours!r}")
        if not 0.0 < self.threshold < 1.0:
            raise ValueError(f"threshold must lie between 0 and 1, got {self.threshold!r}")


def square_span(first: Click, second: Click) -> Box:
    """Square box that two clicks span (Sec. 3.2.1), not cut to any image.

    The shorter side of the smallest box that holds both clicked pixels is enlarged about its
    centre to the longer one: ``max(|dx|, |dy|) + 1`` pixels, clicked ones counted.
    """
    (y, x), (other_y, other_x) = first.pixel, second.pixel
    side = max(abs(x - other_x), abs(y - other_y)) + 1
    # The centre of an even leftover lies between pixels; the odd one goes left and up.
    left, top = (x + other_x + 1 - side) // 2, (y + other_y + 1 - side) // 2
    return left, top, left + side, top + side


def click_pairs(clicks: Sequence[Click]) -> list[tuple[Click, Click]]:
    """Each positive click with its nearest negative click; of equally near ones the earliest."""
    negatives = [click for click in clicks if not click.positive]
    if not negatives:
        return []

    def nearest(click: Click) -> Click:
        return min(negatives, key=lambda n: (n.x - click.x) ** 2 + (n.y - click.y) ** 2)

    return [(click, nearest(click)) for click in clicks if click.positive]


def within(box: Box, shape: tuple[int, int]) -> Box:
    """Return a box cut to an image of ``shape`` (H, W)."""
    return max(0, box[0]), max(0, box[1]), min(shape[1], box[2]), min(shape[0], box[3])


def roi_boxes(
    clicks: Sequence[Click], shape: tuple[int, int], drawn: Sequence[Box] = ()
) -> tuple[Box, ...]:
    """Regions that the local branch looks at (Sec. 3.2.1).

    Parameters
    ----------
    clicks: in the image.
    shape: ``(H, W)`` of the image.
    drawn: ROIs that the user drew, which come first.

    Returns
    -------
    For every positive click the square that it spans with its nearest negative click, cut to the
    image; none twice. The whole image alone when there is no such pair and none was drawn.
    """
    boxes = [within(square_span(*pair), shape) for pair in click_pairs(clicks)]
    return tuple(dict.fromkeys((*drawn, *boxes))) or (whole(shape),)


def input_size(shape: tuple[int, int], max_side: int | None) -> tuple[int, int]:
    """Size ``(h, w)`` at which the network sees an image of ``shape`` (H, W)."""
    if max_side is None or max(shape) <= max_side:
        return shape
    scale = max_side / max(shape)
    return max(1, round(shape[0] * scale)), max(1, round(shape[1] * scale))


@dataclass(frozen=True)
class FusedPredictions:
    """Probability of a whole image, kept as the network's logits (Sec. 3.4).

    Attributes
    ----------
    shape: ``(H, W)`` of the image.
    size: ``(h, w)`` of the network's input.
    stride: pixels of the input between global logits.
    logits: of the global branch, ``(h / stride + 1, w / stride + 1)`` float16.
    boxes: R ROIs, in pixels of the image.
    local: their logits, ``(R, 41, 41)`` float16.
    fusion: see :class:`RISNetOptions`.
    """

    shape: tuple[int, int]
    size: tuple[int, int]
    stride: int
    logits: NDArray[np.float16]
    boxes: tuple[Box, ...]
    local: NDArray[np.float16]
    fusion: Fusion

    def global_logits(self) -> NDArray[np.float32]:
        """Return the global branch's logits ``(h, w)`` float32 at the input's size."""
        coarse = torch.from_numpy(self.logits.astype(np.float32))[None, None]
        found: NDArray[np.float32] = enlarge(coarse, self.stride, self.size)[0, 0].numpy()
        return found

    def render(self, box: Box | None = None) -> NDArray[np.float32]:
        """Return the fused probability in ``box`` (default: everywhere), ``(h, w)`` float32."""
        total = sigmoid(resize(self.global_logits(), self.shape))
        count = np.ones(self.shape, np.float32) if self.fusion == "average" else None
        for roi, values in zip(self.boxes, self.local, strict=True):
            logits = torch.from_numpy(values.astype(np.float32))[None, None]
            local = sigmoid(stretch(logits, (roi[3] - roi[1], roi[2] - roi[0]))[0, 0].numpy())
            inside = cut(total, roi)
            if count is None:
                np.maximum(inside, local, out=inside)
            else:
                inside += local
                cut(count, roi)[:] += 1.0
        full = total if count is None else total / count
        return full if box is None else cut(full, box).copy()


@dataclass(frozen=True)
class _State:
    image: NDArray[np.uint8]
    seen: NDArray[np.uint8]
    """The image as the network sees it."""
    clicks: tuple[Click, ...]
    packed: Region
    merging: bool
    drawn: tuple[Box, ...] = ()
    """ROIs that the user drew."""

    @property
    def shape(self) -> tuple[int, int]:
        return self.packed.shape


class RISNet:
    """The procedure around a RIS-Net network; immutable and free of per-image state.

    Parameters
    ----------
    network: called as :class:`RISNetwork` is, in evaluation mode and on its device.
    options: see :class:`RISNetOptions`.
    """

    name = "ris_net"

    def __init__(self, network: RISNetwork, options: RISNetOptions | None = None) -> None:
        self.network = network
        self.options = options or RISNetOptions()
        self.device = next(network.parameters()).device

    def start(self, image: NDArray[np.uint8], mask: NDArray[np.bool_] | None = None) -> _State:
        """See :meth:`iseg_widget.protocol.Method.start`."""
        shape = (image.shape[0], image.shape[1])
        seen = resize(image, input_size(shape, self.options.max_side))
        existing = np.zeros(shape, bool) if mask is None else mask
        return _State(image, seen, (), Region.of(existing), merging=mask is not None)

    def edit(self, state: _State, mask: NDArray[np.bool_]) -> tuple[_State, Step]:
        """Take the user's mask; later clicks merge into it."""
        edited = replace(state, packed=Region.of(mask), merging=True)
        return edited, Step((), mask_layers(mask), edited.packed)

    def step(
        self, state: _State, clicks: Sequence[Click], *, trace: bool = False
    ) -> tuple[_State, Step]:
        """Answer new clicks in one pass over the image, its ROIs and all clicks."""
        return self._respond(state, clicks, trace=trace)

    def box(
        self, state: _State, box: Box, clicks: Sequence[Click], *, trace: bool = False
    ) -> tuple[_State, Step]:
        """See :meth:`iseg_widget.protocol.BoxMethod.box`.

        Its square is an ROI, as if two clicks spanned it (Sec. 3.2.1), and stays one.
        """
        first, last = Click(box[0], box[1]), Click(box[2] - 1, box[3] - 1)
        roi = within(square_span(first, last), state.shape)
        drawn = tuple(dict.fromkeys((*state.drawn, roi)))
        return self._respond(replace(state, drawn=drawn), clicks, trace=trace)

    def _respond(
        self, state: _State, clicks: Sequence[Click], *, trace: bool
    ) -> tuple[_State, Step]:
        began = time.perf_counter()
        check_step(clicks, state.shape)
        every = (*state.clicks, *clicks)
        maps, soft = self._look(state, every)
        fused = soft.render()
        before = fused > self.options.threshold
        mask = before
        if self.options.graph_cut:
            refine = GraphCut(
                strength=self.options.strength,
                neighbours=self.options.neighbours,
                threshold=self.options.threshold,
            )
            mask = refine(fused, state.image, every)
        recorded: dict[str, NDArray[Any]] = {}
        if trace:
            recorded = {
                "positive_distances": maps[0],
                "negative_distances": maps[1],
                "global_probability": sigmoid(soft.global_logits()),
                "roi_boxes": np.array(soft.boxes, np.int64).reshape(-1, 4),
                "local_probabilities": sigmoid(soft.local.astype(np.float32)),
                "fused_probability": fused,
                "before_graph_cut": before,
            }
        if state.merging and self.options.progressive_merge:
            mask = progressive_merge(state.packed.unpack(), mask, [c.pixel for c in clicks])
        following = replace(state, clicks=every, packed=Region.of(mask))
        views = tuple(View("roi", box) for box in soft.boxes)
        seconds = time.perf_counter() - began
        return following, Step(tuple(clicks), soft, following.packed, views, recorded, seconds)

    def _rois(self, state: _State, clicks: Sequence[Click]) -> tuple[Box, ...]:
        """ROIs of this step, no more than asked for."""
        if not self.options.local_branch:
            return ()
        boxes = roi_boxes(clicks, state.shape, state.drawn)
        most = self.options.roi_count
        if most is None or len(boxes) <= most:
            return boxes
        rng = np.random.default_rng((self.options.seed, len(clicks)))
        chosen = sorted(rng.choice(len(boxes), most, replace=False))
        return tuple(boxes[index] for index in chosen)

    def _look(
        self, state: _State, clicks: Sequence[Click]
    ) -> tuple[NDArray[np.float32], FusedPredictions]:
        """Send image, clicks and ROIs through the network; return distance maps and answer."""
        shape, size = state.shape, (state.seen.shape[0], state.seen.shape[1])
        points = map_to_crop(to_array(clicks), whole(shape), size)
        maps = distance_maps(points, size, DISTANCE_CAP)
        boxes = self._rois(state, clicks)
        scale = np.array([size[1] / shape[1], size[0] / shape[0]] * 2)
        scaled = (np.asarray(boxes, np.float64).reshape(-1, 4) * scale).astype(np.float32)
        pixels = state.seen.astype(np.float32).transpose(2, 0, 1) / np.float32(255.0)
        local = [np.zeros((0, ROI_SIDE, ROI_SIDE), np.float16)]
        # Inference mode belongs to the thread, so it is entered here and not by the caller.
        with torch.inference_mode():
            found = self.network.global_features(
                self._tensor(pixels), self._tensor(maps), context=self.options.global_context
            )
            for start in range(0, len(boxes), LARGEST_BATCH):
                part = torch.from_numpy(scaled[start : start + LARGEST_BATCH])
                numbers = torch.zeros(len(part), dtype=torch.int64, device=self.device)
                local.append(_kept(self.network.local(found, part.to(self.device), numbers)))
        soft = FusedPredictions(
            shape,
            size,
            self.network.stride,
            _kept(found.logits)[0],
            boxes,
            np.concatenate(local),
            self.options.fusion,
        )
        return maps, soft

    def _tensor(self, array: NDArray[np.float32]) -> Tensor:
        tensor = torch.from_numpy(np.ascontiguousarray(array))[None].to(self.device)
        return tensor.contiguous(memory_format=torch.channels_last)


def _kept(logits: Tensor) -> NDArray[np.float16]:
    """Logits ``(N, 1, h, w)`` as they are kept, ``(N, h, w)``."""
    values = logits[:, 0].float().cpu().numpy()
    return np.asarray(np.clip(values, -LARGEST_LOGIT, LARGEST_LOGIT), np.float16)
