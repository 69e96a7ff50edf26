"""The subcommand ``ablation``: the papers' experiments."""

from __future__ import annotations

import argparse
from pathlib import Path

from iseg_widget.cli.values import Command, add_machine, natural, set_threads


def _count(text: str) -> int:
    """Read a number of objects, or ``all`` as 0."""
    return 0 if text == "all" else natural(text)


def _ablation(arguments: argparse.Namespace) -> int:
    from iseg_widget.evaluation.ablation import Place, load_experiment, run

    if arguments.list:
        return _list(arguments.name, arguments.trained)
    if arguments.name is None:
        raise ValueError("give the name of an experiment, or --list")
    experiment = load_experiment(arguments.name)
    set_threads(arguments.threads)
    results = run(
        experiment,
        arguments.out or Path("notebooks/results") / experiment.name,
        place=Place(arguments.root, arguments.trained, arguments.device, arguments.threads),
        dataset=arguments.data,
        rows=arguments.row or None,
        objects=arguments.objects,
        again=arguments.again,
        progress=not arguments.quiet,
        say=print,
    )
    if not results.reports:
        return 1
    print(results.table())
    return 0


def _list(name: str | None, trained: Path) -> int:
    from iseg_widget.evaluation.ablation import list_experiments, load_experiment
    from iseg_widget.evaluation.ablation.runner import find_weights

    for known in [name] if name else list_experiments():
        experiment = load_experiment(known)
        print(f"{known}: {experiment.title}")
        for row in experiment.rows:
            print(f"  {row.id:<20} {row.label}")
            if row.missing:
                print(f"{'':<22} cannot be run: {row.missing}")
            elif find_weights(row, trained) is None:
                print(f"{'':<22} weights are missing; to train them: {row.train_command()}")
    return 0


def _build(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", metavar="NAME", help="an experiment, see --list")
    parser.add_argument("--list", action="store_true", help="list the experiments and their rows")
    parser.add_argument("--data", metavar="NAME", help="another dataset than the experiment's")
    parser.add_argument("--root", type=Path, help="folder that holds the datasets ($ISEG_DATA)")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="folder of the results (notebooks/results/NAME)"
    )
    parser.add_argument(
        "--row", action="append", default=[], metavar="ID", help="only this row; may be repeated"
    )
    parser.add_argument(
        "--objects",
        type=_count,
        metavar="N|all",
        help="how many objects, drawn at random; more continue a run (the experiment's number)",
    )
    parser.add_argument(
        "--trained",
        type=Path,
        default=Path("runs"),
        metavar="DIR",
        help="where weights that are not packaged lie, as NAME/NAME.safetensors (%(default)s)",
    )
    parser.add_argument("--again", action="store_true", help="run rows anew that are there")
    parser.add_argument("--quiet", action="store_true", help="no progress bars")
    add_machine(parser)


COMMANDS = {"ablation": Command("repeat an experiment of the papers", _ablation, _build)}
