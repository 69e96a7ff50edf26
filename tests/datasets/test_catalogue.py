from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from iseg_widget import datasets
from tests.datasets.trees import write_pair


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
    assert found == {"demo": True, "grabcut": True, "berkeley": False, "davis": False}


def test_a_folder_is_a_dataset(tmp_path: Path):
    write_pair(tmp_path / "mine", "a")
    assert datasets.load(tmp_path / "mine").name == "mine"
    assert datasets.load(str(tmp_path / "mine")).names == ("a",)
    assert datasets.load("mine", tmp_path).names == ("a",)
    with pytest.raises(ValueError, match="is not a dataset folder: expected images/"):
        datasets.load(tmp_path)
    with pytest.raises(ValueError, match="accepted are demo, grabcut, berkeley, davis, or a"):
        datasets.load("sdb")


def test_the_list_says_what_is_where(tmp_path: Path):
    write_pair(tmp_path / "davis345", "a")
    found = {info.name: info for info in datasets.list_datasets(tmp_path)}
    assert list(found) == ["demo", "grabcut", "berkeley", "davis"]
    assert found["davis"].path == tmp_path / "davis345"
    assert found["grabcut"].path is None
    assert tmp_path / "grabcut" in found["grabcut"].looked_in
    assert [found[name].objects for name in ("grabcut", "berkeley", "davis")] == [50, 100, 345]
    assert {info.name: info.available for info in datasets.list_datasets()} == {
        "demo": True,
        "grabcut": False,
        "berkeley": False,
        "davis": False,
    }


def test_the_demo_needs_nothing():
    dataset = datasets.load("demo")
    assert len(dataset) == len(dataset.names) >= 5
    for sample in dataset:
        assert sample.name in dataset.names
        assert sample.image.dtype == np.uint8
        assert 0 < sample.mask.mean() < 1
