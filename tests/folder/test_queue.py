from __future__ import annotations

import gc
import json
import subprocess
import sys
import threading
import weakref
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from iseg_widget.annotation import Annotation
from iseg_widget.export import from_coco, from_labelme, from_yolo, read_id_png, write_file
from iseg_widget.folder import FolderQueue
from iseg_widget.folder import pictures as pictures_module
from tests.folder.made import DISKS, HEIGHT, WIDTH, draw, files, opened, pictures


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    pictures(tmp_path / "photos", "a1.png", "a2.png", "a10.png")
    return tmp_path / "photos"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "masks"


def ids(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


class TestGoingThrough:
    def test_a_script(self, photos: Path, out: Path):
        with opened(photos, out) as queue:
            for item in queue.todo():
                assert queue.current is item
                item.annotation.add_object(label="dog")
                item.annotation.click(10 + item.index, 8)
                item.done()
            assert str(queue.progress) == "3 of 3 done"
        for index, name in enumerate(("a1", "a2", "a10")):
            saved = Annotation.load(out / f"{name}.json", photos / f"{name}.png", DISKS)
            assert [click.x for click in saved.objects[0].clicks] == [10 + index]
            assert (saved.mask_of(1) == (ids(out / f"{name}.png") == 1)).all()

    def test_goes_on_with_the_first_that_is_to_do(self, photos: Path, out: Path):
        with opened(photos, out) as queue:
            assert queue.position == 0
            draw(queue, 0)
            queue[0].done()
            queue[2].skip()
            queue.go(2)
        with opened(photos, out) as queue:
            assert (queue.position, queue.current.name) == (1, "a2")
            assert [item.status for item in queue] == ["done", "todo", "skipped"]
            queue[1].done()
            queue.go(2)
        with opened(photos, out) as queue:
            assert queue.position == 2  # nothing to do: where one was

    def test_next_and_previous_stop_at_the_ends(self, photos: Path, out: Path):
        with opened(photos, out) as queue:
            assert queue.previous().index == 0
            assert queue.next().index == 1
            assert queue.next().index == queue.next().index == 2
            assert queue.previous() is queue.current is queue["a2"]
            with pytest.raises(ValueError, match="no image 3: the queue has 3"):
                queue.go(3)
            with pytest.raises(KeyError, match="'b'"):
                queue.go("b")

    def test_next_to_do_passes_over_problems_and_goes_round(self, photos: Path, out: Path):
        images = [*sorted(photos.iterdir()), photos / "gone.png"]
        with opened(images, out) as queue:
            queue[1].done()
            assert [queue.next_todo().index for _ in range(3)] == [2, 0, 2]
            queue[0].done()
            queue[2].skip()
            assert queue.next_todo() is None

    def test_notes_and_their_filter(self, photos: Path, out: Path):
        with opened(photos, out) as queue:
            queue[1].note = "blurred, Größe?\n2nd line"
            queue[1].done()
            assert [item.index for item in queue.where(notes=True)] == [1]
            assert not list(queue.where("todo", notes=True))
            with pytest.raises(TypeError, match="int"):
                queue[1].note = 3
            with pytest.raises(ValueError, match="todo, done, skipped"):
                list(queue.where("finished"))
        with opened(photos, out) as queue:
            assert queue[1].note == "blurred, Größe?\n2nd line"

    def test_progress(self, photos: Path, out: Path):
        with opened([*photos.iterdir(), photos / "gone.png"], out) as queue:
            queue[0].done()
            queue[1].skip()
            progress = queue.progress
            assert (progress.total, progress.done, progress.skipped) == (4, 1, 1)
            assert (progress.todo, progress.unreadable) == (2, 1)


class TestSaving:
    def test_every_change_is_saved_by_itself(self, photos: Path, out: Path):
        queue = opened(photos, out)
        draw(queue, 0)
        assert queue.flush(30)
        assert queue.saved
        assert not queue[0].annotation.unsaved
        first = files(out)
        queue[0].annotation.undo()
        queue.flush()
        second = files(out)
        assert set(first) == set(second) == {"a1.json", "a1.png", "queue.json"}
        assert first["a1.json"] != second["a1.json"]
        queue.close()

    def test_a_group_is_saved_as_one(self, photos: Path, out: Path):
        with opened(photos, out) as queue:
            annotation = queue[0].annotation
            calls: list[int] = []
            annotation.on_change(lambda: calls.append(len(annotation.objects)))
            with annotation.group("two"):
                annotation.add_object()
                annotation.add_object()

            def fails() -> None:
                with annotation.group("none"):
                    annotation.add_object()
                    annotation.add_object(label="cow")

            with pytest.raises(ValueError, match="declared"):
                fails()
            assert calls == [2]

    def test_changes_are_saved_also_after_the_history_was_forgotten(self, photos: Path, out: Path):
        with opened(photos, out) as queue:
            annotation = queue[0].annotation
            annotation.quietly(annotation.add_object)
            assert queue.saved
            annotation.forget_history()
            annotation.add_object()
            assert not queue.saved
        assert len(json.loads((out / "a1.json").read_bytes())["objects"]) == 2

    def test_the_click_does_not_wait_for_the_disk(
        self, photos: Path, out: Path, monkeypatch: pytest.MonkeyPatch
    ):
        go_on = threading.Event()
        write = write_file

        def slow(path: Path, content: bytes) -> Path:
            assert threading.current_thread() is not threading.main_thread()
            assert go_on.wait(30)
            return write(path, content)

        with opened(photos, out) as queue:
            monkeypatch.setattr("iseg_widget.annotation.annotation.write_file", slow)
            draw(queue, 0)
            queue.next()
            assert not queue.saved
            go_on.set()
        assert (out / "a1.json").exists()

    def test_done_without_objects_has_an_empty_mask(self, photos: Path, out: Path):
        with opened(photos, out) as queue:
            queue[0].done()
            queue[1].annotation  # noqa: B018 - looking changes nothing
        assert not ids(out / "a1.png").any()
        assert not (out / "a2.json").exists()

    def test_what_cannot_be_written_is_told_and_tried_again(
        self, photos: Path, out: Path, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr("iseg_widget.folder.saver.RETRY", (0.05,))
        full = [True]
        from iseg_widget.annotation import annotation as module

        write = module.write_file

        def fail(path: Path, content: bytes) -> Path:
            if full[0]:
                raise OSError(28, "No space left on device")
            return write(path, content)

        monkeypatch.setattr(module, "write_file", fail)
        queue = opened(photos, out)
        told: list[str] = []
        queue.on_change(lambda: told.append(str(queue.error)))
        draw(queue, 0)
        with pytest.raises(OSError, match="No space left"):
            queue.flush(30)
        assert "No space left" in str(queue.error)
        assert any("No space left" in text for text in told)
        assert not queue.saved
        full[0] = False
        assert queue.flush(30)
        assert queue.error is None
        queue.close()
        assert (out / "a1.json").exists()

    def test_a_queue_that_cannot_write_stays_open(
        self, photos: Path, out: Path, monkeypatch: pytest.MonkeyPatch
    ):
        def fail(*_: object) -> None:
            raise OSError(28, "No space left on device")

        queue = opened(photos, out)
        with monkeypatch.context() as patch:
            patch.setattr("iseg_widget.annotation.annotation.write_file", fail)
            draw(queue, 0)
            for close in (queue.close, lambda: opened(photos, out)):
                with pytest.raises(OSError, match="No space left"):
                    close()
            assert queue.closed is None
            draw(queue, 0)
        queue.close()
        assert len(json.loads((out / "a1.json").read_bytes())["objects"]) == 2

    def test_images_of_other_days_are_out_of_reach(self, photos: Path, out: Path):
        with opened(photos, out) as queue:
            queue[2].note = "n"
        with opened([photos / "a1.png"], out) as queue:
            for index in (-1, 1, 2):
                with pytest.raises(ValueError, match="there is no image"):
                    queue.set_note(index, "x")
            assert [entry.note for entry in queue.entries] == ["", "", "n"]

    def test_undo_survives_a_look_at_the_neighbour(self, photos: Path, out: Path):
        with opened(photos, out) as queue:
            draw(queue, 0)
            queue.next().annotation.add_object()
            gc.collect()
            assert queue.previous().annotation.undo()

    def test_an_annotation_that_is_in_use_is_not_read_twice(self, out: Path):
        names = [f"{n}.png" for n in range(8)]
        with opened(pictures(out / "in", *names), out / "masks") as queue:
            first = queue[0].annotation
            for item in queue:
                item.annotation.add_object()
            assert queue[0].annotation is first
            first.add_object()
        assert len(json.loads((out / "masks" / "0.json").read_bytes())["objects"]) == 2

    def test_open_annotations_do_not_pile_up(self, out: Path):
        names = [f"{n}.png" for n in range(8)]
        with opened(pictures(out / "in", *names), out / "masks") as queue:
            seen = [weakref.ref(item.annotation) for item in queue]
            queue.flush()
            gc.collect()
            assert sum(ref() is not None for ref in seen) == 3

    def test_nothing_is_changed_after_closing(self, photos: Path, out: Path):
        queue = opened(photos, out)
        annotation = queue[0].annotation
        queue.close()
        queue.close()
        for change in (annotation.add_object, queue[0].done, queue.next, queue[1].skip):
            with pytest.raises(ValueError, match="saves nothing any more: it was closed"):
                change()


class TestReadingAhead:
    def test_the_next_image_is_decoded_meanwhile(
        self, photos: Path, out: Path, monkeypatch: pytest.MonkeyPatch
    ):
        read: list[tuple[str, bool]] = []
        decode = pictures_module._decode

        def noted(path: Path) -> pictures_module.Picture:
            read.append((path.name, threading.current_thread() is threading.main_thread()))
            return decode(path)

        monkeypatch.setattr(pictures_module, "_decode", noted)
        with opened(photos, out) as queue:
            assert [item.index for item in queue.todo()] == [0, 1, 2]
        assert read[:3] == [("a1.png", True), ("a2.png", False), ("a10.png", False)]

    def test_an_image_that_changed_meanwhile_is_read_again(self, photos: Path, out: Path):
        with opened(photos, out) as queue:
            queue[0].annotation  # noqa: B018 - the next one is read ahead
            (ahead,) = queue._opened._pictures._ahead.values()
            assert ahead.result(30) is not None
            Image.new("RGB", (7, 5)).save(photos / "a2.png")
            assert queue[1].annotation.shape == (5, 7)

    def test_huge_images_are_not(self, photos: Path, out: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(pictures_module, "AHEAD_PIXELS", 10)
        with opened(photos, out) as queue:
            assert [item.annotation.shape for item in queue.todo()] == 3 * [(HEIGHT, WIDTH)]


class TestFormats:
    def test_all(self, photos: Path, out: Path):
        formats = ("png", "coco", "yolo", "voc", "labelme")
        with opened(photos, out, formats=formats) as queue:
            draw(queue, 0, label="dog")
            queue[0].annotation.add_object(label="cat")  # empty: in no export
            draw(queue, 1, x=20)
            queue[1].done()
            draw(queue, 2)
            queue[2].skip()
            mask = queue[0].annotation.mask_of(1)
        found = files(out)
        assert found["yolo/classes.txt"] == found["voc/classes.txt"] == b"cat\ndog\n"
        coco = from_coco(json.loads(found["coco.json"]))
        assert [image.file_name for image in coco] == ["a1.png", "a2.png"]
        labelme = from_labelme(json.loads(found["labelme/a1.json"]))
        yolo = from_yolo(found["yolo/a1.txt"].decode(), "a1", (HEIGHT, WIDTH), ("cat", "dog"))
        for image in (coco[0], labelme, yolo):
            assert [item.label for item in image.objects] == ["dog"]
            assert (image.objects[0].mask == mask).all()
        assert (out / "labelme" / labelme.file_name).resolve() == photos / "a1.png"
        assert (ids(out / "voc/SegmentationClass/a1.png") == 2 * mask).all()
        assert (ids(out / "voc/SegmentationObject/a1.png") == mask).all()
        assert len(read_id_png(out / "a1.png", "a1").objects) == 1

    def test_one_more_format_is_made_of_what_is_there(self, photos: Path, out: Path):
        with opened(photos, out) as queue:
            draw(queue, 0)
        with opened(photos, out, formats=["yolo", "coco"]) as queue:
            pass
        assert (out / "yolo" / "a1.txt").read_text().startswith("0 ")
        assert len(from_coco(json.loads((out / "coco.json").read_bytes()))) == 1

    def test_labels_keep_their_numbers(self, photos: Path, out: Path):
        with opened(photos, out, formats="yolo") as queue:
            queue[0].annotation.add_label("cow")
            draw(queue, 0, label="cow")
        with opened(photos, out, formats="yolo", labels=("dog", "emu", "cat")) as queue:
            assert list(queue.labels) == ["cat", "dog", "cow", "emu"]
            assert list(queue[0].annotation.labels) == ["cat", "dog", "cow", "emu"]
            assert list(queue[1].annotation.labels) == ["cat", "dog", "cow", "emu"]
            assert not queue[0].annotation.unsaved
        assert (out / "yolo" / "classes.txt").read_text() == "cat\ndog\ncow\nemu\n"
        assert (out / "yolo" / "a1.txt").read_text().startswith("2 ")

    def test_without_labels_those_of_the_folder_are_taken(self, photos: Path, out: Path):
        with opened(photos, out, labels=None) as queue:
            assert list(queue.labels) == ["object"]
        with opened(photos, out.with_name("other")) as queue:
            assert list(queue.labels) == ["cat", "dog"]
        with opened(photos, out.with_name("other"), labels=None) as queue:
            assert list(queue.labels) == ["cat", "dog"]

    def test_images_left_out_today_stay_in_the_file_of_all(self, photos: Path, out: Path):
        with opened(photos, out, formats="coco") as queue:
            draw(queue, 0)
        with opened([photos / "a2.png"], out, formats="coco") as queue:
            assert len(queue) == 1
            draw(queue, 0)
        names = [
            image.file_name for image in from_coco(json.loads((out / "coco.json").read_text()))
        ]
        assert sorted(names) == ["a1.png", "a2.png"]

    def test_unknown_ones(self, photos: Path, out: Path):
        with pytest.raises(ValueError, match=r"png, coco, yolo, voc, labelme, got \['gif'\]"):
            opened(photos, out, formats=("png", "gif"))


class TestTrouble:
    def test_images_that_cannot_be_read_are_shown_as_such(self, photos: Path, out: Path):
        (photos / "a2.png").write_bytes(b"no picture")
        with opened([*sorted(photos.iterdir()), photos / "gone.png"], out) as queue:
            assert queue["gone"].problem == f"no image file at {photos / 'gone.png'}"
            with pytest.raises(ValueError, match="cannot read an image"):
                queue["a2"].annotation  # noqa: B018
            assert "cannot read" in queue["a2"].problem
            with pytest.raises(ValueError, match="cannot read"):
                queue["a2"].done()
            assert queue["a2"].status == "todo"
            draw(queue, 0)
            assert [item.name for item in queue.todo()] == ["a1", "a10"]
            queue["a2"].skip()

    def test_an_image_with_other_pixels_keeps_the_old_annotation(self, photos: Path, out: Path):
        with opened(photos, out) as queue:
            draw(queue, 0)
        before = (out / "a1.json").read_bytes()
        pictures(photos, "x.png", "a1.png")  # written anew, with the pixels of another
        with opened(photos, out) as queue:
            item = queue["a1"]
            with pytest.raises(ValueError, match="belongs to an image with other pixels"):
                item.annotation  # noqa: B018
            assert (out / "a1.json").read_bytes() == before
            kept = item.restart()
            assert item.problem is None
            assert kept == out / "a1.kept-1.json"
            draw(queue, item.index)
        assert kept.read_bytes() == before
        assert (out / "a1.json").read_bytes() != before

    def test_a_damaged_annotation_stays(self, photos: Path, out: Path):
        with opened(photos, out) as queue:
            draw(queue, 0)
        (out / "a1.json").write_bytes(b"{")
        with opened(photos, out) as queue:
            with pytest.raises(ValueError, match="cannot be read as JSON"):
                queue[0].annotation  # noqa: B018
            with pytest.raises(ValueError, match="cannot be read as JSON"):
                queue[0].labelled  # noqa: B018
        assert (out / "a1.json").read_bytes() == b"{"

    def test_a_damaged_queue_file_is_an_error_and_frees_the_folder(self, photos: Path, out: Path):
        opened(photos, out).close()
        good = (out / "queue.json").read_bytes()
        (out / "queue.json").write_bytes(b"[]")
        with pytest.raises(ValueError, match="is no queue"):
            opened(photos, out)
        (out / "queue.json").write_bytes(good)
        opened(photos, out).close()

    def test_files_that_others_put_there_are_kept(self, photos: Path, out: Path):
        out.mkdir()
        (out / "a1.png").write_bytes(b"mine")
        with opened(photos, out) as queue:
            draw(queue, 0)
            queue.flush()
            assert "kept as a1.kept-1.png" in queue.notices[0]
            (out / "a1.json").write_bytes(b"theirs")
            queue[0].annotation.undo()
        assert (out / "a1.kept-1.png").read_bytes() == b"mine"
        assert (out / "a1.kept-1.json").read_bytes() == b"theirs"
        with opened(photos, out) as queue:  # one's own from before is not kept
            queue[0].annotation.add_object()
        assert not (out / "a1.kept-2.json").exists()
        assert not (out / "a1.kept-2.png").exists()

    def test_a_second_queue_of_the_process_takes_over(self, photos: Path, out: Path):
        first = opened(photos, out)
        draw(first, 0)
        old = first[0].annotation
        with opened(photos, out) as second:
            assert len(second[0].annotation.objects) == 1
            with pytest.raises(ValueError, match="opened again"):
                old.add_object()

    def test_another_process_is_kept_out(self, photos: Path, out: Path):
        code = (
            "import sys\nfrom iseg_widget.folder import FolderQueue\n"
            "FolderQueue(sys.argv[1], sys.argv[2], method=None)\n"
        )
        command = [sys.executable, "-c", code, str(photos), str(out)]
        with opened(photos, out):
            ran = subprocess.run(command, capture_output=True, text=True, check=False)
            assert "is open elsewhere (process " in ran.stderr
        subprocess.run(command, check=True)

    def test_a_moved_image_keeps_what_it_has(self, photos: Path, out: Path, tmp_path: Path):
        with opened(photos, out) as queue:
            draw(queue, 1)
            queue[1].done()
        photos.rename(tmp_path / "elsewhere")
        with opened(tmp_path / "elsewhere", out) as queue:
            assert [item.status for item in queue] == ["todo", "done", "todo"]
            assert len(queue[1].annotation.objects) == 1

    @pytest.mark.parametrize("given", [3, b"photos", [3]])
    def test_other_things_than_images(self, given: object, out: Path):
        with pytest.raises(TypeError, match="accepted are a folder"):
            FolderQueue(given, out)

    @pytest.mark.parametrize("method", ["nonsense", 3])
    def test_other_things_than_methods(self, method: object, photos: Path, out: Path):
        with pytest.raises((TypeError, ValueError), match=r"nonsense|int"):
            FolderQueue(photos, out, method=method)
