"""The messages between page and kernel, written down once.

``js/src/protocol.ts`` mirrors this module; both are tested against the same recorded messages.
All are custom messages of the widget's comm: a JSON object and binary buffers.

Requests (page to kernel) carry ``id`` (text, chosen by the page, unique in its view), ``kind``,
``rev`` (the revision that the page has drawn) and the fields below. Nothing else is accepted.

==========  ======================  ==============================================================
kind        fields                  meaning
==========  ======================  ==============================================================
``hello``   ``picture``             a view opened, or missed a message: send the whole overlay,
                                    and the picture too if ``picture``
``click``   ``x y positive``        a click; (0, 0) is the centre of the top-left pixel
``undo``, ``redo``, ``reset``       as in :class:`iseg_widget.Session`
``ping``                            is anybody there? gets ``received`` and nothing else
``cancel``                          forget what is queued, discard what is running
``method``  ``name options``        answer with another method and replay the clicks; ``options``
                                    is an object of its options, or null for those it was last
                                    used with
==========  ======================  ==============================================================

Replies (kernel to page):

=============  ===========================  ======================================================
kind           fields                       meaning
=============  ===========================  ======================================================
``received``   ``id``                       the request is queued; sent at once by the handler, so
                                            that the page can tell a slow method from a dead kernel
``activity``   ``ids what``                 the worker does ``what`` (``load``, ``segment``,
                                            ``replay``) for these requests; null: nothing to do
``picture``    ``id width height mime``     buffer: the encoded image. ``width`` and ``height`` are
                                            the image's own; a huge one is sent smaller
``result``     see :class:`Result`          the new state; buffer: the overlay
``cancelled``  ``id ids``                   these requests were not carried out
``error``      ``id ids title message``     these requests failed and left everything as it was
=============  ===========================  ======================================================

Every request gets ``received`` and then, except for ``ping``, exactly one of ``result``,
``cancelled`` and ``error`` that names it in ``ids`` (``id`` is the newest of them; the answer to
``cancel`` itself has it in ``id`` alone); ``hello`` may get a ``picture`` before. A request that is
not in the protocol gets an ``error`` alone.
Requests that were answered together share one reply. Replies go to all views of the widget.

An overlay is zlib over ``numpy.packbits`` of the row-major pixels of ``box`` (see
:class:`iseg_widget.masks.PackedMask`) in a ``grid`` of (width, height). With ``base`` null it
is the whole mask; else ``box`` is what changed since revision ``base``, and a page that shows
another revision says ``hello``. An empty box means no change and comes without a buffer.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from iseg_widget.clicks import Click
from iseg_widget.protocol import View

Box = tuple[int, int, int, int]
Activity = Literal["load", "segment", "replay"]
Message = tuple[dict[str, Any], list[bytes]]

MAX_ID = 64


class ProtocolError(ValueError):
    """A request that is not in the protocol. ``id`` is the request's, where it has one."""

    def __init__(self, message: str, id: str | None = None) -> None:  # noqa: A002
        super().__init__(message)
        self.id = id


