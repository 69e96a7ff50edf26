"""The messages between the page and a comparison; see :mod:`iseg_widget.widget.messages`.

``js/src/compare/protocol.ts`` mirrors this module. Requests are ``hello``, ``ping``, ``click``,
``undo``, ``redo``, ``reset`` and ``cancel`` as there, and three more:

==========  ======================  ==============================================================
kind        fields                  meaning
==========  ======================  ==============================================================
``move``    ``index x y``           move a click; what came after it is computed again
``remove``  ``index``               remove a click, likewise
``robot``   ``pane``                click where the mask of pane ``pane`` is most wrong
==========  ======================  ==============================================================

Replies are ``received``, ``picture``, ``cancelled`` and ``error`` as there; ``activity`` with the
pane that is worked on; ``pane`` (see :class:`PaneReply`) for each pane as soon as it has its
answer; and ``course`` (see :class:`CourseReply`) when all have, which ends the request.
"""

from __future__ import annotations

from dataclasses import dataclass

from iseg_widget.clicks import Click
from iseg_widget.protocol import View
from iseg_widget.widget import messages
from iseg_widget.widget.messages import (
    Activity,
    ActivityReply,
    AddClick,
    Box,
    Cancel,
    Cancelled,
    ErrorReply,
    Hello,
    Picture,
    Ping,
    ProtocolError,
    Received,
    Redo,
    Reply,
    Request,
    Reset,
    Undo,
    _count,
    _flag,
    _number,
)

__all__ = [
    "Activity",
    "AddClick",
    "Cancel",
    "Cancelled",
    "CourseReply",
    "ErrorReply",
    "Hello",
    "MoveClick",
    "PaneReply",
    "Picture",
    "Ping",
    "ProtocolError",
    "Received",
    "Redo",
    "RemoveClick",
    "Reply",
    "Request",
    "Reset",
    "RobotClick",
    "Undo",
    "WorkingReply",
    "parse_request",
]


@dataclass(frozen=True, kw_only=True)
class MoveClick(Request):
    """Move a click."""

    kind = "move"
    index: int
    x: float
    y: float


@dataclass(frozen=True, kw_only=True)
class RemoveClick(Request):
    """Remove a click."""

    kind = "remove"
    index: int


@dataclass(frozen=True, kw_only=True)
class RobotClick(Request):
    """Click where the mask of a pane is most wrong."""

    kind = "robot"
    pane: int


_REQUESTS = {
    "hello": (Hello, {"picture": _flag}),
    "ping": (Ping, {}),
    "click": (AddClick, {"x": _number, "y": _number, "positive": _flag}),
    "undo": (Undo, {}),
    "redo": (Redo, {}),
    "reset": (Reset, {}),
    "cancel": (Cancel, {}),
    "move": (MoveClick, {"index": _count, "x": _number, "y": _number}),
    "remove": (RemoveClick, {"index": _count}),
    "robot": (RobotClick, {"pane": _count}),
}


def parse_request(content: object) -> Request:
    """Check a message of the page and return it as its dataclass; else ``ProtocolError``."""
    return messages.parse_request(content, _REQUESTS)


@dataclass(frozen=True, kw_only=True)
class WorkingReply(ActivityReply):
    """What the worker is doing, and for which pane."""

    pane: int | None


@dataclass(frozen=True, kw_only=True)
class PaneReply(Reply):
    """The state of one pane.

    ``rev``: number of the pane's state; ``base``, ``grid``, ``box``, ``data``: the overlay, as in
    ``result``; ``loaded``: the method is there; ``error``: why there is no answer to the latest
    clicks, which the mask then does not show; ``points``: clicks so far and IoU (null without
    truth) of every step; ``views``: crops of the latest step; ``seconds``: time that it took;
    ``area``: pixels in the mask; ``inferences``: how often the method was asked so far.
    """

    kind = "pane"
    pane: int
    rev: int
    base: int | None
    grid: tuple[int, int]
    box: Box
    loaded: bool
    error: str | None
    points: tuple[tuple[int, float | None], ...]
    views: tuple[View, ...]
    seconds: float | None
    area: int
    inferences: int
    data: bytes | None


@dataclass(frozen=True, kw_only=True)
class CourseReply(Reply):
    """The clicks that all panes answer.

    ``rev``: number of the state; ``groups``: clicks that were answered together.
    """

    kind = "course"
    id: str | None
    ids: tuple[str, ...]
    rev: int
    clicks: tuple[Click, ...]
    groups: tuple[int, ...]
    can_undo: bool
    can_redo: bool
