"""Tools beside the click: box, scribble, brush, polygon, filling, threshold; moving of clicks.

Shapes are vectors, never pixels: corners are ``x, y, x, y, …`` in pixels of the image, (0, 0) the
centre of the top-left pixel. All of them are for the active object (a new one if none is active).
"""

from __future__ import annotations

from dataclasses import dataclass

from iseg_widget.widget.messages.base import (
    Box,
    Check,
    Reply,
    Request,
    is_count,
    is_flag,
    is_number,
    listing,
    request,
)
from iseg_widget.widget.messages.known import REQUESTS

MOST_CORNERS = 5000
"""Of a shape; the page simplifies longer lines until they have fewer."""

_numbers = listing(is_number, 2 * MOST_CORNERS)


def corners(least: int) -> Check:
    """Whether a value is a list of ``least`` corners or more."""
    return lambda value: (
        isinstance(value, list)
        and len(value) >= 2 * least
        and len(value) % 2 == 0
        and _numbers(value)
    )


def pairs(numbers: list[float]) -> list[tuple[float, float]]:
    """Return corners as points."""
    return list(zip(numbers[::2], numbers[1::2], strict=True))


@request(REQUESTS, x0=is_number, y0=is_number, x1=is_number, y1=is_number)
@dataclass(frozen=True, kw_only=True)
class DrawBox(Request):
    """A half-open box around the object."""

    kind = "box"
    x0: float
    y0: float
    x1: float
    y1: float


@request(REQUESTS, corners=corners(1), positive=is_flag)
@dataclass(frozen=True, kw_only=True)
class Scribble(Request):
    """A line that lies on the object, or beside it; it becomes clicks."""

    kind = "scribble"
    corners: list[float]
    positive: bool


@request(REQUESTS, corners=corners(1), radius=is_number, erase=is_flag)
@dataclass(frozen=True, kw_only=True)
class Brush(Request):
    """A stroke of a round brush; ``radius`` in pixels of the image."""

    kind = "brush"
    corners: list[float]
    radius: float
    erase: bool


@request(REQUESTS, corners=corners(3), erase=is_flag)
@dataclass(frozen=True, kw_only=True)
class Polygon(Request):
    """The inside of an outline: of a polygon, or of a lasso."""

    kind = "polygon"
    corners: list[float]
    erase: bool


@request(REQUESTS, x=is_number, y=is_number)
@dataclass(frozen=True, kw_only=True)
class Fill(Request):
    """Fill the hole at a pixel, or take away the part of the object there."""

    kind = "fill"
    x: float
    y: float


@request(REQUESTS, value=is_number)
@dataclass(frozen=True, kw_only=True)
class Threshold(Request):
    """Another threshold on the last probability."""

    kind = "threshold"
    value: float


@request(REQUESTS, index=is_count, x=is_number, y=is_number)
@dataclass(frozen=True, kw_only=True)
class MoveClick(Request):
    """Move a click; what came after it is computed again."""

    kind = "move_click"
    index: int
    x: float
    y: float


@request(REQUESTS, index=is_count)
@dataclass(frozen=True, kw_only=True)
class RemoveClick(Request):
    """Remove a click; what came after it is computed again."""

    kind = "remove_click"
    index: int


@request(REQUESTS, side=is_count)
@dataclass(frozen=True, kw_only=True)
class AskSoft(Request):
    """Ask for the probability, its longer side at most ``side`` values."""

    kind = "soft"
    side: int


@request(REQUESTS, x0=is_number, y0=is_number, x1=is_number, y1=is_number)
@dataclass(frozen=True, kw_only=True)
class AskWire(Request):
    """Ask for the line along edges between two points."""

    kind = "wire"
    x0: float
    y0: float
    x1: float
    y1: float


@dataclass(frozen=True, kw_only=True)
class Wire(Reply):
    """A line along edges, with the points that were asked for at its ends."""

    kind = "wire"
    id: str
    corners: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Soft(Reply):
    """The last probability of the active object's mask.

    ``box``: the part of the image outside of which no threshold finds anything, null (and no
    buffer) when no network has been asked; ``size``: width and height of the grid of values over
    it; ``threshold``: the one in force. The buffer is zlib over uint8 values, row by row; see
    :class:`iseg_widget.thresholds.SoftPicture`.
    """

    kind = "soft"
    id: str
    box: Box | None
    size: tuple[int, int]
    threshold: float
    data: bytes | None
