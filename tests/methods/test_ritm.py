"""RITM's procedure with networks in closed form; parity is in ``test_ritm_parity.py``."""

import dataclasses
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iseg_widget.clicks import Click
from iseg_widget.methods.registry import build_options, load_method, method_title, weights_family
from iseg_widget.methods.ritm import RITM, RITMOptions
from iseg_widget.methods.ritm_rules import grow
from iseg_widget.protocol import VIEW_KINDS, Method
from iseg_widget.session import Session, replay
from iseg_widget.views import cut, whole
from tests.methods.ritm_stand_in import Reads, Tiny

SHAPE = (120, 160)
OBJECT = (60, 40, 100, 70)
SMALL = {"min_crop": 20, "crop_side": 80}


def mask_of(*boxes):
    mask = np.zeros(SHAPE, bool)
    for box in boxes:
        cut(mask, box)[...] = True
    return mask


def picture(mask):
    return np.dstack([mask * 255, mask * 0, mask * 0]).astype(np.uint8)


def noise(shape=SHAPE, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (*shape, 3), np.uint8)


def reading(image=None, mask=None, *, trace=True, **options):
    image = picture(mask_of(OBJECT)) if image is None else image
    return Session(RITM(Reads(), RITMOptions(**{**SMALL, **options})), image, mask, trace=trace)


def seen(session, index=-1):
    return session.method.network.seen[index]


clicks_anywhere = st.lists(
    st.builds(Click, st.integers(0, SHAPE[1] - 1), st.integers(0, SHAPE[0] - 1), st.booleans()),
    min_size=1,
    max_size=5,
)


class TestOptions:
    @pytest.mark.parametrize(
        "fields",
        [
            {"skip_clicks": -1},
            {"expansion": 0.9},
            {"min_crop": 0},
            {"crop_side": 8},
            {"keep_overlap": 1.5},
            {"max_side": 10},
            {"zoom_threshold": 0.0},
            {"threshold": 1.0},
        ],
    )
    def test_values_that_are_not_accepted_are_named(self, fields):
        (name,) = fields
        with pytest.raises(ValueError, match=name):
            RITMOptions(**fields)

    def test_the_registry_knows_it(self):
        assert build_options("ritm", {"crop_side": 600}).crop_side == 600
        assert method_title("ritm") == "RITM (ICIP 2022)"
        assert {name: weights_family(name) for name in ("ritm", "brs", "f_brs", "fca_net")} == {
            "ritm": "ritm",
            "brs": "ritm",
            "f_brs": "ritm",
            "fca_net": "fca_net",
        }

    @pytest.mark.parametrize("name", ["ritm", "brs", "f_brs"])
    def test_unknown_weights_are_refused_by_the_name_of_the_family(self, name):
        with pytest.raises(ValueError, match=r"no weights 'none' for 'ritm'.*SamsungLabs/ritm"):
            load_method(name, weights="none")


