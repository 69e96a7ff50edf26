from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import iseg_widget
from iseg_widget.annotation import PALETTE, RULES, Annotation
from iseg_widget.clicks import Click
from iseg_widget.protocol import step_many
from iseg_widget.session import Session
from tests.annotation.made import DISKS, SHAPE, histories, made, picture, rectangle, visible
from tests.methods.fake import DiskMethod, DiskOptions

LEFT = rectangle(2, 2, 14, 12)
RIGHT = rectangle(10, 6, 24, 16)


class TestObjects:
    def test_nothing_yet(self):
        annotation = Annotation(picture(), DISKS)
        assert isinstance(annotation, iseg_widget.Annotation)
        assert (annotation.objects, annotation.active, annotation.rule) == ((), None, "allow")
        assert annotation.labels == {"object": PALETTE[0]}
        assert not annotation.flat().any()
        assert (annotation.undo(), annotation.redo()) == (False, False)
        with pytest.raises(ValueError, match="no object is active"):
            annotation.click(5, 5)

    def test_the_image_stays_as_it_was(self):
        pixels = picture()
        annotation = Annotation(pixels, DISKS)
        pixels[:] = 0
        np.testing.assert_array_equal(annotation.image, picture())
        with pytest.raises(ValueError, match="read-only"):
            annotation.image[0, 0] = 1

    def test_all_objects_share_the_image_and_what_the_method_made_of_it(self):
        annotation = made("allow", LEFT)
        ids = [annotation.add_object() for _ in range(2)]
        sessions = [annotation.session(number) for number in (1, *ids)]
        assert all(session.image is annotation.image for session in sessions)
        assert sessions[1]._start is sessions[2]._start

    def test_sessions_are_made_when_needed(self):
        class Counting(DiskMethod):
            starts = 0

            def start(self, image: Any, mask: Any = None) -> Any:
                Counting.starts += 1
                return super().start(image, mask)

        annotation = Annotation(picture(), Counting())
        for _ in range(3):
            annotation.add_object(LEFT)
        annotation.edit(RIGHT, 1)
        annotation.subtract(2, 1)
        annotation.merge([2, 3])
        assert Counting.starts == 0
        annotation.click(5, 5, True, 1)
        assert Counting.starts == 1

    def test_added_object(self):
        annotation = made()
        first = annotation.add_object(LEFT, "dog", name="Rex", colour="#AABBCC")
        second = annotation.add_object()
        info = annotation.info(first)
        assert (info.label, info.name, info.colour) == ("dog", "Rex", "#aabbcc")
        assert (info.area, info.box, info.visible, info.locked) == (
            120,
            (2, 2, 14, 12),
            True,
            False,
        )
        assert annotation.info(second).colour == PALETTE[0]
        assert annotation.active == second
        np.testing.assert_array_equal(annotation.session(first).initial_mask, LEFT)
        assert annotation.session(second).initial_mask is None

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"label": "cow"}, "accepted are cat, dog"),
            ({"colour": "red"}, "'#rrggbb'"),
            ({"mask": np.zeros((3, 3), bool)}, "image's shape"),
        ],
    )
    def test_what_cannot_be_added(self, arguments: dict[str, Any], message: str):
        annotation = made("allow", LEFT)
        before = visible(annotation)
        with pytest.raises(ValueError, match=message):
            annotation.add_object(**arguments)
        assert visible(annotation) == before

    def test_ids_are_never_reused(self):
        annotation = made("allow", LEFT)
        second = annotation.add_object()
        annotation.undo()
        third = annotation.add_object()
        annotation.remove(third)
        assert len({1, second, third, annotation.add_object()}) == 4

    def test_unknown_id(self):
        annotation = made("allow", LEFT)
        with pytest.raises(ValueError, match=r"no object 7; the ids are \[1\]"):
            annotation.mask_of(7)

    def test_removing_the_active_object_leaves_none_active(self):
        annotation = made("allow", LEFT, RIGHT)
        annotation.remove(1)
        assert annotation.active == 2
        annotation.remove(2)
        assert annotation.active is None
        annotation.undo()
        assert annotation.active == 2

    def test_object_at(self):
        annotation = made("allow", LEFT, RIGHT)
        assert [annotation.object_at(x, 8) for x in (3, 12, 20, 28, -4, 99)] == [
            1,
            2,
            2,
            None,
            None,
            None,
        ]
        annotation.show(2, visible=False)
        assert annotation.object_at(12, 8) == 1
        annotation.show(2)
        annotation.move_to(2, 0)
        assert annotation.object_at(12, 8) == 1

    def test_order(self):
        annotation = made("allow", LEFT, RIGHT, LEFT)
        annotation.move_to(3, 0)
        assert [info.id for info in annotation.objects] == [3, 1, 2]
        annotation.move_to(3, 2)
        assert [info.id for info in annotation.objects] == [1, 2, 3]
        annotation.move_to(3, 2)
        assert [annotation.undo() for _ in range(3)] == [True] * 3
        assert [info.id for info in annotation.objects] == [1, 2]
        with pytest.raises(ValueError, match="from 0 to 1"):
            annotation.move_to(1, 2)

    def test_selecting_is_no_command(self):
        annotation = made("allow", LEFT, RIGHT)
        annotation.undo()
        annotation.select(1)
        assert annotation.redo_name == "add"
        assert annotation.active == 1
        annotation.select(None)
        assert annotation.active is None
        with pytest.raises(ValueError, match="no object 5"):
            annotation.select(5)


