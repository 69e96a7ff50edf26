"""FocusCut's procedure: in closed form, and against recorded runs (B2, B4)."""

import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from iseg_widget.clicks import Click
from iseg_widget.evaluation.robot import next_click
from iseg_widget.methods.focuscut import FocusCut, FocusCutOptions
from iseg_widget.methods.registry import build_options, load_method, method_title
from iseg_widget.protocol import Method
from iseg_widget.session import Session, replay
from iseg_widget.views import whole
from tests.published import load_case, state_dict

SHAPE = (60, 80)


class ClosedForm(nn.Module):
    """The recorded cases' closed form; clicks are where the Gaussians are 1."""

    def __init__(self):
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(1), requires_grad=False)
        self.batches = []

    def forward(self, x):
        self.batches.append(len(x))
        height, width = x.shape[2:]
        rows, columns = torch.arange(height)[:, None].float(), torch.arange(width)[None].float()
        answers = []
        for red, green, _, *clicks, previous in x:
            near = []
            for gaussian in clicks:
                squared = torch.full((height, width), 255.0**2)
                for row, column in torch.nonzero(gaussian == 1).tolist():
                    distance = (rows - row) ** 2 + (columns - column) ** 2
                    squared = torch.minimum(squared, distance)
                near.append(squared)
            pulls = 4 * torch.exp(-near[0] / 4050) - 5 * torch.exp(-near[1] / 800)
            answers.append(pulls + 2 * (previous - 0.5) + 0.9 * (red - green - 0.4))
        return torch.stack(answers)[:, None]


def method(**options):
    return FocusCut(ClosedForm().eval(), FocusCutOptions(**{"size": 96, **options}))


def scene():
    """A red disc with a notch on green noise."""
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    image = np.zeros((*SHAPE, 3), np.uint8)
    image[...] = np.random.default_rng(5).integers(60, 120, image.shape)
    image[(rows - 30) ** 2 + (columns - 36) ** 2 < 20**2] = (210, 60, 40)
    image[28:33, 40:56] = (60, 160, 60)
    return image


def square(x0, y0, x1, y1):
    mask = np.zeros(SHAPE, bool)
    mask[y0:y1, x0:x1] = True
    return mask


CLICKS = (Click(34, 30), Click(48, 30, positive=False), Click(36, 14), Click(30, 44))


def session(clicks=CLICKS, mask=None, **options):
    made = Session(method(**options), scene(), mask, trace=True)
    for click in clicks:
        made.click_many([click])
    return made


class TestOptions:
    @pytest.mark.parametrize(
        "fields",
        [
            {"turns": 0},
            {"size": 8},
            {"max_side": 100},
            {"reduction": 1.0},
            {"lam": -0.1},
            {"omega": 0.0},
            {"omega_hat": math.nan},
            {"epsilon": -1.0},
            {"sigma": 0.0},
            {"refocus": "old"},
            {"threshold": 1.0},
        ],
    )
    def test_values_that_are_not_accepted_are_named(self, fields):
        (name,) = fields
        with pytest.raises(ValueError, match=name):
            FocusCutOptions(**fields)

    def test_the_registry_builds_them(self):
        assert build_options("focuscut", {"turns": 1}).turns == 1
        assert build_options("focuscut", None) == FocusCutOptions()
        assert method_title("focuscut") == "FocusCut (CVPR 2022)"

    def test_for_published_weights_the_error_says_where_they_are(self):
        with pytest.raises(ValueError, match="frazerlin/focuscut"):
            load_method("focuscut", weights="focuscut-resnet50")


