"""Which images a queue consists of, and how the files that belong to each are called."""

from __future__ import annotations

import glob
import os
import re
import unicodedata
from collections.abc import Container, Sequence
from pathlib import Path

from iseg_widget.datasets.files import IMAGE_SUFFIXES

Paths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]

RESERVED = frozenset({"queue", "coco", "yolo", "voc", "labelme"})
"""Names that the queue's own files and folders have."""

ACCEPTED = "accepted are a folder, a pattern such as 'photos/*.jpg', or a list of image files"


def natural(text: str) -> tuple[tuple[int | str, ...], str]:
    """Return a key that sorts ``img2`` before ``img10``, and capitals with their small letters."""
    parts = re.split(r"([0-9]+)", text)
    return tuple(int(p) if n % 2 else p.casefold() for n, p in enumerate(parts)), text


def find_images(source: object, results: Path) -> tuple[Path, ...]:
    """Return absolute paths of the images that ``source`` means, each once.

    A folder means its image files (not those of its sub-folders), a pattern (``**``: any depth)
    the image files that it matches; both in natural order, without hidden files and without what
    lies in ``results``. A list is taken as it is, also with files that are not there.

    Raises
    ------
    ValueError: there is no image, or one lies in the folder ``results`` itself, where files may
        be written over it.
    TypeError: ``source`` is none of these.
    """
    out = results.resolve()
    if isinstance(source, (str, os.PathLike)):
        found = _searched(Path(source).expanduser(), out)
    elif isinstance(source, (list, tuple)):
        for path in source:
            if not isinstance(path, (str, os.PathLike)):
                raise TypeError(f"{type(path).__name__} in the list of images; {ACCEPTED}")
        found = [Path(path).expanduser() for path in source]
    else:
        raise TypeError(f"images of type {type(source).__name__}; {ACCEPTED}")
    # Made absolute but not resolved: a link to an image keeps the link's name.
    images = tuple(dict.fromkeys(Path(os.path.abspath(path)) for path in found))  # noqa: PTH100
    if not images:
        raise ValueError(f"no image in {source!r}; {ACCEPTED} ({', '.join(IMAGE_SUFFIXES)})")
    own = {folder for folder in {path.parent for path in images} if folder.resolve() == out}
    inside = [path for path in images if path.parent in own]
    if inside:
        raise ValueError(
            f"the image {inside[0]} lies in the folder for the results, {out}; give another 'out'"
        )
    return images


def _searched(path: Path, out: Path) -> list[Path]:
    if path.is_dir():
        candidates = list(path.iterdir())
    elif glob.has_magic(str(path)) and not path.exists():
        candidates = [Path(name) for name in glob.glob(str(path), recursive=True)]  # noqa: PTH207
    else:
        candidates = [path]
        if path.suffix.lower() not in IMAGE_SUFFIXES or not path.is_file():
            raise ValueError(f"no folder, pattern or image file: {str(path)!r}; {ACCEPTED}")
    above = {folder: folder.resolve() for folder in {entry.parent for entry in candidates}}
    kept = {f for f, real in above.items() if path.is_dir() or out not in (real, *real.parents)}
    images = [
        entry
        for entry in candidates
        if entry.suffix.lower() in IMAGE_SUFFIXES
        and not entry.name.startswith(".")
        and entry.is_file()
        and (path == entry or entry.parent in kept)
    ]
    return sorted(images, key=lambda entry: natural(entry.as_posix()))


def folded(name: str) -> str:
    """Return what two names share that some file system takes for the same."""
    return unicodedata.normalize("NFC", name).casefold()


def name_for(path: Path, taken: Container[str]) -> str:
    """Return the name of an image's files: its stem, or more of its path where that is taken.

    ``scan.jpg`` beside ``scan.png`` becomes ``scan_png``, and ``b/scan.jpg`` beside ``a/scan.jpg``
    ``b_scan``. ``taken`` are names by :func:`folded`: file systems may ignore case.
    """
    stem = path.stem
    ending = path.suffix[1:].lower()
    for wish in (stem, f"{stem}_{ending}", f"{path.parent.name}_{stem}"):
        if folded(wish) not in taken and folded(wish) not in RESERVED:
            return wish
    number = 2
    while folded(f"{stem}_{number}") in taken:
        number += 1
    return f"{stem}_{number}"


def relative(path: Path, start: Path) -> str:
    """Return a path as seen from a folder, with ``/``; absolute when it is on another drive."""
    try:
        return Path(os.path.relpath(path, start)).as_posix()
    except ValueError:
        return path.as_posix()


def common(folders: Sequence[Path]) -> Path:
    """Return the innermost folder that holds all of these; without any, the current one."""
    if not folders:
        return Path()
    first = folders[0]
    for candidate in (first, *first.parents):
        if all(candidate == folder or candidate in folder.parents for folder in folders):
            return candidate
    return first
