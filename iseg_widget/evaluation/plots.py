"""Curves and histograms of reports, with matplotlib.

Colours are those of Okabe and Ito, which people with colour-blindness can tell apart; line styles,
markers and hatches tell the same. Nothing is shown: an ``Axes`` or ``Figure`` comes back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from iseg_widget.evaluation import metrics
from iseg_widget.evaluation.summary import labels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from iseg_widget.evaluation.report import Report

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_LINES = ("-", "--", "-.", ":")
_HATCHES = ("", "//", "..", "xx", "\\\\", "oo", "++")


def need_matplotlib() -> None:
    """Raise ``ImportError`` that says how to get matplotlib, if it is missing."""
    try:
        import matplotlib as mpl  # noqa: F401
    except ImportError as error:
        raise ImportError("pictures need matplotlib: pip install 'iseg-widget[lab]'") from error


def _axes(ax: Axes | None, size: tuple[float, float]) -> Axes:
    need_matplotlib()
    if ax is not None:
        return ax
    from matplotlib import pyplot as plt

    return plt.subplots(figsize=size, layout="constrained")[1]


def _names(reports: Sequence[Report]) -> list[str]:
    """Names for a legend; equal ones get a number."""
    names = labels(reports)
    if len(set(names)) < len(names):
        names = [f"{name} ({number})" for number, name in enumerate(names, start=1)]
    return names


def _count(reports: Sequence[Report]) -> str:
    data = list(dict.fromkeys(report.info.dataset for report in reports))
    counts = sorted({len(report.valid) for report in reports})
    return f"{', '.join(data)} ({' or '.join(map(str, counts))} objects)"


def plot_curves(reports: Sequence[Report], *, ax: Axes | None = None) -> Axes:
    """Draw the mean IoU after every click (the mIoU-NoC curves of RIS-Net Fig. 4).

    Parameters
    ----------
    reports: one line each; told apart in the legend by what differs between them.
    ax: to draw into; a new one by default.

    Raises
    ------
    ValueError: there is no report, or one without any valid object.
    ImportError: matplotlib is missing.
    """
    names = _names(reports)
    curves = [_percent(report) for report in reports]
    ax = _axes(ax, (5.6, 3.8))
    for number, (name, curve) in enumerate(zip(names, curves, strict=True)):
        clicks = np.arange(len(curve))
        # Before the first click there is only something to see with initial masks.
        first = 0 if curve[0] > 0 else 1
        ax.plot(
            clicks[first:],
            curve[first:],
            color=COLOURS[number % len(COLOURS)],
            marker=_MARKERS[number % len(_MARKERS)],
            linestyle=_LINES[number % len(_LINES)],
            markersize=4.5,
            linewidth=1.6,
            label=name,
        )
    ticks = _ticks(max(len(curve) for curve in curves) - 1)
    ax.set_xlabel("Number of clicks")
    ax.set_ylabel("Mean IoU (%)")
    ax.set_title(_count(reports), fontsize="medium")
    ax.set_xticks(ticks, map(str, ticks), fontsize="small")
    low = min(float(np.min(curve[1:])) for curve in curves)
    ax.set_ylim(bottom=max(0.0, np.floor(low / 10) * 10 - 2), top=101.5)
    ax.grid(color="0.5", alpha=0.25, linewidth=0.6)
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False, loc="lower right")
    return ax


def _percent(report: Report) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    if not report.valid:
        raise ValueError(f"there is nothing to draw: no valid object in {report!r}")
    return 100 * report.curve()


def _ticks(most: int) -> list[int]:
    step = 1 if most <= 20 else 5 if most <= 50 else 10
    return sorted({1, *range(step, most + 1, step)})


def plot_histogram(
    reports: Sequence[Report], target: float = 0.90, *, ax: Axes | None = None
) -> Axes:
    """Draw how many objects reach ``target`` with which click, and how many never do.

    Parameters
    ----------
    reports: bars of every report stand side by side.
    target: IoU in 0..1.
    ax: to draw into; a new one by default.

    Raises
    ------
    ValueError: no report, one without valid objects or stopped below ``target``, or the runs
        differ in their number of clicks.
    ImportError: matplotlib is missing.
    """
    names = _names(reports)
    limits = {report.info.max_clicks for report in reports}
    if len(limits) > 1:
        raise ValueError(f"the runs differ in max_clicks: {', '.join(map(str, sorted(limits)))}")
    limit = limits.pop()
    counts = [_clicks_counted(report, target, limit) for report in reports]
    ax = _axes(ax, (6.4, 3.6))
    from matplotlib.ticker import MaxNLocator

    places = np.append(np.arange(1, limit + 1), limit + 2.0)
    width = 0.84 / len(reports)
    for number, (name, found) in enumerate(zip(names, counts, strict=True)):
        bars = ax.bar(
            places + (number - (len(reports) - 1) / 2) * width,
            found,
            width * 0.94,
            color=COLOURS[number % len(COLOURS)],
            hatch=_HATCHES[number % len(_HATCHES)],
            edgecolor="white",
            linewidth=0.5,
            label=f"{name}: NoC@{100 * target:g} {reports[number].noc(target):.2f}",
        )
        if len(reports) <= 2 and limit * len(reports) <= 40:
            shown = [str(count) if count else "" for count in found]
            ax.bar_label(bars, shown, fontsize=7, padding=1)
    # Room above the bars for the legend.
    ax.set_ylim(0, max(1, *(int(found.max()) for found in counts)) * (1.08 + 0.09 * len(names)))
    ticks = _ticks(limit)
    ax.set_xticks([*ticks, limit + 2.0], [*map(str, ticks), "never"], fontsize="small")
    ax.set_xlim(0.3, limit + 2.7)
    ax.set_xlabel(f"Clicks to reach IoU {100 * target:g} %")
    ax.set_ylabel("Number of objects")
    ax.set_title(_count(reports), fontsize="medium")
    ax.yaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    ax.grid(axis="y", color="0.5", alpha=0.25, linewidth=0.6)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False, loc="upper right")
    return ax


def _clicks_counted(
    report: Report, target: float, limit: int
) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    """``(limit + 1,)``: objects that reach the target with click 1, 2, …, and that never do."""
    _percent(report)
    missed = report.nof(target)
    curves = [record.ious for record in report.valid]
    clicks, reached = metrics.clicks_to_reach(curves, target, limit)
    return np.append(np.bincount(clicks[reached], minlength=limit + 1)[1:], missed)
