"""Callbacks, waiting for a click, and files."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path

import numpy as np
import pytest

from iseg_widget.clicks import Click
from iseg_widget.export import read
from iseg_widget.widget.segmentation import SegmentationWidget
from tests.widget.conftest import Make
from tests.widget.fakes import Page


def test_callbacks_get_every_click_once_with_the_mask(make: Make) -> None:
    widget, page, method = make()
    seen: list[tuple[Click, bool]] = []

    def look(click: Click) -> None:
        seen.append((click, bool(widget.mask[round(click.y), round(click.x)])))

    widget.on_click(look)
    page.open()
    method.gate.clear()
    method.entered.clear()
    page.click(10, 10)
    assert method.entered.wait(10)
    page.click(30, 30)
    page.click(50, 30)
    page.click(500, 30)
    method.gate.set()
    page.settle()
    widget.click(70, 50)
    widget.undo()
    widget.redo()
    places = [(10, 10), (30, 30), (50, 30), (70, 50)]
    assert seen == [(Click(x, y), True) for x, y in places]
    widget.on_click(look, remove=True)
    widget.click(5, 50)
    assert len(seen) == 4


def test_a_failing_callback_is_shown(make: Make) -> None:
    widget, page, _ = make()

    def fail(_: Click) -> None:
        raise KeyError("mine")

    widget.on_click(fail)
    page.open()
    page.click(10, 10)
    page.settle()
    assert [error["title"] for error in page.of("error")] == ["A callback on clicks failed"]
    assert widget.mask.any()


def test_waiting_for_a_click_blocks_nothing(make: Make) -> None:
    widget, page, _ = make()
    page.open()

    async def two() -> list[Click]:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                ticks += 1
                await asyncio.sleep(0.005)

        ticking = asyncio.create_task(tick())
        found = []
        for x in (20.0, 40.0):
            threading.Timer(0.05, page.click, (x, 20)).start()
            found.append(await widget.next_click())
            assert widget.mask[20, int(x)]
        ticking.cancel()
        assert ticks > 5
        return found

    assert asyncio.run(two()) == [Click(20, 20), Click(40, 20)]
    assert widget._click_callbacks == []


def test_waiting_can_be_given_up(make: Make) -> None:
    widget, _, _ = make()

    async def wait() -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(widget.next_click(), 0.05)

    asyncio.run(wait())
    assert widget._click_callbacks == []


def test_objects_are_exported_without_empty_ones(make: Make, tmp_path: Path) -> None:
    widget, page, _ = make(labels=["cat", "dog"])
    widget.click(20, 20)
    widget.add_object(label="dog")
    page.open()
    page.click(50, 30)
    path = widget.export(tmp_path / "coco.json")  # waits for the click
    widget.add_object(label="dog")
    found = read(path)
    assert [item.label for item in found.objects] == ["cat", "dog"]
    np.testing.assert_array_equal(found.objects[0].mask, widget.annotation.mask_of(1))
    np.testing.assert_array_equal(found.objects[1].mask, widget.annotation.mask_of(2))
    data = json.loads(widget.export(tmp_path / "again.json").read_text())
    assert [entry["name"] for entry in data["categories"]] == ["cat", "dog"]
    assert len(data["annotations"]) == 2


def test_a_saved_widget_is_reopened(tmp_path: Path) -> None:
    image = np.random.default_rng(1).integers(0, 256, (60, 80, 3)).astype(np.uint8)
    first = SegmentationWidget(image, "focalclick")
    try:
        for x, y, positive in ((20, 20, True), (60, 50, False)):
            first.click(x, y, positive)
        first.add_object()
        first.click(50, 20)
        path = first.save(tmp_path / "work.json")
        again = SegmentationWidget.load(path, image, "focalclick")
        try:
            page = Page(again)
            page.open()
            assert page.of("error") == []
            assert [o.clicks for o in again.objects] == [o.clicks for o in first.objects]
            assert np.array_equal(again.mask, first.mask)
            assert np.array_equal(page.mask, first.mask)
            assert again.click(40, 40).mask.shape == (60, 80)
            assert again.session.log()["actions"][0] == first.session.log()["actions"][0]
        finally:
            again.close()
    finally:
        first.close()
    with pytest.raises(ValueError, match="no annotation at"):
        SegmentationWidget.load(tmp_path / "none.json", image)
