"""FCA-Net and FocusCut with EfficientNet-Lite0: weights files, clicks and undo, end to end."""

import numpy as np
import pytest
import torch

import iseg_widget as iseg
from iseg_widget.weights.registry import export, networks
from tests.networks.lively import settle

NAMES = {"fca_net": "fcanet-lite0", "focuscut": "focuscut-lite0"}
OPTIONS = {"fca_net": {"short_side": 96, "structural_integrity": False}, "focuscut": {"size": 96}}


@pytest.fixture(scope="module", params=sorted(NAMES))
def loaded(request, tmp_path_factory):
    """A method with random weights that answers with some object and some background."""
    name = request.param
    path = tmp_path_factory.mktemp("weights") / f"{NAMES[name]}.safetensors"
    torch.manual_seed(1)
    shapes = {"fca_net": (3, 2, 1), "focuscut": (6,)}[name]
    network = settle(networks()[NAMES[name]](), *(torch.rand(2, c, 96, 128) for c in shapes))
    export(network.state_dict(), path, {"network": NAMES[name]})
    return iseg.load_method(name, weights=path, options=OPTIONS[name], device="cpu"), path


def picture():
    return np.random.default_rng(3).integers(0, 256, (60, 80, 3)).astype(np.uint8)


def test_clicks_change_the_mask_and_undo_brings_it_back(loaded):
    session = iseg.Session(loaded[0], picture())
    first = session.click(40, 30).mask
    second = session.click(10, 12, positive=False)
    session.click(60, 40)
    assert second.mask.shape == (60, 80)
    assert np.isfinite(second.probability).all()
    assert 0 < first.sum() < first.size
    session.undo()
    assert np.array_equal(session.mask, second.mask)
    session.undo()
    assert np.array_equal(session.mask, first)
    assert np.array_equal(session.click(10, 12, positive=False).mask, second.mask)


def test_the_file_is_small(loaded):
    assert loaded[1].stat().st_size < 12e6


def test_the_trace_is_there(loaded):
    session = iseg.Session(loaded[0], picture(), trace=True)
    trace = session.click(40, 30).trace
    assert {"positive_clicks", "negative_clicks", "probability"} <= set(trace)
    if loaded[0].name == "fca_net":
        assert trace["first_click_probability"].shape == (6, 8)


def test_weights_of_the_other_method_are_refused(loaded):
    method, path = loaded
    (other,) = set(NAMES) - {method.name}
    with pytest.raises(ValueError, match="names the network"):
        iseg.load_method(other, weights=path)
