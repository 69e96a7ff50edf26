"""What the widget does with its page in Lab: reload, restart, other widgets, foreign text."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import numpy as np
from playwright.sync_api import CDPSession

from tests.browser.lab import Notebook
from tests.browser.widget import Widget, look_the_same

OBJECT = (180, 330)
OTHER = (400, 130)
NASTY = "<img src=x onerror='window.stolen=1'>"


def test_reload_redraws_all_objects_as_text_and_asks_nobody_else(notebook: Notebook) -> None:
    asked: list[str] = []
    notebook.page.on("request", lambda request: asked.append(request.url))
    widget = notebook.widget()
    widget.click(*OBJECT)
    before = widget.revision()
    notebook.kernel.run(
        f"text = {NASTY!r}\n"
        "w.change_object(w.active, name=text, colour='#aa3311')\n"
        "w._desk.annotation.add_label(text)\n"
        "w.add_object(label=text)\n"
        f"w.click{OTHER}"
    )
    widget.wait(after=before + 2)
    widget.open_side("objects")
    picture = widget.picture()
    entries = widget.root.get_by_test_id("iseg-object")
    assert entries.count() == 2
    assert NASTY in widget.root.get_by_test_id("iseg-objects-list").inner_text()
    notebook.save()

    notebook.load()
    widget = notebook.widget()
    widget.open_side("objects")
    assert notebook.kernel.value("[len(o.clicks) for o in w.objects]") == [1, 1]
    assert entries.count() == 2
    assert NASTY in widget.root.get_by_test_id("iseg-objects-list").inner_text()
    assert look_the_same(_inner(widget.picture()), _inner(picture))
    assert widget.root.locator("img[src=x]").count() == 0
    assert notebook.page.evaluate("() => window.stolen === undefined")

    addresses = [urlsplit(url) for url in asked]
    foreign = {a.geturl() for a in addresses if a.scheme in ("http", "https", "ws", "wss")} - {
        a.geturl() for a in addresses if a.hostname in ("127.0.0.1", "localhost")
    }
    assert len(asked) > 20
    assert not foreign


def test_the_tool_bar_is_one_line_at_every_width(notebook: Notebook) -> None:
    widget, page, kernel = notebook.widget(), notebook.page, notebook.kernel
    widget.wait()
    bar = widget.root.get_by_role("toolbar")
    seen: list[int] = []
    for width in (1100, 1000, 800, 600, 480):
        resize(widget, width)
        assert bar.evaluate("bar => bar.clientHeight") < 40
        assert bar.evaluate("bar => bar.scrollWidth <= bar.clientWidth")
        seen.append(bar.locator("button:visible").count())
    assert seen == sorted(seen, reverse=True)
    assert seen[0] > seen[-1] > 6

    # with keys
    resize(widget, 600)
    more = widget.root.get_by_test_id("iseg-more")
    more.focus()
    for key in ("ArrowDown", "p", "Enter"):
        page.keyboard.press(key)
    assert kernel.value("w.tool") == "polygon"
    chosen = widget.root.get_by_test_id("iseg-polygon")
    assert chosen.is_visible()
    assert chosen.get_attribute("aria-pressed") == "true"

    # with the mouse; a press in the picture only puts the menu away
    more.click()
    before = widget.revision()
    widget.press(*OTHER)
    assert not widget.root.get_by_test_id("iseg-more-menu").is_visible()
    place = bar.bounding_box()
    widget.key("x")
    widget.click(*OBJECT)
    assert kernel.value("len(w.clicks)") == 1
    assert widget.revision() == before + 1
    assert bar.bounding_box() == place, "nothing moves while one works"

    # with a finger
    touch = page.context.new_cdp_session(page)
    touch.send("Emulation.setTouchEmulationEnabled", {"enabled": True})
    resize(widget, 480)
    assert bar.evaluate("bar => bar.scrollWidth <= bar.clientWidth")
    assert more.evaluate("node => node.clientHeight") >= 38
    for name in ("more", "more-brush"):
        tap(touch, widget, name)
    page.wait_for_function(
        "root => root.querySelector('[data-testid=iseg-brush]').checkVisibility()",
        arg=widget.root.element_handle(),
    )
    assert kernel.value("w.tool") == "brush"
    touch.send("Emulation.setTouchEmulationEnabled", {"enabled": False})
    resize(widget, None)


def resize(widget: Widget, width: int | None) -> None:
    """Give the widget a width in CSS pixels, or all there is."""
    wanted = "" if width is None else f"{width}px"
    widget.root.evaluate("(root, width) => { root.style.width = width; }", wanted)
    widget.page.wait_for_timeout(200)


def tap(touch: CDPSession, widget: Widget, name: str) -> None:
    """Touch a button with a finger."""
    button = widget.root.get_by_test_id(f"iseg-{name}")
    button.scroll_into_view_if_needed()
    box: Any = button.bounding_box()
    points = [{"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}]
    touch.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": points})
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    widget.page.wait_for_timeout(300)


def test_two_widgets_keep_their_keys_and_clicks_apart(notebook: Notebook) -> None:
    notebook.add_cell("v = iseg.SegmentationWidget(sample.image)\nv")
    second = notebook.widget(1)
    latency = second.click(*OBJECT)
    second.key("x")
    first = notebook.widget(0)
    first.key("m")
    first.key("u")
    kernel = notebook.kernel
    assert kernel.value("[w.tool, v.tool]") == ["positive", "negative"]
    assert kernel.value("[w.show_mask, v.show_mask]") == [False, True]
    assert kernel.value("[len(w.clicks), len(v.clicks)]") == [0, 1]

    # Where the time of the click went: the page's marks have come back, and the phases add up.
    phases = kernel.value("{name: spread.last for name, spread in v.stats().phases.items()}")
    total = phases.pop("total")
    assert kernel.value("[w.stats().clicks, v.stats().clicks]") == [0, 1]
    assert abs(total - latency) < 0.2
    assert abs(sum(phases.values()) - total) < 1
    assert min(phases.values()) >= 0
    notebook.widget(1)
    assert "click to mask:" in (second.root.get_by_test_id("iseg-timing").get_attribute("title"))


def test_after_a_restart_the_log_brings_the_session_back(notebook: Notebook) -> None:
    widget = notebook.widget()
    widget.click(*OBJECT)
    widget.click(*OTHER, positive=False)
    picture, mask = widget.picture(), notebook.kernel.mask("w.mask")
    notebook.kernel.run(
        "import json, pathlib\npathlib.Path('log.json').write_text(json.dumps(w.session.log()))"
    )
    notebook.restart()
    widget.press(*OTHER)
    widget.wait(state="disconnected")
    assert "does not answer" in widget.root.get_by_test_id("iseg-banner").inner_text()
    assert _inner(widget.picture()).std() > 0.5 * _inner(picture).std()

    notebook.run_all()
    notebook.kernel.run(
        "import json, pathlib\n"
        "log = json.loads(pathlib.Path('log.json').read_text())\n"
        "again = iseg.replay(iseg.load_method(log['method']), sample.image, log)\n"
        "w.edit(again.mask)"
    )
    assert np.array_equal(notebook.kernel.mask("again.mask"), mask)
    assert notebook.kernel.value("[c.positive for c in again.clicks]") == [True, False]
    widget = notebook.widget()
    widget.wait(after=0)
    assert np.array_equal(notebook.kernel.mask("w.mask"), mask)


def _inner(picture: np.ndarray) -> np.ndarray:
    """Without the frame that shows the focus."""
    return picture[4:-4, 4:-4]
