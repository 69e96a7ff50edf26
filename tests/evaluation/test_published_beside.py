from __future__ import annotations

import dataclasses
import xml.etree.ElementTree as ET

import pytest

from iseg_widget.evaluation.beside import beside_published
from iseg_widget.evaluation.records import Record
from iseg_widget.evaluation.report import Report
from iseg_widget.evaluation.tables import Table
from tests.evaluation.made import random_report, report_of


def column(table: Table, name: str) -> list[str]:
    return [row[table.columns.index(name)] for row in table.rows]


def row(table: Table, *start: str) -> dict[str, str]:
    found = [row for row in table.rows if row[: len(start)] == start]
    assert len(found) == 1, (start, found)
    return dict(zip(table.columns, found[0], strict=True))


def unwrapped(table: Table) -> str:
    return str(table).replace("\n    ", " ")


def test_own_numbers_stand_above_the_published():
    report = random_report(1, dataset="grabcut", method="focalclick")
    table = report.beside_published()
    assert table.columns == (
        "method",
        "backbone",
        "trained on",
        "source",
        "NoC@85",
        "NoC@90",
    )
    assert table.rows[0] == (
        "focalclick",
        "",
        "",
        "this package",
        f"{report.noc(0.85):.2f}",
        f"{report.noc(0.90):.2f}",
    )
    assert table.strong == (0,)
    assert "on grabcut" in table.title
    found = row(table, "focuscut", "ResNet-101", "SBD")
    assert (found["NoC@85"], found["NoC@90"]) == ("1.46", "1.64")
    assert found["source"] == "FocusCut Table 2"
    assert "GrabCut, 50 objects" in str(table)
    ET.fromstring(f"<div>{table.to_html()}</div>")


def test_what_several_papers_print_stands_there_once():
    table = random_report(1, dataset="berkeley").beside_published()
    ritm = row(table, "ritm", "HRNet-18", "SBD")
    assert ritm["NoC@90"] == "3.22"
    assert ritm["source"] == "FocalClick Table 2; IA-FPN Table 1"
    first = row(table, "focuscut", "ResNet-101", "SBD")
    assert first["source"] == "FocusCut Tables 1, 2, 3"
    sis = row(table, "fca_net (SIS)", "ResNet-101", "Augmented VOC")
    assert sis["NoC@90"] == "4.19"
    assert row(table, "fca_net", "ResNet-101", "Augmented VOC")["NoC@90"] == "4.23"
    graph_cut = [r for r in table.rows if r[0] == "graph_cut"]
    assert [r[3] for r in graph_cut] == ["RIS-Net Table 1; FCA-Net Table 2", "FocalClick Table 2"]
    assert (
        "FocalClick Table 2, Graph cut, Berkeley NoC 90: FCA-Net's Table 2 has 14.33"
        in unwrapped(table)
    )


def test_measures_at_a_click_are_fractions_as_in_the_papers():
    report = random_report(1, dataset="davis", metrics=("biou", "assd"))
    table = report.beside_published(method="focuscut")
    own = row(table, "disk")
    assert own["IoU@5"] == f"{report.iou_at(5):.3f}"
    assert own["BIoU@20"] == f"{report.biou_at(20):.3f}"
    assert own["ASSD@5"] == f"{report.assd_at(5):.3f}"
    assert row(table, "focuscut", "ResNet-50")["ASSD@5"] == "9.338"
    assert {r[0] for r in table.rows[1:]} == {"focuscut", "focuscut (fast)"}
    assert "NoF@90" in table.columns
    assert row(table, "focuscut", "ResNet-50")["NoF@90"] == "57"
    reduced = report.beside_published(method="focuscut", ablations=True)
    assert row(reduced, "focuscut (whole view only)", "ResNet-50")["NoC@90"] == "7.899"


