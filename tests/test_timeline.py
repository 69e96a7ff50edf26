"""Old steps of a session let go of what can be computed again."""

from __future__ import annotations

import numpy as np
import pytest

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


def test_recent_states_and_every_eighth_are_kept(session: Session) -> None:
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
