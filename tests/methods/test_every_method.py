"""What every method promises, whatever its procedure.

Networks are the EfficientNet-Lite0 ones: what they share with the packaged FocalClick is trained,
the rest is random.
"""

from __future__ import annotations

import dataclasses
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from iseg_widget.clicks import Click
from iseg_widget.masks import components_at
from iseg_widget.methods.option_docs import option_docs
from iseg_widget.methods.registry import (
    list_methods,
    load_method,
    method_title,
    options_class,
    weights_family,
)
from iseg_widget.protocol import VIEW_KINDS, Method, Step
from iseg_widget.session import Session, replay
from iseg_widget.strokes import brush, polygon
from iseg_widget.training.trainer import take_over
from iseg_widget.weights.registry import export, list_weights, networks, read_safetensors

SHAPE = (60, 84)
SMALL: dict[str, dict[str, Any]] = {
    "fca_net": {"short_side": 64, "max_side": 128},
    "focuscut": {"size": 64, "turns": 2},
    "focalclick": {"version": "S1"},
    "ia_fpn": {"max_side": 256, "crop_side": 128},
    "ritm": {"crop_side": 128},
}
"""Options that make a method quick on a small picture."""

CLICKS = (
    Click(40, 30),
    Click(20.5, 12.25, positive=False),
    Click(44, 41),
    Click(70, 50, positive=False),
)


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """Return a weights file for a method's lite network."""
    folder = tmp_path_factory.mktemp("weights")
    trained, _ = read_safetensors(list_weights()[0].path)

    def write(method: str) -> str:
        prefix = weights_family(method).replace("_", "") + "-"
        (name,) = (n for n in networks() if n.startswith(prefix) and n.endswith("lite0"))
        path = folder / f"{name}.safetensors"
        if not path.is_file():
            torch.manual_seed(0)
            network = networks()[name]()
            take_over(network, trained, "focalclick-lite0")
            export(network.state_dict(), path, {"network": name})
        return str(path)

    return write


@pytest.fixture(params=list_methods())
def method(request: pytest.FixtureRequest, weights: Callable[[str], str]) -> Method:
    name = request.param
    return load_method(name, weights=weights(name), options=SMALL.get(name), device="cpu")


@pytest.fixture(scope="module")
def image() -> NDArray[np.uint8]:
    """A bright disk on a dark ground, both with some noise."""
    rows, columns = np.indices(SHAPE)
    disk = (rows - 30) ** 2 + (columns - 40) ** 2 < 18**2
    noise = np.random.default_rng(0).integers(0, 40, (*SHAPE, 3))
    return (np.where(disk[:, :, None], (200, 150, 60), (30, 60, 90)) + noise).astype(np.uint8)


def bits(step: Step | None, mask: NDArray[np.bool_]) -> tuple[bytes, bytes]:
    return b"" if step is None else step.probability.tobytes(), mask.tobytes()


def test_undo_and_redo_restore_every_bit(method: Method, image: NDArray[np.uint8]):
    session = Session(method, image)
    seen = [bits(session.step, session.mask)]
    for click in CLICKS[:3]:
        session.click(click.x, click.y, click.positive)
        seen.append(bits(session.step, session.mask))
    drawn = session.mask
    drawn[5:12, 60:75] = True
    session.edit(drawn)
    seen.append(bits(session.step, session.mask))
    session.click(CLICKS[3].x, CLICKS[3].y, CLICKS[3].positive)
    seen.append(bits(session.step, session.mask))
    for expected in seen[-2::-1]:
        assert session.undo()
        assert bits(session.step, session.mask) == expected
    for expected in seen[1:]:
        assert session.redo()
        assert bits(session.step, session.mask) == expected


def test_a_step_depends_on_state_and_clicks_alone(method: Method, image: NDArray[np.uint8]):
    state = method.start(image)
    state, _ = method.step(state, CLICKS[:1])
    before = pickle.dumps(state)
    (first_state, first), (second_state, second) = (
        method.step(state, CLICKS[1:2]) for _ in range(2)
    )
    assert bits(first, first.mask) == bits(second, second.mask)
    again = [
        bits(s, s.mask)
        for s in (method.step(x, CLICKS[2:3])[1] for x in (first_state, second_state))
    ]
    assert again[0] == again[1]
    assert pickle.dumps(state) == before


