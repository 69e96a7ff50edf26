from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from iseg_widget.masks import (
    PackedMask,
    as_mask,
    box_of,
    components_at,
    contours,
    iou,
    progressive_merge,
    rle_decode,
    rle_encode,
)

Mask = NDArray[np.bool_]
quick = settings(deadline=None, max_examples=60)
shapes = st.tuples(st.integers(1, 20), st.integers(1, 20))
masks = shapes.flatmap(lambda shape: arrays(np.bool_, shape))


def drawn(text: str) -> Mask:
    """Mask from rows of ``#`` (object) and ``.``, separated by blanks."""
    return np.array([[c == "#" for c in row] for row in text.split()])


class TestPackedMask:
    @quick
    @given(mask=masks)
    def test_round_trip(self, mask: Mask):
        packed = PackedMask.pack(mask)
        assert packed.shape == mask.shape
        found = packed.unpack()
        assert found.dtype == np.bool_
        np.testing.assert_array_equal(found, mask)

    def test_unpacked_masks_are_independent(self):
        packed = PackedMask.pack(np.zeros((4, 4), bool))
        packed.unpack()[:] = True
        assert not packed.unpack().any()

    def test_a_megapixel_takes_a_few_kilobytes(self):
        """The budget of undo history and of the wire: a ragged outline and a hole, 1 MP."""
        mask = np.zeros((1000, 1000), np.uint8)
        angles = np.linspace(0, 2 * np.pi, 400, endpoint=False)
        radius = 320 + 60 * np.sin(5 * angles) + 12 * np.sin(47 * angles)
        outline = np.stack([500 + radius * np.cos(angles), 500 + radius * np.sin(angles)], 1)
        cv2.fillPoly(mask, [outline.astype(np.int32)], 1)
        cv2.circle(mask, (450, 520), 90, 0, -1)
        packed = PackedMask.pack(mask.astype(bool))
        assert len(packed.data) <= 20_000

    @pytest.mark.parametrize("bad", [np.zeros((3, 3), np.uint8), np.zeros((3, 3, 1), bool)])
    def test_only_bool_planes_are_packed(self, bad: NDArray[Any]):
        with pytest.raises(ValueError, match=r"\(H, W\) bool mask"):
            PackedMask.pack(bad)


class TestRunLengths:
    @quick
    @given(mask=masks)
    def test_round_trip(self, mask: Mask):
        np.testing.assert_array_equal(rle_decode(rle_encode(mask)), mask)

    @quick
    @given(mask=masks)
    def test_counts_are_cocos(self, mask: Mask):
        """Down the columns, background first, no empty run but a leading one."""
        counts: list[int] = []
        current, run = False, 0
        for column in mask.T.tolist():
            for value in column:
                if value == current:
                    run += 1
                else:
                    counts.append(run)
                    current, run = value, 1
        counts.append(run)
        assert rle_encode(mask) == {"size": list(mask.shape), "counts": counts}

    def test_known_example(self):
        assert rle_encode(drawn("#. ## ..")) == {"size": [3, 2], "counts": [0, 2, 2, 1, 1]}

    def test_values_are_plain_integers(self):
        encoded = rle_encode(np.eye(3, dtype=bool))
        assert all(type(n) is int for n in (*encoded["size"], *encoded["counts"]))

    @pytest.mark.parametrize("counts", [[3], [3, 4], [5, -1], []])
    def test_runs_must_fill_the_size(self, counts: list[int]):
        with pytest.raises(ValueError, match="sum to 4"):
            rle_decode({"size": [2, 2], "counts": counts})