class TestWhereItLooks:
    def test_the_first_click_sees_the_whole_image_at_native_size(self):
        session = reading()
        step = session.click(80, 50)
        assert isinstance(session.method, Method)
        assert [(view.kind, view.box) for view in step.views] == [("zoom_in", whole(SHAPE))]
        assert step.views[0].kind in VIEW_KINDS
        image, interaction = seen(session)
        assert tuple(image.shape) == tuple(interaction.shape) == (2, 3, *SHAPE)
        assert not interaction[:, 0].any()
        np.testing.assert_array_equal(step.mask, mask_of(OBJECT))

    def test_later_clicks_see_the_object_with_a_margin(self):
        session = reading()
        session.click(80, 50)
        step = session.click(70, 50)
        assert step.views[0].box == grow(OBJECT, 1.4, SHAPE, 20) == (52, 34, 109, 77)
        assert tuple(seen(session)[0].shape) == (2, 3, 60, 80)
        assert step.probability[:, :52].max() == 0

    def test_skipped_clicks_see_the_whole_image(self):
        session = reading(skip_clicks=3)
        boxes = [session.click(70 + i, 50).views[0].box for i in range(4)]
        assert boxes[:3] == [whole(SHAPE)] * 3
        assert boxes[3] != whole(SHAPE)

    def test_without_zoom_every_click_does(self):
        session = reading(zoom_in=False)
        assert {session.click(70 + i, 50).views[0].box for i in range(4)} == {whole(SHAPE)}

    def test_a_crop_stays_until_a_positive_click_leaves_it(self):
        session = reading(np.dstack([mask_of(OBJECT, (10, 40, 30, 60)) * 255] * 3).astype(np.uint8))
        session.click(80, 50)
        kept = session.click(70, 50).views[0].box
        assert session.click(5, 5, positive=False).views[0].box == kept
        grown = session.click(110, 119).views[0].box
        assert grown != kept
        assert grown[3] == SHAPE[0]

    @pytest.mark.parametrize(
        ("last", "stays"), [((40, 25, 120, 85), True), ((0, 0, 160, 120), False)]
    )
    def test_a_crop_stays_while_it_overlaps_the_new_one_by_half(self, last, stays):
        """The new one is (52, 34, 109, 77): 57 of 80 times 43 of 60, or 57 of 160 …"""
        session = reading()
        session.click(80, 50)
        state = dataclasses.replace(session._timeline[-1].state, region=last)
        following, step = session.method.step(state, [Click(70, 50)])
        assert step.views[0].box == following.region == (last if stays else (52, 34, 109, 77))

    def test_an_edit_gives_a_new_crop(self):
        session = reading(expansion=1.0, min_crop=10)
        session.click(80, 50)
        session.click(70, 50)
        session.edit(mask_of((64, 44, 96, 66)))
        assert session.click(80, 50).views[0].box == grow((64, 44, 96, 66), 1.0, SHAPE)

    def test_large_images_are_reduced_as_a_whole(self):
        session = reading(max_side=80)
        step = session.click(80, 50)
        assert tuple(seen(session)[0].shape) == (2, 3, 60, 80)
        assert step.probability.shape == SHAPE
        assert np.mean(step.mask != mask_of(OBJECT)) < 0.02
        native = reading(max_side=None)
        native.click(80, 50)
        assert tuple(seen(native)[0].shape) == (2, 3, *SHAPE)

    def test_reducing_a_large_image_averages(self):
        image = np.zeros((400, 400, 3), np.uint8)
        image[:, ::2] = 255
        session = reading(image, max_side=50)
        session.click(200, 200)
        assert seen(session)[0].std() < 0.01

    def test_a_vanished_object_gives_the_whole_image_again(self):
        """With compat the answer is squeezed into the last crop, as published."""
        answers = {}
        for compat in (False, True):
            session = reading(compat=compat)
            session.click(80, 50)
            crop = session.click(70, 50).views[0].box
            # As if the last answer had found nothing.
            state = session._timeline[-1].state
            empty = dataclasses.replace(state.soft, logits=state.soft.logits * 0 - 9)
            state = dataclasses.replace(state, soft=empty)
            _, answers[compat] = session.method.step(state, [Click(75, 50)])
            assert answers[compat].views[0].box == whole(SHAPE)
        np.testing.assert_array_equal(answers[False].mask, mask_of(OBJECT))
        outside = np.ones(SHAPE, bool)
        cut(outside, crop)[...] = False
        assert not answers[True].probability[outside].any()
        assert 0 < answers[True].mask.sum() < mask_of(OBJECT).sum() / 2


class TestWhatItFeeds:
    def test_the_mirror_image_goes_along_in_one_batch(self):
        session = reading(noise())
        session.click(30, 20)
        image, interaction = seen(session)
        assert len(session.method.network.seen) == 1
        np.testing.assert_array_equal(image[1], image[0].flip(2))
        np.testing.assert_array_equal(interaction[1], interaction[0].flip(2))
        single = reading(noise(), flip=False)
        single.click(30, 20)
        assert len(seen(single)[0]) == 1

    def test_disks_lie_where_the_crop_shows_the_click(self):
        """A crop of 41 x 31 pixels at 80 x 60: 40 and 30 steps become 79 and 59."""
        session = reading(expansion=1.0, min_crop=1, crop_side=80)
        session.click(80, 50)
        session.click(70, 50)
        disk = seen(session)[1][0, 1].numpy()
        rows, columns = np.nonzero(disk)
        assert seen(session)[0].shape[2:] == (60, 80)
        expected = [(x - 60) * 79 / 40 for x in (80, 70)]
        low, high = columns[columns < 30].mean(), columns[columns > 30].mean()
        assert (high, low) == pytest.approx(expected, abs=0.6)
        assert rows.mean() == pytest.approx((50 - 40) * 59 / 30, abs=0.6)

    def test_the_last_probability_is_fed_not_the_mask(self):
        session = reading(noise())
        first = session.click(30, 20)
        session.click(31, 20)
        box = session.step.views[0].box
        fed = seen(session)[1][0, 0]
        assert box == whole(SHAPE)
        assert float(((fed > 0.05) & (fed < 0.95)).float().mean()) > 0
        assert float(fed.mean()) == pytest.approx(first.probability.mean(), abs=0.01)

    def test_an_existing_mask_is_fed(self):
        mask = mask_of((10, 10, 30, 30))
        session = reading(mask=mask)
        session.click(80, 50)
        np.testing.assert_array_equal(seen(session)[1][0, 0].numpy(), mask)

    def test_an_edited_mask_is_fed(self):
        session = reading(zoom_in=False)
        session.click(80, 50)
        session.edit(mask_of((10, 10, 30, 30)))
        session.click(80, 50)
        np.testing.assert_array_equal(seen(session)[1][0, 0], mask_of((10, 10, 30, 30)))


