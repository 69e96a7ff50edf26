"""BRS and f-BRS with a small network; parity is in ``test_ritm_parity.py``."""

import dataclasses
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from iseg_widget.clicks import Click
from iseg_widget.methods.brs import (
    BRS,
    FBRS,
    BRSOptions,
    FBRSOptions,
    _Objective,
    target_squares,
)
from iseg_widget.methods.registry import build_options, method_title
from iseg_widget.methods.ritm import RITM, RITMOptions
from iseg_widget.networks.lite import LiteSegmenter
from iseg_widget.networks.ritm import RITMLite0
from iseg_widget.protocol import Method
from iseg_widget.session import Session
from tests.methods.ritm_stand_in import Tiny

SHAPE = (60, 80)
SMALL = {"min_crop": 20, "crop_side": 80}
CLICKS = (Click(30, 20), Click(60, 40), Click(10, 50, positive=False), Click(70, 10))
KINDS = [
    (BRS, BRSOptions, {"optimise": "rgb"}),
    (BRS, BRSOptions, {"optimise": "distance_maps"}),
    (FBRS, FBRSOptions, {"place": "A"}),
    (FBRS, FBRSOptions, {"place": "B"}),
    (FBRS, FBRSOptions, {"place": "C"}),
]
every_kind = pytest.mark.parametrize(("cls", "options", "fields"), KINDS)


def noise(seed=0):
    return np.random.default_rng(seed).integers(0, 256, (*SHAPE, 3), np.uint8)


def session(cls, options, clicks=CLICKS, *, trace=True, **fields):
    made = Session(cls(Tiny(), options(**{**SMALL, **fields})), noise(), trace=trace)
    for click in clicks:
        made.click_many([click])
    return made


def wrong(made):
    """Clicks whose pixel has the other label."""
    return [click for click in made.clicks if made.mask[click.pixel] != click.positive]


class TestOptions:
    @pytest.mark.parametrize(
        "fields",
        [
            {"optimise_after": -1},
            {"evaluations": 0},
            {"memory": 0},
            {"regularisation": -1.0},
            {"least_change": 2.0},
            {"click_limit": 0},
            {"threshold": 1.0},
        ],
    )
    @pytest.mark.parametrize("options", [BRSOptions, FBRSOptions])
    def test_values_that_are_not_accepted_are_named(self, options, fields):
        (name,) = fields
        with pytest.raises(ValueError, match=name):
            options(**fields)

    def test_so_are_those_of_one_method(self):
        with pytest.raises(ValueError, match="optimise must be 'rgb'"):
            BRSOptions(optimise="depth")
        with pytest.raises(ValueError, match="place must be 'A'"):
            FBRSOptions(place="D")
        with pytest.raises(ValueError, match="bias_weight"):
            FBRSOptions(bias_weight=-1.0)

    def test_the_registry_builds_them(self):
        assert build_options("brs", {"optimise": "distance_maps"}).click_limit == 5
        assert build_options("f_brs", {"place": "C"}).click_limit == 8
        assert method_title("f_brs") == "f-BRS (CVPR 2020)"


class TestTargets:
    @settings(deadline=None)
    @given(x=st.integers(0, 19), y=st.integers(0, 9), positive=st.booleans())
    def test_squares_are_cut_at_the_edges(self, x, y, positive):
        maps = target_squares([np.array([[x, y, positive]], np.float32)], (10, 20))
        rows, columns = np.nonzero(maps[0 if positive else 1, 0, 0])
        expected = {
            (r, c)
            for r in range(y - 1, y + 2)
            for c in range(x - 1, x + 2)
            if 0 <= r < 10 and 0 <= c < 20
        }
        assert set(zip(rows.tolist(), columns.tolist(), strict=True)) == expected
        assert not maps[1 if positive else 0].any()

    def test_centres_are_rounded_half_to_even(self):
        maps = target_squares([np.array([[4.5, 3.5, 1.0]], np.float32)], (10, 20))
        assert maps[0, 0, 0, 3:6, 3:6].all()
        assert maps.sum() == 9

    def test_published_squares_wrap(self):
        """A click on the first row has none; one three pixels above has it at the bottom."""
        on_edge, above = np.array([[5.0, 0.0, 1.0]]), np.array([[5.0, -3.0, 1.0]])
        assert target_squares([on_edge], (10, 20)).sum() == 6
        assert not target_squares([on_edge], (10, 20), compat=True).any()
        assert not target_squares([above], (10, 20)).any()
        assert target_squares([above], (10, 20), compat=True)[0, 0, 0, 6:9, 4:7].all()


