"""The published checkpoints of FocalClick (ClickSEG): ``{"state_dict": …, "config": …}``.

Entries keep their published names. Those that the published code never evaluates are left out and
reported: the SegFormer models' ``maps_transform`` (their clicks take another path) and
``refiner.feature_gate``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from iseg_widget.weights.checkpoint import Checkpoint, read_checkpoint
from iseg_widget.weights.model_config import HRNET, ModelConfig, read_config

if TYPE_CHECKING:
    from iseg_widget.networks.focalclick import FocalClickNetwork

SOURCE = "https://github.com/XavierCHEN34/ClickSEG"
"""Where the authors publish code and checkpoints."""

SEGFORMER = "isegm.model.is_segformer_model.SegFormerModel"

UNUSED = {SEGFORMER: ("maps_transform.", "refiner.feature_gate."), HRNET: ()}
"""Beginnings of the names of unused entries, by class."""


@dataclass(frozen=True)
class Official:
    """A published checkpoint as a network.

    Attributes
    ----------
    network: with the file's weights.
    architecture: e.g. ``"focalclick-segformer-b0-s2"``.
    unused: entries of the file that the published code never evaluates.
    """

    network: FocalClickNetwork
    architecture: str
    unused: tuple[str, ...]


def load(path: Path) -> FocalClickNetwork:
    """Read a published checkpoint file; see :func:`read_checkpoint` and :func:`build`."""
    return build(read_checkpoint(path)).network


def build(checkpoint: Checkpoint) -> Official:
    """Build the network that a checkpoint's config describes and load it, strictly.

    Raises
    ------
    ValueError: the file holds another model, or entries are missing, unknown or of another shape.
    """
    from iseg_widget.weights.registry import load_state

    config = read_config(checkpoint, "FocalClick", tuple(UNUSED))
    network, architecture = _network(config)
    unused = tuple(key for key in checkpoint.state if key.startswith(UNUSED[config.name]))
    kept = {key: value for key, value in checkpoint.state.items() if key not in unused}
    load_state(network, kept, config.origin)
    return Official(network, architecture, unused)


def _network(config: ModelConfig) -> tuple[FocalClickNetwork, str]:
    """Build the network; return it with its architecture's name."""
    from iseg_widget.networks.focalclick import SEGMENTOR_SIDE
    from iseg_widget.networks.focalclick_published import FocalClickHRNet, FocalClickSegFormer
    from iseg_widget.networks.mix_transformer import SIZES

    origin, parameters = config.origin, config.parameters
    given = parameters.get("pipeline_version")
    version = next((version for version in SEGMENTOR_SIDE if version.lower() == given), None)
    if version is None:
        raise ValueError(
            f"{origin} is no FocalClick model: pipeline_version must be 's1' or 's2', got {given!r}"
        )
    if config.name == SEGFORMER:
        size = parameters.get("model_version")
        if size not in SIZES:
            accepted = ", ".join(map(repr, SIZES))
            raise ValueError(f"{origin}: model_version must be one of {accepted}, got {size!r}")
        return FocalClickSegFormer(size, version), f"focalclick-segformer-{size}-{given}"
    width, ocr_width, small = config.hrnet()
    network = FocalClickHRNet(width, ocr_width, small=small, version=version)
    return network, f"focalclick-hrnet-{width}{'s' if small else ''}-{given}"
