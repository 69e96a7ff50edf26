"""Untrained networks whose answers depend on what they see."""

from __future__ import annotations

import torch
from torch import nn

from iseg_widget.networks.focalclick import FocalClickLite0


def lively_network(seed: int = 0) -> FocalClickLite0:
    """FocalClick with random weights, in evaluation mode.

    Fresh statistics of batch normalisation let the signal fade to nothing; here they are those
    of a few random crops, so that masks, clicks and pixels all show in the logits.
    """
    torch.manual_seed(seed)
    network = FocalClickLite0()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # plain average over the batches
    network.train()
    with torch.no_grad():
        for _ in range(2):
            image, interaction = torch.rand(2, 3, 128, 128), torch.rand(2, 3, 128, 128).round()
            boxes = torch.tensor([[0.0, 0, 128, 128], [20, 30, 90, 100]])
            coarse = network.segment(image, interaction)
            network.refine(image[:, :, ::2, ::2], interaction[:, 1:, ::2, ::2], coarse, boxes)
    network.eval()
    with torch.no_grad():  # as much object as background, and clearly so
        network.head.predict.weight *= 4
        network.head.predict.bias -= network.segment(image, interaction).logits.mean()
    return network


def settle(network: nn.Module, *inputs: torch.Tensor) -> nn.Module:
    """Give a network the statistics of these inputs, as much object as background; returns it."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None
    network.train()
    with torch.no_grad():
        network(*inputs)
        network.eval()
        answer = network(*inputs)
        logits = answer if isinstance(answer, torch.Tensor) else answer[0]
        network.head.predict.weight *= 4 / logits.std()
        network.head.predict.bias *= 0
        answer = network(*inputs)
        logits = answer if isinstance(answer, torch.Tensor) else answer[0]
        network.head.predict.bias -= logits.mean()
    return network
