from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from iseg_widget.networks.focalclick import FocalClickLite0
from iseg_widget.weights import registry
from iseg_widget.weights.registry import (
    PublishedWeights,
    WeightsRecord,
    export,
    file_sha256,
    find_record,
    list_published,
    list_weights,
    load_network,
    load_state,
    networks,
    published,
    read_safetensors,
    record_dict,
)

LARGEST = 12 * 1024 * 1024
METADATA = {"network": "focalclick-lite0"}
RECORDS = list_weights()


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    torch.manual_seed(0)
    return FocalClickLite0().state_dict()


class TestPackagedWeights:
    def test_every_file_has_a_record_and_every_record_a_file(self):
        files = {path.name for path in registry.FOLDER.glob("*.safetensors")}
        assert files == {record.file for record in RECORDS}
        assert len({record.name for record in RECORDS}) == len(RECORDS) > 0

    @pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.name)
    def test_file_is_the_one_of_the_record(self, record: WeightsRecord):
        assert file_sha256(record.path) == record.sha256
        assert record.path.stat().st_size <= LARGEST

    @pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.name)
    def test_record_is_a_model_card(self, record: WeightsRecord):
        for name in ("name", "method", "network", "licence", "source", "data", "recipe", "commit"):
            assert getattr(record, name), name
        assert record.network in networks()
        assert WeightsRecord(**record_dict(record)) == record

    @pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.name)
    def test_file_says_what_it_is_and_loads_alone(self, record: WeightsRecord, tmp_path: Path):
        """A copy somewhere else loads by its metadata; numbers are finite, no code is run."""
        tensors, metadata = read_safetensors(record.path)
        assert metadata["network"] == record.network
        assert metadata["method"] == record.method
        assert all(bool(torch.isfinite(t).all()) for t in tensors.values())
        copy = tmp_path / "copy.safetensors"
        copy.write_bytes(record.path.read_bytes())
        first = load_network(record.method, copy).state_dict()
        second = load_network(record.method, record.name).state_dict()
        assert all(torch.equal(first[key], second[key]) for key in first)