class TestBoxOf:
    def test_half_open_box(self):
        assert box_of(drawn("..... ..##. ...#. .....")) == (2, 1, 4, 3)
        assert box_of(np.ones((3, 5), bool)) == (0, 0, 5, 3)
        assert box_of(np.zeros((3, 5), bool)) is None

    @quick
    @given(mask=masks)
    def test_box_is_the_smallest(self, mask: Mask):
        box = box_of(mask)
        if box is None:
            assert not mask.any()
            return
        x0, y0, x1, y1 = box
        inside = mask[y0:y1, x0:x1]
        assert inside.sum() == mask.sum()
        assert inside[0].any()
        assert inside[-1].any()
        assert inside[:, 0].any()
        assert inside[:, -1].any()


class TestComponentsAt:
    mask = drawn("#..## .#.## ..... ##.#.")

    @pytest.mark.parametrize(
        ("connectivity", "expected"),
        [(8, "#.... .#... ..... ....."), (4, "#.... ..... ..... .....")],
    )
    def test_diagonal_neighbours(self, connectivity: int, expected: str):
        found = components_at(self.mask, [(0, 0)], connectivity=connectivity)
        np.testing.assert_array_equal(found, drawn(expected))

    def test_union_of_several(self):
        found = components_at(self.mask, [(0, 3), (3, 1), (1, 4)])
        np.testing.assert_array_equal(found, drawn("...## ...## ..... ##..."))

    def test_pixels_off_the_mask_select_nothing(self):
        assert not components_at(self.mask, [(2, 2)]).any()
        assert not components_at(self.mask, []).any()
        np.testing.assert_array_equal(
            components_at(self.mask, [(2, 2), (3, 3)]), drawn("..... ..... ..... ...#.")
        )

    @quick
    @given(mask=masks, connectivity=st.sampled_from([4, 8]), data=st.data())
    def test_as_labelling_says(self, mask: Mask, connectivity: int, data: st.DataObject):
        height, width = mask.shape
        at = st.tuples(st.integers(0, height - 1), st.integers(0, width - 1))
        pixels = data.draw(st.lists(at, max_size=4))
        _, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=connectivity)
        wanted = {labels[pixel] for pixel in pixels} - {0}
        np.testing.assert_array_equal(
            components_at(mask, pixels, connectivity=connectivity), np.isin(labels, list(wanted))
        )

    def test_other_connectivity_is_refused(self):
        with pytest.raises(ValueError, match="4 or 8"):
            components_at(self.mask, [(0, 0)], connectivity=6)


@st.composite
def merges(draw: st.DrawFn) -> tuple[Mask, Mask, tuple[int, int]]:
    height, width = draw(shapes)
    previous, new = (draw(arrays(np.bool_, (height, width))) for _ in range(2))
    pixel = (draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1)))
    return previous, new, pixel


class TestProgressiveMerge:
    """FocalClick Sec. 3.1: change what the click meant and nothing else."""

    @quick
    @given(case=merges())
    def test_only_the_changed_region_under_the_click_is_updated(
        self, case: tuple[Mask, Mask, tuple[int, int]]
    ):
        previous, new, pixel = case
        merged = progressive_merge(previous, new, [pixel])
        # Added and removed pixels are regions of their own.
        same_change = (new != previous) & (new == new[pixel])
        region = components_at(same_change, [pixel])
        np.testing.assert_array_equal(merged[region], new[region])
        np.testing.assert_array_equal(merged[~region], previous[~region])
        assert merged[pixel] == new[pixel]

    @quick
    @given(case=merges())
    def test_a_click_where_nothing_changed_changes_nothing(
        self, case: tuple[Mask, Mask, tuple[int, int]]
    ):
        previous, new, pixel = case
        new = new.copy()
        new[pixel] = previous[pixel]
        np.testing.assert_array_equal(progressive_merge(previous, new, [pixel]), previous)

    def test_regions_are_8_connected(self):
        previous = np.zeros((3, 4), bool)
        new = drawn("#... .#.. ...#")
        np.testing.assert_array_equal(
            progressive_merge(previous, new, [(0, 0)]), drawn("#... .#.. ....")
        )

    def test_example(self):
        previous = drawn("##... ##... .....")
        new = drawn("#...# #..## ....#")
        np.testing.assert_array_equal(
            progressive_merge(previous, new, [(0, 4)]), drawn("##..# ##.## ....#")
        )
        np.testing.assert_array_equal(
            progressive_merge(previous, new, [(0, 1), (2, 4)]), drawn("#...# #..## ....#")
        )


