"""The subcommands ``train``, ``pack`` and ``export-weights``."""

from __future__ import annotations

import argparse
from pathlib import Path

from iseg_widget.cli.values import Command, add_machine, natural, set_threads


def _train(arguments: argparse.Namespace) -> int:
    from iseg_widget.training.recipes import load_recipe

    recipe = load_recipe(arguments.recipe)
    if not arguments.data.is_dir():
        raise ValueError(f"no folder with training data at {arguments.data}")
    set_threads(arguments.threads)
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


def _build_train(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--recipe", required=True, help="name of a packaged recipe")
    parser.add_argument("--data", type=Path, required=True, help="folder with the training data")
    parser.add_argument("--out", type=Path, help="folder for the run (runs/RECIPE)")
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    parser.add_argument("--steps", type=natural, metavar="N", help="instead of the recipe's")
    parser.add_argument("--precision", default="bf16", help="(%(default)s)")
    parser.add_argument(
        "--overfit", type=natural, metavar="N", help="train on N fixed objects, as a proof"
    )
    parser.add_argument(
        "--init", metavar="NAME|FILE", help="start from these weights instead of the recipe's"
    )
    add_machine(parser)


def _pack(arguments: argparse.Namespace) -> int:
    from iseg_widget.training.shards import pack
    from iseg_widget.training.sources import open_source

    packed = pack(
        open_source(arguments.data),
        arguments.out,
        shard_bytes=arguments.shard_size * 1024 * 1024,
        side=arguments.side,
    )
    size = sum(path.stat().st_size for path in packed.shards)
    print(f"{arguments.out}: {packed.images} images, {len(packed.shards)} shards, {size} bytes")
    return 0


def _build_pack(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, required=True, help="folder with the training data")
    parser.add_argument("--out", type=Path, required=True, help="folder for the shards")
    parser.add_argument(
        "--shard-size", type=natural, default=45, metavar="MB", help="at most (%(default)s)"
    )
    parser.add_argument(
        "--side", type=natural, metavar="PIXELS", help="reduce images that are longer"
    )


def _export_weights(arguments: argparse.Namespace) -> int:
    from iseg_widget.training.export import export_checkpoint

    settings = export_checkpoint(arguments.checkpoint, arguments.out)
    size = arguments.out.stat().st_size
    print(f"{arguments.out}: {settings['name']}, step {settings['step']}, {size} bytes")
    return 0


def _build_export_weights(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("checkpoint", type=Path, help="checkpoint.pt of a training run")
    parser.add_argument("--out", type=Path, required=True, help="the .safetensors file to write")


COMMANDS = {
    "train": Command("train a network", _train, _build_train),
    "pack": Command("write training data as tar shards", _pack, _build_pack),
    "export-weights": Command(
        "turn a checkpoint into a weights file", _export_weights, _build_export_weights
    ),
}
