"""The messages that both sides of the widget are tested against.

``python -m tests.widget.recording`` writes them anew, after a change of the protocol; both
``pytest`` and ``vitest`` read the file, and ``test_messages.py`` checks that it is up to date.
"""

from __future__ import annotations

import base64
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from PIL import Image

from iseg_widget.folder import FolderQueue
from iseg_widget.methods import registry
from iseg_widget.widget import pyramid
from iseg_widget.widget.messages import Reply
from iseg_widget.widget.segmentation import SegmentationWidget
from iseg_widget.widget.timing import TimingLog
from tests.widget.fakes import DiskOptions, Disks, Mask, Page, registered

PATH = Path(__file__).parent / "fixtures" / "messages.json"


def rows(mask: Mask) -> list[str]:
    """A mask for people to read."""
    return ["".join("#" if value else "." for value in row) for row in mask]


def _conversation(
    widget: SegmentationWidget, requests: list[dict[str, Any]], replies: list[dict[str, Any]]
) -> Callable[..., None]:
    """Return a function that sends a request and keeps it with its replies."""
    page = Page(widget)

    def say(kind: str, **fields: Any) -> None:
        start = len(page.replies)
        name = f"page.{len(requests) + 1}"
        requests.append({"id": name, "rev": max(page.rev, 0), "kind": kind, **fields})
        page.raw(requests[-1])
        page.settle()
        for content, buffers in zip(page.replies[start:], page.buffers[start:], strict=True):
            entry = {
                "content": json.loads(json.dumps(content)),
                "buffers": [base64.b64encode(buffer).decode() for buffer in buffers],
            }
            if content["kind"] == "result" and page.mask is not None:
                entry["mask"] = rows(widget.mask)
            replies.append(entry)

    return say


# How quick an inference is here must not change the recording: all count as slow, and are told.
@mock.patch("iseg_widget.widget.desk.QUICK", 0.0)
def record() -> dict[str, Any]:
    """Have a short conversation and keep all of it."""
    image = np.zeros((12, 20, 3), np.uint8)
    truth = np.zeros((12, 20), bool)
    truth[:, :9] = True
    method = Disks(options=DiskOptions(3.0))
    requests: list[dict[str, Any]] = []
    replies: list[dict[str, Any]] = []
    widget = SegmentationWidget(image, method, truth=truth)
    say = _conversation(widget, requests, replies)
    say("hello", picture=True)
    say("ping")
    say("click", x=5.0, y=6.25, positive=True)
    say("click", x=14.0, y=5.0, positive=True)
    say("click", x=13.0, y=5.0, positive=False)
    say("undo")
    say("redo")
    say("reset")
    say("click", x=99.0, y=5.0, positive=True)
    # The refusal lists all methods: the recording must not change with every new one.
    known = {"focalclick": registry._METHODS["focalclick"]}
    with mock.patch.dict(registry._METHODS, known, clear=True):
        say("method", name="focalclock", options=None)
    _objects(say)
    _tiles(say, widget)
    _tools(say)
    _panels(say)
    # The table would hold the times of this very run: the click is one that nobody made.
    widget._desk.timing = TimingLog()
    say("timing", of="page.0", pressed=1.0, sent=2.0, heard=3.0, got=4.0, drawn=5.0)
    say("cancel")
    widget.close()
    _queue(requests, replies)
    return {"image": {"width": 20, "height": 12}, "requests": requests, "replies": replies}


def _objects(say: Callable[..., None]) -> None:
    """Two objects, and all that can be done with them."""
    same = dict.fromkeys(("name", "label", "colour", "visible", "locked", "position"))
    say("click", x=3.0, y=5.0, positive=True)
    say("add_label", label="<b>cat</b>")
    say("add_object", label="<b>cat</b>")
    say("click", x=6.0, y=5.0, positive=True)
    say("change_object", object=2, **{**same, "name": "Tom", "colour": "#aa3311"})
    say("select_at", x=1.0, y=5.0)
    say("rule", rule="top")
    say("subtract_object", object=1, other=2)
    say("duplicate_object", object=2)
    say("merge_objects", objects=[1, 3])
    say("split_object", object=1)
    say("remove_object", object=1)
    say("select_object", object=2)
    say("history")
    say("jump", done=4)
    say("change_object", object=1, **{**same, "locked": True})
    say("remove_object", object=1)


def _queue(requests: list[dict[str, Any]], replies: list[dict[str, Any]]) -> None:
    """Two images of three; what the queue says by itself is left out, and always saved."""
    with tempfile.TemporaryDirectory() as name, mock.patch.object(FolderQueue, "saved", True):
        paths = [Path(name) / "in" / f"{stem}.png" for stem in ("a", "<b>", "c")]
        paths[0].parent.mkdir()
        for grey, path in enumerate(paths):
            Image.fromarray(np.full((12, 20, 3), grey, np.uint8)).save(path)
        out, method = Path(name) / "out", Disks(options=DiskOptions(3.0))
        widget = SegmentationWidget(paths, method, out=out, labels=["cat"])
        album = widget._desk.album
        assert album is not None
        album.send = None
        say = _conversation(widget, requests, replies)
        say("hello", picture=True)
        say("queue")
        say("click", x=5.0, y=6.0, positive=True)
        say("queue_note", image=0, note="<i>blurred</i>")
        say("queue_mark", image=0, status="done", go_on=True)
        say("queue_go", to=0, step=0)
        say("queue_go", to=7, step=0)
        say("queue")
        with mock.patch.object(album.thumbnails, "_pool", AtOnce()):
            say("queue_thumbnail", image=1)
            say("queue_thumbnail", image=7)
        widget.close()


