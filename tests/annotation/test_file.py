from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from iseg_widget.annotation import Annotation
from iseg_widget.clicks import Click
from iseg_widget.export import (
    LabelledImage,
    LabelledMask,
    from_coco,
    from_labelme,
    id_png,
    read_id_png,
    to_coco,
    to_labelme,
)
from iseg_widget.masks import rle_decode
from iseg_widget.session import replay
from tests.annotation.made import DISKS, SHAPE, histories, made, picture, rectangle, visible
from tests.methods.fake import DiskMethod, DiskOptions

LEFT = rectangle(2, 2, 14, 12)
RIGHT = rectangle(10, 6, 24, 16)


def full() -> Annotation:
    """An annotation in which everything that a file keeps is not at its default."""
    annotation = made("top", LEFT, RIGHT, file_name="räder.png")
    annotation.add_label("cow", "#123456")
    annotation.click(20, 10, True, 1)
    annotation.click_many([Click(5, 5, positive=False), Click(25, 3)], 1)
    annotation.edit(annotation.mask_of(1) & ~rectangle(0, 0, 5, 20), 1)
    annotation.click(1.25, 18, True, 1)
    annotation.edit(RIGHT & ~LEFT, 2)
    annotation.rename(1, "Bärbel")
    annotation.relabel(2, "cow")
    annotation.recolour(2, "#abcdef")
    annotation.show(2, visible=False)
    annotation.lock(2)
    annotation.add_object()
    annotation.move_to(3, 0)
    annotation.remove(annotation.add_object())
    annotation.select(1)
    return annotation


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return full().save(tmp_path / "deep" / "a.json")


@pytest.fixture
def damaged(path: Path) -> Callable[[Callable[[Any], Any]], Path]:
    def damage(change: Callable[[Any], Any]) -> Path:
        data = json.loads(path.read_bytes())
        change(data)
        path.write_text(json.dumps(data))
        return path

    return damage


class TestRoundTrip:
    def test_without_any_method(self, path: Path):
        annotation = full()
        loaded = Annotation.load(path, picture())
        assert visible(loaded) == visible(annotation)
        assert (loaded.active, loaded.file_name) == (1, "räder.png")
        assert not loaded.unsaved
        assert not loaded.undo()

    def test_with_the_method_the_history_is_the_same(self, path: Path):
        annotation = full()
        loaded = Annotation.load(path, picture(), {"other": DISKS, "disks": DISKS})
        assert histories(loaded) == histories(annotation)
        assert loaded.session(1).groups == (1, 2, 0, 1)
        assert not loaded.unsaved
        loaded.click(12, 12)
        annotation.click(12, 12)
        assert visible(loaded) == visible(annotation)
        loaded.undo()
        assert not loaded.unsaved

    def test_boxes_and_thresholds_come_back(self, tmp_path: Path):
        annotation = Annotation(picture(), DISKS)
        annotation.add_object()
        annotation.act(lambda session: session.box(4, 3, 16, 14), name="box")
        annotation.act(lambda session: session.threshold(0.25), name="threshold")
        annotation.click(18, 10)
        loaded = Annotation.load(annotation.save(tmp_path / "b.json"), picture(), DISKS)
        assert loaded.session(1).log() == annotation.session(1).log()
        assert visible(loaded) == visible(annotation)
        assert loaded.session(1).groups == (1, 0, 1)

    def test_ids_are_not_reused(self, path: Path):
        assert Annotation.load(path, picture()).add_object() == 5

    def test_a_method_that_answers_differently_does_not_change_the_mask(self, path: Path):
        wide = DiskMethod(DiskOptions(radius=7))
        loaded = Annotation.load(path, picture(), wide)
        session = loaded.session(1)
        np.testing.assert_array_equal(session.mask, full().mask_of(1))
        assert session.groups == (1, 2, 0, 1, 0)
        assert visible(loaded) == visible(full())

    def test_without_its_method_an_object_can_be_kept_but_not_clicked(
        self, path: Path, tmp_path: Path
    ):
        loaded = Annotation.load(path, picture(), {"other": DISKS})
        with pytest.raises(ValueError, match="object 1, which was drawn with 'disks'"):
            loaded.click(5, 5)
        before = json.loads(path.read_bytes())
        assert json.loads(loaded.save(tmp_path / "b.json").read_bytes()) == before
        loaded.use_method(DISKS)
        assert loaded.session(1).groups == (1, 2, 0, 1)

    def test_drawn_on_without_its_method(self, path: Path, tmp_path: Path):
        loaded = Annotation.load(path, picture())
        loaded.edit(LEFT, 1)
        again = Annotation.load(loaded.save(tmp_path / "b.json"), picture(), DISKS)
        np.testing.assert_array_equal(again.mask_of(1), LEFT)
        assert again.session(1).groups == (1, 2, 0, 1, 0)

    def test_replayed_when_needed(self, path: Path):
        class Counting(DiskMethod):
            steps = 0

            def step(self, *arguments: Any, **options: Any) -> Any:
                Counting.steps += 1
                return super().step(*arguments, **options)

        loaded = Annotation.load(path, picture(), Counting())
        loaded.lock(2, locked=False)
        loaded.click(5, 5, True, 2)
        assert Counting.steps == 1
        loaded.click(5, 5, True, 1)
        assert Counting.steps == 5
        loaded.undo()
        loaded.click(5, 5, True, 1)
        assert Counting.steps == 6