class TestDamage:
    @pytest.fixture
    def elsewhere(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """The first record's file in a folder where it may be damaged."""
        record = RECORDS[0]
        path = tmp_path / record.file
        path.write_bytes(record.path.read_bytes())
        monkeypatch.setattr(registry, "FOLDER", tmp_path)
        return path

    def test_changed_byte(self, elsewhere: Path):
        content = bytearray(elsewhere.read_bytes())
        content[-1] ^= 1
        elsewhere.write_bytes(content)
        with pytest.raises(ValueError, match=rf"SHA-256 .* the registry says {RECORDS[0].sha256}"):
            load_network(RECORDS[0].method)

    def test_truncated_file(self, elsewhere: Path):
        elsewhere.write_bytes(elsewhere.read_bytes()[:1000])
        with pytest.raises(ValueError, match="damaged or was changed: its SHA-256 is"):
            load_network(RECORDS[0].method)

    def test_missing_file(self, elsewhere: Path):
        elsewhere.unlink()
        with pytest.raises(ValueError, match=f"{RECORDS[0].name}.* which is not there"):
            load_network(RECORDS[0].method)


class TestNames:
    def test_first_record_is_the_default(self):
        record = find_record("focalclick", None)
        assert record == next(r for r in RECORDS if r.method == "focalclick")
        assert find_record("focalclick", record.name) is record

    def test_unknown_name_lists_the_accepted_ones(self):
        names = [repr(r.name) for r in RECORDS if r.method == "focalclick"]
        with pytest.raises(ValueError, match="no weights 'sota' for 'focalclick'") as raised:
            load_network("focalclick", "sota")
        assert all(name in str(raised.value) for name in names)
        assert ".safetensors" in str(raised.value)

    def test_method_without_weights(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr("iseg_widget.weights.registry.list_weights", lambda: ())
        with pytest.raises(ValueError, match=r"no weights for 'ris_net' come.*publish none; train"):
            find_record("ris_net", None)
        with pytest.raises(ValueError, match=r"accepted are .*\(none\)"):
            find_record("ris_net", "ris_net-lite0")
        with pytest.raises(ValueError, match="frazerlin/focuscut and pass its path"):
            find_record("focuscut", None)


class TestPublished:
    """Checkpoints that are listed, but are not in the package."""

    def test_names_are_unique_and_none_is_packaged(self):
        names = [entry.name for entry in list_published()]
        assert len(set(names)) == len(names)
        assert not set(names) & {record.name for record in RECORDS}

    @pytest.mark.parametrize("entry", list_published(), ids=lambda entry: entry.name)
    def test_an_entry_is_complete_where_anything_was_released(self, entry: PublishedWeights):
        assert entry.page.startswith("https://github.com/")
        assert entry.data
        assert entry.sha256 is None or len(entry.sha256) == 64
        if entry.url is None:
            assert "no weights" in entry.where
        else:
            assert entry.url.startswith("https://")
            assert entry.network

    @pytest.mark.parametrize("method", ["fca_net", "focuscut", "focalclick"])
    def test_every_network_of_a_reader_is_listed(self, method: str):
        """What can be read is listed, built under the name it is listed by, and from one place."""
        mine = [entry for entry in list_published() if entry.method == method]
        prefix = method.replace("_", "") + "-"
        built = {n for n in networks() if n.startswith(prefix) and not n.endswith("-lite0")}
        assert {entry.network for entry in mine} == built
        authors = published(method)
        assert authors is not None
        assert {entry.page for entry in mine} == {authors.source}

    @pytest.mark.parametrize("name", ["focuscut-resnet50", "focuscut-resnet101"])
    def test_asking_by_name_says_where_it_is_to_be_had(self, name: str):
        with pytest.raises(ValueError, match=f"'{name}' are not in the package") as raised:
            load_network("focuscut", name)
        assert "drive.google.com" in str(raised.value)
        assert "github.com/frazerlin/focuscut" in str(raised.value)
        assert f"{name}.pth" in str(raised.value)
        assert "pass the path as weights=" in str(raised.value)

    def test_what_was_never_released_is_said_so(self):
        with pytest.raises(ValueError, match="released no weights") as raised:
            find_record("ia_fpn", "csfpn-hrnet18")
        assert "download" not in str(raised.value)

    def test_another_methods_checkpoint_is_unknown(self):
        with pytest.raises(ValueError, match="no weights 'focuscut-resnet50' for 'focalclick'"):
            find_record("focalclick", "focuscut-resnet50")


class TestFiles:
    def write(self, path: Path, state: dict[str, Tensor], metadata: Any = METADATA) -> Path:
        save_file({k: v.contiguous() for k, v in state.items()}, path, metadata=metadata)
        return path

    def test_export_and_load(self, state: dict[str, Tensor], tmp_path: Path):
        """What is loaded is what was exported, rounded to half precision."""
        path = tmp_path / "mine.safetensors"
        export(state, path, {**METADATA, "step": "7"})
        assert path.stat().st_size <= LARGEST
        kinds = {k: v.dtype for k, v in load_file(path).items()}
        assert all(kinds[k] == torch.float16 for k, v in state.items() if v.is_floating_point())
        assert read_safetensors(path)[1]["step"] == "7"
        for source in (path, str(path)):
            loaded = load_network("focalclick", source).state_dict()
            assert set(loaded) == set(state)
            for key, value in state.items():
                assert loaded[key].dtype == value.dtype
                torch.testing.assert_close(loaded[key], value, rtol=1e-3, atol=1e-6)

    def test_export_needs_the_networks_name(self, state: dict[str, Tensor], tmp_path: Path):
        path = tmp_path / "mine.safetensors"
        with pytest.raises(ValueError, match=r"must name a network of .*focalclick-lite0"):
            export(state, path, {"network": "hrnet"})
        assert not path.exists()

    def test_no_file(self, tmp_path: Path):
        with pytest.raises(ValueError, match=r"no weights file at .*gone\.safetensors"):
            load_network("focalclick", tmp_path / "gone.safetensors")

    @pytest.mark.parametrize("content", [b"", b"not weights", b"\x80\x04K\x01." * 100])
    def test_other_files(self, content: bytes, tmp_path: Path):
        path = tmp_path / "odd.safetensors"
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"cannot read weights from .*odd\.safetensors"):
            load_network("focalclick", path)

    @pytest.mark.parametrize("metadata", [None, {"network": "hrnet"}])
    def test_other_network(self, metadata: Any, state: dict[str, Tensor], tmp_path: Path):
        path = self.write(tmp_path / "odd.safetensors", state, metadata)
        with pytest.raises(ValueError, match=r"in its metadata.*accepted are focalclick-lite0"):
            load_network("focalclick", path)

    def test_missing_entry_is_named(self, state: dict[str, Tensor], tmp_path: Path):
        rest = {k: v for k, v in state.items() if k != "head.predict.bias"}
        path = self.write(tmp_path / "odd.safetensors", rest)
        with pytest.raises(ValueError, match=r"1 missing \(e\.g\. head\.predict\.bias\)"):
            load_network("focalclick", path)

    def test_unknown_entry_is_named(self, state: dict[str, Tensor], tmp_path: Path):
        path = self.write(tmp_path / "odd.safetensors", {**state, "head.extra": torch.zeros(2)})
        with pytest.raises(ValueError, match=r"1 unknown \(e\.g\. head\.extra\)"):
            load_network("focalclick", path)

    def test_misshapen_entry_is_named(self, state: dict[str, Tensor], tmp_path: Path):
        path = self.write(
            tmp_path / "odd.safetensors", {**state, "head.predict.bias": torch.zeros(2)}
        )
        with pytest.raises(ValueError, match=r"1 of another shape \(e\.g\. head\.predict\.bias\)"):
            load_network("focalclick", path)

    def test_all_problems_at_once(self, state: dict[str, Tensor]):
        network = FocalClickLite0()
        before = {k: v.clone() for k, v in network.state_dict().items()}
        odd = {**state, "head.predict.bias": torch.zeros(2), "extra": torch.zeros(1)}
        del odd["head.predict.weight"]
        with pytest.raises(
            ValueError, match=r"mine does not fit FocalClickLite0: 1 miss.*1 unk.*1 of"
        ):
            load_state(network, odd, "mine")
        assert all(torch.equal(before[k], v) for k, v in network.state_dict().items())
