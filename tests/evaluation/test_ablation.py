from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest

from iseg_widget import cli
from iseg_widget.datasets import MemoryDataset, Sample, load, with_defects
from iseg_widget.evaluation.ablation import (
    Experiment,
    Place,
    Results,
    Row,
    list_experiments,
    load_experiment,
    load_results,
    run,
    runner,
)
from iseg_widget.evaluation.ablation.definition import parse_experiment
from iseg_widget.evaluation.ablation.results import Line, ratio_interval, row_values, small_record
from iseg_widget.evaluation.ablation.subset import Shuffled
from iseg_widget.evaluation.compare import compare
from iseg_widget.evaluation.report import Report
from iseg_widget.methods.registry import build_options
from tests.evaluation.closed_form import DiskMethod, DiskOptions
from tests.evaluation.made import random_report, record, report_of

TOML = """
title = "Disks"
paper = "disk"
table = "Table 1"
question = "Are larger disks better?"
dataset = "many"
objects = 3
max_clicks = 4
measures = ["NoC@90", "IoU@2"]

[[rows]]
id = "small"
label = "small disk"
method = "disk"
weights = "disk-lite0"
options = { radius = 3.0 }
paper = { "NoC@90" = 9.0 }

[[rows]]
id = "large"
label = "large disk"
method = "disk"
weights = "disk-lite0"
options = { radius = 9.0 }
baseline = "small"
paper = { "NoC@90" = 5.0 }

[[rows]]
id = "own"
label = "trained otherwise"
method = "disk"
weights = "disk-own"
baseline = "small"
"""


@pytest.fixture
def many() -> MemoryDataset:
    rows, columns = np.indices((40, 50))
    samples = []
    for number in range(8):
        mask = np.hypot(rows - 15 - number, columns - 20) <= 8 + number % 3
        image = np.full((40, 50, 3), 20 * number, np.uint8)
        samples.append(Sample(f"object{number}", image, mask))
    return MemoryDataset(samples, "many")


@pytest.fixture
def disks(many: MemoryDataset, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Experiment:
    """An experiment of disks that runs, with weights for two of its three rows."""

    def load_method(name: str, **more: object) -> DiskMethod:
        assert name == "disk"
        assert Path(str(more["weights"])).name == "disk-lite0.safetensors"
        return DiskMethod(DiskOptions(**more["options"]))  # type: ignore[arg-type]

    monkeypatch.setattr("iseg_widget.methods.registry.load_method", load_method)
    monkeypatch.setattr(runner, "load", lambda *_: many)
    monkeypatch.chdir(tmp_path)
    weights = tmp_path / "runs" / "disk-lite0" / "disk-lite0.safetensors"
    weights.parent.mkdir(parents=True)
    weights.write_bytes(b"disk")
    return parse_experiment("disks", TOML)


@pytest.mark.parametrize("name", list_experiments())
def test_every_packaged_experiment_can_be_built(name: str):
    experiment = load_experiment(name)
    assert experiment.paper in ("ris_net", "fca_net", "focuscut", "focalclick", "ia_fpn")
    for row in experiment.rows:
        build_options(row.method, row.options)  # raises for unknown options
        assert set(row.paper) <= set(experiment.measures), row.id
        assert row.weights in row.train_command()
    assert any(row.baseline for row in experiment.rows)


def test_rows_that_are_compared_differ_in_something():
    for name in list_experiments():
        experiment = load_experiment(name)
        for row in experiment.rows:
            if row.baseline is not None:
                other = experiment.row(row.baseline)
                what = [(r.method, r.weights, r.options, r.dataset) for r in (row, other)]
                assert what[0] != what[1], (name, row.id)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('id = "own"', 'id = "small"', "same id"),
        ('id = "own"', 'id = "../own"', "letters, digits"),
        ('baseline = "small"', 'baseline = "tiny"', "'tiny'; there are small, large, own"),
        ('"IoU@2"]', '"mIoU"]', "measures are NoC@90"),
        ('question = "Are larger disks better?"\n', "", "missing ['question']"),
        ("options = { radius = 3.0 }", "opinions = 3", "unknown ['opinions']"),
    ],
)
def test_a_wrong_experiment_is_refused(old: str, new: str, message: str):
    assert old in TOML
    with pytest.raises(ValueError, match=re.escape(message)):
        parse_experiment("disks", TOML.replace(old, new, 1))


