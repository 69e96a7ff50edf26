"""One widget for many tests, clean before each, in one hand; and what it must say at any time."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from playwright.sync_api import Locator

from tests.browser.interactions.hands import Hand, Keyboard
from tests.browser.lab import Kernel, Notebook
from tests.browser.widget import Widget

SHAPE = (512, 512)

SETUP = """
import numpy as np
import iseg_widget as iseg
from iseg_widget.widget.actions import Act

sample = iseg.datasets.load("demo")[0]
w = iseg.SegmentationWidget(sample.image, height=420)
rows, columns = np.ogrid[:512, :512]
PLAIN = {name: getattr(w, name) for name in w.PAGE_TRAITS if name != "answered"}

def disc(x, y, radius):
    return np.hypot(columns - x, rows - y) <= radius

def fresh(*masks):
    for name, value in PLAIN.items():
        setattr(w, name, value)
    w._do(Act(lambda board: board.jump(0)))
    for number, mask in enumerate(masks):
        w.edit(mask) if number == 0 else w.add_object(mask)
    w._wait()
    return [w._desk._screen.rev, w._desk.annotation.done]

def shown(points):
    image, mask = w.image.astype(int), w.mask
    return [
        [[int(v) for v in image[y - 2 : y + 3, x - 2 : x + 3].mean((0, 1))], bool(mask[y, x])]
        for x, y in points
    ]

def around(x, y):
    return slice(y - 6, y + 7), slice(x - 6, x + 7)

PLACES = [
    (x, y) for y in range(12, 500, 14) for x in range(12, 500, 14)
    if sample.image[around(x, y)].std((0, 1)).max() < 8
]

def plain():  # places where picture and mask are the same all around
    mask, clicks = w.mask, w.clicks
    return [
        [x, y] for x, y in PLACES
        if mask[around(x, y)].all() == mask[around(x, y)].any()
        and all(np.hypot(c.x - x, c.y - y) > 24 for c in clicks)
    ]
"""

FOLDER = """
from pathlib import Path
from PIL import Image

Path("photos").mkdir(exist_ok=True)
for number, size in enumerate((96, 80, 64), start=1):
    Image.fromarray(sample.image[:size, :96]).save(f"photos/{number}.png")
