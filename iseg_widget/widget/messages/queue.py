"""Many images, one after the other: going from one to the next, statuses and notes."""

from __future__ import annotations

from dataclasses import dataclass

from iseg_widget.folder import STATUSES
from iseg_widget.widget.messages.base import (
    Reply,
    Request,
    is_count,
    is_flag,
    is_string,
    one_of,
    request,
)
from iseg_widget.widget.messages.known import REQUESTS


@request(REQUESTS)
@dataclass(frozen=True, kw_only=True)
class ListQueue(Request):
    """All images with their statuses; the answer is a :class:`Queue`."""

    kind = "queue"


@request(REQUESTS, to=is_count, step=one_of(-1, 0, 1))
@dataclass(frozen=True, kw_only=True)
class GoTo(Request):
    """Open an image; if that cannot be done, the next one in the direction of ``step``."""

    kind = "queue_go"
    to: int
    step: int


@request(REQUESTS, image=is_count, status=one_of(*STATUSES), go_on=is_flag)
@dataclass(frozen=True, kw_only=True)
class MarkImage(Request):
    """Give an image a status, and then (``go_on``) open the next one that is to do."""

    kind = "queue_mark"
    image: int
    status: str
    go_on: bool


@request(REQUESTS, image=is_count, note=is_string)
@dataclass(frozen=True, kw_only=True)
class NoteImage(Request):
    """Write a note about an image; the answer is a :class:`Queue`."""

    kind = "queue_note"
    image: int
    note: str


@request(REQUESTS, image=is_count)
@dataclass(frozen=True, kw_only=True)
class GetThumbnail(Request):
    """Send a small picture of an image with its saved masks. Clicks go first."""

    kind = "queue_thumbnail"
    image: int


@dataclass(frozen=True, kw_only=True)
class Thumbnail(Reply):
    """A small picture, the buffer; ``mime`` is null, and there is none, where it cannot be read."""

    kind = "queue_thumbnail"
    id: str
    image: int
    mime: str | None
    data: bytes | None


@dataclass(frozen=True, kw_only=True)
class Opened(Reply):
    """Another image is open from revision ``rev`` on; the ``result`` of that revision follows.

    The buffer is the picture, as in ``picture``. Requests about pixels that were made before, which
    their ``rev`` tells, are refused.
    """

    kind = "opened"
    rev: int
    width: int
    height: int
    level: int
    tile: int
    mime: str
    data: bytes


@dataclass(frozen=True, kw_only=True)
class QueueEntry:
    """An image: its place in the queue, its file, and what was said of it.

    ``problem``: why it cannot be worked on, as far as that is known.
    """

    index: int
    file: str
    status: str
    note: str
    problem: str | None


@dataclass(frozen=True, kw_only=True)
class Queue(Reply):
    """Where one is in the queue, and the images that changed since the message before.

    ``id``: of the request that asked, else null; ``at``: the image that is open; ``count``: of all;
    ``images``: those that changed, or all if ``whole``; ``saved``: whether all work is on disk;
    ``trouble``: why it is not; ``closed``: why nothing is saved any more; ``notices``: what else a
    person should know, all since the beginning.
    """

    kind = "queue"
    id: str | None
    at: int
    count: int
    whole: bool
    images: tuple[QueueEntry, ...]
    saved: bool
    trouble: str | None
    closed: str | None
    notices: tuple[str, ...]
