"""What an experiment found: every row's measures, beside the paper's, and their differences."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from iseg_widget.evaluation import metrics
from iseg_widget.evaluation.ablation.definition import (
    Experiment,
    Row,
    list_experiments,
    load_experiment,
)
from iseg_widget.evaluation.compare import paired_bootstrap
from iseg_widget.evaluation.report import Report
from iseg_widget.evaluation.tables import Table
from iseg_widget.weights.registry import list_weights

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from iseg_widget.evaluation.records import Record

PROVENANCE = "provenance.json"
RESAMPLES = 10_000
SCORES = {"BIoU": "biou", "ASSD": "assd"}
MORE_IS_BETTER = ("IoU", "BIoU")

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Line:
    """One measure of one row, and how it differs from the row's baseline.

    Attributes
    ----------
    row, label, measure: which.
    objects: that it is taken over, those that every row has.
    value: of this project; NoF is a count, IoU and BIoU are in %.
    paper: the paper's own number, ``None`` where it has none.
    baseline: id of the row that it is compared with.
    difference, low, high: value minus the baseline's, with its paired 95 % bootstrap interval.
    ratio, ratio_low, ratio_high: value over the baseline's, the same way; for NoC.
    paper_difference: the same of the paper's numbers.
    """

    row: str
    label: str
    measure: str
    objects: int
    value: float
    paper: float | None = None
    baseline: str | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    ratio: float | None = None
    ratio_low: float | None = None
    ratio_high: float | None = None
    paper_difference: float | None = None

    @property
    def clear(self) -> bool:
        """The interval does not hold 0."""
        return self.low is not None and self.high is not None and not self.low <= 0 <= self.high

    @property
    def verdict(self) -> str:
        """Whether the difference has the paper's direction; empty where the paper has none."""
        if not self.paper_difference or self.difference is None:
            return ""
        if self.difference == 0:
            return "no difference"
        same = (self.difference > 0) == (self.paper_difference > 0)
        return ("as the paper" if same else "opposite") + ("" if self.clear else ", not clear")


def row_values(report: Report, measure: str) -> dict[str, float]:
    """Return a measure of every object by name; NoF as 0 or 1, IoU and BIoU in %.

    Raises
    ------
    ValueError: the report cannot tell (stopped too early, or not measured).
    """
    kind, _, number = measure.partition("@")
    found = report.valid
    limit = report.info.max_clicks
    if kind == "s/click":
        values = np.array([np.mean(record.seconds) for record in found])
    elif kind in ("NoC", "NoF"):
        target = int(number) / 100
        if report.info.stop_iou is not None and target > report.info.stop_iou:
            raise ValueError(f"{measure} is unknown: objects stopped at {report.info.stop_iou:g}")
        curves = [record.ious for record in found]
        clicks, reached = metrics.clicks_to_reach(curves, target, limit)
        values = (clicks if kind == "NoC" else ~reached).astype(float)
    else:
        name = SCORES.get(kind)
        if name is not None and name not in report.info.metrics:
            raise ValueError(f"{measure} was not measured")
        curves = [record.ious if name is None else record.scores[name] for record in found]
        factor = 1.0 if kind == "ASSD" else 100.0
        values = factor * metrics.stack_curves(curves, limit)[:, int(number) - 1]
    return {record.name: float(value) for record, value in zip(found, values, strict=True)}