class TestMasks:
    def test_a_click_goes_to_the_active_object(self):
        annotation = made("allow", LEFT)
        number = annotation.add_object()
        alone = Session(DISKS, picture())
        step = annotation.click(20, 10)
        alone.click(20, 10)
        annotation.click(3, 3, False, 1)
        annotation.click_many([Click(22, 10), Click(5, 5)])
        alone.click_many([Click(22, 10), Click(5, 5)])
        np.testing.assert_array_equal(annotation.mask_of(number), alone.mask)
        assert annotation.session(number).log() == alone.log()
        assert step.clicks == (Click(20, 10),)
        assert annotation.info(number).clicks == alone.clicks
        assert annotation.info(1).clicks == (Click(3, 3, positive=False),)

    def test_what_is_done_to_a_session_that_was_handed_out_stays_there(self):
        annotation = made("allow", LEFT)
        before = visible(annotation)
        annotation.session(1).click(20, 10)
        assert visible(annotation) == before
        assert annotation.session(1).clicks == ()

    def test_act(self):
        annotation = made("allow", LEFT)
        annotation.click(20, 10)
        annotation.act(lambda session: session.move(0, 22, 12), name="move click")
        assert annotation.info(1).clicks == (Click(22, 12),)
        assert annotation.undo_name == "move click"
        annotation.act(Session.undo)
        assert annotation.info(1).clicks == (Click(20, 10),)
        assert annotation.session(1).can_redo
        annotation.undo()
        assert annotation.info(1).clicks == (Click(22, 12),)

    def test_an_act_that_does_nothing_is_no_command(self):
        annotation = made("allow", LEFT)
        assert annotation.act(Session.undo) is False
        annotation.act(Session.reset)
        assert annotation.undo_name == "add"

    def test_an_act_that_fails_changes_nothing(self):
        annotation = made("allow", LEFT)
        annotation.click(20, 10)
        before = visible(annotation), histories(annotation)

        def fail(session: Session) -> None:
            session.click(5, 5)
            raise RuntimeError("out of memory")

        with pytest.raises(RuntimeError, match="out of memory"):
            annotation.act(fail)
        with pytest.raises(ValueError, match="outside the image"):
            annotation.click(99, 5)
        assert (visible(annotation), histories(annotation)) == before

    def test_several_objects_in_one_pass(self):
        annotation = made("allow", LEFT, RIGHT)
        annotation.edit(RIGHT | LEFT, 1)
        pending = [annotation.session(i).prepare([Click(5 * i, 5)]) for i in (1, 2)]
        answers = step_many(DISKS, [p.state for p in pending], [p.clicks for p in pending])
        with annotation.group("click"):
            for number, waiting, answer in zip((1, 2), pending, answers, strict=True):
                annotation.act(
                    lambda session, w=waiting, a=answer: session.accept(w, a), number, "click"
                )
        other = made("allow", LEFT, RIGHT)
        other.edit(RIGHT | LEFT, 1)
        other.click(5, 5, True, 1)
        other.click(10, 5, True, 2)
        assert visible(annotation) == visible(other)
        assert annotation.undo()
        assert annotation.undo_name == "edit"

    def test_edits(self):
        annotation = made("allow", LEFT)
        annotation.click(20, 10)
        annotation.edit(RIGHT)
        annotation.edit(RIGHT & LEFT)
        np.testing.assert_array_equal(annotation.mask_of(1), RIGHT & LEFT)
        session = annotation.session(1)
        np.testing.assert_array_equal(session.mask, RIGHT & LEFT)
        assert session.groups == (1, 0)
        annotation.undo()
        np.testing.assert_array_equal(annotation.mask_of(1), RIGHT)
        np.testing.assert_array_equal(annotation.session(1).mask, RIGHT)

    def test_without_a_method_objects_can_be_drawn(self):
        annotation = Annotation(picture())
        annotation.add_object(LEFT)
        annotation.edit(RIGHT)
        np.testing.assert_array_equal(annotation.mask_of(1), RIGHT)
        with pytest.raises(ValueError, match="no method for object 1"):
            annotation.click(5, 5)
        annotation.method = DISKS
        annotation.click(5, 5)
        session = annotation.session(1)
        np.testing.assert_array_equal(session.initial_mask, LEFT)
        assert session.groups == (0, 1)

    def test_use_method(self):
        annotation = made("allow", LEFT)
        annotation.click(20, 10)
        annotation.edit(annotation.mask_of(1) & ~rectangle(0, 0, 5, 5))
        wide = DiskMethod(DiskOptions(radius=7))
        before, narrow = visible(annotation), annotation.session(1)
        annotation.use_method(wide)
        np.testing.assert_array_equal(annotation.mask_of(1), narrow.with_method(wide).mask)
        annotation.click(3, 3)
        assert annotation.session(1).method is wide
        annotation.undo()
        annotation.undo()
        assert visible(annotation) == before
        assert annotation.session(1).method is DISKS

    def test_use_method_after_an_edit(self):
        annotation = made("allow", LEFT)
        annotation.click(20, 10)
        annotation.edit(RIGHT)
        annotation.use_method(DiskMethod(DiskOptions(radius=7)))
        actions = annotation._now.objects[0].log()["actions"]
        assert [sorted(action) for action in actions] == [["clicks"], ["edit"]]

    def test_use_method_before_the_first_click(self):
        annotation = made("allow", LEFT)
        annotation.session(1)
        wide = DiskMethod(DiskOptions(radius=7))
        annotation.use_method(wide)
        assert annotation.undo_name == "add"  # nothing was replayed: no command
        annotation.click(20, 10)
        assert annotation.session(1).method is wide
        np.testing.assert_array_equal(annotation.session(1).initial_mask, LEFT)


