"""Commands on whole objects: what is done for the page's requests, and the same from Python."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import ArrayLike

from iseg_widget.annotation import Annotation
from iseg_widget.annotation.state import next_colour
from iseg_widget.widget.acting import Acting
from iseg_widget.widget.actions import Act, Ask, route
from iseg_widget.widget.messages import objects as messages
from iseg_widget.widget.thumbnails import history_list

OF_LABEL = "label"
"""A colour that is none: the object takes its label's."""


class ObjectActions(Acting):
    """Commands on whole objects; see :class:`iseg_widget.Annotation` for what each does."""

    @property
    def active(self) -> int | None:
        """Id of the active object."""
        self._wait()
        return self._desk.annotation.active

    def add_object(
        self,
        mask: ArrayLike | None = None,
        label: str | None = None,
        *,
        name: str = "",
        truth: ArrayLike | None = None,
    ) -> int:
        """Add an object on top, from an ``(H, W)`` mask or empty; it is active. Returns its id."""
        added = Act(lambda board: add(board, mask, label, name=name, truth=truth))
        return int(self._do(added) or 0)

    def select(self, object_id: int | None) -> None:
        """Make an object active, or none."""
        self._do(Act(lambda board: board.select(object_id)))

    def remove_object(self, object_id: int) -> None:
        """Remove an object."""
        self._do(Act(lambda board: board.remove(object_id)))

    def change_object(self, object_id: int, **changes: Any) -> None:
        """Change ``name``, ``label``, ``colour``, ``visible``, ``locked`` or ``position``."""
        accepted = ("name", "label", "colour", "visible", "locked", "position")
        unknown = sorted(set(changes) - set(accepted))
        if unknown:
            raise TypeError(f"unknown: {', '.join(unknown)}; accepted are {', '.join(accepted)}")
        self._do(Act(lambda board: change(board, object_id, **changes)))

    def merge(self, object_ids: Sequence[int]) -> int:
        """Unite objects into the first of them; returns its id."""
        return int(self._do(Act(lambda board: board.merge(object_ids))) or 0)

    def subtract(self, object_id: int, other_id: int) -> None:
        """Take the other object's pixels out of an object."""
        self._do(Act(lambda board: board.subtract(object_id, other_id)))

    def split(self, object_id: int) -> tuple[int, ...]:
        """Make an object of each connected part; returns their ids."""
        return tuple(self._do(Act(lambda board: board.split(object_id))) or ())


def add(board: Annotation, mask: ArrayLike | None, label: str | None, **how: Any) -> int:
    """Add an object that can be told from the others.

    Where all objects have the same label, each gets a colour of its own; else that of its label.
    """
    taken = [item.colour for item in board.objects]
    own = next_colour(taken) if taken and len(board.labels) == 1 else None
    return board.add_object(mask, label, colour=own, **how)


def change(board: Annotation, number: int, **changes: Any) -> None:
    """Make several changes to an object as one command."""
    steps = {
        "locked": lambda value: board.lock(number, value),
        "name": lambda value: board.rename(number, value),
        "label": lambda value: board.relabel(number, value),
        "colour": lambda value: board.recolour(number, None if value == OF_LABEL else value),
        "visible": lambda value: board.show(number, value),
        "position": lambda value: board.move_to(number, value),
    }
    wanted = {name: value for name, value in changes.items() if value is not None}
    # What is to be unlocked is unlocked first, and locked last.
    order = sorted(wanted, key=lambda name: name == "locked" and bool(wanted[name]))
    with board.group(" and ".join(wanted) if len(wanted) > 1 else "change object"):
        for name in order:
            steps[name](wanted[name])


@route(messages.AddObject)
def _add(request: messages.AddObject) -> object:
    def added(board: Annotation) -> int:
        active = board.active
        label = request.label or (None if active is None else board.info(active).label)
        return add(board, None, label)

    return Act(added, title="No object was added")


@route(messages.SelectObject)
def _select(request: messages.SelectObject) -> object:
    return Act(lambda board: board.select(request.object))


@route(messages.SelectAt)
def _select_at(request: messages.SelectAt) -> object:
    def select(board: Annotation) -> None:
        found = board.object_at(request.x, request.y)
        if found is not None:
            board.select(found)

    return Act(select)


@route(messages.ChangeObject)
def _change(request: messages.ChangeObject) -> object:
    fields = request.to_json()
    changes = {k: v for k, v in fields.items() if k not in ("kind", "id", "rev", "object")}
    return Act(lambda board: change(board, request.object, **changes))


@route(messages.RemoveObject)
def _remove(request: messages.RemoveObject) -> object:
    return Act(lambda board: board.remove(request.object), title="The object was not removed")


@route(messages.MergeObjects)
def _merge(request: messages.MergeObjects) -> object:
    return Act(lambda board: board.merge(request.objects), title="Nothing was merged")


@route(messages.SubtractObject)
def _subtract(request: messages.SubtractObject) -> object:
    return Act(
        lambda board: board.subtract(request.object, request.other), title="Nothing was subtracted"
    )


@route(messages.SplitObject)
def _split(request: messages.SplitObject) -> object:
    return Act(lambda board: board.split(request.object), title="The object was not split")


@route(messages.DuplicateObject)
def _duplicate(request: messages.DuplicateObject) -> object:
    return Act(lambda board: board.duplicate(request.object), title="Nothing was duplicated")


@route(messages.ChangeRule)
def _rule(request: messages.ChangeRule) -> object:
    return Act(lambda board: board.set_rule(request.rule), title="The rule was not changed")


@route(messages.AddLabel)
def _label(request: messages.AddLabel) -> object:
    return Act(lambda board: board.add_label(request.label), title="The label was not added")


@route(messages.ListHistory)
def _history(_: messages.ListHistory) -> object:
    return Ask(lambda desk, name: history_list(desk.annotation, name, desk.pause), patient=True)


@route(messages.Jump)
def _jump(request: messages.Jump) -> object:
    return Act(lambda board: board.jump(request.done))
