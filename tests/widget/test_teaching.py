"""The panels' questions through the widget: what is answered, and that nothing changes by it."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from iseg_widget.masks import PackedMask, iou
from iseg_widget.widget.segmentation import SegmentationWidget
from tests.widget.conftest import Make
from tests.widget.fakes import DiskOptions, Disks, Page, disks, registered

Clicked = Callable[..., tuple[SegmentationWidget, Page, Disks]]


@pytest.fixture
def clicked(make: Make) -> Clicked:
    """A widget with two clicks on the black image."""

    def build(**keywords: Any) -> tuple[SegmentationWidget, Page, Disks]:
        widget, page, method = make(**keywords)
        page.open()
        page.click(20, 30)
        page.settle()
        page.click(40, 30)
        page.settle()
        return widget, page, method

    return build


def ask(page: Page, kind: str, **fields: Any) -> tuple[dict[str, Any], list[bytes]]:
    """Send a question and return the reply that names it."""
    name = page.send(kind, **fields)
    page.settle()
    for content, buffers in zip(page.replies, page.buffers, strict=True):
        if content.get("id") == name and content["kind"] != "received":
            return content, buffers
    raise AssertionError(f"{kind} got no answer")


def unpack(grid: list[int], data: bytes) -> np.ndarray:
    return PackedMask((grid[1], grid[0]), data).unpack()


def test_nothing_is_explained_before_the_first_click(make: Make) -> None:
    _, page, method = make()
    page.open()
    steps = method.steps
    content, buffers = ask(page, "explain", index=None)
    assert (content["kind"], content["count"], content["panels"]) == ("explanation", 0, [])
    assert buffers == []
    assert method.steps == steps


def test_questions_change_nothing(clicked: Clicked) -> None:
    widget, page, _ = clicked()
    results, rev = len(page.of("result")), page.rev
    mask, done = widget.mask, widget.annotation.done
    ask(page, "explain", index=0)
    ask(page, "step_mask", index=1)
    ask(page, "options_form")
    with registered():
        ask(page, "check_options", method="disks", values={"radius": 3})
        ask(page, "difference", method="disks", values={"radius": 3})
    assert len(page.of("result")) == results
    assert page.rev == rev
    assert not page.of("error")
    assert np.array_equal(widget.mask, mask)
    assert widget.annotation.done == done
    assert all(not step.trace for step in widget.session.steps)
    assert widget.method == "disks"


def test_an_explanation_has_a_picture_for_every_panel(clicked: Clicked) -> None:
    _, page, _ = clicked()
    content, buffers = ask(page, "explain", index=None)
    assert (content["index"], content["count"]) == (1, 2)
    assert len(buffers) == len(content["panels"]) > 0
    for panel, data in zip(content["panels"], buffers, strict=True):
        picture = Image.open(io.BytesIO(data))
        assert picture.get_format_mimetype() == content["mime"]
        assert picture.size == (panel["width"], panel["height"])


def test_the_same_question_is_answered_from_memory(clicked: Clicked) -> None:
    _, page, method = clicked()
    ask(page, "explain", index=None)
    steps = method.steps
    ask(page, "explain", index=None)
    assert method.steps == steps


def test_frames_are_the_masks_of_the_steps(clicked: Clicked) -> None:
    widget, page, method = clicked()
    steps = method.steps
    masks = [np.zeros((60, 80), bool), *(step.mask for step in widget.session.steps)]
    for index, mask in enumerate(masks):
        content, (data,) = ask(page, "step_mask", index=index)
        assert np.array_equal(unpack(content["grid"], data), mask)
        assert len(content["clicks"]) == index
        assert content["count"] == 2
    assert method.steps == steps


def test_a_frame_before_the_method_is_loaded_is_the_initial_mask() -> None:
    initial = np.eye(20, dtype=bool)
    widget = SegmentationWidget(np.zeros((20, 20, 3), np.uint8), "focalclick", mask=initial)
    page = Page(widget)
    content, (data,) = ask(page, "step_mask", index=0)
    assert content["count"] == 0
    assert np.array_equal(unpack(content["grid"], data), initial)
    widget.close()


def test_options_are_listed_without_loading_the_method() -> None:
    widget = SegmentationWidget(
        np.zeros((20, 20, 3), np.uint8), "focalclick", options={"r_tc": 1.2}
    )
    page = Page(widget)
    content, _ = ask(page, "options_form")
    assert content["values"]["r_tc"] == 1.2
    assert content["code"].endswith('options={"r_tc": 1.2})')
    assert widget._desk.annotation.method is None
    widget.close()


def test_a_difference_is_that_of_the_masks(clicked: Clicked) -> None:
    truth = disks((60, 80), [], 1)
    truth[25:36, 14:45] = True
    widget, page, method = clicked(truth=truth)
    with registered():
        content, buffers = ask(page, "difference", method="disks", values={"radius": 4})
        before = disks((60, 80), widget.clicks, 4)
        added, removed = widget.mask & ~before, before & ~widget.mask
        assert (content["added"], content["removed"]) == (added.sum(), removed.sum())
        assert content["iou"] == iou(before, widget.mask)
        assert content["truth_before"] == iou(before, truth)
        assert content["truth_after"] == iou(widget.mask, truth)
        x0, y0, x1, y1 = content["box"]
        shape = [x1 - x0, y1 - y0]
        assert np.array_equal(unpack(shape, buffers[0]), added[y0:y1, x0:x1])
        assert np.array_equal(unpack(shape, buffers[1]), removed[y0:y1, x0:x1])
        same, none = ask(page, "difference", method="disks", values={"radius": 10})
        assert (same["added"], same["removed"], same["iou"], none) == (0, 0, 1.0, [])
    assert method.options == DiskOptions()


def test_former_options_are_not_computed_again(
    clicked: Clicked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order in which the page asks: check, change, compare."""
    widget, page, _ = clicked()
    old = widget.mask
    steps: list[float] = []
    plain = Disks.step

    def counted(self: Disks, *arguments: Any, **keywords: Any) -> Any:
        steps.append(self.options.radius)
        return plain(self, *arguments, **keywords)

    with registered():
        checked, _ = ask(page, "check_options", method="disks", values={"radius": 4})
        assert checked["problems"] == {}
        ask(page, "method", name="disks", options={"radius": 4})
        monkeypatch.setattr(Disks, "step", counted)
        content, _ = ask(page, "difference", method="disks", values={"radius": 10})
        assert steps == []
        ask(page, "difference", method="disks", values={"radius": 5})
        assert steps == [5, 5]
    assert content["removed"] == (old & ~widget.mask).sum() > 0


