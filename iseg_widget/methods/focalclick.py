"""FocalClick: look where the user points (Chen et al., CVPR 2022, arXiv 2204.02574).

A click is answered in four moves (Sec. 3.1, Fig. 3):

1. **target crop**: the box of the previous mask and the clicks, expanded by r_TC, small again;
2. **coarse segmentation** of it by the Segmentor;
3. **focus crop**: the region that changed under the click, expanded by r_FC, **refined** from the
   full-resolution image;
4. **progressive merge**: with a mask that existed before, only the changed region under the click
   is taken over.

Where to look and what to keep is decided in :mod:`iseg_widget.methods.focalclick_rules`; how crops
are cut and pasted belongs to the network (its ``geometry``).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from iseg_widget.clicks import Click, check_step, to_array
from iseg_widget.encode import disks
from iseg_widget.images import pyramid_of
from iseg_widget.methods.focalclick_published import PublishedRules
from iseg_widget.methods.focalclick_rules import (
    SMALLEST_CROP,
    CoarseAnswer,
    FocalClickOptions,
    Look,
    PaperRules,
    Rules,
    State,
    focus_region,
    target_crop,
)
from iseg_widget.networks.focalclick import (
    Coarse,
    FocalClickNetwork,
    Mirrored,
    NetworkInput,
    Refined,
)
from iseg_widget.protocol import Step, Trace, View
from iseg_widget.regions import Region
from iseg_widget.sampling import SAMPLINGS
from iseg_widget.views import Box, Layers, expand, mask_layers, sigmoid

__all__ = ["FocalClick", "FocalClickOptions", "focus_region", "target_crop"]


class FocalClick:
    """The procedure around a FocalClick network; immutable and free of per-image state.

    Parameters
    ----------
    network: in evaluation mode and on its device.
    options: see :class:`FocalClickOptions`.
    """

    name = "focalclick"

    def __init__(
        self, network: FocalClickNetwork, options: FocalClickOptions | None = None
    ) -> None:
        options = options or FocalClickOptions()
        geometry = network.geometry
        if options.version not in geometry.inputs:
            options = replace(options, version=next(iter(geometry.inputs)))
        self.network = network
        self.options = options
        self._predictor: FocalClickNetwork | Mirrored = (
            Mirrored(network) if options.flip else network
        )
        self.device = next(network.parameters()).device
        self.sampling = SAMPLINGS[geometry.sampling]
        self.rules: Rules = PublishedRules(options) if options.compat else PaperRules(options)

    def start(self, image: NDArray[np.uint8], mask: NDArray[np.bool_] | None = None) -> State:
        """See :meth:`iseg_widget.protocol.Method.start`."""
        shape = (image.shape[0], image.shape[1])
        existing = np.zeros(shape, bool) if mask is None else mask
        soft = Layers(shape) if mask is None else mask_layers(mask)
        return State(pyramid_of(image), (), soft, Region.of(existing), merging=mask is not None)

    def edit(self, state: State, mask: NDArray[np.bool_]) -> tuple[State, Step]:
        """Take the user's mask; later clicks merge into it (Sec. 3.2)."""
        edited = replace(state, soft=mask_layers(mask), packed=Region.of(mask), merging=True)
        return edited, Step((), edited.soft, edited.packed)

    def step(
        self, state: State, clicks: Sequence[Click], *, trace: bool = False
    ) -> tuple[State, Step]:
        """Answer new clicks in one pass; several at once share the crops."""
        return self._answer([state], [clicks], trace=trace)[0]

    def box(
        self, state: State, box: Box, clicks: Sequence[Click], *, trace: bool = False
    ) -> tuple[State, Step]:
        """See :meth:`iseg_widget.protocol.BoxMethod.box`; it is expanded to the target crop."""
        return self._answer([state], [clicks], trace=trace, box=box)[0]

    def step_many(
        self, states: Sequence[State], clicks: Sequence[Sequence[Click]]
    ) -> list[tuple[State, Step]]:
        """See :meth:`iseg_widget.protocol.BatchMethod.step_many`.

        All crops have the same size, so one pass of the Segmentor and one of the Refiner answer
        for all objects.
        """
        return self._answer(states, clicks, trace=False) if states else []

    def _answer(
        self,
        states: Sequence[State],
        clicks: Sequence[Sequence[Click]],
        *,
        trace: bool,
        box: Box | None = None,
    ) -> list[tuple[State, Step]]:
        began = time.perf_counter()
        courses = [_Course(state, tuple(new)) for state, new in zip(states, clicks, strict=True)]
        for course in courses:
            check_step(course.new, course.state.shape)
            if box is None or not self.options.target_crop:
                course.look = self.rules.look(course.state, course.every, course.new)
            else:
                target = expand(box, self.options.r_tc, course.state.shape, SMALLEST_CROP)
                course.look = Look(target, target)
        coarse = self._segment(courses, trace=trace)
        logits = _numpy(coarse.logits)
        focused: dict[int, tuple[_Course, Box]] = {}
        for index, course in enumerate(courses):
            fed, target = course.look
            patch = self.sampling.coarse(fed, target, logits[index])
            soft = Layers(course.state.shape).pasted(patch)
            course.coarse = CoarseAnswer(target, logits[index], soft)
            course.soft = soft
            course.focus = self.rules.focus(course.state, course.coarse, course.new)
            if course.focus is not None:
                focused[index] = course, course.focus
        if focused:
            if len(focused) < len(courses):
                kept = list(focused)
                coarse = Coarse(coarse.logits[kept], coarse.features[kept])
            self._refine(list(focused.values()), coarse, trace=trace)
        following = [self._following(course) for course in courses]
        seconds = (time.perf_counter() - began) / len(courses)
        return [
            (state, Step(c.new, state.soft, state.packed, c.views, c.recorded, seconds))
            for c, state in zip(courses, following, strict=True)
        ]

    def _following(self, course: _Course) -> State:
        """State after the clicks: progressive merge of what the networks said."""
        state, count = course.state, len(course.every)
        mask = self.rules.mask(state, course.soft, course.look.target, course.new, count)
        return replace(
            state,
            clicks=course.every,
            soft=course.soft,
            packed=mask,
            region=course.look.target,
        )

    def _tensor(self, arrays: Sequence[NDArray[np.float32]]) -> Tensor:
        """Stack ``(C, h, w)`` maps; channels last, as the network is laid out."""
        stacked = np.stack([array.transpose(1, 2, 0) for array in arrays])
        return torch.from_numpy(stacked).to(self.device).permute(0, 3, 1, 2)

    def _click_maps(
        self, clicks: Sequence[Click], box: Box, fed: NetworkInput
    ) -> NDArray[np.float32]:
        """Positive and negative disks of a crop, ``(2, side, side)``."""
        points = self.sampling.clicks(to_array(clicks), box, fed.side)
        return disks(points, (fed.side, fed.side), fed.radius)

    def _segment(self, courses: Sequence[_Course], *, trace: bool) -> Coarse:
        """Coarse segmentation of every target crop."""
        fed = self.network.geometry.inputs[self.options.version]
        images, interactions = [], []
        for course in courses:
            state, box = course.state, course.look.fed
            previous = self.sampling.probability(state.soft, box, fed.side)
            maps = self._click_maps(course.every, box, fed)
            images.append(self.sampling.image(state.image, box, fed.side))
            interactions.append(np.concatenate([previous[None], maps]))
        # Inference mode belongs to the thread, so it is entered here and not by the caller.
        with torch.inference_mode():
            coarse = self._predictor.segment(self._tensor(images), self._tensor(interactions))
        if trace:
            names = ("previous_mask", "positive_clicks", "negative_clicks")
            for index, course in enumerate(courses):
                course.recorded.update(zip(names, interactions[index], strict=True))
                course.recorded["coarse"] = sigmoid(_numpy(coarse.logits)[index])
        return coarse

    def _refine(
        self, focused: Sequence[tuple[_Course, Box]], coarse: Coarse, *, trace: bool
    ) -> None:
        """Refine every focus crop and paste it; ``coarse`` holds the answers to these objects."""
        fed = self.network.geometry.refiner
        side = coarse.logits.shape[-1]
        images, maps, boxes = [], [], []
        for course, focus in focused:
            target = course.look.target
            scale_x, scale_y = side / (target[2] - target[0]), side / (target[3] - target[1])
            boxes.append(
                [
                    (focus[0] - target[0]) * scale_x,
                    (focus[1] - target[1]) * scale_y,
                    (focus[2] - target[0]) * scale_x,
                    (focus[3] - target[1]) * scale_y,
                ]
            )
            images.append(self.sampling.image(course.state.image, focus, fed.side))
            maps.append(self._click_maps(course.every, focus, fed))
        with torch.inference_mode():
            refined = self._predictor.refine(
                self._tensor(images),
                self._tensor(maps),
                coarse,
                torch.tensor(boxes, dtype=torch.float32, device=self.device),
            )
        values = _numpy(refined.refined)
        for index, (course, focus) in enumerate(focused):
            under = self.rules.under(course.state, course.coarse, len(course.every))
            # A copy, or every state would keep the answers to all objects alive.
            course.soft = under.pasted(self.sampling.refined(focus, values[index].copy()))
            if trace:
                course.recorded.update(_refiner_trace(refined, index))


class _Course:
    """What becomes of the new clicks on one object between the passes of the networks."""

    look: Look
    coarse: CoarseAnswer
    soft: Layers
    focus: Box | None = None

    def __init__(self, state: State, new: tuple[Click, ...]) -> None:
        self.state = state
        self.new = new
        self.every = (*state.clicks, *new)
        self.recorded: dict[str, NDArray[np.generic]] = {}

    @property
    def views(self) -> tuple[View, ...]:
        """The crops that were looked at."""
        target = View("target_crop", self.look.target)
        return (target,) if self.focus is None else (target, View("focus_crop", self.focus))


def _numpy(maps: Tensor) -> NDArray[np.float32]:
    """Return ``(N, 1, h, w)`` maps as ``(N, h, w)`` float32."""
    return np.asarray(maps[:, 0].float().cpu().numpy())


def _refiner_trace(refined: Refined, index: int) -> Trace:
    return {
        name: sigmoid(_numpy(getattr(refined, field))[index])
        for name, field in (
            ("focus_coarse", "coarse"),
            ("detail", "detail"),
            ("boundary", "boundary"),
            ("refined", "refined"),
        )
    }
