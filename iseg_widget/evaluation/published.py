"""The result tables of the five papers, as data.

``published.json`` holds every number of their result and ablation tables as it is printed, with the
table, row and column it stands in. Numbers that are probably misprints keep their printed value and
are marked: :attr:`PublishedResult.suspect` is true and :attr:`PublishedResult.note` says why.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from iseg_widget.evaluation.tables import Table

FORMAT = 1
KINDS = ("comparison", "ablation", "cost", "statistics")
STARTS = ("scratch", "initial_mask")
UNITS: Mapping[str, str] = {
    "NoC": "clicks",
    "NoF": "objects",
    "IoU": "fraction",
    "BIoU": "fraction",
    "ASSD": "pixels",
    "Params": "million",
    "FLOPs": "billion",
    "Time": "milliseconds",
    "IoU gain": "fraction",
    "centrality": "fraction",
    "crop area": "percent",
}
"""Unit of every measure; its name is what stands before ``@`` or a bracket."""

_ALIASES = {"davis345": "davis", "voc": "pascal_voc", "pascal": "pascal_voc"}
_PAPER = {"name", "venue", "title"}
_TABLE = {"paper", "table", "kind", "about", "columns", "rows", "notes"}
_COLUMN = {"column", "dataset", "metric"}
_COLUMN_MORE = {"max_clicks", "start", "backbone", "variant"}
_ROW = {"row", "method", "values"}
_ROW_MORE = {"variant", "backbone", "training", "group", "full", "metric"}
_NOTE = {"note"}
_NOTE_MORE = {"row", "column", "group", "suspect"}


@dataclass(frozen=True)
class PublishedResult:
    """A number in a table of a paper.

    Attributes
    ----------
    paper, table, row, column: where it is printed; ``paper`` is that paper's method name.
    method: registry name of the method it is about, or a name of that kind (``"cdnet"``);
        ``None`` where the paper names no single one.
    variant, backbone, training: which version of the method, as far as the paper says.
    dataset: name as for :func:`iseg_widget.datasets.load`; ``None`` where there is none.
    metric: such as ``"NoC@90"``, ``"IoU@5"``.
    value, printed: the number, and its digits as they are printed.
    unit: of the value, see :data:`UNITS`.
    max_clicks: clicks an object had at most; ``None`` for measures without clicks.
    start: ``"scratch"`` or ``"initial_mask"``.
    kind: what the table is for, one of :data:`KINDS`.
    full: the method as proposed, not a reduced version in an ablation.
    suspect: probably a misprint, or in doubt; ``note`` says why.
    """

    paper: str
    table: int
    row: str
    column: str
    method: str | None
    variant: str | None
    backbone: str | None
    training: str | None
    dataset: str | None
    metric: str
    value: float
    printed: str
    unit: str
    max_clicks: int | None
    start: str
    kind: str
    full: bool
    suspect: bool
    note: str

    @property
    def source(self) -> str:
        """Paper and table, such as ``"FocusCut Table 2"``."""
        return f"{paper_names()[self.paper]} Table {self.table}"


class PublishedResults(tuple[PublishedResult, ...]):
    """Published numbers; a tuple that prints as a table."""

    __slots__ = ()

    def table(self) -> Table:
        """Return one row a number, with the notes below."""
        rows = tuple(
            (
                result.source,
                result.row,
                result.column,
                result.dataset or "",
                result.metric,
                result.printed,
                "?" if result.suspect else "",
            )
            for result in self
        )
        names = ("source", "row", "column", "dataset", "metric", "value", "")
        title = f"{len(self)} published numbers"
        return Table(title, names, rows, labels=5, notes=collected_notes(self))

    def __str__(self) -> str:
        return str(self.table())

    def _repr_html_(self) -> str:
        return self.table().to_html()


def published_results(
    method: str | None = None,
    dataset: str | None = None,
    metric: str | None = None,
    paper: str | None = None,
) -> PublishedResults:
    """Return the published numbers that fit, in the order of the papers.

    Parameters
    ----------
    method: about this method, such as ``"focalclick"`` or ``"graph_cut"``.
    dataset: on this dataset; written as ``"davis585"`` or ``"DAVIS-585"``.
    metric: such as ``"NoC@90"``; upper or lower case.
    paper: printed in the paper of this method: ``ris_net fca_net focuscut focalclick ia_fpn``.

    Raises
    ------
    ValueError: nothing is published under that name; the message lists the accepted ones.
    """
    results = _packaged()[1]
    wanted = {
        "method": method,
        "dataset": None if dataset is None else plain_name(dataset),
        "metric": metric,
        "paper": paper,
    }
    for field, value in wanted.items():
        if value is None:
            continue
        accepted = list(dict.fromkeys(getattr(r, field) for r in results if getattr(r, field)))
        folded = {name.casefold(): name for name in accepted}
        if str(value).casefold() not in folded:
            raise ValueError(
                f"no published number has the {field} {value!r}; accepted are {', '.join(accepted)}"
            )
        name = folded[str(value).casefold()]
        results = [r for r in results if getattr(r, field) == name]
    return PublishedResults(results)


def collected_notes(results: Iterable[PublishedResult]) -> tuple[str, ...]:
    """Return what is to be said about the numbers, once for a row of a table."""
    columns: dict[tuple[str, str, str], list[str]] = {}
    for result in results:
        if result.note:
            columns.setdefault((result.source, result.row, result.note), []).append(result.column)
    return tuple(
        ", ".join((source, row, *(found if len(found) == 1 else ()))) + f": {note}"
        for (source, row, note), found in columns.items()
    )


def plain_name(dataset: str) -> str:
    """Return a dataset's name as the published numbers have it: ``"DAVIS-585"`` is davis585."""
    name = re.sub(r"[\s-]+", "_", dataset.strip().casefold())
    name = re.sub(r"_(?=\d)", "", name)
    return _ALIASES.get(name, name)


