"""The messages between the page and a comparison; see :mod:`iseg_widget.widget.messages`.

``js/src/compare/protocol.ts`` mirrors this module. Requests are ``hello``, ``ping``, ``click``,
``undo``, ``redo``, ``reset``, ``cancel`` and ``tile`` as there, and three more:

================  ===============  ===============================================================
kind              fields           meaning
================  ===============  ===============================================================
``move_click``    ``index x y``    move a click; what came after it is computed again
``remove_click``  ``index``        remove a click, likewise
``robot``         ``pane``         click where the mask of pane ``pane`` is most wrong
================  ===============  ===============================================================

Replies are ``received``, ``activity``, ``picture``, ``tile``, ``cancelled`` and ``error`` as there;
``working``, which tells the pane that an ``activity`` is for; ``pane`` (see :class:`PaneReply`)
for each pane as soon as it has its answer; and ``course`` (see :class:`CourseReply`) when all
have, which ends the request.
"""

from __future__ import annotations

from dataclasses import dataclass

from iseg_widget.clicks import Click
from iseg_widget.protocol import View
from iseg_widget.widget.messages.base import (
    Box,
    Known,
    ProtocolError,
    Reply,
    Request,
    is_count,
    parse,
    request,
)
from iseg_widget.widget.messages.core import (
    Activity,
    ActivityReply,
    AddClick,
    Cancel,
    Cancelled,
    ErrorReply,
    Hello,
    HistoryEntry,
    Picture,
    Ping,
    Received,
    Redo,
    Reset,
    Undo,
)
from iseg_widget.widget.messages.known import REQUESTS as _OF_SEGMENTATION
from iseg_widget.widget.messages.tiles import GetTile, Tile
from iseg_widget.widget.messages.tools import MoveClick, RemoveClick

__all__ = [
    "REQUESTS",
    "Activity",
    "ActivityReply",
    "AddClick",
    "Cancel",
    "Cancelled",
    "CourseReply",
    "ErrorReply",
    "GetTile",
    "Hello",
    "HistoryEntry",
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
    "Tile",
    "Undo",
    "WorkingReply",
    "parse_request",
]

_SHARED = (
    *("hello", "ping", "click", "undo", "redo", "reset", "cancel"),
    *("move_click", "remove_click", "tile"),
)
REQUESTS: Known = {kind: _OF_SEGMENTATION[kind] for kind in _SHARED}
"""The requests that :class:`iseg_widget.CompareWidget` accepts, by kind."""


def parse_request(content: object) -> Request:
    """Check a message of the page and return it as its dataclass; see :func:`.base.parse`."""
    return parse(content, REQUESTS)


@request(REQUESTS, pane=is_count)
@dataclass(frozen=True, kw_only=True)
class RobotClick(Request):
    """Click where the mask of a pane is most wrong."""

    kind = "robot"
    pane: int


@dataclass(frozen=True, kw_only=True)
class WorkingReply(Reply):
    """The pane that the worker works for (see ``activity``); null: none."""

    kind = "working"
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
    history: HistoryEntry
