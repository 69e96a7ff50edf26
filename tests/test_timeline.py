"""Old steps of a session let go of what can be computed again."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from iseg_widget.clicks import Click
from iseg_widget.protocol import Step
from iseg_widget.session import Session, replay
from iseg_widget.timeline import EVERY, RECENT
from tests.widget.fakes import Disks

COUNT = RECENT + 2 * EVERY + 1
IMAGE = np.zeros((40, 60, 3), np.uint8)


def clicked(session: Session, count: int = COUNT) -> Session:
    for number in range(count):
        if number == 5:
            session.edit(session.mask | (np.arange(60) > 55))
        else:
            session.click(number % 60, (7 * number) % 40, number % 3 != 2)
    return session


@pytest.fixture
def session() -> Session:
    return clicked(Session(Disks(), IMAGE))


def states(session: Session) -> list[bool]:
    return [entry.state is not None for entry in session._timeline]


def test_recent_states_and_some_old_ones_are_kept(session: Session) -> None:
    kept = states(session)
    assert all(kept[-RECENT:])
    old = kept[:-RECENT]
    assert [place for place, has in enumerate(old) if has] == [EVERY - 1, 2 * EVERY - 1]


def test_masks_and_clicks_of_old_steps_stay_and_probabilities_come_back(session: Session) -> None:
    fresh = Disks()
    state = fresh.start(IMAGE)
    for entry, step in zip(session._timeline, session.steps, strict=True):
        if entry.action.edited is None:
            state, expected = fresh.step(state, entry.clicks)
        else:
            state, expected = fresh.edit(state, entry.action.edited.unpack())
        assert np.array_equal(step.mask, expected.mask)
        assert np.array_equal(step.probability, expected.probability)
        assert step.clicks == expected.clicks


@pytest.mark.parametrize("back", [1, RECENT + 3, COUNT - 3, COUNT])
def test_a_click_after_going_back_is_answered_as_if_nothing_was_let_go(back: int) -> None:
    session, other = clicked(Session(Disks(), IMAGE)), Session(Disks(), IMAGE)
    clicked(other, COUNT - back)
    for _ in range(back):
        assert session.undo()
    assert np.array_equal(session.click(30, 20).mask, other.click(30, 20).mask)
    assert session.groups == other.groups


def test_undo_and_redo_compute_nothing(session: Session) -> None:
    method = session.method
    assert isinstance(method, Disks)
    mask, steps = session.mask, method.steps
    while session.undo():
        assert session.mask.shape == (40, 60)
    while session.redo():
        pass
    assert np.array_equal(session.mask, mask)
    assert method.steps == steps


def test_removing_an_old_click_and_replaying_still_work(session: Session) -> None:
    session.remove(2)
    assert len(states(session)) == COUNT - 1
    assert sum(states(session)) == RECENT + (COUNT - 1 - RECENT) // EVERY
    again = replay(Disks(), IMAGE, session.log())
    assert np.array_equal(again.mask, session.mask)
    assert session.undo()
    assert np.array_equal(session.mask, clicked(Session(Disks(), IMAGE)).mask)


def test_a_copy_goes_its_own_way(session: Session) -> None:
    other = session.copy()
    mask = session.mask
    for _ in range(COUNT - 3):
        other.undo()
    other.click(3, 3)
    assert np.array_equal(session.mask, mask)
    assert session.undo()


class Counting(Disks):
    """Notes the masks that it is handed."""

    def edit(self, state: Any, mask: NDArray[np.bool_]) -> tuple[Any, Step]:
        self.edits = [*getattr(self, "edits", []), mask]
        return super().edit(state, mask)


def test_the_method_gets_the_last_of_several_edits_when_it_is_next_asked() -> None:
    method = Counting()
    session = Session(method, IMAGE)
    session.click(10, 10)
    drawn = [np.arange(60) > place + np.zeros((40, 1)) for place in (50, 40, 30)]
    for mask in drawn:
        step = session.edit(mask)
        assert np.array_equal(step.mask, mask)
        assert np.array_equal(step.probability, mask)
        assert (step.clicks, step.seconds) == ((), 0.0)
    assert not hasattr(method, "edits")
    answer = session.click(20, 20).mask
    assert len(method.edits) == 1
    assert np.array_equal(method.edits[0], drawn[-1])
    fresh = Disks()
    state, _ = fresh.step(fresh.start(IMAGE), [Click(10, 10)])
    for mask in drawn:
        state, _ = fresh.edit(state, mask)
    assert np.array_equal(answer, fresh.step(state, [Click(20, 20)])[1].mask)


@pytest.mark.parametrize("back", [1, 4, RECENT + 2, 3 * EVERY])
def test_clicks_and_edits_in_turn_come_back_after_going_far_back(back: int) -> None:
    def worked(count: int) -> Session:
        session = Session(Disks(), IMAGE)
        for number in range(count):
            if number % 2:
                session.edit(session.mask | (np.arange(60) > 59 - number % 7))
            else:
                session.click(number % 60, (7 * number) % 40)
        return session

    session, other = worked(COUNT), worked(COUNT - back)
    for _ in range(back):
        assert session.undo()
    assert np.array_equal(session.click(30, 20).mask, other.click(30, 20).mask)


def test_of_clicks_and_edits_in_turn_some_old_states_are_kept() -> None:
    method = Disks()
    session = Session(method, IMAGE)
    for number in range(4 * EVERY):
        if number % 2:
            session.edit(session.mask)
        else:
            session.click(number % 60, (7 * number) % 40)
    steps = method.steps
    assert session.steps[2 * EVERY].probability.shape == (40, 60)
    assert method.steps - steps <= EVERY  # not from the beginning
