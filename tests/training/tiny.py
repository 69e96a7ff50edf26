"""A training pool of a few small pictures, and a recipe that takes seconds."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from iseg_widget.training.recipes import Phase, Recipe, load_recipe

SHAPE = (72, 96)


def write_pool(root: Path, entries: list[tuple[str, str, str, NDArray[np.uint8]]]) -> Path:
    """Write (set, stem, kind, mask) entries; the red of an image is its number in the list."""
    lines = []
    for number, (name, stem, kind, mask) in enumerate(entries):
        for folder in ("images", "masks"):
            (root / name / folder).mkdir(parents=True, exist_ok=True)
        image = np.zeros((*mask.shape, 3), np.uint8)
        image[:, :, 0] = number
        image[:, :, 1] = (mask % 7) * 30
        image[:, :, 2] = np.indices(mask.shape).sum(0) % 256
        Image.fromarray(image).save(root / name / "images" / f"{stem}.png")
        cv2.imwrite(str(root / name / "masks" / f"{stem}.png"), mask)
        lines.append(json.dumps({"set": name, "stem": stem, "kind": kind}))
    (root / "index.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
    return root


def blob(x: int, y: int, radius: int, value: int = 1) -> NDArray[np.uint8]:
    mask = np.zeros(SHAPE, np.uint8)
    cv2.circle(mask, (x, y), radius, value, -1)
    return mask


def tiny_pool(root: Path) -> Path:
    """Six single objects in one set."""
    return write_pool(
        root, [("blobs", f"{i:02d}", "object", blob(20 + 9 * i, 36, 12 + i)) for i in range(6)]
    )


def tiny_recipe(**changes: Any) -> Recipe:
    """The packaged recipe at the smallest side, for batches of two."""
    recipe = load_recipe("focalclick-lite0")
    simulation = {**recipe.simulation, "iterations": [0.5, 0.5]}
    values: dict[str, Any] = {
        "steps": 4,
        "batch": 2,
        "phases": (Phase(1.0, (64,), (1.0,)),),
        "warmup": 2,
        "development": 2,
        "sets": {"blobs": 1.0},
        "simulation": simulation,
    }
    return dataclasses.replace(recipe, **{**values, **changes})
