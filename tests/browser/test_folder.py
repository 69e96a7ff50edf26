"""Label a folder with mouse and keys; the kernel is restarted in the middle."""

from __future__ import annotations

import io
import json
from collections.abc import Callable

import nbformat
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Locator, expect

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
    check_thumbnails(widget)
    items.first.click()
    at(widget, "1 / 3")


def check_thumbnails(widget: Widget) -> None:
    """All images have a small picture in the list; those with masks show them, after a click too.

    The masks are blue: the label's colour.
    """
    places = widget.root.get_by_test_id("iseg-queue-thumbnail")
    for number in range(3):
        expect(places.nth(number)).to_have_attribute("data-there", "true", timeout=30_000)
    rocket = places.nth(2).locator("img")
    before = rocket.get_attribute("src")
    with_masks = [small(places.nth(number)) for number in range(3)]
    assert blueness(with_masks[0]) > 20, "a mask on a grey picture"
    assert rocket.evaluate("image => Math.max(image.naturalWidth, image.naturalHeight)") == 108
    widget.key("PageDown")
    at(widget, "3 / 3")
    widget.click(320, 200)
    expect(rocket).not_to_have_attribute("src", before or "", timeout=30_000)
    assert np.abs(small(places.nth(2)).astype(int) - with_masks[2]).max() > 40
    widget.key("u")
    widget.key("PageUp")
    at(widget, "2 / 3")


def small(place: Locator) -> NDArray[np.uint8]:
    place.page.wait_for_timeout(300)
    data = place.screenshot(animations="disabled")
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def blueness(picture: NDArray[np.uint8]) -> float:
    """How much bluer than red a picture is in its bluest tenth."""
    differences = picture[..., 2].astype(int) - picture[..., 0]
    return float(np.quantile(differences, 0.9))
