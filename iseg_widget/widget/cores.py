"""How many processor cores the thread of a widget takes: one is left to whoever shows the answer.

Page, server and kernel mostly run on one machine. Threads of an inference wait for each other
hundreds of times, busily, so that one of them which has to share its core with the page slows all
of them down: on two cores one thread answers sooner than two.
"""

from __future__ import annotations

import os
import sys


def cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def leave_a_core() -> bool:
    """Let OpenMP take all cores but one for the calling thread; other threads keep theirs.

    A lower number that was set with ``torch.set_num_threads`` stays. Returns whether it could be
    done yet: PyTorch has to be imported, which is not done here.
    """
    torch = sys.modules.get("torch")
    if not hasattr(torch, "get_num_threads"):  # not there, or not to its end
        return False
    from threadpoolctl import threadpool_limits

    # PyTorch sets the number of a thread when it is first asked for it there.
    wanted = min(torch.get_num_threads(), max(1, cores() - 1))  # type: ignore[union-attr]
    threadpool_limits(wanted, user_api="openmp")
    return True