v = iseg.SegmentationWidget("photos", out="masks", height=200)
v
"""

FRAME = "() => new Promise(done => requestAnimationFrame(() => done(true)))"
"""True once what is to be drawn now was drawn."""

COLOURS = """(main, [points, other]) => {
    const canvas = other ?? main;
    const {scale, offsetX, offsetY} = main.dataset;
    const ratio = canvas.width / canvas.clientWidth;
    const context = canvas.getContext("2d");
    return points.map(([x, y]) => {
        const across = Math.floor((Number(offsetX) + (x + 0.5) * Number(scale)) * ratio);
        const down = Math.floor((Number(offsetY) + (y + 0.5) * Number(scale)) * ratio);
        return [...context.getImageData(across, down, 1, 1).data.slice(0, 3)];
    });
}"""


class Bench:
    """A widget in one hand; ``answered`` and ``until`` wait, everything else looks."""

    def __init__(self, notebook: Notebook, hand: Hand) -> None:
        self.notebook = notebook
        self.page = notebook.page
        self.kernel: Kernel = notebook.kernel
        self.hand = hand
        self.widget: Widget = hand.widget
        self.before = 0

    def fresh(self, *masks: str) -> None:
        """Clean widget with objects of these masks, the focus in the picture, no pointer on it."""
        self.page.mouse.move(1, 1)
        self.widget.canvas.focus()
        for _ in range(3):
            self.page.keyboard.press("Escape")
        self.page.keyboard.press("f")
        revision, self.before = self.kernel.value(f"fresh({', '.join(masks)})")
        self.widget.wait(after=revision - 1, timeout=30)
        self.until("w.tool", "positive")

    # ---------------------------------------------------------------- waiting
    def answered(self, act: Callable[[], object]) -> NDArray[np.bool_]:
        """Do something, wait for its result, and return the mask in the kernel."""
        before = self.widget.revision()
        act()
        self.widget.wait(after=before, timeout=30)
        return self.kernel.mask("w.mask")

    def until(self, expression: str, expected: object, timeout: float = 20) -> None:
        """Wait until the kernel has a value."""
        found: Any = None
        for _ in range(round(timeout / 0.05)):
            found = self.kernel.value(expression)
            if found == expected:
                return
            self.page.wait_for_timeout(50)
        raise AssertionError(f"{expression} is {found!r}, not {expected!r}")

    def page_until(self, check: str, arg: object = None) -> None:
        """Wait until a function of ``[root, arg]`` on the page is true."""
        root = self.widget.root.element_handle()
        self.page.wait_for_function(check, arg=[root, arg], timeout=20_000)

    # ---------------------------------------------------------------- looking
    def value(self, expression: str) -> Any:
        return self.kernel.value(expression)

    def says(self) -> tuple[int, float]:
        """Clicks and share of the picture in per cent, as the page tells them."""
        label = self.widget.canvas.get_attribute("aria-label") or ""
        found = re.search(r"(\d+) clicks, mask covers ([\d.]+) percent", label)
        assert found is not None, label
        return int(found[1]), float(found[2])

    def agrees(self) -> None:
        """What the page says and paints is what the kernel has."""
        clicks, share = self.says()
        assert clicks == self.value("len(w.clicks)")
        assert abs(share - self.value("100 * float(w.mask.mean())")) < 0.051
        points = self.plain()
        colour = self.value("w.objects[[o.id for o in w.objects].index(w.active)].colour")
        tint = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)])
        opacity = self.value("w.opacity")
        plain, inside = zip(*self.value(f"shown({points})"), strict=True)
        bare = np.array(plain, float)
        tinted = bare + opacity * (tint - bare)
        seen = self.colours(points)
        nearer = np.abs(seen - tinted).sum(1) < np.abs(seen - bare).sum(1)
        clear = np.abs(tinted - bare).sum(1) > 60
        assert clear.sum() > 20
        wrong = [
            p for p, bad in zip(points, clear & (nearer != np.array(inside)), strict=True) if bad
        ]
        assert not wrong

    def plain(self) -> list[tuple[int, int]]:
        """Places where picture and mask are the same all around, away from every mark."""
        cross = self.hand.crosshair() if isinstance(self.hand, Keyboard) else None
        x0, y0 = cross or (-100, -100)
        found = self.value("plain()")
        return [(x, y) for x, y in found if max(abs(x - x0), abs(y - y0)) > 30]

    def colours(
        self, points: Sequence[Sequence[float]], canvas: Locator | None = None
    ) -> NDArray[np.int64]:
        """What is painted at pixels of the image, ``(n, 3)``."""
        seen = self.widget.canvas.evaluate(
            COLOURS, [list(points), canvas and canvas.element_handle()]
        )
        return np.array(seen)

    def tinted(self, canvas: Locator | None = None) -> tuple[bool, bool]:
        """Whether what is inside of the mask, and what is outside, is painted over."""
        points = self.plain()
        self.page_until(FRAME)
        bare, inside = zip(*self.value(f"shown({points})"), strict=True)
        changed = np.abs(self.colours(points, canvas) - np.array(bare)).max(1) > 25
        within = np.array(inside)
        assert min(within.sum(), (~within).sum()) > 5
        return bool(changed[within].mean() > 0.5), bool(changed[~within].mean() > 0.5)

    def turn_wheel(self, position: tuple[float, float], amount: float) -> None:
        """Turn the wheel at a position of the page, and wait until the page was told."""
        self.page.mouse.move(*position)
        self.page.evaluate(
            """() => {
                window.turned = false;
                const seen = () => { window.turned = true; };
                window.addEventListener("wheel", seen, {capture: true, once: true});
            }"""
        )
        self.page.mouse.wheel(0, amount)
        self.page.wait_for_function("() => window.turned")

    def scale(self) -> float:
        return float(self.widget.canvas.get_attribute("data-scale") or 0)

    def middle(self) -> tuple[float, float]:
        """Pixel of the image in the middle of the canvas."""
        x, y = self.widget.canvas.evaluate(
            """canvas => [
                (canvas.clientWidth / 2 - canvas.dataset.offsetX) / canvas.dataset.scale - 0.5,
                (canvas.clientHeight / 2 - canvas.dataset.offsetY) / canvas.dataset.scale - 0.5]"""
        )
        return x, y
