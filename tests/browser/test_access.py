"""The widget without a mouse, without colours, without motion, and in every theme."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.browser.lab import Notebook
from tests.browser.widget import Widget

THEMES = ("JupyterLab Light", "JupyterLab Dark", "JupyterLab Dark High Contrast")
OBJECT = (180, 330)


@pytest.fixture(scope="module")
def axe(project_root: Path) -> str:
    """The script that looks for barriers; a development dependency of ``js/``."""
    return (project_root / "js/node_modules/axe-core/axe.min.js").read_text(encoding="utf-8")


def barriers(widget: Widget) -> list[str]:
    """What axe finds in the widget that is serious or critical."""
    found: list[dict[str, Any]] = widget.root.evaluate(
        """async root => {
            const {violations} = await window.axe.run(root, {resultTypes: ["violations"]});
            return violations.map(({id, impact, nodes}) =>
                ({id, impact, at: nodes.map(node => `${node.html} ${node.failureSummary}`)}));
        }"""
    )
    bad = [one for one in found if one["impact"] in ("serious", "critical")]
    return [f"{one['id']}: {at}" for one in bad for at in one["at"]]


def test_no_barriers_in_any_theme(notebook: Notebook, axe: str) -> None:
    widget, page = notebook.widget(), notebook.page
    widget.click(*OBJECT)
    page.evaluate(f"{axe}\n;void 0")
    found: dict[str, list[str]] = {}
    for theme in THEMES:
        page.evaluate(
            "theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})", theme
        )
        page.wait_for_function("theme => document.body.dataset.jpThemeName === theme", arg=theme)
        for tab in widget.sides():
            widget.open_side(tab)
            found[f"{theme}, {tab}"] = barriers(widget)
    widget.root.get_by_test_id("iseg-more").click()
    found["menu of the tool bar"] = barriers(widget)
    page.keyboard.press("Escape")
    widget.key("?")
    found["list of keys"] = barriers(widget)
    page.keyboard.press("Escape")
    page.emulate_media(forced_colors="active", reduced_motion="reduce")
    found["forced colours"] = barriers(widget)
    assert len(found) >= len(THEMES) + 2
    bad = {where: what for where, what in found.items() if what}
    assert not bad, "\n".join(f"{where}: {one}" for where, what in bad.items() for one in what)
    # Nothing moves for those who asked for that.
    moving = widget.root.evaluate(
        """root => [root, ...root.querySelectorAll("*")].filter(one => {
            const {animationName, animationDuration, transitionDuration} = getComputedStyle(one);
            return (animationName !== "none" && parseFloat(animationDuration) > 0.01)
                || transitionDuration.split(",").some(time => parseFloat(time) > 0.01);
        }).map(one => one.className)"""
    )
    assert moving == []


def test_everything_is_reached_and_seen_by_keyboard(notebook: Notebook) -> None:
    widget, page = notebook.widget(), notebook.page
    widget.canvas.focus()
    page.keyboard.press("Shift+Tab")
    while widget.has_focus():  # to the beginning
        page.keyboard.press("Shift+Tab")
    page.keyboard.press("Tab")
    reached: list[dict[str, Any]] = []
    while widget.has_focus() and len(reached) < 100:
        reached.append(
            page.evaluate(
                """() => {
                    const one = document.activeElement;
                    const {outlineStyle, outlineWidth, boxShadow} = getComputedStyle(one);
                    const box = one.getBoundingClientRect();
                    const frame = getComputedStyle(one.closest(".iseg-widget"));
                    return {
                        name: one.dataset.testid ?? one.className,
                        seen: box.width > 0 && box.height > 0,
                        marked: (outlineStyle !== "none" && parseFloat(outlineWidth) > 0)
                            || boxShadow !== "none" || frame.outlineStyle !== "none",
                        top: box.top, left: box.left,
                    };
                }"""
            )
        )
        page.keyboard.press("Tab")
    names = [one["name"] for one in reached]
    assert len(set(names)) > 5
    assert {"iseg-canvas", "iseg-undo", "iseg-method"} <= {*names, *_disabled(widget)}
    assert not [one["name"] for one in reached if not one["seen"]]
    assert not [one["name"] for one in reached if not one["marked"]]

    # The core path: place the crosshair, click, take it back.
    widget.canvas.focus()
    for key in ("ArrowLeft", "ArrowLeft", "ArrowDown"):
        page.keyboard.press(key)
    before = widget.revision()
    page.keyboard.press("Enter")
    widget.wait(after=before)
    assert notebook.kernel.value("[c.positive for c in w.clicks]") == [True]
    before = widget.revision()
    page.keyboard.press("u")
    widget.wait(after=before)
    assert notebook.kernel.value("len(w.clicks)") == 0


def _disabled(widget: Widget) -> list[str]:
    """Controls that have nothing to do now: the keyboard passes them by."""
    names: list[str] = widget.root.evaluate(
        "root => [...root.querySelectorAll(':disabled')].map(one => one.dataset.testid)"
    )
    return names
