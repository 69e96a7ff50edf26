"""Files of a folder that nobody else's work gets lost in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from iseg_widget.export import write_file

Stamp = tuple[int, int, int]


class OwnFiles:
    """Writes files; what others put in their place meanwhile is kept beside them.

    A file counts as one's own once it was written, or taken over by :meth:`adopt`. Others, and own
    ones that somebody else has changed since, are renamed to ``<stem>.kept-1<suffix>`` before a new
    one is written.

    Parameters
    ----------
    kept: told the old and the new path of such a file.
    """

    def __init__(self, kept: Callable[[Path, Path], None]) -> None:
        self._kept = kept
        self._stamps: dict[Path, Stamp] = {}

    def adopt(self, path: Path) -> None:
        """Take a file for one's own as it is now; also one that is not there yet."""
        stamp = _stamp(path)
        if stamp is not None:
            self._stamps[path] = stamp

    def write(self, path: Path, content: bytes) -> None:
        """Write a file, as a whole or not at all."""
        self.write_by(path, lambda place: write_file(place, content))

    def write_by(self, path: Path, write: Callable[[Path], object]) -> None:
        """Have ``write(path)`` called, with the same care."""
        now = _stamp(path)
        if now is not None and now != self._stamps.get(path):
            self.set_aside(path)
        write(path)
        self.adopt(path)

    def set_aside(self, path: Path) -> Path:
        """Rename a file so that its name is free; return its new path."""
        number = 1
        while (place := path.with_name(f"{path.stem}.kept-{number}{path.suffix}")).exists():
            number += 1
        path.rename(place)
        self._stamps.pop(path, None)
        self._kept(path, place)
        return place


def _stamp(path: Path) -> Stamp | None:
    try:
        about = path.stat()
    except OSError:
        return None
    return about.st_mtime_ns, about.st_size, about.st_ino
