"""The published checkpoints of FocusCut: bare state dicts, one per backbone.

Their entries are renamed, one to one, to those of
:class:`~iseg_widget.networks.focuscut.FocusCutNetwork`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from iseg_widget.weights.checkpoint import read_checkpoint
from iseg_widget.weights.official_fca_net import DEEPLAB_NAMES, Rules

if TYPE_CHECKING:
    from torch import Tensor

    from iseg_widget.networks.focuscut import Backbone, FocusCutNetwork

SOURCE = "https://github.com/frazerlin/focuscut"
"""Where the authors publish code and checkpoints."""

NAMES: Rules = (
    (r"backbone\.layers\.0\.0", lambda _: "backbone.conv1"),
    (r"backbone\.layers\.0\.1", lambda _: "backbone.bn1"),
    (r"backbone\.layers\.([1-4])", lambda m: f"backbone.layer{m[1]}"),
    *DEEPLAB_NAMES,
    (r"pred_decoder\.pred_conv\.0", lambda _: "head.0"),
)

STEM = "backbone.layers.0.0.weight"
STEM_SHAPE = (64, 6, 7, 7)
DEEP = "backbone.layers.3.6.conv1.weight"
"""The seventh block of the third stage, which only ResNet-101 has."""


def rename(key: str) -> str:
    """Return our name of a published entry; a name that is not published comes back as it is."""
    for pattern, ours in NAMES:
        match = re.match(pattern + r"(?=\.)", key)
        if match:
            return ours(match) + key[match.end() :]
    return key


def recognise(state: Mapping[str, Tensor], origin: str) -> Backbone:
    """Return the backbone of a published state dict.

    Raises
    ------
    ValueError: the entries are not those of a FocusCut checkpoint.
    """
    if STEM in state and tuple(state[STEM].shape) == STEM_SHAPE:
        return "resnet101" if DEEP in state else "resnet50"
    raise ValueError(
        f"{origin} is no published FocusCut checkpoint: it should hold {STEM} of "
        f"{' x '.join(map(str, STEM_SHAPE))}; its entries begin with {', '.join(list(state)[:3])}"
    )


def build(state: Mapping[str, Tensor], origin: str) -> FocusCutNetwork:
    """Build the network of a published state dict and load it, strictly.

    Raises
    ------
    ValueError: the entries are missing, unknown or of another shape; ``origin`` is named.
    """
    from iseg_widget.networks.focuscut import FocusCutNetwork
    from iseg_widget.weights.registry import load_state

    network = FocusCutNetwork(recognise(state, origin))
    load_state(network, {rename(key): value for key, value in state.items()}, origin)
    return network


def load(path: Path) -> FocusCutNetwork:
    """Read a published checkpoint file; see :func:`read_checkpoint` and :func:`build`."""
    checkpoint = read_checkpoint(path)
    return build(checkpoint.state, str(checkpoint.path))
