from __future__ import annotations

import base64
import gc
import io
import threading
import weakref
from typing import Any

import numpy as np
import pytest
import traitlets
from PIL import Image

import iseg_widget
from iseg_widget import replay
from iseg_widget.clicks import Click
from iseg_widget.widget import desk
from iseg_widget.widget.segmentation import SegmentationWidget
from tests.widget.conftest import Make
from tests.widget.fakes import DiskOptions, Disks, Page, disks

SHAPE = (60, 80)


# Opening


def test_a_view_gets_picture_and_overlay_and_the_method_is_warmed(make: Make) -> None:
    widget, page, method = make()
    assert method.steps == 0
    name = page.open()
    kinds = [reply["kind"] for reply in page.replies]
    assert kinds[:3] == ["received", "picture", "result"]
    picture = page.of("picture")[0]
    assert (picture["width"], picture["height"]) == (80, 60)
    pixels = Image.open(io.BytesIO(page.buffers[1][0]))
    assert np.array_equal(np.asarray(pixels), widget.image)
    result = page.of("result")[0]
    assert (result["id"], result["rev"], result["base"]) == (name, 0, None)
    assert method.steps == 1
    assert page.of("activity")[-1]["what"] is None
    assert widget.clicks == ()


@pytest.mark.parametrize(("quick", "told"), [(1e9, 1), (0.0, 3)])
def test_only_slow_clicks_are_announced(
    make: Make, monkeypatch: pytest.MonkeyPatch, quick: float, told: int
) -> None:
    monkeypatch.setattr("iseg_widget.widget.desk.QUICK", quick)
    _, page, _ = make()
    page.open()
    before = len(page.of("activity"))
    for x in (10, 20, 30):
        page.click(x, 20)
        page.settle()
    replies = page.of("activity")[before:]
    assert [reply["what"] for reply in replies if reply["what"] is not None] == ["segment"] * told
    assert replies[-1]["what"] is None
    page.send("method", name="disks", options={"radius": 9})
    page.settle()
    before = len(page.of("activity"))
    page.click(40, 20)
    page.settle()
    assert page.of("activity")[before]["what"] == "segment"


def test_a_second_view_gets_everything_too(make: Make) -> None:
    widget, page, _ = make()
    page.open()
    page.click(20, 20)
    page.settle()
    page.mask, page.rev = None, -1
    page.send("hello", picture=False)
    page.settle()
    assert np.array_equal(page.mask, widget.mask)
    assert len(page.of("picture")) == 1
    assert page.of("result")[-1]["clicks"] == [{"x": 20.0, "y": 20.0, "positive": True}]


