"""Which weights there are, where they come from, and how they become a network.

``registry.json`` holds one record per packaged file: it is the machine-readable model card.
``published.json`` lists what the methods' authors publish, which is not in the package.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from iseg_widget.weights.checkpoint import SUFFIXES

if TYPE_CHECKING:
    from torch import Tensor, nn

Weights = str | Path | Sequence[str | Path] | None
"""How users name weights: see :func:`load_network`."""

FOLDER = Path(str(resources.files("iseg_widget.weights")))
REGISTRY = FOLDER / "registry.json"
PUBLISHED = FOLDER / "published.json"


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


@dataclass(frozen=True)
class PublishedWeights:
    """One checkpoint that the authors of a method publish; it is not in the package.

    Attributes
    ----------
    name: what this package calls it; it is no file name.
    method: registry name of the method it belongs to.
    network: architecture, a key of :func:`networks`; ``None``: not built here.
    page: the authors' repository.
    url: the file, or the folder that holds it; ``None``: the authors released no weights.
    file: its name there; ``None``: unknown.
    licence: as the authors state it; ``None``: none stated.
    data: what it was trained on.
    sha256: ``None``: unknown. None is checked.
    """

    name: str
    method: str
    network: str | None
    page: str
    url: str | None
    file: str | None
    licence: str | None
    data: str
    sha256: str | None = None
    notes: str = ""

    @property
    def where(self) -> str:
        """Where to get it, in words."""
        if self.url is None:
            return f"its authors released no weights (code: {self.page})"
        name = "" if self.file is None or self.url.endswith(self.file) else f" ({self.file})"
        return f"{self.url}{name}, see {self.page}"


@cache
def list_published() -> tuple[PublishedWeights, ...]:
    """Return what is known of the checkpoints that the methods' authors publish."""
    return tuple(PublishedWeights(**entry) for entry in json.loads(PUBLISHED.read_text("utf-8")))


def networks() -> dict[str, Callable[[], nn.Module]]:
    """Return the architectures that weights may name, as constructors."""
    from iseg_widget.networks.fca_net import FCANetLite0, FCANetwork
    from iseg_widget.networks.focalclick import FocalClickLite0
    from iseg_widget.networks.focalclick_published import RELEASED
    from iseg_widget.networks.focuscut import FocusCutLite0, FocusCutNetwork
    from iseg_widget.networks.ia_fpn import CSFPNHRNet, IAFPNLite0, IAFPNPair
    from iseg_widget.networks.ia_fpn_deeplab import IAFPNDeepLab
    from iseg_widget.networks.ifcn import IFCNVGG16, IFCNLite0
    from iseg_widget.networks.ris_net import RISNetLite0, RISNetVGG16
    from iseg_widget.networks.ritm import RITM_RELEASED, RITMLite0

    return {
        "focalclick-lite0": FocalClickLite0,
        **RELEASED,
        "fcanet-lite0": FCANetLite0,
        "fcanet-resnet101": lambda: FCANetwork("resnet101"),
        "fcanet-res2net101": lambda: FCANetwork("res2net101"),
        "focuscut-lite0": FocusCutLite0,
        "focuscut-resnet50": lambda: FocusCutNetwork("resnet50"),
        "focuscut-resnet101": lambda: FocusCutNetwork("resnet101"),
        "iafpn-lite0": IAFPNLite0,
        "iafpn-hrnet18": lambda: IAFPNPair(CSFPNHRNet(), CSFPNHRNet()),
        "iafpn-resnet50": lambda: IAFPNPair(IAFPNDeepLab(50), IAFPNDeepLab(50)),
        "iafpn-resnet101": lambda: IAFPNPair(IAFPNDeepLab(101), IAFPNDeepLab(101)),
        "ritm-lite0": RITMLite0,
        **RITM_RELEASED,
        "ifcn-lite0": IFCNLite0,
        "ifcn-vgg16": IFCNVGG16,
        "risnet-lite0": RISNetLite0,
        "risnet-vgg16": RISNetVGG16,
    }


@dataclass(frozen=True)
class Published:
    """Checkpoints that the authors of a method publish.

    Attributes
    ----------
    source: where.
    load: reads one, from as many files as there are ``parts``.
    parts: what each file holds; one file has no name.
    """

    source: str
    load: Callable[..., nn.Module]
    parts: tuple[str, ...] = ("",)


