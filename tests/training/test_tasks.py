"""Every packaged recipe trains: one step from random weights, and the weights can be loaded."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from iseg_widget.methods.registry import load_method
from iseg_widget.networks.efficientnet_lite import EfficientNetLite0
from iseg_widget.session import Session
from iseg_widget.training import focalclick, start
from iseg_widget.training.export import export_checkpoint
from iseg_widget.training.pool import Pool
from iseg_widget.training.recipes import Phase, list_recipes, load_recipe
from iseg_widget.training.tasks import TASKS, build_task
from iseg_widget.training.trainer import Trainer
from iseg_widget.weights.registry import networks
from tests.training.tiny import tiny_pool


@pytest.fixture(autouse=True)
def _light(monkeypatch: pytest.MonkeyPatch) -> None:
    state = EfficientNetLite0().state_dict()
    monkeypatch.setattr(start, "imagenet_backbone", lambda: dict(state))
    monkeypatch.setattr(focalclick, "REFINER_SIDE", 64)


@pytest.mark.parametrize("name", [*list_recipes(), *list_recipes("ablations")])
def test_a_step_of_every_recipe(name: str, tmp_path: Path):
    packaged = load_recipe(name)
    recipe = dataclasses.replace(
        packaged,
        steps=1,
        batch=2,
        phases=(Phase(1.0, (64,), (1.0,)),),
        development=2,
        sets={"blobs": 1.0},
        simulation={**packaged.simulation, "iterations": [0.0, 1.0]},
    )
    pool = Pool(tiny_pool(tmp_path / "data"), recipe.sets, recipe.development)
    run = Trainer(recipe, pool, tmp_path / "run", device="cpu", precision="fp32", init="imagenet")
    before = {key: value.clone() for key, value in run.net.state_dict().items()}
    run.run()
    after = run.net.state_dict()
    assert any(not torch.equal(before[key], after[key]) for key in before)
    assert all(torch.isfinite(value).all() for value in after.values())
    path = tmp_path / f"{name}.safetensors"
    export_checkpoint(run.checkpoint, path)
    method = load_method(recipe.method, weights=path, device="cpu")
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    assert Session(method, image).click(30, 30).mask.shape == (64, 64)
    again = Trainer(
        recipe, pool, tmp_path / "next", device="cpu", precision="fp32", init=run.checkpoint
    )
    for key, value in run.average.state.items():
        if not key.startswith("fine_part."):
            assert torch.equal(again.net.state_dict()[key], value)


def test_recipes_and_tasks():
    trained = {load_recipe(name).network for name in list_recipes()}
    assert trained <= set(TASKS)
    assert {name for name in TASKS if name.endswith("-lite0")} <= trained


def test_tasks_have_the_names_of_the_networks():
    assert set(TASKS) == set(networks())


def test_unknown_network():
    with pytest.raises(ValueError, match="no training for 'vgg'; there is for"):
        build_task("vgg", {})


@pytest.mark.parametrize("network", ["ifcn-lite0", "fcanet-lite0", "risnet-lite0"])
def test_methods_without_previous_mask_train_without(network: str):
    simulation = {**load_recipe("focalclick-lite0").simulation, "initial_mask": 0.1}
    with pytest.raises(ValueError, match="initial_mask must be 0"):
        build_task(network, simulation)
