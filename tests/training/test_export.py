from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import iseg_widget as iseg
from iseg_widget.networks.efficientnet_lite import EfficientNetLite0
from iseg_widget.training import export, focalclick, start
from iseg_widget.training.export import export_checkpoint, register
from iseg_widget.training.pool import Pool
from iseg_widget.training.trainer import Trainer
from iseg_widget.weights.registry import WeightsRecord, file_sha256, read_safetensors
from iseg_widget.weights.registry import export as write_weights
from tests.training.tiny import tiny_pool, tiny_recipe


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trainer:
    """A run of one step."""
    folder = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(focalclick, "REFINER_SIDE", 64)
        patch.setattr(start, "imagenet_backbone", EfficientNetLite0().state_dict)
        recipe = tiny_recipe(steps=1)
        pool = Pool(tiny_pool(folder / "data"), recipe.sets, recipe.development)
        run = Trainer(recipe, pool, folder, device="cpu", precision="fp32")
        run.run()
        return run


def test_exported_weights_answer_clicks(trained: Trainer, tmp_path: Path):
    path = tmp_path / "mine.safetensors"
    settings = export_checkpoint(trained.checkpoint, path)
    assert (settings["name"], settings["step"]) == ("focalclick-lite0", 1)
    method = iseg.load_method("focalclick", weights=path, device="cpu")
    session = iseg.Session(method, np.zeros((40, 50, 3), np.uint8))
    assert session.click(20, 20).mask.shape == (40, 50)


def test_what_is_exported_is_the_moving_average(trained: Trainer, tmp_path: Path):
    path = tmp_path / "mine.safetensors"
    export_checkpoint(trained.checkpoint, path)
    state, metadata = read_safetensors(path)
    for key, value in trained.average.state.items():
        torch.testing.assert_close(state[key], value, rtol=1e-3, atol=1e-6)
    assert metadata == {
        "network": "focalclick-lite0", "method": "focalclick",
        "recipe": "focalclick-lite0", "step": "1",
    }  # fmt: skip


def test_the_same_checkpoint_gives_the_same_bytes(trained: Trainer, tmp_path: Path):
    for name in ("once", "again", "a third time"):  # four metadata: by chance 1 in 576
        export_checkpoint(trained.checkpoint, tmp_path / name)
    assert len({file.read_bytes() for file in tmp_path.iterdir()}) == 1
    assert len(list(tmp_path.iterdir())) == 3


def test_weights_that_cannot_be_written_leave_the_old_file(
    trained: Trainer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = tmp_path / "mine.safetensors"
    path.write_bytes(b"old")

    def full(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="no space"):
        export_checkpoint(trained.checkpoint, path)
    monkeypatch.undo()
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [b"old"]


def test_no_checkpoint(tmp_path: Path):
    with pytest.raises(ValueError, match=r"no checkpoint at .*checkpoint\.pt"):
        export_checkpoint(tmp_path / "checkpoint.pt", tmp_path / "mine.safetensors")


def test_only_packaged_files_are_limited(
    trained: Trainer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(export, "SIZE_LIMIT", 1000)
    export_checkpoint(trained.checkpoint, tmp_path / "mine.safetensors")
    assert (tmp_path / "mine.safetensors").stat().st_size > 1000


def test_too_large_packaged_files_are_not_left_behind(
    trained: Trainer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = tmp_path / "mine.safetensors"
    monkeypatch.setattr(export, "REGISTRY", tmp_path / "registry.json")
    settings = export_checkpoint(trained.checkpoint, path)
    monkeypatch.setattr(export, "SIZE_LIMIT", 1000)
    with pytest.raises(ValueError, match="packaged files may take 1000"):
        register(path, settings, **TestRegister.card)
    with pytest.raises(ValueError, match="packaged files may take 1000"):
        export_checkpoint(trained.checkpoint, path)
    assert not path.exists()


def test_values_beyond_half_precision_are_kept(tmp_path: Path):
    """Variances of a network with many channels may be large."""
    path = tmp_path / "large.safetensors"
    state = {"variance": torch.tensor([70000.0, 1.0]), "weight": torch.tensor([0.1])}
    write_weights(state, path, {"network": "ifcn-lite0"})
    found, _ = read_safetensors(path)
    assert torch.equal(found["variance"], state["variance"])
    assert torch.equal(found["weight"], state["weight"].half().float())


class TestRegister:
    card: dict[str, Any] = {  # noqa: RUF012
        "data": "six blobs", "licence": "Apache-2.0", "source": "a test",
        "scores": {"demo": {"noc90": 3.5}},
    }  # fmt: skip

    @pytest.fixture
    def folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """A weights folder of its own."""
        monkeypatch.setattr(export, "REGISTRY", tmp_path / "registry.json")
        return tmp_path

    def test_record(self, trained: Trainer, folder: Path):
        path = folder / "mine.safetensors"
        settings = export_checkpoint(trained.checkpoint, path)
        record = register(path, settings, **self.card)
        assert record.sha256 == file_sha256(path)
        assert record.recipe == "focalclick-lite0, 1 steps"
        assert record.commit
        (entry,) = json.loads((folder / "registry.json").read_text("utf-8"))
        assert WeightsRecord(**entry) == record

    def test_a_record_of_the_same_name_is_replaced(self, trained: Trainer, folder: Path):
        path = folder / "mine.safetensors"
        settings = export_checkpoint(trained.checkpoint, path)
        for name in ("first", "second", "first"):
            register(path, {**settings, "name": name}, notes=name, **self.card)
        entries = json.loads((folder / "registry.json").read_text("utf-8"))
        assert [entry["name"] for entry in entries] == ["second", "first"]

    def test_files_elsewhere_are_refused(self, folder: Path):
        with pytest.raises(ValueError, match="packaged weights lie in"):
            register(folder / "sub" / "mine.safetensors", {}, **self.card)
