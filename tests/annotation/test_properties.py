"""Whatever is done to an annotation: nothing is lost, and the rules hold."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from iseg_widget.annotation import RULES, Annotation
from iseg_widget.clicks import Click
from iseg_widget.session import Session
from tests.annotation.made import DISKS, HEIGHT, WIDTH, histories, made, picture, rectangle, visible

places = st.integers(0, 3)
names = st.sampled_from(["", "cat", "dog", "cow"])
boxes = st.tuples(
    st.integers(0, WIDTH - 1), st.integers(0, HEIGHT - 1), st.integers(1, 12), st.integers(1, 12)
)
clicks = st.lists(
    st.tuples(st.integers(0, WIDTH - 1), st.integers(0, HEIGHT - 1), st.booleans()),
    min_size=1,
    max_size=2,
)
COMMANDS = {
    "add": boxes | st.none(),
    "edit": st.tuples(places, boxes),
    "click": st.tuples(places, clicks),
    "forget": places,
    "read": places,
    "remove": places,
    "select": places,
    "move": st.tuples(places, places),
    "rename": st.tuples(places, names),
    "relabel": st.tuples(places, names),
    "show": st.tuples(places, st.booleans()),
    "lock": st.tuples(places, st.booleans()),
    "merge": st.lists(places, max_size=3),
    "subtract": st.tuples(places, places),
    "split": places,
    "duplicate": places,
    "add label": names,
    "rename label": st.tuples(names, names),
    "remove label": names,
    "rule": st.sampled_from(RULES),
    "undo": st.none(),
    "redo": st.none(),
}
commands = st.lists(
    st.one_of(*(st.tuples(st.just(n), values) for n, values in COMMANDS.items())), max_size=14
)


def box_mask(box: tuple[int, int, int, int]) -> Any:
    x, y, width, height = box
    return rectangle(x, y, x + width, y + height)


def perform(annotation: Annotation, name: str, value: Any) -> None:  # noqa: C901, PLR0912
    """Do one command; ``ValueError`` where it cannot be done."""
    ids = [info.id for info in annotation.objects]
    at = dict(enumerate(ids))
    first, second = value if isinstance(value, tuple) and len(value) == 2 else (value, None)
    number = at.get(first, 99) if isinstance(first, int) else 99
    match name:
        case "add":
            annotation.add_object(None if value is None else box_mask(value))
        case "edit":
            annotation.edit(box_mask(second), number)
        case "click":
            annotation.click_many([Click(*click) for click in second], number)
        case "forget":
            annotation.act(Session.reset, number)
        case "read":
            annotation.session(number)
        case "remove" | "select" | "split" | "duplicate":
            getattr(annotation, name)(number)
        case "move":
            annotation.move_to(number, second)
        case "rename" | "relabel" | "show" | "lock":
            getattr(annotation, name)(number, second)
        case "merge":
            annotation.merge([at.get(place, 99) for place in value])
        case "subtract":
            annotation.subtract(number, at.get(second, 99))
        case "add label":
            annotation.add_label(value)
        case "rename label":
            annotation.rename_label(first, second)
        case "remove label":
            annotation.remove_label(value)
        case "rule":
            annotation.set_rule(value)
        case "undo" | "redo":
            getattr(annotation, name)()


def attempt(annotation: Annotation, name: str, value: Any) -> None:
    """Do one command; one that cannot be done must leave everything as it was."""
    before = visible(annotation)
    try:
        perform(annotation, name, value)
    except ValueError:
        assert visible(annotation) == before


@given(st.sampled_from(RULES), commands)
@settings(max_examples=150, deadline=None)
def test_undo_and_redo_restore_everything(rule: str, todo: list[tuple[str, Any]]):
    annotation = made(rule)
    past = [visible(annotation)]
    for name, value in todo:
        if name in ("undo", "redo"):
            continue
        depth = len(annotation._history.done)
        attempt(annotation, name, value)
        if len(annotation._history.done) > depth:
            past.append(visible(annotation))
    for before in past[:-1][::-1]:
        assert annotation.undo()
        assert visible(annotation) == before
    assert not annotation.undo()
    for after in past[1:]:
        assert annotation.redo()
        assert visible(annotation) == after
    assert not annotation.redo()


@given(st.sampled_from(RULES), commands)
@settings(max_examples=150, deadline=None)
def test_what_always_holds(rule: str, todo: list[tuple[str, Any]]):
    annotation = made(rule)
    given_out: set[int] = set()
    for name, value in todo:
        before = {info.id: (info, annotation.mask_of(info.id)) for info in annotation.objects}
        rules = {annotation.rule}
        attempt(annotation, name, value)
        rules.add(annotation.rule)
        after = {info.id: (info, annotation.mask_of(info.id)) for info in annotation.objects}
        assert annotation.active in (None, *after)
        assert {info.label for info, _ in after.values()} <= set(annotation.labels)
        if name not in ("undo", "redo"):
            new = set(after) - set(before)
            assert not new & given_out
            given_out |= new
            for number, (info, mask) in before.items():
                if info.locked:
                    np.testing.assert_array_equal(after[number][1], mask)
                    assert after[number][0].clicks == info.clicks
        masks = [mask for _, mask in after.values()]
        if annotation.rule == "exclusive" and masks:
            assert np.sum(masks, axis=0).max() <= 1
        flat = np.zeros((HEIGHT, WIDTH), int)
        for number, (_, mask) in after.items():
            flat[mask] = number
        np.testing.assert_array_equal(annotation.flat(), flat)
        for number, (_, mask) in after.items():
            np.testing.assert_array_equal(annotation.session(number).mask, mask)


@given(st.sampled_from(RULES), commands)
@settings(max_examples=100, deadline=None)
def test_a_saved_annotation_comes_back(rule: str, todo: list[tuple[str, Any]]):
    annotation = made(rule)
    for name, value in todo:
        attempt(annotation, name, value)
    with tempfile.TemporaryDirectory() as folder:
        path = annotation.save(Path(folder, "a.json"))
        assert not annotation.unsaved
        alone = Annotation.load(path, picture())
        assert visible(alone) == visible(annotation)
        assert alone.active == annotation.active
        # Through a file of one who has no method, and back to one who has.
        again = Annotation.load(alone.save(Path(folder, "b.json")), picture(), DISKS)
    assert visible(again) == visible(annotation)
    assert histories(again) == histories(annotation)
    assert visible(again) == visible(annotation)
