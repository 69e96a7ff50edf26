from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import distance_transform_edt

from iseg_widget.evaluation import metrics

curves = st.lists(st.lists(st.floats(0, 1), min_size=1, max_size=20), min_size=1, max_size=6)


@pytest.fixture(scope="module")
def e1(parity_root: Path) -> dict[str, Any]:
    with np.load(parity_root / "E1_robot_and_iou.npz") as file:
        found = {name: file[name] for name in file.files}
    found["pred"] = np.unpackbits(found["pred"], axis=-1)
    return found


@pytest.fixture(scope="module")
def e2(parity_root: Path) -> dict[str, Any]:
    with np.load(parity_root / "E2_noc.npz") as file:
        return {name: file[name] for name in file.files}


def pair(case: dict[str, Any], index: int) -> tuple[np.ndarray, ...]:
    height, width = case["shape"][index]
    return tuple(case[name][index, :height, :width] == 1 for name in ("pred", "gt", "ignore"))


@pytest.mark.parity
@pytest.mark.parametrize("code", ["ritm", "clickseg", "focuscut"])
def test_iou_equals_the_published_code(e1: dict[str, Any], code: str):
    found = [metrics.iou(*pair(e1, index)) for index in range(40)]
    np.testing.assert_allclose(found, e1[f"{code}_iou"], rtol=1e-6)


@pytest.mark.parity
def test_biou_equals_the_published_code(e1: dict[str, Any]):
    found = [metrics.boundary_iou(*pair(e1, index), compat=True) for index in range(20)]
    np.testing.assert_allclose(found, e1["focuscut_biou"], rtol=1e-6)


@pytest.mark.parity
def test_assd_equals_the_published_code(e1: dict[str, Any]):
    found = [metrics.assd(*pair(e1, index), compat=True) for index in range(20)]
    np.testing.assert_allclose(found, e1["focuscut_assd"], rtol=1e-6)


@pytest.mark.parity
def test_without_ignored_pixels_compat_changes_nothing(e1: dict[str, Any]):
    for index in range(20):
        prediction, truth, _ = pair(e1, index)
        for measure in (metrics.boundary_iou, metrics.assd):
            if prediction.any() and truth.any():
                assert measure(prediction, truth) == pytest.approx(
                    measure(prediction, truth, compat=True), rel=1e-6
                )


@pytest.mark.parity
def test_noc_and_nof_equal_the_published_codes(e2: dict[str, Any]):
    for index, target in enumerate((0.80, 0.85, 0.90)):
        assert e2["thresholds"][index] == np.float32(target)
        for code in ("ritm_noc", "clickseg_noc", "focuscut_mnoc"):
            assert metrics.noc(e2["ious"], target) == pytest.approx(e2[code][index], rel=1e-6)
        assert metrics.nof(e2["ious"], target) == e2["focuscut_nof"][index]
        for code in ("ritm_over_max", "clickseg_over_max"):
            found = metrics.nof(e2["ious"], target, convention="at_limit")
            assert found == e2[code][index]


@pytest.mark.parity
def test_curves_cut_at_the_target_give_the_same(e2: dict[str, Any]):
    cut = []
    for curve in e2["ious"]:
        hits = np.flatnonzero(curve >= 0.9)
        cut.append(curve[: hits[0] + 1] if len(hits) else curve)
    for target in (0.80, 0.85, 0.90):
        assert metrics.noc(cut, target) == metrics.noc(e2["ious"], target)
        for convention in ("never_reached", "at_limit"):
            expected = metrics.nof(e2["ious"], target, convention=convention)
            assert metrics.nof(cut, target, convention=convention) == expected


@pytest.mark.parity
def test_the_mean_curve_equals_the_published_one(e2: dict[str, Any]):
    found = [metrics.iou_at(e2["ious"], click) for click in range(1, 21)]
    np.testing.assert_allclose([0.0, *found], e2["focuscut_noc_miou"], rtol=1e-6)


