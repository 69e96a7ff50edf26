"""The thread of a widget leaves a core to the page, and other threads as they are."""

from __future__ import annotations

import sys
import threading

import pytest
import torch

from iseg_widget.widget import cores
from iseg_widget.widget.worker import Job, Worker


@pytest.mark.parametrize(("there", "most"), [(1, 1), (2, 1), (5, 4)])
def test_a_thread_takes_all_cores_but_one(monkeypatch, there, most):
    monkeypatch.setattr(cores, "cores", lambda: there)
    before = torch.get_num_threads()
    seen: list[int] = []

    class Runner:
        def run(self, jobs):
            seen.append(torch.get_num_threads())
            for job in jobs:
                job.outcome.set_result(None)

    runner = Runner()
    worker = Worker(runner.run)
    try:
        job = Job("count")
        worker.submit(job)
        job.outcome.result(10)
    finally:
        worker.close()
    assert seen == [min(most, before)]
    assert torch.get_num_threads() == before


def test_a_lower_number_stays(monkeypatch):
    monkeypatch.setattr(cores, "cores", lambda: 8)
    seen: list[int] = []

    def look() -> None:
        assert cores.leave_a_core()
        seen.append(torch.get_num_threads())

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
    finally:
        torch.set_num_threads(before)
    assert seen == [1]


def test_nothing_is_done_before_torch_is_there(monkeypatch):
    monkeypatch.delitem(sys.modules, "torch")
    assert not cores.leave_a_core()
    assert "torch" not in sys.modules
