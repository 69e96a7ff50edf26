"""How much memory a kernel takes for a session: run in a process of its own.

``python -m tests.widget.memory clicks METHOD COUNT [FIRST]`` clicks on a 12 megapixel image,
and measures the growth by COUNT clicks after the FIRST ones;
``python -m tests.widget.memory close COUNT`` opens widgets and closes them again.
Both print a JSON object; sizes are in megabytes.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import sys
import time
import weakref
from typing import Any

import numpy as np
import psutil

from iseg_widget.masks import PackedMask
from iseg_widget.protocol import Step
from iseg_widget.widget.segmentation import SegmentationWidget
from tests.widget.fakes import Disks, Page, _Soft

SHAPE = (3000, 4000)
MEGA = 1_000_000


def resident() -> float:
    """Memory of this process in megabytes, after what is free was given back."""
    gc.collect()
    try:
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    except (OSError, AttributeError):  # another C library
        gc.collect()
    return psutil.Process(os.getpid()).memory_info().rss / MEGA


def picture(rng: np.random.Generator) -> np.ndarray:
    """A 12 megapixel image with something to see in it."""
    import cv2

    coarse = rng.integers(0, 255, (30, 40, 3), np.uint8)
    return cv2.resize(coarse, (SHAPE[1], SHAPE[0]), interpolation=cv2.INTER_CUBIC)


class Spots(Disks):
    """As :class:`Disks`, but quick on a large image: draws the new disks only."""

    RADIUS = 250

    def start(self, image: np.ndarray, mask: np.ndarray | None = None) -> Any:
        shape = image.shape[:2]
        return PackedMask.pack(np.zeros(shape, bool) if mask is None else mask)

    def step(self, state: Any, clicks: Any, *, trace: bool = False) -> tuple[Any, Step]:
        del trace
        mask = state.unpack().copy()
        for click in clicks:
            rows, columns = np.ogrid[-self.RADIUS : self.RADIUS, -self.RADIUS : self.RADIUS]
            x, y = int(click.x), int(click.y)
            window = mask[y - self.RADIUS : y + self.RADIUS, x - self.RADIUS : x + self.RADIUS]
            window[rows**2 + columns**2 <= self.RADIUS**2] = click.positive
        packed = PackedMask.pack(mask)
        return packed, Step(tuple(clicks), _Soft(packed), packed, (), seconds=0.001)

    def edit(self, state: Any, mask: np.ndarray) -> tuple[Any, Step]:
        del state
        packed = PackedMask.pack(mask)
        return packed, Step((), _Soft(packed), packed)


class Silent(Page):
    """A page that only counts: the test is about the kernel's memory."""

    def _receive(self, message: Any, buffers: Any = None) -> None:
        del buffers
        content = message.get("content") or {}
        self.rev = content.get("rev", self.rev)

    def settle(self) -> None:
        assert self.widget._desk.worker.wait(300)


def clicks(name: str, count: int, first: int = 5) -> dict[str, float]:
    """Click ``count`` times on an object in the middle, each click answered before the next."""
    rng = np.random.default_rng(0)
    method: Any = Spots() if name == "spots" else name
    widget = SegmentationWidget(picture(rng), method)
    page = Silent(widget)
    page.open()

    def click() -> None:  # positive within a disk, negative around it
        angle, share = rng.uniform(0, 2 * np.pi), rng.uniform(0, 1)
        positive = bool(rng.uniform() < 2 / 3)
        distance = 800 * share if positive else 1050 + 150 * share
        x, y = 2000 + distance * np.cos(angle), 1500 + distance * np.sin(angle)
        page.click(round(x, 2), round(y, 2), positive)
        page.settle()

    for _ in range(first):  # what is allocated once: networks, workspaces, the image's copies
        click()
    before, start = resident(), time.perf_counter()
    for _ in range(count):
        click()
    assert len(widget.clicks) == count + first
    seconds = time.perf_counter() - start
    return {"clicks": count, "grown": resident() - before, "before": before, "seconds": seconds}


def close(count: int) -> dict[str, float]:
    """Open widgets on 12 megapixels, click, and close them."""
    rng = np.random.default_rng(0)
    image = picture(rng)
    left: list[weakref.ref[Any]] = []
    sizes: list[float] = []
    for _ in range(count):
        widget = SegmentationWidget(image.copy(), Spots())
        page = Silent(widget)
        page.open()
        page.click(500, 500)
        page.settle()
        worker = widget._desk.worker
        left += [weakref.ref(widget), weakref.ref(widget._desk), weakref.ref(widget._desk.session)]
        widget.close()
        worker.join(20)
        del widget, page, worker
        sizes.append(resident())
    alive = sum(one() is not None for one in left)
    return {"alive": alive, "first": sizes[1], "last": sizes[-1], "grown": sizes[-1] - sizes[1]}


if __name__ == "__main__":
    what, *rest = sys.argv[1:]
    outcome = clicks(rest[0], *map(int, rest[1:])) if what == "clicks" else close(int(rest[0]))
    print(json.dumps(outcome))
