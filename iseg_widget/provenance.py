"""What results came from: versions, options and weights, as runs and annotations record them."""

from __future__ import annotations

import dataclasses
import hashlib
import platform
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

PACKAGES = ("numpy", "opencv-python-headless", "pillow", "scipy", "torch")


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that results may depend on."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def plain_options(options: object) -> dict[str, Any]:
    """Return a method's options as JSON-able data, by field."""
    if dataclasses.is_dataclass(options) and not isinstance(options, type):
        found = {f.name: getattr(options, f.name) for f in dataclasses.fields(options)}
    elif isinstance(options, Mapping):
        found = {str(name): value for name, value in options.items()}
    else:
        found = {} if options is None else {"options": options}
    return {name: _plain(value) for name, value in found.items()}


def changed_options(options: object) -> tuple[str, ...]:
    """Return the names of a dataclass's fields that are not at their defaults."""
    if not dataclasses.is_dataclass(options) or isinstance(options, type):
        return ()
    changed = []
    for item in dataclasses.fields(options):
        default = item.default
        if item.default_factory is not dataclasses.MISSING:
            default = item.default_factory()
        if getattr(options, item.name) != default:
            changed.append(item.name)
    return tuple(changed)


def _plain(value: object) -> Any:
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [_plain(item) for item in value]
    return repr(value)


def names_fingerprint(names: Iterable[str]) -> str:
    """Return a short hash of sample names in order."""
    return hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]


def weights_fingerprint(method: object) -> str | None:
    """Return a short hash of a method's network (its ``state_dict``); ``None`` without one."""
    network = getattr(method, "network", None)
    if network is None or not hasattr(network, "state_dict"):
        return None
    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(name.encode())
        # By way of double: numpy does not know every type, such as bfloat16.
        digest.update(tensor.detach().cpu().double().numpy().tobytes())
    return digest.hexdigest()[:16]
