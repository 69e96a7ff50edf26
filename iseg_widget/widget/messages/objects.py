"""Objects: adding, choosing, changing, uniting and parting them; the list of commands."""

from __future__ import annotations

from dataclasses import dataclass

from iseg_widget.annotation import RULES
from iseg_widget.widget.messages.base import (
    Reply,
    Request,
    is_count,
    is_flag,
    is_number,
    is_string,
    is_text,
    listing,
    one_of,
    optional,
    request,
)
from iseg_widget.widget.messages.known import REQUESTS


@request(REQUESTS, label=optional(is_text))
@dataclass(frozen=True, kw_only=True)
class AddObject(Request):
    """A new, empty object, active from now on; null: the label of the active one."""

    kind = "add_object"
    label: str | None


@request(REQUESTS, object=optional(is_count))
@dataclass(frozen=True, kw_only=True)
class SelectObject(Request):
    """Make an object active, or none."""

    kind = "select_object"
    object: int | None


@request(REQUESTS, x=is_number, y=is_number)
@dataclass(frozen=True, kw_only=True)
class SelectAt(Request):
    """Make the topmost visible object at a pixel active; nothing happens where there is none."""

    kind = "select_at"
    x: float
    y: float


@request(
    REQUESTS,
    object=is_count,
    name=optional(is_string),
    label=optional(is_text),
    colour=optional(is_text),
    visible=optional(is_flag),
    locked=optional(is_flag),
    position=optional(is_count),
)
@dataclass(frozen=True, kw_only=True)
class ChangeObject(Request):
    """Change what is not null; ``colour`` ``"label"`` is that of the label."""

    kind = "change_object"
    object: int
    name: str | None
    label: str | None
    colour: str | None
    visible: bool | None
    locked: bool | None
    position: int | None


@request(REQUESTS, object=is_count)
@dataclass(frozen=True, kw_only=True)
class RemoveObject(Request):
    """Remove an object."""

    kind = "remove_object"
    object: int


@request(REQUESTS, objects=listing(is_count))
@dataclass(frozen=True, kw_only=True)
class MergeObjects(Request):
    """Unite objects into the first."""

    kind = "merge_objects"
    objects: list[int]


@request(REQUESTS, object=is_count, other=is_count)
@dataclass(frozen=True, kw_only=True)
class SubtractObject(Request):
    """Take the other's pixels out of an object."""

    kind = "subtract_object"
    object: int
    other: int


@request(REQUESTS, object=is_count)
@dataclass(frozen=True, kw_only=True)
class SplitObject(Request):
    """Make an object of each connected part."""

    kind = "split_object"
    object: int


@request(REQUESTS, object=is_count)
@dataclass(frozen=True, kw_only=True)
class DuplicateObject(Request):
    """Add a copy above an object."""

    kind = "duplicate_object"
    object: int


@request(REQUESTS, rule=one_of(*RULES))
@dataclass(frozen=True, kw_only=True)
class ChangeRule(Request):
    """Change the overlap rule."""

    kind = "rule"
    rule: str


@request(REQUESTS, label=is_text)
@dataclass(frozen=True, kw_only=True)
class AddLabel(Request):
    """Declare a class label."""

    kind = "add_label"
    label: str


@request(REQUESTS)
@dataclass(frozen=True, kw_only=True)
class ListHistory(Request):
    """The list of all commands, with thumbnails."""

    kind = "history"


@request(REQUESTS, done=is_count)
@dataclass(frozen=True, kw_only=True)
class Jump(Request):
    """Undo or redo until ``done`` commands are done."""

    kind = "jump"
    done: int


@dataclass(frozen=True, kw_only=True)
class HistoryList(Reply):
    """The commands in order, done ones first.

    ``names``, ``objects``: of each command, and the id of the object that is active after it;
    ``done``: how many are done. The buffer is one PNG: a column of ``cell`` (width, height)
    thumbnails, the first that of the beginning.
    """

    kind = "history"
    id: str
    names: tuple[str, ...]
    objects: tuple[int | None, ...]
    done: int
    cell: tuple[int, int]
    data: bytes
