"""What the desk can be asked to do, by the page or from Python."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from iseg_widget.clicks import Click
from iseg_widget.protocol import Method
from iseg_widget.session import Session
from iseg_widget.widget import messages
from iseg_widget.widget.worker import Job


@dataclass(frozen=True)
class NewClick:
    """A click of the page; those that wait together are answered together."""

    click: Click


@dataclass(frozen=True)
class Act:
    """Do something with the session (click, edit, move, …) that the method has to answer."""

    do: Callable[[Session], Any]


@dataclass(frozen=True)
class Recall:
    """Undo, redo or reset: needs no answer from the method, nor the method at all."""

    do: Callable[[Session], bool | None]


@dataclass(frozen=True)
class UseMethod:
    """Change the method: to a name, to an object, or (``None``) to the same under ``options``."""

    method: str | Method | None
    options: Mapping[str, Any] | object | None = None


@dataclass(frozen=True)
class WarmUp:
    """Load the method and let it run once, so that the first click is answered quickly.

    ``quiet``: nobody is there yet to be told that it failed; it will be tried again.
    """

    quiet: bool = False


@dataclass(frozen=True)
class Show:
    """Send the whole overlay, and the picture if ``picture``."""

    id: str
    picture: bool


@dataclass(frozen=True)
class TellCancelled:
    """Tell the page which requests were taken out of the queue."""

    id: str
    ids: tuple[str, ...]


def job_of(request: messages.Request) -> Job:
    """Return the job that carries out a request of the page (``cancel`` is none: it overtakes)."""
    match request:
        case messages.Hello():
            return Job(Show(request.id, request.picture), request.id)
        case messages.AddClick():
            return Job(NewClick(request.click), request.id, joins=True, drops=True)
        case messages.Undo():
            action: object = Recall(Session.undo)
        case messages.Redo():
            action = Recall(Session.redo)
        case messages.Reset():
            action = Recall(Session.reset)
        case messages.ChangeMethod():
            action = UseMethod(request.name, request.options)
        case _:
            raise TypeError(f"no job for {request!r}")
    return Job(action, request.id, drops=True)