class TestSteps:
    def test_the_first_click_has_no_focus_view(self):
        made = session(CLICKS[:1])
        assert [view.kind for view in made.step.views] == ["zoom_in"]
        assert made.step.views[0].box == whole(SHAPE)
        assert isinstance(made.method, Method)

    def test_later_clicks_look_around_themselves(self):
        step = session(CLICKS[:3]).step
        assert step.views[0].kind == "zoom_in"
        assert {view.kind for view in step.views[1:]} == {"focus_view"}
        for view in step.views:
            x0, y0, x1, y1 = view.box
            assert 0 <= x0 < x1 <= SHAPE[1]
            assert 0 <= y0 < y1 <= SHAPE[0]
        focused = step.trace["focus_boxes_1"]
        assert (focused[:, 0] + focused[:, 2] - 1 == 2 * np.array([48, 36])).all()

    def test_the_mask_is_the_probability_above_the_threshold(self):
        step = session().step
        assert np.array_equal(step.mask, step.probability > 0.5)
        assert step.probability.dtype == np.float32
        assert step.probability.shape == SHAPE
        cropped = step.soft.render((3, 4, 30, 20))
        np.testing.assert_array_equal(cropped, step.probability[4:20, 3:30])

    def test_without_focus_views_only_the_whole_view_counts(self):
        made = session(focus_view=False)
        assert all(len(step.views) == 1 for step in made.steps)
        assert set(made.method.network.batches) == {1}

    def test_without_zoom_every_view_is_the_whole_image(self):
        assert all(s.views[0].box == whole(SHAPE) for s in session(zoom_in=False).steps)

    def test_new_clicks_only_may_be_refocused(self):
        every, new = session(), session(refocus="new")
        assert len(every.step.trace["focus_boxes_1"]) > len(new.step.trace["focus_boxes_1"]) == 1

    def test_a_turn_is_one_batch(self):
        made = session()
        # One whole view a click, and at most one batch a turn.
        assert len(made.method.network.batches) <= 4 + 3 * 3

    def test_the_turns_of_the_fast_version_are_one_batch(self):
        made = session(fast=True)
        assert len(made.method.network.batches) <= 4 + 3
        boxes = [made.step.trace[f"focus_boxes_{turn}"] for turn in (1, 2)]
        widths = [box[:, 2] - box[:, 0] for box in boxes]
        assert (widths[1] < widths[0]).all()

    def test_what_was_looked_at_before_is_not_computed_again(self):
        made = session(lam=10.0)
        made.click(48, 30, positive=False)
        first = made.step.trace["focus_views_reused"]
        made.click(48, 30, positive=False)
        hits, misses = made.step.trace["focus_views_reused"]
        assert first.sum() > 0
        assert hits > 0
        computed = made.method.network.batches
        recorded = [s.trace["focus_views_reused"][1] for s in made.steps]
        assert sum(computed) == len(made.steps) + sum(recorded)
        assert misses >= 0

    def test_reused_answers_equal_computed_ones(self):
        made = session((*CLICKS, CLICKS[-1]))
        state = made.method.start(made.image)
        for click in made.clicks:
            forgetful = method()
            state = type(state)(**{**vars(state), "known": {}})
            state, step = forgetful.step(state, [click])
        np.testing.assert_allclose(step.probability, made.step.probability, atol=1e-5)

    def test_more_turns_only_add_to_fewer(self):
        one, three = session(turns=1), session(turns=3)
        assert "focus_boxes_2" not in one.step.trace
        np.testing.assert_array_equal(
            one.steps[1].trace["focus_boxes_1"], three.steps[1].trace["focus_boxes_1"]
        )

    def test_the_trace_names_what_was_computed(self):
        trace = session(CLICKS[:2]).step.trace
        assert {
            "positive_clicks",
            "negative_clicks",
            "previous_mask",
            "whole_view",
            "focus_scope",
            "focus_boxes_1",
            "focus_inputs_1",
            "focus_probabilities_1",
            "probability",
            "focus_views_reused",
        } <= set(trace)
        assert trace["focus_inputs_1"].shape == (1, 6, 96, 96)
        assert trace["focus_probabilities_1"].shape == (1, 96, 96)
        assert trace["focus_scope"].shape == (1, 4)
        assert (trace["focus_scope"][:, 2] >= 5).all()

    def test_no_trace_unless_asked(self):
        made = Session(method(), scene())
        assert all(not made.click_many([click]).trace for click in CLICKS)

    def test_settings_without_adaption_or_iteration_are_answered(self):
        for options in ({"adaptive_scope": False}, {"iterative": False}, {"max_side": 96}):
            assert session(**options).mask.any()

    def test_extreme_logits_do_no_harm(self):
        class Extreme(ClosedForm):
            def forward(self, x):
                return super().forward(x) * 1e9

        made = Session(FocusCut(Extreme().eval(), FocusCutOptions(size=64)), scene())
        for click in CLICKS:
            assert np.isfinite(made.click_many([click]).probability).all()

    def test_bad_steps_are_refused(self):
        made = method()
        state = made.start(scene())
        with pytest.raises(ValueError, match="at least one"):
            made.step(state, [])
        with pytest.raises(ValueError, match="outside"):
            made.step(state, [Click(80, 3)])

    def test_compat_answers_the_first_click_twice(self):
        early = session(CLICKS[:1]).mask
        expected = session(CLICKS, early, progressive_merge=False)
        found = session(compat=True)
        np.testing.assert_array_equal(found.probability, expected.probability)
        assert [s.views for s in found.steps] == [s.views for s in expected.steps]


