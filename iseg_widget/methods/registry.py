"""Names of methods, and how they are built."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from iseg_widget.protocol import Method
    from iseg_widget.weights.registry import Weights


@dataclasses.dataclass(frozen=True)
class _Kind:
    """A method: its options class and its constructor, imported when first needed.

    ``family`` is the method whose weights it works with; its own unless given.
    """

    title: str
    load: Callable[[], tuple[type[Any], type[Any]]]
    family: str | None = None


def _focalclick() -> tuple[type[Any], type[Any]]:
    from iseg_widget.methods.focalclick import FocalClick, FocalClickOptions

    return FocalClick, FocalClickOptions


def _fca_net() -> tuple[type[Any], type[Any]]:
    from iseg_widget.methods.fca_net import FCANet, FCANetOptions

    return FCANet, FCANetOptions


def _focuscut() -> tuple[type[Any], type[Any]]:
    from iseg_widget.methods.focuscut import FocusCut, FocusCutOptions

    return FocusCut, FocusCutOptions


def _ia_fpn() -> tuple[type[Any], type[Any]]:
    from iseg_widget.methods.ia_fpn import IAFPN, IAFPNOptions

    return IAFPN, IAFPNOptions


def _ritm() -> tuple[type[Any], type[Any]]:
    from iseg_widget.methods.ritm import RITM, RITMOptions

    return RITM, RITMOptions


def _brs() -> tuple[type[Any], type[Any]]:
    from iseg_widget.methods.brs import BRS, BRSOptions

    return BRS, BRSOptions


def _f_brs() -> tuple[type[Any], type[Any]]:
    from iseg_widget.methods.brs import FBRS, FBRSOptions

    return FBRS, FBRSOptions


def _ifcn() -> tuple[type[Any], type[Any]]:
    from iseg_widget.methods.ifcn import IFCN, IFCNOptions

    return IFCN, IFCNOptions


def _ris_net() -> tuple[type[Any], type[Any]]:
    from iseg_widget.methods.ris_net import RISNet, RISNetOptions

    return RISNet, RISNetOptions


_METHODS: dict[str, _Kind] = {
    "ris_net": _Kind("RIS-Net (ICCV 2017)", _ris_net),
    "fca_net": _Kind("FCA-Net (CVPR 2020)", _fca_net),
    "focuscut": _Kind("FocusCut (CVPR 2022)", _focuscut),
    "focalclick": _Kind("FocalClick (CVPR 2022)", _focalclick),
    "ia_fpn": _Kind("IA-FPN (2022)", _ia_fpn),
    "ritm": _Kind("RITM (ICIP 2022)", _ritm),
    "ifcn": _Kind("iFCN (CVPR 2016)", _ifcn),
    "brs": _Kind("BRS (CVPR 2019)", _brs, family="ritm"),
    "f_brs": _Kind("f-BRS (CVPR 2020)", _f_brs, family="ritm"),
}


def list_methods(*, loadable: bool = False) -> tuple[str, ...]:
    """Return the names that :func:`load_method` accepts.

    With ``loadable``, only those that need no weights file from elsewhere.
    """
    if not loadable:
        return tuple(_METHODS)
    from iseg_widget.weights.registry import has_weights

    return tuple(name for name in _METHODS if has_weights(weights_family(name)))


def method_title(name: str) -> str:
    """Return a method's title for people, e.g. ``"FocalClick (CVPR 2022)"``."""
    return _kind(name).title


def _kind(name: str) -> _Kind:
    if name not in _METHODS:
        raise ValueError(f"unknown method {name!r}; accepted are {', '.join(_METHODS)}")
    return _METHODS[name]


def weights_family(name: str) -> str:
    """Return the method whose weights a method works with, e.g. ``"ritm"`` for ``"f_brs"``."""
    return _kind(name).family or name


def options_class(name: str) -> type[Any]:
    """Return the options dataclass of a method."""
    return _kind(name).load()[1]


def build_options(name: str, options: Mapping[str, Any] | object | None) -> Any:
    """Return options as the method's dataclass.

    ``options`` may be that dataclass, a mapping of its fields, or ``None`` for the defaults.
    Raises ``ValueError`` naming unknown fields, ``TypeError`` for other objects.
    """
    cls = options_class(name)
    if options is None:
        return cls()
    if isinstance(options, cls):
        return options
    if isinstance(options, Mapping):
        fields = {field.name for field in dataclasses.fields(cls)}
        unknown = sorted(set(options) - fields)
        if unknown:
            raise ValueError(
                f"unknown option {', '.join(unknown)} for {name}; accepted are "
                f"{', '.join(sorted(fields))}"
            )
        return cls(**options)
    raise TypeError(
        f"options for {name} must be {cls.__name__} or a mapping, got {type(options).__name__}"
    )


def load_method(
    name: str,
    *,
    weights: Weights = None,
    options: Mapping[str, Any] | object | None = None,
    device: str | torch.device = "auto",
    compat: bool = False,
) -> Method:
    """Build a method with its weights, ready to answer clicks.

    Parameters
    ----------
    name: one of :func:`list_methods`.
    weights: name of packaged weights, or path of a safetensors file or of a checkpoint (``.pth``)
        as the method's authors publish it; default: the packaged ones. BRS and f-BRS take those
        of RITM. For IA-FPN's published pair ``("coarse.pth", "fine.pth")``; a wrong order is not
        noticed.
    options: the method's options dataclass, or a mapping of its fields.
    device: ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:N"`` or ``"mps"``.
    compat: set the option of that name: follow the published code's slips as well.

    Raises
    ------
    ValueError: unknown method, option, weights or device; for a method without packaged weights,
        where its authors publish theirs.
    """
    cls, _ = _kind(name).load()
    settings = build_options(name, options)
    if compat:
        settings = dataclasses.replace(settings, compat=True)
    from iseg_widget.networks.inference import choose_device, prepare
    from iseg_widget.weights.registry import load_network

    chosen = choose_device(device)
    network = load_network(weights_family(name), weights)
    method: Method = cls(prepare(network, chosen), settings)
    return method


def build_method(
    name: str, network: Any, options: Mapping[str, Any] | object | None = None
) -> Method:
    """Build a method around a network of its own, in evaluation mode and on its device."""
    cls, _ = _kind(name).load()
    method: Method = cls(network, build_options(name, options))
    return method


def with_options(method: Method, options: Mapping[str, Any] | object) -> Method:
    """Return the same method (network shared) under other options."""
    cls, _ = _kind(method.name).load()
    changed: Method = cls(method.network, build_options(method.name, options))  # type: ignore[attr-defined]
    return changed
