"""The result of an evaluation: its measures, as numbers, table and file."""

from __future__ import annotations

import html
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iseg_widget.evaluation import metrics
from iseg_widget.evaluation.metrics import NofConvention
from iseg_widget.evaluation.records import FORMAT, Record, RunInfo
from iseg_widget.evaluation.stream import read_stream

TARGETS = (0.80, 0.85, 0.90, 0.95)
SHOWN_CLICKS = (1, 2, 3, 5, 10, 20)


@dataclass(frozen=True)
class Report:
    """What an evaluation found.

    Objects that could not be evaluated are in :attr:`faulty` and in no measure.

    Attributes
    ----------
    info: what was run.
    records: one per object, in the dataset's order.
    """

    info: RunInfo
    records: tuple[Record, ...]

    @property
    def faulty(self) -> tuple[Record, ...]:
        """Objects that could not be evaluated; their ``error`` says why."""
        return tuple(record for record in self.records if record.error is not None)

    @property
    def valid(self) -> tuple[Record, ...]:
        """Objects that the measures are taken over."""
        return tuple(record for record in self.records if record.error is None)

    @property
    def _curves(self) -> list[tuple[float, ...]]:
        return [record.ious for record in self.valid]

    # Measures

    def noc(self, target: float, max_clicks: int | None = None) -> float:
        """Mean number of clicks to reach ``target`` IoU (NoC); failures count as ``max_clicks``.

        Parameters
        ----------
        target: an IoU in 0..1.
        max_clicks: count as if the run had ended there; default: where it did.

        Raises
        ------
        ValueError: the run stopped objects below ``target``, or had fewer clicks.
        """
        return metrics.noc(self._curves, self._target(target), self._limit(max_clicks))

    def nof(
        self,
        target: float,
        max_clicks: int | None = None,
        convention: NofConvention = "never_reached",
    ) -> int:
        """Number of objects that fail to reach ``target``; see :func:`metrics.nof`."""
        limit = self._limit(max_clicks)
        return metrics.nof(self._curves, self._target(target), limit, convention)

    def iou_at(self, click: int) -> float:
        """Mean IoU after ``click`` clicks (0: before the first).

        An object that was done earlier keeps its last IoU, so a run with ``stop_iou`` reports
        less here than one without.

        Raises
        ------
        ValueError: the run had fewer clicks.
        """
        return float(self.curve()[self._click(click, least=0)])

    def biou_at(self, click: int) -> float:
        """Mean boundary IoU after ``click`` clicks; needs ``metrics=("biou",)`` in the run."""
        return metrics.iou_at(self._scores("biou"), self._click(click))

    def assd_at(self, click: int) -> float:
        """Mean ASSD in pixels after ``click`` clicks; needs ``metrics=("assd",)`` in the run."""
        return metrics.iou_at(self._scores("assd"), self._click(click))

    def curve(self) -> NDArray[np.float64]:
        """Mean IoU before the first click and after each: ``(max_clicks + 1,)``."""
        if not self.valid:
            return np.full(self.info.max_clicks + 1, np.nan)
        stacked = metrics.stack_curves(self._curves, self.info.max_clicks)
        before = np.mean([record.initial_iou for record in self.valid])
        return np.concatenate([[before], stacked.mean(axis=0)])

    @property
    def seconds_per_click(self) -> float:
        """Mean time the method took for a click; NaN without any. Depends on the machine."""
        seconds = [value for record in self.valid for value in record.seconds]
        return float(np.mean(seconds)) if seconds else float("nan")

    @property
    def targets(self) -> tuple[float, ...]:
        """The usual targets that this run can tell about."""
        stop = self.info.stop_iou
        return tuple(target for target in TARGETS if stop is None or target <= stop)

    def _target(self, target: float) -> float:
        stop = self.info.stop_iou
        if stop is not None and target > stop:
            raise ValueError(
                f"objects were stopped at IoU {stop:g}, so nothing is known about {target:g}; "
                "evaluate with a higher stop_iou"
            )
        return target

    def _limit(self, max_clicks: int | None) -> int:
        return self.info.max_clicks if max_clicks is None else self._click(max_clicks)

    def _click(self, click: int, least: int = 1) -> int:
        if not least <= click <= self.info.max_clicks:
            raise ValueError(
                f"the run had {self.info.max_clicks} clicks, so {click} is not in "
                f"{least}..{self.info.max_clicks}"
            )
        return click

    def _scores(self, name: str) -> list[tuple[float, ...]]:
        if name not in self.info.metrics:
            raise ValueError(f"{name} was not measured; evaluate with metrics=({name!r},)")
        return [record.scores[name] for record in self.valid]

    # Forms

    def to_records(self) -> list[dict[str, Any]]:
        """One flat mapping per object, e.g. for ``pandas.DataFrame``.

        Besides the record's own fields: ``method``, ``dataset``, ``iou`` (the last),
        ``n_clicks``, and ``noc_80`` ... as far as the run can tell; ``None`` for faulty objects.
        """
        rows = []
        for record in self.records:
            row = {"method": self.info.method, "dataset": self.info.dataset, **record.to_dict()}
            row["n_clicks"] = len(record.clicks)
            row["iou"] = record.ious[-1] if record.error is None else None
            for target in self.targets:
                clicks = None
                if record.error is None:
                    found, _ = metrics.clicks_to_reach([record.ious], target, self.info.max_clicks)
                    clicks = int(found[0])
                row[f"noc_{100 * target:g}"] = clicks
            rows.append(row)
        return rows

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the report as JSON; an older file is replaced only when the new one is whole."""
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        data = {
            "format": FORMAT,
            "run": self.info.to_dict(),
            "records": [record.to_dict() for record in self.records],
        }
        partial = target.with_name(target.name + ".part")
        partial.write_text(json.dumps(data) + "\n", encoding="utf-8")
        partial.replace(target)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Report:
        """Read what :meth:`save` wrote, or the ``.jsonl`` file that ``evaluate(out=…)`` wrote.

        Raises
        ------
        ValueError: the file is missing or holds no report.
        """
        if str(path).endswith(".jsonl"):
            return cls(*read_stream(path))
        try:
            data = json.loads(Path(path).read_text("utf-8"))
            if data["format"] != FORMAT:
                raise ValueError(  # noqa: TRY301 (the path is added below)
                    f"format {data['format']!r}; accepted is {FORMAT}"
                )
            records = tuple(Record.from_dict(record) for record in data["records"])
            return cls(RunInfo.from_dict(data["run"]), records)
        except OSError as error:
            raise ValueError(f"cannot read a report from {path}: {error.strerror}") from error
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path} holds no report of an evaluation: {error}") from error

    def summary(self) -> list[tuple[str, str]]:
        """The measures as (name, value) for a table."""
        rows = [("objects", str(len(self.valid)))]
        if self.valid:
            rows += [(f"NoC@{100 * t:g}", f"{self.noc(t):.2f}") for t in self.targets]
            rows += [(f"NoF@{100 * t:g}", str(self.nof(t))) for t in self.targets if t >= 0.85]
            at = [k for k in SHOWN_CLICKS if k <= self.info.max_clicks]
            rows += [(f"IoU after {k}", f"{100 * self.iou_at(k):.1f} %") for k in at]
            if "biou" in self.info.metrics:
                rows += [(f"BIoU after {k}", f"{100 * self.biou_at(k):.1f} %") for k in at]
            if "assd" in self.info.metrics:
                rows += [(f"ASSD after {k}", f"{self.assd_at(k):.2f} px") for k in at]
            rows.append(("seconds per click", f"{self.seconds_per_click:.3f}"))
        if self.faulty:
            rows.append(("faulty", str(len(self.faulty))))
        return rows

    @property
    def title(self) -> str:
        """The run in a line."""
        stop = "" if self.info.stop_iou is None else f", stopped at IoU {self.info.stop_iou:g}"
        return (
            f"{self.info.method} on {self.info.dataset}: {self.info.robot} robot, "
            f"at most {self.info.max_clicks} clicks{stop}"
        )

    def __str__(self) -> str:
        rows = self.summary()
        width = max(len(name) for name, _ in rows)
        right = max(len(value) for _, value in rows)
        lines = [self.title, *(f"  {name:<{width}}  {value:>{right}}" for name, value in rows)]
        lines += [f"  faulty: {record.name}: {record.error}" for record in self.faulty]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<Report {self.title}, {len(self.records)} objects>"

    def _repr_html_(self) -> str:
        cells = "".join(
            f"<tr><th style='text-align:left'>{html.escape(name)}</th>"
            f"<td style='text-align:right'>{html.escape(value)}</td></tr>"
            for name, value in self.summary()
        )
        faulty = "".join(
            f"<li>{html.escape(record.name)}: {html.escape(str(record.error))}</li>"
            for record in self.faulty
        )
        return f"<p><b>{html.escape(self.title)}</b></p><table>{cells}</table>{self._plot()}" + (
            f"<ul>{faulty}</ul>" if faulty else ""
        )

    def _plot(self, width: int = 320, height: int = 140) -> str:
        """The curve of the mean IoU as an inline SVG."""
        if not self.valid:
            return ""
        values = self.curve()
        points = " ".join(
            f"{x:.1f},{y:.1f}"
            for x, y in zip(np.linspace(0, width, len(values)), height * (1 - values), strict=True)
        )
        return (
            f"<svg role='img' aria-label='Mean IoU (0 to 1) over {self.info.max_clicks} clicks' "
            f"width='{width}' height='{height}' viewBox='0 -2 {width} {height + 4}'>"
            f"<path d='M0 0V{height}H{width}' fill='none' stroke='currentColor' opacity='.4'/>"
            f"<polyline points='{points}' fill='none' stroke='currentColor' stroke-width='2'/>"
            "</svg>"
        )
