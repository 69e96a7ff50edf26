"""Timing: what is done for the page's report, and ``stats()`` of the widget."""

from __future__ import annotations

from iseg_widget.widget.acting import Acting
from iseg_widget.widget.actions import Ask, route
from iseg_widget.widget.desk import Desk
from iseg_widget.widget.messages import timing as messages
from iseg_widget.widget.timing import PageMarks, TimingStats


class TimingActions(Acting):
    """How long clicks took."""

    def stats(self, last: int | None = None) -> TimingStats:
        """Return where the time of the ``last`` clicks went (default: of all that are kept).

        Printed, it is a table; ``stats().phases["inference"].median`` is in milliseconds. Waits for
        clicks. ``ValueError`` unless ``last`` is positive.
        """
        if last is not None and last < 1:
            raise ValueError(f"last must be at least 1, got {last!r}")
        self._wait()
        return self._desk.timing.stats(last)


@route(messages.ReportTiming)
def _report(request: messages.ReportTiming) -> object:
    return Ask(lambda desk, name: _take(desk, name, request), title="The times were not taken")


def _take(desk: Desk, name: str, request: messages.ReportTiming) -> messages.TimingTable:
    fields = ("pressed", "sent", "heard", "got", "drawn")
    marks = PageMarks(**{field: getattr(request, field) / 1000 for field in fields})
    desk.timing.drawn(request.of, marks)
    stats = desk.timing.stats()
    phases = ((phase, s.median, s.p95, s.last) for phase, s in stats.phases.items())
    return messages.TimingTable(id=name, clicks=stats.clicks, phases=tuple(phases))
