from __future__ import annotations

import numpy as np
import pytest

from iseg_widget.clicks import Click
from iseg_widget.datasets import MemoryDataset
from iseg_widget.evaluation.noisy_robot import NoisyRobot
from iseg_widget.evaluation.replay_robot import ReplayRobot
from iseg_widget.evaluation.report import Report
from iseg_widget.evaluation.runner import evaluate
from iseg_widget.session import Session
from tests.evaluation.closed_form import DiskMethod, rectangle, rectangles


def logs(*clicks: Click, edit: bool = False) -> dict[str, dict[str, object]]:
    """The same clicks on each of the rectangles."""
    found = {}
    for sample in rectangles():
        session = Session(DiskMethod(), sample.image)
        session.click_many(clicks)
        if edit:
            session.edit(sample.mask)
            session.click(1, 1, positive=False)
        found[sample.name] = session.log()
    return found


def course(report: Report) -> list[tuple[object, ...]]:
    """Everything but the measured times."""
    return [(r.name, r.clicks, r.ious, r.scores, r.error) for r in report.records]


def test_logged_clicks_are_given_one_by_one_and_then_none():
    clicks = (Click(15, 15), Click(30.5, 25), Click(0, 0, positive=False))
    robot = ReplayRobot.from_logs(logs(*clicks))
    mask = np.zeros((48, 48), bool)
    given: list[Click] = []
    for _ in clicks:
        click = robot.next_click(mask, ~mask, given, sample="bar")
        assert click is not None
        given.append(click)
    assert tuple(given) == clicks
    assert robot.next_click(mask, ~mask, given, sample="bar") is None


def test_an_object_ends_with_its_log_and_counts_as_a_failure_unless_it_was_reached():
    log = logs(Click(15, 15), Click(20, 25))
    report = evaluate(
        DiskMethod(), rectangles(), 20, robot=ReplayRobot.from_logs(log), progress=False
    )
    assert [len(record.clicks) for record in report.records] == [2, 2, 2]
    square = report.records[0]
    assert square.ious[0] > 0.8
    low = 0.5 * min(record.ious[1] for record in report.records)
    assert report.nof(low) == 0
    assert report.noc(low) < 3
    assert report.nof(0.8) == 2
    assert report.noc(0.8) == pytest.approx((1 + 20 + 20) / 3)
    assert report.iou_at(20) == pytest.approx(np.mean([r.ious[1] for r in report.records]))


def test_a_replay_of_a_run_is_the_run():
    first = evaluate(DiskMethod(), rectangles(), 6, progress=False)
    robot = ReplayRobot.from_records(first.valid)
    again = evaluate(DiskMethod(), rectangles(), 6, robot=robot, progress=False)
    assert course(again) == course(first)


def test_the_description_tells_logs_apart():
    one = ReplayRobot.from_logs(logs(Click(1, 1)))
    assert one.description == ReplayRobot.from_logs(logs(Click(1, 1))).description
    assert one.description.startswith("replay:logs=")
    fewer = logs(Click(1, 1))
    del fewer["bar"]
    for other in (logs(Click(1, 2)), logs(Click(1, 1, positive=False)), fewer):
        assert ReplayRobot.from_logs(other).description != one.description


def test_a_sample_without_a_log_is_faulty():
    log = logs(Click(1, 1))
    del log["bar"]
    report = evaluate(DiskMethod(), rectangles(), robot=ReplayRobot.from_logs(log), progress=False)
    assert [record.name for record in report.faulty] == ["bar"]
    assert report.faulty[0].error == "ValueError: there is no log for 'bar' among 2"


def test_an_image_of_another_size_is_faulty():
    other = MemoryDataset([rectangle("bar", (4, 20, 30, 28), size=40)])
    robot = ReplayRobot.from_logs(logs(Click(1, 1)))
    report = evaluate(DiskMethod(), other, robot=robot, progress=False)
    assert "48 x 48 pixels, the sample has 40 x 40" in str(report.faulty[0].error)


def test_manual_edits_are_refused_or_left_out():
    with_edits = logs(Click(1, 1), edit=True)
    with pytest.raises(ValueError, match=r"log of 'square' .* skip_edits=True"):
        ReplayRobot.from_logs(with_edits)
    robot = ReplayRobot.from_logs(with_edits, skip_edits=True)
    assert robot.clicks["bar"] == (Click(1, 1), Click(1, 1, positive=False))


@pytest.mark.parametrize(
    ("log", "message"),
    [
        ({"version": 9}, "log version 9; accepted is 1"),
        ({"version": 1, "actions": []}, "it lacks 'image'"),
        ({"version": 1}, "it lacks 'actions'"),
        ({"version": 1, "actions": [{"drag": 1}]}, r"'clicks' or 'edit', got \['drag'\]"),
        ({"version": 1, "actions": [], "image": {"width": 3, "height": 3}}, "holds no click"),
    ],
)
def test_what_is_no_log_is_refused(log: dict[str, object], message: str):
    with pytest.raises(ValueError, match=message):
        ReplayRobot.from_logs({"a": log})


def test_robots_as_objects_describe_the_run_and_tell_it_from_others(tmp_path):
    out = tmp_path / "run.jsonl"
    robot = NoisyRobot(point="anywhere", jitter=2, seed=4)
    first = evaluate(DiskMethod(), rectangles(), 5, robot=robot, out=out, progress=False)
    assert first.info.robot == "noisy:point=anywhere,jitter=2.0,seed=4"
    named = evaluate(DiskMethod(), rectangles(), 5, robot=first.info.robot, out=out, progress=False)
    assert named.records == first.records
    with pytest.raises(ValueError, match=r"robot: 'noisy:point=anywhere,jitter=2\.0,seed=5', not"):
        evaluate(
            DiskMethod(),
            rectangles(),
            5,
            robot=NoisyRobot(point="anywhere", jitter=2, seed=5),
            out=out,
            progress=False,
        )


def test_noisy_clicks_do_not_depend_on_the_order_of_objects():
    robot = NoisyRobot(point="inner", jitter=3, wrong_label=0.2, seed=1)
    samples = list(rectangles())
    forward = evaluate(DiskMethod(), MemoryDataset(samples), 6, robot=robot, progress=False)
    backward = evaluate(DiskMethod(), MemoryDataset(samples[::-1]), 6, robot=robot, progress=False)
    assert course(forward) == course(backward)[::-1]
    assert len({record.clicks[0].pixel for record in forward.records}) == 3
