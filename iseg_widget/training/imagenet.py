"""ImageNet weights of the papers' own backbones, from files that the user brings.

Nothing is downloaded. A file is the one that the backbone's authors (or torchvision) publish:

===================== =============================================== ===========================
backbone              file                                            left out of it
===================== =============================================== ===========================
ResNet-50, -101       torchvision's ``resnet101-*.pth``               ``fc``
ResNet, deep stem     ``resnet50_v1s-*.pth``, names as torchvision's  ``fc``
Res2Net-101 v1b       ``res2net101_v1b_26w_4s-*.pth``                 ``fc``
HRNet-W18, -W32       ``hrnetv2_w18_imagenet_pretrained.pth``         its classification head
HRNet-W18 small v2    ``hrnet_w18_small_model_v2.pth``                its classification head
MiT-B0, -B3           SegFormer's ``mit_b0.pth``                      ``head``
VGG-16                torchvision's ``vgg16-*.pth``                   ``classifier.6``
===================== =============================================== ===========================

What a backbone has beside that starts as follows.

* Click channels of a ResNet's or Res2Net's first convolution are drawn from a normal distribution,
  of deviation ``sqrt(2 / (k * k * out_channels))``, as the published code of FCA-Net
  (``resnet_split.py``) and FocusCut (``resnet_lz.py``) has it. The image's are taken as they are;
  FCA-Net feeds RGB in 0..1 all the same.
* Distance channels of VGG-16's first convolution are zero, so that it begins with what VGG-16 knows
  of images; RIS-Net says nothing of them. torchvision's weights know RGB with ImageNet's mean and
  deviation, the networks here feed 0..255 less a mean: weights and bias of that convolution make up
  for it (padding aside).
* fc6 and fc7 of LargeFOV are VGG-16's, decimated as in DeepLab: every fourth channel, and of 7x7
  taps at stride 32 each third one, which are as far apart as 3x3 taps at stride 8 and dilation 12.
  iFCN's, which are not decimated, are VGG-16's. They stay as they were drawn if the file has only
  ``features``.
* Click embedding of the Mix Transformer, OCR, SGM and HSGM, all heads: as they were drawn.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from iseg_widget.networks.hrnet import HRNetOCR
from iseg_widget.networks.ifcn import FIELD, FullyConvolutionalVGG16
from iseg_widget.networks.mix_transformer import SIZES, MixTransformer
from iseg_widget.networks.res2net import Res2Block
from iseg_widget.networks.resnet import ResNet
from iseg_widget.networks.vgg import PIXEL_MEAN, STAGES, LargeFOV

State = dict[str, Tensor]

MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)
"""Of RGB in 0..1, that all these files were trained with."""

FIELD_CHANNELS = 512
"""What VGG-16's first fully connected layer sees, beside 7x7 taps."""

COUNTER = "num_batches_tracked"
"""Of batch normalisation; older files have none."""


@dataclass(frozen=True)
class Form:
    """How a kind of file fits a backbone.

    Attributes
    ----------
    title: of the backbone.
    file: what the file is called where it is published.
    new: beginnings of the backbone's own entries that no such file has.
    dropped: beginnings of the file's entries that are of no use.
    convert: the file's entries under the backbone's names.
    """

    title: str
    file: str
    new: tuple[str, ...]
    dropped: tuple[str, ...]
    convert: Callable[[State, nn.Module], State]


def _resnet(state: State, backbone: nn.Module) -> State:
    """Widen the first convolution by the click channels."""
    stem = "conv1.weight" if "conv1.weight" in state else "conv1.0.weight"
    if stem not in state or stem not in backbone.state_dict():
        return state
    image, own = state[stem], backbone.get_parameter(stem)
    clicks = own.shape[1] - image.shape[1]
    if clicks > 0 and image[:, 0].shape == own[:, 0].shape:
        deviation = math.sqrt(2 / (own.shape[2] * own.shape[3] * own.shape[0]))
        drawn = torch.randn(own.shape[0], clicks, *own.shape[2:]) * deviation
        state[stem] = torch.cat([image, drawn], 1)
    return state


def _same(state: State, _: nn.Module) -> State:
    return state


def _convolutional(state: State, like: Tensor) -> State:
    """fc6 (shaped as ``like``) and fc7 from VGG-16's fully connected layers, if they are those."""
    first, second = (state.get(f"classifier.{index}.weight") for index in (0, 3))
    if (
        first is None
        or second is None
        or first.shape[1] != FIELD_CHANNELS * FIELD**2
        or second.shape != (first.shape[0], first.shape[0])
    ):
        return {}
    step = first.shape[0] // like.shape[0]
    apart = 1 if like.shape[2] == FIELD else 3
    taps = first.view(-1, FIELD_CHANNELS, FIELD, FIELD)
    named = {
        "layers.fc6.weight": taps[::step, :, ::apart, ::apart],
        "layers.fc7.weight": second[::step, ::step, None, None],
    }
    for ours, theirs in (("fc6", "0"), ("fc7", "3")):
        named[f"layers.{ours}.bias"] = state[f"classifier.{theirs}.bias"][::step]
    return named


