from __future__ import annotations

import sys
from collections import Counter
from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iseg_widget.datasets.base import Dataset, MemoryDataset, Sample
from iseg_widget.datasets.defect_statistics import defect_statistics
from iseg_widget.datasets.defects import (
    KINDS,
    DefectOptions,
    error_regions,
    simulate_defects,
    superpixels,
    with_defects,
)

pytest.importorskip("skimage")


def scene(seed: int, shape: tuple[int, int] = (72, 96)) -> Sample:
    """One ellipse on smooth noise, both of random colour, size and place."""
    rng = np.random.default_rng(seed)
    height, width = shape
    noise = rng.integers(0, 256, (9, 12, 3), dtype=np.uint8)
    image = cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    pixels = np.zeros(shape, np.uint8)
    centre = int(rng.integers(24, width - 24)), int(rng.integers(18, height - 18))
    axes = int(rng.integers(8, 24)), int(rng.integers(8, 18))
    cv2.ellipse(pixels, centre, axes, float(rng.uniform(0, 180)), 0, 360, 1, -1)
    image[pixels > 0] = (image[pixels > 0] // 2 + rng.integers(0, 128, 3)).astype(np.uint8)
    return Sample(f"scene {seed}", np.asarray(image, np.uint8), pixels > 0)


def overlap(one: np.ndarray, other: np.ndarray, counted: np.ndarray | None = None) -> float:
    counted = np.ones(one.shape, bool) if counted is None else counted
    return float((one & other & counted).sum() / ((one | other) & counted).sum())


# The generator


@pytest.mark.parametrize("seed", range(8))
def test_the_iou_is_in_the_range_and_is_the_one_reported(seed: int):
    sample = scene(seed)
    defect = simulate_defects(sample.image, sample.mask, np.random.default_rng(seed))
    assert defect.reached
    assert 0.75 <= defect.iou <= 0.85
    assert defect.iou == overlap(defect.mask, sample.mask)
    assert defect.steps
    assert set(defect.steps) <= set(KINDS)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    shape=st.tuples(st.integers(1, 24), st.integers(1, 24)),
    density=st.sampled_from([0.02, 0.3, 0.9, 1.0]),
    ignored=st.sampled_from([0.0, 0.2]),
)
def test_any_mask_is_spoilt_but_the_tiniest_may_leave_the_range(
    seed: int, shape: tuple[int, int], density: float, ignored: float
):
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
    mask, ignore = rng.random(shape) < density, rng.random(shape) < ignored
    mask.flat[0], ignore.flat[0] = True, False
    defect = simulate_defects(image, mask, rng, ignore=ignore)
    assert defect.mask.shape == mask.shape
    assert (defect.mask != mask)[~ignore].any()
    assert defect.iou == overlap(defect.mask, mask, ~ignore)
    assert defect.reached == (0.75 <= defect.iou <= 0.85)
    if (mask & ~ignore).sum() >= 3 and (~mask & ~ignore).sum() >= 4:
        assert defect.reached


@pytest.mark.parametrize(("pixels", "reached"), [(1, False), (2, False), (3, True), (4, True)])
def test_what_cannot_be_reached_is_reported(pixels: int, reached: bool):
    mask = np.zeros((9, 9), bool)
    mask[4, 2 : 2 + pixels] = True
    image = np.zeros((9, 9, 3), np.uint8)
    defect = simulate_defects(image, mask, np.random.default_rng(0))
    assert defect.reached is reached
    assert (defect.mask != mask).any()


def test_the_true_mask_is_not_touched():
    sample = scene(1)
    before = sample.mask.copy()
    simulate_defects(sample.image, sample.mask, np.random.default_rng(0))
    np.testing.assert_array_equal(sample.mask, before)