class TestContent:
    def test_what_is_in_it(self, path: Path):
        data = json.loads(path.read_bytes())
        assert (data["format"], data["version"]) == ("iseg_widget annotation", 1)
        assert {"iseg_widget", "python", "numpy"} <= set(data["written_by"])
        assert (data["image"]["width"], data["image"]["height"]) == (30, 20)
        first = data["objects"][1]
        assert first["method"] == {"name": "disks", "options": {"radius": 4.0}, "weights": None}
        assert data["objects"][0]["method"] is None
        np.testing.assert_array_equal(rle_decode(first["mask"]), full().mask_of(1))

    def test_every_log_ends_in_the_mask(self, path: Path):
        for entry in json.loads(path.read_bytes())["objects"]:
            session = replay(DISKS, picture(), entry["log"])
            np.testing.assert_array_equal(session.mask, rle_decode(entry["mask"]))

    def test_weights_have_a_fingerprint(self, tmp_path: Path):
        torch = pytest.importorskip("torch")

        class Networked(DiskMethod):
            network = torch.nn.Linear(1, 1)

        annotation = Annotation(picture(), Networked())
        annotation.add_object()
        annotation.click(5, 5)
        data = json.loads(annotation.save(tmp_path / "a.json").read_bytes())
        assert len(data["objects"][0]["method"]["weights"]) == 16

    def test_unsaved(self, tmp_path: Path):
        annotation = made("allow", LEFT)
        assert annotation.unsaved
        annotation.save(tmp_path / "a.json")
        annotation.select(None)
        annotation.session(1)
        assert not annotation.unsaved
        annotation.rename(1, "Tom")
        assert annotation.unsaved
        annotation.undo()
        assert not annotation.unsaved

    def test_a_crash_leaves_the_old_file(self, path: Path, monkeypatch: pytest.MonkeyPatch):
        old = path.read_bytes()

        def fail(*_: object) -> None:
            raise OSError("no space left")

        monkeypatch.setattr("os.fsync", fail)
        annotation = made()
        annotation.add_object()
        with pytest.raises(OSError, match="no space"):
            annotation.save(path)
        assert path.read_bytes() == old
        assert list(path.parent.iterdir()) == [path]
        assert annotation.unsaved


