"""A large picture: tiles on demand, the exact mask at every zoom, and the ways of looking at it."""

from __future__ import annotations

from typing import Any

import nbformat
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.browser import lab
from tests.browser.conftest import OpenNotebook
from tests.browser.widget import Widget

NOTEBOOK = "large.ipynb"
CELLS = [
    """
import numpy as np, cv2, iseg_widget as iseg
rng = np.random.default_rng(0)
H, W = 4000, 6000
rows, columns = np.ogrid[:H, :W]
image = np.empty((H, W, 3), np.uint8)
image[..., 0] = columns * 160 // W + 40
image[..., 1] = rows * 160 // H + 40
image[..., 2] = 90
image[1800:2200, 2800:3200][:, ::2] = 230  # lines one pixel wide around the middle
image[1800:2200, 2800:3200][:, 1::2] = 20
noise = cv2.resize(rng.standard_normal((H // 40, W // 40)).astype(np.float32), (W, H))
mask = np.hypot((rows - 2000) / 1500, (columns - 3000) / 2500) + 0.15 * noise < 1
mask[1000:1030, 1000:1030] = rng.random((30, 30)) < 0.5  # single pixels
calls = []
""",
    """
w = iseg.SegmentationWidget(image, mask=mask, opacity=1.0, height=500)
request = w._desk.tiles.request
w._desk.tiles.request = lambda key, *rest: (calls.append(key), request(key, *rest))
w
""",
]

IN_SIGHT = """([canvas, x, y, scale]) => {
    // What a person does with wheel and mouse, without the rounding of many small steps.
    const { width, height } = canvas.getBoundingClientRect();
    const wheel = (factor) => canvas.dispatchEvent(new WheelEvent("wheel", {
        deltaY: -Math.log(factor) / 0.01, ctrlKey: true, bubbles: true, cancelable: true,
        clientX: canvas.getBoundingClientRect().left + width / 2,
        clientY: canvas.getBoundingClientRect().top + height / 2,
    }));
    for (let turn = 0; turn < 40; turn++) {
        const factor = scale / Number(canvas.dataset.scale);
        if (Math.abs(factor - 1) < 1e-9) break;
        wheel(Math.min(2, Math.max(0.5, factor)));
    }
    const at = (offset, length, place) =>
        length / 2 - Number(offset) - (place + 0.5) * Number(canvas.dataset.scale);
    const box = canvas.getBoundingClientRect();
    const from = { x: box.left + width / 2, y: box.top + height / 2 };
    const to = {
        x: from.x + at(canvas.dataset.offsetX, width, x),
        y: from.y + at(canvas.dataset.offsetY, height, y),
    };
    const send = (type, point) => canvas.dispatchEvent(new PointerEvent(type, {
        pointerId: 7, button: 1, buttons: 4, pointerType: "mouse", bubbles: true,
        cancelable: true, clientX: point.x, clientY: point.y,
    }));
    canvas.setPointerCapture = () => undefined;
    send("pointerdown", from);
    send("pointermove", { x: from.x + 40, y: from.y });
    send("pointermove", to);
    send("pointerup", to);
}"""


TWO_FRAMES = """() => new Promise(
    done => requestAnimationFrame(() => requestAnimationFrame(() => done())))"""


@pytest.fixture(scope="module", autouse=True)
def large_notebook(server: lab.Lab) -> None:
    """Put the notebook where the server finds it."""
    made = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(code) for code in CELLS],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
    )
    nbformat.write(made, server.folder / NOTEBOOK)


@pytest.fixture
def large(open_notebook: OpenNotebook) -> lab.Notebook:
    """The notebook, opened and run."""
    return open_notebook(NOTEBOOK)


def show(widget: Widget, x: float, y: float, scale: float) -> None:
    """Show an image position in the middle at a scale, and wait until it is sharp."""
    widget.canvas.evaluate(f"(canvas, place) => ({IN_SIGHT})([canvas, ...place])", [x, y, scale])
    # Whether it is sharp is told by the frame that draws it.
    widget.page.evaluate(TWO_FRAMES)
    sharp(widget)


