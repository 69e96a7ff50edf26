"""The subcommands ``report`` and ``published`` of the ``iseg-widget`` command."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from iseg_widget.cli.values import Command

if TYPE_CHECKING:
    from iseg_widget.evaluation.report import Report

RECORDS, REPORT = "records.jsonl", "report.json"
"""What ``evaluate --out`` writes."""


def _build_report(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``report``."""
    parser.add_argument(
        "report", type=Path, help=f"the folder that 'evaluate --out' wrote, {REPORT} or {RECORDS}"
    )
    parser.add_argument(
        "--compare", type=Path, metavar="REPORT", help="with confidence intervals, object by object"
    )
    parser.add_argument(
        "--published", action="store_true", help="put it beside the papers' numbers"
    )
    for name, text in (
        ("json", "the whole report"),
        ("csv", "one line per object"),
        ("latex", "the measures as a tabular"),
        ("curves", "a picture of mean IoU over clicks, by matplotlib"),
        ("histogram", "a picture of the clicks to 90 %% IoU, by matplotlib"),
    ):
        parser.add_argument(f"--{name}", type=Path, metavar="FILE", help=f"write {text}")


def _run_report(arguments: argparse.Namespace) -> int:
    """Print a report, and write or compare it as asked."""
    from iseg_widget.evaluation.report import Report

    report = Report.load(_file(arguments.report))
    others = [] if arguments.compare is None else [Report.load(_file(arguments.compare))]
    texts = [str(report), *(str(report.compare(other)) for other in others)]
    if arguments.published:
        texts.append(str(report.beside_published()))
    for name in ("json", "csv", "latex"):
        path = getattr(arguments, name)
        if path is not None:
            getattr(report, f"to_{name}")(path)
    for name in ("curves", "histogram"):
        path = getattr(arguments, name)
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            _save_plot(report, others, name, path)
    print("\n\n".join(texts))
    return 0


def _save_plot(report: Report, others: Sequence[Report], name: str, path: Path) -> None:
    from iseg_widget.evaluation.plots import need_matplotlib

    need_matplotlib()
    from matplotlib.figure import Figure

    size = (5.6, 3.8) if name == "curves" else (6.4, 3.6)
    figure = Figure(figsize=size, layout="constrained")
    getattr(report, f"plot_{name}")(*others, ax=figure.subplots())
    figure.savefig(path, dpi=150)


def _file(path: Path) -> Path:
    """Return the report in a folder, or the file itself."""
    if not path.is_dir():
        return path
    for name in (REPORT, RECORDS):
        if (path / name).is_file():
            return path / name
    raise ValueError(f"{path} holds neither {REPORT} nor {RECORDS}")


def _build_published(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``published``."""
    for name, text in (
        ("method", "about this method, such as focalclick or graph_cut"),
        ("dataset", "on this dataset, such as grabcut"),
        ("metric", "such as NoC@90"),
        ("paper", "printed in this method's paper, such as focuscut"),
    ):
        parser.add_argument(f"--{name}", metavar="NAME", help=text)
    parser.add_argument("--csv", action="store_true", help="print comma-separated values")


def _run_published(arguments: argparse.Namespace) -> int:
    """Print published numbers."""
    from iseg_widget.evaluation.published import published_results

    found = published_results(
        arguments.method, arguments.dataset, arguments.metric, arguments.paper
    )
    print(found.table().to_csv() if arguments.csv else found, end="" if arguments.csv else "\n")
    return 0


COMMANDS = {
    "report": Command("show, compare and export what evaluate found", _run_report, _build_report),
    "published": Command(
        "show the numbers of the papers' tables", _run_published, _build_published
    ),
}
