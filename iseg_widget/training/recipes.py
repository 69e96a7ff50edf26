"""Recipes: everything a training run needs to be repeated, as data (``recipes/*.toml``)."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any


@dataclass(frozen=True)
class Phase:
    """A stretch of the run: up to the fraction ``until`` of all steps, sides drawn as weighted."""

    until: float
    sides: tuple[int, ...]
    weights: tuple[float, ...]


@dataclass(frozen=True)
class Recipe:
    """A training run.

    Attributes
    ----------
    name, method, network: what is trained; the weights are called ``name``.
    init: what it starts from: ``"imagenet"`` (the backbone only) or the name of packaged weights.
    steps, batch: optimiser steps, and samples a step and process.
    sides: see :class:`Phase`; the side in pixels of the network's square input.
    learning_rate, backbone_factor, weight_decay: AdamW; the pretrained backbone learns slower.
    warmup, decay: steps of linear warm-up, and fraction of the steps at the end over which the
        rate falls linearly to zero.
    ema: decay of the exponential moving average of the weights, which is what gets exported.
    sets: sampling weight of each data set (times the square root of its number of images).
    simulation: method-specific settings of click and crop simulation.
    """

    name: str
    method: str
    network: str
    init: str
    steps: int
    batch: int
    phases: tuple[Phase, ...]
    learning_rate: float
    backbone_factor: float
    weight_decay: float
    warmup: int
    decay: float
    ema: float
    clip: float
    seed: int
    development: int
    sets: Mapping[str, float]
    simulation: Mapping[str, Any]

    def phase(self, step: int) -> Phase:
        """Return the phase that ``step`` belongs to."""
        for phase in self.phases:
            if step < phase.until * self.steps:
                return phase
        return self.phases[-1]

    def rate(self, step: int) -> float:
        """Return the learning-rate factor (0..1) of a step."""
        warm = min(1.0, (step + 1) / max(1, self.warmup))
        left = (self.steps - step) / max(1.0, self.decay * self.steps)
        return warm * min(1.0, max(0.0, left))


IMAGENET = "imagenet"


def list_recipes() -> tuple[str, ...]:
    """Return the names of the packaged recipes."""
    folder = resources.files(__package__) / "recipes"
    return tuple(
        sorted(p.name.removesuffix(".toml") for p in folder.iterdir() if p.name.endswith(".toml"))
    )


def parse_recipe(text: str) -> Recipe:
    """Read a recipe from TOML; ``ValueError`` names missing and unknown keys."""
    data = tomllib.loads(text)
    fields = {field.name for field in dataclasses.fields(Recipe)}
    if set(data) != fields:
        raise ValueError(
            f"a recipe has the keys {sorted(fields)}; "
            f"missing {sorted(fields - set(data))}, unknown {sorted(set(data) - fields)}"
        )
    phases = tuple(
        Phase(p["until"], tuple(p["sides"]), tuple(p["weights"])) for p in data.pop("phases")
    )
    return Recipe(phases=phases, **data)


def load_recipe(name: str) -> Recipe:
    """Return a packaged recipe by name; ``ValueError`` names the accepted ones."""
    if name not in list_recipes():
        raise ValueError(f"unknown recipe {name!r}; accepted are {', '.join(list_recipes())}")
    path = resources.files(__package__) / "recipes" / f"{name}.toml"
    return parse_recipe(path.read_text("utf-8"))
