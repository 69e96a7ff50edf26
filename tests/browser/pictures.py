"""The README's pictures, taken of a real session: ``make pictures``.

``python -m tests.browser.pictures`` opens JupyterLab in Chromium, works with the widgets as a
person would, and leaves ``session.webp`` (animated), ``views.png`` and ``compare.png``.
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
from pathlib import Path

import nbformat
from PIL import Image
from playwright.sync_api import Locator

from tests.browser import lab
from tests.browser.widget import Widget

ROOT = Path(__file__).resolve().parents[2]
CELLS = (
    "import iseg_widget as iseg\nsample = iseg.datasets.load('demo')[0]",
    "w = iseg.SegmentationWidget(sample.image, truth=sample.mask)\nw",
    """c = iseg.CompareWidget(
    sample.image, ['ris_net', 'fca_net', 'focalclick'], truth=sample.mask)
c""",
)
NOTEBOOK = "pictures.ipynb"
WIDTH = 860
"""Of the animation, in pixels."""

CLICKS = (
    (180, 330, True),
    (345, 427, False),
    (225, 110, True),
    (408, 132, False),
    (300, 484, False),
)


class Film:
    """Frames of one element of the page."""

    def __init__(self, shown: Locator) -> None:
        self._shown = shown
        self._frames: list[Image.Image] = []
        self._times: list[int] = []

    def take(self, milliseconds: int) -> None:
        """Add what is to be seen now, for so long."""
        data = self._shown.screenshot(animations="disabled")
        frame = Image.open(io.BytesIO(data)).convert("RGB")
        if self._frames:
            frame = frame.resize(self._frames[0].size)
        elif frame.width > WIDTH:
            frame = frame.resize((WIDTH, round(frame.height * WIDTH / frame.width)))
        self._frames.append(frame)
        self._times.append(milliseconds)

    def save(self, path: Path) -> None:
        """Write the animation."""
        first, *rest = self._frames
        first.save(
            path, save_all=True, append_images=rest, duration=self._times, loop=0, quality=72
        )


def session(widget: Widget, out: Path) -> None:
    """A few clicks, what the method looked at, and back through the history."""
    film = Film(widget.root)
    film.take(900)
    for x, y, positive in CLICKS:
        widget.page.mouse.move(*widget.position(x, y))
        film.take(350)
        widget.click(x, y, positive=positive)
        film.take(900)
    widget.key("w")
    panel = widget.root.get_by_test_id("iseg-explain-panel")
    panel.locator("img").first.wait_for(timeout=60_000)
    widget.page.wait_for_timeout(2500)
    film.take(2200)
    widget.root.screenshot(path=out / "views.png", animations="disabled")
    widget.key("h")
    widget.page.wait_for_timeout(2500)
    film.take(1500)
    for _ in range(2):
        before = widget.revision()
        widget.key("u")
        widget.wait(after=before)
        widget.page.wait_for_timeout(600)
        film.take(700)
    film.save(out / "session.webp")


def compare(notebook: lab.Notebook, out: Path) -> None:
    """The robot clicks where one method is wrong; all panes get its clicks."""
    notebook.comparison()
    for _ in range(4):
        notebook.kernel.run("c.robot_click('focalclick')", timeout=300)
    notebook.page.wait_for_timeout(2500)
    shown = notebook.page.locator(".iseg-compare").first
    shown.scroll_into_view_if_needed()
    notebook.page.mouse.move(1, 1)  # the pane under the pointer would stand out
    notebook.page.wait_for_timeout(500)
    shown.screenshot(path=out / "compare.png", animations="disabled")


def main() -> int:
    """Take the pictures."""
    parser = argparse.ArgumentParser(description="Take the README's pictures of a real session.")
    parser.add_argument("--out", type=Path, default=ROOT / "notebooks" / "pictures")
    out: Path = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="iseg-pictures-") as name:
        home = Path(name)
        cells = [nbformat.v4.new_code_cell(code) for code in CELLS]
        kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
        nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), home / NOTEBOOK)
        with (
            lab.serve([home / NOTEBOOK], home / "server") as server,
            lab.browse({"width": 1360, "height": 1000}) as browser,
            lab.open_page(server, browser, NOTEBOOK) as notebook,
        ):
            notebook.load()
            notebook.run_all()
            session(notebook.widget(), out)
            compare(notebook, out)
    print(*sorted(str(path) for path in out.iterdir()), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
