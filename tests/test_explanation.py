"""What a step says of itself, for every registered method and for a made-up one.

Networks are the EfficientNet-Lite0 ones, built as in ``tests/methods/test_every_method.py``.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from iseg_widget.clicks import Click
from iseg_widget.explanation import KINDS, Panel, explain, figure, render
from iseg_widget.explanation.panels import _inside
from iseg_widget.explanation.render import MASK, NEGATIVE, POSITIVE, VIEWS, colours, scale
from iseg_widget.masks import PackedMask
from iseg_widget.methods.registry import list_methods, load_method, weights_family
from iseg_widget.protocol import Step, View
from iseg_widget.session import Session
from iseg_widget.training.trainer import take_over
from iseg_widget.views import Box, cut, mask_layers
from iseg_widget.weights.registry import export, list_weights, networks, read_safetensors

SHAPE = (60, 84)
SMALL: dict[str, dict[str, Any]] = {
    "fca_net": {"short_side": 64, "max_side": 128},
    "focuscut": {"size": 64, "turns": 2, "lam": 1.0},
    "focalclick": {"version": "S1"},
    "ia_fpn": {"max_side": 256, "crop_side": 128},
    "ritm": {"crop_side": 128, "min_crop": 20},
    "brs": {"crop_side": 128, "min_crop": 20},
    "f_brs": {"crop_side": 128, "min_crop": 20},
}
CLICKS = (Click(40, 30), Click(20.5, 12.25, positive=False), Click(44, 41))


@pytest.fixture(scope="module")
def image() -> NDArray[np.uint8]:
    """A bright disk on a dark ground, both with some noise."""
    rows, columns = np.indices(SHAPE)
    disk = (rows - 30) ** 2 + (columns - 40) ** 2 < 18**2
    noise = np.random.default_rng(0).integers(0, 40, (*SHAPE, 3))
    return (np.where(disk[:, :, None], (200, 150, 60), (30, 60, 90)) + noise).astype(np.uint8)


@pytest.fixture(scope="module")
def sessions(
    tmp_path_factory: pytest.TempPathFactory, image: NDArray[np.uint8]
) -> Callable[[str], Session]:
    """Return a traced session of a method after three clicks."""
    folder = tmp_path_factory.mktemp("weights")
    trained, _ = read_safetensors(list_weights()[0].path)
    known: dict[str, Session] = {}

    def session(method: str) -> Session:
        if method not in known:
            prefix = weights_family(method).replace("_", "") + "-"
            (name,) = (n for n in networks() if n.startswith(prefix) and n.endswith("lite0"))
            path = folder / f"{name}.safetensors"
            if not path.is_file():
                torch.manual_seed(0)
                network = networks()[name]()
                take_over(network, trained, "focalclick-lite0")
                export(network.state_dict(), path, {"network": name})
            loaded = load_method(method, weights=str(path), options=SMALL.get(method), device="cpu")
            known[method] = Session(loaded, image, trace=True)
            for click in CLICKS:
                known[method].click(click.x, click.y, click.positive)
        return known[method]

    return session


@pytest.fixture(params=list_methods())
def session(request: pytest.FixtureRequest, sessions: Callable[[str], Session]) -> Session:
    return sessions(request.param)


def panels_of(session: Session) -> dict[str, Panel]:
    assert session.step is not None
    panels = explain(session.step, session.image)
    assert len({panel.key for panel in panels}) == len(panels)
    return {panel.key: panel for panel in panels}


def check(panel: Panel) -> None:
    """What every panel promises."""
    assert panel.kind in KINDS
    assert panel.title
    assert panel.caption.endswith(".")
    assert "{" not in panel.title + panel.caption + panel.group
    if panel.kind == "image":
        assert panel.array.dtype == np.uint8
        assert panel.array.shape[2] == 3
    elif panel.kind == "mask":
        assert panel.array.dtype == np.bool_
    else:
        assert panel.array.dtype == np.float32
        assert np.isfinite(panel.array).all()
        assert panel.limits[0] < panel.limits[1]
        assert panel.limits[0] <= panel.array.min()
        assert panel.array.max() <= panel.limits[1]
    if panel.kind in ("probability", "attention", "boundary"):
        assert panel.limits == (0.0, 1.0)
    if panel.kind == "difference":
        assert panel.limits[0] == -panel.limits[1]
    if panel.box is not None:
        x0, y0, x1, y1 = panel.box
        assert 0 <= x0 < x1 <= SHAPE[1]
        assert 0 <= y0 < y1 <= SHAPE[0]
    assert min(panel.array.shape) > 0


class TestEveryMethod:
    def test_every_recorded_array_is_explained(self, session: Session):
        assert session.step is not None
        panels = panels_of(session)
        explained = {key.split("/")[0] for key in panels}
        assert set(session.step.trace) <= explained
        assert [key for key, panel in panels.items() if not panel.described] == []
        for panel in panels.values():
            check(panel)
            source = r"(Sec\.|Eq\.|Fig\.|Alg\.|published code|BRS|not in the paper)"
            if not panel.key.startswith("step."):
                assert re.search(source, panel.caption), panel.caption

    def test_every_view_is_shown(self, session: Session):
        assert session.step is not None
        shown = {panel.box for panel in panels_of(session).values() if panel.kind == "image"}
        assert {view.box for view in session.step.views} <= shown

    def test_crops_are_the_image_there(self, session: Session):
        for key, panel in panels_of(session).items():
            if key.startswith("view/") and panel.box is not None:
                np.testing.assert_array_equal(panel.array, cut(session.image, panel.box))

    def test_values_are_those_recorded(self, session: Session):
        """Probability, boundary and click maps are the trace itself; focus views part of it."""
        assert session.step is not None
        compared = 0
        for key, panel in panels_of(session).items():
            name, _, number = key.partition("/")
            if panel.kind not in ("probability", "map", "boundary", "attention"):
                continue
            if name not in session.step.trace or name.startswith("focus_prob"):
                continue
            values = session.step.trace[name]
            expected = values[int(number) - 1] if number else values
            np.testing.assert_array_equal(panel.array, expected.astype(np.float32))
            compared += 1
        assert compared >= 3

    def test_the_answer_comes_last(self, session: Session):
        assert session.step is not None
        panels = list(panels_of(session).values())
        assert panels[-1].key == "step.mask"
        np.testing.assert_array_equal(panels[-1].array, session.mask)
        whole = [p for p in panels if p.kind == "probability" and p.box == (0, 0, *SHAPE[::-1])]
        same = [p for p in whole if np.array_equal(p.array, session.step.probability)]
        assert len(same) >= 1

    def test_paint(self, session: Session):
        for panel in panels_of(session).values():
            for size in ((40, 64), (7, 3), (1, 1)):
                picture = render(panel, size)
                assert picture.shape == (*size, 3)
                assert picture.dtype == np.uint8

    def test_page(self, session: Session):
        """Drawn without a screen and without warnings, and no words meet."""
        backend = pytest.importorskip("matplotlib.backends.backend_agg")
        page = figure(session)
        renderer = backend.FigureCanvasAgg(page).get_renderer()
        page.draw(renderer)
        panels = panels_of(session)
        texts = [text for text in page.texts if text.get_text()]
        written = {text.get_text().replace("\n", " ") for text in texts}
        for panel in panels.values():
            assert {panel.title, panel.caption} <= written
        boxes = [text.get_window_extent(renderer) for text in texts]
        pictures = [axes.get_tightbbox(renderer).padded(-1) for axes in page.axes]
        for index, first in enumerate(boxes):
            assert page.bbox.x0 <= first.x0
            assert first.x1 <= page.bbox.x1
            assert page.bbox.y0 <= first.y0
            for second in boxes[index + 1 :]:
                assert not first.padded(-1).overlaps(second.padded(-1))
            for picture in pictures:
                assert not first.padded(-1).overlaps(picture)

    def test_an_untraced_step_has_its_crops_and_its_answer(self, session: Session):
        assert session.step is not None
        panels = explain(replace(session.step, trace={}), session.image)
        views = [panel for panel in panels if panel.key.startswith("view/")]
        assert [panel.box for panel in views] == [view.box for view in session.step.views]
        assert [panel.key for panel in panels[-2:]] == ["step.probability", "step.mask"]
        assert len(panels) == len(views) + 2


class TestDifferences:
    def test_focalclick(self, sessions: Callable[[str], Session]):
        session = sessions("focalclick")
        assert session.step is not None
        trace, panels = session.step.trace, panels_of(session)
        expected = trace["refined"] - trace["focus_coarse"]
        np.testing.assert_array_equal(panels["refinement"].array, expected)
        expected = trace["coarse"] - trace["previous_mask"]
        np.testing.assert_array_equal(panels["change"].array, expected)
        assert panels["refined"].box == panels["view/focus_crop"].box == session.step.views[1].box
        assert panels["coarse"].box == session.step.views[0].box

    @pytest.mark.parametrize("name", ["ritm", "brs", "f_brs"])
    def test_ritm(self, name: str, sessions: Callable[[str], Session]):
        session = sessions(name)
        assert session.step is not None
        trace, panels = session.step.trace, panels_of(session)
        expected = trace["crop_probability"] - trace["previous_mask"]
        np.testing.assert_array_equal(panels["change"].array, expected)

    def test_ia_fpn(self, sessions: Callable[[str], Session]):
        session = sessions("ia_fpn")
        assert session.step is not None
        trace, panels = session.step.trace, panels_of(session)
        expected = trace["fine_probability"] - trace["fine_previous_probability"]
        np.testing.assert_array_equal(panels["refinement"].array, expected)
        assert "coarse_sgm_attention/3" in panels
        assert panels["coarse_hsgm_attention/2"].title == "HSGM, click 2 of 3"

    def test_ris_net(self, sessions: Callable[[str], Session]):
        session = sessions("ris_net")
        assert session.step is not None
        trace, panels = session.step.trace, panels_of(session)
        expected = session.mask.astype(int) - trace["before_graph_cut"].astype(int)
        np.testing.assert_array_equal(panels["cut_change"].array, expected)
        boxes = [panels[f"local_probabilities/{n + 1}"].box for n in range(2)]
        assert boxes == [view.box for view in session.step.views]

    def test_focuscut(self, sessions: Callable[[str], Session]):
        """Padded views are cut to the image; focus views change nothing outside them."""
        session = sessions("focuscut")
        assert session.step is not None
        trace, panels = session.step.trace, panels_of(session)
        x0, y0, x1, y1 = (int(v) for v in trace["focus_boxes_1"][0])
        shown = panels["focus_probabilities_1/1"]
        assert shown.box == (max(0, x0), max(0, y0), min(SHAPE[1], x1), min(SHAPE[0], y1))
        answer, fed = trace["focus_probabilities_1"][0], trace["focus_inputs_1"][0]
        scale_x, scale_y = 64 / (x1 - x0), 64 / (y1 - y0)
        rows = slice(round((shown.box[1] - y0) * scale_y), round((shown.box[3] - y0) * scale_y))
        columns = slice(round((shown.box[0] - x0) * scale_x), round((shown.box[2] - x0) * scale_x))
        np.testing.assert_array_equal(shown.array, answer[rows, columns])
        expected = (answer - fed[5])[rows, columns]
        np.testing.assert_array_equal(panels["focus_change_1/1"].array, expected)
        picture = panels["focus_inputs_1/1"]
        assert picture.box is not None
        crop = cut(session.image, picture.box)
        size = (picture.array.shape[1], picture.array.shape[0])
        smooth = cv2.resize(crop, size, interpolation=cv2.INTER_LINEAR)
        assert np.abs(picture.array.astype(int) - smooth).mean() < 12
        change = panels["refinement"]
        assert change.box is not None
        outside = np.ones(SHAPE, bool)
        for view in session.step.views:
            if view.kind == "focus_view":
                cut(outside, view.box)[...] = False
        assert np.abs(change.array[cut(outside, change.box)]).max(initial=0.0) < 1e-6
        assert np.abs(change.array).max() > 0

    def test_f_brs_shows_what_it_moved(self, sessions: Callable[[str], Session]):
        session = sessions("f_brs")
        assert session.step is not None
        panels = panels_of(session)
        scales = session.step.trace["scale"]
        np.testing.assert_array_equal(panels["scale"].array, scales.astype(np.float32))
        assert panels["scale"].baseline == 1.0
        assert panels["bias"].baseline == 0.0

    def test_brs_shows_the_mean_change(self, sessions: Callable[[str], Session]):
        session = sessions("brs")
        assert session.step is not None
        change = np.zeros((3, *session.step.trace["previous_mask"].shape), np.float32)
        change[0, 5, 7], change[1, 5, 7] = 0.3, 0.06
        step = replace(session.step, trace={**session.step.trace, "input_change": change})
        (panel,) = (p for p in explain(step, session.image) if p.key == "input_change")
        assert panel.array[5, 7] == pytest.approx(0.12)
        assert panel.limits == pytest.approx((-0.12, 0.12))


def made_up(image: NDArray[np.uint8], views: tuple[View, ...] = (), **trace: NDArray[Any]) -> Step:
    mask = np.zeros(image.shape[:2], bool)
    mask[10:20, 10:30] = True
    return Step((Click(15, 15),), mask_layers(mask), PackedMask.pack(mask), views, trace)


@pytest.mark.parametrize(
    ("box", "rows", "columns", "inside"),
    [
        ((-10, 0, 10, 20), slice(0, 40), slice(20, 40), (0, 0, 10, 20)),
        ((74, 50, 94, 70), slice(0, 20), slice(0, 20), (74, 50, 84, 60)),
        ((10, 10, 30, 30), slice(0, 40), slice(0, 40), (10, 10, 30, 30)),
    ],
)
def test_padding_is_cut_off(box: Box, rows: slice, columns: slice, inside: Box):
    array = np.arange(1600.0).reshape(40, 40)
    shown, found = _inside(array, box, (0, 0, SHAPE[1], SHAPE[0]))
    assert found == inside
    np.testing.assert_array_equal(shown, array[rows, columns])


class TestUnknownMethods:
    @pytest.mark.parametrize(
        ("name", "values", "kinds"),
        [
            ("my_probability", np.linspace(0, 1, 48).reshape(6, 8), ["probability"]),
            ("cross_attention", np.full((2, 6, 8), 0.5, np.float16), ["attention"] * 2),
            ("edge_map", np.full((6, 8), 0.5), ["boundary"]),
            ("seeds", np.ones((6, 8), bool), ["mask"]),
            ("old_mask", np.eye(6, dtype=np.float32), ["mask"]),
            ("residual", np.linspace(-3, 1, 48).reshape(6, 8), ["difference"]),
            ("features", np.arange(48.0).reshape(6, 8), ["map"]),
            ("positive_distance", np.arange(48.0).reshape(6, 8), ["map"]),
            ("picture", np.zeros((6, 8, 3), np.uint8), ["image"]),
            ("crop_boxes", np.array([[-5, 3, 20, 90]]), ["image"]),
            ("energies", np.array([3.0, 2.5, 2.0]), ["numbers"]),
            ("temperature", np.array(7), ["numbers"]),
            ("deep", np.zeros((1, 40, 6, 8)), ["map"] * 16),
            ("words", np.array(["a", "b"]), []),
            ("nothing", np.zeros((0, 6, 8)), []),
        ],
    )
    def test_by_name_and_values(
        self, image: NDArray[np.uint8], name: str, values: NDArray[Any], kinds: list[str]
    ):
        panels = explain(made_up(image, **{name: values}), image)[:-2]
        assert [panel.kind for panel in panels] == kinds
        for panel in panels:
            check(panel)
            assert not panel.described
            assert name in panel.caption
            assert render(panel, (20, 30)).shape == (20, 30, 3)

    def test_values_stay(self, image: NDArray[np.uint8]):
        values = np.random.default_rng(0).random(SHAPE, np.float32)
        (panel, *_) = explain(made_up(image, prob=values), image)
        np.testing.assert_array_equal(panel.array, values)
        assert panel.box == (0, 0, SHAPE[1], SHAPE[0])
        values = np.array([[np.nan, np.inf], [0.5, -np.inf]])
        (panel, *_) = explain(made_up(image, prob=values), image)
        np.testing.assert_array_equal(panel.array, [[0, 0], [0.5, 0]])
        assert panel.box is None

    def test_distances_have_a_unit_and_ink(self, image: NDArray[np.uint8]):
        (panel, *_) = explain(made_up(image, negative_distance=np.full((6, 8), 80.0)), image)
        assert (panel.unit, panel.ink, panel.limits) == ("px", "negative", (0.0, 80.0))

    def test_views_are_shown_as_well(self, image: NDArray[np.uint8]):
        box: Box = (4, 5, 30, 25)
        views = (View("roi", box), View("keyhole", box))
        step = made_up(image, views, view=np.zeros((6, 8)))
        panels = explain(step, image)
        assert [panel.key for panel in panels[:3]] == ["view/1", "view/2", "view"]
        np.testing.assert_array_equal(panels[1].array, image[5:25, 4:30])
        pytest.importorskip("matplotlib")
        figure(step, image).savefig(BytesIO())

    def test_a_manual_edit_has_its_mask(self, sessions: Callable[[str], Session]):
        session = sessions("focalclick")
        before = session.checkpoint()
        step = session.edit(np.zeros(SHAPE, bool))
        assert [p.key for p in explain(step, session.image)] == ["step.probability", "step.mask"]
        session.restore(before)
        pytest.importorskip("matplotlib")
        figure(step, session.image).savefig(BytesIO())


class TestColours:
    def test_they_are_the_widgets(self):
        source = Path(__file__).parents[1] / "js" / "src" / "layers.ts"
        if not source.is_file():
            pytest.skip("the front end's source is not here")
        text = source.read_text(encoding="utf-8")

        def of(pattern: str) -> tuple[int, ...]:
            found = re.search(pattern, text)
            assert found is not None
            return tuple(bytes.fromhex(found[1]))

        assert of(r'POSITIVE = "#(\w{6})"') == POSITIVE
        assert of(r'NEGATIVE = "#(\w{6})"') == NEGATIVE
        assert re.search(r"MASK: Colour = \[([\d, ]+)\]", text)[1] == "{}, {}, {}".format(*MASK)
        for kind, colour in VIEWS.items():
            assert of(rf'{kind}: {{[^}}]*colour: "#(\w{{6}})"') == colour

    @pytest.mark.parametrize("name", ["value", "attention"])
    def test_scales_rise_evenly_in_lightness(self, name: str):
        lab = cv2.cvtColor(scale(name)[None].astype(np.float32) / 255, cv2.COLOR_RGB2LAB)[0]
        steps = np.diff(lab[::8, 0])
        assert steps.min() > 0
        assert steps.max() < 2.2 * np.median(steps)
        assert lab[-1, 0] - lab[0, 0] > 60

    def test_differences_are_light_in_the_middle_and_told_apart_at_the_ends(self):
        lab = cv2.cvtColor(scale("difference")[None].astype(np.float32) / 255, cv2.COLOR_RGB2LAB)[0]
        assert lab[127, 0] > 94
        assert abs(lab[0, 0] - lab[-1, 0]) < 8
        assert lab[0, 2] > 30 > -30 > lab[-1, 2]  # yellow against blue: no red against green

    @pytest.mark.parametrize(
        ("kind", "ink", "unit", "limits", "value", "expected"),
        [
            ("probability", "", "", (0, 1), 1.0, tuple(scale("value")[255])),
            ("probability", "", "", (0, 1), 0.0, tuple(scale("value")[0])),
            ("map", "positive", "", (0, 1), 1.0, POSITIVE),
            ("map", "negative", "", (0, 1), 1.0, NEGATIVE),
            ("map", "negative", "px", (0, 255), 0.0, NEGATIVE),
            ("difference", "", "", (-0.5, 0.5), -0.5, tuple(scale("difference")[0])),
        ],
    )
    def test_a_value_has_its_colour(self, kind, ink, unit, limits, value, expected):
        array = np.full((3, 4), value, np.float32)
        panel = Panel("k", "t", "c.", kind, array, limits=limits, ink=ink, unit=unit)
        assert tuple(int(v) for v in colours(panel)[1, 1]) == tuple(int(v) for v in expected)


class TestRender:
    def test_aspect_is_that_in_the_image(self):
        """A square recording of a box twice as wide as high fills half of a square."""
        array = np.ones((8, 8), bool)
        picture = render(Panel("k", "t", "c.", "mask", array, (0, 0, 20, 10)), (40, 40))
        painted = (picture == MASK).all(axis=2)
        assert painted[10:30].all()
        assert painted.sum() == 20 * 40

    def test_so_is_that_of_a_high_one(self):
        array = np.ones((8, 8), bool)
        picture = render(Panel("k", "t", "c.", "mask", array, (0, 0, 10, 20)), (40, 40))
        painted = (picture == MASK).all(axis=2)
        assert painted[:, 10:30].all()
        assert painted.sum() == 20 * 40

    def test_a_crop_is_framed_in_its_views_colour(self):
        array = np.zeros((10, 10, 3), np.uint8)
        panel = partial(Panel, "k", "t", "c.", "image", array, (0, 0, 10, 10))
        picture = render(panel(view="focus_crop"), (30, 30))
        assert tuple(picture[0, 15]) == tuple(picture[29, 15]) == VIEWS["focus_crop"]
        assert tuple(picture[15, 0]) == tuple(picture[15, 29]) == VIEWS["focus_crop"]
        assert picture[1:29, 1:29].max() == 0
        assert render(panel(), (30, 30)).max() == 0

    def test_numbers_rise_and_fall_from_their_baseline(self):
        array = np.array([2.0, 0.0], np.float32)
        panel = Panel("k", "t", "c.", "numbers", array, limits=(0.0, 2.0), baseline=1.0)
        picture = render(panel, (21, 20))
        assert tuple(picture[2, 5]) == MASK
        assert tuple(picture[18, 15]) == NEGATIVE
        assert tuple(picture[18, 5]) == tuple(picture[2, 15])

    def test_a_size_without_pixels(self):
        with pytest.raises(ValueError, match="at least"):
            render(Panel("k", "t", "c.", "mask", np.ones((2, 2), bool)), (0, 5))


class TestWrongUse:
    def test_another_image(self, sessions: Callable[[str], Session]):
        step = sessions("ifcn").step
        assert step is not None
        with pytest.raises(ValueError, match=r"got \(5, 5, 3\)"):
            explain(step, np.zeros((5, 5, 3), np.uint8))
        with pytest.raises(TypeError, match="float64"):
            explain(step, np.zeros((*SHAPE, 3)))

    def test_nothing_to_draw(self, sessions: Callable[[str], Session], image: NDArray[np.uint8]):
        session = sessions("ifcn")
        assert session.step is not None
        with pytest.raises(ValueError, match="no step yet"):
            figure(Session(session.method, image))
        with pytest.raises(ValueError, match="needs the image"):
            figure(session.step)
        with pytest.raises(ValueError, match="columns"):
            figure(session, columns=1)

    def test_a_panel_of_another_form(self):
        with pytest.raises(ValueError, match="'film'"):
            Panel("k", "t", "c.", "film", np.zeros((2, 2)))
        with pytest.raises(ValueError, match="3 dimensions"):
            Panel("k", "t", "c.", "image", np.zeros((2, 2)))


def test_importing_it_stays_light():
    """Nothing of networks, widgets or plotting comes with it."""
    code = (
        "import sys, iseg_widget; iseg_widget.explain;"
        "bad = {'torch', 'matplotlib', 'ipywidgets', 'scipy'} & set(sys.modules);"
        "assert not bad, bad;"
        "assert not [m for m in sys.modules if m.startswith(('iseg_widget.methods', "
        "'iseg_widget.networks', 'iseg_widget.session'))]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
