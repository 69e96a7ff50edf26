"""Small pictures of a queue's images."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from iseg_widget.folder import FolderQueue
from iseg_widget.images import read_image, read_small
from iseg_widget.widget import queue_thumbnails
from iseg_widget.widget.pyramid import Encoded
from iseg_widget.widget.queue_thumbnails import Thumbnails
from tests.widget.conftest import Make
from tests.widget.fakes import Disks

RED = "#ff0000"


def blue(path: Path, width: int = 300, height: int = 200) -> Path:
    path.parent.mkdir(exist_ok=True)
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[..., 2] = 200
    Image.fromarray(pixels).save(path)
    return path


def shown(made: Encoded) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(made.data)).convert("RGB")).astype(int)


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[FolderQueue]:
    for name in ("a.png", "b.jpg", "c.png"):
        blue(tmp_path / "in" / name)
    with FolderQueue(tmp_path / "in", tmp_path / "out", method=None, labels={"cat": RED}) as made:
        yield made


def draw(queue: FolderQueue, image: int, mask: np.ndarray) -> None:
    queue[image].annotation.add_object(mask)
    assert queue.flush(20)


def test_a_small_picture_has_the_saved_masks(queue: FolderQueue) -> None:
    thumbnails = Thumbnails(queue)
    before = shown(thumbnails.get(0))
    assert before.shape == (72, 108, 3)
    assert abs(before - (0, 0, 200)).max() < 12
    mask = np.zeros((200, 300), bool)
    mask[:, :150] = True
    draw(queue, 0, mask)
    after = shown(thumbnails.get(0))
    assert after[:, :50, 0].min() > 120
    assert abs(after[:, 58:] - before[:, 58:]).max() < 12
    queue[0].annotation.show(1, False)
    assert queue.flush(20)
    assert abs(shown(thumbnails.get(0)) - before).max() < 12, "hidden objects are not painted"


def test_nothing_is_made_twice(queue: FolderQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Path] = []

    def counted(path: Path, side: int) -> object:
        read.append(path)
        return read_small(path, side)

    monkeypatch.setattr(queue_thumbnails, "read_small", counted)
    thumbnails = Thumbnails(queue)
    first = thumbnails.get(1)
    assert thumbnails.get(1) is first
    draw(queue, 1, np.ones((200, 300), bool))
    assert thumbnails.get(1) is not first
    assert len(read) == 1, "another mask does not change the picture"
    blue(queue[1].path, 30, 60)
    assert shown(thumbnails.get(1)).shape == (60, 30, 3)
    monkeypatch.setattr(queue_thumbnails, "KEPT", 2)
    for image in (0, 1, 2):
        thumbnails.get(image)
    assert len(thumbnails._made) == len(thumbnails._pictures) == 2


def test_a_damaged_annotation_leaves_the_picture(queue: FolderQueue) -> None:
    draw(queue, 0, np.ones((200, 300), bool))
    queue.target(0).annotation.write_text("{")
    assert abs(shown(Thumbnails(queue).get(0)) - (0, 0, 200)).max() < 12


def test_a_click_goes_first(make: Make, tmp_path: Path) -> None:
    blue(tmp_path / "in" / "a.png")
    (tmp_path / "in" / "b.png").write_bytes(b"no picture")
    widget, page, method = make(image=tmp_path / "in", out=tmp_path / "out")
    page.open()
    go = threading.Event()
    step = method.step

    def waiting(*arguments: object, **keywords: object) -> object:
        assert go.wait(20)
        return step(*arguments, **keywords)  # type: ignore[arg-type]

    method.step = waiting  # type: ignore[method-assign, assignment]
    try:
        page.click(50, 50)
        names = [page.send("queue_thumbnail", image=image) for image in (0, 1)]
        threading.Event().wait(0.2)
        assert not page.of("queue_thumbnail")
    finally:
        go.set()
    page.wait_for(lambda: len(page.of("queue_thumbnail")) == 2)
    order = [reply["kind"] for reply in page.replies]
    assert order.index("queue_thumbnail") > len(order) - 1 - order[::-1].index("result")
    good, bad = page.of("queue_thumbnail")
    assert (good["id"], good["image"], good["mime"]) == (names[0], 0, "image/jpeg")
    assert (bad["id"], bad["image"], bad["mime"]) == (names[1], 1, None)
    assert page.buffers[page.replies.index(bad)] == []
    page.send("queue_thumbnail", image=2)
    page.wait_for(lambda: page.of("error"))
    assert "there is no image 2" in page.of("error")[-1]["message"]
    assert isinstance(method, Disks)
    widget.close()


def test_one_image_has_none(make: Make) -> None:
    _, page, _ = make()
    page.send("queue_thumbnail", image=0)
    assert "one image only" in page.of("error")[-1]["message"]


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "P", "1", "I;16", "CMYK"])
def test_small_pictures_look_like_large_ones(tmp_path: Path, mode: str) -> None:
    rows, columns = np.mgrid[:240, :320]
    grey = ((rows + columns) // 3).astype(np.uint8)
    image = Image.fromarray(grey)
    if mode == "I;16":
        image = Image.fromarray(grey.astype(np.uint16) * 257)
    elif mode != "L":
        image = image.convert("RGB").convert(mode)
    path = tmp_path / ("a.tif" if mode == "CMYK" else "a.png")
    image.save(path)
    small, shape = read_small(path, 80)
    assert (shape, small.shape) == ((240, 320), (60, 80, 3))
    whole = read_image(path).reshape(60, 4, 80, 4, 3).mean((1, 3))
    assert np.abs(small - whole).mean() < (40 if mode == "1" else 3)


def test_small_pictures_are_turned_as_large_ones(tmp_path: Path) -> None:
    pixels = np.zeros((100, 200, 3), np.uint8)
    pixels[:50] = 255
    image = Image.fromarray(pixels)
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(tmp_path / "a.jpg", exif=exif)
    small, shape = read_small(tmp_path / "a.jpg", 50)
    assert (shape, small.shape) == ((200, 100), (50, 25, 3))
    whole = read_image(tmp_path / "a.jpg")
    assert np.abs(small.astype(int) - whole[::4, ::4]).mean() < 12
    with pytest.raises(ValueError, match="cannot read an image from"):
        read_small(tmp_path / "none.png", 50)