def test_steps_are_well_formed(method: Method, image: NDArray[np.uint8]):
    state = method.start(image)
    for new in (CLICKS[:1], CLICKS[1:3]):
        state, step = method.step(state, new)
        assert step.clicks == new
        assert step.probability.shape == step.mask.shape == SHAPE
        assert step.probability.dtype == np.float32
        assert step.mask.dtype == np.bool_
        assert 0 <= step.probability.min() <= step.probability.max() <= 1
        assert step.trace == {}
        assert step.seconds > 0
        for view in step.views:
            x0, y0, x1, y1 = view.box
            assert view.kind in VIEW_KINDS
            assert 0 <= x0 < x1 <= SHAPE[1]
            assert 0 <= y0 < y1 <= SHAPE[0]


def test_a_trace_changes_nothing_and_shows_the_clicks(method: Method, image: NDArray[np.uint8]):
    _, plain = method.step(method.start(image), CLICKS[:2])
    _, traced = method.step(method.start(image), CLICKS[:2], trace=True)
    assert bits(plain, plain.mask) == bits(traced, traced.mask)
    assert all(isinstance(value, np.ndarray) for value in traced.trace.values())
    assert any("positive" in name for name in traced.trace)


@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (41, 37)])
@pytest.mark.parametrize("positive", [True, False])
def test_odd_sizes_and_a_negative_first_click(
    method: Method, shape: tuple[int, int], positive: bool
):
    picture = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    session = Session(method, picture)
    for _ in range(2):
        step = session.click(0, 0, positive)
        assert step.mask.shape == shape
        assert np.isfinite(step.probability).all()


def test_an_existing_mask_changes_only_in_the_region_under_the_click(
    method: Method, image: NDArray[np.uint8]
):
    existing = np.zeros(SHAPE, bool)
    existing[15:45, 25:50] = True
    existing[50:58, 2:12] = True
    step = Session(method, image, mask=existing).click(54, 30)
    changed = existing ^ step.mask
    assert (changed & ~components_at(changed, [(30, 54)])).sum() == 0


def test_edits_are_kept_by_later_clicks(method: Method, image: NDArray[np.uint8]):
    session = Session(method, image)
    session.click(40, 30)
    drawn = session.mask
    drawn[2:10, 2:10] = True
    session.edit(drawn)
    assert (session.mask == drawn).all()
    after = session.click(42, 40).mask
    changed = drawn ^ after
    assert (changed & ~components_at(changed, [(40, 42)])).sum() == 0


def test_pixels_drawn_or_erased_far_from_a_later_click_stay(
    method: Method, image: NDArray[np.uint8]
):
    """Progressive merge (FocalClick Sec. 3.2): also what is connected with nothing that changes."""
    session = Session(method, image)
    session.click(40, 30)
    drawn = session.mask
    drawn[45:60, 2:20] = polygon(np.zeros((15, 18), bool), [(0, 0), (17, 3), (8, 14)])
    drawn = brush(drawn, [(2, 3), (20, 3)], 2)
    drawn[:, 56:60] = False
    drawn = brush(drawn, [(75, 30)], 5, erase=True)
    drawn[20:40, 30:50] = True
    drawn[29:32, 39:42] = False
    session.edit(drawn)
    for x, y, positive in ((40, 30, True), (35, 35, False), (45, 25, True)):
        before = session.mask
        after = session.click(x, y, positive).mask
        changed = before ^ after
        assert not (changed & ~components_at(changed, [(y, x)])).any()
        # So what was drawn or erased elsewhere stays, whatever the network says there.
        wrong_way = changed & before if positive else changed & after
        assert not wrong_way.any()


def test_a_box_leaves_what_lies_outside_of_it(method: Method, image: NDArray[np.uint8]):
    """It can be undone, repeated from its log, and refined, whatever the method makes of it."""
    box = (24, 14, 57, 47)
    session = Session(method, image)
    step = session.box(*box)
    outside = np.ones(SHAPE, bool)
    outside[box[1] : box[3], box[0] : box[2]] = False
    assert not session.mask[outside].any()
    assert not step.probability[outside].any()
    assert np.isfinite(step.probability).all()
    assert step.clicks == session.clicks == (Click(40, 30),)
    answer = session.mask
    session.click(70, 54)
    changed = session.mask ^ answer
    assert not (changed & ~components_at(changed, [(54, 70)])).any()
    again = replay(method, image, session.log())
    assert bits(again.step, again.mask) == bits(session.step, session.mask)
    assert session.undo()
    assert bits(session.step, session.mask) == bits(step, answer)
    drawn = np.zeros(SHAPE, bool)
    drawn[50:58, 60:80] = True
    session.edit(drawn)
    session.box(2, 2, 20, 20)
    kept = session.mask
    kept[2:20, 2:20] = False
    assert (kept == drawn).all()


