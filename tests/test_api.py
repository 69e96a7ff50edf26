from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import iseg_widget as iseg
from iseg_widget.clicks import Click
from iseg_widget.session import Session
from tests.methods.fake import DiskMethod

IMAGE = np.zeros((20, 30, 3), np.uint8)


def clicked(*clicks: Click, mask: Any = None) -> np.ndarray:
    session = Session(DiskMethod(), IMAGE, mask)
    for click in clicks:
        session.click_many([click])
    return session.mask


def test_points_become_clicks_one_after_the_other_positive_first():
    found = iseg.segment(
        IMAGE, positive=[(5, 5), (20.5, 9)], negative=[(6, 6)], method=DiskMethod()
    )
    assert found.dtype == np.bool_
    expected = clicked(Click(5, 5), Click(20.5, 9), Click(6, 6, positive=False))
    np.testing.assert_array_equal(found, expected)


def test_a_box_comes_before_the_points():
    session = Session(DiskMethod(), IMAGE)
    session.box(4, 3, 20, 15)
    session.click(25, 6)
    found = iseg.segment(IMAGE, [(25, 6)], box=(4, 3, 20, 15), method=DiskMethod())
    np.testing.assert_array_equal(found, session.mask)
    alone = iseg.segment(IMAGE, box=(4, 3, 20, 15), method=DiskMethod())
    np.testing.assert_array_equal(alone, session.steps[0].mask)


def test_any_iterable_of_points():
    expected = clicked(Click(5, 6), Click(9, 3))
    for points in ([[5, 6], [9, 3]], np.array([[5, 6], [9, 3]]), iter([(5, 6), (9, 3)])):
        found = iseg.segment(IMAGE, points, method=DiskMethod())
        np.testing.assert_array_equal(found, expected)


def test_existing_mask_is_corrected():
    mask = np.zeros((20, 30), bool)
    mask[2:9, 12:18] = True
    found = iseg.segment(IMAGE, [(5, 5)], mask=mask, method=DiskMethod())
    np.testing.assert_array_equal(found, clicked(Click(5, 5), mask=mask))


def test_negative_points_alone():
    mask = np.ones((20, 30), bool)
    found = iseg.segment(IMAGE, [], [(5, 5)], mask=mask, method=DiskMethod())
    assert not found[5, 5]
    assert found[19, 29]


def test_image_file(tmp_path: Path):
    path = tmp_path / "image.png"
    Image.fromarray(IMAGE).save(path)
    assert iseg.segment(path, [(5, 5)], method=DiskMethod()).shape == (20, 30)


def test_no_point_at_all():
    with pytest.raises(ValueError, match="at least one positive or negative point"):
        iseg.segment(IMAGE, [], method=DiskMethod())


@pytest.mark.parametrize("points", [[5, 6], [(1, 2, 3)], ["x"], [None]])
def test_malformed_points_are_named(points: Any):
    with pytest.raises(ValueError, match=r"positive must be a list of \(x, y\) points, got"):
        iseg.segment(IMAGE, points, method=DiskMethod())


def test_point_outside_the_image():
    with pytest.raises(ValueError, match="lies outside the image of 30 x 20 pixels"):
        iseg.segment(IMAGE, [(5, 5)], [(30, 5)], method=DiskMethod())


@pytest.mark.parametrize("extra", [{"options": {"radius": 3}}, {"weights": "other"}])
def test_options_and_weights_belong_to_a_name(extra: dict[str, Any]):
    with pytest.raises(ValueError, match="belong to a method given by name"):
        iseg.segment(IMAGE, [(5, 5)], method=DiskMethod(), **extra)


def test_unknown_method_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"unknown method 'magic'; accepted are .*focalclick"):
        iseg.segment(IMAGE, [(5, 5)], method="magic")


def test_by_name_equals_a_loaded_method():
    options = {"version": "S1", "r_tc": 1.2}
    image = np.random.default_rng(0).integers(0, 255, (40, 60, 3), dtype=np.uint8)
    by_name = iseg.segment(image, [(20, 20), (30, 30)], options=options, device="cpu")
    method = iseg.load_method("focalclick", options=options, device="cpu")
    np.testing.assert_array_equal(iseg.segment(image, [(20, 20), (30, 30)], method=method), by_name)
