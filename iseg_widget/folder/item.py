"""One image of a queue."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from iseg_widget.annotation import Annotation
from iseg_widget.export import LabelledImage
from iseg_widget.folder.exports import places, read_labelled
from iseg_widget.folder.ledger import Status

if TYPE_CHECKING:
    from iseg_widget.folder.queue import FolderQueue


class QueueItem:
    """An image of a :class:`FolderQueue`: its annotation, status and note."""

    def __init__(self, queue: FolderQueue, index: int, path: Path) -> None:
        self._queue = queue
        self.index = index
        self.path = path

    @property
    def name(self) -> str:
        """What the image's files are called, without their endings."""
        return self._queue.entry(self.index).name

    @property
    def status(self) -> Status:
        """``"todo"``, ``"done"`` or ``"skipped"``."""
        return self._queue.entry(self.index).status

    @property
    def note(self) -> str:
        """What a person wrote about the image; may be set."""
        return self._queue.entry(self.index).note

    @note.setter
    def note(self, text: str) -> None:
        self._queue.set_note(self.index, text)

    @property
    def problem(self) -> str | None:
        """Why the image cannot be worked on, as far as it is known; ``None``: nothing is wrong."""
        return self._queue.problem(self.index)

    @property
    def annotation(self) -> Annotation:
        """The annotation, read or begun when it is first asked for.

        Every change of it is saved. ``ValueError`` when the image cannot be read, or when the
        annotation that is there belongs to other pixels or is damaged; its file stays as it is.
        """
        return self._queue.annotation(self.index)

    @property
    def labelled(self) -> LabelledImage | None:
        """The saved masks, read without the image; ``None`` when nothing is saved.

        ``ValueError`` when the file is damaged.
        """
        target = self._queue.target(self.index)
        return read_labelled(target) if target.annotation.exists() else None

    @property
    def files(self) -> Mapping[str, tuple[Path, ...]]:
        """Where the annotation (``"annotation"``) and the masks lie, by format."""
        queue = self._queue
        own = places(queue.out, self.name, queue.formats)
        annotation = queue.target(self.index).annotation
        return {"annotation": (annotation,), **{str(form): own[form] for form in own}}

    def done(self) -> None:
        """Mark the image as done; from then on it has files of masks, even if they are empty."""
        self._queue.mark(self.index, "done")

    def skip(self) -> None:
        """Mark the image as skipped; what was drawn on it stays."""
        self._queue.mark(self.index, "skipped")

    def reopen(self) -> None:
        """Mark the image as still to do."""
        self._queue.mark(self.index, "todo")

    def restart(self) -> Path | None:
        """Begin its annotation anew; the old file is kept under another name, which is returned."""
        return self._queue.restart(self.index)

    def __repr__(self) -> str:
        problem = f", problem: {self.problem}" if self.problem else ""
        return f"<image {self.index} {self.path.name!r}: {self.status}{problem}>"