class TestWholes:
    def test_merge(self):
        annotation = made("allow", LEFT, RIGHT, rectangle(0, 0, 1, 1))
        annotation.click(20, 4, True, 2)
        own = annotation.mask_of(2)
        assert annotation.merge([2, 1, 2]) == 2
        assert [info.id for info in annotation.objects] == [2, 3]
        np.testing.assert_array_equal(annotation.mask_of(2), LEFT | own)
        assert annotation.info(2).clicks == (Click(20, 4),)
        with pytest.raises(ValueError, match="two objects or more"):
            annotation.merge([2, 2])

    def test_subtract(self):
        annotation = made("allow", LEFT, RIGHT)
        annotation.lock(2)
        annotation.subtract(1, 2)
        np.testing.assert_array_equal(annotation.mask_of(1), LEFT & ~RIGHT)
        np.testing.assert_array_equal(annotation.mask_of(2), RIGHT)
        np.testing.assert_array_equal(annotation.session(1).mask, LEFT & ~RIGHT)
        with pytest.raises(ValueError, match="from itself"):
            annotation.subtract(1, 1)

    def test_split(self):
        small, middle, large = (
            rectangle(0, 0, 3, 1),
            rectangle(4, 4, 8, 6),
            rectangle(10, 10, 20, 15),
        )
        annotation = made("allow", small | middle | large, RIGHT)
        annotation.relabel(1, "dog")
        annotation.rename(1, "Rex")
        assert annotation.split(1) == (1, 3, 4)
        assert [info.id for info in annotation.objects] == [1, 3, 4, 2]
        for number, mask in ((1, large), (3, middle), (4, small)):
            np.testing.assert_array_equal(annotation.mask_of(number), mask)
        assert [annotation.info(i).name for i in (1, 3, 4)] == ["Rex", "Rex 2", "Rex 3"]
        assert annotation.info(4).label == "dog"
        assert annotation.active == 1
        np.testing.assert_array_equal(annotation.session(3).initial_mask, middle)

    def test_one_part_is_not_split(self):
        annotation = made("allow", LEFT)
        annotation.add_object()
        assert (annotation.split(1), annotation.split(2)) == ((1,), (2,))
        assert annotation.undo_name == "add"

    def test_duplicate(self):
        annotation = made("allow", LEFT, RIGHT)
        annotation.click(20, 10, True, 1)
        annotation.lock(1)
        copy = annotation.duplicate(1)
        assert [info.id for info in annotation.objects] == [1, copy, 2]
        assert annotation.info(copy).clicks == annotation.info(1).clicks
        assert not annotation.info(copy).locked
        annotation.click(25, 3)
        assert len(annotation.info(1).clicks) == 1
        assert len(annotation.info(copy).clicks) == 2


