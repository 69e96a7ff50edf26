"""The ``iseg-widget`` command.

Every subcommand imports what it needs itself, so that ``--help`` and the lists are quick. Errors of
use come as one line on stderr with exit code 2.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import iseg_widget
from iseg_widget.cli import ablating, evaluating, reporting, segmenting, training

PROGRAM = "iseg-widget"


class _Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command."""
    parser = _Parser(prog=PROGRAM, description="Interactive image segmentation by clicks.")
    parser.add_argument("--version", action="version", version=iseg_widget.__version__)
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for room in (segmenting, evaluating, ablating, reporting, training):
        for name, command in room.COMMANDS.items():
            text = command.text
            added = commands.add_parser(name, help=text, description=text[0].upper() + text[1:])
            if command.build is not None:
                command.build(added)
            added.set_defaults(run=command.run)
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
