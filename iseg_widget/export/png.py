"""Masks as pictures: binary PNG, PNG with an id an object, and Pascal VOC's pair."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from iseg_widget.export.labelled import (
    DEFAULT_LABEL,
    LabelledImage,
    LabelledMask,
    flat_ids,
)

VOID = 255
"""Pascal VOC's value of pixels that belong to no class."""


def binary_png(mask: NDArray[np.bool_]) -> bytes:
    """Return a mask as a PNG of one channel, 255 on the object."""
    return _encoded(mask.astype(np.uint8) * np.uint8(255))


def id_png(image: LabelledImage) -> bytes:
    """Return a PNG with each object's number from 1 on, 0 elsewhere.

    Where objects overlap, the later one is seen. Up to 255 objects it has 8 bits and a palette that
    tells them apart, beyond that 16 bits without. ``ValueError`` for more than 65535 objects.
    """
    count = len(image.objects)
    if count > 65535:
        raise ValueError(f"a PNG holds up to 65535 objects, got {count}")
    ids = flat_ids(image, range(1, count + 1))
    if count > 255:
        return _encoded(ids.astype(np.uint16))
    return _encoded(ids.astype(np.uint8), palette=True)


def voc_pngs(image: LabelledImage, classes: Sequence[str]) -> tuple[bytes, bytes]:
    """Return Pascal VOC's SegmentationClass and SegmentationObject pictures.

    Indexed PNGs with VOC's palette: the class number from 1 on in the order of ``classes``, and the
    object's number from 1 on; 0 is background. No pixel is void. Where objects overlap, the later
    one is seen.

    Raises
    ------
    ValueError: a label is not among ``classes``, or there are more than 254 classes or objects.
    """
    if len(classes) > VOID - 1 or len(image.objects) > VOID - 1:
        raise ValueError(
            f"Pascal VOC has room for 254 classes and objects, got {len(classes)} classes and "
            f"{len(image.objects)} objects"
        )
    unknown = [item.label for item in image.objects if item.label not in classes]
    if unknown:
        raise ValueError(f"the labels {unknown} are not among the classes {list(classes)}")
    numbers = [list(classes).index(item.label) + 1 for item in image.objects]
    pictures = (flat_ids(image, numbers), flat_ids(image, range(1, len(numbers) + 1)))
    first, second = (_encoded(picture.astype(np.uint8), palette=True) for picture in pictures)
    return first, second


def voc_palette() -> NDArray[np.uint8]:
    """Return VOC's ``(256, 3)`` colours: the index's bits, dealt to red, green and blue."""
    index = np.arange(256)
    colours = np.zeros((256, 3), np.uint8)
    for level in range(8):
        for channel in range(3):
            bit = (index >> (3 * level + channel)) & 1
            colours[:, channel] |= (bit << (7 - level)).astype(np.uint8)
    return colours


def _encoded(array: NDArray[np.uint8] | NDArray[np.uint16], *, palette: bool = False) -> bytes:
    from PIL import Image

    picture = Image.fromarray(array)
    if palette:
        picture.putpalette(voc_palette().tobytes())
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def read_id_png(
    source: str | os.PathLike[str] | bytes,
    file_name: str,
    *,
    label: str = DEFAULT_LABEL,
    ignore: int | None = None,
) -> LabelledImage:
    """Read a mask picture of one channel: every value but 0 and ``ignore`` is an object.

    Raises
    ------
    ValueError: the file is unreadable or has several channels.
    """
    from PIL import Image, UnidentifiedImageError

    opened = io.BytesIO(source) if isinstance(source, bytes) else source
    try:
        with Image.open(opened) as picture:
            array = np.asarray(picture)
    except (UnidentifiedImageError, OSError) as error:
        raise ValueError(f"cannot read a mask picture: {error}") from error
    if array.ndim != 2:
        raise ValueError(f"a mask picture has one channel, got {array.shape}")
    values = [value for value in np.unique(array).tolist() if value not in (0, ignore)]
    objects = tuple(LabelledMask(array == value, label, str(int(value))) for value in values)
    return LabelledImage(file_name, (array.shape[0], array.shape[1]), objects)
