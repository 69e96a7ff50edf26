"""An image with objects on it: what is there, the sessions, and the common history."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iseg_widget.annotation.history import History
from iseg_widget.annotation.past import PastWriter
from iseg_widget.annotation.state import (
    AnnotatedObject,
    ObjectState,
    Rule,
    Snapshot,
    check_rule,
    placed,
    with_colours,
)
from iseg_widget.clicks import Click
from iseg_widget.export.labelled import DEFAULT_LABEL
from iseg_widget.images import RGB, read_image
from iseg_widget.masks import Box
from iseg_widget.pieces import finished
from iseg_widget.protocol import Method
from iseg_widget.regions import Region
from iseg_widget.session import Session, replay_in_steps
from iseg_widget.views import intersect, whole


class Board:
    """What all parts of an annotation share; see :class:`iseg_widget.annotation.Annotation`."""

    def __init__(
        self,
        image: object,
        method: Method | None = None,
        *,
        labels: Sequence[str] | Mapping[str, str] = (DEFAULT_LABEL,),
        rule: str = "allow",
        file_name: str | None = None,
        sha256: str | None = None,
    ) -> None:
        pixels = read_image(image)
        if isinstance(image, np.ndarray) and image.flags.writeable:
            pixels = pixels.copy() if np.may_share_memory(pixels, image) else pixels
        pixels.flags.writeable = False
        self._image = pixels
        if file_name is None:
            file_name = Path(image).name if isinstance(image, (str, os.PathLike)) else ""
        self.file_name = file_name
        self.method = method
        self._methods: Mapping[str, Method] = {}
        self.stand_in = False
        """Whether :attr:`method` answers for objects whose own method is not there.

        They keep their masks, as after a change of weights (see :meth:`Annotation.load`).
        """
        self._next_id = 1
        self._history = History(Snapshot(labels=with_colours(labels), rule=check_rule(rule)))
        self._saved_revision = 0
        self._blank: dict[int, Session] = {}
        self._described: dict[int, tuple[Method, dict[str, Any]]] = {}
        self._sha256 = sha256
        self._past = PastWriter()

    # What is there

    @property
    def image(self) -> RGB:
        """``(H, W, 3)`` uint8 RGB, read-only."""
        return self._image

    @property
    def shape(self) -> tuple[int, int]:
        """``(H, W)`` of the image."""
        return self._image.shape[0], self._image.shape[1]

    @property
    def objects(self) -> tuple[AnnotatedObject, ...]:
        """All objects, those on top last."""
        return tuple(self._now.info(state) for state in self._now.objects)

    @property
    def active(self) -> int | None:
        """Id of the object that commands without an id are for."""
        return self._now.active

    @property
    def labels(self) -> dict[str, str]:
        """The declared class labels with their colours."""
        return dict(self._now.labels)

    @property
    def rule(self) -> Rule:
        """The overlap rule."""
        return self._now.rule

    def info(self, object_id: int) -> AnnotatedObject:
        """Return an object as in :attr:`objects`."""
        return self._now.info(self._state(object_id))

    def mask_of(self, object_id: int, box: Box | None = None) -> NDArray[np.bool_]:
        """Return an object's mask, ``(H, W)`` bool, or the part of it in ``box``."""
        return self._state(object_id).region.window(box or whole(self.shape))

    def region_of(self, object_id: int) -> Region:
        """Return an object's mask cut to its box."""
        return self._state(object_id).region

    def session(self, object_id: int | None = None) -> Session:
        """Return a copy of an object's session; changes go through :meth:`act`.

        ``ValueError`` when no method is there for it.
        """
        return self._realised(self._state(object_id)).copy()

    def needs_replay(self, object_id: int | None = None) -> bool:
        """Whether an object's session would have to be replayed from a file's log to be there."""
        state = self._state(object_id)
        return state.session is None and state.saved is not None

    def replaying(self, object_id: int | None = None) -> Generator[None, None, None]:
        """Make an object's session, replayed from a file's log if need be; yields after every step.

        Nothing happens at the end if the object has changed meanwhile. ``ValueError`` when no
        method is there for it.
        """
        state = self._state(object_id)
        if state.session is None:
            session = yield from self._beginning(state)
            if any(other is state for other in self._now.objects):
                self._realise(state, session)

    def object_at(self, x: float, y: float) -> int | None:
        """Return the topmost visible object at ``(x, y)`` pixels; ``None`` where there is none."""
        row, column = Click(x, y).pixel
        for state in reversed(self._now.objects):
            if state.visible and state.region.holds(row, column):
                return state.id
        return None

    def flat(self, box: Box | None = None, *, hidden: bool = True) -> NDArray[np.int32]:
        """Return the ids ``(H, W)`` int32, 0 where there is no object; the later object wins.

        Only the part in ``box`` if given; without ``hidden``, visible objects only.
        """
        window = box or whole(self.shape)
        ids = np.zeros((window[3] - window[1], window[2] - window[0]), np.int32)
        for state in self._now.objects:
            if state.region.box is None or not (hidden or state.visible):
                continue
            common = intersect(state.region.box, window)
            if common is not None:
                x0, y0, x1, y1 = common
                part = ids[y0 - window[1] : y1 - window[1], x0 - window[0] : x1 - window[0]]
                part[state.region.window(common)] = state.id
        return ids

    # History

    @property
    def done(self) -> int:
        """How many commands can be undone."""
        return len(self._history.done)

    @property
    def undone(self) -> int:
        """How many commands can be done again."""
        return len(self._history.undone)

    @property
    def past_and_future(self) -> tuple[tuple[str | None, Snapshot], ...]:
        """Every state of the history with the command that led to it; the first one has none.

        The present is that of index :attr:`done`.
        """
        return self._history.states()

    def jump(self, done: int) -> None:
        """Undo or redo until ``done`` commands are done; ``ValueError`` if there are fewer."""
        most = self.done + self.undone
        if not 0 <= done <= most:
            raise ValueError(f"there are {most} commands; 0 to {most} can be done, got {done}")
        while self.done > done:
            self.undo()
        while self.done < done:
            self.redo()

    def forget_history(self) -> None:
        """Begin the history anew with what is there; nothing is left to be undone."""
        changed = self._history.changed
        self._history = History(self._now)
        self._history.changed = changed

    def quietly(self, do: Callable[[], object]) -> None:
        """Have ``do()`` called without that anybody is told of what it changes."""
        changed, self._history.changed = self._history.changed, None
        try:
            do()
        finally:
            self._history.changed = changed

    @property
    def undo_name(self) -> str | None:
        """Name of the command that :meth:`undo` would undo, such as ``"click"``."""
        return self._history.done[-1][0] if self._history.done else None

    @property
    def redo_name(self) -> str | None:
        """Name of the command that :meth:`redo` would do again."""
        return self._history.undone[-1][0] if self._history.undone else None

    def undo(self) -> bool:
        """Go back to the exact state before the last command; ``False`` when there is none."""
        return self._history.undo()

    def redo(self) -> bool:
        """Go forward again; ``False`` when there is nothing undone."""
        return self._history.redo()

    def group(self, name: str) -> AbstractContextManager[None]:
        """Make one command of all that is done in a ``with`` block; all of it or nothing."""
        return self._history.group(name)

    def checkpoint(self) -> object:
        """Return where the annotation is, history included, for :meth:`restore`."""
        return self._history.checkpoint()

    def restore(self, checkpoint: object) -> None:
        """Go back to a :meth:`checkpoint` of this annotation as if nothing had happened since."""
        self._history.restore(checkpoint)

    # How it is done

    @property
    def _now(self) -> Snapshot:
        return self._history.now

    def _state(self, object_id: int | None) -> ObjectState:
        number = self.active if object_id is None else object_id
        if number is None:
            raise ValueError("no object is active: add or select one, or name its id")
        return self._now.objects[self._now.index(number)]

    def _unlocked(self, object_id: int | None) -> ObjectState:
        state = self._state(object_id)
        if state.locked:
            raise ValueError(f"object {state.id} is locked; unlock it first")
        return state

    def _declared(self, label: str) -> str:
        if label not in self.labels:
            raise ValueError(
                f"the label {label!r} is not declared; accepted are {', '.join(self.labels)} "
                "(add_label declares another)"
            )
        return label

    def _set(self, command: str, state: ObjectState, **changes: Any) -> None:
        if any(getattr(state, field) != value for field, value in changes.items()):
            new = replace(state, **changes)
            objects = tuple(new if other is state else other for other in self._now.objects)
            self._history.commit(command, objects=objects)

    def _reshape(self, command: str, state: ObjectState, region: Region) -> None:
        """Give an object a mask, as far as the rule lets it; no command if that changes nothing."""
        objects = placed(self._now.objects, state, region, self.rule)
        if any(new is not old for new, old in zip(objects, self._now.objects, strict=True)):
            self._history.commit(command, objects=objects)

    def _insert_above(
        self, command: str, below: ObjectState, new: list[ObjectState], active: int | None = None
    ) -> None:
        place = self._now.index(below.id)
        objects = (*self._now.objects[:place], below, *new, *self._now.objects[place + 1 :])
        self._next_id += len(new)
        self._history.commit(command, objects=objects, active=active or new[-1].id)

    def _realised(self, state: ObjectState) -> Session:
        """Return an object's session, made if need be, with the object's mask."""
        if state.session is not None and not state.ahead:
            return state.session
        if state.session is None:
            return self._realise(state, finished(self._beginning(state)))
        return self._realise(state, state.session.copy())

    def _realise(self, state: ObjectState, session: Session) -> Session:
        """Give an object its session, which takes the object's mask."""
        if session.region != state.region:
            session.edit(state.region)
        new = replace(state, session=session, saved=None, ahead=False)
        self._history.amend(
            objects=tuple(new if other is state else other for other in self._now.objects)
        )
        return session

    def _beginning(self, state: ObjectState) -> Generator[None, None, Session]:
        made_by = None if state.saved is None else state.saved["method"]
        named = None if made_by is None else self._methods.get(made_by["name"])
        if named is None and self.stand_in:
            named = self.method
        method = state.method or (self.method if made_by is None else named)
        if method is None:
            drawn = "" if made_by is None else f", which was drawn with {made_by['name']!r}"
            raise ValueError(
                f"there is no method for object {state.id}{drawn}: give one to load or use_method, "
                "or set Annotation.method"
            )
        truth, ignore = state.truth, state.ignore
        if state.saved is not None:
            log = state.saved["log"]
            steps = replay_in_steps(method, self._image, log, truth=truth, ignore=ignore)
            return (yield from steps)
        if state.initial is not None or state.truth is not None:
            initial = None if state.initial is None else state.initial.mask()
            return Session(method, self._image, initial, truth, ignore=ignore)
        # Objects from scratch share what the method prepares of the image.
        blank = self._blank.get(id(method))
        if blank is None:
            blank = self._blank[id(method)] = Session(method, self._image)
        return blank.copy()
