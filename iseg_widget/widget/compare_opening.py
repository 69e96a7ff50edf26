"""What a comparison was made with, and how its panes get their methods and sessions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iseg_widget.protocol import Method
from iseg_widget.session import Session
from iseg_widget.widget.compare_panes import Mask, PaneSpec


@dataclass(frozen=True)
class Given:
    """What the widget was made with; masks are (H, W) bool, ``image`` (H, W, 3) uint8 RGB."""

    image: NDArray[np.uint8]
    panes: tuple[PaneSpec, ...]
    mask: Mask | None = None
    truth: Mask | None = None
    ignore: Mask | None = None
    weights: Mapping[str, Any] | None = None
    device: Any = "auto"


Load = Callable[..., Method]


def _load(name: str, **keywords: Any) -> Method:
    from iseg_widget.methods.registry import load_method

    return load_method(name, **keywords)


class Opener:
    """Opens a session for a pane; ``load`` is as :func:`iseg_widget.load_method`."""

    def __init__(self, given: Given, load: Load = _load) -> None:
        self._given = given
        self.load = load
        self._loaded: dict[str, Method] = {}

    def open(self, spec: PaneSpec) -> Session:
        """Return the pane's session before any click; raises what loading the method raises."""
        given = self._given
        method = self._method(spec)
        return Session(method, given.image, given.mask, given.truth, ignore=given.ignore)

    def _method(self, spec: PaneSpec) -> Method:
        if not isinstance(spec.method, str):
            return spec.method
        # Panes that differ in their options alone share the network.
        name = spec.method
        if name not in self._loaded:
            weights = (self._given.weights or {}).get(name)
            self._loaded[name] = self.load(name, weights=weights, device=self._given.device)
        if spec.options is None:
            return self._loaded[name]
        from iseg_widget.methods.registry import with_options

        return with_options(self._loaded[name], spec.options)
