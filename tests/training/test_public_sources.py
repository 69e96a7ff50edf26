"""SBD, PASCAL VOC, COCO and LVIS as training sources."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from iseg_widget.training.pool import Pool, choose_target
from iseg_widget.training.public_sources import LAYERS, flatten, png
from iseg_widget.training.shards import pack
from iseg_widget.training.sources import Entry, Source, decode, open_source, open_sources
from tests.datasets.trees import SHAPE, write_image, write_sbd, write_voc
from tests.training.tiny import blob, tiny_pool, write_pool

LEFT, RIGHT = (slice(2, 10), slice(1, 7)), (slice(1, 9), slice(8, 15))


def read(source: Source, entry: Entry) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    return decode(source.files(entry), entry.stem)


class TestSbd:
    def write(self, root: Path) -> NDArray[np.uint8]:
        ids = np.zeros(SHAPE, np.uint8)
        ids[LEFT], ids[RIGHT] = 1, 2
        write_sbd(root, "train", {"a": ids, "b": ids.T.copy()})
        (root / "val.txt").write_text("c\n")
        return ids

    def test_instances_of_the_training_split(self, tmp_path: Path):
        ids = self.write(tmp_path)
        source = open_source(tmp_path)
        assert source.entries == (Entry("sbd", "a", "instances"), Entry("sbd", "b", "instances"))
        image, mask = read(source, source.entries[0])
        assert image.shape == (*SHAPE, 3)
        np.testing.assert_array_equal(mask, ids)
        np.testing.assert_array_equal(read(source, source.entries[1])[1], ids.T)

    def test_missing_files_are_named(self, tmp_path: Path):
        self.write(tmp_path)
        source = open_source(tmp_path)
        (tmp_path / "img" / "a.jpg").unlink()
        with pytest.raises(ValueError, match=r"cannot read the image .*a\.jpg"):
            source.files(source.entries[0])
        (tmp_path / "inst" / "b.mat").write_bytes(b"")
        with pytest.raises(ValueError, match=r"cannot read GTinst.*b\.mat"):
            source.files(source.entries[1])


def test_voc_gives_the_palettes_indices_and_ignores_the_void(tmp_path: Path):
    write_voc(tmp_path, "train", {"a": {1: LEFT, 2: RIGHT, 255: (slice(0, 1), slice(0, 16))}})
    source = open_source(tmp_path)
    assert source.entries == (Entry("voc", "a", "instances"),)
    _, mask = read(source, source.entries[0])
    assert set(np.unique(mask).tolist()) == {0, 1, 2, 255}
    assert (mask[LEFT] == 1).all()
    assert (mask[0] == 255).all()


def rectangle(x0: int, y0: int, x1: int, y1: int) -> list[list[float]]:
    return [[float(v) for v in (x0, y0, x1, y0, x1, y1, x0, y1)]]


def write_coco(root: Path, coco: list[dict] | None, lvis: list[dict] | None) -> None:
    """Annotations of image 1 in ``train2017`` and, for LVIS, of image 2 in ``val2017``."""
    (root / "annotations").mkdir(parents=True)
    common = {"height": SHAPE[0], "width": SHAPE[1]}
    places = {1: "train2017/000000000001.jpg", 2: "val2017/000000000002.jpg"}
    for path in places.values():
        write_image(root / path)
    if coco is not None:
        image = {"id": 1, "file_name": "000000000001.jpg", **common}
        content = {"images": [image], "annotations": coco, "categories": []}
        (root / "annotations" / "instances_train2017.json").write_text(json.dumps(content))
    if lvis is not None:
        images = [
            {"id": i, "coco_url": f"http://images.cocodataset.org/{path}", **common}
            for i, path in places.items()
        ]
        content = {"images": images, "annotations": lvis, "categories": []}
        (root / "annotations" / "lvis_v1_train.json").write_text(json.dumps(content))


def thing(outline: object, image: int = 1, crowd: int = 0) -> dict:
    return {"image_id": image, "segmentation": outline, "iscrowd": crowd, "category_id": 1}


CROWD = thing({"counts": [0, 192], "size": list(SHAPE)}, crowd=1)


# pycocotools 2.0.11 has not followed numpy 2 in this.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
class TestCoco:
    def objects(self, source: Source, entry: Entry) -> list[NDArray[np.bool_]]:
        files = source.files(entry)
        _, mask = decode(files, entry.stem)
        return [np.isin(mask, ids) for ids in files.objects]

    def test_coco_alone(self, tmp_path: Path):
        write_coco(tmp_path, [thing(rectangle(1, 2, 7, 10)), CROWD], None)
        source = open_source(tmp_path)
        (entry,) = source.entries
        assert entry == Entry("coco", "000000000001", "groups")
        (found,) = self.objects(source, entry)
        expected = np.zeros(SHAPE, bool)
        expected[2:10, 1:7] = True
        np.testing.assert_array_equal(found, expected)

    def test_overlapping_objects_stay_whole(self, tmp_path: Path):
        """A jacket on a person; the person has no hole."""
        person, jacket = rectangle(1, 1, 9, 11), rectangle(3, 4, 7, 8)
        write_coco(tmp_path, [thing(person)], [thing(jacket), thing(rectangle(0, 0, 8, 6), 2)])
        source = open_source(tmp_path)
        assert {entry.set for entry in source.entries} == {"coco_lvis"}
        first, second = sorted(source.entries, key=lambda entry: entry.stem)
        large, small = self.objects(source, first)
        assert (large.sum(), small.sum()) == (80, 16)
        assert (large & small).sum() == 16
        assert read(source, second)[0].shape == (*SHAPE, 3)  # of val2017

    def test_what_both_have_is_there_once(self, tmp_path: Path):
        almost = [thing(rectangle(1, 1, 9, 11)), thing(rectangle(10, 2, 15, 9))]
        write_coco(tmp_path, almost, [thing(rectangle(1, 1, 9, 10))])
        source = open_source(tmp_path)
        sizes = [int(m.sum()) for m in self.objects(source, source.entries[0])]
        assert sorted(sizes) == [35, 72]

    def test_shards_keep_the_groups(self, tmp_path: Path):
        write_coco(
            tmp_path / "coco", [thing(rectangle(1, 1, 9, 11))], [thing(rectangle(3, 4, 7, 8))]
        )
        source = open_source(tmp_path / "coco")
        pack(source, tmp_path / "shards")
        packed = open_source(tmp_path / "shards")
        assert packed.entries == source.entries
        for entry in source.entries:
            assert packed.files(entry).objects == source.files(entry).objects
            assert packed.files(entry).mask == source.files(entry).mask

    def test_damaged_annotations_are_named(self, tmp_path: Path):
        write_coco(tmp_path, [], None)
        (tmp_path / "annotations" / "instances_train2017.json").write_text("{}")
        with pytest.raises(ValueError, match=r"cannot read .*instances_train2017\.json"):
            open_source(tmp_path)


class TestFlatten:
    def test_groups_give_the_masks_back(self):
        rng = np.random.default_rng(0)
        masks = [np.zeros((40, 50), bool) for _ in range(12)]
        for mask in masks:
            y, x = rng.integers(0, 30, 2)
            mask[y : y + rng.integers(2, 20), x : x + rng.integers(2, 20)] = True
        ids, groups = flatten(masks, (40, 50))
        found = {np.isin(ids, group).tobytes() for group in groups}
        assert found == {mask.tobytes() for mask in masks}
        assert (ids == 0).sum() == (~np.any(masks, 0)).sum()
        assert ids.max() < 255

    def test_no_room_for_the_smallest(self):
        columns = np.indices((64, 300))[1]
        masks = [columns >= 4 * step for step in range(70)]
        ids, groups = flatten(masks, (64, 300))
        assert len(groups) == LAYERS
        assert np.isin(ids, groups[0]).all()
        rng = np.random.default_rng(1)
        ids, groups = flatten([rng.random((64, 300)) < 0.5 for _ in range(20)], (64, 300))
        assert ids.max() <= 254
        assert 5 <= len(groups) < 20

    def test_nothing(self):
        ids, groups = flatten([np.zeros((4, 5), bool)], (4, 5))
        assert not ids.any()
        assert groups == ()


def test_groups_are_drawn_as_objects():
    mask = np.zeros((60, 60), np.uint8)
    mask[5:55, 5:55] = 1
    mask[20:40, 20:40] = 2
    rng = np.random.default_rng(0)
    areas = set()
    for _ in range(60):
        chosen = choose_target(mask, "groups", rng, [(1, 2), (2,)])
        assert chosen is not None
        areas.add(int(chosen[0].sum()))
    assert areas == {2500, 400}
    assert choose_target(mask, "groups", rng, []) is None


def test_ids_must_fit():
    with pytest.raises(ValueError, match=r"a\.png: ids go up to 300"):
        png(np.full((3, 3), 300), Path("a.png"))


class TestSeveral:
    def test_sources_are_mixed_by_the_sets_weights(self, tmp_path: Path):
        tiny_pool(tmp_path / "own")
        small_ones = [("more", f"{i}", "object", blob(40, 30, 9)) for i in range(6)]
        write_pool(tmp_path / "more", small_ones)
        source = open_sources([tmp_path / "own", str(tmp_path / "more")])
        assert {entry.set for entry in source.entries} == {"blobs", "more"}
        pool = Pool([tmp_path / "own", tmp_path / "more"], {"blobs": 3.0, "more": 1.0}, 0)
        rng = np.random.default_rng(0)
        small = sum(int(pool.draw(rng).truth.sum()) < 300 for _ in range(400))
        assert 0.17 < small / 400 < 0.33

    def test_a_mapping_gives_names(self, tmp_path: Path):
        tiny_pool(tmp_path / "a")
        tiny_pool(tmp_path / "b")
        source = open_sources({"first": tmp_path / "a", "second": tmp_path / "b"})
        assert {entry.set for entry in source.entries} == {"first", "second"}
        for entry in source.entries:
            assert read(source, entry)[1].any()

    def test_the_same_image_twice_is_refused(self, tmp_path: Path):
        tiny_pool(tmp_path / "a")
        tiny_pool(tmp_path / "b")
        with pytest.raises(ValueError, match=r"blobs/00 is in .*a and in .*b; give the sources"):
            open_sources([tmp_path / "a", tmp_path / "b"])
        with pytest.raises(ValueError, match="no training data were given"):
            open_sources([])

    def test_sets_that_are_not_there_are_named(self, tmp_path: Path):
        with pytest.raises(ValueError, match=r"lacks: \['voc'\]; there are \['blobs'\]"):
            Pool([tiny_pool(tmp_path)], {"voc": 1.0}, 0)


def test_memory_is_bounded(tmp_path: Path):
    """What has no room is decoded every time, and draws are the same."""
    free, bound = (Pool(tiny_pool(tmp_path), {"blobs": 1.0}, 0) for _ in "ab")
    bound._room = 2 * (72 * 96 * 4) + 5
    rngs = np.random.default_rng(0), np.random.default_rng(0)
    for _ in range(40):
        assert free.draw(rngs[0]).image.tobytes() == bound.draw(rngs[1]).image.tobytes()
    assert (len(free._kept), len(bound._kept)) == (6, 2)
    assert bound._room == 5
