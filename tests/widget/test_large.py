"""Large pictures and many objects: tiles beside the queue, and what is sent when masks change."""

from __future__ import annotations

import threading
import zlib
from typing import Any

import numpy as np
import pytest
import traitlets
from hypothesis import given, settings
from hypothesis import strategies as st

from iseg_widget.annotation import Annotation
from iseg_widget.widget import pyramid, screen
from iseg_widget.widget.codec import encode_overlay
from iseg_widget.widget.pyramid import PicturePyramid
from iseg_widget.widget.segmentation import SegmentationWidget
from iseg_widget.widget.view_modes import VIEW_MODES
from tests.widget.fakes import Disks, Page

SHAPE = (30, 40)


@pytest.fixture
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture of a hundred pixels counts as a large one."""
    for name in ("WHOLE_PIXELS", "BASE_PIXELS"):
        monkeypatch.setattr(pyramid, name, 100)
    monkeypatch.setattr(pyramid, "TILE", 16)


def opened() -> tuple[SegmentationWidget, Page]:
    widget = SegmentationWidget(np.zeros((*SHAPE, 3), np.uint8), Disks())
    page = Page(widget)
    page.open()
    return widget, page


def wait_for(page: Page, kind: str, count: int) -> list[dict[str, Any]]:
    for _ in range(500):
        if len(page.of(kind)) >= count:
            return page.of(kind)
        threading.Event().wait(0.01)
    raise AssertionError(f"only {len(page.of(kind))} of {count} {kind}")


@pytest.mark.usefixtures("small_tiles")
class TestTiles:
    def test_the_picture_says_what_there_is(self) -> None:
        widget, page = opened()
        picture = page.of("picture")[0]
        assert (picture["width"], picture["height"]) == (40, 30)
        assert picture["level"] == PicturePyramid(widget.image).base_level == 2
        widget.close()

    def test_a_tile_does_not_wait_for_the_method(self) -> None:
        widget, page = opened()
        go = threading.Event()
        method = widget.session.method
        step = type(method).step
        try:
            type(method).step = held(step, go)  # type: ignore[method-assign]
            page.click(5, 5)
            name = page.send("tile", level=0, column=2, row=1)
            tile = wait_for(page, "tile", 1)[0]
            assert (tile["id"], tile["column"], tile["row"]) == (name, 2, 1)
            assert len(page.of("result")) == 1, "the click still waits"
        finally:
            go.set()
            type(method).step = step  # type: ignore[method-assign]
        page.settle()
        assert len(page.of("result")) == 2
        widget.close()

    def test_there_is_no_such_tile(self) -> None:
        widget, page = opened()
        name = page.send("tile", level=0, column=3, row=0)
        error = wait_for(page, "error", 1)[0]
        assert error["ids"] == [name]
        assert "no tile 3, 0 of level 0" in error["message"]
        widget.close()


def held(real: Any, go: threading.Event) -> Any:
    """Return a step that waits."""

    def waiting(method: Any, *arguments: Any, **keywords: Any) -> Any:
        assert go.wait(20)
        return real(method, *arguments, **keywords)

    return waiting


places = st.tuples(st.integers(0, 39), st.integers(0, 29), st.integers(1, 20), st.integers(1, 20))
commands = st.lists(
    st.one_of(
        st.tuples(st.just("add"), places),
        st.tuples(st.just("edit"), places),
        st.tuples(st.just("select"), st.integers(0, 9)),
        st.tuples(st.just("hide"), st.integers(0, 9)),
        st.tuples(st.just("show"), st.integers(0, 9)),
        st.tuples(st.just("remove"), st.integers(0, 9)),
        st.tuples(st.just("undo"), st.none()),
    ),
    max_size=12,
)


def drawn(place: tuple[int, int, int, int]) -> np.ndarray:
    x, y, width, height = place
    mask = np.zeros(SHAPE, bool)
    mask[y : y + height, x : x + width] = True
    return mask


def obey(annotation: Annotation, command: str, value: Any) -> None:
    ids = [item.id for item in annotation.objects]
    if command == "add":
        annotation.add_object(drawn(value))
    elif command == "undo":
        annotation.undo()
    elif command == "edit":
        if annotation.active is not None:
            annotation.edit(drawn(value))
    elif ids:
        number = ids[value % len(ids)]
        if command == "select":
            annotation.select(number)
        elif command == "remove":
            annotation.remove(number)
        else:
            annotation.show(number, command == "show")


@settings(deadline=None, max_examples=80)
@given(commands)
def test_a_page_that_follows_sees_what_is_there(done: list[tuple[str, Any]]) -> None:
    annotation = Annotation(np.zeros((*SHAPE, 3), np.uint8))
    shown = screen.Screen(annotation)
    mask, codes = np.zeros(SHAPE, bool), np.zeros(SHAPE, np.uint8)
    for command, value in done:
        obey(annotation, command, value)
        before = shown.update(annotation)
        overlay = shown.mask(before)
        if not overlay.is_patch:
            mask[:] = False
        x0, y0, x1, y1 = overlay.box
        if overlay.data is not None:
            bits = np.frombuffer(zlib.decompress(overlay.data), np.uint8)
            count = (x1 - x0) * (y1 - y0)
            mask[y0:y1, x0:x1] = np.unpackbits(bits, count=count).reshape(y1 - y0, x1 - x0)
        others, data = shown.others(before)
        x0, y0, x1, y1 = others.box
        if data is not None:
            values = np.frombuffer(zlib.decompress(data), np.uint8)
            codes[y0:y1, x0:x1] = values.reshape(y1 - y0, x1 - x0)
        active = annotation.active
        visible = active is not None and annotation.info(active).visible
        expected = annotation.mask_of(active) if active and visible else np.zeros(SHAPE, bool)
        np.testing.assert_array_equal(mask, expected)
        flat = np.zeros(SHAPE, int)
        for item in annotation.objects:
            if item.visible and item.id != active:
                flat[annotation.mask_of(item.id)] = item.id
        ids = np.array([0, *others.ids])
        np.testing.assert_array_equal(ids[codes], flat)


def test_another_active_object_costs_what_the_two_cover() -> None:
    """Thirty objects: choosing the next one sends neither the picture nor all of the others."""
    annotation = Annotation(np.zeros((600, 900, 3), np.uint8))
    for place in range(30):
        mask = np.zeros((600, 900), bool)
        x, y = 90 * (place % 10), 200 * (place // 10)
        mask[y + 20 : y + 150, x + 5 : x + 80] = True
        annotation.add_object(mask)
    shown = screen.Screen(annotation)
    ids = [item.id for item in annotation.objects]
    annotation.select(ids[28])
    before = shown.update(annotation)
    others, _ = shown.others(before)
    assert others.box == (725, 420, 890, 550)
    overlay = encode_overlay(annotation.region_of(ids[28]), annotation.region_of(ids[29]))
    assert overlay.data is not None
    assert len(overlay.data) < 200


def test_view_modes_are_set_by_page_and_python() -> None:
    widget, _ = opened()
    assert {"loupe", "side_by_side", "background"} <= VIEW_MODES
    widget.set_state({"loupe": True, "loupe_zoom": 8.0, "background": "dimmed"})
    assert (widget.loupe, widget.loupe_zoom, widget.background) == (True, 8.0, "dimmed")
    errors: list[Exception] = []
    widget.on_error(errors.append)
    widget.set_state({"contour_width": -1.0})
    assert len(errors) == 1
    assert widget.contour_width == 1.5
    with pytest.raises(traitlets.TraitError):
        widget.mask_display = "nothing"
    widget.close()