def test_a_method_that_cannot_be_loaded_is_told_at_every_opening(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(name: str, **_: Any) -> Any:
        raise ValueError(f"weights of {name} are nowhere")

    widget, page, _ = make(method="focalclick")
    monkeypatch.setattr(widget._desk, "_load", refuse)
    widget._repr_mimebundle_()
    page.settle()
    assert page.of("error") == []
    for count in (1, 2):
        page.open()
        assert len(page.of("error")) == count
    assert page.of("error")[0]["title"] == "The method could not be loaded"
    assert "nowhere" in page.of("error")[0]["message"]
    assert not widget.mask.any()


# Clicks


def test_clicks_change_mask_traits_and_page(make: Make) -> None:
    widget, page, _ = make(truth=np.ones(SHAPE, bool))
    page.open()
    first = page.click(20, 20)
    page.settle()
    second = page.click(25, 20, positive=False)
    page.settle()
    clicks = (Click(20, 20), Click(25, 20, positive=False))
    assert widget.clicks == clicks
    assert np.array_equal(widget.mask, disks(SHAPE, clicks, 10))
    assert np.array_equal(page.mask, widget.mask)
    assert [reply["ids"] for reply in page.of("result")[1:]] == [[first], [second]]
    result = page.of("result")[-1]
    assert result["stats"]["iou"] == pytest.approx(widget.mask.mean())
    assert result["stats"]["seconds"] == 0.004
    assert [view["kind"] for view in result["views"]] == ["target_crop", "focus_crop"]
    assert result["history"] == {"done": 2, "undone": 0, "undo": "click", "redo": None}


def test_fast_clicks_are_answered_together_and_replay_to_the_same_mask(make: Make) -> None:
    widget, page, method = make()
    page.open()
    method.gate.clear()
    method.entered.clear()
    names = [page.click(5, 5)]
    assert method.entered.wait(10)
    names += [page.click(5 + 7 * number, 30, number % 3 != 0) for number in range(1, 10)]
    method.gate.set()
    page.settle()
    assert len(widget.clicks) == 10
    assert widget.session.groups == (1, 9)
    assert method.steps == 1 + 2  # one to warm up
    assert [reply["ids"] for reply in page.of("result")[1:]] == [names[:1], names[1:]]
    assert page.of("result")[-1]["inferences"] == 2
    again = replay(Disks(), widget.image, widget.session.log())
    assert np.array_equal(again.mask, widget.mask)
    assert np.array_equal(page.mask, widget.mask)


def test_the_handler_does_not_wait(make: Make) -> None:
    _, page, method = make()
    page.open()
    method.gate.clear()
    names = [page.click(5 + number, 5) for number in range(10)]
    assert [reply["id"] for reply in page.of("received")][1:] == names
    method.gate.set()
    page.settle()


def test_undo_is_not_passed_by_later_clicks(make: Make) -> None:
    widget, page, method = make()
    page.open()
    method.gate.clear()
    method.entered.clear()
    page.click(5, 5)
    assert method.entered.wait(10)
    page.click(20, 20)
    page.send("undo")
    page.click(40, 40)
    method.gate.set()
    page.settle()
    assert widget.clicks == (Click(5, 5), Click(40, 40))


def test_undo_redo_and_reset_are_exact(make: Make) -> None:
    widget, page, _ = make()
    page.open()
    masks = [widget.mask]
    for x in (10, 30, 50):
        page.click(x, 30)
        page.settle()
        masks.append(widget.mask)
    page.send("reset")
    page.settle()
    assert widget.clicks == ()
    page.send("undo")
    for expected in (masks[3], masks[2], masks[1], masks[0]):
        page.settle()
        assert np.array_equal(widget.mask, expected)
        assert np.array_equal(page.mask, expected)
        page.send("undo")
    page.settle()
    page.send("redo")
    page.settle()
    assert np.array_equal(page.mask, masks[1])
    assert page.of("result")[-1]["history"]["redo"] == "click"


# Cancel


def test_cancel_discards_what_runs_and_what_waits(make: Make) -> None:
    widget, page, method = make()
    page.open()
    page.click(10, 10)
    page.settle()
    before = widget.mask
    method.gate.clear()
    method.entered.clear()
    running = page.click(30, 30)
    assert method.entered.wait(10)
    waiting = [page.click(50, 30), page.send("undo")]
    cancel = page.send("cancel")
    method.gate.set()
    page.settle()
    told = {reply["id"]: reply["ids"] for reply in page.of("cancelled")}
    assert told == {running: [running], cancel: waiting}
    assert widget.clicks == (Click(10, 10),)
    assert np.array_equal(widget.mask, before)
    assert not widget.session.can_redo  # the cancelled click left no trace
    page.click(70, 30)
    page.settle()
    assert widget.clicks == (Click(10, 10), Click(70, 30))
    assert np.array_equal(page.mask, widget.mask)


def test_cancel_with_nothing_to_do_is_answered(make: Make) -> None:
    _, page, _ = make()
    page.open()
    name = page.send("cancel")
    page.settle()
    assert page.of("cancelled") == [{"kind": "cancelled", "id": name, "ids": []}]


def test_cancel_wakes_a_waiting_cell(make: Make) -> None:
    widget, page, method = make()
    page.open()
    method.gate.clear()
    method.entered.clear()
    page.click(5, 5)
    assert method.entered.wait(10)
    threading.Timer(0.1, lambda: (page.send("cancel"), method.gate.set())).start()
    with pytest.raises(RuntimeError, match="cancelled in the widget"):
        widget.click(20, 20)
    page.settle()
    assert widget.clicks == ()


# Errors


def test_a_failing_click_changes_nothing_and_the_worker_survives(make: Make) -> None:
    widget, page, method = make()
    errors: list[Exception] = []
    widget.on_error(errors.append)
    page.open()
    page.click(10, 10)
    page.settle()
    before, log = widget.mask, widget.session.log()
    method.fails = RuntimeError("out of memory")
    name = page.click(30, 30)
    page.settle()
    (error,) = page.of("error")
    assert (error["id"], error["ids"]) == (name, [name])
    assert error["message"] == "RuntimeError: out of memory"
    assert errors == [method.fails]
    assert widget.session.log() == log
    assert np.array_equal(widget.mask, before)
    method.fails = None
    page.click(50, 30)
    page.settle()
    assert widget.clicks == (Click(10, 10), Click(50, 30))
    widget.on_error(errors.append, remove=True)


def test_a_click_outside_fails_alone(make: Make) -> None:
    widget, page, method = make()
    page.open()
    method.gate.clear()
    method.entered.clear()
    page.click(5, 5)
    assert method.entered.wait(10)
    good, bad, last = page.click(20, 20), page.click(80, 20), page.click(40, 20)
    method.gate.set()
    page.settle()
    assert page.of("error")[0]["ids"] == [bad]
    assert "outside the image" in page.of("error")[0]["message"]
    assert page.of("result")[-1]["ids"] == [good, last]
    assert len(widget.clicks) == 3


def test_a_malformed_message_is_answered(make: Make) -> None:
    widget, page, _ = make()
    errors: list[Exception] = []
    widget.on_error(errors.append)
    page.raw({"id": "x", "rev": 0, "kind": "paint"})
    page.raw("nonsense")
    assert [reply["id"] for reply in page.of("error")] == ["x", None]
    assert len(errors) == 2


def test_a_failing_callback_is_shown_and_stops_nothing(make: Make) -> None:
    widget, page, _ = make()

    def fail(_: object) -> None:
        raise KeyError("mine")

    widget.observe(fail, "mask")
    page.open()
    page.click(10, 10)
    page.settle()
    titles = {reply["title"] for reply in page.of("error")}
    assert titles == {"A callback on mask failed"}
    assert widget.mask.any()


# Python


def test_python_acts_through_the_same_session(make: Make) -> None:
    widget, page, _ = make()
    step = widget.click(20, 20)
    assert step.clicks == (Click(20, 20),)
    assert widget.step is step
    widget.click(x=30, y=20, positive=False)
    widget.move(1, 31, 20)
    assert widget.clicks[1] == Click(31, 20, positive=False)
    widget.remove(1)
    assert widget.clicks == (Click(20, 20),)
    assert widget.undo()
    assert len(widget.clicks) == 2
    assert widget.redo()
    drawn = np.zeros(SHAPE, bool)
    drawn[:5, :5] = True
    widget.edit(drawn)
    assert np.array_equal(widget.mask, drawn)
    widget.reset()
    assert not widget.mask.any()
    page.open()
    assert np.array_equal(page.mask, widget.mask)


def test_python_errors_are_raised_and_not_shown(make: Make) -> None:
    widget, page, method = make()
    page.open()
    with pytest.raises(ValueError, match="outside the image"):
        widget.click(-3, 0)
    method.fails = RuntimeError("broken")
    with pytest.raises(RuntimeError, match="broken"):
        widget.click(3, 3)
    assert not widget.undo()
    assert page.of("error") == []


def test_mask_waits_for_clicks_of_the_page(make: Make) -> None:
    widget, page, method = make()
    page.open()
    method.delay = 0.1
    page.click(20, 20)
    page.click(40, 20)
    assert np.array_equal(widget.mask, disks(SHAPE, [Click(20, 20), Click(40, 20)], 10))


def test_mask_is_observed_read_only_and_never_waits_inside_a_callback(make: Make) -> None:
    widget, page, _ = make()
    seen: list[tuple[Any, Any, Any]] = []

    def look(change: Any) -> None:
        widget.click(60, 30) if len(widget.clicks) == 1 else None
        seen.append((change["new"], widget.mask, widget.clicks))

    widget.observe(look, "mask")
    page.open()
    page.click(20, 20)
    page.settle()
    page.settle()
    assert [len(clicks) for _, _, clicks in seen] == [0, 1, 2]
    for new, mask, clicks in seen:
        assert np.array_equal(new, mask)
        assert np.array_equal(new, disks(SHAPE, clicks, 10))
    with pytest.raises(ValueError, match="read-only"):
        widget.mask[0, 0] = True
    with pytest.raises(traitlets.TraitError):
        widget.mask = np.zeros(SHAPE, bool)


def test_a_mask_can_be_corrected(make: Make) -> None:
    start = np.zeros(SHAPE, bool)
    start[40:, 60:] = True
    widget, page, _ = make(mask=start)
    assert np.array_equal(widget.mask, start)
    page.open()
    assert np.array_equal(page.mask, start)
    widget.click(10, 10)
    assert widget.mask[50, 70]
    assert widget.mask[10, 10]


# Method and options


def test_method_and_options_replay_the_clicks(make: Make) -> None:
    widget, page, _ = make()
    page.open()
    widget.click(20, 20)
    widget.method = Disks(options=DiskOptions(4), name="small disks")
    assert widget.method == "small disks"
    assert widget.options == DiskOptions(4)
    assert np.array_equal(widget.mask, disks(SHAPE, [Click(20, 20)], 4))
    page.send("method", name="disks", options=None)  # used before, so the page may go back
    page.settle()
    assert widget.method == "disks"
    assert widget.mask.sum() > 100
    assert {"disks", "small disks"} & {name for name, _ in widget.methods}


def test_only_methods_that_can_be_loaded_are_offered(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("iseg_widget.weights.registry.has_weights", {"focalclick"}.__contains__)
    widget, _, _ = make()
    assert [name for name, _ in widget.methods] == ["disks", "focalclick"]
    widget, _, _ = make(weights={"fca_net": "fcanet-resnet101.pth"})
    assert [name for name, _ in widget.methods] == ["disks", "fca_net", "focalclick"]


def test_options_come_from_the_registry(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def build(_: str, options: Any) -> Any:
        return options if isinstance(options, DiskOptions) else DiskOptions(**options)

    monkeypatch.setattr("iseg_widget.widget.segmentation.build_options", build)
    monkeypatch.setattr(
        desk, "_with_options", lambda method, options: Disks(build(method.name, options))
    )
    widget, page, _ = make()
    widget.click(20, 20)
    widget.options = {"radius": 5.0}
    assert widget.options == DiskOptions(5)
    assert widget.mask.sum() == disks(SHAPE, [Click(20, 20)], 5).sum()
    page.send("method", name="disks", options={"radius": 3.0})
    page.settle()
    assert widget.options == DiskOptions(3)
    assert widget.get_state("options") == {"options": {"radius": 3.0}}


def test_an_unknown_method_changes_nothing(make: Make) -> None:
    widget, page, _ = make()
    page.open()
    widget.click(20, 20)
    before = widget.session.log()
    with pytest.raises(ValueError, match="unknown method 'nonsense'"):
        widget.method = "nonsense"
    with pytest.raises(TypeError, match="method must be a name"):
        widget.method = 3
    page.send("method", name="nonsense", options=None)
    page.settle()
    assert page.of("error")[0]["title"] == "The method was not changed"
    assert widget.method == "disks"
    assert widget.session.log() == before


def test_a_method_change_can_be_cancelled(make: Make) -> None:
    widget, page, _ = make()
    page.open()
    page.click(20, 20)
    page.settle()
    slow = Disks(options=DiskOptions(3), name="slow")
    widget._desk._methods["slow"] = slow
    slow.gate.clear()
    name = page.send("method", name="slow", options=None)
    assert slow.entered.wait(10)
    page.send("cancel")
    slow.gate.set()
    page.settle()
    assert [name] in [reply["ids"] for reply in page.of("cancelled")]
    assert widget.method == "disks"
    assert np.array_equal(widget.mask, disks(SHAPE, [Click(20, 20)], 10))


# Traits


def test_only_small_plain_state_is_synced(make: Make) -> None:
    widget, page, _ = make()
    page.open()
    widget.click(20, 20)
    state = widget.get_state()
    assert state["clicks"] == [{"x": 20.0, "y": 20.0, "positive": True}]
    assert "mask" not in state
    assert state["image_size"] == (80, 60)
    assert state["options"] == {"radius": 10.0}
    assert state["methods"][0] == ["disks", "disks"]
    own = {name: value for name, value in state.items() if not name.startswith("_")}
    assert len(repr(own)) < 2000


def test_the_page_may_set_its_traits_and_no_others(make: Make) -> None:
    widget, page, _ = make()
    widget.set_state(
        {
            "opacity": 0.2,
            "tool": "negative",
            "show_views": True,
            "show_mask": False,
            "clicks": [{"x": 1, "y": 1, "positive": True}],
            "method": "nonsense",
            "mask": 3,
        }
    )
    assert (widget.opacity, widget.tool) == (0.2, "negative")
    assert (widget.show_views, widget.show_mask) == (True, False)
    assert widget.clicks == ()
    assert widget.method == "disks"
    widget.set_state({"opacity": 7})
    assert widget.opacity == 0.2
    assert page.of("error")[0]["title"] == "The page sent a wrong value"


def test_a_callback_on_a_page_trait_does_not_wait(make: Make) -> None:
    widget, page, method = make()
    page.open()
    method.gate.clear()
    method.entered.clear()
    page.click(20, 20)
    assert method.entered.wait(10)
    seen: list[int] = []
    widget.observe(lambda _: seen.append(int(widget.mask.sum())), "opacity")
    widget.set_state({"opacity": 0.1})
    assert seen == [0]
    method.gate.set()
    assert widget.mask.any()


# Making and showing


@pytest.mark.parametrize(
    ("keywords", "error", "message"),
    [
        ({"image": "nowhere.png"}, ValueError, "no image file"),
        ({"image": np.zeros((3, 3, 7))}, ValueError, "shape"),
        ({"method": "nonsense"}, ValueError, "unknown method 'nonsense'"),
        ({"method": 3}, TypeError, "method must be a name"),
        ({"mask": np.zeros((2, 2), bool)}, ValueError, "mask must have the image's shape"),
        ({"truth": np.zeros((2, 2), bool)}, ValueError, "truth must have the image's shape"),
        ({"opacity": 2}, ValueError, "opacity must lie in 0..1"),
        ({"height": 5}, ValueError, "height must be at least"),
        ({"options": {"nonsense": 1}, "method": "focalclick"}, ValueError, "unknown option"),
        ({"radius": 3}, TypeError, "unexpected keyword argument"),
    ],
    ids=lambda value: str(value) if isinstance(value, str) else "",
)
def test_bad_input_is_refused_at_once(
    make: Make, keywords: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        make(**keywords)


def test_still_picture_goes_along(make: Make) -> None:
    widget, page, method = make(image=np.full((60, 80, 3), 128, np.uint8))
    widget.click(20, 20)
    method.gate.clear()
    page.click(50, 50)
    data = widget._repr_mimebundle_()[0]  # does not wait for the click
    method.gate.set()
    assert "application/vnd.jupyter.widget-view+json" in data
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(data["image/png"]))).convert("RGB"))
    inside, outside = shown[20, 14].astype(int), shown[50, 50].astype(int)
    assert inside[2] > inside[0] + 50
    assert abs(outside - 128).max() < 10


def test_closing_stops_the_worker_and_frees_the_widget() -> None:
    widget = SegmentationWidget(np.zeros((60, 80, 3), np.uint8), Disks())
    page = Page(widget)
    page.open()
    widget.click(20, 20)
    worker, annotation = widget._desk.worker, weakref.ref(widget.annotation)
    mask = widget.mask
    widget.close()
    worker.join(10)
    assert worker._thread is not None
    assert not worker._thread.is_alive()
    assert np.array_equal(widget.mask, mask)
    with pytest.raises(RuntimeError, match="closed"):
        widget.click(5, 5)
    gone = weakref.ref(widget)
    del widget, page
    gc.collect()
    assert gone() is None
    assert annotation() is None


def test_the_public_name() -> None:
    assert iseg_widget.SegmentationWidget is SegmentationWidget
