"""The quickstart, as a person uses it: run the cells, click the object, read the mask in Python."""

from __future__ import annotations

from collections.abc import Callable

import nbformat
import numpy as np

from tests.browser.demo import NOTEBOOK, click_object
from tests.browser.lab import Notebook

MEGABYTE = 1_000_000


def test_object_is_segmented_by_mouse(open_notebook: Callable[[str], Notebook]) -> None:
    notebook = open_notebook(NOTEBOOK.name)
    widget = notebook.widget()
    assert notebook.kernel.value("len(w.clicks)") == 0
    before = widget.picture()
    ious, latencies = click_object(widget, goal=0.8, max_clicks=5)
    assert ious[-1] >= 0.8
    assert all(latency > 0 for latency in latencies)

    # the pixels under the first click show the mask now
    x, y, positive = notebook.kernel.value("(lambda c: (c.x, c.y, c.positive))(w.clicks[0])")
    assert positive
    after = widget.picture()
    # beside the marker, which is drawn at the click itself
    truth = notebook.kernel.mask("w.mask & sample.mask")
    beside = _inside(truth, x, y)
    old, new = (widget.patch(picture, *beside).astype(int) for picture in (before, after))
    assert np.abs(new - old).max() > 10

    saved = notebook.save()
    nbformat.validate(nbformat.read(saved, as_version=4))
    assert saved.stat().st_size < 2 * MEGABYTE, "pixels of the widget landed in the notebook"


def test_no_errors_in_the_console(open_notebook: Callable[[str], Notebook]) -> None:
    notebook = open_notebook(NOTEBOOK.name)
    notebook.widget()
    errors = [text for text in notebook.messages if text.startswith(("error", "pageerror"))]
    # The second was seen once, from Lab's widget manager on a freshly opened page. Why is
    # not established; the widget waited for above was on the page all the same.
    harmless = ("404", "widget model not found")
    assert not [text for text in errors if not any(word in text for word in harmless)], errors


def _inside(mask: np.ndarray, x: float, y: float) -> tuple[int, int]:
    """A pixel deep inside the mask and at least 30 pixels away from a point."""
    import cv2

    distance = cv2.distanceTransform(np.pad(mask, 1).astype(np.uint8), cv2.DIST_L2, 3)[1:-1, 1:-1]
    rows, columns = np.indices(mask.shape)
    distance[np.hypot(columns - x, rows - y) < 30] = 0
    row, column = np.unravel_index(distance.argmax(), mask.shape)
    return int(column), int(row)
