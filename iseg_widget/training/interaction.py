"""Simulated interaction of a batch: first clicks, previous masks, and rounds of correction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from iseg_widget.training.click_simulation import initial_clicks, next_click
from iseg_widget.training.click_strategies import STRATEGIES, placed_clicks
from iseg_widget.training.crop_simulation import SimulatedView

Clicks = NDArray[np.float32]


@dataclass(frozen=True)
class InteractionSettings:
    """How users are simulated.

    Attributes
    ----------
    point_limit, point_decay: numbers of first clicks, see
        :func:`~iseg_widget.training.click_simulation.point_count`.
    first_click_centre: probability that the first click falls in the inner half of the object.
    single_click: probability of one positive first click alone.
    iterations: probabilities of 0, 1, 2, … rounds of correction before the one that counts.
    initial_mask: probability that the sample starts from a damaged mask instead of first clicks.
    clicks: how first clicks are drawn: ``"focalclick"``, as the settings above say, or by one of
        :data:`~iseg_widget.training.click_strategies.STRATEGIES`, which has its own numbers.
    """

    point_limit: int
    point_decay: float
    first_click_centre: float
    single_click: float
    iterations: tuple[float, ...]
    initial_mask: float
    clicks: str = "focalclick"

    def __post_init__(self) -> None:
        """Raise ``ValueError`` for an unknown way to draw clicks."""
        if self.clicks != "focalclick" and self.clicks not in STRATEGIES:
            accepted = ", ".join(("focalclick", *STRATEGIES))
            raise ValueError(f"clicks must be one of {accepted}, got {self.clicks!r}")

    @classmethod
    def of(cls, simulation: Mapping[str, Any]) -> InteractionSettings:
        """Read the settings out of a recipe's ``simulation``."""
        return cls(
            simulation["point_limit"],
            simulation["point_decay"],
            simulation["first_click_centre"],
            simulation["single_click"],
            tuple(simulation["iterations"]),
            simulation["initial_mask"],
            simulation.get("clicks", "focalclick"),
        )

    def rounds(self, rng: np.random.Generator) -> int:
        """Draw the number of rounds of correction."""
        return int(rng.choice(len(self.iterations), p=self.iterations))


@dataclass
class Interaction:
    """What users of a batch have given so far.

    Attributes
    ----------
    clicks: per sample ``(N, 3)`` rows ``x, y, positive`` in pixels of the view.
    previous: ``(B, H, W)`` float32, the previous probability (zeros before the first).
    """

    clicks: list[Clicks]
    previous: NDArray[np.float32]


def defective(truth: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Damage a mask as an imperfect initial mask is: blobs added, blobs removed, edges moved."""
    height, width = truth.shape
    side = min(height, width)
    damaged = truth.astype(np.uint8)
    kernel = np.ones((int(rng.integers(1, max(2, side // 20))),) * 2, np.uint8)
    morph = cv2.dilate if rng.random() < 0.5 else cv2.erode
    damaged = np.asarray(morph(damaged, kernel), dtype=np.uint8)
    rows, columns = np.nonzero(truth)
    for _ in range(int(rng.integers(1, 4))):
        if rng.random() < 0.7 and len(rows):
            index = int(rng.integers(len(rows)))
            centre = (int(columns[index]), int(rows[index]))
        else:
            centre = (int(rng.integers(width)), int(rng.integers(height)))
        axes = (int(rng.integers(3, side // 6)), int(rng.integers(3, side // 6)))
        value = int(rng.random() < 0.5)
        cv2.ellipse(damaged, centre, axes, float(rng.uniform(0, 180)), 0, 360, value, -1)
    return damaged.astype(bool)


def first_interaction(
    views: Sequence[SimulatedView], settings: InteractionSettings, rng: np.random.Generator
) -> Interaction:
    """Draw clicks before any prediction, and previous masks (mostly empty)."""
    clicks: list[Clicks] = []
    previous = np.zeros((len(views), *views[0].truth.shape), np.float32)
    for index, view in enumerate(views):
        if rng.random() < settings.initial_mask:
            damaged = defective(view.truth, rng)
            click = next_click(damaged, view.truth, view.valid, rng)
            if click is not None:
                previous[index] = damaged
                clicks.append(np.asarray([click], np.float32))
                continue
        if settings.clicks in STRATEGIES:
            strategy = STRATEGIES[settings.clicks]
            clicks.append(placed_clicks(view.truth, view.valid, rng, strategy, view.others))
            continue
        clicks.append(
            initial_clicks(
                view.truth,
                view.valid,
                rng,
                limit=settings.point_limit,
                decay=settings.point_decay,
                centre_probability=settings.first_click_centre,
                single_probability=settings.single_click,
            )
        )
    return Interaction(clicks, previous)


def correct(
    interaction: Interaction,
    views: Sequence[SimulatedView],
    rounds: int,
    predict: Callable[[Interaction], NDArray[np.float32]],
    rng: np.random.Generator,
) -> None:
    """Let users click into the current error ``rounds`` times (RITM's iterative training).

    ``predict`` returns probabilities ``(B, H, W)``; they become the previous mask. Changes
    ``interaction`` in place.
    """
    for _ in range(rounds):
        interaction.previous = predict(interaction)
        for index, view in enumerate(views):
            mask = interaction.previous[index] > 0.5
            click = next_click(mask, view.truth, view.valid, rng)
            if click is not None:
                added = np.asarray([click], np.float32)
                interaction.clicks[index] = np.concatenate([interaction.clicks[index], added])


def interact(
    net: nn.Module,
    views: Sequence[SimulatedView],
    rounds: int,
    settings: InteractionSettings,
    rng: np.random.Generator,
    *,
    answer: Callable[[Interaction], NDArray[np.float32]],
    begin: Callable[[Interaction], None] | None = None,
) -> Interaction:
    """Simulate the users of a batch up to the answer that counts.

    Parameters
    ----------
    net: put in evaluation mode: the rounds of correction are answered as at inference.
    views, rounds, settings, rng: see :func:`first_interaction` and :func:`correct`.
    answer: probabilities ``(B, H, W)`` for what is given; no gradient is kept.
    begin: may change the first clicks.
    """

    def predict(given: Interaction) -> NDArray[np.float32]:
        with torch.no_grad():
            return answer(given)

    net.eval()
    given = first_interaction(views, settings, rng)
    if begin is not None:
        begin(given)
    correct(given, views, rounds, predict, rng)
    return given


def probabilities(logits: Tensor) -> NDArray[np.float32]:
    """Logits ``(B, 1, H, W)`` as probabilities ``(B, H, W)`` in main memory."""
    return np.asarray(torch.sigmoid(logits.float())[:, 0].cpu().numpy())