@pytest.mark.parametrize(
    ("kind", "shares"),
    [("boundary", (1, 0, 0)), ("external", (0, 1, 0)), ("internal", (0, 0, 1))],
)
def test_each_type_is_wrong_in_its_own_place(kind: str, shares: tuple[float, float, float]):
    options = DefectOptions(shares=shares)
    for seed in range(4):
        sample = scene(seed)
        defect = simulate_defects(
            sample.image, sample.mask, np.random.default_rng(seed), options=options
        )
        assert defect.reached
        assert set(defect.steps) == {kind}
        wrong = defect.mask ^ sample.mask
        regions = error_regions(sample.mask)
        if kind == "boundary":
            # Pieces across the outline: they meet the band, though they may reach out of it.
            _, pieces = cv2.connectedComponents(wrong.astype(np.uint8), connectivity=8)
            touching = np.unique(pieces[wrong & regions["boundary"]])
            assert set(touching) == set(np.unique(pieces[wrong]))
        else:
            assert not (wrong & ~regions[kind]).any()  # type: ignore[index]
        assert not (kind == "external" and (wrong & sample.mask).any())
        assert not (kind == "internal" and (wrong & ~sample.mask).any())


def test_the_types_have_their_shares_over_many_objects():
    steps: Counter[str] = Counter()
    for seed in range(100):
        sample = scene(seed)
        defect = simulate_defects(sample.image, sample.mask, np.random.default_rng(seed))
        steps.update(defect.steps)
    total = sum(steps.values())
    assert total > 300
    for kind, share in zip(KINDS, (0.65, 0.25, 0.1), strict=True):
        assert steps[kind] / total == pytest.approx(share, abs=0.06)


def test_ignored_pixels_count_for_nothing():
    sample = scene(3)
    ignore = np.zeros(sample.mask.shape, bool)
    ignore[:, :48] = True
    defect = simulate_defects(sample.image, sample.mask, np.random.default_rng(0), ignore=ignore)
    assert defect.reached
    assert defect.iou == overlap(defect.mask, sample.mask, ~ignore)
    with pytest.raises(ValueError, match="no object to spoil"):
        simulate_defects(
            sample.image, sample.mask, np.random.default_rng(0), ignore=sample.mask.copy()
        )


def test_another_range_is_kept():
    options = DefectOptions(min_iou=0.5, max_iou=0.6)
    for seed in range(4):
        sample = scene(seed)
        defect = simulate_defects(
            sample.image, sample.mask, np.random.default_rng(seed), options=options
        )
        assert defect.reached
        assert 0.5 <= defect.iou <= 0.6


def test_regions_cover_the_image_once_and_follow_the_outline():
    mask = np.zeros((60, 60), bool)
    mask[10:50, 10:50] = True
    regions = error_regions(mask)
    assert (sum(region.astype(int) for region in regions.values()) == 1).all()
    assert regions["boundary"][10, 30]
    assert regions["boundary"][8, 30]  # 5 % of 40 pixels to each side
    assert not regions["boundary"][7, 30]
    assert regions["boundary"][11, 30]
    assert not regions["boundary"][12, 30]
    whole = error_regions(np.ones((20, 20), bool))
    assert whole["internal"].all()  # the image's edge is no outline


def test_superpixels_label_every_pixel():
    image = scene(0).image
    labels = superpixels(image, 50)
    assert labels.shape == image.shape[:2]
    assert labels.min() == 0
    assert 20 <= len(np.unique(labels)) <= 70
    large = cv2.resize(image, (1300, 1000))
    labels = superpixels(np.asarray(large, np.uint8), 50)
    assert labels.shape == (1000, 1300)
    assert 20 <= len(np.unique(labels)) <= 70


def test_without_scikit_image_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "skimage.segmentation", None)
    with pytest.raises(ImportError, match=r"pip install .*scikit-image"):
        superpixels(scene(0).image, 50)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"min_iou": 0.9}, "0 < min_iou < max_iou < 1 is needed, got 0.9 and 0.85"),
        ({"shares": (0.5, 0.5)}, "shares must be three numbers"),
        ({"shares": (0.5, 0.5, 0.5)}, "shares must add up to 1"),
        ({"superpixels": ()}, "superpixels must be numbers from 1"),
        ({"band": 0}, "band must be above 0, got 0"),
    ],
)
def test_options_are_checked(options: dict, message: str):
    with pytest.raises(ValueError, match=message):
        DefectOptions(**options)


