"""The published checkpoints of RITM: ``{"state_dict": …, "config": …}``.

Entries keep their published names, and all of them are used. Models of one size share their
architecture, whatever they were trained on (SBD, COCO+LVIS).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from iseg_widget.weights.checkpoint import Checkpoint, read_checkpoint
from iseg_widget.weights.model_config import HRNET, read_config

if TYPE_CHECKING:
    from iseg_widget.networks.ritm import RITMPublished

SOURCE = "https://github.com/SamsungLabs/ritm_interactive_segmentation"
"""Where the authors publish code and checkpoints."""

RELATIVES = {"pipeline_version": "focalclick", "is_att": "ia_fpn"}
"""Parameters of models that others derived from RITM's class, and what those models belong to."""


@dataclass(frozen=True)
class Official:
    """A published checkpoint as a network.

    Attributes
    ----------
    network: with the file's weights.
    architecture: e.g. ``"ritm-hrnet18s"``.
    """

    network: RITMPublished
    architecture: str


def load(path: Path) -> RITMPublished:
    """Read a published checkpoint file; see :func:`read_checkpoint` and :func:`build`."""
    return build(read_checkpoint(path)).network


def build(checkpoint: Checkpoint) -> Official:
    """Build the network that a checkpoint's config describes and load it, strictly.

    Raises
    ------
    ValueError: the file holds another model, or entries are missing, unknown or of another shape.
    """
    from iseg_widget.networks.ritm import DISK_RADIUS, RITMPublished
    from iseg_widget.weights.registry import load_state

    config = read_config(checkpoint, "RITM", (HRNET,))
    for parameter, method in RELATIVES.items():
        if parameter in config.parameters:
            raise ValueError(
                f"{config.origin} is no RITM model: its config gives {parameter}, as those of "
                f"{method!r} do"
            )
    radius = config.parameters.get("norm_radius", DISK_RADIUS)
    if isinstance(radius, bool) or not isinstance(radius, (int, float)) or radius <= 0:
        raise ValueError(f"{config.origin}: norm_radius must be a positive number, got {radius!r}")
    width, ocr_width, small = config.hrnet()
    network = RITMPublished(width, ocr_width, small=small, disk_radius=float(radius))
    load_state(network, checkpoint.state, config.origin)
    return Official(network, f"ritm-hrnet{width}{'s' if small else ''}")
