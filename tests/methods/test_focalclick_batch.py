"""FocalClick answers several objects in one pass as it answers each alone."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest

from iseg_widget.clicks import Click
from iseg_widget.datasets import load
from iseg_widget.evaluation.robot import next_click
from iseg_widget.methods.focalclick import FocalClick, FocalClickOptions
from iseg_widget.methods.registry import load_method
from iseg_widget.networks.focalclick import Geometry
from iseg_widget.protocol import BatchMethod, step_many
from iseg_widget.session import Session
from tests.methods.stand_in import StandIn, picture

TOLERANCE = 2e-3
"""Probabilities are kept as float16 logits: half a unit in the last place of 1 is 5e-4 there."""


def _follow(batched: list[Session], truths: list[np.ndarray], count: int) -> None:
    """Let the robot click through all sessions at once and compare with one session each."""
    method = batched[0].method
    alone = [Session(s.method, s.image, s.initial_mask) for s in batched]
    for _ in range(count):
        clicks = [
            [next_click(session.mask, truth, session.clicks)]
            for session, truth in zip(batched, truths, strict=True)
        ]
        pending = [s.prepare(new) for s, new in zip(batched, clicks, strict=True)]
        answers = step_many(method, [p.state for p in pending], [p.clicks for p in pending])
        for session, one, taken, answer in zip(batched, alone, pending, answers, strict=True):
            step = session.accept(taken, answer)
            expected = one.click_many(taken.clicks)
            # Sums are taken in another order, so a pixel on the very threshold may fall either way.
            doubtful = np.abs(expected.probability - method.options.threshold) < TOLERANCE
            assert not ((step.mask ^ expected.mask) & ~doubtful).any()
            np.testing.assert_allclose(step.probability, expected.probability, atol=TOLERANCE)
            assert step.views == expected.views
            assert step.clicks == expected.clicks


@pytest.mark.parametrize("options", [{}, {"compat": True}, {"flip": True}])
def test_the_demo_objects_come_out_alike(options: dict[str, bool]):
    method = load_method("focalclick", device="cpu", options=options)
    assert isinstance(method, BatchMethod)
    samples = list(load("demo"))[::3]
    assert len({sample.image.shape for sample in samples}) > 1
    sessions = [Session(method, sample.image) for sample in samples]
    _follow(sessions, [sample.mask for sample in samples], 3)


def test_progressive_merge_starts_for_each_object_by_itself():
    """One object has an existing mask, one is beyond ten clicks, one begins."""
    method = load_method("focalclick", device="cpu", options={"merge_after": 2})
    samples = list(load("demo"))[:3]
    flawed = samples[0].mask.copy()
    flawed[: flawed.shape[0] // 2] = False
    sessions = [
        Session(method, sample.image, mask)
        for sample, mask in zip(samples, (flawed, None, None), strict=True)
    ]
    for _ in range(2):
        click = next_click(sessions[1].mask, samples[1].mask, sessions[1].clicks)
        sessions[1].click(click.x, click.y, click.positive)
    sessions[1] = sessions[1].with_method(method)
    sessions_alone = [s.with_method(method) for s in sessions]
    clicks = [
        next_click(session.mask, sample.mask, session.clicks)
        for session, sample in zip(sessions, samples, strict=True)
    ]
    pending = [s.prepare([c]) for s, c in zip(sessions, clicks, strict=True)]
    answers = step_many(method, [p.state for p in pending], [p.clicks for p in pending])
    for session, alone, taken, answer in zip(
        sessions, sessions_alone, pending, answers, strict=True
    ):
        found = session.accept(taken, answer)
        np.testing.assert_array_equal(found.mask, alone.click_many(taken.clicks).mask)


def _nested(box: tuple[int, int, int, int]) -> np.ndarray:
    mask = np.zeros((256, 256), bool)
    mask[box[1] : box[3], box[0] : box[2]] = True
    return picture(mask)


def test_each_object_is_refined_in_its_own_crop_or_not_at_all():
    network = StandIn()
    method = FocalClick(network, FocalClickOptions())  # type: ignore[arg-type]
    boxes = [(40, 60, 80, 100), (0, 0, 0, 0), (150, 130, 190, 180)]
    images = [_nested(box) for box in boxes]
    states = [method.start(image) for image in images]
    clicks = [[Click(60, 80)], [Click(9, 9)], [Click(170, 150)]]
    answers = method.step_many(states, clicks)
    assert [image.shape[0] for image, _ in network.segmented] == [3]
    assert [image.shape[0] for image, _, _ in network.refined] == [2]  # the second has no object
    for image, new, (_, step) in zip(images, clicks, answers, strict=True):
        _, expected = method.step(method.start(image), new)
        np.testing.assert_array_equal(step.mask, expected.mask)
        assert step.views == expected.views
    assert answers[0][1].mask[80, 60]
    assert not answers[1][1].mask.any()
    assert answers[2][1].mask[150, 170]


@pytest.mark.parametrize("sampling", ["half_pixel", "corners"])
def test_states_stay_small(sampling: Literal["half_pixel", "corners"]):
    """No state holds on to the answers to other objects."""
    network = StandIn()
    network.geometry = Geometry(sampling=sampling)  # type: ignore[misc]
    method = FocalClick(network, FocalClickOptions())  # type: ignore[arg-type]
    boxes = [(40, 60, 80, 100), (30, 20, 90, 60), (150, 130, 190, 180)]
    states = [method.start(_nested(box)) for box in boxes]
    clicks = [[Click(60, 80)], [Click(50, 40)], [Click(170, 150)]]
    patches = [p for state, _ in method.step_many(states, clicks) for p in state.soft.patches]
    assert len(patches) == 6
    for patch in patches:
        kept = patch.values if patch.values.base is None else patch.values.base
        assert kept.nbytes == patch.values.nbytes


def test_no_object_is_no_work():
    assert FocalClick(StandIn()).step_many([], []) == []  # type: ignore[arg-type]


def test_a_click_outside_is_refused():
    method = FocalClick(StandIn())  # type: ignore[arg-type]
    states = [method.start(np.zeros((20, 30, 3), np.uint8)) for _ in range(2)]
    with pytest.raises(ValueError, match="outside the image"):
        method.step_many(states, [[Click(3, 3)], [Click(40, 3)]])
