"""What the desk can be asked to do, by the page or from Python."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from iseg_widget.annotation import Annotation
from iseg_widget.clicks import Click
from iseg_widget.protocol import Method
from iseg_widget.widget import messages
from iseg_widget.widget.worker import Job

if TYPE_CHECKING:
    from iseg_widget.widget.desk import Desk


@dataclass(frozen=True)
class NewClick:
    """A click of the page; those that wait together are answered together."""

    click: Click


@dataclass(frozen=True)
class Act:
    """Change the annotation.

    ``asks``: the method has to answer, so it is loaded first; ``clicks``: those that it adds;
    ``title``: what the page says when it fails.
    """

    do: Callable[[Annotation], Any]
    asks: bool = False
    clicks: tuple[Click, ...] = ()
    title: str = "That did not work"


@dataclass(frozen=True)
class Ask:
    """Look something up: changes nothing. ``answer`` gets the desk and the request's id.

    ``patient``: it takes its time, so whatever changes something goes first, and it makes room
    when :meth:`.desk.Desk.pause` is called between its pieces; it is then asked again.
    ``any_image``: the question is not about the image that the page shows.
    """

    answer: Callable[[Desk, str], messages.Reply]
    title: str = "That did not work"
    any_image: bool = False
    patient: bool = False


@dataclass(frozen=True)
class Swap:
    """Work on another annotation, which ``find`` returns; the same one: it is shown again."""

    find: Callable[[Desk], Annotation]
    title: str = "The image was not opened"


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


def about_image(action: object) -> bool:
    """Whether an action has to do with the pixels that the page showed when it asked for it."""
    if isinstance(action, Ask):
        return not action.any_image
    return isinstance(action, (NewClick, Act))


@dataclass(frozen=True)
class TellCancelled:
    """Tell the page which requests were taken out of the queue."""

    id: str
    ids: tuple[str, ...]


_R = TypeVar("_R", bound=messages.Request)
_Route = Callable[[Any], object]
_ROUTES: dict[type[messages.Request], _Route] = {}


def route(cls: type[_R]) -> Callable[[Callable[[_R], object]], Callable[[_R], object]]:
    """Register what is done for a request: a function from the request to an action."""

    def register(action_of: Callable[[_R], object]) -> Callable[[_R], object]:
        _ROUTES[cls] = action_of
        return action_of

    return register


def job_of(request: messages.Request) -> Job:
    """Return the job that carries out a request of the page (``cancel`` is none: it overtakes)."""
    action = _ROUTES[type(request)](request)
    shows = isinstance(action, (Show, Ask, Swap))
    joins = isinstance(action, NewClick)
    patient = isinstance(action, Ask) and action.patient
    return Job(action, request.id, joins=joins, drops=not shows, patient=patient, rev=request.rev)


@route(messages.Hello)
def _hello(request: messages.Hello) -> object:
    return Show(request.id, request.picture)


@route(messages.AddClick)
def _click(request: messages.AddClick) -> object:
    return NewClick(request.click)


@route(messages.ChangeMethod)
def _method(request: messages.ChangeMethod) -> object:
    return UseMethod(request.name, request.options)


@route(messages.Undo)
def _undo(_: messages.Undo) -> object:
    return Act(Annotation.undo)


@route(messages.Redo)
def _redo(_: messages.Redo) -> object:
    return Act(Annotation.redo)


@route(messages.Reset)
def _reset(_: messages.Reset) -> object:
    return Act(Annotation.reset)