LOCKED = {
    "remove": lambda a: a.remove(1),
    "click": lambda a: a.click(5, 5, True, 1),
    "act": lambda a: a.act(Session.reset, 1),
    "edit": lambda a: a.edit(RIGHT, 1),
    "use_method": lambda a: a.use_method(DISKS, 1),
    "rename": lambda a: a.rename(1, "Tom"),
    "relabel": lambda a: a.relabel(1, "dog"),
    "recolour": lambda a: a.recolour(1, "#000000"),
    "merge": lambda a: a.merge([2, 1]),
    "subtract": lambda a: a.subtract(1, 2),
    "split": lambda a: a.split(1),
}


@pytest.mark.parametrize("name", LOCKED)
def test_locked_objects_cannot_be_changed(name: str):
    annotation = made("allow", LEFT, RIGHT)
    annotation.lock(1)
    before = visible(annotation)
    with pytest.raises(ValueError, match="object 1 is locked"):
        LOCKED[name](annotation)
    assert visible(annotation) == before
    annotation.lock(1, locked=False)
    LOCKED[name](annotation)


class TestLabels:
    def test_colours_are_those_of_the_palette_in_order(self):
        annotation = Annotation(picture(), labels=[str(i) for i in range(9)])
        assert list(annotation.labels.values()) == [*PALETTE, *PALETTE[:2]]
        annotation = Annotation(picture(), labels={"a": PALETTE[0].upper(), "b": "#123456"})
        annotation.add_label("c")
        assert annotation.labels["c"] == PALETTE[1]

    @pytest.mark.parametrize("labels", [(), ("a", "a"), ("",), {"a": "blue"}, (3,)])
    def test_labels_that_are_none(self, labels: Any):
        with pytest.raises(ValueError, match=r"label|colour"):
            Annotation(picture(), labels=labels)

    def test_renaming_a_class_renames_it_everywhere(self):
        annotation = made("allow", LEFT, RIGHT)
        annotation.relabel(2, "dog")
        annotation.lock(1)
        colour = annotation.labels["cat"]
        annotation.rename_label("cat", "lion")
        assert list(annotation.labels) == ["lion", "dog"]
        assert [info.label for info in annotation.objects] == ["lion", "dog"]
        assert annotation.info(1).colour == colour
        annotation.undo()
        assert [info.label for info in annotation.objects] == ["cat", "dog"]
        with pytest.raises(ValueError, match="already declared"):
            annotation.rename_label("cat", "dog")

    def test_colours(self):
        annotation = made("allow", LEFT)
        annotation.recolour_label("cat", "#111111")
        assert annotation.info(1).colour == "#111111"
        annotation.recolour(1, "#222222")
        assert annotation.info(1).colour == "#222222"
        annotation.recolour(1, None)
        assert annotation.info(1).colour == "#111111"

    def test_removing_a_label(self):
        annotation = made("allow", LEFT)
        with pytest.raises(ValueError, match=r"in use by the objects \[1\]"):
            annotation.remove_label("cat")
        annotation.remove_label("dog")
        assert list(annotation.labels) == ["cat"]
        annotation.remove(1)
        with pytest.raises(ValueError, match="the last"):
            annotation.remove_label("cat")


