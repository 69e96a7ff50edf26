"""What FCA-Net brings to the loop."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from iseg_widget.networks.fca_net import FCANetwork
from iseg_widget.training.click_strategies import centre_click
from iseg_widget.training.fca_net import FCANetTask
from iseg_widget.training.pool import Pool
from tests.training.tiny import blob, tiny_pool, tiny_recipe

CPU = torch.device("cpu")


class Answer(NamedTuple):
    logits: Tensor
    first_click: Tensor


class Plain(nn.Module):
    """Answers with a multiple of the positive clicks' map, at a quarter of the size."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(4.0))
        self.first_click_head = nn.Conv2d(1, 1, 1)
        self.fed: list[tuple[Tensor, Tensor]] = []

    def forward(self, image: Tensor, clicks: Tensor, first: Tensor) -> Answer:
        assert image.shape[1:] == (3, 64, 64)
        self.fed.append((clicks.clone(), first.clone()))
        return Answer(self.gain * (clicks[:, :1, ::4, ::4] - 0.5), first[:, :, ::16, ::16])


@pytest.fixture
def pool(tmp_path: Path) -> Pool:
    return Pool(tiny_pool(tmp_path), {"blobs": 1.0}, 1)


def task(**simulation: object) -> FCANetTask:
    loss = {"click_loss": True, "click_alpha": 0.8, "click_beta": 2.0, "initial_mask": 0.0}
    return FCANetTask({**tiny_recipe().simulation, **loss, **simulation}, Plain)


def test_the_first_click_is_the_object_s_centre(pool: Pool):
    ours = task(iterations=[0.0, 1.0])
    batch = ours.batch(pool, np.random.default_rng(0), 3, (64, 64))
    network = Plain()
    ours.losses(network, batch, CPU, None)
    for clicks, first in network.fed:
        for sample, view in enumerate(batch.views):
            x, y = centre_click(view.truth)
            peak = divmod(int(first[sample, 0].argmax()), 64)
            assert peak == (y, x)
            assert clicks[sample, 0, y, x] == pytest.approx(1.0)


def test_centre_click_is_the_deepest_pixel():
    mask = blob(40, 30, 9).astype(bool)
    mask[:, 70:75] = True
    assert centre_click(mask) == (40, 30)


@pytest.mark.parametrize("click_loss", [True, False])
def test_both_losses_reach_their_heads(pool: Pool, click_loss: bool):
    ours = task(iterations=[1.0], click_loss=click_loss)
    network = Plain()
    terms = ours.losses(network, ours.batch(pool, np.random.default_rng(0), 2, (64, 64)), CPU, None)
    assert set(terms) == {"general", "first", "iou"}
    (terms["general"] + terms["first"]).backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in network.parameters())


def test_the_click_loss_weighs_pixels_near_clicks_more(pool: Pool):
    """With alpha = beta = 1 it is the plain cross entropy; weights above 1 raise it."""
    batch = task(iterations=[1.0]).batch(pool, np.random.default_rng(0), 2, (64, 64))
    found = {}
    for name, settings in {
        "plain": {"click_loss": False},
        "even": {"click_alpha": 1.0, "click_beta": 1.0},
        "peaked": {"click_alpha": 1.0, "click_beta": 2.0},
    }.items():
        torch.manual_seed(0)
        terms = task(iterations=[1.0], **settings).losses(Plain(), batch, CPU, None)
        found[name] = terms["general"].item(), terms["first"].item()
    assert found["even"] == pytest.approx(found["plain"], rel=1e-5)
    assert found["peaked"][0] > 1.01 * found["even"][0]
    assert found["peaked"][1] > 1.01 * found["even"][1]


def test_the_basic_network_learns_nothing_of_the_first_click(pool: Pool):
    """ "BS" of Table 3 with the paper's network: what the module finds is zero, and stays so."""
    torch.manual_seed(0)
    ours = task(iterations=[1.0], first_click=False)
    network = FCANetwork("resnet101")
    ours.begin(network)
    optimiser = torch.optim.SGD([p for p in network.parameters() if p.requires_grad], lr=0.01)
    terms = ours.losses(network, ours.batch(pool, np.random.default_rng(0), 2, (64, 64)), CPU, None)
    assert set(terms) == {"general", "iou"}
    terms["general"].backward()
    assert all(p.grad is None for p in network.first_click.parameters())
    assert network.backbone.conv1.weight.grad is not None
    optimiser.step()
    network.eval()
    image, clicks = torch.rand(1, 3, 64, 64), torch.rand(1, 2, 64, 64)
    with torch.no_grad():
        answers = [network(image, clicks, torch.full((1, 1, 64, 64), v)) for v in (0.0, 1.0)]
    assert not answers[1].first_click.any()
    assert torch.equal(answers[0].logits, answers[1].logits)


def test_a_previous_mask_has_no_place():
    with pytest.raises(ValueError, match="initial_mask must be 0"):
        task(initial_mask=0.1)