def test_the_two_conventions_differ_for_a_success_with_the_last_click():
    late = [0.1] * 19 + [0.95]
    assert metrics.noc([late], 0.9) == 20
    assert metrics.nof([late], 0.9) == 0
    assert metrics.nof([late], 0.9, convention="at_limit") == 1


@given(curves, st.floats(0, 1), st.floats(0, 1))
def test_a_higher_target_never_needs_fewer_clicks(
    values: list[list[float]], first: float, second: float
):
    low, high = sorted((first, second))
    assert metrics.noc(values, low) <= metrics.noc(values, high)
    assert metrics.nof(values, low) <= metrics.nof(values, high)


@given(curves, st.floats(0, 1))
def test_noc_against_a_plain_loop(values: list[list[float]], target: float):
    counts, failures = [], 0
    for curve in values:
        reached = [k for k, value in enumerate(curve, start=1) if value >= target]
        counts.append(reached[0] if reached else 20)
        failures += not reached
    assert metrics.noc(values, target) == pytest.approx(sum(counts) / len(counts))
    assert metrics.nof(values, target) == failures
    assert failures <= metrics.nof(values, target, convention="at_limit")


def test_a_hundred_clicks_and_twenty_of_them():
    rng = np.random.default_rng(0)
    slow = np.sort(rng.random((12, 100)), axis=1)  # FocusCut Table 5: NoC and NoF of 100 clicks
    needed = [1 + next((k for k, v in enumerate(row) if v >= 0.9), 99) for row in slow]
    assert metrics.noc(slow, 0.9, 100) == pytest.approx(np.mean(needed))
    assert metrics.noc(slow, 0.9, 20) == pytest.approx(np.mean(np.minimum(needed, 20)))
    never = np.count_nonzero(slow[:, -1] < 0.9)
    assert metrics.nof(slow, 0.9, 100) == never
    assert metrics.nof(slow, 0.9, 20) == np.count_nonzero(slow[:, 19] < 0.9)


@given(curves, st.floats(0, 1), st.integers(1, 25))
def test_the_histogram_holds_every_object_once(values: list[list[float]], target: float, most: int):
    found = metrics.click_histogram(values, target, most)
    assert found.reached.shape == (most,)
    assert found.reached.sum() + found.failed == len(values)
    assert found.failed == metrics.nof(values, target, most)
    clicks = (found.reached * np.arange(1, most + 1)).sum() + most * found.failed
    assert clicks / len(values) == pytest.approx(metrics.noc(values, target, most))
    assert found.within[-1] == len(values) - found.failed


def test_a_histogram_by_hand():
    found = metrics.click_histogram([[0.9], [0.1, 0.9], [0.2, 0.95], [0.1]], 0.9, 4)
    np.testing.assert_array_equal(found.reached, [1, 2, 0, 0])
    np.testing.assert_array_equal(found.within, [1, 3, 3, 3])
    assert found.failed == 1


@given(curves, st.integers(1, 25))
def test_the_mean_curve_is_the_iou_after_every_click(values: list[list[float]], most: int):
    found = metrics.mean_curve(values, most)
    np.testing.assert_allclose(found, [metrics.iou_at(values, k) for k in range(1, most + 1)])
    initial = [0.25] * len(values)
    np.testing.assert_allclose(metrics.mean_curve(values, most, initial), [0.25, *found])


def test_the_mean_curve_without_curves_and_with_too_few_initial_values():
    assert np.isnan(metrics.mean_curve([], 3)).all()
    assert metrics.mean_curve([], 3, []).shape == (4,)
    with pytest.raises(ValueError, match="initial holds 1 values for 2 curves"):
        metrics.mean_curve([[0.1], [0.2]], 3, [0.0])


def test_seconds_are_those_of_the_clicks_that_were_made():
    seconds = [[1.0, 2.0, 3.0], [3.0], []]
    assert metrics.seconds_per_click(seconds) == 9 / 4
    assert np.isnan(metrics.seconds_per_click([]))
    mean, count = metrics.per_click(seconds, 4)
    np.testing.assert_array_equal(mean, [2, 2, 3, np.nan])
    np.testing.assert_array_equal(count, [2, 1, 1, 0])
    np.testing.assert_array_equal(metrics.per_click([[np.nan, 1], [4, 3]], 1)[0], [4])