def published(method: str) -> Published | None:
    """Return how the authors' checkpoints of a method are read; ``None`` when they are not."""
    from iseg_widget.weights import (
        official_fca_net,
        official_focalclick,
        official_focuscut,
        official_ia_fpn,
        official_ritm,
    )

    readers = {
        "focalclick": Published(official_focalclick.SOURCE, official_focalclick.load),
        "fca_net": Published(official_fca_net.SOURCE, official_fca_net.load),
        "focuscut": Published(official_focuscut.SOURCE, official_focuscut.load),
        "ia_fpn": Published(official_ia_fpn.SOURCE, official_ia_fpn.load, official_ia_fpn.PARTS),
        "ritm": Published(official_ritm.SOURCE, official_ritm.load),
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
    for entry in list_published():
        if entry.method == method and entry.name == name:
            raise ValueError(
                f"the weights {name!r} are not in the package: {entry.where}"
                + ("" if entry.url is None else "; download them and pass the path as weights=")
            )
    authors = published(method)
    if not records and name is None:
        instead = (
            "its authors publish none; train some and pass the path of the .safetensors file"
            if authors is None
            else f"download a checkpoint from {authors.source} and pass {_paths(authors)}"
        )
        raise ValueError(f"no weights for {method!r} come with this package: {instead} as weights=")
    accepted = ", ".join(repr(record.name) for record in records) or "none"
    raise ValueError(
        f"no weights {name!r} for {method!r}: accepted are the path of a .safetensors file"
        f"{_or_checkpoint(authors)} or the names of packaged weights ({accepted})"
    )


def _paths(authors: Published) -> str:
    """How a published checkpoint is to be named."""
    names = ", ".join(f"{part}.pth" for part in authors.parts)
    return "its path" if len(authors.parts) == 1 else f"the paths of its files, ({names}),"


def _or_checkpoint(authors: Published | None) -> str:
    return "" if authors is None else f", of a checkpoint from {authors.source},"


def _load_published(method: str, files: Sequence[str | Path]) -> nn.Module:
    """Read a published checkpoint; ``ValueError`` unless there are as many files as it has."""
    authors = published(method)
    given = ", ".join(str(file) for file in files) or "none"
    if authors is None:
        raise ValueError(f"published checkpoints of {method!r} are not read, got {given}")
    if len(files) != len(authors.parts):
        wanted = " and ".join(f"the {part} network's" for part in authors.parts if part)
        raise ValueError(
            f"a published checkpoint of {method!r} is {len(authors.parts)} file"
            f"{f's, {wanted}' if wanted else ''}: pass {_paths(authors)} as weights=, "
            f"got {len(files)} ({given})"
        )
    other = [str(file) for file in files if not str(file).endswith(SUFFIXES)]
    if other:
        raise ValueError(
            f"the files of a published checkpoint end with {' or '.join(SUFFIXES)}, got {other[0]}"
        )
    return authors.load(*(Path(file) for file in files))


def load_network(method: str, weights: Weights = None) -> nn.Module:
    """Build a method's network and load its weights.

    Parameters
    ----------
    method: registry name of the method.
    weights: name of packaged weights, path of a safetensors file that names its network in its
        metadata, or path of a checkpoint (``.pth``) as the method's authors publish it; ``None``
        takes the method's default. IA-FPN's published checkpoint is a pair of files, coarse and
        fine. Nothing in them tells which is which, so that a wrong order is not noticed.

    Raises
    ------
    ValueError: unknown name, missing or unreadable file, a file that would run code when read,
        wrong checksum, entries that do not fit the network, or another number of files than the
        method's published checkpoint has.
    TypeError: weights of another type.
    """
    if isinstance(weights, (tuple, list)):
        return _load_published(method, weights)
    if weights is not None and not isinstance(weights, (str, Path)):
        raise TypeError(
            f"weights must be a name, a path, a sequence of paths or None, got {weights!r}"
        )
    if weights is not None and str(weights).endswith(SUFFIXES):
        return _load_published(method, (weights,))
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
    """Write weights as fp16 safetensors; the metadata must name the ``network``.

    Entries with numbers beyond fp16's range stay as they are. The same weights and metadata give
    the same bytes; a file already there is replaced at once, never seen half written.
    """
    import torch
    from safetensors.torch import save

    if metadata.get("network") not in networks():
        raise ValueError(f"metadata must name a network of {sorted(networks())}, got {metadata}")
    largest = torch.finfo(torch.float16).max

    def narrow(value: Tensor) -> Tensor:
        fits = value.is_floating_point() and bool((value.abs() <= largest).all())
        return (value.to(torch.float16) if fits else value).contiguous()

    half = {key: narrow(value) for key, value in state.items()}
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_bytes(_sorted_header(save(half, metadata=dict(metadata))))
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _sorted_header(file: bytes) -> bytes:
    """Sort the JSON header of a safetensors file; the library's metadata come in any order."""
    start = 8
    end = start + int.from_bytes(file[:start], "little")
    header = json.loads(file[start:end])
    text = json.dumps(header, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    sorted_header = text.encode().ljust(end - start)
    if len(sorted_header) != end - start:
        raise RuntimeError("the header of the safetensors file cannot be sorted in place")
    return file[:start] + sorted_header + file[end:]


def record_dict(record: WeightsRecord) -> dict[str, Any]:
    """Return a record as it stands in ``registry.json``."""
    return dataclasses.asdict(record)
