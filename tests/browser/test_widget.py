"""What the widget does with mouse and keys in a real page, against what Python then holds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from iseg_widget import list_methods
from tests.browser.lab import Notebook
from tests.browser.widget import look_the_same

OBJECT = [(180, 330), (225, 110), (150, 400), (250, 300), (200, 260)]
BACKGROUND = (400, 130)


def test_undo_restores_the_exact_picture_and_mask(notebook: Notebook) -> None:
    widget = notebook.widget()
    widget.click(*OBJECT[0])
    picture, mask = widget.picture(), notebook.kernel.mask("w.mask")
    widget.click(*BACKGROUND, positive=False)
    assert not np.array_equal(widget.picture(), picture)
    before = widget.revision()
    widget.key("u")
    widget.wait(after=before)
    assert np.array_equal(notebook.kernel.mask("w.mask"), mask)
    assert look_the_same(widget.picture(), picture)
    assert notebook.kernel.value("len(w.clicks)") == 1
    before = widget.revision()
    widget.root.get_by_test_id("iseg-redo").click()
    widget.wait(after=before)
    assert notebook.kernel.value("[c.positive for c in w.clicks]") == [True, False]


def test_overlay_is_drawn_where_the_mask_is(notebook: Notebook) -> None:
    widget = notebook.widget()
    before = widget.picture().astype(int)
    widget.click(*OBJECT[0])
    after = widget.picture().astype(int)
    mask = notebook.kernel.mask("w.mask")
    inside, outside = [], []
    for y in range(20, mask.shape[0] - 20, 40):
        for x in range(20, mask.shape[1] - 20, 40):
            if np.hypot(x - OBJECT[0][0], y - OBJECT[0][1]) < 40:
                continue  # the click's marker
            around = mask[y - 8 : y + 9, x - 8 : x + 9]
            change = widget.patch(np.abs(after - before), x, y, radius=1).max()
            if around.all():
                inside.append(change)
            elif not around.any():
                outside.append(change)
    assert len(inside) > 3
    assert min(inside) > 5
    assert max(outside) == 0


def test_ten_fast_clicks_are_coalesced(notebook: Notebook) -> None:
    widget = notebook.widget()
    widget.click(*OBJECT[0])
    notebook.kernel.run(
        "import time\n"
        "method = type(w.session.method)\n"
        "fast = method.step\n"
        "def slow(*values, **options):\n"
        "    time.sleep(0.5)\n"
        "    return fast(*values, **options)\n"
        "method.step = slow"
    )
    points = [(120 + 20 * i, 300 + 10 * (i % 3)) for i in range(10)]
    widget.press_all(points)
    widget.wait_for_clicks(11)
    kernel = notebook.kernel
    assert kernel.value("len(w.clicks)") == 11
    found = kernel.value("[(c.x, c.y) for c in w.clicks]")[1:]
    assert np.abs(np.array(found) - points).max() < 1
    groups = kernel.value("w.session.groups")
    assert sum(groups) == 11
    assert len(groups) < 9, "the clicks that arrived together were not answered together"
    again = "iseg.replay(w.session.method, sample.image, w.session.log()).mask"
    assert np.array_equal(kernel.mask(again), kernel.mask("w.mask"))


def test_the_menu_swaps_the_method_and_keeps_the_clicks(notebook: Notebook) -> None:
    widget = notebook.widget()
    widget.click(*OBJECT[0])
    widget.click(*BACKGROUND, positive=False)
    picture, mask = widget.picture(), notebook.kernel.mask("w.mask")
    menu = widget.root.get_by_test_id("iseg-method")
    offered = menu.evaluate("menu => [...menu.options].map(option => option.value)")
    assert offered == list(list_methods(loadable=True))
    before = widget.revision()
    menu.select_option("ritm")
    widget.wait(after=before)
    assert notebook.kernel.value("(w.method, w.session.method.name)") == ["ritm", "ritm"]
    assert notebook.kernel.value("[c.positive for c in w.clicks]") == [True, False]
    swapped = notebook.kernel.mask("w.mask")
    assert 0 < np.count_nonzero(swapped ^ mask) < mask.size / 2
    assert not np.array_equal(widget.picture(), picture)
    before = widget.revision()
    menu.select_option("focalclick")
    widget.wait(after=before)
    assert np.array_equal(notebook.kernel.mask("w.mask"), mask)


def test_keys_belong_to_the_widget_only_while_it_has_the_focus(notebook: Notebook) -> None:
    widget = notebook.widget()
    cells = notebook.cell_count()
    for key in ("d", "d", "a", "x", "m"):  # Lab: delete the cell, add one, cut, to Markdown
        widget.key(key)
    assert notebook.cell_count() == cells
    assert notebook.kernel.value("w.tool") == "eraser"  # the brush, and its opposite


def test_error_of_the_method_is_shown(notebook: Notebook) -> None:
    widget = notebook.widget()
    widget.click(*OBJECT[0])
    notebook.kernel.run(
        "method = type(w.session.method)\n"
        "intact = method.step\n"
        "def broken(*values, **options):\n"
        "    raise ValueError('the method is broken on purpose')\n"
        "method.step = broken"
    )
    widget.press(*OBJECT[1])
    error = widget.root.get_by_test_id("iseg-error")
    error.wait_for(state="visible", timeout=20_000)
    assert "broken on purpose" in error.inner_text()
    widget.wait()
    assert notebook.kernel.value("len(w.clicks)") == 1
    notebook.kernel.run("method.step = intact")
    widget.click(*OBJECT[1])
    assert notebook.kernel.value("len(w.clicks)") == 2


def test_second_view_and_python_show_the_same(notebook: Notebook) -> None:
    first = notebook.widget()
    first.click(*OBJECT[0])
    notebook.add_cell("w")
    second = notebook.widget(1)
    second.wait(after=first.revision() - 1)
    second.click(*OBJECT[1])
    first = notebook.widget(0)
    first.wait(after=second.revision() - 1)
    assert notebook.kernel.value("len(w.clicks)") == 2
    assert look_the_same(_inner(first.picture()), _inner(second.picture()))


def test_reload_of_the_page_keeps_the_clicks(notebook: Notebook) -> None:
    widget = notebook.widget()
    widget.click(*OBJECT[0])
    picture = widget.picture()
    notebook.save()
    notebook.load()
    widget = notebook.widget()
    assert notebook.kernel.value("len(w.clicks)") == 1
    assert look_the_same(_inner(widget.picture()), _inner(picture))


def test_restarted_kernel_leaves_the_picture(notebook: Notebook) -> None:
    widget = notebook.widget()
    widget.click(*OBJECT[0])
    notebook.restart()
    widget.press(*OBJECT[1])
    widget.wait(state="disconnected", timeout=30)
    assert widget.root.get_by_test_id("iseg-banner").is_visible()
    assert widget.picture().std() > 10


def _inner(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Without the frame that shows the focus."""
    return picture[4:-4, 4:-4]
