from __future__ import annotations

import numpy as np
import pytest

from iseg_widget.clicks import Click
from iseg_widget.datasets import MemoryDataset, Sample
from iseg_widget.evaluation.click_statistics import (
    centrality_degree,
    centrality_map,
    click_statistics,
)
from iseg_widget.evaluation.records import Record
from iseg_widget.evaluation.replay_robot import ReplayRobot
from iseg_widget.evaluation.runner import evaluate
from iseg_widget.session import Session
from tests.evaluation.closed_form import DiskMethod, rectangles


def drawn(*rows: str) -> np.ndarray:
    return np.array([[letter == "#" for letter in row] for row in rows])


SQUARE = drawn(
    ".......",
    ".#####.",
    ".#####.",
    ".#####.",
    ".#####.",
    ".#####.",
    ".......",
)
LEFT = drawn(
    "####...",
    "####...",
    "####...",
)


def sample(name: str, mask: np.ndarray, ignore: np.ndarray | None = None) -> Sample:
    return Sample(name, np.zeros((*mask.shape, 3), np.uint8), mask, ignore)


def test_the_centre_has_degree_1_and_the_rim_what_is_drawn():
    assert centrality_degree(Click(3, 3), SQUARE) == 1
    assert centrality_degree(Click(2, 3), SQUARE) == pytest.approx(2 / 3)
    assert centrality_degree(Click(1, 1), SQUARE) == pytest.approx(1 / 3)
    assert centrality_degree(Click(0, 0), SQUARE) == 0
    # between the pixels, the one that holds the click counts
    assert centrality_degree(Click(2.4, 3.4), SQUARE) == pytest.approx(2 / 3)


def test_the_image_border_is_background_only_when_asked():
    np.testing.assert_allclose(centrality_map(LEFT)[1], [1, 0.75, 0.5, 0.25, 0, 0, 0])
    np.testing.assert_allclose(centrality_map(LEFT, border=True)[1], [0.5, 1, 1, 0.5, 0, 0, 0])


def test_ignored_pixels_are_neither_object_nor_background():
    ignore = np.zeros_like(LEFT)
    ignore[:, 0] = ignore[:, 4] = True
    found = centrality_map(LEFT, ignore)[1]
    nan = np.nan
    np.testing.assert_allclose(found, [nan, 1, 3 / 4, 2 / 4, nan, 0, 0])


def test_without_background_nothing_is_central():
    full = np.ones((3, 5), bool)
    assert np.isnan(centrality_map(full)).all()
    assert centrality_map(full, border=True)[1, 2] == 1
    assert np.isnan(centrality_map(~full, border=True)).all()


def test_table_1_of_three_drawn_objects():
    data = MemoryDataset([sample("a", SQUARE), sample("b", SQUARE), sample("c", SQUARE)])
    centre, next_to_it, rim = Click(3, 3), Click(2, 3), Click(1, 3)
    outside = Click(0, 0, positive=False)
    records = [
        Record("a", (centre, rim, outside), (0.6, 0.7, 0.9)),
        Record("b", (next_to_it, outside), (0.5, 0.4), initial_iou=0.1),
        Record("c", (centre,), (1.0,)),
        Record("c", (rim,), (0.0,), error="ValueError: broken"),
    ]
    found = click_statistics(records, data, 4)
    np.testing.assert_allclose(found.improvement, [(0.6 + 0.4 + 1) / 3, 0.0, 0.2, np.nan])
    np.testing.assert_allclose(found.centrality, [(1 + 2 / 3 + 1) / 3, 1 / 3, np.nan, np.nan])
    np.testing.assert_array_equal(found.objects, [3, 2, 1, 0])
    np.testing.assert_array_equal(found.positive, [3, 1, 0, 0])
    second = found.to_records()[1]
    assert second == {
        "click": 2,
        "pi": pytest.approx(0.0),
        "cd": pytest.approx(1 / 3),
        "objects": 2,
        "positive": 1,
    }
    assert len(click_statistics(records, data, 2).improvement) == 2


def test_the_robot_begins_in_the_centre():
    report = evaluate(DiskMethod(), rectangles(), 6, progress=False)
    found = click_statistics(report.valid, rectangles(), 6)
    assert found.centrality[0] == 1
    assert found.centrality[1] < 1
    curve = report.curve()
    np.testing.assert_allclose(found.improvement, np.diff(curve))


def test_logs_of_sessions_count_as_records():
    data = rectangles()
    logs = {}
    for item, at in zip(data, ((15, 15), (24, 21), (23, 24)), strict=True):
        session = Session(DiskMethod(), item.image)
        session.click(*at)
        session.click(0, 0, positive=False)
        logs[item.name] = session.log()
    report = evaluate(DiskMethod(), data, robot=ReplayRobot.from_logs(logs), progress=False)
    found = click_statistics(report.valid, data, 3)
    np.testing.assert_array_equal(found.positive, [3, 0, 0])
    np.testing.assert_array_equal(found.objects, [3, 3, 0])
    # bar: rows 20..29, so 2 of at most 5 pixels from the background
    np.testing.assert_allclose(found.centrality[0], (1 + 2 / 5 + 1) / 3)


def test_refusals_say_what_is_wrong():
    data = MemoryDataset([sample("a", SQUARE)], name="drawn")
    with pytest.raises(ValueError, match="drawn has no sample 'b'"):
        click_statistics([Record("b", (Click(1, 1),), (0.5,))], data)
    with pytest.raises(ValueError, match="outside the image of 7 x 7"):
        click_statistics([Record("a", (Click(7, 1),), (0.5,))], data)
    with pytest.raises(ValueError, match="max_clicks must be at least 1"):
        click_statistics([], data, 0)
    with pytest.raises(ValueError, match="outside the image"):
        centrality_degree(Click(-1, 0), SQUARE)
    with pytest.raises(ValueError, match="ignore has shape"):
        centrality_map(SQUARE, LEFT)
    assert np.isnan(click_statistics([], data, 3).improvement).all()