@dataclass(frozen=True, kw_only=True)
class Request:
    """What the page asks for."""

    kind: ClassVar[str]
    id: str
    rev: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return the message as the page sends it."""
        return {"kind": self.kind, **dataclasses.asdict(self)}


@dataclass(frozen=True, kw_only=True)
class Hello(Request):
    """A view opened, or missed a message."""

    kind = "hello"
    picture: bool


@dataclass(frozen=True, kw_only=True)
class Ping(Request):
    """A question whether anybody is there."""

    kind = "ping"


@dataclass(frozen=True, kw_only=True)
class AddClick(Request):
    """A click."""

    kind = "click"
    x: float
    y: float
    positive: bool

    @property
    def click(self) -> Click:
        """The click itself."""
        return Click(self.x, self.y, self.positive)


@dataclass(frozen=True, kw_only=True)
class Undo(Request):
    """Take the last action back."""

    kind = "undo"


@dataclass(frozen=True, kw_only=True)
class Redo(Request):
    """Do it again."""

    kind = "redo"


@dataclass(frozen=True, kw_only=True)
class Reset(Request):
    """Go back to the beginning; can be undone."""

    kind = "reset"


@dataclass(frozen=True, kw_only=True)
class Cancel(Request):
    """Forget what is queued, discard what is running."""

    kind = "cancel"


@dataclass(frozen=True, kw_only=True)
class ChangeMethod(Request):
    """Answer with another method, or the same under other options."""

    kind = "method"
    name: str
    options: Mapping[str, Any] | None


def _flag(value: object) -> bool:
    return isinstance(value, bool)


def _count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _text(value: object) -> bool:
    return isinstance(value, str) and value != ""


def _options(value: object) -> bool:
    return value is None or (isinstance(value, Mapping) and all(map(_text, value)))


_Check = Callable[[object], bool]
_COMMON: dict[str, _Check] = {"id": _text, "rev": _count}
_REQUESTS: dict[str, tuple[type[Request], dict[str, _Check]]] = {
    "hello": (Hello, {"picture": _flag}),
    "ping": (Ping, {}),
    "click": (AddClick, {"x": _number, "y": _number, "positive": _flag}),
    "undo": (Undo, {}),
    "redo": (Redo, {}),
    "reset": (Reset, {}),
    "cancel": (Cancel, {}),
    "method": (ChangeMethod, {"name": _text, "options": _options}),
}


def parse_request(content: object) -> Request:
    """Check a message of the page and return it as its dataclass.

    Raises :class:`ProtocolError` for an unknown kind, and for missing, unknown or ill-typed
    fields.
    """
    if not isinstance(content, Mapping):
        raise ProtocolError(f"a request is an object, got {type(content).__name__}")
    given = content.get("id")
    name = given if isinstance(given, str) and 0 < len(given) <= MAX_ID else None
    kind = content.get("kind")
    if not isinstance(kind, str) or kind not in _REQUESTS:
        raise ProtocolError(f"unknown request {kind!r}; accepted are {', '.join(_REQUESTS)}", name)
    if name is None:
        raise ProtocolError(f"{kind}: id must be a text of 1 to {MAX_ID} letters, got {given!r}")
    cls, own = _REQUESTS[kind]
    checks = _COMMON | own
    unknown = sorted(map(str, set(content) - set(checks) - {"kind"}))
    if unknown:
        raise ProtocolError(f"{kind}: unknown field {', '.join(unknown)}", name)
    for field, check in checks.items():
        if field not in content:
            raise ProtocolError(f"{kind}: {field} is missing", name)
        if not check(content[field]):
            raise ProtocolError(f"{kind}: {field} cannot be {content[field]!r}", name)
    return cls(**{field: content[field] for field in checks})


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What the kernel answers."""

    kind: ClassVar[str]

    def to_message(self) -> Message:
        """Return the JSON object and the buffers."""
        fields = dataclasses.asdict(self)
        data = fields.pop("data", None)
        return {"kind": self.kind, **fields}, [] if data is None else [data]


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
    """The image."""

    kind = "picture"
    id: str
    width: int
    height: int
    mime: str
    data: bytes


@dataclass(frozen=True, kw_only=True)
class Stats:
    """Figures of the state.

    ``seconds``: time the method took for the latest step; ``iou``: against the truth;
    ``area``: pixels in the mask.
    """

    seconds: float | None
    iou: float | None
    area: int


@dataclass(frozen=True, kw_only=True)
class Result(Reply):
    """The new state, all of it, so that one message changes the page from one state to the next.

    ``id``: newest request answered, null when Python acted; ``rev``: number of the state;
    ``base``, ``grid``, ``box``, ``data``: the overlay (see this module); ``views``: crops of the
    latest step; ``inferences``: how often the method was asked so far.
    """

    kind = "result"
    id: str | None
    ids: tuple[str, ...]
    rev: int
    base: int | None
    grid: tuple[int, int]
    box: Box
    clicks: tuple[Click, ...]
    can_undo: bool
    can_redo: bool
    views: tuple[View, ...]
    inferences: int
    stats: Stats
    data: bytes | None


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
