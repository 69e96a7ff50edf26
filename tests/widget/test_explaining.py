from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import iseg_widget as iseg
from iseg_widget.clicks import Click
from iseg_widget.explanation import Panel
from iseg_widget.session import Session
from iseg_widget.widget import explaining
from iseg_widget.widget.explaining import Explainer, explain_step
from tests.widget.fakes import Disks

Picture = NDArray[np.uint8]


class Counting(Disks):
    """Disks that record a map when asked to."""

    def step(self, state: Any, clicks: Any, *, trace: bool = False) -> Any:
        state, step = super().step(state, clicks)
        if trace:
            object.__setattr__(step, "trace", {"heat_map": np.eye(600, dtype=np.float32)})
        return state, step


@pytest.fixture
def session() -> Session:
    image = np.random.default_rng(3).integers(0, 255, (60, 80, 3), np.uint8)
    made = Session(Counting(), image)
    made.click(20, 30)
    made.click_many([Click(40, 30), Click(50, 20, False)])
    return made


def opened(data: bytes) -> Picture:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def test_a_step_is_answered_again_and_the_session_stays(session: Session) -> None:
    before = session.checkpoint()
    found = explain_step(session, 1)
    assert session.checkpoint() == before
    assert all(not step.trace for step in session.steps)
    assert (found.index, found.count) == (1, 2)
    keys = [panel["key"] for panel in found.panels]
    assert keys == [
        *("view/1", "view/2", "heat_map", "step.probability", "step.mask", "step.change"),
    ]
    assert len(found.pictures) == len(keys)
    json.dumps(found.panels)


def test_pictures_are_small_and_have_the_size_they_are_said_to_have(session: Session) -> None:
    found = explain_step(session, 0)
    for panel, data in zip(found.panels, found.pictures, strict=True):
        assert opened(data).shape == (panel["height"], panel["width"], 3)
        assert max(panel["height"], panel["width"]) <= explaining.LONGEST
    heat = next(panel for panel in found.panels if panel["key"] == "heat_map")
    assert (heat["width"], heat["height"]) == (512, 512)


def test_masks_arrive_pixel_by_pixel(session: Session) -> None:
    found = explain_step(session, 1)
    keys = [panel["key"] for panel in found.panels]
    mask = opened(found.pictures[keys.index("step.mask")])
    step = session.steps[1]
    assert np.array_equal((mask == [37, 132, 255]).all(axis=2), step.mask)
    change = opened(found.pictures[keys.index("step.change")])
    removed = session.steps[0].mask & ~step.mask
    added = step.mask & ~session.steps[0].mask
    legend = found.panels[keys.index("step.change")]["legend"]
    inks = {meaning: colour for colour, meaning in legend["inks"]}
    for name, expected in (("added", added), ("removed", removed)):
        colour = [int(inks[name][i : i + 2], 16) for i in (1, 3, 5)]
        assert np.array_equal((change == colour).all(axis=2), expected)
    caption = found.panels[keys.index("step.change")]["caption"]
    assert f"{added.sum()} added, {removed.sum()} removed" in caption


def test_clicks_are_marked_where_they_lie_in_a_crop(session: Session) -> None:
    session.click(4, 5)
    crop = explain_step(session, 2).panels[1]
    assert crop["box"] == [2, 2, 9, 9]
    assert crop["marks"] == [{"x": 2.5 / 7, "y": 3.5 / 7, "positive": True}]
    whole = explain_step(session, 1).panels[0]
    assert len(whole["marks"]) == 3  # those of later steps are not there yet


def test_explaining_again_asks_nobody(session: Session) -> None:
    method = session.method
    assert isinstance(method, Disks)
    explainer = Explainer()
    first = explainer.explain(session)
    asked = method.steps
    assert explainer.explain(session, 1) is first
    assert method.steps == asked
    explainer.explain(session, 0)
    assert method.steps == asked + 1
    session.click(5, 5)
    assert explainer.explain(session).index == 2
    assert explainer.explain(session, 1).count == 3


def test_only_a_few_explanations_are_kept(session: Session) -> None:
    explainer = Explainer()
    for place in range(explaining.KEPT + 3):
        session.click(10 + place, 10)
        explainer.explain(session)
    assert len(explainer._kept) == explaining.KEPT


def test_a_manual_edit_has_its_answer_to_show(session: Session) -> None:
    session.edit(np.ones((60, 80), bool))
    found = explain_step(session, 2)
    assert [p["key"] for p in found.panels] == ["step.probability", "step.mask", "step.change"]
    assert found.panels[0]["marks"] == []


@pytest.mark.parametrize("index", [2, -1])
def test_a_step_that_there_is_not(session: Session, index: int) -> None:
    with pytest.raises(ValueError, match=f"no step {index}: the session has 2"):
        Explainer().explain(session, index)


def test_nothing_was_clicked() -> None:
    with pytest.raises(ValueError, match="no step -1"):
        Explainer().explain(Session(Disks(), np.zeros((20, 20, 3), np.uint8)))


def test_of_many_panels_the_latest_are_shown() -> None:
    one = np.zeros((4, 4), np.float32)
    many = [Panel(f"a/{n}", "", "", "map", one, group="many") for n in range(explaining.MOST + 5)]
    few = [Panel("b", "", "", "map", one, group="few")]
    shown = [panel.key for panel in explaining._latest([*many, *few])]
    assert len(shown) == explaining.MOST + 1
    assert shown[0] == "a/5"
    assert shown[-1] == "b"


def test_legends_say_how_to_read_colours() -> None:
    values = np.linspace(-1, 1, 16, dtype=np.float32).reshape(4, 4)
    scale = explaining.legend(Panel("d", "", "", "difference", values, limits=(-1, 1)))
    assert scale is not None
    assert (scale["kind"], scale["low"], scale["high"]) == ("scale", -1.0, 1.0)
    assert len(scale["stops"]) == explaining.STOPS
    assert scale["stops"][4] > "#f0f0f0"  # nothing changed: near white
    numbers = Panel("n", "", "", "numbers", np.array([1.0, 3.0], np.float32), limits=(0, 3))
    bars = explaining.legend(numbers)
    assert bars is not None
    assert bars["values"] == [1.0, 3.0]
    picture = Panel("i", "", "", "image", np.zeros((2, 2, 3), np.uint8))
    assert explaining.legend(picture) is None


@pytest.mark.parametrize("name", ["focalclick", "focuscut"])
def test_methods_of_the_papers(name: str) -> None:
    sample = iseg.datasets.load("demo")[0]
    session = Session(iseg.load_method(name, device="cpu"), sample.image)
    session.click(180, 330)
    session.click(225, 110)
    mask = session.mask
    found = explain_step(session, 1)
    assert np.array_equal(session.mask, mask)
    assert all(panel["caption"] for panel in found.panels)
    views = {panel["view"] for panel in found.panels}
    assert {"focalclick": "focus_crop", "focuscut": "focus_view"}[name] in views
    for panel, data in zip(found.panels, found.pictures, strict=True):
        if panel["kind"] == "image":
            assert opened(data).std() > 10
    assert sum(map(len, found.pictures)) < 1_500_000
