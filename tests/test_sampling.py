"""The two conventions of resizing: corner on corner against PyTorch, and patches against both."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from iseg_widget.encode import map_to_corner_crop
from iseg_widget.images import Pyramid
from iseg_widget.sampling import SAMPLINGS
from iseg_widget.views import CornerPatch, Layers, logit, resize_corners, sigmoid

CORNERS = SAMPLINGS["corners"]


def interpolate(array: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    channels = torch.from_numpy(np.atleast_3d(array).transpose(2, 0, 1).astype(np.float32))
    out = F.interpolate(channels[None], shape, mode="bilinear", align_corners=True)[0]
    return out.numpy().transpose(1, 2, 0).reshape(*shape, *array.shape[2:])


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((40, 31), (16, 64)),
        ((5, 7), (5, 7)),
        ((9, 1), (3, 4)),
        ((9, 9), (1, 1)),
        ((2, 300), (256, 256)),
        ((30, 20, 3), (11, 47)),
    ],
)
def test_corner_resizing_is_pytorchs_align_corners(before: tuple, after: tuple):
    array = np.random.default_rng(0).normal(size=before).astype(np.float32)
    resized = resize_corners(array, after)
    assert resized.dtype == np.float32
    np.testing.assert_allclose(resized, interpolate(array, after), atol=3e-4)


def test_a_byte_image_is_resized_without_rounding():
    array = np.random.default_rng(1).integers(0, 256, (20, 30, 3)).astype(np.uint8)
    np.testing.assert_allclose(
        resize_corners(array, (7, 50)), interpolate(array, (7, 50)), atol=1e-3
    )


@pytest.mark.parametrize("squashed", [False, True])
def test_a_corner_patch_renders_as_the_published_code_pastes(squashed: bool):
    logits = np.random.default_rng(2).normal(size=(16, 16)).astype(np.float32) * 3
    patch = CornerPatch((5, 3, 45, 28), sigmoid(logits) if squashed else logits, squashed)
    layers = Layers((30, 50)).pasted(patch)
    expected = np.zeros((30, 50), np.float32)
    values = resize_corners(patch.values, (25, 40))
    expected[3:28, 5:45] = values if squashed else sigmoid(values)
    np.testing.assert_allclose(layers.render(), expected, atol=1e-5)
    window = (10, 5, 31, 20)
    np.testing.assert_allclose(layers.render(window), expected[5:20, 10:31], atol=1e-5)
    assert np.array_equal(layers.exceeds(0.3), layers.render() > 0.3)


def test_a_corner_patch_is_sampled_on_a_grid_where_it_would_be_rendered():
    ramp = np.linspace(0.1, 0.9, 16, dtype=np.float32)
    patch = CornerPatch((5, 3, 45, 29), np.outer(np.ones(9, np.float32), ramp), squashed=True)
    layers = Layers((32, 50)).pasted(patch)
    full = layers.render()
    means = full.reshape(16, 2, 25, 2).mean((1, 3))
    sampled = layers.render(None, (16, 25))
    np.testing.assert_allclose(sampled[2:14, 3:22], means[2:14, 3:22], atol=1e-5)


def test_logit_is_the_inverse_of_sigmoid_with_infinite_ends():
    values = np.array([-20.0, -1.5, 0.0, 2.0, 7.0], np.float32)
    np.testing.assert_allclose(logit(sigmoid(values))[1:], values[1:], atol=1e-3)
    ends = logit(np.array([0.0, 1.0], np.float32))
    assert ends.tolist() == [-np.inf, np.inf]
    assert sigmoid(ends).tolist() == [0.0, 1.0]


def test_clicks_map_into_corner_crops_by_scale_alone():
    clicks = np.array([(30, 40, 1), (10, 20, 0), (5, 25, 1), (15, 10, 0), (4, 3, 1)], np.float32)
    mapped = map_to_corner_crop(clicks, (10, 20, 50, 40), (256, 256))
    # The click left of and above the crop is dropped; those beyond one edge stay.
    expected = [(128.0, 256.0, 1), (0.0, 0.0, 0), (-32.0, 64.0, 1), (32.0, -128.0, 0)]
    assert mapped.tolist() == [list(map(float, row)) for row in expected]


def test_corner_crops_of_an_image_keep_their_outermost_pixels():
    image = np.random.default_rng(3).integers(0, 256, (90, 70, 3)).astype(np.uint8)
    crop = CORNERS.image(Pyramid(image), (10, 20, 60, 80), 32)
    assert crop.shape == (3, 32, 32)
    np.testing.assert_allclose(crop[:, 0, 0], image[20, 10] / 255, atol=1e-6)
    np.testing.assert_allclose(crop[:, -1, -1], image[79, 59] / 255, atol=1e-6)


def test_an_answer_to_another_crop_is_squeezed_into_its_target():
    logits = np.random.default_rng(4).normal(size=(8, 8)).astype(np.float32)
    patch = CORNERS.coarse((0, 0, 40, 30), (10, 10, 20, 15), logits)
    assert patch.box == (10, 10, 20, 15)
    assert patch.values.shape == (30, 40)
