from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from iseg_widget import cli
from iseg_widget.cli import values
from iseg_widget.evaluation.report import Report
from tests.datasets.trees import write_image, write_mask, write_pair
from tests.evaluation.closed_form import DiskMethod, DiskOptions


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    """Every method is the disk; returns what it was loaded with."""
    calls: list[dict[str, object]] = []

    def load_method(name: str, **more: object) -> DiskMethod:
        calls.append({"name": name, **more})
        options: dict[str, float] = more["options"]  # type: ignore[assignment]
        return DiskMethod(DiskOptions(**options))

    # Imported before the patch, or it would keep the disk for the tests that follow.
    importlib.import_module("iseg_widget.api")
    monkeypatch.setattr("iseg_widget.methods.registry.load_method", load_method)
    return calls


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    root = tmp_path / "mine"
    for stem in ("a", "b"):
        write_pair(root, stem)
    return root


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run a command that is refused; return its message."""
    try:
        code = cli.main(arguments)
    except SystemExit as stop:
        code = stop.code  # type: ignore[assignment]
    shown = capsys.readouterr()
    assert code == 2
    assert shown.out == ""
    assert shown.err.endswith("\n")
    assert shown.err.count("\n") == 1
    assert shown.err.startswith("iseg-widget")
    assert "error: " in shown.err
    return shown.err


def test_evaluate_prints_and_writes_the_report(
    disk: list[dict[str, object]], mine: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    out = tmp_path / "runs" / "one"
    arguments = ["evaluate", "--method", "disk", "--dataset", str(mine), "--max-clicks", "4"]
    arguments += ["--option", "radius=3.5", "--metric", "biou", "--out", str(out), "--quiet"]
    assert cli.main(arguments) == 0
    shown = capsys.readouterr()
    assert "disk on mine: ritm robot, at most 4 clicks" in shown.out
    assert shown.err == ""
    assert disk[0]["options"] == {"radius": 3.5}
    report = Report.load(out / "report.json")
    assert report == Report.load(out / "records.jsonl")
    assert report.info.metrics == ("biou",)
    assert "option radius=3.5" in shown.out
    assert (out / "run.json").is_file()
    assert cli.main(arguments) == 0
    assert capsys.readouterr().out == shown.out
    assert "another run" in refused(capsys, *arguments, "--stop-iou", "0.9")


def test_evaluate_says_how_it_is_to_run(
    disk: list[dict[str, object]], mine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from iseg_widget.evaluation import runner

    seen: dict[str, object] = {}
    inner = runner.evaluate

    def evaluate(method: object, dataset: object, max_clicks: int, **more: object) -> Report:
        seen.update(more)
        for name in ("workers", "executor", "seed"):  # a patched method cannot be sent
            more[name] = None
        return inner(method, dataset, max_clicks, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(runner, "evaluate", evaluate)
    arguments = f"evaluate --dataset {mine} --max-clicks 2 --quiet --out {tmp_path / 'run'}"
    arguments += " --workers 3 --batch 2 --executor ray --seed 7 --weights mine --device cpu"
    assert cli.main(arguments.split()) == 0
    expected = {"workers": 3, "batch": 2, "executor": "ray", "seed": 7, "out": tmp_path / "run"}
    assert {name: seen[name] for name in expected} == expected
    loaded = {"weights": "mine", "device": "cpu", "options": {}}
    assert {name: disk[0][name] for name in loaded} == loaded


def test_evaluate_fails_when_nothing_could_be_evaluated(
    disk: list[dict[str, object]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert disk == []
    write_pair(tmp_path / "mine", "a", {})
    assert cli.main(["evaluate", "--dataset", str(tmp_path / "mine"), "--quiet"]) == 1
    assert "the mask is empty" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("", "required: COMMAND"),
        ("dance", "invalid choice: 'dance'"),
        ("evaluate", "required: --dataset"),
        ("evaluate --dataset nowhere", "unknown dataset 'nowhere'"),
        ("evaluate --dataset grabcut --root /nowhere", "Looked in: /nowhere"),
        ("evaluate --dataset demo --method nothing", "unknown method 'nothing'"),
        ("evaluate --dataset demo --max-clicks 0", "whole number above 0, got '0'"),
        ("evaluate --dataset demo --workers 0", "whole number above 0, got '0'"),
        ("evaluate --dataset demo --seed -1", "expected a whole number from 0, got '-1'"),
        ("evaluate --dataset demo --executor dask", "invalid choice: 'dask'"),
        ("evaluate --dataset demo --option radius", "expected key=value, got 'radius'"),
        ("evaluate --dataset demo --option wings=2", "unknown option wings"),
        ("methods nothing", "unknown method 'nothing'"),
        ("segment a.png --out b.png --positive 3", "expected x,y in pixels, got '3'"),
        ("train --recipe nothing --data .", "unknown recipe 'nothing'; accepted are"),
        ("train --recipe focalclick-lite0 --data /nowhere", "training data at /nowhere"),
        ("train --recipe nothing.toml --data .", "no recipe at nothing.toml"),
        ("train --recipe ritm-lite0 --data a=. --data .", "all --data as NAME=FOLDER"),
        ("train --recipe ritm-lite0 --data a=. --data a=.", "all --data as NAME=FOLDER"),
        ("train --recipe ritm-lite0 --data . --set sbd=0", "expected NAME=WEIGHT above 0"),
        ("train --recipe ritm-lite0 --data .", "no training data at ."),
    ],
)
def test_wrong_use_is_one_line(capsys: pytest.CaptureFixture[str], arguments: str, message: str):
    assert message in refused(capsys, *arguments.split())


def test_segment_writes_a_mask(
    disk: list[dict[str, object]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    write_image(tmp_path / "a.png", (40, 50))
    write_mask(tmp_path / "before.png", {})
    out = tmp_path / "deep" / "mask.png"
    arguments = ["segment", str(tmp_path / "a.png"), "--out", str(out), "--option", "radius=4"]
    clicks = ["--positive", "20,15", "--positive=-0.4,-0.4", "--negative", "24,15"]
    assert cli.main([*arguments, *clicks]) == 0
    with Image.open(out) as picture:
        mask = np.asarray(picture)
    assert mask.shape == (40, 50)
    assert set(np.unique(mask)) == {0, 255}
    assert mask[15, 17] == mask[0, 0] == 255
    assert mask[15, 23] == 0
    assert f"{np.count_nonzero(mask)} of 2000 pixels" in capsys.readouterr().out
    assert disk[0]["device"] == "auto"
    assert "at least one positive or negative point" in refused(capsys, *arguments)
    outside = refused(capsys, *arguments, "--positive", "50,3")
    assert "outside the image of 50 x 40" in outside
    small = ["--mask", str(tmp_path / "before.png"), "--positive", "1,1"]
    assert "mask must have the image's shape (40, 50)" in refused(capsys, *arguments, *small)
    arguments[1] = str(tmp_path / "missing.png")
    assert "missing.png" in refused(capsys, *arguments, *clicks)


def test_segment_starts_from_a_mask(disk: list[dict[str, object]], tmp_path: Path):
    assert disk == []
    write_image(tmp_path / "a.png")
    before = write_mask(tmp_path / "before.png", {9: (slice(0, 12), slice(0, 3))})
    arguments = f"segment {tmp_path}/a.png --out {tmp_path}/m.png --mask {tmp_path}/before.png"
    assert cli.main([*arguments.split(), "--positive", "10,6", "--option", "radius=1"]) == 0
    with Image.open(tmp_path / "m.png") as picture:
        assert np.count_nonzero(np.asarray(picture)) == np.count_nonzero(before) + 5


def test_datasets_are_listed_with_their_place(
    mine: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    write_pair(mine.parent / "grabcut", "a")
    monkeypatch.delenv("ISEG_DATA", raising=False)
    assert cli.main(["datasets", "--root", str(mine.parent)]) == 0
    shown = capsys.readouterr().out
    assert str(mine.parent / "grabcut") in shown
    assert "not found" in shown
    assert f"Looked in {mine.parent}" in shown
    assert cli.main(["datasets"]) == 0
    assert "set ISEG_DATA" in capsys.readouterr().out


def test_methods_and_models_are_listed(capsys: pytest.CaptureFixture[str]):
    assert cli.main(["methods"]) == 0
    assert "focalclick" in capsys.readouterr().out
    assert cli.main(["methods", "focalclick"]) == 0
    assert "--option r_tc=1.4" in capsys.readouterr().out
    assert cli.main(["models"]) == 0
    shown = capsys.readouterr().out
    assert shown.index("focalclick-lite0") < shown.index("not in the package")
    assert "focuscut-resnet50 " in shown
    assert "https://github.com/frazerlin/focuscut" in shown
    assert "released no weights" in shown


def test_recipes_are_listed(capsys: pytest.CaptureFixture[str]):
    assert cli.main(["recipes"]) == 0
    shown = capsys.readouterr().out
    places = [
        shown.index(f"\n{name} ") for name in ("ritm-lite0", "ritm-hrnet18", "ris_net-lite0-local")
    ]
    assert places == sorted(places)
    assert "106557 x 8  sbd, voc" in shown
    assert cli.main(["recipes", "focuscut-resnet50"]) == 0
    comment, settings = capsys.readouterr().out.split("\n\n", 1)
    assert comment.startswith("FocusCut (CVPR 2022, Sec. 3.3 and 4.2): SBD, 40 epochs")
    assert json.loads(settings)["schedule"] == {
        "course": "exponential", "epochs": 40, "gamma": 0.9,
    }  # fmt: skip
    assert cli.main(["recipes", "magic"]) == 2
    assert "unknown recipe 'magic'; accepted are" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "value"),
    [("2", 2), ("0.5", 0.5), ("true", True), ("False", False), ("none", None), ("S1", "S1")],
)
def test_option_values(text: str, value: object):
    found = values.option(f"some-key={text}")
    assert found == ("some_key", value)
    assert type(found[1]) is type(value)


def test_train_passes_everything_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    from iseg_widget.training import trainer

    calls: list[tuple[tuple[object, ...], dict[str, object]]] = []
    monkeypatch.setattr(trainer, "train", lambda *a, **k: calls.append((a, k)))
    arguments = ["train", "--recipe", "focalclick-lite0", "--data", str(tmp_path), "--resume"]
    arguments += ["--steps", "5", "--out", str(tmp_path / "run"), "--device", "cpu"]
    assert cli.main(arguments) == 0
    (recipe, data, out), more = calls[0]
    assert recipe.name == "focalclick-lite0"  # type: ignore[attr-defined]
    assert (data, out) == (tmp_path, tmp_path / "run")
    assert more["resume"] is True
    assert more["steps"] == 5
    assert more["device"] == "cpu"
    assert (more["deterministic"], more["workers"]) == (False, 1)
    assert recipe.validate_every == 0  # type: ignore[attr-defined]


def test_train_changes_the_recipe(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    from iseg_widget.training import trainer

    calls: list[tuple[tuple[object, ...], dict[str, object]]] = []
    monkeypatch.setattr(trainer, "train", lambda *a, **k: calls.append((a, k)))
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")
    (tmp_path / "sbd").mkdir()
    mine = tmp_path / "mine.toml"
    mine.write_text('extends = "ritm-lite0"\nname = "mine"\n', "utf-8")
    arguments = f"train --recipe {mine} --data own={tmp_path} --data sbd={tmp_path / 'sbd'}"
    arguments += " --set own=1 --set sbd=2.5 --accumulate 4 --validate-every 50"
    arguments += " --validate-objects 7 --teacher focalclick-lite0 --deterministic --tensorboard"
    arguments += " --pictures 25 --workers 3"
    assert cli.main(arguments.split()) == 0
    (recipe, data, out), more = calls[0]
    found = {name: getattr(recipe, name) for name in ("name", "accumulate", "validate_every")}
    assert found == {"name": "mine", "accumulate": 4, "validate_every": 50}
    assert recipe.sets == {"own": 1.0, "sbd": 2.5}  # type: ignore[attr-defined]
    assert recipe.teacher == "focalclick-lite0"  # type: ignore[attr-defined]
    assert recipe.validate_objects == 7  # type: ignore[attr-defined]
    assert data == {"own": tmp_path, "sbd": tmp_path / "sbd"}
    assert out == Path("runs/mine")
    assert (more["deterministic"], more["workers"]) == (True, 3)
    assert more["watch"] == trainer.Watch(tensorboard=True, pictures=25)
    several = f"train --recipe ritm-lite0 --data {tmp_path} --data {tmp_path / 'sbd'}"
    assert cli.main(several.split()) == 0
    assert calls[1][0][1] == [tmp_path, tmp_path / "sbd"]


def test_help_and_lists_are_quick_to_import():
    script = (
        "import sys, json; from iseg_widget import cli\n"
        "cli.build_parser()\n"
        "print(json.dumps([m for m in ('torch', 'cv2', 'scipy', 'numpy') if m in sys.modules]))"
    )
    found = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert json.loads(found.stdout) == []


@pytest.mark.parametrize("command", [["--version"], ["--help"], ["evaluate", "--help"]])
def test_version_and_help(capsys: pytest.CaptureFixture[str], command: list[str]):
    with pytest.raises(SystemExit) as stop:
        cli.main(command)
    assert stop.value.code == 0
    assert capsys.readouterr().out


def test_benchmark_measures_every_size_and_version_with_ratios(capsys):
    code = cli.main(["benchmark", "--size", "96x64", "--threads", "1", "--json"])
    rows = json.loads(capsys.readouterr().out)
    assert code == 0
    groups = {row["group"] for row in rows}
    assert groups == {"import", "click", "overlay", "memory"}
    clicks = [row for row in rows if row["group"] == "click"]
    assert [row["name"].split(",")[0] for row in clicks] == ["focalclick S2", "focalclick S1"]
    assert clicks[0]["ratio"] == 1
    assert all(row["value"] > 0 for row in rows)


def test_benchmark_refuses_a_size_that_is_none(capsys):
    with pytest.raises(SystemExit):
        cli.main(["benchmark", "--size", "12"])
    assert "WIDTHxHEIGHT" in capsys.readouterr().err
