"""``iseg-widget benchmark``: what a click costs, measured in one run on the machine at hand.

Absolute times belong to the machine; the ratios between rows of one run are what carries over.
Images are the packaged photographs, enlarged where a size asks for it, and clicks are placed by
the robot user, so every step is a real one. Each size runs in a process of its own, so that its
peak memory is its own.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

OBJECT = "coffee_cup"
CLICKS = 10
DEFAULT_SIZES = ((640, 480), (1280, 800), (4000, 3000))

_IMPORT_TIME = (
    "import sys, time; began = time.perf_counter(); import iseg_widget; "
    "print(time.perf_counter() - began, 'torch' in sys.modules)"
)


@dataclass(frozen=True)
class Row:
    """One measurement: ``value`` in ``unit``, and its ratio to the first row of its group."""

    group: str
    name: str
    value: float
    unit: str
    ratio: float | None = None


def measure_clicks(
    method: str, size: tuple[int, int], *, options: dict[str, Any], threads: int | None
) -> dict[str, float]:
    """Measure a session of :data:`CLICKS` robot clicks in this process.

    Parameters
    ----------
    method: registry name.
    size: (width, height) in pixels that the photograph is resized to.
    options: fields of the method's options.
    threads: PyTorch's threads; ``None`` leaves its default.

    Returns
    -------
    ``click_ms`` (median), ``overlay_bytes`` (largest packed mask), ``memory_mb`` (peak resident).
    """
    import resource

    import cv2
    import numpy as np
    import torch

    from iseg_widget.datasets.demo import sample
    from iseg_widget.evaluation.robot import next_click
    from iseg_widget.masks import PackedMask
    from iseg_widget.methods.registry import load_method
    from iseg_widget.session import Session

    if threads is not None:
        torch.set_num_threads(threads)
        cv2.setNumThreads(threads)
    image, truth = sample(OBJECT)
    image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_LINEAR), dtype=np.uint8)
    enlarged = cv2.resize(truth.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    truth = np.asarray(enlarged) > 0
    loaded = load_method(method, options=options, device="cpu")
    Session(loaded, image).click(size[0] / 2, size[1] / 2)  # the first pass of a network is slow
    session = Session(loaded, image)
    largest = 0
    for _ in range(CLICKS):
        click = next_click(session.mask, truth, session.clicks)
        step = session.click(click.x, click.y, click.positive)
        largest = max(largest, len(PackedMask.pack(step.mask).data))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "click_ms": 1000 * statistics.median(step.seconds for step in session.steps),
        "overlay_bytes": float(largest),
        "memory_mb": peak / (1024 if sys.platform != "darwin" else 1024**2),
    }


def _in_process(call: Sequence[Any]) -> dict[str, float]:
    """Run :func:`measure_clicks` in a fresh process."""
    code = (
        "import json, sys; from iseg_widget.benchmark import measure_clicks; "
        "method, size, options, threads = json.loads(sys.argv[1]); "
        "print(json.dumps(measure_clicks(method, tuple(size), options=options, threads=threads)))"
    )
    done = subprocess.run(  # noqa: S603 (our own interpreter)
        [sys.executable, "-c", code, json.dumps(call)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"the benchmark's process failed: {done.stderr.strip()[-2000:]}")
    result: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return result


def import_rows() -> list[Row]:
    """Measure ``import iseg_widget`` in fresh processes: the median of three."""
    times = []
    for _ in range(3):
        done = subprocess.run(  # noqa: S603 (our own interpreter)
            [sys.executable, "-c", _IMPORT_TIME], capture_output=True, text=True, check=True
        )
        times.append(float(done.stdout.split()[0]))
    return [Row("import", "import iseg_widget", 1000 * statistics.median(times), "ms")]


def run_benchmark(
    method: str = "focalclick",
    *,
    sizes: Sequence[tuple[int, int]] = DEFAULT_SIZES,
    versions: Sequence[str] = ("S2", "S1"),
    threads: int | None = None,
) -> list[Row]:
    """Measure clicks, overlay size and memory for every image size and version.

    Returns rows in groups; each group's ratios refer to its first row.
    """
    rows = import_rows()
    measured: dict[str, list[tuple[str, float, str]]] = {}
    for version in versions:
        for width, height in sizes:
            name = f"{method} {version}, {width} x {height}"
            result = _in_process((method, (width, height), {"version": version}, threads))
            for key, value in result.items():
                label, unit = key.rsplit("_", 1)
                measured.setdefault(label, []).append((name, value, unit))
    for group, entries in measured.items():
        reference = entries[0][1]
        rows += [Row(group, n, v, u, v / reference) for n, v, u in entries]
    return rows


def format_rows(rows: Sequence[Row]) -> str:
    """Return the rows as a table in plain text."""
    lines = []
    for row in rows:
        ratio = "" if row.ratio is None else f"{row.ratio:8.2f} x"
        lines.append(f"{row.group:<10}{row.name:<36}{row.value:>12.1f} {row.unit:<6}{ratio}")
    return "\n".join(lines)


def to_records(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return the rows as JSON-able records."""
    return [asdict(row) for row in rows]
