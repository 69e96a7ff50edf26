"""A kernel that works in a widget until it is killed; says when what it did is saved."""

from __future__ import annotations

import json
import sys

import numpy as np

from iseg_widget.widget.segmentation import SegmentationWidget
from tests.widget.fakes import DiskOptions, Disks, registered

WORK = {
    "click": lambda w: w.click(12, 10),
    "stroke": lambda w: w.brush([(20, 5), (30, 20)], 2.5),
    "object": lambda w: w.add_object(name="second"),
    "click on it": lambda w: w.click(45, 30),
    "hole": lambda w: w.brush([(45, 30)], 2, erase=True),
    "fill": lambda w: w.fill(45, 30),
    "back": lambda w: w.undo(),
    "first": lambda w: (w.select(1), w.click(15, 12, positive=False)),
}


def image() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)


def state(widget: SegmentationWidget) -> str:
    """Everything a person sees, and what undo and redo lead to."""
    board = widget.annotation
    undos = [
        [name, [[s.id, s.name, s.region.rle()["counts"]] for s in snapshot.objects]]
        for name, snapshot in board.past_and_future
    ]
    objects = [
        [o.id, o.name, o.colour, [c.to_dict() for c in o.clicks], board.region_of(o.id).rle()]
        for o in board.objects
    ]
    return json.dumps([objects, board.done, undos])


if __name__ == "__main__":
    with registered():
        made = SegmentationWidget(image(), Disks(DiskOptions(6.0)), autosave=sys.argv[1])
        for name in sys.argv[2:]:
            WORK[name](made)
            assert made._kept is not None
            made._kept.flush()
            print(state(made), flush=True)
        sys.stdin.read()  # until it is killed
