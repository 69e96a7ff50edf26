"""A click: the one thing a person gives to every method."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Click:
    """A positive (object) or negative (background) click.

    ``x`` and ``y`` are in pixels of the image; (0, 0) is the centre of the top-left pixel.
    """

    x: float
    y: float
    positive: bool = True

    def __post_init__(self) -> None:
        """Reject coordinates that are no finite numbers."""
        for name in ("x", "y"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
                raise TypeError(f"click {name} must be a number, got {value!r}")
            if not math.isfinite(value):
                raise ValueError(f"click {name} must be finite, got {value!r}")
            object.__setattr__(self, name, float(value))
        object.__setattr__(self, "positive", bool(self.positive))

    @property
    def pixel(self) -> tuple[int, int]:
        """``(row, column)`` of the pixel that holds the click."""
        return math.floor(self.y + 0.5), math.floor(self.x + 0.5)

    def to_dict(self) -> dict[str, Any]:
        """Return the click as it goes to JSON."""
        return {"x": self.x, "y": self.y, "positive": self.positive}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Click:
        """Read what :meth:`to_dict` wrote; ``ValueError`` names a missing or unknown key."""
        unknown = set(data) - {"x", "y", "positive"}
        if unknown or not {"x", "y"} <= set(data):
            raise ValueError(f"a click has the keys x, y, positive; got {sorted(data)}")
        return cls(data["x"], data["y"], data.get("positive", True))


def check_inside(click: Click, shape: tuple[int, int]) -> None:
    """Raise ``ValueError`` unless the click lies on a pixel of an image of ``shape`` (H, W)."""
    row, column = click.pixel
    if not (0 <= row < shape[0] and 0 <= column < shape[1]):
        raise ValueError(
            f"click (x={click.x:g}, y={click.y:g}) lies outside the image of "
            f"{shape[1]} x {shape[0]} pixels: x is accepted from -0.5 to {shape[1] - 0.5}, "
            f"y from -0.5 to {shape[0] - 0.5}"
        )


def check_step(clicks: Sequence[Click], shape: tuple[int, int]) -> None:
    """Raise ``ValueError`` unless there is a new click and all lie on an image of ``shape``."""
    if not clicks:
        raise ValueError("a step needs at least one new click")
    for click in clicks:
        check_inside(click, shape)


def to_array(clicks: Sequence[Click]) -> NDArray[np.float32]:
    """Return ``(N, 3)`` rows ``x, y, positive`` (1 or 0), the form that the encodings take."""
    rows = [(click.x, click.y, float(click.positive)) for click in clicks]
    return np.asarray(rows, dtype=np.float32).reshape(-1, 3)
