from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import distance_transform_edt

from iseg_widget.clicks import Click
from iseg_widget.evaluation.noisy_robot import NoisyRobot
from iseg_widget.evaluation.replay_robot import ReplayRobot
from iseg_widget.evaluation.robot import ROBOTS, Robot, find_robot, next_click

RECORDED = {
    # recorded code: our strategy
    "ritm": "ritm",
    "clickseg": "ritm",
    "fcanet": "fcanet",
    "focuscut": "focuscut",
}


@pytest.fixture(scope="module")
def recorded(parity_root: Path) -> dict[str, Any]:
    case = parity_root / "E1_robot_and_iou"
    assert "40 pairs" in json.loads(case.with_suffix(".json").read_text("utf-8"))["what"]
    with np.load(case.with_suffix(".npz")) as file:
        found = {name: file[name] for name in file.files}
    found["pred"] = np.unpackbits(found["pred"], axis=-1)
    return found


def pair(recorded: dict[str, Any], index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Prediction, truth and ignore of a recorded pair."""
    height, width = recorded["shape"][index]
    prediction, truth, ignore = (
        recorded[name][index, :height, :width] == 1 for name in ("pred", "gt", "ignore")
    )
    return prediction, truth, ignore


@pytest.mark.parity
@pytest.mark.parametrize("code", RECORDED)
def test_clicks_equal_the_published_code(recorded: dict[str, Any], code: str):
    for index in range(40):
        prediction, truth, ignore = pair(recorded, index)
        clicks: list[Click] = []
        for which in ("click", "click2"):
            found = next_click(prediction, truth, clicks, ignore, robot=RECORDED[code])
            first, second, positive = recorded[f"{code}_{which}"][index]
            x, y = (second, first) if RECORDED[code] == "ritm" else (first, second)
            assert found == Click(int(x), int(y), bool(positive)), (index, which)
            clicks.append(found)


def masks(side: int = 14) -> st.SearchStrategy[np.ndarray]:
    shapes = st.tuples(st.integers(1, side), st.integers(1, side))
    return shapes.flatmap(lambda shape: arrays(bool, (3, *shape)))


@given(masks(), st.sampled_from(sorted(ROBOTS)))
def test_a_click_lies_in_an_error_of_its_kind(stack: np.ndarray, name: str):
    prediction, truth, ignore = stack
    click = next_click(prediction, truth, (), ignore, robot=name)
    at = click.pixel
    if ((prediction != truth) & ~ignore).any():
        assert prediction[at] != truth[at]
        assert not ignore[at]
        assert click.positive == truth[at]
    elif name == "focuscut" and (truth & ~ignore).any():
        assert click.positive
        assert truth[at]
    else:
        assert click == Click(0, 0, positive=False)


@given(masks())
def test_it_is_the_deepest_pixel_of_the_whole_padded_maps(stack: np.ndarray):
    prediction, truth, ignore = stack
    depth = [
        distance_transform_edt(np.pad(errors & ~ignore, 1))[1:-1, 1:-1]
        for errors in (truth & ~prediction, prediction & ~truth)
    ]
    positive = depth[0].max() > depth[1].max()
    deepest = depth[0] if positive else depth[1]
    y, x = np.unravel_index(np.argmax(deepest), deepest.shape)
    for name in ROBOTS if depth[0].any() or depth[1].any() else ("ritm", "fcanet"):
        expected = Click(int(x), int(y), bool(positive))
        assert next_click(prediction, truth, (), ignore, robot=name) == expected


@given(masks(10))
def test_repeated_clicks_never_hit_the_same_pixel_while_errors_are_left(stack: np.ndarray):
    prediction, truth, ignore = stack
    errors = int(np.count_nonzero((prediction != truth) & ~ignore))
    clicks: list[Click] = []
    for _ in range(errors):
        clicks.append(next_click(prediction, truth, clicks, ignore))
    assert len({click.pixel for click in clicks}) == errors
    assert next_click(prediction, truth, clicks, ignore) == Click(0, 0, positive=False)


def test_a_tie_is_a_negative_click():
    prediction = np.zeros((20, 40), bool)
    truth = prediction.copy()
    prediction[5:10, 5:10] = True
    truth[5:10, 25:30] = True
    assert next_click(prediction, truth) == Click(7, 7, positive=False)


def test_the_image_border_counts_as_the_border_of_an_error():
    truth = np.ones((9, 9), bool)
    assert next_click(~truth, truth) == Click(4, 4)


def test_of_equal_maxima_the_first_in_row_order_is_clicked():
    truth = np.zeros((30, 30), bool)
    truth[20:25, 2:7] = truth[3:8, 20:25] = True
    assert next_click(np.zeros_like(truth), truth) == Click(22, 5)


def test_refusals_say_what_is_accepted():
    mask = np.zeros((4, 5), bool)
    with pytest.raises(ValueError, match="accepted are ritm, fcanet, focuscut"):
        next_click(mask, mask, robot="human")
    with pytest.raises(ValueError, match=r"truth has shape \(5, 4\)"):
        next_click(mask, mask.T)
    with pytest.raises(ValueError, match="ignore has shape"):
        next_click(mask, mask, (), mask.T)
    with pytest.raises(ValueError, match="outside the 5 x 4"):
        next_click(mask, mask, [Click(5, 0)])


def test_a_perfect_prediction_is_answered_as_published():
    truth = np.zeros((20, 30), bool)
    truth[4:15, 6:17] = True
    before = [Click(11, 9)]
    for name in ("ritm", "fcanet"):
        assert next_click(truth, truth, before, robot=name) == Click(0, 0, positive=False)
    assert next_click(truth, truth, before, robot="focuscut") == Click(11, 9)
    assert next_click(truth, truth, before, ~truth, robot="focuscut") == Click(11, 9)


def test_the_first_click_from_scratch_is_positive_as_fca_net_says():
    rng = np.random.default_rng(0)
    for _ in range(20):
        truth = rng.random((12, 15)) < rng.random()
        truth[3, 4] = True
        assert all(next_click(np.zeros_like(truth), truth, robot=n).positive for n in ROBOTS)


@pytest.mark.parametrize(
    "robot",
    [*ROBOTS.values(), NoisyRobot(), ReplayRobot({"a": [Click(1, 1)]})],
    ids=lambda robot: robot.name,
)
def test_every_robot_fits_the_protocol_and_travels(robot: Robot):
    assert isinstance(robot, Robot)
    assert find_robot(robot) is robot
    assert pickle.loads(pickle.dumps(robot)) == robot
    assert isinstance(robot.description, str)
    assert robot.description.startswith(robot.name)
    mask = np.zeros((3, 3), bool)
    assert robot.next_click(mask, ~mask, sample="a") == Click(1, 1)


def test_a_name_or_description_finds_its_robot():
    for name in ROBOTS:
        assert find_robot(name) is ROBOTS[name]
        assert find_robot(name).description == name
    assert find_robot("noisy") == NoisyRobot()
    noisy = NoisyRobot("focuscut", "inner", 2.5, "image", 0.1, 7)
    assert find_robot(noisy.description) == noisy
    with pytest.raises(ValueError, match="accepted are ritm, fcanet, focuscut, noisy:FIELD"):
        find_robot("human")
    with pytest.raises(TypeError, match="a name or a Robot, got int"):
        find_robot(3)  # type: ignore[arg-type]
