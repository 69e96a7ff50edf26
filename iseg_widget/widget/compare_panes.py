"""Several methods, or one under several options, side by side: what each pane of it holds.

All panes answer one *course*: the clicks in the groups in which they arrived together. A pane
remembers where its session was after each part of every course that can still be reached, so that
undo costs nothing, and so that a pane that once failed catches up with its next click.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iseg_widget.clicks import Click
from iseg_widget.methods.registry import build_options, list_methods, method_title
from iseg_widget.protocol import Method, Step
from iseg_widget.session import Session

Mask = NDArray[np.bool_]
Course = tuple[tuple[Click, ...], ...]
"""Groups of clicks; each group is one step."""

MAX_PANES = 8
"""More panes could neither be told apart by colour nor read."""

COLOURS = (
    (37, 132, 255),
    (240, 150, 10),
    (214, 80, 170),
    (0, 165, 165),
    (138, 92, 246),
    (176, 164, 0),
    (120, 130, 145),
    (150, 100, 60),
)
"""Red, green and blue of each pane; green and vermilion are those of the clicks."""

_FORMS = "a pane is a method's name, what load_method returns, or a pair (name, options)"


@dataclass(frozen=True)
class PaneSpec:
    """What a pane was asked to show.

    Attributes
    ----------
    name: key of the pane in Python; unique.
    title, detail: for people; ``detail`` may be empty.
    method: name to be loaded, or a method.
    options: checked options of a method that is to be loaded; ``None`` for its defaults.
    """

    name: str
    title: str
    detail: str
    method: str | Method
    options: Any = None

    @property
    def method_name(self) -> str:
        """Registry name of the method (a method of one's own has the name it gives itself)."""
        return self.method if isinstance(self.method, str) else self.method.name


def read_panes(methods: object) -> tuple[PaneSpec, ...]:
    """Return the panes that ``methods`` asks for.

    Parameters
    ----------
    methods: a sequence of method names, methods and pairs ``(name, options)``, with options as a
        mapping or as the method's dataclass; or a mapping from names of one's own to those.
        Without names of one's own a pane is called after its method and the options that differ
        from the defaults.

    Raises
    ------
    ValueError: none or more than :data:`MAX_PANES` panes, unknown method or option, or two panes
        of the same name.
    TypeError: something else was given.
    """
    if isinstance(methods, str) or not isinstance(methods, (Sequence, Mapping)):
        raise TypeError(
            f"methods must be a sequence of panes or a mapping from names to panes, "
            f"got {methods!r}; {_FORMS}"
        )
    if not 1 <= len(methods) <= MAX_PANES:
        raise ValueError(f"1 to {MAX_PANES} methods can be compared, got {len(methods)}")
    if isinstance(methods, Mapping):
        return tuple(_named(name, wish) for name, wish in methods.items())
    panes = tuple(_read(wish) for wish in methods)
    names = [pane.name for pane in panes]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(
            f"two panes would be called {twice[0]!r}; give names of your own with a mapping, "
            'such as {"first": …, "second": …}'
        )
    return panes


def _named(name: object, wish: object) -> PaneSpec:
    if not isinstance(name, str) or not name.strip():
        raise TypeError(f"the name of a pane is a text, got {name!r}")
    pane = _read(wish)
    detail = " · ".join(part for part in (pane.title, pane.detail) if part)
    return dataclasses.replace(pane, name=name, title=name, detail=detail)


def _read(wish: object) -> PaneSpec:
    if isinstance(wish, tuple):
        if len(wish) != 2 or not isinstance(wish[0], str):
            raise TypeError(f"{_FORMS}; got {wish!r}")
        method, options = wish[0], build_options(_known(wish[0]), wish[1])
        return _spec(method, method, options, options)
    if isinstance(wish, str):
        return _spec(wish, _known(wish), None, None)
    if isinstance(wish, Method):
        return _spec(wish.name, wish, None, wish.options)
    raise TypeError(f"{_FORMS}; got {wish!r}")


def _known(name: str) -> str:
    if name not in list_methods():
        raise ValueError(f"unknown method {name!r}; accepted are {', '.join(list_methods())}")
    return name


def _spec(name: str, method: str | Method, options: Any, shown: Any) -> PaneSpec:
    changed = _changed(shown)
    title = method_title(name) if name in list_methods() else name
    if changed:
        title = title.partition(" (")[0]  # the options matter more than the venue
    return PaneSpec(
        name=" ".join([name, *(part.replace(" ", "") for part in changed)]),
        title=title,
        detail=", ".join(changed),
        method=method,
        options=options,
    )


def _changed(options: object) -> list[str]:
    """Return ``field=value`` for every option that is not the default."""
    if not dataclasses.is_dataclass(options) or isinstance(options, type):
        return []
    changed = []
    for field in dataclasses.fields(options):
        value = getattr(options, field.name)
        default = field.default
        if default is dataclasses.MISSING and field.default_factory is not dataclasses.MISSING:
            default = field.default_factory()
        if default is dataclasses.MISSING or value != default:
            changed.append(
                f"{field.name}={value!r}" if isinstance(value, str) else f"{field.name}={value}"
            )
    return changed


@dataclass(frozen=True)
class Bookmark:
    """Where a pane is, for :meth:`Pane.go_back`."""

    checkpoint: object
    course: Course | None
    error: Exception | None


class Pane:
    """One method's answers to the common course.

    Parameters
    ----------
    spec: what it shows.
    open_session: makes its session, before any click; loads the method.
    """

    def __init__(self, spec: PaneSpec, open_session: Callable[[PaneSpec], Session]) -> None:
        self.spec = spec
        self._open = open_session
        self._session: Session | None = None
        self._course: Course | None = None
        self._places: dict[Course, object] = {}
        self._error: Exception | None = None
        self.inferences = 0

    @property
    def session(self) -> Session | None:
        """The session, ``None`` until the method is loaded."""
        return self._session

    @property
    def error(self) -> Exception | None:
        """Why the pane has no answer to the latest course; ``None`` when it has."""
        return self._error

    @property
    def step(self) -> Step | None:
        """The latest step."""
        return None if self._session is None else self._session.step

    def open(self) -> Session:
        """Return the session; the first call loads the method, and raises what that raises."""
        if self._session is None:
            try:
                session = self._open(self.spec)
            except Exception as error:
                self._error = error
                raise
            self._session, self._course, self._error = session, (), None
            self._places[()] = session.checkpoint()
        return self._session

    def knows(self, course: Course) -> bool:
        """Whether :meth:`follow` would ask the method nothing."""
        return course in self._places

    def follow(self, course: Course) -> None:
        """Answer ``course``; groups that were answered before, after the same ones, are kept.

        On failure the error is raised and kept in :attr:`error`, and the session stays where it
        was.
        """
        session = self.open()
        before = session.checkpoint()
        known = next(n for n in range(len(course), -1, -1) if course[:n] in self._places)
        session.restore(self._places[course[:known]])
        try:
            for length in range(known + 1, len(course) + 1):
                session.click_many(course[length - 1])
                self.inferences += 1
                self._places[course[:length]] = session.checkpoint()
        except Exception as error:
            session.restore(before)
            self._error = error
            raise
        self._course, self._error = course, None

    def note(self, error: Exception) -> None:
        """Keep an error that came up elsewhere, until the next answer."""
        self._error = error

    def bookmark(self) -> Bookmark:
        """Return where the pane is."""
        checkpoint = None if self._session is None else self._session.checkpoint()
        return Bookmark(checkpoint, self._course, self._error)

    def go_back(self, bookmark: Bookmark) -> None:
        """Go back as if nothing had happened since; a method that was loaded stays loaded."""
        if self._session is None:
            return
        if bookmark.checkpoint is None:
            self._session.restore(self._places[()])
            self._course, self._error = (), None
        else:
            self._session.restore(bookmark.checkpoint)
            self._course, self._error = bookmark.course, bookmark.error

    def forget(self, courses: Iterable[Course]) -> None:
        """Keep no place but those on the way to one of ``courses``."""
        on_the_way = {course[:n] for course in courses for n in range(len(course) + 1)}
        self._places = {
            course: place for course, place in self._places.items() if course in on_the_way
        }


class CourseHistory:
    """The common course with undo and redo; each change has a name, as in an annotation."""

    def __init__(self) -> None:
        self.now: Course = ()
        # What undo leads to and what it takes back; likewise for redo.
        self._undo: list[tuple[str, Course]] = []
        self._redo: list[tuple[str, Course]] = []

    @property
    def done(self) -> tuple[str, ...]:
        """Names of the changes that can be undone, oldest first."""
        return tuple(name for name, _ in self._undo)

    @property
    def undone(self) -> tuple[str, ...]:
        """Names of the changes that can be done again, the next one last."""
        return tuple(name for name, _ in self._redo)

    @property
    def clicks(self) -> tuple[Click, ...]:
        """All clicks in order."""
        return tuple(click for group in self.now for click in group)

    @property
    def reachable(self) -> tuple[Course, ...]:
        """The course and all those that undo and redo lead to."""
        return (self.now, *(course for _, course in (*self._undo, *self._redo)))

    def copy(self) -> CourseHistory:
        """Return an independent history at the same place."""
        other = CourseHistory()
        other.now, other._undo, other._redo = self.now, list(self._undo), list(self._redo)
        return other

    def commit(self, course: Course, name: str = "click") -> None:
        """Go on with another course."""
        self._undo.append((name, self.now))
        self._redo.clear()
        self.now = course

    def undo(self) -> bool:
        """Take the last change back; ``False`` when there is none."""
        return self._step(self._undo, self._redo)

    def redo(self) -> bool:
        """Do it again; ``False`` when nothing is undone."""
        return self._step(self._redo, self._undo)

    def _step(self, source: list[tuple[str, Course]], target: list[tuple[str, Course]]) -> bool:
        if not source:
            return False
        name, course = source.pop()
        target.append((name, self.now))
        self.now = course
        return True

    def with_click(self, index: int, new: Click | None) -> Course:
        """Return the course with click ``index`` replaced, or removed (``None``).

        Raises ``ValueError`` when there is no such click.
        """
        count = len(self.clicks)
        if not 0 <= index < count:
            raise ValueError(f"there is no click {index}: there are {count}")
        middle = () if new is None else (new,)
        groups: list[tuple[Click, ...]] = []
        for group in self.now:
            inside = 0 <= index < len(group)
            kept = (*group[:index], *middle, *group[index + 1 :]) if inside else group
            index -= len(group)
            if kept:
                groups.append(kept)
        return tuple(groups)
