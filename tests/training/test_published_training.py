"""Every network of a paper trains: one step, and what it has learnt loads into its method."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from iseg_widget.methods.registry import load_method
from iseg_widget.session import Session
from iseg_widget.training import focalclick, trainer
from iseg_widget.training.export import export_checkpoint
from iseg_widget.training.pool import Pool
from iseg_widget.training.recipes import Phase, load_recipe
from iseg_widget.training.tasks import TASKS
from iseg_widget.training.trainer import Trainer
from iseg_widget.weights.registry import load_network
from tests.training.test_published_answers import RECIPES
from tests.training.tiny import tiny_pool

LIGHT = (
    "ritm-hrnet18s", "fcanet-resnet101", "focuscut-resnet50", "focalclick-hrnet-18s-s1",
    "focalclick-segformer-b0-s1", "iafpn-hrnet18", "risnet-vgg16",
)  # fmt: skip
HEAVY = [name for name in TASKS if not name.endswith("lite0") and name not in LIGHT]

QUICK: dict[str, dict[str, Any]] = {
    "fca_net": {"short_side": 64},
    "focuscut": {"size": 64},
    "ia_fpn": {"crop_side": 64},
}
"""Options for small views, where a method does not see the image as it is."""


@pytest.fixture(autouse=True)
def _light(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer, "initialise", lambda *_: None)
    monkeypatch.setattr(focalclick, "REFINER_SIDE", 64)


def one_step(network: str, folder: Path, **simulation: object) -> None:
    packaged = load_recipe(RECIPES[network.partition("-")[0]])
    recipe = dataclasses.replace(
        packaged,
        name=f"{network}-test",
        network=network,
        steps=1,
        batch=2,
        phases=(Phase(1.0, (64,), (1.0,)),),
        warmup=0,
        development=2,
        sets={"blobs": 1.0},
        simulation={**packaged.simulation, "iterations": [0.0, 1.0], **simulation},
    )
    pool = Pool(tiny_pool(folder / "data"), recipe.sets, recipe.development)
    run = Trainer(recipe, pool, folder / "run", device="cpu", precision="fp32")
    before = {key: value.detach().clone() for key, value in run.net.named_parameters()}
    ((_, batches),) = run._batches(0, 1)
    terms = run._train_step(batches)
    assert np.isfinite(terms["loss"])
    assert terms["loss"] > 0
    parameters = dict(run.net.named_parameters())
    assert all(torch.isfinite(value).all() for value in parameters.values())
    frozen = {key for key, value in parameters.items() if not value.requires_grad}
    same = {key for key, value in before.items() if torch.equal(value, parameters[key])}
    assert frozen <= same
    # Attention to one region does not depend on what is compared with it (OCR); and what is
    # multiplied by a factor that starts at 0 (IA-FPN) or by a ReLU's 0 learns nothing at first.
    assert len(same - frozen) < 0.2 * (len(parameters) - len(frozen))
    loads(run, recipe.method, folder)


def loads(run: Trainer, method: str, folder: Path) -> None:
    """What the run would export is what its method is given."""
    checkpoint, path = folder / "checkpoint.pt", folder / "weights.safetensors"
    torch.save(run._summary(), checkpoint)  # without the optimiser's numbers: these are large
    export_checkpoint(checkpoint, path)
    state = load_network(method, path).state_dict()
    assert state.keys() == run.average.state.keys()
    for key, value in run.average.state.items():
        torch.testing.assert_close(state[key], value, rtol=1e-3, atol=1e-6)
    loaded = load_method(method, weights=path, device="cpu", options=QUICK.get(method))
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    assert Session(loaded, image).click(30, 30).mask.shape == (64, 64)


@pytest.mark.parametrize("network", LIGHT)
def test_a_step_and_its_export(network: str, tmp_path: Path):
    one_step(network, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("network", HEAVY)
def test_a_step_of_the_larger_ones(network: str, tmp_path: Path):
    one_step(network, tmp_path)


def test_a_step_of_ia_fpn_s_second_stage(tmp_path: Path):
    one_step("iafpn-hrnet18", tmp_path, stage="fine")
