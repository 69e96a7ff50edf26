"""Label a folder with mouse and keys; the kernel is restarted in the middle."""

from __future__ import annotations

import json
from collections.abc import Callable

import nbformat
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import expect

from tests.browser.lab import Lab, Notebook
from tests.browser.widget import Widget

NAME = "folder.ipynb"
PICTURES = """
import iseg_widget as iseg
from pathlib import Path
from PIL import Image

Path("photos").mkdir(exist_ok=True)
demo = iseg.datasets.load("demo")
for name in ("camera_man", "chelsea_cat", "rocket"):
    sample = demo[demo.names.index(name)]
    Image.fromarray(sample.image).save(f"photos/{name}.png")
"""
WIDGET = """
w = iseg.SegmentationWidget("photos", labels=["a", "b"], out="masks", formats=["png", "coco"])
w
"""
CLICKS = {"camera_man": (220, 200), "chelsea_cat": (200, 150)}


@pytest.fixture
def opened(server: Lab, open_notebook: Callable[[str], Notebook]) -> Notebook:
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(code) for code in (PICTURES, WIDGET)],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
    )
    nbformat.write(notebook, server.folder / NAME)
    return open_notebook(NAME)


def at(widget: Widget, place: str) -> None:
    """Wait until an image is open."""
    expect(widget.root.get_by_test_id("iseg-queue-place")).to_have_text(place, timeout=60_000)
    widget.wait()


def test_going_on_after_a_restart(opened: Notebook) -> None:
    widget, folder = opened.widget(), opened.lab.folder
    at(widget, "1 / 3")
    masks: dict[str, NDArray[np.bool_]] = {}
    heights = set()
    for number, (name, click) in enumerate(CLICKS.items(), start=1):
        expect(widget.root.get_by_test_id("iseg-queue-file")).to_have_text(f"{name}.png")
        heights.add(widget.picture().shape[0])
        widget.click(*click)
        masks[name] = opened.kernel.mask("w.mask")
        assert masks[name].any()
        if number == 2:
            widget.key("c")
            opened.page.keyboard.type("a <b>cat</b>")
            opened.page.keyboard.press("Enter")
        widget.key("k")
        at(widget, f"{number + 1} / 3")
    assert len(heights) == 1, "the page jumped with the shapes of the images"
    assert not opened.kernel.mask("w.mask").any()

    opened.restart()
    opened.run_all()
    widget = opened.widget()
    at(widget, "3 / 3")
    expect(widget.root.get_by_test_id("iseg-queue-progress")).to_have_text("2 of 3 done")
    for name, mask in masks.items():
        assert np.array_equal(np.asarray(Image.open(folder / "masks" / f"{name}.png")) > 0, mask)
    coco = json.loads((folder / "masks" / "coco.json").read_text())
    assert [image["file_name"] for image in coco["images"]] == [f"{name}.png" for name in masks]

    # what was done before the restart is there, and goes on
    widget.key("PageUp")
    at(widget, "2 / 3")
    assert np.array_equal(opened.kernel.mask("w.mask"), masks["chelsea_cat"])
    note = widget.root.get_by_test_id("iseg-queue-note")
    expect(note).to_have_value("a <b>cat</b>")
    widget.click(30, 30, positive=False)
    assert opened.kernel.value("len(w.clicks)") == 2
    expect(widget.root.get_by_test_id("iseg-queue-saved")).to_have_text("Saved", timeout=30_000)
    saved = json.loads((folder / "masks" / "chelsea_cat.json").read_text())
    assert len(saved["objects"][0]["log"]["actions"]) == 2

    widget.key("Shift+C")
    items = widget.root.get_by_test_id("iseg-queue-item")
    expect(items).to_have_count(3)
    items.first.click()
    at(widget, "1 / 3")
