"""The tools, each by mouse, by keyboard alone and by touch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import expect

from iseg_widget import strokes
from tests.browser.interactions.bench import FRAME, SHAPE, Bench
from tests.browser.interactions.hands import Fingers, Hand, Keyboard, Mouse, Point, Points, track

OBJECT, OTHER = (176, 336), (416, 136)
DISC = "disc(150, 350, 60)"


def iou(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    return float((first & second).sum() / max(1, (first | second).sum()))


def brushed(points: Points, radius: float) -> NDArray[np.bool_]:
    return strokes.brush(np.zeros(SHAPE, bool), points, radius)


def outlined(points: Points) -> NDArray[np.bool_]:
    return strokes.polygon(np.zeros(SHAPE, bool), points)


# ------------------------------------------------------------------------------------------- tools
def test_clicks(bench: Bench) -> None:
    first: list[Point] = []
    mask = bench.answered(lambda: first.append(bench.hand.at(*OBJECT)))
    [(x, y)] = first
    found = bench.value("[[c.x, c.y, c.positive] for c in w.clicks]")
    assert np.hypot(found[0][0] - x, found[0][1] - y) < 1
    assert found[0][2] is True
    assert mask[round(y), round(x)]
    bench.agrees()
    after = bench.answered(lambda: bench.hand.against(*OTHER))
    assert bench.value("[c.positive for c in w.clicks]") == [True, False]
    assert not after[OTHER[1], OTHER[0]]
    assert bench.page.locator(".lm-Menu:visible").count() == 0
    assert bench.value("w.tool") == "positive"
    bench.agrees()


Drawn = Callable[[Bench, list[Point], NDArray[np.bool_]], None]
"""Looks at what became of a line: with its corners, and with the mask."""


def _box(bench: Bench, line: list[Point], mask: NDArray[np.bool_]) -> None:
    box = bench.value("w.session.log()['actions'][0]['box']")
    (x0, y0), (x1, y1) = line[0], line[-1]
    assert np.abs(np.array(box) - [x1, y1, x0 + 1, y0 + 1]).max() <= 1
    outside = np.ones(SHAPE, bool)
    outside[box[1] : box[3], box[0] : box[2]] = False
    assert mask.any()
    assert not mask[outside].any()


def _scribble(bench: Bench, line: list[Point], _: NDArray[np.bool_]) -> None:
    clicks = bench.value("[[c.x, c.y, c.positive] for c in w.clicks]")
    assert len(clicks) >= 3
    assert all(positive for *_, positive in clicks)
    assert brushed(line, 3)[[round(y) for _, y, _ in clicks], [round(x) for x, *_ in clicks]].all()


def _brush(_: Bench, line: list[Point], mask: NDArray[np.bool_]) -> None:
    assert iou(mask, brushed(line, 13)) > 0.95


def _eraser(bench: Bench, line: list[Point], mask: NDArray[np.bool_]) -> None:
    given = bench.kernel.mask(DISC)
    assert iou(mask, given & ~brushed(line, 13)) > 0.95


def _lasso(_: Bench, line: list[Point], mask: NDArray[np.bool_]) -> None:
    assert iou(mask, outlined(line)) > 0.95


LINES: dict[str, tuple[tuple[str, ...], Points, Drawn]] = {
    "box": ((), [(326, 476), (86, 26)], _box),
    "scribble": ((), [(176, 286), (176, 386)], _scribble),
    "brush": ((), [(156, 346), (306, 416), (396, 376)], _brush),
    "eraser": ((DISC,), [(86, 336), (216, 366)], _eraser),
    "lasso": ((), [(66, 66), (166, 66), (166, 166), (66, 166)], _lasso),
}


@pytest.mark.parametrize("tool", LINES)
def test_drawn_in_one_go(bench: Bench, tool: str) -> None:
    given, points, check = LINES[tool]
    bench.fresh(*given)
    bench.hand.push(tool)
    lines: list[list[Point]] = []
    mask = bench.answered(lambda: lines.append(bench.hand.draw(points)))
    check(bench, lines[0], mask)
    bench.agrees()
    before = bench.answered(lambda: bench.hand.push("undo"))
    assert not before.any() or given
    bench.agrees()


def test_taken_away(bench: Bench) -> None:
    """The opposite of what a tool does: right button, X, or a button."""
    bench.fresh(DISC)
    hand = bench.hand
    hand.push("lasso")
    points = [(106, 306), (156, 306), (156, 356), (106, 356)]
    lines: list[list[Point]] = []
    if isinstance(hand, Mouse):
        mask = bench.answered(lambda: lines.append(hand.drag(points, "right")))
    else:
        hand.key("x") if isinstance(hand, Keyboard) else hand.push("tool-subtract")
        expect(hand.get("tool-subtract")).to_have_attribute("aria-pressed", "true")
        mask = bench.answered(lambda: lines.append(hand.draw(points)))
        hand.key("x") if isinstance(hand, Keyboard) else hand.push("tool-add")
    assert iou(mask, bench.kernel.mask(DISC) & ~outlined(lines[0])) > 0.95
    bench.agrees()


def closed(hand: Hand, tool: str, first: Point) -> None:
    """Close an outline."""
    if isinstance(hand, Keyboard):
        hand.key("Enter")  # the crosshair is at the last corner
    elif isinstance(hand, Fingers):
        hand.push(f"{tool}-close")
    else:
        hand.at(*first)


CORNERS = [(96, 76), (196, 76), (196, 176), (96, 176)]


@pytest.mark.parametrize("tool", ["polygon", "scissors"])
def test_outlines(bench: Bench, tool: str) -> None:
    hand = bench.hand
    hand.push(tool)
    begun = [hand.at(*corner) for corner in CORNERS[:2]]
    expect(hand.get("spoken")).to_contain_text("Corner 2")
    hand.push(f"{tool}-abandon")
    expect(hand.get(f"{tool}-bar")).to_be_hidden()
    placed = [hand.at(*corner) for corner in CORNERS]
    hand.at(296, 296)
    hand.push(f"{tool}-back")  # the last one again
    if isinstance(hand, Keyboard):
        hand.aim(*placed[-1])
    mask = bench.answered(lambda: closed(hand, tool, placed[0]))
    assert begun[0] == placed[0]
    assert bench.value("w.annotation.undo_name") == "outline"
    low, high = (0.95, 1) if tool == "polygon" else (0.5, 0.995)  # scissors cling to edges
    assert low < iou(mask, outlined(placed)) <= high
    assert bench.value("len(w.clicks)") == 0
    bench.agrees()


def test_fill(bench: Bench) -> None:
    bench.fresh("disc(256, 256, 80) & ~disc(256, 256, 25) | disc(76, 76, 20)")
    bench.hand.push("fill")
    filled = bench.answered(lambda: bench.hand.at(256, 256))
    assert np.array_equal(filled, bench.kernel.mask("disc(256, 256, 80) | disc(76, 76, 20)"))
    removed = bench.answered(lambda: bench.hand.at(76, 76))
    assert np.array_equal(removed, bench.kernel.mask("disc(256, 256, 80)"))
    bench.agrees()


def test_threshold_and_soft_mask(bench: Bench) -> None:
    hand = bench.hand
    before = bench.answered(lambda: hand.at(*OBJECT))
    hand.push("threshold-toggle")
    expect(hand.get("threshold")).to_be_enabled()
    mask = bench.answered(lambda: hand.slide("threshold", 0.2))
    value = float(hand.get("threshold").input_value())
    assert 0.1 < value < 0.3
    assert bench.value("w.session.threshold_in_force") == value
    assert np.array_equal(mask, bench.kernel.mask(f"w.session.probability > {value}"))
    assert mask.sum() > before.sum()
    bench.agrees()
    hand.push("threshold-close")
    expect(hand.get("threshold-bar")).to_be_hidden()
    points = bench.plain()
    hard = bench.colours(points)
    revision = bench.widget.revision()
    hand.push("soft-toggle")
    expect(hand.get("soft-toggle")).to_have_attribute("aria-pressed", "true")
    bench.page_until("([root]) => root.dataset.state === 'idle'")
    assert bench.widget.revision() == revision
    hand.push("soft-toggle")
    expect(hand.get("soft-toggle")).to_have_attribute("aria-pressed", "false")
    assert hard.shape


@pytest.mark.parametrize("bench", ["mouse"], indirect=True)
def test_a_threshold_is_tried_in_the_page_and_sent_when_let_go(bench: Bench) -> None:
    hand, mouse = bench.hand, bench.page.mouse
    before = bench.answered(lambda: hand.at(*OBJECT))
    inferences = bench.widget.root.get_attribute("data-inferences")
    hand.push("threshold-toggle")
    slider = hand.get("threshold")
    expect(slider).to_be_enabled()
    left, right, y = track(slider)
    points = bench.plain()
    hard = bench.colours(points)
    mouse.move((left + right) / 2, y)
    mouse.down()
    mouse.move(left + 0.05 * (right - left), y, steps=4)
    value = float(slider.input_value())
    assert value < 0.2
    bench.page_until(FRAME)
    tried = bench.colours(points)
    assert np.array_equal(bench.kernel.mask("w.mask"), before)
    assert (tried != hard).any()
    mask = bench.answered(mouse.up)
    assert np.array_equal(mask, bench.kernel.mask(f"w.session.probability > {value}"))
    assert bench.widget.root.get_attribute("data-inferences") == inferences
    # What was tried is what the kernel then says, but for pixels at the very threshold.
    assert (np.abs(tried - bench.colours(points)).max(1) > 40).mean() < 0.05


@pytest.mark.parametrize("bench", ["touch"], indirect=True)
def test_a_hand_beside_the_pen_does_nothing(bench: Bench) -> None:
    hand = bench.hand
    assert isinstance(hand, Fingers)
    hand.push("brush")
    line = [(156, 346), (306, 416)]
    start, end = (bench.widget.position(x, y) for x, y in line)

    def draw() -> None:
        hand.pen("mousePressed", start)
        hand.touch("Start", bench.widget.position(400, 300))
        hand.touch("Move", bench.widget.position(440, 350))
        hand.pen("mouseMoved", end)
        hand.touch("End")
        hand.pen("mouseReleased", end)

    view = bench.middle()
    mask = bench.answered(draw)
    assert iou(mask, brushed(line, 13)) > 0.95
    assert bench.middle() == view
    assert bench.value("len(w.clicks)") == 0
    assert bench.value("w.annotation.done") == bench.before + 1
    bench.agrees()


@pytest.mark.parametrize("bench", ["keyboard"], indirect=True)
def test_escape_puts_a_drawing_away(bench: Bench) -> None:
    """The crosshair stays where it is, for another try."""
    hand = bench.hand
    assert isinstance(hand, Keyboard)
    hand.push("lasso")
    hand.at(106, 106)
    end = hand.aim(206, 206)
    hand.key("Escape")
    assert hand.crosshair() == end
    hand.push("brush")
    mask = bench.answered(lambda: hand.draw([end, (306, 206)]))
    assert iou(mask, brushed([end, (306, 206)], 13)) > 0.9
    assert bench.value("w.annotation.done") == bench.before + 1
