"""Starting from ImageNet weights that the user brings; files are made up, none is downloaded."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from iseg_widget.networks.deeplab import ASPP
from iseg_widget.networks.hrnet import HRNetOCR
from iseg_widget.networks.ifcn import FullyConvolutionalVGG16
from iseg_widget.networks.res2net import res2net101
from iseg_widget.networks.resnet import BLOCKS, ResNet, stages
from iseg_widget.networks.vgg import STAGES, centred
from iseg_widget.training import imagenet
from iseg_widget.training.imagenet import DEVIATION, MEAN, backbones
from iseg_widget.training.start import initialise
from iseg_widget.training.tasks import TASKS
from iseg_widget.weights.registry import networks

State = dict[str, Tensor]
PUBLISHED = sorted(name for name in TASKS if not name.endswith("-lite0"))


def noise(state: State, seed: int = 1) -> State:
    """Other numbers under the same names; counters, which old files lack, are left out."""
    generator = torch.Generator().manual_seed(seed)
    return {
        key: torch.rand(value.shape, generator=generator) - 0.5
        for key, value in state.items()
        if not key.endswith("num_batches_tracked")
    }


def resnet(depth: int) -> State:
    """A file of torchvision's."""
    state = noise(ResNet(stages(BLOCKS[depth])).state_dict())
    return state | {"fc.weight": torch.zeros(3, 2048), "fc.bias": torch.zeros(3)}


def res2net() -> State:
    return noise(res2net101(3).state_dict()) | {"fc.weight": torch.zeros(3, 2048)}


def deep(depth: int) -> State:
    net: Any = networks()[f"iafpn-resnet{depth}"]()
    return noise(net.coarse_network.backbone.state_dict()) | {"fc.bias": torch.zeros(3)}


def hrnet(width: int, *, small: bool = False) -> State:
    """Without OCR and heads, and with the head of the classification network."""
    ocr = ("conv3x3_ocr", "ocr_distri_head", "cls_head", "aux_head")
    every = HRNetOCR(width, 48, small=small).state_dict()
    state = noise({key: value for key, value in every.items() if key.split(".")[0] not in ocr})
    head = ("incre_modules.0.0.conv1.weight", "downsamp_modules.0.0.weight", "classifier.bias")
    return state | {key: torch.zeros(2) for key in (*head, "final_layer.0.weight")}


def mit(size: str) -> State:
    net: Any = networks()[f"focalclick-segformer-{size}-s2"]()
    every = net.feature_extractor.backbone.state_dict()
    state = {k: v for k, v in every.items() if not k.startswith("patch_embed_side1")}
    return noise(state) | {"head.weight": torch.zeros(3, 256)}


VGG_INDICES = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
"""Of the convolutions in torchvision's ``features``."""


def vgg() -> State:
    state: State = {}
    channels, indices = 3, iter(VGG_INDICES)
    for width, count, _ in STAGES:
        for _ in range(count):
            index = next(indices)
            state[f"features.{index}.weight"] = torch.zeros(width, channels, 3, 3)
            state[f"features.{index}.bias"] = torch.zeros(width)
            channels = width
    return noise(state)


FILES: dict[str, Callable[[], State]] = {
    "fcanet-resnet101": lambda: resnet(101),
    "fcanet-res2net101": res2net,
    "focuscut-resnet50": lambda: resnet(50),
    "focuscut-resnet101": lambda: resnet(101),
    "ritm-hrnet18s": lambda: hrnet(18, small=True),
    "ritm-hrnet18": lambda: hrnet(18),
    "ritm-hrnet32": lambda: hrnet(32),
    "focalclick-hrnet-18s-s1": lambda: hrnet(18, small=True),
    "focalclick-hrnet-18s-s2": lambda: hrnet(18, small=True),
    "focalclick-hrnet-32-s2": lambda: hrnet(32),
    "focalclick-segformer-b0-s1": lambda: mit("b0"),
    "focalclick-segformer-b0-s2": lambda: mit("b0"),
    "focalclick-segformer-b3-s2": lambda: mit("b3"),
    "iafpn-hrnet18": lambda: hrnet(18),
    "iafpn-resnet50": lambda: deep(50),
    "iafpn-resnet101": lambda: deep(101),
    "risnet-vgg16": vgg,
    "ifcn-vgg16": vgg,
}

LIGHT = {
    "fcanet-res2net101", "focuscut-resnet50", "focalclick-segformer-b0-s1", "iafpn-hrnet18",
    "iafpn-resnet50", "risnet-vgg16", "ritm-hrnet18s",
}  # fmt: skip
"""One of each kind of backbone; the others are as slow as they are large."""

