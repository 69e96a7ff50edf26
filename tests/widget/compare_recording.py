"""The messages that both sides of a comparison are tested against; see :mod:`.recording`.

``python -m tests.widget.compare_recording`` writes them anew, after a change of the protocol.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np

from iseg_widget.masks import PackedMask
from iseg_widget.widget.compare import CompareWidget
from tests.widget.fakes import DiskOptions, Disks, Mask, Page
from tests.widget.recording import rows

PATH = Path(__file__).parent / "fixtures" / "compare.json"


class ComparePage(Page):
    """Keeps the mask of every pane as a page would draw it."""

    def __init__(self, widget: CompareWidget) -> None:
        self.masks: dict[int, Mask] = {}
        self.revs: dict[int, int] = {}
        super().__init__(widget)  # type: ignore[arg-type]

    def _receive(self, message: Any, buffers: Any = None) -> None:
        before = len(self.replies)
        super()._receive(message, buffers)
        if len(self.replies) > before and self.replies[-1]["kind"] == "pane":
            self._draw_pane(self.replies[-1], self.buffers[-1])

    def _draw_pane(self, reply: dict[str, Any], buffers: list[bytes]) -> None:
        number = reply["pane"]
        width, height = reply["grid"]
        if reply["base"] is None:
            self.masks[number] = np.zeros((height, width), bool)
        elif reply["base"] != self.revs.get(number):
            self.send("hello", picture=False)
            return
        x0, y0, x1, y1 = reply["box"]
        if buffers:
            part = PackedMask((y1 - y0, x1 - x0), bytes(buffers[0])).unpack()
            self.masks[number][y0:y1, x0:x1] = part
        self.revs[number] = reply["rev"]

    def settle(self) -> None:
        assert self.widget._worker.wait(20)  # type: ignore[attr-defined]


def record() -> dict[str, Any]:
    """Have a short conversation and keep all of it."""
    image = np.zeros((12, 20, 3), np.uint8)
    truth = np.zeros((12, 20), bool)
    truth[:, :9] = True
    large = Disks(options=DiskOptions(5.0))
    methods = {"small": Disks(options=DiskOptions(3.0)), "large": large}
    widget = CompareWidget(image, methods, truth=truth)
    page = ComparePage(widget)
    requests: list[dict[str, Any]] = []
    replies: list[dict[str, Any]] = []

    def say(kind: str, **fields: Any) -> None:
        start = len(page.replies)
        name = f"page.{len(requests) + 1}"
        requests.append({"id": name, "rev": 0, "kind": kind, **fields})
        before = {number: mask.copy() for number, mask in page.masks.items()}
        page.raw(requests[-1])
        page.settle()
        for content, buffers in zip(page.replies[start:], page.buffers[start:], strict=True):
            data = [base64.b64encode(buffer).decode() for buffer in buffers]
            entry: dict[str, Any] = {"content": content, "buffers": data}
            if content["kind"] == "pane":
                number = content["pane"]
                before[number] = drawn(before.get(number), content, buffers)
                entry["mask"] = rows(before[number])
            replies.append(json.loads(json.dumps(entry)))

    say("hello", picture=True)
    say("ping")
    say("click", x=5.0, y=6.25, positive=True)
    say("robot", pane=0)
    say("undo")
    say("redo")
    say("move_click", index=0, x=7.0, y=6.0)
    say("remove_click", index=1)
    large.fails = ValueError("refused")
    say("click", x=14.0, y=5.0, positive=False)
    large.fails = None
    say("click", x=13.0, y=5.0, positive=False)
    say("reset")
    say("click", x=99.0, y=5.0, positive=True)
    say("cancel")
    say("tile", level=0, column=0, row=0)
    panes = widget.panes
    widget.close()
    return {
        "image": {"width": 20, "height": 12},
        "panes": panes,
        "requests": requests,
        "replies": replies,
    }


def drawn(before: Mask | None, content: dict[str, Any], buffers: list[bytes]) -> Mask:
    """A pane's mask after a message."""
    width, height = content["grid"]
    empty = before is None or content["base"] is None
    mask = np.zeros((height, width), bool) if empty else before.copy()
    x0, y0, x1, y1 = content["box"]
    for buffer in buffers:
        mask[y0:y1, x0:x1] = PackedMask((y1 - y0, x1 - x0), buffer).unpack()
    return mask


if __name__ == "__main__":
    PATH.write_text(json.dumps(record(), indent=1) + "\n", encoding="utf-8")
