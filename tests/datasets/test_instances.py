"""Benchmarks with several objects an image: DAVIS objects, DAVIS-585, SBD, PASCAL VOC."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from iseg_widget.datasets import Dataset, list_datasets, load
from iseg_widget.datasets.davis import DavisObjects
from iseg_widget.datasets.files import jpeg_quality
from iseg_widget.datasets.pascal_voc import PascalVoc
from tests.datasets.trees import (
    BAND,
    OBJECT,
    SHAPE,
    write_davis585,
    write_image,
    write_mask,
    write_pair,
    write_sbd,
    write_voc,
)

CORNER = (slice(0, 1), slice(0, 2))


def filled(where: tuple[slice, slice]) -> np.ndarray:
    mask = np.zeros(SHAPE, bool)
    mask[where] = True
    return mask


# DAVIS objects


def test_davis_objects_are_the_instances_without_the_small_ones(tmp_path: Path):
    write_pair(tmp_path / "davis345", "000", {1: OBJECT, 2: BAND, 255: CORNER})
    write_pair(tmp_path / "davis345", "001", {3: BAND})
    dataset = DavisObjects(tmp_path / "davis345", min_pixels=6)
    assert dataset.names == ("000#1", "000#2", "001#3")
    first, second, third = dataset
    np.testing.assert_array_equal(first.mask, filled(OBJECT))
    np.testing.assert_array_equal(second.mask, filled(BAND))
    assert first.ignore is not None
    np.testing.assert_array_equal(first.ignore, filled(CORNER))
    assert third.ignore is None
    assert third.initial_mask is None
    assert DavisObjects(tmp_path / "davis345", min_pixels=0).names == dataset.names
    assert DavisObjects(tmp_path / "davis345", min_pixels=7).names == ("000#1",)
    assert load("davis_objects", tmp_path).names == ()
    assert "at least 300 pixels" in load("davis_objects", tmp_path).description


def test_davis_says_how_its_images_are_compressed(tmp_path: Path):
    for number in (0, 1):
        write_pair(tmp_path / "davis345", f"00{number}")
        (tmp_path / "davis345" / "images" / f"00{number}.png").unlink()
        Image.new("RGB", SHAPE[::-1]).save(
            tmp_path / "davis345" / "images" / f"00{number}.jpg", quality=61
        )
    for name in ("davis", "davis_objects"):
        assert "JPEG of quality 61" in load(name, tmp_path).description


@pytest.mark.parametrize("quality", [1, 30, 50, 78, 95, 100])
def test_jpeg_quality_is_read_from_the_tables(tmp_path: Path, quality: int):
    path = tmp_path / "a.jpg"
    Image.new("RGB", (9, 7)).save(path, quality=quality)
    assert jpeg_quality(path) == quality
    Image.new("RGB", (9, 7)).save(tmp_path / "a.png")
    assert jpeg_quality(tmp_path / "a.png") is None


# DAVIS-585


@pytest.fixture
def davis585(tmp_path: Path) -> Path:
    root = tmp_path / "DAVIS585"
    write_davis585(root, "dogs", "object2", "00030", ("sp", "stm"))
    write_davis585(root, "dogs", "object1", "00030", ("sp", "stm"))
    write_davis585(root, "bike", "object1", "00000", ("sp", "stm"))
    return root


def test_davis585_reads_the_release(davis585: Path):
    dataset = load("davis585", davis585.parent)
    assert dataset.names == ("bike/object1_00000", "dogs/object1_00030", "dogs/object2_00030")
    assert "this copy has 3" in dataset.description
    assert "JPEG of quality 75" in dataset.description
    for sample in dataset:
        np.testing.assert_array_equal(sample.mask, filled(OBJECT))  # 100 is not above 128
        assert sample.ignore is None
        assert sample.initial_mask is not None
        np.testing.assert_array_equal(sample.initial_mask, filled((slice(3, 8), slice(4, 10))))


def test_davis585_other_starts(davis585: Path):
    stm = load("davis585_stm", davis585)[0].initial_mask
    assert stm is not None
    np.testing.assert_array_equal(stm, filled((slice(3, 7), slice(4, 10))))
    assert load("davis585_scratch", davis585)[0].initial_mask is None


@pytest.mark.parametrize("missing", ["init_sp_object1_00030.png", "00030.jpg"])
def test_davis585_with_a_gap_is_refused(davis585: Path, missing: str):
    (davis585 / "dogs" / missing).unlink()
    with pytest.raises(ValueError, match=f"object1_00030.png: {missing} is missing"):
        load("davis585", davis585)


# SBD


def ids(*values: int) -> np.ndarray:
    array = np.zeros(SHAPE, np.uint8)
    for row, value in enumerate(values):
        array[2 * row : 2 * row + 2, 3:7] = value
    return array


def test_sbd_instances_are_samples(tmp_path: Path):
    root = tmp_path / "benchmark_RELEASE" / "dataset"
    write_sbd(root, "val", {"2008_2": ids(2, 1), "2008_1": ids(1)})
    write_sbd(root, "train", {"2008_3": ids(0, 5)})
    dataset = load("sbd", tmp_path)
    assert dataset.names == ("2008_2#1", "2008_2#2", "2008_1#1")  # the list's order
    for sample in dataset:
        rows = slice(2, 4) if sample.name == "2008_2#1" else slice(0, 2)
        np.testing.assert_array_equal(sample.mask, filled((rows, slice(3, 7))))
        assert sample.ignore is None
    (train,) = load("sbd_train", tmp_path)
    assert train.name == "2008_3#5"


def test_sbd_errors_name_the_file(tmp_path: Path):
    root = tmp_path / "sbd"
    write_sbd(root, "val", {"a": ids(1), "b": ids(1)})
    with pytest.raises(ValueError, match="'sbd_train' was not found"):
        load("sbd_train", tmp_path)
    (root / "inst" / "b.mat").write_bytes(b"no matrix")
    with pytest.raises(ValueError, match=r"Segmentation of .*b\.mat"):
        len(load("sbd", tmp_path))
    (root / "inst" / "b.mat").unlink()
    with pytest.raises(ValueError, match=r"b\.mat"):
        len(load("sbd", tmp_path))
    (root / "val.txt").write_text("a\na\n")
    with pytest.raises(ValueError, match=r"val\.txt: two samples are called 'a'"):
        load("sbd", tmp_path)
    (root / "val.txt").write_text("\n")
    with pytest.raises(ValueError, match=r"val\.txt is empty"):
        load("sbd", tmp_path)


# PASCAL VOC


def test_voc_reads_indices_and_ignores_the_outline(tmp_path: Path):
    root = tmp_path / "VOCdevkit" / "VOC2012"
    write_voc(root, "val", {"2007_1": {1: OBJECT, 16: CORNER, 255: BAND}, "2007_2": {2: OBJECT}})
    dataset = load("pascal_voc", tmp_path)
    assert dataset.names == ("2007_1#1", "2007_1#16", "2007_2#2")
    first, second, third = dataset
    np.testing.assert_array_equal(first.mask, filled(OBJECT))
    np.testing.assert_array_equal(second.mask, filled(CORNER))
    for sample in (first, second):
        assert sample.ignore is not None
        np.testing.assert_array_equal(sample.ignore, filled(BAND))
    assert third.ignore is None
    for place in (root, root.parent):
        assert load("pascal_voc", place).names == dataset.names


def test_voc_other_splits(tmp_path: Path):
    write_voc(tmp_path, "val", {"a": {1: OBJECT}})
    write_voc(tmp_path, "train", {"b": {1: OBJECT}})
    train = PascalVoc(tmp_path, split="train")
    assert (train.name, train.names) == ("pascal_voc_train", ("b#1",))
    assert "train split" in train.description
    with pytest.raises(ValueError, match="split must be one of val, train, trainval, got 'test'"):
        PascalVoc(tmp_path, split="test")


# All of them


def test_masks_are_read_once_for_the_names_and_images_only_for_samples(tmp_path: Path):
    root = tmp_path / "VOC2012"
    write_voc(root, "val", {"a": {1: OBJECT, 2: BAND}, "b": {1: OBJECT}})
    for image in (root / "JPEGImages").iterdir():
        image.unlink()
    dataset = load("pascal_voc", tmp_path)
    assert len(dataset) == 3
    for mask in (root / "SegmentationObject").iterdir():
        mask.unlink()
    assert dataset.names == ("a#1", "a#2", "b#1")
    with pytest.raises(ValueError, match=r"SegmentationObject.a\.png"):
        dataset[0]


def test_what_is_kept_does_not_grow_by_reading(tmp_path: Path):
    root = tmp_path / "sbd"
    write_sbd(root, "val", {f"{number}": ids(1, 2, 3) for number in range(4)})
    dataset = load("sbd", tmp_path)
    assert len(dataset) == 12
    before = repr(sorted(vars(dataset)))
    assert all(isinstance(dataset[index].mask, np.ndarray) for index in range(12))
    assert repr(sorted(vars(dataset))) == before
    assert not any(isinstance(value, np.ndarray) for value in vars(dataset).values())


@pytest.mark.parametrize("name", ["davis_objects", "davis585", "sbd", "pascal_voc"])
def test_readers_are_datasets_and_are_listed_where_they_are(
    tmp_path: Path, davis585: Path, name: str
):
    write_sbd(tmp_path / "SBD", "val", {"a": ids(1)})
    write_voc(tmp_path / "VOC2012", "val", {"a": {1: OBJECT}})
    write_image(tmp_path / "DAVIS" / "img" / "a.png", (40, 40))
    write_mask(tmp_path / "DAVIS" / "gt" / "a.png", {1: OBJECT})
    dataset = load(name, tmp_path)
    assert isinstance(dataset, Dataset)
    places = {
        "davis_objects": tmp_path / "DAVIS",
        "davis585": davis585,
        "sbd": tmp_path / "SBD",
        "pascal_voc": tmp_path / "VOC2012",
    }
    found = {info.name: info.path for info in list_datasets(tmp_path)}
    assert found[name] == places[name]


@pytest.mark.data
def test_the_real_davis_objects(data_root: Path):
    dataset = load("davis_objects", data_root)
    assert len(dataset) == len(set(dataset.names)) == 535
    sample = dataset[dataset.names.index("195#1")]
    assert sample.mask.sum() == 17919
    assert sample.ignore is not None
    assert sample.ignore.sum() == 160
    assert all(dataset[index].mask.sum() >= 300 for index in range(0, 535, 25))