class TestExistingMasks:
    def test_only_the_region_under_the_click_is_taken_over(self):
        existing = square(70, 50, 78, 58)
        mask = session(CLICKS[:1], existing).mask
        assert mask[30, 34]
        assert mask[existing].all()

    def test_a_drawn_mask_is_kept_likewise(self):
        made = session(CLICKS[:1])
        drawn = made.mask | square(70, 50, 78, 58)
        edited = made.edit(drawn)
        np.testing.assert_array_equal(edited.mask, drawn)
        np.testing.assert_array_equal(edited.probability, drawn.astype(np.float32))
        assert made.click(48, 30, positive=False).mask[54, 74]

    def test_without_progressive_merge_the_mask_is_only_fed(self):
        made = session(CLICKS[:1], square(70, 50, 78, 58), progressive_merge=False)
        assert made.step.trace["previous_mask"].any()
        assert np.array_equal(made.mask, made.probability > 0.5)


actions = st.lists(
    st.one_of(
        st.tuples(st.just("click"), st.integers(0, 79), st.integers(0, 59), st.booleans()),
        st.tuples(st.just("edit"), st.integers(0, 60), st.integers(0, 40)),
        st.tuples(st.just("reset")),
    ),
    min_size=1,
    max_size=5,
)


@settings(deadline=None, max_examples=12)
@given(actions, st.booleans(), st.booleans())
def test_undo_and_replay_are_exact(wanted, existing, fast):
    made = method(size=48, fast=fast)
    current = Session(made, scene(), square(0, 40, 20, 60) if existing else None)
    before = [(current.mask, current.probability)]
    for kind, *rest in wanted:
        if kind == "click":
            current.click(*rest)
        elif kind == "edit":
            current.edit(square(rest[0], rest[1], rest[0] + 12, rest[1] + 9))
        elif current.steps:
            current.reset()
        else:
            continue
        before.append((current.mask, current.probability))
    again = replay(made, scene(), json.loads(json.dumps(current.log())))
    np.testing.assert_array_equal(again.mask, current.mask)
    for mask, probability in reversed(before[:-1]):
        assert current.undo()
        np.testing.assert_array_equal(current.mask, mask)
        np.testing.assert_array_equal(current.probability, probability)
    for mask, probability in before[1:]:
        assert current.redo()
        np.testing.assert_array_equal(current.mask, mask)
        np.testing.assert_array_equal(current.probability, probability)


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (300, 1), (2, 3), (5, 4)])
def test_tiny_images_are_answered(shape):
    image = np.full((*shape, 3), 200, np.uint8)
    made = Session(method(size=32), image, trace=True)
    made.click(0, 0)
    step = made.click(shape[1] - 1, shape[0] - 1)
    assert step.mask.shape == step.probability.shape == shape
    assert step.mask[-1, -1]


