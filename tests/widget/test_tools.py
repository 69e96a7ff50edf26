"""Tools beside the click: the page's requests and the same from Python."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from iseg_widget import strokes
from iseg_widget.annotation import Annotation
from iseg_widget.widget.messages import parse_request
from iseg_widget.widget.messages.tools import MOST_CORNERS
from iseg_widget.widget.segmentation import SegmentationWidget
from iseg_widget.widget.traits import TOOLS
from tests.widget.fakes import DiskOptions, Disks, Page, disks

SHAPE = (30, 40)
IMAGE = np.zeros((*SHAPE, 3), np.uint8)
EMPTY = np.zeros(SHAPE, bool)


@pytest.fixture
def method() -> Disks:
    return Disks(options=DiskOptions(5.0))


@pytest.fixture
def widget(method: Disks) -> SegmentationWidget:
    return SegmentationWidget(IMAGE, method)


@pytest.fixture
def page(widget: SegmentationWidget) -> Page:
    made = Page(widget)
    made.open()
    return made


def flat(points: list[tuple[float, float]]) -> list[float]:
    return [value for point in points for value in point]


LINE = [(3.0, 4.0), (20.0, 4.0), (20.0, 15.0)]
CASES: list[tuple[str, dict[str, Any], Callable[[SegmentationWidget], Any]]] = [
    ("box", {"x0": 5, "y0": 6, "x1": 20, "y1": 18}, lambda w: w.box(5, 6, 20, 18)),
    ("scribble", {"corners": flat(LINE), "positive": True}, lambda w: w.scribble(LINE)),
    ("scribble", {"corners": flat(LINE), "positive": False}, lambda w: w.scribble(LINE, False)),
    (
        "brush",
        {"corners": flat(LINE), "radius": 2.5, "erase": False},
        lambda w: w.brush(LINE, 2.5),
    ),
    (
        "brush",
        {"corners": flat(LINE), "radius": 2.5, "erase": True},
        lambda w: w.brush(LINE, 2.5, erase=True),
    ),
    ("polygon", {"corners": flat(LINE), "erase": False}, lambda w: w.polygon(LINE)),
    ("polygon", {"corners": flat(LINE), "erase": True}, lambda w: w.polygon(LINE, erase=True)),
    ("fill", {"x": 10.0, "y": 10.0}, lambda w: w.fill(10, 10)),
    ("threshold", {"value": 0.25}, lambda w: w.threshold(0.25)),
    ("move_click", {"index": 0, "x": 14.0, "y": 15.0}, lambda w: w.move(0, 14, 15)),
    ("remove_click", {"index": 0}, lambda w: w.remove(0)),
]


@pytest.mark.parametrize(("kind", "fields", "call"), CASES)
def test_page_and_python_do_the_same_and_it_is_undone(
    kind: str, fields: dict[str, Any], call: Callable[[SegmentationWidget], Any]
) -> None:
    masks, logs = [], []
    for by_page in (True, False):
        widget = SegmentationWidget(IMAGE, Disks(options=DiskOptions(5.0)))
        page = Page(widget)
        page.open()
        widget.click(10, 10)
        before = widget.mask
        if by_page:
            page.send(kind, **fields)
            page.settle()
        else:
            call(widget)
        assert page.of("error") == []
        assert page.mask is not None
        assert (page.mask == widget.mask).all()
        masks.append(widget.mask)
        logs.append(widget.session.log())
        assert widget.undo()
        assert (widget.mask == before).all()
        assert widget.redo()
        assert (widget.mask == masks[-1]).all()
        widget.close()
    assert (masks[0] == masks[1]).all()
    assert logs[0] == logs[1]


def test_drawing_needs_no_method(page: Page, method: Disks, widget: SegmentationWidget) -> None:
    page.settle()
    asked = method.steps  # the first one, to warm up
    page.send("brush", corners=flat(LINE), radius=3, erase=False)
    page.send("polygon", corners=flat(LINE), erase=True)
    page.send("fill", x=22, y=4)
    page.settle()
    expected = strokes.polygon(strokes.brush(EMPTY, LINE, 3), LINE, erase=True)
    assert (widget.mask == strokes.fill(expected, 22, 4)).all()
    assert method.steps == asked
    names = [entry["history"]["undo"] for entry in page.of("result")]
    assert names[-3:] == ["brush", "cut out", "fill"]


def test_all_holes_are_filled(widget: SegmentationWidget) -> None:
    widget.brush([(10, 10)], 6)
    whole = widget.mask
    widget.brush([(8, 10)], 1, erase=True)
    widget.brush([(12, 10)], 0, erase=True)
    widget.fill_holes(largest=1)
    assert (whole & ~widget.mask).sum() == 5
    widget.fill_holes()
    assert (widget.mask == whole).all()


def test_what_was_drawn_stays_after_later_clicks(widget: SegmentationWidget) -> None:
    widget.brush([(35, 25)], 2)
    widget.click(10, 10)
    drawn = strokes.brush(EMPTY, [(35, 25)], 2)
    assert (widget.mask == (drawn | disks(SHAPE, widget.clicks, 5.0))).all()


def test_a_change_of_method_keeps_what_strokes_changed_and_nothing_else(
    widget: SegmentationWidget,
) -> None:
    """The other method's answer under the strokes, not the former one's."""
    widget.click(12, 14)
    widget.brush([(30, 4), (36, 4)], 2)
    widget.brush([(12, 14)], 1, erase=True)
    before = widget.mask
    wide = Disks(options=DiskOptions(9.0))
    expected = disks(SHAPE, widget.clicks, 9.0)
    expected = strokes.brush(expected, [(30, 4), (36, 4)], 2)
    expected = strokes.brush(expected, [(12, 14)], 1, erase=True)
    widget.method = wide
    assert (widget.mask == expected).all()
    assert (before != expected).any()
    assert widget.undo()
    assert (widget.mask == before).all()


def test_a_stroke_has_no_time_of_the_model(page: Page, widget: SegmentationWidget) -> None:
    seconds = []
    for do in (
        lambda: page.click(12, 14),
        lambda: page.send("brush", corners=[3.0, 4.0], radius=2.0, erase=False),
        lambda: page.click(20, 14),
        lambda: page.send("threshold", value=0.4),
    ):
        do()
        page.settle()
        seconds.append(page.of("result")[-1]["stats"]["seconds"])
    assert seconds == [0.004, None, 0.004, None]
    assert len(widget.session.steps) == 4
    for index, found in enumerate([None, 0.004, None, 0.004, None]):
        page.send("step_mask", index=index)
        page.settle()
        assert page.of("step_mask")[-1]["seconds"] == found


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("box", {"x0": 3, "y0": 3, "x1": 9, "y1": 9}),
        ("scribble", {"corners": [3, 3, 9, 3], "positive": True}),
        ("brush", {"corners": [3, 3], "radius": 2, "erase": False}),
        ("polygon", {"corners": flat(LINE), "erase": False}),
    ],
)
def test_without_an_active_object_a_new_one_is_drawn(kind: str, fields: dict[str, Any]) -> None:
    board = Annotation(IMAGE)
    widget = SegmentationWidget(board, Disks())
    page = Page(widget)
    page.open()
    page.send(kind, **fields)
    page.settle()
    assert page.of("error") == []
    assert len(widget.objects) == 1
    assert widget.mask.any()
    assert widget.undo()
    assert widget.objects == ()


class TestErrors:
    @pytest.mark.parametrize(
        ("kind", "fields", "reason"),
        [
            ("box", {"x0": 50, "y0": 3, "x1": 60, "y1": 9}, "holds no pixel"),
            ("brush", {"corners": [3, 3], "radius": -2, "erase": False}, "radius"),
            ("scribble", {"corners": [-30, 3, -20, 4], "positive": True}, "outside the image"),
            ("fill", {"x": 0, "y": 0}, "neither a hole"),
            ("fill", {"x": 99, "y": 0}, "outside the image"),
            ("threshold", {"value": 1}, "between 0 and 1"),
            ("threshold", {"value": 0.5}, "click first"),
            ("move_click", {"index": 3, "x": 1, "y": 1}, "no click 3"),
            ("remove_click", {"index": 0}, "no click 0"),
        ],
    )
    def test_are_told_and_change_nothing(
        self,
        page: Page,
        widget: SegmentationWidget,
        kind: str,
        fields: dict[str, Any],
        reason: str,
    ) -> None:
        name = page.send(kind, **fields)
        page.settle()
        (error,) = page.of("error")
        assert error["id"] == name
        assert reason in error["message"]
        assert not widget.mask.any()
        assert not widget.undo()

    def test_a_locked_object_is_left_alone(self, page: Page, widget: SegmentationWidget) -> None:
        widget.change_object(1, locked=True)
        page.send("brush", corners=[3, 3], radius=2, erase=False)
        page.settle()
        assert "locked" in page.of("error")[0]["message"]
        assert not widget.mask.any()

    @pytest.mark.parametrize(
        ("kind", "fields"),
        [
            ("polygon", {"corners": [1, 2, 3, 4], "erase": False}),
            ("polygon", {"corners": [1, 2, 3, 4, 5, 6, 7], "erase": False}),
            ("brush", {"corners": [], "radius": 1, "erase": False}),
            ("brush", {"corners": [1, "2"], "radius": 1, "erase": False}),
            ("brush", {"corners": [1, 2] * (MOST_CORNERS + 1), "radius": 1, "erase": False}),
            ("brush", {"corners": [1, 2], "radius": 1}),
            ("box", {"x0": 1, "y0": 2, "x1": None, "y1": 4}),
            ("threshold", {"value": "0.5"}),
            ("remove_click", {"index": -1}),
            ("soft", {"side": 1.5}),
        ],
    )
    def test_what_is_not_in_the_protocol_is_refused(
        self, page: Page, widget: SegmentationWidget, kind: str, fields: dict[str, Any]
    ) -> None:
        page.send(kind, **fields)
        page.settle()
        assert len(page.of("error")) == 1
        assert widget.annotation.done == 0


class TestThreshold:
    def test_asks_no_method(self, page: Page, widget: SegmentationWidget, method: Disks) -> None:
        widget.click(10, 10)
        asked = method.steps, page.of("result")[-1]["inferences"]
        widget.threshold(0.3)
        page.send("threshold", value=0.6)
        page.settle()
        assert (method.steps, page.of("result")[-1]["inferences"]) == asked
        assert widget.session.threshold_in_force == 0.6

    def test_soft_is_the_probability(self, page: Page, widget: SegmentationWidget) -> None:
        name = page.send("soft", side=100)
        page.settle()
        (nothing,) = page.of("soft")
        assert (nothing["id"], nothing["box"]) == (name, None)
        assert page.buffers[-1] == []
        widget.click(10, 10)
        widget.brush([(30, 20)], 3)
        widget.brush([(10, 10)], 2, erase=True)
        page.send("soft", side=100)
        page.settle()
        reply = page.of("soft")[-1]
        (data,) = page.buffers[page.replies.index(reply)]
        width, height = reply["size"]
        values = np.frombuffer(zlib.decompress(data), np.uint8).reshape(height, width)
        x0, y0, x1, y1 = reply["box"]
        assert (x1 - x0, y1 - y0) == (width, height)
        shown = np.zeros(SHAPE, bool)
        shown[y0:y1, x0:x1] = values > 254 * reply["threshold"]
        assert (shown == widget.mask).all()
        assert values[10 - y0, 10 - x0] == 0
        assert values[20 - y0, 30 - x0] == 255


def test_a_message_of_any_line_is_small() -> None:
    corners = [round(1234.56 + i / 100, 2) for i in range(2 * MOST_CORNERS)]
    content = {"id": "a.1", "rev": 9, "kind": "polygon", "corners": corners, "erase": False}
    parse_request(content)
    assert len(json.dumps(content)) < 100_000


def test_every_tool_can_be_chosen(widget: SegmentationWidget) -> None:
    for tool in TOOLS:
        widget.tool = tool
    assert {"box", "scribble", "brush", "eraser", "lasso", "polygon", "fill"} <= set(TOOLS)
