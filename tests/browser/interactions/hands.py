"""Three ways to use a widget: the mouse, the keyboard alone, and fingers on the screen."""

from __future__ import annotations

import itertools
import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Literal

import numpy as np
from playwright.sync_api import Locator

from tests.browser.widget import Widget

Point = tuple[float, float]
Points = Sequence[Point]

KEYS = {
    "positive": "z",
    "box": "b",
    "scribble": "s",
    "brush": "d",
    "eraser": "e",
    "lasso": "o",
    "polygon": "p",
    "scissors": "Shift+O",
    "fill": "g",
    "select": "q",
    "undo": "u",
    "redo": "y",
    "reset": "Shift+Delete",
    "new-object": "n",
    "fit": "f",
    "actual": "1",
    "loupe": "l",
    "two": "2",
    "mask-toggle": "m",
    "views-toggle": "v",
    "threshold-toggle": "t",
    "soft-toggle": "Shift+M",
    "objects-toggle": "Shift+N",
    "history-toggle": "h",
    "explain-toggle": "w",
    "options-toggle": "a",
    "replay-toggle": "r",
    "help": "?",
    "queue-next": "PageDown",
    "queue-previous": "PageUp",
    "queue-skip": "Shift+K",
    "queue-done": "k",
    "polygon-back": "Backspace",
    "polygon-abandon": "Escape",
    "scissors-back": "Backspace",
    "scissors-abandon": "Escape",
}
"""Keys of what also has a button, by the button's ``data-testid`` without ``iseg-``."""

LONGEST_WALK = 150
FLING = 100
"""Milliseconds after which a finger that does not move is no fling."""


class Hand(ABC):
    """One way; positions are pixels of the image."""

    def __init__(self, widget: Widget) -> None:
        self.widget = widget
        self.page = widget.page

    def get(self, name: str, within: Locator | None = None) -> Locator:
        """Element of the widget, or of a part of it."""
        return (within or self.widget.root).get_by_test_id(f"iseg-{name}")

    def push(self, name: str, within: Locator | None = None) -> None:
        """Push a button, or its key; in the tool bar's menu where the bar has no room for it."""
        target = self.get(name, within)
        if within is None and self.folded(target):
            self.press(self.get("more"))
            target = self.get(f"more-{name}")
        self.press(target)

    @staticmethod
    def folded(target: Locator) -> bool:
        """Whether it is a control that the tool bar has no room for."""
        return bool(
            target.count() == 1 and target.evaluate("node => node.closest('.iseg-folded') !== null")
        )

    @abstractmethod
    def press(self, target: Locator) -> None:
        """Press an element that takes the focus."""

    @abstractmethod
    def at(self, x: float, y: float) -> Point:
        """Press in the picture once; returns where."""

    @abstractmethod
    def against(self, x: float, y: float) -> Point:
        """Press so that it means the opposite: background."""

    @abstractmethod
    def draw(self, points: Points) -> list[Point]:
        """Draw a line; returns its corners as they were."""

    @abstractmethod
    def slide(self, name: str, share: float) -> None:
        """Set a slider to this share of its length, up to a step."""

    def choose(self, name: str, value: str) -> None:
        """Choose in a menu."""
        self.pick(self.get(name), value)

    def pick(self, menu: Locator, value: str) -> None:
        """Choose in a menu. Its list is the system's: no mouse or finger is seen there."""
        menu.select_option(value)


class Mouse(Hand):
    """The mouse."""

    def press(self, target: Locator) -> None:
        target.click()

    def at(self, x: float, y: float) -> Point:
        self.widget.press(x, y)
        return x, y

    def against(self, x: float, y: float) -> Point:
        self.widget.press(x, y, positive=False)
        return x, y

    def draw(self, points: Points) -> list[Point]:
        return self.drag(points)

    def drag(self, points: Points, button: Literal["left", "right"] = "left") -> list[Point]:
        """Draw with one of the buttons."""
        first, *rest = [self.widget.position(x, y) for x, y in points]
        self.page.mouse.move(*first)
        self.page.mouse.down(button=button)
        for position in rest:
            self.page.mouse.move(*position, steps=4)
        self.page.mouse.up(button=button)
        return list(points)

    def slide(self, name: str, share: float) -> None:
        left, right, y = track(self.get(name))
        self.page.mouse.move((left + right) / 2, y)
        self.page.mouse.down()
        self.page.mouse.move(left + share * (right - left), y, steps=3)
        self.page.mouse.up()


