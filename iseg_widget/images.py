"""Reading and converting images: whatever a user has becomes ``(H, W, 3)`` uint8 RGB.

Rules of conversion, by the array's type:

* uint8 is taken as it is; bool becomes 0 and 255;
* uint16 is divided by 257 (its full range becomes 0..255);
* floats must lie in 0..1 and are multiplied by 255;
* grey ``(H, W)`` or ``(H, W, 1)`` is repeated to three channels;
* grey with alpha ``(H, W, 2)`` and RGBA ``(H, W, 4)`` are laid over white.

Files are turned upright by their EXIF orientation.
"""

from __future__ import annotations

import os
import struct
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from iseg_widget.views import cut, resize

if TYPE_CHECKING:
    from PIL import Image

RGB = NDArray[np.uint8]

PYRAMID_TOP = 1024

ACCEPTED = (
    "accepted are a path, a PIL image, or an array (H, W), (H, W, 1), (H, W, 2), (H, W, 3) or "
    "(H, W, 4) of bool, uint8, uint16 or float in 0..1"
)


def _scale_to_uint8(array: NDArray[Any]) -> NDArray[np.uint8]:
    if array.dtype == np.uint8:
        return array
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * 255
    if array.dtype == np.uint16:
        return ((array.astype(np.uint32) + 128) // 257).astype(np.uint8)
    if array.dtype.kind == "f":
        if not np.isfinite(array).all():
            raise ValueError("image holds NaN or infinite values")
        low, high = float(array.min()), float(array.max())
        if low < 0.0 or high > 1.0:
            raise ValueError(
                f"a float image must lie in 0..1, got values from {low:g} to {high:g}; "
                "convert 0..255 data with astype('uint8')"
            )
        return (array * 255.0 + 0.5).astype(np.uint8)
    raise TypeError(f"image of type {array.dtype}; {ACCEPTED}")


def to_rgb(array: NDArray[Any]) -> RGB:
    """Convert an array to ``(H, W, 3)`` uint8 RGB by the rules of this module.

    Raises ``ValueError`` for empty images, other shapes, NaN, floats outside 0..1, and
    ``TypeError`` for other element types. The result is contiguous and owns its memory when a
    conversion was needed.
    """
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 2, 3, 4)):
        raise ValueError(f"image of shape {array.shape}; {ACCEPTED}")
    if array.shape[0] == 0 or array.shape[1] == 0:
        raise ValueError(f"image is empty: shape {array.shape}")
    pixels = _scale_to_uint8(array)
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    if pixels.shape[2] in (2, 4):
        alpha = pixels[:, :, -1:].astype(np.uint16)
        colour = pixels[:, :, :-1].astype(np.uint16)
        pixels = ((colour * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
    if pixels.shape[2] == 1:
        pixels = np.repeat(pixels, 3, axis=2)
    return np.ascontiguousarray(pixels)


def _orientation(image: Image.Image) -> int:
    from PIL import ExifTags

    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except (SyntaxError, struct.error, TypeError, ValueError):  # how Pillow complains of EXIF data
        return 1


def _upright(image: Image.Image) -> Image.Image:
    """Turn an image by its EXIF orientation; damaged EXIF data count as none."""
    from PIL import Image

    image.load()
    # Not ImageOps.exif_transpose, which also writes the EXIF data anew and fails where it cannot.
    turn = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }.get(_orientation(image))
    return image if turn is None else image.transpose(turn)


def _from_pil(image: Image.Image) -> RGB:
    upright = _upright(image)
    if upright.mode in ("I;16", "I;16L", "I;16B"):
        return to_rgb(np.asarray(upright).astype(np.uint16))
    if upright.mode in ("I", "F"):
        values = np.asarray(upright)
        if upright.mode == "I" and values.min() >= 0 and values.max() <= 65535:
            return to_rgb(values.astype(np.uint16))
        return to_rgb(values.astype(np.float32))
    if upright.mode in ("RGBA", "LA", "PA") or "transparency" in upright.info:
        return to_rgb(np.asarray(upright.convert("RGBA")))
    return to_rgb(np.asarray(upright.convert("RGB")))


def read_image(source: object) -> RGB:
    """Return an image as ``(H, W, 3)`` uint8 RGB.

    Parameters
    ----------
    source: path of an image file, PIL image, or array (see this module's rules).

    Raises
    ------
    ValueError: the file is missing or unreadable, or the image is empty or of a wrong shape.
    TypeError: ``source`` is none of the accepted kinds.
    """
    from PIL import Image, UnidentifiedImageError

    if isinstance(source, (str, os.PathLike)):
        path = Path(source)
        try:
            with Image.open(path) as image:
                return _from_pil(image)
        except FileNotFoundError:
            raise ValueError(f"no image file at {path}") from None
        except (UnidentifiedImageError, OSError, Image.DecompressionBombError) as error:
            raise ValueError(f"cannot read an image from {path}: {error}") from error
    if isinstance(source, Image.Image):
        return _from_pil(source)
    if isinstance(source, np.ndarray):
        return to_rgb(source)
    raise TypeError(f"image of type {type(source).__name__}; {ACCEPTED}")


_SHRINKS = frozenset({"RGB", "L", "RGBA", "LA", "CMYK", "YCbCr"})
"""Modes that Pillow can make smaller before the pixels are converted."""


def read_small(path: str | os.PathLike[str], side: int) -> tuple[RGB, tuple[int, int]]:
    """Return an image file, made smaller, and how large it is; JPEG is not even decoded whole.

    Parameters
    ----------
    path: of the file.
    side: longest side of the small picture in pixels; smaller images stay as they are.

    Returns
    -------
    ``(h, w, 3)`` uint8 RGB, and ``(H, W)`` of the image as :func:`read_image` returns it.

    Raises
    ------
    ValueError: the file is missing or unreadable.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            if image.mode in _SHRINKS:
                width, height = image.size
                turned = _orientation(image) >= 5
                image.thumbnail((side, side))
                return _from_pil(image), (width, height) if turned else (height, width)
        whole = read_image(path)
    except ValueError:
        raise
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError) as error:
        raise ValueError(f"cannot read an image from {path}: {error}") from error
    shape = whole.shape[0], whole.shape[1]
    factor = min(1.0, side / max(shape))
    size = (max(1, round(shape[1] * factor)), max(1, round(shape[0] * factor)))
    return np.asarray(cv2.resize(whole, size, interpolation=cv2.INTER_AREA), np.uint8), shape


def pyramid_of(image: RGB) -> Pyramid:
    """Return the pyramid of an image that cannot be written to: one for all who ask for it.

    It lives as long as somebody holds it; so the sessions of many objects share one.
    """
    known = _ALIVE.get(id(image))
    if known is not None and known.image is image:
        return known
    made = Pyramid(image)
    if not image.flags.writeable:
        _ALIVE[id(image)] = made
    return made


class Pyramid:
    """An image and its halved copies, from which crops of any size are cut at the same cost.

    Parameters
    ----------
    image: ``(H, W, 3)`` uint8 RGB. Copies are made, by area averaging, until the longer side is
        at most :data:`PYRAMID_TOP` pixels.
    """

    def __init__(self, image: RGB) -> None:
        self.levels = [image]
        while max(self.levels[-1].shape[:2]) > PYRAMID_TOP:
            last = self.levels[-1]
            half = (max(1, last.shape[1] // 2), max(1, last.shape[0] // 2))
            reduced = cv2.resize(last, half, interpolation=cv2.INTER_AREA)
            self.levels.append(np.asarray(reduced, dtype=np.uint8))

    @property
    def image(self) -> RGB:
        """``(H, W, 3)``: the full image."""
        return self.levels[0]

    def crop(self, box: tuple[int, int, int, int], shape: tuple[int, int]) -> RGB:
        """Return the part of the image in ``box`` resized to ``shape``, ``(h, w, 3)`` uint8.

        ``box`` is half-open ``x0, y0, x1, y1`` in pixels of the image. Reducing averages,
        enlarging interpolates bilinearly.
        """
        x0, y0, x1, y1 = box
        reduction = min((x1 - x0) / shape[1], (y1 - y0) / shape[0])
        level = 0
        while level + 1 < len(self.levels) and reduction >= 2 ** (level + 2):
            level += 1
        if level == 0:
            return np.asarray(resize(cut(self.image, box), shape), dtype=np.uint8)
        source = self.levels[level]
        scale_x = source.shape[1] / self.image.shape[1]
        scale_y = source.shape[0] / self.image.shape[0]
        # Sample twice as finely as asked, at exact positions, then average.
        fine = (2 * shape[0], 2 * shape[1])
        step_x = (x1 - x0) * scale_x / fine[1]
        step_y = (y1 - y0) * scale_y / fine[0]
        matrix = np.array(
            [
                [step_x, 0, x0 * scale_x + 0.5 * step_x - 0.5],
                [0, step_y, y0 * scale_y + 0.5 * step_y - 0.5],
            ]
        )
        sampled = cv2.warpAffine(
            source,
            matrix,
            (fine[1], fine[0]),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        return np.asarray(resize(sampled, shape), dtype=np.uint8)


_ALIVE: weakref.WeakValueDictionary[int, Pyramid] = weakref.WeakValueDictionary()
"""By the image's ``id``, which is its own for as long as its pyramid lives and holds it."""
