"""Files of a dataset: finding image and mask pairs, reading masks without changing their values."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iseg_widget.datasets.base import UInt8Image

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")
# No JPEG: its losses would turn one id into many.
MASK_SUFFIXES = (".png", ".bmp", ".tif", ".tiff", ".gif", ".pgm")

# Names of the two sub-folders, in the layouts the benchmarks are passed around in.
IMAGE_FOLDERS = ("images", "img", "data_GT", "JPEGImages")
MASK_FOLDERS = ("masks", "gt", "boundary_GT", "SegmentationObject")


@dataclass(frozen=True, slots=True)
class Pair:
    """One mask file and the image it belongs to."""

    stem: str
    image: Path
    mask: Path


def sub_folders(root: Path) -> tuple[Path, Path] | None:
    """The image and the mask folder inside ``root``, or ``None`` when one is missing."""
    images = next((root / name for name in IMAGE_FOLDERS if (root / name).is_dir()), None)
    masks = next((root / name for name in MASK_FOLDERS if (root / name).is_dir()), None)
    return None if images is None or masks is None else (images, masks)


def has_sub_folders(root: Path) -> bool:
    """Whether ``root`` holds an image and a mask folder."""
    return sub_folders(root) is not None


def find_root(
    names: Iterable[str],
    root: str | os.PathLike[str] | None,
    *,
    itself: bool = True,
    holds: Callable[[Path], bool] = has_sub_folders,
) -> tuple[Path | None, tuple[Path, ...]]:
    """Look for a benchmark's folder.

    With ``root``: the folder itself (if ``itself``), or the folder that holds it. Without:
    ``$ISEG_DATA`` and its ``eval/``.

    Parameters
    ----------
    names
        Folder names the benchmark goes by, e.g. ``("grabcut", "GrabCut")``.
    holds
        Whether a folder has the benchmark's layout; by default: an image and a mask folder.

    Returns
    -------
    tuple
        The first folder that has the layout, or ``None``; and every place looked at, in order.
    """
    looked: list[Path] = []
    if root is not None:
        base = Path(root).expanduser()
        bases = [base, base / "eval"]
        if itself:
            looked.append(base)
    elif os.environ.get("ISEG_DATA"):
        base = Path(os.environ["ISEG_DATA"]).expanduser()
        bases = [base / "eval", base]
    else:
        return None, ()
    names = tuple(names)
    looked.extend(folder / name for folder in bases for name in names)
    return next((place for place in looked if holds(place)), None), tuple(looked)


def _by_stem(folder: Path, suffixes: tuple[str, ...]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir(), key=lambda path: (path.stem, path.suffix)):
        if path.name.startswith(".") or path.suffix.lower() not in suffixes:
            continue
        if path.stem in found:
            raise ValueError(
                f"{folder}: {found[path.stem].name} and {path.name} have the same stem"
            )
        found[path.stem] = path
    return found


def _image_for(stem: str, images: Mapping[str, Path], second_objects: bool) -> Path | None:
    """Find a mask's image; further objects (``189011a``, ``189011#2``) may share one."""
    if stem in images or not second_objects:
        return images.get(stem)
    bare = stem.split("#", 1)[0]
    return images.get(bare) or images.get(bare.rstrip("abcdefgh"))


def find_pairs(root: Path, *, second_objects: bool = False) -> tuple[Pair, ...]:
    """All masks of ``root`` with their images, sorted by stem.

    Images without a mask are passed over.

    Parameters
    ----------
    second_objects
        Also accept masks ``<stem>a``, ``<stem>b`` or ``<stem>#…`` for image ``<stem>``.

    Raises
    ------
    ValueError
        A sub-folder is missing, there is no mask, or a mask has no image.
    """
    folders = sub_folders(root)
    if folders is None:
        raise ValueError(
            f"{root} is not a dataset folder: expected images/<stem>.jpg|png and "
            "masks/<stem>.png in it"
        )
    images_dir, masks_dir = folders
    images = _by_stem(images_dir, IMAGE_SUFFIXES)
    masks = _by_stem(masks_dir, MASK_SUFFIXES)
    if not masks:
        raise ValueError(
            f"{masks_dir} holds no mask; accepted are {', '.join(MASK_SUFFIXES)} files"
        )
    pairs = []
    for stem, mask in masks.items():
        image = _image_for(stem, images, second_objects)
        if image is None:
            raise ValueError(
                f"{mask}: no image {stem}.* ({', '.join(IMAGE_SUFFIXES)}) in {images_dir}"
            )
        pairs.append(Pair(stem, image, mask))
    return tuple(pairs)


