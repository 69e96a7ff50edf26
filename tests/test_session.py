from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from iseg_widget.clicks import Click
from iseg_widget.masks import iou
from iseg_widget.protocol import Method, Step
from iseg_widget.regions import Region
from iseg_widget.session import Session, replay
from tests.methods.fake import DiskMethod, DiskOptions, DiskState

HEIGHT, WIDTH = 20, 30
SHAPE = (HEIGHT, WIDTH)


def blank() -> NDArray[np.uint8]:
    return np.zeros((*SHAPE, 3), np.uint8)


def rectangle(x0: int, y0: int, x1: int, y1: int) -> NDArray[np.bool_]:
    mask = np.zeros(SHAPE, bool)
    mask[y0:y1, x0:x1] = True
    return mask


@pytest.fixture
def session() -> Session:
    return Session(DiskMethod(), blank())


def snapshot(session: Session) -> tuple[Any, ...]:
    """Everything a person can see, arrays as bytes."""
    return (
        session.mask.tobytes(),
        session.probability.tobytes(),
        session.clicks,
        session.groups,
        session.step,
        session.steps,
        json.dumps(session.log()),
    )


class TestBeginning:
    def test_nothing_yet(self, session: Session):
        assert isinstance(session.method, Method)
        assert session.shape == SHAPE
        assert session.mask.shape == SHAPE
        assert session.mask.dtype == np.bool_
        assert not session.mask.any()
        assert session.probability.dtype == np.float32
        assert not session.probability.any()
        assert (session.clicks, session.groups, session.steps) == ((), (), ())
        assert session.step is None
        assert session.initial_mask is None
        assert session.truth is None
        assert not session.can_undo
        assert not session.can_redo
        assert not session.undo()
        assert not session.redo()

    def test_existing_mask(self):
        mask = rectangle(3, 4, 9, 8)
        session = Session(DiskMethod(), blank(), mask)
        np.testing.assert_array_equal(session.mask, mask)
        np.testing.assert_array_equal(session.probability, mask.astype(np.float32))
        session.click(20, 15)
        assert session.mask[mask].all()
        np.testing.assert_array_equal(session.initial_mask, mask)

    def test_region_is_the_mask(self, session: Session):
        assert session.region == Region(SHAPE)
        given = Session(DiskMethod(), blank(), rectangle(3, 4, 9, 8))
        assert given.region == Region.of(given.mask)
        for one in (session, given):
            one.click(20, 15)
            assert one.region == Region.of(one.mask) != Region(SHAPE)

    def test_any_image_source(self, tmp_path: Path):
        path = tmp_path / "grey.png"
        Image.new("L", (WIDTH, HEIGHT), 77).save(path)
        session = Session(DiskMethod(), path)
        assert session.image.shape == (*SHAPE, 3)
        assert (session.image == 77).all()

    def test_image_is_read_only_and_not_the_callers(self):
        """The history relies on the pixels; the caller's array stays free."""
        image = blank()
        session = Session(DiskMethod(), image)
        image[:] = 9
        assert image.flags.writeable
        assert not session.image.any()
        with pytest.raises(ValueError, match="read-only"):
            session.image[0, 0] = 1

    @pytest.mark.parametrize("name", ["mask", "truth", "ignore"])
    def test_masks_of_another_shape(self, name: str):
        with pytest.raises(ValueError, match=r"must have the image's shape \(20, 30\)"):
            Session(DiskMethod(), blank(), **{name: np.zeros((30, 20), bool)})

    def test_unreadable_image(self, tmp_path: Path):
        with pytest.raises(ValueError, match="no image file"):
            Session(DiskMethod(), tmp_path / "missing.png")


