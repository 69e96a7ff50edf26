"""Distillation between networks of this package."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from iseg_widget.networks.ritm import RITMLite0
from iseg_widget.training.interaction import Interaction
from iseg_widget.training.pool import Pool
from iseg_widget.training.seen import Seen
from iseg_widget.training.teacher import Teacher
from iseg_widget.training.trainer import Trainer
from iseg_widget.weights.registry import export, networks
from tests.training.tiny import tiny_pool, tiny_recipe

pytestmark = pytest.mark.usefixtures("light")

CPU = torch.device("cpu")


class Fixed:
    """Answers with the logits it was given."""

    def __init__(self, logits: Tensor) -> None:
        self.logits = logits

    def answer(self, _: nn.Module, image: Tensor, given: Interaction) -> Tensor:
        assert image.shape[2:] == self.logits.shape[2:]
        assert len(given.clicks) == len(image)
        return self.logits


def seen(logits: Tensor, valid: Tensor | None = None) -> Seen:
    size, side = logits.shape[0], logits.shape[-1]
    given = Interaction([np.zeros((1, 3), np.float32)] * size, np.zeros((size, side, side)))
    if valid is None:
        valid = torch.ones_like(logits)
    return Seen(torch.zeros(size, 3, side, side), given, valid, valid, logits)


def test_the_loss_is_the_cross_entropy_with_the_teachers_probability():
    torch.manual_seed(0)
    theirs, ours = torch.randn(2, 2, 1, 8, 8)
    valid = (torch.rand(2, 1, 8, 8) > 0.3).float()
    p, q = torch.sigmoid(theirs), torch.sigmoid(ours)
    every = -(p * q.log() + (1 - p) * (1 - q).log())
    teacher = Teacher(nn.Identity(), Fixed(theirs), 0.25)
    found = teacher.loss(seen(ours, valid), None)
    assert found.item() == pytest.approx(0.25 * every[valid > 0].mean().item(), rel=1e-5)


def test_it_is_least_where_both_agree():
    theirs = torch.randn(1, 1, 6, 6)
    ours = theirs.clone().requires_grad_()
    loss = Teacher(nn.Identity(), Fixed(theirs), 1.0).loss(seen(ours), None)
    loss.backward()
    assert ours.grad is not None
    assert ours.grad.abs().max() < 1e-6


def test_close_ups_are_left_out():
    ours = torch.randn(1, 1, 6, 6, requires_grad=True)
    shown = dataclasses.replace(seen(ours), patches=True)
    loss = Teacher(nn.Identity(), Fixed(torch.zeros(1)), 1.0).loss(shown, None)
    loss.backward()
    assert loss.item() == 0.0
    assert ours.grad is not None
    assert not ours.grad.any()


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """RITM's network, which is fed the previous mask; its student is not. It mostly says yes."""
    torch.manual_seed(1)
    path = tmp_path / "teacher.safetensors"
    net = RITMLite0()
    nn.init.constant_(net.head.predict.bias, 3.0)
    export(net.state_dict(), path, {"network": "ritm-lite0"})
    return path


def test_a_student_of_another_method_learns(weights: Path, tmp_path: Path):
    """Its answers come closer to the teacher's, whose weights stay as they are."""
    recipe = tiny_recipe(
        network="ifcn-lite0", method="ifcn", init="imagenet", steps=8, batch=2, warmup=0, decay=0.0,
        simulation={**tiny_recipe().simulation, "iterations": [1.0], "initial_mask": 0.0},
        teacher=str(weights), teacher_weight=10.0, learning_rate=3e-3,
    )  # fmt: skip
    pool = Pool(tiny_pool(tmp_path / "data"), recipe.sets, recipe.development).fixed(1, 0)
    run = Trainer(recipe, pool, tmp_path / "run", device="cpu", precision="fp32")
    assert run.teacher is not None
    before = {key: value.clone() for key, value in run.teacher.net.state_dict().items()}
    losses = []
    take = run._train_step

    def _take(batches: list) -> dict[str, float]:
        values = take(batches)
        losses.append(values["distilled"])
        assert values["loss"] == pytest.approx(values["nfl"] + values["distilled"], rel=1e-4)
        return values

    run._train_step = _take  # type: ignore[method-assign]
    run.run()
    assert losses[-1] < 0.9 * losses[0]
    after = run.teacher.net.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_the_teacher_answers_as_at_inference(weights: Path):
    teacher = Teacher.of(tiny_recipe(teacher=str(weights)), CPU)
    assert teacher is not None
    assert not teacher.net.training
    assert not any(p.requires_grad for p in teacher.net.parameters())
    assert Teacher.of(tiny_recipe(), CPU) is None


def test_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="no weights 'nobody' for a teacher: accepted are"):
        Teacher.of(tiny_recipe(teacher="nobody"), CPU)
    with pytest.raises(ValueError, match=r"no weights file at x\.safetensors"):
        Teacher.of(tiny_recipe(teacher="x.safetensors"), CPU)
    path = tmp_path / "fine.safetensors"
    export(networks()["iafpn-lite0"]().state_dict(), path, {"network": "iafpn-lite0"})
    with pytest.raises(ValueError, match=r"'iafpn-lite0'; accepted are fcanet-lite0, .*ritm-lite0"):
        Teacher.of(tiny_recipe(teacher=str(path)), CPU)
