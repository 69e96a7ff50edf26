"""``FolderQueue``: many images, one after the other; every change is saved at once.

Files in the queue's folder:

* ``queue.json``: the images with names, statuses and notes, and the class labels;
* ``<name>.json``: an image's annotation (:meth:`iseg_widget.Annotation.save`);
* masks made of these: ``<name>.png``, ``yolo/``, ``voc/``, ``labelme/``, ``coco.json``.

Each is replaced as a whole, so it is the old or the new one at every moment. A change is written
:data:`DELAY` seconds after it was made, on a thread of its own; a process that is killed loses at
most what was changed in that time and that of writing. Masks in other formats follow later, and are
brought up to date when the queue is opened again.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from iseg_widget.annotation import Annotation
from iseg_widget.annotation.state import check_rule, with_colours
from iseg_widget.export.labelled import DEFAULT_LABEL
from iseg_widget.folder.exports import Target, check_formats
from iseg_widget.folder.item import QueueItem
from iseg_widget.folder.ledger import STATUSES, Entry, check_status
from iseg_widget.folder.opened import Methods, Opened, check_method
from iseg_widget.folder.paths import Paths, find_images
from iseg_widget.folder.store import Store


@dataclass(frozen=True)
class Progress:
    """How far a queue is: numbers of images.

    ``unreadable`` are those known to have a :attr:`QueueItem.problem`; they count by status too.
    """

    total: int
    done: int
    skipped: int
    todo: int
    unreadable: int

    def __str__(self) -> str:
        return f"{self.done} of {self.total} done"


# Queues by their folders: one that is opened again in the same process takes over from the first.
_open_queues: weakref.WeakValueDictionary[Path, FolderQueue] = weakref.WeakValueDictionary()
_opening = threading.Lock()


class FolderQueue:
    """Annotate many images, one after the other; nothing that was done is ever lost.

    It is a sequence of :class:`QueueItem`. Every change of an annotation, status or note is saved
    by itself. Opened again with the same ``out``, it goes on with the first image that is to do.
    One queue at a time has a folder: opening it a second time in the same process closes the first,
    another process gets an error. Files that were not written by a queue, or were changed by
    somebody else meanwhile, are renamed before new ones take their place.

    Parameters
    ----------
    images: a folder, a pattern such as ``"photos/**/*.jpg"``, or a list of image files. Those that
        are missing or unreadable stay in the queue with a :attr:`QueueItem.problem`.
    out: folder for the results, made if need be; none of the images may lie in it.
    labels: class labels, or a mapping of labels to colours. Labels that the folder knows already
        keep their order, since exported files number them. Default: those, else one, ``"object"``.
    method: answers clicks: a name (loaded when first needed), a method, methods by name, or
        ``None``: objects can only be drawn.
    rule: the overlap rule of new annotations; see :class:`iseg_widget.Annotation`.
    formats: of the masks, among ``"png"`` (an id an object), ``"coco"``, ``"yolo"``, ``"voc"`` and
        ``"labelme"``. Objects without a pixel are left out; ``coco.json`` leaves out skipped
        images.

    Raises
    ------
    ValueError, TypeError: there is no image, one lies in ``out``, a label, rule, format or method
        is none, ``queue.json`` is damaged, or another process has the folder open.

    Examples
    --------
    >>> with FolderQueue("photos", out="masks", labels=["cat"]) as queue:  # doctest: +SKIP
    ...     for item in queue.todo():
    ...         item.annotation.add_object(label="cat")
    ...         item.annotation.click(120, 80)
    ...         item.done()
    """

    def __init__(
        self,
        images: Paths,
        out: str | os.PathLike[str],
        *,
        labels: Sequence[str] | Mapping[str, str] | None = None,
        method: Methods = "focalclick",
        rule: str = "allow",
        formats: str | Sequence[str] = ("png",),
    ) -> None:
        self.out = Path(out).expanduser().resolve()
        self.formats = check_formats(formats)
        self.rule = check_rule(rule)
        check_method(method)
        given = () if labels is None else with_colours(labels)
        paths = find_images(images, self.out)
        self._lock = threading.RLock()
        self._callbacks: list[Callable[[], object]] = []
        self._closed: str | None = None
        with _opening:
            before = _open_queues.get(self.out)
            if before is not None:
                before.close("the folder was opened again, by another queue of this process")
            self._store = Store(self.out, self.formats, self._tell)
            _open_queues[self.out] = self
        self._opened = Opened(self, self._store, paths, method)
        try:
            ledger = self._store.ledger.taking(paths, self.out)
            if not (given or ledger.labels):
                given = with_colours([DEFAULT_LABEL])
            ledger = ledger.with_labels(given)
            self._store.begin(ledger)
        except BaseException:
            self.close()
            raise
        self._items = tuple(QueueItem(self, n, path) for n, path in enumerate(paths))
        self._position = self._first(ledger.at)

    # What is there

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[QueueItem]:
        return iter(self._items)

    def __getitem__(self, key: int | str) -> QueueItem:
        """Return an image by its place or by its name."""
        if isinstance(key, str):
            for item in self._items:
                if item.name == key:
                    return item
            raise KeyError(f"no image of the queue has the name {key!r}")
        return self._items[key]

    def __repr__(self) -> str:
        return f"<FolderQueue of {len(self)} images, {self.progress}, in {self.out}>"

    @property
    def position(self) -> int:
        """Place of the image that is open, from 0."""
        return self._position

    @property
    def current(self) -> QueueItem:
        """The image that is open."""
        return self._items[self._position]

    @property
    def progress(self) -> Progress:
        """How far the queue is."""
        entries = self._store.ledger.entries[: len(self)]
        count = {status: sum(e.status == status for e in entries) for status in STATUSES}
        return Progress(
            len(self), count["done"], count["skipped"], count["todo"], len(self._opened.problems)
        )

    @property
    def labels(self) -> dict[str, str]:
        """The class labels with their colours, in the order of their numbers in exported files."""
        return dict(self._store.ledger.labels)

    def where(self, status: str | None = None, *, notes: bool = False) -> Iterator[QueueItem]:
        """Go through the images of a status, ``notes``: only those with a note.

        The status is looked at when the turn of an image comes.
        """
        wanted = None if status is None else check_status(status)
        for item in self._items:
            if (wanted is None or item.status == wanted) and (item.note or not notes):
                yield item

    def todo(self) -> Iterator[QueueItem]:
        """Go through the images to do, opened; those that cannot be opened are passed over.

        :attr:`QueueItem.problem` says why.
        """
        for item in self.where("todo"):
            try:
                self.annotation(item.index)
            except ValueError:
                if self._closed is not None:
                    raise
                continue
            yield self.go(item.index)

    # Going through it

    def go(self, to: int | str) -> QueueItem:
        """Make an image the current one, by its place or name; what was changed is written."""
        if isinstance(to, int) and not 0 <= to < len(self):
            raise ValueError(f"there is no image {to}: the queue has {len(self)}, from 0")
        item = self[to]
        self._check_open()
        with self._lock:
            self._position = item.index
        self._store.change(lambda ledger: ledger.being_at(item.name))
        self._store.hurry()
        self._tell()
        return item

    def next(self) -> QueueItem:
        """Go to the next image; stays at the last."""
        return self.go(min(self._position + 1, len(self) - 1))

    def previous(self) -> QueueItem:
        """Go to the image before; stays at the first."""
        return self.go(max(self._position - 1, 0))

    def next_todo(self) -> QueueItem | None:
        """Go to the next image that is to do, from the end to the beginning; ``None``: all done.

        Images with a problem are passed over.
        """
        found = self.todo_after(self._position)
        return None if found is None else self.go(found)

    def todo_after(self, index: int) -> int | None:
        """Return the place of the next image that is to do, from the end to the beginning."""
        count = len(self)
        for step in range(1, count + 1):
            item = self._items[(index + step) % count]
            if item.status == "todo" and item.problem is None:
                return item.index
        return None

    def _first(self, at: str | None) -> int:
        found = self.todo_after(-1)
        if found is not None:
            return found
        return next((item.index for item in self._items if item.name == at), 0)

    # What a person says of an image

    def mark(self, index: int, status: str) -> None:
        """Set the status of an image; see :meth:`QueueItem.done`."""
        checked = check_status(status)
        self._check_open()
        if checked == "done" and self.entry(index).status != "done":
            annotation = self.annotation(index)
            self.save(index, annotation)
        self._change(index, status=checked)

    def set_note(self, index: int, text: str) -> None:
        """Write a note about an image, or remove it with an empty one."""
        if not isinstance(text, str):
            raise TypeError(f"a note is text, got {type(text).__name__}")
        self._change(index, note=text)

    def _change(self, index: int, **changes: Any) -> None:
        self._check_open()
        if not 0 <= index < len(self):
            raise ValueError(f"there is no image {index}: the queue has {len(self)}, from 0")
        self._store.change(lambda ledger: ledger.with_entry(index, **changes))
        self._tell()

    # Annotations

    @property
    def method(self) -> Methods:
        """What answers clicks on annotations that are opened from now on; may be set."""
        return self._opened.method

    @method.setter
    def method(self, method: Methods) -> None:
        self._opened.method = check_method(method)

    def entry(self, index: int) -> Entry:
        """Return what ``queue.json`` says of an image."""
        return self._store.ledger.entries[index]

    def target(self, index: int) -> Target:
        """Return the paths that belong to an image."""
        return self._store.target(self.entry(index))

    @property
    def entries(self) -> tuple[Entry, ...]:
        """What ``queue.json`` says of every image; the same object until that changes."""
        return self._store.ledger.entries

    @property
    def problems(self) -> dict[int, str]:
        """Why images cannot be worked on, by their places, as far as it is known."""
        return dict(self._opened.problems)

    def problem(self, index: int) -> str | None:
        """Return why an image cannot be worked on, as far as it is known."""
        return self._opened.problems.get(index)

    def annotation(self, index: int) -> Annotation:
        """See :attr:`QueueItem.annotation`."""
        found = self._opened.get(index)
        self._opened.read_ahead(self.todo_after(index))
        return found

    def restart(self, index: int) -> Path | None:
        """See :meth:`QueueItem.restart`."""
        self._check_open()
        kept = self._opened.restart(index)
        self._tell()
        return kept

    def save(self, index: int, annotation: Annotation) -> None:
        """Have an image's annotation written; this is done by itself when it changes."""
        self._check_open()
        self._store.save(self.entry(index), annotation)
        self._tell()

    def _check_open(self) -> None:
        if self._closed is not None:
            raise ValueError(f"this queue saves nothing any more: {self._closed}")

    # Saving

    @property
    def saved(self) -> bool:
        """Whether annotations, statuses and notes are on disk; exported masks may follow."""
        return self._store.saved

    @property
    def error(self) -> Exception | None:
        """Why something could not be written; it is tried again until it works."""
        return self._store.error

    @property
    def notices(self) -> tuple[str, ...]:
        """What else a person should know, such as files that were renamed."""
        return tuple(self._store.notices)

    @property
    def closed(self) -> str | None:
        """Why the queue can no longer be changed; ``None`` while it can."""
        return self._closed

    def on_change(self, callback: Callable[[], object], *, remove: bool = False) -> None:
        """Call ``callback()`` when something changed or was written, on whatever thread."""
        if remove:
            self._callbacks.remove(callback)
        else:
            self._callbacks.append(callback)

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until everything is on disk; ``False`` when ``timeout`` seconds were not enough.

        Raises what went wrong (``OSError``); it is tried again all the same.
        """
        return self._store.flush(timeout)

    def close(self, why: str = "it was closed") -> None:
        """Write what is to be written and let go of the folder; may be called again.

        ``why`` is what those are told who change something later. Raises what went wrong with
        writing (``OSError``): the queue stays open then, and goes on trying.
        """
        if self._closed is None:
            self._store.flush()
        with self._lock:
            if self._closed is not None:
                return
            self._closed = why
        try:
            self._store.close()
        finally:
            self._opened.forget()
            if _open_queues.get(self.out) is self:
                del _open_queues[self.out]
            self._tell()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _tell(self) -> None:
        for callback in tuple(self._callbacks):
            callback()
