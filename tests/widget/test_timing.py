"""Where the time between a click and its overlay goes."""

from __future__ import annotations

import pytest

from iseg_widget.widget.timing import (
    PHASES,
    PageMarks,
    Passage,
    TimingLog,
    median,
    percentile,
)
from tests.widget.conftest import Make


def passed(log: TimingLog, name: str, *, ahead: float, request: float, back: float) -> None:
    """A click sent at 10 s of the page's clock; the kernel takes 0.1, 0.2 and 0.05 s for it."""
    arrived = 10 + request + ahead
    log.passed(name, Passage(arrived, arrived + 0.1, arrived + 0.3, arrived + 0.35))
    heard, got = 10 + request + back, 10 + request + 0.35 + back
    assert log.drawn(name, PageMarks(9.99, 10, heard, got, got + 0.02))


def test_phases_add_up_and_clocks_are_aligned_by_the_round_trip() -> None:
    log = TimingLog()
    passed(log, "view.1", ahead=5000.0, request=0.004, back=0.004)
    stats = log.stats()
    found = {name: spread.last for name, spread in stats.phases.items()}
    assert tuple(found) == PHASES
    assert found == pytest.approx(
        {
            "page": 10,
            "request": 4,
            "queue": 100,
            "inference": 200,
            "encode": 50,
            "reply": 4,
            "draw": 20,
            "total": 388,
        },
        abs=1e-6,
    )
    assert sum(value for name, value in found.items() if name != "total") == pytest.approx(388)
    assert "inference" in str(stats)


def test_the_shortest_round_trip_of_a_view_decides() -> None:
    log = TimingLog()
    passed(log, "a.1", ahead=100.0, request=0.3, back=0.1)  # lopsided: 0.1 s off
    passed(log, "a.2", ahead=100.0, request=0.001, back=0.001)
    passed(log, "b.1", ahead=-7.0, request=0.002, back=0.002)
    assert log.ahead("a") == pytest.approx(100, abs=1e-6)
    assert log.ahead("b") == pytest.approx(-7, abs=1e-6)
    assert log.stats(3).phases["request"].p95 == pytest.approx(300, abs=1e-6)
    with pytest.raises(ValueError, match="nothing is known of the view 'c'"):
        log.ahead("c")


def test_only_the_latest_clicks_are_kept() -> None:
    log = TimingLog(kept=3)
    for number in range(5):
        passed(log, f"a.{number}", ahead=0.0, request=0.01 * number, back=0.01)
    assert log.stats().clicks == 3
    assert log.stats(2).clicks == 2
    assert log.stats().phases["total"].count == 3
    assert not log.drawn("a.0", PageMarks(0, 1, 2, 3, 4))


def test_spread() -> None:
    values = [float(value) for value in range(1, 101)]
    assert (median(values), median(values[:-1]), percentile(values, 0.95)) == (50.5, 50.0, 95.0)
    assert percentile([7.0], 0.95) == 7.0


@pytest.mark.parametrize(
    "marks", [(2, 1, 3, 4, 5), (1, 2, 3, 4, 4000), (1, 2, 3, 5, 4), (1, 2, 3, 4, float("nan"))]
)
def test_times_that_cannot_be_are_refused(marks: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="in no order, or too far apart"):
        PageMarks(*marks)


def test_the_widget_measures_clicks_and_takes_the_page_s_report(make: Make) -> None:
    widget, page, method = make()
    page.open()
    assert widget.stats().clicks == 0
    method.delay = 0.02
    first = page.click(10, 10)
    page.settle()
    assert set(widget.stats().phases) == {"queue", "inference", "encode"}
    assert widget.stats().phases["inference"].last >= 20
    sent = page.send("timing", of=first, pressed=1, sent=2, heard=9, got=50, drawn=60)
    page.settle()
    (table,) = page.of("timing")
    assert table["id"] == sent
    assert [phase[0] for phase in table["phases"]] == list(PHASES)
    assert widget.stats().phases["total"].last == pytest.approx(59)
    page.send("timing", of=first, pressed=5, sent=2, heard=9, got=50, drawn=60)
    page.settle()
    assert page.of("error")[-1]["title"] == "The times were not taken"
    with pytest.raises(ValueError, match="last must be at least 1"):
        widget.stats(0)


def test_clicks_from_python_and_refused_ones_are_not_measured(make: Make) -> None:
    widget, page, _ = make()
    page.open()
    widget.click(5, 5)
    page.click(500, 5)
    page.settle()
    assert widget.stats().clicks == 0
