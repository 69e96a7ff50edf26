"""What a method looked at and thought in a step, as pictures with words."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from iseg_widget.widget.messages.base import Message, Reply, Request, is_count, optional, request
from iseg_widget.widget.messages.known import REQUESTS


@request(REQUESTS, index=optional(is_count))
@dataclass(frozen=True, kw_only=True)
class Explain(Request):
    """Explain a step of the active object, counted from 0; null: the latest."""

    kind = "explain"
    index: int | None


@dataclass(frozen=True, kw_only=True)
class ExplanationReply(Reply):
    """The pictures of a step.

    ``index``, ``count``: number of the step and of all; without any, there are no panels.
    ``panels``: see :class:`iseg_widget.widget.explaining.Explanation`; one buffer for each, of type
    ``mime``. ``omitted``: panels left out.
    """

    kind = "explanation"
    id: str
    index: int
    count: int
    mime: str
    panels: tuple[dict[str, Any], ...]
    omitted: int
    pictures: tuple[bytes, ...]

    def to_message(self) -> Message:
        """Return the JSON object and the pictures."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        pictures = list(fields.pop("pictures"))
        return {"kind": self.kind, **fields}, pictures
