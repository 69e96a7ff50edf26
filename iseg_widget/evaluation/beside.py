"""Own results beside the published ones, in the form of the papers' tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from iseg_widget.evaluation import summary
from iseg_widget.evaluation.published import (
    PublishedResult,
    collected_notes,
    plain_name,
    published_results,
)
from iseg_widget.evaluation.tables import Table

if TYPE_CHECKING:
    from iseg_widget.evaluation.report import Report

Cell = tuple[str, str, int | None, str]
"""Dataset, metric, clicks at most, start: what a column of the table holds."""

_ORDER = ("NoC", "NoF", "IoU", "BIoU", "ASSD")
_KINDS = ("method", "variant", "backbone", "training")
_TELLING = ("weights", "robot", "max_clicks", "stop_iou")
_NONE = "-"


@dataclass
class _Line:
    """A published row while rows of several papers that say the same become one."""

    version: dict[str, str | None]
    cells: dict[Cell, PublishedResult]
    sources: list[tuple[str, set[Cell]]] = field(default_factory=list)

    def agrees(self, other: _Line) -> bool:
        """The other may be this very row, and no number speaks against it.

        Where one of them leaves open which version it is, a number in common is asked for.
        """
        for name in _KINDS:
            if None not in (self.version[name], other.version[name]) and (
                self.version[name] != other.version[name]
            ):
                return False
        shared = set(self.cells) & set(other.cells)
        same = self.version == other.version
        return (same or bool(shared)) and all(
            _equal(self.cells[cell], other.cells[cell]) for cell in shared
        )

    def take(self, other: _Line) -> None:
        for name in _KINDS:
            self.version[name] = self.version[name] or other.version[name]
        self.cells = {**other.cells, **self.cells}
        self.sources += other.sources


def _equal(one: PublishedResult, two: PublishedResult) -> bool:
    """The numbers are one number, printed with as many or with different digits."""
    places = min(len(r.printed.partition(".")[2]) for r in (one, two))
    return abs(one.value - two.value) <= 0.5 * 10.0**-places + 1e-9


def beside_published(
    reports: Sequence[Report],
    *,
    method: str | None = None,
    paper: str | None = None,
    ablations: bool = False,
) -> Table:
    """Put reports beside the published numbers on their datasets.

    A published row stands there once, with all tables that print it; rows whose numbers differ
    stay apart. Probable misprints carry a question mark and a note.

    Parameters
    ----------
    reports: of one or several methods and datasets; runs of the same method, options and weights
        on several datasets share a row.
    method, paper: only published numbers of this method, or printed in this paper, as for
        :func:`~iseg_widget.evaluation.published.published_results`.
    ablations: also reduced versions of methods.

    Raises
    ------
    ValueError: no report, two reports for one place, or nothing is published on the datasets; the
        message lists those with numbers.
    """
    if not reports:
        raise ValueError("there is no report")
    found = [r for r in published_results(method, paper=paper) if r.full or ablations]
    lines = _merged(found)
    ours = {id(report): _own_cells(report) for report in reports}
    cells = _columns(list(ours.values()), lines)
    if not cells:
        known = dict.fromkeys(r.dataset for r in published_results() if r.dataset)
        names = dict.fromkeys(report.info.dataset for report in reports)
        raise ValueError(
            f"nothing that these reports measure is published on {', '.join(names)}; there are "
            f"numbers on {', '.join(known)}"
        )
    lines = [line for line in lines if any(cell in line.cells for cell in cells)]
    own_rows = _own_rows(reports, ours, cells)
    rows = [*own_rows, *(_published_row(line, cells) for line in lines)]
    data = list(dict.fromkeys(cell[0] for cell in cells))
    metrics = (_heading(cell, len(data) > 1) for cell in cells)
    heads = ("method", "backbone", "trained on", "source", *metrics)
    return Table(
        f"Results of this package beside the published ones on {', '.join(data)}",
        heads,
        tuple(rows),
        labels=4,
        strong=tuple(range(len(own_rows))),
        notes=(*_own_notes(reports, cells), *_published_notes(lines, cells)),
    )


def _merged(results: Sequence[PublishedResult]) -> list[_Line]:
    lines: dict[tuple[object, ...], _Line] = {}
    for result in results:
        if result.dataset is None or result.method is None:
            continue
        version = {name: getattr(result, name) for name in _KINDS}
        key = (result.source, result.row, *version.values())
        line = lines.setdefault(key, _Line(version, {}, [(result.source, set())]))
        cell = (result.dataset, result.metric, result.max_clicks, result.start)
        line.cells[cell] = result
        line.sources[0][1].add(cell)
    merged: list[_Line] = []
    for line in lines.values():
        same = next((other for other in merged if other.agrees(line)), None)
        if same is None:
            merged.append(line)
        else:
            same.take(line)
    return merged


def _own_cells(report: Report) -> dict[Cell, str]:
    """What a report can say in the papers' terms."""
    if not report.valid:
        return {}
    info = report.info
    data = plain_name(info.dataset)
    start = "initial_mask" if any(record.initial_iou > 0 for record in report.valid) else "scratch"
    cells: dict[Cell, str] = {}
    for limit in (20, 100):
        if limit > info.max_clicks:
            continue
        for target in report.targets:
            at = f"@{100 * target:g}"
            cells[data, f"NoC{at}", limit, start] = f"{report.noc(target, limit):.2f}"
            cells[data, f"NoF{at}", limit, start] = str(report.nof(target, limit))
    measures = [("IoU", report.iou_at)]
    measures += [("BIoU", report.biou_at)] if "biou" in info.metrics else []
    measures += [("ASSD", report.assd_at)] if "assd" in info.metrics else []
    for name, measure in measures:
        for click in range(1, info.max_clicks + 1):
            cells[data, f"{name}@{click}", None, start] = f"{measure(click):.3f}"
    return cells


