"""RITM's networks: equal to the recorded ones (cases D1), and cut into parts that fit together."""

from pathlib import Path

import numpy as np
import pytest
import torch

from iseg_widget.encode import disks
from iseg_widget.networks.focalclick import FocalClickLite0
from iseg_widget.networks.inference import prepare
from iseg_widget.networks.lite import LiteSegmenter
from iseg_widget.networks.ritm import RITM_RELEASED, RITMLite0, RITMPublished
from iseg_widget.weights.checkpoint import read_checkpoint
from iseg_widget.weights.official_ritm import build
from iseg_widget.weights.registry import networks
from tests.published import case_checkpoint, load_case

NAMES = ("hrnet18s", "hrnet18", "hrnet32")


@pytest.mark.parity
@pytest.mark.parametrize("name", NAMES)
def test_a_forward_pass_equals_the_recorded_one(name: str, parity_root: Path, tmp_path: Path):
    case, meta = load_case(parity_root, f"D1_{name}_cocolvis_forward")
    inputs = np.load(parity_root / "D1_inputs.npz")
    found = build(read_checkpoint(case_checkpoint(parity_root, meta, tmp_path / "published.pth")))
    assert found.architecture == f"ritm-{name}"
    network = prepare(found.network, torch.device("cpu"))
    image = torch.from_numpy(inputs["image"])
    shape = tuple(image.shape[2:])
    maps = []
    for points in inputs["points"]:
        clicks = [
            (column, row, float(index < len(points) // 2))
            for index, (row, column, _) in enumerate(points)
            if max(row, column) >= 0
        ]
        maps.append(disks(np.asarray(clicks), shape, network.disk_radius))
    interaction = torch.cat([image[:, 3:], torch.from_numpy(np.stack(maps))], 1)
    with torch.inference_mode():
        logits = network(image[:, :3], interaction)
    deviation = np.abs(logits[:, :, ::3, ::3].numpy() - case["instances"]).max()
    assert deviation / case["instances"].std() <= 1e-3


@pytest.mark.parametrize("name", ["ritm-hrnet18s", "ritm-lite0"])
@pytest.mark.parametrize("size", [(64, 96), (51, 70)])
def test_the_parts_make_the_whole(name: str, size: tuple[int, int]):
    torch.manual_seed(0)
    network = networks()[name]().eval()
    image, interaction = torch.rand(2, 3, *size), torch.rand(2, 3, *size)
    quarter = tuple((side + 3) // 4 for side in size)
    with torch.inference_mode():
        features = network.trunk(image, interaction)
        decoded = network.decode(features)
        logits = network.classify(features)
        predicted = network.predict(decoded)
        at_once = network.logits(image, interaction)
        whole = network(image, interaction)
    assert tuple(features.shape) == (2, network.feature_channels, *quarter)
    assert tuple(decoded.shape) == (2, network.decoded_channels, *quarter)
    torch.testing.assert_close(predicted, logits)
    torch.testing.assert_close(at_once, logits)
    assert tuple(logits.shape) == (2, 1, *quarter)
    assert tuple(whole.shape) == (2, 1, *size)
    assert torch.equal(whole[:, :, 0, 0], logits[:, :, 0, 0])
    assert torch.equal(whole[:, :, -1, -1], logits[:, :, -1, -1])


def test_normalisation_is_inside():
    network = RITMPublished()
    grey = torch.tensor((0.485, 0.456, 0.406)).view(1, 3, 1, 1)
    torch.testing.assert_close(network.normalise(grey), torch.zeros(1, 3, 1, 1))
    torch.testing.assert_close(network.normalise(grey + network.std), torch.ones(1, 3, 1, 1))
    assert not any(key.startswith(("mean", "std")) for key in network.state_dict())


def test_the_lite_network_is_the_plain_segmenter_cut_in_parts():
    torch.manual_seed(0)
    plain, network = LiteSegmenter().eval(), RITMLite0().eval()
    network.load_state_dict(plain.state_dict())
    image, interaction = torch.rand(1, 3, 70, 50), torch.rand(1, 3, 70, 50)
    with torch.inference_mode():
        logits, _ = plain(image, interaction)
        found = network.classify(network.trunk(image, interaction))
    torch.testing.assert_close(found, logits)


def test_the_lite_network_can_start_from_focalclicks():
    focalclick = FocalClickLite0().state_dict()
    shared = {k: v for k, v in focalclick.items() if not k.startswith("refiner.")}
    network = RITMLite0()
    network.load_state_dict(shared)


def test_released_sizes():
    """Millions of parameters, auxiliary head included."""
    millions = {
        name: round(sum(p.numel() for p in build().parameters()) / 1e6, 2)
        for name, build in RITM_RELEASED.items()
    }
    assert millions == {"ritm-hrnet18s": 4.22, "ritm-hrnet18": 10.03, "ritm-hrnet32": 30.95}
