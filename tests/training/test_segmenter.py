"""Training networks that answer from one view."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from iseg_widget.encode import disks
from iseg_widget.training.interaction import Interaction
from iseg_widget.training.pool import Pool
from iseg_widget.training.segmenter import SegmenterTask
from tests.training.tiny import tiny_pool, tiny_recipe

CPU = torch.device("cpu")


class Plain(nn.Module):
    """Remembers what it was fed; its answer is a learned multiple of the positive disks."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(3.0))
        self.fed: list[tuple[torch.Tensor, bool, bool]] = []

    def forward(self, image: torch.Tensor, maps: torch.Tensor) -> torch.Tensor:
        self.fed.append((maps.detach().clone(), self.training, torch.is_grad_enabled()))
        return self.gain * (maps[:, 1:2] - 0.5) + 0 * image[:, :1]


def encode(given: Interaction, size: tuple[int, int]) -> np.ndarray:
    drawn = [disks(clicks, size, 3.0) for clicks in given.clicks]
    return np.concatenate([given.previous[:, None], np.stack(drawn)], 1)


@pytest.fixture
def pool(tmp_path: Path) -> Pool:
    return Pool(tiny_pool(tmp_path), {"blobs": 1.0}, 1)


def task(**simulation: object) -> SegmenterTask:
    return SegmenterTask({**tiny_recipe().simulation, **simulation}, Plain, encode)


def test_batches_depend_on_the_generator_alone(pool: Pool):
    first, same, other = (
        task().batch(pool, np.random.default_rng(seed), 3, (64, 64)) for seed in (1, 1, 2)
    )
    assert (len(first.views), first.rounds, first.seed) == (3, same.rounds, same.seed)
    for a, b in zip(first.views, same.views, strict=True):
        np.testing.assert_array_equal(a.image, b.image)
    assert (first.views[0].image != other.views[0].image).any()


def test_rounds_add_clicks_into_the_error_and_feed_the_prediction(pool: Pool):
    ours = task(iterations=[0.0, 0.0, 1.0], initial_mask=0.0, single_click=1.0)
    batch = ours.batch(pool, np.random.default_rng(0), 2, (64, 64))
    network = Plain()
    terms = ours.losses(network, batch, CPU, None)
    assert [(training, grad) for _, training, grad in network.fed] == [
        (False, False),
        (False, False),
        (True, True),
    ]
    maps = [fed for fed, _, _ in network.fed]
    assert not maps[0][:, 0].any()
    expected = torch.sigmoid(3.0 * (maps[0][:, 1] - 0.5))
    torch.testing.assert_close(maps[1][:, 0], expected)
    clicked = [fed[:, 1:].sum().item() for fed in maps]
    assert clicked[0] < clicked[1] < clicked[2]
    terms["nfl"].backward()
    assert network.gain.grad is not None
    assert torch.isfinite(network.gain.grad)
    assert 0 <= terms["iou"].item() <= 1


def test_losses_depend_on_the_batch_alone(pool: Pool):
    ours = task(iterations=[0.0, 1.0])
    batch = ours.batch(pool, np.random.default_rng(0), 2, (64, 64))
    first, second = (ours.losses(Plain(), batch, CPU, None) for _ in range(2))
    assert torch.equal(first["nfl"], second["nfl"])
