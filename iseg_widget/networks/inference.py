"""Making a trained network ready to answer clicks: device, memory layout, folded statistics."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def choose_device(device: str | torch.device) -> torch.device:
    """Return the device; ``"auto"`` takes CUDA, then Apple's GPU, then the CPU.

    Raises ``ValueError`` for a device that this machine or PyTorch does not have.
    """
    if isinstance(device, str) and device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise ValueError(
            f"unknown device {device!r}; accepted are 'auto', 'cpu', 'cuda', 'cuda:N', 'mps'"
        ) from error
    counts = {
        "cpu": 1,
        "cuda": torch.cuda.device_count() if torch.cuda.is_available() else 0,
        "mps": int(torch.backends.mps.is_available()),
    }
    if chosen.type not in counts:
        raise ValueError(f"device {device!r}; accepted are 'auto', 'cpu', 'cuda', 'cuda:N', 'mps'")
    if (chosen.index or 0) >= counts[chosen.type]:
        raise ValueError(
            f"device {device!r} was asked for, but PyTorch finds {counts[chosen.type]} "
            f"{chosen.type} devices"
        )
    return chosen


def fold_batch_norm(module: nn.Module) -> None:
    """Fold every batch normalisation into the convolution right before it, in place.

    Works on children that follow each other in registration order, which is the order of
    computation in this package's blocks. The module must be in evaluation mode.
    """
    previous_name, previous = "", None
    for name, child in list(module.named_children()):
        if isinstance(child, nn.BatchNorm2d) and isinstance(previous, nn.Conv2d):
            setattr(module, previous_name, fuse_conv_bn_eval(previous, child))
            setattr(module, name, nn.Identity())
        else:
            fold_batch_norm(child)
        previous_name, previous = name, child


def place(network: nn.Module, device: torch.device) -> nn.Module:
    """Move the network to ``device`` with channels last, the fastest layout here on all of them."""
    network.to(device)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network


def prepare(network: nn.Module, device: torch.device) -> nn.Module:
    """Return the network ready for inference: evaluation mode, folded, on ``device``."""
    network.eval().requires_grad_(requires_grad=False)
    fold_batch_norm(network)
    return place(network, device)
