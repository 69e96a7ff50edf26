from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from iseg_widget.clicks import Click, check_inside, to_array


def test_click_is_positive_by_default_and_immutable():
    click = Click(3, 4)
    assert click == Click(3.0, 4.0, positive=True)
    with pytest.raises(AttributeError):
        click.x = 5  # type: ignore[misc]


@pytest.mark.parametrize(
    ("x", "y", "pixel"),
    [
        (0, 0, (0, 0)),
        (-0.5, -0.5, (0, 0)),
        (0.49, 0.5, (1, 0)),
        (7.5, 2.4, (2, 8)),
        (-0.51, 0, (0, -1)),
    ],
)
def test_integer_coordinates_are_pixel_centres(x: float, y: float, pixel: tuple[int, int]):
    assert Click(x, y).pixel == pixel


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, np.float32("nan")])
@pytest.mark.parametrize("name", ["x", "y"])
def test_coordinates_must_be_finite(name: str, value: float):
    with pytest.raises(ValueError, match=f"click {name} must be finite"):
        Click(**{"x": 0, "y": 0, name: value})


@pytest.mark.parametrize("value", ["3", None, True, [1]])
def test_coordinates_must_be_numbers(value: Any):
    with pytest.raises(TypeError, match="click x must be a number"):
        Click(value, 0)


def test_numpy_numbers_become_python_numbers():
    click = Click(np.float32(1.5), np.int64(2), np.bool_(0))  # type: ignore[arg-type]
    assert click == Click(1.5, 2.0, positive=False)
    assert json.loads(json.dumps(click.to_dict())) == {"x": 1.5, "y": 2.0, "positive": False}


def test_dict_round_trip():
    for click in (Click(1.25, -0.5), Click(3, 4, positive=False)):
        assert Click.from_dict(json.loads(json.dumps(click.to_dict()))) == click
    assert Click.from_dict({"x": 1, "y": 2}) == Click(1, 2)


@pytest.mark.parametrize("data", [{"x": 1}, {}, {"x": 1, "y": 2, "label": 1}])
def test_dict_with_missing_or_unknown_keys(data: dict[str, Any]):
    with pytest.raises(ValueError, match="x, y, positive"):
        Click.from_dict(data)


@pytest.mark.parametrize("point", [(-0.5, -0.5), (9.49, 4.49), (0, 4), (9, 0)])
def test_every_pixel_of_the_image_accepts_clicks(point: tuple[float, float]):
    check_inside(Click(*point), (5, 10))


@pytest.mark.parametrize("point", [(-0.6, 0), (9.5, 0), (0, 4.5), (0, -1), (1e9, 2)])
def test_click_outside_is_refused_with_what_is_accepted(point: tuple[float, float]):
    with pytest.raises(ValueError, match=r"10 x 5 pixels: x is accepted from -0.5 to 9.5"):
        check_inside(Click(*point), (5, 10))


def test_to_array_keeps_order_and_signs():
    rows = to_array([Click(1, 2), Click(3.5, 4, positive=False)])
    assert rows.dtype == np.float32
    np.testing.assert_array_equal(rows, [[1, 2, 1], [3.5, 4, 0]])
    assert to_array([]).shape == (0, 3)
