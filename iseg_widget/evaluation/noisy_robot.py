"""A robot user that is less careful than the published ones, for studies of robustness.

The published robot always hits the deepest pixel of the error. People do not: they click somewhere
in it, miss by some pixels, and now and then take the wrong button. Each of these is a field of
:class:`NoisyRobot`, on top of a published robot; with all of them at zero it is that robot.

Every click is drawn from the seed, the sample's name and the number of earlier clicks alone, so
that a run gives the same clicks in any order of objects and after it was interrupted.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from iseg_widget.clicks import Click
from iseg_widget.evaluation.error_depth import deepest, squared_depth
from iseg_widget.evaluation.robot import ROBOTS, check_clicks, errors

Mask = NDArray[np.bool_]
Pixel = tuple[int, int]
Point = Literal["deepest", "inner", "anywhere"]
Jittered = Literal["error", "image"]


@dataclass(frozen=True, slots=True)
class NoisyRobot:
    """A published robot user with noise.

    Attributes
    ----------
    base: key of :data:`~iseg_widget.evaluation.robot.ROBOTS`; it answers when no error is left to
        click.
    point: where the user aims.
        ``"deepest"``: at the deepest pixel of the error, as the published robots.
        ``"inner"``: at a random pixel of the kind of error (missed or wrong) that is deeper, among
        those deeper than half of its greatest depth: how RITM draws the clicks of its iterative
        training.
        ``"anywhere"``: at a random pixel of all errors of both kinds.
    jitter: standard deviation of the Gaussian offset from there, in pixels, in x and in y.
    jittered: where the offset may lead. ``"error"``: only to pixels of the same kind of error, so
        the label stays right. ``"image"``: to any pixel of the image (an offset beyond the border
        ends on it); the label is the one that was meant, and may be wrong where the click lands.
    wrong_label: probability that a click bears the wrong label. The first click of an object is
        spared: without a positive click there is no object to segment.
    seed: of the random numbers, a whole number from 0.

    Raises
    ------
    ValueError, TypeError: a field is outside what is accepted.
    """

    base: str = "ritm"
    point: Point = "deepest"
    jitter: float = 0.0
    jittered: Jittered = "error"
    wrong_label: float = 0.0
    seed: int = 0

    name: ClassVar[str] = "noisy"

    def __post_init__(self) -> None:
        """Check the fields."""
        for field, accepted in (
            ("base", tuple(ROBOTS)),
            ("point", get_args(Point)),
            ("jittered", get_args(Jittered)),
        ):
            if getattr(self, field) not in accepted:
                raise ValueError(
                    f"{field} must be one of {', '.join(accepted)}, got {getattr(self, field)!r}"
                )
        for field, most in (("jitter", math.inf), ("wrong_label", 1.0)):
            value = getattr(self, field)
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise TypeError(f"{field} must be a number, got {value!r}")
            if not 0.0 <= value <= most or math.isinf(value):
                limit = "from 0" if math.isinf(most) else f"in 0..{most:g}"
                raise ValueError(f"{field} must be a finite number {limit}, got {value!r}")
            object.__setattr__(self, field, float(value))
        if isinstance(self.seed, bool) or not isinstance(self.seed, int):
            raise TypeError(f"seed must be a whole number, got {self.seed!r}")
        if self.seed < 0:
            raise ValueError(f"seed must be at least 0, got {self.seed}")

    @property
    def description(self) -> str:
        """``"noisy:jitter=5.0,seed=3"``: the fields that differ from their defaults."""
        changed = [
            f"{field.name}={getattr(self, field.name)}"
            for field in dataclasses.fields(self)
            if getattr(self, field.name) != field.default
        ]
        return f"{self.name}:{','.join(changed)}" if changed else self.name

    @classmethod
    def parse(cls, description: str) -> NoisyRobot:
        """Make the robot from its :attr:`description`.

        Raises
        ------
        ValueError: a field is unknown or its value outside what is accepted.
        """
        kinds = {"jitter": float, "wrong_label": float, "seed": int}
        accepted = [field.name for field in dataclasses.fields(cls)]
        values: dict[str, str | float] = {}
        rest = description.partition(":")[2]
        for part in filter(None, rest.split(",")):
            field, _, value = (piece.strip() for piece in part.partition("="))
            if field not in accepted:
                raise ValueError(
                    f"{description!r}: unknown field {field!r}; accepted are {', '.join(accepted)}"
                )
            if field in values:
                raise ValueError(f"{description!r}: {field} is given twice")
            try:
                values[field] = kinds.get(field, str)(value)
            except ValueError as error:
                raise ValueError(f"{description!r}: {field} must be a number") from error
        return cls(**values)  # type: ignore[arg-type]

    def next_click(
        self,
        prediction: Mask,
        truth: Mask,
        clicks: Sequence[Click] = (),
        ignore: Mask | None = None,
        *,
        sample: str = "",
    ) -> Click:
        """Return the next click, see :meth:`iseg_widget.evaluation.robot.Robot.next_click`.

        It lies at the centre of a pixel. Pixels that were clicked are neither aimed at nor, with
        ``jittered="error"``, hit again. When no other error is left, ``base`` answers.
        """
        kinds = errors(prediction, truth, ignore)
        clicked = check_clicks(clicks, prediction.shape)
        rng = _generator(self.seed, sample, len(clicks))
        for pixel in clicked:
            for kind in kinds:
                kind[pixel] = False
        aimed = self._aim(kinds, errors(prediction, truth, ignore), clicked, rng)
        if aimed is None:
            base = ROBOTS[self.base].next_click(prediction, truth, clicks, ignore)
            positive, (row, column) = base.positive, base.pixel
        else:
            positive, pixel = aimed
            row, column = self._shift(pixel, kinds[0] if positive else kinds[1], rng)
        if clicks and rng.random() < self.wrong_label:
            positive = not positive
        return Click(column, row, positive)

    def _aim(
        self,
        left: tuple[Mask, Mask],
        whole: tuple[Mask, Mask],
        clicked: list[Pixel],
        rng: np.random.Generator,
    ) -> tuple[bool, Pixel] | None:
        """Return the kind of error (missed or not) and the pixel; ``None`` without any.

        ``left`` are the errors without the clicked pixels, which lie inside the error all the
        same: depths are those of the ``whole`` errors.
        """
        if self.point == "anywhere":
            pixel = _draw(left[0] | left[1], rng)
            return None if pixel is None else (bool(left[0][pixel]), pixel)
        found = deepest(whole, clicked)
        if found is None:
            return None
        positive = found.error == 0
        if self.point == "deepest":
            return positive, (found.row, found.column)
        squared, (y0, x0) = squared_depth(whole[found.error])
        height, width = squared.shape
        inner = (4 * squared > found.squared) & left[found.error][y0 : y0 + height, x0 : x0 + width]
        drawn = _draw(inner, rng)
        return None if drawn is None else (positive, (y0 + drawn[0], x0 + drawn[1]))

    def _shift(self, pixel: Pixel, kind: Mask, rng: np.random.Generator) -> Pixel:
        """Return the pixel that is hit when ``pixel`` of an error is aimed at."""
        if self.jitter == 0.0:
            return pixel
        if self.jittered == "image":
            offset = np.rint(rng.normal(0.0, self.jitter, 2))
            row, column = np.clip(np.add(pixel, offset), 0, np.subtract(kind.shape, 1))
            return int(row), int(column)
        rows, columns = np.nonzero(kind)
        with np.errstate(over="ignore"):  # a jitter next to nothing leaves only the aim itself
            away = np.hypot(rows - pixel[0], columns - pixel[1]) / self.jitter
            weights = np.cumsum(np.exp(-(away**2) / 2.0))
        at = int(np.searchsorted(weights, rng.random() * weights[-1], side="right"))
        return int(rows[at]), int(columns[at])


def _draw(mask: Mask, rng: np.random.Generator) -> Pixel | None:
    """A random pixel of a mask; ``None`` when it is empty."""
    found = np.flatnonzero(mask)
    if len(found) == 0:
        return None
    row, column = divmod(int(found[rng.integers(len(found))]), mask.shape[1])
    return row, column


def _generator(seed: int, sample: str, click: int) -> np.random.Generator:
    """Random numbers of one click of one sample."""
    digest = hashlib.sha256(sample.encode()).digest()
    return np.random.default_rng([seed, click, int.from_bytes(digest[:8], "little")])
