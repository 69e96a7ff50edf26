"""IA-FPN's procedure around networks whose answers can be read off the picture."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from iseg_widget.clicks import Click
from iseg_widget.methods.ia_fpn import IAFPN, IAFPNOptions
from iseg_widget.methods.ia_fpn_rules import (
    inside,
    margin_ratio,
    view_clicks,
    view_maps,
    zoom_box,
)
from iseg_widget.networks.ia_fpn import IAFPNNetwork, Prediction
from iseg_widget.networks.interaction_attention import Propagation
from iseg_widget.session import Session, replay


class Reads(IAFPNNetwork):
    """Coarse: object where the picture is red; fine: where it is green, or was called object.

    ``seen`` holds (which, image, maps, points, how) of each call.
    """

    def __init__(self) -> None:
        super().__init__()
        self.anchor = nn.Parameter(torch.zeros(1), requires_grad=False)
        self.seen: list[tuple] = []

    def answer(self, which, image, maps, points, how):
        self.seen.append((which, image, maps, points, how))
        previous, positive, negative = maps.split(1, dim=1)
        colour = image[:, :1] if which == "coarse" else image[:, 1:2]
        logits = 16 * (colour - 0.5) + previous + 0.5 * positive - 0.5 * negative
        shape = (1, 1, 1, 1, points.shape[1])
        weights = torch.ones(shape).expand(len(image), 1, *logits.shape[2:], shape[-1])
        return Prediction(logits, None, weights[:, :, ::4, ::4], weights[:, :, ::2, ::2])

    def coarse(self, image, maps, points, how):
        return self.answer("coarse", image, maps, points, how)

    def fine(self, image, maps, points, how):
        return self.answer("fine", image, maps, points, how)


class Lopsided(Reads):
    """Tells left from right: surer of the object on the left."""

    def answer(self, which, image, maps, points, how):
        found = super().answer(which, image, maps, points, how)
        slope = torch.linspace(8, -4, image.shape[3])
        return found._replace(logits=found.logits + slope)


HEIGHT, WIDTH = 60, 90


def square(x0: int, y0: int, x1: int, y1: int):
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[y0:y1, x0:x1] = True
    return mask


OBJECT = square(30, 20, 50, 40)


def picture(coarse: np.ndarray = OBJECT, fine: np.ndarray = OBJECT):
    return np.dstack([coarse * 255, fine * 255, 0 * coarse]).astype(np.uint8)


@pytest.fixture
def network():
    return Reads().eval()


class TestProcedure:
    def test_the_fine_answer_in_the_crop_is_the_mask(self, network):
        fine = square(32, 20, 50, 38) | square(0, 0, 5, 5)  # the corner is outside the crop
        step = Session(IAFPN(network), picture(OBJECT, fine)).click(40, 30)
        assert [call[0] for call in network.seen] == ["coarse", "fine"]
        (view,) = step.views
        assert view.kind == "zoom_in"
        x0, y0, x1, _ = view.box
        assert 0 < x0 < 30
        assert 0 < y0 < 20
        assert not step.probability[:y0].any()
        assert not step.probability[:, x1:].any()
        wanted = square(32, 20, 50, 38)
        assert (step.mask ^ wanted).sum() <= 4 * 2 * 20  # an edge is a pixel wide
        assert not step.mask[:5, :5].any()

    def test_each_network_sees_the_view_and_its_mirror_image(self, network):
        Session(IAFPN(network), picture()).click(40, 30)
        for _, image, maps, points, _ in network.seen:
            assert torch.equal(image[0], image[1].flip(2))
            assert torch.equal(maps[0], maps[1].flip(2))
            assert float(points[0, 0, 0] + points[1, 0, 0]) == image.shape[3] - 1
        assert network.seen[0][1].shape == (2, 3, HEIGHT, WIDTH)
        assert max(network.seen[1][1].shape[2:]) == 400

    def test_without_flip_only_the_view_is_seen(self, network):
        Session(IAFPN(network, IAFPNOptions(flip=False)), picture()).click(40, 30)
        assert [len(call[1]) for call in network.seen] == [1, 1]

    def test_the_mirror_image_takes_side_effects_out(self):
        full = np.ones((HEIGHT, WIDTH), bool)
        for flip, even in ((True, True), (False, False)):
            method = IAFPN(Lopsided().eval(), IAFPNOptions(flip=flip))
            probability = Session(method, picture(full, full)).click(44.5, 30).probability
            assert np.allclose(probability, probability[:, ::-1], atol=1e-5) == even

    def test_the_coarse_network_gets_the_last_answer_and_the_fine_one_the_coarse(self, network):
        session = Session(IAFPN(network), picture())
        first = session.click(40, 30)
        session.click(5, 5, positive=False)
        assert not network.seen[0][2][0, 0].any()
        np.testing.assert_array_equal(network.seen[2][2][0, 0].numpy(), first.probability)
        previous = network.seen[1][2][0, 0]
        assert float(previous.max()) > 0.99
        assert 0.0 < float(previous.min()) < 0.01  # soft

    def test_an_existing_mask_is_the_first_previous_probability(self, network):
        existing = square(60, 0, 90, 60)
        session = Session(IAFPN(network), picture(), existing)
        step = session.click(40, 30)
        np.testing.assert_array_equal(network.seen[0][2][0, 0].numpy(), existing)
        assert step.mask[30, 80]  # kept: progressive merge
        assert step.mask[30, 40]
        options = IAFPNOptions(progressive_merge=False)
        other = Session(IAFPN(network, options), picture(), existing).click(40, 30)
        assert not other.mask[30, 80]

    def test_a_drawn_mask_is_kept_likewise(self, network):
        session = Session(IAFPN(network), picture())
        session.click(40, 30)
        drawn = session.mask | square(0, 50, 8, 60)
        np.testing.assert_array_equal(session.edit(drawn).probability, drawn)
        mask = session.click(45, 35).mask
        assert mask[55, 4]
        assert mask[30, 40]

    def test_negative_clicks_alone_are_answered(self, network):
        step = Session(IAFPN(network), picture()).click(2, 2, positive=False)
        assert step.mask[30, 40]
        assert network.seen[1][3].shape == (2, 0, 3)

    def test_options_reach_the_modules(self, network):
        options = IAFPNOptions(sgm=False, hsgm=False, attention="full", compat=True)
        Session(IAFPN(network, options), picture()).click(40, 30)
        assert {call[4] for call in network.seen} == {Propagation(False, False, "full", True)}

    def test_without_zoom_in_the_fine_network_sees_the_whole_image(self, network):
        far = square(0, 0, 5, 5)
        options = IAFPNOptions(zoom_in=False)
        step = Session(IAFPN(network, options), picture(OBJECT, OBJECT | far)).click(40, 30)
        assert step.views[0].box == (0, 0, WIDTH, HEIGHT)
        assert network.seen[1][1].shape == network.seen[0][1].shape
        assert step.mask[2, 2]

    def test_large_images_are_reduced(self, network):
        options = IAFPNOptions(max_side=45)
        step = Session(IAFPN(network, options), picture(), trace=True).click(40, 30)
        assert network.seen[0][1].shape == (2, 3, 30, 45)
        assert step.trace["coarse_probability"].shape == (30, 45)
        assert step.probability.shape == (HEIGHT, WIDTH)
        assert (step.mask ^ OBJECT).sum() <= 4 * 2 * 20
        # Corners stay on corners.
        assert float(network.seen[0][3][0, 0, 0]) == pytest.approx(40 * 44 / 89)

    def test_much_reduced_crops_are_averaged_and_never_with_compat(self, network):
        stripes = np.zeros((64, 640), bool)
        stripes[:, ::2] = True
        image = np.dstack([np.full_like(stripes, 255), stripes * 255, 0 * stripes])
        for compat, grey in ((False, True), (True, False)):
            network.seen.clear()
            options = IAFPNOptions(crop_side=160, compat=compat)
            Session(IAFPN(network, options), image.astype(np.uint8)).click(300, 30)
            green = network.seen[1][1][0, 1]
            assert bool(((green > 0.4) & (green < 0.6)).all()) == grey

    def test_the_grouping_of_clicks_reaches_the_networks_whole(self, network):
        clicks = [Click(40, 30), Click(45, 35), Click(2, 2, positive=False)]
        Session(IAFPN(network), picture()).click_many(clicks)
        assert len(network.seen) == 2
        assert network.seen[0][3].shape == (2, 3, 3)

    def test_bad_steps_are_refused(self, network):
        method = IAFPN(network)
        state = method.start(picture())
        with pytest.raises(ValueError, match="at least one"):
            method.step(state, [])
        with pytest.raises(ValueError, match="outside"):
            method.step(state, [Click(WIDTH, 3)])


class TestSlips:
    """What the published code does wrong, and what is done instead."""

    def test_where_the_coarse_network_finds_nothing_the_whole_image_is_taken(self, network):
        nothing = np.zeros_like(OBJECT)
        for compat in (False, True):  # at a first click there is no last crop
            method = IAFPN(network, IAFPNOptions(compat=compat))
            step = Session(method, picture(nothing)).click(40, 30)
            assert step.views[0].box == (0, 0, WIDTH, HEIGHT)
            assert (step.mask ^ OBJECT).sum() <= 4 * 2 * 20

    @pytest.mark.parametrize("compat", [False, True])
    def test_later_the_published_code_squeezes_the_answer_into_the_last_crop(self, compat):
        class Forgets(Reads):
            def coarse(self, image, maps, points, how):
                found = super().coarse(image, maps, points, how)
                return found._replace(logits=found.logits - 50.0 * (points.shape[1] > 1))

        network = Forgets().eval()
        session = Session(IAFPN(network, IAFPNOptions(compat=compat)), picture())
        x0, y0, x1, y1 = session.click(40, 30).views[0].box
        step = session.click(45, 35)
        assert step.views[0].box == (0, 0, WIDTH, HEIGHT)
        outside = step.probability.copy()
        outside[y0:y1, x0:x1] = 0
        assert outside.any() != compat
        assert ((step.mask ^ OBJECT).sum() <= 4 * 2 * 20) != compat
        shape = network.seen[3][1].shape[2:]
        assert shape == ((HEIGHT, WIDTH) if compat else (267, 400))

    def test_clicks_outside_the_crop_are_left_out(self, network):
        for compat, count in ((False, 1), (True, 2)):
            network.seen.clear()
            session = Session(IAFPN(network, IAFPNOptions(compat=compat)), picture())
            session.click_many([Click(40, 30), Click(1, 30, positive=False)])
            assert network.seen[0][3].shape[1] == 2
            assert network.seen[1][3].shape[1] == count

    def test_a_click_beside_the_crop_paints_in_one_of_the_two_views(self):
        box, size = (10, 10, 30, 30), (40, 40)
        clicks = [Click(9, 20)]
        straight, mirrored = view_clicks(clicks, box, size, flip=True, compat=True)
        assert straight[0, 0] == -2
        assert view_maps(straight, size, 5.0, compat=True).any()
        assert not view_maps(mirrored, size, 5.0, compat=True).any()
        assert view_clicks(clicks, box, size, flip=True, compat=False).shape == (2, 0, 3)


class TestTrace:
    def test_it_names_what_was_fed_and_found(self, network):
        session = Session(IAFPN(network), picture(), trace=True)
        session.click(40, 30)
        trace = session.click(2, 2, positive=False).trace
        fed = ("previous_probability", "positive_clicks", "negative_clicks", "probability")
        attention = ("sgm_attention", "hsgm_attention")
        assert set(trace) == {
            f"{which}_{name}" for which in ("coarse", "fine") for name in (*fed, *attention)
        }
        for name in fed:
            assert trace[f"coarse_{name}"].shape == (HEIGHT, WIDTH)
        assert trace["coarse_sgm_attention"].shape == (2, HEIGHT // 4, -(-WIDTH // 4))
        assert trace["fine_hsgm_attention"].shape[0] == 1  # the other click is outside the crop
        assert trace["coarse_positive_clicks"][30, 40]
        assert trace["coarse_negative_clicks"][2, 2]
        assert not trace["fine_negative_clicks"].any()

    def test_there_is_none_unless_asked(self, network):
        assert Session(IAFPN(network), picture()).click(40, 30).trace == {}


shapes = st.tuples(st.integers(1, 80), st.integers(1, 80))


@st.composite
def scenes(draw: st.DrawFn):
    """A mask with one box in it, and clicks, the positive ones anywhere."""
    shape = draw(shapes)
    x0, y0 = draw(st.integers(0, shape[1] - 1)), draw(st.integers(0, shape[0] - 1))
    x1, y1 = draw(st.integers(x0 + 1, shape[1])), draw(st.integers(y0 + 1, shape[0]))
    mask = np.zeros(shape, bool)
    mask[y0:y1, x0:x1] = True
    places = st.tuples(st.integers(0, shape[1] - 1), st.integers(0, shape[0] - 1), st.booleans())
    return mask, [Click(*place) for place in draw(st.lists(places, max_size=4))]


class TestRules:
    @settings(deadline=None, max_examples=100)
    @given(scenes())
    def test_the_crop_lies_in_the_image_and_holds_object_and_positive_clicks(self, scene):
        mask, clicks = scene
        x0, y0, x1, y1 = zoom_box(mask, clicks)
        assert 0 <= x0 < x1 <= mask.shape[1]
        assert 0 <= y0 < y1 <= mask.shape[0]
        assert mask[y0:y1, x0:x1].sum() == mask.sum()
        positive = [click for click in clicks if click.positive]
        assert inside(positive, (x0, y0, x1, y1)) == positive

    @settings(deadline=None, max_examples=100)
    @given(scenes(), st.integers(1, 60), st.integers(1, 60), st.booleans())
    def test_clicks_that_are_fed_lie_in_the_crop(self, scene, height, width, flip):
        mask, clicks = scene
        box = zoom_box(mask, clicks)
        points = view_clicks(clicks, box, (height, width), flip=flip, compat=False)
        assert points.shape == (1 + flip, len(inside(clicks, box)), 3)
        assert (points[..., :2] >= -1e-4).all()
        assert (points[..., 0] <= width - 1 + 1e-4).all()
        assert (points[..., 1] <= height - 1 + 1e-4).all()

    def test_an_empty_mask_has_no_crop_whatever_was_clicked(self):
        assert zoom_box(np.zeros((9, 9), bool), [Click(3, 3)]) is None

    @settings(max_examples=50)
    @given(st.integers(1, 99), st.integers(1, 99))
    def test_the_smaller_the_object_the_wider_the_margin(self, side, other):
        small, large = sorted((side, other))
        ratios = [margin_ratio((0, 0, s, s), (100, 100)) for s in (small, large)]
        assert 2.5 >= ratios[0] >= ratios[1] >= 1.4

    def test_the_margin_ends_where_it_should(self):
        assert margin_ratio((5, 5, 6, 6), (100, 100)) == 2.5
        assert margin_ratio((0, 0, 11, 11), (100, 100)) == pytest.approx(2.1)
        assert margin_ratio((0, 0, 30, 30), (100, 100)) == 1.4

    @pytest.mark.parametrize(
        "wrong",
        [
            {"attention": "some"},
            {"crop_side": 31},
            {"max_side": 0},
            {"zoom_threshold": 0.0},
            {"threshold": 1.0},
        ],
    )
    def test_wrong_options_are_refused(self, wrong):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            IAFPNOptions(**wrong)


actions = st.lists(
    st.one_of(
        st.tuples(st.just("click"), st.integers(0, 89), st.integers(0, 59), st.booleans()),
        st.tuples(st.just("edit"), st.integers(0, 30), st.integers(0, 20)),
        st.tuples(st.just("reset")),
    ),
    min_size=1,
    max_size=4,
)


@settings(deadline=None, max_examples=10)
@given(actions, st.booleans(), st.booleans())
def test_undo_and_replay_are_exact(wanted, existing, compat):
    method = IAFPN(Lopsided().eval(), IAFPNOptions(crop_side=64, compat=compat))
    initial = square(0, 25, 8, 30) if existing else None
    session = Session(method, picture(), initial)
    before = [(session.mask, session.probability)]
    for kind, *rest in wanted:
        if kind == "click":
            session.click(*rest)
        elif kind == "edit":
            session.edit(square(rest[0], rest[1], rest[0] + 7, rest[1] + 6))
        elif session.steps:
            session.reset()
        else:
            continue
        before.append((session.mask, session.probability))
    again = replay(method, picture(), json.loads(json.dumps(session.log())))
    np.testing.assert_array_equal(again.mask, session.mask)
    np.testing.assert_array_equal(again.probability, session.probability)
    for mask, probability in reversed(before[:-1]):
        assert session.undo()
        np.testing.assert_array_equal(session.mask, mask)
        np.testing.assert_array_equal(session.probability, probability)
    for mask, probability in before[1:]:
        assert session.redo()
        np.testing.assert_array_equal(session.mask, mask)
        np.testing.assert_array_equal(session.probability, probability)


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (300, 1), (2, 3), (5, 4)])
@pytest.mark.parametrize("compat", [False, True])
def test_tiny_images_are_answered(shape, compat, network):
    image = np.full((*shape, 3), 200, np.uint8)
    method = IAFPN(network, IAFPNOptions(crop_side=64, compat=compat))
    step = Session(method, image, trace=True).click(shape[1] - 1, shape[0] - 1)
    assert step.mask.shape == step.probability.shape == shape
    assert step.mask[-1, -1]
