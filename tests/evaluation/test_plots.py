from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from iseg_widget.datasets import MemoryDataset, Sample
from iseg_widget.evaluation.report import Report
from iseg_widget.evaluation.runner import evaluate
from iseg_widget.evaluation.summary import labels
from iseg_widget.evaluation.worst import hardest
from tests.evaluation.closed_form import DiskMethod, DiskOptions, rectangle, rectangles
from tests.evaluation.made import info, random_report, record, report_of

matplotlib = pytest.importorskip("matplotlib")
from matplotlib import pyplot as plt  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402


@pytest.fixture(autouse=True)
def _without_a_window(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    backend = matplotlib.get_backend()
    plt.switch_backend("agg")
    monkeypatch.setattr(plt, "show", lambda *_, **__: pytest.fail("a plot was shown"))
    yield
    plt.close("all")
    plt.switch_backend(backend)


def drawn(figure: Figure, path: Path) -> None:
    """Draw for real: what is wrong in a layout shows only then."""
    figure.savefig(path / "a.png", dpi=50)
    assert (path / "a.png").stat().st_size > 1000


def test_curves_are_the_mean_iou_after_every_click(tmp_path: Path):
    first, second = random_report(1), random_report(2, clicks=12, method="other")
    ax = first.plot_curves(second)
    assert [line.get_label() for line in ax.lines] == ["disk", "other"]
    for line, report in zip(ax.lines, (first, second), strict=True):
        clicks, ious = line.get_data()
        np.testing.assert_array_equal(clicks, np.arange(1, report.info.max_clicks + 1))
        np.testing.assert_allclose(ious, [100 * report.iou_at(int(k)) for k in clicks])
    assert ax.get_xlabel() == "Number of clicks"
    assert ax.get_ylabel() == "Mean IoU (%)"
    assert ax.get_title() == "three (40 objects)"
    looks = {(line.get_color(), line.get_linestyle(), line.get_marker()) for line in ax.lines}
    assert len(looks) == 2
    drawn(ax.figure, tmp_path)


def test_curves_from_initial_masks_begin_before_the_first_click():
    report = Report(info(), (record("a", (0.9,), initial_iou=0.8),))
    np.testing.assert_allclose(report.plot_curves().lines[0].get_data()[1], [80, 90, 90, 90])


def test_given_axes_are_drawn_into():
    figure = Figure()
    ax = figure.subplots()
    report = random_report(1)
    assert report.plot_curves(ax=ax) is ax
    assert report.plot_histogram(ax=ax) is ax
    assert plt.get_fignums() == []


def test_the_histogram_counts_objects(tmp_path: Path):
    report = report_of({"a": (0.9,), "b": (0.2, 0.91), "c": (0.3, 0.9), "d": (0.1, 0.2, 0.3)})
    ax = report.plot_histogram()
    assert [bar.get_height() for bar in ax.patches] == [1, 2, 0, 1]
    assert [bar.get_x() + bar.get_width() / 2 for bar in ax.patches] == pytest.approx([1, 2, 3, 5])
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["1", "2", "3", "never"]
    assert ax.get_xlabel() == "Clicks to reach IoU 90 %"
    assert ax.get_ylabel() == "Number of objects"
    legend = ax.get_legend()
    assert legend is not None
    assert legend.get_texts()[0].get_text() == "disk: NoC@90 2.00"
    drawn(ax.figure, tmp_path)
    many = random_report(1)
    ax = many.plot_histogram(random_report(2, method="b"), random_report(3, method="c"))
    heights = [bar.get_height() for bar in ax.patches]
    assert len(heights) == 3 * 21
    assert sum(heights) == 3 * 40
    drawn(ax.figure, tmp_path)


def test_labels_name_what_differs():
    first, second = info(options={"a": 1, "b": 2}), info(options={"a": 1, "b": 3}, robot="fcanet")
    assert labels([Report(run, ()) for run in (first, second)]) == [
        "disk b=2 robot=ritm",
        "disk b=3 robot=fcanet",
    ]
    report = random_report(1)
    ax = report.plot_curves(report)
    assert [line.get_label() for line in ax.lines] == ["disk (1)", "disk (2)"]


def test_what_cannot_be_drawn_is_refused():
    empty = Report(info(), ())
    with pytest.raises(ValueError, match="no valid object"):
        empty.plot_curves()
    with pytest.raises(ValueError, match="no valid object"):
        empty.plot_histogram()
    with pytest.raises(ValueError, match="differ in max_clicks: 12, 20"):
        random_report(1).plot_histogram(random_report(2, clicks=12))
    stopped = Report(info(stop_iou=0.8), (record("a", (0.85,)),))
    with pytest.raises(ValueError, match="higher stop_iou"):
        stopped.plot_histogram()
    assert plt.get_fignums() == []


def test_a_missing_matplotlib_is_named(monkeypatch: pytest.MonkeyPatch):
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "matplotlib", None)
        with pytest.raises(ImportError, match=r"pip install 'iseg-widget\[lab\]'"):
            random_report(1).plot_curves()