NAMED = {
    "fcanet-resnet101": "resnet101-", "fcanet-res2net101": "res2net101_v1b_26w_4s-",
    "focuscut-resnet50": "resnet50-", "ritm-hrnet18s": "hrnet_w18_small_model_v2",
    "ritm-hrnet32": "hrnetv2_w32_imagenet_pretrained", "iafpn-resnet50": "resnet50_v1s-",
    "focalclick-segformer-b3-s2": "mit_b3", "risnet-vgg16": "vgg16-",
}  # fmt: skip


def made(network: str) -> nn.Module:
    torch.manual_seed(0)
    return networks()[network]()


def test_there_is_a_file_for_every_published_network():
    assert sorted(FILES) == PUBLISHED


@pytest.mark.parametrize(
    "network",
    [name if name in LIGHT else pytest.param(name, marks=pytest.mark.slow) for name in PUBLISHED],
)
def test_every_backbone_is_filled_and_nothing_else(network: str, tmp_path: Path):
    state, net = FILES[network](), made(network)
    before = {key: value.clone() for key, value in net.state_dict().items()}
    path = tmp_path / "file.pth"
    torch.save(state, path)
    initialise(net, path)
    after = net.state_dict()
    changed = {key for key in before if not torch.equal(before[key], after[key])}
    assert changed == imagenet.backbone_entries(net) - (
        {f"backbone.layers.{fc}.{kind}" for fc in ("fc6", "fc7") for kind in ("weight", "bias")}
        if network.endswith("vgg16")
        else set()
    )
    if network.endswith("vgg16"):
        return
    for name in backbones(net):
        for key, value in state.items():
            own = after.get(f"{name}.{key}")
            if own is not None and own.shape == value.shape:
                assert torch.equal(own, value)
    # Same numbers, so it is the order of names that is wrong if anything is.
    assert sum(v.numel() for k, v in state.items() if "running_var" in k) == sum(
        after[k].numel() for k in changed if "running_var" in k
    ) // len(backbones(net))


@pytest.mark.parametrize("network", ["fcanet-resnet101", "focuscut-resnet50", "fcanet-res2net101"])
def test_click_channels_are_drawn_as_the_published_code_draws_them(network: str):
    net: Any = made(network)
    state = FILES[network]()
    imagenet.fill(net, state, "a file")
    key = "conv1.0.weight" if "res2net" in network else "conv1.weight"
    own = net.backbone.state_dict()[key]
    assert torch.equal(own[:, :3], state[key])
    count = own.shape[0] * own.shape[2] * own.shape[3]
    assert own[:, 3:].std() == pytest.approx(math.sqrt(2 / count), rel=0.1)
    assert own[:, 3:].mean().abs() < 0.1 * own[:, 3:].std()


def test_vgg_answers_images_as_it_did_with_torchvision_s_normalisation():
    state = vgg()
    net: Any = made("risnet-vgg16")
    imagenet.fill(net, state, "a file")
    image = torch.rand(1, 3, 9, 9)
    mean, deviation = (torch.tensor(v).view(1, 3, 1, 1) for v in (MEAN, DEVIATION))
    expected = F.conv2d(
        (image - mean) / deviation, state["features.0.weight"], state["features.0.bias"]
    )
    layer = net.backbone.layers.conv1_1
    for distance in (0.0, 255.0):
        fed = torch.cat([centred(image), torch.full((1, 2, 9, 9), distance)], 1)
        found = F.conv2d(fed, layer.weight, layer.bias)
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
    for name, index in (("conv2_1", 5), ("conv3_3", 14), ("conv5_3", 28)):
        weight = net.backbone.layers.get_submodule(name).weight
        assert torch.equal(weight, state[f"features.{index}.weight"])


def test_fully_connected_layers_are_decimated():
    """Channel c is VGG's 2 c here, and tap (i, j) its (3 i, 3 j)."""
    rows = torch.arange(2048.0)
    taps = torch.arange(512.0 * 49)
    state = vgg() | {
        "classifier.0.weight": taps.expand(2048, -1),
        "classifier.0.bias": rows,
        "classifier.3.weight": rows[:, None] * 2048 + rows,
        "classifier.3.bias": -rows,
        "classifier.6.bias": torch.zeros(10),
    }
    net: Any = made("risnet-vgg16")
    imagenet.fill(net, state, "a file")
    fc6, fc7 = net.backbone.layers.fc6, net.backbone.layers.fc7
    first = torch.tensor([[0.0, 3, 6], [21, 24, 27], [42, 45, 48]])
    assert torch.equal(fc6.weight[5, 7], first + 7 * 49)
    assert torch.equal(fc6.bias, 2 * torch.arange(1024.0))
    assert fc7.weight[3, 9].item() == 6 * 2048 + 18
    assert torch.equal(fc7.bias, -2 * torch.arange(1024.0))


