from __future__ import annotations

import csv
import io
import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from iseg_widget.evaluation.records import Record
from iseg_widget.evaluation.report import Report
from iseg_widget.evaluation.tables import Table, escape_latex
from tests.evaluation.made import info, random_report, record


@pytest.fixture
def report() -> Report:
    first = record("a, b", (0.5, 0.86), scores={"biou": (0.25, 0.5)})
    broken = Record('"x"', error="ValueError: <x>")
    return Report(info(samples=2, metrics=("biou",), options={"share_%": 1}), (first, broken))


def test_csv_has_a_line_per_object(report: Report, tmp_path: Path):
    path = tmp_path / "deep" / "report.csv"
    text = report.to_csv(path)
    assert path.read_text("utf-8") == text
    assert [p.name for p in path.parent.iterdir()] == ["report.csv"]
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["name"] for row in rows] == ["a, b", '"x"']
    first, broken = rows
    assert first["clicks"] == "0 0 +; 1 2 -"
    assert (first["iou_1"], first["iou_2"], first["iou_3"]) == ("0.5", "0.86", "")
    assert (first["biou_2"], first["biou_3"]) == ("0.5", "")
    assert (first["noc_85"], first["noc_90"], first["n_clicks"]) == ("2", "3", "2")
    assert first["seconds_2"] == "0.5"
    assert broken["error"] == "ValueError: <x>"
    assert broken["noc_85"] == broken["iou_1"] == ""
    assert Report(info(), ()).to_csv() == ""


def test_json_is_what_load_reads(report: Report, tmp_path: Path):
    text = report.to_json()
    assert json.loads(text)["run"]["method"] == "disk"
    path = tmp_path / "report.json"
    assert report.to_json(path) == path.read_text("utf-8") == text
    assert Report.load(path) == report


def test_latex_is_a_row_of_measures_with_its_origin_above(tmp_path: Path):
    path = tmp_path / "report.tex"
    report = random_report(1, metrics=("biou", "assd"), options={"share_%": 1}, method="a_b")
    text = report.to_latex(path)
    assert path.read_text("utf-8") == text
    comments = [line for line in text.splitlines() if line.startswith("%")]
    assert "% options: share_%=1" in comments
    head, row = re.findall(r"^(.*) \\\\$", text, re.MULTILINE)
    named = dict(zip(head.split(" & "), row.split(" & "), strict=True))
    assert named["method"] == r"a\_b"
    assert named["NoC@90"] == f"{report.noc(0.9):.2f}"
    assert named["IoU@5 (\\%)"] == f"{100 * report.iou_at(5):.1f}"
    assert named["ASSD@5 (px)"] == f"{report.assd_at(5):.2f}"
    columns = re.search(r"tabular}{(l+r+)}", text)
    assert columns is not None
    assert len(columns[1]) == len(named)
    assert "objects & " not in Report(info(), ()).to_latex()


def test_latex_prints_every_character_as_it_is():
    assert escape_latex(r"a_b 5% \x {1} ~^ #$&") == (
        r"a\_b 5\% \textbackslash{}x \{1\} \textasciitilde{}\textasciicircum{} \#\$\&"
    )


def table() -> Table:
    rows = (("<a>", "1.25"), ("longer", "10"))
    return Table("t & u", ("name", "v"), rows, strong=(1,), notes=("n" * 5 + " word" * 30,))


def test_a_table_lines_up_in_a_terminal():
    lines = str(table()).splitlines()
    assert lines[:5] == [
        "t & u",
        "  name       v",
        "  ------  ----",
        "  <a>     1.25",
        "  longer    10",
    ]
    assert all(len(line) <= 100 for line in lines)
    assert str(Table("t", (), (("a", "1"),))).splitlines() == ["t", "  a  1"]
    assert str(Table("only", ("a",), ())) == "only\n  a\n  -"
    assert str(Table("nothing", (), ())) == "nothing"


def test_a_table_in_html_is_escaped_and_well_formed():
    root = ET.fromstring(f"<div>{table()._repr_html_()}</div>")
    cells = [[cell.text for cell in row] for row in root.iter("tr")]
    assert cells == [["name", "v"], ["<a>", "1.25"], ["longer", "10"]]
    styles = [row[1].attrib["style"] for row in root.iter("tr")]
    assert [style.endswith("bold") for style in styles] == [True, False, True]


def test_a_table_in_latex_and_csv():
    text = table().to_latex()
    assert r"\textbf{longer} & \textbf{10} \\" in text
    assert text.startswith("% t & u\n")
    assert table().to_csv() == "name,v\n<a>,1.25\nlonger,10\n"


def test_ragged_rows_are_refused():
    with pytest.raises(ValueError, match=r"one length, got \[1, 2\]"):
        Table("t", ("a", "b"), (("1",),))
