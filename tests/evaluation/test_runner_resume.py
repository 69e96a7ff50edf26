"""A run that is killed at any moment goes on where it was and ends with the same records."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from iseg_widget.evaluation.report import Report
from iseg_widget.evaluation.runner import evaluate
from iseg_widget.evaluation.stream import RECORDS, read_stream
from tests.evaluation.closed_form import DiskMethod, DiskOptions
from tests.evaluation.crowd import Crowd, SlowDisk, course

ROOT = Path(__file__).resolve().parents[2]
COUNT = 30


def _start(out: Path, workers: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.evaluation.kill_me", str(out), str(workers)]
    return subprocess.Popen(command, cwd=ROOT, start_new_session=True)


def _lines(out: Path) -> int:
    path = out / RECORDS
    return path.read_bytes().count(b"\n") if path.exists() else 0


@pytest.mark.parametrize("workers", [1, 2])
def test_killed_again_and_again_it_ends_with_the_same_records(tmp_path: Path, workers: int):
    expected = course(evaluate(SlowDisk(pause=0), Crowd(COUNT), 5, progress=False))
    out = tmp_path / "run"
    rng = random.Random(workers)
    kills = 0
    for wanted in (3, 10, 17):
        process = _start(out, workers)
        until = time.monotonic() + 120
        while _lines(out) < wanted and process.poll() is None:
            assert time.monotonic() < until
            time.sleep(0.002)
        time.sleep(0.02 * rng.random())
        process.send_signal(signal.SIGKILL)  # the workers are left to notice
        kills += process.wait() == -signal.SIGKILL
        # What a kill in the middle of a write leaves: half a line.
        content = (out / RECORDS).read_bytes()
        (out / RECORDS).write_bytes(content[: -rng.randint(1, 100)])
    assert kills == 3
    assert _lines(out) < COUNT
    done = evaluate(SlowDisk(), Crowd(COUNT), 5, out=out, progress=False)
    assert course(done) == expected
    assert course(Report.load(out / RECORDS)) == expected
    assert _lines(out) == COUNT + 1
    parts = json.loads((out / "run.json").read_text("utf-8"))["parts"]
    assert [part["ended"] is None for part in parts] == [True, True, True, False]
    assert [part["workers"] for part in parts[:3]] == [workers] * 3
    assert parts[-1]["objects_after"] == COUNT


def test_workers_end_when_whoever_started_them_is_killed(tmp_path: Path):
    process = _start(tmp_path / "run", 2)
    until = time.monotonic() + 120
    while _lines(tmp_path / "run") < 3:
        assert time.monotonic() < until
        time.sleep(0.01)
    process.kill()
    process.wait()
    while True:  # the process group is that of the session it started
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            return
        assert time.monotonic() < until
        time.sleep(0.05)


def test_two_processes_do_not_write_the_same_run(tmp_path: Path):
    out = tmp_path / "run"
    process = _start(out, 1)
    try:
        until = time.monotonic() + 120
        while _lines(out) < 2:
            assert time.monotonic() < until
            time.sleep(0.01)
        with pytest.raises(ValueError, match="is being written by another evaluation"):
            evaluate(SlowDisk(), Crowd(COUNT), 5, out=out, progress=False)
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()
    assert len(evaluate(SlowDisk(pause=0), Crowd(COUNT), 5, out=out, progress=False).valid) == COUNT


def test_a_folder_tells_what_was_run_and_how(tmp_path: Path):
    out = tmp_path / "deep" / "run"
    more = {"max_clicks": 2, "progress": False}
    evaluate(DiskMethod(DiskOptions(5.0)), Crowd(4), out=out, limit=2, **more)  # type: ignore[arg-type]
    evaluate(DiskMethod(DiskOptions(5.0)), Crowd(4), out=out, batch=2, **more)  # type: ignore[arg-type]
    assert {path.name for path in out.iterdir()} == {"records.jsonl", "run.json"}
    content = json.loads((out / "run.json").read_text("utf-8"))
    assert content["run"]["changed"] == ["radius"]
    info, records = read_stream(out)
    assert content["run"] == info.to_dict()
    assert info.dataset_description == Crowd(4).description
    assert Report.load(out).info == info
    assert info.changed_options == {"radius": 5.0}
    assert len(records) == 4
    first, second = content["parts"]
    assert (first["objects_before"], first["objects_after"], first["limit"]) == (0, 2, 2)
    assert (second["objects_before"], second["objects_after"], second["batch"]) == (2, 4, 2)
    assert first["versions"]["numpy"]
    assert first["machine"]["cores"]


def test_a_file_that_is_there_is_taken_as_a_file(tmp_path: Path):
    """Also without the ending; and a folder with it is a folder."""
    more = {"max_clicks": 2, "progress": False}
    evaluate(DiskMethod(), Crowd(3), out=tmp_path / "a.jsonl", limit=1, **more)  # type: ignore[arg-type]
    assert [path.name for path in tmp_path.iterdir()] == ["a.jsonl"]
    (tmp_path / "a.jsonl").rename(tmp_path / "plain")
    evaluate(DiskMethod(), Crowd(3), out=tmp_path / "plain", **more)  # type: ignore[arg-type]
    assert len(read_stream(tmp_path / "plain")[1]) == 3
    (tmp_path / "b.jsonl").mkdir()
    evaluate(DiskMethod(), Crowd(3), out=tmp_path / "b.jsonl", **more)  # type: ignore[arg-type]
    assert (tmp_path / "b.jsonl" / RECORDS).is_file()


def test_a_foreign_log_is_kept(tmp_path: Path):
    (tmp_path / "run.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ValueError, match=r"run\.json is no log of an evaluation"):
        evaluate(DiskMethod(), Crowd(3), 2, out=tmp_path, progress=False)
    assert (tmp_path / "run.json").read_text("utf-8") == "{}"
