"""Small pictures of the images of a queue, made when the page has them in sight.

They are made one at a time on a thread of their own, and only while the worker has nothing to do:
a click never finds more than one of them under way.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from iseg_widget.annotation import file
from iseg_widget.folder import FolderQueue
from iseg_widget.images import RGB, read_small
from iseg_widget.widget import messages
from iseg_widget.widget.messages.queue import GetThumbnail, Thumbnail
from iseg_widget.widget.pyramid import Encoded, encode
from iseg_widget.widget.thumbnails import painted

SIDE = 108
"""Longest side in pixels: twice what the page shows, for screens of high resolution."""

KEPT = 512
"""Small pictures that are kept, with and without masks."""

OPACITY = 0.6
"""Of the masks."""

Stamp = tuple[int, int] | None
Send = Callable[[messages.Reply], None]

_T = TypeVar("_T")


class Thumbnails:
    """Makes and keeps the small pictures of a queue.

    Parameters
    ----------
    queue: whose images and annotation files they show.
    """

    def __init__(self, queue: FolderQueue) -> None:
        self._queue = queue
        self._pool: ThreadPoolExecutor | None = None
        self._closed = False
        self._lock = threading.Lock()
        # Both by the image's place, with what they were made of.
        self._pictures: OrderedDict[int, tuple[Stamp, RGB, tuple[int, int]]] = OrderedDict()
        self._made: OrderedDict[int, tuple[Stamp, Stamp, Encoded]] = OrderedDict()

    def request(
        self,
        image: int,
        rest: Callable[[], object],
        done: Callable[[Encoded | None], None],
    ) -> None:
        """Call ``done`` with a small picture (``None``: it cannot be read) from another thread.

        ``rest()`` returns when nobody waits for anything more important.
        ``ValueError``: there is no such image.
        """
        if not 0 <= image < len(self._queue):
            raise ValueError(f"there is no image {image}: the queue has {len(self._queue)}, from 0")
        with self._lock:
            if self._closed:
                return
            if self._pool is None:
                self._pool = ThreadPoolExecutor(1, "iseg-thumbnails")
            self._pool.submit(self._answer, image, rest, done)

    def close(self) -> None:
        """Forget what is asked for. May be called again."""
        with self._lock:
            self._closed = True
            if self._pool is not None:
                self._pool.shutdown(wait=False, cancel_futures=True)

    def get(self, image: int) -> Encoded:
        """Return an image's small picture with its saved masks; ``ValueError``: unreadable."""
        target = self._queue.target(image)
        path, place = self._queue[image].path, target.annotation
        stamps = _stamp(path), _stamp(place)
        known = self._made.get(image)
        if known is not None and known[:2] == stamps:
            self._made.move_to_end(image)
            return known[2]
        small, shape = self._picture(image, path, stamps[0])
        made = encode(_with_masks(small, shape, place), lossless=False)
        _keep(self._made, image, (*stamps, made))
        return made

    def _picture(self, image: int, path: Path, stamp: Stamp) -> tuple[RGB, tuple[int, int]]:
        known = self._pictures.get(image)
        if known is None or known[0] != stamp:
            known = (stamp, *read_small(path, SIDE))
        _keep(self._pictures, image, known)
        return known[1:]

    def _answer(
        self, image: int, rest: Callable[[], object], done: Callable[[Encoded | None], None]
    ) -> None:
        rest()
        if self._closed:
            return
        try:
            made = self.get(image)
        except Exception:  # noqa: BLE001 - why is told when the image is opened
            done(None)
        else:
            done(made)


def serve(
    thumbnails: Thumbnails | None,
    request: GetThumbnail,
    rest: Callable[[], object],
    send: Send,
) -> None:
    """Have a small picture made and sent, or an error.

    ``thumbnails``: ``None`` where there is one image only.
    """

    def done(made: Encoded | None) -> None:
        mime, data = (None, None) if made is None else (made.mime, made.data)
        send(Thumbnail(id=request.id, image=request.image, mime=mime, data=data))

    problem = "this widget has one image only"
    if thumbnails is not None:
        try:
            thumbnails.request(request.image, rest, done)
        except ValueError as error:
            problem = str(error)
        else:
            return
    title = "There is no small picture"
    send(messages.ErrorReply(id=request.id, ids=(request.id,), title=title, message=problem))


def _with_masks(small: RGB, shape: tuple[int, int], place: Path) -> RGB:
    if not place.exists():
        return small
    try:
        stored = file.read(place)
    except ValueError:  # told when the image is opened
        return small
    # Masks of other pixels would tell nothing.
    return painted(small, shape, stored.snapshot, OPACITY) if stored.shape == shape else small


def _keep(known: OrderedDict[int, _T], key: int, value: _T) -> None:
    known[key] = value
    known.move_to_end(key)
    while len(known) > KEPT:
        known.popitem(last=False)


def _stamp(path: Path) -> Stamp:
    try:
        about = path.stat()
    except OSError:
        return None
    return about.st_mtime_ns, about.st_size
