from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from iseg_widget.datasets import BaseDataset, MemoryDataset, Sample
from iseg_widget.evaluation.report import Report
from iseg_widget.evaluation.robot import next_click
from iseg_widget.evaluation.runner import evaluate
from iseg_widget.masks import iou
from iseg_widget.protocol import Step, View
from iseg_widget.session import Session
from tests.evaluation.closed_form import DiskMethod, DiskOptions, rectangle, rectangles


def run(method: DiskMethod | None = None, dataset: BaseDataset | None = None, **more: object):
    return evaluate(
        DiskMethod() if method is None else method,
        rectangles() if dataset is None else dataset,
        progress=False,
        **more,  # type: ignore[arg-type]
    )


def course(report: Report) -> list[tuple[object, ...]]:
    """Everything but the measured times."""
    return [(r.name, r.clicks, r.ious, r.initial_iou, r.scores, r.error) for r in report.records]


class Unreadable(BaseDataset):
    """The rectangles, but the second cannot be read."""

    name = "unreadable"

    def __init__(self) -> None:
        self._inner = rectangles()

    @property
    def names(self) -> tuple[str, ...]:
        return self._inner.names

    def _read(self, index: int) -> Sample:
        if index == 1:
            raise ValueError("cannot read image bar.jpg")
        return self._inner[index]


def test_a_run_is_what_a_session_with_the_robot_gives():
    report = run(max_clicks=8)
    for sample, record in zip(rectangles(), report.records, strict=True):
        session = Session(DiskMethod(), sample.image)
        for click, value in zip(record.clicks, record.ious, strict=True):
            assert click == next_click(session.mask, sample.mask, session.clicks)
            session.click(click.x, click.y, click.positive)
            assert value == iou(session.mask, sample.mask)
        assert record.name == sample.name
        assert record.seconds == (0.25,) * 8
    assert report.seconds_per_click == 0.25


def test_two_runs_are_equal():
    first, second = run(max_clicks=6), run(max_clicks=6)
    assert course(first) == course(second)


def test_an_object_stops_at_the_wanted_iou_and_a_perfect_one_always():
    report = run(stop_iou=0.5)
    for record in report.records:
        assert record.ious[-1] >= 0.5
        assert all(value < 0.5 for value in record.ious[:-1])
    rows, columns = np.indices((48, 48))
    disk = np.hypot(rows - 20, columns - 20) <= 6
    perfect = MemoryDataset([Sample("disk", np.zeros((48, 48, 3), np.uint8), disk)])
    assert run(dataset=perfect).records[0].ious == (1.0,)


def test_the_robot_and_the_iou_leave_ignored_pixels_out():
    plain = rectangle("square", (10, 10, 21, 21))
    rows, columns = np.indices((48, 48))
    disk = np.hypot(rows - 15, columns - 15) <= 6
    corners = MemoryDataset([rectangle("square", (10, 10, 21, 21), ignore=plain.mask ^ disk)])
    assert run(dataset=corners).records[0].ious == (1.0,)
    assert run(dataset=MemoryDataset([plain]), max_clicks=1).records[0].ious[0] < 1


def test_an_initial_mask_is_where_the_clicks_begin():
    whole = rectangle("block", (6, 6, 40, 42))
    flawed = whole.mask.copy()
    flawed[10:20, 10:20] = False
    start = rectangle("block", (6, 6, 40, 42), initial_mask=flawed)
    record = run(dataset=MemoryDataset([start]), max_clicks=1).records[0]
    assert record.initial_iou == iou(flawed, whole.mask)
    y, x = record.clicks[0].pixel
    assert 10 <= x < 20
    assert 10 <= y < 20
    assert record.ious[0] > record.initial_iou


def test_a_faulty_sample_is_recorded_and_the_run_goes_on():
    report = run(dataset=Unreadable(), max_clicks=4)
    assert [record.name for record in report.valid] == ["square", "block"]
    assert [record.name for record in report.faulty] == ["bar"]
    assert report.faulty[0].error == "ValueError: cannot read image bar.jpg"
    assert "cannot read image bar.jpg" in str(report)