class TestIou:
    def test_example(self):
        assert iou(drawn("##. ..."), drawn(".## ...")) == pytest.approx(1 / 3)

    def test_empty_masks_agree(self):
        empty = np.zeros((2, 3), bool)
        assert iou(empty, empty) == 1.0
        assert iou(empty, ~empty) == 0.0

    def test_ignored_pixels_are_left_out(self):
        prediction, truth = drawn("##. ###"), drawn("##. ...")
        assert iou(prediction, truth, drawn("... ###")) == 1.0
        assert iou(prediction, truth, drawn("##. ...")) == 0.0
        assert iou(prediction, truth, np.ones((2, 3), bool)) == 1.0

    @quick
    @given(case=merges())
    def test_bounds_and_symmetry(self, case: tuple[Mask, Mask, tuple[int, int]]):
        first, second, _ = case
        value = iou(first, second)
        assert 0.0 <= value <= 1.0
        assert value == iou(second, first)
        assert (value == 1.0) == bool((first == second).all())

    def test_shapes_must_agree(self):
        with pytest.raises(ValueError, match=r"\(2, 3\) and \(3, 2\)"):
            iou(np.zeros((2, 3), bool), np.zeros((3, 2), bool))


class TestContours:
    def test_outline_of_a_rectangle(self):
        mask = np.zeros((10, 12), bool)
        mask[2:7, 3:9] = True
        (outline,) = contours(mask)
        border = mask & ~cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
        rows, columns = np.nonzero(border)
        expected = sorted(zip(columns.tolist(), rows.tolist(), strict=True))
        assert sorted(map(tuple, outline.tolist())) == expected

    def test_holes_and_parts_have_their_own(self):
        mask = np.zeros((20, 20), bool)
        mask[1:12, 1:12] = True
        mask[4:8, 4:8] = False
        mask[15:18, 15:18] = True
        assert len(contours(mask)) == 3

    def test_nothing_and_single_pixels(self):
        assert contours(np.zeros((3, 3), bool)) == []
        (outline,) = contours(drawn("... .#. ..."))
        assert outline.tolist() == [[1, 1]]


class TestAsMask:
    @pytest.mark.parametrize(
        "value",
        [
            np.array([[0, 1]], bool),
            np.array([[0, 255]], np.uint8),
            np.array([[0, -1]], np.int64),
            np.array([[0.5, 0.51]], np.float32),
            [[0, 1]],
            [[False, True]],
        ],
    )
    def test_accepted_kinds(self, value: Any):
        mask = as_mask(value, (1, 2))
        assert mask.dtype == np.bool_
        assert mask.tolist() == [[False, True]]

    def test_result_is_a_copy(self):
        given = np.zeros((2, 2), bool)
        as_mask(given, (2, 2))[:] = True
        assert not given.any()

    @pytest.mark.parametrize("shape", [(2, 3), (3, 2, 1), (6,), (0, 0)])
    def test_other_shapes(self, shape: tuple[int, ...]):
        with pytest.raises(ValueError, match=r"truth must have the image's shape \(3, 2\)"):
            as_mask(np.zeros(shape), (3, 2), "truth")

    def test_nan(self):
        with pytest.raises(ValueError, match="NaN"):
            as_mask(np.full((3, 2), np.nan), (3, 2))

    @pytest.mark.parametrize("value", ["mask.png", None, [["a", "b"]], np.zeros((3, 2), complex)])
    def test_other_kinds(self, value: Any):
        with pytest.raises(TypeError, match="mask must be a bool, integer or float array"):
            as_mask(value, (3, 2))