def _tiles(say: Callable[..., None], widget: SegmentationWidget) -> None:
    """A tile of a picture that counts as a large one, and one that there is not."""
    small = {"WHOLE_PIXELS": 100, "BASE_PIXELS": 100, "TILE": 8}
    tiles = widget._desk.tiles
    with mock.patch.multiple(pyramid, **small):
        tiles.pyramid = pyramid.PicturePyramid(widget.image)
        with mock.patch.object(tiles, "_pool", AtOnce()):
            say("tile", level=0, column=2, row=1)
            say("tile", level=0, column=3, row=1)


class AtOnce:
    """A pool that does things at once, so that the recording is always the same."""

    def submit(self, do: Callable[..., None], *arguments: Any) -> None:
        do(*arguments)

    def shutdown(self, **_: Any) -> None:
        pass


def _tools(say: Callable[..., None]) -> None:
    """Every tool beside the click."""
    say("add_object", label=None)
    say("soft", side=64)
    say("box", x0=2.0, y0=1.0, x1=9.0, y1=8.0)
    say("scribble", corners=[12.0, 3.0, 17.5, 3.0], positive=True)
    say("brush", corners=[1.0, 10.0, 18.0, 10.0], radius=1.0, erase=False)
    say("brush", corners=[9.0, 10.0], radius=1.0, erase=True)
    say("polygon", corners=[0.0, 0.0, 4.0, 0.0, 0.0, 4.0], erase=False)
    say("fill", x=1.0, y=1.0)
    say("soft", side=64)
    say("wire", x0=2.0, y0=3.0, x1=9.0, y1=3.0)
    say("threshold", value=0.25)
    say("move_click", index=0, x=6.0, y=5.0)
    say("remove_click", index=0)
    say("threshold", value=2.0)


def _panels(say: Callable[..., None]) -> None:
    """What the panels of views, options and replay ask for."""
    say("add_object", label=None)
    say("explain", index=None)
    say("click", x=5.0, y=5.0, positive=True)
    say("click", x=9.0, y=6.0, positive=False)
    say("explain", index=0)
    say("explain", index=7)
    say("step_mask", index=0)
    say("step_mask", index=1)
    with registered():
        say("options_form")
        say("check_options", method="disks", values={"radius": -1, "size": 3})
        say("check_options", method="disks", values={"radius": 2})
        say("difference", method="disks", values={"radius": 2})
        say("difference", method="disks", values={"radius": 3})


def malformed() -> list[dict[str, Any]]:
    """Requests that must be refused, each with a part of the reason."""
    good = {"id": "a", "rev": 0, "kind": "click", "x": 1.0, "y": 2.0, "positive": True}
    cases = [
        ({**good, "kind": "paint"}, "unknown request 'paint'"),
        ({**good, "x": "1"}, "click: x cannot be '1'"),
        ({**good, "x": True}, "click: x cannot be True"),
        ({**good, "positive": 1}, "click: positive cannot be 1"),
        ({**good, "rev": -1}, "click: rev cannot be -1"),
        ({**good, "id": ""}, "click: id must be a text"),
        ({**good, "id": "a" * 65}, "click: id must be a text"),
        ({**good, "extra": 1}, "click: unknown field extra"),
        ({"id": "a", "rev": 0, "kind": "click", "x": 1.0, "y": 2.0}, "click: positive is missing"),
        ({"id": "a", "rev": 0, "kind": "method", "name": 3, "options": None}, "name cannot be 3"),
        ({"id": "a", "rev": 0, "kind": "explain", "index": -1}, "explain: index cannot be -1"),
        ({"id": "a", "rev": 0, "kind": "difference", "method": "ritm", "values": []}, "values"),
        ({"id": "a", "rev": 0, "kind": "hello", "picture": "yes"}, "picture cannot be 'yes'"),
        (
            {"id": "a", "rev": 0, "kind": "polygon", "corners": [0.0, 1.0, 2.0], "erase": False},
            "corners cannot be [0.0, 1.0, 2.0]",
        ),
    ]
    return [{"content": content, "reason": reason} for content, reason in cases]


def everything() -> dict[str, Any]:
    return {**record(), "malformed": malformed()}


def kinds() -> set[str]:
    """Kinds of reply of the segmentation widget; a comparison's have a recording of their own."""
    own = (cls for cls in Reply.__subclasses__() if not cls.__module__.endswith(".compare"))
    return {cls.kind for cls in own}


if __name__ == "__main__":
    PATH.parent.mkdir(exist_ok=True)
    PATH.write_text(json.dumps(everything(), indent=1) + "\n", encoding="utf-8")
