"""Records of a run as they come, in a file of JSON lines that a later run continues.

The first line describes the run (:class:`RunInfo`), every other line is a :class:`Record`. A run
that was cut off while writing leaves half a line, which is dropped.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from iseg_widget.evaluation.records import FORMAT, Record, RunInfo


def read_stream(path: str | os.PathLike[str]) -> tuple[RunInfo, tuple[Record, ...]]:
    """Read a stream; of records with the same name the last counts.

    Raises
    ------
    ValueError: the file is missing, is no stream, or a line within is damaged.
    """
    info, records, _ = _read(Path(path))
    return info, tuple(records.values())


def _read(path: Path) -> tuple[RunInfo, dict[str, Record], int]:
    """Return also the number of bytes up to the end of the last whole line."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ValueError(f"cannot read the records in {path}: {error.strerror}") from error
    whole = content[: content.rfind(b"\n") + 1]
    lines = whole.splitlines()
    info: RunInfo | None = None
    records: dict[str, Record] = {}
    for number, line in enumerate(lines, start=1):
        try:
            data = json.loads(line)
            if number == 1:
                info = _header(data)
            else:
                record = Record.from_dict(data)
                records[record.name] = record
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"{path}, line {number}: no record of an evaluation: {error}"
            ) from error
    if info is None:
        raise ValueError(f"{path} holds no records of an evaluation")
    return info, records, len(whole)


def _header(data: Mapping[str, Any]) -> RunInfo:
    if data.get("format") != FORMAT:
        raise ValueError(f"format {data.get('format')!r}; accepted is {FORMAT}")
    return RunInfo.from_dict(data["run"])


class RecordStream:
    """An open stream of one run; a context manager.

    Parameters
    ----------
    path: the file; made, with its folder, when it is not there. When it is, its records are in
        :attr:`records` and new ones are added.
    info: what is being run.

    Raises
    ------
    ValueError: the file belongs to another run; the message names what differs.
    """

    def __init__(self, path: str | os.PathLike[str], info: RunInfo) -> None:
        self.path = Path(path)
        self.records: dict[str, Record] = {}
        if self.path.is_dir():
            raise ValueError(f"{self.path} is a folder; give the name of a .jsonl file")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self.path.exists() and b"\n" in self.path.read_bytes():
            found, self.records, length = _read(self.path)
            differences = info.differences(found)
            if differences:
                raise ValueError(
                    f"{self.path} holds another run; take another file or delete it. "
                    f"This run has {'; '.join(differences)}"
                )
            os.truncate(self.path, length)
            self._file = self.path.open("a", encoding="utf-8")
        else:
            self._file = self.path.open("w", encoding="utf-8")
            self._write({"format": FORMAT, "run": info.to_dict()})

    def add(self, record: Record) -> None:
        """Write a record at once."""
        self.records[record.name] = record
        self._write(record.to_dict())

    def _write(self, data: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(data) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
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
