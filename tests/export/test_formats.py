"""Masks survive the way through every format."""

from __future__ import annotations

import io
import json
import os
import stat
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from iseg_widget import export
from iseg_widget.export import LabelledImage, LabelledMask
from iseg_widget.export.coco import decompress
from iseg_widget.export.png import voc_palette
from iseg_widget.outlines import fill, signed_area

SHAPE = (40, 50)
masks = hnp.arrays(np.bool_, (9, 11))


def ring_with_island() -> np.ndarray:
    mask = np.zeros(SHAPE, bool)
    mask[3:30, 4:40] = True
    mask[8:20, 10:30] = False
    mask[12:15, 15:20] = True
    mask[22:24, 6:8] = False
    mask[33:36, 45:50] = True
    return mask


@pytest.fixture
def image() -> LabelledImage:
    rows, columns = np.indices(SHAPE)
    disk = (rows - 20) ** 2 + (columns - 35) ** 2 < 100
    return LabelledImage(
        "cats <b>.jpg",
        SHAPE,
        (LabelledMask(ring_with_island(), "cat", "Tom"), LabelledMask(disk, "dog")),
    )


def assert_same(found: LabelledImage, expected: LabelledImage, names: bool = True) -> None:
    assert (found.file_name, found.shape) == (expected.file_name, expected.shape)
    assert len(found.objects) == len(expected.objects)
    for a, b in zip(found.objects, expected.objects, strict=True):
        assert a.label == b.label
        assert not names or a.name == b.name
        np.testing.assert_array_equal(a.mask, b.mask)


def through_json(data: dict) -> dict:
    return json.loads(json.dumps(data))


class TestCoco:
    @pytest.mark.parametrize("form", ["rle", "polygon"])
    def test_round_trip(self, image: LabelledImage, form: str):
        data = through_json(export.to_coco([image, LabelledImage("empty.png", (3, 4))], form=form))
        first, second = export.from_coco(data)
        assert_same(first, image)
        assert second.objects == ()

    @pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
    @pytest.mark.parametrize("form", ["rle", "polygon"])
    def test_pycocotools_reads_the_same(self, image: LabelledImage, form: str, tmp_path: Path):
        coco = pytest.importorskip("pycocotools.coco")
        path = export.write_file(
            tmp_path / "c.json", json.dumps(export.to_coco([image], form=form)).encode()
        )
        read = coco.COCO(str(path))
        for annotation, item in zip(read.loadAnns(read.getAnnIds()), image.objects, strict=True):
            np.testing.assert_array_equal(read.annToMask(annotation).astype(bool), item.mask)
            assert annotation["area"] == item.mask.sum()
            x, y, width, height = annotation["bbox"]
            assert item.mask[y : y + height, x : x + width].sum() == item.mask.sum()
        assert [c["name"] for c in read.loadCats(read.getCatIds())] == ["cat", "dog"]

    @given(masks)
    @settings(max_examples=50)
    def test_compressed_run_lengths_are_pycocotools_own(self, mask: np.ndarray):
        tools = pytest.importorskip("pycocotools.mask")
        packed = tools.encode(np.asfortranarray(mask.astype(np.uint8)))
        segmentation = {"size": list(mask.shape), "counts": packed["counts"].decode()}
        data = {
            "images": [{"id": 7, "file_name": "a", "height": 9, "width": 11}],
            "categories": [{"id": 3, "name": "x"}],
            "annotations": [{"image_id": 7, "category_id": 3, "segmentation": segmentation}],
        }
        np.testing.assert_array_equal(export.from_coco(data)[0].objects[0].mask, mask)

    def test_long_and_falling_runs_as_text(self):
        tools = pytest.importorskip("pycocotools.mask")
        mask = np.zeros((300, 400), np.uint8, order="F")
        mask[5:290, 3:200] = 1
        mask[100:102, 300:399] = 1
        counts = decompress(tools.encode(mask)["counts"])
        assert sum(counts) == mask.size
        assert sum(counts[1::2]) == mask.sum()

    def test_classes_order_the_ids(self, image: LabelledImage):
        data = export.to_coco([image], classes=["dog", "bird", "cat"])
        assert [a["category_id"] for a in data["annotations"]] == [3, 1]

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"categories": []}, "names nothing"),
            ({"annotations": [{"image_id": 1, "category_id": 1}]}, "'segmentation' is missing"),
            (
                {"annotations": [{"image_id": 1, "category_id": 1, "segmentation": [[1, 2, 3]]}]},
                "at least three x, y pairs, got 3 numbers",
            ),
            (
                {"annotations": [{"image_id": 1, "category_id": 1, "segmentation": "x"}]},
                "a list of polygons or run lengths",
            ),
            (
                {
                    "annotations": [
                        {
                            "image_id": 1,
                            "category_id": 1,
                            "segmentation": {"size": [2, 2], "counts": [4]},
                        }
                    ]
                },
                r"are for \[2, 2\], the image is \[40, 50\]",
            ),
        ],
    )
    def test_faulty_data(self, image: LabelledImage, change: dict, message: str):
        with pytest.raises(ValueError, match=message):
            export.from_coco({**export.to_coco([image]), **change})

    def test_unknown_form_and_label(self, image: LabelledImage):
        with pytest.raises(ValueError, match="form must be one of rle, polygon, got 'x'"):
            export.to_coco([image], form="x")
        with pytest.raises(ValueError, match=r"\['dog'\] are not among the classes"):
            export.to_coco([image], classes=["cat"])


