"""One queue at a time works on a folder: a lock that the system takes back when a process dies."""

from __future__ import annotations

import json
import os
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

LOCK = ".queue.lock"

if sys.platform == "win32":
    import msvcrt

    def _lock(file: BinaryIO) -> bool:
        """Lock a byte far behind the end, so that the content can be read meanwhile."""
        file.seek(2**31 - 2)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        finally:
            file.seek(0)
        return True

else:
    import fcntl

    def _lock(file: BinaryIO) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:  # a file system without locks: foreign changes are noticed when writing
            return True
        return True


class FolderLock:
    """Holds a folder until :meth:`release`, or until the process ends in whatever way.

    Raises
    ------
    ValueError: another process, or another lock of this one, holds the folder.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / LOCK
        self._file: BinaryIO = path.open("a+b", buffering=0)
        if not _lock(self._file):
            self._file.seek(0)
            owner = _owner(self._file.read())
            self._file.close()
            raise ValueError(
                f"{folder} is open elsewhere ({owner}), and two writers would get in each "
                "other's way; close that queue (queue.close(), or shut its kernel down) first"
            )
        about = {
            "process": os.getpid(),
            "machine": platform.node(),
            "since": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        self._file.truncate(0)
        self._file.write(json.dumps(about).encode())

    def release(self) -> None:
        """Let others have the folder."""
        self._file.close()


def _owner(content: bytes) -> str:
    try:
        about = json.loads(content)
        return f"process {about['process']} on {about['machine']} since {about['since']}"
    except (ValueError, KeyError, TypeError):
        return "by another process"
