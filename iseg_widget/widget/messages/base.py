"""What all messages have in common: requests and replies, and how they are checked.

A module of this package declares the messages of one feature: dataclasses that inherit from
:class:`Request` (registered with :func:`request` and the checks of their fields) and from
:class:`Reply`.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

Message = tuple[dict[str, Any], list[bytes]]
Box = tuple[int, int, int, int]

MAX_ID = 64


class ProtocolError(ValueError):
    """A request that is not in the protocol. ``id`` is the request's, where it has one."""

    def __init__(self, message: str, id: str | None = None) -> None:  # noqa: A002
        super().__init__(message)
        self.id = id


@dataclass(frozen=True, kw_only=True)
class Request:
    """What the page asks for."""

    kind: ClassVar[str]
    id: str
    rev: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return the message as the page sends it."""
        return {"kind": self.kind, **dataclasses.asdict(self)}


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What the kernel answers. Fields of bytes go as buffers, in order."""

    kind: ClassVar[str]

    def to_message(self) -> Message:
        """Return the JSON object and the buffers."""
        fields = dataclasses.asdict(self)
        data = fields.pop("data", None)
        return {"kind": self.kind, **fields}, [] if data is None else [data]


# Checks of fields


def is_flag(value: object) -> bool:
    """Whether a value is true or false."""
    return isinstance(value, bool)


def is_count(value: object) -> bool:
    """Whether a value is a whole number from 0 on."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def is_number(value: object) -> bool:
    """Whether a value is a finite number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def is_text(value: object) -> bool:
    """Whether a value is a text that is not empty."""
    return isinstance(value, str) and value != ""


def is_string(value: object) -> bool:
    """Whether a value is a text."""
    return isinstance(value, str)


def is_mapping(value: object) -> bool:
    """Whether a value is an object whose keys are names."""
    return isinstance(value, Mapping) and all(map(is_text, value))


def optional(check: Check) -> Check:
    """Allow null as well."""
    return lambda value: value is None or check(value)


def listing(check: Check, most: int = 100_000) -> Check:
    """Whether a value is a list of at most ``most`` such values."""
    return lambda value: isinstance(value, list) and len(value) <= most and all(map(check, value))


def one_of(*accepted: object) -> Check:
    """Whether a value is one of these."""
    return lambda value: any(type(value) is type(known) and value == known for known in accepted)


Check = Callable[[object], bool]
Checks = Mapping[str, Check]
Known = dict[str, tuple[type[Request], Checks]]
"""The requests that a widget accepts: kind to dataclass and checks of its own fields."""

_COMMON: Checks = {"id": is_text, "rev": is_count}

_R = TypeVar("_R", bound=Request)


def request(known: Known, **checks: Check) -> Callable[[type[_R]], type[_R]]:
    """Register a request and the checks of its fields, which are all mandatory."""

    def register(cls: type[_R]) -> type[_R]:
        fields = {field.name for field in dataclasses.fields(cls)} - set(_COMMON)
        if cls.kind in known or fields != set(checks):
            raise TypeError(f"{cls.__name__}: kind twice, or fields {fields} and {set(checks)}")
        known[cls.kind] = (cls, checks)
        return cls

    return register


def parse(content: object, known: Known) -> Request:
    """Check a message of the page and return it as its dataclass.

    Raises :class:`ProtocolError` for an unknown kind, and for missing, unknown or ill-typed
    fields.
    """
    if not isinstance(content, Mapping):
        raise ProtocolError(f"a request is an object, got {type(content).__name__}")
    given = content.get("id")
    name = given if isinstance(given, str) and 0 < len(given) <= MAX_ID else None
    kind = content.get("kind")
    if not isinstance(kind, str) or kind not in known:
        raise ProtocolError(f"unknown request {kind!r}; accepted are {', '.join(known)}", name)
    if name is None:
        raise ProtocolError(f"{kind}: id must be a text of 1 to {MAX_ID} letters, got {given!r}")
    cls, own = known[kind]
    checks = {**_COMMON, **own}
    unknown = sorted(map(str, set(content) - set(checks) - {"kind"}))
    if unknown:
        raise ProtocolError(f"{kind}: unknown field {', '.join(unknown)}", name)
    for field, check in checks.items():
        if field not in content:
            raise ProtocolError(f"{kind}: {field} is missing", name)
        if not check(content[field]):
            raise ProtocolError(f"{kind}: {field} cannot be {content[field]!r}", name)
    return cls(**{field: content[field] for field in checks})
