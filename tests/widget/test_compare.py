from __future__ import annotations

import base64
import contextlib
import io
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image

import iseg_widget
from iseg_widget import Session
from iseg_widget.clicks import Click
from iseg_widget.evaluation.robot import next_click
from iseg_widget.masks import iou
from iseg_widget.protocol import Method
from iseg_widget.widget import codec, compare_desk, pyramid
from iseg_widget.widget.compare import CompareWidget
from iseg_widget.widget.messages import compare as messages
from tests.widget import compare_recording
from tests.widget.compare_recording import ComparePage
from tests.widget.fakes import DiskOptions, Disks

SHAPE = (60, 80)
IMAGE = np.zeros((*SHAPE, 3), np.uint8)
TRUTH = np.zeros(SHAPE, bool)
TRUTH[10:50, 20:60] = True


Make = Callable[..., tuple[CompareWidget, ComparePage, list[Disks]]]


def disks(*radii: float) -> list[Disks]:
    return [Disks(options=DiskOptions(radius)) for radius in radii]


@pytest.fixture
def make() -> Iterator[Make]:
    widgets: list[CompareWidget] = []

    def build(
        methods: list[Disks] | None = None, **keywords: Any
    ) -> tuple[CompareWidget, ComparePage, list[Disks]]:
        given = disks(6, 12, 20) if methods is None else methods
        widget = CompareWidget(IMAGE, {f"m{n}": m for n, m in enumerate(given)}, **keywords)
        widgets.append(widget)
        return widget, ComparePage(widget), given

    yield build
    for widget in widgets:
        widget.close()
        widget._worker.join(20)


def by_hand(method: Method, *groups: list[Click], **keywords: Any) -> Session:
    session = Session(method, IMAGE, **keywords)
    for group in groups:
        session.click_many(group)
    return session


def check_page(widget: CompareWidget, page: ComparePage) -> None:
    for number, mask in enumerate(widget.masks.values()):
        assert np.array_equal(page.masks[number], mask)


# Opening


def test_a_view_gets_the_picture_and_every_pane(make: Make) -> None:
    widget, page, methods = make()
    name = page.open()
    kinds = [reply["kind"] for reply in page.replies]
    assert kinds[:6] == ["received", "picture", "pane", "pane", "pane", "course"]
    pixels = Image.open(io.BytesIO(page.buffers[1][0]))
    assert np.array_equal(np.asarray(pixels), IMAGE)
    course = page.of("course")[0]
    assert (course["id"], course["ids"], course["clicks"]) == (name, [name], [])
    assert [method.steps for method in methods] == [1, 1, 1]
    assert [reply["loaded"] for reply in page.of("pane")] == [False] * 3 + [True] * 3
    assert page.of("activity")[-1] == {"kind": "activity", "ids": [], "what": None}
    assert page.of("working")[-1] == {"kind": "working", "pane": None}
    assert [pane["name"] for pane in widget.panes] == ["m0", "m1", "m2"]


