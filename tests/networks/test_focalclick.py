from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from iseg_widget.networks.focalclick import Coarse, FocalClickLite0, Mirrored, Refiner
from iseg_widget.networks.layers import resize
from iseg_widget.networks.roi_align import roi_align
from tests.networks.lively import lively_network


@pytest.fixture(scope="module")
def network() -> FocalClickLite0:
    return lively_network()


@pytest.fixture(autouse=True)
def _no_gradients():
    with torch.no_grad():
        yield


def crops(count: int, side: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    image = torch.rand(count, 3, side, side, generator=generator)
    return image, (torch.rand(count, 3, side, side, generator=generator) > 0.9).float()


@pytest.mark.parametrize("side", [64, 128, 256])
def test_one_set_of_weights_segments_every_side(network: FocalClickLite0, side: int):
    coarse = network.segment(*crops(1, side))
    assert coarse.logits.shape == (1, 1, side, side)
    assert coarse.features.shape[2:] == (side // 4, side // 4)


def test_samples_of_a_batch_do_not_see_each_other(network: FocalClickLite0):
    image, interaction = crops(2, 64)
    together = network.segment(image, interaction)
    boxes = torch.tensor([[0.0, 0, 64, 64], [10, 20, 50, 40]])
    refined = network.refine(image, interaction[:, 1:], together, boxes)
    for i in range(2):
        alone = network.segment(image[i : i + 1], interaction[i : i + 1])
        torch.testing.assert_close(together.logits[i : i + 1], alone.logits, atol=1e-4, rtol=1e-3)
        again = network.refine(
            image[i : i + 1], interaction[i : i + 1, 1:], alone, boxes[i : i + 1]
        )
        torch.testing.assert_close(refined.refined[i : i + 1], again.refined, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("channel", [0, 1, 2])
def test_previous_mask_and_both_kinds_of_clicks_matter(network: FocalClickLite0, channel: int):
    image, interaction = crops(1, 64)
    changed = interaction.clone()
    changed[:, channel] = 1 - changed[:, channel]
    before, after = (network.segment(image, maps).logits for maps in (interaction, changed))
    assert (before - after).abs().max() > 0.05


def test_refiner_sees_the_segmentors_logits_in_its_box(network: FocalClickLite0):
    image, interaction = crops(1, 64)
    coarse = network.segment(image, interaction)
    box = torch.tensor([[8.0, 16.0, 40.0, 64.0]])
    refined = network.refine(image, interaction[:, 1:], coarse, box)
    assert {tuple(plane.shape) for plane in refined} == {(1, 1, 64, 64)}
    torch.testing.assert_close(refined.coarse, roi_align(coarse.logits, box, (64, 64)))
    everything = torch.tensor([[0.0, 0.0, 64.0, 64.0]])
    refined = network.refine(image, interaction[:, 1:], coarse, everything)
    torch.testing.assert_close(refined.coarse, coarse.logits)


def test_refiner_sees_the_segmentors_features_in_its_box_only(network: FocalClickLite0):
    """The box's lower right quarter of a 64 x 64 crop is cells 8 to 16 of 16."""
    image, interaction = crops(1, 64)
    coarse = network.segment(image, interaction)
    box = torch.tensor([[32.0, 32.0, 64.0, 64.0]])
    plain = network.refine(image, interaction[:, 1:], coarse, box).refined
    for cells, matters in ((slice(0, 7), False), (slice(10, 16), True)):
        features = coarse.features.clone()
        features[:, :, cells, cells] += 5
        changed = coarse._replace(features=features)
        found = network.refine(image, interaction[:, 1:], changed, box).refined
        assert bool((found - plain).abs().max() > 1e-3) == matters


class TestEquation1:
    """M_r = sigmoid(M_b) * M_d + (1 - sigmoid(M_b)) * M_l."""

    def refined(self, refiner: Refiner) -> dict[str, Tensor]:
        generator = torch.Generator().manual_seed(2)
        shapes = ((2, 3, 64, 64), (2, 2, 64, 64), (2, 8, 16, 16), (2, 1, 64, 64))
        image, clicks, features, coarse = (torch.randn(s, generator=generator) for s in shapes)
        return refiner(image, clicks, refiner.reduce(features), coarse)._asdict()

    def test_refined_logits_are_the_weighted_sum(self):
        torch.manual_seed(3)
        maps = self.refined(Refiner(8, 16).eval())
        weight = torch.sigmoid(maps["boundary"])
        torch.testing.assert_close(
            maps["refined"], weight * maps["detail"] + (1 - weight) * maps["coarse"]
        )

    @pytest.mark.parametrize(("bias", "source"), [(60.0, "detail"), (-60.0, "coarse")])
    def test_boundary_takes_the_detail_and_the_rest_stays_coarse(self, bias: float, source: str):
        torch.manual_seed(3)
        refiner = Refiner(8, 16).eval()
        nn.init.constant_(refiner.refine_trimap.bias, bias)
        maps = self.refined(refiner)
        torch.testing.assert_close(maps["refined"], maps[source], atol=1e-5, rtol=1e-5)


def test_resize_does_nothing_at_the_same_size():
    x = torch.randn(1, 2, 5, 7)
    assert resize(x, (5, 7)) is x
    corners = resize(x, (9, 9))[0, 0, ::8, ::8]
    torch.testing.assert_close(corners, x[0, 0][[0, -1]][:, [0, -1]])


def mirror(maps: Tensor) -> Tensor:
    return maps.flip(3)


def test_mirrored_the_answer_is_the_mean_of_both(network: FocalClickLite0):
    image, interaction = crops(2, 64)
    boxes = torch.tensor([[0.0, 0, 64, 64], [10, 20, 50, 40]])
    across = torch.tensor([[0.0, 0, 64, 64], [14, 20, 54, 40]])
    straight = network.segment(image, interaction)
    turned = network.segment(mirror(image), mirror(interaction))
    asked = Mirrored(network)
    coarse = asked.segment(image, interaction)
    expected = (straight.logits + mirror(turned.logits)) / 2
    torch.testing.assert_close(coarse.logits, expected, atol=1e-4, rtol=1e-3)
    assert (coarse.logits - straight.logits).abs().max() > 0.1

    clicks = interaction[:, 1:]
    one = network.refine(image, clicks, Coarse(expected, straight.features), boxes)
    other = network.refine(
        mirror(image), mirror(clicks), Coarse(mirror(expected), turned.features), across
    )
    refined = asked.refine(image, clicks, coarse, boxes)
    for name in refined._fields:
        mean = (getattr(one, name) + mirror(getattr(other, name))) / 2
        torch.testing.assert_close(getattr(refined, name), mean, atol=1e-4, rtol=1e-3)