class TestClicks:
    def test_click_answers_with_its_step(self, session: Session):
        step = session.click(10, 8)
        assert step is session.step
        assert step.clicks == (Click(10, 8),)
        assert step.views[0].kind == "roi"
        assert step.seconds > 0
        assert step.iou is None
        np.testing.assert_array_equal(step.mask, session.mask)
        np.testing.assert_array_equal(step.probability, session.probability)
        assert session.mask[8, 10]

    def test_negative_click_takes_away(self, session: Session):
        session.click(10, 8)
        session.click(10, 8, positive=False)
        assert not session.mask[8, 10]
        assert [c.positive for c in session.clicks] == [True, False]

    def test_clicks_that_came_together_are_one_step(self, session: Session):
        session.click_many([Click(3, 3), Click(20, 9), Click(5, 5, positive=False)])
        session.click(1, 1)
        assert session.groups == (3, 1)
        assert len(session.clicks) == 4
        session.undo()
        session.undo()
        assert session.clicks == ()

    def test_no_click_at_all(self, session: Session):
        with pytest.raises(ValueError, match="at least one click"):
            session.click_many([])

    def test_masks_given_out_are_copies(self, session: Session):
        session.click(10, 8)
        before = snapshot(session)
        session.mask[:] = True
        session.probability[:] = 0.5
        session.step.mask[:] = True
        assert snapshot(session) == before

    @pytest.mark.parametrize("traced", [True, False])
    def test_trace_only_when_asked(self, traced: bool):
        session = Session(DiskMethod(), blank(), trace=traced)
        assert bool(session.click(4, 4).trace) is traced

    @pytest.mark.parametrize(
        "bad",
        [
            lambda s: s.click(WIDTH - 0.4, 3),
            lambda s: s.click(3, -0.6),
            lambda s: s.click(math.nan, 3),
            lambda s: s.click(3, math.inf),
            lambda s: s.click("3", 3),
            lambda s: s.click_many([Click(3, 3), Click(300, 3)]),
            lambda s: s.click_many([]),
            lambda s: s.edit(np.zeros((WIDTH, HEIGHT), bool)),
            lambda s: s.edit(np.full(SHAPE, np.nan)),
            lambda s: s.edit("mask.png"),
            lambda s: s.remove(2),
            lambda s: s.remove(-1),
            lambda s: s.move(0, 500, 3),
            lambda s: s.move(0, math.nan, 3),
            lambda s: s.move(7, 3, 3),
        ],
    )
    def test_refused_actions_leave_the_session_unchanged(
        self, session: Session, bad: Callable[[Session], Any]
    ):
        session.click(10, 8)
        session.click(14, 9, positive=False)
        session.click(3, 3)
        session.undo()
        before = snapshot(session)
        with pytest.raises((ValueError, TypeError)):
            bad(session)
        assert snapshot(session) == before
        assert (session.can_undo, session.can_redo) == (True, True)

    def test_failing_method_leaves_the_session_unchanged(self):
        class Failing(DiskMethod):
            def step(
                self, state: DiskState, clicks: Sequence[Click], *, trace: bool = False
            ) -> tuple[DiskState, Step]:
                if any(click.x > 20 for click in clicks):
                    raise RuntimeError("out of memory")
                return super().step(state, clicks, trace=trace)

        session = Session(Failing(), blank())
        session.click(5, 5)
        session.click(8, 8)
        before = snapshot(session)
        for action in (lambda: session.click(25, 5), lambda: session.move(0, 25, 5)):
            with pytest.raises(RuntimeError, match="out of memory"):
                action()
            assert snapshot(session) == before


class TestTruth:
    def test_every_step_carries_its_iou(self):
        truth = rectangle(5, 5, 15, 15)
        session = Session(DiskMethod(), blank(), truth=truth)
        for step in (session.click(10, 10), session.click(12, 12), session.edit(truth)):
            assert step.iou == iou(step.mask, truth)
        assert session.step.iou == 1.0
        np.testing.assert_array_equal(session.truth, truth)

    def test_ignored_pixels_do_not_count(self):
        truth = rectangle(5, 5, 15, 15)
        session = Session(DiskMethod(), blank(), truth=truth, ignore=~truth)
        session.edit(np.ones(SHAPE, bool))
        assert session.step.iou == 1.0

    def test_recomputed_steps_carry_it_too(self):
        truth = rectangle(5, 5, 15, 15)
        session = Session(DiskMethod(), blank(), truth=truth)
        session.click(10, 10)
        session.click(20, 10)
        session.remove(0)
        assert session.step.iou == iou(session.mask, truth)


