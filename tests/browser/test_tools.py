"""Every tool, driven with the mouse or with fingers in a real page, against what Python holds."""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import CDPSession

from iseg_widget import strokes
from tests.browser.lab import Notebook
from tests.browser.widget import Widget

SHAPE = (512, 512)
Points = Sequence[tuple[float, float]]


def drawn(points: Points, radius: float) -> NDArray[np.bool_]:
    return strokes.brush(np.zeros(SHAPE, bool), points, radius)


def iou(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    return float((first & second).sum() / max(1, (first | second).sum()))


class Hand:
    """The mouse over one widget."""

    def __init__(self, notebook: Notebook) -> None:
        self.notebook = notebook
        self.widget: Widget = notebook.widget()
        self.mouse = notebook.page.mouse

    def choose(self, tool: str) -> None:
        self.widget.root.get_by_test_id(f"iseg-{tool}").click()

    def answered(self, act: Callable[[], object]) -> NDArray[np.bool_]:
        """Do something, wait for its result, and return the mask in the kernel."""
        before = self.widget.revision()
        act()
        self.widget.wait(after=before)
        return self.notebook.kernel.mask("w.mask")

    def drag(self, points: Points, *, right: bool = False) -> None:
        first, *rest = [self.widget.position(x, y) for x, y in points]
        self.mouse.move(*first)
        self.mouse.down(button="right" if right else "left")
        for position in rest:
            self.mouse.move(*position, steps=5)
        self.mouse.up(button="right" if right else "left")


@pytest.fixture
def hand(notebook: Notebook) -> Hand:
    return Hand(notebook)


def test_a_box_and_a_scribble_become_clicks(hand: Hand) -> None:
    hand.choose("box")
    mask = hand.answered(lambda: hand.drag([(330, 480), (80, 20)]))
    kernel = hand.notebook.kernel
    x0, y0, x1, y1 = kernel.value("w.session.log()['actions'][0]['box']")
    assert np.abs(np.array([x0, y0, x1, y1]) - [80, 20, 331, 481]).max() <= 1
    outside = np.ones(SHAPE, bool)
    outside[y0:y1, x0:x1] = False
    assert mask.sum() > 20_000
    assert not mask[outside].any()
    assert len(kernel.value("[c.x for c in w.clicks]")) == 1
    hand.choose("scribble")
    hand.answered(lambda: hand.drag([(420, 80), (420, 300)], right=True))
    clicks = kernel.value("[(c.x, c.y, c.positive) for c in w.clicks]")[1:]
    assert len(clicks) >= 5
    assert all(abs(x - 420) < 2 and 80 < y < 300 and not positive for x, y, positive in clicks)
    assert kernel.value("w.session.groups") == [1, len(clicks)]


def test_brush_eraser_lasso_polygon_and_fill_draw_what_the_mouse_drew(hand: Hand) -> None:
    hand.choose("brush")
    radius = 13
    line = [(150, 350), (300, 420), (400, 380)]
    mask = hand.answered(lambda: hand.drag(line))
    assert iou(mask, drawn(line, radius)) > 0.97
    hand.choose("eraser")
    erased = hand.answered(lambda: hand.drag([(280, 330), (280, 480)]))
    assert iou(erased, mask & ~drawn([(280, 330), (280, 480)], radius)) > 0.97
    hand.choose("lasso")
    loop = [(60, 60), (160, 60), (160, 160), (60, 160)]
    square = strokes.polygon(np.zeros(SHAPE, bool), loop)
    outlined = hand.answered(lambda: hand.drag(loop))
    assert iou(outlined, erased | square) > 0.97
    hand.choose("polygon")
    inner = [(90, 90), (130, 90), (130, 130), (90, 130)]

    def corners() -> None:
        for place, (x, y) in enumerate(inner):
            button = "right" if place == 0 else "left"  # the first corner decides: take away
            hand.mouse.click(*hand.widget.position(x, y), button=button)
        hand.notebook.page.keyboard.press("Enter")

    cut = hand.answered(corners)
    assert not cut[95:125, 95:125].any()
    assert iou(cut, outlined & ~strokes.polygon(np.zeros(SHAPE, bool), inner)) > 0.97
    hand.choose("fill")
    filled = hand.answered(lambda: hand.widget.press(110, 110))
    assert iou(filled, outlined) > 0.999
    removed = hand.answered(lambda: hand.widget.press(70, 70))
    assert iou(removed, erased) > 0.999
    for expected in (filled, cut, outlined, erased, mask):
        assert np.array_equal(hand.answered(lambda: hand.widget.key("u")), expected)


def test_scissors_cling_to_edges(hand: Hand) -> None:
    """Around the hair and face of the astronaut, with corners a few pixels beside the edge."""
    hand.choose("scissors")
    around = [(160, 75), (225, 15), (300, 70), (290, 130), (225, 185), (172, 125)]

    def outline() -> None:
        for x, y in around:
            hand.mouse.move(*hand.widget.position(x, y), steps=3)
            hand.notebook.page.wait_for_timeout(300)
            hand.mouse.click(*hand.widget.position(x, y))
        hand.notebook.page.keyboard.press("Enter")

    mask = hand.answered(outline)
    straight = strokes.polygon(np.zeros(SHAPE, bool), around)
    assert 0.6 < iou(mask, straight) < 0.995
    assert hand.notebook.kernel.value("w.annotation.undo_name") == "outline"
    assert hand.notebook.kernel.value("len(w.clicks)") == 0


def test_the_threshold_is_tried_in_the_page_and_sent_when_let_go(hand: Hand) -> None:
    hand.answered(lambda: hand.widget.press(200, 260))
    inferences = hand.widget.root.get_attribute("data-inferences")
    before = hand.notebook.kernel.mask("w.mask")
    hand.widget.key("t")
    slider = hand.widget.root.get_by_test_id("iseg-threshold")
    hand.notebook.page.wait_for_function(
        "slider => !slider.disabled", arg=slider.element_handle(), timeout=20_000
    )
    box = slider.bounding_box()
    assert box is not None
    y = box["y"] + box["height"] / 2
    shot = _canvas(hand.widget)
    hand.mouse.move(box["x"] + box["width"] / 2, y)
    hand.mouse.down()
    hand.mouse.move(box["x"] + box["width"] * 0.15, y, steps=4)
    hand.notebook.page.wait_for_timeout(400)
    assert np.array_equal(hand.notebook.kernel.mask("w.mask"), before)
    tried = _canvas(hand.widget)
    assert not np.array_equal(tried, shot)
    mask = hand.answered(hand.mouse.up)
    value = float(slider.input_value())
    assert value < 0.3
    assert hand.notebook.kernel.value("w.session.threshold_in_force") == value
    assert np.array_equal(mask, hand.notebook.kernel.mask(f"w.session.probability > {value}"))
    assert hand.widget.root.get_attribute("data-inferences") == inferences
    hand.notebook.page.wait_for_timeout(400)
    # What was tried is what the kernel then says, but for pixels at the very threshold.
    assert (np.abs(tried.astype(int) - _canvas(hand.widget)).max(axis=2) > 40).mean() < 0.01


def test_clicks_are_dragged_and_deleted(hand: Hand) -> None:
    kernel = hand.notebook.kernel
    hand.answered(lambda: hand.widget.press(200, 260))
    hand.answered(lambda: hand.widget.press(420, 100, positive=False))
    moved = hand.answered(lambda: hand.drag([(200, 260), (220, 330), (150, 380)]))
    (x, y), other = kernel.value("[(c.x, c.y) for c in w.clicks]")
    assert np.hypot(x - 150, y - 380) < 1.5
    assert np.hypot(other[0] - 420, other[1] - 100) < 1
    again = f"w.session.method.step(w.session.method.start(w.image), [iseg.Click({x}, {y})])[0]"
    replayed = kernel.mask(
        f"w.session.method.step({again}, [iseg.Click({other[0]}, {other[1]}, False)])[1].mask"
    )
    assert np.array_equal(moved, replayed)
    hand.mouse.move(*hand.widget.position(420, 100))
    hand.answered(lambda: hand.notebook.page.keyboard.press("Delete"))
    assert len(kernel.value("[c.x for c in w.clicks]")) == 1


def test_fingers_draw_and_two_of_them_zoom(hand: Hand) -> None:
    page = hand.notebook.page
    touch = page.context.new_cdp_session(page)
    hand.choose("brush")
    line = [(100, 300), (200, 300), (300, 350)]
    mask = hand.answered(lambda: _stroke(touch, hand.widget, line))
    assert iou(mask, drawn(line, 13)) > 0.95
    scale = float(hand.widget.canvas.get_attribute("data-scale") or 0)
    before = hand.widget.revision()
    left, right = hand.widget.position(200, 200), hand.widget.position(300, 200)
    _fingers(touch, "touchStart", [left, right])
    for step in range(1, 6):
        apart = 12 * step
        _fingers(touch, "touchMove", [(left[0] - apart, left[1]), (right[0] + apart, right[1])])
    _fingers(touch, "touchEnd", [])
    page.wait_for_timeout(500)
    assert float(hand.widget.canvas.get_attribute("data-scale") or 0) > 1.5 * scale
    assert hand.widget.revision() == before
    assert np.array_equal(hand.notebook.kernel.mask("w.mask"), mask)


def _fingers(touch: CDPSession, kind: str, positions: Sequence[tuple[float, float]]) -> None:
    points = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(positions)]
    touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})


def _stroke(touch: CDPSession, widget: Widget, line: Points) -> None:
    positions = [widget.position(x, y) for x, y in line]
    _fingers(touch, "touchStart", positions[:1])
    for start, end in itertools.pairwise(positions):
        for share in (0.25, 0.5, 0.75, 1.0):
            at = tuple(a + share * (b - a) for a, b in zip(start, end, strict=True))
            _fingers(touch, "touchMove", [(at[0], at[1])])
    _fingers(touch, "touchEnd", [])


def _canvas(widget: Widget) -> NDArray[np.uint8]:
    """Screenshot of the canvas as it is, ``(height, width, 3)``, the mouse where it is."""
    data = widget.canvas.screenshot(animations="disabled")
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
