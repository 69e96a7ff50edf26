"""The subcommands ``segment``, ``methods``, ``models`` and ``benchmark``."""

from __future__ import annotations

import argparse
from pathlib import Path

from iseg_widget.cli.values import (
    Command,
    add_method,
    load_method,
    natural,
    point,
    set_threads,
    size,
)

INDENT = " " * 4


def _segment(arguments: argparse.Namespace) -> int:
    import numpy as np
    from PIL import Image

    from iseg_widget.api import segment
    from iseg_widget.datasets.files import read_merged_mask

    set_threads(arguments.threads)
    existing = None if arguments.mask is None else read_merged_mask(arguments.mask)
    mask = segment(
        arguments.image,
        arguments.positive,
        arguments.negative,
        method=load_method(arguments),
        mask=existing,
    )
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(mask.astype(np.uint8) * 255).save(arguments.out)
    print(f"{arguments.out}: {int(mask.sum())} of {mask.size} pixels")
    return 0


def _build_segment(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("image", type=Path)
    for name in ("positive", "negative"):
        parser.add_argument(
            f"--{name}",
            type=point,
            action="append",
            default=[],
            metavar="X,Y",
            help=f"a {name} click in pixels; may be repeated",
        )
    parser.add_argument("--mask", type=Path, help="an existing mask to correct")
    parser.add_argument("--out", type=Path, required=True, help="PNG, 255 on the object")
    add_method(parser)


def _methods(arguments: argparse.Namespace) -> int:
    from iseg_widget.methods import registry

    if arguments.name is None:
        for name in registry.list_methods():
            print(f"{name:<16} {registry.method_title(name)}")
        return 0
    import textwrap
    from dataclasses import fields

    from iseg_widget.methods.option_docs import option_docs

    options = registry.options_class(arguments.name)
    explained = option_docs(options)
    print(f"{arguments.name}: {registry.method_title(arguments.name)}\n")
    for field in fields(options):
        print(f"--option {field.name}={field.default}")
        print(
            textwrap.fill(
                explained[field.name], 92, initial_indent=INDENT, subsequent_indent=INDENT
            )
        )
    return 0


def _build_methods(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", help="show the options of this method")


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


def _benchmark(arguments: argparse.Namespace) -> int:
    import json

    from iseg_widget import benchmark, benchmark_large

    if arguments.large:
        rows = benchmark_large.run_large_benchmark(arguments.method, threads=arguments.threads)
    elif arguments.methods or arguments.published:
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
        "--large",
        action="store_true",
        help="measure images of up to 100 megapixels and many objects against small ones instead",
    )
    parser.add_argument(
        "--repeat", type=natural, default=3, metavar="N", help="sessions a network (%(default)s)"
    )
    parser.add_argument(
        "--size",
        type=size,
        action="append",
        default=[],
        metavar="WxH",
        help="image size in pixels; may be repeated",
    )
    parser.add_argument("--threads", type=natural, metavar="N", help="CPU threads")
    parser.add_argument("--json", action="store_true", help="print records instead of a table")


COMMANDS = {
    "segment": Command("segment an object by clicks given here", _segment, _build_segment),
    "methods": Command("list the methods, or the options of one", _methods, _build_methods),
    "models": Command("list the trained weights", _models),
    "benchmark": Command("measure what a click costs here", _benchmark, _build_benchmark),
}
