"""The work is in a file after every change, and comes back from it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from iseg_widget.annotation import Annotation, past
from iseg_widget.widget.segmentation import SegmentationWidget
from tests.widget.fakes import DiskOptions, Disks, Page, registered
from tests.widget.restarted import WORK, image, state


@pytest.fixture(autouse=True)
def disks() -> Iterator[None]:
    with registered():
        yield


def opened(path: Path, method: Any = None, **how: Any) -> SegmentationWidget:
    return SegmentationWidget(image(), method or Disks(DiskOptions(6.0)), autosave=path, **how)


def worked(widget: SegmentationWidget) -> None:
    for do in WORK.values():
        do(widget)


def test_a_killed_kernel_loses_nothing_that_was_saved(tmp_path: Path, project_root: Path) -> None:
    """Killed after each of the changes, and gone on with in a new process."""
    path = tmp_path / "work.json"
    names = list(WORK)
    reached = None
    for first in range(0, len(names), 3):
        command = [sys.executable, "-m", "tests.widget.restarted", str(path)]
        process = subprocess.Popen(
            [*command, *names[first : first + 3]],
            cwd=project_root,
            env=os.environ | {"PYTHONPATH": str(project_root)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert process.stdin is not None
        for _ in names[first : first + 3]:
            reached = process.stdout.readline().strip()
        process.kill()
        process.wait()
        process.stdout.close()
        process.stdin.close()
        assert state(opened(path)) == reached
    straight = opened(tmp_path / "other.json")
    worked(straight)
    assert state(straight) == reached


def test_undo_and_redo_lead_through_the_same_states_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "work.json"
    before = opened(path)
    worked(before)
    before.undo()
    before.close()
    assert before.saved
    after = opened(path)
    assert state(after) == state(before)
    while before._desk.annotation.undo():
        assert after.undo()
        assert state(after) == state(before)
        assert (after.mask == before._desk.mask).all()
    assert not after.undo()
    while before._desk.annotation.redo():
        assert after.redo()
        assert state(after) == state(before)
    # What comes next is answered as if nothing had happened.
    for _ in range(3):
        before._desk.annotation.undo()
        after.undo()
    expected = before._desk.annotation.click(50, 10)
    assert (after.click(50, 10).mask == expected.mask).all()


def test_the_session_and_its_method_come_back(tmp_path: Path) -> None:
    path = tmp_path / "work.json"
    before = opened(path)
    before.click(20, 20)
    before.options = {"radius": 9.0}
    before.click(40, 20)
    log, mask = before.session.log(), before.mask
    before.close()
    after = opened(path)
    assert (after.mask == mask).all()
    assert [c.x for c in after.clicks] == [20, 40]
    assert after.session.log() == log
    assert after.method == "disks"
    assert after.options.radius == 9.0
    assert after.session.method.options.radius == 9.0


def test_the_file_of_another_image_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "work.json"
    first = opened(path)
    first.click(20, 20)
    first.close()
    content = path.read_bytes()
    other = 255 - image()
    with pytest.raises(ValueError, match=r"work\.json belongs to an image .*choose another name"):
        SegmentationWidget(other, Disks(), autosave=path)
    with pytest.raises(ValueError, match=r"shape \(40, 60\).*stays as it is"):
        SegmentationWidget(other[:20], Disks(), autosave=path)
    path.write_text("no JSON")
    with pytest.raises(ValueError, match="cannot be read"):
        SegmentationWidget(other, Disks(), autosave=path)
    assert path.read_text() == "no JSON"
    path.write_bytes(content)
    assert (opened(path).mask == first._desk.mask).all()
    assert list(tmp_path.iterdir()) == [path]


def test_the_same_cell_run_again_takes_over(tmp_path: Path) -> None:
    path = tmp_path / "work.json"
    first = opened(path)
    page = Page(first)
    first.click(20, 20)
    second = opened(path)  # at once: what waited to be written is in it
    assert (second.mask == first.mask).all()
    assert len(second.clicks) == 1
    page.click(50, 20)
    page.settle()
    assert "opened by another widget" in page.of("error")[0]["message"]
    assert not first.saved
    second.click(30, 30)
    second.close()
    assert second.saved
    assert [len(o.clicks) for o in Annotation.load(path, image()).objects] == [2]
    assert list(tmp_path.iterdir()) == [path]


def test_what_somebody_else_wrote_meanwhile_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "work.json"
    widget = opened(path)
    page = Page(widget)
    widget.click(20, 20)
    assert widget._kept is not None
    widget._kept.flush()
    path.write_text("somebody else's")
    widget.click(30, 20)
    widget.close()
    assert (tmp_path / "work.kept-1.json").read_text() == "somebody else's"
    assert "work.kept-1.json" in page.of("error")[0]["message"]
    assert len(Annotation.load(path, image()).objects[0].clicks) == 2


def test_a_disk_that_is_full_is_said_once_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from iseg_widget.annotation import annotation

    real = annotation.write_file

    def full(*_: object) -> Path:
        raise OSError("no space left")

    widget = opened(tmp_path / "work.json")
    page = Page(widget)
    monkeypatch.setattr(annotation, "write_file", full)
    widget.click(20, 20)
    assert widget._kept is not None
    for _ in range(2):
        with pytest.raises(OSError, match="no space"):
            widget._kept.flush()
    page.wait_for(lambda: page.of("error"))
    assert [error["message"] for error in page.of("error")] == ["no space left"]
    assert not widget.saved
    monkeypatch.setattr(annotation, "write_file", real)
    widget._kept.flush()
    assert widget.saved
    assert (opened(tmp_path / "work.json").mask == widget.mask).all()


def test_without_a_file_nothing_is_saved(tmp_path: Path) -> None:
    widget = SegmentationWidget(image(), Disks())
    widget.click(20, 20)
    assert widget.saved is None
    board = Annotation(image())
    with pytest.raises(ValueError, match="autosave cannot be given"):
        SegmentationWidget(board, Disks(), autosave=tmp_path / "a.json")


def test_the_history_in_the_file_has_limits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(past, "MOST", 3)
    board = Annotation(image())
    board.add_object()
    for number in range(6):
        board.edit(np.arange(60) > 50 - number + np.zeros((40, 1)))
    for _ in range(2):
        board.undo()
    path = board.save(tmp_path / "a.json", history=True)
    again = Annotation.load(path, image())
    assert (again.done, again.undone) == (3, 2)
    mask = board.mask_of(1)
    assert (again.mask_of(1) == mask).all()
    board.undo()
    again.undo()
    assert (again.mask_of(1) == board.mask_of(1)).all()
    data = json.loads(path.read_text())
    assert len(data["history"]["masks"]) == 5  # each mask once
    plain = json.loads(board.save(tmp_path / "b.json").read_text())
    assert "history" not in plain


def test_panels_show_the_steps_that_came_back(tmp_path: Path) -> None:
    path = tmp_path / "work.json"
    before = opened(path)
    before.click(20, 20)
    before.brush([(5, 5)], 2)
    before.click(40, 20)
    masks = [step.mask for step in before.session.steps]
    before.close()
    after = opened(path)
    page = Page(after)
    page.open()
    page.send("explain", index=None)
    page.settle()
    (found,) = page.of("explanation")
    assert (found["index"], found["count"]) == (2, 3)
    assert [len(o.clicks) for o in after.objects] == [2]
    assert [np.array_equal(s.mask, m) for s, m in zip(after.session.steps, masks, strict=True)] == [
        *(True, True, True)
    ]
    again = opened(path)
    page = Page(again)
    page.open()
    page.send("step_mask", index=2)
    page.settle()
    (found,) = page.of("step_mask")
    assert (found["what"], found["count"], found["area"]) == ("edit", 3, masks[1].sum())