class TestEdits:
    def test_edit_is_a_step_that_keeps_the_users_pixels(self, session: Session):
        drawn = rectangle(2, 2, 6, 6)
        session.click(20, 10)
        step = session.edit(drawn)
        np.testing.assert_array_equal(session.mask, drawn)
        np.testing.assert_array_equal(session.probability, drawn.astype(np.float32))
        assert session.groups == (1, 0)
        assert session.clicks == (Click(20, 10),)
        assert step.clicks == ()
        session.click(20, 10)
        assert session.mask[drawn].all()

    def test_edit_takes_a_copy(self, session: Session):
        drawn = rectangle(2, 2, 6, 6)
        session.edit(drawn)
        drawn[:] = True
        assert session.mask.sum() == 16

    @pytest.mark.parametrize("kind", [np.uint8, np.int32, np.float32])
    def test_edit_accepts_what_masks_may_be(self, session: Session, kind: type):
        session.edit(rectangle(2, 2, 6, 6).astype(kind))
        np.testing.assert_array_equal(session.mask, rectangle(2, 2, 6, 6))


class TestUndo:
    def test_undo_restores_the_very_objects(self, session: Session):
        """Nothing is computed again: the step, its views and its mask are the old ones."""
        first = session.click(10, 8)
        before = snapshot(session)
        session.click(20, 9)
        after, second = snapshot(session), session.step
        assert session.undo()
        assert session.step is first
        assert snapshot(session) == before
        assert session.redo()
        assert session.step is second
        assert snapshot(session) == after

    def test_a_new_action_clears_redo(self, session: Session):
        session.click(10, 8)
        session.undo()
        assert session.can_redo
        session.click(5, 5)
        assert not session.can_redo
        assert not session.redo()
        assert session.clicks == (Click(5, 5),)

    def test_the_next_click_after_undo_is_answered_as_the_first_time(self, session: Session):
        session.click(10, 8)
        session.click(20, 9)
        expected = session.mask
        session.undo()
        session.click(20, 9)
        np.testing.assert_array_equal(session.mask, expected)

    def test_reset_can_be_undone(self, session: Session):
        session.click(10, 8)
        session.edit(rectangle(0, 0, 5, 5))
        before = snapshot(session)
        session.reset()
        assert session.groups == ()
        assert not session.mask.any()
        session.undo()
        assert snapshot(session) == before

    def test_reset_goes_back_to_the_existing_mask(self):
        session = Session(DiskMethod(), blank(), rectangle(2, 2, 6, 6))
        session.click(20, 10)
        session.reset()
        np.testing.assert_array_equal(session.mask, rectangle(2, 2, 6, 6))

    def test_reset_of_nothing_is_no_action(self, session: Session):
        session.reset()
        assert not session.can_undo


class TestRemoveAndMove:
    def of(self, *groups: list[Click] | NDArray[np.bool_]) -> Session:
        session = Session(DiskMethod(), blank())
        for group in groups:
            if isinstance(group, list):
                session.click_many(group)
            else:
                session.edit(group)
        return session

    def test_removing_recomputes_what_came_after(self):
        a, b, c = Click(5, 5), Click(20, 9), Click(8, 6, positive=False)
        drawn = rectangle(0, 0, 4, 4)
        session = self.of([a], [b], drawn, [c])
        session.remove(1)
        expected = self.of([a], drawn, [c])
        assert session.groups == (1, 0, 1)
        assert session.log() == expected.log()
        np.testing.assert_array_equal(session.mask, expected.mask)

    def test_steps_before_are_kept(self):
        session = self.of([Click(5, 5)], [Click(20, 9)], [Click(8, 6)])
        first = session.steps[0]
        session.remove(1)
        assert session.steps[0] is first

    def test_removing_from_a_group_keeps_the_others_together(self):
        a, b, c = Click(5, 5), Click(20, 9), Click(8, 6)
        session = self.of([a, b, c], [a])
        session.remove(1)
        assert session.groups == (2, 1)
        np.testing.assert_array_equal(session.mask, self.of([a, c], [a]).mask)

    def test_moving_keeps_sign_and_place(self):
        a, b = Click(5, 5, positive=False), Click(6, 6)
        session = self.of([a], [b])
        session.move(0, 12, 10)
        assert session.clicks == (Click(12, 10, positive=False), b)
        np.testing.assert_array_equal(session.mask, self.of(list(session.clicks[:1]), [b]).mask)

    @pytest.mark.parametrize("action", [lambda s: s.remove(0), lambda s: s.move(0, 9, 9)])
    def test_both_are_undone_as_one_action(self, action: Callable[[Session], None]):
        session = self.of([Click(5, 5)], [Click(20, 9)], [Click(8, 6)])
        before = snapshot(session)
        action(session)
        after = snapshot(session)
        assert after != before
        session.undo()
        assert snapshot(session) == before
        session.redo()
        assert snapshot(session) == after

    def test_removing_the_only_click(self):
        session = self.of([Click(5, 5)])
        session.remove(0)
        assert session.groups == ()
        assert not session.mask.any()
        assert session.can_undo

    def test_index_out_of_range_says_how_many(self):
        with pytest.raises(ValueError, match="no click 3: the session has 1"):
            self.of([Click(5, 5)]).remove(3)


