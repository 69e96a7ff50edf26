"""The core path in hosts other than JupyterLab: the widget appears, a click gives a mask."""

from __future__ import annotations

from pathlib import Path

import nbformat
import numpy as np
import pytest
from playwright.sync_api import BrowserContext

from tests.browser import hosts, lab
from tests.browser.conftest import WIDGET_CELLS, WIDGET_NOTEBOOK

OBJECT = (180, 330)

MARIMO = """
import marimo

app = marimo.App()


@app.cell
def _():
    import marimo as mo
    import iseg_widget as iseg

    sample = iseg.datasets.load("demo")[0]
    return iseg, mo, sample


@app.cell
def _(iseg, mo, sample):
    view = mo.ui.anywidget(iseg.SegmentationWidget(sample.image))
    view
    return (view,)


@app.cell
def _(mo, sample, view):
    found = [int(view.mask.sum()), len(view.clicks), bool(view.mask[330, 180])]
    truth = int((view.mask & sample.mask).sum())
    mo.md(f"read: {found} {truth} {view.method}")
    return


if __name__ == "__main__":
    app.run()
"""


@pytest.fixture
def notebook_file(tmp_path: Path) -> Path:
    """A notebook that shows a widget."""
    cells = [nbformat.v4.new_code_cell(code) for code in WIDGET_CELLS]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    path = tmp_path / WIDGET_NOTEBOOK
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), path)
    return path


def test_marimo_runs_the_next_cell_with_the_new_mask(
    tmp_path: Path, browser: BrowserContext
) -> None:
    app = tmp_path / "app.py"
    app.write_text(MARIMO)
    with hosts.marimo(app, tmp_path) as address, hosts.visit(browser, address) as page:
        widget = hosts.only_widget(page)
        read = page.get_by_text("read:")
        read.get_by_text("read: [0, 0, False] 0 focalclick").wait_for()
        widget.click(*OBJECT)
        # No call and no run of a cell in between: the cell that reads the mask runs by itself.
        read.get_by_text("1, True]").wait_for()
        area, truth = (int(word) for word in _figures(read.inner_text()))
        assert area > 10_000
        assert truth > 0.5 * area
        widget.press(400, 130, positive=False)
        read.get_by_text(", 2, ").wait_for()


def _figures(text: str) -> tuple[str, str]:
    """Area and overlap of ``read: [area, clicks, inside] overlap method``."""
    inside, after = text.partition("[")[2].split("]")
    return inside.split(",")[0], after.split()[0]


def test_voila_shows_a_working_widget(
    tmp_path: Path, notebook_file: Path, browser: BrowserContext
) -> None:
    with hosts.voila(notebook_file, tmp_path) as address, hosts.visit(browser, address) as page:
        widget = hosts.only_widget(page)
        widget.click(*OBJECT)
        kernel = lab.Kernel(next((tmp_path / "connections").rglob("kernel-*.json")))
        try:
            mask = kernel.mask("w.mask")
            assert kernel.value("len(w.clicks)") == 1
        finally:
            kernel.close()
        assert mask[OBJECT[1], OBJECT[0]]
        assert 10_000 < np.count_nonzero(mask) < 0.75 * mask.size


def test_notebook_7_shows_a_working_widget(
    tmp_path: Path, notebook_file: Path, browser: BrowserContext
) -> None:
    with (
        lab.serve([notebook_file], tmp_path / "server", app="notebook") as server,
        lab.open_page(server, browser, WIDGET_NOTEBOOK) as notebook,
    ):
        notebook.load()
        notebook.run_all()
        widget = notebook.widget()
        widget.click(*OBJECT)
        mask = notebook.kernel.mask("w.mask")
        assert mask[OBJECT[1], OBJECT[0]]
        assert 10_000 < np.count_nonzero(mask) < 0.75 * mask.size
        before = widget.revision()
        widget.key("u")  # the keys reach the widget, not the notebook's commands
        widget.wait(after=before)
        assert notebook.kernel.value("len(w.clicks)") == 0