class Keyboard(Hand):
    """The keyboard alone; it begins on the picture, where Tab leads."""

    def key(self, key: str, times: int = 1) -> None:
        for _ in range(times):
            self.page.keyboard.press(key)

    def push(self, name: str, within: Locator | None = None) -> None:
        if within is None and name in KEYS:
            self.key(KEYS[name])
        else:
            super().push(name, within)

    def press(self, target: Locator) -> None:
        self.go(target)
        self.key("Enter")

    def go(self, target: Locator) -> None:
        """Walk to an element with Tab, as people have to."""
        for _ in range(LONGEST_WALK):
            where = target.evaluate(
                """wanted => {
                    const now = document.activeElement;
                    if (now === wanted) return "";
                    if (now.role?.startsWith("menuitem")) return "ArrowDown";
                    const place = now.compareDocumentPosition(wanted);
                    return place & Node.DOCUMENT_POSITION_PRECEDING ? "Shift+Tab" : "Tab";
                }"""
            )
            if where == "":
                return
            self.key(where)
        raise AssertionError(f"Tab does not lead to {target}")

    def back(self) -> None:
        """Walk back to the picture."""
        self.go(self.widget.canvas)

    def aim(self, x: float, y: float) -> Point:
        """Move the crosshair near a pixel; returns where it then is."""
        if self.crosshair() is None:
            self.key("ArrowLeft")
        start = self.crosshair()
        assert start is not None
        scale = float(self.widget.canvas.get_attribute("data-scale") or 1)
        step = max(1, round(8 / scale))
        across, down = round((x - start[0]) / step), round((y - start[1]) / step)
        self.key("ArrowRight" if across > 0 else "ArrowLeft", abs(across))
        self.key("ArrowDown" if down > 0 else "ArrowUp", abs(down))
        end = self.crosshair()
        assert end is not None
        assert max(abs(end[0] - x), abs(end[1] - y)) <= step
        return end

    def crosshair(self) -> Point | None:
        """Where it is; the status line tells, while the pointer is elsewhere."""
        text = self.get("place").inner_text()
        found = re.match(r"(-?\d+), (-?\d+) ", text)
        return None if found is None else (int(found[1]), int(found[2]))

    def at(self, x: float, y: float) -> Point:
        place = self.aim(x, y)
        self.key("Enter")
        return place

    def against(self, x: float, y: float) -> Point:
        place = self.aim(x, y)
        self.key("Shift+Enter")
        return place

    def draw(self, points: Points) -> list[Point]:
        first, *rest = points
        line = [self.at(*first)]
        for x, y in rest:
            _, before = line[-1]
            place = self.aim(x, y)  # across, then down
            line += [(place[0], before), place]
        self.key("Enter")
        return line

    def slide(self, name: str, share: float) -> None:
        slider = self.get(name)
        self.go(slider)
        low, high, step = (float(slider.get_attribute(one) or 0) for one in ("min", "max", "step"))
        steps = round((low + share * (high - low) - float(slider.input_value())) / step)
        self.key("ArrowRight" if steps > 0 else "ArrowLeft", abs(steps))

    def pick(self, menu: Locator, value: str) -> None:
        self.go(menu)
        values, names, now = menu.evaluate(
            """menu => [[...menu.options].map(option => option.value),
                [...menu.options].map(option => option.label), menu.selectedIndex]"""
        )
        steps = (values if value in values else names).index(value) - now
        self.key("ArrowDown" if steps > 0 else "ArrowUp", abs(steps))


class Fingers(Hand):
    """Fingers on the screen, as Chromium reports them."""

    def __init__(self, widget: Widget) -> None:
        super().__init__(widget)
        self.screen = widget.page.context.new_cdp_session(widget.page)
        self.page.evaluate(
            """() => {
                window.clicked = 0;
                window.addEventListener("click", () => { window.clicked += 1; }, true);
            }"""
        )

    def touch(self, kind: str, *positions: Point) -> None:
        """Put fingers at these positions of the page: ``Start``, ``Move`` or ``End``."""
        points = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(positions)]
        self.screen.send(
            "Input.dispatchTouchEvent", {"type": f"touch{kind}", "touchPoints": points}
        )

    def rest(self) -> None:
        """Hold still before lifting: after a fling Chromium takes no tap."""
        self.page.wait_for_timeout(FLING)

    def tap(self, position: Point) -> None:
        self.page.touchscreen.tap(*position)  # both halves at once: a slow test is no long press

    def pen(self, kind: str, position: Point) -> None:
        """Have a pen ``mousePressed``, ``mouseMoved`` or ``mouseReleased`` there."""
        x, y = position
        state = {"buttons": 1, "button": "left", "clickCount": 1, "pointerType": "pen"}
        self.screen.send("Input.dispatchMouseEvent", {"type": kind, "x": x, "y": y, **state})

    def press(self, target: Locator) -> None:
        target.wait_for(state="visible")
        target.scroll_into_view_if_needed()
        box = target.bounding_box()
        assert box is not None
        before = self.page.evaluate("() => window.clicked")
        self.tap((box["x"] + box["width"] / 2, box["y"] + box["height"] / 2))
        self.page.wait_for_function("before => window.clicked > before", arg=before, timeout=10_000)

    def at(self, x: float, y: float) -> Point:
        self.tap(self.widget.position(x, y))
        return x, y

    def against(self, x: float, y: float) -> Point:
        self.push("negative")
        self.at(x, y)
        self.push("positive")
        return x, y

    def draw(self, points: Points) -> list[Point]:
        places = [self.widget.position(x, y) for x, y in points]
        self.touch("Start", places[0])
        for (x0, y0), (x1, y1) in itertools.pairwise(places):
            for share in np.linspace(0, 1, 2 + round(np.hypot(x1 - x0, y1 - y0) / 30))[1:]:
                self.touch("Move", (x0 + share * (x1 - x0), y0 + share * (y1 - y0)))
        self.rest()
        self.touch("End")
        return list(points)

    def slide(self, name: str, share: float) -> None:
        left, right, y = track(self.get(name))
        self.tap((left + share * (right - left), y))


def track(slider: Locator) -> tuple[float, float, float]:
    """Ends of the way that a slider's thumb goes, and its height, on the page."""
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    assert box is not None
    thumb = 8
    return box["x"] + thumb, box["x"] + box["width"] - thumb, box["y"] + box["height"] / 2
