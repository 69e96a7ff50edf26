from __future__ import annotations

import dataclasses
import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

from iseg_widget.evaluation.records import Record, RunInfo
from iseg_widget.evaluation.report import Report
from iseg_widget.provenance import plain_options
from tests.evaluation.made import info, record

CURVES = {"a": (0.5, 0.86, 0.93), "b": (0.95,), "c": (0.1, 0.2, 0.3)}


@pytest.fixture
def report() -> Report:
    broken = Record("<d>", error="ValueError: cannot read <d>.png")
    return Report(info(), (*(record(n, v) for n, v in CURVES.items()), broken))


def test_measures(report: Report):
    assert report.noc(0.85) == pytest.approx((2 + 1 + 3) / 3)
    assert report.noc(0.90) == pytest.approx((3 + 1 + 3) / 3)
    assert report.nof(0.90) == 1
    assert report.nof(0.90, convention="at_limit") == 2
    assert report.noc(0.90, max_clicks=2) == pytest.approx((2 + 1 + 2) / 3)
    assert report.nof(0.90, max_clicks=2) == 2
    assert report.iou_at(1) == pytest.approx((0.5 + 0.95 + 0.1) / 3)
    np.testing.assert_allclose(
        report.curve(), [0, 1.55 / 3, (0.86 + 0.95 + 0.2) / 3, (0.93 + 0.95 + 0.3) / 3]
    )
    assert report.seconds_per_click == 0.5
    assert [r.name for r in report.faulty] == ["<d>"]


def test_the_curve_begins_with_the_initial_masks():
    found = Report(info(), (record("a", (0.9,), initial_iou=0.8),))
    assert found.iou_at(0) == 0.8


@pytest.mark.parametrize("form", ["report.json", "records.jsonl"])
def test_a_report_comes_back_from_its_file(report: Report, tmp_path: Path, form: str):
    path = tmp_path / "deep" / form
    if form.endswith(".json"):
        report.save(path)
        report.save(path)
    else:
        path.parent.mkdir()
        lines = [{"format": 1, "run": report.info.to_dict()}]
        lines += [found.to_dict() for found in report.records]
        path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    assert Report.load(path) == report
    assert [p.name for p in path.parent.iterdir()] == [form]


@pytest.mark.parametrize("name", ["x.json", "x.jsonl"])
@pytest.mark.parametrize("content", [None, "", "[]", "{}\n", '{"format": 9}\n', "no json\n"])
def test_another_file_is_refused_by_name(tmp_path: Path, name: str, content: str | None):
    path = tmp_path / name
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match=r"x\.jsonl?"):
        Report.load(path)


def test_records_are_flat_and_say_what_is_unknown(report: Report):
    rows = report.to_records()
    assert rows[0]["noc_85"] == 2
    assert rows[0]["noc_95"] == 3
    assert rows[0]["iou"] == 0.93
    assert rows[0]["n_clicks"] == 3
    assert rows[0]["clicks"][1] == {"x": 1.0, "y": 2.0, "positive": False}
    assert rows[3]["iou"] is None
    assert rows[3]["noc_90"] is None
    assert rows[3]["error"] == "ValueError: cannot read <d>.png"
    json.dumps(rows)


def test_nothing_is_claimed_above_the_iou_where_objects_stopped():
    found = Report(info(stop_iou=0.9), (record("a", (0.5, 0.91)),))
    assert found.noc(0.90) == 2
    with pytest.raises(ValueError, match=r"stopped at IoU 0\.9"):
        found.noc(0.95)
    with pytest.raises(ValueError, match="higher stop_iou"):
        found.nof(0.95)
    assert "noc_95" not in found.to_records()[0]
    assert "NoC@95" not in str(found)


@pytest.mark.parametrize("click", [0, 4, -1])
def test_clicks_that_were_not_made_are_refused(report: Report, click: int):
    with pytest.raises(ValueError, match=rf"the run had 3 clicks, so {click} is not in"):
        report.noc(0.9, max_clicks=click)
    if click != 0:
        with pytest.raises(ValueError, match=r"0\.\.3"):
            report.iou_at(click)


