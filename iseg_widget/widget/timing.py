"""Where the time between a click and its overlay goes.

The kernel marks the passage of every click through it (:class:`Passage`, by
:func:`time.perf_counter`); the page marks its own part (by ``performance.now()``) and sends its
marks back when the overlay is drawn. The two clocks are aligned by the round trip of the
acknowledgement: the handler sends ``received`` as soon as it runs, so for a request sent at ``s``
and heard of at ``h`` (page's clock) that arrived at ``a`` (kernel's clock), the kernel's clock is
ahead by ``a - (s + h) / 2``, wrong by at most half the round trip ``h - s``. Of the clicks of one
view, the one with the shortest round trip decides.

==============  ==================================================================================
phase           from … to
==============  ==================================================================================
``page``        the pointer is pressed … the request is handed to the host
``request``     … the kernel's handler runs
``queue``       … the worker takes it up
``inference``   … the method has answered (loading it included)
``encode``      … the overlay is encoded and handed to the comm
``reply``       … the page has the message
``draw``        … it is inflated and drawn
``total``       the pointer is pressed … it is drawn
==============  ==================================================================================
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

KEPT = 200
"""Clicks that are kept."""

LONGEST = 3600.0
"""Seconds that a click may take."""
CENTURY = 3.2e9
"""Seconds that a page may be open."""

PHASES = ("page", "request", "queue", "inference", "encode", "reply", "draw", "total")

now = time.perf_counter


@dataclass(frozen=True)
class Passage:
    """When a request passed through the kernel, in seconds of its clock."""

    arrived: float
    taken: float
    answered: float
    sent: float


@dataclass(frozen=True)
class PageMarks:
    """When it passed through the page, in seconds of its clock.

    ``heard``: the acknowledgement came; ``got``: the result came.
    """

    pressed: float
    sent: float
    heard: float
    got: float
    drawn: float

    def __post_init__(self) -> None:
        """Raise ``ValueError`` for times that no click can have."""
        times = (self.pressed, self.sent, self.heard, self.got, self.drawn)
        possible = list(times) == sorted(times) and times[0] >= 0 and times[-1] < CENTURY
        if not (possible and times[-1] - times[0] <= LONGEST):
            raise ValueError(f"the page's times are in no order, or too far apart: {times}")


@dataclass(frozen=True)
class Spread:
    """Milliseconds of one phase over ``count`` clicks; ``p95`` is the 95th percentile."""

    median: float
    p95: float
    last: float
    count: int


@dataclass(frozen=True)
class TimingStats:
    """Where the time of the latest clicks went, in milliseconds; see :mod:`.timing`.

    ``clicks``: how many are known; ``phases``: those that were measured, in order. Phases in the
    page are known only for clicks that a page made.
    """

    clicks: int
    phases: Mapping[str, Spread] = field(default_factory=dict)

    def __str__(self) -> str:
        """Return a table."""
        lines = [f"{self.clicks} clicks; ms     median     p95    last  clicks"]
        for name, spread in self.phases.items():
            figures = f"{spread.median:8.1f}{spread.p95:8.1f}{spread.last:8.1f}{spread.count:8d}"
            lines.append(f"{name:<18}{figures}")
        return "\n".join(lines)


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest of the values that at least this share (0 to 1) does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def median(values: Sequence[float]) -> float:
    """Return the middle value, or the mean of the two in the middle."""
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def view_of(name: str) -> str:
    """Return which view a request comes from, by its id: clocks of views differ."""
    return name.rpartition(".")[0]


class TimingLog:
    """What is known of the latest clicks. Used by one thread at a time."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._kernel: OrderedDict[str, Passage] = OrderedDict()
        self._page: dict[str, PageMarks] = {}

    def passed(self, name: str, passage: Passage) -> None:
        """Take down how a click passed through the kernel."""
        self._kernel[name] = passage
        while len(self._kernel) > self._kept:
            gone, _ = self._kernel.popitem(last=False)
            self._page.pop(gone, None)

    def drawn(self, name: str, marks: PageMarks) -> bool:
        """Take down how it passed through the page; ``False`` when the click is not known."""
        if name not in self._kernel:
            return False
        self._page[name] = marks
        return True

    def ahead(self, view: str) -> float:
        """Return by how many seconds the kernel's clock is ahead of a view's."""
        trips = [
            (marks.heard - marks.sent, self._kernel[name].arrived - (marks.sent + marks.heard) / 2)
            for name, marks in self._page.items()
            if view_of(name) == view
        ]
        if not trips:
            raise ValueError(f"nothing is known of the view {view!r}")
        return min(trips)[1]

    def stats(self, last: int | None = None) -> TimingStats:
        """Return the spread of each phase over the ``last`` clicks (default: all that are kept)."""
        names = list(self._kernel)[0 if last is None else -last :]
        ahead = {view: self.ahead(view) for view in {view_of(name) for name in self._page}}
        times: dict[str, list[float]] = {phase: [] for phase in PHASES}
        for name in names:
            passage, marks = self._kernel[name], self._page.get(name)
            for phase, seconds in _in_kernel(passage).items():
                times[phase].append(1000 * seconds)
            if marks is not None:
                for phase, seconds in _around(passage, marks, ahead[view_of(name)]).items():
                    times[phase].append(1000 * seconds)
        return TimingStats(
            len(names),
            {
                phase: Spread(median(values), percentile(values, 0.95), values[-1], len(values))
                for phase, values in times.items()
                if values
            },
        )


def _in_kernel(passage: Passage) -> dict[str, float]:
    return {
        "queue": passage.taken - passage.arrived,
        "inference": passage.answered - passage.taken,
        "encode": passage.sent - passage.answered,
    }


def _around(passage: Passage, marks: PageMarks, ahead: float) -> dict[str, float]:
    """Phases in the page and on the way; a way cannot take less than no time."""
    return {
        "page": marks.sent - marks.pressed,
        "request": max(0.0, passage.arrived - ahead - marks.sent),
        "reply": max(0.0, marks.got - (passage.sent - ahead)),
        "draw": marks.drawn - marks.got,
        "total": marks.drawn - marks.pressed,
    }
