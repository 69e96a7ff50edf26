from __future__ import annotations

import numpy as np
import pytest

from iseg_widget import enlarging
from iseg_widget.enlarging import enlarged_exceeds, worthwhile
from iseg_widget.views import Patch, cut, resize


def blob(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    coarse = rng.normal(0, 4, (max(2, shape[0] // 6), max(2, shape[1] // 6))).astype(np.float32)
    return resize(coarse, shape).astype(np.float32)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(
    ("shape", "box"),
    [
        ((32, 32), (0, 0, 900, 700)),
        ((32, 20), (13, 7, 1311, 1007)),
        ((2, 2), (5, 0, 645, 512)),
        ((1, 9), (0, 0, 700, 650)),
    ],
)
def test_equals_enlarging_all_of_it(
    seed: int, shape: tuple[int, int], box: tuple[int, int, int, int]
):
    values = blob(np.random.default_rng(seed), shape)
    cutoff = float(np.quantile(values, 0.6)) + 1e-3
    enlarged = resize(values, (box[3] - box[1], box[2] - box[0]))
    near = np.abs(enlarged - cutoff) < 1e-4  # where rounding decides
    found = enlarged_exceeds(values, box, box, cutoff)
    assert (found == (enlarged > cutoff))[~near].all()
    window = (box[0] + 101, box[1] + 43, box[2] - 77, box[3] - 5)
    part = enlarged_exceeds(values, box, window, cutoff)
    inside = (101, 43, 101 + window[2] - window[0], 43 + window[3] - window[1])
    np.testing.assert_array_equal(part, cut(found, inside))


def test_plain_blocks_are_not_enlarged(monkeypatch: pytest.MonkeyPatch):
    values = np.full((64, 64), -5, np.float32)
    values[20:40, 20:40] = 5
    looked: list[int] = []
    weights = enlarging._Axis.weights
    monkeypatch.setattr(
        enlarging._Axis, "weights", lambda axis, at: looked.append(at) or weights(axis, at)
    )
    box = (0, 0, 4096, 4096)
    found = enlarged_exceeds(values, box, box, 0.0)
    assert found.sum() == pytest.approx(20 * 20 * 64 * 64, rel=0.02)
    blocks = (4096 // enlarging.BLOCK) ** 2
    assert 0 < len(looked) / 2 < 0.1 * blocks


def test_a_patch_takes_the_quick_way_only_when_much_enlarged():
    assert worthwhile((32, 32), (0, 0, 900, 700))
    assert not worthwhile((256, 256), (0, 0, 900, 700))
    assert not worthwhile((8, 8), (0, 0, 64, 64))
    values = blob(np.random.default_rng(0), (32, 32))
    patch = Patch((10, 10, 1010, 810), values)
    window = (10, 10, 1010, 810)
    np.testing.assert_array_equal(
        patch.exceeds(np.float32(0.5), window), enlarged_exceeds(values, patch.box, window, 0.5)
    )
