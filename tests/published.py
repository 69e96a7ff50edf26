"""Checkpoints in the published format with the recorded cases' deterministic weights."""

import json
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch


def draw(key: str, shape: tuple, gain: float = 1.0):
    """Values of one entry: normal numbers seeded by its name, scaled to keep signals alive."""
    rng = np.random.Generator(np.random.PCG64(zlib.crc32(key.encode())))
    z = rng.standard_normal(tuple(shape)).astype(np.float32)
    if key.endswith("running_var"):
        values = 1 + 0.1 * np.abs(z)
    elif key.endswith(("running_mean", "bias")):
        values = 0.1 * z
    elif key.endswith("weight") and z.ndim == 1:
        values = 1 + 0.1 * z
    elif z.ndim >= 2:
        values = gain * z * np.sqrt(2.0 / float(np.prod(shape[1:])))
    else:
        values = 0.05 + 0.01 * np.abs(z)
    return np.asarray(values, dtype=np.float32)


def state_dict(keys: list, gain: float = 1.0, overrides: dict | None = None):
    """Return a state dict for ``[[name, shape], …]``; ``overrides`` are added to whole entries."""
    state = {}
    for key, shape in keys:
        if key.endswith("num_batches_tracked"):
            state[key] = torch.zeros((), dtype=torch.int64)
        else:
            added = np.float32((overrides or {}).get(key, 0.0))
            state[key] = torch.from_numpy(np.asarray(draw(key, shape, gain) + added))
    return state


def checkpoint(root: Path, model: str, gain: float = 1.0, overrides: dict | None = None):
    """Return ``{"state_dict": …, "config": …}`` of a model named as the recorded cases do."""
    if not (root / f"keys_{model}.json").is_file():
        pytest.skip(f"the key list of {model} is not in {root}")
    keys = json.loads((root / f"keys_{model}.json").read_text())
    config = json.loads((root / f"config_{model}.json").read_text())
    return {"state_dict": state_dict(keys, gain, overrides), "config": config}


def load_case(root: Path, name: str):
    """Return a recorded case: its arrays and its description; skip where it is absent."""
    if not (root / f"{name}.npz").is_file():
        pytest.skip(f"the recorded case {name} is not in {root}")
    return np.load(root / f"{name}.npz"), json.loads((root / f"{name}.json").read_text())


def case_checkpoint(root: Path, meta: dict, path: Path):
    """Write the checkpoint that a case was recorded with; return its path."""
    content = checkpoint(root, meta["model"], meta["gain"], meta.get("overrides_added"))
    torch.save(content, path)
    return path
