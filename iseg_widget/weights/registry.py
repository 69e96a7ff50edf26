"""Which weights there are, where they come from, and how they become a network.

``registry.json`` holds one record per file: it is the machine-readable model card.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from iseg_widget.weights.checkpoint import SUFFIXES

if TYPE_CHECKING:
    from torch import Tensor, nn

FOLDER = Path(str(resources.files("iseg_widget.weights")))
REGISTRY = FOLDER / "registry.json"


@dataclass(frozen=True)
class WeightsRecord:
    """One set of weights.

    Attributes
    ----------
    name: how users ask for it, e.g. ``"focalclick-lite0"``.
    method: registry name of the method it belongs to.
    network: architecture, a key of :func:`networks`.
    file: file name in this folder.
    sha256: of that file.
    licence, source, data, recipe, commit: where it comes from.
    scores: measured results, ``{data set: {measure: value}}``.
    """

    name: str
    method: str
    network: str
    file: str
    sha256: str
    licence: str
    source: str
    data: str
    recipe: str
    commit: str
    scores: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    notes: str = ""

    @property
    def path(self) -> Path:
        """Where the file lies."""
        return FOLDER / self.file


@cache
def _records() -> tuple[WeightsRecord, ...]:
    if not REGISTRY.is_file():
        return ()
    return tuple(WeightsRecord(**entry) for entry in json.loads(REGISTRY.read_text("utf-8")))


def list_weights() -> tuple[WeightsRecord, ...]:
    """Return the records of all known weights."""
    return _records()


def networks() -> dict[str, Callable[[], nn.Module]]:
    """Return the architectures that weights may name, as constructors."""
    from iseg_widget.networks.fca_net import FCANetwork
    from iseg_widget.networks.focalclick import FocalClickLite0
    from iseg_widget.networks.focalclick_published import RELEASED
    from iseg_widget.networks.focuscut import FocusCutNetwork
    from iseg_widget.networks.ris_net import RISNetLite0, RISNetVGG16

    return {
        "focalclick-lite0": FocalClickLite0,
        **RELEASED,
        "fcanet-resnet101": lambda: FCANetwork("resnet101"),
        "fcanet-res2net101": lambda: FCANetwork("res2net101"),
        "focuscut-resnet50": lambda: FocusCutNetwork("resnet50"),
        "focuscut-resnet101": lambda: FocusCutNetwork("resnet101"),
        "risnet-lite0": RISNetLite0,
        "risnet-vgg16": RISNetVGG16,
    }


@dataclass(frozen=True)
class Published:
    """Checkpoints that the authors of a method publish: where, and how to read one."""

    source: str
    load: Callable[[Path], nn.Module]


def published(method: str) -> Published | None:
    """Return how the authors' checkpoints of a method are read; ``None`` when they are not."""
    from iseg_widget.weights import official_fca_net, official_focalclick, official_focuscut

    readers = {
        "focalclick": Published(official_focalclick.SOURCE, official_focalclick.load),
        "fca_net": Published(official_fca_net.SOURCE, official_fca_net.load),
        "focuscut": Published(official_focuscut.SOURCE, official_focuscut.load),
    }
    return readers.get(method)


def has_weights(method: str) -> bool:
    """Whether a method can be loaded without naming a file."""
    return any(record.method == method and record.path.is_file() for record in list_weights())


