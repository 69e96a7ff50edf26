"""How long a click took: the page's marks, and where the time went."""

from __future__ import annotations

from dataclasses import dataclass

from iseg_widget.widget.messages.base import Reply, Request, is_number, is_text, request
from iseg_widget.widget.messages.known import REQUESTS


@request(
    REQUESTS,
    of=is_text,
    pressed=is_number,
    sent=is_number,
    heard=is_number,
    got=is_number,
    drawn=is_number,
)
@dataclass(frozen=True, kw_only=True)
class ReportTiming(Request):
    """When the click ``of`` (its id) passed through the page, in milliseconds of its clock."""

    kind = "timing"
    of: str
    pressed: float
    sent: float
    heard: float
    got: float
    drawn: float


@dataclass(frozen=True, kw_only=True)
class TimingTable(Reply):
    """Where the time of the latest ``clicks`` went; see :mod:`iseg_widget.widget.timing`.

    ``phases``: name, median, 95th percentile and last, in milliseconds.
    """

    kind = "timing"
    id: str
    clicks: int
    phases: tuple[tuple[str, float, float, float], ...]
