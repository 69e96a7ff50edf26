from __future__ import annotations

import dataclasses
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from iseg_widget.evaluation.compare import paired_bootstrap
from iseg_widget.evaluation.records import Record
from iseg_widget.evaluation.report import Report
from tests.evaluation.made import info, random_report, record, report_of


def test_the_interval_is_that_of_plain_resampling():
    values = np.random.default_rng(5).normal(0.3, 1, (30, 2))
    low, high = paired_bootstrap(values, resamples=500, seed=7, level=0.9)
    rng = np.random.default_rng(7)
    means = np.array([values[rng.integers(30, size=30)].mean(axis=0) for _ in range(500)])
    np.testing.assert_allclose(low, np.quantile(means, 0.05, axis=0))
    np.testing.assert_allclose(high, np.quantile(means, 0.95, axis=0))


def test_resampling_in_parts_changes_nothing(monkeypatch: pytest.MonkeyPatch):
    values = np.random.default_rng(5).normal(0.3, 1, 50)
    whole = paired_bootstrap(values, resamples=300)
    monkeypatch.setattr("iseg_widget.evaluation.compare._CHUNK", 50 * 7)
    np.testing.assert_array_equal(paired_bootstrap(values, resamples=300), whole)


def test_intervals_cover_a_known_difference_as_often_as_they_say():
    rng = np.random.default_rng(3)
    truth, trials, objects = 0.4, 600, 80
    covered = 0
    for trial in range(trials):
        # Objects differ in difficulty far more than the methods do; the pairing takes that out.
        hard = rng.normal(0, 5, objects)
        first = hard + truth + rng.exponential(1.0, objects)
        second = hard + rng.exponential(1.0, objects)
        low, high = paired_bootstrap(first - second, resamples=1000, seed=trial)
        covered += bool(low[0] <= truth <= high[0])
    # 95 % of 600 is 570 with a standard deviation of 5.3.
    assert 551 <= covered <= 585


def test_pairing_makes_the_interval_narrow():
    rng = np.random.default_rng(3)
    hard = rng.normal(0, 5, 200)
    first, second = hard + rng.normal(0.2, 0.3, 200), hard
    low, high = paired_bootstrap(first - second)
    assert 0 < low[0] < 0.2 < high[0] < 0.3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"differences": []}, "got 0 and 10000"),
        ({"differences": [1.0], "resamples": 0}, "got 1 and 0"),
        ({"differences": [1.0], "level": 95}, "level lies between 0 and 1, got 95"),
    ],
)
def test_what_cannot_be_resampled_is_refused(arguments: dict, message: str):
    with pytest.raises(ValueError, match=message):
        paired_bootstrap(**arguments)


def test_identical_reports_differ_by_exactly_nothing():
    report = random_report(1, metrics=("biou", "assd"))
    found = report.compare(report)
    names = [difference.measure for difference in found.differences]
    assert {"NoC@80", "NoC@95", "NoF@90", "IoU@1", "IoU@20", "BIoU@5", "ASSD@5"} <= set(names)
    for difference in found.differences:
        assert difference.difference == difference.low == difference.high == 0.0
        assert difference.first == difference.second
        assert not difference.clear
    assert "+0" not in str(found)
    assert "-0" not in str(found)


def test_measures_are_those_of_the_reports():
    first = random_report(1, metrics=("biou",))
    second = random_report(2, metrics=("biou", "assd"), method="other")
    found = first.compare(second)
    for difference in found.differences:
        measure, _, at = difference.measure.partition("@")
        assert measure != "ASSD"
        for report, value in ((first, difference.first), (second, difference.second)):
            expected = {
                "NoC": lambda r=report, at=at: r.noc(int(at) / 100),
                "NoF": lambda r=report, at=at: r.nof(int(at) / 100),
                "IoU": lambda r=report, at=at: 100 * r.iou_at(int(at)),
                "BIoU": lambda r=report, at=at: 100 * r.biou_at(int(at)),
            }[measure]()
            assert value == pytest.approx(expected), difference.measure
        assert difference.low <= difference.difference <= difference.high
        assert difference.difference == pytest.approx(difference.first - difference.second)
    assert found["NoF@95"].unit == "objects"
    with pytest.raises(KeyError, match=r"'NoC@50' was not compared; there are NoC@80"):
        found["NoC@50"]


