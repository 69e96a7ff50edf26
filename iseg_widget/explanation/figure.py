"""All panels of a step on a page, with matplotlib: for a paper, a lecture or a notebook."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from iseg_widget.clicks import Click
from iseg_widget.explanation.layout import CAPTION, MARGIN, TITLE, Cell, Page, balanced
from iseg_widget.explanation.panel import Panel, clicks_on
from iseg_widget.explanation.panels import explain
from iseg_widget.explanation.render import (
    MASK,
    NEGATIVE,
    POSITIVE,
    VIEWS,
    WHITE,
    Rgb,
    colours,
    scale,
    scale_of,
    smooth,
)
from iseg_widget.explanation.rows import ANSWER, GENERIC_VIEWS
from iseg_widget.masks import contours
from iseg_widget.protocol import Step

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from iseg_widget.session import Session

_DASHES: dict[str, Any] = {
    "focus_crop": (0, (5, 3)),
    "focus_view": (0, (5, 3)),
    "roi": (0, (1.5, 2)),
}
"""Boxes differ in dash as well as in colour, as in the widget; the others are drawn through."""

_BAND = 3.6
"""Height in inches of the picture of the whole image."""


def figure(
    subject: Session | Step,
    image: NDArray[np.uint8] | None = None,
    *,
    clicks: Sequence[Click] | None = None,
    title: str | None = None,
    columns: int = 6,
    width: float = 13.0,
) -> Figure:
    """Lay out a step: the image with clicks, mask and views, the answer, then every panel.

    Parameters
    ----------
    subject: a session, whose latest step is shown (and answered once more if it was not traced), or
        a step. A step that was not traced has its crops and its answer to show, and no more.
    image: ``(H, W, 3)`` uint8 RGB; needed for a step, a session has its own.
    clicks: drawn on image and crops; default: the session's, or those of the step.
    title: default: the session's method and number of clicks.
    columns: largest number of panels beside each other.
    width: of the page in inches; its height follows.

    Returns
    -------
    Figure that pyplot does not know of: a notebook shows it once, ``savefig`` writes it.

    Raises
    ------
    ValueError: a session without a step, a step without an image, fewer than 2 columns, or a page
        with less than an inch to a column.
    ImportError: matplotlib is missing.
    """
    if columns < 2 or width / columns < 1.0:
        raise ValueError(
            f"at least 2 columns of an inch are needed, got {columns} on {width:g} inches"
        )
    if isinstance(subject, Step):
        if image is None:
            raise ValueError("the figure of a step needs the image that was clicked on")
        step, drawn, heading = subject, subject.clicks, "Step"
    else:
        if subject.step is None:
            raise ValueError("the session has no step yet: nothing was clicked")
        step, drawn = subject.traced(), subject.clicks
        image = subject.image if image is None else image
        heading = f"{subject.method.name}, click {len(drawn)}"
        if step.iou is not None:
            heading += f", IoU {100 * step.iou:.1f} %"
    panels = explain(step, image)
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("pictures need matplotlib: pip install 'iseg-widget[lab]'") from error
    shown = tuple(drawn if clicks is None else clicks)
    sizes = Counter(panel.group for panel in panels if panel.group != ANSWER)
    page = Page(width, balanced(list(sizes.values()), columns))
    cells = _arrange(page, panels, image.shape[1] / image.shape[0])
    made = Figure(figsize=(width, page.height), dpi=100)
    made.patch.set_facecolor("white")
    _headings(made, page, heading if title is None else title)
    _overview(made, page, image, step, shown)
    for panel, cell in cells:
        _cell(made, page, panel, cell, clicks_on(panel, panels, shown))
    return made


def _arrange(page: Page, panels: Sequence[Panel], aspect: float) -> list[tuple[Panel, Cell]]:
    """Give every panel its place: the answer beside the image, the rest below by group."""
    answers = [panel for panel in panels if panel.group == ANSWER]
    placed = list(zip(answers, page.band(answers, aspect, _BAND), strict=True))
    rest = [panel for panel in panels if panel.group != ANSWER]
    for group, members in groupby(rest, key=lambda panel: panel.group):
        same = list(members)
        page.heading(group)
        placed += zip(same, page.rows(same), strict=True)
    return placed


def _headings(made: Figure, page: Page, title: str) -> None:
    x = MARGIN / page.width
    made.text(x, page.up(MARGIN), title, size=13, weight="bold", va="top")
    for text, top in page.headings:
        made.text(x, page.up(top), text, size=10, weight="bold", va="top", color="#1f2328")
        y = page.up(top - 0.05)
        made.add_artist(_line([x, 1 - x], [y, y], color="#c8ced6", linewidth=0.8))


def _line(xs: list[float], ys: list[float], **style: Any) -> Any:
    from matplotlib.lines import Line2D

    return Line2D(xs, ys, **style)


def _click_style(positive: bool) -> tuple[str, str]:
    """Colour and marker of a kind of click."""
    return (_hex(POSITIVE), "o") if positive else (_hex(NEGATIVE), "s")


def _hex(colour: Rgb) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)


def _axes(made: Figure, page: Page, left: float, top: float, width: float, height: float) -> Axes:
    """Add axes by inches from the page's top left corner."""
    return made.add_axes(
        (
            left / page.width,
            page.up(top + height),
            width / page.width,
            height / page.height,
        )
    )