class TestOverlap:
    @pytest.mark.parametrize("rule", ["allow", "top"])
    def test_masks_stay_and_the_later_is_seen(self, rule: str):
        annotation = made(rule, LEFT, RIGHT)
        np.testing.assert_array_equal(annotation.mask_of(1), LEFT)
        np.testing.assert_array_equal(annotation.flat(), np.where(RIGHT, 2, LEFT))
        annotation.move_to(1, 1)
        np.testing.assert_array_equal(annotation.flat(), np.where(LEFT, 1, 2 * RIGHT))

    def test_what_is_exported(self):
        exported = {
            rule: [item.mask for item in made(rule, LEFT, RIGHT).to_labelled("a.png").objects]
            for rule in RULES
        }
        np.testing.assert_array_equal(exported["allow"], [LEFT, RIGHT])
        np.testing.assert_array_equal(exported["top"], [LEFT & ~RIGHT, RIGHT])
        np.testing.assert_array_equal(exported["exclusive"], [LEFT & ~RIGHT, RIGHT])

    def test_part_of_the_flat_map(self):
        annotation = made("allow", LEFT, RIGHT)
        annotation.add_object()
        for box in ((0, 0, 30, 20), (12, 7, 13, 9), (0, 0, 1, 1), (5, 4, 25, 20)):
            x0, y0, x1, y1 = box
            np.testing.assert_array_equal(annotation.flat(box), annotation.flat()[y0:y1, x0:x1])
            np.testing.assert_array_equal(annotation.mask_of(1, box), LEFT[y0:y1, x0:x1])
        annotation.show(2, visible=False)
        np.testing.assert_array_equal(annotation.flat(hidden=False), LEFT)
        assert annotation.flat().max() == 2

    def test_exclusive_takes_from_above_and_below_and_from_hidden_ones(self):
        annotation = made("exclusive", LEFT, rectangle(20, 0, 30, 20))
        annotation.show(2, visible=False)
        middle = annotation.add_object(RIGHT)
        annotation.move_to(middle, 1)
        np.testing.assert_array_equal(annotation.mask_of(1), LEFT & ~RIGHT)
        np.testing.assert_array_equal(annotation.mask_of(2), rectangle(20, 0, 30, 20) & ~RIGHT)
        annotation.edit(LEFT | RIGHT, 1)
        assert not annotation.mask_of(middle).any()
        np.testing.assert_array_equal(annotation.session(1).mask, LEFT | RIGHT)
        annotation.undo()
        np.testing.assert_array_equal(annotation.mask_of(middle), RIGHT)

    def test_locked_objects_keep_theirs(self):
        annotation = made("exclusive", LEFT)
        annotation.lock(1)
        number = annotation.add_object(RIGHT)
        np.testing.assert_array_equal(annotation.mask_of(number), RIGHT & ~LEFT)
        np.testing.assert_array_equal(annotation.session(number).initial_mask, RIGHT & ~LEFT)
        annotation.click(12, 8)
        disk = Session(DISKS, picture(), RIGHT & ~LEFT).click(12, 8).mask
        np.testing.assert_array_equal(annotation.mask_of(number), disk & ~LEFT)
        annotation.click(25, 15)  # the session learns what it did not get
        assert annotation.session(number).groups == (1, 0, 1)
        assert not (annotation.mask_of(number) & LEFT).any()

    def test_an_edit_that_the_rule_undoes_is_no_command(self):
        annotation = made("exclusive", LEFT)
        annotation.lock(1)
        annotation.add_object()
        annotation.edit(LEFT)
        assert annotation.undo_name == "add"

    def test_changing_to_exclusive(self):
        annotation = made("allow", LEFT, RIGHT, rectangle(0, 0, 12, 20))
        annotation.lock(1)
        annotation.set_rule("exclusive")
        third = rectangle(0, 0, 12, 20) & ~LEFT
        np.testing.assert_array_equal(annotation.mask_of(1), LEFT)
        np.testing.assert_array_equal(annotation.mask_of(3), third)
        np.testing.assert_array_equal(annotation.mask_of(2), RIGHT & ~LEFT & ~third)
        with pytest.raises(ValueError, match="cannot have the same pixels"):
            annotation.duplicate(1)
        annotation.undo()
        np.testing.assert_array_equal(annotation.mask_of(2), RIGHT)

    def test_two_locked_objects_that_overlap(self):
        annotation = made("top", LEFT, RIGHT)
        annotation.lock(1)
        annotation.lock(2)
        with pytest.raises(ValueError, match="objects 1 and 2 are locked and overlap"):
            annotation.set_rule("exclusive")
        assert annotation.rule == "top"

    def test_unknown_rule(self):
        with pytest.raises(ValueError, match="allow, top, exclusive"):
            made("bottom")