def first_answer(made, case):
    """Mask of the pass before the recorded loop, on the robot's first click."""
    nothing = np.zeros(case["gt"].shape, bool)
    return Session(made, case["img"]).click_many([next_click(nothing, case["gt"] > 0, [])]).mask


def recorded_boxes(rows):
    """Focus views as recorded: beginning and size in an image padded by the last number."""
    return [(x - pad, y - pad, x - pad + w, y - pad + h) for x, y, w, h, pad in rows.tolist()]


def assert_as_recorded(case, step, number):
    """One step of a recorded run: boxes and scopes equal, probabilities and masks close."""
    width = case["img"].shape[1]
    x, y, w, h = case["wo_crop"][number].tolist()
    assert step.views[0].box == (x, y, x + w, y + h)
    alone = type(step.soft)(step.soft.shape, step.soft.view).render()
    for name, found in (("wo_result", alone), ("result", step.probability)):
        if name in case:
            assert np.abs(found[::2, ::2] - case[name][number - 1] / 65535).max() <= 2e-3, name
    for name, found in (("wo_pred", alone > 0.5), ("pred", step.mask)):
        if name in case:
            bits = np.unpackbits(case[name][number - 1], axis=-1, count=width).astype(bool)
            assert (found == bits).mean() >= 0.999, name
    if number > 1 and "expand_r" in case:
        rows = case["expand_r"]
        ((x, y, radius, focus),) = step.trace["focus_scope"].tolist()
        (expected,) = rows[rows[:, 0] == number][:, [1, 2, 4, 5]].tolist()
        assert [x, y, radius, focus] == expected
    if "hr_crop" in case:
        start, stop = ([0, *case["hr_crop_cum"]][number + i] for i in (-1, 0))
        names = [name for name in step.trace if name.startswith("focus_boxes_")]
        found = [tuple(box) for name in sorted(names) for box in step.trace[name].tolist()]
        assert found == recorded_boxes(case["hr_crop"][start:stop])


def replay_case(made, early, case):
    current = Session(made, case["img"], early, trace=True)
    for number, (x, y, positive) in enumerate(case["clicks"].tolist(), start=1):
        step = current.click(x, y, positive=bool(positive))
        assert_as_recorded(case, step, number)


@pytest.mark.parity
@pytest.mark.parametrize(
    ("name", "options"), [("B4_analytic_pfs3", {}), ("B4_analytic_fast", {"fast": True})]
)
def test_the_procedure_equals_the_recorded_run(name, options, parity_root):
    if not (parity_root / f"{name}.npz").is_file():
        pytest.skip(f"no case {name} in {parity_root}")
    case, _ = load_case(parity_root, name)
    # The recorded pass before the loop used the robot's click, the loop then other clicks.
    early = first_answer(method(size=384), case)
    replay_case(method(size=384, compat=True, progressive_merge=False, **options), early, case)


@pytest.mark.parity
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options"),
    [("B2_focuscut_resnet50_wo", {"focus_view": False}), ("B4_focuscut_resnet50_pfs3", {})],
)
def test_a_published_checkpoint_answers_as_recorded(name, options, parity_root, tmp_path):
    if not (parity_root / f"{name}.npz").is_file():
        pytest.skip(f"no case {name} in {parity_root}")
    case, meta = load_case(parity_root, name)
    keys = json.loads((parity_root / meta["keys"]).read_text())
    path = tmp_path / "focuscut-resnet50.pth"
    torch.save(state_dict(keys, meta["gain"], meta["overrides_added"]), path)
    settled = {"compat": True, "progressive_merge": False, **options}
    made = load_method("focuscut", weights=path, options=settled, device="cpu")
    path.unlink()
    plain = FocusCut(made.network, FocusCutOptions())
    replay_case(made, first_answer(plain, case), case)