class TestSteps:
    @every_kind
    def test_clicks_get_their_label(self, cls, options, fields):
        plain = session(RITM, RITMOptions)
        assert wrong(plain)
        refined = session(cls, options, evaluations=60, least_change=0.0, **fields)
        assert isinstance(refined.method, Method)
        assert len(wrong(refined)) < len(wrong(plain))

    @every_kind
    def test_the_first_click_is_answered_as_ritm_does(self, cls, options, fields):
        first = session(cls, options, CLICKS[:1], **fields)
        expected = session(RITM, RITMOptions, CLICKS[:1])
        np.testing.assert_allclose(first.probability, expected.probability, atol=1e-6)
        assert "losses" not in first.step.trace
        at_once = session(cls, options, CLICKS[:1], optimise_after=0, **fields)
        assert at_once.step.trace["losses"].size

    @every_kind
    def test_evaluations_are_limited(self, cls, options, fields):
        """Clicks that contradict each other are never satisfied."""
        clicks = (Click(30, 20), Click(31, 20, positive=False))
        counts = []
        for evaluations in (3, 20):
            asked = {"evaluations": evaluations, "least_change": 0.0, **fields}
            losses = session(cls, options, clicks, **asked).step.trace["losses"]
            assert losses.min() < losses[0]
            counts.append(len(losses))
        assert 3 <= counts[0] < 12 < counts[1] < 42

    @every_kind
    def test_it_works_in_a_thread_that_is_in_inference_mode(self, cls, options, fields):
        made = session(cls, options, CLICKS[:1], **fields)

        def work():
            with torch.inference_mode():
                for click in CLICKS[1:]:
                    made.click_many([click])

        with ThreadPoolExecutor(1) as pool:
            pool.submit(work).result()
        expected = session(cls, options, **fields).probability
        np.testing.assert_array_equal(made.probability, expected)

    @every_kind
    def test_a_step_is_pure_and_undo_restores_bit_for_bit(self, cls, options, fields):
        made = session(cls, options, **fields)
        states = [entry.state for entry in made._timeline]
        before = pickle.dumps(states[1])
        again, step = made.method.step(states[1], CLICKS[2:3])
        assert pickle.dumps(states[1]) == before
        np.testing.assert_array_equal(step.probability, made.steps[2].probability)
        assert pickle.dumps(again.memory) == pickle.dumps(states[2].memory)
        last = made.probability
        made.undo()
        np.testing.assert_array_equal(made.probability, made.steps[2].probability)
        made.click_many(CLICKS[3:])
        np.testing.assert_array_equal(made.probability, last)

    def test_the_variables_are_where_the_next_click_starts(self):
        made = session(FBRS, FBRSOptions, CLICKS[:3])
        states = [entry.state for entry in made._timeline]
        assert not states[0].memory.variables.any()
        assert states[1].memory.variables.any()
        fresh = dataclasses.replace(
            states[1].memory, variables=np.zeros_like(states[1].memory.variables)
        )
        reset = dataclasses.replace(states[1], memory=fresh)
        _, other = made.method.step(reset, CLICKS[2:3], trace=True)
        assert other.trace["losses"][0] != made.step.trace["losses"][0]

    def test_the_change_of_the_input_starts_anew_in_another_crop(self):
        made = session(BRS, BRSOptions, CLICKS[:3])
        state = made._timeline[1].state
        assert state.memory is not None
        moved = dataclasses.replace(state, region=(0, 0, 5, 5))
        _, other = made.method.step(moved, CLICKS[2:3], trace=True)
        without = dataclasses.replace(state, memory=None)
        _, expected = made.method.step(without, CLICKS[2:3], trace=True)
        assert other.trace["losses"][0] == expected.trace["losses"][0]
        assert other.trace["losses"][0] != made.step.trace["losses"][0]

    def test_an_edit_forgets(self):
        made = session(FBRS, FBRSOptions, CLICKS[:2])
        state = made._timeline[-1].state
        assert state.memory is not None
        edited, _ = made.method.edit(state, np.zeros(SHAPE, bool))
        assert edited.memory is None
        made.edit(np.zeros(SHAPE, bool))
        made.click_many(CLICKS[2:3])

    def test_places_a_and_b_are_the_same(self):
        a, b, c = (session(FBRS, FBRSOptions, place=place).probability for place in "ABC")
        np.testing.assert_array_equal(a, b)
        assert np.abs(a - c).max() > 1e-3

    def test_the_trace_shows_the_variables(self):
        step = session(FBRS, FBRSOptions, CLICKS[:2]).step
        assert step.trace["scale"].shape == step.trace["bias"].shape == (8,)
        assert np.abs(step.trace["scale"] - 1).max() < 2
        step = session(BRS, BRSOptions, CLICKS[:2]).step
        assert step.trace["input_change"].shape == (3, *step.trace["crop_probability"].shape)


