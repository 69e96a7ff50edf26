"""The widget on many images: which one is open, and what the page is told of the others."""

from __future__ import annotations

import dataclasses
import glob
import os
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

from iseg_widget.annotation import Annotation
from iseg_widget.folder import FolderQueue
from iseg_widget.folder.ledger import Entry
from iseg_widget.folder.paths import common, relative
from iseg_widget.widget.acting import Acting
from iseg_widget.widget.actions import Ask, Swap, route
from iseg_widget.widget.desk import Desk
from iseg_widget.widget.messages import Reply
from iseg_widget.widget.messages import queue as messages
from iseg_widget.widget.queue_thumbnails import Thumbnails


class Album:
    """A queue as the widget shows it.

    Parameters
    ----------
    queue: of images, one of which can be opened at least.

    Raises
    ------
    ValueError: none can.
    """

    def __init__(self, queue: FolderQueue) -> None:
        self.queue = queue
        self.thumbnails = Thumbnails(queue)
        self.send: Callable[[Reply], None] | None = None
        self._lock = threading.Lock()
        self._notices: list[str] = []
        self._known: tuple[tuple[Entry, ...], dict[int, str]] = ((), {})
        self._last: messages.Queue | None = None
        root = common([item.path.parent for item in queue])
        self._files = [relative(item.path, root) for item in queue]
        self.at = queue.position
        self.annotation = self._first()
        me = weakref.WeakMethod(self._changed)
        queue.on_change(lambda: _call(me))

    def _first(self) -> Annotation:
        start = self.queue.position
        for to in (*range(start, len(self.queue)), *range(start)):
            try:
                return self.open(to)
            except ValueError:
                if len(self.queue) == 1:
                    raise
        problem = self.queue[start].problem
        raise ValueError(
            f"none of the {len(self.queue)} images can be opened; the first: {problem}"
        )

    def open(self, to: int, step: int = 0) -> Annotation:
        """Open an image, or the next one in the direction of ``step`` that can be opened.

        ``ValueError`` when there is none.
        """
        queue = self.queue
        if not 0 <= to < len(queue):
            raise ValueError(f"there is no image {to}: the queue has {len(queue)}, from 0")
        passed: list[str] = []
        while True:
            try:
                annotation = queue[to].annotation
            except ValueError as error:
                passed.append(f"{self._files[to]} cannot be opened: {error}")
                to += step
                if not step or not 0 <= to < len(queue):
                    raise ValueError("\n".join(passed)) from error
            else:
                break
        self._notices += passed
        annotation.stand_in = True
        if not (annotation.objects or annotation.done or annotation.undone):
            annotation.quietly(lambda: _begin(annotation))
        queue.go(to)
        self.at, self.annotation = to, annotation
        self._changed()
        return annotation

    def mark(self, image: int, status: str, *, go_on: bool = True) -> Annotation:
        """Give an image a status; return the next one to do, or the one that is open."""
        if not 0 <= image < len(self.queue):
            raise ValueError(f"there is no image {image}: the queue has {len(self.queue)}, from 0")
        self.queue.mark(image, status)
        while go_on:
            to = self.queue.todo_after(self.at)
            if to is None or to == self.at:
                break
            try:
                return self.open(to)
            except ValueError as error:  # it has a problem now, and is not found again
                self._notices.append(f"{self._files[to]} cannot be opened: {error}")
        return self.annotation

    # What the page is told

    def _news(self, *, whole: bool) -> tuple[messages.QueueEntry, ...]:
        """Return what changed since this was asked last, or everything."""
        (before, wrong_before) = self._known
        (now, wrong) = self._known = (self.queue.entries, self.queue.problems)
        if now is before and wrong == wrong_before and not whole:
            return ()  # as after nearly every click
        return tuple(
            messages.QueueEntry(
                index=index,
                file=file,
                status=entry.status,
                note=entry.note,
                problem=wrong.get(index),
            )
            for index, (file, entry) in enumerate(zip(self._files, now, strict=False))
            if whole or entry is not before[index] or wrong.get(index) != wrong_before.get(index)
        )

    def state(self, id: str | None = None, *, whole: bool = False) -> messages.Queue:  # noqa: A002
        """Return what changed since this was asked last, or everything."""
        queue, error = self.queue, self.queue.error
        whole = whole or not self._known[0]
        return messages.Queue(
            id=id,
            at=self.at,
            count=len(queue),
            whole=whole,
            images=self._news(whole=whole),
            saved=queue.saved,
            trouble=None if error is None else str(error),
            closed=queue.closed,
            notices=(*queue.notices, *self._notices),
        )

    def answer(self, id: str, *, whole: bool = False) -> messages.Queue:  # noqa: A002
        """Return the answer to a request."""
        with self._lock:
            self._last = None
            return self.state(id, whole=whole)

    def _changed(self) -> None:
        """Tell the page, on whatever thread, if that is any news."""
        if self.send is None:
            return
        with self._lock:
            state = self.state()
            quiet = dataclasses.replace(state, images=(), whole=False)
            if state.images or quiet != self._last:
                self._last = quiet
                self.send(state)