def _columns(ours: list[dict[Cell, str]], lines: list[_Line]) -> list[Cell]:
    published = {cell for line in lines for cell in line.cells}
    both = dict.fromkeys(cell for cells in ours for cell in cells if cell in published)
    data = list(dict.fromkeys(cell[0] for cell in both))

    def place(cell: Cell) -> tuple[int, int, int, int]:
        measure, _, at = cell[1].partition("@")
        return data.index(cell[0]), cell[2] or 20, _ORDER.index(measure), int(at)

    return sorted(both, key=place)


def _heading(cell: Cell, several: bool) -> str:
    data, metric, limit, start = cell
    more = [f"{limit} clicks"] if limit == 100 else []
    more += ["from initial mask"] if start == "initial_mask" else []
    name = f"{data} {metric}" if several else metric
    return name + (f" ({', '.join(more)})" if more else "")


def _joined(sources: Sequence[str]) -> str:
    """``FocusCut Table 1`` and ``2`` as one: papers with their tables."""
    tables: dict[str, list[str]] = {}
    for source in sources:
        paper, _, number = source.partition(" Table ")
        tables.setdefault(paper, []).append(number)
    return "; ".join(
        f"{paper} Table{'s' if len(numbers) > 1 else ''} {', '.join(numbers)}"
        for paper, numbers in tables.items()
    )


def _own_rows(
    reports: Sequence[Report], ours: dict[int, dict[Cell, str]], cells: list[Cell]
) -> list[tuple[str, ...]]:
    rows: dict[str, dict[Cell, str]] = {}
    for name, report in zip(summary.labels(reports, _TELLING), reports, strict=True):
        row = rows.setdefault(name, {})
        twice = sorted({cell[0] for cell in ours[id(report)] if cell in row})
        if twice:
            raise ValueError(f"two reports of {name} on {', '.join(twice)} differ in nothing")
        row.update(ours[id(report)])
    return [
        (name, "", "", "this package", *(row.get(cell, _NONE) for cell in cells))
        for name, row in rows.items()
    ]


def _published_row(line: _Line, cells: list[Cell]) -> tuple[str, ...]:
    method, variant, backbone, training = (line.version[name] for name in _KINDS)
    name = f"{method} ({variant})" if variant else str(method)
    values = []
    for cell in cells:
        result = line.cells.get(cell)
        mark = "?" if result is not None and result.suspect else ""
        values.append(_NONE if result is None else result.printed + mark)
    sources = [source for source, printed in line.sources if printed & set(cells)]
    return (name, backbone or "", training or "", _joined(sources), *values)


def _own_notes(reports: Sequence[Report], cells: list[Cell]) -> list[str]:
    measures = {cell[1].partition("@")[0] for cell in cells}
    notes = []
    for report in reports:
        info = report.info
        text = [report.title]
        caveat = summary.description(report)
        text += [caveat] if caveat else []
        if len(report.valid) < info.samples:
            text.append(f"only {len(report.valid)} of {info.samples} objects")
        if info.max_clicks < 20:
            text.append("too few clicks for the published NoC and NoF, which take 20")
        if info.stop_iou is not None and measures & {"IoU", "BIoU", "ASSD"}:
            text.append("measures at a click are held back by the stop")
        at_limit = [
            f"NoF@{100 * t:g} {report.nof(t, 20, 'at_limit')}"
            for t in report.targets
            if info.max_clicks >= 20
            and report.valid
            and report.nof(t, 20) != report.nof(t, 20, "at_limit")
            and any(cell[1] == f"NoF@{100 * t:g}" for cell in cells)
        ]
        if at_limit:
            text.append(f"counting a success with click 20 as a failure: {', '.join(at_limit)}")
        notes.append("; ".join(text))
    return notes


def _published_notes(lines: list[_Line], cells: list[Cell]) -> list[str]:
    shown = [line.cells[cell] for line in lines for cell in cells if cell in line.cells]
    return [
        "networks trained on different data are hard to compare; the table names what papers say",
        *collected_notes(shown),
    ]