def test_the_other_way_round_has_the_opposite_sign():
    first, second = random_report(1), random_report(2)
    one, two = first.compare(second)["NoC@90"], second.compare(first)["NoC@90"]
    assert one.difference == pytest.approx(-two.difference)
    assert (one.low, one.high) == pytest.approx((-two.high, -two.low))
    assert first.compare(second) == first.compare(second)
    assert first.compare(second, seed=1)["IoU@5"].low != first.compare(second)["IoU@5"].low


def test_objects_are_matched_by_name_and_faulty_ones_left_out():
    curves = {"a": (0.5, 0.96), "b": (0.9, 0.97), "c": (0.2, 0.3)}
    first = report_of(curves)
    shifted = Report(first.info, tuple(reversed(first.records)))
    for difference in first.compare(shifted).differences:
        assert difference.difference == difference.low == difference.high == 0

    broken = Report(first.info, (*first.records[:2], Record("c", error="broken")))
    found = first.compare(broken)
    assert found.objects == 2
    assert found["NoF@95"].first == 0
    assert "1 objects are faulty in one of the reports" in str(found)
    nothing = Report(first.info, tuple(Record(name, error="broken") for name in curves))
    with pytest.raises(ValueError, match="no object that both reports could evaluate"):
        first.compare(nothing)


def test_runs_are_brought_to_the_same_terms():
    whole = report_of({"a": (0.5, 0.92, 0.98), "b": (0.6, 0.7, 0.8)})
    stopped = report_of({"a": (0.5, 0.92), "b": (0.6, 0.7, 0.8)}, stop_iou=0.9)
    found = whole.compare(stopped)
    assert all(difference.difference == 0 for difference in found.differences)
    assert found["IoU@3"].first == pytest.approx(100 * (0.92 + 0.8) / 2)
    assert [d.measure for d in found.differences if d.measure.startswith("NoC")] == [
        "NoC@80",
        "NoC@85",
        "NoC@90",
    ]
    assert "as if stopped at IoU 0.9" in str(found)
    short = report_of({"a": (0.5, 0.92), "b": (0.6, 0.7)}, max_clicks=2)
    found = whole.compare(short)
    assert found["NoC@95"].first == found["NoC@95"].second == 2
    assert "max_clicks: 3 and 2" in str(found)


def test_reports_on_different_things_are_refused():
    report = random_report(1)
    for change, message in (
        ({"dataset": "davis"}, "different datasets, three and davis"),
        ({"sample_names": "9999"}, r"bore other names \(fingerprints 0123 and 9999\)"),
    ):
        other = Report(dataclasses.replace(report.info, **change), report.records)
        with pytest.raises(ValueError, match=message):
            report.compare(other)
    fewer = Report(report.info, report.records[3:])
    with pytest.raises(ValueError, match=r"the second lacks 3 \(object00, object01, object02\)"):
        report.compare(fewer)
    with pytest.raises(ValueError, match="the first lacks 3"):
        fewer.compare(report)


def test_targets_and_clicks_beyond_a_run_are_refused():
    first = Report(info(stop_iou=0.9), (record("a", (0.5, 0.91)),))
    with pytest.raises(ValueError, match=r"stopped at IoU 0\.9 .* \[0\.95\] cannot"):
        first.compare(first, targets=[0.85, 0.95])
    with pytest.raises(ValueError, match=r"clicks 1\.\.3, got \[0, 4\]"):
        first.compare(first, clicks=[0, 1, 4])
    chosen = first.compare(first, targets=[0.9], clicks=[2])
    assert [d.measure for d in chosen.differences] == ["NoC@90", "NoF@90", "IoU@2"]
    assert first.compare(first, targets=[], clicks=[1]).differences[0].measure == "IoU@1"


def test_the_comparison_prints_and_shows():
    first = random_report(1, options={"radius": 6.0, "soft": True})
    second = random_report(2, options={"radius": 5.0, "soft": True})
    found = first.compare(second)
    text = str(found)
    assert text.startswith("disk (1) against disk (2) on three, 40 objects")
    assert "radius: 6.0 and 5.0" in text
    assert "soft" not in text
    assert "10000 resamples, seed 0" in text
    ET.fromstring(f"<div>{found._repr_html_()}</div>")
    assert "tabular" in found.to_latex()
    assert found.to_records()[0]["measure"] == "NoC@80"
    clear = [line for line in text.splitlines() if line.endswith(" *")]
    assert len(clear) == sum(difference.clear for difference in found.differences)
