from __future__ import annotations

import pytest
import torch
from torch import Tensor

from iseg_widget.networks.efficientnet_lite import (
    STAGES,
    STEM_CHANNELS,
    EfficientNetLite0,
    convert_imagenet_state,
)


@pytest.fixture(scope="module")
def backbone() -> EfficientNetLite0:
    torch.manual_seed(0)
    return EfficientNetLite0().eval()


def parameters_by_the_table() -> int:
    """Count the weights of Table 1 without a network: convolutions and their normalisations."""

    def normalised(weights: int, channels: int) -> int:
        return weights + 2 * channels

    total = normalised(3 * 9 * STEM_CHANNELS, STEM_CHANNELS)
    channels = STEM_CHANNELS
    for stage in STAGES:
        for _ in range(stage.blocks):
            hidden = channels * stage.expansion
            if stage.expansion > 1:
                total += normalised(channels * hidden, hidden)
            total += normalised(stage.kernel**2 * hidden, hidden)
            total += normalised(hidden * stage.channels, stage.channels)
            channels = stage.channels
    return total


def test_parameters_are_those_of_the_published_network(backbone: EfficientNetLite0):
    """With its head (320 to 1280) and classifier (1000), EfficientNet-Lite0 has 4,652,008."""
    count = sum(p.numel() for p in backbone.parameters())
    assert count == parameters_by_the_table()
    assert count + (320 * 1280 + 2 * 1280) + (1280 * 1000 + 1000) == 4_652_008


@pytest.mark.parametrize(("height", "width"), [(64, 64), (64, 96)])
def test_pyramid_has_the_announced_channels_and_strides(
    backbone: EfficientNetLite0, height: int, width: int
):
    with torch.no_grad():
        maps = backbone(torch.zeros(2, 3, height, width))
    assert [tuple(m.shape) for m in maps] == [
        (2, channels, height // stride, width // stride)
        for channels, stride in zip(backbone.channels, backbone.strides, strict=True)
    ]


def test_stem_features_are_added_after_the_stem(backbone: EfficientNetLite0):
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        plain = backbone(image)
        zeros = backbone(image, torch.zeros(1, STEM_CHANNELS, 32, 32))
        changed = backbone(image, torch.ones(1, STEM_CHANNELS, 32, 32))
    for a, b, c in zip(plain, zeros, changed, strict=True):
        torch.testing.assert_close(a, b)
        assert (a - c).abs().max() > 0


class TestConversion:
    def published(self) -> dict[str, Tensor]:
        """Entries as published: other names, the same order, a classifier at the end."""
        torch.manual_seed(1)
        state = {f"_module.{k}": v.clone() for k, v in EfficientNetLite0().state_dict().items()}
        state |= {
            "_conv_head.weight": torch.zeros(1280, 320, 1, 1),
            "_bn1.weight": torch.zeros(1280),
            "_fc.weight": torch.zeros(1000, 1280),
            "_fc.bias": torch.zeros(1000),
        }
        return state

    def test_entries_are_renamed_and_the_classifier_is_left_out(self):
        state = self.published()
        backbone = EfficientNetLite0()
        backbone.load_state_dict(convert_imagenet_state(state))
        for key, value in backbone.state_dict().items():
            torch.testing.assert_close(value, state[f"_module.{key}"])

    def test_half_precision_becomes_single(self):
        state = {k: v.half() if v.is_floating_point() else v for k, v in self.published().items()}
        kinds = {v.dtype for v in convert_imagenet_state(state).values()}
        assert kinds == {torch.float32, torch.int64}

    def test_missing_entry(self):
        state = self.published()
        del state["_module.stem.1.bias"]
        with pytest.raises(ValueError, match="beside its classifier"):
            convert_imagenet_state(state)

    def test_other_shape_is_named(self):
        state = self.published()
        state["_module.stem.0.weight"] = torch.zeros(32, 3, 5, 5)
        with pytest.raises(ValueError, match=r"_module.stem.0.weight of shape \(32, 3, 5, 5\)"):
            convert_imagenet_state(state)

    def test_other_order_is_named(self):
        """Weight and bias of a normalisation have one shape: their order alone tells them apart."""
        items = list(self.published().items())
        index = [k for k, _ in items].index("_module.stem.1.weight")
        items[index], items[index + 1] = items[index + 1], items[index]
        with pytest.raises(ValueError, match=r"does not fit stem\.1\.weight"):
            convert_imagenet_state(dict(items))
