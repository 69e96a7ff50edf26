"""``iseg-widget benchmark``: what a click costs, measured in one run on the machine at hand.

Absolute times belong to the machine; the ratios between rows of one run are what carries over.
Images are the packaged photographs, enlarged where a size asks for it, and clicks are placed by
the robot user, so every step is a real one. Each size runs in a process of its own, so that its
peak memory is its own.

Beside the packaged weights, every architecture that the registry names can be measured, with random
weights: they answer nonsense at the speed of trained ones.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

    from iseg_widget.protocol import Method
    from iseg_widget.session import Session

OBJECT = "coffee_cup"
CLICKS = 10
DEFAULT_SIZES = ((640, 480), (1280, 800), (4000, 3000))

NETWORK_SIZE = (640, 480)
NETWORK_CLICKS = 6
REFERENCE = "ResNet-50 at 512 x 512"
"""What the machine needs for a fixed network, nothing folded; measured beside every other one."""

VARIANTS: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "focuscut": {"": {}, "fast": {"fast": True}, "refocus new": {"refocus": "new"}},
}
"""Options that change what a click costs, by method and by the name they get in a row."""

PUBLISHED_SECONDS: Mapping[str, Mapping[str, float]] = {
    "fcanet-resnet101": {"click 1": 1.12, "clicks 2 to 6": 1.12, "click 6": 1.12},
    "focuscut-resnet50": {"click 1": 0.41, "click 6": 5.60},
    "focuscut-resnet50, fast": {"click 1": 0.41, "click 6": 5.57},
    "focalclick-segformer-b0-s1": {"clicks 2 to 6": 0.026},
    "focalclick-segformer-b0-s2": {"clicks 2 to 6": 0.071},
    "focalclick-hrnet-18s-s2": {"clicks 2 to 6": 0.081},
    "ritm-hrnet18s": {"click 1": 0.72, "clicks 2 to 6": 0.23},
    "ritm-hrnet32": {"click 1": 1.86, "clicks 2 to 6": 0.61},
}
"""Seconds of the authors' code at 640 x 480: on two idle cores of another machine, so that a ratio
to them says nothing exact."""

_IMPORT_TIME = (
    "import sys, time; began = time.perf_counter(); import iseg_widget; "
    "print(time.perf_counter() - began, 'torch' in sys.modules)"
)


@dataclass(frozen=True)
class Row:
    """One measurement: ``value`` in ``unit``, and its ratio to the first row of its group.

    Of networks the ratio is the one to :data:`REFERENCE`, and ``published`` that to
    :data:`PUBLISHED_SECONDS` where there is one.
    """

    group: str
    name: str
    value: float
    unit: str
    ratio: float | None = None
    published: float | None = None


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
    from iseg_widget.masks import PackedMask
    from iseg_widget.methods.registry import load_method

    _set_threads(threads)
    image, truth = _photograph(size)
    session = _clicked(load_method(method, options=options, device="cpu"), image, truth, CLICKS)
    return {
        "click_ms": 1000 * statistics.median(step.seconds for step in session.steps),
        "overlay_bytes": float(max(len(PackedMask.pack(s.mask).data) for s in session.steps)),
        "memory_mb": _peak_memory(),
    }


def measure_network(
    method: str,
    network: str | None,
    size: tuple[int, int],
    *,
    options: dict[str, Any],
    threads: int | None,
    repeat: int = 3,
) -> dict[str, float]:
    """Measure sessions of :data:`NETWORK_CLICKS` robot clicks in this process.

    Parameters
    ----------
    method: registry name.
    network: architecture, a key of :func:`iseg_widget.weights.registry.networks`, which gets random
        weights; ``None``: the method needs no weights, or has packaged ones.
    size, options, threads: as of :func:`measure_clicks`.
    repeat: sessions; times are medians over them.

    Returns
    -------
    Seconds of ``click 1``, ``clicks 2 to 6`` (median), ``click 6``, of the ``reference`` (measured
    before every session), and ``memory`` in MB (peak resident).
    """
    import torch

    from iseg_widget.methods.registry import load_method

    _set_threads(threads)
    image, truth = _photograph(size)
    if network is None:
        loaded = load_method(method, options=options, device="cpu")
    else:
        loaded = random_method(method, network, image, options)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        fixed, picture = _reference_network(), torch.rand(1, 3, 512, 512)
    references, seconds = [], []
    for _ in range(repeat):
        for _ in range(2):  # the first pass warms up
            began = time.perf_counter()
            with torch.inference_mode():
                fixed(picture)
            reference = time.perf_counter() - began
        references.append(reference)
        session = _clicked(loaded, image, truth, NETWORK_CLICKS)
        seconds.append([step.seconds for step in session.steps])
    clicks = [statistics.median(times) for times in zip(*seconds, strict=True)]
    return {
        "click 1": clicks[0],
        "clicks 2 to 6": statistics.median(clicks[1:]),
        "click 6": clicks[-1],
        "reference": statistics.median(references),
        "memory": _peak_memory(),
    }


def random_method(
    method: str, network: str, image: Any, options: Mapping[str, Any] | None = None
) -> Method:
    """Build a method around an architecture with random weights, the same in every run.

    Normalisations get the statistics of a first click on ``image`` ``(H, W, 3)``, without which
    the signal fades and masks are all object or all background.
    """
    import torch
    from torch import nn

    from iseg_widget.methods.registry import build_method
    from iseg_widget.networks.inference import prepare
    from iseg_widget.session import Session
    from iseg_widget.weights.registry import networks

    with torch.random.fork_rng():
        torch.manual_seed(0)
        built = networks()[network]().eval().requires_grad_(requires_grad=False)
    hooks = [
        module.register_forward_pre_hook(_take_statistics)
        for module in built.modules()
        if isinstance(module, nn.BatchNorm2d)
    ]
    session = Session(build_method(method, built, options), image)
    session.click(image.shape[1] / 2, image.shape[0] / 2)
    for hook in hooks:
        hook.remove()
    return build_method(method, prepare(built, torch.device("cpu")), options)


def _take_statistics(norm: nn.Module, inputs: tuple[Any, ...]) -> None:
    """Give a normalisation the mean and variance of what it is about to see."""
    values = inputs[0].transpose(0, 1).flatten(1)
    norm.get_buffer("running_mean").copy_(values.mean(1))
    if values.shape[1] > 1:
        norm.get_buffer("running_var").copy_(values.var(1).clamp_(min=1e-3))


def _reference_network() -> nn.Module:
    from iseg_widget.networks.resnet import BLOCKS, ResNet, stages

    return ResNet(stages(BLOCKS[50], output_stride=32, multi_grid=None), in_channels=3).eval()


def _set_threads(threads: int | None) -> None:
    if threads is not None:
        import cv2
        import torch

        torch.set_num_threads(threads)
        cv2.setNumThreads(threads)


def _photograph(size: tuple[int, int]) -> tuple[Any, Any]:
    """Return the photograph and the object's mask at ``size`` (width, height)."""
    import cv2
    import numpy as np

    from iseg_widget.datasets.demo import sample

    image, truth = sample(OBJECT)
    image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_LINEAR), dtype=np.uint8)
    enlarged = cv2.resize(truth.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    return image, np.asarray(enlarged) > 0


def _clicked(method: Method, image: Any, truth: Any, count: int) -> Session:
    """Return a session after ``count`` robot clicks."""
    from iseg_widget.evaluation.robot import next_click
    from iseg_widget.session import Session

    # The first pass of a network is slow.
    Session(method, image).click(image.shape[1] / 2, image.shape[0] / 2)
    session = Session(method, image)
    for _ in range(count):
        click = next_click(session.mask, truth, session.clicks)
        session.click(click.x, click.y, click.positive)
    return session


def _peak_memory() -> float:
    """Peak resident memory of this process in MB."""
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 if sys.platform != "darwin" else 1024**2)


