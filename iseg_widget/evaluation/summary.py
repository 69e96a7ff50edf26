"""What a report says about itself: its measures, and how they came about."""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from iseg_widget.evaluation.tables import Table

if TYPE_CHECKING:
    from iseg_widget.evaluation.report import Report

SHOWN_CLICKS = (1, 2, 3, 5, 10, 20)
_NOF_FROM = 0.85


def labels(
    reports: Sequence[Report],
    fields: Sequence[str] = ("weights", "dataset", "robot", "stop_iou", "max_clicks"),
) -> list[str]:
    """Short names that tell the reports apart: the method, its options and ``fields`` that differ.

    Raises
    ------
    ValueError: there is no report.
    """
    if not reports:
        raise ValueError("there is no report")
    runs = [report.info for report in reports]
    names = [run.method for run in runs]
    keys = list(dict.fromkeys(key for run in runs for key in run.options))
    for number, run in enumerate(runs):
        twins = [other for other in runs if other.method == run.method]
        for key in keys:
            if key in run.options and len({repr(t.options.get(key)) for t in twins}) > 1:
                names[number] += f" {key}={run.options[key]}"
        for field in fields:
            if len({getattr(twin, field) for twin in twins}) > 1:
                names[number] += f" {field}={getattr(run, field)}"
    return names


def shown_measure(name: str) -> tuple[str, str, float, int]:
    """How a measure is shown: its name, unit, factor and decimals. Most are parts of 1."""
    if name == "assd":
        return "ASSD", "px", 1.0, 2
    return {"iou": "IoU", "biou": "BIoU"}.get(name, name), "%", 100.0, 1


def shown_clicks(report: Report) -> list[int]:
    """Clicks that a table of IoU at a click shows."""
    return [click for click in SHOWN_CLICKS if click <= report.info.max_clicks]


def title(report: Report) -> str:
    """The run in a line."""
    info = report.info
    stop = "" if info.stop_iou is None else f", stopped at IoU {info.stop_iou:g}"
    return (
        f"{info.method} on {info.dataset}: {info.robot} robot, at most {info.max_clicks} clicks"
        f"{stop}"
    )


def measures(report: Report) -> list[tuple[str, str]]:
    """The measures as (name, value)."""
    rows = [("objects", str(len(report.valid)))]
    if report.valid:
        rows += [(f"NoC@{100 * t:g}", f"{report.noc(t):.2f}") for t in report.targets]
        rows += [(f"NoF@{100 * t:g}", str(report.nof(t))) for t in _failure_targets(report)]
        at = shown_clicks(report)
        rows += [(f"IoU after {k}", f"{100 * report.iou_at(k):.1f} %") for k in at]
        for name in report.info.metrics:
            shown, unit, factor, places = shown_measure(name)
            rows += [
                (f"{shown} after {k}", f"{factor * report.measure_at(name, k):.{places}f} {unit}")
                for k in at
            ]
        rows.append(("seconds per click", f"{report.seconds_per_click:.3f}"))
    if report.faulty:
        rows.append(("faulty", str(len(report.faulty))))
    return rows


def _failure_targets(report: Report) -> list[float]:
    return [target for target in report.targets if target >= _NOF_FROM]


def facts(report: Report) -> list[tuple[str, str]]:
    """How the measures came about, as (name, text): method, data, robot, counting, version."""
    info = report.info
    options = ", ".join(f"{name}={_short(value)}" for name, value in info.options.items())
    done = len(report.records)
    count = f"{info.samples} objects" if done == info.samples else f"{done} of {info.samples}"
    data = f"{info.dataset}, {count}, names {info.sample_names}"
    caveat = description(report)
    stop = (
        "an object ends when its mask is perfect"
        if info.stop_iou is None
        else f"an object ends at IoU {info.stop_iou:g} and keeps it at later clicks"
    )
    versions = {"iseg-widget": info.version, **info.to_dict().get("versions", {})}
    found = [
        ("method", info.method),
        ("options", options or "none"),
        ("weights", f"fingerprint {info.weights}" if info.weights else "none"),
        ("dataset", f"{data}; {caveat}" if caveat else data),
        ("robot", f"{info.robot}, at most {info.max_clicks} clicks; {stop}"),
        ("counting", _counting(report)),
        ("version", ", ".join(f"{name} {version}" for name, version in versions.items())),
    ]
    return found + [("faulty", f"{record.name}: {record.error}") for record in report.faulty]


