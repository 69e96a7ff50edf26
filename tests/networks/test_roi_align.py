from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from iseg_widget.networks.roi_align import roi_align


def bilinear(plane: Tensor, y: float, x: float) -> float:
    """One sample of an (H, W) map: zero more than a cell outside, else clamped to the map."""
    height, width = plane.shape
    if not (-1.0 <= y <= height and -1.0 <= x <= width):
        return 0.0
    y, x = min(max(y, 0.0), height - 1.0), min(max(x, 0.0), width - 1.0)
    top, left = int(y), int(x)
    bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
    dy, dx = y - top, x - left
    upper = (1 - dx) * plane[top, left] + dx * plane[top, right]
    lower = (1 - dx) * plane[bottom, left] + dx * plane[bottom, right]
    return float((1 - dy) * upper + dy * lower)


def by_definition(
    plane: Tensor,
    box: list[float],
    output: tuple[int, int],
    scale: float,
    *,
    aligned: bool,
    sampling: int,
) -> Tensor:
    """Mask R-CNN Sec. 3, bin by bin and sample by sample."""
    x0, y0, x1, y1 = (value * scale - (0.5 if aligned else 0.0) for value in box)
    width, height = x1 - x0, y1 - y0
    if not aligned:
        width, height = max(width, 1.0), max(height, 1.0)
    bin_height, bin_width = height / output[0], width / output[1]
    down = sampling if sampling > 0 else max(1, math.ceil(bin_height))
    across = sampling if sampling > 0 else max(1, math.ceil(bin_width))
    result = torch.zeros(output)
    for row in range(output[0]):
        for column in range(output[1]):
            samples = [
                bilinear(
                    plane,
                    y0 + (row + (i + 0.5) / down) * bin_height,
                    x0 + (column + (j + 0.5) / across) * bin_width,
                )
                for i in range(down)
                for j in range(across)
            ]
            result[row, column] = sum(samples) / len(samples)
    return result


BOXES = {
    "inside": [3.1, 4.2, 17.7, 15.3],
    "small": [6.2, 7.3, 7.1, 7.9],
    "whole": [0.0, 0.0, 26.0, 22.0],
    "beyond every side": [-6.3, -4.7, 33.9, 29.1],
    "beyond the corner": [18.3, 15.2, 40.6, 37.7],
    "elsewhere": [90.2, 80.4, 99.3, 96.1],
}


@pytest.mark.parametrize("name", BOXES)
@pytest.mark.parametrize("scale", [1.0, 0.5, 0.25])
@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("sampling", [-1, 2])
def test_equals_the_definition(name: str, scale: float, aligned: bool, sampling: int):
    generator = torch.Generator().manual_seed(3)
    plane = torch.randn(11, 13, generator=generator)
    expected = by_definition(plane, BOXES[name], (4, 5), scale, aligned=aligned, sampling=sampling)
    found = roi_align(
        plane[None, None], torch.tensor([BOXES[name]]), (4, 5), scale,
        aligned=aligned, sampling_ratio=sampling,
    )  # fmt: skip
    torch.testing.assert_close(found[0, 0], expected, atol=2e-5, rtol=1e-4)


def test_each_map_has_its_own_box_and_sampling():
    generator = torch.Generator().manual_seed(4)
    features = torch.randn(3, 2, 12, 10, generator=generator)
    boxes = torch.tensor([[0.0, 0, 40, 48], [3.3, 2.1, 9.7, 8.4], [-5.0, 20, 50, 60]])
    together = roi_align(features, boxes, (3, 4), 0.25)
    assert together.shape == (3, 2, 3, 4)
    for index in range(3):
        alone = roi_align(features[index : index + 1], boxes[index : index + 1], (3, 4), 0.25)
        torch.testing.assert_close(together[index : index + 1], alone)


def test_whole_map_at_its_own_size_is_the_map():
    features = torch.randn(1, 3, 8, 6)
    torch.testing.assert_close(
        roi_align(features, torch.tensor([[0.0, 0, 24, 32]]), (8, 6), 0.25), features
    )


def test_crop_on_cell_borders_is_a_slice():
    features = torch.randn(1, 1, 9, 9)
    found = roi_align(features, torch.tensor([[2.0, 3, 6, 8]]), (5, 4))
    torch.testing.assert_close(found, features[:, :, 3:8, 2:6])


def test_gradient_reaches_the_features():
    features = torch.randn(2, 2, 5, 6, dtype=torch.float64, requires_grad=True)
    boxes = torch.tensor([[0.3, 0.4, 4.2, 3.9], [-2.0, 1.0, 7.5, 6.0]])
    assert torch.autograd.gradcheck(lambda x: roi_align(x, boxes, (3, 3)), (features,))


def test_half_precision_features_keep_exact_boxes():
    """A box at 200.25 has no bfloat16; weights are computed in float32."""
    ramp = torch.arange(256.0).expand(1, 1, 4, 256)
    box = torch.tensor([[200.25, 0.0, 204.25, 4.0]])
    found = roi_align(ramp.to(torch.bfloat16), box, (4, 4))
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), roi_align(ramp, box, (4, 4)), rtol=0.01, atol=0)


@pytest.mark.parametrize("shape", [(4,), (2, 4), (1, 5), (0, 4)])
def test_one_box_for_each_map(shape: tuple[int, ...]):
    with pytest.raises(ValueError, match=r"boxes must have shape \(1, 4\), one per map"):
        roi_align(torch.zeros(1, 1, 4, 4), torch.zeros(shape), (2, 2))