class TestYolo:
    def test_round_trip(self, image: LabelledImage):
        text = export.to_yolo(image, ["dog", "cat"])
        assert [line.split()[0] for line in text.splitlines()] == ["1", "0"]
        values = np.array([float(v) for line in text.splitlines() for v in line.split()[1:]])
        assert values.min() >= 0
        assert values.max() <= 1
        found = export.from_yolo(text, image.file_name, SHAPE, ["dog", "cat"])
        assert_same(found, image, names=False)

    @given(masks)
    @settings(max_examples=60)
    def test_any_mask(self, mask: np.ndarray):
        image = LabelledImage("a", mask.shape, (LabelledMask(mask, "x"),))
        found = export.from_yolo(export.to_yolo(image, ["x"]), "a", mask.shape, ["x"])
        assert len(found.objects) == int(mask.any())
        if mask.any():
            np.testing.assert_array_equal(found.objects[0].mask, mask)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("5 0 0 1 1 0 1", r"line 1: class 5, accepted are 0\.\.0"),
            ("\n0 0 0 1 1", "line 2: expected at least three x, y pairs, got 4"),
            ("cat 0 0 1 1 0 1", "line 1: expected numbers"),
        ],
    )
    def test_faulty_lines(self, text: str, message: str):
        with pytest.raises(ValueError, match=message):
            export.from_yolo(text, "a", SHAPE, ["x"])


class TestLabelme:
    @pytest.mark.parametrize("form", ["mask", "polygon"])
    def test_round_trip(self, image: LabelledImage, form: str):
        assert_same(export.from_labelme(through_json(export.to_labelme(image, form=form))), image)

    def test_shapes_without_a_group_are_objects_of_their_own(self):
        triangle = {"label": "a", "shape_type": "polygon", "points": [[0, 0], [4, 0], [0, 4]]}
        box = {"label": "a", "shape_type": "rectangle", "points": [[2, 3], [5, 8]]}
        data = {"imageHeight": 9, "imageWidth": 9, "imagePath": "p", "shapes": [triangle, box]}
        first, second = export.from_labelme(data).objects
        assert (first.mask.sum(), second.mask.sum()) == (6, 15)

    @pytest.mark.parametrize(
        ("shape", "message"),
        [
            ({"shape_type": "circle", "points": [[1, 1], [2, 2]]}, "shape 0 is a circle of 2"),
            ({"shape_type": "mask", "points": [[0, 0], [3, 3]], "mask": "!"}, "cannot read its"),
        ],
    )
    def test_faulty_shapes(self, shape: dict, message: str):
        data = {"imageHeight": 9, "imageWidth": 9, "imagePath": "p"}
        with pytest.raises(ValueError, match=message):
            export.from_labelme({**data, "shapes": [{"label": "a", **shape}]})
        with pytest.raises(ValueError, match="'shapes' is missing"):
            export.from_labelme(data)

    def test_a_mask_that_does_not_fit(self, image: LabelledImage):
        data = export.to_labelme(image)
        data["shapes"][0]["points"][1][0] -= 1
        with pytest.raises(ValueError, match="does not fit the box"):
            export.from_labelme(data)


