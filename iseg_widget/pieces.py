"""Work that is done piece by piece: a generator that yields between them and returns the result."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator
from typing import TypeVar

_T = TypeVar("_T")


def finished(pieces: Generator[None, None, _T], pause: Callable[[], None] | None = None) -> _T:
    """Do all pieces and return the result.

    Parameters
    ----------
    pieces: the work.
    pause: called between two of them. If it raises, the work can be gone on with later, by another
        call with the same generator.
    """
    while True:
        try:
            next(pieces)
        except StopIteration as end:
            result: _T = end.value
            return result
        if pause is not None:
            pause()


def ended(pieces: Generator[None, None, object]) -> bool:
    """Whether nothing is left to do: all was done, or a piece failed."""
    return inspect.getgeneratorstate(pieces) == inspect.GEN_CLOSED
