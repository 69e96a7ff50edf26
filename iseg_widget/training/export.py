"""From a checkpoint to weights that methods load (fp16 safetensors), and to packaged ones."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from iseg_widget.weights.registry import (
    REGISTRY,
    WeightsRecord,
    export,
    file_sha256,
    record_dict,
)

SIZE_LIMIT = 12 * 1024 * 1024
"""Bytes of a packaged file; others may have any size."""


def _commit() -> str:
    """Return the source revision, ``"unknown"`` outside a git checkout."""
    try:
        found = subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"],  # noqa: S607
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return found.stdout.strip()


def _packaged(path: Path) -> bool:
    """Whether a file lies in the weights folder."""
    return path.parent.resolve() == REGISTRY.parent.resolve()


def _check_size(path: Path) -> None:
    size = path.stat().st_size
    if size > SIZE_LIMIT:
        raise ValueError(f"the weights take {size} bytes; packaged files may take {SIZE_LIMIT}")


def export_checkpoint(checkpoint: Path, path: Path) -> dict[str, Any]:
    """Write the averaged weights of a training checkpoint to ``path`` (safetensors, fp16).

    Returns the recipe's settings and the step, as stored in the checkpoint. Raises
    ``ValueError`` for a missing checkpoint, or a file among the packaged ones over 12 MB.
    """
    if not checkpoint.is_file():
        raise ValueError(f"no checkpoint at {checkpoint}")
    saved = torch.load(checkpoint, weights_only=True, map_location="cpu")
    settings = dict(saved["settings"])
    export(
        saved["average"],
        path,
        {
            "network": settings["network"],
            "method": settings["method"],
            "recipe": settings["name"],
            "step": str(saved["step"]),
        },
    )
    if _packaged(path):
        try:
            _check_size(path)
        except ValueError:
            path.unlink()
            raise
    return {**settings, "step": saved["step"]}


def register(
    path: Path,
    settings: Mapping[str, Any],
    *,
    data: str,
    licence: str,
    source: str,
    scores: Mapping[str, Mapping[str, float]],
    notes: str = "",
) -> WeightsRecord:
    """Enter exported weights, which must lie in the weights folder, into ``registry.json``.

    Raises ``ValueError`` for a file elsewhere or over 12 MB.
    """
    if not _packaged(path):
        raise ValueError(f"packaged weights lie in {REGISTRY.parent}, not in {path.parent}")
    _check_size(path)
    record = WeightsRecord(
        name=settings["name"],
        method=settings["method"],
        network=settings["network"],
        file=path.name,
        sha256=file_sha256(path),
        licence=licence,
        source=source,
        data=data,
        recipe=f"{settings['name']}, {settings['step']} steps",
        commit=_commit(),
        scores=scores,
        notes=notes,
    )
    entries = json.loads(REGISTRY.read_text("utf-8")) if REGISTRY.is_file() else []
    entries = [entry for entry in entries if entry["name"] != record.name]
    entries.append(record_dict(record))
    REGISTRY.write_text(json.dumps(entries, indent=2, ensure_ascii=False) + "\n", "utf-8")
    return record
