"""FocusCut: dive into a focus view around each click (Lin et al., CVPR 2022).

A click is answered in these moves (Sec. 3.2 to 3.5, Fig. 2):

1. the **whole view**, zoomed in on the object, goes through the network;
2. what the click changed tells its **focus scope**, and whether to focus at all (Alg. 2);
3. the image is cut around each focused click, with that scope, and the *same* network refines it,
   **progressively**: in up to T turns, whose scope follows what changed last (Alg. 3);
4. each turn's results are written into the whole view's, their mean where they meet.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from iseg_widget.clicks import Click, check_step
from iseg_widget.encode import gaussians
from iseg_widget.masks import progressive_merge
from iseg_widget.methods.focuscut_options import FocusCutOptions
from iseg_widget.methods.focuscut_rules import (
    SMALLEST_RADIUS,
    Focus,
    FocusCutProbability,
    FocusPoint,
    focus_scope,
    linear,
    nearest,
    padded,
    scope_ratio,
    to_view,
    view_size,
    write_turn,
    zoom_box,
)
from iseg_widget.networks.focuscut import FocusCutLite0, FocusCutNetwork
from iseg_widget.protocol import Step, View
from iseg_widget.regions import Region
from iseg_widget.views import Box, cut, intersect, mask_layers, whole

__all__ = ["FocusCut", "FocusCutOptions"]

MEAN = np.array([0.485, 0.456, 0.406], np.float32)
DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)
"""ImageNet's, of RGB in 0..1."""

LARGEST_BATCH = 64
"""Focus views that go through the network at once."""


@dataclass(frozen=True)
class _State:
    image: NDArray[np.uint8]
    clicks: tuple[Click, ...]
    packed: Region
    box: Box
    """Of the last whole view."""
    merging: bool
    points: tuple[FocusPoint, ...] = ()
    known: Mapping[bytes, NDArray[np.float32]] = field(default_factory=dict)
    """Logits of the last step's focus views, by what the network was fed."""

    @property
    def shape(self) -> tuple[int, int]:
        return self.packed.shape


@dataclass(frozen=True)
class _Input:
    """A focus view as the network will see it."""

    box: Box
    mask: NDArray[np.bool_]
    points: NDArray[np.float64]

    @property
    def key(self) -> bytes:
        """What tells this input from every other of the same image and options."""
        digest = hashlib.blake2b(np.packbits(self.mask).tobytes(), digest_size=16)
        digest.update(self.points.tobytes())
        digest.update(repr(self.box).encode())
        return digest.digest()


class _Record:
    """What a step leaves behind: views, trace, and the logits that the next step may reuse."""

    def __init__(self, known: Mapping[bytes, NDArray[np.float32]], trace: bool) -> None:
        self.before = known
        self.known: dict[bytes, NDArray[np.float32]] = {}
        self.views: list[View] = []
        self.trace: dict[str, NDArray[Any]] | None = {} if trace else None
        self.hits = self.misses = 0