def test_a_method_that_breaks_is_recorded_with_what_there_was():
    report = run(DiskMethod(fails_at=6), max_clicks=4)
    assert report.faulty[0].error == "RuntimeError: the method broke"
    assert report.faulty[0].name == "bar"
    assert len(report.faulty[0].clicks) == 1
    assert len(report.valid) == 2


def test_an_interruption_is_not_a_faulty_sample(tmp_path: Path):
    class Impatient(DiskMethod):
        def step(self, *args: object, **more: object) -> tuple[object, Step]:  # type: ignore[override]
            if self.steps == 5:
                raise KeyboardInterrupt
            return super().step(*args, **more)  # type: ignore[arg-type]

    out = tmp_path / "run.jsonl"
    with pytest.raises(KeyboardInterrupt):
        run(Impatient(), max_clicks=4, out=out)
    method = DiskMethod()
    report = run(method, max_clicks=4, out=out)
    assert method.steps == 8  # the first object was there
    assert course(report) == course(run(max_clicks=4))


def test_limit_takes_the_first_objects_and_can_be_raised_later(tmp_path: Path):
    out = tmp_path / "deep" / "run.jsonl"
    assert [r.name for r in run(limit=1, max_clicks=3, out=out).records] == ["square"]
    method = DiskMethod()
    report = run(method, max_clicks=3, out=out)
    assert [record.name for record in report.records] == ["square", "bar", "block"]
    assert method.steps == 6
    assert run(method, limit=2, max_clicks=3, out=out).records == report.records[:2]
    assert method.steps == 6


def test_faulty_objects_are_tried_again(tmp_path: Path):
    out = tmp_path / "run.jsonl"
    assert run(DiskMethod(fails_at=1), max_clicks=3, out=out).faulty
    report = run(max_clicks=3, out=out)
    assert not report.faulty
    assert Report.load(out).faulty == ()
    assert {r.name: r for r in Report.load(out).records} == {r.name: r for r in report.records}


def test_half_a_line_is_dropped(tmp_path: Path):
    out = tmp_path / "run.jsonl"
    whole = run(max_clicks=3, out=out)
    content = out.read_text("utf-8")
    out.write_text(content[:-20], encoding="utf-8")
    method = DiskMethod()
    assert course(run(method, max_clicks=3, out=out)) == course(whole)
    assert method.steps == 3
    assert len(out.read_text("utf-8").splitlines()) == 4
    out.write_text(content[:10], encoding="utf-8")  # not even the first line
    assert course(run(max_clicks=3, out=out)) == course(whole)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"max_clicks": 4}, "max_clicks: 4, not 3"),
        ({"robot": "fcanet"}, "robot: 'fcanet', not 'ritm'"),
        ({"stop_iou": 0.8}, "stop_iou: 0.8, not None"),
        ({"metrics": ["biou"]}, r"metrics: \['biou'\], not \[\]"),
        ({"method": DiskMethod(DiskOptions(5.0))}, "options: .*5.0"),
        ({"method": DiskMethod(name="other")}, "method: 'other', not 'disk'"),
        ({"dataset": MemoryDataset([], name="rectangles")}, "samples: 0, not 3"),
    ],
)
def test_a_file_of_another_run_is_refused(tmp_path: Path, change: dict[str, object], named: str):
    out = tmp_path / "run.jsonl"
    run(max_clicks=3, out=out)
    before = out.read_bytes()
    with pytest.raises(ValueError, match=named):
        run(**{"max_clicks": 3, "out": out, **change})  # type: ignore[arg-type]
    assert out.read_bytes() == before


def test_weights_distinguish_runs(tmp_path: Path):
    class Tensor:
        def __init__(self, value: float) -> None:
            self.value = np.asarray(value)

        def detach(self) -> Tensor:
            return self

        cpu = double = detach

        def numpy(self) -> np.ndarray:
            return self.value

    class Network:
        def __init__(self, value: float) -> None:
            self.value = value

        def state_dict(self) -> dict[str, Tensor]:
            return {"w": Tensor(self.value)}

    methods = []
    for value in (1.0, 1.0, 2.0):
        methods.append(DiskMethod())
        methods[-1].network = Network(value)  # type: ignore[attr-defined]
    out = tmp_path / "run.jsonl"
    first = run(methods[0], max_clicks=1, out=out)
    assert first.info.weights
    run(methods[1], max_clicks=1, out=out)
    with pytest.raises(ValueError, match="weights"):
        run(methods[2], max_clicks=1, out=out)


