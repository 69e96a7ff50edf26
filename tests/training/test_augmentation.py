"""Merged objects, parts, and objects copied onto other images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from iseg_widget.training.augmentation import VISIBLE, Augmentation, Target, cover, paste
from iseg_widget.training.pool import Pool, choose_target
from iseg_widget.training.recipes import load_recipe
from tests.training.tiny import SHAPE, blob, write_pool

RED, BLUE = (200, 10, 10), (10, 10, 200)


def target(colour: tuple[int, int, int], x: int, y: int, radius: int) -> Target:
    """A grey picture with a disk of one colour."""
    truth = blob(x, y, radius).astype(bool)
    image = np.full((*SHAPE, 3), 90, np.uint8)
    image[truth] = colour
    return Target(image, truth, np.ones(SHAPE, bool))


def share(
    image: NDArray[np.uint8], colour: tuple[int, int, int], where: NDArray[np.bool_]
) -> float:
    """Share of the pixels that have a colour, roughly."""
    return float((np.abs(image[where].astype(int) - colour).max(1) < 40).mean())


@pytest.mark.parametrize("seed", range(8))
def test_paste_puts_the_object_on_the_other_image(seed: int):
    thing, scene = target(RED, 30, 30, 16), target(BLUE, 60, 40, 25)
    before = scene.image.copy()
    found = paste(thing, scene, np.random.default_rng(seed))
    np.testing.assert_array_equal(scene.image, before)
    assert found.image.shape == scene.image.shape
    assert found.truth.dtype == found.valid.dtype == np.bool_
    assert share(found.image, RED, found.truth) > 0.6
    rows, columns = np.nonzero(found.truth)
    assert 0.25 * 72 < np.ptp(rows) + 1 < 0.85 * 72
    assert 0.8 < (np.ptp(rows) + 1) / (np.ptp(columns) + 1) < 1.25  # it was round
    # What it does not cover is the scene's, but for a soft edge.
    outside = ~blob_grown(found.truth)
    np.testing.assert_array_equal(found.image[outside], before[outside])


def blob_grown(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    from scipy.ndimage import binary_dilation

    return np.asarray(binary_dilation(mask, iterations=3))


@pytest.mark.parametrize("seed", range(8))
def test_cover_leaves_the_rest_of_the_target(seed: int):
    thing, other = target(RED, 48, 36, 24), target(BLUE, 20, 20, 12)
    found = cover(thing, other, np.random.default_rng(seed))
    assert not (found.truth & ~thing.truth).any()
    assert found.truth.sum() >= VISIBLE * thing.truth.sum()
    if found is not thing:
        gone = thing.truth & ~found.truth
        assert share(found.image, BLUE, gone) > 0.6
        assert share(found.image, RED, found.truth) > 0.85


def test_cover_happens_and_never_hides_the_target():
    thing = target(RED, 48, 36, 24)
    found = [
        cover(thing, target(BLUE, 48, 36, 30), np.random.default_rng(seed)) for seed in range(40)
    ]
    changed = [entry for entry in found if entry is not thing]
    assert 10 < len(changed) <= 40
    assert min(entry.truth.sum() for entry in changed) >= VISIBLE * thing.truth.sum()


def test_ignored_pixels_that_are_covered_count_again():
    scene = target(BLUE, 60, 40, 25)
    scene.valid[:] = False
    found = paste(target(RED, 30, 30, 16), scene, np.random.default_rng(0))
    np.testing.assert_array_equal(found.valid, found.truth)


class TestSettings:
    def test_all_that_no_paper_has_is_off_in_packaged_recipes(self):
        for name in ("ritm-lite0", "focalclick-lite0", "fca_net-lite0"):
            assert load_recipe(name).augmentation == Augmentation(0.12, 0.0, 0.4, 0.0, 0.0)

    def test_refused(self):
        with pytest.raises(ValueError, match=r"augment\.paste must lie in 0\.\.1, got 1\.5"):
            Augmentation(paste=1.5)
        with pytest.raises(ValueError, match="are more than 1 together"):
            Augmentation(paste=0.6, cover=0.6)
        with pytest.raises(ValueError, match=r"unknown augment settings \['shake'\]; accepted"):
            Augmentation.of({"shake": 0.5})


def scene() -> NDArray[np.uint8]:
    """Ids 1 and 2 touch, 3 stands alone."""
    mask = np.zeros(SHAPE, np.uint8)
    mask[10:40, 10:30], mask[10:40, 30:50] = 1, 2
    mask[45:65, 60:90] = 3
    return mask


def drawn(kind: str, how: Augmentation) -> set[tuple[int, ...]]:
    rng = np.random.default_rng(0)
    masks = (choose_target(scene(), kind, rng, (), how) for _ in range(200))
    return {tuple(np.unique(scene()[m[0]]).tolist()) for m in masks if m is not None}


class TestMerging:
    def test_never(self):
        assert drawn("instances", Augmentation(merge=0.0)) == {(1,), (2,), (3,)}

    def test_touching(self):
        assert drawn("instances", Augmentation(merge=1.0)) == {(1, 2), (3,)}

    def test_apart(self):
        found = drawn("instances", Augmentation(merge=0.0, merge_apart=1.0))
        assert found == {(1, 2), (1, 3), (2, 3)}

    @pytest.mark.parametrize(("part", "expected"), [(0.0, {(1, 2, 3)}), (1.0, {(1,), (2,), (3,)})])
    def test_parts(self, part: float, expected: set[tuple[int, ...]]):
        assert drawn("parts", Augmentation(merge=0.0, part=part)) == expected


class TestPool:
    def pool(self, root: Path, how: Augmentation, kind: str = "object") -> Pool:
        masks = [("s", f"{i}", kind, blob(30 + 8 * i, 36, 14)) for i in range(4)]
        return Pool(write_pool(root, masks), {"s": 1.0}, 0, how)

    def draws(self, pool: Pool, count: int = 30) -> list[Target]:
        rng = np.random.default_rng(0)
        return [pool.draw(rng) for _ in range(count)]

    def test_off_changes_nothing(self, tmp_path: Path):
        plain = self.draws(Pool(self.pool(tmp_path, Augmentation()).origin, {"s": 1.0}, 0))
        again = self.draws(self.pool(tmp_path, Augmentation(merge_apart=0.0)))
        assert [a.truth.tobytes() for a in plain] == [b.truth.tobytes() for b in again]

    def test_pasted_objects_are_elsewhere(self, tmp_path: Path):
        originals = {blob(30 + 8 * i, 36, 14).astype(bool).tobytes() for i in range(4)}
        found = self.draws(self.pool(tmp_path, Augmentation(paste=1.0)))
        assert sum(entry.truth.tobytes() in originals for entry in found) == 0
        half = self.draws(self.pool(tmp_path, Augmentation(paste=0.5)), 100)
        kept = sum(entry.truth.tobytes() in originals for entry in half)
        assert 30 < kept < 70

    @pytest.mark.parametrize("how", [Augmentation(paste=1.0), Augmentation(cover=1.0)])
    def test_regions_of_a_picture_are_not_moved(self, how: Augmentation, tmp_path: Path):
        originals = {blob(30 + 8 * i, 36, 14).astype(bool).tobytes() for i in range(4)}
        found = self.draws(self.pool(tmp_path, how, "regions"))
        assert all(entry.truth.tobytes() in originals for entry in found)
