"""The published checkpoints of IA-FPN (CSFPN): two files, the coarse and the fine network's.

Each is ``{"state_dict": …, "config": …}`` (:mod:`iseg_widget.weights.model_config`). Entries keep
their published names, and all of them are used.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from iseg_widget.weights.checkpoint import Checkpoint, read_checkpoint
from iseg_widget.weights.model_config import HRNET, read_config

if TYPE_CHECKING:
    from iseg_widget.networks.ia_fpn import CSFPNHRNet, IAFPNPair

SOURCE = "https://github.com/kleinzcy/CSFPN"
"""Where the authors publish their code; it trains the two files."""

PARTS = ("coarse", "fine")
"""What the files of a pair hold, in order."""


def load(coarse: Path, fine: Path) -> IAFPNPair:
    """Read a pair of published checkpoint files.

    Both hold the same architecture and nothing that tells them apart: files given in the wrong
    order are not noticed.

    Raises
    ------
    ValueError: a file cannot be read or holds another model, or the two are of different sizes.
    """
    from iseg_widget.networks.ia_fpn import IAFPNPair

    networks = [build(read_checkpoint(path)) for path in (coarse, fine)]
    shapes = [
        {key: value.shape for key, value in network.state_dict().items()} for network in networks
    ]
    if shapes[0] != shapes[1]:
        raise ValueError(f"{coarse} and {fine} are no pair: their networks differ in size")
    return IAFPNPair(*networks)


def build(checkpoint: Checkpoint) -> CSFPNHRNet:
    """Build the network that a checkpoint's config describes and load it, strictly.

    Raises
    ------
    ValueError: the file holds another model, or entries are missing, unknown or of another shape.
    """
    from iseg_widget.networks.ia_fpn import DISK_RADIUS, CSFPNHRNet
    from iseg_widget.weights.registry import load_state

    config = read_config(checkpoint, "IA-FPN", (HRNET,))
    radius = config.parameters.get("norm_radius", DISK_RADIUS)
    if radius != DISK_RADIUS:
        raise ValueError(
            f"{config.origin}: the model has norm_radius={radius!r}; accepted is {DISK_RADIUS:g}"
        )
    width, ocr_width, small = config.hrnet()
    network = CSFPNHRNet(width, ocr_width, small=small)
    load_state(network, checkpoint.state, config.origin)
    return network