def _call(method: weakref.WeakMethod[Callable[[], None]]) -> None:
    found = method()
    if found is not None:
        found()


def _begin(annotation: Annotation) -> None:
    annotation.add_object()
    annotation.forget_history()


def album_of(image: object, out: object, options: dict[str, Any]) -> Album | None:
    """Return the album that ``image`` means; ``None`` when it means one image.

    ``options`` are those of :class:`iseg_widget.FolderQueue`.
    """
    if isinstance(image, FolderQueue):
        if out is not None:
            raise ValueError("out cannot be given with a queue, which has its own")
        return Album(image)
    if out is None:
        if _many(image):
            raise ValueError("many images need out=…, the folder for the results")
        return None
    if not isinstance(out, (str, os.PathLike)):
        raise TypeError(f"out must be a folder's path, got {type(out).__name__}")
    queue = FolderQueue(image, out, method=None, **options)  # type: ignore[arg-type]
    try:
        return Album(queue)
    except BaseException:
        queue.close()
        raise


def _many(image: object) -> bool:
    if isinstance(image, (str, os.PathLike)):
        path = Path(image).expanduser()
        return path.is_dir() or (glob.has_magic(str(path)) and not path.exists())
    if not isinstance(image, (list, tuple)):
        return False
    return all(isinstance(one, (str, os.PathLike)) for one in image)


def _album(desk: Desk) -> Album:
    if desk.album is None:
        raise ValueError("this widget has one image only; give it several, and out=…")
    return desk.album


class QueueActions(Acting):
    """Going through many images; see :class:`iseg_widget.FolderQueue`."""

    @property
    def queue(self) -> FolderQueue | None:
        """The queue, with statuses, notes and progress; ``None`` on a single image."""
        album = self._desk.album
        return None if album is None else album.queue

    def go(self, to: int | str) -> None:
        """Open an image by its place or name. ``ValueError`` when that cannot be done."""
        self._do(Swap(lambda desk: _album(desk).open(_album(desk).queue[to].index)))

    def next(self) -> None:
        """Open the next image; those that cannot be opened are passed over."""
        self._do(Swap(lambda desk: _step(_album(desk), 1)))

    def previous(self) -> None:
        """Open the image before."""
        self._do(Swap(lambda desk: _step(_album(desk), -1)))

    def mark_done(self, *, go_on: bool = True) -> None:
        """Mark the image as done, and open the next one that is to do (if there is one)."""
        self._mark("done", go_on=go_on)

    def skip(self, *, go_on: bool = True) -> None:
        """Mark the image as skipped, and open the next one that is to do."""
        self._mark("skipped", go_on=go_on)

    def reopen(self) -> None:
        """Mark the image as still to do."""
        self._mark("todo", go_on=False)

    def note(self, text: str) -> None:
        """Write a note about the image."""
        self._wait()
        album = _album(self._desk)
        album.queue.set_note(album.at, text)

    def _close_queue(self) -> None:
        """Write all that waits to be written and let go of the folder, once work has ended."""
        album = self._desk.album
        if album is not None:
            album.thumbnails.close()
            self._desk.worker.join(10)
            album.queue.close("the widget was closed")

    def _mark(self, status: str, *, go_on: bool) -> None:
        def mark(desk: Desk) -> Annotation:
            album = _album(desk)
            return album.mark(album.at, status, go_on=go_on)

        self._do(Swap(mark, "The image was not marked"))


def _step(album: Album, step: int) -> Annotation:
    to = album.at + step
    return album.open(to, step) if 0 <= to < len(album.queue) else album.annotation


@route(messages.ListQueue)
def _list(_: messages.ListQueue) -> object:
    return Ask(lambda desk, name: _album(desk).answer(name, whole=True), any_image=True)


@route(messages.GoTo)
def _go(request: messages.GoTo) -> object:
    return Swap(lambda desk: _album(desk).open(request.to, request.step))


@route(messages.MarkImage)
def _mark(request: messages.MarkImage) -> object:
    return Swap(
        lambda desk: _album(desk).mark(request.image, request.status, go_on=request.go_on),
        "The image was not marked",
    )


@route(messages.NoteImage)
def _note(request: messages.NoteImage) -> object:
    def note(desk: Desk, name: str) -> messages.Queue:
        album = _album(desk)
        album.queue.set_note(request.image, request.note)
        return album.answer(name)

    return Ask(note, "The note was not written", any_image=True)
