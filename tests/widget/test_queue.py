"""The widget on many images."""

from __future__ import annotations

import gc
import io
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from iseg_widget.annotation import Annotation
from iseg_widget.folder import FolderQueue
from iseg_widget.widget.segmentation import SegmentationWidget
from tests.folder.made import pictures
from tests.widget.conftest import Make
from tests.widget.fakes import Disks, Page

Begin = Callable[..., tuple[SegmentationWidget, Page, Disks]]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    pictures(tmp_path / "photos", "a.png", "b.png", "c.png")
    return tmp_path / "photos"


@pytest.fixture
def begin(make: Make, photos: Path, tmp_path: Path) -> Begin:
    """A widget on three images, whose page is open."""

    def build(image: Any = None, **options: Any) -> tuple[SegmentationWidget, Page, Disks]:
        given = {"out": tmp_path / "out", "labels": ["cat", "dog"]} | options
        widget, page, method = make(image=photos if image is None else image, **given)
        page.open()
        return widget, page, method

    return build


def kinds(page: Page) -> list[str]:
    return [reply["kind"] for reply in page.replies if reply["kind"] not in ("queue", "activity")]


# From Python


def test_many_images_from_python(begin: Begin, photos: Path, tmp_path: Path) -> None:
    widget, _, _ = begin()
    assert widget.images == 3
    for number in range(3):
        assert (widget.image == np.asarray(Image.open(photos / f"{'abc'[number]}.png"))).all()
        assert (widget.mask.sum(), widget.clicks) == (0, ())
        widget.click(5 + 5 * number, 10)
        widget.mark_done()
    queue = widget.queue
    assert queue is not None
    assert str(queue.progress) == "3 of 3 done"
    queue.flush()
    for number, name in enumerate("abc"):
        saved = Annotation.load(tmp_path / "out" / f"{name}.json", photos / f"{name}.png")
        assert [click.x for click in saved.objects[0].clicks] == [5 + 5 * number]
        mask = np.asarray(Image.open(tmp_path / "out" / f"{name}.png"))
        assert (mask == saved.mask_of(1)).all()


def test_going_by_place_name_and_neighbour(begin: Begin) -> None:
    widget, _, _ = begin()
    widget.go(2)
    widget.next()
    assert widget._desk.album.at == 2
    widget.go("a")
    widget.previous()
    assert widget._desk.album.at == 0
    widget.next()
    assert widget._desk.album.at == 1
    for wrong in (3, -4, "z"):
        with pytest.raises((ValueError, KeyError, IndexError)):
            widget.go(wrong)
    assert widget._desk.album.at == 1
    widget.skip(go_on=False)
    widget.note("dark")
    item = widget.queue[1]
    assert (item.status, item.note) == ("skipped", "dark")
    widget.reopen()
    assert item.status == "todo"


def test_masks_and_undo_are_there_when_one_comes_back(begin: Begin) -> None:
    widget, page, _ = begin()
    widget.click(9, 9)
    mask = widget.mask
    widget.next()
    assert not widget.mask.any()
    widget.previous()
    assert (widget.mask == mask).all()
    assert (page.mask == mask).all()
    assert widget.undo()
    assert not widget.mask.any()


def test_removed_objects_can_be_had_back_later(begin: Begin) -> None:
    widget, _, _ = begin()
    widget.click(9, 9)
    widget.remove_object(1)
    widget.next()
    widget.previous()
    assert widget.objects == ()
    assert widget.undo()
    assert [info.clicks[0].x for info in widget.objects] == [9]


def test_the_same_call_goes_on_where_one_stopped(begin: Begin) -> None:
    widget, page, _ = begin()
    page.click(9, 9)
    page.settle()
    mask = widget.mask
    widget.mark_done()
    page.click(3, 3)
    page.settle()
    again, page, method = begin()  # takes over, as when a cell is run again
    assert again._desk.album.at == 1
    assert [click.x for click in again.clicks] == [3]
    assert method.steps == 1  # to warm up: nothing is replayed to show what was saved
    again.click(12, 12)
    assert method.steps == 3
    assert len(again.session.groups) == 2
    again.go(0)
    assert (again.mask == mask).all()
    with pytest.raises(ValueError, match="opened again"):
        widget.click(5, 5)


def test_objects_of_another_method_keep_their_masks(begin: Begin) -> None:
    widget, _, _ = begin()
    widget.click(9, 9)
    mask = widget.mask
    other = Disks(name="others")
    again, _, _ = begin(method=other)
    assert (again.mask == mask).all()
    again.click(25, 15)
    assert (again.mask & mask).sum() == mask.sum()