def _overview(
    made: Figure, page: Page, image: NDArray[np.uint8], step: Step, clicks: Sequence[Click]
) -> None:
    """Draw the image with mask contour, view boxes and clicks, and what they are below it."""
    place = page.overview
    ax = _axes(made, page, place.left, place.top, place.width, place.height)
    edge = (0, 0, image.shape[1], image.shape[0])
    ax.imshow(image, extent=_extent(edge), interpolation="antialiased", aspect="auto")
    handles = [*_outline(ax, step), *_boxes(ax, step)]
    _clicks(ax, clicks, edge, size=9.0, numbered=True)
    for positive, name in ((True, "positive click"), (False, "negative click")):
        if any(click.positive == positive for click in clicks):
            colour, marker = _click_style(positive)
            style = {"linestyle": "none", "marker": marker, "markersize": 6}
            handles.append(_line([], [], color=colour, label=name, **style))
    _frame_of(ax, edge)
    if handles:
        ax.legend(
            handles=handles,
            loc="upper left",
            bbox_to_anchor=(0.0, -0.01),
            borderaxespad=0.0,
            ncols=min(3, len(handles)),
            fontsize=CAPTION,
            frameon=False,
            handlelength=2.8,
            columnspacing=1.2,
        )


def _outline(ax: Axes, step: Step) -> list[Any]:
    """Draw the mask's contour; return its entry for the legend."""
    mask, ink = step.mask, _hex(MASK)
    if not mask.any():
        return []
    for outline in contours(mask):
        points = np.vstack([outline, outline[:1]])
        ax.plot(points[:, 0], points[:, 1], color="white", linewidth=2.4)
        ax.plot(points[:, 0], points[:, 1], color=ink, linewidth=1.2)
    return [_line([], [], color=ink, linewidth=1.6, label="mask")]


def _boxes(ax: Axes, step: Step) -> list[Any]:
    """Draw the views' boxes; return their entries for the legend, one for each kind."""
    from matplotlib.patches import Rectangle

    handles = []
    for kind in dict.fromkeys(view.kind for view in step.views):
        colour, dash = _hex(VIEWS.get(kind, WHITE)), _DASHES.get(kind, "-")
        for x0, y0, x1, y1 in (view.box for view in step.views if view.kind == kind):
            for line, ink, style in ((2.6, "#1b1b1b", "-"), (1.4, colour, dash)):
                at, size = (x0 - 0.5, y0 - 0.5), (x1 - x0, y1 - y0)
                box = Rectangle(at, *size, fill=False, edgecolor=ink, linewidth=line)
                # Unclipped, or a box along the image's border would be half as wide.
                box.set(linestyle=style, clip_on=False, zorder=2.5)
                ax.add_patch(box)
        label = GENERIC_VIEWS.get(kind, (kind.replace("_", " "),))[0].lower()
        handles.append(_line([], [], color=colour, linestyle=dash, linewidth=1.8, label=label))
    return handles


def _extent(box: tuple[int, int, int, int]) -> tuple[float, float, float, float]:
    return box[0] - 0.5, box[2] - 0.5, box[3] - 0.5, box[1] - 0.5


def _frame_of(ax: Axes, box: tuple[int, int, int, int], view: str = "") -> None:
    """Keep the axes to a box; crops get their view's colour for a frame."""
    left, right, bottom, top = _extent(box)
    ax.set(xlim=(left, right), ylim=(bottom, top), xticks=[], yticks=[])
    colour = VIEWS.get(view)
    for spine in ax.spines.values():
        spine.set_edgecolor("#8a919b" if colour is None else _hex(colour))
        spine.set_linewidth(0.6 if colour is None else 2.0)