class TestRefused:
    def test_another_image(self, path: Path):
        with pytest.raises(ValueError, match=r"other pixels, 'räder.png'; check=False"):
            Annotation.load(path, picture(1))
        loaded = Annotation.load(path, picture(1), check=False)
        assert visible(loaded) == visible(full())

    def test_an_image_of_another_shape(self, path: Path):
        with pytest.raises(ValueError, match=r"shape \(20, 30\) \(H, W\), got \(30, 20\)"):
            Annotation.load(path, picture().transpose(1, 0, 2), check=False)

    def test_no_file(self, tmp_path: Path):
        with pytest.raises(ValueError, match="no annotation at"):
            Annotation.load(tmp_path / "none.json", picture())

    @pytest.mark.parametrize(
        "content", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"format": "iseg_wid']
    )
    def test_no_json(self, tmp_path: Path, content: bytes):
        (tmp_path / "a.json").write_bytes(content)
        with pytest.raises(ValueError, match="cannot be read as JSON"):
            Annotation.load(tmp_path / "a.json", picture())

    @pytest.mark.parametrize("data", [[], 3, {}, {"images": [], "annotations": []}])
    def test_another_format(self, tmp_path: Path, data: object):
        (tmp_path / "a.json").write_text(json.dumps(data))
        with pytest.raises(ValueError, match=r"no annotation of iseg_widget.*from_labelled"):
            Annotation.load(tmp_path / "a.json", picture())

    def test_a_later_version(self, damaged: Any):
        path = damaged(lambda data: data.update(version=2))
        with pytest.raises(ValueError, match=r"format version 2, accepted is 1; .*numpy"):
            Annotation.load(path, picture())

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda d: d.pop("labels"), "'labels' is missing"),
            (lambda d: d.update(labels=[]), "not among"),
            (lambda d: d.update(rule="bottom"), "overlap rule"),
            (lambda d: d.update(rule="exclusive"), "objects overlap"),
            (lambda d: d.update(active=9), "active 9"),
            (lambda d: d.update(next_id=2), "next id 2"),
            (lambda d: d.update(next_id="5"), "whole number, got '5'"),
            (lambda d: d.update(objects=3), "damaged"),
            (lambda d: d["image"].update(width=31), "object 0"),
            (lambda d: d["labels"].append(d["labels"][0]), "must differ"),
            (lambda d: d["objects"].append(d["objects"][0]), "must differ"),
            (lambda d: d["objects"][1].pop("name"), "object 1 lacks 'name'"),
            (lambda d: d["objects"][1].update(label="horse"), "object 1: its label 'horse'"),
            (lambda d: d["objects"][1].update(visible=1), "'visible' must be true or false"),
            (lambda d: d["objects"][1].update(colour="red"), "'#rrggbb'"),
            (lambda d: d["objects"][1]["mask"]["counts"].append(1), "sum to 600"),
            (lambda d: d["objects"][1]["log"].update(version=9), "log version 9"),
            (lambda d: d["objects"][1]["log"]["actions"][0].clear(), "lacks 'clicks'"),
            (lambda d: d["objects"][1]["log"]["actions"][0]["clicks"].clear(), "without clicks"),
            (lambda d: d["objects"][1]["log"]["actions"][0]["clicks"][0].update(x=99), "outside"),
            (lambda d: d["objects"][1]["log"]["actions"][2]["edit"].update(counts=[]), "sum to"),
            (lambda d: d["objects"][1]["log"]["actions"][0].update(box=[0, 0, 999, 9]), "does not"),
            (lambda d: d["objects"][1]["log"]["actions"].append({"threshold": 7}), "between 0"),
            (lambda d: d["objects"][1]["log"]["initial_mask"].update(counts=[]), "sum to"),
        ],
    )
    def test_damage(self, damaged: Any, change: Callable[[Any], Any], message: str):
        path = damaged(change)
        before = path.read_bytes()
        with pytest.raises(ValueError, match=message) as caught:
            Annotation.load(path, picture())
        assert str(path) in str(caught.value)
        assert path.read_bytes() == before

    def test_every_part_is_needed(self, path: Path):
        """Whatever is taken out, the error is a clear one."""
        data = json.loads(path.read_bytes())
        inner = [(), ("image",), ("objects", 1), ("objects", 1, "method"), ("objects", 1, "log")]
        for keys in inner:
            for key in set(part_of(data, keys)) - {"written_by"}:
                if keys[2:] == ("log",) and key == "method":
                    continue  # for people who read a log
                less = copy.deepcopy(data)
                del part_of(less, keys)[key]
                path.write_text(json.dumps(less))
                with pytest.raises(ValueError, match=str(path)):
                    Annotation.load(path, picture())