def test_one_image_has_no_queue(make: Make) -> None:
    widget, page, _ = make()
    assert (widget.images, widget.queue) == (0, None)
    with pytest.raises(ValueError, match="one image only"):
        widget.next()
    page.send("queue")
    page.settle()
    assert "one image only" in page.of("error")[0]["message"]


@pytest.mark.parametrize("given", ["folder", "pattern", "list"])
def test_many_images_need_a_place_for_results(photos: Path, given: str) -> None:
    image = {"folder": photos, "pattern": str(photos / "*.png"), "list": [photos / "a.png"]}[given]
    with pytest.raises(ValueError, match="need out="):
        SegmentationWidget(image, Disks())


def test_a_queue_may_be_given(photos: Path, tmp_path: Path) -> None:
    with FolderQueue(photos, tmp_path / "out", method=None) as queue:
        widget = SegmentationWidget(queue, Disks())
        assert widget.queue is queue
        with pytest.raises(ValueError, match="has its own"):
            SegmentationWidget(queue, Disks(), out=tmp_path)
        with pytest.raises(ValueError, match="truth cannot be given"):
            SegmentationWidget(queue, Disks(), truth=np.zeros((20, 30), bool))
        widget.close()


def test_images_that_cannot_be_opened_are_passed_over(begin: Begin, photos: Path) -> None:
    (photos / "b.png").write_bytes(b"no picture")
    widget, page, _ = begin()
    widget.next()
    assert widget._desk.album.at == 2
    page.wait_for(lambda: page.of("queue") and page.of("queue")[-1]["notices"])
    assert "b.png cannot be opened: cannot read" in page.of("queue")[-1]["notices"][0]
    with pytest.raises(ValueError, match="cannot read an image"):
        widget.go(1)
    assert widget._desk.album.at == 2
    widget.previous()
    assert widget._desk.album.at == 0
    widget.mark_done()
    assert widget._desk.album.at == 2


def test_no_image_can_be_opened(photos: Path, tmp_path: Path) -> None:
    for path in photos.iterdir():
        path.write_bytes(b"")
    with pytest.raises(ValueError, match="none of the 3 images can be opened"):
        SegmentationWidget(photos, Disks(), out=tmp_path / "out")
    FolderQueue(photos, tmp_path / "out", method=None).close()  # the folder is free


# From the page


def test_the_page_is_told_of_the_other_image(begin: Begin, photos: Path) -> None:
    widget, page, _ = begin()
    start = len(page.replies)
    page.send("queue_go", to=1, step=1)
    page.settle()
    replies = [r for r in page.replies[start:] if r["kind"] not in ("queue", "activity")]
    assert [reply["kind"] for reply in replies] == ["received", "opened", "result"]
    opened, result = replies[1:]
    assert opened["rev"] == result["rev"] == page.rev
    assert (result["base"], result["ids"]) == (None, [f"page.{page.count}"])
    data = page.buffers[page.replies.index(opened)][0]
    pixels = np.asarray(Image.open(io.BytesIO(data)))
    assert (pixels == np.asarray(Image.open(photos / "b.png"))).all()
    assert (pixels == widget.image).all()
    assert widget.image_size == (30, 20)


def test_a_click_for_the_image_before_does_not_land_on_the_next(begin: Begin) -> None:
    widget, page, method = begin()
    page.click(5, 5)
    page.settle()
    shown = page.rev
    method.gate.clear()
    method.entered.clear()
    page.click(6, 6)  # runs while the page goes on
    assert method.entered.wait(10)
    page.send("queue_go", to=1, step=0)
    late = {"rev": shown, "kind": "click", "x": 20.0, "y": 10.0, "positive": True}
    page.raw({**late, "id": "late.1"})
    page.raw({**late, "id": "late.2"})
    page.raw({"id": "late.3", "rev": shown, "kind": "undo"})
    page.raw({"id": "late.4", "rev": shown, "kind": "history"})
    method.gate.set()
    page.settle()
    assert widget.clicks == ()
    errors = page.of("error")
    assert [error["ids"] for error in errors] == [["late.1", "late.2"], ["late.3"], ["late.4"]]
    assert all("open before" in error["message"] for error in errors)
    widget.previous()
    assert [click.x for click in widget.clicks] == [5, 6]
    page.click(7, 7)  # what is meant for this image still is
    page.settle()
    assert len(widget.clicks) == 3


