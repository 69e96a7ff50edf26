"""How fast a run learns: optimisers, and the course of the learning rate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

import torch
from torch import nn

Kind = Literal["adamw", "adam", "sgd"]
KINDS: tuple[Kind, ...] = ("adamw", "adam", "sgd")

Course = Literal["linear", "steps", "exponential", "poly"]
COURSES: tuple[Course, ...] = ("linear", "steps", "exponential", "poly")


def _read(cls: type[Any], table: str, settings: Mapping[str, Any]) -> Any:
    """Build a settings class from a recipe's table; ``ValueError`` names unknown keys."""
    known = [entry.name for entry in fields(cls)]
    unknown = sorted(set(settings) - set(known))
    if unknown:
        raise ValueError(f"unknown {table} settings {unknown}; accepted are {known}")
    return cls(**settings)


@dataclass(frozen=True)
class OptimiserSettings:
    """Which optimiser, a recipe's ``[optimiser]``.

    Attributes
    ----------
    kind: ``"adamw"``, ``"adam"`` (betas 0.9 and 0.999, as all papers here) or ``"sgd"``. Weight
        decay is decoupled with AdamW and part of the gradient with the others.
    momentum: of SGD.
    decay_all: weight decay also of biases and of normalisation, as the older papers have it.
    """

    kind: Kind = "adamw"
    momentum: float = 0.9
    decay_all: bool = False

    def __post_init__(self) -> None:
        """Raise ``ValueError`` for an unknown optimiser or a momentum outside 0..1."""
        if self.kind not in KINDS:
            raise ValueError(f"optimiser.kind must be one of {KINDS}, got {self.kind!r}")
        if not 0.0 <= self.momentum < 1.0:
            raise ValueError(f"optimiser.momentum must lie in 0..1, got {self.momentum!r}")

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> OptimiserSettings:
        """Read a recipe's table; ``ValueError`` names unknown keys."""
        found: OptimiserSettings = _read(cls, "optimiser", settings)
        return found

    def decays(self, parameter: nn.Parameter) -> bool:
        """Whether weight decay acts on a parameter: on matrices and filters, or on all."""
        return self.decay_all or parameter.ndim > 1

    def build(self, groups: Iterable[dict[str, Any]], rate: float) -> torch.optim.Optimizer:
        """Return the optimiser of parameter groups, each with its own ``weight_decay``."""
        if self.kind == "sgd":
            return torch.optim.SGD(groups, lr=rate, momentum=self.momentum)
        kind = torch.optim.Adam if self.kind == "adam" else torch.optim.AdamW
        return kind(groups, lr=rate)


@dataclass(frozen=True)
class Schedule:
    """The course of the learning rate over a run's epochs, a recipe's ``[schedule]``.

    Epochs are equal parts of the run, so that a run of another length has the same course.

    Attributes
    ----------
    course: ``"linear"``: constant, and falling to zero over the recipe's ``decay``; the others
        change between epochs only. ``"steps"``: times ``gamma`` after each of ``milestones``.
        ``"exponential"``: times ``gamma`` after every epoch. ``"poly"``: ``(1 - e / n) ** power``
        in epoch e of n.
    epochs: of the whole run.
    milestones: epochs that have passed when the rate falls.
    gamma: factor.
    power: exponent.
    hold: epochs at the end that keep the rate of the one before them; n leaves them out.
    """

    course: Course = "linear"
    epochs: int = 1
    milestones: tuple[int, ...] = ()
    gamma: float = 0.1
    power: float = 0.9
    hold: int = 0

    def __post_init__(self) -> None:
        """Raise ``ValueError`` for an unknown course and for epochs that are not there."""
        if self.course not in COURSES:
            raise ValueError(f"schedule.course must be one of {COURSES}, got {self.course!r}")
        if self.epochs < 1:
            raise ValueError(f"schedule.epochs must be at least 1, got {self.epochs!r}")
        if not 0 <= self.hold < self.epochs:
            raise ValueError(
                f"schedule.hold must be at least 0 and less than the {self.epochs} epochs, "
                f"got {self.hold!r}"
            )
        rising = sorted(set(self.milestones))
        if list(self.milestones) != rising or any(not 0 < m < self.epochs for m in rising):
            raise ValueError(
                f"schedule.milestones must rise and lie between 0 and the {self.epochs} epochs, "
                f"got {list(self.milestones)}"
            )

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Schedule:
        """Read a recipe's table; ``ValueError`` names unknown keys."""
        known = dict(settings)
        if "milestones" in known:
            known["milestones"] = tuple(known["milestones"])
        found: Schedule = _read(cls, "schedule", known)
        return found

    def factor(self, step: int, steps: int, decay: float) -> float:
        """Return the factor (0..1) of step ``step`` of ``steps``; ``decay`` see above."""
        if self.course == "linear":
            return min(1.0, max(0.0, (steps - step) / max(1.0, decay * steps)))
        last = self.epochs - self.hold - 1
        epoch = min(step * self.epochs // max(1, steps), last)
        if self.course == "steps":
            return self.gamma ** sum(epoch >= milestone for milestone in self.milestones)
        if self.course == "exponential":
            return self.gamma**epoch
        return float((1.0 - epoch / (last + 1)) ** self.power)
