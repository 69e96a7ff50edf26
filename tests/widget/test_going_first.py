"""A click goes first, whatever a panel computes: it waits for the piece in progress and no longer.

The method stops at every inference until the test lets it go on, so nothing here is timed.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from iseg_widget.annotation import Annotation
from iseg_widget.clicks import Click
from iseg_widget.protocol import Step
from iseg_widget.widget.segmentation import SegmentationWidget
from tests.widget.fakes import DiskOptions, Disks, Page, registered

SECONDS = 20


@dataclass
class Steps:
    """Which inferences began, and how many may."""

    began: list[str] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)
    allowed: float = float("inf")

    def enter(self, what: str) -> None:
        with self.changed:
            self.began.append(what)
            self.changed.notify_all()
            assert self.changed.wait_for(lambda: len(self.began) <= self.allowed, SECONDS)

    def allow(self, more: float) -> None:
        with self.changed:
            self.allowed = (0 if self.allowed == float("inf") else self.allowed) + more
            self.changed.notify_all()

    def hold(self) -> None:
        """Let no further inference be finished."""
        with self.changed:
            self.began.clear()
            self.allowed = 0

    def wait(self, count: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.began) >= count, SECONDS), self.began


STEPS = Steps()


@dataclass
class Stepwise(Disks):
    """Disks whose inferences the test lets through one by one."""

    def step(self, state: Any, clicks: Sequence[Click], *, trace: bool = False) -> tuple[Any, Step]:
        wide = self.options.radius != DiskOptions().radius
        STEPS.enter("traced" if trace else "replayed" if wide else "clicked")
        state, step = super().step(state, clicks)
        if trace:
            object.__setattr__(step, "trace", {"heat_map": np.eye(8, dtype=np.float32)})
        return state, step


@pytest.fixture
def page() -> Iterator[Page]:
    STEPS.allowed = float("inf")
    STEPS.began.clear()
    with registered(Stepwise):
        widget = SegmentationWidget(np.zeros((40, 60, 3), np.uint8), Stepwise())
        page = Page(widget)
        page.open()
        for place in (10, 20, 30):
            page.click(place, 10)
            page.settle()
        STEPS.hold()
        yield page
        STEPS.allow(float("inf"))
        page.settle()
        widget.close()


def kinds(page: Page, *wanted: str) -> list[str]:
    return [reply["kind"] for reply in page.replies if reply["kind"] in wanted]


def test_a_click_goes_before_the_rest_of_the_views(page: Page) -> None:
    page.replies.clear()
    page.send("explain", index=None)
    STEPS.wait(1)
    page.click(40, 20)
    STEPS.allow(1)  # the inference of the panel ends
    STEPS.wait(2)
    assert STEPS.began == ["traced", "clicked"]
    STEPS.allow(float("inf"))
    page.settle()
    assert kinds(page, "result", "explanation") == ["result", "explanation"]
    # It is about the state that the click led to.
    (found,) = page.of("explanation")
    assert (found["index"], found["count"]) == (3, 4)
    assert STEPS.began == ["traced", "clicked", "traced"]


def test_what_was_computed_is_kept_when_the_state_stays(page: Page) -> None:
    page.replies.clear()
    page.send("explain", index=None)
    STEPS.wait(1)
    page.send("add_label", label="cat")
    STEPS.allow(float("inf"))
    page.settle()
    assert kinds(page, "result", "explanation", "error") == ["result", "explanation"]
    assert STEPS.began == ["traced"]


def test_a_click_goes_before_the_rest_of_a_replay_under_other_options(page: Page) -> None:
    page.replies.clear()
    page.send("difference", method="disks", values={"radius": 4.0})
    STEPS.wait(1)
    page.click(40, 20)
    STEPS.allow(1)  # one of three steps
    STEPS.wait(2)
    assert STEPS.began == ["replayed", "clicked"]
    STEPS.allow(float("inf"))
    page.settle()
    assert kinds(page, "result", "difference") == ["result", "difference"]
    assert STEPS.began == ["replayed", "clicked", *["replayed"] * 4]


def test_a_replay_goes_on_where_it_made_room(page: Page) -> None:
    page.replies.clear()
    page.send("difference", method="disks", values={"radius": 4.0})
    STEPS.wait(1)
    page.send("add_label", label="cat")
    STEPS.allow(float("inf"))
    page.settle()
    assert kinds(page, "result", "difference", "error") == ["result", "difference"]
    assert STEPS.began == ["replayed"] * 3


def test_what_waits_for_a_panel_is_asked_after_a_click(page: Page) -> None:
    page.click(40, 20)
    STEPS.wait(1)
    page.replies.clear()
    page.send("history")
    page.click(50, 20)
    STEPS.allow(float("inf"))
    page.settle()
    assert kinds(page, "result", "history") == ["result", "result", "history"]


def test_a_step_that_was_undone_meanwhile_is_no_error(page: Page) -> None:
    page.click(40, 20)
    STEPS.wait(1)
    STEPS.allow(1)
    page.settle()
    page.replies.clear()
    STEPS.hold()
    page.click(45, 20)  # keeps the worker busy
    STEPS.wait(1)
    page.send("explain", index=3)
    page.send("undo")
    page.send("undo")
    STEPS.allow(float("inf"))
    page.settle()
    assert kinds(page, "error", "explanation") == ["explanation"]
    (found,) = page.of("explanation")
    assert (found["index"], found["count"]) == (2, 3)


def test_a_click_goes_before_the_rest_of_a_replay_from_a_file(page: Page, tmp_path: Path) -> None:
    path = page.widget.save(tmp_path / "a.json")
    STEPS.allow(float("inf"))
    board = Annotation.load(path, page.widget.image, Stepwise())
    opened = Page(SegmentationWidget(board, Stepwise()))
    opened.open()
    STEPS.hold()
    opened.send("step_mask", index=1)
    STEPS.wait(1)
    opened.send("add_label", label="cat")
    STEPS.allow(float("inf"))
    opened.settle()
    assert kinds(opened, "step_mask", "error") == ["step_mask"]
    assert opened.replies[-1]["count"] == 3
    assert kinds(opened, "result", "step_mask")[-2:] == ["result", "step_mask"]
    assert STEPS.began == ["clicked"] * 3  # it went on where it was
    opened.widget.close()
