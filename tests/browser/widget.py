"""One segmentation widget on a page: real mouse clicks at image pixels, and what they change."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Locator

if TYPE_CHECKING:
    from tests.browser.lab import Notebook


def look_the_same(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> bool:
    """Whether two screenshots of the same thing show it alike.

    Pieces of a picture that were kept meet a little differently from those drawn anew: a few pixels
    in a hundred thousand differ by a few levels. A mask or a click that differs is far beyond that.
    """
    difference = np.abs(one.astype(int) - other.astype(int)).max(-1)
    return bool(difference.max() < 40 and np.mean(difference > 0) < 0.01)


class Widget:
    """The widget's elements and the data attributes that they carry for tests.

    ``notebook`` is where it lies, or ``None`` outside of JupyterLab.
    """

    def __init__(self, notebook: Notebook | None, root: Locator) -> None:
        self._notebook = notebook
        self.page = root.page
        self.root = root
        self.canvas = root.get_by_test_id("iseg-canvas")

    @property
    def notebook(self) -> Notebook:
        """The notebook of JupyterLab or Notebook 7."""
        if self._notebook is None:
            raise RuntimeError("the widget lies in no notebook")
        return self._notebook

    # ------------------------------------------------------------------ state
    def state(self) -> str:
        """What the widget is doing: ``idle``, ``busy``, ``error``, …"""
        return self.root.get_attribute("data-state") or ""

    def revision(self) -> int:
        """Revision of the result that is drawn."""
        return int(self.root.get_attribute("data-revision") or -1)

    def latency_ms(self) -> float:
        """Milliseconds from the latest click's pointerdown until its overlay was drawn."""
        return float(self.root.get_attribute("data-latency-ms") or "nan")

    def wait(self, *, state: str = "idle", after: int | None = None, timeout: float = 120) -> None:
        """Wait for a state, and for a revision newer than ``after``."""
        self.canvas.wait_for(state="visible", timeout=timeout * 1000)
        self.page.wait_for_function(
            """([root, state, after]) => root.dataset.state === state
                && (after === null || Number(root.dataset.revision) > after)""",
            arg=[self.root.element_handle(), state, after],
            timeout=timeout * 1000,
        )

    def wait_for_clicks(self, count: int, timeout: float = 120) -> None:
        """Wait until this many clicks were sent and answered."""
        status = self.root.get_by_test_id("iseg-status")
        status.get_by_text(f"{count} clicks").wait_for(timeout=timeout * 1000)
        self.wait(timeout=timeout)

    # ------------------------------------------------------------------ mouse
    def position(self, x: float, y: float) -> tuple[float, float]:
        """Page position, in CSS pixels, of the centre of image pixel ``(x, y)``."""
        self.canvas.scroll_into_view_if_needed()
        left, top, scale, offset_x, offset_y = self.canvas.evaluate(
            """canvas => {
                const {left, top} = canvas.getBoundingClientRect();
                const {scale, offsetX, offsetY} = canvas.dataset;
                return [left, top, Number(scale), Number(offsetX), Number(offsetY)];
            }"""
        )
        return left + offset_x + (x + 0.5) * scale, top + offset_y + (y + 0.5) * scale

    def press(self, x: float, y: float, *, positive: bool = True) -> None:
        """Click with the mouse at an image pixel (left: object, right: background); no waiting."""
        button: Literal["left", "right"] = "left" if positive else "right"
        self.page.mouse.click(*self.position(x, y), button=button)

    def click(self, x: float, y: float, *, positive: bool = True) -> float:
        """Click at an image pixel and wait for the new overlay; returns its latency in ms."""
        before = self.revision()
        self.press(x, y, positive=positive)
        self.wait(after=before)
        return self.latency_ms()

    def press_all(self, points: Sequence[tuple[float, float]]) -> None:
        """Click at image pixels, one right after the other."""
        positions = [self.position(x, y) for x, y in points]
        for position in positions:
            self.page.mouse.click(*position)

    def turn_wheel(self, x: float, y: float, amount: float) -> None:
        """Turn the wheel over an image pixel; a negative amount turns it away from the person."""
        self.page.mouse.move(*self.position(x, y))
        self.page.mouse.wheel(0, amount)
        self.page.wait_for_timeout(500)

    def key(self, key: str) -> None:
        """Press a key while the canvas has the focus."""
        self.canvas.focus()
        self.page.keyboard.press(key)

    def has_focus(self) -> bool:
        """Whether the focus is somewhere in the widget."""
        inside: bool = self.root.evaluate("root => root.contains(document.activeElement)")
        return inside

    # --------------------------------------------------------------- tool bar
    def press_button(self, name: str) -> None:
        """Press a button of the tool bar, in its menu where it has no room."""
        button = self.root.get_by_test_id(f"iseg-{name}")
        if not button.is_visible():
            self.root.get_by_test_id("iseg-more").click()
            button = self.root.get_by_test_id(f"iseg-more-{name}")
        button.click()

    # ------------------------------------------------------------- side panels
    def sides(self) -> list[str]:
        """Ids of the panels beside the picture."""
        names: list[str] = self.root.evaluate(
            """root => [...root.querySelectorAll(".iseg-panel[data-testid]")]
                .map(panel => panel.dataset.testid.replace(/^iseg-(.*)-panel$/, "$1"))"""
        )
        return names

    def open_side(self, name: str) -> None:
        """Open one of them."""
        panel = self.root.get_by_test_id(f"iseg-{name}-panel")
        if not panel.is_visible():
            self.press_button(f"{name}-toggle")
            panel.wait_for(state="visible")

    # ---------------------------------------------------------------- picture
    def picture(self) -> NDArray[np.uint8]:
        """Screenshot of the canvas, ``(height, width, 3)`` in device pixels, without the mouse."""
        self.canvas.scroll_into_view_if_needed()
        self.page.mouse.move(1, 1)
        self.page.wait_for_timeout(300)  # hover effects end, the browser paints
        data = self.canvas.screenshot(animations="disabled")
        return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))

    def patch(
        self, picture: NDArray[np.uint8], x: float, y: float, radius: int = 3
    ) -> NDArray[np.uint8]:
        """Square of a picture around image pixel ``(x, y)``; ``radius`` in screen pixels."""
        box = self.canvas.bounding_box()
        if box is None:
            raise RuntimeError("the canvas is not on the page")
        page_x, page_y = self.position(x, y)
        column, row = round(page_x - box["x"]), round(page_y - box["y"])
        return picture[row - radius : row + radius + 1, column - radius : column + radius + 1]


class Comparison(Widget):
    """A comparison, as seen by the mouse over one of its panes (the agreement is the last)."""

    def __init__(self, notebook: Notebook, root: Locator, pane: int = 0) -> None:
        super().__init__(notebook, root)
        self.canvas = root.get_by_test_id("iseg-canvas").nth(pane)

    def pane(self, number: int) -> Comparison:
        """The same comparison with the mouse over another pane."""
        return Comparison(self.notebook, self.root, number)
