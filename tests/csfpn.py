"""Weights and network inputs of the recorded cases of IA-FPN (released as CSFPN)."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from iseg_widget.encode import disks
from iseg_widget.networks.ia_fpn import DISK_RADIUS
from tests.published import draw


def entries(keys: list, meta: dict, prefix: str, overrides: dict | None):
    """State dict for ``[[name, shape], …]``, drawn, scaled and shifted as a case says."""
    state = {}
    for key, shape in keys:
        if key.endswith("num_batches_tracked"):
            state[key] = torch.zeros((), dtype=torch.int64)
            continue
        values = draw(prefix + key, shape, meta["gain"])
        for part, factor in meta["scales"].items():
            if part in key:
                values = values * np.float32(factor)
        state[key] = torch.from_numpy(values + np.float32((overrides or {}).get(key, 0.0)))
    return state


def key_list(root: Path, name: str):
    """Read ``[[name, shape], …]``; skip where it is absent."""
    if not (root / name).is_file():
        pytest.skip(f"{name} is not in {root}")
    return json.loads((root / name).read_text())


def published_state(root: Path, meta: dict):
    """State dict of a case with one published network."""
    return entries(key_list(root, meta["keys"]), meta, meta["key_prefix"], meta["overrides_added"])


def to_points(recorded: np.ndarray):
    """``(N, 2M, 3)`` rows (row, column, order; -1 empty), positive first, as ``x, y, kind``."""
    points = torch.from_numpy(recorded).float()
    half = points.shape[1] // 2
    kind = (torch.arange(points.shape[1]) < half).float().expand(points.shape[:2])
    kind = torch.where(points[..., 2] < 0, -1.0, kind)
    return torch.stack([points[..., 1], points[..., 0], kind], -1)


def network_input(image: np.ndarray, points: torch.Tensor):
    """Split a recorded 4-channel input: RGB, and previous probability with disks."""
    shape = image.shape[2:]
    drawn = [disks(rows[rows[:, 2] >= 0].numpy(), shape, DISK_RADIUS) for rows in points]
    rgb = torch.from_numpy(np.ascontiguousarray(image[:, :3]))
    maps = np.concatenate([image[:, 3:], np.stack(drawn)], 1).astype(np.float32)
    return rgb, torch.from_numpy(maps)


def deviation(found: torch.Tensor | np.ndarray, recorded: np.ndarray):
    """Largest difference, in standard deviations of what was recorded."""
    found = np.asarray(found)
    assert found.shape == recorded.shape
    return float(np.abs(found - recorded).max() / recorded.std())