def file_sha256(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def load_state(network: nn.Module, state: Mapping[str, Tensor], origin: str) -> None:
    """Load ``state`` strictly; ``ValueError`` names missing, unknown and misshapen entries."""
    expected = network.state_dict()
    missing = sorted(set(expected) - set(state))
    unknown = sorted(set(state) - set(expected))
    shapes = sorted(k for k in set(state) & set(expected) if state[k].shape != expected[k].shape)
    problems = [
        f"{len(keys)} {kind} (e.g. {keys[0]})"
        for kind, keys in (("missing", missing), ("unknown", unknown), ("of another shape", shapes))
        if keys
    ]
    if problems:
        raise ValueError(f"{origin} does not fit {type(network).__name__}: {', '.join(problems)}")
    network.load_state_dict(dict(state))


def read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read a safetensors file: tensors, floating ones as float32, and its metadata."""
    import torch
    from safetensors import SafetensorError, safe_open

    state: dict[str, Any] = {}
    try:
        with safe_open(path, framework="pt") as file:
            metadata = dict(file.metadata() or {})
            for key in file.keys():  # noqa: SIM118 (not a dict)
                tensor = file.get_tensor(key)
                state[key] = tensor.to(torch.float32) if tensor.is_floating_point() else tensor
    except (SafetensorError, OSError) as error:
        raise ValueError(f"cannot read weights from {path}: {error}") from error
    return state, metadata


def find_record(method: str, name: str | None) -> WeightsRecord:
    """Return the record ``name`` of a method, or the method's first without a name."""
    records = [record for record in list_weights() if record.method == method]
    for record in records:
        if name is None or record.name == name:
            return record
    authors = published(method)
    if not records and name is None and authors is not None:
        raise ValueError(
            f"no weights for {method!r} come with this package: download a checkpoint from "
            f"{authors.source} and pass its path as weights="
        )
    accepted = ", ".join(repr(record.name) for record in records) or "none"
    raise ValueError(
        f"no weights {name!r} for {method!r}: accepted are the path of a .safetensors file"
        f"{_or_checkpoint(authors)} or the names of packaged weights ({accepted})"
    )


def _or_checkpoint(authors: Published | None) -> str:
    return "" if authors is None else f", of a checkpoint from {authors.source},"


def load_network(method: str, weights: str | Path | None = None) -> nn.Module:
    """Build a method's network and load its weights.

    Parameters
    ----------
    method: registry name of the method.
    weights: name of packaged weights, path of a safetensors file that names its network in its
        metadata, or path of a checkpoint (``.pth``) as the method's authors publish it; ``None``
        takes the method's default.

    Raises
    ------
    ValueError: unknown name, missing or unreadable file, a file that would run code when read,
        wrong checksum, or entries that do not fit the network.
    """
    if weights is not None and str(weights).endswith(SUFFIXES):
        authors = published(method)
        if authors is None:
            raise ValueError(f"published checkpoints of {method!r} are not read, got {weights}")
        return authors.load(Path(weights))
    record: WeightsRecord | None = None
    if weights is not None and str(weights).endswith(".safetensors"):
        path = Path(weights)
        if not path.is_file():
            raise ValueError(f"no weights file at {path}")
    else:
        record = find_record(method, None if weights is None else str(weights))
        path = record.path
        if not path.is_file():
            raise ValueError(f"the weights {record.name!r} belong in {path}, which is not there")
        found = file_sha256(path)
        if found != record.sha256:
            raise ValueError(
                f"{path} is damaged or was changed: its SHA-256 is {found}, "
                f"the registry says {record.sha256}"
            )
    state, metadata = read_safetensors(path)
    architecture = record.network if record else metadata.get("network", "")
    # Names of networks begin with their method's.
    prefix = method.replace("_", "") + "-"
    available = {name: build for name, build in networks().items() if name.startswith(prefix)}
    if architecture not in available:
        raise ValueError(
            f"{path} names the network {architecture!r} in its metadata; for {method!r} "
            f"accepted are {', '.join(available)}"
        )
    network = available[architecture]()
    load_state(network, state, str(path))
    return network


def export(state: Mapping[str, Tensor], path: Path, metadata: Mapping[str, str]) -> None:
    """Write weights as fp16 safetensors; the metadata must name the ``network``."""
    import torch
    from safetensors.torch import save_file

    if metadata.get("network") not in networks():
        raise ValueError(f"metadata must name a network of {sorted(networks())}, got {metadata}")
    half = {
        key: (value.to(torch.float16) if value.is_floating_point() else value).contiguous()
        for key, value in state.items()
    }
    save_file(half, path, metadata=dict(metadata))


def record_dict(record: WeightsRecord) -> dict[str, Any]:
    """Return a record as it stands in ``registry.json``."""
    return dataclasses.asdict(record)
