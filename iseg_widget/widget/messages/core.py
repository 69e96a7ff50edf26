"""Opening, clicks, history, methods, and the state that answers them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from iseg_widget.clicks import Click
from iseg_widget.protocol import View
from iseg_widget.widget.messages.base import (
    Box,
    Message,
    Reply,
    Request,
    is_flag,
    is_mapping,
    is_number,
    is_text,
    optional,
    request,
)
from iseg_widget.widget.messages.known import REQUESTS

Activity = Literal["load", "segment", "replay", "open"]


@request(REQUESTS, picture=is_flag)
@dataclass(frozen=True, kw_only=True)
class Hello(Request):
    """A view opened, or missed a message."""

    kind = "hello"
    picture: bool


@request(REQUESTS)
@dataclass(frozen=True, kw_only=True)
class Ping(Request):
    """A question whether anybody is there."""

    kind = "ping"


@request(REQUESTS, x=is_number, y=is_number, positive=is_flag)
@dataclass(frozen=True, kw_only=True)
class AddClick(Request):
    """A click on the active object."""

    kind = "click"
    x: float
    y: float
    positive: bool

    @property
    def click(self) -> Click:
        """The click itself."""
        return Click(self.x, self.y, self.positive)


@request(REQUESTS)
@dataclass(frozen=True, kw_only=True)
class Undo(Request):
    """Take the last action back."""

    kind = "undo"


@request(REQUESTS)
@dataclass(frozen=True, kw_only=True)
class Redo(Request):
    """Do it again."""

    kind = "redo"


@request(REQUESTS)
@dataclass(frozen=True, kw_only=True)
class Reset(Request):
    """Take the active object back to its beginning; can be undone."""

    kind = "reset"


@request(REQUESTS)
@dataclass(frozen=True, kw_only=True)
class Cancel(Request):
    """Forget what is queued, discard what is running."""

    kind = "cancel"


@request(REQUESTS, name=is_text, options=optional(is_mapping))
@dataclass(frozen=True, kw_only=True)
class ChangeMethod(Request):
    """Answer with another method, or the same under other options."""

    kind = "method"
    name: str
    options: Mapping[str, Any] | None


@dataclass(frozen=True, kw_only=True)
class Received(Reply):
    """The request is queued."""

    kind = "received"
    id: str


@dataclass(frozen=True, kw_only=True)
class ActivityReply(Reply):
    """What the worker is doing."""

    kind = "activity"
    ids: tuple[str, ...]
    what: Activity | None


@dataclass(frozen=True, kw_only=True)
class Picture(Reply):
    """The image, all of it: ``level`` times halved if it is a large one.

    Of the finer levels the page asks for tiles of ``tile`` pixels.
    """

    kind = "picture"
    id: str
    width: int
    height: int
    level: int
    tile: int
    mime: str
    data: bytes


@dataclass(frozen=True, kw_only=True)
class Stats:
    """Figures of the active object.

    ``seconds``: time the method took for the latest step; ``iou``: against the truth;
    ``area``: pixels in the mask.
    """

    seconds: float | None
    iou: float | None
    area: int


@dataclass(frozen=True, kw_only=True)
class ObjectEntry:
    """An object in the list; ``clicks`` is their number, ``box`` null for an empty mask."""

    id: int
    label: str
    name: str
    colour: str
    visible: bool
    locked: bool
    area: int
    box: Box | None
    clicks: int


@dataclass(frozen=True, kw_only=True)
class Others:
    """Overlay of the visible objects that are not active, flattened, the later one on top.

    ``base``, ``box``: as the result's. A pixel is 0, or 1 + the place in ``ids`` modulo 255; these
    are all visible objects, the active one too, so that codes stay when another becomes active.
    """

    base: int | None
    box: Box
    ids: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class HistoryEntry:
    """How many commands can be undone and redone, and the names of the next of each."""

    done: int
    undone: int
    undo: str | None
    redo: str | None


@dataclass(frozen=True, kw_only=True)
class Result(Reply):
    """The new state, all of it, so that one message changes the page from one state to the next.

    ``id``: newest request answered, null when Python acted; ``rev``: number of the state;
    ``base``, ``grid``, ``box``: the active object's overlay (see the package); ``others``: the
    other objects'; ``buffers``: what the buffers hold, in order (``"mask"``, ``"others"``);
    ``clicks``, ``views``: of the active object, the latter of its latest step; ``inferences``:
    how often the method was asked so far.
    """

    kind = "result"
    id: str | None
    ids: tuple[str, ...]
    rev: int
    base: int | None
    grid: tuple[int, int]
    box: Box
    clicks: tuple[Click, ...]
    views: tuple[View, ...]
    objects: tuple[ObjectEntry, ...]
    active: int | None
    labels: tuple[tuple[str, str], ...]
    rule: str
    others: Others
    history: HistoryEntry
    inferences: int
    stats: Stats
    mask_data: bytes | None
    others_data: bytes | None

    def to_message(self) -> Message:
        """Return the JSON object and the buffers."""
        fields = dataclasses.asdict(self)
        data = {name: fields.pop(f"{name}_data") for name in ("mask", "others")}
        sent = {name: part for name, part in data.items() if part is not None}
        return {"kind": self.kind, **fields, "buffers": list(sent)}, list(sent.values())


@dataclass(frozen=True, kw_only=True)
class Cancelled(Reply):
    """These requests were not carried out."""

    kind = "cancelled"
    id: str
    ids: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ErrorReply(Reply):
    """These requests failed and left everything as it was."""

    kind = "error"
    id: str | None
    ids: tuple[str, ...]
    title: str
    message: str