def _in_process(
    function: str, *arguments: Any, module: str = __name__, **keywords: Any
) -> dict[str, float]:
    """Run a function of a module (default: this one) in a fresh process."""
    code = (
        "import importlib, json, sys; "
        "module, name, arguments, keywords = json.loads(sys.argv[1]); "
        "function = getattr(importlib.import_module(module), name); "
        "print(json.dumps(function(*arguments, **keywords)))"
    )
    call = json.dumps([module, function, arguments, keywords])
    done = subprocess.run(  # noqa: S603 (our own interpreter)
        [sys.executable, "-c", code, call], capture_output=True, text=True, check=False
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
            result = _in_process(
                "measure_clicks",
                method,
                (width, height),
                options={"version": version},
                threads=threads,
            )
            for key, value in result.items():
                label, unit = key.rsplit("_", 1)
                measured.setdefault(label, []).append((name, value, unit))
    for group, entries in measured.items():
        reference = entries[0][1]
        rows += [Row(group, n, v, u, v / reference) for n, v, u in entries]
    return rows


def architectures(
    methods: Sequence[str] | None = None, *, published: bool = False
) -> tuple[tuple[str, str | None], ...]:
    """Return pairs of a method and one of its architectures, in the registries' order.

    A method without any is paired with ``None``, if it can be loaded without a file.

    Parameters
    ----------
    methods: registry names; ``None``: all.
    published: only architectures of which checkpoints are published.

    Raises
    ------
    ValueError: an unknown method.
    """
    from iseg_widget.methods import registry
    from iseg_widget.weights.registry import list_published, networks

    known = {entry.network for entry in list_published()}
    pairs: list[tuple[str, str | None]] = []
    for method in registry.list_methods() if methods is None else methods:
        registry.method_title(method)
        # Names of networks begin with their method's.
        prefix = method.replace("_", "") + "-"
        mine = [name for name in networks() if name.startswith(prefix)]
        if mine:
            pairs += [(method, name) for name in mine if name in known or not published]
        elif not published and method in registry.list_methods(loadable=True):
            pairs.append((method, None))
    return tuple(pairs)


def run_network_benchmark(
    methods: Sequence[str] | None = None,
    *,
    published: bool = False,
    size: tuple[int, int] = NETWORK_SIZE,
    threads: int | None = None,
    repeat: int = 3,
) -> list[Row]:
    """Measure a click of every architecture; see :func:`measure_network`, :func:`architectures`.

    Ratios refer to the reference as it was measured beside each architecture, so that other work
    on the machine disturbs them less than the seconds.
    """
    groups: dict[str, list[Row]] = {}
    references = []
    for method, network in architectures(methods, published=published):
        for variant, options in VARIANTS.get(method, {"": {}}).items():
            name = (network or method) + (f", {variant}" if variant else "")
            result = _in_process(
                "measure_network",
                method,
                network,
                size,
                options=dict(options),
                threads=threads,
                repeat=repeat,
            )
            memory, reference = result.pop("memory"), result.pop("reference")
            references.append(reference)
            for group, seconds in result.items():
                theirs = PUBLISHED_SECONDS.get(name, {}).get(group)
                ratio = None if theirs is None or size != NETWORK_SIZE else seconds / theirs
                row = Row(group, name, seconds, "s", seconds / reference, ratio)
                groups.setdefault(group, []).append(row)
            groups.setdefault("memory", []).append(Row("memory", name, memory, "MB"))
    first = [Row("reference", REFERENCE, statistics.median(references), "s")] if references else []
    return first + [row for rows in groups.values() for row in rows]


def format_rows(rows: Sequence[Row]) -> str:
    """Return the rows as a table in plain text."""
    lines = []
    for row in rows:
        ratio = "" if row.ratio is None else f"{row.ratio:8.2f} x"
        published = "" if row.published is None else f"{row.published:8.2f} x published"
        digits = 3 if row.unit == "s" else 1
        value = f"{row.value:>12.{digits}f} {row.unit:<6}"
        lines.append(f"{row.group:<14}{row.name:<36}{value}{ratio}{published}".rstrip())
    return "\n".join(lines)


def to_records(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return the rows as JSON-able records."""
    return [asdict(row) for row in rows]
