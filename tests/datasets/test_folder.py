from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from iseg_widget.datasets import Folder
from tests.datasets.trees import BAND, OBJECT, SHAPE, write_image, write_mask, write_pair

CORNER = (slice(0, 2), slice(0, 2))


def test_every_id_is_a_sample_and_a_single_one_keeps_the_stem(tmp_path: Path):
    write_pair(tmp_path, "many", {1: OBJECT, 7: BAND, 255: CORNER})
    write_pair(tmp_path, "one")
    dataset = Folder(tmp_path)
    assert dataset.name == tmp_path.name
    assert dataset.names == ("many#1", "many#7", "many#255", "one")
    assert [int(sample.mask.sum()) for sample in dataset] == [36, 6, 4, 36]
    assert all(sample.ignore is None for sample in dataset)


def test_a_value_is_ignored_only_when_asked(tmp_path: Path):
    write_pair(tmp_path, "many", {1: OBJECT, 7: BAND, 255: CORNER})
    dataset = Folder(tmp_path, ignore=255)
    assert dataset.names == ("many#1", "many#7")
    for sample in dataset:
        assert sample.ignore is not None
        assert np.argwhere(sample.ignore).max() == 1
    assert "255 is ignored" in dataset.description


def test_merged_ids_are_one_object(tmp_path: Path):
    write_pair(tmp_path, "many", {1: OBJECT, 7: BAND, 255: CORNER})
    (sample,) = Folder(tmp_path, objects="merged")
    assert sample.name == "many"
    assert sample.mask.sum() == 46
    (sample,) = Folder(tmp_path, objects="merged", ignore=255)
    assert sample.mask.sum() == 42
    assert sample.ignore is not None
    assert sample.ignore.sum() == 4


def test_small_objects_are_left_out_when_asked(tmp_path: Path):
    write_pair(tmp_path, "many", {1: OBJECT, 7: BAND, 9: CORNER})
    assert Folder(tmp_path, min_pixels=6).names == ("many#1", "many#7")
    assert Folder(tmp_path, min_pixels=7).names == ("many",)


def test_an_empty_mask_is_reported_and_does_not_vanish(tmp_path: Path):
    write_pair(tmp_path, "empty", {})
    write_pair(tmp_path, "only_ignored", {255: OBJECT})
    dataset = Folder(tmp_path, ignore=255)
    assert dataset.names == ("empty", "only_ignored")
    for index in range(2):
        with pytest.raises(ValueError, match="the mask is empty"):
            dataset[index]


@pytest.mark.parametrize("kind", ["1", "P", "I;16", "RGB grey", "RGBA grey", "LA"])
def test_masks_of_every_kind_keep_their_values(tmp_path: Path, kind: str):
    write_image(tmp_path / "images" / "a.png")
    (tmp_path / "masks").mkdir()
    ids = np.zeros(SHAPE, np.uint8)
    ids[OBJECT] = 3
    if kind == "1":
        picture = Image.fromarray(ids > 0)
    elif kind == "P":
        picture = Image.fromarray(ids)
        picture.putpalette([200, 10, 10] * 256)  # the colours say nothing
    elif kind == "I;16":
        picture = Image.fromarray(ids.astype(np.uint16) * 1000)
    else:
        picture = Image.fromarray(ids).convert(kind.removesuffix(" grey"))
    picture.save(tmp_path / "masks" / "a.png")
    (sample,) = Folder(tmp_path)
    np.testing.assert_array_equal(sample.mask, ids > 0)


def test_colour_masks_have_no_ids_but_can_be_merged(tmp_path: Path):
    write_image(tmp_path / "images" / "a.png")
    colour = np.zeros((*SHAPE, 3), np.uint8)
    colour[OBJECT] = 10, 20, 30
    (tmp_path / "masks").mkdir()
    Image.fromarray(colour).save(tmp_path / "masks" / "a.png")
    with pytest.raises(ValueError, match=r"masks/a\.png: .* in colour"):
        len(Folder(tmp_path))
    assert Folder(tmp_path, objects="merged")[0].mask.sum() == 36


def test_a_soft_mask_is_not_taken_for_ids(tmp_path: Path):
    write_image(tmp_path / "images" / "a.png")
    (tmp_path / "masks").mkdir()
    soft = np.arange(192, dtype=np.uint8).reshape(SHAPE)
    Image.fromarray(soft).save(tmp_path / "masks" / "a.png")
    with pytest.raises(ValueError, match=r'masks/a\.png holds 191 .* objects="merged"'):
        len(Folder(tmp_path))


def test_a_turned_photograph_does_not_fit_a_mask_that_is_not(tmp_path: Path):
    write_mask(tmp_path / "masks" / "a.png", {255: OBJECT})
    (tmp_path / "images").mkdir()
    exif = Image.Exif()
    exif[274] = 6
    Image.new("RGB", (SHAPE[1], SHAPE[0])).save(tmp_path / "images" / "a.jpg", exif=exif)
    with pytest.raises(ValueError, match=r"mask has shape \(12, 16\), the image \(16, 12\)"):
        Folder(tmp_path)[0]


def test_refusals_say_what_is_accepted(tmp_path: Path):
    with pytest.raises(ValueError, match=r"expected images/<stem>\.jpg"):
        Folder(tmp_path)
    write_pair(tmp_path, "a")
    with pytest.raises(ValueError, match="objects must be one of ids, merged"):
        Folder(tmp_path, objects="all")  # type: ignore[arg-type]
    write_pair(tmp_path, "a", {1: OBJECT, 2: BAND})
    write_pair(tmp_path, "a#1")
    with pytest.raises(ValueError, match="two samples are called 'a#1'"):
        len(Folder(tmp_path))