def _clicks(
    ax: Axes,
    clicks: Sequence[Click],
    box: tuple[int, int, int, int],
    *,
    size: float,
    numbered: bool,
) -> None:
    """Draw clicks as the widget does: a disk with a plus, a square with a minus."""
    for number, click in enumerate(clicks, start=1):
        colour, marker = _click_style(click.positive)
        ax.plot(
            click.x,
            click.y,
            marker=marker,
            markersize=size,
            color=colour,
            markeredgecolor="white",
            markeredgewidth=size / 9,
            clip_on=False,
            zorder=3,
        )
        ax.plot(
            click.x,
            click.y,
            marker="+" if click.positive else "_",
            markersize=size * 0.55,
            color="white",
            markeredgewidth=size / 6,
            clip_on=False,
            zorder=3,
        )
        if numbered:
            right = click.x < (box[0] + 0.92 * (box[2] - box[0]))
            upper = click.y > (box[1] + 0.08 * (box[3] - box[1]))
            ax.annotate(
                str(number),
                (click.x, click.y),
                (8 if right else -8, 7 if upper else -7),
                textcoords="offset points",
                ha="center",
                va="center",
                size=6.5,
                color="white",
                weight="bold",
                bbox={"boxstyle": "round,pad=0.2", "facecolor": "#14161ae0", "edgecolor": "none"},
            )


def _cell(made: Figure, page: Page, panel: Panel, cell: Cell, clicks: Sequence[Click]) -> None:
    """Draw one panel: title, picture, colour bar where values matter, caption."""
    x, words = cell.left / page.width, cell.words
    top = cell.top + words.title_height
    style: dict[str, Any] = {"size": TITLE, "weight": "bold", "va": "baseline", "linespacing": 1.1}
    made.text(x, page.up(top - 0.08), words.title, **style)
    # The numbers below an axis need room, which pictures do without.
    low = 0.17 if panel.kind == "numbers" else 0.0
    ax = _axes(made, page, cell.left, top, cell.picture[0], cell.picture[1] - low)
    if panel.kind == "numbers":
        _numbers(ax, panel)
    else:
        picture = colours(panel)
        box = panel.box or (0, 0, picture.shape[1], picture.shape[0])
        how = "bilinear" if smooth(panel) and panel.kind != "image" else "antialiased"
        ax.imshow(picture, extent=_extent(box), interpolation=how, aspect="auto")
        _clicks(ax, clicks, box, size=5.0, numbered=False)
        _frame_of(ax, box, panel.view if panel.kind == "image" else "")
        if scale_of(panel) is not None:
            _bar(made, page, panel, cell, top)
    below = page.up(top + cell.caption_at)
    made.text(x, below, words.caption, size=CAPTION, va="top", color="#3d434b", linespacing=1.15)


def _bar(made: Figure, page: Page, panel: Panel, cell: Cell, top: float) -> None:
    """Draw the colour scale beside a picture, with its ends and its unit."""
    height = min(cell.picture[1], 1.1)
    ax = _axes(made, page, cell.left + cell.picture[0] + 0.06, top, 0.07, height)
    low, high = panel.limits
    table = scale(scale_of(panel) or "value")[::-1, None]
    ax.imshow(table, extent=(0.0, 1.0, low, high), aspect="auto", interpolation="bilinear")
    ticks = [low, (low + high) / 2, high] if height > 0.5 else [low, high]
    ax.set(xticks=[], yticks=ticks, ylim=(low, high))
    unit = f" {panel.unit}" if panel.unit else ""
    names = [f"{tick:g}" if abs(tick) < 10 else f"{tick:.0f}" for tick in ticks]
    if panel.kind == "difference":
        names = [name if tick <= 0 else f"+{name}" for name, tick in zip(names, ticks, strict=True)]
    names[-1] += unit
    ax.set_yticklabels(names)
    ax.yaxis.tick_right()
    ax.tick_params(labelsize=6, length=1.5, width=0.5, pad=1)
    for spine in ax.spines.values():
        spine.set_linewidth(0.4)


def _numbers(ax: Axes, panel: Panel) -> None:
    """Draw numbers as bars from their baseline."""
    values = panel.array
    inks = [_hex(MASK if value >= panel.baseline else NEGATIVE) for value in values]
    places = np.arange(1, len(values) + 1)
    width = 0.8 if len(values) <= 64 else 1.0
    ax.bar(places, values - panel.baseline, width, bottom=panel.baseline, color=inks)
    ax.axhline(panel.baseline, color="#1b1b1b", linewidth=0.6)
    low, high = panel.limits
    pad = 0.05 * (high - low)
    ax.set_xlim(0.4, max(len(values), 1) + 0.6)
    ax.set_ylim(low - pad, high + pad)
    ax.set_xticks([1, len(values)] if len(values) > 1 else [1])
    ax.set_yticks([low, high])
    ax.set_yticklabels([f"{low:.3g}", f"{high:.3g}"])
    ax.yaxis.tick_right()
    ax.tick_params(labelsize=6, length=1.5, width=0.5, pad=1)
    for side, spine in ax.spines.items():
        spine.set_linewidth(0.4)
        spine.set_visible(side in ("right", "bottom"))
