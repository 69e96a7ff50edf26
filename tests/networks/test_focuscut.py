"""FocusCut's network against recorded forward passes of the published one (cases B1)."""

import json
import math

import numpy as np
import pytest
import torch

from iseg_widget.methods.focuscut import DEVIATION, MEAN
from iseg_widget.networks.focuscut import FocusCutLite0, FocusCutNetwork
from iseg_widget.networks.layers import resize
from iseg_widget.networks.lite import LiteSegmenter
from iseg_widget.weights.official_focuscut import build
from tests.networks.test_inference import with_random_statistics
from tests.published import load_case, state_dict

TOLERANCE = 1e-3
"""In standard deviations of the output."""


@pytest.mark.parity
@pytest.mark.parametrize("backbone", ["resnet50", "resnet101"])
def test_a_forward_pass_equals_the_recorded_one(backbone, parity_root):
    if not (parity_root / f"B1_focuscut_{backbone}_forward.npz").is_file():
        pytest.skip(f"no case B1 in {parity_root}")
    case, meta = load_case(parity_root, f"B1_focuscut_{backbone}_forward")
    keys = json.loads((parity_root / meta["keys"]).read_text())
    network = build(state_dict(keys, meta["gain"], meta["overrides_added"]), "recorded").eval()
    distances = [case[f"{name}_dist"].astype(np.float64) for name in ("pos", "neg")]
    gaussians = [np.exp(-4 * math.log(2) * d**2 / 100).astype(np.float32) for d in distances]
    image = case["img_normalised"]
    stacked = np.concatenate([image, *gaussians, case["pre_pred"]], 1)
    with torch.inference_mode():
        logits = resize(network(torch.from_numpy(stacked)), image.shape[2:])
    found = logits[:, :, ::3, ::3].numpy()
    assert found.shape == case["logits"].shape
    assert np.abs(found - case["logits"]).max() <= TOLERANCE * case["logits"].std()


def test_an_unknown_backbone_is_refused():
    with pytest.raises(ValueError, match="resnet18"):
        FocusCutNetwork("resnet18")


def test_the_small_network_answers_as_the_plain_one_to_the_same_picture():
    torch.manual_seed(0)
    plain, network = with_random_statistics(LiteSegmenter()), FocusCutLite0().eval()
    network.load_state_dict(plain.state_dict())
    image, positive, negative, previous = (
        torch.rand(2, channels, 70, 100) for channels in (3, 1, 1, 1)
    )
    mean, std = (torch.from_numpy(v).view(1, 3, 1, 1) for v in (MEAN, DEVIATION))
    fed = torch.cat([(image - mean) / std, positive, negative, previous], 1)
    with torch.inference_mode():
        found = network(fed)
        expected, _ = plain(image, torch.cat([previous, positive, negative], 1))
    assert found.shape == (2, 1, 18, 25)
    assert (found - expected).abs().max() <= 1e-4 * expected.std()