def test_a_foreign_file_is_refused_and_kept(tmp_path: Path):
    out = tmp_path / "notes.jsonl"
    out.write_text('{"my": "notes"}\n', encoding="utf-8")
    with pytest.raises(ValueError, match=r"notes\.jsonl, line 1"):
        run(out=out)
    assert out.read_text("utf-8") == '{"my": "notes"}\n'
    note = tmp_path / "note.jsonl"
    note.write_text("one line without an end", encoding="utf-8")
    with pytest.raises(ValueError, match=r"note\.jsonl, line 1"):
        run(out=note)
    assert note.read_text("utf-8") == "one line without an end"


def test_extra_metrics_are_measured_at_every_click():
    report = run(max_clicks=3, metrics=("biou", "assd"))
    assert all(len(record.scores["biou"]) == 3 for record in report.records)
    assert 0 < report.biou_at(3) < 1
    assert report.assd_at(3) > 0


def test_a_progress_bar_shows_the_running_noc(capsys: pytest.CaptureFixture[str]):
    report = evaluate(DiskMethod(), rectangles(), 5)
    shown = capsys.readouterr().err
    assert "disk on rectangles" in shown
    assert f"NoC@90={report.noc(0.9):.2f}" in shown
    run()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"max_clicks": 0}, ValueError, "max_clicks must be at least 1"),
        ({"max_clicks": 2.5}, TypeError, "whole number"),
        ({"stop_iou": 1.5}, ValueError, "stop_iou must lie in"),
        ({"robot": "human"}, ValueError, "accepted are ritm"),
        ({"metrics": ["dice"]}, ValueError, "'dice'; accepted are biou, assd"),
        ({"limit": 0}, ValueError, "limit must be at least 1"),
        ({"dataset": [1, 2]}, TypeError, "MemoryDataset"),
        ({"dataset": "no such data"}, ValueError, "unknown dataset"),
    ],
)
def test_refusals_say_what_is_accepted(
    arguments: dict[str, object], error: type[Exception], message: str
):
    with pytest.raises(error, match=message):
        run(**arguments)  # type: ignore[arg-type]


def test_every_line_is_there_at_once(tmp_path: Path):
    out = tmp_path / "run.jsonl"
    counts = []

    class Watched(DiskMethod):
        def start(self, *args: object, **more: object) -> object:  # type: ignore[override]
            counts.append(len(out.read_text("utf-8").splitlines()))
            return super().start(*args, **more)  # type: ignore[arg-type]

    run(Watched(), max_clicks=1, out=out)
    assert counts == [1, 2, 3]
    for line in out.read_text("utf-8").splitlines():
        json.loads(line)


def test_the_robot_needs_no_torch():
    script = (
        "import sys\n"
        "from iseg_widget.datasets import load\n"
        "from tests.evaluation.closed_form import DiskMethod\n"
        "from iseg_widget.evaluation.runner import evaluate\n"
        "assert evaluate(DiskMethod(), load('demo'), 1, progress=False).valid\n"
        "assert not {'torch', 'scipy', 'matplotlib'} & set(sys.modules)"
    )
    root = Path(__file__).resolve().parents[2]
    found = subprocess.run(
        [sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr


def test_measures_see_the_masks_and_the_views():
    class Looking(DiskMethod):
        def step(self, *args: object, **more: object) -> tuple[object, Step]:  # type: ignore[override]
            state, step = super().step(*args, **more)  # type: ignore[arg-type]
            return state, replace(step, views=(View("target_crop", (0, 0, 24, 12)),))

    names = ("hamming", "coverage", "target_crop_area", "focus_crop_area")
    report = run(Looking(), max_clicks=2, metrics=names)
    for record in report.records:
        assert record.scores["target_crop_area"] == (0.125, 0.125)
        assert record.scores["focus_crop_area"] == (0.0, 0.0)
        assert all(0 < value < 1 for value in record.scores["hamming"])
        assert all(0 < value <= 1 for value in record.scores["coverage"])
