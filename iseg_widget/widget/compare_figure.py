"""A comparison on a page, with matplotlib: a picture for each pane, agreement, and IoU curves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from iseg_widget.clicks import Click
from iseg_widget.masks import contours

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Rgb = tuple[int, int, int]

_MARKERS = ("o", "s", "^", "D")
_POSITIVE, _NEGATIVE = "#009e73", "#d55e00"
_CURVES = 2.4
"""Height of the curves in inches."""
_TITLE = 0.62
"""Room above each picture in inches."""


@dataclass(frozen=True)
class Shown:
    """A pane as it is drawn.

    ``mask`` is (H, W) bool; ``points`` are pairs (clicks so far, IoU); ``error`` says why the
    pane has no answer.
    """

    title: str
    detail: str
    colour: Rgb
    mask: NDArray[np.bool_]
    points: Sequence[tuple[int, float]] = ()
    seconds: float | None = None
    error: str | None = None


def draw(
    image: NDArray[np.uint8],
    panes: Sequence[Shown],
    clicks: Sequence[Click],
    agreement: NDArray[np.integer[Any]] | None,
    *,
    columns: int | None = None,
    width: float = 10.0,
) -> Figure:
    """Lay out a comparison.

    Parameters
    ----------
    image: ``(H, W, 3)`` uint8 RGB.
    panes: in order; curves are drawn when any has points.
    clicks: drawn into every picture.
    agreement: ``(H, W)`` number of panes that say object, drawn as one more picture.
    columns: pictures beside each other; by default up to three.
    width: of the page in inches; its height follows.

    Raises
    ------
    ValueError: ``columns`` is less than 1.
    ImportError: matplotlib is missing.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("pictures need matplotlib: pip install 'iseg-widget[lab]'") from error

    count = len(panes) + (agreement is not None)
    if columns is None:
        columns = count if count <= 3 else 2 if count == 4 else 3
    if columns < 1:
        raise ValueError(f"columns must be at least 1, got {columns}")
    rows = math.ceil(count / columns)
    cell = width / columns * image.shape[0] / image.shape[1] + _TITLE
    curves = any(pane.points for pane in panes)
    heights = [cell] * rows + [_CURVES] * curves
    made = Figure(figsize=(width, sum(heights)), dpi=100, layout="constrained")
    made.patch.set_facecolor("white")
    grid = made.add_gridspec(len(heights), columns, height_ratios=heights)
    for index, pane in enumerate(panes):
        _picture(made.add_subplot(grid[index // columns, index % columns]), image, pane, clicks)
    if agreement is not None:
        at = grid[len(panes) // columns, len(panes) % columns]
        _agreement(made.add_subplot(at), image, agreement, sum(p.error is None for p in panes))
    if curves:
        _curves(made.add_subplot(grid[rows, :]), panes)
    return made


def _picture(ax: Axes, image: NDArray[np.uint8], pane: Shown, clicks: Sequence[Click]) -> None:
    ink = _ink(pane.colour)
    ax.imshow(image)
    ax.imshow(_tint(pane.mask, pane.colour, 0.4))
    for outline in contours(pane.mask):
        points = np.vstack([outline, outline[:1]])
        ax.plot(points[:, 0], points[:, 1], color="white", linewidth=2.2)
        ax.plot(points[:, 0], points[:, 1], color=ink, linewidth=1.1)
    for positive, colour, marker in ((True, _POSITIVE, "o"), (False, _NEGATIVE, "s")):
        some = [click for click in clicks if click.positive == positive]
        ax.plot(
            [click.x for click in some],
            [click.y for click in some],
            linestyle="none",
            marker=marker,
            markersize=6,
            color=colour,
            markeredgecolor="white",
        )
    facts = [f"IoU {pane.points[-1][1]:.3f}"] if pane.points else []
    facts += [] if pane.seconds is None else [f"{1000 * pane.seconds:.0f} ms"]
    below = "no answer" if pane.error is not None else "  ".join(facts)
    second = "  ".join(part for part in (pane.detail, below) if part)
    _finish(ax, image, pane.title, second)


def _agreement(
    ax: Axes, image: NDArray[np.uint8], agreement: NDArray[np.integer[Any]], count: int
) -> None:
    from matplotlib import colormaps
    from matplotlib.patches import Patch

    grey = image.mean(axis=2)  # the map's colours are to be read, not the picture's
    ax.imshow(grey, cmap="gray", vmin=0, vmax=255)
    handles = []
    for votes in range(1, count + 1):
        share = 1.0 if count == 1 else (votes - 1) / (count - 1)
        # From bright (one of them) to dark (all of them), as on the page.
        red, green, blue = (round(255 * part) for part in colormaps["viridis_r"](0.85 * share)[:3])
        ax.imshow(_tint(agreement == votes, (red, green, blue), 0.75))
        handles.append(Patch(color=_ink((red, green, blue)), label=f"{votes} of {count}"))
    if handles:
        ax.legend(handles=handles, fontsize=7, loc="lower right", framealpha=0.85)
    some = int(np.count_nonzero(agreement))
    everywhere = int(np.count_nonzero(agreement == count)) if count else 0
    said = f"{100 * everywhere / some:.0f} % in all masks" if some else ""
    _finish(ax, image, "Agreement", said)


def _finish(ax: Axes, image: NDArray[np.uint8], title: str, second: str) -> None:
    ax.set(xlim=(-0.5, image.shape[1] - 0.5), ylim=(image.shape[0] - 0.5, -0.5))
    ax.axis("off")
    ax.set_title(f"{title}\n{second}" if second else title, fontsize=9.5)


def _curves(ax: Axes, panes: Sequence[Shown]) -> None:
    from matplotlib.ticker import MaxNLocator

    for index, pane in enumerate(panes):
        if not pane.points:
            continue
        ax.plot(
            [clicks for clicks, _ in pane.points],
            [iou for _, iou in pane.points],
            color=_ink(pane.colour),
            marker=_MARKERS[index % len(_MARKERS)],
            linestyle=("-", "--")[index // len(_MARKERS) % 2],
            markersize=5,
            label=pane.title if not pane.detail else f"{pane.title} ({pane.detail})",
        )
    ax.set(xlabel="clicks", ylabel="IoU")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.grid(alpha=0.3)
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(fontsize=8, loc="lower right", framealpha=0.85)


def _tint(mask: NDArray[np.bool_], colour: Rgb, opacity: float) -> NDArray[np.uint8]:
    """Return an (H, W, 4) picture of the mask."""
    tint = np.zeros((*mask.shape, 4), np.uint8)
    tint[mask] = (*colour, round(255 * opacity))
    return tint


def _ink(colour: Rgb) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)
