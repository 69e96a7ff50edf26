from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from iseg_widget.clicks import Click
from iseg_widget.session import Session
from iseg_widget.widget.compare_panes import (
    COLOURS,
    MAX_PANES,
    CourseHistory,
    Pane,
    PaneSpec,
    read_panes,
)
from tests.widget.fakes import DiskOptions, Disks

IMAGE = np.zeros((40, 50, 3), np.uint8)
A, B, C = Click(10, 10), Click(30, 20), Click(12, 10, positive=False)


# What can be asked for


def test_names_methods_and_options_become_panes() -> None:
    own = Disks(options=DiskOptions(3.0))
    panes = read_panes(["ritm", ("focalclick", {"target_crop": False, "r_tc": 1.4}), own])
    assert [pane.name for pane in panes] == [
        "ritm",
        "focalclick target_crop=False",
        "disks radius=3.0",
    ]
    assert [pane.title for pane in panes] == ["RITM (ICIP 2022)", "FocalClick", "disks"]
    assert [pane.detail for pane in panes] == ["", "target_crop=False", "radius=3.0"]
    assert [pane.method for pane in panes] == ["ritm", "focalclick", own]
    assert [pane.method_name for pane in panes] == ["ritm", "focalclick", "disks"]
    assert panes[0].options is None
    assert panes[1].options.target_crop is False


def test_a_mapping_gives_names() -> None:
    panes = read_panes({"plain": "ritm", "no crop": ("focalclick", {"target_crop": False})})
    assert [(pane.name, pane.title) for pane in panes] == [
        ("plain", "plain"),
        ("no crop", "no crop"),
    ]
    assert [pane.detail for pane in panes] == [
        "RITM (ICIP 2022)",
        "FocalClick · target_crop=False",
    ]