def _vgg(state: State, backbone: nn.Module) -> State:
    named: State = {}
    index = 0
    for stage, (_, count, _) in enumerate(STAGES, start=1):
        for number in range(1, count + 1):
            for part in ("weight", "bias"):
                if f"features.{index}.{part}" in state:
                    value = state.pop(f"features.{index}.{part}")
                    named[f"layers.conv{stage}_{number}.{part}"] = value
            index += 2  # and its ReLU
        index += 1  # pooling
    if "classifier.0.weight" in state:
        named |= _convolutional(state, backbone.get_parameter("layers.fc6.weight"))
    weight, bias = (named.get(f"layers.conv1_1.{part}") for part in ("weight", "bias"))
    if weight is not None and bias is not None and weight.shape[1] == 3:
        scale = 255.0 * torch.tensor(DEVIATION)
        offset = (torch.tensor(PIXEL_MEAN) - 255.0 * torch.tensor(MEAN)) / scale
        named["layers.conv1_1.bias"] = bias + (weight.sum((2, 3)) * offset).sum(1)
        own = backbone.get_parameter("layers.conv1_1.weight")
        wider = torch.zeros(weight.shape[0], own.shape[1], *weight.shape[2:])
        wider[:, :3] = weight / scale[:, None, None]
        named["layers.conv1_1.weight"] = wider
    # What is left has no name here and is dropped or complained of.
    return named | {key: value for key, value in state.items() if key not in named}


def _form(backbone: nn.Module) -> Form | None:
    """Return what kind of file a module takes; ``None`` when it is no backbone of these kinds."""
    if isinstance(backbone, ResNet):
        blocks = backbone.get_submodule("layer3")
        depth = {6: 50, 23: 101}.get(len(list(blocks.children())), 0)
        fc = ("fc.",)
        if isinstance(next(blocks.children()), Res2Block):
            file = f"res2net{depth}_v1b_26w_4s-*.pth"
            return Form(f"Res2Net-{depth} v1b", file, (), fc, _resnet)
        if isinstance(backbone.conv1, nn.Conv2d):
            return Form(f"ResNet-{depth}", f"resnet{depth}-*.pth", (), fc, _resnet)
        file = f"resnet{depth}_v1s-*.pth"
        return Form(f"ResNet-{depth} with a deep stem", file, (), fc, _resnet)
    if isinstance(backbone, HRNetOCR):
        width = backbone.widths[0]
        small = len(list(backbone.layer1.children())) == 2
        return Form(
            f"HRNet-W{width}{' small v2' if small else ''}",
            f"hrnet_w{width}_small_model_v2.pth"
            if small
            else f"hrnetv2_w{width}_imagenet_pretrained.pth",
            ("conv3x3_ocr.", "ocr_distri_head.", "cls_head.", "aux_head.", "att.", "upatt."),
            ("incre_modules.", "downsamp_modules.", "final_layer.", "classifier."),
            _same,
        )
    if isinstance(backbone, MixTransformer):
        channels = backbone.get_submodule("norm1").get_parameter("weight").shape[0]
        size = next(name for name, made in SIZES.items() if made.channels[0] == channels)
        side = ("patch_embed_side1.",)
        return Form(f"MiT-{size.upper()}", f"mit_{size}.pth", side, ("head.",), _same)
    if isinstance(backbone, (LargeFOV, FullyConvolutionalVGG16)):
        fields = ("layers.fc6.", "layers.fc7.")
        return Form("VGG-16", "vgg16-*.pth", fields, ("classifier.",), _vgg)
    return None


def backbones(net: nn.Module) -> dict[str, tuple[nn.Module, Form]]:
    """Return the parts of a network that such files are for, by name; none in the small ones."""
    forms = {name: (module, _form(module)) for name, module in net.named_modules()}
    return {name: (module, form) for name, (module, form) in forms.items() if form is not None}


def backbone_entries(net: nn.Module) -> set[str]:
    """Names of a network's entries that ImageNet weights fill."""
    found = backbones(net)
    if not found:
        return {key for key in net.state_dict() if key.startswith("backbone.")}
    return {
        f"{name}.{key}"
        for name, (module, form) in found.items()
        for key in module.state_dict()
        if not key.startswith(form.new) and not key.endswith(COUNTER)
    }


def wanted(net: nn.Module) -> str:
    """Say which file to bring for a network."""
    form = next(form for _, form in backbones(net).values())
    return (
        f"ImageNet weights of {form.title} do not come with this package: bring the file and name "
        f"it (--init {form.file})"
    )


def fill(net: nn.Module, state: Mapping[str, Tensor], origin: str) -> None:
    """Fill all backbones of a network, in place.

    Raises
    ------
    ValueError: entries of a backbone are missing in ``state``, have another shape there, or are
        left over; the message names how many, which first, and the file that fits.
    """
    if all(key.startswith("module.") for key in state):
        state = {key.removeprefix("module."): value for key, value in state.items()}
    for backbone, form in backbones(net).values():
        own = backbone.state_dict()
        given = form.convert(dict(state), backbone)
        missing = [
            key
            for key in own
            if key not in given and not key.startswith(form.new) and not key.endswith(COUNTER)
        ]
        unknown = [key for key in given if key not in own and not key.startswith(form.dropped)]
        shapes = [key for key in own if key in given and given[key].shape != own[key].shape]
        problems = [
            f"{len(keys)} {kind} (first {keys[0]})"
            for kind, keys in (
                ("missing", missing),
                ("left over", unknown),
                ("of another shape", shapes),
            )
            if keys
        ]
        if problems:
            raise ValueError(
                f"{origin} holds no ImageNet weights of {form.title}: of its {len(own)} entries "
                f"{', '.join(problems)}; the file that fits is {form.file}"
            )
        taken = {key: value for key, value in given.items() if key in own}
        backbone.load_state_dict(taken, strict=False)