def test_the_hardest_objects_come_first():
    report = report_of(
        {
            "easy": (0.95, 0.95, 0.95),
            "late": (0.1, 0.2, 0.91),
            "bad": (0.1, 0.2, 0.3),
            "worse": (0.1, 0.1, 0.1),
        }
    )
    assert [r.name for r in hardest(report, 3)] == ["worse", "bad", "late"]
    assert [r.name for r in hardest(report, 9)] == ["worse", "bad", "late", "easy"]
    with pytest.raises(ValueError, match="n must be at least 1, got 0"):
        hardest(report, 0)


def test_the_worst_are_drawn_with_their_clicks(tmp_path: Path):
    data = rectangles()
    method = DiskMethod()
    report = evaluate(method, data, 4, progress=False)
    figure = report.worst(2, dataset=data, method=method)
    first, second = figure.axes
    assert [ax.get_title().splitlines()[0] for ax in (first, second)] == [
        record.name for record in hardest(report, 2)
    ]
    assert "(was" not in first.get_title()
    assert f"at last {100 * hardest(report)[0].ious[-1]:.1f} %" in first.get_title()
    points = {tuple(map(float, (line.get_xdata()[0], line.get_ydata()[0])))
              for line in first.lines if len(line.get_xdata()) == 1}  # fmt: skip
    assert points == {(click.x, click.y) for click in hardest(report)[0].clicks}
    drawn(figure, tmp_path)
    assert plt.get_fignums() == []


def test_colours_say_hit_missed_and_wrong():
    data = MemoryDataset([rectangle("a", (10, 10, 30, 30))], name="one")
    report = evaluate(DiskMethod(), data, 1, progress=False)
    mask = np.zeros((48, 48), bool)
    mask[10:30, 20:40] = True
    figure = report.worst(dataset=data, masks={"a": mask})
    picture = np.asarray(figure.axes[0].images[0].get_array())
    hit, missed, wrong, nothing = (picture[20, x] for x in (25, 15, 35, 45))
    assert len({tuple(np.round(c, 3)) for c in (hit, missed, wrong, nothing)}) == 4
    assert hit.argmax() == 2
    assert missed.argmin() == 2
    assert nothing.tolist() == [0, 0, 0]
    top, bottom = sorted(figure.axes[0].get_ylim())
    assert figure.axes[0].get_ylim() == (bottom, top), "row 0 is above"
    assert "(was" in figure.axes[0].get_title()


def test_initial_masks_are_replayed():
    start = np.zeros((48, 48), bool)
    start[10:30, 10:25] = True
    sample = rectangle("a", (10, 10, 30, 30), initial_mask=start)
    data = MemoryDataset([sample], name="one")
    method = DiskMethod()
    report = evaluate(method, data, 2, progress=False)
    assert "(was" not in report.worst(dataset=data, method=method).axes[0].get_title()


def test_worst_refuses_what_does_not_belong_to_the_report():
    data = rectangles()
    method = DiskMethod()
    report = evaluate(method, data, 2, progress=False)
    samples = [data[k] for k in range(3)]
    for arguments, message in (
        ({}, "either the method, to replay the clicks, or masks"),
        ({"method": method, "masks": {}}, "either the method"),
        ({"masks": {}}, "masks lack"),
        ({"masks": dict.fromkeys(data.names, np.zeros((2, 2)))}, r"has shape \(2, 2\)"),
        ({"method": DiskMethod(name="other")}, "report is of disk, the method is other"),
        ({"method": DiskMethod(DiskOptions(3.0))}, "radius=3.0, not 6.0"),
        ({"dataset": MemoryDataset(samples, name="x")}, "on rectangles, the dataset is x"),
        ({"dataset": MemoryDataset(samples[:1], name="rectangles")}, "another copy"),
    ):
        with pytest.raises(ValueError, match=message):
            report.worst(**{"dataset": data, **arguments})


def test_ignored_pixels_have_no_colour():
    sample = rectangle("a", (10, 10, 30, 30))
    ignore = np.zeros((48, 48), bool)
    ignore[:, 25:] = True
    data = MemoryDataset([Sample(**{**dataclasses.asdict(sample), "ignore": ignore})], name="one")
    report = evaluate(DiskMethod(), data, 1, progress=False)
    figure = report.worst(dataset=data, masks={"a": np.ones((48, 48), bool)})
    picture = np.asarray(figure.axes[0].images[0].get_array())
    assert picture[20, 27].tolist() == [0, 0, 0]
    assert picture[5, 30].tolist() == [0, 0, 0]
    assert picture[5, 5].any()
    assert picture[20, 15].any()
