from __future__ import annotations

import csv
from pathlib import Path

import pytest

from iseg_widget import cli
from iseg_widget.evaluation.report import Report
from tests.evaluation.made import random_report


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    random_report(1, dataset="grabcut").save(tmp_path / "one" / "report.json")
    random_report(2, dataset="grabcut", method="other").save(tmp_path / "two.json")
    return tmp_path


def test_a_report_is_shown_compared_and_put_beside_the_papers(
    saved: Path, capsys: pytest.CaptureFixture[str]
):
    arguments = ["report", str(saved / "one"), "--compare", str(saved / "two.json"), "--published"]
    assert cli.main(arguments) == 0
    shown = capsys.readouterr().out
    report = Report.load(saved / "one" / "report.json")
    assert shown.startswith(str(report))
    assert str(report.compare(Report.load(saved / "two.json"))) in shown
    assert str(report.beside_published()) in shown


def test_a_report_is_exported(saved: Path, capsys: pytest.CaptureFixture[str]):
    out = saved / "deep"
    arguments = ["report", str(saved / "two.json")]
    for name in ("json", "csv", "latex"):
        arguments += [f"--{name}", str(out / f"r.{name}")]
    assert cli.main(arguments) == 0
    assert "other on grabcut" in capsys.readouterr().out
    assert Report.load(out / "r.json") == Report.load(saved / "two.json")
    assert (out / "r.csv").read_text().startswith("method,dataset,name")
    assert "tabular" in (out / "r.latex").read_text()


def test_pictures_are_written(saved: Path):
    pytest.importorskip("matplotlib")
    arguments = ["report", str(saved / "one"), "--compare", str(saved / "two.json")]
    for name in ("curves", "histogram"):
        arguments += [f"--{name}", str(saved / "deep" / f"{name}.png")]
    assert cli.main(arguments) == 0
    for name in ("curves", "histogram"):
        assert (saved / "deep" / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_wrong_reports_are_one_line(saved: Path, capsys: pytest.CaptureFixture[str]):
    (saved / "empty").mkdir()
    random_report(1, dataset="davis").save(saved / "davis.json")
    for arguments, message in (
        (["report", str(saved / "empty")], "holds neither report.json nor records.jsonl"),
        (["report", str(saved / "none.json")], "cannot read a report"),
        (
            ["report", str(saved / "one"), "--compare", str(saved / "davis.json")],
            "different datasets, grabcut and davis",
        ),
        (["published", "--metric", "Dice"], "accepted are NoC@85"),
    ):
        assert cli.main(arguments) == 2
        shown = capsys.readouterr()
        assert shown.out == ""
        assert shown.err.count("\n") == 1
        assert message in shown.err


def test_published_numbers_are_listed(capsys: pytest.CaptureFixture[str]):
    assert cli.main(["published", "--method", "brs", "--dataset", "grabcut"]) == 0
    assert "FCA-Net Table 2" in capsys.readouterr().out
    assert cli.main(["published", "--paper", "ris_net", "--csv"]) == 0
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert len(rows) == 44
    assert rows[0]["value"] == "15.06"