def ratio_interval(
    first: Values, second: Values, *, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[float, float]:
    """Percentile bootstrap interval (95 %) of ``first.mean() / second.mean()``, paired."""
    rng = np.random.default_rng(seed)
    chosen = rng.integers(len(first), size=(resamples, len(first)))
    ratios = first[chosen].mean(axis=1) / second[chosen].mean(axis=1)
    low, high = np.quantile(ratios, [0.025, 0.975])
    return float(low), float(high)


@dataclass(frozen=True)
class Results:
    """What is there of an experiment.

    Attributes
    ----------
    experiment: what was to be run.
    reports: by row id; rows that could not be run are not in it.
    provenance: what :data:`PROVENANCE` says.
    """

    experiment: Experiment
    reports: Mapping[str, Report]
    provenance: Mapping[str, Any]

    @property
    def missing(self) -> dict[str, str]:
        """Rows without results, and the command that runs each or trains its weights."""
        return {
            row.id: row.missing or self._command(row)
            for row in self.experiment.rows
            if row.id not in self.reports
        }

    def _command(self, row: Row) -> str:
        if any(record.name == row.weights for record in list_weights()):
            return f"iseg-widget ablation {self.experiment.name} --row {row.id}"
        return row.train_command()

    def lines(self, measures: Sequence[str] | None = None) -> list[Line]:
        """Return every measure of every row that was run."""
        chosen = self.experiment.measures if measures is None else measures
        rows = [row for row in self.experiment.rows if row.id in self.reports]
        return [self._line(row, measure) for row in rows for measure in chosen]

    def line(self, row: str, measure: str) -> Line:
        """Return one measure of one row.

        Raises
        ------
        ValueError: there is no such row, or it was not run.
        """
        chosen = self.experiment.row(row)
        if row not in self.reports:
            raise ValueError(f"{self.experiment.name}: row {row!r} was not run")
        return self._line(chosen, measure)

    @property
    def names(self) -> tuple[str, ...]:
        """Objects that every row that was run has, in order: rows may have got unequally far."""
        shared = [{record.name for record in report.valid} for report in self.reports.values()]
        first = next(iter(self.reports.values()), None)
        order = () if first is None else tuple(record.name for record in first.valid)
        return tuple(name for name in order if all(name in other for other in shared))

    def _values(self, row: str, measure: str) -> Values:
        if not self.names:
            raise ValueError(f"{self.experiment.name}: the rows have no object in common")
        found = row_values(self.reports[row], measure)
        return np.array([found[name] for name in self.names])

    def _line(self, row: Row, measure: str) -> Line:
        first = self._values(row.id, measure)
        times = len(first) if measure.startswith("NoF") else 1
        value = float(first.mean() * times)
        paper = row.paper.get(measure)
        plain = Line(row.id, row.label, measure, len(first), value, paper)
        base = row.baseline
        if base is None or base not in self.reports:
            return plain
        second = self._values(base, measure)
        low, high = paired_bootstrap(first - second, resamples=RESAMPLES)
        reference = self.experiment.row(base).paper.get(measure)
        line = replace(
            plain,
            baseline=base,
            difference=float((first - second).mean() * times),
            low=float(low[0] * times),
            high=float(high[0] * times),
            paper_difference=None if paper is None or reference is None else paper - reference,
        )
        if not measure.startswith("NoC"):
            return line
        ratio_low, ratio_high = ratio_interval(first, second)
        ratio = float(first.mean() / second.mean())
        return replace(line, ratio=ratio, ratio_low=ratio_low, ratio_high=ratio_high)

    def table(self, measures: Sequence[str] | None = None) -> Table:
        """Return a row a line: what was found, the paper's number, and the difference."""
        rows = []
        lines = self.lines(measures)
        for line in lines:
            places = _places(line.measure)
            rows.append(
                (
                    line.label,
                    line.measure,
                    f"{line.value:.{places}f}",
                    "" if line.paper is None else f"{line.paper:g}",
                    *_shown_difference(self.experiment, line, places),
                    "" if line.ratio is None else f"{line.ratio:.2f}",
                    "" if line.paper_difference is None else f"{line.paper_difference:+.3g}",
                    line.verdict,
                )
            )
        columns = ("row", "measure", "here", "paper", "against", "difference", "95 % interval")
        last = ("ratio", "paper's difference", "direction")
        return Table(
            f"{self.experiment.title} ({len(self.names)} objects)",
            (*columns, *last),
            tuple(rows),
            labels=2,
            strong=tuple(k for k, line in enumerate(lines) if line.clear),
            notes=self._notes(),
        )

    def _notes(self) -> tuple[str, ...]:
        lacking = [f"{row} (weights {self.experiment.row(row).weights})" for row in self.missing]
        faulty = [
            f"{len(report.faulty)} objects of {row} could not be evaluated and are left out"
            for row, report in self.reports.items()
            if report.faulty
        ]
        how = (
            f"intervals: bootstrap over pairs of objects, {RESAMPLES} resamples, seed 0; "
            "not corrected for the number of rows"
        )
        return (
            how,
            *self.experiment.notes,
            *faulty,
            *([f"not run: {', '.join(lacking)}"] if lacking else []),
        )

    def to_csv(self) -> str:
        """Return every line as comma-separated text."""
        text = io.StringIO()
        names = [field.name for field in fields(Line)]
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([*names, "clear", "direction"])
        for line in self.lines():
            values = [getattr(line, name) for name in names]
            cells = [
                "" if v is None else round(v, 4) if isinstance(v, float) else v for v in values
            ]
            writer.writerow([*cells, line.clear, line.verdict])
        return text.getvalue()

    def to_markdown(self) -> str:
        """Return the table as Markdown, with its notes."""
        table = self.table()
        head = [f"# {table.title}", "", self.experiment.question, ""]
        sides = [":--" if k < table.labels else "--:" for k in range(len(table.columns))]
        lines = [table.columns, tuple(sides), *table.rows]
        body = ["| " + " | ".join(line) + " |" for line in lines]
        return "\n".join([*head, *body, "", *(f"- {note}" for note in table.notes), ""])

    def plot(self, measure: str, ax: Axes | None = None) -> Axes:
        """Draw a measure of every row as points, the paper's as crosses, in the table's order.

        Raises
        ------
        ImportError: matplotlib is missing.
        """
        from iseg_widget.evaluation.plots import COLOURS, need_matplotlib

        need_matplotlib()
        import matplotlib.pyplot as plt

        lines = self.lines([measure])
        places = np.arange(len(lines))
        if ax is None:
            _, ax = plt.subplots(figsize=(6.4, 0.9 + 0.32 * len(lines)), layout="constrained")
        ax.plot([line.value for line in lines], places, "o", color=COLOURS[0], label="here")
        printed = [(line.paper, place) for line, place in zip(lines, places, strict=True)]
        printed = [(value, place) for value, place in printed if value is not None]
        if printed:
            ax.plot(*zip(*printed, strict=True), "x", color="0.5", label="paper, its network")
        for line, place in zip(lines, places, strict=True):
            if line.low is not None and line.high is not None and line.difference is not None:
                base = line.value - line.difference
                ax.plot(
                    [base + line.low, base + line.high], [place] * 2, color=COLOURS[0], alpha=0.4
                )
        ax.set_yticks(places, [line.label for line in lines])
        ax.invert_yaxis()
        better = "more" if measure.partition("@")[0] in MORE_IS_BETTER else "less"
        ax.set_xlabel(f"{measure} ({better} is better)")
        ax.grid(axis="x", color="0.5", alpha=0.25, linewidth=0.6)
        ax.spines[["top", "right"]].set_visible(False)
        ax.legend(frameon=False, fontsize="small")
        return ax


def _places(measure: str) -> int:
    return {"NoF": 0, "IoU": 1, "BIoU": 1}.get(measure.partition("@")[0], 2)


def _shown_difference(experiment: Experiment, line: Line, places: int) -> tuple[str, str, str]:
    if line.difference is None:
        return "", "", ""
    against = experiment.row(str(line.baseline)).label
    return (
        against,
        f"{line.difference:+.{places}f}",
        f"{line.low:+.{places}f} to {line.high:+.{places}f}",
    )


def load_results(folder: str | os.PathLike[str]) -> Results:
    """Read the results of an experiment from the folder that a run wrote.

    Raises
    ------
    ValueError: the folder is missing or holds no results, or of an unknown experiment.
    """
    place = Path(folder)
    try:
        provenance = json.loads((place / PROVENANCE).read_text("utf-8"))
        name = provenance["experiment"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{place} holds no results of an experiment: {error}") from error
    if name not in list_experiments():
        raise ValueError(f"{place} holds results of an unknown experiment {name!r}")
    experiment = load_experiment(name)
    return Results(experiment, read_reports(place, experiment), provenance)


def read_reports(folder: Path, experiment: Experiment) -> dict[str, Report]:
    """Return the reports of the rows that have at least one object, by id."""
    paths = {row.id: folder / f"{row.id}.jsonl" for row in experiment.rows}
    found = {row: Report.load(path) for row, path in paths.items() if path.is_file()}
    return {row: report for row, report in found.items() if report.valid}


def small_record(record: Record) -> dict[str, Any]:
    """Return a record for the repository: five decimals rounded down, no clicks.

    Rounded down, a curve reaches any target of whole per cent when it did before. The robot's
    clicks can be had by running the row again.
    """
    data = record.to_dict()
    cut = {name: [_floor(value) for value in values] for name, values in data["scores"].items()}
    return {
        **data,
        "clicks": [],
        "ious": [_floor(value) for value in data["ious"]],
        "seconds": [round(value, 3) for value in data["seconds"]],
        "initial_iou": _floor(data["initial_iou"]),
        "start_seconds": round(data["start_seconds"], 3),
        "scores": cut,
    }


def _floor(value: float) -> float:
    return float(np.floor(value * 1e5 + 1e-6) / 1e5)
