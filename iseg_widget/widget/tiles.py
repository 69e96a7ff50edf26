"""What is done for requests of tiles: they are answered beside the queue, by their own threads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from iseg_widget.widget import messages
from iseg_widget.widget.messages.tiles import GetTile, Tile
from iseg_widget.widget.pyramid import TILE, Encoded, PicturePyramid, TileKey, TileServer

Send = Callable[[messages.Reply], None]


def base_fields(pyramid: PicturePyramid) -> dict[str, Any]:
    """Return the picture as it is sent first, and what there is of it beyond that."""
    base = pyramid.base()
    return {
        "width": pyramid.width,
        "height": pyramid.height,
        "level": pyramid.base_level,
        "tile": TILE,
        "mime": base.mime,
        "data": base.data,
    }


def serve(tiles: TileServer, request: GetTile, opened: int, send: Send) -> None:
    """Have a tile encoded and sent, or an error.

    ``opened``: the first revision of the image; what was asked for of an earlier one is cancelled.
    """
    if request.rev < opened:
        send(messages.Cancelled(id=request.id, ids=(request.id,)))
        return
    place = {"level": request.level, "column": request.column, "row": request.row}

    def done(tile: Encoded) -> None:
        send(Tile(id=request.id, **place, mime=tile.mime, data=tile.data))

    def failed(error: Exception) -> None:
        title = "A part of the picture could not be sent"
        send(messages.ErrorReply(id=request.id, ids=(request.id,), title=title, message=str(error)))

    try:
        tiles.request(TileKey(**place), done, failed)
    except ValueError as error:
        failed(error)