# The dataset


@pytest.fixture(scope="module")
def scenes() -> MemoryDataset:
    return MemoryDataset([scene(seed) for seed in range(6)], "scenes", "ellipses")


def test_samples_get_an_initial_mask_and_nothing_else_changes(scenes: MemoryDataset):
    dataset = with_defects(scenes, 3)
    assert isinstance(dataset, Dataset)
    assert dataset.names == scenes.names
    assert dataset.name == "scenes+defects3"
    assert "ellipses; starts from masks" in dataset.description
    assert "seed 3" in dataset.description
    for sample, plain in zip(dataset, scenes, strict=True):
        assert sample.initial_mask is not None
        assert 0.75 <= overlap(sample.initial_mask, sample.mask) <= 0.85
        assert (sample.name, sample.image is plain.image) == (plain.name, True)


def test_masks_depend_on_seed_and_name_only(scenes: MemoryDataset):
    def masks(dataset: Dataset, seed: int) -> dict[str, bytes]:
        return {s.name: s.initial_mask.tobytes() for s in with_defects(dataset, seed)}  # type: ignore[union-attr]

    first = masks(scenes, 0)
    backwards = MemoryDataset(reversed(list(scenes)), "other")
    assert masks(backwards, 0) == first
    other = masks(scenes, 1)
    assert all(other[name] != first[name] for name in first)
    renamed = MemoryDataset([replace(scenes[0], name="another")])
    assert masks(renamed, 0)["another"] != first["scene 0"]
    with pytest.raises(ValueError, match="seed must be a whole number from 0, got -1"):
        with_defects(scenes, -1)


# Statistics


def test_statistics_of_generated_masks(scenes: MemoryDataset):
    statistics = defect_statistics(with_defects(scenes, 0), limit=4)
    assert (statistics.objects, statistics.without, len(statistics.ious)) == (4, 0, 4)
    assert statistics.in_range == 1
    assert statistics.areas == tuple(int(scenes[index].mask.sum()) for index in range(4))
    assert sum(statistics.wrong.values()) == pytest.approx(1)
    assert statistics.steps is not None
    assert sum(statistics.steps.values()) == pytest.approx(1)
    assert "100.0% in range" in str(statistics)
    assert "error types: boundary" in str(statistics)


def test_statistics_of_given_masks():
    image, truth = np.zeros((40, 50, 3), np.uint8), np.zeros((40, 50), bool)
    truth[10:30, 10:30] = True  # the band is one pixel to each side
    holed, ignore = truth.copy(), np.zeros_like(truth)
    holed[18:22, 15:25] = False  # 40 inside
    holed[0:2, 0:30] = True  # 60 outside, 20 of them ignored
    ignore[0:2, 0:10] = True
    samples = [
        Sample("none", image, truth),
        Sample("flawed", image, truth, ignore=ignore, initial_mask=holed),
        Sample("perfect", image, truth, initial_mask=truth.copy()),
    ]
    statistics = defect_statistics(MemoryDataset(samples))
    assert (statistics.objects, statistics.without) == (3, 1)
    assert statistics.ious == (360 / 440, 1.0)
    assert statistics.in_range == 0.5
    assert statistics.areas == (400, 400)
    assert dict(statistics.wrong) == {"boundary": 0, "external": 0.5, "internal": 0.5}
    assert statistics.steps is None
    assert "error types" not in str(statistics)
    nothing = defect_statistics(MemoryDataset(samples[:1]))
    assert str(nothing) == "1 objects, 1 without an initial mask"
    with pytest.raises(ValueError, match="limit must be at least 1, got 0"):
        defect_statistics(MemoryDataset(samples), limit=0)
