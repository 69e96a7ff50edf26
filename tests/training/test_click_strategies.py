"""Clicks drawn as iFCN and FCA-Net draw them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from iseg_widget.training.click_strategies import (
    STRATEGIES,
    ClickStrategy,
    centre_click,
    placed_clicks,
)
from iseg_widget.training.crop_simulation import SimulatedView
from iseg_widget.training.interaction import InteractionSettings, first_interaction
from iseg_widget.training.recipes import load_recipe

SIDE = 256
EVERYWHERE = np.ones((SIDE, SIDE), bool)


def disk(x: int, y: int, radius: int) -> NDArray[np.bool_]:
    rows, columns = np.indices((SIDE, SIDE))
    return np.asarray((columns - x) ** 2 + (rows - y) ** 2 <= radius**2)


TRUTH = disk(120, 130, 70)


def only(name: str, **changes: object) -> ClickStrategy:
    """A strategy meant for these views, with one value for each distance."""
    values = {"p1": (8,), "p2": (12,), "n1": (15,), "n2": (40,), "n3": (20,), "side": SIDE}
    return dataclasses.replace(STRATEGIES[name], **{**values, **changes})


def draws(strategy: ClickStrategy, truth: NDArray[np.bool_] = TRUTH, count: int = 60):
    for seed in range(count):
        yield placed_clicks(truth, EVERYWHERE, np.random.default_rng(seed), strategy)


def gaps(clicks: NDArray[np.float32]) -> list[float]:
    """Distance of each click to the nearest of those before it."""
    places = clicks[:, :2].astype(float)
    return [np.hypot(*(places[:i] - places[i]).T).min() for i in range(1, len(places))]


@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_clicks_keep_their_distances(name: str):
    """Eq. 9 and 10 of FCA-Net, against exact distances."""
    inside = distance_transform_edt(TRUTH)
    away = distance_transform_edt(~TRUTH)
    slack = 0.5  # the quick distances are not exact
    counts = set()
    for clicks in draws(only(name)):
        positive = clicks[:, 2] == 1
        counts.add((int(positive.sum()), int((~positive).sum())))
        columns, rows = clicks[:, 0].astype(int), clicks[:, 1].astype(int)
        assert (TRUTH[rows, columns] == positive).all()
        assert inside[rows[positive], columns[positive]].min() > 8 - slack
        if (~positive).any():
            found = away[rows[~positive], columns[~positive]]
            assert 15 - slack < found.min() <= found.max() < 40 + slack
        limits = [12 if kind else 20 for kind in positive[1:]]
        assert all(gap > limit for gap, limit in zip(gaps(clicks), limits, strict=True))
    most = {"ifcn": (5, 10), "fca_net": (10, 10)}[name]
    assert max(p for p, _ in counts) == most[0]
    assert min(p for p, _ in counts) == 1
    assert min(n for _, n in counts) == 0
    assert most[1] - 2 <= max(n for _, n in counts) <= most[1]


def test_lengths_shrink_with_the_view():
    """At half the size all distances are half."""
    strategy = only("fca_net", side=2 * SIDE, p1=(60,), n1=(40,), n2=(80,))
    away, inside = distance_transform_edt(~TRUTH), distance_transform_edt(TRUTH)
    for clicks in draws(strategy, count=20):
        for x, y, positive in clicks.astype(int):
            if positive:
                assert inside[y, x] > 29
            else:
                assert 19 < away[y, x] < 41


def test_fca_nets_first_click_is_the_centre_and_others_keep_off_it():
    for clicks in draws(only("fca_net", p2=(30,)), count=20):
        assert tuple(clicks[0]) == (*centre_click(TRUTH), 1.0)
        kinds = clicks[1:, 2] == 1
        distances = np.hypot(*(clicks[1:, :2] - clicks[0, :2]).T)
        assert (distances[kinds] > 30).all()
    firsts = {tuple(clicks[0]) for clicks in draws(only("ifcn"), count=20)}
    assert len(firsts) > 15


def test_ifcns_third_strategy_surrounds_the_object():
    """Its negative clicks leave no large gap; those drawn at random do."""

    def widest(around: float) -> float:
        found = []
        for clicks in draws(only("ifcn", around=around, n3=(5,)), count=80):
            rest = clicks[clicks[:, 2] == 0]
            if len(rest) >= 6:
                angles = np.sort(np.arctan2(rest[:, 1] - 130, rest[:, 0] - 120))
                found.append(np.diff([*angles, angles[0] + 2 * np.pi]).max())
        assert len(found) > 10
        return float(np.mean(found))

    assert widest(1.0) < 0.75 * widest(0.0)


def test_thin_small_and_empty_objects():
    thin = np.zeros((SIDE, SIDE), bool)
    thin[100, 20:200] = True
    for name in STRATEGIES:
        for clicks in draws(only(name), thin, 10):
            assert clicks[0, 2] == 1
            assert clicks[0, 1] == 100
            assert (clicks[:, 2] == 1).sum() == 1
        for clicks in draws(only(name), ~EVERYWHERE, 2):
            assert clicks.shape == (0, 3)
        for clicks in draws(only(name), EVERYWHERE, 5):
            assert (clicks[:, 2] == 1).all()


def test_ignored_pixels_are_not_clicked():
    valid = EVERYWHERE.copy()
    valid[:, :120] = False
    for seed in range(20):
        clicks = placed_clicks(TRUTH, valid, np.random.default_rng(seed), only("ifcn"))
        assert (clicks[clicks[:, 2] == 0][:, 0] >= 120).all()


def test_values_are_the_papers():
    """FCA-Net Sec. 3.5."""
    fca = STRATEGIES["fca_net"]
    assert (fca.p1, fca.p2) == ((5, 10, 15, 20), (7, 10, 20))
    assert (fca.n1, fca.n2, fca.n3) == ((15, 40, 60), (80,), (10, 15, 25))
    assert (fca.positives, fca.negatives) == (10, 10)


def test_recipes_name_a_strategy():
    simulation = load_recipe("ifcn-lite0").simulation
    settings = InteractionSettings.of(simulation)
    assert settings.clicks == "ifcn"
    view = SimulatedView(np.zeros((3, SIDE, SIDE), np.float32), TRUTH, EVERYWHERE)
    found = first_interaction([view], settings, np.random.default_rng(5))
    expected = np.random.default_rng(5)
    expected.random()  # whether it starts from a damaged mask
    same = placed_clicks(TRUTH, EVERYWHERE, expected, STRATEGIES["ifcn"])
    np.testing.assert_array_equal(found.clicks[0], same)
    assert InteractionSettings.of(load_recipe("ritm-lite0").simulation).clicks == "focalclick"
    with pytest.raises(ValueError, match="one of focalclick, fca_net, ifcn, got 'x'"):
        InteractionSettings.of({**simulation, "clicks": "x"})
