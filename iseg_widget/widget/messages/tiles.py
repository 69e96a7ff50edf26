"""Tiles of a large picture; see :mod:`iseg_widget.widget.pyramid`."""

from __future__ import annotations

from dataclasses import dataclass

from iseg_widget.widget.messages.base import Reply, Request, is_count, request
from iseg_widget.widget.messages.known import REQUESTS


@request(REQUESTS, level=is_count, column=is_count, row=is_count)
@dataclass(frozen=True, kw_only=True)
class GetTile(Request):
    """Send a tile of the picture. It overtakes all that waits for the method."""

    kind = "tile"
    level: int
    column: int
    row: int


@dataclass(frozen=True, kw_only=True)
class Tile(Reply):
    """A tile; the buffer is the encoded picture."""

    kind = "tile"
    id: str
    level: int
    column: int
    row: int
    mime: str
    data: bytes
