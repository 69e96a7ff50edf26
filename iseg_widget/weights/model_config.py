"""The model descriptions in the checkpoints of RITM and its relatives (FocalClick).

A file is ``{"state_dict": …, "config": …}``. The config names a class and its parameters,
``{name: {"type": …, "value": …, "specified": …}}`` (``isegm/utils/serialization.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from iseg_widget.weights.checkpoint import Checkpoint

HRNET = "isegm.model.is_hrnet_model.HRNetModel"
"""Class of the HRNet models of both RITM and FocalClick."""

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
class ModelConfig:
    """What a checkpoint says about its model.

    Attributes
    ----------
    origin: the file, for messages.
    name: dotted name of the class.
    parameters: values by name.
    """

    origin: str
    name: str
    parameters: Mapping[str, Any]

    def hrnet(self) -> tuple[int, int, bool]:
        """Return ``width, ocr_width, small``; ``ValueError`` when they are not given."""
        try:
            width, ocr_width = (int(self.parameters[key]) for key in ("width", "ocr_width"))
            return width, ocr_width, bool(self.parameters["small"])
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"{self.origin}: the config of an HRNet must give width, ocr_width and small, "
                f"got {dict(self.parameters)}"
            ) from error


def read_config(checkpoint: Checkpoint, method: str, accepted: tuple[str, ...]) -> ModelConfig:
    """Read the config of a published checkpoint.

    Parameters
    ----------
    checkpoint: as read.
    method: whose checkpoints these are, for messages.
    accepted: dotted names of classes.

    Raises
    ------
    ValueError: there is no config, or it names another class or a parameter of another value than
        in :data:`FIXED`.
    """
    origin = str(checkpoint.path)
    config = checkpoint.config.get("config")
    try:
        parameters = {name: entry["value"] for name, entry in config["params"].items()}  # type: ignore[index]
        name = str(config["class"])  # type: ignore[index]
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(
            f"{origin} is no published {method} checkpoint: beside 'state_dict' it should hold a "
            f"'config' with 'class' and 'params', got {str(config)[:200]}"
        ) from error
    if name not in accepted:
        raise ValueError(
            f"{origin} names the model class {name!r}; accepted are {', '.join(accepted)}"
        )
    for key, expected in FIXED.items():
        if _tuples(parameters.get(key, expected)) != expected:
            raise ValueError(
                f"{origin}: the model has {key}={parameters[key]!r}; accepted is {expected!r}"
            )
    return ModelConfig(origin, name, parameters)


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, (list, tuple)) else value
