"""Traits of the widget that are more than a plain value."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import traitlets
from numpy.typing import NDArray

from iseg_widget.clicks import Click
from iseg_widget.regions import Region

TOOLS = (
    "positive",
    "negative",
    "box",
    "scribble",
    "brush",
    "eraser",
    "lasso",
    "scissors",
    "polygon",
    "fill",
    "select",
)
"""What a press in the picture does; each has a tool of that name in the page."""


@dataclasses.dataclass(frozen=True)
class Done:
    """A value for ``method`` or ``options`` that is in force already, not a wish."""

    value: Any


class MaskTrait(traitlets.TraitType[Any, Any]):
    """The mask: not synced; reading it waits for the clicks that are under way.

    It is set as a region and unpacked when somebody looks: by reading it, or by observing it.
    """

    def get(self, obj: Any, cls: Any = None) -> Any:
        """Return the ``(H, W)`` bool mask."""
        obj._wait()  # noqa: SLF001 - the widget's own trait
        value = super().get(obj, cls)
        if isinstance(value, Region):
            value = obj._trait_values[self.name] = frozen(value.mask())  # noqa: SLF001
        return value

    def set(self, obj: Any, value: Any) -> None:
        """Set and tell. Whether the mask is another one is not looked at: it may be a large one."""
        before = obj._trait_values.get(self.name)  # noqa: SLF001
        obj._trait_values[self.name] = value  # noqa: SLF001
        if not self._observed(obj):
            return
        if isinstance(before, Region):
            before = frozen(before.mask())
        if isinstance(value, Region):
            value = obj._trait_values[self.name] = frozen(value.mask())  # noqa: SLF001
        obj._notify_trait(self.name, before, value)  # noqa: SLF001

    def _observed(self, obj: Any) -> bool:
        kinds: Any = obj._trait_notifiers  # noqa: SLF001 - traitlets has no public way to know
        everyone = (kinds.get(name, {}) for name in (self.name, traitlets.All))
        return any(one.get("change") or one.get(traitlets.All) for one in everyone)


def clicks_to_json(clicks: tuple[Click, ...], _: object) -> list[dict[str, Any]]:
    """Return clicks as they go to the page."""
    return [click.to_dict() for click in clicks]


def options_to_json(options: Any, _: object) -> dict[str, Any] | None:
    """Return an options dataclass as it goes to the page."""
    if not dataclasses.is_dataclass(options) or isinstance(options, type):
        return None
    plain = (bool, int, float, str, type(None), list, tuple)
    values = dataclasses.asdict(options)
    return {name: v if isinstance(v, plain) else str(v) for name, v in values.items()}


def frozen(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return a view that cannot be written through."""
    view = mask.view()
    view.flags.writeable = False
    return view
