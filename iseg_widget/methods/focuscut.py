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
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from iseg_widget.clicks import Click, check_inside
from iseg_widget.encode import gaussians
from iseg_widget.masks import PackedMask, progressive_merge
from iseg_widget.methods.focuscut_rules import (
    SMALLEST_RADIUS,
    Focus,
    FocusCutProbability,
    FocusPoint,
    compact,
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
from iseg_widget.networks.focuscut import FocusCutNetwork
from iseg_widget.protocol import Step, View
from iseg_widget.views import Box, cut, intersect, mask_layers, whole

MEAN = np.array([0.485, 0.456, 0.406], np.float32)
DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)
"""ImageNet's, of RGB in 0..1."""

LARGEST_BATCH = 64
"""Focus views that go through the network at once."""

Refocus = Literal["all", "new"]


@dataclass(frozen=True)
class FocusCutOptions:
    """Settings of FocusCut; the defaults are the paper's.

    Attributes
    ----------
    focus_view: refine around the clicks ("FV" of Table 1), else whole view only ("GV").
    turns: T, turns of the progressive focus strategy (Alg. 3); 1 is "GV + FV" of Table 1.
    fast: fast version (Sec. 3.5; Table 2, *): the scope of every turn is ``reduction`` times the
        last one's, all turns start from the whole view and go through the network together.
    reduction: factor of the fast version (Sec. 3.5: 0.8), and of ``adaptive_scope=False``.
    adaptive_scope: each turn's scope follows what the last one changed (Alg. 3, line 7), else it
        is ``reduction`` times the last one's. The fast version never adapts.
    iterative: a turn is fed the mask with the last turn's results ("w/ IP" of Table 3), else the
        whole view's.
    refocus: ``"all"`` refines around all clicks that were focused so far, at every click;
        ``"new"`` around the new ones only. The text leaves it open; the published code does all.
    lam: lambda: a change is focused when smaller than this part of the object (Alg. 2).
    omega: relax coefficient of the focus scope (Alg. 2).
    omega_hat: the same of later turns (Alg. 3).
    epsilon: pixels by which a turn's change is eroded, in a view of 384 (Alg. 3).
    size: side in pixels of the focus view, and shorter side of the whole view, as the network
        sees them (Sec. 4.1: 384; the published code has 512 for DAVIS).
    max_side: limit in pixels of the whole view's longer side, for very long images, whose shorter
        side is then less than ``size``; ``None``: no limit, as published.
    sigma: width in pixels of the Gaussian of a click, full width at half maximum.
    zoom_in: look at the object with a margin (Sec. 4.1), else always at the whole image.
    progressive_merge: update a mask that existed before, or was drawn, only in the changed region
        under the click. Not of this paper: FocalClick's way of keeping what is there.
    threshold: probability above which a pixel belongs to the mask.
    compat: follow a slip of the published code as well: the first click is answered twice, the
        second time zoomed in on the first answer, which is fed as the previous mask.
    """

    focus_view: bool = True
    turns: int = 3
    fast: bool = False
    reduction: float = 0.8
    adaptive_scope: bool = True
    iterative: bool = True
    refocus: Refocus = "all"
    lam: float = 0.2
    omega: float = 1.75
    omega_hat: float = 1.1
    epsilon: float = 2.0
    size: int = 384
    max_side: int | None = 2048
    sigma: float = 10.0
    zoom_in: bool = True
    progressive_merge: bool = True
    threshold: float = 0.5
    compat: bool = False

    def __post_init__(self) -> None:
        """Raise ``ValueError`` for a value outside what is accepted."""
        if self.refocus not in ("all", "new"):
            raise ValueError(f"refocus must be 'all' or 'new', got {self.refocus!r}")
        for name, low, high in (
            ("turns", 1, 20),
            ("size", 32, 4096),
            ("reduction", 0.1, 0.99),
            ("lam", 0.0, 10.0),
            ("omega", 0.5, 10.0),
            ("omega_hat", 0.5, 10.0),
            ("epsilon", 0.0, 100.0),
        ):
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"{name} must lie in {low}..{high}, got {getattr(self, name)!r}")
        if self.max_side is not None and self.max_side < self.size:
            raise ValueError(
                f"max_side must be None or at least size ({self.size}), got {self.max_side!r}"
            )
        if not 0.0 < self.sigma <= 1000.0:
            raise ValueError(f"sigma must lie in 0..1000, got {self.sigma!r}")
        if not 0.0 < self.threshold < 1.0:
            raise ValueError(f"threshold must lie between 0 and 1, got {self.threshold!r}")

    @property
    def factor(self) -> float:
        """``reduction`` as the published code reads it, the fraction of its setting 3.8.

        In floating point it is just below 0.8, which decides where a scope is truncated.
        """
        return (self.turns + self.reduction) % 1.0


@dataclass(frozen=True)
class _State:
    image: NDArray[np.uint8]
    clicks: tuple[Click, ...]
    packed: PackedMask
    box: Box
    """Of the last whole view."""
    merging: bool
    points: tuple[FocusPoint, ...] = ()
    known: Mapping[bytes, NDArray[np.float16]] = field(default_factory=dict)
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

    def __init__(self, known: Mapping[bytes, NDArray[np.float16]], trace: bool) -> None:
        self.before = known
        self.known: dict[bytes, NDArray[np.float16]] = {}
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

    def __init__(self, network: FocusCutNetwork, options: FocusCutOptions | None = None) -> None:
        self.network = network
        self.options = options or FocusCutOptions()
        self.device = next(network.parameters()).device

    def start(self, image: NDArray[np.uint8], mask: NDArray[np.bool_] | None = None) -> _State:
        """See :meth:`iseg_widget.protocol.Method.start`."""
        shape = (image.shape[0], image.shape[1])
        existing = np.zeros(shape, bool) if mask is None else mask
        return _State(image, (), PackedMask.pack(existing), whole(shape), merging=mask is not None)

    def edit(self, state: _State, mask: NDArray[np.bool_]) -> tuple[_State, Step]:
        """Take the user's mask; later clicks merge into it."""
        edited = replace(state, packed=PackedMask.pack(mask), merging=True)
        return edited, Step((), mask_layers(mask), edited.packed)

    def step(
        self, state: _State, clicks: Sequence[Click], *, trace: bool = False
    ) -> tuple[_State, Step]:
        """Answer new clicks: one whole view, then focus views."""
        began = time.perf_counter()
        if not clicks:
            raise ValueError("a step needs at least one new click")
        for click in clicks:
            check_inside(click, state.shape)
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
        box, soft = self._whole_view(state, previous, every, box, record)
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
        packed = PackedMask.pack(mask)
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
    ) -> tuple[Box, FocusCutProbability]:
        """Segment the zoomed view; return its box and what the network says."""
        box = zoom_box(previous, clicks, kept) if self.options.zoom_in else whole(state.shape)
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

    def _predict(self, inputs: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float16]]:
        """Return the logits of inputs of one size, each ``(h/4, w/4)`` float16."""
        tensor = torch.from_numpy(np.stack(inputs)).to(self.device)
        # Inference mode belongs to the thread, so it is entered here and not by the caller.
        with torch.inference_mode():
            logits: Tensor = self.network(tensor.contiguous(memory_format=torch.channels_last))
        return list(compact(logits[:, 0].float().cpu().numpy()))