class TestLog:
    def recorded(self) -> Session:
        session = Session(DiskMethod(), blank(), rectangle(20, 2, 28, 9))
        session.click(10, 8)
        session.click_many([Click(3.25, 3), Click(20.5, 9, positive=False)])
        session.edit(rectangle(1, 1, 9, 9))
        session.click(4, 4, positive=False)
        return session

    def test_replay_gives_the_same_session(self):
        session = self.recorded()
        log = json.loads(json.dumps(session.log()))
        other = replay(DiskMethod(), blank(), log)
        assert snapshot(other)[:4] == snapshot(session)[:4]
        assert other.log() == session.log()
        for ours, theirs in zip(session.steps, other.steps, strict=True):
            np.testing.assert_array_equal(ours.mask, theirs.mask)

    def test_grouping_matters_and_is_kept(self):
        session = self.recorded()
        log = session.log()
        pair = log["actions"][1]["clicks"]
        log["actions"][1:2] = [{"clicks": [click]} for click in pair]
        split = replay(DiskMethod(), blank(), log)
        assert split.groups != session.groups
        assert (split.steps[2].mask != session.steps[1].mask).any()

    def test_log_says_what_it_belongs_to(self):
        log = self.recorded().log()
        assert log["method"] == "disks"
        assert log["image"] == {"width": WIDTH, "height": HEIGHT}

    def test_undone_steps_are_not_logged(self):
        session = self.recorded()
        session.undo()
        assert len(session.log()["actions"]) == 3

    def test_replayed_steps_can_be_undone_one_by_one(self):
        session = replay(DiskMethod(), blank(), self.recorded().log())
        assert [session.undo() for _ in range(5)] == [True] * 4 + [False]

    def test_image_of_another_size(self):
        log = self.recorded().log()
        with pytest.raises(ValueError, match="image of 30 x 20 pixels, got 20 x 30"):
            replay(DiskMethod(), np.zeros((30, 20, 3), np.uint8), log)

    @pytest.mark.parametrize("version", [None, 0, 99, "1"])
    def test_unknown_version(self, version: Any):
        log = {**self.recorded().log(), "version": version}
        with pytest.raises(ValueError, match="accepted is 1"):
            replay(DiskMethod(), blank(), log)

    def test_click_outside_in_a_log(self):
        log = self.recorded().log()
        log["actions"][0]["clicks"][0]["x"] = 1000
        with pytest.raises(ValueError, match="outside the image"):
            replay(DiskMethod(), blank(), log)


