"""IA-FPN's two stages: the coarse network, then the fine one on what the coarse one finds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from iseg_widget.networks.ia_fpn import IAFPNLite0
from iseg_widget.training.ia_fpn import IAFPNTask
from iseg_widget.training.pool import Pool
from tests.training.tiny import tiny_pool, tiny_recipe

CPU = torch.device("cpu")


@pytest.fixture
def pool(tmp_path: Path) -> Pool:
    return Pool(tiny_pool(tmp_path), {"blobs": 1.0}, 1)


def task(stage: str, **simulation: object) -> IAFPNTask:
    own = {"stage": stage, "sgm": True, "hsgm": True}
    return IAFPNTask({**tiny_recipe().simulation, **own, **simulation})


def network(ours: IAFPNTask) -> IAFPNLite0:
    torch.manual_seed(0)
    net = ours.network()
    ours.begin(net)
    return net


@pytest.mark.parametrize("stage", ["coarse", "fine"])
def test_a_step_changes_this_stage_s_network_alone(pool: Pool, stage: str):
    ours = task(stage, iterations=[0.0, 1.0])
    net = network(ours)
    before = {key: value.clone() for key, value in net.state_dict().items()}
    terms = ours.losses(net, ours.batch(pool, np.random.default_rng(0), 2, (64, 64)), CPU, None)
    terms["nfl"].backward()
    moved = {name for name, p in net.named_parameters() if p.grad is not None}
    statistics = {k for k, v in net.state_dict().items() if not torch.equal(v, before[k])}
    for name in moved | statistics:
        assert name.startswith("fine_part.") == (stage == "fine")
    assert any("running_mean" in name for name in statistics)
    assert any("backbone" in name for name in moved) == (stage == "coarse")


def test_the_fine_network_begins_as_the_coarse_one():
    net = network(task("fine"))
    state = net.state_dict()
    for key, value in net.fine_part.state_dict().items():
        assert torch.equal(value, state[key])


def test_the_fine_view_is_cut_from_the_source(pool: Pool):
    """A scene's zoomed view shows what the box holds, with more detail than the coarse view."""
    scene = task("fine").batch(pool, np.random.default_rng(1), 1, (64, 64)).scenes[0]
    whole = scene.zoomed((0, 0, 64, 64))
    np.testing.assert_allclose(whole.image, scene.view.image, atol=1 / 255)
    part = scene.zoomed((16, 8, 48, 40))
    coarse = scene.view.truth[8:40, 16:48]
    again = part.truth.reshape(32, 2, 32, 2).mean((1, 3)) > 0.5
    assert (coarse != again).mean() < 0.08


def test_modules_that_are_off_are_not_trained(pool: Pool):
    ours = task("coarse", sgm=False, hsgm=False, iterations=[1.0])
    net = network(ours)
    ours.losses(net, ours.batch(pool, np.random.default_rng(0), 2, (64, 64)), CPU, None)[
        "nfl"
    ].backward()
    trained = [name for name, p in net.named_parameters() if p.grad is not None]
    assert trained
    assert not any(name.startswith(("sgm.", "hsgm.", "correct.")) for name in trained)


def test_losses_depend_on_the_batch_alone(pool: Pool):
    ours = task("fine", iterations=[0.0, 1.0])
    batch = ours.batch(pool, np.random.default_rng(0), 2, (64, 64))
    first, second = (ours.losses(network(ours), batch, CPU, None)["nfl"] for _ in range(2))
    assert torch.equal(first, second)


def test_unknown_stage():
    with pytest.raises(ValueError, match="stage must be one of"):
        task("both")
