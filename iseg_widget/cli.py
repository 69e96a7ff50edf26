"""The ``iseg-widget`` command.

Every subcommand imports what it needs itself, so that ``--help`` and the lists are quick. Errors of
use come as one line on stderr with exit code 2.
"""

from __future__ import annotations

import argparse
import ast
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import iseg_widget

PROGRAM = "iseg-widget"
RECORDS, REPORT = "records.jsonl", "report.json"


class _Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


# Values


def _point(text: str) -> tuple[float, float]:
    try:
        x, y = (float(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected x,y in pixels, got {text!r}") from None
    return x, y


def _size(text: str) -> tuple[int, int]:
    try:
        width, height = (int(part) for part in text.lower().split("x"))
    except ValueError:
        width = height = 0
    if min(width, height) < 1:
        raise argparse.ArgumentTypeError(f"expected WIDTHxHEIGHT in pixels, got {text!r}")
    return width, height


def _option(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise argparse.ArgumentTypeError(f"expected key=value, got {text!r}")
    return key.strip().replace("-", "_"), _value(value.strip())


def _value(text: str) -> Any:
    words = {"true": True, "false": False, "none": None}
    if text.lower() in words:
        return words[text.lower()]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _natural(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number above 0, got {text!r}")
    return number


def _load_method(arguments: argparse.Namespace) -> Any:
    from iseg_widget.methods.registry import load_method

    return load_method(
        arguments.method,
        weights=arguments.weights,
        options=dict(arguments.option),
        device=arguments.device,
    )


def _set_threads(count: int | None) -> None:
    if count is not None:
        import cv2
        import torch

        torch.set_num_threads(count)
        cv2.setNumThreads(count)


# Subcommands: each takes the parsed arguments and returns the exit code


def _evaluate(arguments: argparse.Namespace) -> int:
    from iseg_widget.datasets import load
    from iseg_widget.evaluation.runner import evaluate

    _set_threads(arguments.threads)
    dataset = load(arguments.dataset, arguments.root)
    out: Path | None = arguments.out
    report = evaluate(
        _load_method(arguments),
        dataset,
        arguments.max_clicks,
        stop_iou=arguments.stop_iou,
        robot=arguments.robot,
        metrics=arguments.metric,
        limit=arguments.limit,
        out=None if out is None else out / RECORDS,
        progress=not arguments.quiet,
    )
    print(report)
    if out is not None:
        report.save(out / REPORT)
    return 0 if report.valid else 1


def _datasets(arguments: argparse.Namespace) -> int:
    from iseg_widget.datasets import list_datasets

    found = list_datasets(arguments.root)
    for info in found:
        place = info.path or ("in the package" if info.available else "not found")
        print(f"{info.name:<10} {info.objects:>5} objects  {place}\n{'':<10} {info.description}")
    missing = [info for info in found if not info.available]
    if missing and not any(info.looked_in for info in missing):
        print("Give --root, or set ISEG_DATA to the folder that holds the benchmarks' folders.")
    elif missing:
        root = arguments.root or os.environ["ISEG_DATA"]
        print(f"Looked in {root} and its folder eval")
    return 0


def _methods(arguments: argparse.Namespace) -> int:
    from iseg_widget.methods import registry

    if arguments.name is None:
        for name in registry.list_methods():
            print(f"{name:<16} {registry.method_title(name)}")
        return 0
    import inspect
    from dataclasses import fields

    options = registry.options_class(arguments.name)
    print(f"{arguments.name}: {registry.method_title(arguments.name)}\n")
    print(inspect.cleandoc(options.__doc__ or ""), end="\n\n")
    for field in fields(options):
        print(f"--option {field.name}={field.default}")
    return 0


def _models(_: argparse.Namespace) -> int:
    from iseg_widget.weights.registry import list_published, list_weights

    for record in list_weights():
        state = "" if record.path.is_file() else "  (file is missing)"
        print(f"{record.name:<24} {record.method:<12} {record.licence}{state}")
        if record.data:
            print(f"{'':<24} trained on {record.data}")
        for dataset, scores in record.scores.items():
            listed = ", ".join(f"{name} {value:g}" for name, value in scores.items())
            print(f"{'':<24} {dataset}: {listed}")
    print("\nPublished by the methods' authors, not in the package:\n")
    for entry in list_published():
        print(f"{entry.name:<36} {entry.method:<12} {entry.licence or 'no licence stated'}")
        print(f"{'':<36} {entry.where}")
    return 0


def _segment(arguments: argparse.Namespace) -> int:
    import numpy as np
    from PIL import Image

    from iseg_widget.api import segment
    from iseg_widget.datasets.files import read_merged_mask

    _set_threads(arguments.threads)
    existing = None if arguments.mask is None else read_merged_mask(arguments.mask)
    mask = segment(
        arguments.image,
        arguments.positive,
        arguments.negative,
        method=_load_method(arguments),
        mask=existing,
    )
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(mask.astype(np.uint8) * 255).save(arguments.out)
    print(f"{arguments.out}: {int(mask.sum())} of {mask.size} pixels")
    return 0


def _train(arguments: argparse.Namespace) -> int:
    from iseg_widget.training.recipes import load_recipe

    recipe = load_recipe(arguments.recipe)
    if not arguments.data.is_dir():
        raise ValueError(f"no folder with training data at {arguments.data}")
    _set_threads(arguments.threads)
    from iseg_widget.training.trainer import train

    train(
        recipe,
        arguments.data,
        arguments.out or Path("runs") / recipe.name,
        resume=arguments.resume,
        steps=arguments.steps,
        device=arguments.device,
        precision=arguments.precision,
        overfit=arguments.overfit,
        init=arguments.init,
    )
    return 0


def _export_weights(arguments: argparse.Namespace) -> int:
    from iseg_widget.training.export import export_checkpoint

    settings = export_checkpoint(arguments.checkpoint, arguments.out)
    size = arguments.out.stat().st_size
    print(f"{arguments.out}: {settings['name']}, step {settings['step']}, {size} bytes")
    return 0


def _benchmark(arguments: argparse.Namespace) -> int:
    import json

    from iseg_widget import benchmark

    if arguments.methods or arguments.published:
        if len(arguments.size) > 1:
            raise ValueError("networks are measured at one --size")
        every = not arguments.methods or "all" in arguments.methods
        rows = benchmark.run_network_benchmark(
            None if every else arguments.methods,
            published=arguments.published,
            size=(arguments.size or [benchmark.NETWORK_SIZE])[0],
            threads=arguments.threads,
            repeat=arguments.repeat,
        )
    else:
        rows = benchmark.run_benchmark(
            arguments.method,
            sizes=arguments.size or benchmark.DEFAULT_SIZES,
            threads=arguments.threads,
        )
    records = benchmark.to_records(rows)
    print(json.dumps(records, indent=2) if arguments.json else benchmark.format_rows(rows))
    return 0


# The parser


def _add_method(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--method", default="focalclick", help="see 'methods' (%(default)s)")
    parser.add_argument(
        "--weights", metavar="NAME|FILE", help="see 'models'; default: the method's"
    )
    parser.add_argument(
        "--option",
        type=_option,
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="an option of the method, see 'methods NAME'; may be repeated",
    )
    _add_machine(parser)


def _add_machine(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")
    parser.add_argument("--threads", type=_natural, metavar="N", help="CPU threads")


def _build_evaluate(parser: argparse.ArgumentParser) -> None:
    _add_method(parser)
    parser.add_argument(
        "--dataset", required=True, help="see 'datasets', or a folder with images/ and masks/"
    )
    parser.add_argument("--root", type=Path, help="folder that holds the dataset ($ISEG_DATA)")
    parser.add_argument("--max-clicks", type=_natural, default=20, metavar="N", help="(20)")
    parser.add_argument(
        "--stop-iou", type=float, metavar="IOU", help="an object is done at this IoU (1)"
    )
    parser.add_argument("--robot", default="ritm", help="ritm, fcanet or focuscut (%(default)s)")
    parser.add_argument(
        "--metric", action="append", default=[], help="also biou or assd; may be repeated"
    )
    parser.add_argument("--limit", type=_natural, metavar="N", help="only the first N objects")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help=f"write {RECORDS} (continued) and {REPORT} there"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def _build_datasets(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--root", type=Path, help="where to look ($ISEG_DATA)")


def _build_methods(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", help="show the options of this method")


def _build_segment(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("image", type=Path)
    for name in ("positive", "negative"):
        parser.add_argument(
            f"--{name}",
            type=_point,
            action="append",
            default=[],
            metavar="X,Y",
            help=f"a {name} click in pixels; may be repeated",
        )
    parser.add_argument("--mask", type=Path, help="an existing mask to correct")
    parser.add_argument("--out", type=Path, required=True, help="PNG, 255 on the object")
    _add_method(parser)


def _build_train(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--recipe", required=True, help="name of a packaged recipe")
    parser.add_argument("--data", type=Path, required=True, help="folder with the training data")
    parser.add_argument("--out", type=Path, help="folder for the run (runs/RECIPE)")
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    parser.add_argument("--steps", type=_natural, metavar="N", help="instead of the recipe's")
    parser.add_argument("--precision", default="bf16", help="(%(default)s)")
    parser.add_argument(
        "--overfit", type=_natural, metavar="N", help="train on N fixed objects, as a proof"
    )
    parser.add_argument(
        "--init", metavar="NAME|FILE", help="start from these weights instead of ImageNet's"
    )
    _add_machine(parser)


def _build_export_weights(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("checkpoint", type=Path, help="checkpoint.pt of a training run")
    parser.add_argument("--out", type=Path, required=True, help="the .safetensors file to write")


def _build_benchmark(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--method", default="focalclick", help="see 'methods' (%(default)s)")
    parser.add_argument(
        "--methods",
        action="append",
        default=[],
        metavar="METHOD|all",
        help="measure every network of these methods instead, with random weights",
    )
    parser.add_argument(
        "--published",
        action="store_true",
        help="of those, only networks that authors publish; without --methods of all methods",
    )
    parser.add_argument(
        "--repeat", type=_natural, default=3, metavar="N", help="sessions a network (%(default)s)"
    )
    parser.add_argument(
        "--size",
        type=_size,
        action="append",
        default=[],
        metavar="WxH",
        help="image size in pixels; may be repeated",
    )
    parser.add_argument("--threads", type=_natural, metavar="N", help="CPU threads")
    parser.add_argument("--json", action="store_true", help="print records instead of a table")


_Build = Callable[[argparse.ArgumentParser], None]
_Run = Callable[[argparse.Namespace], int]

_COMMANDS: Mapping[str, tuple[str, _Build | None, _Run]] = {
    "evaluate": ("let a robot user click through a dataset", _build_evaluate, _evaluate),
    "segment": ("segment an object by clicks given here", _build_segment, _segment),
    "train": ("train a network", _build_train, _train),
    "export-weights": (
        "turn a checkpoint into a weights file",
        _build_export_weights,
        _export_weights,
    ),
    "benchmark": ("measure what a click costs here", _build_benchmark, _benchmark),
    "datasets": ("list the datasets and where they are", _build_datasets, _datasets),
    "methods": ("list the methods, or the options of one", _build_methods, _methods),
    "models": ("list the trained weights", None, _models),
}


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command."""
    parser = _Parser(prog=PROGRAM, description="Interactive image segmentation by clicks.")
    parser.add_argument("--version", action="version", version=iseg_widget.__version__)
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for name, (text, build, run) in _COMMANDS.items():
        command = commands.add_parser(name, help=text, description=text[0].upper() + text[1:])
        if build is not None:
            build(command)
        command.set_defaults(run=run)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code: 2 for wrong use, 130 when interrupted."""
    arguments = build_parser().parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except BrokenPipeError:  # the reader, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ValueError, TypeError, OSError, ImportError) as error:
        print(f"{PROGRAM}: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