def test_with_method_replays_the_history_with_the_other_method():
    truth = rectangle(5, 5, 15, 15)
    session = Session(DiskMethod(), blank(), rectangle(0, 0, 3, 3), truth, trace=True)
    session.click(10, 8)
    session.click_many([Click(3, 3), Click(20, 9)])
    session.edit(rectangle(1, 1, 9, 9))
    before = snapshot(session)
    wide = DiskMethod(DiskOptions(radius=7))
    other = session.with_method(wide)
    assert other.method is wide
    assert (other.clicks, other.groups) == (session.clicks, session.groups)
    assert other.steps[0].mask.sum() > session.steps[0].mask.sum()
    assert other.step.iou == iou(other.mask, truth)
    assert other.steps[0].trace["radius"] == 7
    assert snapshot(session) == before
    # The edit changes the pixels that it changed, and no others.
    was, drawn = session.steps[1].mask, rectangle(1, 1, 9, 9)
    np.testing.assert_array_equal(other.mask, np.where(was ^ drawn, drawn, other.steps[1].mask))
    assert (other.mask != drawn).any()


class TestCopy:
    def test_neither_knows_what_the_other_does(self, session: Session):
        session.click(5, 5)
        session.click(9, 9)
        session.undo()
        before = snapshot(session)
        other = session.copy()
        assert snapshot(other) == before
        other.undo()
        other.click(20, 9)
        assert snapshot(session) == before
        session.redo()
        assert session.clicks == (Click(5, 5), Click(9, 9))
        session.undo()
        session.undo()
        assert not session.can_undo
        assert other.clicks == (Click(20, 9),)
        assert [other.undo(), other.undo(), other.can_redo] == [True, False, True]

    def test_nothing_is_computed_again(self, session: Session):
        session.click(5, 5)
        other = session.copy()
        assert other.image is session.image
        assert other.step is session.step

    def test_prepared_by_one_accepted_by_the_other(self, session: Session):
        session.click(5, 5)
        pending = session.prepare([Click(9, 9)])
        other = session.copy()
        answer = session.method.step(pending.state, pending.clicks)
        other.accept(pending, answer)
        assert len(other.clicks) == 2
        with pytest.raises(ValueError, match="changed since"):
            other.accept(pending, answer)


points = st.tuples(st.integers(0, WIDTH - 1), st.integers(0, HEIGHT - 1), st.booleans())
actions = st.one_of(
    st.tuples(st.just("click"), st.lists(points, min_size=1, max_size=3)),
    st.tuples(st.just("edit"), st.tuples(points, points)),
    st.tuples(st.just("remove"), st.integers(0, 5)),
    st.tuples(st.just("move"), st.tuples(st.integers(0, 5), points)),
    st.tuples(st.sampled_from(["reset", "undo", "redo"]), st.none()),
)


def perform(session: Session, name: str, value: Any) -> bool:
    """Do one action; return whether it entered the history."""
    match name:
        case "click":
            session.click_many([Click(*point) for point in value])
        case "edit":
            (x0, y0, _), (x1, y1, _) = value
            session.edit(rectangle(min(x0, x1), min(y0, y1), max(x0, x1) + 1, max(y0, y1) + 1))
        case "remove" | "move":
            index = value if name == "remove" else value[0]
            if index >= len(session.clicks):
                return False
            if name == "remove":
                session.remove(index)
            else:
                session.move(index, *value[1][:2])
        case "reset":
            had_steps = bool(session.steps)
            session.reset()
            return had_steps
    return True


@settings(deadline=None, max_examples=60)
@given(sequence=st.lists(actions, max_size=15), start_with_mask=st.booleans())
def test_history_is_a_line_of_states(sequence: list[tuple[str, Any]], start_with_mask: bool):
    """Whatever was done: undo visits the former states backwards, redo visits them again."""
    mask = rectangle(4, 4, 9, 9) if start_with_mask else None
    session = Session(DiskMethod(), blank(), mask)
    line, position = [snapshot(session)], 0
    for name, value in sequence:
        if name == "undo":
            assert session.undo() == (position > 0)
            position = max(0, position - 1)
        elif name == "redo":
            assert session.redo() == (position + 1 < len(line))
            position = min(len(line) - 1, position + 1)
        elif perform(session, name, value):
            line[position + 1 :] = [snapshot(session)]
            position += 1
        assert snapshot(session) == line[position]
        assert session.can_undo == (position > 0)
        assert session.can_redo == (position + 1 < len(line))
    final = replay(DiskMethod(), blank(), session.log())
    np.testing.assert_array_equal(final.mask, session.mask)
    while session.undo():
        position -= 1
        assert snapshot(session) == line[position]
    assert position == 0
    while session.redo():
        position += 1
        assert snapshot(session) == line[position]
    assert position == len(line) - 1
    assert sum(iter(session.undo, False)) == position