class TestWhatTheUserGets:
    def test_the_mask_is_the_probability_above_the_threshold(self):
        session = Session(RITM(Tiny(), RITMOptions(**SMALL)), noise())
        for click in (Click(30, 20), Click(90, 80), Click(100, 10, positive=False)):
            step = session.click_many([click])
            np.testing.assert_array_equal(step.mask, step.probability > 0.49)
            assert step.probability.dtype == np.float32
            np.testing.assert_array_equal(
                step.soft.render((3, 4, 30, 20)), step.probability[4:20, 3:30]
            )

    def test_an_existing_mask_is_kept_away_from_the_click(self):
        other = mask_of((10, 10, 30, 30))
        assert reading(mask=other).click(80, 50).mask[20, 20]
        without = reading(mask=other, progressive_merge=False).click(80, 50)
        np.testing.assert_array_equal(without.mask, mask_of(OBJECT))

    def test_from_scratch_nothing_is_merged(self):
        session = reading()
        session.click(5, 5)
        np.testing.assert_array_equal(session.mask, mask_of(OBJECT))

    def test_the_trace_shows_what_was_fed_and_both_answers(self):
        step = reading().click(80, 50)
        assert set(step.trace) == {
            "previous_mask",
            "positive_clicks",
            "negative_clicks",
            "crop_probability",
            "straight_probability",
            "mirrored_probability",
        }
        assert all(values.shape == SHAPE for values in step.trace.values())
        assert step.trace["positive_clicks"].sum() == 29  # a disk of radius 3
        assert not reading(trace=False).click(80, 50).trace


@settings(deadline=None, max_examples=30)
@given(clicks=clicks_anywhere, seed=st.integers(0, 5))
def test_crops_lie_in_the_image_and_hold_the_positive_clicks(clicks, seed):
    session = Session(RITM(Tiny(seed), RITMOptions(**SMALL)), noise(seed=seed))
    for click in clicks:
        step = session.click_many([click])
        (view,) = step.views
        x0, y0, x1, y1 = view.box
        assert 0 <= x0 < x1 <= SHAPE[1]
        assert 0 <= y0 < y1 <= SHAPE[0]
        for x, y in ((c.x, c.y) for c in session.clicks if c.positive):
            assert x0 <= x < x1
            assert y0 <= y < y1
        assert 0 <= step.probability.min() <= step.probability.max() <= 1


@settings(deadline=None, max_examples=20)
@given(clicks=clicks_anywhere, seed=st.integers(0, 5))
def test_a_mirrored_image_gives_the_mirrored_answer(clicks, seed):
    """Thanks to the averaging: the network itself tells left from right."""
    answers = {}
    for flip in (True, False):
        method = RITM(Tiny(seed), RITMOptions(zoom_in=False, flip=flip))
        straight, mirrored = (
            Session(method, image) for image in (noise(), np.ascontiguousarray(noise()[:, ::-1]))
        )
        for click in clicks:
            straight.click_many([click])
            mirrored.click_many([Click(SHAPE[1] - 1 - click.x, click.y, click.positive)])
        answers[flip] = straight.probability, mirrored.probability[:, ::-1]
    np.testing.assert_allclose(*answers[True], atol=1e-5)
    assert np.abs(answers[False][0] - answers[False][1]).max() > 0.01


@settings(deadline=None, max_examples=20)
@given(clicks=clicks_anywhere)
def test_a_step_is_pure(clicks):
    method = RITM(Tiny(), RITMOptions(**SMALL))
    state = method.start(noise(), mask_of(OBJECT))
    for click in clicks:
        before = pickle.dumps(state)
        following, step = method.step(state, [click])
        _, again = method.step(state, [click], trace=True)
        assert pickle.dumps(state) == before
        np.testing.assert_array_equal(step.probability, again.probability)
        np.testing.assert_array_equal(step.mask, again.mask)
        state = following


def test_undo_and_replay_restore_bit_for_bit():
    session = Session(RITM(Tiny(), RITMOptions(**SMALL)), noise())
    clicks = [Click(30, 20), Click(90, 80), Click(100, 10, positive=False), Click(50, 60)]
    answers = [session.click_many([click]).probability for click in clicks]
    for index in (2, 1):
        session.undo()
        np.testing.assert_array_equal(session.probability, answers[index])
    for index in (2, 3):
        session.click_many([clicks[index]])
        np.testing.assert_array_equal(session.probability, answers[index])
    repeated = replay(session.method, session.image, session.log())
    np.testing.assert_array_equal(repeated.probability, answers[-1])


def test_the_history_stays_small():
    session = Session(RITM(Tiny()), noise((900, 1200)))
    for index in range(4):
        session.click(300 + 50 * index, 400)
    state = session._timeline[-1].state
    assert len(pickle.dumps(dataclasses.replace(state, image=state.image[:1, :1]))) < 100_000
