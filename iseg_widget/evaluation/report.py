"""The result of an evaluation: its measures, as numbers, table and file."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from iseg_widget.evaluation import metrics, summary
from iseg_widget.evaluation.metrics import NofConvention
from iseg_widget.evaluation.records import FORMAT, Record, RunInfo
from iseg_widget.evaluation.stream import read_stream

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from iseg_widget.datasets.base import Dataset
    from iseg_widget.evaluation.compare import Comparison
    from iseg_widget.evaluation.tables import Table
    from iseg_widget.protocol import Method

Path_ = str | os.PathLike[str]
TARGETS = (0.80, 0.85, 0.90, 0.95)


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
        return self.measure_at("biou", click)

    def assd_at(self, click: int) -> float:
        """Mean ASSD in pixels after ``click`` clicks; needs ``metrics=("assd",)`` in the run."""
        return self.measure_at("assd", click)

    def measure_at(self, name: str, click: int) -> float:
        """Mean of a measure after ``click`` clicks; needs ``metrics=(name,)`` in the run.

        Raises
        ------
        ValueError: it was not measured, or the run had fewer clicks.
        """
        return metrics.iou_at(self._scores(name), self._click(click))

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

    def to_json(self, path: Path_ | None = None) -> str:
        """Return the report as JSON, and write it to ``path`` if there is one.

        An older file is replaced only when the new one is whole; :meth:`load` reads it.
        """
        data = {
            "format": FORMAT,
            "run": self.info.to_dict(),
            "records": [record.to_dict() for record in self.records],
        }
        return _written(json.dumps(data) + "\n", path)

    def save(self, path: Path_) -> None:
        """Write the report as JSON, see :meth:`to_json`."""
        self.to_json(path)

    def to_csv(self, path: Path_ | None = None) -> str:
        """Return one line per object as comma-separated text, and write it to ``path`` if given.

        The columns of :meth:`to_records`; per-click values have one column a click (``iou_1``,
        ``biou_1``, ``seconds_1``), and the clicks are ``x y +`` or ``x y -``, split by semicolons.
        Cells that hold nothing are empty.
        """
        lists = ("ious", "seconds", *self.info.metrics)
        rows = []
        for row in self.to_records():
            per_click = {**row, **row["scores"]}
            flat = {k: v for k, v in row.items() if k not in ("clicks", "scores", *lists)}
            flat["clicks"] = "; ".join(
                f"{click['x']:g} {click['y']:g} {'+' if click['positive'] else '-'}"
                for click in row["clicks"]
            )
            for name in lists:
                values = per_click.get(name, ())
                for click in range(self.info.max_clicks):
                    value = values[click] if click < len(values) else None
                    flat[f"{'iou' if name == 'ious' else name}_{click + 1}"] = value
            rows.append(flat)
        text = io.StringIO()
        if rows:
            writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
        return _written(text.getvalue(), path)

    def to_latex(self, path: Path_ | None = None) -> str:
        """Return the measures as a ``tabular`` of one row, and write it to ``path`` if given.

        How they came about is in comments above it.
        """
        return _written(summary.as_row(self).to_latex(), path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Report:
        """Read what :meth:`save` wrote, or the folder or ``.jsonl`` file of ``evaluate(out=…)``.

        Raises
        ------
        ValueError: the file is missing or holds no report.
        """
        if str(path).endswith(".jsonl") or Path(path).is_dir():
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

    # Comparison

    def compare(
        self,
        other: Report,
        *,
        targets: Sequence[float] | None = None,
        clicks: Sequence[int] | None = None,
        resamples: int = 10_000,
        seed: int = 0,
    ) -> Comparison:
        """Compare with another report on the same objects; see :func:`compare.compare`."""
        from iseg_widget.evaluation.compare import compare

        return compare(self, other, targets=targets, clicks=clicks, resamples=resamples, seed=seed)

    def beside_published(self, **selection: Any) -> Table:
        """Put the report beside the published numbers; see :func:`beside.beside_published`."""
        from iseg_widget.evaluation.beside import beside_published

        return beside_published([self], **selection)

    # Pictures

    def plot_curves(self, *others: Report, ax: Axes | None = None) -> Axes:
        """Draw mean IoU over clicks, with other reports; see :func:`plots.plot_curves`."""
        from iseg_widget.evaluation.plots import plot_curves

        return plot_curves([self, *others], ax=ax)

    def plot_histogram(self, *others: Report, target: float = 0.90, ax: Axes | None = None) -> Axes:
        """Draw how many clicks objects take to ``target``; see :func:`plots.plot_histogram`."""
        from iseg_widget.evaluation.plots import plot_histogram

        return plot_histogram([self, *others], target, ax=ax)

    def worst(
        self,
        n: int = 6,
        *,
        dataset: Dataset,
        method: Method | None = None,
        masks: Mapping[str, NDArray[np.bool_]] | None = None,
        target: float = 0.90,
    ) -> Figure:
        """Draw the ``n`` hardest objects with clicks and masks; see :func:`worst.plot_worst`.

        ``report.worst(6, dataset=dataset, method=method)`` repeats the recorded clicks;
        ``report.worst(6, dataset=dataset, masks={name: mask})`` takes masks that were stored.
        """
        from iseg_widget.evaluation.worst import plot_worst

        return plot_worst(self, dataset, n, method=method, masks=masks, target=target)

    # In a terminal and a notebook

    @property
    def title(self) -> str:
        """The run in a line."""
        return summary.title(self)

    def summary(self) -> list[tuple[str, str]]:
        """The measures as (name, value) for a table."""
        return summary.measures(self)

    def facts(self) -> list[tuple[str, str]]:
        """How the measures came about, as (name, text): method, data, robot, counting, version."""
        return summary.facts(self)

    def __str__(self) -> str:
        return summary.as_text(self)

    def __repr__(self) -> str:
        return f"<Report {self.title}, {len(self.records)} objects>"

    def _repr_html_(self) -> str:
        return summary.as_html(self)


def _written(text: str, path: Path_ | None) -> str:
    """Write ``text`` to ``path``, if there is one, so that the file is whole or the old one."""
    if path is not None:
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(target.name + ".part")
        partial.write_text(text, encoding="utf-8")
        partial.replace(target)
    return text
