"""What FocalClick brings to the loop: batches, and the loss terms of Eq. 2."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from iseg_widget.encode import disks, map_to_corner_crop, map_to_crop
from iseg_widget.networks.focalclick import FocalClickLite0
from iseg_widget.training import focalclick
from iseg_widget.training.focalclick import FocalClickTask, disk_radius
from iseg_widget.training.interaction import defective
from iseg_widget.training.losses import batch_iou
from iseg_widget.training.pool import Pool
from iseg_widget.training.seen import Seen
from iseg_widget.weights.registry import networks
from tests.training.tiny import blob, tiny_pool, tiny_recipe

CPU = torch.device("cpu")


@pytest.fixture
def pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pool:
    monkeypatch.setattr(focalclick, "REFINER_SIDE", 64)
    return Pool(tiny_pool(tmp_path), {"blobs": 1.0}, 1)


def task(**simulation: object) -> FocalClickTask:
    return FocalClickTask({**tiny_recipe().simulation, **simulation})


def test_batches_depend_on_the_generator_alone(pool: Pool):
    first, same, other = (
        task().batch(pool, np.random.default_rng(seed), 3, (64, 64)) for seed in (1, 1, 2)
    )
    assert len(first.crops) == 3
    assert (first.rounds, first.seed) == (same.rounds, same.seed)
    for a, b in zip(first.crops, same.crops, strict=True):
        np.testing.assert_array_equal(a.image, b.image)
    assert (first.crops[0].image != other.crops[0].image).any()
    assert all(crop.truth.sum() >= 20 for crop in first.crops)
    assert first.crops[0].image.shape == (3, 64, 64)


@pytest.mark.parametrize("rounds", [0, 2])
def test_losses_are_equation_2_and_reach_every_weight(pool: Pool, rounds: int):
    """L = L_bce + L_nfl + L_bnfl; Segmentor and Refiner learn together, end to end."""
    torch.manual_seed(0)
    ours = task(iterations=[0.0] * rounds + [1.0], initial_mask=0.5)
    batch = ours.batch(pool, np.random.default_rng(0), 2, (64, 64))
    assert batch.rounds == rounds
    network = FocalClickLite0()
    terms = ours.losses(network, batch, CPU, None)
    losses = {name: value for name, value in terms.items() if not name.endswith("_iou")}
    assert set(losses) == {"nfl", "bnfl", "bce"}
    assert all(value.ndim == 0 and torch.isfinite(value) for value in terms.values())
    assert min(losses.values()) > 0.01
    assert network.training
    torch.stack(list(losses.values())).sum().backward()
    unused = [name for name, p in network.named_parameters() if p.grad is None]
    assert unused == []
    assert all(torch.isfinite(p.grad).all() for p in network.parameters())


@pytest.mark.parametrize(
    ("network", "side", "radius"),
    [
        ("focalclick-lite0", 128, 3.0), ("focalclick-lite0", 256, 5.0),
        ("focalclick-lite0", 64, 5.0), ("focalclick-segformer-b0-s1", 256, 3.0),
        ("focalclick-hrnet-18s-s1", 256, 2.0), ("focalclick-hrnet-18s-s2", 256, 5.0),
    ],
)  # fmt: skip
def test_disks_are_those_of_the_network_s_geometry(network: str, side: int, radius: float):
    assert disk_radius(networks()[network]().geometry, side) == radius


@pytest.mark.parametrize("network", ["focalclick-lite0", "focalclick-segformer-b0-s2"])
def test_clicks_fall_into_the_focus_crop_as_at_inference(
    network: str, pool: Pool, monkeypatch: pytest.MonkeyPatch
):
    """By half-pixel centres, or corner on corner."""
    torch.manual_seed(0)
    ours, net = task(iterations=[1.0]), networks()[network]()
    batch = ours.batch(pool, np.random.default_rng(0), 2, (64, 64))
    fed: list[torch.Tensor] = []
    refine = type(net).refine
    monkeypatch.setattr(
        type(net), "refine", lambda *given: [fed.append(given[2]), refine(*given)][1]
    )
    seen: list[Seen] = []
    ours.losses(net, batch, CPU, None, seen.append)
    carried = {"half_pixel": map_to_crop, "corners": map_to_corner_crop}[net.geometry.sampling]
    for maps, clicks, crop in zip(fed[0], seen[0].given.clicks, batch.crops, strict=True):
        expected = disks(carried(clicks, crop.focus_box, (64, 64)), (64, 64), 5.0)
        np.testing.assert_array_equal(maps.numpy(), expected)


def test_losses_depend_on_the_batch_alone(pool: Pool):
    torch.manual_seed(0)
    network = FocalClickLite0()
    start = {k: v.clone() for k, v in network.state_dict().items()}
    batch = task(iterations=[0.0, 1.0]).batch(pool, np.random.default_rng(0), 2, (64, 64))
    results = []
    for _ in range(2):
        network.load_state_dict(start)
        results.append(task().losses(network, batch, CPU, None))
    assert all(torch.equal(results[0][name], results[1][name]) for name in results[0])


def test_click_rounds_leave_no_trace_in_the_network(pool: Pool):
    """They run in evaluation mode: statistics must not learn from them."""
    torch.manual_seed(0)
    network = FocalClickLite0()
    seen = []

    def count(module: torch.nn.Module, *_: object) -> None:
        seen.append((module.training, torch.is_grad_enabled()))

    network.backbone.register_forward_hook(count)
    ours = task(iterations=[0.0, 0.0, 0.0, 1.0])
    ours.losses(network, ours.batch(pool, np.random.default_rng(0), 2, (64, 64)), CPU, None)
    assert seen == [(False, False)] * 3 + [(True, True)]


def test_mixed_precision_is_close(pool: Pool):
    torch.manual_seed(0)
    network = FocalClickLite0()
    batch = task(iterations=[1.0]).batch(pool, np.random.default_rng(0), 2, (64, 64))
    single, mixed = (task().losses(network, batch, CPU, d) for d in (None, torch.bfloat16))
    for name in ("nfl", "bnfl", "bce"):
        assert mixed[name].dtype == torch.float32
        assert mixed[name].item() == pytest.approx(single[name].item(), rel=0.1, abs=0.05)


def test_defective_masks_are_damaged_in_both_ways():
    truth = blob(48, 36, 20).astype(bool)[:64, :64]
    damages = [defective(truth, np.random.default_rng(seed)) for seed in range(40)]
    added = [(damaged & ~truth).sum() for damaged in damages]
    removed = [(truth & ~damaged).sum() for damaged in damages]
    assert all(damaged.shape == truth.shape for damaged in damages)
    assert all(damaged.dtype == np.bool_ for damaged in damages)
    assert sum(a > 20 for a in added) > 5
    assert sum(r > 20 for r in removed) > 5


def test_batch_iou_is_the_mean_over_samples_and_leaves_ignored_pixels_out():
    truth = torch.zeros(2, 1, 4, 4)
    truth[:, :, :2] = 1
    logits = torch.full_like(truth, -1.0)
    logits[0, :, :2] = 1  # right
    logits[1, :, :1] = 1  # half of it
    valid = torch.ones_like(truth)
    assert batch_iou(logits, truth, valid).item() == pytest.approx(0.75, abs=1e-5)
    valid[1, :, 1] = 0
    assert batch_iou(logits, truth, valid).item() == pytest.approx(1.0, abs=1e-5)
