"""What a comparison can be asked to do, by the page or from Python."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from iseg_widget.clicks import Click
from iseg_widget.widget.actions import NewClick, Show
from iseg_widget.widget.compare_panes import Course, CourseHistory
from iseg_widget.widget.messages import compare as messages
from iseg_widget.widget.worker import Job

Direction = Literal["undo", "redo"]


@dataclass(frozen=True)
class Change:
    """Go on with another course, made from the present one; ``name``: in the history."""

    make: Callable[[CourseHistory], Course]
    name: str = "click"


@dataclass(frozen=True)
class Recall:
    """Undo or redo."""

    what: Direction


@dataclass(frozen=True)
class RobotAct:
    """Click where the mask of a pane is most wrong."""

    pane: int


RESET = Change(lambda _: (), "reset")
"""Remove all clicks; can be undone."""


def add_click(click: Click) -> Change:
    """Return the change that adds a click as a group of its own."""
    return Change(lambda history: (*history.now, (click,)))


def change_click(index: int, new: Callable[[Click], Click] | None) -> Change:
    """Return the change that moves a click, or removes it (``None``)."""

    def make(history: CourseHistory) -> Course:
        old = history.with_click(index, None)
        return old if new is None else history.with_click(index, new(history.clicks[index]))

    return Change(make, "remove click" if new is None else "move click")


def job_of(request: messages.Request) -> Job:
    """Return the job that carries out a request (``ping`` and ``cancel`` are none)."""
    match request:
        case messages.Hello():
            return Job(Show(request.id, request.picture), request.id)
        case messages.AddClick():
            return Job(NewClick(request.click), request.id, joins=True, drops=True)
        case messages.Undo():
            action: object = Recall("undo")
        case messages.Redo():
            action = Recall("redo")
        case messages.Reset():
            action = RESET
        case messages.MoveClick(index=index, x=x, y=y):
            action = change_click(index, lambda click: Click(x, y, click.positive))
        case messages.RemoveClick():
            action = change_click(request.index, None)
        case messages.RobotClick():
            action = RobotAct(request.pane)
        case _:
            raise TypeError(f"no job for {request!r}")
    return Job(action, request.id, drops=True)