@pytest.mark.parametrize(
    ("methods", "error", "reason"),
    [
        ("ritm", TypeError, "a sequence of panes or a mapping"),
        (3, TypeError, "a sequence of panes or a mapping"),
        ([], ValueError, "1 to 8 methods can be compared, got 0"),
        (["ritm"] * (MAX_PANES + 1), ValueError, "got 9"),
        (["ritm", "focalclock"], ValueError, "unknown method 'focalclock'; accepted are ris_net"),
        ([("focalclock", {})], ValueError, "unknown method 'focalclock'"),
        ([("focalclick", {"crop": 1})], ValueError, "unknown option crop for focalclick"),
        ([("focalclick",)], TypeError, "a pair"),
        ([3], TypeError, "a pair"),
        (["ritm", "ritm"], ValueError, "two panes would be called 'ritm'"),
        (["ritm", ("ritm", {})], ValueError, "two panes would be called 'ritm'"),
        ({3: "ritm"}, TypeError, "the name of a pane is a text, got 3"),
        ({" ": "ritm"}, TypeError, "the name of a pane is a text"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    methods: object, error: type[Exception], reason: str
) -> None:
    with pytest.raises(error, match=reason):
        read_panes(methods)


def test_every_pane_has_a_colour_of_its_own() -> None:
    assert len(set(COLOURS)) == len(COLOURS) == MAX_PANES


# A pane


def pane_of(method: Disks) -> Pane:
    return Pane(PaneSpec("p", "p", "", method), lambda _: Session(method, IMAGE))


def by_hand(*groups: tuple[Click, ...]) -> Session:
    session = Session(Disks(), IMAGE)
    for group in groups:
        session.click_many(group)
    return session


def same(pane: Pane, session: Session) -> bool:
    assert pane.session is not None
    assert pane.session.log() == session.log()
    return np.array_equal(pane.session.mask, session.mask)


def test_follows_a_course_and_asks_only_for_what_is_new() -> None:
    method = Disks()
    pane = pane_of(method)
    pane.follow(((A,), (B, C)))
    assert same(pane, by_hand((A,), (B, C)))
    assert method.steps == 2
    pane.follow(((A,),))
    assert same(pane, by_hand((A,)))
    assert method.steps == 2
    pane.follow(((A,), (B,)))
    assert same(pane, by_hand((A,), (B,)))
    assert (method.steps, pane.inferences) == (3, 3)
    pane.follow(((A,), (B, C)))
    assert same(pane, by_hand((A,), (B, C)))
    assert method.steps == 3
    assert pane.session is pane.open()


def test_a_pane_that_failed_stays_where_it_was_and_catches_up() -> None:
    method = Disks()
    pane = pane_of(method)
    pane.follow(((A,),))
    method.fails = ValueError("on purpose")
    with pytest.raises(ValueError, match="on purpose"):
        pane.follow(((A,), (B,)))
    assert same(pane, by_hand((A,)))
    assert str(pane.error) == "on purpose"
    with pytest.raises(ValueError, match="on purpose"):
        pane.follow(((B,),))
    assert same(pane, by_hand((A,)))
    method.fails = None
    pane.follow(((A,), (B,), (C,)))
    assert pane.error is None
    assert same(pane, by_hand((A,), (B,), (C,)))


def test_a_method_that_cannot_be_loaded_is_tried_again() -> None:
    answers: list[Any] = [ValueError("nowhere"), Session(Disks(), IMAGE)]

    def load(_: PaneSpec) -> Session:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer  # type: ignore[no-any-return]

    pane = Pane(PaneSpec("p", "p", "", "ritm"), load)
    with pytest.raises(ValueError, match="nowhere"):
        pane.follow(((A,),))
    assert (pane.session, str(pane.error)) == (None, "nowhere")
    pane.follow(((A,),))
    assert pane.error is None
    assert same(pane, by_hand((A,)))


def test_bookmarks_bring_everything_back() -> None:
    method = Disks()
    pane = pane_of(method)
    unloaded = pane.bookmark()
    pane.follow(((A,),))
    loaded = pane.bookmark()
    method.fails = ValueError("on purpose")
    with pytest.raises(ValueError, match="on purpose"):
        pane.follow(((A,), (B,)))
    failed = pane.bookmark()
    pane.go_back(loaded)
    assert pane.error is None
    assert same(pane, by_hand((A,)))
    pane.go_back(failed)
    assert str(pane.error) == "on purpose"
    pane.go_back(unloaded)
    assert pane.error is None
    assert same(pane, by_hand())


def test_places_that_cannot_be_reached_any_more_are_forgotten() -> None:
    pane = pane_of(Disks())
    pane.follow(((A,), (B,)))
    pane.follow(((A,), (C,)))
    pane.forget([((A,), (C,))])
    assert pane.knows(((A,), (C,)))
    assert pane.knows(((A,),))
    assert pane.knows(())
    assert not pane.knows(((A,), (B,)))


# The course


def test_undo_and_redo_move_between_courses() -> None:
    history = CourseHistory()
    assert not history.undo()
    history.commit(((A,),))
    history.commit(((A,), (B, C)))
    assert history.clicks == (A, B, C)
    assert history.undo()
    assert history.now == ((A,),)
    assert (history.done, history.undone) == (("click",), ("click",))
    assert history.redo()
    assert not history.redo()
    assert history.undo()
    history.commit((), "reset")
    assert (history.done, history.undone) == (("click", "reset"), ())
    assert set(history.reachable) == {(), ((A,),)}


def test_clicks_are_moved_and_removed_where_they_are() -> None:
    history = CourseHistory()
    history.commit(((A,), (B, C)))
    moved = Click(1, 2)
    assert history.with_click(0, moved) == ((moved,), (B, C))
    assert history.with_click(2, moved) == ((A,), (B, moved))
    assert history.with_click(0, None) == ((B, C),)
    assert history.with_click(1, None) == ((A,), (C,))
    for index in (-1, 3):
        with pytest.raises(ValueError, match=f"there is no click {index}: there are 3"):
            history.with_click(index, None)


@pytest.mark.parametrize(
    ("index", "new"), [(0, None), (1, None), (2, Click(5, 5)), (1, Click(7, 9))]
)
def test_a_changed_course_is_what_a_session_makes_of_the_same_change(
    index: int, new: Click | None
) -> None:
    history = CourseHistory()
    history.commit(((A,), (B, C)))
    pane = pane_of(Disks())
    pane.follow(history.now)
    pane.follow(history.with_click(index, new))
    session = by_hand((A,), (B, C))
    if new is None:
        session.remove(index)
    else:
        session._change(index, new)
    assert same(pane, session)
