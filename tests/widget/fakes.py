"""A closed-form method and a page that talks to the widget: no network, no browser."""

from __future__ import annotations

import contextlib
import json
import threading
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import numpy as np
from numpy.typing import NDArray

from iseg_widget.clicks import Click
from iseg_widget.masks import PackedMask
from iseg_widget.methods import registry
from iseg_widget.protocol import Step, View
from iseg_widget.widget.segmentation import SegmentationWidget

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class DiskOptions:
    """Of disks.

    Attributes
    ----------
    radius: r, of the disk in pixels (Sec. 1).
    """

    radius: float = 10.0

    def __post_init__(self) -> None:
        if not 0 <= self.radius <= 1000:
            raise ValueError(f"radius must lie in 0..1000, got {self.radius!r}")


@dataclass(frozen=True)
class _Soft:
    packed: PackedMask

    @property
    def shape(self) -> tuple[int, int]:
        return self.packed.shape

    def render(self, box: tuple[int, int, int, int] | None = None) -> NDArray[np.float32]:
        mask = self.packed.unpack().astype(np.float32)
        return mask if box is None else mask[box[1] : box[3], box[0] : box[2]]


def disks(shape: tuple[int, int], clicks: Sequence[Click], radius: float) -> Mask:
    """A disk around every positive click, in order; negative ones are cut out again."""
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    mask = np.zeros(shape, bool)
    for click in clicks:
        disk = (columns - click.x) ** 2 + (rows - click.y) ** 2 <= radius**2
        mask = mask | disk if click.positive else mask & ~disk
    return mask


@dataclass
class Disks:
    """Method: see :func:`disks`. ``gate`` holds every step back, ``fails`` makes them fail."""

    options: DiskOptions = DiskOptions()
    name: str = "disks"
    delay: float = 0.0
    fails: Exception | None = None
    gate: threading.Event = field(default_factory=threading.Event)
    entered: threading.Event = field(default_factory=threading.Event)
    steps: int = 0
    network: None = None

    def __post_init__(self) -> None:
        self.gate.set()

    def start(self, image: NDArray[np.uint8], mask: Mask | None = None) -> Any:
        shape = image.shape[:2]
        start = np.zeros(shape, bool) if mask is None else mask
        return PackedMask.pack(start), ()

    def step(self, state: Any, clicks: Sequence[Click], *, trace: bool = False) -> tuple[Any, Step]:
        del trace
        self.entered.set()
        self.steps += 1
        self.gate.wait(10)
        time.sleep(self.delay)
        if self.fails is not None:
            raise self.fails
        base, earlier = state
        every = (*earlier, *clicks)
        shape = base.shape
        drawn = disks(shape, every, self.options.radius)
        packed = PackedMask.pack(base.unpack() | drawn)
        views = (View("target_crop", (0, 0, shape[1], shape[0])), View("focus_crop", (2, 2, 9, 9)))
        step = Step(tuple(clicks), _Soft(packed), packed, views, seconds=0.004)
        return (base, every), step

    def edit(self, state: Any, mask: Mask) -> tuple[Any, Step]:
        del state
        packed = PackedMask.pack(mask)
        return (packed, ()), Step((), _Soft(packed), packed)


def registered(made: type[Disks] = Disks) -> contextlib.AbstractContextManager[Any]:
    """Make ``"disks"`` a method that can be built by name, with other options."""
    kind = registry._Kind("Disks", lambda: (lambda _, options: made(options), DiskOptions))  # type: ignore[return-value, arg-type]
    return mock.patch.dict(registry._METHODS, {"disks": kind})


class Page:
    """Stands for a view: sends requests as a comm would, and keeps the replies."""

    def __init__(self, widget: SegmentationWidget) -> None:
        self.widget = widget
        self.replies: list[dict[str, Any]] = []
        self.buffers: list[list[bytes]] = []
        self.updates: list[dict[str, Any]] = []
        self.count = 0
        self.mask: Mask | None = None
        self.others = np.zeros((0, 0), np.uint8)
        self.rev = -1
        widget._send = self._receive  # type: ignore[method-assign]

    def _receive(self, message: Mapping[str, Any], buffers: Sequence[bytes] | None = None) -> None:
        if message["method"] != "custom":
            self.updates.append(dict(message))
            return
        content = json.loads(json.dumps(message["content"]))
        self.replies.append(content)
        self.buffers.append(list(buffers or []))
        if content["kind"] == "result":
            self._draw(content, self.buffers[-1])

    def _draw(self, result: Mapping[str, Any], buffers: Sequence[bytes]) -> None:
        width, height = result["grid"]
        bases = {result["base"], result["others"]["base"]} - {None}
        if bases and (self.mask is None or bases != {self.rev}):
            self.send("hello", picture=False)
            return
        if result["base"] is None or self.mask is None:
            self.mask = np.zeros((height, width), bool)
        x0, y0, x1, y1 = result["box"]
        named = dict(zip(result["buffers"], buffers, strict=True))
        if "mask" in named:
            part = PackedMask((y1 - y0, x1 - x0), bytes(named["mask"])).unpack()
            self.mask[y0:y1, x0:x1] = part
        self._draw_others(result, named.get("others"))
        self.rev = result["rev"]

    def _draw_others(self, result: Mapping[str, Any], data: bytes | None) -> None:
        width, height = result["grid"]
        others = result["others"]
        if others["base"] is None:
            self.others = np.zeros((height, width), np.uint8)
        x0, y0, x1, y1 = others["box"]
        if data is not None:
            part = np.frombuffer(zlib.decompress(data), np.uint8)
            self.others[y0:y1, x0:x1] = part.reshape(y1 - y0, x1 - x0)

    def send(self, kind: str, **fields: Any) -> str:
        self.count += 1
        name = f"page.{self.count}"
        self.raw({"id": name, "rev": max(self.rev, 0), "kind": kind, **fields})
        return name

    def raw(self, content: object) -> None:
        message = {"content": {"data": {"method": "custom", "content": content}}, "buffers": []}
        self.widget._handle_msg(message)

    def open(self) -> str:
        name = self.send("hello", picture=True)
        self.settle()
        return name

    def click(self, x: float, y: float, positive: bool = True) -> str:
        return self.send("click", x=x, y=y, positive=positive)

    def settle(self) -> None:
        assert self.widget._desk.worker.wait(60)

    def wait_for(self, found: Callable[[], object], seconds: float = 20) -> None:
        """Wait for what another thread has to say."""
        end = time.monotonic() + seconds
        while not found():
            assert time.monotonic() < end, "it did not come"
            time.sleep(0.01)

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [reply for reply in self.replies if reply["kind"] == kind]