def test_of_a_large_picture_tiles_come_beside_the_queue_and_masks_are_exact(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("WHOLE_PIXELS", "BASE_PIXELS"):
        monkeypatch.setattr(pyramid, name, 1000)
    monkeypatch.setattr(pyramid, "TILE", 16)
    monkeypatch.setattr(codec, "MAX_PIXELS", 1000)
    go = threading.Event()
    widget, page, methods = make(disks(6, 7.5))
    page.open()
    assert page.of("picture")[0]["level"] == 2
    with held(methods[0], go):
        page.click(33, 21)
        name = page.send("tile", level=1, column=2, row=1)
        page.wait_for(lambda: page.of("tile"))
        assert not page.of("course")[1:], "the click still waits"
        go.set()
        page.settle()
    tile = page.of("tile")[0]
    assert (tile["id"], tile["level"], tile["column"], tile["row"]) == (name, 1, 2, 1)
    assert page.masks[0].shape == SHAPE
    check_page(widget, page)
    name = page.send("tile", level=0, column=5, row=0)
    page.wait_for(lambda: page.of("error"))
    assert page.of("error")[0]["ids"] == [name]


@contextlib.contextmanager
def held(method: Disks, go: threading.Event) -> Iterator[None]:
    """Let a method answer only after ``go``."""
    step = method.step

    def waiting(*arguments: Any, **keywords: Any) -> Any:
        assert go.wait(20)
        return step(*arguments, **keywords)

    method.step = waiting  # type: ignore[method-assign]
    try:
        yield
    finally:
        go.set()
        del method.step


def test_a_second_view_gets_everything_too(make: Make) -> None:
    widget, page, _ = make()
    page.open()
    page.click(20, 20)
    page.settle()
    page.masks.clear()
    page.revs.clear()
    page.send("hello", picture=False)
    page.settle()
    check_page(widget, page)
    assert len(page.of("picture")) == 1


def test_panes_with_one_method_share_its_network(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[tuple[str, Any]] = []

    class Network(Disks):
        network = object()

    def load(name: str, **keywords: Any) -> Method:
        loaded.append((name, keywords["weights"]))
        return Network(name=name)

    monkeypatch.setattr(
        "iseg_widget.methods.registry.with_options",
        lambda method, options: Network(name=method.name, options=DiskOptions(options.r_tc)),
    )
    wishes = ["focalclick", ("focalclick", {"r_tc": 3.0}), "ritm"]
    widget = CompareWidget(IMAGE, wishes, weights={"ritm": "mine"})
    widget._desk.opener.load = load
    sessions = widget.sessions
    assert list(sessions) == ["focalclick", "focalclick r_tc=3.0", "ritm"]
    assert loaded == [("focalclick", None), ("ritm", "mine")]
    assert sessions["focalclick r_tc=3.0"].method.options == DiskOptions(3.0)
    widget.close()


# Clicks


def test_every_pane_has_what_its_method_gives_alone(make: Make) -> None:
    widget, page, _ = make(truth=TRUTH)
    page.open()
    page.click(30, 30)
    page.settle()
    page.click(45, 20, positive=False)
    page.settle()
    groups = ([Click(30, 30)], [Click(45, 20, positive=False)])
    for number, method in enumerate(disks(6, 12, 20)):
        alone = by_hand(method, *groups, truth=TRUTH)
        name = f"m{number}"
        assert np.array_equal(widget.masks[name], alone.mask)
        assert widget.ious[name] == [step.iou for step in alone.steps]
        assert widget.sessions[name].log() == alone.log()
    assert widget.clicks == (Click(30, 30), Click(45, 20, positive=False))
    check_page(widget, page)
    total = sum(mask.astype(int) for mask in widget.masks.values())
    assert np.array_equal(widget.agreement, total)
    assert widget.agreement.max() == 3


def test_answers_are_sent_pane_by_pane(make: Make) -> None:
    widget, page, methods = make()
    page.open()
    start = len(page.replies)
    methods[2].gate.clear()
    methods[2].entered.clear()
    name = page.click(30, 30)
    assert methods[2].entered.wait(10)
    there = page.replies[start:]
    assert [reply["pane"] for reply in there if reply["kind"] == "pane"] == [0, 1]
    assert not [reply for reply in there if reply["kind"] == "course"]
    assert [reply["pane"] for reply in there if reply["kind"] == "working"] == [0, 1, 2]
    assert {reply["what"] for reply in there if reply["kind"] == "activity"} == {"segment"}
    methods[2].gate.set()
    page.settle()
    assert page.of("course")[-1]["ids"] == [name]
    check_page(widget, page)


def test_clicks_that_queue_up_are_one_group_for_all(make: Make) -> None:
    widget, page, methods = make()
    page.open()
    methods[1].gate.clear()
    methods[1].entered.clear()
    names = [page.click(5, 5)]
    assert methods[1].entered.wait(10)
    names += [page.click(10 + 7 * number, 30) for number in range(1, 8)]
    methods[1].gate.set()
    page.settle()
    assert [session.groups for session in widget.sessions.values()] == [(1, 7)] * 3
    assert [reply["ids"] for reply in page.of("course")[1:]] == [names[:1], names[1:]]
    assert page.of("course")[-1]["groups"] == [1, 7]
    check_page(widget, page)


def test_python_clicks_tell_the_page(make: Make) -> None:
    widget, page, _ = make()
    page.open()
    steps = widget.click(30, 30)
    assert list(steps) == ["m0", "m1", "m2"]
    for name, step in steps.items():
        assert step is not None
        assert np.array_equal(step.mask, widget.masks[name])
    check_page(widget, page)
    with pytest.raises(ValueError, match="outside the image"):
        widget.click(200, 3)
    assert len(widget.clicks) == 1


def test_a_click_outside_fails_alone(make: Make) -> None:
    widget, page, methods = make()
    page.open()
    methods[0].gate.clear()
    methods[0].entered.clear()
    page.click(5, 5)
    assert methods[0].entered.wait(10)
    bad, good = page.click(500, 5), page.click(40, 30)
    methods[0].gate.set()
    page.settle()
    assert [reply["ids"] for reply in page.of("error")] == [[bad]]
    assert page.of("course")[-1]["ids"] == [good]
    assert len(widget.clicks) == 2


# History


def test_undo_redo_and_reset_ask_no_method(make: Make) -> None:
    widget, page, methods = make(truth=TRUTH)
    page.open()
    widget.click(30, 30)
    first = dict(widget.masks)
    widget.click(45, 20)
    second = dict(widget.masks)
    asked = [method.steps for method in methods]
    page.send("undo")
    page.settle()
    assert all(np.array_equal(widget.masks[name], first[name]) for name in first)
    assert [len(values) for values in widget.ious.values()] == [1, 1, 1]
    assert widget.redo()
    assert all(np.array_equal(widget.masks[name], second[name]) for name in second)
    widget.reset()
    assert not any(mask.any() for mask in widget.masks.values())
    assert widget.clicks == ()
    assert widget.undo()
    assert all(np.array_equal(widget.masks[name], second[name]) for name in second)
    assert [method.steps for method in methods] == asked
    check_page(widget, page)
    history = page.of("course")[-1]["history"]
    assert history == {"done": 2, "undone": 1, "undo": "click", "redo": "reset"}


def test_nothing_to_undo(make: Make) -> None:
    widget, page, methods = make()
    assert not widget.undo()
    assert not widget.redo()
    widget.reset()
    assert [method.steps for method in methods] == [0, 0, 0]
    assert page.of("course")[-1]["history"]["done"] == 0


def test_clicks_are_moved_and_removed_in_all_panes(make: Make) -> None:
    widget, page, _ = make()
    page.open()
    for x in (20, 30, 40):
        widget.click(x, 30)
    page.send("move_click", index=0, x=25.0, y=10.0)
    page.send("remove_click", index=1)
    page.settle()
    groups = ([Click(25, 10)], [Click(40, 30)])
    for number, method in enumerate(disks(6, 12, 20)):
        assert np.array_equal(widget.masks[f"m{number}"], by_hand(method, *groups).mask)
    check_page(widget, page)
    widget.move(1, 41, 31)
    assert widget.clicks[1] == Click(41, 31)
    widget.remove(0)
    assert widget.clicks == (Click(41, 31),)
    with pytest.raises(ValueError, match="there is no click 1: there are 1"):
        widget.remove(1)


# Panes that fail


def test_a_pane_that_fails_says_so_and_the_others_go_on(make: Make) -> None:
    widget, page, methods = make()
    page.open()
    widget.click(20, 20)
    before = widget.masks["m1"]
    methods[1].fails = ValueError("on purpose")
    steps = widget.click(50, 30)
    assert steps["m1"] is None
    assert {name: str(error) for name, error in widget.errors.items()} == {"m1": "on purpose"}
    assert np.array_equal(widget.masks["m1"], before)
    assert [reply["error"] for reply in page.of("pane")[-3:]] == [None, "on purpose", None]
    assert page.of("error") == []
    both = widget.masks["m0"].astype(int) + widget.masks["m2"]
    assert np.array_equal(widget.agreement, both)
    # with the next click it catches up, in the same groups
    methods[1].fails = None
    widget.click(60, 40)
    assert widget.errors == {}
    alone = by_hand(
        Disks(options=DiskOptions(12)), *([Click(*at)] for at in [(20, 20), (50, 30), (60, 40)])
    )
    assert widget.sessions["m1"].log() == alone.log()
    assert np.array_equal(widget.masks["m1"], alone.mask)
    check_page(widget, page)


def test_undo_of_what_a_pane_never_did(make: Make) -> None:
    widget, page, methods = make()
    page.open()
    widget.click(20, 20)
    before = dict(widget.masks)
    methods[1].fails = ValueError("on purpose")
    widget.click(50, 30)
    widget.undo()
    assert widget.errors == {}
    assert all(np.array_equal(widget.masks[name], before[name]) for name in before)
    check_page(widget, page)


def test_if_all_fail_nothing_has_happened(make: Make) -> None:
    widget, page, methods = make()
    page.open()
    widget.click(20, 20)
    before = dict(widget.masks)
    for method in methods:
        method.fails = ValueError("on purpose")
    name = page.click(50, 30)
    page.settle()
    assert len(widget.clicks) == 1
    assert widget.errors == {}
    assert all(np.array_equal(widget.masks[key], before[key]) for key in before)
    assert page.of("error")[-1]["ids"] == [name]
    with pytest.raises(ValueError, match="on purpose"):
        widget.click(50, 30)
    check_page(widget, page)


def test_a_method_that_cannot_be_loaded_is_told_in_its_pane() -> None:
    widget = CompareWidget(IMAGE, {"there": Disks(), "nowhere": "ritm"})
    page = ComparePage(widget)

    def refuse(name: str, **_: Any) -> Method:
        raise ValueError(f"weights of {name} are nowhere")

    widget._desk.opener.load = refuse
    errors: list[str] = []
    widget.on_error(lambda error: errors.append(str(error)))
    page.open()
    assert page.of("pane")[-1]["error"] == "weights of ritm are nowhere"
    assert errors == ["weights of ritm are nowhere"]
    widget.click(30, 30)
    assert widget.masks["there"].any()
    assert not widget.masks["nowhere"].any()
    assert list(widget.sessions) == ["there"]
    assert list(widget.errors) == ["nowhere"]
    assert widget.ious == {"there": [], "nowhere": []}
    widget.close()


# Cancelling


def test_cancel_leaves_all_panes_as_they_were(make: Make) -> None:
    widget, page, methods = make()
    page.open()
    widget.click(20, 20)
    before = dict(widget.masks)
    methods[1].gate.clear()
    methods[1].entered.clear()
    running = page.click(50, 30)
    assert methods[1].entered.wait(10)
    queued = page.click(55, 30)
    page.send("cancel")
    methods[1].gate.set()
    page.settle()
    assert {name for reply in page.of("cancelled") for name in reply["ids"]} == {running, queued}
    assert len(widget.clicks) == 1
    assert all(np.array_equal(widget.masks[name], before[name]) for name in before)
    check_page(widget, page)
    assert methods[2].steps == 2  # to warm up, and for the first click


# The robot


def test_the_robot_clicks_the_largest_error_of_a_pane(make: Make) -> None:
    widget, page, _ = make(truth=TRUTH)
    page.open()
    first = widget.robot_click()
    assert first == next_click(np.zeros(SHAPE, bool), TRUTH)
    expected = next_click(widget.masks["m2"], TRUTH, widget.clicks)
    other = next_click(widget.masks["m0"], TRUTH, widget.clicks)
    assert expected != other
    page.send("robot", pane=2)
    page.settle()
    assert widget.clicks == (first, expected)
    assert widget.robot_click("m1") == widget.clicks[-1]
    assert all(len(values) == 3 for values in widget.ious.values())
    assert widget.ious["m0"][-1] == pytest.approx(iou(widget.masks["m0"], TRUTH))


def test_why_the_robot_does_not_click(make: Make) -> None:
    widget, page, _ = make()
    with pytest.raises(ValueError, match="needs the ground truth"):
        widget.robot_click()
    name = page.send("robot", pane=0)
    page.settle()
    assert page.of("error")[-1]["ids"] == [name]
    assert page.of("error")[-1]["title"] == "The robot did not click"
    perfect, _, methods = make(truth=TRUTH, mask=TRUTH)
    with pytest.raises(ValueError, match="the mask of m1 is the ground truth"):
        perfect.robot_click("m1")
    with pytest.raises(ValueError, match="there is no pane 'm7'; there are m0, m1, m2"):
        perfect.robot_click("m7")
    with pytest.raises(ValueError, match="there is no pane 3: there are 3"):
        perfect.robot_click(3)
    methods[0].fails = ValueError("on purpose")
    perfect.click(70, 55)
    with pytest.raises(ValueError, match="m0 has no answer"):
        perfect.robot_click(0)


# Python


def test_observers_see_all_masks_of_one_course(make: Make) -> None:
    widget, page, _ = make()
    page.open()
    seen: list[tuple[int, list[int]]] = []

    def look(change: Any) -> None:
        assert threading.current_thread() is not threading.main_thread()
        seen.append((len(widget.clicks), [int(mask.sum()) for mask in change.new.values()]))
        widget.click(1, 1) if len(seen) == 1 else None  # only enqueues

    widget.observe(look, "masks")
    widget.click(40, 30)
    page.settle()
    assert [count for count, _ in seen] == [1, 2]
    assert seen[0][1] == [int(by_hand(m, [Click(40, 30)]).mask.sum()) for m in disks(6, 12, 20)]


def test_masks_cannot_be_written_through(make: Make) -> None:
    widget, _, _ = make()
    with pytest.raises(ValueError, match="read-only"):
        widget.masks["m0"][0, 0] = True
    with pytest.raises(TypeError):
        widget.masks["m0"] = None


def test_reading_waits_for_clicks(make: Make) -> None:
    widget, page, methods = make(truth=TRUTH)
    page.open()
    methods[2].gate.clear()
    page.click(30, 30)
    threading.Timer(0.3, methods[2].gate.set).start()
    assert all(len(values) == 1 for values in widget.ious.values())
    assert widget.masks["m2"].any()


def test_records_hold_every_step_of_every_pane(make: Make) -> None:
    widget, page, methods = make(truth=TRUTH)
    page.open()
    widget.click(30, 30)
    methods[1].fails = ValueError("on purpose")
    widget.click(45, 20, positive=False)
    records = widget.to_records()
    assert [(r["name"], r["step"], r["clicks"]) for r in records] == [
        ("m0", 1, 1),
        ("m0", 2, 2),
        ("m1", 1, 1),
        ("m2", 1, 1),
        ("m2", 2, 2),
    ]
    assert records[1] | {"seconds": 0} == {
        "name": "m0",
        "method": "disks",
        "step": 2,
        "clicks": 2,
        "x": 45.0,
        "y": 20.0,
        "positive": False,
        "iou": widget.ious["m0"][1],
        "seconds": 0,
        "area": int(widget.masks["m0"].sum()),
        "error": None,
    }
    assert records[2]["error"] == "on purpose"


def test_the_figure_has_a_picture_per_pane_agreement_and_curves(make: Make) -> None:
    widget, page, _ = make(truth=TRUTH)
    page.open()
    widget.click(30, 30)
    widget.click(50, 30)
    figure = widget.figure()
    titles = [axes.get_title().partition("\n")[0] for axes in figure.axes]
    assert titles == ["m0", "m1", "m2", "Agreement", ""]
    curves = figure.axes[-1].get_lines()
    assert [list(line.get_ydata()) for line in curves] == list(widget.ious.values())
    assert [list(line.get_xdata()) for line in curves] == [[1, 2]] * 3
    figure.savefig(io.BytesIO())
    plain, _, _ = make(disks(5), show_agreement=False)
    assert len(plain.figure().axes) == 1
    with pytest.raises(ValueError, match="columns must be at least 1, got 0"):
        widget.figure(columns=0)


def test_existing_masks_are_corrected(make: Make) -> None:
    old = np.zeros(SHAPE, bool)
    old[:5] = True
    widget, page, _ = make(mask=old)
    page.open()
    assert np.array_equal(widget.masks["m0"], old)
    check_page(widget, page)
    widget.click(40, 40)
    assert widget.masks["m0"][:5].all()


@pytest.mark.parametrize(
    ("keywords", "error", "reason"),
    [
        (
            {"truth": np.zeros((3, 4), bool)},
            ValueError,
            r"truth must have the image's shape \(60, 80\)",
        ),
        ({"mask": np.zeros((3, 4), bool)}, ValueError, "mask must have the image's shape"),
        ({"opacity": 2}, ValueError, r"opacity must lie in 0\.\.1"),
        ({"height": 3}, ValueError, "height must be at least"),
        ({"weights": "mine"}, TypeError, "weights must map method names to weights, got str"),
        ({"methods": ["nonsense"]}, ValueError, "unknown method 'nonsense'"),
    ],
)
def test_what_does_not_fit_is_refused(
    keywords: dict[str, Any], error: type[Exception], reason: str
) -> None:
    with pytest.raises(error, match=reason):
        CompareWidget(IMAGE, **({"methods": ["ritm"]} | keywords))


# The page


def test_the_page_sets_its_own_traits_only(make: Make) -> None:
    widget, page, _ = make()
    widget.set_state({"tool": "negative", "robot_pane": 2, "has_truth": True, "clicks": []})
    assert (widget.tool, widget.robot_pane, widget.has_truth) == ("negative", 2, False)
    widget.set_state({"opacity": 7})
    assert page.of("error")[-1]["title"] == "The page sent a wrong value"


def test_wrong_messages_are_told(make: Make) -> None:
    _, page, _ = make()
    for kind, reason in (("paint", "unknown request 'paint'"), ("robot", "robot: pane is missing")):
        page.send(kind)
        assert reason in page.of("error")[-1]["message"]


def test_a_still_picture_goes_with_the_notebook(make: Make) -> None:
    widget, page, _ = make()
    page.open()
    widget.click(30, 30)
    bundle = widget._repr_mimebundle_()
    data = bundle[0] if isinstance(bundle, tuple) else bundle
    picture = Image.open(io.BytesIO(base64.b64decode(data["image/png"])))
    assert picture.size == (3 * 80 + 2 * 6, 60)


def test_is_exported() -> None:
    assert iseg_widget.CompareWidget is CompareWidget
    assert compare_desk.CompareDesk.__doc__


# The recording that the page is tested against

RECORDED: dict[str, Any] = json.loads(compare_recording.PATH.read_text(encoding="utf-8"))


def test_recorded_messages_are_what_the_widget_says_today() -> None:
    now = json.loads(json.dumps(compare_recording.record()))
    assert now["requests"] == RECORDED["requests"]
    assert now["panes"] == RECORDED["panes"]
    for new, old in zip(now["replies"], RECORDED["replies"], strict=True):
        # Compressed bytes may differ between library versions; masks may not.
        assert new["content"] == old["content"]
        assert new.get("mask") == old.get("mask")
        assert len(new["buffers"]) == len(old["buffers"])


def test_the_recording_has_every_kind_of_message() -> None:
    assert {entry["kind"] for entry in RECORDED["requests"]} == set(messages.REQUESTS)
    kinds = {entry["content"]["kind"] for entry in RECORDED["replies"]}
    own = {"working", "pane", "course"}
    assert kinds == own | {"received", "activity", "picture", "cancelled", "error"}


@pytest.mark.parametrize("content", RECORDED["requests"], ids=lambda content: content["id"])
def test_requests_are_read_without_loss(content: dict[str, Any]) -> None:
    assert messages.parse_request(content).to_json() == content


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"kind": "robot", "pane": -1}, "pane cannot be -1"),
        ({"kind": "robot", "pane": True}, "pane cannot be True"),
        ({"kind": "move_click", "index": 0, "x": 1.0}, "move_click: y is missing"),
        ({"kind": "remove_click", "index": "0"}, "index cannot be '0'"),
        ({"kind": "method", "name": "ritm", "options": None}, "unknown request 'method'"),
    ],
)
def test_malformed_requests_are_refused(fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(messages.ProtocolError, match=reason):
        messages.parse_request({"id": "a", "rev": 0, **fields})
