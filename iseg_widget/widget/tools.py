"""Tools beside the click: what is done for the page's requests, and the same from Python."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from numpy.typing import ArrayLike

from iseg_widget import strokes
from iseg_widget.annotation import Annotation
from iseg_widget.protocol import Step
from iseg_widget.regions import Region
from iseg_widget.scissors import live_wire
from iseg_widget.session import Session
from iseg_widget.widget.acting import Acting
from iseg_widget.widget.actions import Act, Ask, route
from iseg_widget.widget.messages import tools as messages

if TYPE_CHECKING:
    from iseg_widget.widget.desk import Desk

SMALLEST_SOFT, LARGEST_SOFT = 64, 4096
"""Longest side of the probability that a page gets."""


class ToolActions(Acting):
    """Tools beside the click, on the active object (a new one if none is active)."""

    def box(self, x0: float, y0: float, x1: float, y1: float) -> Step:
        """Draw a box around the object; see :meth:`iseg_widget.Session.box`."""
        return cast("Step", self._do(_boxed(x0, y0, x1, y1)))

    def scribble(
        self, points: ArrayLike, positive: bool = True, *, spacing: float | None = None
    ) -> Step:
        """Draw a line that becomes clicks; see :meth:`iseg_widget.Session.scribble`."""
        return cast("Step", self._do(_scribbled(points, positive, spacing)))

    def brush(self, points: ArrayLike, radius: float, *, erase: bool = False) -> None:
        """Paint a stroke, or erase one; see :func:`iseg_widget.strokes.brush`."""
        self._do(_brushed(points, radius, erase=erase))

    def polygon(self, points: ArrayLike, *, erase: bool = False) -> None:
        """Add the inside of an outline, or take it away; see :func:`iseg_widget.strokes.polygon`.

        A lasso is the same with many corners.
        """
        self._do(_outlined(points, erase=erase))

    def fill(self, x: float, y: float) -> None:
        """Fill the hole at a pixel, or remove the part there; see :func:`iseg_widget.strokes.fill`.

        Raises ``ValueError`` outside the image, and where there is neither hole nor part.
        """
        self._do(_filled(x, y))

    def fill_holes(self, largest: int | None = None) -> None:
        """Fill all holes, or those of at most ``largest`` pixels."""
        self._do(
            _drawn(
                "fill holes",
                "Nothing was filled",
                lambda mask: strokes.fill_holes(mask, largest),
            )
        )

    def threshold(self, value: float) -> Step:
        """Choose another threshold; see :meth:`iseg_widget.Session.threshold`."""
        return cast("Step", self._do(_thresholded(value)))


# What is done


def _asked(name: str, title: str, do: Callable[[Session], Any]) -> Act:
    """Let the session of the active object do something for which it asks the method."""

    def act(board: Annotation) -> Any:
        if board.active is not None:
            return board.act(do, name=name)
        with board.group(name):
            board.add_object()
            return board.act(do, name=name)

    return Act(act, asks=True, title=title)


def _drawn(name: str, title: str, change: Callable[[Region], Region]) -> Act:
    """Change the mask of the active object by hand; no method is needed."""

    def act(board: Annotation) -> None:
        with board.group(name):
            number = board.active
            number = board.add_object() if number is None else number
            board.edit(change(board.region_of(number)))

    return Act(act, title=title)


def _boxed(x0: float, y0: float, x1: float, y1: float) -> Act:
    return _asked("box", "The box was not taken", lambda session: session.box(x0, y0, x1, y1))


def _scribbled(points: ArrayLike, positive: bool, spacing: float | None = None) -> Act:
    return _asked(
        "scribble",
        "The scribble was not taken",
        lambda session: session.scribble(points, positive, spacing=spacing),
    )


def _brushed(points: ArrayLike, radius: float, *, erase: bool) -> Act:
    return _drawn(
        "erase" if erase else "brush",
        "The stroke was not drawn",
        lambda mask: strokes.brush(mask, points, radius, erase=erase),
    )


def _outlined(points: ArrayLike, *, erase: bool) -> Act:
    return _drawn(
        "cut out" if erase else "outline",
        "The outline was not drawn",
        lambda mask: strokes.polygon(mask, points, erase=erase),
    )


def _filled(x: float, y: float) -> Act:
    def change(mask: Region) -> Region:
        filled = strokes.fill(mask, x, y)
        if filled is mask:
            raise ValueError(
                "There is neither a hole to fill nor a part to remove here: "
                "this background reaches the border of the picture"
            )
        return filled

    return _drawn("fill", "Nothing to fill", change)


def _thresholded(value: float) -> Act:
    def act(board: Annotation) -> Any:
        if board.active is None or board.method is None:
            raise ValueError("there is no probability to put a threshold on: click first")
        return board.act(lambda session: session.threshold(value), name="threshold")

    return Act(act, title="The threshold was not changed")


def soft(desk: Desk, name: str, side: int) -> messages.Soft:
    """Return the probability of the active object's mask, for the request ``name``."""
    session = desk.session
    known = None if session is None else session.thresholded
    if session is None or known is None:
        return messages.Soft(id=name, box=None, size=(0, 0), threshold=0.5, data=None)
    picture = known.picture(min(max(side, SMALLEST_SOFT), LARGEST_SOFT))
    height, width = picture.values.shape
    return messages.Soft(
        id=name,
        box=picture.box,
        size=(width, height),
        threshold=session.threshold_in_force,
        data=zlib.compress(picture.values.tobytes(), 1),
    )


# Requests


@route(messages.DrawBox)
def _box(request: messages.DrawBox) -> object:
    return _boxed(request.x0, request.y0, request.x1, request.y1)


@route(messages.Scribble)
def _scribble(request: messages.Scribble) -> object:
    return _scribbled(messages.pairs(request.corners), request.positive)


@route(messages.Brush)
def _brush(request: messages.Brush) -> object:
    return _brushed(messages.pairs(request.corners), request.radius, erase=request.erase)


@route(messages.Polygon)
def _polygon(request: messages.Polygon) -> object:
    return _outlined(messages.pairs(request.corners), erase=request.erase)


@route(messages.Fill)
def _fill(request: messages.Fill) -> object:
    return _filled(request.x, request.y)


@route(messages.Threshold)
def _threshold(request: messages.Threshold) -> object:
    return _thresholded(request.value)


@route(messages.MoveClick)
def _move(request: messages.MoveClick) -> object:
    return _asked(
        "move click",
        "The click was not moved",
        lambda session: session.move(request.index, request.x, request.y),
    )


@route(messages.RemoveClick)
def _remove(request: messages.RemoveClick) -> object:
    return _asked(
        "remove click",
        "The click was not removed",
        lambda session: session.remove(request.index),
    )


@route(messages.AskWire)
def _wire(request: messages.AskWire) -> object:
    def answer(desk: Desk, name: str) -> messages.Wire:
        ends = (request.x0, request.y0), (request.x1, request.y1)
        line = live_wire(desk.annotation.image, *ends)
        return messages.Wire(id=name, corners=tuple(line.round(2).ravel().tolist()))

    return Ask(answer, title="No line was found", patient=True)


@route(messages.AskSoft)
def _soft(request: messages.AskSoft) -> object:
    return Ask(
        lambda desk, name: soft(desk, name, request.side), title="No probability", patient=True
    )
