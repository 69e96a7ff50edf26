from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from iseg_widget.datasets import load
from iseg_widget.datasets.coco_mval import SEEN, CocoMVal, draw_objects
from tests.datasets.trees import OBJECT, SHAPE, coco_content, write_coco, write_image, write_mask

# pycocotools 2.0.11 has not followed numpy 2 in this.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

CATEGORIES = {1: "person", 2: "bicycle", 10: "traffic light", 80: "toaster"}


def draw(content: dict, split: str = "all", per_category: int = 2, seed: int = 0) -> list[str]:
    items = draw_objects(content, split, per_category, seed=seed, min_area=10)  # type: ignore[arg-type]
    return [item.name for item in items]


def category_of(name: str) -> int:
    """Annotation numbers run through the categories image by image."""
    return list(CATEGORIES)[(int(name.split("#")[1]) - 1) % len(CATEGORIES)]


def test_there_are_20_seen_categories():
    assert len(SEEN) == 20


def test_the_published_list_is_read(tmp_path: Path):
    root = tmp_path / "COCO_MVal"
    for stem in ("b", "a"):
        write_image(root / "img" / f"{stem}.jpg")
        write_mask(root / "gt" / f"{stem}.png", {255: OBJECT})
    dataset = load("coco_mval", tmp_path)
    assert dataset.names == ("a", "b")
    assert dataset[0].mask.sum() == 36
    assert dataset[0].ignore is None
    assert "published list, this copy has 2" in dataset.description
    with pytest.raises(ValueError, match="'coco_mval_seen' was not found"):
        load("coco_mval_seen", tmp_path)
    with pytest.raises(ValueError, match="is not COCO: expected val2017"):
        CocoMVal(root, split="seen")


def test_the_draw_takes_so_many_of_each_category_from_different_images():
    content = coco_content(CATEGORIES, 9)
    names = draw(content)
    assert sorted(map(category_of, names)) == [1, 1, 2, 2, 10, 10, 80, 80]
    assert len({name.split("#")[0] for name in names}) == 8
    assert all(int(name.split("#")[1]) > 0 for name in names)  # no crowd


def test_the_draw_depends_on_the_seed_not_on_the_order_of_the_file():
    content = coco_content(CATEGORIES, 30)
    names = draw(content)
    assert draw(content, seed=1) != names
    content["annotations"].reverse()
    content["images"].reverse()
    content["categories"].reverse()
    assert draw(content) == names


def test_seen_and_unseen_are_parts_of_one_draw():
    content = coco_content(CATEGORIES, 20)
    seen, unseen = draw(content, "seen"), draw(content, "unseen")
    assert {category_of(name) for name in seen} == {1, 2}
    assert {category_of(name) for name in unseen} == {10, 80}
    assert sorted(seen + unseen) == sorted(draw(content))


def test_rare_categories_come_first_and_may_run_out():
    content = coco_content(CATEGORIES, 5)
    rare = [a for a in content["annotations"] if a["category_id"] != 80 or a["image_id"] == 3]
    content["annotations"] = rare
    names = draw(content)
    assert [category_of(name) for name in names] == [80, 1, 1, 2, 2]
    assert names[0].startswith(f"{3:012d}")


def test_small_objects_are_not_drawn():
    content = coco_content(CATEGORIES, 5)
    for annotation in content["annotations"]:
        annotation["area"] = 9.9 if annotation["image_id"] != 2 else annotation["area"]
    assert {name.split("#")[0] for name in draw(content)} == {f"{2:012d}"}


@pytest.mark.parametrize("images", ["val2017", "images/val2017"])
def test_coco_is_read(tmp_path: Path, images: str):
    pytest.importorskip("pycocotools")
    write_coco(tmp_path / "coco", coco_content(CATEGORIES, 12), images)
    everything = load("coco_mval", tmp_path)
    seen, unseen = load("coco_mval_seen", tmp_path), load("coco_mval_unseen", tmp_path)
    assert sorted(seen.names + unseen.names) == sorted(everything.names)
    assert "own draw of" in everything.description
    assert "seed 0" in everything.description
    assert len(everything) == 12  # as many as there are images
    for sample in everything:
        column = list(CATEGORIES).index(category_of(sample.name))
        expected = np.zeros(SHAPE, bool)
        expected[2:7, 1 + column : 7 + column] = True
        np.testing.assert_array_equal(sample.mask, expected)


@pytest.mark.parametrize("kind", ["parts", "list", "text"])
def test_outlines_of_every_kind(tmp_path: Path, kind: str):
    coco = pytest.importorskip("pycocotools.mask")
    content = coco_content({1: "person"}, 1)
    expected = np.zeros(SHAPE, bool)
    expected[1:4, 2:5] = expected[6:9, 8:11] = True
    square, other = [2, 1, 5, 1, 5, 4, 2, 4], [8, 6, 11, 6, 11, 9, 8, 9]
    packed = coco.encode(np.asfortranarray(expected.astype(np.uint8)))
    flat = expected.ravel(order="F")
    edges = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff([0, *edges, flat.size]).tolist()
    outlines = {
        "parts": [square, other],
        "list": {"size": list(SHAPE), "counts": counts},
        "text": {"size": list(SHAPE), "counts": packed["counts"].decode()},
    }
    content["annotations"][0]["segmentation"] = outlines[kind]
    write_coco(tmp_path, content)
    (sample,) = CocoMVal(tmp_path)
    np.testing.assert_array_equal(sample.mask, expected)


def test_without_pycocotools_the_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    write_coco(tmp_path, coco_content(CATEGORIES, 2))
    monkeypatch.setitem(sys.modules, "pycocotools", None)
    dataset = CocoMVal(tmp_path)
    assert len(dataset) == 2
    with pytest.raises(ImportError, match=r"pip install .*pycocotools"):
        dataset[0]


def test_refusals_say_what_is_accepted(tmp_path: Path):
    write_coco(tmp_path, coco_content(CATEGORIES, 2))
    with pytest.raises(ValueError, match="split must be one of all, seen, unseen, got 'some'"):
        CocoMVal(tmp_path, split="some")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="per_category must be at least 1, got 0"):
        CocoMVal(tmp_path, per_category=0)
    path = tmp_path / "annotations" / "instances_val2017.json"
    path.write_text(json.dumps([1]))
    with pytest.raises(ValueError, match="is not a COCO instances file"):
        CocoMVal(tmp_path)
    path.write_text("{")
    with pytest.raises(ValueError, match=r"cannot read .*instances_val2017\.json"):
        CocoMVal(tmp_path)
