"""Making a trained network ready to answer clicks: device, memory layout, folded statistics."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from iseg_widget.networks.faster import quicken


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
    computation in this package's blocks; a sequence may hold the convolution or the normalisation
    of such a pair, and a list of convolutions be followed by a list of as many normalisations. The
    module must be in evaluation mode.
    """
    _fold(module, None)


_Place = tuple[nn.Module, str]
"""A child that can be replaced: its parent and its name there."""


def _fold(module: nn.Module, before: _Place | None) -> _Place | None:
    """Fold inside a module; ``before`` is the convolution, if any, whose answer it is given.

    Returns the convolution that the module ends with, if it does.
    """
    in_turn = isinstance(module, nn.Sequential)
    before = before if in_turn else None
    convolutions: nn.ModuleList | None = None
    for name, child in list(module.named_children()):
        place = (module, name)
        if isinstance(child, nn.Conv2d):
            before = place
        elif isinstance(child, nn.BatchNorm2d):
            if before is not None:
                _fuse(before, place)
            before = None
        elif isinstance(child, nn.ModuleList) and _pairs(convolutions, child):
            for index in range(len(child)):
                _fuse((convolutions, str(index)), (child, str(index)))  # type: ignore[arg-type]
        else:
            before = _fold(child, before)
        if isinstance(module, nn.ModuleList):
            before = None  # its children stand beside each other
        convolutions = child if isinstance(child, nn.ModuleList) else None
    return before if in_turn else None


def _pairs(convolutions: nn.ModuleList | None, norms: nn.ModuleList) -> bool:
    return (
        convolutions is not None
        and len(convolutions) == len(norms)
        and all(
            isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)
            for conv, norm in zip(convolutions, norms, strict=True)
        )
    )


def _fuse(convolution: _Place, norm: _Place) -> None:
    conv, following = (parent.get_submodule(name) for parent, name in (convolution, norm))
    assert isinstance(conv, nn.Conv2d)  # noqa: S101 (for the type checker)
    assert isinstance(following, nn.BatchNorm2d)  # noqa: S101
    fused = fuse_conv_bn_eval(conv, following)
    for (parent, name), new in ((convolution, fused), (norm, nn.Identity())):
        if isinstance(parent, nn.ModuleList):
            parent[int(name)] = new
        else:
            setattr(parent, name, new)


def place(network: nn.Module, device: torch.device) -> nn.Module:
    """Move the network to ``device`` with channels last, the fastest layout here on all of them."""
    network.to(device)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network


def prepare(network: nn.Module, device: torch.device) -> nn.Module:
    """Return the network ready for inference: evaluation mode, folded, on ``device``.

    On a CPU, parts also take forms with fewer multiplications (:func:`quicken`).
    """
    network.eval()
    fold_batch_norm(network)
    if device.type == "cpu":
        quicken(network)
    network.requires_grad_(requires_grad=False)
    return place(network, device)
