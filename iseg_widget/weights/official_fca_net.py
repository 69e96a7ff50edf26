"""The published checkpoints of FCA-Net: bare state dicts, one per backbone.

Their entries are renamed, one to one, to those of
:class:`~iseg_widget.networks.fca_net.FCANetwork`. ``first_pred_decoder.*``, the head of the first
click loss, is never evaluated by the published code; it becomes ``first_click_head``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from iseg_widget.weights.checkpoint import read_checkpoint

if TYPE_CHECKING:
    from torch import Tensor

    from iseg_widget.networks.fca_net import Backbone, FCANetwork

SOURCE = "https://github.com/frazerlin/fcanet"
"""Where the authors publish code and checkpoints."""

Rules = tuple[tuple[str, Callable[[re.Match[str]], str]], ...]
"""Pattern of a published name's beginning, and what stands there in ours."""

_PARTS = {"0": "conv", "1": "norm"}

DEEPLAB_NAMES: Rules = (
    (r"my_aspp\.aspp([1-9])\.atrous_conv", lambda m: f"aspp.branches.{int(m[1]) - 1}.conv"),
    (r"my_aspp\.aspp([1-9])\.bn", lambda m: f"aspp.branches.{int(m[1]) - 1}.norm"),
    (r"my_aspp\.global_avg_pool\.1", lambda _: "aspp.pool.conv"),
    (r"my_aspp\.global_avg_pool\.2", lambda _: "aspp.pool.norm"),
    (r"my_aspp\.conv1", lambda _: "aspp.project.conv"),
    (r"my_aspp\.bn1", lambda _: "aspp.project.norm"),
    (r"my_decoder\.side_conv\.([01])", lambda m: f"decoder.side.{_PARTS[m[1]]}"),
    (r"my_decoder\.merge_conv\.([0134])", lambda m: f"decoder.merge.{_in_triples(m[1])}"),
)
"""Of the parts that FCA-Net and FocusCut share."""

NAMES: Rules = (
    (r"backbone_(?:pre|last)(?=\.)", lambda _: "backbone"),
    *DEEPLAB_NAMES,
    (r"first_conv\.convs\.(\d+)\.([01])", lambda m: f"first_click.layers.{m[1]}.{_PARTS[m[2]]}"),
    (r"first_pred_decoder\.pred_conv\.(\d)", lambda m: f"first_click_head.{_in_head(m[1])}"),
    (r"pred_decoder\.pred_conv\.(\d)", lambda m: f"head.{_in_head(m[1])}"),
)


def _in_triples(index: str) -> str:
    """Place in a sequence of convolution, normalisation, activation."""
    return f"{int(index) // 3}.{_PARTS[str(int(index) % 3)]}"


def _in_head(index: str) -> str:
    """Place in a head of two such triples and one convolution, number 6."""
    return "2" if index == "6" else _in_triples(index)


def rename(key: str) -> str:
    """Return our name of a published entry; a name that is not published comes back as it is."""
    for pattern, ours in NAMES:
        match = re.match(pattern + r"(?=\.)", key)
        if match:
            return ours(match) + key[match.end() :]
    return key


STEMS: Mapping[Backbone, tuple[str, tuple[int, ...]]] = {
    "resnet101": ("backbone_pre.conv1.weight", (64, 5, 7, 7)),
    "res2net101": ("backbone_pre.conv1.0.weight", (32, 5, 3, 3)),
}
"""By what a backbone is recognised: an entry and its shape."""


def recognise(state: Mapping[str, Tensor], origin: str) -> Backbone:
    """Return the backbone of a published state dict.

    Raises
    ------
    ValueError: the entries are not those of an FCA-Net checkpoint.
    """
    for backbone, (key, shape) in STEMS.items():
        if key in state and tuple(state[key].shape) == shape:
            return backbone
    wanted = " or ".join(
        f"{key} of {' x '.join(map(str, shape))} ({backbone})"
        for backbone, (key, shape) in STEMS.items()
    )
    raise ValueError(
        f"{origin} is no published FCA-Net checkpoint: it should hold {wanted}; "
        f"its entries begin with {', '.join(list(state)[:3])}"
    )


def build(state: Mapping[str, Tensor], origin: str) -> FCANetwork:
    """Build the network of a published state dict and load it, strictly.

    Raises
    ------
    ValueError: the entries are missing, unknown or of another shape; ``origin`` is named.
    """
    from iseg_widget.networks.fca_net import FCANetwork
    from iseg_widget.weights.registry import load_state

    network = FCANetwork(recognise(state, origin))
    load_state(network, {rename(key): value for key, value in state.items()}, origin)
    return network


def load(path: Path) -> FCANetwork:
    """Read a published checkpoint file; see :func:`read_checkpoint` and :func:`build`."""
    checkpoint = read_checkpoint(path)
    return build(checkpoint.state, str(checkpoint.path))
