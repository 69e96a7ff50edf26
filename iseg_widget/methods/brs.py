"""BRS and f-BRS: bend the network until it agrees with the clicks.

BRS (Jang & Kim, CVPR 2019) moves what a network is fed, f-BRS (Sofiiuk et al., CVPR 2020) scales
and biases of its features, so that every click gets its label; both here around RITM's networks,
as RITM publishes them (``inference/predictors/brs.py``, ``brs_functors.py``). From the second
click on, L-BFGS minimises what the clicks lack plus a penalty on the change. The prediction of
least loss counts; the variables of the last iterate are the start of the next click.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from iseg_widget.clicks import Click
from iseg_widget.methods.ritm import RITM, Fed, Look, RITMOptions, State, note_input
from iseg_widget.methods.ritm_rules import ZoomProbability
from iseg_widget.networks.layers import resize
from iseg_widget.networks.ritm import RITMNetwork
from iseg_widget.protocol import Step
from iseg_widget.views import Box, Layers

TARGET_RADIUS = 1
"""Clicks are to get their label in squares of 3 x 3 pixels of the network's input."""

EPSILON = 1e-5
"""Beside the number of target pixels, so that none is no division by zero."""

Evaluate = Callable[[Tensor], tuple[Tensor, Tensor]]
"""From the variables to the logits of all images and the penalty."""


@dataclass(frozen=True)
class _OptimiserOptions(RITMOptions):
    """Settings of the optimisation, for BRS and f-BRS alike; the defaults are the published ones.

    Attributes
    ----------
    optimise_after: the first so many clicks are answered without optimisation (published: 1).
    evaluations: largest number of function evaluations a click; so many iterations at most twice
        (published: 20).
    memory: corrections that L-BFGS keeps (published: 20).
    regularisation: weight of the penalty on squared variables (published: 1e-3).
    least_change: stop where the mask's IoU with that of the evaluation before is within this of 1
        (published: 0.01).
    """

    optimise_after: int = 1
    evaluations: int = 20
    memory: int = 20
    regularisation: float = 1e-3
    least_change: float = 0.01

    def __post_init__(self) -> None:
        """Raise ``ValueError`` for a value outside what is accepted."""
        super().__post_init__()
        for name, low, high in (
            ("optimise_after", 0, 1000),
            ("evaluations", 1, 1000),
            ("memory", 1, 1000),
            ("regularisation", 0.0, 1e6),
            ("least_change", 0.0, 1.0),
        ):
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"{name} must lie in {low}..{high}, got {getattr(self, name)!r}")


def _check_limit(limit: int | None) -> None:
    if limit is not None and limit < 1:
        raise ValueError(f"click_limit must be None or at least 1, got {limit!r}")


@dataclass(frozen=True)
class BRSOptions(_OptimiserOptions):
    """Settings of BRS: those of RITM, those of the optimisation, and two more.

    Attributes
    ----------
    optimise: ``"rgb"`` moves the normalised image (RGB-BRS), ``"distance_maps"`` the maps of the
        clicks (DistMap-BRS, the paper's), which are disks in RITM's networks.
    click_limit: the network sees so many clicks, the optimisation all; ``None``: no limit
        (published: 5).
    """

    optimise: Literal["rgb", "distance_maps"] = "rgb"
    click_limit: int | None = 5

    def __post_init__(self) -> None:
        """Raise ``ValueError`` for a value outside what is accepted."""
        super().__post_init__()
        _check_limit(self.click_limit)
        if self.optimise not in ("rgb", "distance_maps"):
            raise ValueError(f"optimise must be 'rgb' or 'distance_maps', got {self.optimise!r}")


@dataclass(frozen=True)
class FBRSOptions(_OptimiserOptions):
    """Settings of f-BRS: those of RITM, those of the optimisation, and three more.

    Attributes
    ----------
    place: where scale and bias go: ``"A"`` after the backbone, ``"B"`` after its scales are put
        together, ``"C"`` before the last layer (f-BRS Fig. 3). In HRNet, and here, A is B.
    bias_weight: weight of the squared biases beside the squared scales (published: 10).
    click_limit: later clicks no longer go into the network, whose features stay as they are until
        the crop changes; the optimisation sees all; ``None``: no limit (published: 8).
    """

    place: Literal["A", "B", "C"] = "B"
    bias_weight: float = 10.0
    click_limit: int | None = 8

    def __post_init__(self) -> None:
        """Raise ``ValueError`` for a value outside what is accepted."""
        super().__post_init__()
        _check_limit(self.click_limit)
        if self.place not in ("A", "B", "C"):
            raise ValueError(f"place must be 'A', 'B' or 'C', got {self.place!r}")
        if not 0.0 <= self.bias_weight <= 1e6:
            raise ValueError(f"bias_weight must lie in 0..1e6, got {self.bias_weight!r}")


