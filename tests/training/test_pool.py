from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from iseg_widget.training.pool import Pool, choose_target
from iseg_widget.training.sources import open_source
from tests.training.tiny import SHAPE, blob, tiny_pool, write_pool


def targets(mask: NDArray[np.uint8], kind: str, count: int = 200) -> set[tuple[int, ...]]:
    """The sets of ids that were drawn as one object."""
    rng = np.random.default_rng(0)
    found = set()
    for _ in range(count):
        chosen = choose_target(mask, kind, rng)
        if chosen is not None:
            truth, valid = chosen
            assert truth.dtype == valid.dtype == np.bool_
            assert not (truth & ~valid).any()
            np.testing.assert_array_equal(valid, mask != 255)
            found.add(tuple(np.unique(mask[truth]).tolist()))
    return found


def scene() -> NDArray[np.uint8]:
    """Ids 1 and 2 touch, 3 stands alone, 4 is too small, and a strip is ignored."""
    mask = np.zeros(SHAPE, np.uint8)
    mask[10:40, 10:30], mask[10:40, 30:50] = 1, 2
    mask[45:65, 60:90] = 3
    mask[2:6, 70:76] = 4
    mask[68:] = 255
    return mask


class TestKinds:
    def test_object(self):
        """Everything that is not background and not ignored."""
        mask = blob(40, 30, 15)
        mask[:, 45:] = 255
        assert targets(mask, "object", 5) == {(1,)}

    def test_instances(self):
        """Every id by itself, and now and then two that touch."""
        found = targets(scene(), "instances")
        assert {(1,), (2,), (3,)} <= found
        assert found <= {(1,), (2,), (3,), (1, 2)}
        assert (1, 2) in found

    def test_parts(self):
        """All parts together as a rule, else one of them."""
        found = targets(scene(), "parts")
        assert (1, 2, 3, 4) in found
        assert {(1,), (2,), (3,)} <= found

    def test_regions(self):
        mask = np.repeat(np.array([[1, 2, 3]], np.uint8), 32, axis=1).repeat(60, axis=0)
        assert {(1,), (2,), (3,), (1, 2), (2, 3)} == targets(mask, "regions")

    @pytest.mark.parametrize("kind", ["object", "instances", "parts", "regions"])
    def test_nothing_large_enough(self, kind: str):
        for mask in (blob(20, 20, 3), np.zeros(SHAPE, np.uint8), np.full(SHAPE, 255, np.uint8)):
            assert choose_target(mask, kind, np.random.default_rng(0)) is None


class TestIndex:
    def test_entries(self, tmp_path: Path):
        entries = open_source(tiny_pool(tmp_path)).entries
        assert [(e.set, e.stem, e.kind) for e in entries[:2]] == [
            ("blobs", "00", "object"), ("blobs", "01", "object"),
        ]  # fmt: skip

    def test_no_index(self, tmp_path: Path):
        with pytest.raises(ValueError, match=r"no training data at .* expected index\.jsonl"):
            Pool(tmp_path, {"blobs": 1.0}, 1)

    def test_unknown_kind(self, tmp_path: Path):
        write_pool(tmp_path, [("blobs", "a", "boxes", blob(30, 30, 12))])
        with pytest.raises(ValueError, match=r"kind 'boxes' in .*accepted are object, instances"):
            open_source(tmp_path)

    def test_unknown_set(self, tmp_path: Path):
        with pytest.raises(ValueError, match=r"lacks: \['voc'\]"):
            Pool(tiny_pool(tmp_path), {"blobs": 1.0, "voc": 2.0}, 1)


def numbers(pool: Pool, count: int) -> list[int]:
    """The images that were drawn, as their red says."""
    rng = np.random.default_rng(1)
    return [int(pool.draw(rng).image[0, 0, 0]) for _ in range(count)]


