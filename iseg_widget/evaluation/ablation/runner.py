"""Running an experiment: row after row through :func:`iseg_widget.evaluate`, small files left."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import iseg_widget
from iseg_widget.datasets import load
from iseg_widget.evaluation.ablation.definition import Experiment, Row, load_experiment
from iseg_widget.evaluation.ablation.results import (
    PROVENANCE,
    Results,
    read_reports,
    small_record,
)
from iseg_widget.evaluation.ablation.subset import Shuffled
from iseg_widget.evaluation.jobs import MethodSpec
from iseg_widget.evaluation.records import FORMAT
from iseg_widget.evaluation.report import Report
from iseg_widget.evaluation.run_folder import machine
from iseg_widget.evaluation.runner import evaluate
from iseg_widget.provenance import versions
from iseg_widget.weights.registry import file_sha256, list_weights

Path_ = str | os.PathLike[str]


@dataclass(frozen=True)
class Place:
    """Where an experiment's inputs are, and on what it runs.

    Attributes
    ----------
    root: folder with the datasets; ``None``: ``$ISEG_DATA``.
    trained: folder of training runs: weights that are not packaged are looked for as
        ``trained/NAME/NAME.safetensors``.
    device, threads: see :func:`iseg_widget.evaluate`.
    """

    root: Path_ | None = None
    trained: Path_ = "runs"
    device: str = "auto"
    threads: int | None = None


def run(  # noqa: PLR0913 (what is run, where, and how much of it)
    experiment: Experiment | str,
    out: Path_,
    *,
    place: Place | None = None,
    dataset: str | None = None,
    rows: Sequence[str] | None = None,
    objects: int | None = None,
    again: bool = False,
    progress: bool = True,
    say: Callable[[str], None] | None = None,
) -> Results:
    """Evaluate the rows of an experiment and leave small results behind.

    Each row's records are in ``out/ROW.jsonl``, which :class:`Report` reads; beside them are
    ``table.md``, ``table.csv`` and ``provenance.json``. A row whose file is there is continued:
    one may stop at any moment, and go on later with more objects.

    Parameters
    ----------
    experiment: one, or the name of a packaged one.
    out: folder of the results.
    place: see :class:`Place`.
    dataset: instead of the experiment's (rows with one of their own keep it).
    rows: ids of rows to run; default: all. Rows whose weights are not there are left out.
    objects: instead of the experiment's; the first of a shuffle, 0 for all.
    again: run rows from the beginning.
    progress: show a bar for each row.
    say: takes a line about each row that is run or left out.

    Raises
    ------
    ValueError: unknown experiment, row or dataset, or a row's file belongs to another run, such
        as one with other weights (``again`` replaces it).
    """
    chosen = load_experiment(experiment) if isinstance(experiment, str) else experiment
    place = place or Place()
    folder = Path(out)
    wanted = [chosen.row(name) for name in rows] if rows is not None else list(chosen.rows)
    count = chosen.objects if objects is None else objects or None
    known: dict[str, Shuffled] = {}
    notes = _Provenance(folder, chosen)
    tell = say or (lambda _: None)
    for row in wanted:
        weights = find_weights(row, Path(place.trained))
        if row.missing or weights is None:
            tell(f"{row.id}: left out. {row.missing or f'To train it: {row.train_command()}'}")
            continue
        name = row.dataset or dataset or chosen.dataset
        if name not in known:
            known[name] = Shuffled(load(name, place.root), chosen.seed)
        path = folder / f"{row.id}.jsonl"
        if again:
            path.unlink(missing_ok=True)
        tell(f"{row.id}: {row.label}")
        _evaluate(chosen, row, weights, known[name], count, path, place, progress=progress)
        notes.add(row, weights, make_small(path))
        _write(Results(chosen, read_reports(folder, chosen), notes.data), folder)
    return Results(chosen, read_reports(folder, chosen), notes.data)


def _evaluate(
    experiment: Experiment,
    row: Row,
    weights: str | Path,
    dataset: Shuffled,
    objects: int | None,
    path: Path,
    place: Place,
    *,
    progress: bool,
) -> None:
    evaluate(
        MethodSpec(row.method, weights=weights, options=dict(row.options), device=place.device),
        dataset,
        experiment.max_clicks,
        stop_iou=experiment.stop_iou,
        robot=experiment.robot,
        metrics=experiment.metrics,
        limit=objects,
        out=path,
        threads=place.threads,
        progress=progress,
    )


def find_weights(row: Row, trained: Path) -> str | Path | None:
    """Return a row's weights: a packaged name, a training run's file, or ``None``."""
    packaged = [record.name for record in list_weights() if record.path.is_file()]
    if row.weights in packaged:
        return row.weights
    path = trained / row.weights / f"{row.weights}.safetensors"
    return path if path.is_file() else None


def make_small(path: Path) -> Report:
    """Rewrite a file of records as :func:`small_record` has them; it can still be continued."""
    report = Report.load(path)
    header: dict[str, Any] = {"format": FORMAT, "run": report.info.to_dict()}
    lines = [header, *(small_record(record) for record in report.records)]
    text = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)
    partial = path.with_name(path.name + ".part")
    # A stream knows its files by how they begin.
    partial.write_text(text.replace('{"format":', '{"format": ', 1), encoding="utf-8")
    partial.replace(path)
    return report


def _write(results: Results, folder: Path) -> None:
    (folder / "table.md").write_text(results.to_markdown(), encoding="utf-8")
    (folder / "table.csv").write_text(results.to_csv(), encoding="utf-8")


class _Provenance:
    """``provenance.json``: what each row was run with, on what, and when."""

    def __init__(self, folder: Path, experiment: Experiment) -> None:
        self._path = folder / PROVENANCE
        found: Mapping[str, Any] = {}
        if self._path.is_file():
            found = json.loads(self._path.read_text("utf-8"))
        self.data: dict[str, Any] = {
            "experiment": experiment.name,
            "command": f"iseg-widget ablation {experiment.name}",
            "rows": dict(found.get("rows", {})),
        }

    def add(self, row: Row, weights: str | Path, report: Report) -> None:
        """Note a row that was run; the file is written at once."""
        if isinstance(weights, Path):
            source = weights
        else:
            source = next(r.path for r in list_weights() if r.name == weights)
        here = machine()
        words = [f"{here['cores']} cores, {here['processor']}", *here["gpus"]]
        self.data["rows"][row.id] = {
            "weights": row.weights,
            "sha256": file_sha256(source),
            "fingerprint": report.info.weights,
            "options": dict(row.options),
            "dataset": report.info.dataset,
            "objects": len(report.records),
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "commit": source_commit(),
            "machine": ", ".join(words) + ("" if here["gpus"] else ", CPU"),
            "versions": {"iseg-widget": iseg_widget.__version__, **versions()},
        }
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(json.dumps(self.data, indent=1) + "\n", encoding="utf-8")


def source_commit() -> str:
    """Return the short revision of the source, ``"unknown"`` outside a git checkout."""
    try:
        found = subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"],  # noqa: S607
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return found.stdout.strip()