def test_unknown_names_are_refused(disks: Experiment):
    with pytest.raises(ValueError, match="unknown experiment 'table99'; accepted are fca_net_sis"):
        load_experiment("table99")
    with pytest.raises(ValueError, match="no row 'huge'; there are small, large, own"):
        disks.row("huge")


def test_measures_that_need_more_than_iou_are_asked_for(disks: Experiment):
    assert disks.metrics == ()
    more = dataclasses.replace(disks, measures=("BIoU@5", "ASSD@5", "BIoU@1", "IoU@1"))
    assert more.metrics == ("biou", "assd")


def test_a_row_says_how_its_weights_are_trained():
    row = Row("own", "own", "disk", "disk-own", init="disk-lite0")
    assert row.train_command() == (
        "iseg-widget train --recipe disk-own --init runs/disk-lite0/checkpoint.pt --data DATA "
        "--out runs/disk-own && iseg-widget export-weights runs/disk-own/checkpoint.pt "
        "--out runs/disk-own/disk-own.safetensors"
    )


# The order of objects


def test_a_shuffle_holds_the_same_samples_in_another_order(many: MemoryDataset):
    shuffled = Shuffled(many, seed=1)
    assert sorted(shuffled.names) == sorted(many.names)
    assert shuffled.names != many.names
    assert shuffled.names == Shuffled(many, seed=1).names
    assert shuffled.names != Shuffled(many, seed=2).names
    assert [sample.name for sample in shuffled] == list(shuffled.names)
    assert shuffled.name == "many shuffled1"
    with pytest.raises(ValueError, match="got -1"):
        Shuffled(many, seed=-1)


def test_generated_masks_are_kept_and_belong_to_their_objects():
    plain = load("demo")
    flawed = with_defects(plain, seed=3)
    shuffled = Shuffled(flawed)
    assert shuffled.names == Shuffled(plain).names
    first, again = shuffled[0], shuffled[0]
    straight = flawed[plain.names.index(first.name)]
    assert first.initial_mask is not None
    assert again.initial_mask is not None
    assert straight.initial_mask is not None
    np.testing.assert_array_equal(again.initial_mask, first.initial_mask)
    np.testing.assert_array_equal(again.initial_mask, straight.initial_mask)
    np.testing.assert_array_equal(again.mask, first.mask)


# Running


def test_a_run_leaves_small_results(disks: Experiment, tmp_path: Path):
    said: list[str] = []
    results = run(disks, tmp_path / "out", progress=False, say=said.append)
    assert set(results.reports) == {"small", "large"}
    assert said[:2] == ["small: small disk", "large: large disk"]
    assert said[2].startswith("own: left out. To train it: iseg-widget train --recipe disk-own")
    assert results.missing == {"own": disks.row("own").train_command()}
    for name in ("small", "large"):
        report = Report.load(tmp_path / "out" / f"{name}.jsonl")
        assert len(report.records) == 3
        assert all(not record.clicks for record in report.records)
        assert report.info.changed_options == disks.row(name).options
    rows = json.loads((tmp_path / "out" / "provenance.json").read_text("utf-8"))["rows"]
    assert set(rows) == {"small", "large"}
    assert rows["small"]["objects"] == 3
    assert len(rows["small"]["sha256"]) == 64
    assert str(tmp_path) not in json.dumps(rows)
    table = (tmp_path / "out" / "table.md").read_text("utf-8")
    assert "| large disk | NoC@90 |" in table
    assert "not run: own (weights disk-own)" in table
    lines = (tmp_path / "out" / "table.csv").read_text("utf-8").splitlines()
    assert len(lines) == 1 + 2 * 2