def read_list(path: Path) -> tuple[str, ...]:
    """Stems listed in a split file such as ``val.txt``, one a line; ``ValueError`` when none."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"cannot read the list {path}: {error}") from error
    stems = tuple(line.strip() for line in lines if line.strip())
    if not stems:
        raise ValueError(f"the list {path} is empty")
    return stems


@lru_cache(maxsize=1)
def _luminance_sums() -> tuple[int, ...]:
    """Sum of the luminance table that libjpeg writes for each quality 1, 2, … 100."""
    from PIL import Image

    sums = []
    for quality in range(1, 101):
        buffer = BytesIO()
        Image.new("L", (8, 8)).save(buffer, "JPEG", quality=quality)
        with Image.open(buffer) as file:
            sums.append(sum(file.quantization[0]))  # type: ignore[attr-defined]
    return tuple(sums)


def jpeg_quality(path: Path) -> int | None:
    """Quality a JPEG file was written with, from its luminance table; ``None`` if not a JPEG.

    It is libjpeg's 1 to 100; for a file that another program wrote with tables of its own, the
    quality whose table is nearest. Only the file's head is read.
    """
    from PIL import Image

    try:
        with Image.open(path) as file:
            tables = getattr(file, "quantization", None)
    except (OSError, ValueError, SyntaxError):
        return None
    if not tables:
        return None
    total, sums = sum(tables[0]), _luminance_sums()
    return 1 + min(range(100), key=lambda index: abs(total - sums[index]))


def read_image_file(path: Path) -> UInt8Image:
    """``(H, W, 3)`` uint8 RGB; ``ValueError`` naming the path when it cannot be read."""
    from iseg_widget.images import read_image

    try:
        return read_image(path)
    except (OSError, ValueError, SyntaxError) as error:
        if str(path) in str(error):
            raise
        raise ValueError(f"cannot read image {path}: {error}") from error


def read_mask_file(path: Path) -> NDArray[Any]:
    """Read a mask file's values as they are stored.

    They are ``(H, W)`` uint8 or uint16, or ``(H, W, 3)`` uint8 for colour files.

    Palette files give their indices (these are the ids), never the palette's colours; an alpha
    channel is dropped.

    Raises
    ------
    ValueError
        The file is missing or unreadable; the message names it.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as file:
            values = np.asarray(file)
            if file.mode in ("RGBA", "LA"):
                values = values[..., :-1]
    except (OSError, ValueError, SyntaxError, UnidentifiedImageError) as error:
        raise ValueError(f"cannot read mask {path}: {error}") from error
    if values.ndim == 3 and (values.shape[2] == 1 or (values == values[..., :1]).all()):
        values = values[..., 0]  # grey stored in colour
    if values.dtype == np.bool_:
        return values.astype(np.uint8)
    if values.dtype == np.int32 and values.size and values.min() >= 0 and values.max() < 1 << 16:
        return values.astype(np.uint16)  # 16-bit PNG, which Pillow may widen
    if values.dtype not in (np.uint8, np.uint16):
        raise ValueError(
            f"cannot read mask {path}: values are {values.dtype}, accepted are 8 and 16 bit "
            "integers"
        )
    return values


def read_id_mask(path: Path) -> NDArray[Any]:
    """As :func:`read_mask_file`, but ``ValueError`` for colour files, whose values are not ids."""
    values = read_mask_file(path)
    if values.ndim != 2:
        raise ValueError(
            f"{path}: a mask with ids must have one channel or a palette, this one is in colour"
        )
    return values


def read_merged_mask(path: Path, above: int = 0) -> NDArray[np.bool_]:
    """``(H, W)`` bool: where any channel of the file is greater than ``above``."""
    values = read_mask_file(path)
    return (values.max(axis=2) if values.ndim == 3 else values) > above
