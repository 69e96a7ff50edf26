"""HRNet with OCR against the published networks of RITM (cases D1), and its parts."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from iseg_widget.encode import disks
from iseg_widget.networks.hrnet import HRNetOCR, InteractionStem, gather_region
from iseg_widget.networks.inference import prepare
from tests.published import checkpoint, load_case

MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)


@pytest.mark.parity
@pytest.mark.parametrize(
    ("model", "width", "ocr_width", "small"),
    [
        ("ritm_hrnet18s_cocolvis", 18, 48, True),
        ("ritm_hrnet18_cocolvis", 18, 64, False),
        ("ritm_hrnet32_cocolvis", 32, 128, False),
    ],
)
def test_a_forward_pass_equals_the_recorded_one(model, width, ocr_width, small, parity_root):
    case, meta = load_case(parity_root, f"D1_{model.removeprefix('ritm_')}_forward")
    inputs = np.load(parity_root / "D1_inputs.npz")
    network = nn.ModuleDict(
        {
            "maps_transform": InteractionStem(),
            "feature_extractor": HRNetOCR(width, ocr_width, small=small),
        }
    )
    content = checkpoint(parity_root, model, meta["gain"], meta["overrides_added"])
    network.load_state_dict(content["state_dict"])
    prepare(network, torch.device("cpu"))
    image = torch.from_numpy(inputs["image"])
    shape = tuple(image.shape[2:])
    maps = []
    for points in inputs["points"]:
        clicks = [
            (column, row, float(index < len(points) // 2))
            for index, (row, column, _) in enumerate(points)
            if max(row, column) >= 0
        ]
        maps.append(disks(np.asarray(clicks), shape, 5.0))
    interaction = torch.cat([image[:, 3:], torch.from_numpy(np.stack(maps))], 1)
    with torch.inference_mode():
        side = network["maps_transform"](interaction)
        logits, _, _ = network["feature_extractor"]((image[:, :3] - MEAN) / STD, side)
        logits = F.interpolate(logits, shape, mode="bilinear", align_corners=True)
    deviation = np.abs(logits[:, :, ::3, ::3].numpy() - case["instances"]).max()
    assert deviation / case["instances"].std() <= 1e-3


def test_the_object_region_is_a_weighted_mean():
    torch.manual_seed(0)
    features, logits = torch.rand(2, 3, 4, 5), torch.rand(2, 1, 4, 5)
    weights = logits.exp() / logits.exp().sum((2, 3), keepdim=True)
    expected = (features * weights).sum((2, 3), keepdim=True)
    torch.testing.assert_close(gather_region(features, logits), expected)


def test_any_size_gives_maps_of_stride_4():
    network = HRNetOCR(18, 48, small=True).eval()
    with torch.inference_mode():
        logits, auxiliary, features = network(torch.rand(1, 3, 70, 90))
    assert logits.shape == auxiliary.shape == (1, 1, 18, 23)
    assert features.shape == (1, network.feature_channels, 18, 23)