def sharp(widget: Widget) -> None:
    widget.page.wait_for_function(
        "root => root.dataset.sharp === 'true'", arg=widget.root.element_handle(), timeout=30_000
    )
    widget.page.wait_for_timeout(200)


def colours(widget: Widget, columns: range, rows: range) -> NDArray[np.int64]:
    """What the screen shows in the middles of these pixels, ``(rows, columns, 3)``."""
    picture = widget.picture().astype(int)
    box: Any = widget.canvas.bounding_box()
    x0, y0 = widget.position(0, 0)
    x1, _ = widget.position(1, 0)
    places = [
        np.floor(start + (np.array(places) * (x1 - x0))).astype(int)
        for start, places in ((x0 - box["x"], columns), (y0 - box["y"], rows))
    ]
    return picture[np.ix_(places[1], places[0])]


def test_tiles_come_when_they_are_in_sight_and_only_once(large: lab.Notebook) -> None:
    widget = large.widget()
    sharp(widget)
    large.kernel.run("w.show_mask = False")
    assert large.kernel.value("len(calls)") == 0, "the base is enough for the whole picture"
    show(widget, 3000, 2000, 1)
    seen = colours(widget, range(2960, 3040), range(1990, 2010))[..., 0]
    assert seen[:, ::2].min() - seen[:, 1::2].max() > 120, "lines one pixel wide"
    first = large.kernel.value("len(calls)")
    assert 4 <= first <= 12
    show(widget, 5000, 3000, 0.5)
    show(widget, 500, 500, 1)
    known = large.kernel.value("len(calls)")
    assert known > first
    show(widget, 3000, 2000, 1)
    assert large.kernel.value("len(calls)") == known, "the browser has it already"


def test_the_mask_is_exact_at_every_zoom(large: lab.Notebook) -> None:
    widget = large.widget()
    sharp(widget)
    large.kernel.run("w.mask_display = 'fill'; w.background = 'checkerboard'; w.pixel_grid = False")
    mask = large.kernel.mask("w.mask")
    show(widget, 1015, 1015, 8)
    columns, rows = range(1002, 1028), range(1002, 1028)
    seen = colours(widget, columns, rows)
    # The picture there is dark, the checkerboard light.
    cut = mask[np.ix_(rows, columns)]
    assert 100 < cut.sum() < 600
    np.testing.assert_array_equal(seen.mean(-1) < 150, cut)
    edge = int(np.flatnonzero(mask[2000])[0])
    show(widget, edge, 2000, 1)
    columns, rows = range(edge - 150, edge + 150), range(1850, 2150)
    seen = colours(widget, columns, rows).mean(-1) < 150
    cut = mask[np.ix_(rows, columns)]
    around = np.stack([np.roll(cut, (dy, dx), (0, 1)) for dy in (-1, 0, 1) for dx in (-1, 0, 1)])
    inner = (around.all(0) | ~around.any(0))[1:-1, 1:-1]
    assert inner.mean() < 1
    assert (seen == cut)[1:-1, 1:-1][inner].all()


MOVE = """async ([canvas, dx, dy, turns]) => {
    canvas.setPointerCapture = () => undefined;
    const box = canvas.getBoundingClientRect();
    const at = { x: box.left + box.width / 2, y: box.top + box.height / 2 };
    const send = (type) => canvas.dispatchEvent(new PointerEvent(type, {
        pointerId: 9, button: 1, buttons: 4, pointerType: "mouse", bubbles: true,
        cancelable: true, clientX: at.x, clientY: at.y,
    }));
    const context = canvas.getContext("2d");
    let clear = 0;
    send("pointerdown");
    for (let turn = 0; turn < turns; turn++) {
        await new Promise(requestAnimationFrame);
        // Sampled rarely: reading pixels back is what takes time.
        if (turn % 8 === 7) {
            for (let place = 1; place < 10; place++) {
                const x = Math.floor((canvas.width * place) / 10);
                const y = Math.floor((canvas.height * place) / 10);
                if (context.getImageData(x, y, 1, 1).data[3] !== 255) clear += 1;
            }
        }
        at.x += dx;
        at.y += dy;
        send("pointermove");
    }
    send("pointerup");
    return clear;
}"""


