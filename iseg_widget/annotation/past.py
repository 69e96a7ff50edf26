"""The history of commands in the file of an annotation: what undo and redo lead to.

Snapshots share most of what they consist of, so the file holds every mask, action and object once,
and the snapshots their numbers. Only what is near the present is kept: see :data:`MOST` and
:data:`MOST_BYTES`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from iseg_widget.actions import Action
from iseg_widget.annotation.state import ObjectState, Snapshot
from iseg_widget.regions import Region

MOST = 200
"""Commands that are kept, in each direction."""
MOST_BYTES = 1 << 22
"""Of masks and actions."""

Commands = Sequence[tuple[str, Snapshot]]
Describe = Callable[[ObjectState], Mapping[str, Any] | None]


@dataclass
class _Table:
    """Numbers things, and keeps their text for the next time."""

    known: dict[int, tuple[object, str]]
    numbers: dict[int, int] = field(default_factory=dict)
    texts: list[str] = field(default_factory=list)

    def number(self, key: object, make: Callable[[], object]) -> int:
        """Return the number of what ``key`` stands for; ``make`` gives it as JSON-able data."""
        if id(key) not in self.numbers:
            if id(key) not in self.known:
                text = json.dumps(make(), ensure_ascii=False, separators=(",", ":"))
                self.known[id(key)] = key, text
            self.numbers[id(key)] = len(self.texts)
            self.texts.append(self.known[id(key)][1])
        return self.numbers[id(key)]

    @property
    def size(self) -> int:
        return sum(map(len, self.texts))

    def to_text(self) -> str:
        """Return the list as JSON, and forget what is not in it."""
        for key in set(self.known) - set(self.numbers):
            del self.known[key]
        return f"[{','.join(self.texts)}]"


class PastWriter:
    """Writes histories of one annotation; what was in the last one is not encoded again."""

    def __init__(self) -> None:
        self._masks: dict[int, tuple[object, str]] = {}
        self._actions: dict[int, tuple[object, str]] = {}

    def to_text(self, done: Commands, undone: Commands, describe: Describe) -> str:
        """Return the commands before the present and those after it, the next to be redone last."""
        masks, actions = _Table(self._masks), _Table(self._actions)
        states = _Table({})
        near: dict[str, list[Any]] = {"done": [], "undone": []}
        # From the present outwards, so that what is left out is what is farthest away.
        for way, commands in (("done", done), ("undone", undone)):
            for name, snapshot in list(commands)[: -MOST - 1 : -1]:
                if masks.size + actions.size > MOST_BYTES:
                    break
                near[way].insert(0, [name, _snapshot(snapshot, masks, actions, states, describe)])
        parts = {
            "masks": masks.to_text(),
            "actions": actions.to_text(),
            "objects": states.to_text(),
            **{way: json.dumps(found, ensure_ascii=False) for way, found in near.items()},
        }
        return "{" + ",".join(f'"{key}":{text}' for key, text in parts.items()) + "}"


def _snapshot(
    snapshot: Snapshot, masks: _Table, actions: _Table, states: _Table, describe: Describe
) -> dict[str, Any]:
    def entry(state: ObjectState) -> dict[str, Any]:
        log = state.frame()
        initial = log["initial_mask"]
        return {
            **state.attributes(),
            "mask": masks.number(state.region, state.region.rle),
            "method": describe(state),
            "log": {
                **log,
                "initial_mask": None if initial is None else masks.number(initial, initial.rle),
                "actions": [actions.number(one, partial(_plain, one)) for one in state.acts()],
            },
        }

    return {
        "objects": [states.number(state, partial(entry, state)) for state in snapshot.objects],
        "labels": [{"name": name, "colour": colour} for name, colour in snapshot.labels],
        "rule": snapshot.rule,
        "active": snapshot.active,
    }


def _plain(action: Action | Region | Mapping[str, Any]) -> Mapping[str, Any]:
    if isinstance(action, Region):
        return {"edit": action.rle()}
    return action.to_dict() if isinstance(action, Action) else action


def read_past(
    data: Mapping[str, Any], read: Callable[[Mapping[str, Any]], Any]
) -> tuple[list[tuple[str, Any]], list[tuple[str, Any]]]:
    """Return the commands done and undone.

    Parameters
    ----------
    data: what :meth:`PastWriter.to_text` wrote.
    read: makes a snapshot of its objects, written out, its labels, rule and active object.
    """
    masks, actions = data["masks"], data["actions"]

    def whole(entry: Mapping[str, Any]) -> dict[str, Any]:
        log = dict(entry["log"])
        initial = log["initial_mask"]
        log["initial_mask"] = None if initial is None else masks[initial]
        log["actions"] = [actions[number] for number in log["actions"]]
        return {**entry, "mask": masks[entry["mask"]], "log": log}

    objects = [whole(entry) for entry in data["objects"]]

    def commands(found: Sequence[Any]) -> list[tuple[str, Any]]:
        return [
            (str(name), read({**one, "objects": [objects[number] for number in one["objects"]]}))
            for name, one in found
        ]

    return commands(data["done"]), commands(data["undone"])
