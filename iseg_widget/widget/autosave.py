"""The widget's work in a file: written after every change, and found again after a restart."""

from __future__ import annotations

import contextlib
import os
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike

from iseg_widget.annotation import Annotation
from iseg_widget.annotation.file import read
from iseg_widget.annotation.state import with_colours
from iseg_widget.export.labelled import DEFAULT_LABEL
from iseg_widget.folder.files import OwnFiles
from iseg_widget.folder.saver import Saver
from iseg_widget.methods.registry import build_options, list_methods, load_method, with_options
from iseg_widget.protocol import Method
from iseg_widget.provenance import plain_options
from iseg_widget.widget.acting import Acting

DELAY = 0.1
"""Seconds after which a change is written: the answer to a click goes to the page first."""

# By file: a widget whose cell is run again takes over from the one before.
_open: weakref.WeakValueDictionary[Path, Autosave] = weakref.WeakValueDictionary()
_opening = threading.Lock()

Told = Callable[[str, Exception], None]


@dataclass(frozen=True)
class Loader:
    """Loads the methods that a file names, as the widget was told to load its own."""

    method: str | Method
    options: Any = None
    weights: Any = None
    device: Any = "auto"

    def __call__(self, path: str | os.PathLike[str]) -> dict[str, Method]:
        """Return the methods by name, that of the active object first; those that can be loaded."""
        snapshot = read(path).snapshot
        states = sorted(snapshot.objects, key=lambda state: state.id != snapshot.active)
        made: dict[str, Method] = {}
        for state in states:
            entry = None if state.saved is None else state.saved["method"]
            if entry is None or entry["name"] in made:
                continue
            found = self._load(entry["name"], entry["options"])
            if found is not None:
                made[entry["name"]] = found
        return made

    def _load(self, name: str, saved: Any) -> Method | None:
        if isinstance(self.method, Method) and self.method.name == name:
            return _under(self.method, saved)
        if isinstance(self.weights, Mapping):
            weights = self.weights.get(name)
        else:
            weights = self.weights if name == self.method else None
        if weights is None and name not in list_methods(loadable=True):
            return None
        options = build_options(name, saved)
        return load_method(name, options=options, weights=weights, device=self.device)


def _under(method: Method, saved: Any) -> Method:
    """Return a method under the options in a file; itself if it has them, or can have no others."""
    if plain_options(method.options) == saved:
        return method
    try:
        return with_options(method, saved)
    except (TypeError, ValueError):
        return method


class Autosave:
    """One annotation's file.

    Files that it did not write, or that somebody changed meanwhile, are renamed before a new one
    takes their place. When the same file is opened again in this process, it is let go of here.

    Parameters
    ----------
    path: of the file; it need not be there yet.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path).expanduser().resolve()
        self.told: Told | None = None
        """Called with a title and an error that the user should see."""
        self._saver = Saver(self._written)
        self._files = OwnFiles(self._set_aside)
        self._failing = False
        self._left = self._lost = False

    def open(
        self,
        image: object,
        begin: Callable[[], Annotation],
        loader: Loader,
        labels: Sequence[str] | Mapping[str, str] | None = None,
    ) -> Annotation:
        """Return the annotation in the file, or the one that ``begin`` makes, and follow it.

        Raises
        ------
        ValueError: the file belongs to another image, is damaged, or no annotation.
        """
        with _opening:
            before = _open.get(self.path)
            if before is not None:
                before.leave()
            found = self._load(image, loader, labels) if self.path.exists() else begin()
            _open[self.path] = self
        self._follow(found)
        return found

    def _load(self, image: object, loader: Loader, labels: Any) -> Annotation:
        declared = None if labels is None else dict(with_colours(labels))
        try:
            found = Annotation.load(self.path, image, loader(self.path), labels=declared)
        except ValueError as error:
            about = str(error).partition("; check=False")[0]
            raise ValueError(
                f"{about}. The file stays as it is; to begin with this image, choose another name "
                "for autosave=…"
            ) from error
        found.stand_in = True
        self._files.adopt(self.path)
        return found

    def _follow(self, annotation: Annotation) -> None:
        me, this = weakref.ref(self), weakref.ref(annotation)

        def changed() -> None:
            to, made = me(), this()
            if to is not None and made is not None:
                to.put(made)

        annotation.on_change(changed)

    def put(self, annotation: Annotation) -> None:
        """Have the annotation written as it is now."""
        if self._left:
            self._lost = True
            self._say("The work is not saved here", ValueError(self._gone))
            return
        saving = annotation.saving(history=True)
        self._saver.put("work", lambda: self._files.write_by(self.path, saving), delay=DELAY)

    @property
    def _gone(self) -> str:
        return f"{self.path.name} was opened by another widget, which goes on with it"

    # What becomes of it

    @property
    def saved(self) -> bool:
        """Whether everything is written."""
        return not (self._lost or self._saver.pending())

    def flush(self, timeout: float | None = None) -> bool:
        """Write what waits, now; see :meth:`iseg_widget.folder.saver.Saver.flush`."""
        return self._saver.flush(timeout)

    def leave(self) -> None:
        """Write what waits and let another one have the file."""
        with contextlib.suppress(OSError):  # it was tried, and was said before
            self.close()

    def close(self) -> None:
        """Write what waits and end; changes from now on are not saved."""
        try:
            if not self._left:
                self._saver.close()
        finally:
            self._left = True

    def _written(self) -> None:
        error = self._saver.error
        if error is not None and not self._failing:
            self._say("The work could not be saved; it is tried again until it works", error)
        self._failing = error is not None

    def _set_aside(self, path: Path, place: Path) -> None:
        about = f"{path.name} was changed by somebody else meanwhile; that is now {place.name}"
        self._say("There was another file", ValueError(about))

    def _say(self, title: str, error: Exception) -> None:
        if self.told is not None:
            self.told(title, error)


def begun(
    image: object,
    autosave: str | os.PathLike[str] | None,
    loader: Loader,
    *,
    labels: Sequence[str] | Mapping[str, str] | None,
    rule: str,
    mask: ArrayLike | None,
    truth: ArrayLike | None,
    ignore: ArrayLike | None,
) -> tuple[Annotation, Autosave | None]:
    """Return an annotation with one object, or the one in the file, and what saves it.

    The parameters are those of :class:`iseg_widget.SegmentationWidget`.
    """

    def begin() -> Annotation:
        made = Annotation(image, labels=labels or (DEFAULT_LABEL,), rule=rule)
        made.add_object(mask, truth=truth, ignore=ignore)
        made.forget_history()
        return made

    if autosave is None:
        return begin(), None
    kept = Autosave(autosave)
    annotation = kept.open(image, begin, loader, labels=labels)
    annotation.judge(truth, ignore)
    return annotation, kept


class AutosaveActions(Acting):
    """Saving by itself; see the widget's ``autosave``."""

    _kept: Autosave | None

    if TYPE_CHECKING:  # the widget itself has it

        def _show_error(self, title: str, error: Exception, id: str | None = None) -> None:  # noqa: A002
            """Tell the page, and those who asked for errors."""

    @property
    def saved(self) -> bool | None:
        """Whether every change is in the file that was given as ``autosave``; ``None`` without."""
        self._wait()
        return None if self._kept is None else self._kept.saved

    def _follow_kept(self) -> None:
        if self._kept is not None:
            self._kept.told = self._show_error

    def _close_kept(self) -> None:
        if self._kept is not None:
            self._desk.worker.join(10)
            self._kept.close()
