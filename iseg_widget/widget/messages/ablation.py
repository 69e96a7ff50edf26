"""The method's options, and what other options would have given."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from iseg_widget.widget.messages.base import (
    Box,
    Message,
    Reply,
    Request,
    is_mapping,
    is_text,
    request,
)
from iseg_widget.widget.messages.known import REQUESTS


@request(REQUESTS)
@dataclass(frozen=True, kw_only=True)
class AskOptions(Request):
    """The form of the method that answers."""

    kind = "options_form"


@request(REQUESTS, method=is_text, values=is_mapping)
@dataclass(frozen=True, kw_only=True)
class CheckOptions(Request):
    """What is wrong with options, before they are taken; the present mask is remembered."""

    kind = "check_options"
    method: str
    values: Mapping[str, Any]


@request(REQUESTS, method=is_text, values=is_mapping)
@dataclass(frozen=True, kw_only=True)
class AskDifference(Request):
    """Compare the present mask with what the same clicks give under another method or options."""

    kind = "difference"
    method: str
    values: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class OptionsFormReply(Reply):
    """The form; see :class:`iseg_widget.widget.ablation.OptionsForm`."""

    kind = "options_form"
    id: str
    method: str
    title: str
    fields: tuple[dict[str, Any], ...]
    values: dict[str, Any]
    code: str


@dataclass(frozen=True, kw_only=True)
class OptionsChecked(Reply):
    """What is wrong, by option; empty when nothing is."""

    kind = "options_checked"
    id: str
    problems: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class DifferenceReply(Reply):
    """What lies between the other mask and the present one.

    ``added``, ``removed``: pixels of the image; ``iou``: of both masks; ``truth_before``,
    ``truth_after``: of each and the truth, if there is one. ``box``, in a ``grid`` of (width,
    height), holds all of it; the buffers are the pixels of it that were added and removed, packed
    as overlays are. An empty box comes without.
    """

    kind = "difference"
    id: str
    grid: tuple[int, int]
    box: Box
    added: int
    removed: int
    iou: float
    truth_before: float | None
    truth_after: float | None
    parts: tuple[bytes, ...]

    def to_message(self) -> Message:
        """Return the JSON object and the two masks."""
        fields = dataclasses.asdict(self)
        parts = list(fields.pop("parts"))
        return {"kind": self.kind, **fields}, parts
