"""Another threshold on the last probability: no inference, undoable, logged, edits stay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from iseg_widget.actions import LOG_VERSION
from iseg_widget.clicks import Click
from iseg_widget.masks import PackedMask
from iseg_widget.protocol import Step
from iseg_widget.session import Session, replay
from iseg_widget.thresholds import LEVELS, Thresholded
from iseg_widget.views import Layers, Patch, mask_layers
from tests.methods.fake import DiskMethod, DiskState

SHAPE = (40, 60)
IMAGE = np.zeros((*SHAPE, 3), np.uint8)


@dataclass(frozen=True)
class Soft:
    """A probability that is kept as it is."""

    values: NDArray[np.float32]

    @property
    def shape(self) -> tuple[int, int]:
        return self.values.shape

    def render(self, box: Any = None) -> NDArray[np.float32]:
        if box is None:
            return self.values
        return self.values[box[1] : box[3], box[0] : box[2]]


@dataclass(frozen=True)
class Sloping(DiskMethod):
    """The probability falls off from the last click, by 0.05 a pixel; counts its answers."""

    asked: list[int] = None  # type: ignore[assignment]

    def step(
        self,
        state: DiskState,
        clicks: Sequence[Click],
        *,
        trace: bool = False,  # noqa: ARG002
    ) -> tuple[DiskState, Step]:
        self.asked.append(len(clicks))
        rows, columns = np.indices(SHAPE)
        away = np.hypot(columns - clicks[-1].x, rows - clicks[-1].y)
        soft = np.maximum(0, 1 - 0.05 * away).astype(np.float32)
        packed = PackedMask.pack(soft > 0.5)
        return replace(state, packed=packed), Step(tuple(clicks), Soft(soft), packed)


def begun() -> tuple[Session, list[int]]:
    asked: list[int] = []
    session = Session(Sloping(asked=asked), IMAGE)
    session.click(30, 20)
    asked.clear()
    return session, asked


def test_the_mask_is_the_probability_above_the_threshold_and_nothing_is_asked():
    session, asked = begun()
    for value in (0.2, 0.8, 0.5):
        step = session.threshold(value)
        assert (session.mask == (step.probability > value)).all()
        assert session.threshold_in_force == value
    assert asked == []


def test_thresholds_replace_each_other_and_each_is_undone():
    session, _ = begun()
    sizes = [session.mask.sum()]
    for value in (0.2, 0.8, 0.3):
        session.threshold(value)
        sizes.append(session.mask.sum())
    assert sizes[1] > sizes[3] > sizes[0] > sizes[2]
    assert [sorted(action) for action in session.log()["actions"]] == [["clicks"], ["threshold"]]
    for size in sizes[-2::-1]:
        assert session.undo()
        assert session.mask.sum() == size
    assert session.redo()
    assert session.mask.sum() == sizes[1]


def test_edited_pixels_stay_at_any_threshold():
    session, _ = begun()
    drawn = session.mask
    drawn[0:4, 0:4] = True
    drawn[19:22, 29:32] = False
    session.edit(drawn)
    for value in (0.05, 0.95, 0.3):
        session.threshold(value)
        assert session.mask[0:4, 0:4].all()
        assert not session.mask[19:22, 29:32].any()
        soft = session.probability > value
        soft[0:4, 0:4] = True
        soft[19:22, 29:32] = False
        assert (session.mask == soft).all()


def test_an_edit_after_a_threshold_is_judged_by_that_threshold():
    session, _ = begun()
    session.threshold(0.2)
    wide = session.mask
    drawn = wide.copy()
    drawn[0, 0] = True
    session.edit(drawn)
    assert session.threshold_in_force == 0.2
    session.threshold(0.5)
    assert session.mask.sum() < wide.sum()
    assert session.mask[0, 0]


def test_it_is_logged_replayed_and_given_to_another_method():
    session, _ = begun()
    session.threshold(0.25)
    session.click(10, 10)
    session.threshold(0.75)
    log = session.log()
    assert log["version"] == LOG_VERSION
    assert log["actions"][1] == {"threshold": 0.25}
    for other in (replay(Sloping(asked=[]), IMAGE, log), session.with_method(Sloping(asked=[]))):
        assert (other.mask == session.mask).all()
        assert other.log() == log


def test_a_threshold_whose_click_is_removed_goes_with_it():
    session, _ = begun()
    session.threshold(0.25)
    session.remove(0)
    assert session.log()["actions"] == []


def test_before_the_first_click_there_is_nothing_to_put_it_on():
    session = Session(Sloping(asked=[]), IMAGE, mask=np.ones(SHAPE, bool))
    assert session.thresholded is None
    assert session.threshold_in_force == 0.5
    with pytest.raises(ValueError, match="click first"):
        session.threshold(0.3)
    for value in (0, 1, -0.1, float("nan"), "0.5", True):
        with pytest.raises(ValueError, match="between 0 and 1"):
            session.threshold(value)  # type: ignore[arg-type]


class TestPicture:
    def test_a_page_finds_the_mask_that_the_kernel_finds(self):
        session, _ = begun()
        drawn = session.mask
        drawn[0:4, 0:4] = True
        drawn[19:22, 29:32] = False
        session.edit(drawn)
        known = session.thresholded
        assert known is not None
        picture = known.picture(1000)
        x0, y0, x1, y1 = picture.box
        assert picture.values.shape == (y1 - y0, x1 - x0)
        for value in (0.11, 0.3, 0.52, 0.89):
            page = np.zeros(SHAPE, bool)
            page[y0:y1, x0:x1] = picture.values > LEVELS * value
            exact = known.mask(value)
            near = np.abs(session.steps[0].probability - value) < 1 / LEVELS
            assert not ((page ^ exact) & ~near).any()

    def test_it_is_reduced_to_the_size_asked_for(self):
        rows, columns = np.indices((31, 31))
        values = (8 - np.hypot(columns - 15, rows - 15)).astype(np.float16)
        box = (1000, 500, 2000, 1500)
        soft = Layers((3000, 4000)).pasted(Patch(box, values))
        packed = PackedMask.pack(soft.exceeds(0.5))
        known = Thresholded(soft, packed, 0.5)
        picture = known.picture(200)
        assert max(picture.values.shape) == 200
        x0, y0, x1, y1 = picture.box
        assert 1000 - 60 <= x0 <= x1 <= 2000 + 60
        found = picture.values > LEVELS / 2
        share = known.mask(0.5)[y0:y1, x0:x1].mean()
        assert abs(found.mean() - share) < 0.01
        assert ((picture.values > 0) & (picture.values < 255) & ~found).any()

    def test_an_empty_answer_is_one_faint_pixel(self):
        soft = mask_layers(np.zeros(SHAPE, bool))
        picture = Thresholded(soft, PackedMask.pack(np.zeros(SHAPE, bool)), 0.5).picture(100)
        assert picture.values.tolist() == [[0]]


@given(
    st.integers(0, 2**32 - 1),
    st.floats(0.05, 0.95),
    st.floats(0.05, 0.95),
    st.sampled_from(["patches", "patches on a mask", "a mask", "nothing"]),
)
@settings(max_examples=150, deadline=None)
def test_only_where_a_network_looked_is_anything_computed(seed, before, after, kind):
    """The mask in the box of the probability is what it is for the whole image."""
    random = np.random.default_rng(seed)
    drawn = np.zeros(SHAPE, bool)
    x, y = random.integers(0, 50), random.integers(0, 30)
    drawn[y : y + 8, x : x + 9] = True
    soft = mask_layers(drawn) if kind in ("patches on a mask", "a mask") else Layers(SHAPE)
    if kind.startswith("patches"):
        for _ in range(2):
            left, top = int(random.integers(0, 40)), int(random.integers(0, 25))
            values = random.normal(0, 2, (6, 7)).astype(np.float16)
            soft = soft.pasted(Patch((left, top, left + 20, top + 15), values))
    mask = soft.exceeds(before) ^ (random.random(SHAPE) < 0.05)
    found = Thresholded(soft, PackedMask.pack(mask), before).mask(after)
    free = mask == soft.exceeds(before)
    np.testing.assert_array_equal(found, np.where(free, soft.exceeds(after), mask))
