"""Validation in the loop by the real evaluation."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from iseg_widget.datasets.base import MemoryDataset
from iseg_widget.evaluation.runner import evaluate
from iseg_widget.methods.registry import load_method
from iseg_widget.training import validation
from iseg_widget.training.export import export_checkpoint
from iseg_widget.training.pool import Pool
from iseg_widget.training.recipes import load_recipe
from iseg_widget.training.task import WholeNetwork
from iseg_widget.training.tasks import build_task
from iseg_widget.training.trainer import Trainer
from iseg_widget.training.validation import Validation, better
from tests.training.tiny import tiny_pool, tiny_recipe

pytestmark = pytest.mark.usefixtures("light")

CPU = torch.device("cpu")
FOUND = {f"iou{click}": 0.5 for click in range(1, 6)} | {"noc85": 9.0, "noc90": 12.0}


@pytest.fixture
def pool(tmp_path: Path) -> Pool:
    return Pool(tiny_pool(tmp_path / "data"), {"blobs": 1.0}, 3)


def test_is_the_evaluation_of_what_would_be_exported(pool: Pool, tmp_path: Path):
    recipe = tiny_recipe(
        network="ritm-lite0", method="ritm", init="imagenet", steps=1, validate_every=1,
        validate_objects=2, development=3, options={"max_side": 64},
    )  # fmt: skip
    run = Trainer(recipe, pool, tmp_path / "run", device="cpu", precision="fp32")
    run.run()
    with (run.out / "validation.csv").open(encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    weights = tmp_path / "best.safetensors"
    settings = export_checkpoint(run.out / "best.pt", weights)
    assert settings["step"] == 1
    method = load_method("ritm", weights=weights, options=recipe.options, device="cpu")
    samples = tuple(pool.development())[:2]
    report = evaluate(method, MemoryDataset(samples), 20, stop_iou=0.9, progress=False)
    expected = {"step": 1, "noc85": report.noc(0.85), "noc90": report.noc(0.90)}
    expected |= {f"iou{click}": report.iou_at(click) for click in range(1, 6)}
    assert set(row) == set(expected)
    # Exported weights have half the digits.
    for name, value in expected.items():
        assert float(row[name]) == pytest.approx(value, abs=0.02), name
    assert run.best == {"step": 1, **{k: pytest.approx(float(row[k]), rel=1e-4) for k in FOUND}}


def test_the_averaged_weights_answer_and_the_network_stays(pool: Pool):
    task = build_task("ritm-lite0", tiny_recipe().simulation)
    net = task.network()
    net.train()
    before = {key: value.clone() for key, value in net.state_dict().items()}
    zeros = {key: torch.zeros_like(value) for key, value in before.items()}
    zeros["head.predict.bias"] = torch.full_like(before["head.predict.bias"], -9.0)
    random = torch.random.get_rng_state()
    found = Validation.of(pool, 2, "ritm").run(net, zeros, CPU, WholeNetwork().ready)
    assert found["iou5"] == 0.0  # nothing is ever object
    assert found["noc90"] == found["noc85"] == 20.0
    assert net.training
    assert all(p.requires_grad for p in net.parameters())
    assert all(torch.equal(before[key], value) for key, value in net.state_dict().items())
    assert torch.equal(random, torch.random.get_rng_state())


def test_best_is_by_noc90_then_noc85_then_iou5():
    assert better(FOUND, {})
    assert not better(FOUND, FOUND)
    assert better({**FOUND, "noc90": 11.0, "noc85": 10.0}, FOUND)
    assert not better({**FOUND, "noc90": 12.5, "noc85": 1.0, "iou5": 1.0}, FOUND)
    assert better({**FOUND, "noc85": 8.0, "iou5": 0.1}, FOUND)
    assert better({**FOUND, "iou5": 0.6}, FOUND)


def test_the_best_weights_are_kept(pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    scores = iter([12.0, 10.0, 11.0])
    monkeypatch.setattr(Validation, "run", lambda *_: {**FOUND, "noc90": next(scores)})
    recipe = tiny_recipe(
        network="ritm-lite0", method="ritm", init="imagenet", steps=5, validate_every=2, batch=1
    )
    run = Trainer(recipe, pool, tmp_path / "run", device="cpu", precision="fp32")
    run.run()
    rows = (run.out / "validation.csv").read_text().splitlines()[1:]
    assert [row.split(",")[0] for row in rows] == ["2", "4", "5"]
    best = torch.load(run.out / "best.pt", weights_only=True)
    assert (best["step"], best["validation"]["noc90"]) == (4, 10.0)
    assert run.best["step"] == 4
    assert not torch.equal(
        best["average"]["head.predict.weight"], run.average.state["head.predict.weight"]
    )


def test_the_first_stage_of_ia_fpn_answers_with_its_coarse_weights():
    task = build_task("iafpn-lite0", load_recipe("ia_fpn-lite0-coarse").simulation)
    net = task.network()
    nn.init.constant_(net.head.predict.bias, 2.0)
    task.ready(net)
    assert torch.equal(net.fine_part.head.predict.bias, net.head.predict.bias)


def test_without_held_out_objects(tmp_path: Path):
    pool = Pool(tiny_pool(tmp_path), {"blobs": 1.0}, 0)
    with pytest.raises(ValueError, match="validation needs held-out images"):
        Validation.of(pool, 3, "ritm")


def test_fixed_pools_have_held_out_objects_too(pool: Pool):
    assert [s.name for s in pool.fixed(2, 0).development()] == [s.name for s in pool.development()]


def test_what_cannot_be_evaluated_is_not_passed_over(pool: Pool, monkeypatch: pytest.MonkeyPatch):
    class Faulty(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gain = nn.Parameter(torch.zeros(1))

        def forward(self, *_: object) -> None:
            raise RuntimeError("out of memory")

    net = Faulty()
    monkeypatch.setattr(validation, "prepare", lambda network, _: network)
    with pytest.raises(ValueError, match=r"validation failed: .*out of memory"):
        Validation.of(pool, 1, "ifcn").run(net, net.state_dict(), CPU, WholeNetwork().ready)
    assert np.isfinite(net.gain.item())
