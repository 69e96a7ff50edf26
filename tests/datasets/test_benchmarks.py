from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from iseg_widget.datasets import load
from tests.datasets.trees import BAND, OBJECT, SHAPE, write_image, write_mask, write_pair


def filled(where: tuple[slice, slice]) -> np.ndarray:
    mask = np.zeros(SHAPE, bool)
    mask[where] = True
    return mask


def test_grabcut_ignores_its_band(tmp_path: Path):
    root = tmp_path / "grabcut"
    write_pair(root, "with", {255: OBJECT, 128: BAND})
    write_pair(root, "without")
    with_band, without = load("grabcut", tmp_path)
    np.testing.assert_array_equal(with_band.mask, filled(OBJECT))
    assert with_band.ignore is not None
    np.testing.assert_array_equal(with_band.ignore, filled(BAND))
    assert without.ignore is None
    np.testing.assert_array_equal(without.image[0, 0], [255, 0, 0])  # RGB


def test_grabcut_as_microsoft_packs_it(tmp_path: Path):
    root = tmp_path / "GrabCut"
    write_image(root / "data_GT" / "flower.jpg")
    write_mask(root / "boundary_GT" / "flower.bmp", {255: OBJECT, 128: BAND})
    (sample,) = load("grabcut", tmp_path)
    np.testing.assert_array_equal(sample.mask, filled(OBJECT))


def test_berkeley_second_objects_have_their_own_copy_or_share_the_image(tmp_path: Path):
    root = tmp_path / "berkeley"
    for stem in ("101085", "189011", "189011a"):
        write_pair(root, stem)
    write_mask(root / "masks" / "189011b.png", {255: BAND})
    write_mask(root / "masks" / "189011#4.png", {255: BAND})
    dataset = load("berkeley", tmp_path)
    assert dataset.names == ("101085", "189011", "189011#4", "189011a", "189011b")
    np.testing.assert_array_equal(dataset[4].mask, filled(BAND))
    np.testing.assert_array_equal(dataset[4].image, dataset[1].image)


def test_davis_merges_all_instances(tmp_path: Path):
    root = tmp_path / "davis345"
    write_pair(root, "000", {1: OBJECT, 2: BAND, 255: (slice(0, 1), slice(0, 1))})
    colour = np.zeros((*SHAPE, 3), np.uint8)
    colour[OBJECT] = 128, 0, 0
    colour[BAND] = 0, 128, 0
    write_image(root / "images" / "001.png")
    Image.fromarray(colour).save(root / "masks" / "001.png")
    ids, colours = load("davis", tmp_path)
    expected = filled(OBJECT) | filled(BAND)
    np.testing.assert_array_equal(colours.mask, expected)
    expected[0, 0] = True
    np.testing.assert_array_equal(ids.mask, expected)
    assert load("DAVIS345", tmp_path).name == "davis"


def test_files_of_other_kinds_are_passed_over(tmp_path: Path):
    root = tmp_path / "davis"
    write_pair(root, "000")
    write_image(root / "images" / "without_mask.png")
    (root / "images" / "Thumbs.db").write_bytes(b"x")
    (root / "masks" / ".hidden.png").write_bytes(b"x")
    assert load("davis", tmp_path).names == ("000",)
    assert "this copy has 1" in load("davis", tmp_path).description


def test_an_unreadable_file_is_named_when_its_sample_is_asked_for(tmp_path: Path):
    root = tmp_path / "berkeley"
    for stem in ("a1", "b2", "c3", "d4"):
        write_pair(root, stem)
    (root / "images" / "a1.png").write_bytes(b"no image")
    whole = (root / "masks" / "b2.png").read_bytes()
    (root / "masks" / "b2.png").write_bytes(whole[: len(whole) // 2])
    (root / "images" / "c3.png").write_bytes(b"")
    dataset = load("berkeley", tmp_path)
    for index, path in enumerate(("images/a1.png", "masks/b2.png", "images/c3.png")):
        with pytest.raises(ValueError, match=path):
            dataset[index]
    assert dataset[3].name == "d4"


def test_sizes_that_differ_and_empty_masks_are_refused_by_name(tmp_path: Path):
    root = tmp_path / "berkeley"
    write_pair(root, "small")
    write_image(root / "images" / "small.png", (5, 5))
    write_pair(root, "empty", {})
    dataset = load("berkeley", tmp_path)
    with pytest.raises(ValueError, match="'empty': the mask is empty"):
        dataset[0]
    with pytest.raises(ValueError, match=r"'small': mask has shape \(12, 16\), the image \(5, 5\)"):
        dataset[1]


def test_a_mask_without_its_image_and_two_of_a_stem_are_refused(tmp_path: Path):
    root = tmp_path / "davis"
    write_pair(root, "000")
    write_image(root / "images" / "000.jpg")
    with pytest.raises(ValueError, match=r"000\.jpg and 000\.png have the same stem"):
        load("davis", tmp_path)
    (root / "images" / "000.jpg").unlink()
    write_mask(root / "masks" / "001.png", {255: OBJECT})
    with pytest.raises(ValueError, match=r"masks/001\.png: no image 001\.\*"):
        load("davis", tmp_path)
    for path in (root / "masks").iterdir():
        path.unlink()
    with pytest.raises(ValueError, match="holds no mask"):
        load("davis", tmp_path)


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "objects", "photographs"),
    [("grabcut", 50, 50), ("berkeley", 100, 96), ("davis", 345, 345)],
)
def test_the_real_thing(data_root: Path, name: str, objects: int, photographs: int):
    dataset = load(name, data_root)
    assert len(dataset) == len(set(dataset.names)) == objects
    assert "this copy" not in dataset.description
    files = {pair.image.read_bytes() for pair in dataset.pairs}  # type: ignore[attr-defined]
    assert len(files) == photographs


@pytest.mark.data
def test_every_small_benchmark_sample_decodes(data_root: Path):
    ignored = 0
    for sample in load("grabcut", data_root):
        assert sample.image.shape[:2] == sample.mask.shape
        if sample.ignore is not None:
            ignored += 1
            assert not (sample.mask & sample.ignore).any()
    assert ignored == 42
    for sample in load("berkeley", data_root):
        assert 0 < sample.mask.mean() < 1
        assert sample.ignore is None


@pytest.mark.data
def test_davis_keeps_the_frame_with_a_void_value(data_root: Path):
    dataset = load("davis", data_root)
    sample = dataset[dataset.names.index("195")]
    assert sample.image.shape == (480, 854, 3)
    assert sample.mask.sum() == 17919 + 1250 + 160