class TestHistory:
    def test_commands_on_several_objects_are_one_history(self):
        annotation = made("allow", LEFT, RIGHT)
        annotation.click(20, 10, True, 1)
        annotation.click(5, 5, False, 2)
        annotation.rename(1, "Tom")
        names = []
        while annotation.undo_name:
            names.append(annotation.undo_name)
            annotation.undo()
        assert names == ["rename", "click", "click", "add", "add"]
        assert annotation.objects == ()

    def test_a_new_command_forgets_what_was_undone(self):
        annotation = made("allow", LEFT)
        annotation.click(20, 10)
        annotation.undo()
        assert annotation.redo_name == "click"
        annotation.rename(1, "Tom")
        assert annotation.redo_name is None
        assert not annotation.redo()

    def test_naming_the_same_again_is_no_command(self):
        annotation = made("allow", LEFT)
        annotation.rename(1, "")
        annotation.show(1)
        annotation.set_rule("allow")
        annotation.edit(LEFT)
        assert annotation.undo_name == "add"

    def test_group(self):
        annotation = made()
        before = visible(annotation)
        with annotation.group("draw"):
            annotation.add_object()
            with annotation.group("clicks"):
                annotation.click(5, 5)
                annotation.click(9, 9)
            with pytest.raises(ValueError, match="grouped"):
                annotation.undo()
        after = visible(annotation)
        assert annotation.undo_name == "draw"
        annotation.undo()
        assert visible(annotation) == before
        annotation.redo()
        assert visible(annotation) == after
        with annotation.group("nothing"):
            pass
        assert annotation.undo_name == "draw"

    def test_a_group_that_fails_never_was(self):
        annotation = made("allow", LEFT)
        annotation.click(5, 5)
        annotation.undo()
        before = visible(annotation)

        def fail() -> None:
            with annotation.group("draw"):
                annotation.rename(1, "Tom")
                annotation.click(99, 5)

        with pytest.raises(ValueError, match="outside"):
            fail()
        assert visible(annotation) == before
        assert annotation.redo_name == "click"
        assert annotation.redo()

    def test_restored_checkpoint(self):
        annotation = made("allow", LEFT)
        annotation.click(5, 5)
        before, point = visible(annotation), annotation.checkpoint()
        annotation.undo()
        annotation.rename(1, "Tom")
        annotation.restore(point)
        assert visible(annotation) == before
        assert (annotation.undo_name, annotation.redo_name) == ("click", None)

    def test_unchanged_objects_are_shared(self):
        annotation = made("allow", LEFT, RIGHT)
        annotation.click(20, 10, True, 1)
        before, after = annotation._history.done[-1][1], annotation._now
        assert before.objects[1] is after.objects[1]
        assert before.objects[0] is not after.objects[0]

    def test_shape(self):
        assert made().shape == SHAPE
