"""Records of a run as they come, in a file of JSON lines that a later run continues.

The first line describes the run (:class:`RunInfo`), every other line is a :class:`Record`. A run
that was cut off while writing leaves half a line, which is dropped. A run's folder holds that file
as :data:`RECORDS`.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, NamedTuple, Self

from iseg_widget.evaluation.records import FORMAT, Record, RunInfo

RECORDS = "records.jsonl"


def records_path(out: str | os.PathLike[str]) -> Path:
    """Return the file of records that ``out`` means: a ``.jsonl`` file, or one in a folder."""
    path = Path(out)
    is_file = path.is_file() or (path.suffix == ".jsonl" and not path.is_dir())
    return path if is_file else path / RECORDS


def read_stream(path: str | os.PathLike[str]) -> tuple[RunInfo, tuple[Record, ...]]:
    """Read a stream, or the one in a run's folder; of records with the same name the last counts.

    Raises
    ------
    ValueError: the file is missing, is no stream, or a line within is damaged.
    """
    content = _read(records_path(path))
    return content.info, tuple({record.name: record for record in content.lines}.values())


class _Content(NamedTuple):
    """A file's header and records, and the number of bytes up to the end of its last whole line."""

    info: RunInfo
    lines: list[Record]
    length: int


def _read(path: Path) -> _Content:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ValueError(f"cannot read the records in {path}: {error.strerror}") from error
    whole = content[: content.rfind(b"\n") + 1]
    lines = whole.splitlines()
    info: RunInfo | None = None
    records: list[Record] = []
    for number, line in enumerate(lines, start=1):
        try:
            data = json.loads(line)
            if number == 1:
                info = _header(data)
            else:
                records.append(Record.from_dict(data))
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"{path}, line {number}: no record of an evaluation: {error}"
            ) from error
    if info is None:
        raise ValueError(f"{path} holds no records of an evaluation")
    return _Content(info, records, len(whole))


def _header(data: Mapping[str, Any]) -> RunInfo:
    if data.get("format") != FORMAT:
        raise ValueError(f"format {data.get('format')!r}; accepted is {FORMAT}")
    return RunInfo.from_dict(data["run"])


class RecordStream:
    """An open stream of one run; a context manager.

    While it is open, no other stream can be opened on the same file, in whatever process.

    Parameters
    ----------
    path: the file; made, with its folder, when it is not there. When it is, its records are in
        :attr:`records` and new ones are added.
    info: what is being run.

    Raises
    ------
    ValueError: the file belongs to another run (the message names what differs), is no stream, or
        is being written.
    """

    def __init__(self, path: str | os.PathLike[str], info: RunInfo) -> None:
        self.path = Path(path)
        self.records: dict[str, Record] = {}
        self._names: list[str] = []
        self._info = info
        if self.path.is_dir():
            raise ValueError(f"{self.path} is a folder; give the name of a .jsonl file")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # Unbuffered, so that a line is one call of the system; appended, never overwritten.
        self._file: BinaryIO = self.path.open("ab", buffering=0)
        try:
            self._take_up(info)
        except BaseException:
            self._file.close()
            raise

    def _take_up(self, info: RunInfo) -> None:
        """Check what is there and drop what was cut off; describe the run in an empty file."""
        locked = _lock(self._file)
        # Unlike the one that was opened when another evaluation has just finished it.
        if not locked or not os.path.samestat(os.fstat(self._file.fileno()), self.path.stat()):
            raise ValueError(
                f"{self.path} is being written by another evaluation; wait for that one, or "
                "give another place"
            )
        with self.path.open("rb") as file:
            beginning = file.read(len(_BEGINNING))
            whole = b"\n" in beginning + file.readline()
        if whole:
            found = _read(self.path)
            differences = info.differences(found.info)
            if differences:
                raise ValueError(
                    f"{self.path} holds another run; take another file or delete it. "
                    f"This run has {'; '.join(differences)}"
                )
            self._file.truncate(found.length)
            self._names = [record.name for record in found.lines]
            self.records = {record.name: record for record in found.lines}
            return
        if not _BEGINNING.startswith(beginning):
            raise ValueError(f"{self.path}, line 1: no record of an evaluation")
        self._file.truncate(0)
        self._write(_header_of(info))

    def add(self, record: Record) -> None:
        """Write a record at once."""
        self.records[record.name] = record
        self._names.append(record.name)
        self._write(record.to_dict())

    def finish(self, names: Iterable[str]) -> None:
        """Close the file; in it are the records of ``names`` then, once each and in that order.

        Records come as objects are done, and those of faulty ones more than once. The file is
        replaced as a whole, if there is anything to put in order.
        """
        ordered = [name for name in names if name in self.records]
        if ordered != self._names:
            partial = self.path.with_name(self.path.name + ".part")
            data = [_header_of(self._info), *(self.records[name].to_dict() for name in ordered)]
            partial.write_bytes(b"".join(map(_line, data)))
            if sys.platform == "win32":  # an open file cannot be replaced there
                self.close()
            partial.replace(self.path)
        self.close()

    def _write(self, data: Mapping[str, Any]) -> None:
        line = memoryview(_line(data))
        while line:
            line = line[self._file.write(line) :]

    def close(self) -> None:
        """Close the file; others may open it then."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _header_of(info: RunInfo) -> dict[str, Any]:
    return {"format": FORMAT, "run": info.to_dict()}


def _line(data: Mapping[str, Any]) -> bytes:
    return json.dumps(data).encode() + b"\n"


_BEGINNING = b'{"format": '

if sys.platform == "win32":
    import msvcrt

    def _lock(file: BinaryIO) -> bool:
        """Lock a byte far behind the end, so that the content can be read meanwhile."""
        position = file.tell()
        file.seek(2**31 - 2)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        finally:
            file.seek(position)
        return True

else:
    import fcntl

    def _lock(file: BinaryIO) -> bool:
        """Lock the file; the system unlocks it when it is closed or the process ends."""
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:  # a file system without locks
            return True
        return True
