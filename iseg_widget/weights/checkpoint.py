"""Reading PyTorch checkpoints that others published, without running anything they hold."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

SUFFIXES = (".pth", ".pt")
"""File names that are read as PyTorch checkpoints."""


@dataclass(frozen=True)
class Checkpoint:
    """Entries of a published file.

    Attributes
    ----------
    path: where it was read.
    state: tensors by their published names, floating ones as float32.
    config: what else the file holds beside its ``state_dict``; empty for a bare one.
    """

    path: Path
    state: Mapping[str, Tensor]
    config: Mapping[str, Any] = field(default_factory=dict)


def read_checkpoint(path: str | Path, keys: Sequence[str] = ("state_dict",)) -> Checkpoint:
    """Read a state dict, bare or under the first of ``keys`` that is there, beside other things.

    Only tensors and plain containers are accepted (``torch.load(weights_only=True)``).

    Raises
    ------
    ValueError: names the file and why it is refused: missing, truncated, no PyTorch file, would
        run code when read, or not a mapping of names to tensors.
    """
    import torch

    path = Path(path)
    if not path.is_file():
        raise ValueError(f"no checkpoint at {path}")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ValueError(f"cannot read {path}: {_why(path)} ({_brief(error)})") from error
    # What a damaged file makes the unpickler do is not bounded: any error means it is unreadable.
    except Exception as error:
        reason = f"{type(error).__name__}: {_brief(error)}"
        raise ValueError(f"cannot read {path}: it is truncated or damaged ({reason})") from error
    if not isinstance(content, Mapping):
        found = type(content).__name__
        raise ValueError(f"{path} holds a {found}, not a mapping of tensors")  # noqa: TRY004
    state: Any = content
    config: Mapping[str, Any] = {}
    held = next((key for key in keys if isinstance(content.get(key), Mapping)), None)
    if held is not None:
        state = content[held]
        config = {key: value for key, value in content.items() if key != held}
    wrong = [key for key, value in state.items() if not isinstance(value, torch.Tensor)]
    if wrong or not state:
        what = f"{wrong[0]!r} is no tensor" if wrong else "it is empty"
        raise ValueError(f"{path} is no mapping of names to tensors: {what}")
    tensors = {
        str(key): value.to(torch.float32) if value.is_floating_point() else value
        for key, value in state.items()
    }
    return Checkpoint(path, tensors, config)


def _why(path: Path) -> str:
    """Say why the restricted unpickler refused a file."""
    if zipfile.is_zipfile(path):
        return "it holds more than tensors and plain containers, and would run code when read"
    return "it is no PyTorch checkpoint, or holds more than tensors and plain containers"


def _brief(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