def part_of(data: Any, keys: tuple[Any, ...]) -> Any:
    for key in keys:
        data = data[key]
    return data


class TestLabelled:
    def labelled(self) -> LabelledImage:
        objects = (LabelledMask(LEFT & ~RIGHT, "cat", "Tom"), LabelledMask(RIGHT, "dog"))
        return LabelledImage("a.png", SHAPE, objects)

    def test_there_and_back(self):
        annotation = Annotation.from_labelled(picture(), self.labelled(), DISKS)
        assert list(annotation.labels) == ["cat", "dog"]
        assert annotation.active is None
        assert not annotation.undo()
        found = annotation.to_labelled()
        assert (found.file_name, annotation.to_labelled("b.png").file_name) == ("a.png", "b.png")
        for one, two in zip(found.objects, self.labelled().objects, strict=True):
            assert (one.label, one.name) == (two.label, two.name)
            np.testing.assert_array_equal(one.mask, two.mask)
        annotation.click(20, 10, False, 2)
        np.testing.assert_array_equal(annotation.session(2).initial_mask, RIGHT)

    @pytest.mark.parametrize(
        "through",
        [
            lambda image: from_coco(json.loads(json.dumps(to_coco([image]))))[0],
            lambda image: from_labelme(json.loads(json.dumps(to_labelme(image)))),
            lambda image: read_id_png(id_png(image), "a.png"),
        ],
    )
    def test_through_other_formats(self, through: Callable[[LabelledImage], LabelledImage]):
        found = Annotation.from_labelled(picture(), through(self.labelled()))
        np.testing.assert_array_equal(found.flat(), np.where(RIGHT, 2, LEFT))

    def test_overlaps_by_the_rule(self):
        both = LabelledImage("a.png", SHAPE, (LabelledMask(LEFT), LabelledMask(RIGHT)))
        for rule, expected in (("allow", LEFT), ("top", LEFT), ("exclusive", LEFT & ~RIGHT)):
            found = Annotation.from_labelled(picture(), both, rule=rule)
            assert (found.rule, list(found.labels)) == (rule, ["object"])
            np.testing.assert_array_equal(found.mask_of(1), expected)

    def test_given_labels(self):
        labels = {"cow": "#123456", "dog": "#000000", "cat": "#ffffff"}
        found = Annotation.from_labelled(picture(), self.labelled(), labels=labels)
        assert found.labels == labels
        with pytest.raises(ValueError, match="not among the classes"):
            Annotation.from_labelled(picture(), self.labelled(), labels=["cat"])

    def test_of_another_shape(self):
        with pytest.raises(ValueError, match=r"image of shape \(20, 30\)"):
            Annotation.from_labelled(np.zeros((5, 5, 3), np.uint8), self.labelled())

    def test_nothing_labelled(self):
        found = Annotation.from_labelled(picture(), LabelledImage("a.png", SHAPE))
        assert list(found.labels) == ["object"]


def test_the_name_of_a_file_is_kept(tmp_path: Path):
    Image.fromarray(picture()).save(tmp_path / "b.png")
    assert Annotation(tmp_path / "b.png").to_labelled().file_name == "b.png"