def test_a_fully_convolutional_vgg_keeps_all_of_it():
    """Channel and tap of fc6 are VGG's own."""
    every = torch.arange(512.0 * 49)
    imagenet.fill(
        net := FullyConvolutionalVGG16(),
        vgg() | {
            "classifier.0.weight": every.expand(4096, -1),
            "classifier.0.bias": torch.arange(4096.0),
            "classifier.3.weight": torch.ones(1, 1).expand(4096, 4096),
            "classifier.3.bias": torch.zeros(4096),
        },
        "a file",
    )  # fmt: skip
    fc6 = net.layers.get_submodule("fc6")
    assert torch.equal(fc6.weight[9].flatten(), every)
    assert torch.equal(fc6.bias, torch.arange(4096.0))
    assert (net.layers.get_submodule("fc7").weight == 1).all()


@pytest.mark.parametrize(
    ("network", "file", "said"),
    [
        ("focuscut-resnet50", lambda: resnet(101), r"\d+ left over \(first layer3\.6\.\S+\)"),
        ("focuscut-resnet101", lambda: resnet(50), r"\d+ missing \(first layer3\.6\.\S+\)"),
        ("fcanet-res2net101", lambda: resnet(101), r"missing \(first conv1\.0\.weight\)"),
        ("iafpn-resnet50", lambda: resnet(50), r"1 left over \(first conv1\.weight\)"),
        ("ritm-hrnet18s", lambda: hrnet(18), r"left over \(first layer1\.2\.\S+\)"),
        ("ritm-hrnet18", lambda: hrnet(32), r"of another shape \(first transition1\.\S+\)"),
        ("focalclick-segformer-b3-s2", lambda: mit("b0"), "of another shape"),
        ("risnet-vgg16", lambda: resnet(50), r"26 missing \(first layers\.conv1_1\.weight\)"),
    ],
)
def test_files_of_another_backbone_are_refused(network: str, file: Callable[[], State], said: str):
    net = made(network)
    before = {key: value.clone() for key, value in net.state_dict().items()}
    with pytest.raises(ValueError, match=f"a file holds no ImageNet weights of .*{said}"):
        imagenet.fill(net, file(), "a file")
    assert all(torch.equal(before[key], value) for key, value in net.state_dict().items())


@pytest.mark.parametrize("network", NAMED)
def test_without_a_file_the_one_to_bring_is_named(network: str):
    with pytest.raises(ValueError, match=rf"--init {NAMED[network]}"):
        initialise(made(network), "imagenet")


def test_ways_to_hold_a_state(tmp_path: Path):
    state = hrnet(18, small=True)
    expected = state["stage2.0.branches.0.0.conv1.weight"]
    save_file(state, tmp_path / "bare.safetensors")
    torch.save({"state_dict": state, "epoch": 3}, tmp_path / "wrapped.pt")
    torch.save({f"module.{key}": value for key, value in state.items()}, tmp_path / "parallel.pth")
    for file in ("bare.safetensors", "wrapped.pt", "parallel.pth"):
        net: Any = made("ritm-hrnet18s")
        initialise(net, tmp_path / file)
        found = net.feature_extractor.stage2[0].branches[0][0].conv1.weight
        assert torch.equal(found, expected)


def test_weights_of_the_network_itself_are_taken_over_as_a_whole(tmp_path: Path):
    net, other = made("ritm-hrnet18s"), made("ritm-hrnet18s")
    for parameter in other.parameters():
        nn.init.constant_(parameter, 0.25)
    torch.save({"average": other.state_dict(), "step": 7}, tmp_path / "checkpoint.pt")
    initialise(net, tmp_path / "checkpoint.pt")
    assert all((parameter == 0.25).all() for parameter in net.parameters())


def test_a_part_of_the_backbone_is_not_enough(tmp_path: Path):
    net = made("ritm-hrnet18s")
    state = {k: v for k, v in net.state_dict().items() if ".stage4." not in k}
    torch.save(state, tmp_path / "part.pth")
    with pytest.raises(ValueError, match="not the whole backbone"):
        initialise(made("ritm-hrnet18s"), tmp_path / "part.pth")
    # OCR may be another one's.
    state = {k: v for k, v in net.state_dict().items() if "ocr" not in k}
    torch.save(state, tmp_path / "part.pth")
    initialise(made("ritm-hrnet18s"), tmp_path / "part.pth")


def test_other_modules_are_no_backbones():
    assert not backbones(ASPP(8))
    assert not backbones(made("ritm-lite0"))