class FocusCut:
    """The procedure around a FocusCut network; immutable and free of per-image state.

    Parameters
    ----------
    network: called as :class:`FocusCutNetwork` is, in evaluation mode and on its device.
    options: see :class:`FocusCutOptions`.
    """

    name = "focuscut"

    def __init__(
        self,
        network: FocusCutNetwork | FocusCutLite0,
        options: FocusCutOptions | None = None,
    ) -> None:
        self.network = network
        self.options = options or FocusCutOptions()
        self.device = next(network.parameters()).device

    def start(self, image: NDArray[np.uint8], mask: NDArray[np.bool_] | None = None) -> _State:
        """See :meth:`iseg_widget.protocol.Method.start`."""
        shape = (image.shape[0], image.shape[1])
        existing = np.zeros(shape, bool) if mask is None else mask
        return _State(image, (), Region.of(existing), whole(shape), merging=mask is not None)

    def edit(self, state: _State, mask: NDArray[np.bool_]) -> tuple[_State, Step]:
        """Take the user's mask; later clicks merge into it."""
        edited = replace(state, packed=Region.of(mask), merging=True)
        return edited, Step((), mask_layers(mask), edited.packed)

    def step(
        self, state: _State, clicks: Sequence[Click], *, trace: bool = False
    ) -> tuple[_State, Step]:
        """Answer new clicks: one whole view, then focus views."""
        return self._respond(state, clicks, None, trace=trace)

    def box(
        self, state: _State, box: Box, clicks: Sequence[Click], *, trace: bool = False
    ) -> tuple[_State, Step]:
        """See :meth:`iseg_widget.protocol.BoxMethod.box`; the whole view zooms in on it."""
        return self._respond(state, clicks, box, trace=trace)

    def _respond(
        self, state: _State, clicks: Sequence[Click], drawn: Box | None, *, trace: bool
    ) -> tuple[_State, Step]:
        began = time.perf_counter()
        check_step(clicks, state.shape)
        every = (*state.clicks, *clicks)
        previous = state.packed.unpack()
        record = _Record(state.known, trace)
        box = state.box
        # The published procedure never focuses on the first click, nor is there then, from
        # scratch, a prediction to compare with (Alg. 2).
        first = not state.clicks
        if first and self.options.compat and not state.merging:
            box, early = self._whole_view(state, previous, every[:1], box, record)
            previous = early.render() > self.options.threshold
        box, soft = self._whole_view(state, previous, every, box, record, drawn)
        current = soft.render()
        points = state.points
        if self.options.focus_view and not first:
            points, focused = self._focus_points(state.points, previous, current, clicks, record)
            soft = replace(soft, turns=self._turns(state.image, every, focused, current, record))
        mask = soft.render() > self.options.threshold
        if state.merging and self.options.progressive_merge:
            mask = progressive_merge(state.packed.unpack(), mask, [c.pixel for c in clicks])
        if record.trace is not None:
            record.trace["probability"] = soft.render()
            record.trace["focus_views_reused"] = np.array([record.hits, record.misses])
        packed = Region.of(mask)
        following = replace(
            state, clicks=every, packed=packed, box=box, points=points, known=record.known
        )
        views, recorded = tuple(record.views), record.trace or {}
        seconds = time.perf_counter() - began
        return following, Step(tuple(clicks), soft, packed, views, recorded, seconds)

    def _whole_view(
        self,
        state: _State,
        previous: NDArray[np.bool_],
        clicks: Sequence[Click],
        kept: Box,
        record: _Record,
        drawn: Box | None = None,
    ) -> tuple[Box, FocusCutProbability]:
        """Segment the zoomed view; return its box and what the network says."""
        box = whole(state.shape)
        if self.options.zoom_in and drawn is None:
            box = zoom_box(previous, clicks, kept)
        elif self.options.zoom_in and drawn is not None:
            held = np.zeros(state.shape, bool)
            cut(held, drawn)[...] = True
            box = zoom_box(held, (), (0, 0, 1, 1))
        size = view_size(box, self.options.size, self.options.max_side)
        pixels = linear(cut(state.image, box), size)
        points = to_view(clicks, box, size)
        fed = self._fed(pixels, points, nearest(cut(previous, box), size))
        view = Focus(box, size, self._predict([fed])[0])
        record.views[:] = [View("zoom_in", box)]
        if record.trace is not None:
            record.trace["positive_clicks"], record.trace["negative_clicks"] = fed[3:5]
            record.trace["previous_mask"] = fed[5]
            record.trace["whole_view"] = view.probability()
        return box, FocusCutProbability(state.shape, view)

    def _focus_points(
        self,
        known: tuple[FocusPoint, ...],
        previous: NDArray[np.bool_],
        current: NDArray[np.float32],
        clicks: Sequence[Click],
        record: _Record,
    ) -> tuple[tuple[FocusPoint, ...], tuple[FocusPoint, ...]]:
        """Judge the new clicks (Alg. 2); return all focus points, and those of this step."""
        mask = current > self.options.threshold
        new, rows = [], []
        for click in clicks:
            row, column = click.pixel
            radius, focus = focus_scope(previous, mask, (row, column), self.options.lam)
            rows.append((column, row, radius, int(focus)))
            if focus:
                new.append(FocusPoint((row, column), radius))
        if record.trace is not None:
            record.trace["focus_scope"] = np.array(rows)
        every = (*known, *new)
        return every, every if self.options.refocus == "all" else tuple(new)

    def _turns(
        self,
        image: NDArray[np.uint8],
        clicks: Sequence[Click],
        points: Sequence[FocusPoint],
        current: NDArray[np.float32],
        record: _Record,
    ) -> tuple[tuple[Focus, ...], ...]:
        """Progressive focus strategy (Alg. 3); return the focus views of every turn."""
        settings = self.options
        working = current.copy()
        mask = working > settings.threshold
        scales: list[float | None] = [1.0] * len(points)
        # A point that stopped keeps its last view, which is written again, as published.
        latest: dict[int, Focus] = {}
        done: list[tuple[Focus, ...]] = []
        if settings.fast:
            planned = [
                self._inputs(clicks, points, [settings.factor**turn] * len(points), mask, turn)
                for turn in range(settings.turns)
            ]
            looked = self._look(image, planned, record)
            for inputs, views in zip(planned, looked, strict=True):
                latest.update(zip(inputs, views, strict=True))
                done.append(tuple(latest.values()))
            return tuple(done)
        for turn in range(settings.turns):
            inputs = self._inputs(clicks, points, scales, mask, turn)
            if not inputs:
                break
            (views,) = self._look(image, [inputs], record, turn)
            latest.update(zip(inputs, views, strict=True))
            done.append(tuple(latest.values()))
            scales = [None if i not in inputs else scale for i, scale in enumerate(scales)]
            for (index, fed), view in zip(inputs.items(), views, strict=True):
                after = view.probability() > settings.threshold
                ratio = scope_ratio(fed.mask, after, settings.omega_hat, settings.epsilon)
                if ratio is not None and not settings.adaptive_scope:
                    ratio = settings.factor
                scale = scales[index]
                scales[index] = None if ratio is None or scale is None else scale * ratio
            if settings.iterative:
                write_turn(working, done[-1])
                mask = working > settings.threshold
        return tuple(done)

    def _inputs(
        self,
        clicks: Sequence[Click],
        points: Sequence[FocusPoint],
        scales: Sequence[float | None],
        mask: NDArray[np.bool_],
        turn: int,
    ) -> dict[int, _Input]:
        """Focus views of one turn, by number of their point; too small ones are left out."""
        size = (self.options.size, self.options.size)
        inputs = {}
        for index, (point, scale) in enumerate(zip(points, scales, strict=True)):
            if scale is None:
                continue
            radius = int(self.options.omega * point.radius * scale)
            if turn > 0 and radius <= SMALLEST_RADIUS:
                continue
            row, column = point.pixel
            box = (column - radius, row - radius, column + radius + 1, row + radius + 1)
            fed = nearest(padded(mask, box), size)
            inputs[index] = _Input(box, fed, to_view(clicks, box, size))
        return inputs

    def _look(
        self,
        image: NDArray[np.uint8],
        turns: Sequence[Mapping[int, _Input]],
        record: _Record,
        number: int = 0,
    ) -> tuple[tuple[Focus, ...], ...]:
        """Send the focus views of one or more turns through the network, all at once.

        What the last step fed as well is not computed again.
        """
        size = (self.options.size, self.options.size)
        keyed = [[(view.key, view) for view in turn.values()] for turn in turns]
        crops: dict[bytes, NDArray[np.float32]] = {}
        for key, view in (pair for turn in keyed for pair in turn):
            found = record.known.get(key, record.before.get(key))
            if found is not None:
                record.known[key] = found
            if found is None or record.trace is not None:
                pixels = linear(padded(image, view.box), size)
                crops[key] = self._fed(pixels, view.points, view.mask)
        missing = [key for key in crops if key not in record.known]
        record.hits += sum(len(turn) for turn in keyed) - len(missing)
        record.misses += len(missing)
        for start in range(0, len(missing), LARGEST_BATCH):
            part = missing[start : start + LARGEST_BATCH]
            answers = self._predict([crops[key] for key in part])
            record.known.update(zip(part, answers, strict=True))
        looked = []
        for turn, pairs in enumerate(keyed, start=number + 1):
            views = tuple(Focus(view.box, size, record.known[key]) for key, view in pairs)
            looked.append(views)
            self._note(turn, views, [crops[key] for key, _ in pairs if key in crops], image, record)
        return tuple(looked)

    def _note(
        self,
        turn: int,
        views: Sequence[Focus],
        crops: Sequence[NDArray[np.float32]],
        image: NDArray[np.uint8],
        record: _Record,
    ) -> None:
        edge = whole((image.shape[0], image.shape[1]))
        boxes = (intersect(view.box, edge) for view in views)
        record.views.extend(View("focus_view", box) for box in boxes if box is not None)
        if record.trace is not None and views:
            record.trace[f"focus_boxes_{turn}"] = np.array([view.box for view in views])
            record.trace[f"focus_inputs_{turn}"] = np.stack(crops)
            answers = np.stack([view.probability() for view in views])
            record.trace[f"focus_probabilities_{turn}"] = answers

    def _fed(
        self, pixels: NDArray[np.uint8], points: NDArray[np.float64], mask: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        """Return the network's six channels ``(6, h, w)`` float32."""
        size = (pixels.shape[0], pixels.shape[1])
        normal = (pixels.astype(np.float32) / np.float32(255.0) - MEAN) / DEVIATION
        maps = gaussians(points, size, self.options.sigma)
        return np.concatenate([normal.transpose(2, 0, 1), maps, mask[None].astype(np.float32)])

    def _predict(self, inputs: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        """Return the logits of inputs of one size, each ``(h/4, w/4)`` float32."""
        tensor = torch.from_numpy(np.stack(inputs)).to(self.device)
        # Inference mode belongs to the thread, so it is entered here and not by the caller.
        with torch.inference_mode():
            logits: Tensor = self.network(tensor.contiguous(memory_format=torch.channels_last))
        # Copies, so that a kept answer does not keep its batch.
        return [answer.numpy().copy() for answer in logits[:, 0].float().cpu()]
