"""Where the training pool's images and masks lie: in folders, packed in tar shards, or several."""

from __future__ import annotations

import glob
import io
import json
import tarfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from iseg_widget.images import read_image

KINDS = ("object", "instances", "parts", "regions", "groups")
INDEX = "index.jsonl"
SHARDS = "*.tar"


@dataclass(frozen=True)
class Entry:
    """One image: its data set, its name there, and the kind of its mask (see the pool)."""

    set: str
    stem: str
    kind: str

    @property
    def key(self) -> int:
        """A stable hash that decides which images are held out."""
        return zlib.crc32(f"{self.set}/{self.stem}".encode())


@dataclass(frozen=True)
class Files:
    """An image file and a mask file, as they are stored, and the ids of objects that overlap."""

    image: bytes
    image_suffix: str
    mask: bytes
    objects: tuple[tuple[int, ...], ...] = ()


class Source(Protocol):
    """Images and masks by entry; safe to read from several threads."""

    @property
    def origin(self) -> str:
        """Where it lies, for messages."""

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All images, in the order of the index."""

    def files(self, entry: Entry) -> Files:
        """Return an entry's files; ``ValueError`` names one that is missing."""


def _entry(record: object, origin: Path) -> Entry:
    if not isinstance(record, dict) or not {"set", "stem", "kind"} <= set(record):
        raise ValueError(f"{origin}: expected the keys set, stem, kind; got {record!r}")
    if record["kind"] not in KINDS:
        raise ValueError(f"kind {record['kind']!r} in {origin}; accepted are {', '.join(KINDS)}")
    return Entry(str(record["set"]), str(record["stem"]), record["kind"])


class FolderSource:
    """``index.jsonl`` beside folders ``<set>/images`` and ``<set>/masks``."""

    def __init__(self, root: Path) -> None:
        self.root, self.origin = root, str(root)
        path = root / INDEX
        if not path.is_file():
            raise ValueError(
                f"no training data at {root}: expected {INDEX} beside folders <set>/images and "
                f"<set>/masks, shards ({SHARDS}), or the layout of SBD, PASCAL VOC or COCO"
            )
        lines = path.read_text("utf-8").splitlines()
        self.entries = tuple(_entry(json.loads(line), path) for line in lines)

    def files(self, entry: Entry) -> Files:
        """See :class:`Source`."""
        folder = self.root / entry.set
        beside = (folder / "images").glob(f"{glob.escape(entry.stem)}.*")
        found = sorted(path for path in beside if path.stem == entry.stem)
        if not found:
            raise ValueError(f"no image {entry.stem}.jpg or .png in {folder / 'images'}")
        mask = folder / "masks" / f"{entry.stem}.png"
        if not mask.is_file():
            raise ValueError(f"no 8-bit mask {entry.stem}.png in {folder / 'masks'}")
        return Files(found[0].read_bytes(), found[0].suffix, mask.read_bytes())


@dataclass(frozen=True)
class _Member:
    """Where a file lies in a shard."""

    shard: int
    offset: int
    size: int


class ShardSource:
    """Tar shards in WebDataset's layout, see :func:`iseg_widget.training.shards.pack`.

    Only the tables of contents are read at first; files are read where they lie, so that the order
    of reading does not matter.
    """

    def __init__(self, root: Path) -> None:
        self.root, self.origin = root, str(root)
        self._paths = tuple(sorted(root.glob(SHARDS)))
        if not self._paths:
            raise ValueError(f"no shards ({SHARDS}) in {root}")
        self._members: dict[Entry, dict[str, _Member]] = {}
        for number, path in enumerate(self._paths):
            self._scan(number, path)
        self.entries = tuple(self._members)

    def _scan(self, number: int, path: Path) -> None:
        groups: dict[str, dict[str, _Member]] = {}
        try:
            with tarfile.open(path) as archive:
                for member in archive:
                    if member.isfile():
                        key, _, suffix = member.name.partition(".")
                        place = _Member(number, member.offset_data, member.size)
                        groups.setdefault(key, {})[suffix] = place
        except tarfile.TarError as error:
            raise ValueError(f"cannot read the shard {path}: {error}") from error
        for key, members in groups.items():
            images = [suffix for suffix in members if suffix in ("jpg", "png")]
            if "json" not in members or "mask.png" not in members or len(images) != 1:
                raise ValueError(
                    f"{path}: the sample {key!r} must have a .json, a .mask.png and one image "
                    f"(.jpg or .png), got {sorted(members)}"
                )
            entry = _entry(json.loads(self._bytes(members["json"])), path)
            if entry in self._members:
                raise ValueError(f"{path}: {entry.set}/{entry.stem} is in the shards twice")
            self._members[entry] = members

    def _bytes(self, member: _Member) -> bytes:
        with self._paths[member.shard].open("rb") as file:
            file.seek(member.offset)
            return file.read(member.size)

    def files(self, entry: Entry) -> Files:
        """See :class:`Source`."""
        members = self._members[entry]
        suffix = "jpg" if "jpg" in members else "png"
        image, mask = self._bytes(members[suffix]), self._bytes(members["mask.png"])
        record = json.loads(self._bytes(members["json"])) if entry.kind == "groups" else {}
        objects = tuple(tuple(ids) for ids in record.get("objects", ()))
        return Files(image, f".{suffix}", mask, objects)