def test_restoring_a_checkpoint_leaves_no_trace(session):
    session.click(5, 5)
    session.click(20, 10)
    session.undo()
    mask, checkpoint = session.mask, session.checkpoint()
    session.click(25, 15)
    session.reset()
    session.restore(checkpoint)
    assert np.array_equal(session.mask, mask)
    assert session.clicks == (Click(5, 5),)
    assert session.redo()
    assert session.clicks == (Click(5, 5), Click(20, 10))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 99}, "log version 99"),
        ({"actions": [{"scribble": []}]}, "holds 'clicks' or 'edit'"),
        ({"actions": None}, "lacks actions"),
    ],
)
def test_a_log_that_is_none_is_refused(session, change, message):
    session.click(5, 5)
    log = {key: value for key, value in (session.log() | change).items() if value is not None}
    with pytest.raises(ValueError, match=message):
        replay(session.method, session.image, log)


def test_prepare_and_accept_are_a_click_in_two_halves():
    method, image = DiskMethod(), np.zeros((40, 50, 3), np.uint8)
    halves, whole = Session(method, image), Session(method, image)
    for clicks in ([Click(10, 10)], [Click(20, 12), Click(11, 9, positive=False)]):
        pending = halves.prepare(clicks)
        before = halves.steps
        answer = method.step(pending.state, pending.clicks)
        assert halves.steps == before
        step = halves.accept(pending, answer)
        np.testing.assert_array_equal(step.mask, whole.click_many(clicks).mask)
    assert halves.log() == whole.log()
    assert halves.undo()
    assert halves.clicks == (Click(10, 10),)


def test_an_answer_to_another_state_is_refused():
    method = DiskMethod()
    session = Session(method, np.zeros((40, 50, 3), np.uint8))
    pending = session.prepare([Click(10, 10)])
    session.click(20, 20)
    with pytest.raises(ValueError, match="has changed since"):
        session.accept(pending, method.step(pending.state, pending.clicks))
    assert session.clicks == (Click(20, 20),)
    with pytest.raises(ValueError, match="at least one click"):
        session.prepare([])
    with pytest.raises(ValueError, match="outside the image"):
        session.prepare([Click(99, 3)])


def test_pixels_edited_by_hand_stay_when_an_earlier_click_is_moved_or_removed(session: Session):
    session.click(8, 8)
    session.click(20, 8)
    drawn = session.mask
    drawn[-3:, -3:] = True
    drawn[8, 8] = False
    session.edit(drawn)
    session.move(1, 14, 8)
    assert session.mask[8, 14]
    assert not session.mask[8, 22]
    assert session.mask[-3:, -3:].all()
    assert not session.mask[8, 8]
    session.remove(0)
    assert not session.mask[8, 8]
    assert not session.mask[8, 3]
    assert session.mask[-3:, -3:].all()
    assert session.mask[8, 14]
    assert session.undo()
    assert session.undo()
    assert (session.mask == drawn).all()


def test_a_step_is_answered_again_with_its_trace() -> None:
    session = Session(DiskMethod(), blank(), truth=rectangle(0, 0, 20, 10))
    session.click(5, 5)
    session.click_many([Click(12, 8), Click(20, 5, False)])
    session.edit(rectangle(3, 3, 9, 9))
    before = session.checkpoint()
    again = session.traced(1)
    assert again.trace["radius"] == 5.0
    assert np.array_equal(again.mask, session.steps[1].mask)
    assert again.iou == session.steps[1].iou
    assert session.traced() is session.step  # nobody answered the edit
    assert session.checkpoint() == before
    for index in (3, -4):
        with pytest.raises(ValueError, match=f"no step {index}: the session has 3"):
            session.traced(index)
