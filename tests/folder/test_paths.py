from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iseg_widget.folder.ledger import STATUSES, Entry, Ledger, read_ledger
from iseg_widget.folder.paths import find_images, folded, name_for, natural
from tests.folder.made import pictures


class TestFinding:
    def test_a_folder(self, tmp_path: Path):
        pictures(tmp_path, "img10.png", "img2.JPG", "IMG1.png", ".hidden.png", "sub/x.png")
        (tmp_path / "notes.txt").write_text("")
        found = find_images(tmp_path, tmp_path / "out")
        assert [path.name for path in found] == ["IMG1.png", "img2.JPG", "img10.png"]
        assert find_images(str(tmp_path), tmp_path / "out") == found

    def test_a_pattern_of_any_depth_passes_over_the_results(self, tmp_path: Path):
        pictures(tmp_path, "a/1.png", "a/b/2.png", "out/1.png", "out/voc/x/1.png")
        found = find_images(str(tmp_path / "**" / "*.png"), tmp_path / "out")
        assert [path.name for path in found] == ["1.png", "2.png"]

    def test_a_folder_whose_name_looks_like_a_pattern(self, tmp_path: Path):
        pictures(tmp_path / "[1]", "x.png")
        assert len(find_images(tmp_path / "[1]", tmp_path / "out")) == 1

    def test_one_file(self, tmp_path: Path):
        (path,) = pictures(tmp_path, "x.png")
        assert find_images(path, tmp_path / "out") == (path,)

    def test_a_list_is_taken_as_it_is_without_repetitions(self, tmp_path: Path):
        b, a = pictures(tmp_path, "b.png", "a.png")
        gone = tmp_path / "gone.png"
        assert find_images([b, gone, str(a), b], tmp_path / "out") == (b, gone, a)

    def test_relative_paths(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        (path,) = pictures(tmp_path, "in/x.png")
        monkeypatch.chdir(tmp_path)
        assert find_images("in", Path("out")) == (path,)

    def test_results_may_not_lie_among_the_images(self, tmp_path: Path):
        pictures(tmp_path, "x.png")
        with pytest.raises(ValueError, match="lies in the folder for the results"):
            find_images([tmp_path / "x.png"], tmp_path)
        with pytest.raises(ValueError, match="lies in the folder for the results"):
            find_images(tmp_path / "x.png", tmp_path)

    @pytest.mark.parametrize("source", ["nowhere", "nowhere/*.png", "empty", [], "empty/x.txt"])
    def test_no_images(self, source: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "empty").mkdir()
        (tmp_path / "empty" / "x.txt").write_text("")
        with pytest.raises(ValueError, match="accepted are a folder"):
            find_images(source, tmp_path / "out")


LETTERS = 'aäß \n\t"\\/日\x00\u2028'
PARTS = st.text("aAäÄ1_. ", min_size=1, max_size=3).filter(lambda text: text.strip(". ") != "")
IMAGES = st.lists(
    st.tuples(PARTS, PARTS, st.sampled_from([".png", ".PNG", ".jpg"])), unique=True, max_size=12
).map(lambda found: [Path("/data") / folder / (stem + ending) for folder, stem, ending in found])


@given(IMAGES, st.data())
def test_names_never_meet_and_never_change(images: list[Path], data: st.DataObject):
    out = Path("/out")
    ledger = Ledger().taking(images, out)
    names = [entry.name for entry in ledger.entries]
    assert len({folded(name) for name in names}) == len(images)
    assert not {folded(name) for name in names} & {"queue", "coco"}
    # Whatever is given later, in whatever order, an image keeps its name, status and note.
    for index in range(len(images)):
        status, note = data.draw(st.sampled_from(STATUSES)), data.draw(st.text(LETTERS, max_size=5))
        ledger = ledger.with_entry(index, status=status, note=note)
    before = {entry.image: entry for entry in ledger.entries}
    others = data.draw(st.permutations([*images, *data.draw(IMAGES)]))
    some = list(dict.fromkeys(others))[: data.draw(st.integers(0, len(others)))]
    ledger = ledger.taking(some, out)
    assert ledger.count == len(some)
    assert len({folded(entry.name) for entry in ledger.entries}) == len(ledger.entries)
    after = {entry.image: entry for entry in ledger.entries}
    assert before.items() <= after.items()
    assert [entry.image for entry in ledger.entries[: len(some)]] == [
        Path(os.path.relpath(path, out)).as_posix() for path in some
    ]


@given(st.lists(st.text("ab0129. ", max_size=5), unique=True))
def test_natural_order_is_an_order(texts: list[str]):
    backwards = texts[::-1]
    assert sorted(texts, key=natural) == sorted(backwards, key=natural)


@pytest.mark.parametrize(
    ("path", "taken", "name"),
    [
        ("a/scan.jpg", [], "scan"),
        ("a/scan.png", ["scan"], "scan_png"),
        ("a/Scan.png", ["scan"], "Scan_png"),
        ("b/scan.jpg", ["scan", "scan_jpg"], "b_scan"),
        ("b/scan.jpg", ["scan", "scan_jpg", "b_scan"], "scan_2"),
        ("queue.jpg", [], "queue_jpg"),
        ("COCO.png", [], "COCO_png"),
    ],
)
def test_names(path: str, taken: list[str], name: str):
    assert name_for(Path(path), {folded(other) for other in taken}) == name


LEDGERS = st.builds(
    lambda entries, labels: Ledger(
        tuple(Entry(f"../x/{n}.png", str(n), *entry) for n, entry in enumerate(entries)),
        len(entries),
        tuple((name, "#0072b2") for name in labels),
        None if not entries else "0",
    ),
    st.lists(st.tuples(st.sampled_from(STATUSES), st.text(LETTERS, max_size=20))),
    st.lists(st.text(LETTERS, min_size=1).filter(str.strip), unique=True, min_size=1),
)


@settings(max_examples=50)
@given(LEDGERS)
def test_a_ledger_comes_back(tmp_path_factory: pytest.TempPathFactory, ledger: Ledger):
    path = tmp_path_factory.mktemp("ledger") / "queue.json"
    path.write_bytes(ledger.to_bytes())
    assert read_ledger(path) == ledger


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"version": 2}, "has version 2, accepted is 1"),
        ({"format": "x"}, "is no queue"),
        ({"at": None, "images": [{}]}, "is damaged: KeyError 'image'"),
        ({"images": [{"image": "a", "name": "../a", "status": "todo", "note": ""}]}, "no name of"),
        ({"images": [{"image": "a", "name": "a", "status": "x", "note": ""}]}, "a status is one"),
        ({"images": 2 * [{"image": "a", "name": "a", "status": "todo", "note": ""}]}, "one name"),
    ],
)
def test_damaged_ledgers(change: dict[str, object], match: str, tmp_path: Path):
    path = tmp_path / "queue.json"
    path.write_text(json.dumps(json.loads(Ledger().to_bytes()) | change))
    with pytest.raises(ValueError, match=match):
        read_ledger(path)
