"""Folders of small pictures, and all that a queue left in its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from iseg_widget.folder import FolderQueue
from tests.methods.fake import DiskMethod

HEIGHT, WIDTH = 20, 30
DISKS = DiskMethod()


def pictures(folder: Path, *names: str) -> list[Path]:
    """Write picture files, each with other pixels."""
    made = []
    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
        Image.fromarray(pixels).save(path)
        made.append(path)
    return made


def opened(images: Any, out: Path, **options: Any) -> FolderQueue:
    """A queue with the labels cat and dog that needs no weights."""
    given = {"labels": ("cat", "dog"), "method": DISKS} | options
    return FolderQueue(images, out, **given)


def draw(queue: FolderQueue, index: int, x: float = 10, y: float = 10, label: str = "cat") -> None:
    """Add an object with one click."""
    annotation = queue[index].annotation
    annotation.add_object(label=label)
    annotation.click(x, y)


def files(folder: Path) -> dict[str, bytes]:
    """Everything in a folder but the lock."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".queue.lock"
    }