def test_a_small_box_is_looked_at_closely(method: Method):
    """By the method's own crop, or else by the target crop; a click sees the whole picture."""
    picture = np.random.default_rng(0).integers(0, 256, (480, 640, 3), dtype=np.uint8)
    box = (400, 100, 440, 130)
    step = Session(method, picture).box(*box)
    around = [
        view.box
        for view in step.views
        if view.box[0] <= box[0]
        and view.box[1] <= box[1]
        and view.box[2] >= box[2]
        and view.box[3] >= box[3]
    ]
    areas = [(x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in around]
    assert min(areas) <= 0.25 * picture.shape[0] * picture.shape[1]


def test_another_threshold_asks_no_network(
    method: Method, image: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
):
    session = Session(method, image)
    session.click(40, 30)
    session.click(20, 12, positive=False)
    log = session.log()
    before = bits(session.step, session.mask)

    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("a network was asked")

    with monkeypatch.context() as patch:
        patch.setattr(method.network, "forward", refuse)  # type: ignore[attr-defined]
        patch.setattr(type(method), "step", refuse)
        masks = [session.threshold(value).mask for value in (0.3, 0.7, 0.999)]
    assert masks[0].sum() >= masks[1].sum() >= masks[2].sum()
    again = replay(method, image, session.log())
    assert bits(again.step, again.mask) == bits(session.step, session.mask)
    for _ in range(3):
        assert session.undo()
    assert bits(session.step, session.mask) == before
    assert session.log() == log


def test_a_click_outside_is_refused_and_nothing_is_lost(method: Method, image: NDArray[np.uint8]):
    session = Session(method, image)
    session.click(40, 30)
    before = bits(session.step, session.mask)
    with pytest.raises(ValueError, match="lies outside the image"):
        session.click(SHAPE[1], 0)
    with pytest.raises(ValueError, match="at least one new click"):
        method.step(method.start(image), [])
    assert bits(session.step, session.mask) == before
    assert session.clicks == (Click(40, 30),)


def test_history_is_small(method: Method):
    """A step on 1 MP adds far less than a picture of it; the image itself is shared."""
    picture = np.random.default_rng(0).integers(0, 256, (1000, 1000, 3), dtype=np.uint8)
    states = [method.start(picture)]
    for click in CLICKS[:2]:
        states.append(method.step(states[-1], [click])[0])
    alone = len(pickle.dumps(states[0]))
    together = len(pickle.dumps(states))
    assert together - alone < 2 * 3_000_000


class TestRegistry:
    @pytest.mark.parametrize("name", list_methods())
    def test_options(self, name: str):
        """Frozen, with defaults for all, ``compat`` among them, and each explained."""
        cls = options_class(name)
        options = cls()
        assert dataclasses.is_dataclass(cls)
        assert options.compat is False
        assert hash(options) == hash(cls())
        with pytest.raises(dataclasses.FrozenInstanceError):
            options.compat = True
        unexplained = [field for field, text in option_docs(cls).items() if not text]
        assert unexplained == []
        assert method_title(name)

    @pytest.mark.parametrize("name", list_methods())
    def test_an_absent_device(self, name: str, weights: Callable[[str], str]):
        if torch.cuda.is_available():
            pytest.skip("this machine has a GPU")
        with pytest.raises(ValueError, match="'cuda' was asked for"):
            load_method(name, weights=weights(name), device="cuda")

    @pytest.mark.parametrize("name", list_methods())
    def test_compat_sets_the_option(self, name: str, weights: Callable[[str], str]):
        loaded = load_method(name, weights=weights(name), device="cpu", compat=True)
        assert loaded.options.compat is True
        assert loaded.name == name

    def test_the_papers_and_the_baselines_are_there(self):
        assert list_methods() == (
            "ris_net", "fca_net", "focuscut", "focalclick", "ia_fpn",
            "ritm", "ifcn", "brs", "f_brs",
        )  # fmt: skip
