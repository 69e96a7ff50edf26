"""FCA-Net's network against recorded forward passes of the published one (cases A1)."""

import json
import math

import numpy as np
import pytest
import torch

from iseg_widget.networks.fca_net import FCANetLite0, FCANetwork
from iseg_widget.networks.layers import resize
from iseg_widget.networks.lite import LiteSegmenter
from iseg_widget.weights.official_fca_net import build
from tests.networks.lively import settle
from tests.networks.test_inference import with_random_statistics
from tests.published import load_case, state_dict

TOLERANCE = 1e-3
"""In standard deviations of the output."""


def gaussian(distance, sigma):
    values = np.exp(-4 * math.log(2) * distance.astype(np.float64) ** 2 / sigma**2)
    return torch.from_numpy(values.astype(np.float32))


def assert_close(found, recorded):
    assert found.shape == recorded.shape
    assert np.abs(found - recorded).max() <= TOLERANCE * recorded.std()


@pytest.mark.parity
@pytest.mark.parametrize("backbone", ["resnet101", "res2net101"])
def test_a_forward_pass_equals_the_recorded_one(backbone, parity_root):
    if not (parity_root / f"A1_fcanet_{backbone}_forward.npz").is_file():
        pytest.skip(f"no case A1 in {parity_root}")
    case, meta = load_case(parity_root, f"A1_fcanet_{backbone}_forward")
    keys = json.loads((parity_root / meta["keys"]).read_text())
    state = state_dict(keys, meta["gain"], meta["overrides_added"])
    network = build(state, "recorded").eval()
    clicks = torch.cat([gaussian(case["pos_dist"], 10), gaussian(case["neg_dist"], 10)], 1)
    image = torch.from_numpy(case["img"])
    low, high = [], []
    stages = network.backbone
    stages.layer1.register_forward_hook(lambda *args: low.append(args[2]))
    stages.layer4.register_forward_hook(lambda *args: high.append(args[2]))
    with torch.inference_mode():
        found = network(image, clicks, gaussian(case["first_dist"], 30))
        logits = resize(found.logits, (image.shape[2], image.shape[3]))
    assert_close(low[0].abs().mean((0, 2, 3)).numpy(), case["l1_mean_abs"])
    assert_close(high[0].abs().mean((0, 2, 3)).numpy(), case["l4_mean_abs"])
    assert_close(logits[:, :, ::3, ::3].numpy(), case["logits"])


def test_an_unknown_backbone_is_refused():
    with pytest.raises(ValueError, match="resnet18"):
        FCANetwork("resnet18")


def small_network():
    torch.manual_seed(0)
    network = FCANetLite0()
    torch.nn.init.normal_(network.join.weight, std=0.1)
    return settle(network, *small_input(128, 160))


def small_input(height=70, width=100):
    generator = torch.Generator().manual_seed(1)
    channels = ((1, count, height, width) for count in (3, 2, 1))
    return [torch.rand(shape, generator=generator) for shape in channels]


def test_the_small_network_has_the_published_ones_interface():
    network = small_network()
    with torch.inference_mode():
        found = network(*small_input())
        alone = network.first_click_head(found.first_click)
    assert found.logits.shape == (1, 1, 18, 25)
    assert found.first_click.shape == (1, 128, 5, 7)
    assert alone.shape == (1, 1, 5, 7)


@pytest.mark.parametrize("index", [0, 1, 2])
def test_the_small_network_sees_all_its_inputs(index):
    network, inputs = small_network(), small_input()
    with torch.inference_mode():
        before = network(*inputs)
        inputs[index] = inputs[index].flip(3)
        after = network(*inputs)
    assert (before.logits - after.logits).abs().max() > 0.01 * before.logits.std()
    assert (before.first_click - after.first_click).abs().max() > 0.01 * before.first_click.std()


def test_the_small_network_is_small():
    parameters = sum(p.numel() for p in FCANetLite0().parameters())
    assert parameters == pytest.approx(3.69e6, rel=0.01)


def test_the_small_network_starts_as_the_plain_one_whose_weights_it_takes():
    torch.manual_seed(0)
    plain, network = with_random_statistics(LiteSegmenter(maps=2)), FCANetLite0().eval()
    found = network.load_state_dict(plain.state_dict(), strict=False)
    assert found.unexpected_keys == []
    assert {key.split(".")[0] for key in found.missing_keys} == {
        "first_click",
        "join",
        "first_click_head",
    }
    image, clicks, first = small_input()
    with torch.inference_mode():
        expected, _ = plain(image, clicks)
        assert torch.equal(network(image, clicks, first).logits, expected)
