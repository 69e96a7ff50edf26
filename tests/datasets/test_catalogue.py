from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from iseg_widget import cli, datasets
from tests.datasets.trees import write_davis585, write_pair

NAMES = [
    *("demo", "grabcut", "berkeley", "davis", "davis_objects"),
    *("davis585", "davis585_stm", "davis585_scratch", "sbd", "sbd_train", "pascal_voc"),
    *("coco_mval", "coco_mval_seen", "coco_mval_unseen"),
]
OBJECTS = [50, 100, 345, 535, 585, 585, 585, 6671, 20172, 3427, 800, 200, 600]


@pytest.fixture(autouse=True)
def _no_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ISEG_DATA", raising=False)


@pytest.mark.parametrize("where", ["root", "eval", "itself", "renamed", "text"])
def test_a_root_is_the_folder_or_holds_it(tmp_path: Path, where: str):
    folder = {"eval": tmp_path / "eval" / "grabcut", "renamed": tmp_path / "gc"}
    home = folder.get(where, tmp_path / "grabcut")
    write_pair(home, "a")
    root: Path | str = home if where in ("itself", "renamed") else tmp_path
    dataset = datasets.load("GrabCut", str(root) if where == "text" else root)
    assert dataset.names == ("a",)


@pytest.mark.parametrize("inner", ["eval/davis345", "davis"])
def test_the_environment_names_the_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inner: str
):
    write_pair(tmp_path / inner, "a")
    monkeypatch.setenv("ISEG_DATA", str(tmp_path))
    assert datasets.load("davis").names == ("a",)
    with pytest.raises(ValueError, match="'davis' was not found"):
        datasets.load("davis", tmp_path / "elsewhere")


def test_what_is_missing_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(ValueError, match="no root was given and \\$ISEG_DATA is not set") as found:
        datasets.load("berkeley")
    for part in ("Download", "McGuinness", "berkeley/images/<stem>", "berkeley/masks/<stem>.png"):
        assert part in str(found.value)
    with pytest.raises(ValueError, match=f"Looked in: {tmp_path}, {tmp_path}/berkeley"):
        datasets.load("berkeley", tmp_path)
    monkeypatch.setenv("ISEG_DATA", str(tmp_path))
    with pytest.raises(ValueError, match=f"Looked in: {tmp_path}/eval/berkeley"):
        datasets.load("berkeley")


def test_one_benchmark_is_not_taken_for_another(tmp_path: Path):
    write_pair(tmp_path / "grabcut", "a")
    with pytest.raises(ValueError, match="'berkeley' was not found"):
        datasets.load("berkeley", tmp_path / "grabcut")
    found = {info.name: info.available for info in datasets.list_datasets(tmp_path / "grabcut")}
    assert {name for name, available in found.items() if available} == {"demo", "grabcut"}


def test_a_folder_is_a_dataset(tmp_path: Path):
    write_pair(tmp_path / "mine", "a")
    assert datasets.load(tmp_path / "mine").name == "mine"
    assert datasets.load(str(tmp_path / "mine")).names == ("a",)
    assert datasets.load("mine", tmp_path).names == ("a",)
    with pytest.raises(ValueError, match="is not a dataset folder: expected images/"):
        datasets.load(tmp_path)
    with pytest.raises(ValueError, match="accepted are demo, ") as error:
        datasets.load("sdb")
    assert all(f" {name}," in str(error.value) for name in NAMES)


def test_the_list_says_what_is_where(tmp_path: Path):
    write_pair(tmp_path / "davis345", "a")
    found = {info.name: info for info in datasets.list_datasets(tmp_path)}
    assert list(found) == NAMES
    assert found["davis"].path == tmp_path / "davis345"
    assert found["grabcut"].path is None
    assert tmp_path / "grabcut" in found["grabcut"].looked_in
    assert [info.objects for info in found.values()][1:] == OBJECTS
    assert [info.name for info in datasets.list_datasets() if info.available] == ["demo"]


@pytest.mark.parametrize("name", NAMES[1:])
def test_every_benchmark_says_what_to_download_and_how_to_lay_it_out(tmp_path: Path, name: str):
    with pytest.raises(ValueError, match=f"'{name}' was not found. Download ") as error:
        datasets.load(name, tmp_path)
    message = str(error.value)
    assert "{" not in message
    assert "/<" in message.split("lay it out as")[1]
    assert f"Looked in: {tmp_path}" in message


def test_the_demo_needs_nothing():
    dataset = datasets.load("demo")
    assert len(dataset) == len(dataset.names) >= 5
    for sample in dataset:
        assert sample.name in dataset.names
        assert sample.image.dtype == np.uint8
        assert 0 < sample.mask.mean() < 1


def test_defects_are_asked_for_by_argument_or_name(tmp_path: Path):
    pytest.importorskip("skimage")
    write_pair(tmp_path / "grabcut", "a")
    write_pair(tmp_path / "mine", "a")
    for name, seed in (("grabcut+defects", 0), ("GrabCut+defects7", 7), ("mine+defects2", 2)):
        dataset = datasets.load(name, tmp_path)
        assert dataset.name == f"{name.lower().split('+')[0]}+defects{seed}"
        same = datasets.load(name.split("+")[0], tmp_path, defects=seed)
        (one,), (other,) = dataset, same
        assert one.initial_mask is not None
        np.testing.assert_array_equal(one.initial_mask, other.initial_mask)
        assert (one.initial_mask != one.mask).any()
    assert datasets.load("grabcut", tmp_path)[0].initial_mask is None
    write_pair(tmp_path / "odd+defects", "a")
    assert datasets.load(tmp_path / "odd+defects")[0].initial_mask is None
    with pytest.raises(ValueError, match="unknown dataset 'nothing'"):
        datasets.load("nothing+defects")


def test_the_command_shows_what_the_initial_masks_are_like(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    pytest.importorskip("skimage")
    write_pair(tmp_path / "grabcut", "a")
    write_pair(tmp_path / "grabcut", "b")
    assert cli.main(f"datasets --root {tmp_path} --defects grabcut --limit 1".split()) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("grabcut+defects0: GrabCut")
    assert "1 objects, 0 without" in shown
    assert "error types" in shown
    write_davis585(tmp_path / "davis585", "dogs", "object1", "00000", ("sp",))
    assert cli.main(f"datasets --root {tmp_path} --defects davis585".split()) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("davis585: DAVIS-585")
    assert "100.0% in range" in shown
    assert "error types" not in shown
