"""What a person does to one object, as the history keeps it and the log tells it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from iseg_widget.clicks import Click, check_inside
from iseg_widget.masks import Box
from iseg_widget.regions import Region

LOG_VERSION = 2
"""Of the logs that are written: 2 has boxes and thresholds."""
LOG_VERSIONS = (1, 2)
"""Of the logs that are read."""


@dataclass(frozen=True)
class Action:
    """One step of a session, as far as the person did it; exactly one of four kinds.

    Attributes
    ----------
    clicks: that came together; of a box, those it was turned into.
    box: half-open ``(x0, y0, x1, y1)`` in pixels, drawn around the object.
    edited: a mask that the user drew.
    threshold: probability above which pixels belong to the mask from now on.
    """

    clicks: tuple[Click, ...] = ()
    box: Box | None = None
    edited: Region | None = None
    threshold: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the action as it goes to the log, JSON-able."""
        if self.edited is not None:
            return {"edit": self.edited.rle()}
        if self.threshold is not None:
            return {"threshold": self.threshold}
        clicks = [click.to_dict() for click in self.clicks]
        return {"clicks": clicks} if self.box is None else {"box": list(self.box), "clicks": clicks}

    @property
    def by_hand(self) -> bool:
        """Whether no network is asked: an edit, or another threshold."""
        return self.edited is not None or self.threshold is not None

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Action:
        """Read what :meth:`to_dict` wrote; ``ValueError`` for anything else.

        Whether it fits the image is for :meth:`check`.
        """
        if "edit" in data:
            height, width = (int(side) for side in data["edit"]["size"])
            return cls(edited=Region.from_rle(data["edit"], (height, width)))
        if "threshold" in data:
            return cls(threshold=check_threshold(data["threshold"]))
        if "clicks" not in data:
            raise ValueError(
                "an action holds 'clicks' or 'edit' or 'threshold', or 'box' and 'clicks'; "
                f"got {sorted(data)}"
            )
        clicks = tuple(Click.from_dict(click) for click in data["clicks"])
        box = data.get("box")
        if box is None:
            return cls(clicks)
        if len(box) != 4:
            raise ValueError(f"a box holds x0, y0, x1, y1; got {box!r}")
        return cls(clicks, box=(int(box[0]), int(box[1]), int(box[2]), int(box[3])))

    def check(self, shape: tuple[int, int]) -> None:
        """Raise ``ValueError`` unless the action fits an image of ``shape`` (H, W)."""
        if self.edited is not None:
            if self.edited.shape != shape:
                raise ValueError(
                    f"mask must have the image's shape {shape} (H, W), got {self.edited.shape}"
                )
            return
        if self.threshold is not None:
            return
        if not self.clicks:
            raise ValueError("a step needs at least one click")
        for click in self.clicks:
            check_inside(click, shape)
        if self.box is not None and check_box(self.box, shape) != self.box:
            raise ValueError(
                f"the box {self.box} does not lie in the image of {shape[1]} x {shape[0]} pixels"
            )


def check_threshold(value: object) -> float:
    """Return a threshold as a float; ``ValueError`` unless it lies between 0 and 1."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0.0 < value < 1.0:
        raise ValueError(f"a threshold lies between 0 and 1, got {value!r}")
    return float(value)


def check_box(box: tuple[float, float, float, float], shape: tuple[int, int]) -> Box:
    """Return the whole pixels of the image of ``shape`` (H, W) that a box touches.

    Raises
    ------
    TypeError: a corner is no number.
    ValueError: a corner is not finite, or no pixel is left.
    """
    for value in box:
        if isinstance(value, bool) or not hasattr(value, "__float__"):
            raise TypeError(f"the corners of a box are numbers, got {box!r}")
        if not math.isfinite(value):
            raise ValueError(f"the corners of a box are finite, got {box!r}")
    x0, y0 = max(0, math.floor(box[0])), max(0, math.floor(box[1]))
    x1, y1 = min(shape[1], math.ceil(box[2])), min(shape[0], math.ceil(box[3]))
    if x0 >= x1 or y0 >= y1:
        raise ValueError(
            f"the box {box!r} (x0, y0, x1, y1; x1 and y1 are past its last pixel) holds no pixel "
            f"of the image of {shape[1]} x {shape[0]} pixels"
        )
    return x0, y0, x1, y1


def check_log_version(log: Mapping[str, Any]) -> None:
    """Raise ``ValueError`` for a log of a version that is not read."""
    if log.get("version") not in LOG_VERSIONS:
        accepted = " and ".join(map(str, LOG_VERSIONS))
        raise ValueError(f"log version {log.get('version')!r}; accepted is {accepted}")