def test_moving_never_shows_holes(large: lab.Notebook) -> None:
    widget = large.widget()
    sharp(widget)
    large.kernel.run("w.show_mask = False")
    show(widget, 3000, 2000, 1)
    before = widget.picture()
    clear = widget.canvas.evaluate(f"canvas => ({MOVE})([canvas, -25, -12, 48])")
    assert clear == 0
    sharp(widget)
    assert not np.array_equal(widget.picture(), before)


def test_loupe_is_beside_the_pointer_and_magnifies(large: lab.Notebook) -> None:
    widget = large.widget()
    sharp(widget)
    large.kernel.run("w.show_mask = False")
    show(widget, 3000, 2000, 1)
    assert widget.root.get_attribute("data-loupe") is None
    widget.key("l")
    for x, y in ((3000, 2000), (2700, 1800), (3300, 2200)):
        pointer = widget.position(x, y)
        widget.page.mouse.move(*pointer)
        widget.page.wait_for_timeout(300)
        box: Any = widget.canvas.bounding_box()
        left, top, radius = map(int, (widget.root.get_attribute("data-loupe") or "").split())
        away = np.hypot(box["x"] + left - pointer[0], box["y"] + top - pointer[1])
        assert away > radius + 10
    widget.page.wait_for_timeout(500)
    assert large.kernel.value("w.loupe") is True
    widget.page.mouse.move(*widget.position(3000, 2000))
    widget.page.wait_for_timeout(300)
    left, top, _ = map(int, (widget.root.get_attribute("data-loupe") or "").split())
    shot = widget.canvas.screenshot(path=None)
    row = lab_image(shot)[top + 24, left - 40 : left + 40, 0].astype(int)
    # Lines one pixel wide are four wide here: 20 light and dark ones in 80 pixels.
    changes = np.count_nonzero(np.diff((row > 125).astype(int)))
    assert 17 <= changes <= 22
    widget.key("Shift+L")
    widget.page.wait_for_timeout(1000)
    assert large.kernel.value("w.loupe_zoom") == 6
    widget.key("l")
    widget.page.wait_for_timeout(200)
    assert widget.root.get_attribute("data-loupe") is None


def lab_image(data: bytes) -> NDArray[np.uint8]:
    """Pixels of a screenshot."""
    import io

    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def test_side_by_side_shows_the_same_place_without_masks(large: lab.Notebook) -> None:
    widget = large.widget()
    sharp(widget)
    widget.key("2")
    original = widget.root.get_by_test_id("iseg-original")
    original.wait_for(state="visible")
    show(widget, 1500, 2000, 1)
    masked = widget.picture().astype(int)
    plain = lab_image(original.screenshot()).astype(int)
    assert abs(masked.shape[1] - plain.shape[1]) <= 1
    large.kernel.run("w.show_mask = False")
    widget.page.wait_for_timeout(300)
    bare = widget.picture().astype(int)
    inner = (slice(20, -20), slice(20, -20))
    width = min(bare.shape[1], plain.shape[1])
    assert np.abs(bare[:, :width] - plain[:, :width])[inner].mean() < 2
    assert np.abs(masked - bare)[inner].mean() > 20
    # A press on it is a press in the picture.
    before = widget.revision()
    large.kernel.run("w.show_mask = True")
    box: Any = original.bounding_box()
    widget.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    widget.wait(after=before)
    click = large.kernel.value("[w.clicks[0].x, w.clicks[0].y]")
    assert abs(click[0] - 1500) <= 1.5
    assert abs(click[1] - 2000) <= 1.5
    widget.key("2")
    widget.page.wait_for_timeout(200)
    assert not original.is_visible()
