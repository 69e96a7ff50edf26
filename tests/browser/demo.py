"""The demo without a display: JupyterLab, Chromium, and a robot that clicks with the mouse.

``python -m tests.browser.demo`` runs the quickstart notebook in a real page, clicks the object
until the mask is good, prints what it took, and leaves ``demo/screenshot.png`` and
``demo/mask.png``.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

from PIL import Image

from iseg_widget.clicks import Click
from iseg_widget.evaluation.robot import next_click
from iseg_widget.masks import iou
from tests.browser import lab
from tests.browser.widget import Widget

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = ROOT / "notebooks" / "00_quickstart.ipynb"


def click_object(
    widget: Widget, *, goal: float, max_clicks: int, min_clicks: int = 1
) -> tuple[list[float], list[float]]:
    """Click where the mask is most wrong; the IoU and the latency in ms after each click.

    The notebook's names are used: ``w`` is the widget, ``sample`` what it shows.
    """
    kernel = widget.notebook.kernel
    truth = kernel.mask("sample.mask")
    clicks: list[Click] = []
    ious: list[float] = []
    latencies: list[float] = []
    mask = kernel.mask("w.mask")
    while len(clicks) < max_clicks and (len(clicks) < min_clicks or ious[-1] < goal):
        click = next_click(mask, truth, clicks)
        latencies.append(widget.click(click.x, click.y, positive=click.positive))
        clicks.append(click)
        mask = kernel.mask("w.mask")
        ious.append(iou(mask, truth))
    return ious, latencies


def main() -> int:
    """Run the demo; exit status 0 when the goal was reached."""
    parser = argparse.ArgumentParser(description="Click the quickstart's object in a real page.")
    parser.add_argument("--out", type=Path, default=ROOT / "demo", help="folder for the pictures")
    parser.add_argument("--goal", type=float, default=0.9, help="IoU to reach")
    parser.add_argument("--min-clicks", type=int, default=5, help="so that times have a median")
    parser.add_argument("--max-clicks", type=int, default=8)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="iseg-demo-") as home,
        lab.serve([NOTEBOOK], Path(home)) as server,
        lab.browse() as browser,
        lab.open_page(server, browser, NOTEBOOK.name) as notebook,
    ):
        notebook.load()
        notebook.run_all()
        widget = notebook.widget()
        ious, latencies = click_object(
            widget,
            goal=arguments.goal,
            max_clicks=arguments.max_clicks,
            min_clicks=arguments.min_clicks,
        )
        notebook.page.screenshot(path=arguments.out / "screenshot.png")
        stats = notebook.kernel.text("str(w.stats())")
        Image.fromarray(notebook.kernel.mask("w.mask")).save(arguments.out / "mask.png")
    reached = next((n for n, value in enumerate(ious, 1) if value >= arguments.goal), None)
    print(f"IoU {ious[-1]:.3f} after {len(ious)} clicks; {arguments.goal} reached at {reached}")
    print(f"click to overlay: median {statistics.median(latencies):.0f} ms")
    print(stats)
    print(f"pictures: {arguments.out / 'screenshot.png'}, {arguments.out / 'mask.png'}")
    return 0 if reached is not None else 1


if __name__ == "__main__":
    sys.exit(main())
