"""FocalClick's procedure with the real architecture and random weights: exactness and shapes."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from iseg_widget.clicks import Click
from iseg_widget.methods.focalclick import FocalClick, FocalClickOptions
from iseg_widget.session import Session, replay
from tests.networks.lively import lively_network

SHAPE = (90, 120)


@pytest.fixture(scope="module")
def method() -> FocalClick:
    return FocalClick(lively_network(), FocalClickOptions(version="S1", merge_after=2))


@pytest.fixture(scope="module")
def image() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 255, (*SHAPE, 3), dtype=np.uint8)


def seen(session: Session) -> tuple[Any, ...]:
    steps = [(s.views, s.mask.tobytes(), s.probability.tobytes()) for s in session.steps]
    return steps, session.mask.tobytes(), session.probability.tobytes()


def acted(session: Session) -> list[tuple[Any, ...]]:
    """Do four things, an edit among them; return what is seen before and after each."""
    states = [seen(session)]
    session.click(60, 40)
    states.append(seen(session))
    session.click_many([Click(20, 70, positive=False), Click(90.5, 30)])
    states.append(seen(session))
    drawn = session.mask
    drawn[:20, :20] = True
    session.edit(drawn)
    states.append(seen(session))
    session.click(100, 80, positive=False)
    states.append(seen(session))
    return states


def test_answers_depend_on_the_clicks(method: FocalClick, image: NDArray[np.uint8]):
    """Else nothing below would show anything."""
    session = Session(method, image)
    first = session.click(60, 40)
    assert 0 < first.mask.sum() < first.mask.size
    assert len(first.views) == 2
    second = session.click(20, 70, positive=False)
    assert np.abs(first.probability - second.probability).max() > 0.01


def test_flipped_the_mirrored_image_gives_the_mirrored_mask(image: NDArray[np.uint8]):
    """Focus crops are whole pixels, so the centre of the picture is clicked."""
    square = np.ascontiguousarray(image[:, :90])
    plain, both = (
        FocalClick(lively_network(), FocalClickOptions(version="S1", flip=flip))
        for flip in (False, True)
    )
    difference = {}
    for method in (plain, both):
        pair = [Session(method, np.ascontiguousarray(seen)) for seen in (square, square[:, ::-1])]
        straight, mirrored = (session.click(44.5, 44.5).probability for session in pair)
        difference[method] = np.abs(straight - mirrored[:, ::-1]).max()
    assert difference[plain] > 0.05
    assert difference[both] < 2e-3


def test_the_same_clicks_give_the_same_answers(method: FocalClick, image: NDArray[np.uint8]):
    assert acted(Session(method, image)) == acted(Session(method, image))


def test_undo_and_redo_restore_masks_crops_and_probabilities(
    method: FocalClick, image: NDArray[np.uint8]
):
    session = Session(method, image)
    states = acted(session)
    for state in states[:0:-1]:
        assert seen(session) == state
        assert session.undo()
    assert seen(session) == states[0]
    for state in states[1:]:
        assert session.redo()
        assert seen(session) == state


def test_the_next_click_after_undo_sees_the_previous_mask_of_then(
    method: FocalClick, image: NDArray[np.uint8]
):
    session = Session(method, image, trace=True)
    session.click(60, 40)
    second = session.click(20, 70, positive=False)
    session.click(90, 30)
    session.undo()
    session.undo()
    again = session.click(20, 70, positive=False)
    np.testing.assert_array_equal(again.probability, second.probability)
    np.testing.assert_array_equal(again.mask, second.mask)
    np.testing.assert_array_equal(again.trace["previous_mask"], second.trace["previous_mask"])
    assert again.views == second.views


@pytest.mark.parametrize("existing", [False, True])
def test_replay_of_a_log_with_edits_and_groups(
    method: FocalClick, image: NDArray[np.uint8], existing: bool
):
    mask = np.zeros(SHAPE, bool)
    mask[30:70, 40:90] = True
    session = Session(method, image, mask if existing else None)
    acted(session)
    other = replay(method, image, json.loads(json.dumps(session.log())))
    assert seen(other) == seen(session)
    assert other.groups == (1, 2, 0, 1)


@pytest.mark.parametrize("version", ["S1", "S2"])
def test_large_image_is_answered_at_its_own_size(version: Any):
    method = FocalClick(lively_network(), FocalClickOptions(version=version))
    rows, columns = np.indices((700, 1100))
    image = np.dstack([rows % 256, columns % 256, (rows // 7) % 256]).astype(np.uint8)
    session = Session(method, image)
    for x, y in ((500, 300), (900, 600)):
        step = session.click(x, y)
        assert step.probability.shape == (700, 1100)
        assert step.probability.dtype == np.float32
        assert step.mask.shape == (700, 1100)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (5, 7), (2, 300), (400, 3)])
def test_tiny_and_thin_images(method: FocalClick, shape: tuple[int, int]):
    image = np.random.default_rng(1).integers(0, 255, (*shape, 3), dtype=np.uint8)
    session = Session(method, image)
    session.click(0, 0)
    session.click(shape[1] - 1, shape[0] - 1, positive=False)
    assert session.mask.shape == shape
    assert np.isfinite(session.probability).all()


def test_history_stays_small(method: FocalClick):
    """A step keeps crop-sized logits and packed masks, not images: hundreds must fit."""
    image = np.random.default_rng(2).integers(0, 255, (600, 800, 3), dtype=np.uint8)
    session = Session(method, image)
    rng = np.random.default_rng(3)
    for _ in range(4):
        session.click(int(rng.integers(800)), int(rng.integers(600)))
    for step in session.steps:
        patches = sum(patch.values.nbytes for patch in step.soft.patches)  # type: ignore[attr-defined]
        assert patches + len(step.packed.packed.data) < 400_000  # type: ignore[attr-defined]