def test_measures_that_were_not_taken_are_refused(report: Report):
    with pytest.raises(ValueError, match=r"metrics=\('biou',\)"):
        report.biou_at(1)
    scored = record("a", (0.5, 0.6), scores={"biou": (0.2, 0.4), "assd": (9.0, 5.0)})
    found = Report(info(metrics=("biou", "assd")), (scored,))
    assert found.biou_at(3) == 0.4
    assert found.assd_at(1) == 9.0
    assert "BIoU after 2" in str(found)
    other = record("a", (0.5, 0.6), scores={"hamming": (0.2, 0.125)})
    found = Report(info(metrics=("hamming",)), (other,))
    assert found.measure_at("hamming", 2) == 0.125
    assert "12.5 %" in str(found)
    assert "hamming@5" not in found.to_latex()
    assert found.compare(found)["hamming@2"].first == 12.5


def test_the_table_in_a_terminal(report: Report):
    text = str(report)
    assert text.startswith("disk on three: ritm robot, at most 3 clicks")
    assert re.search(r"^  NoC@90 +2\.33$", text, re.MULTILINE)
    assert re.search(r"^  IoU after 2 +67\.0 %$", text, re.MULTILINE)
    assert "faulty: <d>: ValueError: cannot read <d>.png" in text
    assert max(map(len, text.splitlines())) <= 100
    assert repr(report) == "<Report disk on three: ritm robot, at most 3 clicks, 4 objects>"


def test_the_report_says_how_its_numbers_came_about(report: Report):
    facts = dict(report.facts())
    assert facts["method"] == "disk"
    assert facts["options"] == "radius=6.0"
    assert facts["weights"] == "none"
    assert facts["dataset"] == "three, 4 objects, names 0123"
    assert facts["robot"] == "ritm, at most 3 clicks; an object ends when its mask is perfect"
    assert "never reaches the IoU counts as 3 in NoC and as a failure in NoF" in facts["counting"]
    assert "reach it with click 3: NoF@85 1, NoF@90 2, NoF@95 2" in facts["counting"]
    assert facts["version"].startswith("iseg-widget ")
    for name, value in report.facts():
        for word in value.split():
            assert word in str(report), name

    found = Report(
        info(weights="abc", stop_iou=0.9, dataset="grabcut", samples=50), (record("a", (0.91,)),)
    )
    facts = dict(found.facts())
    assert facts["weights"] == "fingerprint abc"
    assert facts["dataset"].startswith(
        "grabcut, 1 of 50, names 0123; GrabCut, 50 objects; the band"
    )
    assert "an object ends at IoU 0.9" in facts["robot"]


def test_what_a_run_recorded_about_its_data_goes_first():
    described = dataclasses.replace(
        info(dataset="grabcut"),
        dataset_description="frames encoded anew",
        versions={"torch": "9.9"},
    )
    facts = dict(Report(described, (record("a", (0.91,)),)).facts())
    assert facts["dataset"].endswith("; frames encoded anew")
    assert facts["version"].endswith(", torch 9.9")


def test_the_html_is_well_formed_and_escaped(report: Report):
    root = ET.fromstring(f"<div>{report._repr_html_()}</div>")
    assert "radius=6.0" in report._repr_html_()
    assert not re.search(r"(color|background)[^;']*#", report._repr_html_())
    assert "&lt;d&gt;" in report._repr_html_()
    line = root.find(".//polyline")
    assert line is not None
    assert len(line.attrib["points"].split()) == 4


def test_a_report_without_a_single_object_is_still_readable():
    found = Report(info(), (Record("a", error="broken"),))
    assert np.isnan(found.noc(0.9))
    assert np.isnan(found.curve()).all()
    assert np.isnan(found.seconds_per_click)
    assert "faulty" in str(found)
    assert "faulty" in found._repr_html_()
    assert "objects" in str(Report(info(), ()))


def test_unknown_keys_in_a_record_are_named():
    data = record("a", (0.5,)).to_dict()
    with pytest.raises(ValueError, match=r"unknown \['colour'\]"):
        Record.from_dict({**data, "colour": 1})
    with pytest.raises(ValueError, match="missing"):
        RunInfo.from_dict({})


def test_options_become_plain_data():
    assert plain_options(None) == {}
    assert plain_options({"a": (1, 2), "b": {"c": Path("x")}}) == {
        "a": [1, 2],
        "b": {"c": repr(Path("x"))},
    }
    assert plain_options("fast") == {"options": "fast"}
