"""The measures of masks against other libraries, definitions written out, and invariances."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from iseg_widget import masks
from iseg_widget.evaluation import metrics
from iseg_widget.evaluation.measures import MEASURES, Answer, view_area
from iseg_widget.protocol import VIEW_KINDS, View

triples = st.tuples(st.integers(1, 14), st.integers(1, 14)).flatmap(
    lambda shape: arrays(bool, (3, *shape))
)
OF_MASKS = {
    "iou": metrics.iou,
    "biou": metrics.boundary_iou,
    "assd": metrics.assd,
    "hamming": metrics.hamming_distance,
    "coverage": metrics.coverage_score,
}
SYMMETRIC = ["iou", "biou", "assd", "hamming"]


def smooth(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """A mask of smooth shapes without holes."""
    noise = ndimage.gaussian_filter(rng.standard_normal((height, width)), rng.uniform(2, 9))
    mask = noise > np.quantile(noise, rng.uniform(0.5, 0.9))
    outer, _ = ndimage.label(~np.pad(mask, 1))
    return (outer != outer[0, 0])[1:-1, 1:-1]


# Against other libraries


@pytest.mark.filterwarnings("ignore::FutureWarning:monai")
def test_assd_equals_monai():
    monai = pytest.importorskip("monai.metrics", reason="MONAI is not installed")
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    for _ in range(15):
        pair = np.stack([smooth(rng, 60, 80) for _ in range(2)])
        pair[:, 0] = pair[:, -1] = pair[:, :, 0] = pair[:, :, -1] = False
        first, second = (torch.from_numpy(mask[None, None]) for mask in pair)
        expected = monai.compute_average_surface_distance(
            first, second, include_background=True, symmetric=True
        )
        assert metrics.assd(*pair) == pytest.approx(float(expected), rel=1e-6)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_areas_and_iou_equal_pycocotools():
    coco = pytest.importorskip("pycocotools.mask", reason="pycocotools is not installed")
    rng = np.random.default_rng(1)
    for _ in range(20):
        first, second = (smooth(rng, 31, 47) for _ in range(2))
        rles = []
        for mask in (first, second):
            mine = masks.rle_encode(mask)
            rles.append(coco.frPyObjects(mine, *mask.shape))
            assert coco.area(rles[-1]) == mask.sum() == sum(mine["counts"][1::2])
            np.testing.assert_array_equal(coco.decode(rles[-1]), mask)
            assert coco.encode(np.asfortranarray(mask.astype(np.uint8))) == rles[-1]
        expected = coco.iou([rles[0]], [rles[1]], [0])[0, 0]
        assert metrics.iou(first, second) == pytest.approx(expected)
        union, both = coco.area(coco.merge(rles)), coco.area(coco.merge(rles, intersect=True))
        assert metrics.hamming_distance(first, second) == pytest.approx((union - both) / first.size)
        if second.any():
            found = metrics.coverage_score(first, second)
            assert found == pytest.approx(both / coco.area(rles[1]))


# Against definitions written out


def band_by_definition(mask: np.ndarray, width: int) -> np.ndarray:
    """Object pixels with a pixel outside the object within ``width`` steps of a king."""
    band = np.zeros_like(mask)
    for y, x in zip(*np.nonzero(mask), strict=True):
        square = np.zeros((2 * width + 1, 2 * width + 1), bool)
        for dy, dx in itertools.product(range(-width, width + 1), repeat=2):
            if 0 <= y + dy < mask.shape[0] and 0 <= x + dx < mask.shape[1]:
                square[dy + width, dx + width] = mask[y + dy, x + dx]
        band[y, x] = not square.all()
    return band


@pytest.mark.parametrize(("height", "width", "expected"), [(40, 50, 1), (60, 80, 2), (90, 120, 3)])
def test_biou_by_its_definition(height: int, width: int, expected: int):
    assert max(1, round(0.02 * float(np.hypot(height, width)))) == expected
    rng = np.random.default_rng(2)
    first, second = (smooth(rng, height, width) for _ in range(2))
    bands = [band_by_definition(mask, expected) for mask in (first, second)]
    value = (bands[0] & bands[1]).sum() / (bands[0] | bands[1]).sum()
    assert metrics.boundary_iou(first, second) == pytest.approx(value)
    ignore = smooth(rng, height, width)
    both, either = bands[0] & bands[1] & ~ignore, (bands[0] | bands[1]) & ~ignore
    found = metrics.boundary_iou(first, second, ignore)
    assert found == pytest.approx(both.sum() / either.sum())


@given(triples, arrays(float, (14, 14), elements=st.floats(0, 1)))
def test_hamming_and_coverage_by_their_definitions(stack: np.ndarray, soft: np.ndarray):
    mask, truth, ignore = stack
    for x in (mask, soft[: mask.shape[0], : mask.shape[1]]):
        numbers = [
            (float(a), float(b))
            for a, b, left_out in zip(x.flat, truth.flat, ignore.flat, strict=True)
            if not left_out
        ]
        apart = sum(a * (1 - b) + (1 - a) * b for a, b in numbers)
        assert metrics.hamming_distance(x, truth, ignore) == pytest.approx(
            apart / len(numbers) if numbers else 0.0
        )
        found, there = sum(a * b for a, b in numbers), sum(b for _, b in numbers)
        assert metrics.coverage_score(x, truth, ignore) == pytest.approx(
            found / there if there else 1.0
        )


# What must change nothing


@given(triples, st.sampled_from(sorted(OF_MASKS)), st.integers(0, 7))
def test_turning_and_mirroring_change_nothing(stack: np.ndarray, name: str, turn: int):
    measure = OF_MASKS[name]
    turned = np.rot90(stack, turn % 4, axes=(1, 2))
    turned = np.ascontiguousarray(turned[:, ::-1] if turn > 3 else turned)
    assert measure(*turned) == pytest.approx(measure(*stack))


@given(triples, st.sampled_from(SYMMETRIC))
def test_prediction_and_truth_may_change_places(stack: np.ndarray, name: str):
    measure = OF_MASKS[name]
    assert measure(stack[0], stack[1]) == pytest.approx(measure(stack[1], stack[0]))


@given(triples, st.sampled_from(["iou", "hamming", "coverage"]))
def test_what_is_predicted_at_ignored_pixels_does_not_matter(stack: np.ndarray, name: str):
    prediction, truth, ignore = stack
    other = prediction ^ (ignore & (np.arange(ignore.size).reshape(ignore.shape) % 2 == 0))
    measure = OF_MASKS[name]
    assert measure(prediction, truth, ignore) == measure(other, truth, ignore)
    assert metrics.assd(prediction, truth, ignore) == metrics.assd(other, truth, ignore)


@given(triples, st.sampled_from(sorted(OF_MASKS)))
def test_nothing_ignored_is_no_ignore_mask(stack: np.ndarray, name: str):
    prediction, truth, _ = stack
    nothing = np.zeros_like(truth)
    measure = OF_MASKS[name]
    assert measure(prediction, truth, nothing) == measure(prediction, truth)


@given(triples)
def test_a_perfect_prediction_is_the_best_of_every_measure(stack: np.ndarray):
    _, truth, ignore = stack
    best = {"iou": 1, "biou": 1, "assd": 0, "hamming": 0, "coverage": 1}
    for name, measure in OF_MASKS.items():
        assert measure(truth, truth) == measure(truth, truth, ignore) == best[name]


@given(triples)
def test_iou_hamming_and_coverage_hang_together(stack: np.ndarray):
    prediction, truth, _ = stack
    union = np.count_nonzero(prediction | truth)
    differing = metrics.hamming_distance(prediction, truth) * truth.size
    if union:
        assert metrics.iou(prediction, truth) == pytest.approx(1 - differing / union)
    assert metrics.coverage_score(prediction, truth) >= metrics.iou(prediction, truth) or not (
        truth.any()
    )


@given(triples, st.integers(1, 9), st.integers(1, 9))
def test_assd_does_not_see_a_wider_image(stack: np.ndarray, above: int, left: int):
    first, second, _ = stack
    if first.any() and second.any():
        wider = np.pad(stack, ((0, 0), (above, 2), (left, 3)))
        assert metrics.assd(wider[0], wider[1]) == pytest.approx(metrics.assd(first, second))


def test_assd_is_exact():
    """OpenCV's float32 distances are not, and differ from call to call."""
    rng = np.random.default_rng(4)
    for _ in range(5):
        pair = [smooth(rng, 97, 131) for _ in range(2)]
        rims = [mask & ~ndimage.binary_erosion(mask) for mask in pair]
        away = [ndimage.distance_transform_edt(~rim) for rim in rims]
        expected = np.concatenate([away[1][rims[0]], away[0][rims[1]]]).mean()
        assert metrics.assd(*pair) == pytest.approx(expected, rel=1e-12)


