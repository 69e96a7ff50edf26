"""The annotations of a queue that are open, and how they are read and begun."""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from iseg_widget.annotation import Annotation
from iseg_widget.folder.pictures import Pictures
from iseg_widget.folder.store import Store
from iseg_widget.protocol import Method

if TYPE_CHECKING:
    from iseg_widget.folder.queue import FolderQueue

KEPT_OPEN = 3
"""Annotations that keep their undo history while one looks at other images."""

Methods = str | Method | Mapping[str, Method] | None


class Opened:
    """Gives each image one annotation, the same as long as anybody has it.

    Parameters
    ----------
    queue: held weakly; told of every change.
    store: where the annotations are.
    paths: of the images.
    method: see :class:`iseg_widget.FolderQueue`.
    """

    def __init__(
        self, queue: FolderQueue, store: Store, paths: Sequence[Path], method: Methods
    ) -> None:
        self._queue = weakref.ref(queue)
        self._store = store
        self._paths = tuple(paths)
        self.method: Methods = method
        self.problems = {
            index: f"no image file at {path}"
            for index, path in enumerate(paths)
            if not path.is_file()
        }
        self._pictures = Pictures()
        self._lock = threading.RLock()
        self._recent: OrderedDict[int, Annotation] = OrderedDict()
        self._alive: weakref.WeakValueDictionary[int, Annotation] = weakref.WeakValueDictionary()

    def get(self, index: int) -> Annotation:
        """Return the annotation of an image; ``ValueError`` when it cannot be opened."""
        with self._lock:
            found = self._alive.get(index)
            if found is None:
                try:
                    found = self._read(index)
                except ValueError as error:
                    self.problems[index] = str(error)
                    raise
                self.problems.pop(index, None)
                self._alive[index] = found
                self._follow(index, found)
            self._recent[index] = found
            self._recent.move_to_end(index)
            while len(self._recent) > KEPT_OPEN:
                self._recent.popitem(last=False)
            return found

    def _read(self, index: int) -> Annotation:
        ledger, path = self._store.ledger, self._paths[index]
        entry, labels = ledger.entries[index], dict(ledger.labels)
        picture, place = self._pictures.read(path), self._store.target(entry).annotation
        methods = self._loaded()
        if place.exists():
            made = Annotation.load(
                place, picture.pixels, methods, labels=labels, sha256=picture.sha256
            )
            self._store.adopt(entry)
            return made
        return Annotation(
            picture.pixels,
            next(iter(methods.values()), None),
            labels=labels,
            rule=self._rule,
            file_name=path.name,
            sha256=picture.sha256,
        )

    def _follow(self, index: int, annotation: Annotation) -> None:
        """Have every change saved; neither queue nor annotation is kept alive by that."""
        queue, this = self._queue, weakref.ref(annotation)

        def changed() -> None:
            to, made = queue(), this()
            if to is not None and made is not None:
                to.save(index, made)

        annotation.on_change(changed)

    @property
    def _rule(self) -> str:
        queue = self._queue()
        return "allow" if queue is None else queue.rule

    def restart(self, index: int) -> Path | None:
        """Forget an annotation and keep its file under another name, which is returned."""
        with self._lock:
            old = self._alive.pop(index, None)
            if old is not None:
                old.on_change(_outdated)
            self._recent.pop(index, None)
            self.problems.pop(index, None)
            return self._store.set_aside(self._store.ledger.entries[index])

    def read_ahead(self, index: int | None) -> None:
        """Begin to decode the image that is likely to be opened next."""
        if index is not None and index not in self._alive:
            self._pictures.prefetch(self._paths[index])

    def forget(self) -> None:
        """Let go of everything."""
        with self._lock:
            self._pictures.forget()
            self._recent.clear()

    def _loaded(self) -> dict[str, Method]:
        """Return the methods by name, the first for new objects; loads a name."""
        if isinstance(self.method, str):
            from iseg_widget.methods.registry import load_method

            self.method = load_method(self.method)
        if self.method is None or isinstance(self.method, Mapping):
            return dict(self.method or {})
        return {self.method.name: self.method}


def _outdated() -> None:
    raise ValueError("this annotation was begun anew and is no longer saved")


def check_method(method: Methods) -> Methods:
    """Return what may answer clicks; ``ValueError`` or ``TypeError`` saying what is accepted."""
    if isinstance(method, str):
        from iseg_widget.methods.registry import list_methods

        if method not in list_methods():
            raise ValueError(f"unknown method {method!r}; accepted are {', '.join(list_methods())}")
        return method
    given = list(method.values()) if isinstance(method, Mapping) else [method]
    for one in given:
        if one is not None and not isinstance(one, Method):
            raise TypeError(
                f"method must be a name, what load_method returns, or None, "
                f"got {type(one).__name__}"
            )
    return method
