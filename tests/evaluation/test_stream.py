"""The file of records: cut anywhere it is read up to the last whole line; one writer at a time."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from iseg_widget.clicks import Click
from iseg_widget.evaluation.records import Record, RunInfo
from iseg_widget.evaluation.stream import RecordStream, read_stream

INFO = RunInfo("disk", {"radius": 6.0}, None, "crowd", 3, "abc", 5, None, "ritm", ())
RECORDS = [
    Record(f"öbject {index}", (Click(3, index),), (0.5,), (0.1,), 0.0, 0.2, {}, None)
    for index in range(3)
]


@pytest.fixture
def whole(tmp_path: Path) -> bytes:
    with RecordStream(tmp_path / "whole.jsonl", INFO) as stream:
        for record in RECORDS:
            stream.add(record)
    return (tmp_path / "whole.jsonl").read_bytes()


def test_cut_at_any_byte_the_rest_can_be_added(tmp_path: Path, whole: bytes):
    path = tmp_path / "run.jsonl"
    for length in range(len(whole) + 1):
        path.write_bytes(whole[:length])
        with RecordStream(path, INFO) as stream:
            found = dict(stream.records)
            assert len(found) == max(0, whole[:length].count(b"\n") - 1)
            for record in RECORDS:
                if record.name not in found:
                    stream.add(record)
        assert path.read_bytes() == whole
        assert read_stream(path) == (INFO, tuple(RECORDS))


def test_one_writer_at_a_time_but_any_reader(tmp_path: Path):
    path = tmp_path / "run.jsonl"
    with RecordStream(path, INFO) as stream:
        stream.add(RECORDS[0])
        before = path.read_bytes()
        with pytest.raises(ValueError, match="is being written by another evaluation"):
            RecordStream(path, INFO)
        assert read_stream(path)[1] == (RECORDS[0],)
        stream.add(RECORDS[1])
    assert path.read_bytes().startswith(before)
    with RecordStream(path, INFO) as stream:
        assert len(stream.records) == 2


def test_a_refused_file_is_not_left_locked(tmp_path: Path):
    path = tmp_path / "run.jsonl"
    path.write_text('{"format": 99, "run": {}}\n', encoding="utf-8")
    for _ in range(2):
        with pytest.raises(ValueError, match="format 99; accepted is 1"):
            RecordStream(path, INFO)


def test_files_of_before_are_read(tmp_path: Path, whole: bytes):
    """The changed options and the versions came later; such a run can be continued."""
    path = tmp_path / "old.jsonl"
    header, _, rest = whole.partition(b"\n")
    data = json.loads(header)
    del data["run"]["changed"], data["run"]["versions"]
    path.write_bytes(json.dumps(data).encode() + b"\n" + rest)
    assert read_stream(path) == (replace(INFO, versions={}), tuple(RECORDS))
    with RecordStream(path, INFO) as stream:
        assert len(stream.records) == 3


def test_finished_it_is_in_order_and_without_repetition(tmp_path: Path, whole: bytes):
    path = tmp_path / "run.jsonl"
    names = [record.name for record in RECORDS]
    faulty = Record(names[1], error="OSError: disk full")
    with RecordStream(path, INFO) as stream:
        for record in (RECORDS[2], faulty, RECORDS[1], RECORDS[0]):
            stream.add(record)
        stream.finish(names)
    assert path.read_bytes() == whole
    with RecordStream(path, INFO) as stream:
        stream.finish(names)
    assert [entry.name for entry in tmp_path.iterdir() if "part" in entry.name] == []
    assert path.read_bytes() == whole


def test_a_file_that_was_replaced_meanwhile_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Between opening and locking, another evaluation finishes and puts its file in order."""
    from iseg_widget.evaluation import stream as module

    path = tmp_path / "run.jsonl"
    with RecordStream(path, INFO) as stream:
        stream.add(RECORDS[1])
        stream.add(RECORDS[0])
    lock = module._lock

    def late(file):
        (tmp_path / "other").write_bytes(path.read_bytes())
        (tmp_path / "other").replace(path)
        return lock(file)

    monkeypatch.setattr(module, "_lock", late)
    with pytest.raises(ValueError, match="is being written by another evaluation"):
        RecordStream(path, INFO)
