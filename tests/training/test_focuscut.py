"""Focus patches (Alg. 1), coarse masks, and what FocusCut brings to the loop."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from iseg_widget.training.focuscut import (
    FocusCutTask,
    PatchRanges,
    coarse_mask,
    cut_patch,
    focus_patch,
)
from iseg_widget.training.pool import Pool, Target
from tests.training.tiny import blob, tiny_pool, tiny_recipe

CPU = torch.device("cpu")


class Plain(nn.Module):
    """Answers with a multiple of the previous mask, at a quarter of the size."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(4.0))
        self.fed: list[torch.Tensor] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.fed.append(x.detach().clone())
        return self.gain * (x[:, 5:6, ::4, ::4] - 0.5)


@pytest.fixture
def pool(tmp_path: Path) -> Pool:
    return Pool(tiny_pool(tmp_path), {"blobs": 1.0}, 1)


def task(**simulation: object) -> FocusCutTask:
    patch = {"focus": 0.5, "patch_clicks": 3, "patch_alpha": [0.2, 0.8], "patch_beta": [-0.3, 0.3]}
    return FocusCutTask({**tiny_recipe().simulation, **patch, **simulation}, Plain)


class TestFocusPatch:
    truth = blob(48, 36, 24).astype(bool)

    def test_scope_and_centre_follow_algorithm_1(self):
        size = math.sqrt(self.truth.sum())
        distances, scopes = [], []
        for seed in range(300):
            patch = focus_patch(self.truth, np.random.default_rng(seed), PatchRanges())
            assert patch is not None
            x, y = patch.centre
            scopes.append(patch.scope / size)
            distances.append((math.hypot(x - 48, y - 36) - 23.5) / patch.scope)
        assert min(scopes) == pytest.approx(0.2, abs=0.02)
        assert max(scopes) == pytest.approx(0.8, abs=0.02)
        assert np.abs(distances).max() <= 0.3 * math.sqrt(2) + 0.1
        assert max(distances) > 0.2
        assert min(distances) < -0.2

    def test_without_shift_the_centre_lies_on_the_boundary(self):
        patch = focus_patch(
            self.truth, np.random.default_rng(0), PatchRanges((0.4, 0.4), (0.0, 0.0))
        )
        assert patch is not None
        assert math.hypot(patch.centre[0] - 48, patch.centre[1] - 36) == pytest.approx(24, abs=1.5)
        assert patch.scope == pytest.approx(0.4 * math.sqrt(self.truth.sum()))

    def test_the_picture_s_border_is_no_boundary(self):
        truth = np.zeros((40, 40), bool)
        truth[:, :20] = True
        for seed in range(50):
            patch = focus_patch(truth, np.random.default_rng(seed), PatchRanges(beta=(0.0, 0.0)))
            assert patch is not None
            assert patch.centre[0] == 19

    def test_nothing_to_patch(self):
        assert focus_patch(np.zeros((8, 8), bool), np.random.default_rng(0), PatchRanges()) is None

    def test_the_patch_shows_the_square_around_its_centre(self):
        image = np.zeros((*self.truth.shape, 3), np.uint8)
        target = Target(image, self.truth, np.ones_like(self.truth))
        patch = focus_patch(
            self.truth, np.random.default_rng(3), PatchRanges((0.5, 0.5), (0.0, 0.0))
        )
        assert patch is not None
        view = cut_patch(target, patch, 64, np.random.default_rng(0))
        x, y = (round(v) for v in patch.centre)
        r = round(patch.scope)
        around = np.pad(self.truth, 40)[y - r + 40 : y + r + 41, x - r + 40 : x + r + 41]
        seen = around.mean()
        assert view.truth.mean() == pytest.approx(seen, abs=0.03)


def test_coarse_masks_are_wrong_in_both_ways_but_resemble_the_truth():
    truth = np.zeros((96, 96), bool)
    truth[:, :48] = True
    masks = [coarse_mask(truth, np.random.default_rng(seed)) for seed in range(40)]
    assert sum((mask & ~truth).any() for mask in masks) > 20
    assert sum((truth & ~mask).any() for mask in masks) > 20
    ious = [(mask & truth).sum() / (mask | truth).sum() for mask in masks]
    assert min(ious) > 0.6
    assert np.median(ious) < 0.99


def test_patches_have_the_click_in_their_centre_and_a_coarse_mask(pool: Pool):
    ours = task(focus=1.0)
    batch = ours.batch(pool, np.random.default_rng(0), 3, (64, 64))
    assert batch.focus
    network = Plain()
    terms = ours.losses(network, batch, CPU, None)
    (fed,) = network.fed
    assert fed.shape == (3, 6, 64, 64)
    for sample, view in zip(fed, batch.views, strict=True):
        label = bool(view.truth[32, 32])
        assert sample[3 if label else 4, 32, 32] == pytest.approx(1.0)
        assert set(sample[5].unique().tolist()) <= {0.0, 1.0}
    assert math.isnan(terms["whole_iou"].item())
    assert 0 <= terms["focus_iou"].item() <= 1


def test_whole_views_are_corrected_with_binary_masks(pool: Pool):
    ours = task(focus=0.0, iterations=[0.0, 0.0, 1.0])
    batch = ours.batch(pool, np.random.default_rng(0), 2, (64, 64))
    assert not batch.focus
    network = Plain()
    terms = ours.losses(network, batch, CPU, None)
    assert len(network.fed) == 3
    assert all(set(fed[:, 5].unique().tolist()) <= {0.0, 1.0} for fed in network.fed)
    assert math.isnan(terms["focus_iou"].item())
    terms["bce"].backward()
    assert network.gain.grad is not None


def test_both_kinds_of_batches_come(pool: Pool):
    kinds = [
        task().batch(pool, np.random.default_rng(seed), 1, (64, 64)).focus for seed in range(30)
    ]
    assert 5 < sum(kinds) < 25
