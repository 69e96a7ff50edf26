"""The subcommands ``evaluate`` and ``datasets``."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from iseg_widget.cli.reporting import REPORT
from iseg_widget.cli.values import Command, add_method, chosen_weights, natural, seed, set_threads


def _evaluate(arguments: argparse.Namespace) -> int:
    from iseg_widget.datasets import load
    from iseg_widget.evaluation.runner import MethodSpec, evaluate

    set_threads(arguments.threads)
    dataset = load(arguments.dataset, arguments.root)
    out: Path | None = arguments.out
    report = evaluate(
        MethodSpec(
            arguments.method,
            weights=chosen_weights(arguments),
            options=dict(arguments.option),
            device=arguments.device,
        ),
        dataset,
        arguments.max_clicks,
        stop_iou=arguments.stop_iou,
        robot=arguments.robot,
        metrics=arguments.metric,
        seed=arguments.seed,
        limit=arguments.limit,
        out=out,
        workers=arguments.workers,
        batch=arguments.batch,
        executor=arguments.executor,
        threads=arguments.threads,
        progress=not arguments.quiet,
    )
    print(report)
    for name, value in report.info.changed_options.items():
        print(f"  option {name}={value}")
    if out is not None:
        report.save(out / REPORT)
    return 0 if report.valid else 1


def _build_evaluate(parser: argparse.ArgumentParser) -> None:
    add_method(parser)
    parser.add_argument(
        "--dataset",
        required=True,
        help="see 'datasets', or a folder with images/ and masks/; NAME+defects: from flawed masks",
    )
    parser.add_argument("--root", type=Path, help="folder that holds the dataset ($ISEG_DATA)")
    parser.add_argument("--max-clicks", type=natural, default=20, metavar="N", help="(20)")
    parser.add_argument(
        "--stop-iou", type=float, metavar="IOU", help="an object is done at this IoU (1)"
    )
    parser.add_argument(
        "--robot",
        default="ritm",
        help="ritm, fcanet or focuscut, or noisy:FIELD=VALUE,... (%(default)s)",
    )
    parser.add_argument(
        "--metric",
        action="append",
        default=[],
        help="also biou, assd, hamming and others; may be repeated",
    )
    parser.add_argument("--seed", type=seed, metavar="N", help="of a robot that draws numbers")
    parser.add_argument("--limit", type=natural, metavar="N", help="only the first N objects")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help=f"folder of the run, which is continued when it is there; also gets {REPORT}",
    )
    parser.add_argument("--workers", type=natural, metavar="N", help="processes at a time (1)")
    parser.add_argument(
        "--batch",
        type=natural,
        default=1,
        metavar="N",
        help="objects in lock-step, for a GPU (%(default)s)",
    )
    parser.add_argument("--executor", choices=["ray"], help="run on a Ray cluster")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def _datasets(arguments: argparse.Namespace) -> int:
    from iseg_widget.datasets import list_datasets

    if arguments.defects is not None:
        return _defects(arguments)
    found = list_datasets(arguments.root)
    for info in found:
        place = info.path or ("in the package" if info.available else "not found")
        print(f"{info.name:<16} {info.objects:>5} objects  {place}\n{'':<16} {info.description}")
    missing = [info for info in found if not info.available]
    if missing and not any(info.looked_in for info in missing):
        print("Give --root, or set ISEG_DATA to the folder that holds the benchmarks' folders.")
    elif missing:
        root = arguments.root or os.environ["ISEG_DATA"]
        print(f"Looked in {root} and its folder eval")
    return 0


def _defects(arguments: argparse.Namespace) -> int:
    from iseg_widget.datasets import defect_statistics, load, with_defects

    dataset = load(arguments.defects, arguments.root)
    if dataset[0].initial_mask is None:
        dataset = with_defects(dataset)
    print(f"{dataset.name}: {dataset.description}")
    print(defect_statistics(dataset, arguments.limit))
    return 0


def _build_datasets(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--root", type=Path, help="where to look ($ISEG_DATA)")
    parser.add_argument(
        "--defects",
        metavar="NAME",
        help="statistics of this dataset's initial masks; it gets generated ones if it has none",
    )
    parser.add_argument("--limit", type=natural, metavar="N", help="of the first N objects")


COMMANDS = {
    "evaluate": Command("let a robot user click through a dataset", _evaluate, _build_evaluate),
    "datasets": Command("list the datasets and where they are", _datasets, _build_datasets),
}