class TestDrawing:
    def test_targets(self, tmp_path: Path):
        pool = Pool(tiny_pool(tmp_path), {"blobs": 1.0}, 1)
        target = pool.draw(np.random.default_rng(0))
        assert target.image.shape == (*SHAPE, 3)
        assert target.image.dtype == np.uint8
        number = int(target.image[0, 0, 0])
        np.testing.assert_array_equal(target.truth, blob(20 + 9 * number, 36, 12 + number) > 0)
        assert target.valid.all()

    def test_held_out_images_are_never_drawn(self, tmp_path: Path):
        pool = Pool(tiny_pool(tmp_path), {"blobs": 1.0}, 2)
        held_out = {int(entry.stem) for entry in pool.held_out}
        assert len(held_out) == 2
        assert set(numbers(pool, 200)) == set(range(6)) - held_out

    def test_the_same_images_are_held_out_whatever_the_order(self, tmp_path: Path):
        root = tiny_pool(tmp_path)
        first = Pool(root, {"blobs": 1.0}, 2).held_out
        lines = (root / "index.jsonl").read_text("utf-8").splitlines()
        (root / "index.jsonl").write_text("\n".join(reversed(lines)), "utf-8")
        assert Pool(root, {"blobs": 1.0}, 2).held_out == first
        assert set(first) < set(Pool(root, {"blobs": 1.0}, 3).held_out)

    def test_sets_are_weighted_by_factor_and_root_of_their_size(self, tmp_path: Path):
        """Weights 3 x sqrt(1) and 1 x sqrt(9) are equal; unnamed sets are left out."""
        many = [("many", f"{i}", "object", blob(40, 30, 15)) for i in range(9)]
        one = [("one", "x", "object", blob(40, 30, 15))]
        other = [("other", "y", "object", blob(40, 30, 15))]
        pool = Pool(write_pool(tmp_path, [*many, *one, *other]), {"many": 1.0, "one": 3.0}, 0)
        drawn = np.bincount(numbers(pool, 600), minlength=11)
        assert drawn[10] == 0
        assert 0.42 < drawn[9] / 600 < 0.58
        assert drawn[:9].min() > 10

    def test_images_without_an_object_are_passed_over(self, tmp_path: Path):
        entries = [
            ("a", "empty", "object", np.zeros(SHAPE, np.uint8)),
            ("a", "full", "object", blob(40, 30, 15)),
        ]
        assert set(numbers(Pool(write_pool(tmp_path, entries), {"a": 1.0}, 0), 20)) == {1}

    def test_stems_that_look_alike(self, tmp_path: Path):
        """`a` must not find `a.b.png`, and brackets are no pattern."""
        for stem in ("a", "a[1]"):
            root = tmp_path / stem
            entries = [
                ("s", f"{stem}.b", "object", blob(40, 30, 15)),
                ("s", stem, "object", blob(40, 30, 15)),
            ]
            pool = Pool(write_pool(root, entries), {"s": 1.0}, 0)
            assert set(numbers(pool, 30)) == {0, 1}

    @pytest.mark.parametrize(("folder", "message"), [("images", "no image"), ("masks", "no 8-bit")])
    def test_missing_files_are_named(self, folder: str, message: str, tmp_path: Path):
        root = write_pool(tmp_path, [("s", "x", "object", blob(40, 30, 15))])
        (root / "s" / folder / "x.png").unlink()
        with pytest.raises(ValueError, match=f"{message}.* x"):
            Pool(root, {"s": 1.0}, 0).draw(np.random.default_rng(0))

    def test_colour_masks_are_refused(self, tmp_path: Path):
        root = write_pool(tmp_path, [("s", "x", "object", blob(40, 30, 15))])
        cv2.imwrite(str(root / "s" / "masks" / "x.png"), np.zeros((*SHAPE, 3), np.uint8))
        with pytest.raises(ValueError, match=r"cannot read the mask as an 8-bit PNG"):
            Pool(root, {"s": 1.0}, 0).draw(np.random.default_rng(0))


def test_fixed_pool_draws_the_same_few(tmp_path: Path):
    pool = Pool(tiny_pool(tmp_path), {"blobs": 1.0}, 1)
    drawn = numbers(pool.fixed(2, seed=5), 40)
    assert len(set(drawn)) <= 2
    assert drawn == numbers(pool.fixed(2, seed=5), 40)


def test_development_samples_are_the_held_out_images_and_never_change(tmp_path: Path):
    entries: list[Any] = [("s", f"{i}", "instances", scene()) for i in range(5)]
    pool = Pool(write_pool(tmp_path, entries), {"s": 1.0}, 3)
    first, second = list(pool.development()), list(pool.development())
    assert {sample.name for sample in first} == {f"s/{entry.stem}" for entry in pool.held_out}
    for a, b in zip(first, second, strict=True):
        assert a.name == b.name
        np.testing.assert_array_equal(a.mask, b.mask)
        np.testing.assert_array_equal(a.ignore, scene() == 255)


def test_a_pool_without_objects_says_so(tmp_path: Path):
    write_pool(tmp_path, [("flat", "a", "object", np.zeros(SHAPE, np.uint8))])
    pool = Pool(tmp_path, {"flat": 1.0}, 0)
    with pytest.raises(ValueError, match="gave no object"):
        pool.draw(np.random.default_rng(0))


def test_holding_out_everything_is_refused(tmp_path: Path):
    write_pool(tmp_path, [("flat", "a", "object", np.zeros(SHAPE, np.uint8))])
    with pytest.raises(ValueError, match="leaves none"):
        Pool(tmp_path, {"flat": 1.0}, 1)
