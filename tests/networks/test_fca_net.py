"""FCA-Net's network against recorded forward passes of the published one (cases A1)."""

import json
import math

import numpy as np
import pytest
import torch

from iseg_widget.networks.fca_net import FCANetwork
from iseg_widget.networks.layers import resize
from iseg_widget.weights.official_fca_net import build
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
