"""Reports made by hand or at random, without any method."""

from __future__ import annotations

import numpy as np

from iseg_widget.clicks import Click
from iseg_widget.evaluation.records import Record, RunInfo
from iseg_widget.evaluation.report import Report


def info(**more: object) -> RunInfo:
    values: dict[str, object] = {
        "method": "disk",
        "options": {"radius": 6.0},
        "weights": None,
        "dataset": "three",
        "samples": 4,
        "sample_names": "0123",
        "max_clicks": 3,
        "stop_iou": None,
        "robot": "ritm",
        "metrics": (),
    }
    return RunInfo(**{**values, **more})  # type: ignore[arg-type]


def record(name: str, ious: tuple[float, ...], **more: object) -> Record:
    clicks = tuple(Click(k, 2 * k, k % 2 == 0) for k in range(len(ious)))
    return Record(name, clicks, ious, (0.5,) * len(ious), **more)  # type: ignore[arg-type]


def report_of(curves: dict[str, tuple[float, ...]], **more: object) -> Report:
    """A report from IoU curves by name; ``more`` goes to :func:`info`."""
    longest = max(map(len, curves.values()))
    found = info(**{"samples": len(curves), "max_clicks": longest, **more})
    scores = {name: lambda ious, n=name: tuple(_SCORES[n](v) for v in ious) for name in _SCORES}
    records = [
        record(name, ious, scores={metric: scores[metric](ious) for metric in found.metrics})
        for name, ious in curves.items()
    ]
    return Report(found, tuple(records))


_SCORES = {"biou": lambda iou: 0.8 * iou, "assd": lambda iou: 30.0 * (1 - iou)}


def random_report(seed: int, count: int = 40, clicks: int = 20, **more: object) -> Report:
    """Rising curves; objects of the same name are as hard whatever the seed."""
    hard = np.random.default_rng(99).uniform(0, 1, count)
    rng = np.random.default_rng(seed)
    curves = {}
    for number in range(count):
        steps = np.cumprod(1 - rng.uniform(0.05, 0.5, clicks))
        last = 0.99 - 0.12 * hard[number]
        curves[f"object{number:02}"] = tuple(map(float, last - (0.6 - 0.3 * hard[number]) * steps))
    return report_of(curves, **more)
