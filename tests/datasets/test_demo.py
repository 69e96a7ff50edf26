from importlib.resources import files

import cv2
import numpy as np
import pytest

from iseg_widget.datasets import demo


def stored_mask(name: str) -> np.ndarray:
    data = (files(demo) / "masks" / f"{name}.png").read_bytes()
    mask = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert mask is not None
    return mask


def test_names_are_the_stored_masks():
    stored = {entry.name for entry in (files(demo) / "masks").iterdir()}
    assert stored == {f"{name}.png" for name in demo.names()}
    assert 6 <= len(demo.names()) <= 8


@pytest.mark.parametrize("name", demo.names())
def test_stored_mask_is_the_rasterised_polygon(name: str):
    stored = stored_mask(name)
    assert stored.dtype == np.uint8
    np.testing.assert_array_equal(stored, demo.rasterise(demo.polygons()[name], stored.shape))


@pytest.mark.parametrize("name", demo.names())
def test_mask_holds_0_and_255_only(name: str):
    assert set(np.unique(stored_mask(name)).tolist()) == {0, 255}


@pytest.mark.parametrize("name", demo.names())
def test_image_and_mask_fit(name: str):
    image, mask = demo.sample(name)
    assert image.dtype == np.uint8
    assert image.ndim == 3
    assert image.shape[2] == 3
    assert mask.dtype == np.bool_
    assert mask.shape == image.shape[:2]
    np.testing.assert_array_equal(mask, stored_mask(name) == 255)


@pytest.mark.parametrize("name", demo.names())
def test_polygons_are_whole_pixels_inside_the_image(name: str):
    item = demo.polygons()[name]
    height, width = stored_mask(name).shape
    assert item["description"]
    assert item["outer"]
    for polygon in item["outer"] + item["holes"]:
        assert len(polygon) >= 3
        for x, y in polygon:
            assert isinstance(x, int)
            assert isinstance(y, int)
            assert 0 <= x < width
            assert 0 <= y < height


def test_colours_are_rgb():
    image, mask = demo.sample("coffee_cup")
    red, _, blue = image[mask].mean(axis=0)
    assert red > blue


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("astronaut_person", "astronaut_helmet"),
        ("coffee_cup", "coffee_saucer"),
        ("coffee_cup", "coffee_spoon"),
        ("coffee_saucer", "coffee_spoon"),
    ],
)
def test_neighbours_hardly_overlap(one: str, other: str):
    first, second = demo.sample(one)[1], demo.sample(other)[1]
    assert np.count_nonzero(first & second) < 0.01 * min(first.sum(), second.sum())


def test_rasterise_subtracts_holes():
    square = {"outer": [[[1, 1], [5, 1], [5, 5], [1, 5]]], "holes": [[[3, 3], [4, 3], [4, 4]]]}
    mask = demo.rasterise(square, (7, 8))
    assert mask.shape == (7, 8)
    assert np.count_nonzero(mask == 255) == 25 - 3
    assert mask[1, 1] == 255
    assert mask[3, 3] == 0


def test_rasterise_unites_overlapping_parts():
    part = [[1, 1], [5, 1], [5, 5], [1, 5]]
    mask = demo.rasterise({"outer": [part, part]}, (7, 7))
    assert np.count_nonzero(mask == 255) == 25


def test_unknown_name_is_refused():
    with pytest.raises(ValueError, match=r"accepted are astronaut_person, .*rocket"):
        demo.sample("unicorn")
