"""The hardest objects of a report as pictures: clicks, mask and true contour."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from iseg_widget.datasets.base import Dataset, Sample
from iseg_widget.evaluation import metrics
from iseg_widget.evaluation.plots import need_matplotlib
from iseg_widget.evaluation.records import Record
from iseg_widget.masks import box_of, iou, rle_encode
from iseg_widget.provenance import plain_options

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from iseg_widget.evaluation.report import Report
    from iseg_widget.protocol import Method

Mask = NDArray[np.bool_]

MISSED, WRONG, HIT = "#e69f00", "#cc79a7", "#56b4e9"
POSITIVE, NEGATIVE = "#009e73", "#d55e00"
_MARGIN = 0.15
_SAME_IOU = 0.005


def hardest(report: Report, n: int = 6, target: float = 0.90) -> tuple[Record, ...]:
    """Return the ``n`` objects that took most clicks to ``target``, the lowest last IoU first.

    Raises
    ------
    ValueError: ``n`` is below 1, or objects were stopped below ``target``.
    """
    if n < 1:
        raise ValueError(f"n must be at least 1, got {n}")
    report.nof(target)  # refuses targets that the run knows nothing about
    if not report.valid:
        raise ValueError(f"there is no valid object in {report!r}")
    clicks, reached = metrics.clicks_to_reach(
        [record.ious for record in report.valid], target, report.info.max_clicks
    )
    order = sorted(
        range(len(clicks)),
        key=lambda k: (bool(reached[k]), -int(clicks[k]), report.valid[k].ious[-1]),
    )
    return tuple(report.valid[k] for k in order[:n])


def plot_worst(
    report: Report,
    dataset: Dataset,
    n: int = 6,
    *,
    method: Method | None = None,
    masks: Mapping[str, Mask] | None = None,
    target: float = 0.90,
) -> Figure:
    """Draw the hardest objects after their last click.

    A report holds clicks, no masks. They are had again from ``method``, to which the recorded
    clicks are replayed, or come from ``masks``.

    Parameters
    ----------
    report: what was found.
    dataset: where the images are; the one that was evaluated.
    n: how many objects.
    method: the method that was evaluated, with the same options.
    masks: ``(H, W)`` bool masks by sample name.
    target: IoU that an object is hard to bring to.

    Returns
    -------
    Figure that pyplot does not know of: a notebook shows it once, ``savefig`` writes it.

    Raises
    ------
    ValueError: neither or both of ``method`` and ``masks``, another dataset or method than the
        report's, or a mask is missing or has another size.
    ImportError: matplotlib is missing.
    """
    need_matplotlib()
    from matplotlib.figure import Figure

    records = hardest(report, n, target)
    indices = _indices(report, dataset, records)
    if (method is None) == (masks is None):
        raise ValueError("give either the method, to replay the clicks, or masks by sample name")
    if method is not None:
        _check_method(report, method)
    columns = min(3, len(records))
    rows = -(-len(records) // columns)
    figure = Figure(figsize=(3.3 * columns, 3.25 * rows + 0.7), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for ax in axes:
        ax.set_axis_off()
    for ax, record, index in zip(axes, records, indices, strict=False):
        sample = dataset[index]
        mask = (
            _given(masks, record, sample) if masks is not None else _again(method, record, sample)
        )
        _draw(ax, sample, mask, record)
        ax.set_title(_title(report, record, target, iou(mask, sample.mask, sample.ignore)), size=9)
    figure.suptitle(f"Hardest for {report.info.method} on {report.info.dataset}", size=11)
    _legend(figure)
    return figure


def _indices(report: Report, dataset: Dataset, records: tuple[Record, ...]) -> list[int]:
    if dataset.name != report.info.dataset:
        raise ValueError(f"the report is on {report.info.dataset}, the dataset is {dataset.name}")
    places = {name: index for index, name in enumerate(dataset.names)}
    lacking = [record.name for record in records if record.name not in places]
    if lacking:
        raise ValueError(f"{dataset.name} has no sample {', '.join(lacking)}: another copy?")
    return [places[record.name] for record in records]


def _check_method(report: Report, method: Method) -> None:
    if method.name != report.info.method:
        raise ValueError(f"the report is of {report.info.method}, the method is {method.name}")
    given, recorded = plain_options(method.options), dict(report.info.options)
    changed = [
        f"{key}={given.get(key)!r}, not {recorded.get(key)!r}"
        for key in {**recorded, **given}
        if given.get(key) != recorded.get(key)
    ]
    if changed:
        raise ValueError(f"the method has other options than the report: {', '.join(changed)}")


def _again(method: Method | None, record: Record, sample: Sample) -> Mask:
    """The mask after the recorded clicks, by the same path as in the widget."""
    from iseg_widget.actions import LOG_VERSION
    from iseg_widget.session import replay

    assert method is not None  # noqa: S101 (the caller has checked)
    height, width = sample.mask.shape
    start = sample.initial_mask
    log = {
        "version": LOG_VERSION,
        "image": {"width": width, "height": height},
        "initial_mask": None if start is None else rle_encode(start),
        "actions": [{"clicks": [click.to_dict()]} for click in record.clicks],
    }
    return replay(method, sample.image, log).mask


def _given(masks: Mapping[str, Mask], record: Record, sample: Sample) -> Mask:
    if record.name not in masks:
        raise ValueError(f"masks lack {record.name!r}")
    mask = np.asarray(masks[record.name], dtype=bool)
    if mask.shape != sample.mask.shape:
        raise ValueError(
            f"the mask of {record.name!r} has shape {mask.shape}, the image {sample.mask.shape}"
        )
    return mask


def _title(report: Report, record: Record, target: float, found: float) -> str:
    clicks, reached = metrics.clicks_to_reach([record.ious], target, report.info.max_clicks)
    taken = f"with click {clicks[0]}" if reached[0] else f"not in {len(record.ious)} clicks"
    text = f"{record.name}\nIoU {100 * target:g} % {taken}; at last {100 * found:.1f} %"
    if abs(found - record.ious[-1]) > _SAME_IOU:
        text += f" (was {100 * record.ious[-1]:.1f} %)"
    return text


def _draw(ax: Axes, sample: Sample, mask: Mask, record: Record) -> None:
    """Draw image, mask by right and wrong, true contour and clicks, cut to what matters."""
    from matplotlib.colors import to_rgb

    counted = np.ones_like(mask) if sample.ignore is None else ~sample.ignore
    # In grey, so that no colour of the image is taken for a label.
    grey = cv2.cvtColor(sample.image, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255.0
    picture = np.repeat(grey[..., None], 3, axis=2)
    for colour, where, share in (
        (HIT, mask & sample.mask & counted, 0.35),
        (WRONG, mask & ~sample.mask & counted, 0.65),
        (MISSED, ~mask & sample.mask & counted, 0.65),
    ):
        picture[where] = (1 - share) * picture[where] + share * np.asarray(to_rgb(colour))
    ax.imshow(picture, interpolation="nearest")
    outlines, _ = cv2.findContours(
        sample.mask.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE
    )
    for outline in outlines:
        points = np.vstack([outline[:, 0], outline[:1, 0]])
        ax.plot(points[:, 0], points[:, 1], color="black", linewidth=1.6)
        ax.plot(points[:, 0], points[:, 1], color="white", linewidth=0.8)
    for click in record.clicks:
        ax.plot(
            click.x,
            click.y,
            marker="o" if click.positive else "X",
            color=POSITIVE if click.positive else NEGATIVE,
            markeredgecolor="white",
            markeredgewidth=0.8,
            markersize=6.5,
            linestyle="none",
        )
    x0, y0, x1, y1 = _window(sample, mask, record)
    ax.set_xlim(x0 - 0.5, x1 - 0.5)
    ax.set_ylim(y1 - 0.5, y0 - 0.5)


def _window(sample: Sample, mask: Mask, record: Record) -> tuple[int, int, int, int]:
    """The box of object, mask and clicks with a margin, cut to the image."""
    seen = sample.mask | mask
    for click in record.clicks:
        row, column = click.pixel
        seen[row, column] = True
    height, width = seen.shape
    x0, y0, x1, y1 = box_of(seen) or (0, 0, width, height)
    margin = round(_MARGIN * max(x1 - x0, y1 - y0)) + 2
    return (
        max(0, x0 - margin),
        max(0, y0 - margin),
        min(width, x1 + margin),
        min(height, y1 + margin),
    )


def _legend(figure: Figure) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    def dot(marker: str, colour: str, label: str) -> Line2D:
        return Line2D(
            [],
            [],
            marker=marker,
            color=colour,
            markeredgecolor="white",
            linestyle="none",
            label=label,
        )

    figure.legend(
        handles=[
            Patch(color=HIT, label="hit"),
            Patch(color=MISSED, label="missed"),
            Patch(color=WRONG, label="wrong"),
            Line2D([], [], color="0.4", linewidth=1.4, label="true contour"),
            dot("o", POSITIVE, "positive click"),
            dot("X", NEGATIVE, "negative click"),
        ],
        loc="outside lower center",
        ncols=6,
        frameon=False,
        fontsize=8,
        handlelength=1.2,
        columnspacing=1.2,
    )
