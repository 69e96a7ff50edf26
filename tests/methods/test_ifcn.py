import numpy as np
import pytest
import torch
from torch import nn

from iseg_widget.clicks import Click
from iseg_widget.encode import distance_maps
from iseg_widget.methods.ifcn import IFCN, IFCNOptions
from iseg_widget.methods.registry import build_options, load_method, method_title
from iseg_widget.networks.ifcn import IFCNLite0
from iseg_widget.protocol import Method
from iseg_widget.session import Session
from iseg_widget.weights.registry import export, networks

SHAPE = (90, 120)


class Nearest(nn.Module):
    """Object where a positive click is nearer than a negative one; remembers what it saw."""

    def __init__(self):
        super().__init__()
        self.anchor = nn.Parameter(torch.zeros(1))
        self.seen = []

    def forward(self, image, distances):
        self.seen.append((image, distances))
        return 20 * (distances[:, 1:] - distances[:, :1]), image


def session(mask=None, shape=SHAPE, trace=True, **options):
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    return Session(IFCN(Nearest(), IFCNOptions(**options)), image, mask, trace=trace)


@pytest.mark.parametrize("fields", [{"cap": 0.0}, {"max_side": 3}, {"threshold": 1.0}])
def test_values_that_are_not_accepted_are_named(fields):
    (name,) = fields
    with pytest.raises(ValueError, match=name):
        IFCNOptions(**fields)


def test_the_network_sees_the_image_and_capped_distances_in_0_to_1():
    made = session(cap=40.0)
    made.click(20, 30)
    step = made.click(100, 30, positive=False)
    assert isinstance(made.method, Method)
    image, distances = made.method.network.seen[-1]
    np.testing.assert_array_equal(image[0].numpy().transpose(1, 2, 0) * 255, made.image)
    expected = distance_maps(np.array([[20, 30, 1], [100, 30, 0]]), SHAPE, 40.0)
    np.testing.assert_allclose(distances[0], expected / 40)
    assert distances.max() == 1
    assert step.views == ()
    np.testing.assert_array_equal(step.trace["positive_distance"], expected[0])


def test_the_mask_is_the_probability_above_the_threshold():
    made = session()
    made.click(20, 30)
    step = made.click(100, 30, positive=False)
    np.testing.assert_array_equal(step.mask, step.probability > 0.5)
    columns = np.broadcast_to(np.arange(SHAPE[1]), SHAPE)
    np.testing.assert_array_equal(step.mask, columns < 60)


def test_large_images_are_reduced_and_so_are_distances():
    made = session(shape=(300, 600), max_side=60, trace=False)
    step = made.click(300, 150)
    _, distances = made.method.network.seen[-1]
    assert tuple(distances.shape) == (1, 2, 30, 60)
    assert float(distances[0, 0, 15, 59]) == pytest.approx(30 / 255, abs=0.01)
    assert step.probability.shape == (300, 600)


def test_an_existing_mask_is_kept_away_from_the_click():
    mask = np.zeros(SHAPE, bool)
    mask[:20, 100:] = True
    clicks = [Click(20, 30), Click(100, 80, positive=False)]
    made = session(mask)
    made.click_many(clicks)
    assert made.mask[5, 110]
    assert made.mask[30, 20]
    without = session(mask, progressive_merge=False)
    assert not without.click_many(clicks).mask[5, 110]
    made.edit(~mask)
    assert not made.mask[5, 110]


def test_undo_restores_bit_for_bit():
    made = session()
    first = made.click(20, 30).probability
    last = made.click(70, 80, positive=False).probability
    made.undo()
    np.testing.assert_array_equal(made.probability, first)
    np.testing.assert_array_equal(made.click(70, 80, positive=False).probability, last)


def test_the_registry_builds_it_and_its_lite_network(tmp_path):
    assert method_title("ifcn") == "iFCN (CVPR 2016)"
    assert build_options("ifcn", None) == IFCNOptions()
    with pytest.raises(ValueError, match="no weights 'x' for 'ifcn'"):
        load_method("ifcn", weights="x")
    torch.manual_seed(0)
    network = networks()["ifcn-lite0"]()
    assert isinstance(network, IFCNLite0)
    path = tmp_path / "mine.safetensors"
    export(network.state_dict(), path, {"network": "ifcn-lite0"})
    method = load_method("ifcn", weights=path, device="cpu")
    image = np.random.default_rng(0).integers(0, 256, (*SHAPE, 3), np.uint8)
    step = Session(method, image).click(30, 30)
    assert step.mask.shape == SHAPE
    assert np.isfinite(step.probability).all()
