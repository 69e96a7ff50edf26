"""Packed shards give what the folders give."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import numpy as np
import pytest

from iseg_widget.training.pool import Pool
from iseg_widget.training.shards import pack
from iseg_widget.training.sources import FolderSource, ShardSource, decode, open_source
from tests.training.tiny import blob, tiny_pool, write_pool


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    masks = [("a.b", "instances", blob(30, 30, 12, 3)), ("c", "object", blob(50, 40, 20))]
    return write_pool(tmp_path / "folders", [("blobs", *entry) for entry in masks])


def test_shards_hold_the_same_samples(folders: Path, tmp_path: Path):
    source = open_source(folders)
    packed = pack(source, tmp_path / "shards")
    assert packed.images == 2
    again = open_source(tmp_path / "shards")
    assert isinstance(source, FolderSource)
    assert isinstance(again, ShardSource)
    assert again.entries == source.entries
    for entry in source.entries:
        assert again.files(entry) == source.files(entry)


def test_a_pool_draws_the_same_from_both(tmp_path: Path):
    folders = tiny_pool(tmp_path / "folders")
    pack(open_source(folders), tmp_path / "shards", shard_bytes=64 * 1024)
    pools = [Pool(root, {"blobs": 1.0}, 1) for root in (folders, tmp_path / "shards")]
    for seed in range(5):
        first, second = (pool.draw(np.random.default_rng(seed)) for pool in pools)
        np.testing.assert_array_equal(first.image, second.image)
        np.testing.assert_array_equal(first.truth, second.truth)


def test_shards_keep_their_size(tmp_path: Path):
    entries = [("blobs", f"{i}", "object", blob(30, 30, 12)) for i in range(40)]
    source = open_source(write_pool(tmp_path / "folders", entries))
    packed = pack(source, tmp_path / "shards", shard_bytes=64 * 1024)
    assert len(packed.shards) > 1
    assert all(path.stat().st_size <= 64 * 1024 for path in packed.shards)
    assert ShardSource(tmp_path / "shards").entries == source.entries


def test_the_same_source_gives_the_same_bytes(folders: Path, tmp_path: Path):
    first, second = (pack(open_source(folders), tmp_path / name) for name in ("x", "y"))
    assert [p.read_bytes() for p in first.shards] == [p.read_bytes() for p in second.shards]


def test_large_images_are_reduced_and_ids_stay(folders: Path, tmp_path: Path):
    pack(open_source(folders), tmp_path / "shards", side=48)
    source = ShardSource(tmp_path / "shards")
    image, mask = decode(source.files(source.entries[0]), "x")
    assert image.shape == (36, 48, 3)
    assert set(np.unique(mask)) == {0, 3}
    assert (mask > 0).sum() == pytest.approx((blob(30, 30, 12) > 0).sum() / 4, rel=0.1)


class TestRefusals:
    def test_a_folder_with_shards(self, folders: Path, tmp_path: Path):
        pack(open_source(folders), tmp_path / "shards")
        with pytest.raises(ValueError, match="holds shards already"):
            pack(open_source(folders), tmp_path / "shards")

    @pytest.mark.parametrize(
        ("setting", "message"),
        [({"shard_bytes": 10}, "at least 65536 bytes, got 10"), ({"side": 8}, "pixels, got 8")],
    )
    def test_settings(self, folders: Path, tmp_path: Path, setting: dict, message: str):
        with pytest.raises(ValueError, match=message):
            pack(open_source(folders), tmp_path / "shards", **setting)

    def test_a_sample_without_mask(self, tmp_path: Path):
        path = tmp_path / "a.tar"
        record = tmp_path / "0.json"
        record.write_text(json.dumps({"set": "s", "stem": "x", "kind": "object"}))
        with tarfile.open(path, "w") as archive:
            archive.add(record, "0.json")
        with pytest.raises(ValueError, match=r"sample '0' must have a \.json, a \.mask\.png"):
            ShardSource(tmp_path)

    def test_a_damaged_shard(self, folders: Path, tmp_path: Path):
        (path,) = pack(open_source(folders), tmp_path / "shards").shards
        path.write_bytes(b"no archive" * 100)
        with pytest.raises(ValueError, match="cannot read the shard"):
            ShardSource(tmp_path / "shards")
