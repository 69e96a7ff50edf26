"""The comparison with mouse and keys in a real page, against what Python then holds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from iseg_widget.clicks import Click
from iseg_widget.evaluation.robot import next_click
from tests.browser.lab import Notebook
from tests.browser.widget import Comparison, look_the_same

OBJECT, HELMET = (180, 330), (400, 400)
PANES = ("focalclick", "focalclick merge_after=1")


@pytest.fixture
def comparison(notebook: Notebook) -> Comparison:
    """A comparison ``c`` of one method under two options."""
    notebook.add_cell(
        "methods = ['focalclick', ('focalclick', {'merge_after': 1})]\n"
        "c = iseg.CompareWidget(sample.image, methods, truth=sample.mask)\n"
        "c"
    )
    return notebook.comparison(1)


def _alone(notebook: Notebook, name: str) -> Any:
    """Mask of a pane's method, from the same clicks without a widget."""
    session = f"c.sessions[{name!r}]"
    return notebook.kernel.mask(f"iseg.replay({session}.method, c.image, {session}.log()).mask")


def test_clicks_undo_and_robot_in_all_panes(notebook: Notebook, comparison: Comparison) -> None:
    kernel = notebook.kernel
    first, second, agreement = (comparison.pane(number) for number in range(3))
    empty = [pane.picture() for pane in (first, second, agreement)]

    second.click(*OBJECT)
    kernel.run("before = dict(c.masks)")
    one = [pane.picture() for pane in (first, second, agreement)]
    for old, new in zip(empty, one, strict=True):
        assert not np.array_equal(old, new)
    (x, y) = kernel.value("(lambda click: (click.x, click.y))(c.clicks[0])")
    assert abs(x - OBJECT[0]) < 1.5
    assert abs(y - OBJECT[1]) < 1.5

    first.click(*HELMET, positive=False)
    assert kernel.value("[click.positive for click in c.clicks]") == [True, False]
    for name in PANES:
        assert np.array_equal(kernel.mask(f"c.masks[{name!r}]"), _alone(notebook, name))
    assert kernel.value("[session.groups for session in c.sessions.values()]") == [[1, 1]] * 2
    total = sum(kernel.mask(f"c.masks[{name!r}]").astype(int) for name in PANES)
    assert np.array_equal(kernel.mask("c.agreement == 2"), total == 2)

    revision = first.revision()
    first.key("u")
    first.wait(after=revision)
    for name in PANES:
        assert kernel.value(f"bool((c.masks[{name!r}] == before[{name!r}]).all())")
    assert look_the_same(second.picture(), one[1])
    assert look_the_same(agreement.picture(), one[2])

    clicks = [Click(**click) for click in kernel.value("[k.to_dict() for k in c.clicks]")]
    wanted = next_click(kernel.mask(f"c.masks[{PANES[0]!r}]"), kernel.mask("sample.mask"), clicks)
    revision = first.revision()
    first.root.get_by_test_id("iseg-robot").click()
    first.wait(after=revision)
    assert kernel.value("c.clicks[-1].to_dict()") == wanted.to_dict()
    curves = kernel.value("c.ious")
    table = first.root.get_by_test_id("iseg-chart-table").locator("tbody tr").last.inner_text()
    assert [f"{values[-1]:.3f}" for values in curves.values()] == table.split()[1:]


def test_the_panes_move_together_and_a_click_can_be_dragged(
    notebook: Notebook, comparison: Comparison
) -> None:
    first, second = comparison, comparison.pane(1)
    first.click(*OBJECT)
    first.turn_wheel(*OBJECT, -200)
    for name in ("scale", "offset-x", "offset-y"):
        one, two = (pane.canvas.get_attribute(f"data-{name}") for pane in (first, second))
        assert one == two
    revision = first.revision()
    mouse = notebook.page.mouse
    mouse.move(*second.position(*OBJECT))
    mouse.down()
    mouse.move(*second.position(OBJECT[0] + 20, OBJECT[1] + 30), steps=4)
    mouse.up()
    first.wait(after=revision)
    assert notebook.kernel.value("len(c.clicks)") == 1
    (x, y) = notebook.kernel.value("(lambda click: (click.x, click.y))(c.clicks[0])")
    assert abs(x - OBJECT[0] - 20) < 1.5
    assert abs(y - OBJECT[1] - 30) < 1.5