class TestObjective:
    """One variable moves the logits of an 8 x 8 image; the click wants them high."""

    def objective(self, *points, **fields):
        targets = target_squares([np.array(points, np.float32)], (8, 8))

        def evaluate(variables):
            return variables.view(1, 1, 1, 1).expand(1, 1, 8, 8), 0.001 * (variables**2).sum()

        options = FBRSOptions(**fields)
        return _Objective(evaluate, targets, (8, 8), options, torch.device("cpu"))

    def test_loss_and_gradient(self):
        objective = self.objective((4, 4, 1))
        value, gradient = objective(np.array([-1.0]))
        p = 1 / (1 + np.e)
        assert value == pytest.approx((1 - p) ** 2 + 0.001, abs=1e-5)
        assert gradient == pytest.approx([-2 * (1 - p) * p * (1 - p) - 0.002], abs=1e-5)

    def test_the_prediction_of_least_loss_counts(self):
        objective = self.objective((4, 4, 1))
        for x in (-2.0, -0.5, -3.0):
            objective(np.array([x]))
        assert float(objective.best.max()) == -0.5

    def test_satisfied_clicks_leave_nothing_to_do(self):
        objective = self.objective((4, 4, 1))
        _, gradient = objective(np.array([0.0]))
        assert gradient == 0
        _, gradient = objective(np.array([-0.1]))
        assert gradient != 0
        both = self.objective((4, 4, 1), (0, 0, 0))
        assert both(np.array([1.0]))[1] != 0

    def test_a_mask_that_stays_leaves_nothing_to_do(self):
        contradiction = ((4, 4, 1), (0, 0, 0))
        objective = self.objective(*contradiction)
        assert objective(np.array([1.0]))[1] != 0
        assert objective(np.array([1.1]))[1] == 0
        objective = self.objective(*contradiction, least_change=0.0)
        objective(np.array([1.0]))
        assert objective(np.array([1.1]))[1] != 0


class TestClickLimit:
    def test_brs_shows_the_network_the_first_clicks_only(self):
        made = session(BRS, BRSOptions, click_limit=2, zoom_in=False)
        drawn = made.step.trace
        assert drawn["positive_clicks"][40, 60]
        assert not drawn["positive_clicks"][10, 70]
        assert not drawn["negative_clicks"].any()
        assert len(made.step.trace["losses"]) >= 1

    def test_f_brs_keeps_the_features_of_the_last_click_within(self):
        made = session(FBRS, FBRSOptions, click_limit=2, zoom_in=False)
        states = [entry.state for entry in made._timeline]
        assert [state.memory.source.count for state in states] == [1, 2, 2, 2]
        assert states[3].memory.source is states[1].memory.source
        for name in ("previous_mask", "positive_clicks", "negative_clicks"):
            np.testing.assert_array_equal(made.steps[3].trace[name], made.steps[1].trace[name])

    def test_another_crop_gives_new_features(self):
        made = session(FBRS, FBRSOptions, click_limit=2)
        state = made._timeline[2].state
        moved = dataclasses.replace(state, region=(0, 0, 5, 5))
        following, _ = made.method.step(moved, CLICKS[3:])
        assert following.memory.source.soft is state.soft
        assert following.memory.source.count == 2

    def test_without_a_limit_every_click_is_seen(self):
        made = session(FBRS, FBRSOptions, click_limit=None)
        assert made._timeline[-1].state.memory.source.count == 4


def test_states_of_f_brs_stay_small():
    made = session(FBRS, FBRSOptions)
    state = made._timeline[-1].state
    assert len(pickle.dumps(dataclasses.replace(state, image=state.image[:1, :1]))) < 20_000


@every_kind
def test_the_lite_network_can_be_refined(cls, options, fields):
    torch.manual_seed(0)
    network = RITMLite0().eval().requires_grad_(requires_grad=False)
    assert network.state_dict().keys() == LiteSegmenter().state_dict().keys()
    made = Session(cls(network, options(**SMALL, evaluations=3, **fields)), noise(), trace=True)
    made.click(30, 20)
    assert made.click(60, 40).trace["losses"].size > 1