def test_marking_and_notes(begin: Begin) -> None:
    widget, page, _ = begin()
    page.send("queue")
    page.settle()
    whole = next(reply for reply in page.of("queue") if reply["id"] == "page.2")
    assert (whole["whole"], whole["count"], whole["at"]) == (True, 3, 0)
    assert [entry["file"] for entry in whole["images"]] == ["a.png", "b.png", "c.png"]
    page.send("queue_note", image=0, note="<b>dark</b>")
    page.settle()
    answer = next(reply for reply in page.of("queue") if reply["id"] == "page.3")
    assert not answer["whole"]
    page.send("queue_mark", image=0, status="skipped", go_on=True)
    page.settle()
    assert widget._desk.album.at == 1
    page.send("queue_mark", image=2, status="done", go_on=False)
    page.settle()
    assert widget._desk.album.at == 1
    assert [item.status for item in widget.queue] == ["skipped", "todo", "done"]
    told: dict[int, Any] = {}
    for reply in page.of("queue"):
        told |= {entry["index"]: entry for entry in reply["images"]}
    assert [told[n]["status"] for n in range(3)] == ["skipped", "todo", "done"]
    assert told[0]["note"] == "<b>dark</b>"
    page.send("queue_mark", image=9, status="done", go_on=False)
    page.send("queue_note", image=9, note="")
    page.settle()
    assert len(page.of("error")) == 2


def test_cancelling_drops_neither_marks_nor_notes(begin: Begin) -> None:
    widget, page, method = begin()
    method.gate.clear()
    method.entered.clear()
    page.click(6, 6)
    assert method.entered.wait(10)
    page.send("queue_note", image=0, note="kept")
    page.send("queue_mark", image=0, status="done", go_on=False)
    page.send("cancel")
    method.gate.set()
    page.settle()
    assert (widget.queue[0].note, widget.queue[0].status) == ("kept", "done")
    assert widget.clicks == ()


def test_a_cancelled_click_is_not_in_the_file(begin: Begin, tmp_path: Path) -> None:
    widget, page, method = begin()
    page.click(5, 5)
    page.settle()
    method.gate.clear()
    method.entered.clear()
    page.click(6, 6)
    assert method.entered.wait(10)
    page.send("cancel")
    method.gate.set()
    page.settle()
    widget.queue.flush()
    saved = Annotation.load(tmp_path / "out" / "a.json", widget.image)
    assert len(saved.objects[0].clicks) == 1


def test_the_page_learns_that_all_is_saved(begin: Begin, tmp_path: Path) -> None:
    _, page, _ = begin()
    page.click(5, 5)
    page.settle()
    page.wait_for(lambda: [r["saved"] for r in page.of("queue")][-2:] == [False, True])
    assert (tmp_path / "out" / "a.json").exists()


def test_the_page_learns_that_nothing_can_be_saved(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, page, _ = begin()
    full = threading.Event()

    def fail(*_: object) -> None:
        full.set()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("iseg_widget.annotation.annotation.write_file", fail)
    page.click(5, 5)
    page.settle()
    assert full.wait(20)
    page.wait_for(lambda: "No space left" in str(page.of("queue")[-1]["trouble"]))
    monkeypatch.undo()
    page.wait_for(lambda: page.of("queue")[-1]["trouble"] is None)


def test_looking_leaves_no_file(begin: Begin, tmp_path: Path) -> None:
    widget, _, _ = begin()
    widget.next()
    widget.queue.flush()
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        ".queue.lock",
        "queue.json",
    ]


def test_closing_writes_and_frees_the_folder(begin: Begin, tmp_path: Path) -> None:
    widget, _, _ = begin()
    widget.click(5, 5)
    widget.close()
    assert (tmp_path / "out" / "a.json").exists()
    assert (tmp_path / "out" / "a.png").exists()
    assert "closed" in widget.queue.closed


def test_closing_frees_everything(photos: Path, tmp_path: Path) -> None:
    widget = SegmentationWidget(photos, Disks(), out=tmp_path / "out")
    widget.click(5, 5)
    gone = [weakref.ref(widget), weakref.ref(widget.queue), weakref.ref(widget.annotation)]
    widget.close()
    del widget
    gc.collect()
    assert [ref() for ref in gone] == [None, None, None]
    with FolderQueue(photos, tmp_path / "out", method=None) as queue:
        assert len(queue[0].annotation.objects[0].clicks) == 1
