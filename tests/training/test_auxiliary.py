"""Auxiliary heads of the published HRNets: their loss in training, their rate of learning."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from iseg_widget.networks.focalclick_published import FocalClickHRNet
from iseg_widget.networks.layers import resize
from iseg_widget.networks.ritm import RITMPublished
from iseg_widget.training import focalclick
from iseg_widget.training.pool import Pool
from iseg_widget.training.recipes import load_recipe
from iseg_widget.training.tasks import build_task
from iseg_widget.training.trainer import _optimiser
from tests.training.tiny import tiny_pool

CPU = torch.device("cpu")
VIEW = 64
RECIPES = {
    "ritm-hrnet18s": "ritm-lite0",
    "focalclick-hrnet-18s-s2": "focalclick-lite0",
    "iafpn-hrnet18": "ia_fpn-lite0-coarse",
}


@pytest.fixture
def pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pool:
    monkeypatch.setattr(focalclick, "REFINER_SIDE", 64)
    return Pool(tiny_pool(tmp_path), {"blobs": 1.0}, 1)


def ready(network: str, **simulation: object) -> tuple[Any, Any]:
    """A task that corrects nothing before the pass that counts, and its network."""
    torch.manual_seed(0)
    settings = {**load_recipe(RECIPES[network]).simulation, "iterations": [1.0], **simulation}
    task = build_task(network, settings)
    net = task.network()
    task.begin(net)
    return task, net


@pytest.mark.parametrize("network", RECIPES)
def test_the_auxiliary_head_learns_by_its_cross_entropy(network: str, pool: Pool):
    task, net = ready(network)
    heard = []
    head = next(m for name, m in net.named_modules() if name.endswith("extractor.aux_head"))
    head.register_forward_hook(lambda *call: heard.append(call[-1]))
    batch = task.batch(pool, np.random.default_rng(0), 2, (VIEW, VIEW))
    terms = task.losses(net, batch, CPU, None)
    views = batch.crops if network.startswith("focalclick") else batch.views
    truth, valid = (
        torch.from_numpy(np.stack([getattr(view, n) for view in views])[:, None]).float()
        for n in ("truth", "valid")
    )
    (said,) = heard
    if network.startswith("iafpn"):
        said = resize(said, (32, 32))  # as the network itself brings it to its other logits' size
    loss = F.binary_cross_entropy_with_logits(resize(said, (64, 64)), truth, reduction="none")
    expected = 0.4 * (loss * valid).sum() / valid.sum()
    assert terms["auxiliary"].item() == pytest.approx(expected.item(), rel=1e-5)
    terms["auxiliary"].backward()
    assert head[-1].weight.grad.abs().sum() > 0


def test_stage_two_of_ia_fpn_has_no_auxiliary_loss(pool: Pool):
    task, net = ready("iafpn-hrnet18", stage="fine")
    batch = task.batch(pool, np.random.default_rng(0), 2, (VIEW, VIEW))
    terms = task.losses(net, batch, CPU, None)
    assert set(terms) == {"nfl", "iou"}
    terms["nfl"].backward()
    assert all(p.requires_grad for p in net.fine_network.parameters())
    assert not any(p.requires_grad for p in net.coarse_network.parameters())
    assert all(p.grad is None for p in net.coarse_network.parameters())
    # The published code leaves the head in the graph: it is OCR's soft region.
    assert net.fine_network.feature_extractor.aux_head[-1].weight.grad is not None


def test_networks_without_such_a_head_have_no_such_term(pool: Pool):
    for network, recipe in (
        ("ritm-lite0", "ritm-lite0"),
        ("focalclick-segformer-b0-s1", "focalclick-lite0"),
    ):
        task: Any = build_task(network, {**load_recipe(recipe).simulation, "iterations": [1.0]})
        batch = task.batch(pool, np.random.default_rng(0), 2, (VIEW, VIEW))
        assert "auxiliary" not in task.losses(task.network(), batch, CPU, None)


def test_what_is_told_beside_the_auxiliary_logits_is_the_answer():
    torch.manual_seed(0)
    net = RITMPublished().eval()
    image, maps = torch.rand(1, 3, 64, 80), torch.rand(1, 3, 64, 80)
    with torch.no_grad():
        logits, auxiliary = net.with_auxiliary(image, maps)
        assert torch.equal(logits, net(image, maps))
    assert auxiliary is not None
    assert auxiliary.shape == logits.shape
    coarse = FocalClickHRNet(version="S1").eval()
    with torch.no_grad():
        answer = coarse.segment(torch.rand(1, 3, 64, 64), torch.rand(1, 3, 64, 64))
    assert answer.auxiliary is not None
    assert answer.auxiliary.shape == (1, 1, 8, 8)


def slow_names(network: str, recipe: str, **simulation: object) -> set[str]:
    """Names of the parameters that the optimiser lets learn at the backbone's rate."""
    settings = {**load_recipe(recipe).simulation, **simulation}
    task = build_task(network, settings)
    net: nn.Module = task.network()
    task.begin(net)
    optimiser = _optimiser(net, load_recipe(recipe), task)
    factor = load_recipe(recipe).backbone_factor
    assert factor != 1.0
    slow = {
        id(p) for group in optimiser.param_groups if group["factor"] == factor
        for p in group["params"]
    }  # fmt: skip
    return {name for name, p in net.named_parameters() if id(p) in slow}


def test_ritm_s_hrnet_learns_slower_but_for_ocr():
    slow = slow_names("ritm-hrnet18s", "ritm-lite0")
    parts = {".".join(name.split(".")[:2]) for name in slow}
    assert all(name.startswith("feature_extractor.") for name in slow)
    assert {f"feature_extractor.{part}" for part in ("conv1", "stage4", "aux_head", "cls_head")} < {
        *parts
    }
    assert not parts & {f"feature_extractor.{p}" for p in ("conv3x3_ocr", "ocr_distri_head")}


def test_ia_fpn_s_modules_learn_slower_but_for_their_gammas():
    for stage, part in (("coarse", "coarse_network"), ("fine", "fine_network")):
        slow = slow_names("iafpn-hrnet18", "ia_fpn-lite0-coarse", stage=stage)
        modules = {tuple(name.split(".")[:3]) for name in slow}
        assert {key[0] for key in modules} == {part}
        assert {(part, "feature_extractor", name) for name in ("conv1", "att", "upatt")} < modules
        assert (part, "feature_extractor", "conv3x3_ocr") not in modules
        assert not any("gamma" in name or "maps_transform" in name for name in slow)


def test_backbones_of_the_other_networks():
    for network, recipe, prefix in (
        ("focalclick-segformer-b0-s2", "focalclick-lite0", "feature_extractor.backbone."),
        ("focalclick-hrnet-18s-s2", "focalclick-lite0", "feature_extractor."),
        ("focuscut-resnet50", "focuscut-lite0", "backbone."),
        ("risnet-vgg16", "ris_net-lite0", "backbone."),
        ("iafpn-resnet50", "ia_fpn-lite0-coarse", "coarse_network.backbone."),
        ("ritm-lite0", "ritm-lite0", "backbone."),
    ):
        slow = slow_names(network, recipe)
        task = build_task(network, load_recipe(recipe).simulation)
        every = {name for name, _ in task.network().named_parameters()}
        assert slow == {name for name in every if name.startswith(prefix)}
        assert slow
