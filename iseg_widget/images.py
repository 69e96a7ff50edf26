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
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL import Image

RGB = NDArray[np.uint8]

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


def _from_pil(image: Image.Image) -> RGB:
    from PIL import ImageOps

    upright = ImageOps.exif_transpose(image)
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
