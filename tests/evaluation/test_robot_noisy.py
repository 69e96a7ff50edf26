from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import distance_transform_edt

from iseg_widget.clicks import Click
from iseg_widget.evaluation.noisy_robot import NoisyRobot
from iseg_widget.evaluation.robot import ROBOTS, next_click

stacks = st.tuples(st.integers(1, 14), st.integers(1, 14)).flatmap(
    lambda shape: arrays(bool, (3, *shape))
)
noisy = st.builds(
    NoisyRobot,
    base=st.sampled_from(sorted(ROBOTS)),
    point=st.sampled_from(["deepest", "inner", "anywhere"]),
    jitter=st.floats(0, 30),
    seed=st.integers(0, 5),
)


def disk(side: int, radius: float) -> np.ndarray:
    rows, columns = np.indices((side, side)) - side // 2
    return np.hypot(rows, columns) <= radius


def many(robot: NoisyRobot, prediction: np.ndarray, truth: np.ndarray, n: int = 400):
    return [robot.next_click(prediction, truth, sample=str(i)) for i in range(n)]


@given(stacks, noisy)
def test_a_click_lies_on_an_error_with_its_label(stack: np.ndarray, robot: NoisyRobot):
    prediction, truth, ignore = stack
    clicks: list[Click] = []
    errors = (prediction != truth) & ~ignore
    for _ in range(min(5, np.count_nonzero(errors))):
        click = robot.next_click(prediction, truth, clicks, ignore, sample="s")
        assert errors[click.pixel]
        assert click.positive == truth[click.pixel]
        assert click.pixel not in {other.pixel for other in clicks}
        clicks.append(click)


@given(stacks, noisy)
def test_without_errors_the_base_answers(stack: np.ndarray, robot: NoisyRobot):
    prediction, truth, _ = stack
    found = robot.next_click(truth, truth, (), None, sample="s")
    assert found == next_click(truth, truth, robot=robot.base)
    everything = prediction != truth
    found = robot.next_click(prediction, truth, (), everything, sample="s")
    assert found == next_click(prediction, truth, (), everything, robot=robot.base)


@given(stacks, st.sampled_from(sorted(ROBOTS)), st.integers(0, 3))
def test_without_noise_it_is_its_base(stack: np.ndarray, base: str, seed: int):
    prediction, truth, ignore = stack
    robot, clicks = NoisyRobot(base, seed=seed), list[Click]()
    for _ in range(4):
        clicks.append(robot.next_click(prediction, truth, clicks, ignore, sample="s"))
        assert clicks[-1] == next_click(prediction, truth, clicks[:-1], ignore, robot=base)


@given(stacks)
def test_inner_points_are_deeper_than_half_of_the_deepest(stack: np.ndarray):
    prediction, truth, ignore = stack
    depths = [
        distance_transform_edt(np.pad(kind & ~ignore, 1))[1:-1, 1:-1]
        for kind in (truth & ~prediction, prediction & ~truth)
    ]
    deeper = depths[0] if depths[0].max() > depths[1].max() else depths[1]
    if deeper.any():
        click = NoisyRobot(point="inner").next_click(prediction, truth, (), ignore, sample="s")
        assert deeper[click.pixel] > deeper.max() / 2


def test_inner_points_of_a_disk_lie_in_its_inner_half():
    truth = disk(61, 20)
    found = many(NoisyRobot(point="inner"), np.zeros_like(truth), truth)
    away = [np.hypot(click.x - 30, click.y - 30) for click in found]
    assert max(away) <= 11
    assert np.mean(away) == pytest.approx(10 * 2 / 3, abs=0.6)  # uniform on a disk of radius 10


def test_a_click_depends_on_seed_sample_and_number_alone():
    truth = disk(41, 15)
    empty = np.zeros_like(truth)
    robot = NoisyRobot(point="anywhere")
    first = robot.next_click(empty, truth, sample="a")
    robot.next_click(empty, truth, sample="b")
    assert NoisyRobot(point="anywhere").next_click(empty, truth, sample="a") == first
    others = {
        robot.next_click(empty, truth, sample="b"),
        robot.next_click(empty, truth, [Click(0, 0, positive=False)], sample="a"),
        NoisyRobot(point="anywhere", seed=1).next_click(empty, truth, sample="a"),
    }
    assert len({*others, first}) == 4