def description(report: Report) -> str:
    """What is known about the dataset, with its caveats; empty for an unknown one.

    What the run recorded about its copy of the data goes before what the package knows.
    """
    if report.info.dataset_description:
        return report.info.dataset_description
    from iseg_widget.datasets import list_datasets

    known = {entry.name: entry.description for entry in list_datasets()}
    return known.get(report.info.dataset, "")


def _short(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _counting(report: Report) -> str:
    limit = report.info.max_clicks
    text = f"an object that never reaches the IoU counts as {limit} in NoC and as a failure in NoF"
    targets = _failure_targets(report)
    if report.valid and targets:
        other = ", ".join(
            f"NoF@{100 * t:g} {report.nof(t, convention='at_limit')}" for t in targets
        )
        text += f"; counting those as failures, too, that reach it with click {limit}: {other}"
    if report.faulty:
        text += "; faulty objects are in no measure"
    return text


def as_text(report: Report) -> str:
    """The report for a terminal."""
    notes = tuple(f"{name}: {value}" for name, value in facts(report))
    return str(Table(title(report), (), tuple(measures(report)), notes=notes))


def as_html(report: Report) -> str:
    """The report for a notebook; colours and fonts are those of the page."""
    table = Table(title(report), (), tuple(measures(report))).to_html()
    items = "".join(
        f"<li><b>{html.escape(name)}</b> {html.escape(value)}</li>" for name, value in facts(report)
    )
    return f"{table}{_curve(report)}<ul style='font-size:90%'>{items}</ul>"


def as_row(report: Report) -> Table:
    """The report as one row under the names of its measures, the form of a paper's table."""
    found = [("objects", str(len(report.valid)))]
    if report.valid:
        at = [click for click in (1, 5) if click <= report.info.max_clicks]
        found += [(f"NoC@{100 * t:g}", f"{report.noc(t):.2f}") for t in report.targets]
        found += [(f"NoF@{100 * t:g}", str(report.nof(t))) for t in _failure_targets(report)]
        found += [(f"IoU@{k} (%)", f"{100 * report.iou_at(k):.1f}") for k in at]
        for name in report.info.metrics:
            shown, unit, factor, places = shown_measure(name)
            found += [
                (f"{shown}@{k} ({unit})", f"{factor * report.measure_at(name, k):.{places}f}")
                for k in at
            ]
    notes = tuple(f"{name}: {value}" for name, value in facts(report))
    names = ("method", *(name for name, _ in found))
    row = (report.info.method, *(value for _, value in found))
    return Table(title(report), names, (row,), notes=notes)


def _curve(report: Report, width: int = 320, height: int = 140) -> str:
    """The curve of the mean IoU as an inline SVG."""
    if not report.valid:
        return ""
    values = report.curve()
    points = " ".join(
        f"{x:.1f},{y:.1f}"
        for x, y in zip(np.linspace(0, width, len(values)), height * (1 - values), strict=True)
    )
    text = f"Mean IoU (0 to 1) over {report.info.max_clicks} clicks"
    return (
        f"<div style='font-size:90%'>{text}</div><svg role='img' aria-label='{text}' "
        f"width='{width}' height='{height}' viewBox='0 -2 {width} {height + 4}'>"
        f"<path d='M0 0V{height}H{width}' fill='none' stroke='currentColor' opacity='.4'/>"
        f"<polyline points='{points}' fill='none' stroke='currentColor' stroke-width='2'/>"
        "</svg>"
    )
