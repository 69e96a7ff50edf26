"""What a queue has on disk, and the writing of it."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path

from iseg_widget.annotation import Annotation
from iseg_widget.annotation.state import next_colour
from iseg_widget.folder.exports import (
    COCO,
    CocoFile,
    Format,
    Target,
    class_lists,
    coco_content,
    contents,
    places,
    read_labelled,
)
from iseg_widget.folder.files import OwnFiles
from iseg_widget.folder.ledger import QUEUE, Entry, Ledger, read_ledger
from iseg_widget.folder.lock import FolderLock
from iseg_widget.folder.saver import Saver

DELAY = 0.1
"""Seconds after which a change is written: the answer to a click goes to the page first."""

EXPORT_DELAY = 1.0
"""Seconds after which masks in other formats are written."""

COCO_DELAY = 3.0
"""Seconds after which the file of all images is."""

_ANNOTATION, _QUEUE, _EXPORT, _COCO = range(4)


class Store:
    """The folder of a queue: its lock, its ledger, and a thread that writes.

    Parameters
    ----------
    folder: made if need be.
    formats: of the masks.
    told: bound method, held weakly, that is called when files were written or could not be.

    Raises
    ------
    ValueError: the folder is open elsewhere, or its ``queue.json`` is damaged.
    OSError: nothing can be written there.
    """

    def __init__(self, folder: Path, formats: Sequence[Format], told: Callable[[], None]) -> None:
        self._folder = folder
        self._formats = tuple(formats)
        self._told = weakref.WeakMethod(told)
        self._mutex = threading.RLock()
        self._coco = CocoFile()
        self._files = OwnFiles(self._note_kept)
        self.notices: list[str] = []
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = FolderLock(folder)
        try:
            self.ledger = read_ledger(folder / QUEUE)
        except BaseException:
            self._lock.release()
            raise
        if self.ledger.labels:  # there was a queue before: what is there is its own
            own = [QUEUE, *([COCO] if "coco" in formats else ())]
            for place in (*(folder / name for name in own), *class_lists(folder, formats, ())):
                self._files.adopt(place)
            for entry in self.ledger.entries:
                self._files.adopt(self.target(entry).annotation)
                for place in self._exported(entry):
                    self._files.adopt(place)
        self._saver = Saver(self._tell)

    def target(self, entry: Entry) -> Target:
        """Return the paths that belong to an image."""
        image = Path(os.path.normpath(self._folder / entry.image))
        return Target(image, entry.name, self._folder / f"{entry.name}.json")

    def _exported(self, entry: Entry) -> list[Path]:
        found = places(self._folder, entry.name, self._formats)
        return [path for paths in found.values() for path in paths]

    # Changes

    def begin(self, ledger: Ledger) -> None:
        """Write ``queue.json``, and have masks written that are older than their annotations."""
        with self._mutex:
            self.ledger = ledger
        self._write_ledger()
        coco_age = _age(self._folder / COCO)
        coco_late = coco_age is None
        for entry in ledger.entries:
            age = _age(self.target(entry).annotation)
            if age is None:
                continue
            ages = [_age(path) for path in self._exported(entry)]
            if any(made is None or made < age for made in ages):
                self._put_export(entry, delay=0.0)
            coco_late = coco_late or (coco_age is not None and coco_age < age)
        if coco_late:
            self._put_coco(delay=0.0)
        self._put_classes()

    def change(self, do: Callable[[Ledger], Ledger]) -> None:
        """Change the ledger, and have it written if that changed something."""
        with self._mutex:
            before, self.ledger = self.ledger, do(self.ledger)
            after = self.ledger
        if after is before:
            return
        self._saver.put(QUEUE, self._write_ledger, delay=DELAY, order=_QUEUE)
        if after.labels != before.labels:
            self._put_classes()
        if _listed(after) != _listed(before) or after.labels != before.labels:
            self._put_coco()

    def save(self, entry: Entry, annotation: Annotation) -> None:
        """Have an annotation written as it is now, and then its masks."""
        labels = tuple(annotation.labels.items())
        self.change(lambda ledger: ledger.with_labels(labels))
        saving, target = annotation.saving(), self.target(entry)

        def write() -> None:
            self._files.write_by(target.annotation, saving)

        self._saver.put(f"{entry.name}.json", write, delay=DELAY, order=_ANNOTATION)
        self._put_export(entry)
        self._put_coco()

    def adopt(self, entry: Entry) -> None:
        """Take an annotation that was read for one's own."""
        self._files.adopt(self.target(entry).annotation)

    def set_aside(self, entry: Entry) -> Path | None:
        """Keep an annotation's file under another name; ``None`` when there is none."""
        self._saver.flush()
        place = self.target(entry).annotation
        return self._files.set_aside(place) if place.exists() else None

    # Writing, on the saver's thread

    def _put_export(self, entry: Entry, delay: float = EXPORT_DELAY) -> None:
        if self._exported(entry):
            key = f"{entry.name} exported"
            self._saver.put(key, lambda: self._export(entry), delay=delay, order=_EXPORT)

    def _put_coco(self, delay: float = COCO_DELAY) -> None:
        if "coco" in self._formats:
            self._saver.put(COCO, self._write_coco, delay=delay, order=_COCO)

    def _put_classes(self) -> None:
        if class_lists(self._folder, self._formats, ()):
            self._saver.put("classes", self._write_classes, order=_EXPORT)

    def _write_ledger(self) -> None:
        self._files.write(self._folder / QUEUE, self.ledger.to_bytes())

    def _classes(self, used: Sequence[str] = ()) -> tuple[str, ...]:
        """Return the labels, after adding those that a file has and the ledger has not."""
        known = dict(self.ledger.labels)
        missing = dict.fromkeys(label for label in used if label not in known)
        if missing:
            colours = list(known.values())
            for _ in missing:
                colours.append(next_colour(colours))
            added = list(zip(missing, colours[len(known) :], strict=True))
            self.change(lambda ledger: ledger.with_labels(added))
        return tuple(name for name, _ in self.ledger.labels)

    def _export(self, entry: Entry) -> None:
        target = self.target(entry)
        try:
            labelled = read_labelled(target)
        except ValueError:  # it shows when the image is opened
            return
        classes = self._classes([item.label for item in labelled.objects])
        made = contents(target, labelled, self._folder, self._formats, classes)
        for path, content in made.items():
            self._files.write(path, content)

    def _write_coco(self) -> None:
        entries = _listed(self.ledger)
        parts = self._coco.parts([self.target(entry) for entry in entries])
        used = [entry["category_id"] for part in parts for entry in part.annotations]
        content = coco_content(parts, self._classes(used))
        self._files.write(self._folder / COCO, content)

    def _write_classes(self) -> None:
        for path, content in class_lists(self._folder, self._formats, self._classes()).items():
            self._files.write(path, content)

    def _note_kept(self, path: Path, place: Path) -> None:
        self.notices.append(
            f"{path.name} was there before, or changed by somebody else; kept as {place.name}"
        )

    def _tell(self) -> None:
        told = self._told()
        if told is not None:
            told()

    # State

    @property
    def saved(self) -> bool:
        """Whether annotations, statuses and notes are written; exports may not be yet."""
        return not self._saver.pending(_QUEUE)

    @property
    def error(self) -> Exception | None:
        """Why something could not be written."""
        return self._saver.error

    def hurry(self) -> None:
        """Have all that waits written now, without waiting for it."""
        self._saver.hurry()

    def flush(self, timeout: float | None = None) -> bool:
        """See :meth:`Saver.flush`."""
        return self._saver.flush(timeout)

    def close(self) -> None:
        """Write all that waits and let others have the folder."""
        try:
            self._saver.close()
        finally:
            self._lock.release()


def _listed(ledger: Ledger) -> list[Entry]:
    """Return the images that the file of all images is about."""
    return [entry for entry in ledger.entries if entry.status != "skipped"]


def _age(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None