def target_squares(
    points: Sequence[NDArray[np.float32]], size: tuple[int, int], *, compat: bool = False
) -> NDArray[np.float32]:
    """Where positive and negative clicks want their label.

    Parameters
    ----------
    points: clicks of each image in pixels of the input, ``(K, 3)`` rows ``x, y, positive``.
    size: ``(h, w)`` of the input.
    compat: as published, the bounds of a square are array indices, and negative ones count from
        the end: a click on the first row or column has no square, one further out has it at the
        other end.

    Returns
    -------
    ``(2, N, 1, h, w)`` float32 of 0 and 1: positive, negative.
    """
    maps = np.zeros((2, len(points), 1, *size), np.float32)
    for image, clicks in enumerate(points):
        for x, y, positive in clicks:
            spans = []
            for centre in (round(float(y)), round(float(x))):
                start, stop = centre - TARGET_RADIUS, centre + TARGET_RADIUS + 1
                spans.append(slice(start, stop) if compat else slice(max(0, start), max(0, stop)))
            maps[0 if positive else 1, image, 0, spans[0], spans[1]] = 1.0
    return maps


class _Objective:
    """The function that L-BFGS minimises, and the best it has seen (``brs_functors.py``)."""

    def __init__(
        self,
        evaluate: Evaluate,
        targets: NDArray[np.float32],
        size: tuple[int, int],
        options: _OptimiserOptions,
        device: torch.device,
    ) -> None:
        self.evaluate = evaluate
        self.positive, self.negative = torch.from_numpy(targets).to(device)
        self.size = size
        self.options = options
        self.device = device
        self.best: Tensor | None = None
        self.losses: list[float] = []
        self.last_mask: Tensor | None = None

    def __call__(self, x: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """Return the loss and its gradient, which is zero where there is nothing left to do."""
        variables = torch.from_numpy(x).to(self.device, torch.float32).requires_grad_()
        logits, penalty = self.evaluate(variables)
        probability = torch.sigmoid(resize(logits, self.size))
        lacking = (1 - probability) * self.positive
        surplus = probability * self.negative
        loss = penalty
        for wrong, wanted in ((lacking, self.positive), (surplus, self.negative)):
            loss = loss + (wrong**2).sum() / (wanted.sum() + EPSILON)
        value = float(loss.detach())
        if self.best is None or value < min(self.losses):
            self.best = logits.detach()
        self.losses.append(value)
        threshold = self.options.threshold
        most = float(lacking.detach().max()), float(surplus.detach().max())
        satisfied = most[0] < 1 - threshold and most[1] < threshold
        if satisfied or self._settled(probability.detach() > threshold):
            return value, np.zeros_like(x)
        (gradient,) = torch.autograd.grad(loss, variables)
        return value, gradient.cpu().numpy().ravel().astype(np.float64)

    def _settled(self, mask: Tensor) -> bool:
        """Whether the mask is about that of the evaluation before, which stays if so."""
        last, change = self.last_mask, self.options.least_change
        if last is not None and change > 0:
            union = (mask | last).flatten(1).sum(1).double()
            common = (mask & last).flatten(1).sum(1).double()
            seen = union > 0
            if seen.any() and float((common[seen] / union[seen]).mean()) > 1 - change:
                return True
        self.last_mask = mask
        return False


class _Optimising(RITM):
    """What BRS and f-BRS share."""

    options: BRSOptions | FBRSOptions

    def _respond(
        self, state: State, clicks: Sequence[Click], box: Box | None, *, trace: bool
    ) -> tuple[State, Step]:
        """Answer new clicks: one pass, then the optimisation."""
        # What is made in inference mode cannot be differentiated, whoever entered it.
        with torch.inference_mode(mode=False):
            return super()._respond(state, clicks, box, trace=trace)

    def _optimise(
        self,
        start: NDArray[np.float64],
        evaluate: Evaluate,
        fed: Fed,
        count: int,
        recorded: dict[str, NDArray[Any]] | None,
    ) -> tuple[Tensor, NDArray[np.float64]]:
        """Return the best logits and the last iterate's variables; ``count`` clicks so far."""
        from scipy.optimize import fmin_l_bfgs_b

        settings = self.options
        if count <= settings.optimise_after:
            with torch.no_grad():
                variables = torch.from_numpy(start).to(self.device, torch.float32)
                return evaluate(variables)[0], start
        size = (fed.image.shape[2], fed.image.shape[3])
        targets = target_squares(fed.points, size, compat=settings.compat)
        objective = _Objective(evaluate, targets, size, settings, self.device)
        with torch.enable_grad():
            last, _, _ = fmin_l_bfgs_b(
                objective,
                start,
                m=settings.memory,
                factr=0,
                pgtol=1e-8,
                maxfun=settings.evaluations,
                maxiter=2 * settings.evaluations,
            )
        if recorded is not None:
            recorded["losses"] = np.array(objective.losses)
        if objective.best is None:
            raise AssertionError("L-BFGS evaluates its start")
        return objective.best, np.asarray(last, np.float64)


class BRS(_Optimising):
    """Backpropagating refinement: the input is moved.

    Parameters
    ----------
    network: in evaluation mode and on its device.
    options: see :class:`BRSOptions`.
    """

    name = "brs"
    options: BRSOptions

    def __init__(self, network: RITMNetwork, options: BRSOptions | None = None) -> None:
        super().__init__(network, options or BRSOptions())

    def _answer(
        self,
        state: State,
        clicks: Sequence[Click],
        look: Look,
        recorded: dict[str, NDArray[Any]] | None,
    ) -> tuple[Tensor, Any]:
        """See :meth:`RITM._answer`; the memory is the change of the input, float16."""
        every = self._feed(state.image, look, state.soft, clicks)
        fed = every
        if self.options.click_limit is not None and len(clicks) > self.options.click_limit:
            fed = self._feed(state.image, look, state.soft, clicks[: self.options.click_limit])
        note_input(fed, recorded)
        rgb = self.options.optimise == "rgb"
        shape = (1, 3 if rgb else 2, *look.size)
        start = state.memory
        if start is None or look.changed or start.shape != shape:
            start = np.zeros(shape, np.float16)

        def evaluate(variables: Tensor) -> tuple[Tensor, Tensor]:
            change = variables.view(shape)
            if self.options.flip:
                change = torch.cat([change, change.flip(3)])
            penalty = self.options.regularisation * (change**2).sum()
            image, interaction = fed.image, fed.interaction
            if rgb:
                image = image + change * self.network.std
            else:
                maps = interaction[:, 1:] + change
                interaction = torch.cat([interaction[:, :1], maps], 1)
            return self.network.logits(image, interaction), penalty

        begin = start.astype(np.float64).ravel()
        logits, last = self._optimise(begin, evaluate, every, len(clicks), recorded)
        # It is a start only, and large: half precision does, and halves the history.
        change = last.astype(np.float16).reshape(shape)
        if recorded is not None:
            recorded["input_change"] = change[0].astype(np.float32)
        return logits, change if change.any() else None


@dataclass(frozen=True)
class _Source:
    """What the features were computed from that stay when further clicks are optimised only."""

    look: Look
    soft: ZoomProbability | Layers | None
    count: int


@dataclass(frozen=True)
class _FeatureMemory:
    """Where the next click starts: ``variables``, scales (less 1), then biases."""

    source: _Source
    variables: NDArray[np.float64]


class FBRS(_Optimising):
    """Feature backpropagating refinement: features are scaled and shifted by channel.

    Parameters
    ----------
    network: in evaluation mode and on its device.
    options: see :class:`FBRSOptions`.
    """

    name = "f_brs"
    options: FBRSOptions

    def __init__(self, network: RITMNetwork, options: FBRSOptions | None = None) -> None:
        super().__init__(network, options or FBRSOptions())

    def _answer(
        self,
        state: State,
        clicks: Sequence[Click],
        look: Look,
        recorded: dict[str, NDArray[Any]] | None,
    ) -> tuple[Tensor, Any]:
        """See :meth:`RITM._answer`."""
        before: _FeatureMemory | None = state.memory
        limit = self.options.click_limit or len(clicks)
        if before is None or look.changed or len(clicks) <= limit:
            source = _Source(look, state.soft, min(limit, len(clicks)))
        else:
            source = before.source
        every = self._feed(state.image, look, state.soft, clicks)
        fed = every
        if source.look != look or source.count != len(clicks):
            fed = self._feed(state.image, source.look, source.soft, clicks[: source.count])
        note_input(fed, recorded)
        last_layer = self.options.place == "C"
        with torch.no_grad():
            features = self.network.trunk(fed.image, fed.interaction)
            features = self.network.decode(features) if last_layer else features
        rest = self.network.predict if last_layer else self.network.classify

        def evaluate(variables: Tensor) -> tuple[Tensor, Tensor]:
            scale, bias = variables.view(2, 1, -1, 1, 1)
            weighted = (scale**2).sum() + self.options.bias_weight * (bias**2).sum()
            return rest(features * (1 + scale) + bias), self.options.regularisation * weighted

        start = np.zeros(2 * features.shape[1]) if before is None else before.variables
        logits, last = self._optimise(start, evaluate, every, len(clicks), recorded)
        if recorded is not None:
            recorded["scale"], recorded["bias"] = last.reshape(2, -1) + np.array([[1.0], [0.0]])
        return logits, _FeatureMemory(source, last)
