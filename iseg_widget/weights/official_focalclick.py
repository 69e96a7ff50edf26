"""The published checkpoints of FocalClick (ClickSEG): ``{"state_dict": …, "config": …}``.

The config names a class and its parameters, ``{name: {"type": …, "value": …, "specified": …}}``
(``isegm/utils/serialization.py``). Entries keep their published names. Those that the published
code never evaluates are left out and reported: the SegFormer models' ``maps_transform`` (their
clicks take another path) and ``refiner.feature_gate``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from iseg_widget.weights.checkpoint import Checkpoint, read_checkpoint

if TYPE_CHECKING:
    from iseg_widget.networks.focalclick import FocalClickNetwork

SOURCE = "https://github.com/XavierCHEN34/ClickSEG"
"""Where the authors publish code and checkpoints."""

SEGFORMER = "isegm.model.is_segformer_model.SegFormerModel"
HRNET = "isegm.model.is_hrnet_model.HRNetModel"

UNUSED = {SEGFORMER: ("maps_transform.", "refiner.feature_gate."), HRNET: ()}
"""Beginnings of the names of unused entries, by class."""

FIXED: Mapping[str, Any] = {
    "use_leaky_relu": True,
    "use_rgb_conv": False,
    "use_disks": True,
    "with_prev_mask": True,
    "binary_prev_mask": False,
    "clicks_groups": None,
    "conv_extend": False,
    "norm_mean_std": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}
"""Parameters that every published model has; the networks here are built for these values."""


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

    origin = str(checkpoint.path)
    name, parameters = _described(checkpoint.config.get("config"), origin)
    if name not in UNUSED:
        raise ValueError(
            f"{origin} names the model class {name!r}; accepted are {', '.join(UNUSED)}"
        )
    for key, expected in FIXED.items():
        if _tuples(parameters.get(key, expected)) != expected:
            raise ValueError(
                f"{origin}: the model has {key}={parameters[key]!r}; accepted is {expected!r}"
            )
    network, architecture = _network(name, parameters, origin)
    unused = tuple(key for key in checkpoint.state if key.startswith(UNUSED[name]))
    kept = {key: value for key, value in checkpoint.state.items() if key not in unused}
    load_state(network, kept, origin)
    return Official(network, architecture, unused)


def _described(config: Any, origin: str) -> tuple[str, dict[str, Any]]:
    """Return the class and the parameters that a config names."""
    try:
        parameters = {name: entry["value"] for name, entry in config["params"].items()}
        return str(config["class"]), parameters
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(
            f"{origin} is no published FocalClick checkpoint: beside 'state_dict' it should hold a "
            f"'config' with 'class' and 'params', got {str(config)[:200]}"
        ) from error


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, (list, tuple)) else value


def _network(
    name: str, parameters: Mapping[str, Any], origin: str
) -> tuple[FocalClickNetwork, str]:
    """Build the network; return it with its architecture's name."""
    from iseg_widget.networks.focalclick import SEGMENTOR_SIDE
    from iseg_widget.networks.focalclick_published import FocalClickHRNet, FocalClickSegFormer
    from iseg_widget.networks.mix_transformer import SIZES

    given = parameters.get("pipeline_version")
    version = next((version for version in SEGMENTOR_SIDE if version.lower() == given), None)
    if version is None:
        raise ValueError(
            f"{origin} is no FocalClick model: pipeline_version must be 's1' or 's2', got {given!r}"
        )
    if name == SEGFORMER:
        size = parameters.get("model_version")
        if size not in SIZES:
            accepted = ", ".join(map(repr, SIZES))
            raise ValueError(f"{origin}: model_version must be one of {accepted}, got {size!r}")
        return FocalClickSegFormer(size, version), f"focalclick-segformer-{size}-{given}"
    try:
        width, ocr_width = int(parameters["width"]), int(parameters["ocr_width"])
        small = bool(parameters["small"])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{origin}: the config of an HRNet must give width, ocr_width and small, "
            f"got {dict(parameters)}"
        ) from error
    network = FocalClickHRNet(width, ocr_width, small=small, version=version)
    return network, f"focalclick-hrnet-{width}{'s' if small else ''}-{given}"
