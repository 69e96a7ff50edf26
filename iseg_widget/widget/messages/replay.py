"""Earlier moments of the active object."""

from __future__ import annotations

from dataclasses import dataclass

from iseg_widget.clicks import Click
from iseg_widget.protocol import View
from iseg_widget.widget.messages.base import Reply, Request, is_count, request
from iseg_widget.widget.messages.known import REQUESTS
from iseg_widget.widget.replaying import What


@request(REQUESTS, index=is_count)
@dataclass(frozen=True, kw_only=True)
class AskStepMask(Request):
    """The mask after so many steps of the active object; 0: before the first."""

    kind = "step_mask"
    index: int


@dataclass(frozen=True, kw_only=True)
class StepMask(Reply):
    """The object as it was; see :class:`iseg_widget.widget.replaying.Frame`.

    The buffer is the whole mask on the page's ``grid`` (width, height), packed as overlays are.
    """

    kind = "step_mask"
    id: str
    index: int
    count: int
    clicks: tuple[Click, ...]
    new: int
    what: What
    grid: tuple[int, int]
    area: int
    iou: float | None
    seconds: float | None
    views: tuple[View, ...]
    data: bytes | None