def test_wrong_questions_get_an_error_and_leave_everything(clicked: Clicked) -> None:
    widget, page, _ = clicked()
    mask = widget.mask
    for kind, fields, words in (
        ("explain", {"index": 9}, "no step 9"),
        ("step_mask", {"index": 9}, "no frame 9"),
        ("check_options", {"method": "nobody", "values": {}}, "unknown method 'nobody'"),
        ("difference", {"method": "nobody", "values": {}}, "unknown method 'nobody'"),
    ):
        content, _ = ask(page, kind, **fields)
        assert content["kind"] == "error"
        assert words in content["message"]
    with registered():
        content, _ = ask(page, "difference", method="disks", values={"radius": -4})
    assert "radius must lie in 0..1000" in content["message"]
    assert np.array_equal(widget.mask, mask)


def test_problems_are_told_by_option(clicked: Clicked) -> None:
    _, page, _ = clicked()
    values = {"r_tc": 99, "version": "S3", "merge_after": None}
    content, _ = ask(page, "check_options", method="focalclick", values=values)
    assert content["problems"].keys() == values.keys()
    assert "must lie in 1..10" in content["problems"]["r_tc"]


def test_a_figure_shows_the_latest_step(clicked: Clicked) -> None:
    widget, _, _ = clicked()
    made = widget.figure(title="Two disks", width=9)
    assert made.get_size_inches()[0] == 9
    texts = [text.get_text() for text in made.texts]
    assert "Two disks" in texts
    assert "Focus crop" in texts


def test_a_figure_has_what_the_method_records(clicked: Clicked) -> None:
    class Recording(Disks):
        def step(self, *arguments: Any, trace: bool = False) -> Any:
            state, step = super().step(*arguments)
            recorded = {"heat_map": np.eye(9, dtype=np.float32)} if trace else {}
            return state, replace(step, trace=recorded)

    widget, _, _ = clicked(method=Recording())
    assert not widget.session.step.trace
    texts = [text.get_text() for text in widget.figure().texts]
    assert "Heat map" in texts


def test_there_is_no_figure_of_nothing(make: Make) -> None:
    widget, _, _ = make()
    with pytest.raises(ValueError, match="nothing was clicked"):
        widget.figure()


def test_a_cancelled_click_does_not_take_questions_along(clicked: Clicked) -> None:
    """Cancelling drops what is queued; a question is answered all the same."""
    _, page, method = clicked()
    method.gate.clear()
    method.entered.clear()
    page.click(60, 30)
    assert method.entered.wait(10)
    name = page.send("step_mask", index=1)
    page.send("cancel")
    threading.Timer(0.1, method.gate.set).start()
    page.settle()
    assert [reply["index"] for reply in page.of("step_mask") if reply["id"] == name] == [1]
