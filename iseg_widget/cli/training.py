"""The subcommands ``train``, ``recipes``, ``pack`` and ``export-weights``."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from iseg_widget.cli.values import Command, add_machine, natural, set_threads


def _train(arguments: argparse.Namespace) -> int:
    from dataclasses import replace

    from iseg_widget.training.recipes import load_recipe

    recipe = load_recipe(arguments.recipe)
    for _, folder in arguments.data:
        if not folder.is_dir():
            raise ValueError(f"no folder with training data at {folder}")
    changes: dict[str, Any] = {
        name: getattr(arguments, name)
        for name in ("batch", "accumulate", "validate_every", "validate_objects", "teacher")
        if getattr(arguments, name) is not None
    }
    if arguments.set:
        changes["sets"] = dict(arguments.set)
    if arguments.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # before PyTorch looks
    set_threads(arguments.threads)
    from iseg_widget.training.trainer import Watch, train

    train(
        replace(recipe, **changes),
        _data(arguments.data),
        arguments.out or Path("runs") / recipe.name,
        resume=arguments.resume,
        steps=arguments.steps,
        device=arguments.device,
        precision=arguments.precision,
        overfit=arguments.overfit,
        init=arguments.init,
        deterministic=arguments.deterministic,
        workers=arguments.workers,
        watch=Watch(tensorboard=arguments.tensorboard, pictures=arguments.pictures),
    )
    return 0


def _place(text: str) -> tuple[str | None, Path]:
    """Read ``FOLDER`` or ``NAME=FOLDER``."""
    name, equals, folder = text.partition("=")
    return (name, Path(folder)) if equals and not Path(text).is_dir() else (None, Path(text))


def _weight(text: str) -> tuple[str, float]:
    """Read ``NAME=WEIGHT``."""
    name, _, weight = text.partition("=")
    try:
        value = float(weight)
    except ValueError:
        value = 0.0
    if not name or not 0.0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"expected NAME=WEIGHT above 0, got {text!r}")
    return name, value


def _data(given: list[tuple[str | None, Path]]) -> Any:
    """Return a folder, several, or a mapping of names to folders."""
    named = {name: folder for name, folder in given if name is not None}
    if not named:
        folders = [folder for _, folder in given]
        return folders[0] if len(folders) == 1 else folders
    if len(named) < len(given):
        raise ValueError("give all --data as NAME=FOLDER, each name once, or none of them")
    return named


def _build_train(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--recipe", required=True, help="name of a packaged recipe (see recipes), or .toml file"
    )
    parser.add_argument(
        "--data",
        type=_place,
        action="append",
        required=True,
        metavar="[NAME=]FOLDER",
        help="training data: own folders, shards, SBD, PASCAL VOC, COCO with LVIS; may be repeated",
    )
    parser.add_argument(
        "--set",
        type=_weight,
        action="append",
        metavar="NAME=WEIGHT",
        help="train on these data sets instead of the recipe's; may be repeated",
    )
    parser.add_argument("--out", type=Path, help="folder for the run (runs/RECIPE)")
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    parser.add_argument("--steps", type=natural, metavar="N", help="instead of the recipe's")
    parser.add_argument("--precision", default="bf16", help="(%(default)s)")
    parser.add_argument(
        "--overfit", type=natural, metavar="N", help="train on N fixed objects, as a proof"
    )
    parser.add_argument(
        "--init",
        metavar="NAME|FILE",
        help="start from these weights instead of the recipe's: packaged ones, a .safetensors "
        "file, a run's checkpoint.pt, or a backbone's ImageNet weights (.pth)",
    )
    parser.add_argument(
        "--batch", type=natural, metavar="N", help="samples of a batch, instead of the recipe's"
    )
    parser.add_argument(
        "--accumulate", type=natural, metavar="N", help="batches of a step, instead of the recipe's"
    )
    parser.add_argument("--teacher", metavar="NAME|FILE", help="weights to learn the answers of")
    parser.add_argument(
        "--validate-every", type=natural, metavar="N", help="steps between two validations"
    )
    parser.add_argument(
        "--validate-objects", type=natural, metavar="N", help="held-out objects to validate on"
    )
    parser.add_argument(
        "--deterministic", action="store_true", help="the same bits every time, maybe slower"
    )
    parser.add_argument("--tensorboard", action="store_true", help="also write TensorBoard's logs")
    parser.add_argument(
        "--pictures", type=natural, default=0, metavar="N", help="draw samples every N steps"
    )
    parser.add_argument(
        "--workers", type=natural, default=1, metavar="N", help="threads that draw batches"
    )
    add_machine(parser)


FAMILY_TITLES = {
    "lite": "EfficientNet-Lite0, what the packaged weights are trained with",
    "papers": "the papers' own networks, as the papers train them",
    "ablations": "rows of the papers' tables, on EfficientNet-Lite0",
}


def _recipes(arguments: argparse.Namespace) -> int:
    import json
    from dataclasses import asdict

    from iseg_widget.training.recipes import FAMILIES, list_recipes, load_recipe, recipe_comment

    if arguments.name is not None:
        recipe = load_recipe(arguments.name)
        print(recipe_comment(arguments.name) + "\n")
        print(json.dumps(asdict(recipe), indent=2))
        return 0
    for family in FAMILIES:
        print(f"{FAMILY_TITLES[family]}:\n")
        for name in list_recipes(family):
            recipe = load_recipe(name)
            steps = f"{recipe.steps} x {recipe.batch}"
            sets = ", ".join(recipe.sets) if len(recipe.sets) < 4 else f"{len(recipe.sets)} sets"
            print(f"{name:<28} {recipe.network:<28} {steps:>12}  {sets}")
        print()
    return 0


def _build_recipes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "name", nargs="?", metavar="NAME", help="show all settings of this recipe, or .toml file"
    )


def _pack(arguments: argparse.Namespace) -> int:
    from iseg_widget.training.shards import pack
    from iseg_widget.training.sources import open_sources

    packed = pack(
        open_sources(_data(arguments.data)),
        arguments.out,
        shard_bytes=arguments.shard_size * 1024 * 1024,
        side=arguments.side,
    )
    size = sum(path.stat().st_size for path in packed.shards)
    print(f"{arguments.out}: {packed.images} images, {len(packed.shards)} shards, {size} bytes")
    return 0


def _build_pack(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data",
        type=_place,
        action="append",
        required=True,
        metavar="[NAME=]FOLDER",
        help="training data, as for train; may be repeated",
    )
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
    "recipes": Command("list what can be trained, and how", _recipes, _build_recipes),
    "pack": Command("write training data as tar shards", _pack, _build_pack),
    "export-weights": Command(
        "turn a checkpoint into a weights file", _export_weights, _build_export_weights
    ),
}
