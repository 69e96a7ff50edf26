"""Work on one image, a kernel that goes away in the middle of it, and the same cell run again."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import nbformat
import numpy as np
import pytest

from tests.browser.lab import Lab, Notebook
from tests.browser.widget import look_the_same

OBJECT, OTHER = (180, 330), (400, 130)
CELLS = [
    "import iseg_widget as iseg\nsample = iseg.datasets.load('demo')[0]",
    "w = iseg.SegmentationWidget(sample.image, autosave='work.json')\nw",
]


@pytest.fixture
def opened(server: Lab, open_notebook: Callable[[str], Notebook]) -> Notebook:
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(code) for code in CELLS],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
    )
    nbformat.write(notebook, server.folder / "autosave.ipynb")
    return open_notebook("autosave.ipynb")


def test_the_cell_run_again_after_the_kernel_was_killed_goes_on(opened: Notebook) -> None:
    widget = opened.widget()
    widget.click(*OBJECT)
    widget.click(*OTHER, positive=False)
    opened.kernel.run("w.brush([(60, 60), (120, 80)], 9)\nw.add_object()\nw.click(430, 380)")
    widget.wait()
    names = "[name for name, _ in w.annotation.past_and_future]"
    everything = "[[o.id, [c.to_dict() for c in o.clicks], o.area] for o in w.objects]"
    kept = opened.kernel.value(everything), opened.kernel.value(names)
    mask, picture = opened.kernel.mask("w.mask"), widget.picture()
    assert opened.kernel.value("w._kept.flush() and w.saved")
    os.kill(opened.kernel.value("__import__('os').getpid()"), signal.SIGKILL)

    opened.restart()
    widget.press(*OTHER)
    widget.wait(state="disconnected", timeout=60)
    assert "run the cell again" in widget.root.get_by_test_id("iseg-banner").inner_text()
    assert _inner(widget.picture()).std() > 0.5 * _inner(picture).std()

    opened.run_all()
    widget = opened.widget()
    assert (opened.kernel.value(everything), opened.kernel.value(names)) == kept
    assert np.array_equal(opened.kernel.mask("w.mask"), mask)
    assert look_the_same(_inner(widget.picture()), _inner(picture))
    widget.key("u")  # undo, as before
    widget.wait()
    assert opened.kernel.value("[len(o.clicks) for o in w.objects]") == [2, 0]
    widget.click(*OBJECT)
    assert opened.kernel.value("[len(o.clicks) for o in w.objects]") == [2, 1]


def _inner(picture: np.ndarray) -> np.ndarray:
    """Without the frame that shows the focus."""
    return picture[4:-4, 4:-4]