def paper_names() -> Mapping[str, str]:
    """Return the papers' short names by method name."""
    return {key: str(paper["name"]) for key, paper in _packaged()[0].items()}


@cache
def _packaged() -> tuple[Mapping[str, Mapping[str, str]], list[PublishedResult]]:
    return read_published(Path(str(resources.files("iseg_widget.evaluation"))) / "published.json")


def read_published(
    path: str | os.PathLike[str],
) -> tuple[Mapping[str, Mapping[str, str]], list[PublishedResult]]:
    """Read a file of published tables: the papers, and every number.

    Raises
    ------
    ValueError: the file is missing or not of the expected form; the message names the place.
    """
    try:
        data = json.loads(Path(path).read_text("utf-8"))
    except OSError as error:
        raise ValueError(f"cannot read published tables from {path}: {error.strerror}") from error
    except ValueError as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
    try:
        _keys(data, {"format", "papers", "tables"}, "the file")
        if data["format"] != FORMAT:
            raise ValueError(  # noqa: TRY301 (the path is added below)
                f"format {data['format']!r}; accepted is {FORMAT}"
            )
        for name, paper in data["papers"].items():
            _keys(paper, _PAPER, f"paper {name}")
        results: list[PublishedResult] = []
        for table in data["tables"]:
            results += _read_table(table, data["papers"])
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} holds no published tables: {error}") from error
    return data["papers"], results


def _keys(
    data: Mapping[str, Any], needed: Iterable[str], place: str, more: Iterable[str] = ()
) -> None:
    if not isinstance(data, Mapping):
        raise TypeError(f"{place} must be an object, got {type(data).__name__}")
    needed, known = set(needed), {*needed, *more}
    if not needed <= set(data) <= known:
        raise ValueError(
            f"{place} has the keys {sorted(known)}; missing {sorted(needed - set(data))}, "
            f"unknown {sorted(set(data) - known)}"
        )


def _read_table(
    table: Mapping[str, Any], papers: Mapping[str, Mapping[str, str]]
) -> list[PublishedResult]:
    _keys(table, _TABLE, "a table")
    place = f"{table['paper']} table {table['table']}"
    if table["paper"] not in papers:
        raise ValueError(f"{place}: unknown paper; accepted are {', '.join(papers)}")
    if table["kind"] not in KINDS:
        raise ValueError(f"{place}: kind is {table['kind']!r}; accepted are {', '.join(KINDS)}")
    for column in table["columns"]:
        _keys(column, _COLUMN, f"{place}: a column", _COLUMN_MORE)
        if column.get("start", "scratch") not in STARTS:
            raise ValueError(
                f"{place}: start is {column['start']!r}; accepted are {', '.join(STARTS)}"
            )
    notes = [_checked_note(note, table, place) for note in table["notes"]]
    results = []
    for row in table["rows"]:
        _keys(row, _ROW, f"{place}: a row", _ROW_MORE)
        if len(row["values"]) != len(table["columns"]):
            raise ValueError(
                f"{place}, {row['row']}: {len(row['values'])} values for "
                f"{len(table['columns'])} columns"
            )
        for column, printed in zip(table["columns"], row["values"], strict=True):
            if printed is not None:
                results.append(_result(table, row, column, printed, notes))
    return results


def _checked_note(
    note: Mapping[str, Any], table: Mapping[str, Any], place: str
) -> Mapping[str, Any]:
    _keys(note, _NOTE, f"{place}: a note", _NOTE_MORE)
    rows = {row.get("row") for row in table["rows"]}
    columns = {column["column"] for column in table["columns"]}
    for field, known in (("row", rows), ("column", columns)):
        if field in note and note[field] not in known:
            raise ValueError(f"{place}: a note is about the {field} {note[field]!r}, not there")
    return note


def _result(
    table: Mapping[str, Any],
    row: Mapping[str, Any],
    column: Mapping[str, Any],
    printed: object,
    notes: list[Mapping[str, Any]],
) -> PublishedResult:
    place = f"{table['paper']} table {table['table']}, {row['row']}, {column['column']}"
    if not isinstance(printed, str) or not re.fullmatch(r"\d*\.?\d+", printed):
        raise ValueError(f"{place}: a value is a text of digits or null, got {printed!r}")
    metric = row.get("metric") or column["metric"]
    measure = re.split(r"@| \(", str(metric))[0]
    if measure not in UNITS:
        raise ValueError(f"{place}: unknown measure {metric!r}; accepted are {', '.join(UNITS)}")
    here = {"row": row["row"], "column": column["column"], "group": row.get("group")}
    fitting = [
        note
        for note in notes
        if {"row", "column"} & set(note)
        and all(here[field] == note[field] for field in here if field in note)
    ]
    variants = [part for part in (row.get("variant"), column.get("variant")) if part]
    return PublishedResult(
        paper=table["paper"],
        table=table["table"],
        row=row["row"],
        column=column["column"],
        method=row["method"],
        variant=", ".join(variants) or None,
        backbone=row.get("backbone") or column.get("backbone"),
        training=row.get("training"),
        dataset=column["dataset"],
        metric=metric,
        value=float(printed),
        printed=printed,
        unit=UNITS[measure],
        max_clicks=column.get("max_clicks", 20) if measure in ("NoC", "NoF") else None,
        start=column.get("start", "scratch"),
        kind=table["kind"],
        full=table["kind"] == "comparison" or bool(row.get("full")),
        suspect=any(note.get("suspect", False) for note in fitting),
        note="; ".join(note["note"] for note in fitting),
    )
