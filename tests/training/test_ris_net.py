"""What RIS-Net brings to the loop."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from iseg_widget.training.pool import Pool
from iseg_widget.training.ris_net import RISNetTask
from tests.training.tiny import tiny_pool, tiny_recipe

CPU = torch.device("cpu")


@pytest.fixture
def pool(tmp_path: Path) -> Pool:
    return Pool(tiny_pool(tmp_path), {"blobs": 1.0}, 1)


def task(**simulation: object) -> RISNetTask:
    own = {"roi_count": 3, "discount": 0.8, "context": True, "initial_mask": 0.0}
    return RISNetTask({**tiny_recipe().simulation, "iterations": [1.0], **own, **simulation})


def gradients(ours: RISNetTask, pool: Pool) -> set[str]:
    torch.manual_seed(0)
    net = ours.network()
    terms = ours.losses(net, ours.batch(pool, np.random.default_rng(0), 2, (64, 64)), CPU, None)
    assert set(terms) == {"discounted", "iou"}
    terms["discounted"].backward()
    return {name for name, p in net.named_parameters() if p.grad is not None and p.grad.any()}


def test_both_branches_learn(pool: Pool):
    learned = gradients(task(), pool)
    for part in ("backbone.", "interaction.", "head.", "pyramid.", "conv7_local.", "conv8_local."):
        assert any(name.startswith(part) for name in learned)


def test_without_discounted_reward_there_is_no_local_branch(pool: Pool):
    assert not any("local" in name for name in gradients(task(discount=0.0), pool))


def test_without_context_the_pyramid_is_not_trained(pool: Pool):
    assert not any(name.startswith("pyramid.") for name in gradients(task(context=False), pool))


def test_losses_depend_on_the_batch_alone(pool: Pool):
    ours = task()
    batch = ours.batch(pool, np.random.default_rng(0), 2, (64, 64))
    found = []
    for _ in range(2):
        torch.manual_seed(0)
        found.append(ours.losses(ours.network(), batch, CPU, None)["discounted"])
    assert torch.equal(*found)
