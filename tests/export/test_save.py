"""One image's objects as one file, and back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from iseg_widget.export import FORMATS, LabelledImage, LabelledMask, read, save


def pictured() -> LabelledImage:
    first, second = np.zeros((12, 20), bool), np.zeros((12, 20), bool)
    first[2:9, 3:9] = True
    first[4:6, 5:7] = False  # a hole
    second[5:11, 12:18] = True
    objects = (LabelledMask(first, "cat", "Tom"), LabelledMask(second, "dog", ""))
    return LabelledImage("pets.png", (12, 20), objects)


@pytest.mark.parametrize(
    ("name", "format", "settings"),
    [
        ("a.json", None, {}),
        ("b.json", "labelme", {}),
        ("c.png", None, {}),
        ("d.txt", None, {"classes": ["dog", "cat"]}),
    ],
)
def test_what_is_written_is_read(tmp_path, name, format, settings):  # noqa: A002
    image = pictured()
    path = save(image, tmp_path / name, format, **settings)
    again = read(path, image.shape, **settings)
    assert again.shape == image.shape
    assert len(again.objects) == 2
    for new, old in zip(again.objects, image.objects, strict=True):
        np.testing.assert_array_equal(new.mask, old.mask)
        if format != "png" and name != "c.png":
            assert new.label == old.label


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_is_written(tmp_path: Path, format: str):  # noqa: A002
    written = save(pictured(), tmp_path / f"deep/{format}.out", format)
    assert written.stat().st_size > 0
    assert list(written.parent.iterdir()) == [written]


def test_black_and_white(tmp_path: Path):
    from PIL import Image

    image = pictured()
    found = np.asarray(Image.open(save(image, tmp_path / "x.png", "mask")))
    expected = np.any([item.mask for item in image.objects], axis=0)
    np.testing.assert_array_equal(found, expected.astype(np.uint8) * 255)


def test_what_cannot_be(tmp_path: Path):
    with pytest.raises(ValueError, match=r"the ending '\.xyz'; accepted are format= one of coco"):
        save(pictured(), tmp_path / "a.xyz")
    with pytest.raises(ValueError, match="known for 'svg'"):
        save(pictured(), tmp_path / "a.json", "svg")
    with pytest.raises(TypeError, match="tolerance"):
        save(pictured(), tmp_path / "a.png", tolerance=2)
    with pytest.raises(ValueError, match=r"'cat'.* are not among"):
        save(pictured(), tmp_path / "a.json", classes=["dog"])
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ValueError, match="there is no file"):
        read(tmp_path / "a.json")
    (tmp_path / "a.json").write_text("[1]")
    with pytest.raises(ValueError, match="images"):
        read(tmp_path / "a.json")
    (tmp_path / "b.json").write_text("{")
    with pytest.raises(ValueError, match="cannot be read as JSON"):
        read(tmp_path / "b.json")
    with pytest.raises(ValueError, match="neither image size nor classes"):
        read(save(pictured(), tmp_path / "c.txt"))


def test_one_image_of_a_coco_file(tmp_path: Path):
    import json

    from iseg_widget.export import to_coco, write_file

    other = LabelledImage("other.png", (3, 4), ())
    data = json.dumps(to_coco([pictured(), other])).encode()
    path = write_file(tmp_path / "two.json", data)
    with pytest.raises(ValueError, match=r"one of pets\.png, other\.png"):
        read(path)
    assert len(read(path, file_name="pets.png").objects) == 2
