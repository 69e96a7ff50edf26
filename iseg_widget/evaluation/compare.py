"""Two reports on the same objects, with confidence intervals of their differences.

Both methods answered the same objects, so the objects are resampled in pairs: what makes an object
hard for both does not widen the interval.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from iseg_widget.evaluation import metrics, summary
from iseg_widget.evaluation.records import INFORMATION, Record, RunInfo
from iseg_widget.evaluation.tables import Table

if TYPE_CHECKING:
    from iseg_widget.evaluation.report import Report

Values = NDArray[np.float64]
_CHUNK = 4_000_000
_COUNTS = (("NoC", "clicks"), ("NoF", "objects"))
_NOT_COMPARED = INFORMATION | {"metrics", "sample_names", "samples"}


def paired_bootstrap(
    differences: ArrayLike, *, resamples: int = 10_000, seed: int = 0, level: float = 0.95
) -> tuple[Values, Values]:
    """Percentile bootstrap intervals of mean differences (Efron and Tibshirani 1993, Ch. 13).

    Parameters
    ----------
    differences: ``(N,)`` or ``(N, M)``: of N objects in M measures; all measures are taken over
        the same resampled objects.
    resamples: how often N objects are drawn with replacement.
    seed: the same seed gives the same interval.
    level: share of the resampled means that lie within.

    Returns
    -------
    low, high: ``(M,)`` each.

    Raises
    ------
    ValueError: there is no object or no resample, or ``level`` is not between 0 and 1.
    """
    values = np.asarray(differences, dtype=np.float64)
    values = values[:, None] if values.ndim == 1 else values
    count = len(values)
    if count == 0 or resamples < 1:
        raise ValueError(f"need objects and resamples, got {count} and {resamples}")
    if not 0.0 < level < 1.0:
        raise ValueError(f"level lies between 0 and 1, got {level!r}")
    rng = np.random.default_rng(seed)
    means = np.empty((resamples, values.shape[1]))
    step = max(1, _CHUNK // count)
    for begin in range(0, resamples, step):
        rows = min(step, resamples - begin)
        drawn = rng.integers(count, size=(rows, count)) + count * np.arange(rows)[:, None]
        times = np.bincount(drawn.ravel(), minlength=rows * count).reshape(rows, count)
        means[begin : begin + rows] = times @ values / count
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return low, high


@dataclass(frozen=True)
class Difference:
    """A measure of two reports.

    ``first - second`` is ``difference``; ``low`` to ``high`` is its confidence interval.
    """

    measure: str
    unit: str
    first: float
    second: float
    difference: float
    low: float
    high: float

    @property
    def clear(self) -> bool:
        """The interval does not hold 0."""
        return not self.low <= 0.0 <= self.high


@dataclass(frozen=True)
class Comparison:
    """What :func:`compare` found; prints as a table.

    Attributes
    ----------
    first, second: what was run.
    differences: one per measure.
    objects: how many the measures are taken over.
    level, resamples, seed: of the bootstrap.
    notes: what limits the comparison.
    """

    first: RunInfo
    second: RunInfo
    differences: tuple[Difference, ...]
    objects: int
    level: float
    resamples: int
    seed: int
    notes: tuple[str, ...] = ()

    def __getitem__(self, measure: str) -> Difference:
        """Return a measure by name, such as ``"NoC@90"``; ``KeyError`` names the others."""
        for found in self.differences:
            if found.measure == measure:
                return found
        names = ", ".join(found.measure for found in self.differences)
        raise KeyError(f"{measure!r} was not compared; there are {names}")

    def table(self) -> Table:
        """Return one row a measure; rows whose interval does not hold 0 stand out."""
        rows = []
        for found in self.differences:
            places = 0 if found.unit == "objects" else 2 if found.unit in ("clicks", "px") else 1
            numbers = [f"{value:.{places}f}" for value in (found.first, found.second)]
            numbers += [_signed(v, places) for v in (found.difference, found.low, found.high)]
            rows.append((found.measure, *numbers, found.unit, "*" if found.clear else ""))
        share = f"{100 * self.level:g} %"
        first, second = _two_names(self.first, self.second)
        title = f"{first} against {second} on {self.first.dataset}, {self.objects} objects"
        columns = ("", first, second, "difference", f"{share} from", "to", "", "")
        notes = (
            f"difference: {first} minus {second}; for NoC, NoF, ASSD and hamming less is better",
            f"intervals: bootstrap over pairs, {self.resamples} resamples, seed {self.seed}",
            "* the interval does not hold 0; not corrected for the number of measures",
            *self.notes,
        )
        strong = tuple(k for k, found in enumerate(self.differences) if found.clear)
        return Table(title, columns, tuple(rows), strong=strong, notes=notes)

    def to_records(self) -> list[dict[str, Any]]:
        """One flat mapping per measure, e.g. for ``pandas.DataFrame``."""
        return [{**vars(found), "clear": found.clear} for found in self.differences]

    def __str__(self) -> str:
        return str(self.table())

    def _repr_html_(self) -> str:
        return self.table().to_html()

    def to_latex(self) -> str:
        """Return the table as a ``tabular``."""
        return self.table().to_latex()


def _signed(value: float, places: int) -> str:
    text = f"{value:+.{places}f}"
    return text[1:] if float(text) == 0 else text


def _two_names(first: RunInfo, second: RunInfo) -> tuple[str, str]:
    """Names that tell two runs apart."""
    if first.method != second.method:
        return first.method, second.method
    return f"{first.method} (1)", f"{second.method} (2)"


def compare(
    first: Report,
    second: Report,
    *,
    targets: Sequence[float] | None = None,
    clicks: Sequence[int] | None = None,
    resamples: int = 10_000,
    seed: int = 0,
    level: float = 0.95,
) -> Comparison:
    """Compare two reports object by object.

    Both are brought to the same terms first: curves are cut where the run with fewer clicks or the
    lower ``stop_iou`` would have ended. Objects that are faulty in either are left out of both.

    Parameters
    ----------
    first, second: on the same dataset and objects; the order of the objects may differ.
    targets: IoU in 0..1 for NoC and NoF; default: the usual ones that both can tell about.
    clicks: for the IoU after k clicks (and BIoU, ASSD if both measured them); default: 1, 2, 3, 5,
        10, 20 as far as both went.
    resamples, seed, level: see :func:`paired_bootstrap`.

    Raises
    ------
    ValueError: the reports are on different datasets or objects, have no object in common that
        both could evaluate, or a target or click is beyond one of them.
    """
    _check_same_objects(first, second)
    stop = min((r.info.stop_iou for r in (first, second) if r.info.stop_iou), default=None)
    limit = min(first.info.max_clicks, second.info.max_clicks)
    targets = _chosen_targets(first, second, targets, stop)
    clicks = [k for k in summary.shown_clicks(first) if k <= limit] if clicks is None else clicks
    wrong = [click for click in clicks if not 1 <= click <= limit]
    if wrong:
        raise ValueError(f"both runs have clicks 1..{limit}, got {wrong}")
    theirs = {record.name: record for record in second.valid}
    mine = [record for record in first.valid if record.name in theirs]
    if not mine:
        raise ValueError("there is no object that both reports could evaluate")
    sides = [_Side(mine, stop, limit), _Side([theirs[r.name] for r in mine], stop, limit)]
    taken = ["iou", *(name for name in first.info.metrics if name in second.info.metrics)]
    measures = [(f"{kind}@{100 * t:g}", unit, kind, t) for t in targets for kind, unit in _COUNTS]
    for name in taken:
        shown, unit, *_ = summary.shown_measure(name)
        measures += [(f"{shown}@{click}", unit, name, click) for click in clicks]
    values = np.array([[side.values(kind, at) for side in sides] for *_, kind, at in measures])
    low, high = paired_bootstrap(
        (values[:, 0] - values[:, 1]).T, resamples=resamples, seed=seed, level=level
    )
    differences = []
    for (name, unit, _, _), pair, *span in zip(measures, values, low, high, strict=True):
        # A count is the sum over the objects, everything else their mean.
        times = len(mine) if unit == "objects" else 1
        found = (*pair.mean(axis=1), (pair[0] - pair[1]).mean(), *span)
        differences.append(Difference(name, unit, *(float(value * times) for value in found)))
    notes = _notes(first, second, len(mine), stop)
    return Comparison(
        first.info, second.info, tuple(differences), len(mine), level, resamples, seed, notes
    )


@dataclass(frozen=True)
class _Side:
    """The records of one report, as if every run had ended at ``stop`` and ``limit``."""

    records: Sequence[Record]
    stop: float | None
    limit: int

    def values(self, kind: str, at: float) -> Values:
        """``(N,)``: of every object; ``at`` is a target IoU or a click."""
        if kind not in ("NoC", "NoF"):
            *_, factor, _ = summary.shown_measure(kind)
            return factor * metrics.stack_curves(self._curves(kind), self.limit)[:, int(at) - 1]
        clicks, reached = metrics.clicks_to_reach(self._curves("iou"), at, self.limit)
        return (clicks if kind == "NoC" else ~reached).astype(np.float64)

    def _curves(self, name: str) -> list[tuple[float, ...]]:
        curves = []
        for record in self.records:
            values = record.ious if name == "iou" else record.scores[name]
            done = [k for k, iou in enumerate(record.ious) if self.stop and iou >= self.stop]
            curves.append(values[: done[0] + 1] if done else values)
        return curves


def _check_same_objects(first: Report, second: Report) -> None:
    one, two = first.info, second.info
    if one.dataset != two.dataset:
        raise ValueError(
            f"the reports are on different datasets, {one.dataset} and {two.dataset}; only runs "
            "on the same objects can be compared"
        )
    if one.sample_names != two.sample_names:
        raise ValueError(
            f"both reports are on {one.dataset}, but its objects bore other names (fingerprints "
            f"{one.sample_names} and {two.sample_names}): the copies of the data differ"
        )
    names = [{record.name for record in report.records} for report in (first, second)]
    if names[0] != names[1]:
        lacking = [
            f"the {place} lacks {len(missing)} ({', '.join(sorted(missing)[:3])})"
            for place, missing in (("first", names[1] - names[0]), ("second", names[0] - names[1]))
            if missing
        ]
        raise ValueError(f"the reports are on different objects: {'; '.join(lacking)}")


def _chosen_targets(
    first: Report, second: Report, targets: Sequence[float] | None, stop: float | None
) -> Sequence[float]:
    if targets is None:
        return [target for target in first.targets if target in second.targets]
    beyond = [target for target in targets if stop is not None and target > stop]
    if beyond:
        raise ValueError(
            f"objects were stopped at IoU {stop:g} in one of the runs, so {beyond} cannot be "
            "compared"
        )
    return targets


def _notes(first: Report, second: Report, count: int, stop: float | None) -> tuple[str, ...]:
    notes = [f"the runs differ in {text}" for text in _differing(first.info, second.info)]
    if first.info.stop_iou != second.info.stop_iou:
        notes.append(f"both are counted as if stopped at IoU {stop:g}")
    left_out = len(first.records) - count
    if left_out:
        notes.append(f"{left_out} objects are faulty in one of the reports and in no measure")
    return tuple(notes)


def _differing(first: RunInfo, second: RunInfo) -> list[str]:
    one, two = first.to_dict(), second.to_dict()
    found = []
    for name in one:
        if name in _NOT_COMPARED or one[name] == two[name]:
            continue
        if first.method != second.method and name in ("method", "options", "weights"):
            continue
        if name == "options":
            changed = [
                k for k in {**one[name], **two[name]} if one[name].get(k) != two[name].get(k)
            ]
            found += [f"{k}: {one[name].get(k)!r} and {two[name].get(k)!r}" for k in changed]
        else:
            found.append(f"{name}: {one[name]} and {two[name]}")
    return found
