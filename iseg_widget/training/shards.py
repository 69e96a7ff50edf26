"""Packing a training pool into tar shards, to carry it to a machine that trains."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from iseg_widget.training.sources import SHARDS, Entry, Files, Source, decode

DEFAULT_BYTES = 45 * 1024 * 1024
"""Size of a shard; some ways to carry them take 64 MB at a time."""

QUALITY = 92
"""JPEG quality of images that are reduced; others are copied as they are."""

BLOCK = 512


@dataclass(frozen=True)
class Packed:
    """What :func:`pack` wrote: the shards, and how many images in all."""

    shards: tuple[Path, ...]
    images: int


def reduce(files: Files, side: int | None, origin: str) -> Files:
    """Return the files of a sample whose longer side is at most ``side`` pixels.

    Images are averaged and stored as JPEG; masks keep their values (nearest pixel). A sample that
    is small enough is returned as it is.
    """
    if side is None:
        return files
    image, mask = decode(files, origin)
    height, width = mask.shape
    if max(height, width) <= side:
        return files
    scale = side / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    ids = cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST_EXACT)
    _, jpeg = cv2.imencode(".jpg", small[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    _, png = cv2.imencode(".png", np.asarray(ids))
    return Files(jpeg.tobytes(), ".jpg", png.tobytes(), files.objects)


def _members(number: int, entry: Entry, files: Files) -> Iterator[tuple[str, bytes]]:
    # A running number is the key: stems may hold dots, which end a key in this layout.
    suffix = ".jpg" if files.image_suffix.lower() in (".jpg", ".jpeg") else ".png"
    if files.image_suffix.lower() not in (".jpg", ".jpeg", ".png"):
        raise ValueError(
            f"{entry.set}/{entry.stem}: images are packed as .jpg or .png, got {files.image_suffix}"
        )
    record: dict[str, object] = {"set": entry.set, "stem": entry.stem, "kind": entry.kind}
    if files.objects:
        record["objects"] = files.objects
    yield f"{number:07d}.json", json.dumps(record).encode()
    yield f"{number:07d}{suffix}", files.image
    yield f"{number:07d}.mask.png", files.mask


def pack(
    source: Source, out: Path, *, shard_bytes: int = DEFAULT_BYTES, side: int | None = None
) -> Packed:
    """Write a source as ``shard-00000.tar``, … in WebDataset's layout.

    A sample is three files of one key: ``.json`` (set, stem, kind, and the ids of objects that
    overlap), ``.jpg`` or ``.png`` (the image) and ``.mask.png``. The same source and settings
    give the same bytes.

    Parameters
    ----------
    source: see :func:`iseg_widget.training.sources.open_source`.
    out: folder; it must not hold shards yet.
    shard_bytes: a shard is closed before it would exceed this size; a larger sample is alone.
    side: reduce images whose longer side exceeds this many pixels; ``None`` keeps all.

    Raises
    ------
    ValueError: ``out`` holds shards, the size is too small, or a sample cannot be read.
    """
    if shard_bytes < 64 * 1024:
        raise ValueError(f"shards must have at least 65536 bytes, got {shard_bytes}")
    if side is not None and side < 32:
        raise ValueError(f"side must be at least 32 pixels, got {side}")
    out.mkdir(parents=True, exist_ok=True)
    if any(out.glob(SHARDS)):
        raise ValueError(f"{out} holds shards already; give an empty folder")
    writer = _Writer(out, shard_bytes)
    try:
        for number, entry in enumerate(source.entries):
            origin = f"{entry.set}/{entry.stem}"
            files = reduce(source.files(entry), side, origin)
            writer.add(list(_members(number, entry, files)))
    finally:
        writer.close()
    return Packed(tuple(writer.paths), len(source.entries))


class _Writer:
    """Appends samples to the current shard and begins a new one when it is full."""

    def __init__(self, out: Path, shard_bytes: int) -> None:
        self.out = out
        self.limit = shard_bytes
        self.paths: list[Path] = []
        self._archive: tarfile.TarFile | None = None
        self._size = 0

    def add(self, members: list[tuple[str, bytes]]) -> None:
        size = sum(BLOCK + -(-len(data) // BLOCK) * BLOCK for _, data in members)
        # An archive ends with two empty blocks and is filled up to twenty.
        end = tarfile.RECORDSIZE
        if self._archive is None or (self._size and self._size + size + end > self.limit):
            self.close()
            path = self.out / f"shard-{len(self.paths):05d}.tar"
            self.paths.append(path)
            self._archive = tarfile.open(path, "w", format=tarfile.USTAR_FORMAT)  # noqa: SIM115
            self._size = 0
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            self._archive.addfile(info, io.BytesIO(data))
        self._size += size

    def close(self) -> None:
        if self._archive is not None:
            self._archive.close()
            self._archive = None
