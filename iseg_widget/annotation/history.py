"""Undo and redo over immutable snapshots."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, cast

from iseg_widget.annotation.state import Snapshot

_Commands = list[tuple[str, Snapshot]]


class History:
    """The present snapshot and those before and after it, which share what did not change.

    Parameters
    ----------
    now: the snapshot to begin with.
    """

    def __init__(self, now: Snapshot) -> None:
        self.now = now
        self.undone: _Commands = []
        self.done: _Commands = []
        self._revision = now.revision
        self._grouping = False

    def commit(self, name: str, **changes: Any) -> None:
        """Change the present snapshot as the command ``name``."""
        self._revision += 1
        self.done.append((name, self.now))
        self.undone.clear()
        self.now = replace(self.now, revision=self._revision, **changes)

    def amend(self, **changes: Any) -> None:
        """Change the present snapshot without a command; nothing is there to be undone."""
        self.now = replace(self.now, **changes)

    def undo(self) -> bool:
        """Go back by one command; ``False`` when there is none."""
        return self._step(self.done, self.undone)

    def redo(self) -> bool:
        """Go forward by one command; ``False`` when none is undone."""
        return self._step(self.undone, self.done)

    def states(self) -> tuple[tuple[str | None, Snapshot], ...]:
        """Return all snapshots in order, each with the command that led to it (first: ``None``)."""
        snapshots = [before for _, before in self.done] + [self.now]
        snapshots += [after for _, after in reversed(self.undone)]
        names = [name for name, _ in self.done] + [name for name, _ in reversed(self.undone)]
        return tuple(zip((None, *names), snapshots, strict=True))

    def _step(self, source: _Commands, target: _Commands) -> bool:
        if self._grouping:
            raise ValueError("commands that are being grouped cannot be undone or redone")
        if not source:
            return False
        name, snapshot = source.pop()
        target.append((name, self.now))
        self.now = snapshot
        return True

    @contextmanager
    def group(self, name: str) -> Iterator[None]:
        """Make one command of all inside; if something is raised, none of them happened."""
        before, depth, outer = self.checkpoint(), len(self.done), self._grouping
        self._grouping = True
        try:
            yield
        except BaseException:
            self.restore(before)
            raise
        finally:
            self._grouping = outer
        if len(self.done) > depth:
            self.done[depth:] = [(name, self.done[depth][1])]

    def checkpoint(self) -> object:
        """Return where the history is, for :meth:`restore`."""
        return self.now, tuple(self.done), tuple(self.undone)

    def restore(self, checkpoint: object) -> None:
        """Go back to a checkpoint as if nothing had happened since."""
        now, done, undone = cast("tuple[Snapshot, Any, Any]", checkpoint)
        self.now, self.done, self.undone = now, list(done), list(undone)
