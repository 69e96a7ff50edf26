"""A box around the object: what every method makes of it, and what stays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import iseg_widget as iseg
from iseg_widget.boxes import SMALLEST_CROP, box_click
from iseg_widget.clicks import Click
from iseg_widget.masks import box_of, iou
from iseg_widget.protocol import BoxMethod, Method, State, Step
from iseg_widget.session import Session, replay
from tests.methods.fake import DiskMethod, DiskOptions

SHAPE = (40, 60)
IMAGE = np.zeros((*SHAPE, 3), np.uint8)


@dataclass(frozen=True)
class Seeing(DiskMethod):
    """Notes the size of every image that it is started with."""

    sizes: list[tuple[int, int]] = None  # type: ignore[assignment]

    def start(self, image: NDArray[np.uint8], mask: NDArray[np.bool_] | None = None) -> Any:
        self.sizes.append(image.shape[:2])
        return super().start(image, mask)


@dataclass(frozen=True)
class Boxing(DiskMethod):
    """Fills the box and a margin around it."""

    def box(
        self,
        state: State,
        box: tuple[int, int, int, int],
        clicks: Sequence[Click],
        *,
        trace: bool = False,  # noqa: ARG002
    ) -> tuple[State, Step]:
        mask = np.zeros(state.shape, bool)
        mask[max(0, box[1] - 3) : box[3] + 3, max(0, box[0] - 3) : box[2] + 3] = True
        after, step = self.edit(state, mask)
        return after, Step(tuple(clicks), step.soft, step.packed)


def wide(radius: float = 100.0) -> DiskMethod:
    return DiskMethod(DiskOptions(radius))


def test_outside_the_box_nothing_changes():
    session = Session(wide(), IMAGE)
    step = session.box(10, 5, 30, 25)
    expected = np.zeros(SHAPE, bool)
    expected[5:25, 10:30] = True
    assert (session.mask == expected).all()
    assert (step.probability == expected).all()
    assert session.clicks == (Click(19.5, 14.5),)
    assert session.groups == (1,)
    session.box(40, 10, 50, 20)
    expected[10:20, 40:50] = True
    assert (session.mask == expected).all()
    assert session.undo()
    assert box_of(session.mask) == (10, 5, 30, 25)


def test_a_method_with_boxes_of_its_own_is_asked_for_them():
    method = Boxing()
    assert isinstance(method, BoxMethod)
    assert not isinstance(DiskMethod(), BoxMethod)
    session = Session(method, IMAGE)
    session.box(10, 5, 30, 25)
    assert box_of(session.mask) == (10, 5, 30, 25)
    assert session.mask.sum() == 400


def test_later_clicks_keep_the_answer_and_refine_it():
    session = Session(DiskMethod(), IMAGE)
    session.box(10, 5, 30, 25)
    inside = session.mask
    session.click(50, 30)
    assert session.mask[30, 50]
    assert (session.mask & inside).sum() == inside.sum()


def test_a_small_box_is_seen_closer():
    """The target crop (FocalClick Sec. 3.1) is all that a method without boxes sees."""
    sizes: list[tuple[int, int]] = []
    session = Session(Seeing(sizes=sizes), np.zeros((900, 1200, 3), np.uint8))
    step = session.box(500, 400, 800, 500)
    assert sizes == [(900, 1200), (200, 420)]
    assert step.views[0].kind == "target_crop"
    assert step.views[0].box == (440, 350, 860, 550)
    assert step.views[1].box == (440, 350, 860, 550)
    assert step.mask[450, 650]
    assert step.probability[450, 650] == 1
    assert step.mask.sum() == 52  # the disk of one click, once
    sizes.clear()
    session.box(500, 400, 800, 500)
    session.box(10, 10, 1190, 890)
    assert sizes == []  # there is a mask to be seen; and the box is nearly all
    small = Session(Seeing(sizes=sizes), np.zeros((900, 1200, 3), np.uint8))
    small.box(600, 400, 604, 403)
    assert sizes[1] == (SMALLEST_CROP + 1, SMALLEST_CROP)  # 3 rows have no middle row


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("click"), st.integers(0, 59), st.integers(0, 39), st.booleans()),
            st.tuples(st.just("box"), st.integers(0, 58), st.integers(0, 38), st.integers(1, 60)),
            st.tuples(st.just("edit"), st.integers(0, 59), st.integers(0, 39), st.booleans()),
            st.tuples(st.just("threshold"), st.floats(0.01, 0.99)),
            st.tuples(st.just("undo")),
            st.tuples(st.just("remove"), st.integers(0, 3)),
            st.tuples(st.just("move"), st.integers(0, 3), st.integers(0, 59), st.integers(0, 39)),
        ),
        max_size=9,
    )
)
@example(
    course=[
        ("click", 0, 0, False),
        ("threshold", 0.5),
        ("click", 0, 0, False),
        ("threshold", 0.5),
        ("remove", 1),
    ]
)
@settings(max_examples=100, deadline=None)
def test_any_course_is_logged_replayed_copied_and_undone(course):
    session = Session(DiskMethod(), IMAGE)
    masks = []
    for kind, *rest in course:
        if kind == "click":
            session.click(*rest)
        elif kind == "box":
            x, y, side = rest
            session.box(x, y, x + side, y + side)
        elif kind == "edit":
            mask = session.mask
            mask[rest[1], rest[0]] = rest[2]
            session.edit(mask)
        elif kind == "threshold" and session.thresholded is not None:
            session.threshold(*rest)
        elif kind == "undo":
            session.undo()
        elif kind in ("remove", "move") and rest[0] < len(session.clicks):
            getattr(session, kind)(*rest)
        masks.append(session.mask)
    for other in (
        replay(DiskMethod(), IMAGE, session.log()),
        session.copy(),
        session.with_method(DiskMethod()),
    ):
        assert (other.mask == session.mask).all()
        assert other.log() == session.log()
        assert other.clicks == session.clicks
    while session.undo():
        pass
    assert not session.mask.any()


def test_moving_its_click_keeps_the_box_and_removing_it_takes_the_box_away():
    session = Session(DiskMethod(), IMAGE)
    session.box(10, 5, 30, 25)
    session.move(0, 12, 7)
    assert session.log()["actions"] == [
        {"box": [10, 5, 30, 25], "clicks": [{"x": 12, "y": 7, "positive": True}]}
    ]
    assert box_of(session.mask) == (10, 5, 17, 12)
    session.remove(0)
    assert session.log()["actions"] == []


def test_other_clicks_than_the_centre():
    session = Session(DiskMethod(), IMAGE)
    session.box(10, 5, 30, 25, clicks=[Click(12, 8), Click(28, 8, False)])
    assert session.groups == (2,)
    assert not session.mask[15, 20]


@pytest.mark.parametrize(
    ("box", "error", "reason"),
    [
        ((5, 5, 5, 9), ValueError, "holds no pixel"),
        ((9, 5, 5, 9), ValueError, "holds no pixel"),
        ((-9, -9, 0, 0), ValueError, "holds no pixel"),
        ((0, 0, float("nan"), 3), ValueError, "finite"),
        ((0, 0, "4", 3), TypeError, "numbers"),
    ],
)
def test_what_is_no_box_is_refused_and_changes_nothing(box, error, reason):
    session = Session(DiskMethod(), IMAGE)
    with pytest.raises(error, match=reason):
        session.box(*box)
    with pytest.raises(ValueError, match="outside the image"):
        session.box(1, 1, 5, 5, clicks=[Click(99, 2)])
    assert session.log()["actions"] == []


def test_a_box_is_grown_to_pixels_and_cut_to_the_image():
    session = Session(wide(), IMAGE)
    session.box(-3.5, 2.4, 6.2, 99)
    assert box_of(session.mask) == (0, 2, 7, 40)
    assert session.log()["actions"][0]["box"] == [0, 2, 7, 40]


def test_a_log_of_the_version_before_is_read():
    log = {
        "version": 1,
        "method": "disks",
        "image": {"width": 60, "height": 40},
        "initial_mask": None,
        "actions": [{"clicks": [{"x": 3, "y": 4, "positive": True}]}],
    }
    assert replay(DiskMethod(), IMAGE, log).mask[4, 3]


@pytest.mark.parametrize("name", ["focalclick", "focuscut", "ritm"])
def test_a_box_is_better_than_a_click_at_its_centre(name: str):
    """Over pictures that come with the package, with trained weights."""
    method = iseg.load_method(name, device="cpu")
    samples = list(iseg.datasets.load("demo"))[::3]
    scores = np.array([_scores(method, sample) for sample in samples])
    clicked, clipped, boxed = scores.mean(axis=0)
    assert boxed >= clicked
    assert clipped >= clicked


def _scores(method: Method, sample: Any) -> tuple[float, float, float]:
    truth = sample.mask
    box = box_of(truth)
    assert box is not None
    centre = box_click(box)
    clicked = Session(method, sample.image).click(centre.x, centre.y).mask
    clipped = np.zeros_like(clicked)
    clipped[box[1] : box[3], box[0] : box[2]] = clicked[box[1] : box[3], box[0] : box[2]]
    boxed = Session(method, sample.image).box(*box).mask
    return iou(clicked, truth), iou(clipped, truth), iou(boxed, truth)