def test_probable_misprints_carry_a_mark():
    table = random_report(1, dataset="sbd").beside_published()
    found = row(table, "ris_net", "", "Augmented VOC")
    assert found["NoC@85"] == "6.03?"
    assert "the value stands in the wrong column" in str(table)
    davis = random_report(1, dataset="davis").beside_published(paper="ia_fpn")
    assert row(davis, "ia_fpn", "ResNet-50")["NoF@90"] == "56?"


def test_a_hundred_clicks_have_columns_of_their_own():
    report = random_report(1, dataset="davis", clicks=100)
    table = report.beside_published(paper="focuscut")
    own = row(table, "disk")
    assert own["NoC@90"] == f"{report.noc(0.9, 20):.2f}"
    assert own["NoC@90 (100 clicks)"] == f"{report.noc(0.9, 100):.2f}"
    assert own["NoF@90 (100 clicks)"] == str(report.nof(0.9, 100))
    assert row(table, "cdnet", "ResNet-50")["NoC@90 (100 clicks)"] == "18.59"


def test_runs_from_initial_masks_stand_beside_such_runs():
    curves = {"a": (0.9,) * 20, "b": (0.8,) * 20}
    scratch = report_of(curves, dataset="davis585")
    corrected = Report(
        scratch.info,
        tuple(dataclasses.replace(record, initial_iou=0.7) for record in scratch.records),
    )
    table = corrected.beside_published(method="ritm")
    assert row(table, "ritm", "HRNet-32")["NoC@85 (from initial mask)"] == "3.68"
    assert row(scratch.beside_published(method="ritm"), "ritm", "HRNet-32")["NoC@85"] == "4.74"


def test_several_reports_in_one_table():
    reports = [
        random_report(1, dataset="grabcut"),
        random_report(2, dataset="berkeley"),
        random_report(3, dataset="berkeley", options={"radius": 3.0}),
        random_report(4, dataset="demo"),
    ]
    table = beside_published(reports[:2])
    assert table.rows[0][:1] == ("disk",)
    assert table.rows[1][0] != "disk"
    assert table.columns[4:] == (
        "grabcut NoC@85",
        "grabcut NoC@90",
        "berkeley NoC@90",
        "berkeley IoU@5",
    )
    table = beside_published(reports)
    assert [r[0] for r in table.rows[:3]] == ["disk radius=6.0", "disk radius=3.0", "graph_cut"]
    assert row(table, "disk radius=3.0")["grabcut NoC@90"] == "-"
    assert table.strong == (0, 1)
    with pytest.raises(ValueError, match="two reports of disk on grabcut differ in nothing"):
        beside_published([reports[0], reports[0]])


def test_what_limits_the_comparison_is_said():
    curves = {"a": (0.5, *[0.86] * 18, 0.97), "b": (0.95,) * 20}
    report = report_of(curves, dataset="davis", samples=345)
    text = unwrapped(report.beside_published())
    assert "only 2 of 345 objects" in text
    assert "counting a success with click 20 as a failure: NoF@90 1" in text
    assert report.nof(0.9) == 0
    short = report_of({"a": (0.5, 0.6, 0.7, 0.8, 0.9)}, dataset="davis", stop_iou=0.9)
    text = unwrapped(short.beside_published())
    assert "too few clicks for the published NoC and NoF, which take 20" in text
    assert "measures at a click are held back by the stop" in text
    assert "NoC@90" not in text


def test_datasets_without_published_numbers_are_refused():
    with pytest.raises(ValueError, match=r"published on demo; there are numbers on pascal_voc, "):
        random_report(1, dataset="demo").beside_published()
    nothing = Report(random_report(1, dataset="davis").info, (Record("a", error="broken"),))
    with pytest.raises(ValueError, match="published on davis"):
        nothing.beside_published()
    with pytest.raises(ValueError, match="there is no report"):
        beside_published([])
    with pytest.raises(ValueError, match="no published number has the method 'sam'"):
        random_report(1, dataset="davis").beside_published(method="sam")