class TestPng:
    def test_binary(self, image: LabelledImage):
        mask = image.objects[0].mask
        read = np.asarray(Image.open(io.BytesIO(export.binary_png(mask))))
        np.testing.assert_array_equal(read, mask * 255)

    def test_ids_round_trip_where_nothing_overlaps(self):
        masks = np.zeros((3, *SHAPE), bool)
        masks[0, :5], masks[1, 10:20, 3:9], masks[2, 30:] = True, True, True
        image = LabelledImage("a", SHAPE, tuple(LabelledMask(m) for m in masks))
        found = export.read_id_png(export.id_png(image), "a")
        for number, (a, b) in enumerate(zip(found.objects, masks, strict=True), start=1):
            np.testing.assert_array_equal(a.mask, b)
            assert a.name == str(number)

    def test_many_objects_take_sixteen_bits(self):
        masks = np.zeros((300, 20, 20), bool)
        for number in range(300):
            masks[number].flat[number] = True
        image = LabelledImage("a", (20, 20), tuple(LabelledMask(m) for m in masks))
        assert len(export.read_id_png(export.id_png(image), "a").objects) == 300

    def test_voc(self, image: LabelledImage):
        classes, objects = (
            Image.open(io.BytesIO(data)) for data in export.voc_pngs(image, ["bird", "cat", "dog"])
        )
        cat, dog = (item.mask for item in image.objects)
        expected = np.where(dog, 3, np.where(cat, 2, 0))
        np.testing.assert_array_equal(np.asarray(classes), expected)
        np.testing.assert_array_equal(np.asarray(objects), np.where(dog, 2, np.where(cat, 1, 0)))
        assert classes.mode == objects.mode == "P"
        # The palette of the benchmark: aeroplane is dark red, void a light one.
        palette = voc_palette()
        assert palette[:4].tolist() == [[0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0]]
        assert palette[255].tolist() == [224, 224, 192]

    def test_an_ignored_value(self):
        picture = np.zeros((4, 4), np.uint8)
        picture[0], picture[1] = 255, 9
        buffer = io.BytesIO()
        Image.fromarray(picture).save(buffer, "PNG")
        (found,) = export.read_id_png(buffer.getvalue(), "a", ignore=255).objects
        assert (found.name, found.mask.sum()) == ("9", 4)

    def test_colour_pictures_are_refused(self):
        buffer = io.BytesIO()
        Image.new("RGB", (3, 3)).save(buffer, "PNG")
        with pytest.raises(ValueError, match="one channel"):
            export.read_id_png(buffer.getvalue(), "a")


class TestGeoJson:
    @pytest.mark.parametrize(
        "transform", [export.Affine(1, 0, 0, 0, 1, 0), export.Affine(0.5, 0, 300, 0, -0.5, 900)]
    )
    def test_rings(self, image: LabelledImage, transform: export.Affine):
        data = through_json(export.to_geojson(image, transform=transform))
        assert data["type"] == "FeatureCollection"
        for feature, item in zip(data["features"], image.objects, strict=True):
            assert feature["properties"]["label"] == item.label
            rings = []
            for polygon in feature["geometry"]["coordinates"]:
                for number, ring in enumerate(polygon):
                    assert ring[0] == ring[-1]
                    corners = np.asarray(ring[:-1])
                    # In a world whose y goes up, outer rings run counterclockwise.
                    assert (signed_area(corners) > 0) == (number == 0)
                    rings.append((corners - transform[2::3]) / (transform.a, transform.e))
            np.testing.assert_array_equal(fill(rings, SHAPE), item.mask)

    def test_a_flat_transform(self, image: LabelledImage):
        with pytest.raises(ValueError, match="to a line or a point"):
            export.to_geojson(image, transform=export.Affine(1, 0, 0, 1, 0, 0))


class TestFiles:
    def test_a_failed_write_leaves_the_old_file(self, tmp_path: Path, monkeypatch):
        path = tmp_path / "new" / "m.png"
        export.write_file(path, b"old")

        def full(_: int) -> None:
            raise OSError("no space left on device")

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="no space"):
            export.write_file(path, b"new")
        assert path.read_bytes() == b"old"
        assert list(path.parent.iterdir()) == [path]

    def test_permissions_are_those_of_other_files(self, tmp_path: Path):
        plain = tmp_path / "plain"
        plain.write_bytes(b"x")
        written = export.write_file(tmp_path / "ours", b"x")
        assert stat.S_IMODE(written.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)


def test_masks_must_fit_their_image():
    with pytest.raises(ValueError, match=r"object 0 of 'a': the mask must be \(3, 3\) bool"):
        LabelledImage("a", (3, 3), (LabelledMask(np.zeros((2, 3), bool)),))


@given(masks, st.sampled_from(["polygon"]))
@settings(max_examples=60)
def test_polygons_without_holes_are_exact(mask: np.ndarray, form: str):
    image = LabelledImage("a", mask.shape, (LabelledMask(mask, "x"),))
    found = export.from_coco(export.to_coco([image], form=form))
    np.testing.assert_array_equal(found[0].objects[0].mask, mask)
