"""A recipe's ``simulation``: which settings there are, and how views are cut."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iseg_widget.training.augmentation import Target
from iseg_widget.training.click_strategies import STRATEGIES
from iseg_widget.training.crop_simulation import (
    FLIP_PROBABILITY,
    ROTATION_PROBABILITY,
    Scissors,
    Window,
    draw_crop,
    draw_window,
)
from iseg_widget.training.interaction import InteractionSettings

VIEWS = ("object", "crop")

OF_OBJECT = ("whole_image_first", "whole_image_later", "target_expansion")
"""What the view ``"object"`` needs."""

OF_TASKS = (
    *("focus_object", "focus_length", "focus_expansion"),  # FocalClick
    *("click_loss", "click_alpha", "click_beta", "first_click"),  # FCA-Net
    *("focus", "patch_clicks", "patch_alpha", "patch_beta"),  # FocusCut
    *("stage", "sgm", "hsgm", "attention"),  # IA-FPN
    *("roi_count", "discount", "context"),  # RIS-Net
)
"""Settings that single tasks read; their classes say what they mean."""


@dataclass(frozen=True)
class ViewSettings:
    """How views are cut out of an image.

    Attributes
    ----------
    view: ``"object"``: around the object, or the (nearly) whole image, brought to the view's size
        whatever its shape (:func:`~iseg_widget.training.crop_simulation.draw_window`); ``"crop"``:
        the image is scaled and a random crop of the view's size taken, as the papers' own training
        does (:func:`~iseg_widget.training.crop_simulation.draw_crop`).
    whole_image_first, whole_image_later: of ``"object"``: probabilities of the (nearly) whole image
        before and after the first correction.
    target_expansion: of ``"object"``: range of the factor of crops around the object.
    scale: of ``"crop"``: range of a random factor (RITM, FocalClick, IA-FPN: 0.75 to 1.4).
    short_side: of ``"crop"``: before that, the image is scaled so that its shorter side has so many
        pixels (FCA-Net Sec. 3.5: 512); 0: it is not.
    rotation: probability of a turn by up to 15 degrees.
    colour: strength 0..1 of changes of contrast, brightness and single channels, and of how often
        a view is grey.
    flip: probability of a mirrored view.
    others: whether views tell where other objects are; no setting of its own, but of ``clicks``
        that fall on them.
    """

    view: str = "object"
    whole_image_first: float = 1.0
    whole_image_later: float = 1.0
    target_expansion: tuple[float, float] = (1.0, 1.0)
    scale: tuple[float, float] = (1.0, 1.0)
    short_side: int = 0
    rotation: float = ROTATION_PROBABILITY
    colour: float = 1.0
    flip: float = FLIP_PROBABILITY
    others: bool = False

    def __post_init__(self) -> None:
        """Raise ``ValueError`` for values outside what is accepted."""
        if self.view not in VIEWS:
            raise ValueError(f"view must be one of {', '.join(VIEWS)}, got {self.view!r}")
        for name in ("whole_image_first", "whole_image_later", "rotation", "colour", "flip"):
            value = getattr(self, name)
            if not _is_number(value) or not 0.0 <= value <= 1.0:
                raise ValueError(f"{name} must lie in 0..1, got {value!r}")
        for name in ("target_expansion", "scale"):
            pair = getattr(self, name)
            if len(pair) != 2 or not all(map(_is_number, pair)) or not 0.0 < pair[0] <= pair[1]:
                raise ValueError(
                    f"{name} must be a range [low, high] of factors above 0, got {list(pair)!r}"
                )
        if type(self.short_side) is not int or self.short_side < 0:
            raise ValueError(
                f"short_side must be a number of pixels, or 0, got {self.short_side!r}"
            )
        if self.view != "crop" and (self.short_side or self.scale != (1.0, 1.0)):
            raise ValueError('scale and short_side belong to the view "crop"')

    @classmethod
    def of(cls, simulation: Mapping[str, Any]) -> ViewSettings:
        """Read the settings out of a recipe's ``simulation``; ``ValueError`` for what is amiss."""
        given = {name: simulation[name] for name in OF_VIEWS if name in simulation}
        if given.get("view", VIEWS[0]) == VIEWS[0]:
            missing = [name for name in OF_OBJECT if name not in given]
            if missing:
                raise ValueError(f'the view "object" needs {", ".join(missing)}')
        for name in ("target_expansion", "scale"):
            if name in given:
                value = given[name]
                given[name] = tuple(value) if isinstance(value, (list, tuple)) else (value,)
        strategy = STRATEGIES.get(simulation.get("clicks", ""))
        return cls(**given, others=strategy is not None and strategy.others > 0.0)

    def window(
        self,
        truth: NDArray[np.bool_],
        rng: np.random.Generator,
        size: tuple[int, int],
        *,
        first: bool,
    ) -> Window:
        """Draw what a view of ``size`` (H, W) shows; ``first``: before any correction."""
        if self.view == "crop":
            shorter = min(truth.shape)
            factor = float(rng.uniform(*self.scale)) * (self.short_side or shorter) / shorter
            return draw_crop(
                truth, rng, size=size, scale=factor, rotation=self.rotation, flip=self.flip
            )
        share = self.whole_image_first if first else self.whole_image_later
        return draw_window(
            truth,
            rng,
            whole=bool(rng.random() < share),
            expansion=self.target_expansion,
            rotation=self.rotation,
            flip=self.flip,
        )

    def scissors(self, target: Target, rng: np.random.Generator) -> Scissors:
        """Draw the colours that views of ``target`` have."""
        black = self.view == "crop"
        return Scissors(target, rng, self.colour, others=self.others, black=black)


OF_VIEWS = tuple(f.name for f in dataclasses.fields(ViewSettings) if f.name != "others")


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def check_simulation(simulation: Mapping[str, Any]) -> None:
    """Raise ``ValueError`` for settings that no task has, and for views that cannot be cut."""
    of_clicks = [f.name for f in dataclasses.fields(InteractionSettings)]
    accepted = {*of_clicks, *OF_VIEWS, *OF_TASKS}
    unknown = sorted(set(simulation) - accepted)
    if unknown:
        raise ValueError(f"unknown simulation settings {unknown}; accepted are {sorted(accepted)}")
    ViewSettings.of(simulation)
