"""What the subcommands share: values of arguments, and the choice of method and machine."""

from __future__ import annotations

import argparse
import ast
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Command:
    """A subcommand: a line about it, what adds its arguments, and what runs it.

    ``run`` takes the parsed arguments and returns the exit code.
    """

    text: str
    run: Callable[[argparse.Namespace], int]
    build: Callable[[argparse.ArgumentParser], None] | None = None


def point(text: str) -> tuple[float, float]:
    """Read ``x,y`` in pixels."""
    try:
        x, y = (float(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected x,y in pixels, got {text!r}") from None
    return x, y


def size(text: str) -> tuple[int, int]:
    """Read ``WIDTHxHEIGHT`` in pixels."""
    try:
        width, height = (int(part) for part in text.lower().split("x"))
    except ValueError:
        width = height = 0
    if min(width, height) < 1:
        raise argparse.ArgumentTypeError(f"expected WIDTHxHEIGHT in pixels, got {text!r}")
    return width, height


def option(text: str) -> tuple[str, Any]:
    """Read ``key=value``; the value as :func:`value` reads it."""
    key, equals, given = text.partition("=")
    if not equals or not key:
        raise argparse.ArgumentTypeError(f"expected key=value, got {text!r}")
    return key.strip().replace("-", "_"), value(given.strip())


def value(text: str) -> Any:
    """Read a number, a Boolean, none, or another Python literal; else it is a text."""
    words = {"true": True, "false": False, "none": None}
    if text.lower() in words:
        return words[text.lower()]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def natural(text: str) -> int:
    """Read a whole number above 0."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number above 0, got {text!r}")
    return number


def seed(text: str) -> int:
    """Read a whole number from 0."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a whole number from 0, got {text!r}")
    return int(text)


def chosen_weights(arguments: argparse.Namespace) -> str | tuple[str, ...] | None:
    """Return what ``--weights`` said: nothing, one, or a pair."""
    given = arguments.weights or ()
    return tuple(given) if len(given) > 1 else next(iter(given), None)


def load_method(arguments: argparse.Namespace) -> Any:
    """Load the method that :func:`add_method` asked for."""
    from iseg_widget.methods.registry import load_method

    return load_method(
        arguments.method,
        weights=chosen_weights(arguments),
        options=dict(arguments.option),
        device=arguments.device,
    )


def set_threads(count: int | None) -> None:
    """Limit the CPU threads of PyTorch and OpenCV."""
    if count is not None:
        import cv2
        import torch

        torch.set_num_threads(count)
        cv2.setNumThreads(count)


def add_method(parser: argparse.ArgumentParser) -> None:
    """Add what chooses a method."""
    parser.add_argument("--method", default="focalclick", help="see 'methods' (%(default)s)")
    parser.add_argument(
        "--weights",
        action="append",
        metavar="NAME|FILE",
        help="see 'models'; default: the method's; twice for a pair of files",
    )
    parser.add_argument(
        "--option",
        type=option,
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="an option of the method, see 'methods NAME'; may be repeated",
    )
    add_machine(parser)


def add_machine(parser: argparse.ArgumentParser) -> None:
    """Add what chooses where to compute."""
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")
    parser.add_argument("--threads", type=natural, metavar="N", help="CPU threads")
