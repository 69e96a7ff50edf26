"""A slow evaluation in a process of its own, to be killed: ``python kill_me.py OUT WORKERS``."""

from __future__ import annotations

import sys

from iseg_widget.evaluation.runner import evaluate
from tests.evaluation.crowd import Crowd, SlowDisk

if __name__ == "__main__":
    out, workers = sys.argv[1], int(sys.argv[2])
    evaluate(SlowDisk(), Crowd(30), 5, out=out, workers=workers, progress=False)