def test_curves_keep_their_last_value_and_are_cut():
    stacked = metrics.stack_curves([[0.5, 0.7], [0.1, 0.2, 0.3, 0.4]], 3)
    np.testing.assert_array_equal(stacked, [[0.5, 0.7, 0.7], [0.1, 0.2, 0.3]])
    assert metrics.noc([[0.1, 0.2, 0.9]], 0.9, max_clicks=2) == 2
    assert np.isnan(metrics.noc([], 0.9))
    assert metrics.nof([], 0.9) == 0


@pytest.mark.parametrize("target", [-0.1, 1.1, float("nan")])
def test_a_target_outside_0_to_1_is_refused(target: float):
    with pytest.raises(ValueError, match=r"lies in 0\.\.1"):
        metrics.noc([[0.5]], target)


def test_refusals_say_what_is_accepted():
    with pytest.raises(ValueError, match="never_reached, at_limit"):
        metrics.nof([[0.5]], 0.9, convention="often")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="max_clicks must be at least 1"):
        metrics.noc([[0.5]], 0.9, max_clicks=0)
    with pytest.raises(ValueError, match="curve 1 must hold at least one"):
        metrics.noc([[0.5], []], 0.9)
    small, large = np.ones((2, 2), bool), np.ones((3, 3), bool)
    for measure in (
        metrics.iou,
        metrics.boundary_iou,
        metrics.assd,
        metrics.hamming_distance,
        metrics.coverage_score,
    ):
        with pytest.raises(ValueError, match=r"\(3, 3\)"):
            measure(small, large)


pairs = st.tuples(st.integers(2, 12), st.integers(2, 12)).flatmap(
    lambda shape: arrays(bool, (2, *shape))
)


@given(pairs)
def test_biou_is_an_iou(stack: np.ndarray):
    first, second = stack
    value = metrics.boundary_iou(first, second)
    assert 0 <= value <= 1
    assert value == metrics.boundary_iou(second, first)
    assert metrics.boundary_iou(first, first) == 1
    assert metrics.boundary_iou(first, second, ignore=np.ones_like(first)) == 1


def test_biou_sees_what_iou_does_not():
    truth = np.zeros((200, 200), bool)
    truth[20:180, 20:180] = True
    rough = truth.copy()
    rough[20:180:4, 20:24] = False
    assert metrics.iou(rough, truth) > 0.99
    assert metrics.boundary_iou(rough, truth) < 0.97


@given(pairs)
def test_assd_is_symmetric_and_bounded_by_the_diagonal(stack: np.ndarray):
    first, second = stack
    value = metrics.assd(first, second)
    assert value == pytest.approx(metrics.assd(second, first))
    assert metrics.assd(first, first) == 0
    if first.any() != second.any():
        assert value == np.hypot(*first.shape)
    elif first.any():
        assert value <= np.hypot(*first.shape)


def test_assd_of_shifted_squares():
    first, second = np.zeros((2, 40, 40), bool)
    first[10:20, 10:20] = True
    second[10:20, 13:23] = True
    rings = [
        mask & (distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1] <= 1)
        for mask in (first, second)
    ]
    away = [distance_transform_edt(~ring) for ring in rings]
    expected = np.concatenate([away[1][rings[0]], away[0][rings[1]]]).mean()
    assert metrics.assd(first, second) == pytest.approx(expected, rel=1e-6)


def test_assd_leaves_out_holes_and_ignored_pixels():
    truth = np.zeros((40, 40), bool)
    truth[10:30, 10:30] = True
    holed = truth.copy()
    holed[15:20, 15:20] = False
    assert metrics.assd(holed, truth) == 0
    wide = truth.copy()
    wide[8:32, 8:32] = True
    assert metrics.assd(wide, truth) > 0
    assert metrics.assd(wide, truth, ignore=wide & ~truth) == 0
