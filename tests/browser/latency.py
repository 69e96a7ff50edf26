"""How long a click takes in a real page: ``make latency``.

``python -m tests.browser.latency`` opens JupyterLab in Chromium, clicks all over the demonstration
picture at several sizes, and prints the milliseconds from the press of the button until the mask
is drawn, in all and by phase, and how long a widget takes from running its cell to its first
picture. Numbers depend on the machine, and on what else it does: say it beside them.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import nbformat
import numpy as np

from tests.browser import lab
from tests.browser.widget import Widget

NOTEBOOK = "latency.ipynb"
SIZES = ((640, 480), (4000, 3000))

CLICKS = (
    *((320, 240), (300, 100), (200, 300), (400, 300), (320, 400), (250, 350)),
    *((350, 150), (300, 200), (420, 400), (280, 280), (310, 330), (260, 420)),
)
"""For an image of 640 x 480; every fourth is background."""

PAUSE = 0.5
"""Seconds before the page is looked at again: asking it all the time would slow it down."""

RUN = """async code => {
    const { commands, shell } = window.jupyterapp;
    const content = shell.currentWidget.content;
    content.activeCellIndex = content.widgets.length - 1;
    await commands.execute('notebook:insert-cell-below');
    const cell = content.activeCell;
    cell.model.sharedModel.setSource(code);
    const start = performance.now();
    commands.execute('notebook:run-cell');
    return await new Promise(done => {
        const look = () => {
            const found = cell.node.querySelector('.iseg-widget');
            if (found?.dataset.sharp === 'true') done(performance.now() - start);
            else requestAnimationFrame(look);
        };
        look();
    });
}"""


def _notebook(folder: Path) -> Path:
    cells = (
        "import cv2\nimport iseg_widget as iseg\nimage = iseg.datasets.load('demo')[0].image",
        # The first widget of a kernel imports what all need.
        "iseg.SegmentationWidget(image)",
        *(f"picture_{w} = cv2.resize(image, ({w}, {h}))" for w, h in SIZES),
    )
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(cell) for cell in cells],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
    )
    path = folder / NOTEBOOK
    nbformat.write(notebook, path)
    return path


def _click(widget: Widget, scale: float, rounds: int) -> list[float]:
    found = []
    for turn in range(rounds):
        for number, (x, y) in enumerate(CLICKS):
            before = widget.revision()
            at = ((x + 7 * turn) * scale, (y + 5 * turn) * scale)
            widget.press(*at, positive=number % 4 != 3)
            time.sleep(PAUSE)
            widget.wait(after=before)
            found.append(widget.latency_ms())
    return found


def measure(rounds: int) -> None:
    """Print what was measured, with ``rounds`` times twelve clicks a picture."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = _notebook(folder)
        with (
            lab.serve([path], folder / "server") as server,
            lab.browse() as browser,
            lab.open_page(server, browser, NOTEBOOK) as notebook,
        ):
            notebook.load()
            notebook.run_all()
            notebook.widget(0).wait()
            for number, (width, height) in enumerate(SIZES):
                code = f"w{number} = iseg.SegmentationWidget(picture_{width})\nw{number}"
                first = notebook.page.evaluate(RUN, code)
                widget = notebook.widget(number + 1)
                widget.wait()
                time.sleep(3)  # the method is loaded meanwhile
                found = _click(widget, width / 640, rounds)
                median, p95 = np.percentile(found, [50, 95])
                print(f"\n{width} x {height}: first picture {first:.0f} ms")
                print(f"click to mask: median {median:.0f} ms, 95 % {p95:.0f} ms")
                print(widget.root.get_by_test_id("iseg-timing").get_attribute("title"))


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=2, help="times twelve clicks (2)")
    measure(parser.parse_args(argv).rounds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
