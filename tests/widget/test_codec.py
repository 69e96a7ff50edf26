from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from iseg_widget.clicks import Click
from iseg_widget.masks import PackedMask
from iseg_widget.regions import Region
from iseg_widget.widget import codec

Mask = NDArray[np.bool_]


def decode(overlay: codec.Overlay, previous: Mask | None) -> Mask:
    width, height = overlay.grid
    mask = np.zeros((height, width), bool)
    if overlay.is_patch:
        assert previous is not None
        mask = previous.copy()
    if overlay.data is not None:
        x0, y0, x1, y1 = overlay.box
        mask[y0:y1, x0:x1] = PackedMask((y1 - y0, x1 - x0), overlay.data).unpack()
    return mask


def wavy(height: int, width: int, seed: int = 0) -> Mask:
    """An object with a rough outline, such as a network gives."""
    rng = np.random.default_rng(seed)
    noise = cv2.GaussianBlur(rng.standard_normal((height, width)), (0, 0), 6)
    rows, columns = np.ogrid[:height, :width]
    distance = np.hypot((rows - height / 2) / height, (columns - width / 2) / width)
    return np.asarray(distance + 0.6 * noise < 0.3)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (7, 3), (64, 64), (33, 257)])
def test_overlay_round_trip(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(1)
    first, second = rng.random(shape) < 0.5, rng.random(shape) < 0.5
    a, b = Region.of(first), Region.of(second)
    assert np.array_equal(decode(codec.encode_overlay(a), None), first)
    assert np.array_equal(decode(codec.encode_overlay(b, a), first), second)
    nothing = Region(shape)
    assert np.array_equal(decode(codec.encode_overlay(nothing, a), first), nothing.mask())
    assert np.array_equal(decode(codec.encode_overlay(a, nothing), nothing.mask()), first)


def test_overlay_of_a_megapixel_is_small() -> None:
    mask = wavy(1024, 1024)
    overlay = codec.encode_overlay(Region.of(mask))
    assert overlay.data is not None
    assert len(overlay.data) <= 20_000


def test_a_small_change_is_sent_as_a_patch() -> None:
    before = wavy(1024, 1024)
    after = before.copy()
    after[100:140, 200:230] = ~after[100:140, 200:230]
    overlay = codec.encode_overlay(Region.of(after), Region.of(before))
    assert overlay.is_patch
    assert overlay.box == (200, 100, 230, 140)
    assert overlay.data is not None
    assert len(overlay.data) < 600
    assert np.array_equal(decode(overlay, before), after)


def test_no_change_is_sent_without_data() -> None:
    mask = wavy(50, 60)
    overlay = codec.encode_overlay(Region.of(mask), Region.of(mask))
    assert overlay == codec.Overlay((60, 50), (0, 0, 0, 0), is_patch=True, data=None)


def test_a_large_change_of_a_huge_mask_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of it is packed already; to find what changed costs as much as the mask is large."""
    before, after = wavy(300, 400), wavy(300, 400, seed=1)
    monkeypatch.setattr(codec, "WHOLE_PIXELS", 1000)
    region = Region.of(after)
    overlay = codec.encode_overlay(region, Region.of(before))
    assert not overlay.is_patch
    assert region.packed is not None
    assert overlay.data is region.packed.data
    assert np.array_equal(decode(overlay, before), after)


def test_still_picture_shows_mask_and_clicks() -> None:
    image = np.full((100, 200, 3), 200, np.uint8)
    mask = np.zeros((100, 200), bool)
    mask[20:80, 20:80] = True
    clicks = [Click(150, 50), Click(180, 50, positive=False)]
    data = codec.still_png(image, mask, clicks, 0.5)
    shown = np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)
    assert shown.shape == (100, 200, 3)
    assert abs(shown[5, 110] - 200).max() < 12
    assert shown[50, 50, 2] - shown[50, 50, 0] > 60
    assert abs(shown[50, 150] - codec.POSITIVE).max() < 20
    assert abs(shown[50, 180] - codec.NEGATIVE).max() < 20


def test_still_picture_of_a_large_image_is_small() -> None:
    image = np.random.default_rng(3).integers(0, 256, (3000, 4000, 3), dtype=np.uint8)
    data = codec.still_png(image, np.zeros((3000, 4000), bool), [], 0.5)
    assert Image.open(io.BytesIO(data)).size == (640, 480)
    assert len(data) < 400_000
