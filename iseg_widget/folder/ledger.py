"""``queue.json``: which images there are, what they are called, their statuses and notes."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

import iseg_widget
from iseg_widget.annotation.state import check_colour, check_label
from iseg_widget.folder.paths import folded, name_for, relative

FORMAT = "iseg_widget queue"
VERSION = 1
QUEUE = "queue.json"

Status = Literal["todo", "done", "skipped"]
STATUSES: tuple[Status, ...] = get_args(Status)

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Entry:
    """An image in the queue.

    Attributes
    ----------
    image: its path as seen from the queue's folder, with ``/``.
    name: of its files there, which no other image has.
    status, note: what a person said of it.
    """

    image: str
    name: str
    status: Status = "todo"
    note: str = ""


def check_status(status: object) -> Status:
    """Return a status; ``ValueError`` naming those there are."""
    for known in STATUSES:
        if status == known:
            return known
    raise ValueError(f"a status is one of {', '.join(STATUSES)}, got {status!r}")


@dataclass(frozen=True)
class Ledger:
    """What ``queue.json`` holds.

    Attributes
    ----------
    entries: all images that were ever in the queue, those of today first and in their order.
    count: how many of them are in the queue today.
    labels: class labels with their colours, in the order of their numbers.
    at: name of the image that was open last.
    """

    entries: tuple[Entry, ...] = ()
    count: int = 0
    labels: Labels = ()
    at: str | None = None

    def with_entry(self, index: int, **changes: Any) -> Ledger:
        """Return the ledger with one entry changed."""
        new = replace(self.entries[index], **changes)
        if new == self.entries[index]:
            return self
        return replace(self, entries=(*self.entries[:index], new, *self.entries[index + 1 :]))

    def with_labels(self, labels: Sequence[tuple[str, str]]) -> Ledger:
        """Return the ledger with labels added that it does not have; their order stays."""
        known = {name for name, _ in self.labels}
        added = tuple(pair for pair in labels if pair[0] not in known)
        return replace(self, labels=(*self.labels, *added)) if added else self

    def being_at(self, name: str) -> Ledger:
        """Return the ledger with another image open."""
        return self if name == self.at else replace(self, at=name)

    def taking(self, images: Sequence[Path], folder: Path) -> Ledger:
        """Return the ledger for these images.

        Known ones keep name, status and note. An image that is not known but is called like one
        that is no longer where it was counts as moved. Names are not given twice.
        """
        by_path = {entry.image: entry for entry in self.entries}
        wanted = [(path, relative(path, folder)) for path in images]
        asked = {image for _, image in wanted}
        missing: dict[str, list[Entry]] = {}
        for entry in self.entries:
            place = folder / entry.image
            if entry.image not in asked and not place.exists():
                missing.setdefault(place.name, []).append(entry)
        taken = {folded(entry.name) for entry in self.entries}
        entries = []
        for path, image in wanted:
            known = by_path.get(image)
            moved = missing.get(path.name, [])
            if known is None and len(moved) == 1 and path.exists():
                known = replace(moved.pop(), image=image)
            if known is None:
                known = Entry(image, name_for(path, taken))
                taken.add(folded(known.name))
            entries.append(known)
        names = {entry.name for entry in entries}
        others = [entry for entry in self.entries if entry.name not in names]
        return replace(self, entries=(*entries, *others), count=len(entries))

    def to_bytes(self) -> bytes:
        """Return the file's content."""
        data = {
            "format": FORMAT,
            "version": VERSION,
            "written_by": {"iseg_widget": iseg_widget.__version__},
            "at": self.at,
            "labels": [{"name": name, "colour": colour} for name, colour in self.labels],
            "images": [
                {"image": e.image, "name": e.name, "status": e.status, "note": e.note}
                for e in self.entries
            ],
        }
        return json.dumps(data, ensure_ascii=False, indent=1).encode() + b"\n"


def read_ledger(path: str | os.PathLike[str]) -> Ledger:
    """Read ``queue.json``; an empty ledger where there is none.

    Raises
    ------
    ValueError: the file is of another format or a later version, or damaged.
    """
    try:
        data = json.loads(Path(path).read_bytes())
    except FileNotFoundError:
        return Ledger()
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"{path} cannot be read: {error}. {_HELP}") from error
    if not isinstance(data, Mapping) or data.get("format") != FORMAT:
        raise ValueError(f"{path} is no queue (its 'format' is not {FORMAT!r}). {_HELP}")
    if data.get("version") != VERSION:
        raise ValueError(f"{path} has version {data.get('version')!r}, accepted is {VERSION}")
    try:
        return _read(data)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"{path} is damaged: {type(error).__name__} {error}. {_HELP}") from error


_HELP = (
    "Moved elsewhere, it makes room for a new one; annotations are files of their own and stay, "
    "statuses and notes are in this one"
)


def _read(data: Mapping[str, Any]) -> Ledger:
    entries = tuple(
        Entry(str(e["image"]), _name(e["name"]), check_status(e["status"]), str(e["note"]))
        for e in data["images"]
    )
    names = [folded(entry.name) for entry in entries]
    if len(set(names)) != len(names):
        raise ValueError("two images have one name")
    labels = tuple((check_label(x["name"]), check_colour(x["colour"])) for x in data["labels"])
    at = data["at"]
    return Ledger(entries, len(entries), labels, None if at is None else str(at))


def _name(value: object) -> str:
    if not isinstance(value, str) or not value or "/" in value or "\\" in value:
        raise ValueError(f"{value!r} is no name of a file")
    return value