def test_small_records_count_the_same(disks: Experiment, many: MemoryDataset, tmp_path: Path):
    from iseg_widget.evaluation.runner import evaluate

    results = run(disks, tmp_path / "out", progress=False, rows=["large"])
    whole = evaluate(DiskMethod(DiskOptions(9.0)), Shuffled(many), 4, limit=3, progress=False)
    small = results.reports["large"]
    assert [r.name for r in small.records] == [r.name for r in whole.records]
    for target in (0.8, 0.85, 0.9, 0.95):
        assert small.noc(target) == whole.noc(target)
    np.testing.assert_allclose(small.curve(), whole.curve(), atol=1e-5)


def test_rounding_never_lifts_a_curve_over_a_target():
    just = record("a", (0.8999999, 0.9, 0.29, 1.0))
    assert small_record(just)["ious"] == [0.89999, 0.9, 0.29, 1.0]


def test_a_run_is_continued_with_more_objects(
    disks: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    out = tmp_path / "out"
    run(disks, out, progress=False, rows=["small"])
    before = (out / "small.jsonl").read_text("utf-8").splitlines()
    asked: list[str] = []
    inner = Shuffled._read

    def read(self: Shuffled, index: int) -> Sample:
        asked.append(self.names[index])
        return inner(self, index)

    monkeypatch.setattr(Shuffled, "_read", read)
    results = run(disks, out, progress=False, rows=["small"], objects=5)
    assert len(asked) == 2
    assert (out / "small.jsonl").read_text("utf-8").splitlines()[:4] == before
    assert len(results.reports["small"].records) == 5
    run(disks, out, progress=False, rows=["small"], objects=2)
    assert len(Report.load(out / "small.jsonl").records) == 5
    asked.clear()
    run(disks, out, progress=False, rows=["small"], objects=0, again=True)
    assert len(asked) == 8


def test_a_file_of_other_weights_is_not_continued(disks: Experiment, tmp_path: Path):
    run(disks, tmp_path, progress=False, rows=["small"])
    path = tmp_path / "small.jsonl"
    path.write_text(path.read_text("utf-8").replace('"weights": null', '"weights": "a"'), "utf-8")
    path.write_text(path.read_text("utf-8").replace('"weights":null', '"weights":"a"'), "utf-8")
    with pytest.raises(ValueError, match="holds another run"):
        run(disks, tmp_path, progress=False, rows=["small"])
    results = run(disks, tmp_path, progress=False, rows=["small"], again=True)
    assert results.reports["small"].info.weights is None


def test_weights_are_packaged_or_trained(tmp_path: Path):
    row = Row("a", "a", "focalclick", "focalclick-lite0")
    assert runner.find_weights(row, tmp_path) == "focalclick-lite0"
    assert Place().trained == "runs"
    own = Row("a", "a", "focalclick", "own")
    assert runner.find_weights(own, tmp_path) is None


# Results


def made(first: Report, second: Report, **more: object) -> Results:
    rows = (
        Row("a", "A", "disk", "w", paper={"NoC@90": 6.0}),
        Row("b", "B", "disk", "w", {"radius": 1}, baseline="a", paper={"NoC@90": 5.0}),
    )
    values = {"measures": ("NoC@90", "NoF@90", "IoU@5"), **more}
    experiment = Experiment("made", "Made", "disk", "Table 1", "?", "three", rows=rows, **values)  # type: ignore[arg-type]
    return Results(experiment, {"a": first, "b": second}, {})


def test_differences_are_those_of_compare():
    first, second = random_report(1), random_report(2)
    results = made(first, second)
    expected = compare(second, first, targets=[0.9], clicks=[5])
    for measure in results.experiment.measures:
        line, other = results.line("b", measure), expected[measure]
        assert line.value == pytest.approx(other.first)
        assert line.difference == pytest.approx(other.difference)
        assert (line.low, line.high) == pytest.approx((other.low, other.high))
        assert line.clear == other.clear
    assert results.line("a", "NoC@90").difference is None
    assert results.line("b", "NoC@90").paper_difference == -1.0
    assert results.line("b", "IoU@5").paper_difference is None


def test_measures_are_taken_over_common_objects():
    first = report_of({"x": (0.95,), "y": (0.5,), "z": (0.5,)})
    second = report_of({"z": (0.95,), "x": (0.95,)})
    results = made(first, second, measures=("NoF@90",))
    assert results.names == ("x", "z")
    one, two = results.lines()
    assert (one.value, one.objects) == (1.0, 2)
    assert (two.value, two.objects, two.difference) == (0.0, 2, -1.0)


@pytest.mark.parametrize(
    ("difference", "low", "high", "paper", "verdict"),
    [
        (-1.0, -2.0, -0.5, -0.3, "as the paper"),
        (-1.0, -2.0, 0.5, -0.3, "as the paper, not clear"),
        (1.0, 0.5, 2.0, -0.3, "opposite"),
        (1.0, -0.5, 2.0, -0.3, "opposite, not clear"),
        (0.0, 0.0, 0.0, -0.3, "no difference"),
        (1.0, 0.5, 2.0, 0.0, ""),
        (1.0, 0.5, 2.0, None, ""),
    ],
)
def test_the_verdict_is_about_the_papers_direction(
    difference: float, low: float, high: float, paper: float | None, verdict: str
):
    line = Line("b", "B", "NoC@90", 9, 1.0, difference=difference, low=low, high=high)
    assert dataclasses.replace(line, paper_difference=paper).verdict == verdict


def test_a_ratio_has_a_paired_interval():
    rng = np.random.default_rng(5)
    second = rng.integers(1, 20, 200).astype(float)
    low, high = ratio_interval(0.5 * second, second)
    assert low == pytest.approx(0.5)
    assert high == pytest.approx(0.5)
    low, high = ratio_interval(0.5 * rng.permutation(second), second)
    assert low < 0.5 < high
    line = made(random_report(1), random_report(2)).line("b", "NoC@90")
    assert line.ratio == pytest.approx(line.value / (line.value - line.difference))  # type: ignore[operator]
    assert line.ratio_low <= line.ratio <= line.ratio_high  # type: ignore[operator]


def test_measures_of_every_object():
    report = report_of({"x": (0.5, 0.95), "y": (0.6, 0.7)}, metrics=("biou", "assd"))
    assert row_values(report, "NoC@90") == {"x": 2.0, "y": 2.0}
    assert row_values(report, "NoF@90") == {"x": 0.0, "y": 1.0}
    assert row_values(report, "IoU@1") == {"x": 50.0, "y": 60.0}
    assert row_values(report, "BIoU@1") == pytest.approx({"x": 40.0, "y": 48.0})
    assert row_values(report, "ASSD@2") == pytest.approx({"x": 1.5, "y": 9.0})
    assert row_values(report, "s/click") == {"x": 0.5, "y": 0.5}
    with pytest.raises(ValueError, match="BIoU@1 was not measured"):
        row_values(report_of({"x": (0.5,)}), "BIoU@1")
    with pytest.raises(ValueError, match="stopped at 0"):
        row_values(report_of({"x": (0.5,)}, stop_iou=0.85), "NoC@90")


def test_tables_hold_the_papers_numbers_and_what_stands_out():
    results = made(random_report(1), random_report(1))
    table = results.table()
    assert table.strong == ()
    assert [row[3] for row in table.rows if row[1] == "NoC@90"] == ["6", "5"]
    assert table.rows[3][-1] == "no difference"
    assert results.to_markdown().startswith("# Made (40 objects)\n\n?\n")
    clear = made(random_report(1), report_of({f"object{k:02}": (0.99,) * 20 for k in range(40)}))
    assert 3 in clear.table().strong


def test_results_of_a_folder(tmp_path: Path):
    with pytest.raises(ValueError, match="holds no results"):
        load_results(tmp_path)
    (tmp_path / "provenance.json").write_text('{"experiment": "table99"}', "utf-8")
    with pytest.raises(ValueError, match="unknown experiment 'table99'"):
        load_results(tmp_path)
    (tmp_path / "provenance.json").write_text('{"experiment": "fca_net_sis"}', "utf-8")
    (tmp_path / "sis.jsonl").write_text(_stream(random_report(1)), "utf-8")
    results = load_results(tmp_path)
    assert set(results.reports) == {"sis"}
    assert results.line("sis", "NoC@85").baseline is None
    with pytest.raises(ValueError, match="'plain' was not run"):
        results.line("plain", "NoC@85")


def _stream(report: Report) -> str:
    lines = [{"format": 1, "run": report.info.to_dict()}, *(r.to_dict() for r in report.records)]
    return "".join(json.dumps(line) + "\n" for line in lines)


def test_a_plot_has_a_point_for_every_row():
    pytest.importorskip("matplotlib").use("Agg")
    ax = made(random_report(1), random_report(2)).plot("NoC@90")
    assert [label.get_text() for label in ax.get_yticklabels()] == ["A", "B"]
    assert len(ax.lines[0].get_xdata()) == 2
    assert list(ax.lines[1].get_xdata()) == [6.0, 5.0]


# Committed results

COMMITTED = Path(__file__).resolve().parents[2] / "notebooks" / "results"


@pytest.mark.parametrize("folder", sorted(COMMITTED.glob("*")), ids=lambda path: path.name)
def test_committed_results_are_what_their_tables_say(folder: Path):
    results = load_results(folder)
    assert results.experiment.name == folder.name
    assert results.names
    assert set(results.reports) == set(results.provenance["rows"])
    assert (folder / "table.csv").read_text("utf-8") == results.to_csv()
    assert (folder / "table.md").read_text("utf-8") == results.to_markdown()
    assert sum(path.stat().st_size for path in folder.iterdir()) < 1_000_000
    for row, report in results.reports.items():
        assert results.provenance["rows"][row]["fingerprint"] == report.info.weights
        assert results.provenance["rows"][row]["objects"] == len(report.records)


# The command


def test_the_command_lists_rows_and_what_trains_them(capsys: pytest.CaptureFixture[str]):
    assert cli.main(["ablation", "--list"]) == 0
    shown = capsys.readouterr().out
    for name in list_experiments():
        assert f"{name}: " in shown
    assert "iseg-widget train --recipe fca_net-lite0-cl" in shown
    assert cli.main(["ablation", "focalclick_table5", "--list"]) == 0
    assert "S1-naive" in capsys.readouterr().out


def test_the_command_runs_an_experiment(
    disks: Experiment,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
):
    monkeypatch.setattr("iseg_widget.evaluation.ablation.load_experiment", lambda _: disks)
    arguments = ["ablation", "disks", "--quiet", "--objects", "all", "--row", "small"]
    assert cli.main([*arguments, "--out", str(tmp_path / "there")]) == 0
    assert "Disks (8 objects)" in capsys.readouterr().out
    assert cli.main(["ablation", "disks", "--quiet", "--row", "own"]) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ablation"], "give the name of an experiment, or --list"),
        (["ablation", "table99"], "unknown experiment 'table99'"),
        (["ablation", "fca_net_sis", "--objects", "none"], "whole number above 0"),
    ],
)
def test_the_command_says_what_is_wrong(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
):
    try:
        assert cli.main(arguments) == 2
    except SystemExit as stop:
        assert stop.code == 2  # noqa: PT017
    assert message in capsys.readouterr().err
