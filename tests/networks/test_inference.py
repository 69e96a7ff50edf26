from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn

from iseg_widget.networks.focalclick import FocalClickLite0
from iseg_widget.networks.inference import choose_device, fold_batch_norm, prepare


def with_random_statistics(network: nn.Module) -> nn.Module:
    """Give every normalisation the statistics and factors of a trained one."""
    generator = torch.Generator().manual_seed(5)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor, low, high in (
                (module.running_mean, -0.5, 0.5),
                (module.running_var, 0.5, 2.0),
                (module.weight.data, 0.5, 1.5),
                (module.bias.data, -0.3, 0.3),
            ):
                tensor.copy_(torch.rand(tensor.shape, generator=generator) * (high - low) + low)
    return network.eval()


def answers(network: Any) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(6)
    image = torch.rand(1, 3, 64, 64, generator=generator)
    interaction = torch.rand(1, 3, 64, 64, generator=generator).round()
    with torch.no_grad():
        coarse = network.segment(image, interaction)
        box = torch.tensor([[10.0, 5.0, 50.0, 60.0]])
        return coarse.logits, network.refine(image, interaction[:, 1:], coarse, box).refined


def test_folding_keeps_the_answers():
    torch.manual_seed(0)
    network = with_random_statistics(FocalClickLite0())
    folded = copy.deepcopy(network)
    fold_batch_norm(folded)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in folded.modules())
    for before, after in zip(answers(network), answers(folded), strict=True):
        assert before.std() > 0
        scale = max(1.0, float(before.abs().max()))
        torch.testing.assert_close(after / scale, before / scale, atol=1e-4, rtol=0)


def test_normalisation_without_a_convolution_stays():
    network = nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 3, 1), nn.ReLU(), nn.BatchNorm2d(3))
    fold_batch_norm(network.eval())
    assert sum(isinstance(m, nn.BatchNorm2d) for m in network.modules()) == 2


class Nested(nn.Module):
    """Normalisations one sequence further, in lists, and behind a sequence."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.Sequential(nn.BatchNorm2d(4), nn.ReLU()), nn.Conv2d(4, 6, 1)
        )
        self.norm = nn.BatchNorm2d(6)
        self.convs = nn.ModuleList(nn.Conv2d(6, 6, 1) for _ in range(2))
        self.norms = nn.ModuleList(nn.BatchNorm2d(6) for _ in range(2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.norm(self.inner(x))
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = x + norm(conv(x))
        return x


def test_folding_finds_normalisations_in_sequences_and_lists():
    torch.manual_seed(0)
    network = with_random_statistics(Nested())
    folded = copy.deepcopy(network)
    fold_batch_norm(folded)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in folded.modules())
    x = torch.rand(1, 3, 12, 12)
    with torch.inference_mode():
        torch.testing.assert_close(folded(x), network(x), atol=1e-5, rtol=1e-5)


def test_branches_of_a_list_are_not_taken_for_a_sequence():
    network = nn.ModuleList([nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)]).eval()
    fold_batch_norm(network)
    assert isinstance(network[1], nn.BatchNorm2d)
    parallel = nn.Module()
    parallel.first, parallel.second = nn.Sequential(nn.Conv2d(3, 3, 1)), nn.Sequential()
    parallel.lists = nn.ModuleList([nn.BatchNorm2d(3)])
    fold_batch_norm(parallel.eval())
    assert isinstance(parallel.lists[0], nn.BatchNorm2d)


def test_prepared_networks_are_frozen_and_in_evaluation_mode():
    network = prepare(FocalClickLite0(), torch.device("cpu"))
    assert not network.training
    assert not any(p.requires_grad for p in network.parameters())


def test_auto_takes_what_there_is():
    chosen = choose_device("auto")
    assert chosen.type in ("cuda", "mps", "cpu")
    assert (chosen.type == "cuda") == torch.cuda.is_available()
    torch.zeros(1, device=chosen)


def test_devices_by_name_and_object():
    assert choose_device("cpu") == torch.device("cpu")
    assert choose_device(torch.device("cpu")) == torch.device("cpu")


@pytest.mark.parametrize("name", ["tpu", "cuda:x", "", "gpu"])
def test_unknown_devices_name_the_accepted_ones(name: str):
    with pytest.raises(ValueError, match=r"accepted are 'auto', 'cpu', 'cuda', 'cuda:N', 'mps'"):
        choose_device(name)


def test_devices_that_compute_nothing_are_refused():
    with pytest.raises(ValueError, match="accepted are"):
        choose_device("meta")


@pytest.mark.parametrize("kind", ["cuda", "mps"])
def test_devices_that_are_not_there(kind: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(ValueError, match=f"{kind}.* was asked for, but PyTorch finds"):
        choose_device(kind)


def test_index_beyond_the_last_device(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert choose_device("cuda:1") == torch.device("cuda:1")
    with pytest.raises(ValueError, match="'cuda:2' was asked for, but PyTorch finds 2"):
        choose_device("cuda:2")