class Joined:
    """Several sources as one; each image belongs to one of them.

    Parameters
    ----------
    sources: in order.
    names: what the data set of each is to be called; ``None`` keeps its names.

    Raises
    ------
    ValueError: two of them have an image of the same set and name.
    """

    def __init__(self, sources: Sequence[Source], names: Sequence[str | None]) -> None:
        self._place: dict[Entry, tuple[Source, Entry]] = {}
        taken: dict[tuple[str, str], str] = {}
        for source, name in zip(sources, names, strict=True):
            for entry in source.entries:
                called = entry if name is None else replace(entry, set=name)
                place = called.set, called.stem
                if place in taken:
                    raise ValueError(
                        f"{'/'.join(place)} is in {taken[place]} and in {source.origin}; give "
                        "the sources names of their own"
                    )
                taken[place] = source.origin
                self._place[called] = source, entry
        self.entries = tuple(self._place)
        self.origin = ", ".join(source.origin for source in sources)

    def files(self, entry: Entry) -> Files:
        """See :class:`Source`."""
        source, own = self._place[entry]
        return source.files(own)


def open_source(root: Path) -> Source:
    """Open a training pool.

    It may be folders with ``index.jsonl``, tar shards, SBD, PASCAL VOC, or COCO with or without
    LVIS (see :mod:`iseg_widget.training.public_sources`).

    Raises ``ValueError`` when ``root`` holds none of them.
    """
    if not (root / INDEX).is_file():
        if any(root.glob(SHARDS)):
            return ShardSource(root)
        from iseg_widget.training.public_sources import find_public

        public = find_public(root)
        if public is not None:
            return public
    return FolderSource(root)


Data = Path | str | Sequence[Path | str] | Mapping[str, Path | str]
"""Where training data lie: see :func:`open_sources`."""


def open_sources(data: Data) -> Source:
    """Open one training pool or several.

    Parameters
    ----------
    data: a folder, see :func:`open_source`; several of them; or a mapping, whose keys are what the
        data set of each is to be called.

    Raises
    ------
    ValueError: a folder holds no training data, or two hold the same image.
    """
    if isinstance(data, (str, Path)):
        return open_source(Path(data))
    named = isinstance(data, Mapping)
    places = list(data.values()) if isinstance(data, Mapping) else list(data)
    if not places:
        raise ValueError("no training data were given")
    names: list[str | None] = list(data) if named else [None] * len(places)  # type: ignore[arg-type]
    return Joined([open_source(Path(place)) for place in places], names)


def decode(files: Files, origin: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Decode to an image ``(H, W, 3)`` uint8 RGB and a mask ``(H, W)`` uint8.

    ``origin`` names the sample in the ``ValueError`` for a file that cannot be read, or when the
    sizes differ.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(files.image)) as opened:
            image = read_image(opened)
    except (UnidentifiedImageError, OSError, ValueError) as error:
        raise ValueError(f"{origin}: cannot read the image: {error}") from error
    mask = cv2.imdecode(np.frombuffer(files.mask, np.uint8), cv2.IMREAD_UNCHANGED)
    if mask is None or mask.ndim != 2 or mask.dtype != np.uint8:
        raise ValueError(f"{origin}: cannot read the mask as an 8-bit PNG of one channel")
    if mask.shape != image.shape[:2]:
        raise ValueError(f"{origin}: the image is {image.shape[:2]}, the mask {mask.shape}")
    return image, np.asarray(mask, np.uint8)