# By name


def test_measures_by_name_are_those_of_the_masks():
    rng = np.random.default_rng(3)
    prediction, truth, ignore = (smooth(rng, 40, 50) for _ in range(3))
    for name in ("biou", "assd", "hamming", "coverage"):
        for left_out in (None, ignore):
            answer = Answer(prediction, truth, left_out)
            assert MEASURES[name](answer) == OF_MASKS[name](prediction, truth, left_out)


def test_areas_of_crops_are_parts_of_the_image():
    mask = np.zeros((40, 50), bool)
    views = (
        View("target_crop", (10, 0, 35, 40)),
        View("focus_crop", (10, 10, 20, 20)),
        View("focus_view", (0, 0, 10, 10)),
        View("focus_view", (-10, -10, 20, 10)),
    )
    found = {kind: view_area(Answer(mask, mask, None, views), kind) for kind in VIEW_KINDS}
    assert found == {
        "target_crop": 0.5,
        "focus_crop": 0.05,
        "focus_view": pytest.approx((0.05 + 0.1) / 2),
        "zoom_in": 1.0,
        "roi": 0.0,
    }
    assert MEASURES["target_crop_area"](Answer(mask, mask, None, views)) == 0.5
    assert MEASURES["target_crop_area"](Answer(mask, mask)) == 1.0
    with pytest.raises(ValueError, match="accepted are target_crop, focus_crop"):
        view_area(Answer(mask, mask), "lens")
