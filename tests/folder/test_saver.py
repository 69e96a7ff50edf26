from __future__ import annotations

import gc
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path

import pytest

from iseg_widget.folder.saver import Saver


class Told:
    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> None:
        self.tell()

    def tell(self) -> None:
        self.times += 1


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def saver(told: Told):
    made = Saver(told.tell)
    yield made
    made.close()


def test_the_newest_of_each_key_is_written(saver: Saver):
    written: list[str] = []
    for name in ("a1", "b1", "a2", "a3"):
        saver.put(name[0], lambda name=name: written.append(name), delay=3600)
    assert saver.pending()
    assert not written
    assert not saver.pending(-1)
    assert saver.flush(30)
    assert sorted(written) == ["a3", "b1"]
    assert not saver.pending()


def test_what_comes_while_it_is_written_is_written_again(saver: Saver):
    begun, go_on, written = threading.Event(), threading.Event(), []

    def first() -> None:
        begun.set()
        assert go_on.wait(30)
        written.append(1)

    saver.put("a", first)
    assert begun.wait(30)
    saver.put("a", lambda: written.append(2))
    go_on.set()
    saver.flush()
    assert written == [1, 2]


def test_the_lowest_order_comes_first(saver: Saver):
    written: list[int] = []
    for order in (2, 0, 1):
        saver.put(str(order), lambda order=order: written.append(order), delay=3600, order=order)
    saver.flush()
    assert written == [0, 1, 2]


def test_a_stream_of_changes_does_not_put_it_off(saver: Saver):
    written = threading.Event()
    end = time.monotonic() + 30
    while not written.is_set() and time.monotonic() < end:
        saver.put("a", written.set, delay=0.2)
        time.sleep(0.01)
    assert written.is_set()


def test_hurry_does_not_wait(saver: Saver):
    written = threading.Event()
    saver.put("a", written.set, delay=3600)
    saver.hurry()
    assert written.wait(30)


def test_a_failure_is_raised_told_and_leaves_the_others(saver: Saver, told: Told):
    written: list[str] = []
    works: list[bool] = []

    def fail() -> None:
        if not works:
            raise OSError("full")
        written.append("a")

    saver.put("a", fail, delay=3600)
    saver.put("b", lambda: written.append("b"), delay=3600, order=1)
    with pytest.raises(OSError, match="full"):
        saver.flush(30)
    assert written == ["b"]
    assert saver.pending()
    assert str(saver.error) == "full"
    assert told.times
    with pytest.raises(OSError, match="full"):
        saver.flush(30)
    works.append(True)
    assert saver.flush(30)
    assert written == ["b", "a"]
    assert saver.error is None


def test_a_failure_is_tried_again_by_itself(saver: Saver, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("iseg_widget.folder.saver.RETRY", (0.01, 0.02))
    tries, done = [], threading.Event()

    def fail() -> None:
        tries.append(1)
        if len(tries) < 5:
            raise OSError("full")
        done.set()

    saver.put("a", fail)
    assert done.wait(30)
    assert saver.flush(30)


def test_flush_gives_up_in_time(saver: Saver):
    go_on = threading.Event()
    saver.put("a", lambda: go_on.wait(30))
    assert not saver.flush(0.01)
    go_on.set()
    assert saver.flush(30)


def test_closing_writes_what_waits(told: Told):
    saver, written = Saver(told.tell), []
    saver.put("a", lambda: written.append(1), delay=3600)
    saver.close()
    assert written == [1]
    with pytest.raises(RuntimeError, match="closed"):
        saver.put("a", lambda: None)


def test_a_dropped_saver_writes_what_waits_and_ends(told: Told):
    saver, written = Saver(told.tell, name="dropped"), threading.Event()
    saver.put("a", written.set, delay=3600)
    gone = weakref.ref(saver)
    del saver
    gc.collect()
    assert gone() is None
    assert written.wait(30)
    for thread in threading.enumerate():
        if thread.name == "dropped":
            thread.join(30)
            assert not thread.is_alive()


def test_the_end_of_the_interpreter_waits_for_it(tmp_path: Path):
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom iseg_widget.folder.saver import Saver\n"
        "class Told:\n    def tell(self): pass\n"
        "told = Told(); saver = Saver(told.tell)\n"
        "def write():\n    time.sleep(0.3)\n    Path(sys.argv[1]).write_text('done')\n"
        "saver.put('a', write, delay=3600)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "x")], check=True)
    assert (tmp_path / "x").read_text() == "done"
