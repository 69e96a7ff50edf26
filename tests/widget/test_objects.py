"""Objects of a widget, from the page and from Python."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from iseg_widget import Annotation
from iseg_widget.clicks import Click
from iseg_widget.widget.segmentation import SegmentationWidget
from tests.widget.conftest import Make
from tests.widget.fakes import Disks, Page, disks

SHAPE = (60, 80)
SAME = dict.fromkeys(("name", "label", "colour", "visible", "locked", "position"))


def test_the_next_object_is_clicked_beside_the_first(make: Make) -> None:
    widget, page, _ = make()
    page.open()
    page.click(20, 20)
    page.send("add_object", label=None)
    page.click(60, 40)
    page.settle()
    assert [o.id for o in widget.objects] == [1, 2]
    assert widget.active == 2
    assert widget.clicks == (Click(60, 40),)
    assert np.array_equal(widget.mask, disks(SHAPE, [Click(60, 40)], 10))
    assert np.array_equal(page.mask, widget.mask)
    first = widget.annotation.mask_of(1)
    assert np.array_equal(page.others, first.astype(np.uint8))
    page.send("undo")
    page.send("undo")
    page.settle()
    assert widget.active == 1
    assert np.array_equal(page.mask, first)
    assert not page.others.any()


def test_others_are_flattened_in_order_and_hidden_ones_left_out(make: Make) -> None:
    widget, page, _ = make()
    page.open()
    widget.click(20, 30)
    widget.add_object(disks(SHAPE, [Click(26, 30)], 10))
    widget.add_object(label="object")
    ids = page.of("result")[-1]["others"]["ids"]
    assert ids == [1, 2, 3]  # the active one is not drawn, but keeps its code
    first, second = widget.annotation.mask_of(1), widget.annotation.mask_of(2)
    assert np.array_equal(page.others, np.where(second, 2, first.astype(int)))
    widget.change_object(2, visible=False)
    assert page.of("result")[-1]["others"]["ids"] == [1, 3]
    assert np.array_equal(page.others, first.astype(np.uint8))
    page.others = np.zeros((0, 0), np.uint8)
    page.send("hello", picture=False)
    page.settle()
    assert np.array_equal(page.others, first.astype(np.uint8))


def test_a_click_without_an_active_object_begins_one(make: Make) -> None:
    widget, page, _ = make()
    page.open()
    page.send("select_object", object=None)
    page.settle()
    assert not widget.mask.any()
    assert widget.step is None
    page.click(30, 30)
    page.settle()
    assert widget.active == 2
    assert widget.undo()
    assert [o.id for o in widget.objects] == [1]


def test_choosing_by_a_click_takes_the_upper_one(make: Make) -> None:
    widget, page, _ = make()
    page.open()
    widget.click(20, 20)
    widget.add_object(disks(SHAPE, [Click(24, 20)], 10))
    widget.select(1)
    for x, expected in ((24, 2), (12, 1), (70, 1)):
        page.send("select_at", x=x, y=20)
        page.settle()
        assert widget.active == expected


def test_changes_are_one_command(make: Make) -> None:
    widget, page, _ = make(labels={"cat": "#112233", "dog": "#445566"})
    page.open()
    changed: dict[str, Any] = {**SAME, "name": "Rex", "label": "dog", "locked": True}
    page.send("change_object", object=1, **changed)
    page.settle()
    (info,) = widget.objects
    assert (info.name, info.label, info.colour, info.locked) == ("Rex", "dog", "#445566", True)
    assert page.of("result")[-1]["history"]["done"] == 1
    page.click(20, 20)
    page.settle()
    assert "locked" in page.of("error")[-1]["message"]
    with pytest.raises(TypeError, match="unknown: size; accepted are name"):
        widget.change_object(1, size=3)


def test_merge_split_subtract(make: Make) -> None:
    widget, _, _ = make()
    widget.click(20, 30)
    other = widget.add_object(disks(SHAPE, [Click(60, 30)], 10))
    assert widget.merge([1, other]) == 1
    assert len(widget.split(1)) == 2
    third = widget.add_object(np.ones(SHAPE, bool))
    widget.subtract(third, 1)
    assert not (widget.annotation.mask_of(third) & widget.annotation.mask_of(1)).any()
    with pytest.raises(ValueError, match="two objects or more"):
        widget.merge([1])


def test_the_history_is_listed_and_jumped_through(make: Make) -> None:
    widget, page, _ = make(image=np.full((60, 80, 3), 128, np.uint8))
    page.open()
    masks = [widget.mask]
    for x in (10, 30, 50):
        widget.click(x, 30)
        masks.append(widget.mask)
    name = page.send("history")
    page.settle()
    (answer,) = page.of("history")
    assert (answer["id"], answer["names"], answer["done"]) == (name, ["click"] * 3, 3)
    place = page.replies.index(answer)
    column = np.asarray(Image.open(io.BytesIO(page.buffers[place][0])))
    width, height = answer["cell"]
    assert column.shape == (4 * height, width, 3)
    painted = [len(np.unique(part.reshape(-1, 3), axis=0)) for part in np.split(column, 4)]
    assert painted == [1, 2, 2, 2]
    for done in (1, 3, 0):
        page.send("jump", done=done)
        page.settle()
        assert np.array_equal(widget.mask, masks[done])
    page.send("jump", done=4)
    page.settle()
    assert "0 to 3 can be done, got 4" in page.of("error")[-1]["message"]


def test_a_new_method_is_a_command_when_it_replays(make: Make) -> None:
    widget, _, method = make()
    widget.click(20, 20)
    before = widget.mask
    widget.method = Disks(options=type(method.options)(4), name="small")
    assert widget.mask.sum() < before.sum()
    assert widget.undo()
    assert np.array_equal(widget.mask, before)
    assert widget.method == "disks"
    widget.add_object()
    widget.click(50, 30)
    assert widget.method == "small"  # the one that was chosen last


def test_truth_belongs_to_the_first_object(make: Make) -> None:
    widget, page, _ = make(truth=np.ones(SHAPE, bool))
    page.open()
    widget.click(20, 20)
    assert page.of("result")[-1]["stats"]["iou"] == pytest.approx(widget.mask.mean())
    widget.method = Disks(name="again")
    assert page.of("result")[-1]["stats"]["iou"] == pytest.approx(widget.mask.mean())
    widget.add_object()
    widget.click(20, 20)
    assert page.of("result")[-1]["stats"]["iou"] is None


def test_going_on_with_an_annotation() -> None:
    annotation = Annotation(np.zeros((60, 80, 3), np.uint8), Disks(), labels=["cat"])
    annotation.add_object()
    annotation.click(20, 20)
    widget = SegmentationWidget(annotation, Disks())
    page = Page(widget)
    try:
        page.open()
        assert np.array_equal(page.mask, annotation.mask_of(1))
        assert widget.clicks == (Click(20, 20),)
        assert widget.undo()
        with pytest.raises(ValueError, match="labels cannot be given with an annotation"):
            SegmentationWidget(annotation, labels=["dog"])
    finally:
        widget.close()


def test_objects_of_one_label_are_told_apart_by_colour(make: Make) -> None:
    widget, page, _ = make()
    page.open()
    page.send("add_object", label=None)
    page.settle()
    widget.add_object()
    assert len({item.colour for item in widget.objects}) == 3
    labelled, _, _ = make(labels=["cat", "dog"])
    labelled.add_object(label="cat")
    labelled.add_object(label="dog")
    assert [item.colour for item in labelled.objects][:2] == [labelled.objects[0].colour] * 2
    assert labelled.objects[2].colour != labelled.objects[0].colour
