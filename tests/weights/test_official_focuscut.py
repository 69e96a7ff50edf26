"""Published FocusCut checkpoints: recognised, loaded without loss, or refused."""

import json

import pytest
import torch

from iseg_widget.networks.focuscut import FocusCutNetwork
from iseg_widget.weights.official_focuscut import build, recognise, rename

BACKBONES = ("resnet50", "resnet101")


@pytest.fixture(scope="module", params=BACKBONES)
def keys(request, parity_root):
    path = parity_root / f"keys_focuscut_{request.param}.json"
    if not path.is_file():
        pytest.skip(f"no {path.name} in {parity_root}")
    return request.param, json.loads(path.read_text())


def shapes(keys):
    """A state dict of the published names and shapes that takes no memory."""
    return {key: torch.empty(shape, device="meta") for key, shape in keys}


@pytest.mark.parity
def test_published_names_and_ours_correspond_one_to_one(keys):
    backbone, published = keys
    with torch.device("meta"):
        network = FocusCutNetwork(backbone)
    ours = {name: list(value.shape) for name, value in network.state_dict().items()}
    assert {rename(key): shape for key, shape in published} == ours
    assert len(ours) == len(published)


@pytest.mark.parity
def test_the_backbone_is_recognised(keys):
    backbone, published = keys
    assert recognise(shapes(published), "a file") == backbone


@pytest.mark.parity
def test_a_missing_an_unknown_and_a_misshapen_entry_are_named(keys):
    _, published = keys
    state = shapes(published)
    del state["my_aspp.bn1.weight"]
    state["extra"] = torch.empty(1, device="meta")
    state["pred_decoder.pred_conv.0.weight"] = torch.empty((2, 256, 1, 1), device="meta")
    with pytest.raises(ValueError, match="a file does not fit") as caught, torch.device("meta"):
        build(state, "a file")
    for name in ("aspp.project.norm.weight", "extra", "head.0.weight"):
        assert name in str(caught.value)


def test_names_that_are_not_published_stay():
    assert rename("something.else") == "something.else"
    assert rename("backbone.layers.5.0.weight") == "backbone.layers.5.0.weight"


@pytest.mark.parametrize(
    "state",
    [
        {"a": torch.zeros(1)},
        {"backbone.layers.0.0.weight": torch.zeros(64, 5, 7, 7)},
    ],
)
def test_what_is_no_focuscut_checkpoint_is_refused(state):
    with pytest.raises(ValueError, match="64 x 6 x 7 x 7"):
        build(state, "a file")
