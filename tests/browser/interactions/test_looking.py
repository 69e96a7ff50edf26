"""View, panels and the folder's bar, each by mouse, by keyboard alone and by touch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.browser.interactions.bench import Bench
from tests.browser.interactions.hands import Fingers, Keyboard, Mouse, Point

OBJECT = (176, 336)
DISC = "disc(240, 200, 90)"
SECONDS = 1000


def spread(hand: Fingers, around: Point, start: float, end: float, shift: float = 0) -> None:
    """Two fingers beside a position of the page move apart, or (``shift``) down together."""
    x, y = around
    for part in np.linspace(0, 1, 7):
        away, down = start + part * (end - start), part * shift
        kind = "Start" if part == 0 else "Move"
        hand.touch(kind, (x - away, y + down), (x + away, y + down))
    hand.rest()
    hand.touch("End")


def test_pan(bench: Bench) -> None:
    hand, (x, y) = bench.hand, bench.middle()
    scale, revision = bench.scale(), bench.widget.revision()
    if isinstance(hand, Keyboard):
        hand.key("Control+ArrowLeft")
        hand.key("Control+ArrowUp", 2)
        expected = [-64 / scale, -128 / scale]
    else:
        hand.draw([(200, 200), (240, 260)])
        expected = [-40, -60]
    assert np.abs(np.array(bench.middle()) - [x, y] - expected).max() < 2
    if isinstance(hand, Fingers):
        hand.push("brush")  # one finger draws then
        x, y = bench.middle()
        spread(hand, bench.widget.position(256, 256), 60, 60, shift=50)
        assert np.abs(np.array(bench.middle()) - [x, y - 50 / scale]).max() < 2
    assert bench.scale() == scale
    assert bench.widget.revision() == revision
    assert bench.value("[len(w.clicks), w.annotation.done]") == [0, bench.before]


def test_zoom(bench: Bench) -> None:
    hand, page = bench.hand, bench.page
    scale = bench.scale()
    place = bench.widget.position(300, 200)
    if isinstance(hand, Mouse):
        bench.page.evaluate("() => document.activeElement.blur()")
        bench.turn_wheel(place, -200)
        assert bench.scale() == scale  # the page is scrolled then
        page.keyboard.down("Control")
        bench.turn_wheel(bench.widget.position(300, 200), -20)
        page.keyboard.up("Control")
        assert bench.scale() > scale
        bench.widget.canvas.focus()
        page.keyboard.press("f")
        place = bench.widget.position(300, 200)
        bench.turn_wheel(place, -200)
    elif isinstance(hand, Keyboard):
        aimed = hand.aim(300, 200)
        place = bench.widget.position(*aimed)
        hand.key("+", 2)
    elif isinstance(hand, Fingers):
        hand.push("brush")
        place = bench.widget.position(300, 200)
        spread(hand, place, 40, 70)
    bench.page_until("([root, scale]) => root.querySelector('canvas').dataset.scale > scale", scale)
    at = hand.aim(300, 200) if isinstance(hand, Keyboard) else (300, 200)
    now = bench.widget.position(*at)
    assert np.hypot(now[0] - place[0], now[1] - place[1]) < 12
    zoomed = bench.scale()
    assert zoomed > 1.3 * scale
    clicked: list[Point] = []
    if not isinstance(hand, Keyboard):
        hand.push("positive")
    bench.answered(lambda: clicked.append(hand.at(320, 220)))
    assert np.abs(np.array(bench.value("[w.clicks[0].x, w.clicks[0].y]")) - clicked[0]).max() < 1
    hand.push("actual")
    assert bench.scale() == 1
    hand.push("fit")
    assert bench.scale() == scale
    assert bench.value("w.annotation.done") == bench.before + 1


def test_loupe(bench: Bench) -> None:
    hand, root = bench.hand, bench.widget.root
    hand.push("loupe")
    bench.until("w.loupe", expected=True)
    bench.widget.canvas.focus()
    place = bench.widget.position(*OBJECT)
    if isinstance(hand, Mouse):
        bench.page.mouse.move(*place)
    elif isinstance(hand, Keyboard):
        place = bench.widget.position(*hand.aim(*OBJECT))
    elif isinstance(hand, Fingers):
        hand.touch("Start", bench.widget.position(OBJECT[0] + 40, OBJECT[1]))
        hand.touch("Move", place)
    bench.page_until("([root]) => root.dataset.loupe !== undefined")
    x, y, radius = map(int, (root.get_attribute("data-loupe") or "").split())
    box: Any = bench.widget.canvas.bounding_box()
    away = np.hypot(box["x"] + x - place[0], box["y"] + y - place[1])
    assert radius + 10 < away < 3 * radius
    if isinstance(hand, Fingers):  # the finger aims, and clicks where it is lifted
        middle = bench.middle()
        hand.rest()
        bench.answered(lambda: hand.touch("End"))
        assert bench.middle() == middle
        click = bench.value("[w.clicks[0].x, w.clicks[0].y]")
        assert np.hypot(click[0] - OBJECT[0], click[1] - OBJECT[1]) < 1.5
        bench.page_until("([root]) => root.dataset.loupe === undefined")
    hand.push("loupe")
    bench.until("w.loupe", expected=False)
    bench.page_until("([root]) => root.dataset.loupe === undefined")


def test_opacity_and_hiding(bench: Bench) -> None:
    bench.fresh(DISC)
    hand = bench.hand
    if isinstance(hand, Keyboard):
        hand.key("]", 3)
        bench.until("w.opacity", 0.8)
    elif hand.folded(hand.get("opacity")):
        hand.press(hand.get("more"))
        for _ in range(3):
            hand.press(bench.widget.root.get_by_role("menuitem", name="Masks stronger"))
        bench.until("w.opacity", 0.8)
        hand.press(hand.get("more"))
    else:
        hand.slide("opacity", 0.8)
        bench.until("0.7 < w.opacity < 0.9", expected=True)
    bench.page_until(
        "([root, value]) => root.querySelector('[data-testid=iseg-opacity]').value == value",
        bench.value("w.opacity"),
    )
    bench.agrees()
    hand.push("mask-toggle")
    bench.until("w.show_mask", expected=False)
    assert bench.tinted() == (False, False)
    hand.push("mask-toggle")
    bench.until("w.show_mask", expected=True)
    assert bench.tinted() == (True, False)


# Trait, value, key, and how often it is pressed; whether inside and outside are painted over then.
MODES = {
    "contour": ("mask_display", "contour", "j", 2, (False, False)),
    "invert": ("invert", True, "i", 1, (False, True)),
    "cut-out": ("background", "checkerboard", "0", 2, (False, True)),
}


@pytest.mark.parametrize("mode", MODES)
def test_modes(bench: Bench, mode: str) -> None:
    bench.fresh(DISC)
    name, value, key, times, painted = MODES[mode]
    hand = bench.hand
    assert bench.tinted() == (True, False)
    if isinstance(hand, Keyboard):
        hand.key(key, times)
        expect(hand.get("spoken")).not_to_have_text("")
    else:
        hand.push("display-toggle")
        control = name.replace("_", "-")
        if value is True:
            hand.push(f"display-{control}")
        else:
            hand.choose(control, str(value))
    bench.until(f"w.{name}", value)
    assert bench.tinted() == painted
    assert bench.value("w.annotation.done") == bench.before


def test_side_by_side(bench: Bench) -> None:
    bench.fresh(DISC)
    hand = bench.hand
    width = bench.widget.canvas.evaluate("canvas => canvas.clientWidth")
    hand.push("two")
    bench.until("w.side_by_side", expected=True)
    expect(hand.get("original")).to_be_visible()
    assert bench.widget.canvas.evaluate("canvas => canvas.clientWidth") < 0.55 * width
    assert bench.tinted() == (True, False)
    assert bench.tinted(hand.get("original")) == (False, False)
    hand.push("two")
    bench.until("w.side_by_side", expected=False)
    expect(hand.get("original")).to_be_hidden()


# ------------------------------------------------------------------------------------------ panels
def test_views_panel(bench: Bench) -> None:
    hand = bench.hand
    bench.answered(lambda: hand.at(*OBJECT))
    revision = bench.widget.revision()
    hand.push("explain-toggle")
    bench.until("w.panel", "explain")
    thumb = bench.widget.root.locator(".iseg-thumb[tabindex='0']")
    thumb.wait_for(timeout=60 * SECONDS)
    hand.press(thumb)
    expect(hand.get("lightbox")).to_be_visible()
    caption = hand.get("lightbox-caption").inner_text()
    hand.push("lightbox-on")
    expect(hand.get("lightbox-caption")).not_to_have_text(caption)
    hand.push("lightbox-close")
    expect(hand.get("lightbox")).to_be_hidden()
    hand.push("explain-close")
    bench.until("w.panel", None)
    assert bench.widget.revision() == revision


def test_options_panel(bench: Bench) -> None:
    hand = bench.hand
    before = bench.answered(lambda: hand.at(*OBJECT))
    hand.push("options-toggle")
    bench.until("w.panel", "options")
    row = bench.widget.root.locator("[data-option=focus_crop]")
    control = row.get_by_test_id("iseg-option-control")
    control.wait_for()
    bench.answered(lambda: hand.pick(control, "off"))
    assert bench.value("w.options.focus_crop") == "off"
    expect(row).to_have_attribute("data-changed", "true")
    bench.answered(lambda: hand.push("options-reset"))
    assert bench.value("w.options.focus_crop") != "off"
    assert np.array_equal(bench.kernel.mask("w.mask"), before)
    expect(row).to_have_attribute("data-changed", "false")


def test_replay_panel(bench: Bench) -> None:
    hand = bench.hand
    bench.answered(lambda: hand.at(*OBJECT))
    bench.answered(lambda: hand.at(226, 116))
    revision = bench.widget.revision()
    hand.push("replay-toggle")
    text = hand.get("replay-text")
    expect(text).to_contain_text("after 2 steps")
    hand.push("replay-back")
    expect(text).to_contain_text("Step 1 of 2")
    expect(bench.widget.root).to_have_attribute("data-moment", "1")
    hand.push("replay-leave")
    expect(text).to_contain_text("Present")
    hand.choose("replay-speed", "4")
    hand.push("replay-play")
    expect(text).to_contain_text("Before the first")
    expect(text).to_contain_text("Present")
    hand.push("replay-close")
    expect(hand.get("replay")).to_be_hidden()
    assert bench.value("len(w.clicks)") == 2
    assert bench.widget.revision() == revision
    bench.agrees()


def test_list_of_keys(bench: Bench) -> None:
    hand = bench.hand
    hand.push("help")
    panel = hand.get("help-panel")
    expect(panel).to_be_visible()
    for words in ("undo", "draw with the chosen tool without a mouse", "move the picture"):
        expect(panel).to_contain_text(words)
    hand.push("help-close")
    expect(panel).to_be_hidden()


def test_folder(bench: Bench, page: Any) -> None:
    widget = page.widget(1)
    hand = type(bench.hand)(widget)
    widget.canvas.focus()
    page.kernel.run("for number in (2, 1, 0):\n    v.go(number)\n    v.reopen()")
    place, statuses = hand.get("queue-place"), "[item.status for item in v.queue]"
    expect(place).to_have_text("1 / 3")
    widget.wait()
    hand.push("queue-next")
    expect(place).to_have_text("2 / 3")
    widget.wait()
    assert page.kernel.value("v.image.shape[0]") == 80
    hand.push("queue-previous")
    expect(place).to_have_text("1 / 3")
    widget.wait()
    hand.push("queue-skip")
    expect(place).to_have_text("2 / 3")
    widget.wait()
    assert page.kernel.value(statuses) == ["skipped", "todo", "todo"]
    hand.push("queue-done")
    expect(place).to_have_text("3 / 3")
    widget.wait()
    expect(hand.get("queue-progress")).to_have_text("1 of 3 done, 1 skipped")
    assert page.kernel.value(statuses) == ["skipped", "done", "todo"]
    assert page.kernel.value("v.image.shape[0]") == 64
    page.widget()