def test_anywhere_is_uniform_over_both_kinds_of_error():
    prediction, truth = np.zeros((2, 30, 30), bool)
    truth[2:8, 2:12] = True  # 60 missed pixels
    prediction[20:25, 20:24] = True  # 20 wrong ones
    found = many(NoisyRobot(point="anywhere"), prediction, truth, 1000)
    assert np.mean([click.positive for click in found]) == pytest.approx(0.75, abs=0.05)
    missed = [click for click in found if click.positive]
    assert np.mean([click.x for click in missed]) == pytest.approx(6.5, abs=0.4)
    assert len({click.pixel for click in found}) == 80


def test_jitter_is_a_gaussian_of_its_width():
    truth = disk(121, 55)
    empty = np.zeros_like(truth)
    for place in ("error", "image"):
        robot = NoisyRobot(jitter=6.0, jittered=place)  # type: ignore[arg-type]
        offsets = np.array([(c.x - 60, c.y - 60) for c in many(robot, empty, truth)])
        assert np.abs(offsets.mean(axis=0)).max() < 1.2
        np.testing.assert_allclose(offsets.std(axis=0), 6.0, rtol=0.15)
        assert abs(np.corrcoef(offsets.T)[0, 1]) < 0.15


def test_jitter_leaves_the_error_only_when_it_may():
    truth = disk(61, 3)
    empty = np.zeros_like(truth)
    kept = many(NoisyRobot(jitter=20.0), empty, truth, 100)
    assert all(truth[click.pixel] for click in kept)
    free = many(NoisyRobot(jitter=20.0, jittered="image"), empty, truth, 100)
    assert all(click.positive for click in free)
    assert np.mean([truth[click.pixel] for click in free]) < 0.2
    assert {click.pixel[0] for click in free} & {0, 60}  # what goes beyond ends on the border


def test_labels_are_wrong_at_their_rate_but_never_the_first():
    truth = disk(41, 15)
    empty = np.zeros_like(truth)
    robot = NoisyRobot(wrong_label=0.3)
    assert all(click.positive for click in many(robot, empty, truth, 100))
    second = [
        robot.next_click(empty, truth, [Click(0, 0, positive=False)], sample=str(i))
        for i in range(600)
    ]
    assert np.mean([click.positive for click in second]) == pytest.approx(0.7, abs=0.06)
    assert {click.pixel for click in second} == {(20, 20)}
    always = NoisyRobot(wrong_label=1.0)
    assert not always.next_click(empty, truth, [Click(0, 0)], sample="s").positive


@settings(max_examples=50)
@given(noisy, st.sampled_from(["error", "image"]), st.floats(0, 1))
def test_the_description_is_the_robot(robot: NoisyRobot, place: str, rate: float):
    changed = NoisyRobot(robot.base, robot.point, robot.jitter, place, rate, robot.seed)  # type: ignore[arg-type]
    assert NoisyRobot.parse(changed.description) == changed


def test_descriptions_are_short():
    assert NoisyRobot().description == "noisy"
    assert NoisyRobot(jitter=5, seed=3).description == "noisy:jitter=5.0,seed=3"


@pytest.mark.parametrize(
    ("description", "message"),
    [
        ("noisy:blur=3", "unknown field 'blur'; accepted are base, point, jitter"),
        ("noisy:jitter=wide", "jitter must be a number"),
        ("noisy:seed=1.5", "seed must be a number"),
        ("noisy:jitter=1,jitter=2", "jitter is given twice"),
        ("noisy:jitter=-1", "jitter must be a finite number from 0"),
        ("noisy:jitter=nan", "jitter must be a finite number"),
        ("noisy:jitter=inf", "jitter must be a finite number"),
        ("noisy:wrong_label=1.5", r"wrong_label must be a finite number in 0\.\.1"),
        ("noisy:point=edge", "point must be one of deepest, inner, anywhere"),
        ("noisy:base=noisy", "base must be one of ritm"),
        ("noisy:jittered=truth", "jittered must be one of error, image"),
        ("noisy:seed=-1", "seed must be at least 0"),
    ],
)
def test_refusals_say_what_is_accepted(description: str, message: str):
    with pytest.raises(ValueError, match=message):
        NoisyRobot.parse(description)


def test_wrong_types_are_refused():
    with pytest.raises(TypeError, match="seed must be a whole number"):
        NoisyRobot(seed=1.5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="jitter must be a number"):
        NoisyRobot(jitter="wide")  # type: ignore[arg-type]


def test_masks_and_clicks_are_checked():
    mask = np.zeros((4, 5), bool)
    with pytest.raises(ValueError, match=r"truth has shape \(5, 4\)"):
        NoisyRobot().next_click(mask, mask.T)
    with pytest.raises(ValueError, match="outside the 5 x 4"):
        NoisyRobot().next_click(mask, mask, [Click(5, 0)])
